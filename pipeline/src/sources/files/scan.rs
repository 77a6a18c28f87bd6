//! Which files there are. Everything here blocks.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Files;
use super::tracked::Identity;
use crate::trouble::Trouble;

/// A file that fits the pattern.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) identity: Identity,
    pub(super) len: u64,
    /// Opened when it was found, if it is to be followed.
    pub(super) file: Option<Arc<File>>,
}

pub(super) fn identity(metadata: &Metadata) -> Identity {
    Identity { device: metadata.dev(), inode: metadata.ino() }
}

/// The files that fit, by their names. Those that are to be followed are opened, but for the known ones.
pub(super) fn find(files: &Files, known: &HashSet<Identity>) -> Result<Vec<Found>, Trouble> {
    let mut found = Vec::new();
    for path in paths(files)? {
        if let Some(file) = look_at(&path, files, known)? {
            found.push(file);
        }
        if found.len() > files.most() {
            return Err(Trouble::lasting(format_args!(
                "more than {} files fit `{}`; all of them stand in every checkpoint: raise `most_files`, or divide them \
                 among sources",
                files.most(),
                files.pattern
            )));
        }
    }
    Ok(found)
}

fn paths(files: &Files) -> Result<Vec<PathBuf>, Trouble> {
    if !files.is_glob {
        return Ok(vec![PathBuf::from(&files.pattern)]);
    }
    let found = glob::glob(&files.pattern).map_err(|error| {
        let column = error.pos + 1;
        Trouble::lasting(format_args!("the pattern `{}` is wrong at column {column}: {}", files.pattern, error.msg))
    })?;
    let mut paths = Vec::new();
    for path in found {
        match path {
            Ok(path) => paths.push(path),
            // Removed while it was looked into.
            Err(error) if error.error().kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(unreadable(&error.path().display().to_string(), error.error())),
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn look_at(path: &Path, files: &Files, known: &HashSet<Identity>) -> Result<Option<Found>, Trouble> {
    let Some(text) = path.to_str() else {
        let path = path.display();
        return Err(Trouble::lasting(format_args!("the name of {path} is not UTF-8, and a position is: rename it")));
    };
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(text, &error)),
    };
    if !metadata.is_file() {
        return match files.is_glob {
            true => Ok(None),
            false => Err(Trouble::lasting(format_args!(
                "{text} is no file; all files of a folder are `{text}/*`, and a pipe is read as standard input"
            ))),
        };
    }
    let mut found = Found { path: text.to_owned(), identity: identity(&metadata), len: metadata.len(), file: None };
    if files.follow && !known.contains(&found.identity) {
        let Some((file, metadata)) = open(text)? else { return Ok(None) };
        // Another file may have taken the name since.
        (found.identity, found.len) = (identity(&metadata), metadata.len());
        found.file = Some(Arc::new(file));
    }
    Ok(Some(found))
}

/// None: it is gone.
pub(super) fn open(path: &str) -> Result<Option<(File, Metadata)>, Trouble> {
    match File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// A file that was `path`, under the name that it has now in the same folder.
pub(super) fn renamed(path: &str, inode: u64) -> Result<Option<Found>, Trouble> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&folder.display().to_string(), &error)),
    };
    for entry in entries.flatten() {
        let is_it = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.ino() == inode);
        let path = entry.path();
        let Some(path) = path.to_str().filter(|_| is_it) else { continue };
        if let Some((file, metadata)) = open(path)?
            && metadata.ino() == inode
        {
            let (identity, len) = (identity(&metadata), metadata.len());
            return Ok(Some(Found { path: path.to_owned(), identity, len, file: Some(Arc::new(file)) }));
        }
    }
    Ok(None)
}

pub(super) fn unreadable(path: &str, error: &io::Error) -> Trouble {
    Trouble::passing(format_args!("cannot read {path}: {error}; it is tried again, from where it was read to"))
}
