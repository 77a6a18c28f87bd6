//! One error for programs that only pass errors on.

use std::fmt;

use crate::actor_ref::StopError;
use crate::call::CallError;
use crate::exit::Exit;
use crate::names::NameError;
use crate::node::NodeStopError;
use crate::spawn::SpawnError;
use crate::sys::SysError;
use crate::tell::TellError;

/// What `main` returns: any of this library's errors by `?`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any of this library's errors. Each operation has its own enum, which says more; this one is for passing on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The node did not start.
    Start(StartError),
    /// An actor did not start.
    Spawn(SpawnError),
    /// A name was not given or found.
    Name(NameError),
    /// A message was not queued. It is dropped here; match on the tell's own error to keep it.
    Tell(TellError<()>),
    /// A call has no answer.
    Call(CallError),
    /// A system request was not answered.
    Sys(SysError),
    /// The node did not stop in order.
    Stop(NodeStopError),
    /// An actor ended.
    Exit(Exit),
    /// Something of the operating system's.
    Io(std::io::Error),
    /// An actor did not stop.
    ActorStop(StopError),
    /// Something of a room above this one: a supervisor's, say.
    Above(Box<dyn std::error::Error + Send + Sync>),
}

/// Why a node did not start. Nothing of it is left.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// There is no tokio runtime on this thread.
    NoRuntime,
    /// The program is built with `panic = "abort"`: a panic could not be kept to one actor.
    PanicAbort,
    /// The watch thread was not to be had.
    Watch(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoRuntime => f.write_str(
                "no tokio runtime runs here; write `#[proscenium::main]` on `main`, or start the node inside `block_on`",
            ),
            StartError::PanicAbort => f.write_str(
                "built with `panic = \"abort\"`, so that a panic in one actor would end them all; remove it from the profile in Cargo.toml",
            ),
            StartError::Watch(error) => write!(f, "no thread for the watch: {error}; raise the limit on threads"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Watch(error) => Some(error),
            StartError::NoRuntime | StartError::PanicAbort => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Start(error) => error.fmt(f),
            Error::Spawn(error) => error.fmt(f),
            Error::Name(error) => error.fmt(f),
            Error::Tell(error) => error.fmt(f),
            Error::Call(error) => error.fmt(f),
            Error::Sys(error) => error.fmt(f),
            Error::Stop(error) => error.fmt(f),
            Error::Exit(exit) => exit.fmt(f),
            Error::Io(error) => error.fmt(f),
            Error::ActorStop(error) => error.fmt(f),
            Error::Above(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Start(error) => Some(error),
            Error::Spawn(error) => Some(error),
            Error::Name(error) => Some(error),
            Error::Tell(error) => Some(error),
            Error::Call(error) => Some(error),
            Error::Sys(error) => Some(error),
            Error::Stop(error) => Some(error),
            Error::Io(error) => Some(error),
            Error::ActorStop(error) => Some(error),
            Error::Above(error) => Some(error.as_ref()),
            Error::Exit(_) => None,
        }
    }
}

impl<M> From<TellError<M>> for Error {
    fn from(error: TellError<M>) -> Self {
        Error::Tell(error.map(drop))
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Error::$variant(error)
            }
        })*
    };
}

from!(
    Start(StartError),
    Spawn(SpawnError),
    Name(NameError),
    Call(CallError),
    Sys(SysError),
    Stop(NodeStopError),
    Exit(Exit),
    Io(std::io::Error),
    ActorStop(StopError),
);
