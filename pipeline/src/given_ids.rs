//! The numbers by which a plugin knows the records of a chunk. A record that it adds names the one that it comes from by that
//! number alone, so no two records have the same.

use crate::chunk::Chunk;

/// From here on numbers are places in the chunk.
const PLACES: u64 = u64::MAX << 32;

/// Records have the numbers that their source gave them, as long as those grow. Others, siblings that were made out of one
/// record above all, get one that says where in the chunk they lie: the same number however often the chunk is handed over.
#[derive(Debug)]
pub(crate) struct GivenIds {
    /// Behind the highest so far.
    free: u64,
    next: usize,
}

impl GivenIds {
    fn new() -> Self {
        GivenIds { free: 0, next: 0 }
    }

    /// Of the records from the one at this place on.
    pub(crate) fn from(chunk: &Chunk, first: usize) -> Self {
        let mut ids = GivenIds::new();
        for nth in 0..first {
            ids.next(chunk.record(nth).id());
        }
        ids
    }

    /// That of the next record, whose source's number this is.
    #[inline]
    pub(crate) fn next(&mut self, id: u64) -> u64 {
        let place = self.next as u64;
        self.next += 1;
        if id < self.free || id >= PLACES {
            return PLACES | place;
        }
        self.free = id + 1;
        id
    }
}

/// Where the records lie that were given from the place `first` on, to find them by their numbers.
#[derive(Debug)]
pub(crate) struct Places {
    first: usize,
    /// Those of sources, with their places: they grow.
    own: Vec<(u64, usize)>,
    end: usize,
}

impl Places {
    pub(crate) fn of(chunk: &Chunk, first: usize, end: usize) -> Self {
        let mut ids = GivenIds::from(chunk, first);
        let given = (first..end).map(|nth| (ids.next(chunk.record(nth).id()), nth));
        Places { first, own: given.filter(|(id, _)| *id < PLACES).collect(), end }
    }

    /// The place of the record with this number, if there is one.
    pub(crate) fn find(&self, id: u64) -> Option<usize> {
        if id >= PLACES {
            let place = (id & !PLACES) as usize;
            return Some(place).filter(|place| (self.first..self.end).contains(place));
        }
        let at = self.own.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.own.get(at).map(|(_, place)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::test_chunks::keyed;

    #[test]
    fn each_record_is_found_by_the_number_that_it_was_given_wherever_the_batch_began() {
        let rows: [&[u64]; 6] = [
            &[1, 2, 3, 9],
            &[0, 0, 0, 0],
            &[5, 5, 6, 6, 5, 7, 2, 8],
            &[u64::MAX, PLACES, PLACES - 1, 3, u64::MAX],
            &[PLACES - 1, PLACES - 1],
            &[3, 2, 1, 0],
        ];
        for (row, ids) in rows.into_iter().enumerate() {
            let source = Ledger::new(Default::default(), 1, 1);
            let records: Vec<(u64, Option<&str>)> = ids.iter().map(|id| (*id, None)).collect();
            let chunk = keyed(&source, &records);
            let mut whole = GivenIds::new();
            let given: Vec<u64> = ids.iter().map(|id| whole.next(*id)).collect();
            for first in 0..ids.len() {
                let mut part = GivenIds::from(&chunk, first);
                let places = Places::of(&chunk, first, ids.len());
                for nth in first..ids.len() {
                    assert_eq!(part.next(ids[nth]), given[nth], "row {row}, record {nth} in a batch from {first} on");
                    assert_eq!(places.find(given[nth]), Some(nth), "row {row}, {given:?} from {first} on");
                }
                for before in &given[..first] {
                    assert_eq!(places.find(*before), None, "row {row}, {given:?} from {first} on");
                }
            }
            chunk.done();
        }
    }

    #[test]
    fn numbers_that_grow_are_the_sources() {
        let mut ids = GivenIds::new();
        assert_eq!([1, 4, 5, 900, PLACES - 1].map(|id| ids.next(id)), [1, 4, 5, 900, PLACES - 1]);
        let mut ids = GivenIds::new();
        assert_eq!([0, 4, 4, 5, 0].map(|id| ids.next(id)), [0, 4, PLACES | 2, 5, PLACES | 4]);
    }
}
