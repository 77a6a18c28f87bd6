//! The end of a folder that a plugin has written in: whatever it holds, however deep.
//!
//! **Bounds**: two descriptors and no recursion, for a plugin may make folders in folders until there is no end of them; so
//! much time as the caller gives. **At the bound**: what is left stays, and the error says so. What is removed once stays so.
//! Links are removed, and never followed.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, chmod, open, openat, renameat, unlinkat};
use rustix::io::Errno;

/// How long the removal of a host's own folder may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// It blocks: not on a runtime's worker.
pub(crate) fn remove(folder: &Path, until: Instant) -> io::Result<()> {
    if is_gone(CWD, folder)? {
        return Ok(());
    }
    reach(CWD, folder)?;
    let top = open(folder, FOLDER, Mode::empty())?;
    let mut lifted = 0;
    loop {
        // What was below is beside it then, so there is another round.
        let mut is_flat = true;
        for entry in Dir::read_from(&top)? {
            let name = entry?.file_name().to_owned();
            if is_itself(name.to_bytes()) || is_gone(&top, &*name)? {
                continue;
            }
            is_flat = false;
            lift(&top, &name, &mut lifted, until)?;
        }
        if is_flat && is_gone(CWD, folder)? {
            return Ok(());
        }
        look_at(until)?;
    }
}

fn is_itself(name: &[u8]) -> bool {
    name == b"." || name == b".."
}

fn look_at(until: Instant) -> io::Result<()> {
    if Instant::now() < until { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
}

/// Removed, if it is no folder with something in it.
fn is_gone<P: rustix::path::Arg + Copy>(folder: impl AsFd, name: P) -> io::Result<bool> {
    let folder = folder.as_fd();
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    match unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Removes what is in a folder within `top`; folders that are not empty go up to `top`.
fn lift(top: &OwnedFd, name: &std::ffi::CStr, lifted: &mut u64, until: Instant) -> io::Result<()> {
    reach(top, name)?;
    let folder = openat(top, name, FOLDER, Mode::empty())?;
    for entry in Dir::read_from(&folder)? {
        let inner = entry?.file_name().to_owned();
        if is_itself(inner.to_bytes()) || is_gone(&folder, &*inner)? {
            continue;
        }
        look_at(until)?;
        reach(&folder, &inner)?;
        // The plugin may have taken the name.
        loop {
            *lifted += 1;
            match renameat(&folder, &*inner, top, format!(".{lifted}")) {
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                renamed => break renamed?,
            }
        }
    }
    // If something has come since, there is another round.
    is_gone(top, name).map(drop)
}

/// A folder may have been made so that its owner, too, can do nothing with it.
fn reach<P: rustix::path::Arg>(folder: impl AsFd, name: P) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(folder.as_fd(), name, flags, Mode::empty())?;
    // By its descriptor, so that it is this very folder. If it cannot be done, what comes next says what is missing.
    let _ = chmod(own(found.as_fd()), Mode::RWXU);
    Ok(())
}

fn own(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::time::Duration;

    use rustix::fs::mkdirat;

    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("proscenium-removal-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// Catches recursion, which runs out of descriptors at some thousand, and out of stack at some more.
    #[test]
    fn folders_in_folders_are_removed_however_deep() {
        let path = fresh("deep");
        let mut at = open(&path, FOLDER, Mode::empty()).unwrap();
        for _ in 0..20_000 {
            mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = openat(&at, "d", FOLDER, Mode::empty()).unwrap();
        }
        drop(at);
        remove(&path, soon()).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn links_are_not_followed_names_may_be_taken_and_modes_do_not_help() {
        let (path, other) = (fresh("odd"), fresh("other"));
        fs::write(other.join("stays"), "x").unwrap();
        for nth in 1..4 {
            fs::create_dir_all(path.join(format!("a{nth}/b/c"))).unwrap();
            fs::create_dir_all(path.join(format!(".{nth}/full"))).unwrap();
            symlink(&other, path.join(format!("a{nth}/b/link"))).unwrap();
        }
        fs::write(path.join(".4"), "taken").unwrap();
        symlink(&other, path.join("link")).unwrap();
        fs::set_permissions(path.join("a1/b"), fs::Permissions::from_mode(0o0)).unwrap();
        fs::set_permissions(path.join("a1"), fs::Permissions::from_mode(0o100)).unwrap();
        remove(&path, soon()).unwrap();
        assert!(!path.exists() && other.join("stays").exists());
        // A link in the place of the folder itself is the one thing that goes.
        symlink(&other, &path).unwrap();
        remove(&path, soon()).unwrap();
        assert!(!path.exists() && other.join("stays").exists());
        remove(&path, soon()).expect("what is not there is gone");
        remove(&other, soon()).unwrap();
    }

    #[test]
    fn what_takes_too_long_is_left_and_said() {
        let path = fresh("late");
        fs::create_dir_all(path.join("a/b/c")).unwrap();
        let error = remove(&path, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        remove(&path, soon()).unwrap();
    }
}
