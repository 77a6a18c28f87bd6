//! The memory of a batch.
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use crate::Error;
use crate::abi::{self, PscRecord, RecordBatch};

/// A batch's memory, for the length of a call. Every access is checked against the geometry as it was at the beginning.
pub(crate) struct Block<'a> {
    base: NonNull<u8>,
    /// The host's part of the header, which nobody changes during the call, and the plugin's as it was at first.
    head: RecordBatch,
    call: PhantomData<&'a mut [u8]>,
}

impl Block<'_> {
    /// Looks at the header. A block that this version cannot read is an error.
    ///
    /// # Safety
    /// `batch` is 8-aligned, `block_size` bytes from there may be read, those before `heap_end` written, and nobody
    /// writes them as long as the block is used.
    pub(super) unsafe fn new(batch: *mut RecordBatch) -> Result<Self, Error> {
        let base = NonNull::new(batch).ok_or_else(|| Error::unsupported("the batch is null"))?;
        // SAFETY: the caller's contract.
        let head = unsafe { base.read() };
        match fault(&head) {
            Some(fault) => Err(Error::unsupported(format!("a batch that version 1.0 cannot read: {fault}"))),
            None => Ok(Self { base: base.cast(), head, call: PhantomData }),
        }
    }

    /// The host's part is what counts; of the plugin's this is how it was at first.
    pub(crate) fn head(&self) -> &RecordBatch {
        &self.head
    }

    pub(crate) fn set_progress(&mut self, index: u32) {
        // No write to a record may be seen before the word that names it: not for another thread's eyes, which the host
        // has not before the end of the process, but for the compiler's.
        compiler_fence(Ordering::SeqCst);
        // SAFETY: in the header, aligned, and only ever touched as an atomic while the plugin runs.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.line()).progress) }.store(index, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    pub(crate) fn set_note(&mut self, note: u64) {
        // SAFETY: in the header, which may be written. Volatile: it is for whoever looks after a crash.
        unsafe { (&raw mut (*self.line()).note).write_volatile(note) }
    }

    pub(crate) fn heap_left(&self) -> usize {
        let (top, _) = self.tops();
        (self.head.heap_end as usize).saturating_sub(top.next_multiple_of(8))
    }

    /// Room in the heap, 8-aligned. At least one byte is taken, so that no two allocations have the same address.
    pub(crate) fn alloc(&mut self, size: usize) -> Option<Range<usize>> {
        let (top, _) = self.tops();
        let start = top.next_multiple_of(8);
        if start > self.head.heap_end as usize || size.max(1) > self.head.heap_end as usize - start {
            return None;
        }
        self.set_tops(start + size.max(1), start);
        Some(start..start + size)
    }

    /// Takes the latest allocation back.
    pub(crate) fn give_back(&mut self, start: usize) {
        let (_, last) = self.tops();
        if last == start {
            self.set_tops(start, start);
        }
    }

    /// Of the latest allocation only this much is used; the rest goes back to the heap.
    pub(crate) fn shrink_last(&mut self, used: &Range<usize>) {
        let (top, last) = self.tops();
        if used.start == last && used.start < top && used.end <= top {
            self.set_tops(used.start + used.len().max(1), last);
        }
    }

    pub(crate) fn is_heap(&self, place: &Range<usize>) -> bool {
        place.start >= self.head.heap_off as usize && place.end <= self.head.heap_end as usize
    }

    pub(crate) fn bytes(&self, place: Range<usize>) -> &[u8] {
        self.check(&place, true);
        // SAFETY: within heap or input by the line above, which may be read and which nobody writes meanwhile.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(place.start), place.len()) }
    }

    pub(crate) fn heap_mut(&mut self, place: Range<usize>) -> &mut [u8] {
        self.check(&place, false);
        // SAFETY: within the heap by the line above, which may be written; `&mut self` keeps other slices away.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr().add(place.start), place.len()) }
    }

    /// Both at once: what is read, and other bytes of the heap to be written.
    pub(crate) fn split(&mut self, read: Range<usize>, write: Range<usize>) -> (&[u8], &mut [u8]) {
        self.check(&read, true);
        self.check(&write, false);
        assert!(read.end <= write.start || write.end <= read.start, "{read:?} and {write:?} overlap");
        let base = self.base.as_ptr();
        // SAFETY: as in `bytes` and `heap_mut`, and the two have no byte in common.
        unsafe {
            (
                std::slice::from_raw_parts(base.add(read.start), read.len()),
                std::slice::from_raw_parts_mut(base.add(write.start), write.len()),
            )
        }
    }

    pub(crate) fn entry(&self, index: u32) -> &PscRecord {
        // SAFETY: in the table by `entry_at`, aligned, initialised by the host or by `push_emitted`.
        unsafe { &*self.entry_at(index) }
    }

    pub(crate) fn entry_mut(&mut self, index: u32) -> &mut PscRecord {
        // SAFETY: as in `entry`; `&mut self` keeps other references away.
        unsafe { &mut *self.entry_at(index) }
    }

    /// Where the next emitted record would be; none if the table is full.
    pub(crate) fn emitted_end(&self) -> Option<u32> {
        // SAFETY: in the header, which may be read.
        let emitted = unsafe { (*self.line()).emitted };
        self.head.record_count.checked_add(emitted).filter(|&index| index < self.head.record_capacity)
    }

    /// Puts a record behind the others; without room for it, nothing.
    pub(crate) fn push_emitted(&mut self, parent: u64, payload: Range<usize>) {
        let Some(index) = self.emitted_end() else { return };
        let flags = abi::REC_EMITTED | abi::REC_CHANGED;
        let (off, len) = (payload.start as u32, payload.len() as u32);
        // SAFETY:
        // - in the table by `entry_at`, and aligned; it may be written;
        // - `emitted` is in the header, which may be written, and stays below the table's size by `emitted_end`.
        unsafe {
            self.entry_at(index).write(PscRecord { id: parent, off, len, flags, ..PscRecord::default() });
            (*self.line()).emitted += 1;
        }
    }

    fn entry_at(&self, index: u32) -> *mut PscRecord {
        assert!(index < self.head.record_capacity, "record {index} of {}", self.head.record_capacity);
        let offset = self.head.entries_off as usize + index as usize * size_of::<PscRecord>();
        // SAFETY: in bounds: `fault` found the whole table before the heap.
        unsafe { self.base.as_ptr().add(offset).cast() }
    }

    fn check(&self, place: &Range<usize>, or_input: bool) {
        let input = self.head.input_off as usize..self.head.input_end as usize;
        let in_input = or_input && place.start >= input.start && place.end <= input.end;
        assert!(
            place.start <= place.end && (self.is_heap(place) || in_input),
            "{place:?} is neither in the heap nor in the input of the batch"
        );
    }

    /// The first free byte of the heap, and the start of the latest allocation.
    fn tops(&self) -> (usize, usize) {
        // SAFETY: in the header, which may be read.
        unsafe { ((*self.line()).heap_top as usize, (*self.line()).heap_last as usize) }
    }

    fn set_tops(&mut self, top: usize, last: usize) {
        // SAFETY: in the header, which may be written. Both fit: a block has at most 2 GiB.
        unsafe {
            (*self.line()).heap_top = top as u32;
            (*self.line()).heap_last = last as u32;
        }
    }

    fn line(&self) -> *mut RecordBatch {
        self.base.as_ptr().cast::<RecordBatch>()
    }
}

