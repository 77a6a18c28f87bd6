//! The entries of a queue, in blocks.
//!
//! A burst that nobody handles yet goes into further blocks: growing one buffer would copy what is in it while senders
//! wait for the lock, and ask the system for more and more memory at once.
//!
//! **Cost**: as a `VecDeque` while there is one block.

use std::collections::VecDeque;

/// Entries in a block.
pub(super) const BLOCK: usize = 256;
/// Of a block that was filled once, what is kept when the queue is empty.
pub(super) const KEPT: usize = 32;

/// `full` first, in order.
#[repr(C)]
pub(super) struct Backlog<T> {
    last: VecDeque<T>,
    /// None as long as one block is enough. Boxed: most queues have none.
    #[expect(clippy::box_collection, reason = "an idle actor's queue is 24 bytes smaller")]
    full: Option<Box<VecDeque<VecDeque<T>>>>,
}

impl<T> Backlog<T> {
    pub(super) fn new() -> Self {
        Backlog { last: VecDeque::new(), full: None }
    }

    /// `grow` comes first.
    #[inline(always)]
    pub(super) fn must_grow(&self) -> bool {
        self.last.len() == self.last.capacity()
    }

    /// Makes room for an entry. True: in a block of its own.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(&mut self) -> bool {
        if self.last.len() < BLOCK {
            let double = (self.last.len() * 2).clamp(4, BLOCK);
            self.last.reserve_exact(double - self.last.len());
            return false;
        }
        let block = std::mem::replace(&mut self.last, VecDeque::with_capacity(BLOCK));
        self.full.get_or_insert_default().push_back(block);
        true
    }

    #[inline(always)]
    pub(super) fn push_back(&mut self, entry: T) {
        self.last.push_back(entry);
    }

    /// Where the next entry is.
    fn first(&mut self) -> &mut VecDeque<T> {
        match &mut self.full {
            None => &mut self.last,
            Some(full) => full.front_mut().unwrap_or(&mut self.last),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let entry = self.first().pop_front();
        self.drop_empty();
        entry
    }

    /// The only block, when it is not split.
    #[inline(always)]
    pub(super) fn last(&mut self) -> &mut VecDeque<T> {
        &mut self.last
    }

    /// Exchanges the first block for an empty one.
    pub(super) fn swap_block(&mut self, empty: &mut VecDeque<T>) {
        std::mem::swap(self.first(), empty);
        self.drop_empty();
    }

    pub(super) fn is_split(&self) -> bool {
        self.full.is_some()
    }

    /// A block that is empty is none; of none there is no list.
    fn drop_empty(&mut self) {
        let Some(full) = &mut self.full else { return };
        while full.front().is_some_and(VecDeque::is_empty) {
            full.pop_front();
        }
        if full.is_empty() {
            self.full = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty() && self.full.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.last.len() + self.full.iter().flat_map(|full| full.iter()).map(VecDeque::len).sum::<usize>()
    }

    #[cfg(all(test, not(proscenium_loom)))]
    pub(super) fn capacity(&self) -> usize {
        self.last.capacity() + self.full.iter().flat_map(|full| full.iter()).map(VecDeque::capacity).sum::<usize>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let full = self.full.iter().flat_map(|full| full.iter());
        full.chain([&self.last]).flatten()
    }

    /// Takes out the first entry that is `wanted`.
    pub(super) fn remove_first(&mut self, mut wanted: impl FnMut(&mut T) -> bool) -> Option<T> {
        let full = self.full.iter_mut().flat_map(|full| full.iter_mut());
        let mut found = full.chain([&mut self.last]).filter_map(|block| {
            let at = block.iter_mut().position(&mut wanted)?;
            block.remove(at)
        });
        let entry = found.next();
        drop(found);
        self.drop_empty();
        entry
    }

    /// All of it, in order; it is empty then.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        let full = self.full.take().into_iter().flat_map(|full| *full).flatten();
        full.chain(std::mem::take(&mut self.last))
    }
}

#[cfg(all(test, not(proscenium_loom)))]
mod tests {
    use super::*;

    fn push(backlog: &mut Backlog<usize>, entry: usize) {
        let split = backlog.must_grow() && backlog.grow();
        backlog.push_back(entry);
        assert!(backlog.is_split() || !split);
    }

    #[test]
    fn entries_come_out_in_order_over_the_blocks() {
        for count in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7] {
            let mut backlog = Backlog::new();
            (0..count).for_each(|entry| push(&mut backlog, entry));
            assert_eq!((backlog.len(), backlog.is_empty()), (count, count == 0));
            let mut got = Vec::new();
            while let Some(entry) = backlog.pop_front() {
                got.push(entry);
                let mut block = VecDeque::new();
                backlog.swap_block(&mut block);
                assert!(block.len() <= BLOCK);
                got.extend(block);
            }
            assert_eq!(got, (0..count).collect::<Vec<_>>());
            assert!(backlog.is_empty());
        }
    }

    #[test]
    fn the_first_that_is_wanted_goes_wherever_it_is() {
        let mut backlog = Backlog::new();
        (0..2 * BLOCK).for_each(|entry| push(&mut backlog, entry));
        for wanted in [0, BLOCK - 1, BLOCK, 2 * BLOCK - 1] {
            assert_eq!(backlog.remove_first(|entry| *entry >= wanted), Some(wanted));
        }
        assert_eq!(backlog.remove_first(|entry| *entry > 2 * BLOCK), None);
        assert_eq!(backlog.len(), 2 * BLOCK - 4);
        while backlog.remove_first(|_| true).is_some() {}
        assert!(backlog.is_empty());
    }

    #[test]
    fn what_is_taken_is_all_of_it() {
        let mut backlog = Backlog::new();
        (0..BLOCK + 3).for_each(|entry| push(&mut backlog, entry));
        assert!(backlog.take().eq(0..BLOCK + 3));
        assert!(backlog.is_empty() && backlog.capacity() == 0);
    }
}
