//! A library in a folder of the host's own, where nobody changes it under a process that has it loaded.
//!
//! **Promises**: what is hashed is what is loaded, at each start and replay, whatever becomes of the file that it was
//! copied from; the library finds its siblings beside it (`$ORIGIN`). When nothing has changed, the copy before serves; a file
//! that is the same as in that one is shared with it, on disk and in memory: nobody ever writes to either.
//! **Bounds**: [`MOST_BYTES`] and [`MOST_FILES`] for the library with its siblings.
//! **Left behind**: nothing when the copy is dropped; when the host is killed, a folder that the next host on this machine
//! removes, for [`SWEEP`] at most, and the one after it what is left.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::{Digest, Sha256};

use crate::elf::{self, HEAD, NoLibrary};
use crate::own_folder::OwnFolder;
use crate::removal;

/// Of the library and its siblings together.
pub const MOST_BYTES: u64 = 256 << 20;
/// The same, counted.
pub const MOST_FILES: usize = 64;

/// Read at once.
const CHUNK: usize = 64 << 10;
/// How long a host's first start may take over folders that others have left.
const SWEEP: Duration = Duration::from_millis(500);
const PREFIX: &str = "proscenium-plugin-";
/// Held open, and locked, by the host that the folder belongs to.
const LOCK: &str = ".host";

/// The SHA-256 of a library.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a plain file, of [`MOST_BYTES`] at most. It reads the file: not on a runtime's worker.
    pub(crate) fn of(path: &Path) -> Result<Fingerprint, LibraryError> {
        let (file, len) = open(path)?;
        if len > MOST_BYTES {
            return Err(LibraryError::TooMuch { folder: path.parent().unwrap_or(Path::new(".")).to_owned() });
        }
        read_whole(&file, len, path, |_| Ok(()))
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_bytes(bytes: [u8; 32]) -> Self {
        Fingerprint(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a library cannot be taken. Nothing was started.
#[derive(Debug)]
#[non_exhaustive]
pub enum LibraryError {
    /// It cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    NotAFile {
        /// What it is called.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It is a file, and no library of this machine.
    NoLibrary {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NoLibrary,
    },
    /// It has too many siblings, or they are too large.
    TooMuch {
        /// Its folder.
        folder: PathBuf,
    },
    /// The private folder cannot be made.
    Write {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LibraryError::Read { path, source } => write!(f, "{}: {source}", path.display()),
            LibraryError::NotAFile { path, what } => {
                write!(f, "{}: it is {what}; name the shared library itself", path.display())
            }
            LibraryError::NoLibrary { path, source } => write!(f, "{}: {source}", path.display()),
            LibraryError::TooMuch { folder } => write!(
                f,
                "{}: more than {MOST_FILES} libraries or {} MiB; put the plugin and what it needs into a folder of its own",
                folder.display(),
                MOST_BYTES >> 20
            ),
            LibraryError::Write { folder, source } => {
                write!(
                    f,
                    "{}: no private copy of the library: {source}; set TMPDIR to a folder with room",
                    folder.display()
                )
            }
        }
    }
}

impl std::error::Error for LibraryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LibraryError::Read { source, .. } | LibraryError::Write { source, .. } => Some(source),
            LibraryError::NoLibrary { source, .. } => Some(source),
            LibraryError::NotAFile { .. } | LibraryError::TooMuch { .. } => None,
        }
    }
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    _own: OwnFolder,
}

impl Folder {
    fn make() -> io::Result<Folder> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let all = std::env::temp_dir();
        if MADE.fetch_add(1, Ordering::Relaxed) == 0 {
            remove_abandoned(&all, Instant::now() + SWEEP);
        }
        loop {
            let nth = MADE.fetch_add(1, Ordering::Relaxed);
            let path = all.join(format!("{PREFIX}{}-{nth}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path.join(LOCK))?;
                    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
                    // Locked as long as the host lives.
                    return Ok(Folder { _own: OwnFolder::new(path.clone(), "a private copy", lock), path });
                }
            }
        }
    }
}

/// Folders whose hosts were killed: their locks are free.
fn remove_abandoned(all: &Path, until: Instant) {
    let Ok(entries) = fs::read_dir(all) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        let Ok(lock) =
            OpenOptions::new().write(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(entry.path().join(LOCK))
        else {
            // Another user's, or one that is just being made, if not its host was killed at that.
            if is_unfinished(&entry.path()) {
                let _ = removal::remove(&entry.path(), until);
            }
            continue;
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = abandon(&entry.path(), until); // Another host may be at it, too.
        }
    }
}

