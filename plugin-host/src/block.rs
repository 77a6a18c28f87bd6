//! The block that a plugin gets: its header and its table, as words that are written and read once.
//!
//! A child can write into the block while the host reads it. So what the host wrote is never read back, and what the child
//! wrote is copied as words and looked at in the copy alone: nothing here refers to shared memory.

use proscenium_plugin_sdk::abi::{self, Content, Verdict};

/// One line of the table, 32 bytes.
pub(crate) type Entry = [u64; 4];

/// The header's own line: bytes 0 to 63.
pub(crate) type Line = [u64; 8];

/// Where things are in the block of every slot, as offsets from its first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// Room in the table.
    pub(crate) records: u32,
    pub(crate) heap_off: u32,
    pub(crate) heap_end: u32,
    pub(crate) input_off: u32,
}

/// What is said of a batch that is handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) batch_id: u64,
    pub(crate) attempt: u32,
    pub(crate) flags: u32,
    pub(crate) content: Content,
    /// Records handed over now.
    pub(crate) count: u32,
    pub(crate) input_end: u32,
    pub(crate) routes: u32,
}

/// The result of a call that was not made: a process that says that it is done without calling the plugin is found out.
pub(crate) const NOT_RETURNED: i32 = i32::MIN;

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

pub(crate) fn low(word: u64) -> u32 {
    word as u32
}

pub(crate) fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

impl Layout {
    /// Both lines of the header, for a batch that no process has seen or that one has spoilt.
    pub(crate) fn header(&self, head: &Head) -> [u64; 16] {
        let Head { batch_id, attempt, flags, content, count, input_end, routes } = *head;
        let sizes = u64::from(abi::LAYOUT) << 32 | u64::from(abi::HEADER_SIZE) << 48;
        let entries_off = u32::from(abi::HEADER_SIZE);
        let kinds = u64::from(abi::ENTRY_SIZE) | u64::from(content.number()) << 16;
        let mut words = [0; 16];
        words[0] = u64::from(abi::MAGIC) | sizes;
        words[1] = kinds | u64::from(flags) << 32;
        words[2] = batch_id;
        words[3] = pair(input_end, count);
        words[4] = pair(self.records, entries_off);
        words[5] = pair(self.heap_off, self.heap_end);
        words[6] = pair(self.input_off, input_end);
        words[7] = pair(attempt, routes);
        words[8] = pair(abi::NO_PROGRESS, 0);
        words[9] = pair(self.heap_off, 0);
        words[10] = pair(NOT_RETURNED as u32, 0);
        words
    }
}

/// A line of the table as the host writes it.
pub(crate) fn entry(id: u64, off: u32, len: u32, content: Content, flags: u16) -> Entry {
    let kinds = u64::from(content.number()) << 8 | u64::from(flags) << 16;
    [id, pair(off, len), kinds, 0]
}

/// A line of the table that the child may have written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written(pub(crate) Entry);

impl Written {
    pub(crate) fn id(self) -> u64 {
        self.0[0]
    }

    pub(crate) fn off(self) -> u32 {
        low(self.0[1])
    }

    pub(crate) fn len(self) -> u32 {
        high(self.0[1])
    }

    pub(crate) fn verdict(self) -> u8 {
        self.0[2] as u8
    }

    pub(crate) fn content(self) -> u8 {
        (self.0[2] >> 8) as u8
    }

    pub(crate) fn flags(self) -> u16 {
        (self.0[2] >> 16) as u16
    }

    pub(crate) fn arg(self) -> u32 {
        high(self.0[2])
    }

    pub(crate) fn reason_off(self) -> u32 {
        low(self.0[3])
    }

    pub(crate) fn reason_len(self) -> u16 {
        (self.0[3] >> 32) as u16
    }

    /// It goes on, with a payload of a known type, and gives no reason.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.verdict() == Verdict::Ok.number() && self.content() <= Content::Raw.number() && self.0[3] << 16 == 0
    }

    pub(crate) fn goes_on(self) -> bool {
        matches!(Verdict::new(self.verdict()), Some(Verdict::Ok | Verdict::Route))
    }

    pub(crate) fn is_again(self) -> bool {
        Verdict::new(self.verdict()) == Some(Verdict::Retry)
    }

    /// Whether the payload lies in what was copied out of the heap: the host's own mark, in a field that is always zero.
    pub(crate) fn is_copied(self) -> bool {
        self.0[3] & COPIED != 0
    }

    /// What lay in the heap from `heap` on lies in the host's copy from `start` on.
    #[inline]
    pub(crate) fn take_over(&mut self, start: u32, heap: u32, input_off: u32) {
        // The mark must be the host's alone.
        self.0[3] &= !(0xFFFF << 48);
        if self.off() < input_off {
            self.0[1] = pair(self.off().wrapping_sub(heap).wrapping_add(start), self.len());
            self.0[3] |= COPIED;
        }
        if self.reason_len() > 0 {
            let at = self.reason_off().wrapping_sub(heap).wrapping_add(start);
            self.0[3] = self.0[3] & !0xFFFF_FFFF | u64::from(at);
        } else {
            self.0[3] &= COPIED;
        }
    }

    /// The same, with the payload and the type that came in.
    pub(crate) fn with_payload_of(self, given: Entry) -> Entry {
        let content = given[2] & 0xFF00;
        [self.0[0], given[1], self.0[2] & !0xFF00 | content, self.0[3] & !COPIED]
    }
}

