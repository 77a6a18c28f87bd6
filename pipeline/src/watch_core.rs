//! When a file that is looked at again and again has changed, and is written to no more.

/// What tells two states of a file apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    /// When it was last written to: seconds and nanoseconds.
    pub(crate) written: (i64, i64),
    pub(crate) size: u64,
    pub(crate) inode: u64,
}

/// The state that was taken last, and the one that was seen last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WatchCore {
    taken: Option<Stamp>,
    seen: Option<Stamp>,
}

impl WatchCore {
    /// For a file that is read now, as it is.
    pub(crate) fn new(now: Option<Stamp>) -> Self {
        WatchCore { taken: now, seen: now }
    }

    /// Whether the file is to be read: it is another than the one that was taken, and as it was at the look before. A file that
    /// is not there, as when an editor puts another in its place, is waited for.
    #[must_use]
    pub(crate) fn look(&mut self, now: Option<Stamp>) -> bool {
        let is_still = self.seen == now;
        self.seen = now;
        let is_taken = is_still && now.is_some() && self.taken != now;
        if is_taken {
            self.taken = now;
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(written: i64, size: u64, inode: u64) -> Option<Stamp> {
        Some(Stamp { written: (written, 0), size, inode })
    }

    #[test]
    fn a_change_is_taken_once_when_it_has_been_seen_twice() {
        let (old, new, longer) = (stamp(1, 5, 9), stamp(2, 5, 9), stamp(2, 6, 9));
        for (looks, want) in [
            (vec![old, old, old], vec![false, false, false]),
            (vec![new, new, new], vec![false, true, false]),
            (vec![new, longer, longer, longer], vec![false, false, true, false]),
            (vec![stamp(1, 5, 10), stamp(1, 5, 10)], vec![false, true]),
            // Written and then as it was before: nothing has changed.
            (vec![new, old, old], vec![false, false, false]),
            (vec![new, new, old, old], vec![false, true, false, true]),
            (vec![None, None, new, new], vec![false, false, false, true]),
            (vec![None, None, old, old], vec![false, false, false, false]),
        ] {
            let mut core = WatchCore::new(old);
            let taken: Vec<bool> = looks.iter().map(|look| core.look(*look)).collect();
            assert_eq!(taken, want, "{looks:?}");
        }
    }

    #[test]
    fn a_file_that_comes_to_be_later_is_a_change() {
        let mut core = WatchCore::new(None);
        assert!(!core.look(None) && !core.look(stamp(1, 1, 1)));
        assert!(core.look(stamp(1, 1, 1)));
    }
}