/// The lock goes last: what is left of a folder whose removal takes too long is still known by it.
fn abandon(folder: &Path, until: Instant) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.file_name() != LOCK) {
        removal::remove(&entry.path(), until)?;
    }
    removal::remove(folder, until)
}

/// Made by a process that is gone before it had locked it.
fn is_unfinished(folder: &Path) -> bool {
    let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let host = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
    let is_locked = fs::symlink_metadata(folder.join(LOCK)).is_ok();
    host.is_some_and(|host| !is_locked && !Path::new(&format!("/proc/{host}")).exists())
}

/// What a file of a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Copied {
    len: u64,
    fingerprint: Fingerprint,
}

/// A library as it was when it was copied, with its siblings.
#[derive(Debug)]
pub(crate) struct PrivateCopy {
    /// Where the user has it.
    pub(crate) source: PathBuf,
    pub(crate) fingerprint: Fingerprint,
    /// Where it is loaded from.
    pub(crate) library: PathBuf,
    /// By their names.
    files: BTreeMap<OsString, Copied>,
    folder: Folder,
}

impl PrivateCopy {
    /// It reads and writes files: not on a runtime's worker. What is the same in `before` is not written again, and if all of
    /// it is the same, so is the copy.
    pub(crate) fn take(source: &Path, before: Option<&Arc<PrivateCopy>>) -> Result<Arc<PrivateCopy>, LibraryError> {
        match before.filter(|before| before.is_of(source)) {
            Some(same) => Ok(same.clone()),
            None => PrivateCopy::make(source, before.map(|before| &**before)).map(Arc::new),
        }
    }

    /// Whether the library and its siblings are as they were when they were copied, and the copies are there: somebody may tidy
    /// up where they lie.
    fn is_of(&self, source: &Path) -> bool {
        let Some(name) = source.file_name().filter(|_| self.source == source) else { return false };
        let siblings = siblings(source.parent().unwrap_or(Path::new(".")), name);
        let is_same = |path: &Path| {
            let copied = path.file_name().and_then(|name| Some((self.files.get(name)?, name)));
            let (Some((copied, name)), Ok((file, len))) = (copied, open(path)) else { return false };
            let here = fs::metadata(self.library_folder().join(name));
            len == copied.len
                && here.is_ok_and(|here| here.len() == len)
                && read_whole(&file, len, path, |_| Ok(())).is_ok_and(|now| now == copied.fingerprint)
        };
        siblings.len() + 1 == self.files.len() && is_same(source) && siblings.iter().all(|sibling| is_same(sibling))
    }

    fn make(source: &Path, before: Option<&PrivateCopy>) -> Result<PrivateCopy, LibraryError> {
        let (mut file, len) = open(source)?;
        let read = |source_error| LibraryError::Read { path: source.to_owned(), source: source_error };
        let name = source.file_name().ok_or_else(|| read(io::ErrorKind::InvalidInput.into()))?;
        let mut head = Vec::with_capacity(HEAD);
        (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(read)?;
        elf::check(&head, len).map_err(|why| LibraryError::NoLibrary { path: source.to_owned(), source: why })?;

        let folder =
            Folder::make().map_err(|error| LibraryError::Write { folder: std::env::temp_dir(), source: error })?;
        let write = |source| LibraryError::Write { folder: folder.path.clone(), source };
        let libraries = folder.path.join("lib");
        DirBuilder::new().mode(0o700).create(&libraries).map_err(write)?;
        let user = source.parent().unwrap_or(Path::new("."));
        let mut copying = Copying { bytes: MOST_BYTES, folder: user, to: &libraries, before, files: BTreeMap::new() };
        let fingerprint = copying.copy(file, len, source, name)?;
        for sibling in siblings(user, name) {
            // One that cannot be read may not be needed; the loader says so if it is.
            if let (Ok((file, len)), Some(name)) = (open(&sibling), sibling.file_name()) {
                copying.copy(file, len, &sibling, name)?;
            }
        }
        let Copying { files, .. } = copying;
        fs::set_permissions(&libraries, Permissions::from_mode(0o500)).map_err(write)?;
        let library = libraries.join(name);
        Ok(PrivateCopy { source: source.to_owned(), fingerprint, library, files, folder })
    }

    /// Nobody else's: what belongs to the copy is in it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// The folder with the library and its siblings.
    pub(crate) fn library_folder(&self) -> PathBuf {
        self.folder.path.join("lib")
    }
}

/// A plain file, and its length. A pipe in its place is not waited for.
fn open(path: &Path) -> Result<(File, u64), LibraryError> {
    let read = |source| LibraryError::Read { path: path.to_owned(), source };
    let not_a_file = |what| LibraryError::NotAFile { path: path.to_owned(), what };
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(read)?;
    let metadata = file.metadata().map_err(read)?;
    match metadata.file_type() {
        kind if kind.is_file() => Ok((file, metadata.len())),
        kind if kind.is_dir() => Err(not_a_file("a folder")),
        kind if kind.is_fifo() => Err(not_a_file("a pipe")),
        kind if kind.is_char_device() || kind.is_block_device() => Err(not_a_file("a device")),
        _ => Err(not_a_file("no file")),
    }
}

/// Shared libraries beside this one: `libx.so`, `libx.so.1`.
fn siblings(folder: &Path, name: &OsStr) -> Vec<PathBuf> {
    let is_library = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.ends_with(".so") || name.contains(".so.")
    };
    let entries = fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let entries = entries.into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != name && is_library(&entry.file_name()))
        .map(|entry| entry.path())
        .collect()
}