/// What is wrong with a header, if anything is.
fn fault(head: &RecordBatch) -> Option<&'static str> {
    let table = u64::from(head.record_capacity) * u64::from(abi::ENTRY_SIZE);
    let rules = [
        (head.magic == abi::MAGIC, "its magic is another"),
        (head.layout == abi::LAYOUT, "its layout is another"),
        (head.header_size == abi::HEADER_SIZE && head.entry_size == abi::ENTRY_SIZE, "its sizes are others"),
        (head.block_size <= abi::MAX_BLOCK, "it is above 2 GiB"),
        (
            head.entries_off >= u32::from(abi::HEADER_SIZE) && head.entries_off.is_multiple_of(8),
            "its table lies in the header",
        ),
        (u64::from(head.entries_off) + table <= u64::from(head.heap_off), "its table reaches into the heap"),
        (head.heap_off <= head.heap_end && head.heap_end <= head.block_size, "its heap ends outside"),
        (head.heap_end <= head.input_off && head.input_off <= head.input_end, "its heap reaches into the input"),
        (head.input_end <= head.block_size, "its input ends outside"),
        (head.record_count <= head.record_capacity, "it has more records than its table"),
        (head.emitted <= head.record_capacity.saturating_sub(head.record_count), "it has emitted records of its own"),
        (head.heap_top >= head.heap_off && head.heap_top <= head.heap_end, "its heap is filled up to somewhere else"),
    ];
    rules.iter().find(|(holds, _)| !holds).map(|&(_, fault)| fault)
}
