//! Why a call failed: a code for the host, and a text for people.
use std::borrow::Cow;
use std::fmt;

use crate::abi::ReturnCode;

/// The codes that a plugin may return, and what the host does then. In every case verdicts, payloads and emitted records
/// of the batch in hand are thrown away, and its input is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The stage's failover policy acts on the batch.
    Fail,
    /// The same batch comes again after a pause, at most `max_retries` times.
    Retry,
    /// Heap or record table are too small: the batch comes again in halves.
    NoSpace,
    /// The plugin gave up because [`Context::cancelled`](crate::Context::cancelled) said so.
    Cancelled,
    /// This instance is beyond use: the process is started anew, and the batch replayed.
    Fatal,
    /// For [`Plugin::new`](crate::Plugin::new): the parameters are wrong; the stage does not start, and nothing is retried.
    Config,
    /// A content type or a version of the state that this plugin cannot take.
    Unsupported,
    /// Out of memory: as [`Code::Fatal`].
    NoMem,
}

impl Code {
    /// The number that the C interface has for it.
    pub fn return_code(self) -> ReturnCode {
        match self {
            Code::Fail => ReturnCode::Fail,
            Code::Retry => ReturnCode::Retry,
            Code::NoSpace => ReturnCode::NoSpace,
            Code::Cancelled => ReturnCode::Cancelled,
            Code::Fatal => ReturnCode::Fatal,
            Code::Config => ReturnCode::Config,
            Code::Unsupported => ReturnCode::Unsupported,
            Code::NoMem => ReturnCode::NoMem,
        }
    }
}

/// A call of the plugin that did not succeed. The host is told code and text; an empty text says nothing more than the
/// code does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    text: Cow<'static, str>,
}

impl Error {
    /// A failure with its text; without one this allocates nothing.
    pub fn new(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// [`Code::Config`]: name the parameter, its value, and what would do.
    pub fn config(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Config, text)
    }

    /// [`Code::Unsupported`].
    pub fn unsupported(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unsupported, text)
    }

    /// [`Code::Fail`].
    pub fn fail(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Fail, text)
    }

    /// [`Code::NoSpace`], without a text.
    pub(crate) const NO_SPACE: Error = Error { code: Code::NoSpace, text: Cow::Borrowed("") };

    /// What the host is told.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What people are told.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl std::error::Error for Error {}

/// Why keys of a record were not set. The record is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// The payload is not one MessagePack map from its first byte to its last. Fail the record.
    NotAMap,
    /// The heap is full. Return it with `?`: the host hands over smaller batches.
    NoSpace,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::NotAMap => "the payload is not one MessagePack map",
            SetError::NoSpace => "the heap of the batch is full",
        })
    }
}

impl std::error::Error for SetError {}

impl From<SetError> for Error {
    fn from(error: SetError) -> Self {
        match error {
            SetError::NotAMap => Error::unsupported("the payload is not one MessagePack map"),
            SetError::NoSpace => Error::NO_SPACE,
        }
    }
}
