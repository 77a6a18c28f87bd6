//! What keeps a source or a sink from its work.

use std::fmt;

/// Why a source cannot read, or a sink cannot write: the operation, on what, and the system's word for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    what: String,
    is_final: bool,
}

impl Trouble {
    /// It may pass: tried again after a pause.
    pub fn passing(what: impl fmt::Display) -> Self {
        Trouble { what: what.to_string(), is_final: false }
    }

    /// It will not pass by waiting: the pipeline stops with it.
    pub fn lasting(what: impl fmt::Display) -> Self {
        Trouble { what: what.to_string(), is_final: true }
    }

    /// Whether waiting would not help.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Trouble {}
