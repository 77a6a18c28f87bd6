//! A stretch of a queue: messages in a row, and behind them a row of notes, if one of them has a note.
//!
//! Most messages are plain tells. So a place is as large as a message, and a message is written there once, where it stays
//! until it is handled: a queue of entries that are message and note in one type is up to twice as large, and the compiler
//! puts such an entry together elsewhere and copies it, in pieces that it reads back in one go. That stalled the processor:
//! 23 ns a message of 16 bytes became 13.
//!
//! **Promises**: first in, first out; what is in a block when that is dropped, is dropped.
//! **Bounds**: as many places as `make_room` was asked for, at most [`BLOCK`].

#![allow(unsafe_code)]

use std::alloc::{self, Layout};
use std::marker::PhantomData;
use std::mem::{MaybeUninit, align_of, size_of};
use std::ptr::{self, NonNull};

use super::entry::{Entry, Note};

/// Places in a block.
pub(super) const BLOCK: usize = 256;

/// In a note: there is no message in the place.
const BARE: u64 = 1 << 63;

/// An entry in the form in which it lies in a block. Not to be dropped: its message would leak.
pub(crate) struct Packed<M> {
    note: u64,
    /// Is there unless `note` says `BARE`.
    message: MaybeUninit<M>,
}

impl<M> Packed<M> {
    #[inline(always)]
    pub(super) fn noted(message: M, note: Note) -> Self {
        debug_assert!(note.0 & BARE == 0);
        Packed { note: note.0 & !BARE, message: MaybeUninit::new(message) }
    }

    pub(super) fn new(entry: Entry<M>) -> Self {
        match entry.message {
            Some(message) => Packed::noted(message, entry.note),
            None => Packed { note: entry.note.0 | BARE, message: MaybeUninit::uninit() },
        }
    }

    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.note == 0
    }

    #[inline(always)]
    pub(super) fn weighs(&self) -> bool {
        self.note & BARE == 0
    }

    #[inline(always)]
    pub(crate) fn note(&self) -> Note {
        Note(self.note & !BARE)
    }

    /// The message, if there is one. No `Option`: that of a type with niches is read by its tag and copied in pieces.
    #[inline(always)]
    pub(crate) fn message(self) -> Result<M, Self> {
        if !self.weighs() {
            return Err(self);
        }
        // SAFETY: initialised: see the field.
        Ok(unsafe { self.message.assume_init() })
    }

    pub(super) fn entry(self) -> Entry<M> {
        Entry { note: self.note(), message: self.message().ok() }
    }
}

/// The memory of a block.
struct Places<M> {
    messages: NonNull<MaybeUninit<M>>,
    capacity: u32,
    /// 1: there is a row of notes behind the messages. A whole word: with bytes of no meaning in it a block is copied in
    /// pieces, which stall the processor.
    notes: u32,
    owns: PhantomData<M>,
}

// JUSTIFICATION: a hand-written container is not `Send` without this.
// SAFETY: it owns what it points to, as a `Vec` does: `M: Send`.
unsafe impl<M: Send> Send for Places<M> {}

impl<M> Places<M> {
    #[inline(always)]
    fn noted(&self) -> bool {
        self.notes != 0
    }

    /// Where the notes begin.
    #[inline(always)]
    fn notes_at(capacity: u32) -> usize {
        (capacity as usize * size_of::<M>()).next_multiple_of(size_of::<u64>())
    }

    /// None: there is nothing to allocate.
    #[inline]
    fn layout(capacity: u32, noted: bool) -> Option<Layout> {
        const { assert!(size_of::<M>() < isize::MAX as usize / 2 / BLOCK, "a block fits the address space") };
        let (size, align) = if noted {
            let notes = capacity as usize * size_of::<u64>();
            (Self::notes_at(capacity) + notes, align_of::<M>().max(align_of::<u64>()))
        } else {
            (capacity as usize * size_of::<M>(), align_of::<M>())
        };
        let layout = Layout::from_size_align(size, align).expect("a block fits the address space");
        (size > 0).then_some(layout)
    }

    fn new(capacity: u32, noted: bool) -> Self {
        let messages = match Self::layout(capacity, noted) {
            None => NonNull::dangling(),
            Some(layout) => {
                // SAFETY: the layout's size is not zero.
                let memory = unsafe { alloc::alloc(layout) };
                NonNull::new(memory.cast()).unwrap_or_else(|| alloc::handle_alloc_error(layout))
            }
        };
        Places { messages, capacity, notes: u32::from(noted), owns: PhantomData }
    }