/// In the field `reserved` of a record.
const COPIED: u64 = 1 << 48;

/// The child's line of the header: bytes 64 to 127.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChildLine(pub(crate) Line);

impl ChildLine {
    /// The record in work, if there was one: a hint, and no more.
    pub(crate) fn progress(self, count: u32) -> Option<u32> {
        Some(low(self.0[0])).filter(|&progress| progress < count)
    }

    pub(crate) fn emitted(self) -> u32 {
        high(self.0[0])
    }

    pub(crate) fn result(self) -> i32 {
        low(self.0[2]) as i32
    }

    pub(crate) fn note(self) -> u64 {
        self.0[3]
    }
}

#[cfg(test)]
mod tests {
    use proscenium_plugin_sdk::abi::{PscRecord, RecordBatch};

    use super::*;

    /// Both structs of the interface are plain numbers, so that their bytes say where each is.
    fn bytes_of(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[track_caller]
    fn at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
        bytes[offset..offset + N].try_into().unwrap()
    }

    #[test]
    fn the_header_says_what_the_interface_says_where_it_says_it() {
        let layout = Layout { records: 11, heap_off: 12, heap_end: 13, input_off: 14 };
        let head =
            Head { batch_id: 15, attempt: 16, flags: 17, content: Content::Json, count: 18, input_end: 19, routes: 20 };
        let bytes = bytes_of(&layout.header(&head));
        assert_eq!(bytes.len(), size_of::<RecordBatch>());
        macro_rules! is {
            ($field:ident: $int:ty = $want:expr) => {
                let got = <$int>::from_le_bytes(at(&bytes, std::mem::offset_of!(RecordBatch, $field)));
                assert_eq!(got, $want, stringify!($field));
            };
        }
        is!(magic: u32 = u32::from_le_bytes(*b"PSCB"));
        is!(layout: u16 = 1);
        is!(header_size: u16 = 128);
        is!(entry_size: u16 = 32);
        is!(content: u8 = 2);
        is!(flags: u32 = 17);
        is!(batch_id: u64 = 15);
        is!(block_size: u32 = 19);
        is!(record_count: u32 = 18);
        is!(record_capacity: u32 = 11);
        is!(entries_off: u32 = 128);
        is!(heap_off: u32 = 12);
        is!(heap_end: u32 = 13);
        is!(input_off: u32 = 14);
        is!(input_end: u32 = 19);
        is!(attempt: u32 = 16);
        is!(route_count: u32 = 20);
        is!(progress: u32 = u32::MAX);
        is!(emitted: u32 = 0);
        is!(heap_top: u32 = 12);
        is!(heap_last: u32 = 0);
        is!(result: i32 = NOT_RETURNED);
        is!(note: u64 = 0);
    }

    #[test]
    fn a_record_is_written_and_read_where_the_interface_has_it() {
        let bytes = bytes_of(&entry(1, 2, 3, Content::Raw, 4));
        assert_eq!(bytes.len(), size_of::<PscRecord>());
        let mut foreign = bytes.clone();
        macro_rules! put {
            ($field:ident = $value:expr) => {
                let offset = std::mem::offset_of!(PscRecord, $field);
                let value = $value.to_le_bytes();
                foreign[offset..offset + value.len()].copy_from_slice(&value);
            };
        }
        assert_eq!(u64::from_le_bytes(at(&bytes, 0)), 1);
        assert_eq!(u32::from_le_bytes(at(&bytes, std::mem::offset_of!(PscRecord, off))), 2);
        assert_eq!(u32::from_le_bytes(at(&bytes, std::mem::offset_of!(PscRecord, len))), 3);
        put!(verdict = 5_u8);
        put!(content = 6_u8);
        put!(flags = 7_u16);
        put!(arg = 8_u32);
        put!(reason_off = 9_u32);
        put!(reason_len = 10_u16);
        let written = Written(std::array::from_fn(|word| u64::from_le_bytes(at(&foreign, word * 8))));
        assert_eq!((written.id(), written.off(), written.len()), (1, 2, 3));
        assert_eq!((written.verdict(), written.content(), written.flags(), written.arg()), (5, 6, 7, 8));
        assert_eq!((written.reason_off(), written.reason_len()), (9, 10));
    }
}
