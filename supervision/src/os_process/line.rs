//! A line that a process has written, or a piece of one.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use proscenium_process::Ending;

/// Where a line was written to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stream {
    /// What the process has to say.
    Stdout,
    /// What it complains of.
    Stderr,
}

/// A line that a process has written, as bytes, or a piece of one that was longer than the limit.
///
/// Cloning it does not copy the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) ending: Ending,
    pub(crate) stream: Stream,
    pub(crate) pid: u32,
}

impl Line {
    /// What was written, without the newline.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same as text, with U+FFFD for what is no UTF-8. A cut may go through the middle of a character.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// What stands behind it.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Where it was written to.
    #[must_use]
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// The process that has written it: after a restart another one.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({:?}, {:?}, {:?} of {})", self.text(), self.ending, self.stream, self.pid)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        })
    }
}
