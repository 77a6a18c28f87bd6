//! The host's end for tasks.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::host_end::{ChildFds, HostEnd};
use crate::pool::Pool;

/// A [`HostEnd`] whose completions a task can await.
///
/// Nothing spins here: a task that has nothing to do is parked, and the child's eventfd wakes it through tokio's own epoll.
#[derive(Debug)]
pub struct AsyncHostEnd {
    end: HostEnd,
    /// Edge-triggered, so nobody has to read the eventfd, which the child could have emptied.
    wake: AsyncFd<Arc<OwnedFd>>,
}

impl AsyncHostEnd {
    /// [`HostEnd::new`], for tasks.
    ///
    /// # Errors
    /// What the system says; nothing is left behind.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn new(pool: &Pool) -> io::Result<(Self, ChildFds)> {
        let (end, fds) = HostEnd::new(pool)?;
        // SAFETY: the descriptor stays open as long as the registration: an `Arc` of it lies in the registration itself, and
        // `as_raw_fd` of an `Arc<OwnedFd>` says the same each time.
        let wake = unsafe { AsyncFd::register_with_interest(end.shared_wake_fd(), Interest::READABLE)? };
        Ok((Self { end, wake }, fds))
    }

    /// Waits until [`completed`](HostEnd::completed) has something to say: new completions, or nonsense.
    ///
    /// Cancel-safe: it takes nothing. One task waits at a time.
    ///
    /// # Errors
    /// The runtime is shutting down; the channel is as it was.
    pub async fn ready(&self) -> io::Result<()> {
        self.ready_for(1).await
    }

    /// Waits until `count` orders [have come](HostEnd::has_come): the same for several at once, which
    /// [saves wake-ups](HostEnd::wait_for).
    ///
    /// Cancel-safe: it takes nothing. One task waits at a time.
    ///
    /// # Errors
    /// The runtime is shutting down; the channel is as it was.
    pub async fn ready_for(&self, count: u32) -> io::Result<()> {
        loop {
            if !self.end.arm(count) {
                return Ok(());
            }
            let awake = Disarm(&self.end);
            // An edge may be an old one, or one that the child made for fun: the look after it decides.
            self.wake.readable().await?.clear_ready();
            drop(awake);
        }
    }
}

/// Says that the host is awake, also when the wait was given up.
struct Disarm<'a>(&'a HostEnd);

impl Drop for Disarm<'_> {
    fn drop(&mut self) {
        self.0.disarm();
    }
}

impl Deref for AsyncHostEnd {
    type Target = HostEnd;

    fn deref(&self) -> &HostEnd {
        &self.end
    }
}

impl DerefMut for AsyncHostEnd {
    fn deref_mut(&mut self) -> &mut HostEnd {
        &mut self.end
    }
}
