//! Why a plan cannot be written down.

use std::fmt;
use std::time::Duration;

/// What a format has no words for: one line for each such thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unprintable(Vec<String>);

impl Unprintable {
    pub(crate) fn result(text: String, why: Vec<String>) -> Result<String, Unprintable> {
        if why.is_empty() { Ok(text) } else { Err(Unprintable(why)) }
    }

    /// Each thing that there are no words for, with the part that it is about.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Unprintable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plan cannot be written in this format: {}", self.0.join("; "))
    }
}

impl std::error::Error for Unprintable {}

/// A time in whole milliseconds; a finer one is a reason.
pub(crate) fn millis(why: &mut Vec<String>, what: &str, time: Duration) -> u128 {
    if !time.subsec_nanos().is_multiple_of(1_000_000) {
        why.push(format!("{what}: {time:?} is not in whole milliseconds"));
    }
    time.as_millis()
}
