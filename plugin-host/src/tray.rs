//! What a batch lies in, from when it is filled until its results were read: used again and again, so that nothing is
//! allocated for a batch once there was one of its size.
//!
//! What the host keeps of a record is 32 bytes, as in the table that the process gets, and so is what came back of it. More
//! would be felt: a batch goes through a cache that holds a few of them.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use proscenium_plugin_sdk::abi::{self, Content};
use proscenium_shm_channel::{AccessError, Front, Slot};

use crate::answer::Answer;
use crate::block::{Entry, Layout, Written, entry};
use crate::end::EndReport;
use crate::failover_core::Why;
use crate::judge::Heap;
use crate::portion::Portion;

/// A batch and its results.
#[derive(Debug)]
pub(crate) struct Tray {
    pub(crate) slot: Slot,
    pub(crate) layout: Layout,
    pub(crate) content: Content,
    pub(crate) routes: u32,
    /// A plugin that was to flush has more than this.
    pub(crate) has_more: bool,
    /// Bytes of the input that are filled.
    used: u32,
    buffers: Lent,
}

#[derive(Debug, Default)]
struct Buffers {
    /// The table, as the host writes it.
    given: Vec<Entry>,
    /// What became of the records: judged, and taken over.
    results: Vec<Entry>,
    /// What the plugin has added, with the record at which its portion began.
    emitted: Vec<(u32, Entry)>,
    /// The last table that came back.
    table: Vec<Entry>,
    /// What was used of heaps, copied out once.
    copied: Vec<u8>,
    /// Records that go on as they came, with the reason: few, so they are searched.
    asides: Vec<Aside>,
    /// All came back as it was given: these are the results.
    are_as_given: bool,
    /// There are results of this batch; before, what lies there is of another, and its length is of use.
    has_results: bool,
    answer: Arc<Answer>,
}

/// Records that could not be processed.
#[derive(Debug)]
pub(crate) struct Aside {
    portion: Portion,
    pub(crate) why: Why,
    /// How the process ended that this record was alone with.
    pub(crate) end: Option<Arc<EndReport>>,
}

/// Buffers that nobody uses: as many at most as there are slots.
#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "the boxes are what is kept")]
pub(crate) struct Shelf {
    kept: Mutex<Vec<Box<Buffers>>>,
}

impl Shelf {
    fn take(&self) -> Box<Buffers> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_default()
    }

    fn put_back(&self, buffers: Box<Buffers>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
    }
}

/// Buffers in use. Boxed, so that what is handed from one to the other is small; the box is used again as well.
#[derive(Debug)]
struct Lent {
    buffers: Option<Box<Buffers>>,
    shelf: Arc<Shelf>,
}

impl Deref for Lent {
    type Target = Buffers;

    #[inline]
    fn deref(&self) -> &Buffers {
        self.buffers.as_ref().expect("they are given back when this is dropped, and not before")
    }
}

impl DerefMut for Lent {
    #[inline]
    fn deref_mut(&mut self) -> &mut Buffers {
        self.buffers.as_mut().expect("they are given back when this is dropped, and not before")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(buffers) = self.buffers.take() {
            self.shelf.put_back(buffers);
        }
    }
}

/// Every payload begins at a multiple of this.
const ALIGN: u32 = 8;

/// What is kept of a batch's results, in heaps, and of what is added to them, in tables.
const HEAPS: usize = 8;

/// There is no room for a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoRoom;

impl Tray {
    pub(crate) fn new(slot: Slot, layout: Layout, shelf: Arc<Shelf>) -> Self {
        let mut buffers = Lent { buffers: Some(shelf.take()), shelf };
        buffers.given.clear();
        buffers.emitted.clear();
        buffers.copied.clear();
        buffers.asides.clear();
        (buffers.has_results, buffers.are_as_given) = (false, false);
        Tray { slot, layout, content: Content::MsgPack, routes: 0, has_more: false, used: 0, buffers }
    }

    /// Room for a record's payload; what `write` has not used of it goes to the next.
    #[inline]
    pub(crate) fn add(
        &mut self,
        id: u64,
        len: usize,
        content: Content,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), NoRoom> {
        let at = self.used.next_multiple_of(ALIGN) as usize;
        if self.buffers.given.len() >= self.layout.records as usize {
            return Err(NoRoom);
        }
        let end = at.checked_add(len).ok_or(NoRoom)?;
        let written = write(self.slot.get_mut(at..end).ok_or(NoRoom)?).min(len);
        let (at, len) = (at as u32, written as u32);
        self.used = at + len;
        self.buffers.given.push(entry(id, self.layout.input_off + at, len, content, 0));
        Ok(())
    }

