//! Values by place, in the order of places: as small as a vector, with gaps where something was taken out.
//!
//! **Cost**: a look is one step where nothing before it was taken out and the vector closed up, else a binary search; behind
//! all others a value is put, and anywhere one is taken out, in amortised constant time. Between others it is put by moving
//! those behind it, unless it goes where it was.
//! **Bound**: no more gaps than values, and one.

use crate::children::Place;

#[derive(Debug)]
pub(crate) struct Table<T> {
    /// By place.
    rows: Vec<(Place, Option<T>)>,
    gaps: usize,
}

impl<T> Table<T> {
    pub(crate) fn with_room_for(count: usize) -> Self {
        Table { rows: Vec::with_capacity(count), gaps: 0 }
    }

    /// Where the row of this place is, or would be.
    fn find(&self, place: Place) -> Result<usize, usize> {
        let Some((first, _)) = self.rows.first() else { return Err(0) };
        // As long as the vector has not closed up, rows are where their places say.
        let guess = usize::try_from(place.0.wrapping_sub(first.0)).unwrap_or(usize::MAX);
        match self.rows.get(guess) {
            Some((there, _)) if *there == place => Ok(guess),
            _ => self.rows.binary_search_by_key(&place, |(place, _)| *place),
        }
    }

    /// Whatever was there before is replaced.
    pub(crate) fn insert(&mut self, place: Place, value: T) -> &mut T {
        let at = if self.rows.last().is_none_or(|(last, _)| *last < place) {
            self.rows.push((place, None));
            self.gaps += 1;
            self.rows.len() - 1
        } else {
            self.find(place).unwrap_or_else(|at| {
                self.rows.insert(at, (place, None));
                self.gaps += 1;
                at
            })
        };
        let row = &mut self.rows[at].1;
        if row.is_none() {
            self.gaps -= 1;
        }
        row.insert(value)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<T> {
        let at = self.find(place).ok()?;
        let value = self.rows[at].1.take()?;
        self.gaps += 1;
        if self.gaps > self.rows.len() / 2 + 1 {
            self.rows.retain(|(_, value)| value.is_some());
            self.gaps = 0;
        }
        Some(value)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        self.rows[self.find(place).ok()?].1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        let at = self.find(place).ok()?;
        self.rows[at].1.as_mut()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Place, &T)> {
        rows(&self.rows)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut T)> {
        self.rows.iter_mut().filter_map(|(place, value)| Some((*place, value.as_mut()?)))
    }

    /// From this place on.
    pub(crate) fn from(&self, first: Place) -> impl DoubleEndedIterator<Item = (Place, &T)> {
        let at = self.find(first).unwrap_or_else(|at| at);
        rows(&self.rows[at..])
    }
}

fn rows<T>(rows: &[(Place, Option<T>)]) -> impl DoubleEndedIterator<Item = (Place, &T)> {
    rows.iter().filter_map(|(place, value)| Some((*place, value.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A small linear congruential generator: the same numbers in each run.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |n| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)))
            .map(|n| n >> 33)
    }

    #[test]
    fn it_holds_what_a_map_holds_in_the_same_order_and_few_gaps() {
        for seed in 0..50 {
            let (mut table, mut map) = (Table::with_room_for(0), BTreeMap::new());
            let mut next = 0;
            for number in numbers(seed).take(600) {
                let place = Place(if number % 3 == 0 { next } else { number % 64 % (next + 1) });
                next = next.max(place.0 + 1);
                if number % 5 < 2 {
                    assert_eq!(table.remove(place), map.remove(&place), "seed {seed}");
                } else {
                    table.insert(place, number);
                    map.insert(place, number);
                }
                assert_eq!(table.get(place), map.get(&place), "seed {seed}");
                assert!(table.gaps <= map.len() + 2, "seed {seed}: {} gaps, {} values", table.gaps, map.len());
                let from: Vec<_> = table.from(place).map(|(place, value)| (place, *value)).collect();
                let same: Vec<_> = map.range(place..).map(|(place, value)| (*place, *value)).collect();
                assert_eq!(from, same, "seed {seed}");
            }
            assert!(table.iter().map(|(place, value)| (place, *value)).eq(map.into_iter()), "seed {seed}");
        }
    }
}
