//! A child's standard streams: its ends, and the host's ends of those that are pipes.
use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::{Command, Stdio};

pub struct Streams<'a> {
    /// The child's ends, in the order of their numbers.
    pub theirs: [End<'a>; 3],
    pub ours: Ours,
}

/// The host's ends of pipes.
#[derive(Default)]
pub struct Ours {
    pub stdin: Option<PipeWriter>,
    pub stdout: Option<PipeReader>,
    pub stderr: Option<PipeReader>,
}

pub enum End<'a> {
    Borrowed(BorrowedFd<'a>),
    Owned(OwnedFd),
}

impl AsFd for End<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(fd) => *fd,
            Self::Owned(fd) => fd.as_fd(),
        }
    }
}

impl<'a> Streams<'a> {
    pub fn of(command: &'a Command) -> io::Result<Self> {
        let mut ours = Ours::default();
        let stdin = match &command.stdin {
            Stdio::Inherit => End::Owned(io::stdin().as_fd().try_clone_to_owned()?),
            Stdio::Piped => {
                let (reader, writer) = pipe()?;
                ours.stdin = Some(writer);
                End::Owned(reader.into())
            }
            other => plain(other)?,
        };
        let stdout = output(&command.stdout, io::stdout().as_fd(), &mut ours.stdout)?;
        let stderr = output(&command.stderr, io::stderr().as_fd(), &mut ours.stderr)?;
        Ok(Self { theirs: [stdin, stdout, stderr], ours })
    }
}

fn output<'a>(stdio: &'a Stdio, own: BorrowedFd<'_>, ours: &mut Option<PipeReader>) -> io::Result<End<'a>> {
    match stdio {
        Stdio::Inherit => Ok(End::Owned(own.try_clone_to_owned()?)),
        Stdio::Piped => {
            let (reader, writer) = pipe()?;
            *ours = Some(reader);
            Ok(End::Owned(writer.into()))
        }
        other => plain(other),
    }
}

fn plain(stdio: &Stdio) -> io::Result<End<'_>> {
    match stdio {
        Stdio::Descriptor(descriptor) => Ok(End::Borrowed(descriptor.as_fd())),
        _ => Ok(End::Owned(OpenOptions::new().read(true).write(true).open("/dev/null")?.into())),
    }
}
