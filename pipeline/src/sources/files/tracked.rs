//! One file: how far it has been read, and the words for that in a position.

use std::fs::File;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::headers::Headers;
use crate::sources::line_core::LineCore;
use crate::trouble::Trouble;

/// Looks without growth before a file that has lost its name is let go: a second.
const PATIENCE: u32 = 10;

/// A file on its device: renaming does not change it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// How far a file has been read, in a position.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) path: String,
    pub(super) inode: u64,
    /// Where the next line begins.
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
    /// It was read to its end.
    pub(super) done: bool,
}

#[derive(Serialize, Deserialize)]
struct Position {
    files: Vec<Mark>,
}

/// # Errors
/// It is no position of such a source.
pub(super) fn marks(from: Option<&Value>) -> Result<Vec<Mark>, Trouble> {
    let Some(from) = from else { return Ok(Vec::new()) };
    let position = Position::deserialize(from).map_err(|error| {
        Trouble::lasting(format_args!(
            "the checkpoint's position is none of files ({error}): if the source was another before, give it a new name"
        ))
    })?;
    Ok(position.files)
}

pub(super) fn position<'a>(files: impl Iterator<Item = &'a Tracked>) -> Value {
    let files: Vec<Mark> = files.filter_map(Tracked::mark).collect();
    serde_json::to_value(Position { files }).unwrap_or_default()
}

/// A file that is being read, has been, or will be.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) path: String,
    pub(super) identity: Identity,
    pub(super) core: LineCore,
    /// Open while it is read; always, if it is followed.
    pub(super) file: Option<Arc<File>>,
    /// There was nothing behind what has been read.
    pub(super) at_end: bool,
    /// Followed: it has another name than before, or none, and what it had then has not all been read.
    pub(super) has_moved: bool,
    /// Followed: it has lost its name, and has not grown for so many looks.
    pub(super) gone: Option<u32>,
    /// The header of its records.
    pub(super) header: Vec<u8>,
}

/// What a look at a followed file has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// Nothing new.
    Same,
    /// There is more to read.
    More,
    /// It is shorter than what was read of it: it begins anew.
    Cut,
    /// It lost its name and does not grow any more.
    Over,
}

impl Tracked {
    pub(super) fn new(path: String, identity: Identity, core: LineCore) -> Self {
        let header = header(&path);
        Tracked { path, identity, core, file: None, at_end: false, has_moved: false, gone: None, header }
    }

    /// It has this name now, or none.
    pub(super) fn name(&mut self, path: Option<&str>) {
        match path {
            Some(path) if path == self.path => (),
            Some(path) => (self.path, self.header, self.has_moved) = (path.to_owned(), header(path), true),
            None => self.has_moved |= self.gone.is_none(),
        }
    }

    /// There is nothing behind what has been read of it.
    pub(super) fn is_at_end(&mut self) {
        (self.at_end, self.has_moved) = (true, false);
    }

    /// Decides what a look means: whether it has its name, and how long it is.
    pub(super) fn look(&mut self, is_there: bool, len: u64) -> Look {
        let has_more = len > self.core.next_byte();
        self.gone = (!is_there).then(|| if has_more { 0 } else { self.gone.map_or(0, |looks| looks + 1) });
        if len < self.core.next_byte() {
            return Look::Cut;
        }
        match self.gone {
            _ if has_more => Look::More,
            Some(looks) if looks >= PATIENCE => Look::Over,
            _ => Look::Same,
        }
    }

    fn mark(&self) -> Option<Mark> {
        let done = self.at_end && !self.core.is_within_line();
        (done || self.core.offset() > 0).then(|| Mark {
            path: self.path.clone(),
            inode: self.identity.inode,
            offset: self.core.offset(),
            line: self.core.lines(),
            done,
        })
    }
}

fn header(path: &str) -> Vec<u8> {
    Headers::encode(&[("file", path.as_bytes())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_look_means() {
        let rows = [
            // Whether it has its name, its length, what that means. Four bytes have been read.
            (true, 4, Look::Same),
            (true, 9, Look::More),
            (true, 3, Look::Cut),
            (false, 4, Look::Same),
            (false, 9, Look::More),
        ];
        for (row, (is_there, len, want)) in rows.into_iter().enumerate() {
            let mut file = Tracked::new("a".into(), Identity { device: 1, inode: 1 }, LineCore::at(10, 4, 1));
            assert_eq!(file.look(is_there, len), want, "row {row}");
        }
    }

    #[test]
    fn a_file_without_a_name_is_over_when_it_has_not_grown_for_a_second() {
        let mut file = Tracked::new("a".into(), Identity { device: 1, inode: 1 }, LineCore::at(10, 4, 1));
        for _ in 0..5 {
            assert_eq!(file.look(false, 4), Look::Same);
        }
        assert_eq!(file.look(false, 5), Look::More, "somebody still writes into it");
        for _ in 0..PATIENCE - 1 {
            assert_eq!(file.look(false, 4), Look::Same);
        }
        assert_eq!(file.look(true, 4), Look::Same, "it has a name again");
        for _ in 0..PATIENCE {
            assert_eq!(file.look(false, 4), Look::Same);
        }
        assert_eq!(file.look(false, 4), Look::Over);
    }
}
