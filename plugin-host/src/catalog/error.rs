//! Why a catalog did not do what it was asked to.

use std::fmt;
use std::path::PathBuf;

use proscenium_plugin_runner::parameters::{Misfits, NoSchema};
use proscenium_runtime::Exit;
use proscenium_supervision::SupervisorError;

use super::catalog_core::{Failure, NoChoice};
use crate::start_error::StartError;
use crate::swap::SwapError;

/// Why a plugin was not started, changed or ended. What ran goes on as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum CatalogError {
    /// No library in the folders has this name.
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        names: Vec<String>,
    },
    /// All libraries of this name have failed before, the newest for this reason.
    Failed {
        /// The newest.
        library: PathBuf,
        /// Why, and when.
        failure: Failure,
    },
    /// It runs.
    Enabled(String),
    /// It does not run.
    NotEnabled(String),
    /// What the library says of its parameters is no schema.
    Schema {
        /// The library.
        library: PathBuf,
        /// Why.
        error: NoSchema,
    },
    /// The parameters do not fit. Nothing was started.
    Params {
        /// The library.
        library: PathBuf,
        /// Which, and what would fit.
        misfits: Misfits,
    },
    /// It did not start.
    Start {
        /// The library.
        library: PathBuf,
        /// Why.
        exit: Exit,
    },
    /// It was not swapped.
    Swap(SwapError),
    /// The supervisor has refused.
    Supervisor(SupervisorError),
}

impl CatalogError {
    pub(crate) fn of(name: &str, none: NoChoice) -> Self {
        match none {
            NoChoice::Unknown(names) => CatalogError::Unknown { name: name.to_owned(), names },
            NoChoice::Failed(library, failure) => CatalogError::Failed { library, failure },
        }
    }
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogError::Unknown { name, names } => {
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                write!(f, "no library is called `{name}`; there are {names}; scan again if it is new")
            }
            CatalogError::Failed { library, failure } => write!(
                f,
                "{}: it has failed before, and is not tried again until it is another file or is forgiven: {}",
                library.display(),
                failure.why
            ),
            CatalogError::Enabled(name) => write!(f, "`{name}` is enabled; change its parameters, or upgrade it"),
            CatalogError::NotEnabled(name) => write!(f, "`{name}` is not enabled; enable it"),
            CatalogError::Schema { library, error } => write!(f, "{}: {error}", library.display()),
            CatalogError::Params { library, misfits } => {
                write!(f, "{}: the parameters do not fit: {misfits}", library.display())
            }
            CatalogError::Start { library, exit } => match StartError::of(exit) {
                Some(error @ StartError::Library(_)) => error.fmt(f), // It names the file.
                Some(error) => write!(f, "{}: {error}", library.display()),
                None => write!(f, "{}: {exit}", library.display()),
            },
            CatalogError::Swap(error) => error.fmt(f),
            CatalogError::Supervisor(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CatalogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CatalogError::Schema { error, .. } => Some(error),
            CatalogError::Params { misfits, .. } => Some(misfits),
            CatalogError::Swap(error) => Some(error),
            CatalogError::Supervisor(error) => Some(error),
            _ => None,
        }
    }
}
