//! What a stage says of a record that it could not process.

use std::fmt;

/// Why a record could not be processed. What becomes of it is the stage's policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    reason: String,
    is_final: bool,
}

impl Failed {
    /// For this reason; whether it is tried again is the policy's.
    pub fn because(reason: impl fmt::Display) -> Self {
        Failed { reason: reason.to_string(), is_final: false }
    }

    /// Trying again would not help: whatever the policy, it is not retried.
    #[must_use]
    pub fn for_good(self) -> Self {
        Failed { is_final: true, ..self }
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether trying again would not help.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Any error is a reason.
impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed::because(error)
    }
}
