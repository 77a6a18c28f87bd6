//! Errors of plugins where a program's `?` gives the runtime's error.

use proscenium_runtime::Error;

use crate::catalog::{CatalogError, FolderError};
use crate::measure::MeasureError;
use crate::plugin_ref::ProcessError;
use crate::start_error::StartError;
use crate::swap::SwapError;

macro_rules! above {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Error::Above(Box::new(error))
            }
        })*
    };
}

above!(CatalogError, FolderError, MeasureError, ProcessError, StartError, SwapError);
