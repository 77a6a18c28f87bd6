//! Where small payloads are put together before they go to the slot, many at once, while the host is the slower side.
//!
//! The slot is memory that the plugin's process has read: what lies there still lies in its processor's cache, and to write
//! it anew, a few bytes at a time, waits for that processor line by line. Here it costs nothing to write, and whole pages
//! go over [past the caches](proscenium_shm_channel::Slot::stream), in half the time of both. The process then finds them in
//! no cache; where it is the slower side, payloads are written to where they stay.

use proscenium_shm_channel::Slot;

/// What goes over at once. It should stay in a processor's first cache while it is filled.
const SIZE: usize = 16 << 10;
/// Larger payloads are written to where they stay.
const LARGEST: usize = 2 << 10;
/// Less than that is written as usual: to have gone past the caches is waited for.
pub(crate) const STREAMED: usize = 1 << 10;

/// A part of a slot that is not there yet.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    bytes: Vec<u8>,
    /// Where in the slot its first byte belongs.
    from: usize,
    /// Behind its last one; the same: it is empty.
    to: usize,
    /// Where what begins here has its end at the latest; 0: nothing does.
    limit: usize,
    is_used: bool,
}

impl Stage {
    /// For another batch: whether it is used for that.
    pub(crate) fn clear(&mut self, is_used: bool) {
        (self.from, self.to, self.limit, self.is_used) = (0, 0, 0, is_used);
    }

    /// Room for a payload of `len` bytes that begins at `at` of the slot, behind all that were there before. None: the slot
    /// has no room for it.
    #[inline]
    pub(crate) fn room<'a>(&'a mut self, slot: &'a mut Slot, at: usize, len: usize) -> Option<&'a mut [u8]> {
        if !self.is_used {
            return slot.get_mut(at..at.checked_add(len)?);
        }
        if len > LARGEST || at + len > self.limit {
            return self.room_elsewhere(slot, at, len);
        }
        self.to = at + len;
        self.bytes.get_mut(at - self.from..)?.get_mut(..len)
    }

    #[cold]
    #[inline(never)]
    fn room_elsewhere<'a>(&'a mut self, slot: &'a mut Slot, at: usize, len: usize) -> Option<&'a mut [u8]> {
        let end = at.checked_add(len).filter(|&end| end <= slot.len())?;
        self.write_out(slot);
        if len > LARGEST {
            return slot.get_mut(at..end);
        }
        self.bytes.resize(SIZE, 0);
        (self.from, self.to, self.limit) = (at, end, slot.len().min(at + SIZE));
        self.bytes.get_mut(..len)
    }

    /// What is here of the slot.
    #[inline]
    pub(crate) fn get(&self, at: usize, len: usize) -> Option<&[u8]> {
        let is_here = self.from <= at && at + len <= self.to && self.from < self.to;
        is_here.then(|| &self.bytes[at - self.from..][..len])
    }

    /// All of it goes to the slot.
    pub(crate) fn write_out(&mut self, slot: &mut Slot) {
        let bytes = &self.bytes[..self.to - self.from];
        match bytes.len() {
            0 => {}
            len if len < STREAMED => slot[self.from..self.to].copy_from_slice(bytes),
            _ => slot.stream(self.from, bytes),
        }
        (self.from, self.limit) = (self.to, 0);
    }
}

#[cfg(test)]
mod tests {
    use proscenium_shm_channel::{Geometry, Pool};

    use super::*;

    /// Payloads of all sizes, some of which use less than their room: each reads the same at any time.
    #[test]
    fn what_was_written_is_there_before_and_after_it_has_gone_over() {
        let pool = Pool::new(Geometry { slots: 1, records: 1, heap: 0, input: 200_000 }).unwrap();
        let mut slot = pool.try_take().unwrap();
        let mut stage = Stage::default();
        let all = [
            vec![0, 7, 128, 1, 64, 63, 65],
            vec![128; 1_000],
            vec![2_048; 40],
            vec![10, 5_000, 9, 2_049, 8, 70_000, 30],
        ];
        for (lens, is_used) in all.iter().flat_map(|lens| [(lens, true), (lens, false)]) {
            stage.clear(is_used);
            let (mut at, mut written) = (0_usize, Vec::new());
            for (nth, &len) in lens.iter().enumerate() {
                let room = stage.room(&mut slot, at, len).unwrap();
                let used = if nth % 3 == 2 { len / 2 } else { len };
                room[..used].fill(nth as u8 | 1);
                room[used..].fill(0);
                written.push((at, used, nth as u8 | 1));
                at = (at + used).next_multiple_of(8);
                for &(at, len, byte) in written.iter().rev().take(200) {
                    let bytes = stage.get(at, len).unwrap_or(&slot[at..at + len]);
                    assert!(bytes.iter().all(|&is| is == byte), "{len} bytes at {at}");
                }
            }
            stage.write_out(&mut slot);
            for (at, len, byte) in written {
                assert!(slot[at..at + len].iter().all(|&is| is == byte), "{len} bytes at {at}");
            }
        }
    }

    #[test]
    fn there_is_no_more_room_than_the_slot_has() {
        let pool = Pool::new(Geometry { slots: 1, records: 1, heap: 0, input: 4_096 }).unwrap();
        let mut slot = pool.try_take().unwrap();
        let (mut stage, room) = (Stage::default(), slot.len());
        stage.clear(true);
        for (at, len, is_there) in [
            (0, 100, true),
            (room - 8, 8, true),
            (room, 0, true),
            (room, 1, false),
            (room - 8, 9, false),
            (8, usize::MAX, false),
        ] {
            assert_eq!(stage.room(&mut slot, at, len).is_some(), is_there, "{len} bytes at {at} of {room}");
        }
    }
}
