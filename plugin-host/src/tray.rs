//! What a batch lies in, from when it is filled until its results were read: used again and again, so that nothing is
//! allocated for a batch once there was one of its size.

use std::sync::{Arc, Mutex, PoisonError};

use proscenium_plugin_sdk::abi::{self, Content, Verdict};
use proscenium_shm_channel::{AccessError, Front, Slot};

use crate::answer::Answer;
use crate::block::{Entry, Layout, Written, entry};
use crate::end::EndReport;
use crate::failover_core::Why;
use crate::portion::Portion;

/// Where a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In the slot's input.
    Input { at: u32, len: u32 },
    /// In what was copied out of the heap.
    Copied { at: u32, len: u32 },
}

/// What became of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Nobody has looked at it.
    Waiting,
    /// The plugin's verdict, with its argument.
    Said(Verdict, u32),
    SetAside(Why),
}

/// A record with what was said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) id: u64,
    pub(crate) payload: Place,
    pub(crate) content: u8,
    pub(crate) fate: Fate,
    /// In what was copied out.
    pub(crate) reason: (u32, u32),
    /// How the process ended that this record was alone with.
    pub(crate) end: Option<Arc<EndReport>>,
}

/// A batch and its results.
#[derive(Debug)]
pub(crate) struct Tray {
    pub(crate) slot: Slot,
    pub(crate) layout: Layout,
    pub(crate) content: Content,
    pub(crate) routes: u32,
    /// Bytes of the input that are filled.
    used: u32,
    buffers: Buffers,
    shelf: Arc<Shelf>,
}

#[derive(Debug, Default)]
struct Buffers {
    /// The table, as the host writes it.
    given: Vec<Entry>,
    /// What became of the records.
    lines: Vec<Line>,
    /// What the plugin has added, with the record at which its portion began.
    emitted: Vec<(u32, Line)>,
    /// The last table that came back.
    table: Vec<Entry>,
    /// Payloads and reasons, copied out once.
    copied: Vec<u8>,
    answer: Arc<Answer>,
}

/// Buffers that nobody uses: as many at most as there are slots.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Vec<Buffers>>);

impl Shelf {
    fn take(&self) -> Buffers {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_default()
    }

    fn put_back(&self, buffers: Buffers) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
    }
}

/// Every payload begins at a multiple of this.
const ALIGN: u32 = 8;

/// There is no room for a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoRoom;

impl Tray {
    pub(crate) fn new(slot: Slot, layout: Layout, shelf: Arc<Shelf>) -> Self {
        let mut buffers = shelf.take();
        buffers.given.clear();
        buffers.lines.clear();
        buffers.emitted.clear();
        buffers.copied.clear();
        Tray { slot, layout, content: Content::MsgPack, routes: 0, used: 0, buffers, shelf }
    }

    /// Room for a record's payload; what `write` has not used of it goes to the next.
    pub(crate) fn add(
        &mut self,
        id: u64,
        len: usize,
        content: Content,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), NoRoom> {
        let at = self.used.next_multiple_of(ALIGN) as usize;
        let end = at.checked_add(len).filter(|&end| end <= self.slot.len()).ok_or(NoRoom)?;
        if self.buffers.given.len() >= self.layout.records as usize {
            return Err(NoRoom);
        }
        let written = write(&mut self.slot[at..end]).min(len);
        let (at, len) = (at as u32, written as u32);
        self.used = at + len;
        self.buffers.given.push(entry(id, self.layout.input_off + at, len, content, 0));
        let payload = Place::Input { at, len };
        self.buffers.lines.push(Line {
            id,
            payload,
            content: content.number(),
            fate: Fate::Waiting,
            reason: (0, 0),
            end: None,
        });
        Ok(())
    }

    /// Whose memory it is.
    pub(crate) fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
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

    pub(crate) fn lines(&self) -> &[Line] {
        &self.buffers.lines
    }

    pub(crate) fn emitted(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.buffers.emitted.iter().map(|(_, line)| line)
    }

    pub(crate) fn bytes(&self, place: Place) -> &[u8] {
        match place {
            Place::Input { at, len } => &self.slot[at as usize..][..len as usize],
            Place::Copied { at, len } => &self.buffers.copied[at as usize..][..len as usize],
        }
    }

    pub(crate) fn reason(&self, line: &Line) -> &[u8] {
        let (at, len) = line.reason;
        self.bytes(Place::Copied { at, len })
    }

    /// The table that a process wrote: copied once, and looked at in the copy alone.
    pub(crate) fn copy_table(&mut self, front: &Front<'_>, lines: u32) -> Result<(), AccessError> {
        let table = &mut self.buffers.table;
        table.resize(lines as usize, Entry::default());
        front.load(u32::from(abi::HEADER_SIZE), table.as_flattened_mut())
    }

