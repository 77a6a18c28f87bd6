//! Lines of files, in their order, from where they were last read.

mod reader;
mod scan;
mod tracked;

use std::path::PathBuf;

use serde_json::Value;

use crate::sinks::RollingFiles;
use crate::source::{Source, SourceSpec};
use crate::sources::format::{Format, format_methods, format_of_file, format_of_spec};

/// Files that are held open at most, when they are followed.
const MOST_FOLLOWED: usize = 512;
/// Files at most, when they are read to their ends.
const MOST: usize = 10_000;

/// The lines of files: one file, or all whose names fit a pattern, in the order of their names.
///
/// A record's id is the number of its line, its header `file` the file's path. The position is, for each file, how far it
/// has been read, so a pipeline with a state folder goes on at the line where it stopped, whatever has happened to it.
/// A file is known by its path; one that is [followed](Files::follow) by its inode. One that has grown since it was read to
/// its end is read on from there at the next start.
///
/// **Bounds**: 256 KiB for a block, the largest record, and the list of the files: 10,000, or 512 that are followed
/// ([`most_files`](Files::most_files)).
/// **Errors**: no file, too many of them, one that is gone or has become shorter before it was read to its end: the
/// pipeline stops and says so. One that cannot be read is tried again.
#[derive(Clone, Debug)]
pub struct Files {
    pattern: String,
    is_glob: bool,
    follow: bool,
    most: Option<usize>,
    format: Format,
}

impl Files {
    /// All files whose paths fit a pattern: `*` and `?` within a name, `[a-z]`, `**` for folders at any depth.
    pub fn glob(pattern: impl Into<String>) -> Self {
        Files { pattern: pattern.into(), is_glob: true, follow: false, most: None, format: Format::default() }
    }

    /// One file.
    pub fn at(path: impl Into<String>) -> Self {
        Files { is_glob: false, ..Files::glob(path) }
    }

    /// The other end: the sink that writes files into this folder, one after the other.
    ///
    /// ```
    /// use proscenium_pipeline::{RollingFiles, sources::Files};
    ///
    /// let sink: RollingFiles = Files::rolling("out/").prefix("orders").roll_bytes(64 << 20);
    /// ```
    pub fn rolling(folder: impl Into<PathBuf>) -> RollingFiles {
        RollingFiles::new(folder)
    }

    /// There is no end: waits for lines that are added and for files that come to be, and looks for them every 100 ms.
    ///
    /// A file that is given another name or removed (log rotation) stays open until it has not grown for a second, and
    /// its rest is read before the file that took its name. One that has become shorter is read from its beginning; one
    /// that was cut and has grown beyond its old length within 100 ms cannot be told from one that has grown.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Files at most. Default: 10,000; 512 with [`follow`](Files::follow), which holds them open. All of them stand in
    /// the position, and so in every checkpoint.
    #[must_use]
    pub fn most_files(mut self, files: usize) -> Self {
        self.most = Some(files);
        self
    }

    format_methods!();

    format_of_file!();

    fn most(&self) -> usize {
        self.most.unwrap_or(if self.follow { MOST_FOLLOWED } else { MOST })
    }
}

impl SourceSpec for Files {
    fn kind(&self) -> &'static str {
        "files"
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(reader::Reader::new(self.clone()))
    }

    fn replays(&self) -> bool {
        true
    }

    format_of_spec!();

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        let mut settings = vec![(if self.is_glob { "glob" } else { "path" }, self.pattern.as_str().into())];
        settings.extend(self.follow.then(|| ("follow", true.into())));
        settings.extend(self.most.map(|files| ("most_files", files.into())));
        settings.extend(self.format.settings());
        Some(settings)
    }
}
