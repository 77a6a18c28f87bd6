//! Parts of a batch that are handed to a process at once.

/// So many records of a batch in a row: all of them, unless something went wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Portion {
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// One record alone, because a process has ended while it was in work, or may have been.
    pub(crate) is_suspect: bool,
}

impl Portion {
    pub(crate) fn whole(records: u32) -> Self {
        Portion { first: 0, count: records, is_suspect: false }
    }

    pub(crate) fn single(record: u32) -> Self {
        Portion { first: record, count: 1, is_suspect: false }
    }

    /// Alone, and under suspicion.
    pub(crate) fn suspect(record: u32) -> Self {
        Portion { is_suspect: true, ..Portion::single(record) }
    }

    pub(crate) fn records(self) -> std::ops::Range<u32> {
        self.first..self.first + self.count
    }

    /// What stands before the n-th of its records, that record as a suspect, and what stands behind it.
    pub(crate) fn around(self, nth: u32) -> impl DoubleEndedIterator<Item = Portion> {
        let before = Portion { first: self.first, count: nth, is_suspect: false };
        let after = Portion { first: self.first + nth + 1, count: self.count - nth - 1, is_suspect: false };
        [before, Portion::suspect(self.first + nth), after].into_iter().filter(|portion| portion.count > 0)
    }

    /// Each record as a suspect.
    pub(crate) fn singly(self) -> impl DoubleEndedIterator<Item = Portion> {
        self.records().map(Portion::suspect)
    }

    /// In two, if there are two records at least.
    pub(crate) fn halves(self) -> Option<[Portion; 2]> {
        let half = self.count / 2;
        (half > 0).then(|| {
            let first = Portion { count: half, ..self };
            [first, Portion { first: self.first + half, count: self.count - half, is_suspect: false }]
        })
    }
}
