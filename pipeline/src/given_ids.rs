//! The numbers by which a plugin knows the records of a chunk. A record that it adds names the one that it comes from by that
//! number alone, so no two records have the same.

use std::collections::HashSet;

use crate::chunk::Chunk;

/// From here on numbers are places in the chunk.
const PLACES: u64 = u64::MAX << 32;

/// Records have the numbers that their source gave them. Of those that share one, siblings that were made out of one record
/// above all, all but the first get one that says where in the chunk they lie: the same however often the chunk is handed over.
#[derive(Debug)]
pub(crate) struct GivenIds {
    /// Whether a record has its place for a number; empty, if none has.
    by_place: Vec<bool>,
    grow: bool,
}

impl GivenIds {
    pub(crate) fn of(chunk: &Chunk) -> Self {
        let ids = || chunk.records().map(|record| record.id());
        // Those of a source do mostly, and then there are none twice.
        let grow = ids().is_sorted_by(|one, next| one < next);
        if grow && ids().last().is_none_or(|last| last < PLACES) {
            return GivenIds { by_place: Vec::new(), grow };
        }
        let mut seen = HashSet::with_capacity(chunk.len());
        GivenIds { by_place: ids().map(|id| id >= PLACES || !seen.insert(id)).collect(), grow }
    }

    /// That of the record at this place, whose source's number this is.
    #[inline]
    pub(crate) fn get(&self, nth: usize, id: u64) -> u64 {
        if self.has_own(nth) { id } else { PLACES | nth as u64 }
    }

    #[inline]
    fn has_own(&self, nth: usize) -> bool {
        !self.by_place.get(nth).copied().unwrap_or(false)
    }
}

/// Where the records lie that were given from the place `first` on, to find them by their numbers.
#[derive(Debug)]
pub(crate) struct Places {
    first: usize,
    /// Those of sources, with their places, sorted.
    own: Vec<(u64, usize)>,
    end: usize,
}

impl Places {
    pub(crate) fn of(chunk: &Chunk, first: usize, end: usize) -> Self {
        let ids = GivenIds::of(chunk);
        let own = (first..end).filter(|nth| ids.has_own(*nth)).map(|nth| (chunk.record(nth).id(), nth));
        let mut own: Vec<_> = own.collect();
        if !ids.grow {
            own.sort_unstable();
        }
        Places { first, own, end }
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

    fn with_chunk(ids: &[u64], test: impl FnOnce(&Chunk)) {
        let source = Ledger::new(Default::default(), 1, 1);
        let records: Vec<(u64, Option<&str>)> = ids.iter().map(|id| (*id, None)).collect();
        let chunk = keyed(&source, &records);
        test(&chunk);
        chunk.done();
    }

    fn given(chunk: &Chunk) -> Vec<u64> {
        let ids = GivenIds::of(chunk);
        chunk.records().enumerate().map(|(nth, record)| ids.get(nth, record.id())).collect()
    }

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
            with_chunk(ids, |chunk| {
                let given = given(chunk);
                for first in 0..ids.len() {
                    let places = Places::of(chunk, first, ids.len());
                    for nth in first..ids.len() {
                        assert_eq!(places.find(given[nth]), Some(nth), "row {row}, {given:?} from {first} on");
                    }
                    for before in &given[..first] {
                        assert_eq!(places.find(*before), None, "row {row}, {given:?} from {first} on");
                    }
                }
            });
        }
    }

    #[test]
    fn numbers_are_the_sources_but_for_those_that_are_there_already() {
        let rows: [(&[u64], &[u64]); 4] = [
            (&[1, 4, 5, 900, PLACES - 1], &[1, 4, 5, 900, PLACES - 1]),
            // The end of one file, and the beginning of the next.
            (&[901, 902, 1, 2, 3], &[901, 902, 1, 2, 3]),
            (&[0, 4, 4, 5, 0], &[0, 4, PLACES | 2, 5, PLACES | 4]),
            (&[7, PLACES + 9], &[7, PLACES | 1]),
        ];
        for (ids, wanted) in rows {
            with_chunk(ids, |chunk| assert_eq!(given(chunk), wanted, "{ids:?}"));
        }
    }
}
