//! Which file a command means, and the bytes that go to the guard.
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::wire::MAX_BLOB;
use crate::{Command, SpawnError};

/// What execvp takes when there is no PATH.
const USUAL_PATH: &str = "/bin:/usr/bin";

/// A command with its program found, and everything checked that can be checked here.
pub struct Prepared {
    pub program: PathBuf,
    /// Path, arguments (the first is the command's own name), variables: each ended by a zero byte.
    pub blob: Vec<u8>,
    pub arguments: u32,
    pub variables: u32,
}

pub fn prepare(command: &Command) -> Result<Prepared, SpawnError> {
    let environment = command.environment();
    let program = find(&command.program, environment.get(OsStr::new("PATH")))?;
    let mut blob = Vec::new();
    push(&mut blob, program.as_os_str())?;
    push(&mut blob, &command.program)?;
    for arg in &command.args {
        push(&mut blob, arg)?;
    }
    for (name, value) in &environment {
        // The standard library lets a name begin with an equals sign, and so may what the host was given.
        if name.is_empty() || name.as_bytes()[1..].contains(&b'=') {
            return Err(SpawnError::Malformed(name.clone()));
        }
        let mut variable = name.clone();
        variable.push("=");
        variable.push(value);
        push(&mut blob, &variable)?;
    }
    let too_long = SpawnError::TooLong { bytes: blob.len(), limit: MAX_BLOB };
    if blob.len() > MAX_BLOB {
        return Err(too_long);
    }
    match (u32::try_from(command.args.len() + 1), u32::try_from(environment.len())) {
        (Ok(arguments), Ok(variables)) => Ok(Prepared { program, blob, arguments, variables }),
        _ => Err(too_long),
    }
}

fn push(blob: &mut Vec<u8>, text: &OsStr) -> Result<(), SpawnError> {
    if text.as_bytes().contains(&0) {
        return Err(SpawnError::Malformed(text.to_owned()));
    }
    blob.extend_from_slice(text.as_bytes());
    blob.push(0);
    Ok(())
}

fn find(program: &OsStr, path: Option<&OsString>) -> Result<PathBuf, SpawnError> {
    let missing = |searched| SpawnError::NotFound { program: program.to_owned(), searched };
    if program.as_bytes().contains(&b'/') {
        let absolute = std::path::absolute(program).map_err(SpawnError::Host)?;
        // What is there and cannot be executed is told by the system, which knows why.
        return if absolute.exists() { Ok(absolute) } else { Err(missing(None)) };
    }
    let path = path.cloned().unwrap_or_else(|| USUAL_PATH.into());
    if program.is_empty() || program == "." || program == ".." {
        return Err(missing(Some(path)));
    }
    let places: Vec<PathBuf> = std::env::split_paths(&path).map(|folder| folder.join(program)).collect();
    let found = places.iter().find(|place| is_program(place)).or_else(|| places.iter().find(|place| place.is_file()));
    match found {
        Some(place) => std::path::absolute(place).map_err(SpawnError::Host),
        None => Err(missing(Some(path))),
    }
}

fn is_program(place: &Path) -> bool {
    place.is_file() && access(place, Access::EXEC_OK).is_ok()
}
