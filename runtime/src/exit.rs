//! Why an actor ended, in the words that a supervisor decides by.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The reason of an end: of an actor, a child process, a node.
///
/// Two reasons are equal when they are of one kind and read the same. Any `std` error turns into [`Exit::Error`], so `?`
/// works in handlers; `Exit` itself is not a `std` error, because it is not always a failure.
///
/// ```
/// use proscenium_runtime::Exit;
///
/// assert!(Exit::Normal.is_orderly());
/// assert!(!Exit::panic("boom").is_orderly());
/// assert_eq!(Exit::panic("boom").to_string(), "panic: boom");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Exit {
    /// The actor was done.
    Normal,
    /// It was asked to stop, by a supervisor or by the node.
    Shutdown,
    /// It stopped in order, with something to say: OTP's `{shutdown, Term}`.
    ShutdownWith(Arc<str>),
    /// From `init`: the actor is not wanted now. The start counts as done, and nothing runs: OTP's `ignore`.
    Ignore,
    /// Killed from outside. No stop hook ran.
    Killed,
    /// A handler, a hook or an attached future panicked. Behind a pointer, because every handler returns room for it.
    Panic(Arc<Panicked>),
    /// A handler returned an error.
    Error(Arc<dyn Error + Send + Sync>),
    /// A reason of the user's own that is no `std` error.
    Custom(Arc<str>),
    /// An operating-system process ended by this signal.
    Signal(i32),
    /// An operating-system process ended with this code, other than zero.
    Code(i32),
    /// The machine it ran on is gone, by the verdict of the cluster.
    NodeDown(Arc<str>),
    /// A handler did not yield within the shutdown limit: the actor was given up, its task is fenced off.
    Unresponsive,
    /// There was nobody: the link or monitor was set on an actor that had already ended.
    NoProc,
}

/// What a panic said, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Panicked {
    /// The panic's message; "a value that is no text" if it had none.
    pub message: Arc<str>,
    /// `file:line:column`, when the panic happened on a thread that ran the actor.
    pub location: Option<Arc<str>>,
}

impl Exit {
    /// A panic with this message, as tests and adapters need it.
    pub fn panic(message: impl Into<Arc<str>>) -> Self {
        Exit::Panic(Arc::new(Panicked { message: message.into(), location: None }))
    }

    /// A failure that is only a text.
    pub fn custom(reason: impl Into<Arc<str>>) -> Self {
        Exit::Custom(reason.into())
    }

    /// An orderly stop with a word about why: a transient child is not restarted after it.
    pub fn shutdown_with(reason: impl Into<Arc<str>>) -> Self {
        Exit::ShutdownWith(reason.into())
    }

    /// The panic that `catch_unwind` has caught.
    #[must_use]
    pub fn caught(payload: &(dyn std::any::Any + Send)) -> Self {
        Exit::of_panic(payload, None)
    }

    pub(crate) fn of_panic(payload: &(dyn std::any::Any + Send), location: Option<Arc<str>>) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| Arc::from(*text))
            .or_else(|| payload.downcast_ref::<String>().map(|text| Arc::from(text.as_str())))
            .unwrap_or_else(|| Arc::from("a value that is no text"));
        Exit::Panic(Arc::new(Panicked { message, location }))
    }

    /// `normal`, `shutdown` and `{shutdown, _}`: what OTP does not call a crash.
    pub fn is_orderly(&self) -> bool {
        matches!(self, Exit::Normal | Exit::Shutdown | Exit::ShutdownWith(_) | Exit::Ignore)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Normal => f.write_str("normal"),
            Exit::Shutdown => f.write_str("shutdown"),
            Exit::ShutdownWith(why) => write!(f, "shutdown: {why}"),
            Exit::Ignore => f.write_str("ignore"),
            Exit::Killed => f.write_str("killed"),
            Exit::Panic(panicked) => match &panicked.location {
                None => write!(f, "panic: {}", panicked.message),
                Some(at) => write!(f, "panic at {at}: {}", panicked.message),
            },
            Exit::Error(error) => write!(f, "error: {error}"),
            Exit::Custom(reason) => f.write_str(reason),
            Exit::Signal(number) => write!(f, "signal {number}"),
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::NodeDown(node) => write!(f, "node {node} is down"),
            Exit::Unresponsive => f.write_str("unresponsive"),
            Exit::NoProc => f.write_str("no such actor"),
        }
    }
}

impl fmt::Debug for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exit({self})")
    }
}

impl PartialEq for Exit {
    fn eq(&self, other: &Self) -> bool {
        use Exit::*;
        match (self, other) {
            // Where the panic happened is not what it said.
            (Panic(a), Panic(b)) => a.message == b.message,
            (Error(a), Error(b)) => Arc::ptr_eq(a, b) || a.to_string() == b.to_string(),
            (Custom(a), Custom(b)) | (ShutdownWith(a), ShutdownWith(b)) | (NodeDown(a), NodeDown(b)) => a == b,
            (Signal(a), Signal(b)) | (Code(a), Code(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other) && self.is_bare(),
        }
    }
}

impl Exit {
    /// What a crash report is made of: neither orderly, nor a kill from outside, nor a start that was not wanted.
    pub(crate) fn is_crash(&self) -> bool {
        !self.is_orderly() && *self != Exit::Killed
    }

    fn is_bare(&self) -> bool {
        matches!(self, Exit::Normal | Exit::Shutdown | Exit::Ignore | Exit::Killed | Exit::Unresponsive | Exit::NoProc)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Exit {
    fn from(error: E) -> Self {
        Exit::Error(Arc::new(error))
    }
}
