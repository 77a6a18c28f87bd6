//! What a file is read in: variables, the files that are there, the kinds of sources and sinks.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::kinds::Kinds;
use crate::sink::SinkSpec;
use crate::source::SourceSpec;

/// What reading a file may look at besides the file.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// A variable of the environment, by its name.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether there is a file: asked for libraries.
    pub is_file: &'a dyn Fn(&Path) -> bool,
    /// The kinds of sources and sinks that TOML files may name.
    pub kinds: &'a Kinds,
    /// What a pipeline in the line format begins and ends with.
    pub ends: &'a Ends,
}

impl<'a> Surroundings<'a> {
    /// Those of this process: its environment, its working folder.
    #[must_use]
    pub fn of_process(kinds: &'a Kinds, ends: &'a Ends) -> Self {
        Surroundings { environment: &variable, is_file: &is_file, kinds, ends }
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// What a pipeline in the line format begins and ends with: the format has words for neither.
#[derive(Clone, Debug)]
pub struct Ends {
    /// Where its records come from. Its kind is its name.
    pub source: Arc<dyn SourceSpec>,
    /// Where they go to.
    pub sink: Arc<dyn SinkSpec>,
}
