//! A batch: the records of one call.
use crate::Error;
use crate::abi::{self, Content};
use crate::export::Block;
use crate::record::Record;

/// The records of one call, and the room for what the plugin makes of them. Borders mean nothing: a record may come
/// alone, or in another batch when it is replayed.
///
/// New payloads, reasons and emitted records lie in the *heap* of the batch, which is empty at every call. When it is
/// full, whatever needs room fails with [`Code::NoSpace`](crate::Code::NoSpace): return that with `?`, and the host hands over smaller batches.
pub struct Batch<'a> {
    block: Block<'a>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(block: Block<'a>) -> Self {
        Self { block }
    }

    /// How many records there are; emitted ones do not count.
    pub fn len(&self) -> u32 {
        self.block.head().record_count
    }

    /// Whether there is none, as in a flush.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits every record in order. The host learns which one is in work, and sets it aside if the process crashes on it
    /// again and again. Ends with the first error.
    pub fn for_each(&mut self, mut visit: impl FnMut(Record<'_, 'a>) -> Result<(), Error>) -> Result<(), Error> {
        let mut index = 0;
        while let Some(record) = self.record(index) {
            visit(record)?;
            index += 1;
        }
        Ok(())
    }

    /// One record, and the host learns that it is in work. With an index past the last: that all were visited.
    pub fn record(&mut self, index: u32) -> Option<Record<'_, 'a>> {
        self.block.set_progress(index.min(self.len()));
        (index < self.len()).then(|| Record::new(&mut self.block, index))
    }

    /// Adds a record with a copy of `payload`, behind the input records and those emitted before. `parent` is the id of
    /// the record that it comes from, or 0.
    pub fn emit(&mut self, parent: u64, payload: &[u8]) -> Result<Record<'_, 'a>, Error> {
        emit(&mut self.block, parent, payload)
    }

    /// The batch's number, the same in every replay.
    pub fn id(&self) -> u64 {
        self.block.head().batch_id
    }

    /// 0 at first, one more with every replay.
    pub fn attempt(&self) -> u32 {
        self.block.head().attempt
    }

    /// What payloads are that do not say otherwise; none for a type that is newer than this crate.
    pub fn content(&self) -> Option<Content> {
        Content::new(self.block.head().content)
    }

    /// [`Record::route`] takes numbers below this.
    pub fn route_count(&self) -> u32 {
        self.block.head().route_count
    }

    /// Whether the batch was handed out before: side effects may be there already.
    pub fn is_replay(&self) -> bool {
        self.has(abi::BATCH_REPLAY)
    }

    /// Whether the batch only rebuilds state after a crash, and its results are thrown away.
    pub fn is_state_only(&self) -> bool {
        self.has(abi::BATCH_STATE_ONLY)
    }

    /// Whether this instance is a canary, whose results are compared and not delivered.
    pub fn is_shadow(&self) -> bool {
        self.has(abi::BATCH_SHADOW)
    }

    /// Whether this is one record alone, because its batch crashed before.
    pub fn is_suspect(&self) -> bool {
        self.has(abi::BATCH_SUSPECT)
    }

    /// Leaves a number that the report quotes if the process crashes in this call.
    pub fn note(&mut self, crumb: u64) {
        self.block.set_note(crumb);
    }

    /// Bytes of the heap that one allocation could still have.
    pub fn heap_left(&self) -> usize {
        self.block.heap_left()
    }

    fn has(&self, flag: u32) -> bool {
        self.block.head().flags & flag != 0
    }
}

pub(crate) fn emit<'b, 'a>(block: &'b mut Block<'a>, parent: u64, payload: &[u8]) -> Result<Record<'b, 'a>, Error> {
    let index = block.emitted_end().ok_or(Error::NO_SPACE)?;
    let room = block.alloc(payload.len()).ok_or(Error::NO_SPACE)?;
    block.heap_mut(room.clone()).copy_from_slice(payload);
    block.push_emitted(parent, room);
    Ok(Record::new(block, index))
}
