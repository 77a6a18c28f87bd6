//! A child process behind a socket.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use crate::Failure;

/// Dropped, it is killed.
pub struct Served(Child);

impl Served {
    /// Starts this program as `<errand> <library>`, with one end of a socket; the other end is the caller's.
    pub fn start(errand: &str, library: &str) -> Result<(Self, UnixStream), Failure> {
        let (ours, theirs) = UnixStream::pair()?;
        let child =
            Command::new(std::env::current_exe()?).args([errand, library]).stdin(OwnedFd::from(theirs)).spawn()?;
        Ok((Self(child), ours))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The child's end.
pub fn socket() -> Result<UnixStream, Failure> {
    Ok(std::io::stdin().as_fd().try_clone_to_owned()?.into())
}
