//! What a plugin was refused while notes were taken.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Notes of what a plugin that is tried out was refused, over all of its processes: see [`Plugin::learn`](crate::Plugin::learn).
///
/// **Bound**: the lists of 64 processes; what more of them are refused is not noted.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<Vec<(u32, String)>>>);

/// Whether it is the same list, not whether the same is noted in two.
impl PartialEq for Refusals {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Processes whose lists are kept.
const MOST: usize = 64;

impl Refusals {
    /// With nothing noted.
    #[must_use]
    pub fn new() -> Self {
        Refusals::default()
    }

    /// Whether nothing was refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// A process tells all that it was refused so far.
    pub(crate) fn note(&self, pid: u32, list: String) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|(of, _)| *of != pid);
        if lists.len() < MOST {
            lists.push((pid, list));
        }
    }
}

/// As a list of grants, in the words of a configuration. What several processes were refused stands there once.
impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.is_empty() {
            return writeln!(f, "# nothing was refused");
        }
        let distinct: BTreeSet<&str> = lists.iter().map(|(_, list)| list.trim_end()).collect();
        distinct.into_iter().try_for_each(|list| writeln!(f, "{list}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_its_last_list_and_what_is_the_same_stands_there_once() {
        let refusals = Refusals::new();
        assert_eq!(refusals.to_string(), "# nothing was refused\n");
        refusals.note(1, "network = true\n# socket: refused 1 times\n".into());
        refusals.note(1, "network = true\n# socket: refused 2 times\n".into());
        refusals.note(2, "network = true\n# socket: refused 2 times\n".into());
        refusals.note(3, "processes = true\n".into());
        assert_eq!(refusals.to_string(), "network = true\n# socket: refused 2 times\nprocesses = true\n");
    }
}