    /// Whose memory it is.
    pub(crate) fn shelf(&self) -> &Arc<Shelf> {
        &self.buffers.shelf
    }

    pub(crate) fn answer(&self) -> Arc<Answer> {
        self.buffers.answer.clone()
    }

    pub(crate) fn len(&self) -> u32 {
        self.buffers.given.len() as u32
    }

    pub(crate) fn input_end(&self) -> u32 {
        self.layout.input_off + self.used
    }

    /// The table's lines of a portion.
    pub(crate) fn given(&self, portion: Portion) -> &[Entry] {
        self.buffers.given.get(portion.first as usize..(portion.first + portion.count) as usize).unwrap_or_default()
    }

    /// The records as they were given.
    pub(crate) fn all(&self) -> &[Entry] {
        &self.buffers.given
    }

    /// The records as they came back: all of them, once the batch is [settled](Tray::settle).
    pub(crate) fn results(&self) -> &[Entry] {
        match (self.buffers.has_results, self.buffers.are_as_given) {
            (false, _) => &[],
            (true, false) => &self.buffers.results,
            (true, true) => &self.buffers.given,
        }
    }

    pub(crate) fn emitted(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.buffers.emitted.iter().map(|(_, entry)| entry)
    }

    /// Whether any record was set aside.
    pub(crate) fn has_asides(&self) -> bool {
        !self.buffers.asides.is_empty()
    }

    /// Why a record was set aside, if it was.
    pub(crate) fn aside(&self, record: u32) -> Option<&Aside> {
        self.buffers.asides.iter().find(|aside| aside.portion.records().contains(&record))
    }

    /// The payload of a record that was given, before and after it was handed over.
    pub(crate) fn payload(&self, entry: &Entry) -> &[u8] {
        let written = Written(*entry);
        let (at, len) = ((written.off() - self.layout.input_off) as usize, written.len() as usize);
        &self.slot[at..][..len]
    }

    /// The payload of a result.
    #[inline]
    pub(crate) fn result_payload(&self, entry: &Entry) -> &[u8] {
        let written = Written(*entry);
        let (at, len) = (written.off() as usize, written.len() as usize);
        match written.is_copied() {
            true => &self.buffers.copied[at..][..len],
            false => &self.slot[at - self.layout.input_off as usize..][..len],
        }
    }

    pub(crate) fn reason(&self, entry: &Entry) -> &[u8] {
        let written = Written(*entry);
        &self.buffers.copied[written.reason_off() as usize..][..written.reason_len().into()]
    }

    /// Whether the whole batch has come back as it was given. Then that is what came of it: nothing is copied, and nothing is
    /// left to be judged.
    pub(crate) fn came_as_given(
        &mut self,
        portion: Portion,
        front: &Front<'_>,
        lines: u32,
    ) -> Result<bool, AccessError> {
        let Buffers { given, has_results, are_as_given, .. } = &mut *self.buffers;
        let is_whole = !*has_results && lines == portion.count && lines as usize == given.len();
        let is_as_given = is_whole && front.holds(u32::from(abi::HEADER_SIZE), given.as_flattened())?;
        if is_as_given {
            (*has_results, *are_as_given) = (true, true);
        }
        Ok(is_as_given)
    }

    /// The table that a process wrote: copied once, and looked at in the copy alone.
    pub(crate) fn copy_table(&mut self, front: &Front<'_>, lines: u32) -> Result<(), AccessError> {
        let table = &mut self.buffers.table;
        // What lies there is written over; only what is new must be filled first.
        table.resize(lines as usize, Entry::default());
        front.load(u32::from(abi::HEADER_SIZE), table.as_flattened_mut())
    }

    /// What [`copy_table`](Tray::copy_table) has copied last.
    pub(crate) fn table(&self) -> &[Entry] {
        &self.buffers.table
    }

    /// Whether so much of a heap, and what is added in the table that was copied last, can still be taken over. A batch that
    /// is handed out in parts may use heap and table for each of them: [`HEAPS`] times at most.
    pub(crate) fn has_room(&self, portion: Portion, heap: &Heap) -> bool {
        let Buffers { table, copied, emitted, .. } = &*self.buffers;
        let whole = (self.layout.heap_end - self.layout.heap_off) as usize;
        let added = table.len().saturating_sub(portion.count as usize);
        copied.len() + (heap.to - heap.from) as usize <= whole * HEAPS
            // What is added may be empty, and take of the heap nothing.
            && emitted.len() + added <= self.layout.records as usize * HEAPS
    }

