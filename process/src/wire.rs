//! What host and guard say to each other. The other side is `guard/guard.c`; both change together.
//!
//! A request is one message on the control socket, with descriptors: the guard's end of a new status socket, a memfd with
//! the program's path, arguments and environment, the working directory, stdin, stdout, stderr, a pipe on which a failed
//! exec is told, up to 16 more, and the folder of a control group, if the child is to be in one. The replies come on the status socket: that the child was started, with its pidfd,
//! and later how it ended. Both sockets keep messages apart, so that there is nothing to parse.
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use crate::deadline::Deadline;
use crate::{ExitStatus, Signal};

const MAGIC: u32 = 0x5072_6f73;
const VERSION: u32 = 2;
/// Descriptors besides the seven that every request has.
pub const MAX_EXTRAS: usize = 16;
/// Linux takes no more for arguments and environment, whatever the limit on the stack.
pub const MAX_BLOB: usize = 6 << 20;

const REQUEST: usize = 28;
pub const REPLY: usize = 12;

pub struct Request {
    pub arguments: u32,
    pub variables: u32,
    pub extras: u32,
    pub blob: u32,
    pub has_group: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Ready,
    Started { pid: u32 },
    Refused { step: Step, error: i32 },
    Exited(ExitStatus),
}

/// What the guard was about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(i32);

impl Step {
    const NAMESPACE: Self = Self(1);
    const USER_MAP: Self = Self(2);
    pub const REQUEST: Self = Self(6);
    pub const DIRECTORY: Self = Self(10);
    pub const EXEC: Self = Self(11);
    pub const GROUP: Self = Self(12);

    pub fn is_namespace(self) -> bool {
        matches!(self, Self::NAMESPACE | Self::USER_MAP)
    }

    pub fn doing(self) -> &'static str {
        match self {
            Self::NAMESPACE => "make a pid namespace (it takes CAP_SYS_ADMIN, or user namespaces that users may make)",
            Self::USER_MAP => {
                "keep the user in its user namespace (look at user.max_user_namespaces, or take no namespace)"
            }
            Self(3) => "become a subreaper",
            Self(4) => "listen for children that end",
            Self(5) => "find itself in /proc (mount one that belongs to the host's pid namespace)",
            Self::REQUEST => "take the request (a child takes one descriptor of `ulimit -Hn`, and a spawn some more)",
            Self(7) => "hold another child (32,768 are the limit; start a second guard)",
            Self(8) => "fork (look at `ulimit -u`, `ulimit -Hn` and the pids limit of the cgroup)",
            Self(9) => "arrange the child's descriptors (it takes 100 of `ulimit -Hn`)",
            Self::DIRECTORY => "enter the working directory",
            Self::EXEC => "execute the program",
            Self::GROUP => "fork into the control group",
            _ => "do something that this host does not know",
        }
    }
}

impl Request {
    fn bytes(&self) -> [u8; REQUEST] {
        let words = [MAGIC, VERSION, self.arguments, self.variables, self.extras, self.blob, u32::from(self.has_group)];
        let mut bytes = [0; REQUEST];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Gives `TimedOut` at the deadline, and then nothing was sent.
    pub fn send(&self, control: BorrowedFd<'_>, fds: &[BorrowedFd<'_>], deadline: Deadline) -> io::Result<()> {
        let bytes = self.bytes();
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8 + MAX_EXTRAS))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            rights.push(SendAncillaryMessage::ScmRights(fds));
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(control, &[IoSlice::new(&bytes)], &mut rights, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN) if !deadline.writable(control)? => return Err(io::ErrorKind::TimedOut.into()),
                Err(Errno::AGAIN | Errno::INTR) => (),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Reply {
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| bytes.get(at * 4..at * 4 + 4)?.try_into().ok().map(i32::from_ne_bytes);
        let (kind, value, step) = (word(0)?, word(1)?, word(2)?);
        match kind {
            0 if value == 0 => Some(Self::Ready),
            0 | 2 => Some(Self::Refused { step: Step(step), error: value }),
            1 => Some(Self::Started { pid: u32::try_from(value).ok()? }),
            3 => Some(Self::Exited(exit_status(value)?)),
            _ => None,
        }
    }

    /// The next reply, and the descriptor that came with it. `Ok(None)` at the deadline; `UnexpectedEof` when the guard
    /// has closed its end.
    pub fn receive(socket: BorrowedFd<'_>, deadline: Deadline) -> io::Result<Option<(Self, Option<OwnedFd>)>> {
        Self::next(socket, deadline, RecvFlags::empty())
    }

    /// As [`Reply::receive`], but the reply stays for the next who looks.
    pub fn look(socket: BorrowedFd<'_>, deadline: Deadline) -> io::Result<Option<Self>> {
        Ok(Self::next(socket, deadline, RecvFlags::PEEK)?.map(|(reply, _)| reply))
    }

    fn next(
        socket: BorrowedFd<'_>,
        deadline: Deadline,
        flags: RecvFlags,
    ) -> io::Result<Option<(Self, Option<OwnedFd>)>> {
        let mut bytes = [0; REPLY];
        let flags = flags | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut rights = RecvAncillaryBuffer::new(&mut space);
            match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut rights, flags) {
                Ok(message) if message.bytes == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(message) => {
                    let reply = Self::from_bytes(&bytes[..message.bytes]).ok_or(io::ErrorKind::InvalidData)?;
                    return Ok(Some((reply, first(rights))));
                }
                Err(Errno::AGAIN) if !deadline.readable(socket)? => return Ok(None),
                Err(Errno::AGAIN | Errno::INTR) => (),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn first(mut rights: RecvAncillaryBuffer<'_>) -> Option<OwnedFd> {
    rights.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })
}

/// Reads the word that wait(2) gives.
fn exit_status(word: i32) -> Option<ExitStatus> {
    let status = std::process::ExitStatus::from_raw(word);
    let by_signal = |number| Signal::from_number(number).map(|signal| (signal, status.core_dumped()));
    match status.code() {
        Some(code) => Some(ExitStatus::Code(code)),
        None => {
            status.signal().and_then(by_signal).map(|(signal, core_dumped)| ExitStatus::Signal { signal, core_dumped })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: [i32; 3]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn replies_are_read_as_the_guard_writes_them() {
        let killed = ExitStatus::Signal { signal: Signal::KILL, core_dumped: false };
        let dumped = ExitStatus::Signal { signal: Signal::SEGV, core_dumped: true };
        let rows = [
            ([0, 0, 0], Some(Reply::Ready)),
            ([0, 1, 3], Some(Reply::Refused { step: Step(3), error: 1 })),
            ([1, 77, 0], Some(Reply::Started { pid: 77 })),
            ([1, -1, 0], None),
            ([2, 2, 11], Some(Reply::Refused { step: Step(11), error: 2 })),
            ([3, 3 << 8, 0], Some(Reply::Exited(ExitStatus::Code(3)))),
            ([3, 9, 0], Some(Reply::Exited(killed))),
            ([3, 11 | 0x80, 0], Some(Reply::Exited(dumped))),
            ([4, 0, 0], None),
        ];
        for (row, (words, want)) in rows.into_iter().enumerate() {
            assert_eq!(Reply::from_bytes(&bytes(words)), want, "row {row}");
        }
        assert_eq!(Reply::from_bytes(&bytes([0, 0, 0])[..11]), None, "cut short");
    }
}