    /// What [`copy_table`](Tray::copy_table) has copied last.
    pub(crate) fn table(&self) -> &[Entry] {
        &self.buffers.table
    }

    /// Takes over what the judged table says of a portion. Records that want to be given again are put into `again`.
    pub(crate) fn take_over(&mut self, portion: Portion, front: &Front<'_>, again: &mut Vec<(u32, u32)>) -> Option<()> {
        let mut copies = Copies { layout: self.layout, open: None };
        let Buffers { lines, emitted, table, copied, .. } = &mut self.buffers;
        for (nth, &entry) in table.iter().enumerate() {
            let written = Written(entry);
            let Some(verdict) = Verdict::new(written.verdict()) else { continue };
            let own = if nth < portion.count as usize { lines.get_mut(portion.first as usize + nth) } else { None };
            if verdict == Verdict::Retry && own.is_some() {
                again.push((portion.first + nth as u32, written.arg()));
                continue;
            }
            let goes_on = matches!(verdict, Verdict::Ok | Verdict::Route);
            let payload = if goes_on { Some(copies.payload(front, copied, written)?) } else { None };
            let reason = copies.reason(front, copied, written)?;
            let fate = Fate::Said(verdict, written.arg());
            match own {
                Some(line) => {
                    line.fate = fate;
                    line.reason = reason;
                    line.payload = payload.unwrap_or(line.payload);
                    if written.content() != Content::Inherit.number() {
                        line.content = written.content();
                    }
                }
                None => {
                    let payload = payload.unwrap_or(Place::Copied { at: 0, len: 0 });
                    let (id, content) = (written.id(), written.content());
                    emitted.push((portion.first, Line { id, payload, content, fate, reason, end: None }));
                }
            }
        }
        copies.close(front, copied)
    }

    /// These records go on as they came.
    pub(crate) fn set_aside(&mut self, portion: Portion, why: &Why, end: Option<&Arc<EndReport>>) {
        for record in portion.records() {
            if let (Some(line), Some(given)) =
                (self.buffers.lines.get_mut(record as usize), self.buffers.given.get(record as usize))
            {
                let given = Written(*given);
                line.fate = Fate::SetAside(why.clone());
                line.payload = Place::Input { at: given.off() - self.layout.input_off, len: given.len() };
                line.reason = (0, 0);
                line.end = end.cloned();
            }
        }
    }

    /// All is settled: what was added stands in the order of the records, however often they were given.
    pub(crate) fn settle(&mut self) {
        self.buffers.emitted.sort_by_key(|(first, _)| *first);
    }
}

impl Drop for Tray {
    fn drop(&mut self) {
        self.shelf.put_back(std::mem::take(&mut self.buffers));
    }
}

/// Copies payloads out of the heap, those that lie side by side at once.
struct Copies {
    layout: Layout,
    /// A stretch of the heap that is to be copied: from, to, and where it will lie.
    open: Option<(u32, u32, u32)>,
}

/// A gap of so many bytes is copied along: payloads begin at multiples of 8.
const GAP: u32 = 16;

impl Copies {
    fn payload(&mut self, front: &Front<'_>, copied: &mut Vec<u8>, written: Written) -> Option<Place> {
        let (from, len) = (written.off(), written.len());
        if from >= self.layout.input_off {
            return Some(Place::Input { at: from - self.layout.input_off, len });
        }
        Some(Place::Copied { at: self.copy(front, copied, from, len)?, len })
    }

    fn reason(&mut self, front: &Front<'_>, copied: &mut Vec<u8>, written: Written) -> Option<(u32, u32)> {
        let (from, len) = (written.reason_off(), u32::from(written.reason_len()));
        if len == 0 { Some((0, 0)) } else { Some((self.copy(front, copied, from, len)?, len)) }
    }

    /// Where these bytes of the heap will lie.
    fn copy(&mut self, front: &Front<'_>, copied: &mut Vec<u8>, from: u32, len: u32) -> Option<u32> {
        if let Some((start, end, at)) = &mut self.open
            && from >= *end
            && from - *end <= GAP
        {
            *end = from + len;
            return Some(*at + (from - *start));
        }
        self.close(front, copied)?;
        let at = copied.len() as u32;
        self.open = Some((from, from + len, at));
        Some(at)
    }

    fn close(&mut self, front: &Front<'_>, copied: &mut Vec<u8>) -> Option<()> {
        match self.open.take() {
            Some((start, end, _)) => front.copy_out(start, end - start, copied).ok(),
            None => Some(()),
        }
    }
}
