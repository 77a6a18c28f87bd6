//! A record of a batch: its payload, and what becomes of it.
use std::ops::Range;

use crate::abi::{Content, PscRecord, REASON_MAX, REC_CHANGED, REC_RETRIED, Verdict};
use crate::export::Block;
use crate::msgpack::{self, Value};
use crate::{Error, SetError, batch};

/// One record. Without a verdict it goes on to the next stage with the payload that it has.
pub struct Record<'b, 'a> {
    block: &'b mut Block<'a>,
    index: u32,
}

impl<'b, 'a> Record<'b, 'a> {
    pub(crate) fn new(block: &'b mut Block<'a>, index: u32) -> Self {
        Self { block, index }
    }

    /// The host's sequence number, the same in every replay; of an emitted record its parent's, or 0.
    pub fn id(&self) -> u64 {
        self.entry().id
    }

    /// Its place in the batch.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// What the payload is, by the record's word or else the batch's; none for a type that is newer than this crate.
    pub fn content(&self) -> Option<Content> {
        match self.entry().content {
            0 => Content::new(self.block.head().content),
            own => Content::new(own),
        }
    }

    /// Says what the new payload is, where that differs from the batch.
    pub fn set_content(&mut self, content: Content) {
        self.entry_mut().content = content.number();
    }

    /// Whether it comes again because it got [`Record::retry`] before.
    pub fn is_retried(&self) -> bool {
        self.entry().flags & REC_RETRIED != 0
    }

    /// The payload as it is now.
    pub fn payload(&self) -> &[u8] {
        self.block.bytes(self.place())
    }

    /// The payload to be changed in place, of the same length. The first time it is copied to the heap.
    pub fn payload_mut(&mut self) -> Result<&mut [u8], Error> {
        let at = self.place();
        let place = if self.block.is_heap(&at) {
            at
        } else {
            let room = self.block.alloc(at.len()).ok_or(Error::NO_SPACE)?;
            let (old, new) = self.block.split(at, room.clone());
            new.copy_from_slice(old);
            self.point_at(room.clone());
            room
        };
        Ok(self.block.heap_mut(place))
    }

    /// Replaces the payload by a copy of `bytes`: in place where they fit, else in new room. With [`Code::NoSpace`] the
    /// old one is still there.
    ///
    /// [`Code::NoSpace`]: crate::Code::NoSpace
    pub fn set_payload(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let at = self.place();
        let room = if bytes.len() <= at.len() && self.block.is_heap(&at) {
            at.start..at.start + bytes.len()
        } else {
            self.block.alloc(bytes.len()).ok_or(Error::NO_SPACE)?
        };
        self.block.heap_mut(room.clone()).copy_from_slice(bytes);
        self.point_at(room);
        Ok(())
    }

    /// Makes a part of the payload the payload, without a copy.
    ///
    /// # Panics
    /// If `part` is not within the payload, as a slice does.
    pub fn keep(&mut self, part: Range<usize>) {
        let at = self.place();
        assert!(
            part.start <= part.end && part.end <= at.len(),
            "{part:?} is not within a payload of {} bytes",
            at.len()
        );
        self.point_at(at.start + part.start..at.start + part.end);
    }

    /// Builds a new payload without a buffer of one's own: `fill` gets the old one and `max` bytes of room, which hold
    /// whatever is there, and says how many it took (more than `max` counts as `max`). `None` leaves all as it was.
    pub fn rewrite(&mut self, max: usize, fill: impl FnOnce(&[u8], &mut [u8]) -> Option<usize>) -> Result<bool, Error> {
        let old = self.place();
        let room = self.block.alloc(max).ok_or(Error::NO_SPACE)?;
        let (old, new) = self.block.split(old, room.clone());
        match fill(old, new) {
            Some(took) => {
                self.point_at(room.start..room.start + took.min(max));
                Ok(true)
            }
            None => {
                self.block.give_back(room.start);
                Ok(false)
            }
        }
    }

    /// The value under `key` if the payload is a MessagePack map; of equal keys the first.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        msgpack::find(self.payload(), key)
    }

    /// Sets keys of a payload that is a MessagePack map: those that it has are replaced, the others added at the end.
    /// Values that are arrays, maps or extensions are written as nil.
    pub fn set(&mut self, fields: &[(&str, Value<'_>)]) -> Result<(), SetError> {
        let max = self.place().len() + msgpack::map_max(fields);
        let mut is_map = true;
        let set = self.rewrite(max, |old, mut new| {
            let room = new.len();
            is_map = msgpack::set_keys(old, fields, &mut new).is_some();
            is_map.then(|| room - new.len())
        });
        match set {
            Err(_) => Err(SetError::NoSpace),
            Ok(false) => Err(SetError::NotAMap),
            Ok(true) => Ok(()),
        }
    }

    /// Adds a record that comes from this one, with a copy of `payload`.
    pub fn emit(&mut self, payload: &[u8]) -> Result<Record<'_, 'a>, Error> {
        let parent = self.id();
        batch::emit(self.block, parent, payload)
    }

    /// Takes a verdict back: the record goes on.
    pub fn ok(&mut self) {
        self.judge(Verdict::Ok, 0, "");
    }

    /// The record ends here, on purpose. The reason may be empty.
    pub fn drop(&mut self, reason: &str) {
        self.judge(Verdict::Drop, 0, reason);
    }

    /// The record is set aside as a failure with its input payload, a code of the plugin's own, and the reason, of which
    /// 1,024 bytes are kept. With no room for the reason the verdict holds without it.
    pub fn fail(&mut self, code: u32, reason: &str) {
        self.judge(Verdict::Fail, code, reason);
    }

    /// The input payload comes again after so many milliseconds, at most `max_retries` times; then the record failed.
    pub fn retry(&mut self, after_ms: u32, reason: &str) {
        self.judge(Verdict::Retry, after_ms, reason);
    }

    /// The record goes to this route instead of the next stage. `false`, and nothing changed, if there is no such one.
    #[must_use = "a record without its route goes on to the next stage"]
    pub fn route(&mut self, route: u32) -> bool {
        let exists = route < self.block.head().route_count;
        if exists {
            self.judge(Verdict::Route, route, "");
        }
        exists
    }

    fn judge(&mut self, verdict: Verdict, arg: u32, reason: &str) {
        let kept = &reason[..reason.floor_char_boundary(REASON_MAX as usize)];
        let room = if kept.is_empty() { None } else { self.block.alloc(kept.len()) };
        if let Some(room) = room.clone() {
            self.block.heap_mut(room).copy_from_slice(kept.as_bytes());
        }
        let entry = self.entry_mut();
        entry.verdict = verdict.number();
        entry.arg = arg;
        // Both fit: the block has at most 2 GiB, and the reason was cut.
        entry.reason_off = room.as_ref().map_or(0, |room| room.start as u32);
        entry.reason_len = room.map_or(0, |room| room.len() as u16);
    }

    fn point_at(&mut self, place: Range<usize>) {
        self.block.shrink_last(&place);
        let entry = self.entry_mut();
        entry.off = place.start as u32;
        entry.len = place.len() as u32;
        entry.flags |= REC_CHANGED;
    }

    fn place(&self) -> Range<usize> {
        let entry = self.entry();
        entry.off as usize..entry.off as usize + entry.len as usize
    }

    fn entry(&self) -> &PscRecord {
        self.block.entry(self.index)
    }

    fn entry_mut(&mut self) -> &mut PscRecord {
        self.block.entry_mut(self.index)
    }
}
