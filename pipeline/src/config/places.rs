//! Where in a file the parts of its plan stand, for what is found out about the plan as a whole.

use std::collections::BTreeMap;
use std::ops::Range;

use super::findings::Findings;
use crate::plan::Plan;
use crate::plan_check::{Fault, check};

/// The places of one table, or of one line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Its name, or all of it.
    pub(crate) whole: Range<usize>,
    /// The values of its keys.
    pub(crate) keys: BTreeMap<String, Range<usize>>,
}

/// The places of a plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Of what belongs to no part.
    pub(crate) settings: Place,
    /// Of its parts, in their order. What the file has no words for is at its beginning.
    pub(crate) parts: Vec<Place>,
}

impl Place {
    fn of(&self, field: &str) -> Range<usize> {
        let keys: &[&str] = match field {
            "library" => &["plugin"],
            "retries" => &["retry_pause_ms", "retry_longest_ms", "max_retries"],
            "timeout" => &["timeout_ms"],
            "when_down" => &["when_down_after_ms", "when_down"],
            "chunk" => &["chunk_records", "chunk_bytes"],
            "linger" => &["linger_ms"],
            "checkpoint_every" => &["checkpoint_every_ms"],
            "drain" => &["drain_ms"],
            _ => &[],
        };
        let written = keys.iter().copied().chain([field]).find_map(|key| self.keys.get(key));
        written.unwrap_or(&self.whole).clone()
    }
}

/// Notes what is wrong with the plan where it stands.
pub(crate) fn check_plan(findings: &Findings<'_>, plan: &Plan, places: &Places) {
    for fault in check(plan).err().unwrap_or_default() {
        let Fault { nth, part, field, what, remedy } = fault;
        let place = nth.and_then(|nth| places.parts.get(nth)).unwrap_or(&places.settings);
        let what = match part {
            Some(part) => format!("`{}`, {field}: {what}", part.escape_debug()),
            None => format!("{field}: {what}"),
        };
        findings.add(place.of(field), what, "", remedy);
    }
}
