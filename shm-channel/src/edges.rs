//! A thread that waits for the edges of an eventfd that it does not trust.
//!
//! The child shares the eventfd's open file: it can read it, so that it is empty when we do, and clear `O_NONBLOCK`, so that
//! our read would block for ever. So nobody here reads it: edge-triggered epoll reports each write by itself.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// Made at the first wait: who waits by other means has one descriptor fewer.
#[derive(Debug)]
pub(crate) struct Edges {
    epoll: OnceLock<OwnedFd>,
}

impl Edges {
    pub(crate) fn new() -> Self {
        Self { epoll: OnceLock::new() }
    }

    /// Waits for edges until `is_there`, for `limit` at most. An edge by itself means nothing: a child may make them at will.
    pub(crate) fn wait(&self, wake: BorrowedFd<'_>, limit: Duration, is_there: impl Fn() -> bool) -> io::Result<bool> {
        let epoll = self.epoll(wake)?;
        // A limit beyond what the clock can count is none.
        let end = Instant::now().checked_add(limit);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let mut events = [std::mem::MaybeUninit::uninit(); 1];
            match epoll::wait(epoll, &mut events, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => (),
                Err(error) => return Err(error.into()),
            }
            if is_there() {
                return Ok(true);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
        }
    }

    fn epoll(&self, wake: BorrowedFd<'_>) -> io::Result<&OwnedFd> {
        if let Some(epoll) = self.epoll.get() {
            return Ok(epoll);
        }
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, wake, epoll::EventData::new_u64(0), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        Ok(self.epoll.get_or_init(|| epoll))
    }
}