/// A copy that is being made.
struct Copying<'a> {
    /// How many more there may be.
    bytes: u64,
    /// Where the user has them.
    folder: &'a Path,
    to: &'a Path,
    before: Option<&'a PrivateCopy>,
    files: BTreeMap<OsString, Copied>,
}

impl Copying<'_> {
    fn copy(&mut self, from: File, len: u64, path: &Path, name: &OsStr) -> Result<Fingerprint, LibraryError> {
        let too_much = || LibraryError::TooMuch { folder: self.folder.to_owned() };
        self.bytes = self.bytes.checked_sub(len).ok_or_else(too_much)?;
        if self.files.len() >= MOST_FILES {
            return Err(too_much());
        }
        let to = self.to.join(name);
        let fingerprint = match self.shared(&from, len, path, name)? {
            Some(fingerprint) => fingerprint,
            None => written(&from, len, path, &to)?,
        };
        self.files.insert(name.to_owned(), Copied { len, fingerprint });
        Ok(fingerprint)
    }

    /// The file of the copy before, if it is the same.
    fn shared(&self, from: &File, len: u64, path: &Path, name: &OsStr) -> Result<Option<Fingerprint>, LibraryError> {
        let Some(before) = self.before else { return Ok(None) };
        let Some(copied) = before.files.get(name).filter(|copied| copied.len == len) else { return Ok(None) };
        let fingerprint = read_whole(from, len, path, |_| Ok(()))?;
        // Where there are no links, there is a copy.
        let is_shared = fingerprint == copied.fingerprint
            && fs::hard_link(before.library_folder().join(name), self.to.join(name)).is_ok();
        Ok(is_shared.then_some(fingerprint))
    }
}

fn written(from: &File, len: u64, path: &Path, to: &Path) -> Result<Fingerprint, LibraryError> {
    let write = |source| LibraryError::Write { folder: to.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o500).open(to).map_err(write)?;
    read_whole(from, len, path, |chunk| file.write_all(chunk).map_err(write))
}

