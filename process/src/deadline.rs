//! Waiting for a descriptor, with an end.
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// When a wait ends; never, if the limit is beyond what the clock can count.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now().checked_add(limit))
    }

    /// What is left; `None` for ever.
    pub fn left(self) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Waits until there is something to read, or nobody left to write it. False at the deadline.
    pub fn readable(self, descriptor: BorrowedFd<'_>) -> io::Result<bool> {
        self.ready(descriptor, PollFlags::IN)
    }

    /// Waits until there is room to write, or nobody left to read it. False at the deadline.
    pub fn writable(self, descriptor: BorrowedFd<'_>) -> io::Result<bool> {
        self.ready(descriptor, PollFlags::OUT)
    }

    fn ready(self, descriptor: BorrowedFd<'_>, what: PollFlags) -> io::Result<bool> {
        loop {
            let left = self.left().and_then(|left| Timespec::try_from(left).ok());
            let mut polled = [PollFd::from_borrowed_fd(descriptor, what)];
            match poll(&mut polled, left.as_ref()) {
                Ok(count) => return Ok(count > 0),
                Err(Errno::INTR) => (),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
