//! Values by place, in the order of places: a vector, with gaps where something was taken out.
//!
//! Places are numbers in a row, so as long as little was taken out a row's place is its position. When half of the rows are
//! gaps the vector closes up, and from then on each row says which place it is of.
//!
//! **Cost**: behind all others a value is put, and anywhere one is taken out, in amortised constant time; a look is one step,
//! or a binary search once the vector has closed up. Between others a value is put by moving those behind it, unless it
//! goes where it was.
//! **Bound**: no more gaps than values, and two.

use crate::children::Place;

#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: Rows<T>,
    gaps: usize,
}

#[derive(Debug)]
enum Rows<T> {
    /// In a row from this place on.
    Dense(Place, Vec<Option<T>>),
    /// By place.
    Sparse(Vec<(Place, Option<T>)>),
}

impl<T> Table<T> {
    pub(crate) fn with_room_for(count: usize) -> Self {
        Table { rows: Rows::Dense(Place(0), Vec::with_capacity(count)), gaps: 0 }
    }

    fn len(&self) -> usize {
        match &self.rows {
            Rows::Dense(_, rows) => rows.len(),
            Rows::Sparse(rows) => rows.len(),
        }
    }

    /// Where the row of this place is, or would be.
    fn find(&self, place: Place) -> Result<usize, usize> {
        match &self.rows {
            Rows::Dense(first, _) if place < *first => Err(0),
            Rows::Dense(first, rows) => {
                let at = usize::try_from(place.0 - first.0).unwrap_or(usize::MAX);
                if at < rows.len() { Ok(at) } else { Err(rows.len()) }
            }
            Rows::Sparse(rows) => rows.binary_search_by_key(&place, |(place, _)| *place),
        }
    }

    fn row(&self, at: usize) -> (Place, Option<&T>) {
        match &self.rows {
            Rows::Dense(first, rows) => (Place(first.0 + at as u64), rows[at].as_ref()),
            Rows::Sparse(rows) => (rows[at].0, rows[at].1.as_ref()),
        }
    }

    fn row_mut(&mut self, at: usize) -> &mut Option<T> {
        match &mut self.rows {
            Rows::Dense(_, rows) => &mut rows[at],
            Rows::Sparse(rows) => &mut rows[at].1,
        }
    }

    /// Rows say their places, and those without a value are gone.
    fn close_up(&mut self) {
        let rows = match std::mem::replace(&mut self.rows, Rows::Sparse(Vec::new())) {
            Rows::Dense(first, rows) => {
                let rows = rows.into_iter().zip(first.0..).filter(|(value, _)| value.is_some());
                rows.map(|(value, place)| (Place(place), value)).collect()
            }
            Rows::Sparse(mut rows) => {
                rows.retain(|(_, value)| value.is_some());
                rows
            }
        };
        self.rows = Rows::Sparse(rows);
        self.gaps = 0;
    }

    /// A row for this place, at `at`, which is where it would be.
    fn make_row(&mut self, at: usize, place: Place) {
        self.gaps += 1;
        if let Rows::Dense(first, rows) = &mut self.rows {
            if rows.is_empty() {
                *first = place;
            }
            if place.0 == first.0 + at as u64 && at == rows.len() {
                return rows.push(None);
            }
            self.gaps -= 1;
            self.close_up();
            let at = self.find(place).unwrap_or_else(|at| at);
            return self.make_row(at, place);
        }
        if let Rows::Sparse(rows) = &mut self.rows {
            rows.insert(at, (place, None));
        }
    }

    /// Whatever was there before is replaced.
    pub(crate) fn insert(&mut self, place: Place, value: T) -> &mut T {
        if let Err(at) = self.find(place) {
            self.make_row(at, place);
        }
        let at = self.find(place).unwrap_or_else(|at| at);
        if self.row(at).1.is_none() {
            self.gaps -= 1;
        }
        self.row_mut(at).insert(value)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<T> {
        let at = self.find(place).ok()?;
        let value = self.row_mut(at).take()?;
        self.gaps += 1;
        if self.gaps > self.len() / 2 + 1 {
            self.close_up();
        }
        Some(value)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        self.row(self.find(place).ok()?).1
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        let at = self.find(place).ok()?;
        self.row_mut(at).as_mut()
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> usize {
        self.len() - self.gaps
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Place, &T)> {
        self.from(Place(0))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut T)> {
        let (dense, sparse) = match &mut self.rows {
            Rows::Dense(first, rows) => (Some((first.0.., rows.iter_mut())), None),
            Rows::Sparse(rows) => (None, Some(rows.iter_mut())),
        };
        let dense = dense.into_iter().flat_map(|(places, rows)| places.map(Place).zip(rows));
        let sparse = sparse.into_iter().flatten().map(|(place, value)| (*place, value));
        dense.chain(sparse).filter_map(|(place, value)| Some((place, value.as_mut()?)))
    }

    /// From this place on.
    pub(crate) fn from(&self, first: Place) -> impl DoubleEndedIterator<Item = (Place, &T)> {
        let at = self.find(first).unwrap_or_else(|at| at);
        (at..self.len()).map(|at| self.row(at)).filter_map(|(place, value)| Some((place, value?)))
    }
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