/// From its beginning, for so many bytes: one that grows meanwhile is cut where it was.
fn read_whole(
    mut from: &File,
    len: u64,
    path: &Path,
    mut each: impl FnMut(&[u8]) -> Result<(), LibraryError>,
) -> Result<Fingerprint, LibraryError> {
    let read = |source| LibraryError::Read { path: path.to_owned(), source };
    from.rewind().map_err(read)?;
    let (mut from, mut hash, mut chunk) = (from.take(len), Sha256::new(), vec![0; CHUNK]);
    loop {
        match from.read(&mut chunk).map_err(read)? {
            0 => return Ok(Fingerprint(hash.finalize().into())),
            read => {
                hash.update(&chunk[..read]);
                each(&chunk[..read])?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_hosts_that_are_gone_are_removed_and_no_others() {
        let all = std::env::temp_dir().join(format!("proscenium-abandoned-{}", std::process::id()));
        let folder = |host: u32, nth: u32| all.join(format!("{PREFIX}{host}-{nth}"));
        // No process has this number: it is above the highest that there can be.
        let (gone, own) = (u32::MAX, std::process::id());
        let [unlocked, locked, making, held] = [folder(gone, 0), folder(gone, 1), folder(own, 2), folder(own, 3)];
        let other = all.join("proscenium-other");
        for path in [&unlocked, &locked, &making, &held, &other] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(locked.join(LOCK), "").unwrap();
        let deep = locked.join("work-0/a/b/c");
        fs::create_dir_all(&deep).unwrap();
        let lock = File::create(held.join(LOCK)).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        remove_abandoned(&all, Instant::now());
        assert!(deep.exists(), "it would take too long");
        remove_abandoned(&all, Instant::now() + removal::LIMIT);
        let left = [&unlocked, &locked, &making, &held, &other].map(|path| path.exists());
        fs::remove_dir_all(&all).unwrap();
        assert_eq!(left, [false, false, true, true, true]);
    }

    /// Of what the loader would take for a library no more than its head.
    fn library(path: &Path, text: &str) {
        let mut bytes = Vec::with_capacity(HEAD);
        File::open(std::env::current_exe().unwrap()).unwrap().take(HEAD as u64).read_to_end(&mut bytes).unwrap();
        bytes[32..48].fill(0); // It has no tables.
        bytes[54..62].fill(0);
        bytes.extend(text.as_bytes());
        fs::write(path, bytes).unwrap();
    }

    /// Catches a link to the user's own file, one to a file that has changed since in its bytes alone, and one that goes with
    /// the copy before.
    #[test]
    fn what_is_the_same_as_before_is_shared_and_what_is_not_is_copied() {
        use std::os::unix::fs::MetadataExt;
        let user = std::env::temp_dir().join(format!("proscenium-copies-{}", std::process::id()));
        fs::create_dir_all(&user).unwrap();
        let source = user.join("liba.so");
        library(&source, "one");
        fs::write(user.join("same.so"), "same").unwrap();
        fs::write(user.join("other.so"), "before").unwrap();
        let inode = |copy: &PrivateCopy, name: &str| fs::metadata(copy.library_folder().join(name)).unwrap().ino();
        let text = |copy: &PrivateCopy, name: &str| fs::read(copy.library_folder().join(name)).unwrap();

        let first = PrivateCopy::take(&source, None).unwrap();
        assert_ne!(inode(&first, "same.so"), fs::metadata(user.join("same.so")).unwrap().ino());
        assert!(Arc::ptr_eq(&first, &PrivateCopy::take(&source, Some(&first)).unwrap()), "nothing has changed");
        fs::write(user.join("other.so"), "behind").unwrap();
        let second = PrivateCopy::take(&source, Some(&first)).unwrap();
        assert_eq!(second.fingerprint, first.fingerprint);
        let shared = ["liba.so", "same.so", "other.so"].map(|name| inode(&first, name) == inode(&second, name));
        assert_eq!(shared, [true, true, false]);
        assert_eq!((text(&first, "other.so"), text(&second, "other.so")), (b"before".into(), b"behind".into()));
        library(&source, "two");
        let third = PrivateCopy::take(&source, Some(&second)).unwrap();
        assert_ne!((inode(&third, "liba.so"), third.fingerprint), (inode(&second, "liba.so"), second.fingerprint));
        drop((first, second));
        assert_eq!(text(&third, "same.so"), b"same");
        assert!(text(&third, "liba.so").ends_with(b"two"));
        let mode = fs::metadata(third.library_folder().join("same.so")).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o500, "nobody writes there");

        // One more, one less, the same under another name, and a copy that somebody has removed.
        fs::write(user.join("more.so"), "more").unwrap();
        let more = PrivateCopy::take(&source, Some(&third)).unwrap();
        assert_eq!(text(&more, "more.so"), b"more");
        fs::remove_file(user.join("more.so")).unwrap();
        let less = PrivateCopy::take(&source, Some(&more)).unwrap();
        assert!(!less.library_folder().join("more.so").exists());
        fs::rename(&source, user.join("libb.so")).unwrap();
        let renamed = PrivateCopy::take(&user.join("libb.so"), Some(&less)).unwrap();
        assert_eq!((renamed.fingerprint, &renamed.source), (less.fingerprint, &user.join("libb.so")));
        fs::set_permissions(renamed.library_folder(), Permissions::from_mode(0o700)).unwrap();
        fs::remove_file(renamed.library_folder().join("same.so")).unwrap();
        let anew = PrivateCopy::take(&renamed.source, Some(&renamed)).unwrap();
        assert_eq!(text(&anew, "same.so"), b"same");
        drop((third, more, less, renamed, anew));
        fs::remove_dir_all(&user).unwrap();
    }
}
