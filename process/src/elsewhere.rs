//! Systems without a guard: everything compiles, and the one function that could start anything says what is missing.
use std::convert::Infallible;
use std::io::{self, PipeReader, PipeWriter};
use std::time::Duration;

use crate::{
    BorrowedDescriptor, Command, Descriptor, ExitStatus, GuardBuilder, Signal, SignalError, SpawnError, StartError,
    StopError, WaitError,
};

/// A guard, of which there is none on this system.
#[derive(Debug)]
pub struct Guard(Infallible);

/// A process of a guard, of which there is none on this system.
#[derive(Debug)]
pub struct Child {
    never: Infallible,
    /// The host's end of the child's stdin.
    pub stdin: Option<PipeWriter>,
    /// The host's end of the child's stdout.
    pub stdout: Option<PipeReader>,
    /// The host's end of the child's stderr.
    pub stderr: Option<PipeReader>,
}

#[allow(missing_docs, clippy::missing_errors_doc)] // As on Linux, where they have their docs.
impl Guard {
    pub fn start() -> Result<Self, StartError> {
        GuardBuilder::default().start()
    }

    pub fn builder() -> GuardBuilder {
        GuardBuilder::default()
    }

    pub(crate) fn start_with(_: &GuardBuilder) -> Result<Self, StartError> {
        Err(StartError::NotHere)
    }

    pub fn spawn(&self, _: &Command) -> Result<Child, SpawnError> {
        match self.0 {}
    }

    pub fn stop(self, _: Duration) -> Result<(), StopError> {
        match self.0 {}
    }

    pub fn pid(&self) -> u32 {
        match self.0 {}
    }

    pub fn pidfd(&self) -> BorrowedDescriptor<'_> {
        match self.0 {}
    }

    pub fn has_pid_namespace(&self) -> bool {
        match self.0 {}
    }
}

#[allow(missing_docs, clippy::missing_errors_doc)] // As on Linux, where they have their docs.
impl Child {
    pub fn pid(&self) -> u32 {
        match self.never {}
    }

    pub fn wait(&self, _: Duration) -> Result<ExitStatus, WaitError> {
        match self.never {}
    }

    pub fn try_wait(&self) -> Result<Option<ExitStatus>, WaitError> {
        match self.never {}
    }

    pub fn signal(&self, _: Signal) -> Result<(), SignalError> {
        match self.never {}
    }

    pub fn kill(&self) -> Result<(), SignalError> {
        match self.never {}
    }

    pub fn pidfd(&self) -> BorrowedDescriptor<'_> {
        match self.never {}
    }

    pub fn try_clone_pidfd(&self) -> io::Result<Descriptor> {
        match self.never {}
    }

    pub fn try_clone_word(&self) -> io::Result<Descriptor> {
        match self.never {}
    }
}