    /// Where the message of a place lies. `place` is below the capacity.
    #[inline(always)]
    fn message(&self, place: u32) -> *mut MaybeUninit<M> {
        debug_assert!(place < self.capacity);
        // SAFETY: in bounds: the caller's promise.
        unsafe { self.messages.as_ptr().add(place as usize) }
    }

    /// Where its note lies. `place` is below the capacity, and the block is noted.
    #[inline(always)]
    fn note(&self, place: u32) -> *mut u64 {
        debug_assert!(place < self.capacity && self.noted());
        // SAFETY: in bounds: the layout of a noted block has as many words from there on.
        unsafe {
            self.messages.as_ptr().cast::<u8>().add(Self::notes_at(self.capacity)).cast::<u64>().add(place as usize)
        }
    }

    /// Gives back what is behind the first `capacity` places, in none of which there is anything.
    fn cut(&mut self, capacity: u32) {
        let before = Self::layout(self.capacity, self.noted());
        let after = Self::layout(capacity, self.noted());
        if let Some((before, after)) = before.zip(after) {
            // SAFETY: allocated with `before`, whose alignment is that of `after`, whose size is not zero.
            let memory = unsafe { alloc::realloc(self.messages.as_ptr().cast(), before, after.size()) };
            self.messages = NonNull::new(memory.cast()).unwrap_or_else(|| alloc::handle_alloc_error(after));
            self.capacity = capacity;
        }
    }
}

impl<M> Drop for Places<M> {
    fn drop(&mut self) {
        if let Some(layout) = Self::layout(self.capacity, self.noted()) {
            // SAFETY: allocated with this layout.
            unsafe { alloc::dealloc(self.messages.as_ptr().cast(), layout) }
        }
    }
}

/// The entries lie at the places from `first` to before `end`, each with its message unless its note says `BARE`.
pub(super) struct Block<M> {
    places: Places<M>,
    first: u32,
    end: u32,
}

impl<M> Default for Block<M> {
    fn default() -> Self {
        Block {
            places: Places { messages: NonNull::dangling(), capacity: 0, notes: 0, owns: PhantomData },
            first: 0,
            end: 0,
        }
    }
}

impl<M> Block<M> {
    /// As large as blocks get.
    pub(super) fn whole(noted: bool) -> Self {
        Block { places: Places::new(BLOCK as u32, noted), first: 0, end: 0 }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.first == self.end
    }

    pub(super) fn capacity(&self) -> usize {
        self.places.capacity as usize
    }

    /// `make_room` comes before `put`.
    #[inline(always)]
    pub(super) fn must_make_room(&self, entry: &Packed<M>) -> bool {
        self.end == self.places.capacity || (!entry.is_plain() && !self.places.noted())
    }

    /// Makes room behind the last entry, for a note as well if there is to be one. False: the block is full.
    #[cold]
    pub(super) fn make_room(&mut self, noted: bool) -> bool {
        let (capacity, noted) = (self.places.capacity, noted || self.places.noted());
        if self.end < capacity {
            self.move_to(capacity, noted);
        } else if self.first > 0 && self.first >= capacity / 2 {
            self.move_to(capacity, noted); // To the beginning, at most as far as entries have left.
        } else if capacity as usize == BLOCK {
            return false;
        } else {
            self.move_to((capacity * 2).clamp(2, BLOCK as u32), noted);
        }
        true
    }

    /// All entries to the first of so many places.
    fn move_to(&mut self, capacity: u32, noted: bool) {
        let (first, count) = (self.first, self.end - self.first);
        debug_assert!(count <= capacity && (noted || !self.places.noted()));
        if capacity == self.places.capacity && noted == self.places.noted() {
            self.slide(first, 0, count);
        } else {
            let places = Places::new(capacity, noted);
            if count > 0 {
                // SAFETY: in bounds: there are `count` places on both sides; two allocations do not overlap.
                unsafe { ptr::copy_nonoverlapping(self.places.message(first), places.message(0), count as usize) };
            }
            for place in 0..if noted { count } else { 0 } {
                let note = self.note(first + place);
                // SAFETY: in bounds, and noted.
                unsafe { places.note(place).write(note) };
            }
            self.places = places;
        }
        (self.first, self.end) = (0, count);
    }