    /// Takes over what the judged table says of a portion: `heap` is what it uses of the heap. Records that want to be given
    /// again are put into `again`, as numbers and milliseconds.
    pub(crate) fn take_over(
        &mut self,
        portion: Portion,
        heap: &Heap,
        front: &Front<'_>,
        again: &mut Vec<(u32, u32)>,
    ) -> Result<(), AccessError> {
        let has_results = self.buffers.has_results;
        let Buffers { given, results, emitted, table, copied, .. } = &mut *self.buffers;
        let start = copied.len() as u32;
        front.copy_out(heap.from, heap.to - heap.from, copied)?;
        let first = portion.first as usize;
        for (nth, entry) in table.iter_mut().enumerate() {
            let mut written = Written(*entry);
            written.take_over(start, heap.from, self.layout.input_off);
            *entry = written.0;
            // Of a record that does not go on, the payload is what came in.
            if !written.goes_on()
                && let Some(given) = given.get(first + nth)
            {
                *entry = written.with_payload_of(*given);
                if written.is_again() {
                    again.push((portion.first + nth as u32, written.arg()));
                }
            }
        }
        let own = (portion.count as usize).min(table.len());
        emitted.extend(table.drain(own..).map(|entry| (portion.first, entry)));
        if !has_results && own == given.len() {
            std::mem::swap(results, table);
        } else {
            if !has_results {
                results.clear();
            }
            results.resize(given.len(), Entry::default());
            results[first..first + own].copy_from_slice(&table[..own]);
        }
        self.buffers.has_results = true;
        Ok(())
    }

    /// These records go on as they came.
    pub(crate) fn set_aside(&mut self, portion: Portion, why: Why, end: Option<Arc<EndReport>>) {
        let Buffers { given, results, asides, has_results, are_as_given, .. } = &mut *self.buffers;
        if !std::mem::replace(has_results, true) || std::mem::replace(are_as_given, false) {
            results.clone_from(given);
        }
        results.resize(given.len(), Entry::default());
        let range = portion.first as usize..(portion.first + portion.count) as usize;
        if let (Some(results), Some(given)) = (results.get_mut(range.clone()), given.get(range)) {
            results.copy_from_slice(given);
            asides.push(Aside { portion, why, end });
        }
    }

    /// All is settled: what was added stands in the order of the records, however often they were given.
    pub(crate) fn settle(&mut self) {
        let Buffers { given, copied, .. } = &*self.buffers;
        let touched = self.used as usize + size_of_val(given.as_slice()) + copied.len();
        self.slot.has_used(u32::try_from(touched).unwrap_or(u32::MAX));
        self.buffers.emitted.sort_by_key(|(first, _)| *first);
    }
}

#[cfg(test)]
mod tests {
    use proscenium_shm_channel::{Geometry, Pool};

    use super::*;

    #[test]
    fn what_is_added_has_a_bound_though_it_is_empty() {
        let geometry = Geometry { slots: 1, records: 16, heap: 1024, input: 4096 };
        let pool = Pool::new(geometry).expect("the test has memory");
        let layout = Layout {
            records: geometry.records,
            heap_off: geometry.heap_off(),
            heap_end: geometry.heap_end(),
            input_off: geometry.input_off(),
        };
        let whole = HEAPS * geometry.records as usize;
        let empty = Heap { from: layout.heap_off, to: layout.heap_off };
        let rows = [
            // Added before, lines of the table, the portion's own, there is room
            (0, 16, 1, true),
            (whole - 2, 3, 1, true),
            (whole - 2, 4, 1, false),
            (whole - 2, 4, 2, true),
            (whole, 1, 1, true),
            (whole, 2, 1, false),
            (whole, 1, 0, false),
        ];
        for (row, (added, lines, count, want)) in rows.into_iter().enumerate() {
            let mut tray = Tray::new(pool.try_take().expect("the slot is free"), layout, Arc::default());
            tray.buffers.emitted.resize(added, (0, Entry::default()));
            tray.buffers.table.resize(lines, Entry::default());
            let portion = Portion { first: 0, count, is_suspect: false };
            assert_eq!(tray.has_room(portion, &empty), want, "row {row}");
        }
    }
}
