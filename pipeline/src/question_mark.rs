//! Errors of pipelines where a program's `?` gives the runtime's error.

use proscenium_runtime::Error;

use crate::conductor::ControlError;
use crate::config::Diagnostics;
use crate::launch::StartError;

macro_rules! above {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Error::Above(Box::new(error))
            }
        })*
    };
}

above!(ControlError, Diagnostics, StartError);
