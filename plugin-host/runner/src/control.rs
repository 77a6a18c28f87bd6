//! The process's end of the control socket.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

use crate::wire::{self, LONGEST, Tell};

/// Lines and figures that did not fit in the socket, because the host did not read them in time.
static UNSENT: AtomicU64 = AtomicU64::new(0);

/// The end that answers the host. It stays open until the process ends.
pub(crate) struct Control(OwnedFd);

impl Control {
    /// The descriptor of this number, which nobody else owns.
    ///
    /// # Safety
    /// It is open, and nobody else closes it.
    pub(crate) unsafe fn of(number: RawFd) -> Self {
        // SAFETY: our caller's promise.
        Control(unsafe { OwnedFd::from_raw_fd(number) })
    }

    /// The next message of the host, with a descriptor if one came along. None: the host is gone.
    pub(crate) fn receive(&self, bytes: &mut Vec<u8>) -> io::Result<Option<Option<OwnedFd>>> {
        bytes.resize(LONGEST, 0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut luggage = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(bytes)];
            match recvmsg(&self.0, &mut parts, &mut luggage, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                received => break received?,
            }
        };
        bytes.truncate(received.bytes);
        if received.bytes == 0 {
            return Ok(None);
        }
        let rights = luggage.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        Ok(Some(rights))
    }

    /// An answer that the host waits for.
    pub(crate) fn answer(&self, tell: &Tell) -> io::Result<()> {
        let bytes = wire::encode(tell).map_err(|garbled| io::Error::other(garbled.0))?;
        self.say(&bytes)
    }

    /// The same, of bytes that are a message.
    pub(crate) fn say(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match send(&self.0, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                sent => return Ok(sent.map(drop)?),
            }
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Control {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Something that nobody waits for: it is dropped, and counted, when the host has not made room.
pub(crate) fn mention(socket: BorrowedFd<'_>, tell: &Tell) {
    let sent = wire::encode(tell).map(|bytes| send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT));
    if !matches!(sent, Ok(Ok(_))) {
        UNSENT.fetch_add(1, Ordering::Relaxed);
    }
}

/// What was dropped since the last time.
pub(crate) fn unsent() -> u64 {
    UNSENT.swap(0, Ordering::Relaxed)
}