    /// Moves so many entries from one place on to another on.
    fn slide(&mut self, from: u32, to: u32, count: u32) {
        if count == 0 || from == to {
            return;
        }
        // SAFETY: in bounds: `from + count` and `to + count` are at most the capacity, as the callers see to; `copy` allows
        // for the overlap.
        unsafe {
            ptr::copy(self.places.message(from), self.places.message(to), count as usize);
            if self.places.noted() {
                ptr::copy(self.places.note(from), self.places.note(to), count as usize);
            }
        }
    }

    /// The note of an entry.
    #[inline(always)]
    fn note(&self, place: u32) -> u64 {
        if !self.places.noted() {
            return 0;
        }
        // SAFETY: in bounds: entries' places are; initialised with the entry, by `set`, or by `move_to` before there were
        // notes.
        unsafe { self.places.note(place).read() }
    }

    #[inline(always)]
    fn set(&mut self, place: u32, entry: Packed<M>) {
        // SAFETY: in bounds: the callers have looked; nothing that is to be dropped lies there.
        unsafe {
            self.places.message(place).write(entry.message);
            if self.places.noted() {
                self.places.note(place).write(entry.note);
            }
        }
    }

    /// The entry is out of its place from here on.
    #[inline(always)]
    fn get(&self, place: u32) -> Packed<M> {
        // SAFETY: in bounds: entries' places are; nobody reads it there again.
        Packed { note: self.note(place), message: unsafe { self.places.message(place).read() } }
    }

    /// Behind the last entry, where there is room: see `must_make_room`.
    #[inline(always)]
    pub(super) fn put(&mut self, entry: Packed<M>) {
        assert!(!self.must_make_room(&entry), "room was made");
        self.set(self.end, entry);
        self.end += 1;
    }

    /// The first entry.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Packed<M>> {
        if self.is_empty() {
            return None;
        }
        let taken = self.get(self.first);
        self.first += 1;
        Some(taken)
    }

    /// Before the first entry. It comes back when the block is full.
    pub(super) fn put_first(&mut self, entry: Packed<M>) -> Result<(), Packed<M>> {
        if self.first == 0 {
            if self.must_make_room(&entry) && !self.make_room(!entry.is_plain()) {
                return Err(entry);
            }
            let count = self.end;
            self.slide(0, 1, count);
            (self.first, self.end) = (1, count + 1);
        } else if !entry.is_plain() && !self.places.noted() {
            self.move_to(self.places.capacity, true);
            return self.put_first(entry);
        }
        self.first -= 1;
        self.set(self.first, entry);
        Ok(())
    }

    /// The first entry that is a message. Those before it move up.
    pub(super) fn remove_message(&mut self) -> Option<Packed<M>> {
        let at = (self.first..self.end).find(|place| self.note(*place) & BARE == 0)?;
        let taken = self.get(at);
        self.slide(self.first, self.first + 1, at - self.first);
        self.first += 1;
        Some(taken)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &M> {
        let places = (self.first..self.end).filter(|place| self.note(*place) & BARE == 0);
        // SAFETY: in bounds: entries' places are; initialised: the note says so; borrowed like `self`.
        places.map(|place| unsafe { (*self.places.message(place)).assume_init_ref() })
    }

    /// The next entry goes to the first place: there is none.
    #[inline(always)]
    pub(super) fn rewind(&mut self) {
        if self.is_empty() {
            (self.first, self.end) = (0, 0);
        }
    }

    /// Gives memory back, while it is empty.
    pub(super) fn shrink_to(&mut self, capacity: usize) {
        if self.is_empty() && capacity < self.capacity() {
            (self.first, self.end) = (0, 0);
            self.places.cut(capacity as u32);
        }
    }
}

impl<M> Drop for Block<M> {
    /// When the drop of a message panics, those behind it leak.
    fn drop(&mut self) {
        while let Some(taken) = self.pop() {
            drop(taken.entry());
        }
    }
}

impl<M> Iterator for Block<M> {
    type Item = Entry<M>;

    fn next(&mut self) -> Option<Entry<M>> {
        self.pop().map(Packed::entry)
    }
}
