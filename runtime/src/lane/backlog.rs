//! The entries of a queue, in blocks.
//!
//! A burst that nobody handles yet goes into further blocks: growing one buffer would copy what is in it while senders
//! wait for the lock, and ask the system for more and more memory at once.
//!
//! **Cost**: that of a [`Block`] while there is one.

use std::collections::VecDeque;

use super::block::{Block, Packed};
use super::entry::Entry;

/// Of a block that was filled once, what is kept when the queue is empty.
pub(super) const KEPT: usize = 32;

/// `full` first, in order.
#[repr(C)]
pub(super) struct Backlog<M> {
    last: Block<M>,
    /// None as long as one block is enough. Boxed: most queues have none.
    #[expect(clippy::box_collection, reason = "an idle actor's queue is 24 bytes smaller")]
    full: Option<Box<VecDeque<Block<M>>>>,
}

impl<M> Backlog<M> {
    pub(super) fn new() -> Self {
        Backlog { last: Block::default(), full: None }
    }

    /// True: it went into a block of its own.
    #[inline(always)]
    pub(super) fn push(&mut self, entry: Packed<M>) -> bool {
        let split = self.last.must_make_room(&entry) && self.make_room(!entry.is_plain());
        self.last.put(entry);
        split
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, noted: bool) -> bool {
        if self.last.make_room(noted) {
            return false;
        }
        let full = std::mem::replace(&mut self.last, Block::whole(noted));
        self.full.get_or_insert_default().push_back(full);
        true
    }

    /// Where the next entry is.
    fn first(&mut self) -> &mut Block<M> {
        match &mut self.full {
            None => &mut self.last,
            Some(full) => full.front_mut().unwrap_or(&mut self.last),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Packed<M>> {
        let entry = self.first().pop();
        self.drop_empty();
        entry
    }

    /// The only block, when it is not split.
    #[inline(always)]
    pub(super) fn last(&mut self) -> &mut Block<M> {
        &mut self.last
    }

    /// Exchanges the first block for an empty one.
    pub(super) fn swap_block(&mut self, empty: &mut Block<M>) {
        std::mem::swap(self.first(), empty);
        self.drop_empty();
    }

    pub(super) fn full_blocks(&self) -> usize {
        self.full.as_ref().map_or(0, |full| full.len())
    }

    pub(super) fn is_split(&self) -> bool {
        self.full.is_some()
    }

    /// A block that is empty is none; of none there is no list.
    fn drop_empty(&mut self) {
        let Some(full) = &mut self.full else { return };
        while full.front().is_some_and(Block::is_empty) {
            full.pop_front();
        }
        if full.is_empty() {
            self.full = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty() && self.full.is_none()
    }

    fn blocks(&self) -> impl Iterator<Item = &Block<M>> {
        self.full.iter().flat_map(|full| full.iter()).chain([&self.last])
    }

    pub(super) fn len(&self) -> usize {
        self.blocks().map(Block::len).sum()
    }

    #[cfg(all(test, not(proscenium_loom)))]
    pub(super) fn capacity(&self) -> usize {
        self.blocks().map(Block::capacity).sum()
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &M> {
        self.blocks().flat_map(Block::messages)
    }

    /// Takes out the first entry that is a message.
    pub(super) fn remove_message(&mut self) -> Option<Packed<M>> {
        let full = self.full.iter_mut().flat_map(|full| full.iter_mut());
        let entry = full.chain([&mut self.last]).find_map(Block::remove_message);
        self.drop_empty();
        entry
    }

    /// All of it, in order; it is empty then.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Entry<M>> + use<M> {
        let full = self.full.take().into_iter().flat_map(|full| *full).flatten();
        full.chain(std::mem::take(&mut self.last))
    }
}
