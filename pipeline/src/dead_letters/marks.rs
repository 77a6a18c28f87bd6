//! Numbered files that say what has become of letters: there as a whole, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::letter_error::LetterError;
use super::line;
use super::standing::{Damage, lines, number_of};
use crate::disk::Disk;

/// The folder of letters that are sent again.
pub(super) const REDRIVE: &str = "redrive";
/// The folder of what was thrown away.
pub(super) const PURGED: &str = "purged";

/// Digits of a number in a name, at least.
pub(super) const DIGITS: usize = 10;

pub(super) fn mark_file(state: &Path, kind: &str, number: u64) -> PathBuf {
    state.join(kind).join(format!("{number:0DIGITS$}.jsonl"))
}

/// The numbers of a folder's files, in their order.
pub(super) fn numbers(disk: &dyn Disk, state: &Path, kind: &str) -> io::Result<Vec<u64>> {
    let found = disk.list(&state.join(kind))?;
    let mut numbers: Vec<u64> = found.iter().filter_map(|path| number_of(path, DIGITS)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[derive(Deserialize)]
struct Mark {
    id: u64,
}

/// The letters that a file names.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub(super) ids: BTreeSet<u64>,
    /// The sources from which they are sent again.
    pub(super) sources: BTreeSet<String>,
}

/// What the files of a folder say.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) files: BTreeMap<u64, Marked>,
    pub(super) damage: Vec<Damage>,
}

impl Marks {
    pub(super) fn read(disk: &dyn Disk, state: &Path, kind: &str) -> Result<Self, LetterError> {
        let folder = state.join(kind);
        let broken = |path: &Path, source| LetterError::Disk { action: "read", path: path.to_owned(), source };
        let mut marks = Marks::default();
        for number in numbers(disk, state, kind).map_err(|error| broken(&folder, error))? {
            let path = mark_file(state, kind, number);
            let text = match disk.read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(broken(&path, error)),
            };
            let marked = marks.files.entry(number).or_default();
            for (nth, line) in lines(&text) {
                // What the source cannot send has not been sent: both read it in the same way.
                let found = line.and_then(|line| match kind {
                    REDRIVE => line::decode(line).map(|(id, letter)| (id, Some(letter.source))),
                    _ => {
                        let mark = serde_json::from_slice::<Mark>(line).map_err(|error| error.to_string());
                        mark.map(|mark| (mark.id, None))
                    }
                });
                match found {
                    Ok((id, source)) => {
                        marked.ids.insert(id);
                        marked.sources.extend(source);
                    }
                    Err(what) => marks.damage.push(Damage { path: path.clone(), line: Some(nth), what }),
                }
            }
        }
        Ok(marks)
    }

    /// The highest of all ids.
    pub(super) fn highest(&self) -> Option<u64> {
        self.files.values().filter_map(|marked| marked.ids.last()).copied().max()
    }
}

/// Letters that were asked for in a life whose checkpoint is gone are not sent again: they came from sources that begin anew.
/// Their files stay beside, for people.
pub(super) fn leave_redrives(disk: &dyn Disk, state: &Path) -> Result<(), LetterError> {
    let folder = state.join(REDRIVE);
    let failed = |action: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| LetterError::Disk { action, path, source }
    };
    let left = numbers(disk, state, REDRIVE).map_err(failed("list", &folder))?;
    if left.is_empty() {
        return Ok(());
    }
    let mut taken = disk.list(&folder).map_err(failed("list", &folder))?;
    for number in left {
        let path = mark_file(state, REDRIVE, number);
        // Those of a life before that one may have the same numbers.
        let mut names = (number..).map(|free| mark_file(state, REDRIVE, free).with_extension("jsonl.left"));
        let Some(name) = names.find(|name| !taken.contains(name)) else { break };
        tracing::warn!(target: "proscenium::pipeline", "{} has no checkpoint; it is now called {}", path.display(), name.display());
        disk.rename(&path, &name).map_err(failed("rename", &path))?;
        taken.push(name);
    }
    disk.sync_folder(&folder).map_err(failed("sync", &folder))
}

/// Makes a file with the next number; its rename is what counts. Returns the number.
pub(super) fn commit(disk: &dyn Disk, state: &Path, kind: &str, text: &[u8]) -> Result<u64, LetterError> {
    let folder = state.join(kind);
    let failed = |action: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| LetterError::Disk { action, path, source }
    };
    disk.make_folder(&folder).map_err(failed("make", &folder))?;
    disk.sync_folder(state).map_err(failed("sync", state))?;
    let last = numbers(disk, state, kind).map_err(failed("list", &folder))?.pop();
    let number = last.map_or(0, |last| last.saturating_add(1));
    let path = mark_file(state, kind, number);
    let draft = folder.join("next.new");
    let mut file = disk.append(&draft, 0).map_err(failed("make", &draft))?;
    file.write(text).map_err(failed("write", &draft))?;
    file.sync().map_err(failed("sync", &draft))?;
    drop(file);
    disk.rename(&draft, &path).map_err(failed("make", &path))?;
    disk.sync_folder(&folder).map_err(failed("sync", &folder))?;
    Ok(number)
}
