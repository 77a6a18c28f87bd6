//! Whether what a child wrote into a block can be, and what it means.
//!
//! It reads a private copy: see [`crate::block`]. Nothing is allocated for a batch that was judged before.

use std::fmt;

use proscenium_plugin_sdk::abi::{self, Content, Verdict};

use crate::block::{ChildLine, Entry, Layout, Written};

/// What the host knows of the records that it handed over, and that no child can change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) layout: Layout,
    pub(crate) records: &'a [Entry],
    /// Where the whole batch's payloads end.
    pub(crate) input_end: u32,
    pub(crate) routes: u32,
}

/// What cannot be. The whole portion is discarded for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Breach {
    /// More records were added than the table has room for.
    Emitted {
        emitted: u32,
        room: u32,
    },
    /// A record has another number than the host gave it.
    Id {
        record: u32,
    },
    /// An added record does not say that it is one.
    NotMarked {
        record: u32,
    },
    Verdict {
        record: u32,
        verdict: u8,
    },
    Route {
        record: u32,
        route: u32,
    },
    Content {
        record: u32,
        content: u8,
    },
    /// A payload outside of heap and input.
    Payload {
        record: u32,
    },
    /// A reason that is too long, or outside of the heap.
    Reason {
        record: u32,
    },
    /// More bytes go on than there are: some would be sold twice.
    Overlap,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Emitted { emitted, room } => write!(f, "{emitted} records added, with room for {room}"),
            Breach::Id { record } => write!(f, "record {record} has another id than it was given"),
            Breach::NotMarked { record } => write!(f, "record {record} was added and does not say so"),
            Breach::Verdict { record, verdict } => write!(f, "record {record} has verdict {verdict}"),
            Breach::Route { record, route } => write!(f, "record {record} is routed to {route}, which is none"),
            Breach::Content { record, content } => write!(f, "record {record} has content type {content}"),
            Breach::Payload { record } => write!(f, "record {record} has its payload outside of heap and input"),
            Breach::Reason { record } => write!(f, "record {record} has a reason too long or outside of the heap"),
            Breach::Overlap => write!(f, "payloads and reasons overlap"),
        }
    }
}

/// How many lines of the table are to be copied.
pub(crate) fn table_len(given: &Given<'_>, line: ChildLine) -> Result<u32, Breach> {
    let count = given.records.len() as u32;
    let room = given.layout.records.saturating_sub(count);
    match line.emitted() {
        emitted if emitted > room => Err(Breach::Emitted { emitted, room }),
        emitted => Ok(count + emitted),
    }
}

/// What a table uses of the heap, from end to end: nothing, if both are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heap {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Looks at the whole table. `table` has as many lines as [`table_len`] says.
pub(crate) fn judge(given: &Given<'_>, table: &[Entry]) -> Result<Heap, Breach> {
    let mut bytes = Bytes { heap: 0, input: 0, from: given.layout.heap_end, to: given.layout.heap_off };
    for (record, entry) in table.iter().enumerate() {
        let (written, own) = (Written(*entry), given.records.get(record));
        // Most lines come back as they were given, which is a verdict, too: it goes on.
        if own.is_some_and(|own| is_same(own, entry)) {
            bytes.input += u64::from(written.len());
            continue;
        }
        let nth = record as u32;
        // Most others have a new payload, and that is all.
        if own.is_some_and(|own| own[0] == written.id()) && written.is_plain() {
            bytes.payload(given, nth, written, true)?;
            continue;
        }
        let is_emitted = match own {
            Some(own) if own[0] != written.id() => return Err(Breach::Id { record: nth }),
            Some(_) => false,
            None if written.flags() & abi::REC_EMITTED == 0 => return Err(Breach::NotMarked { record: nth }),
            None => true,
        };
        let goes_on = written.verdict() == Verdict::Ok.number()
            || match Verdict::new(written.verdict()) {
                Some(Verdict::Route) if written.arg() >= given.routes => {
                    return Err(Breach::Route { record: nth, route: written.arg() });
                }
                Some(Verdict::Route) => true,
                Some(Verdict::Drop | Verdict::Fail | Verdict::Retry) if !is_emitted => false,
                _ => return Err(Breach::Verdict { record: nth, verdict: written.verdict() }),
            };
        // One more is a number taken, which this host does not know.
        if written.content() > Content::Raw.number() {
            return Err(Breach::Content { record: nth, content: written.content() });
        }
        bytes.payload(given, nth, written, goes_on)?;
        bytes.reason(given, nth, written)?;
    }
    bytes.check(given)
}

/// Word by word, in registers: a comparison of 16 bytes at once waits for the copy that it is made of.
#[inline]
fn is_same(own: &Entry, entry: &Entry) -> bool {
    own.iter().zip(entry).fold(0, |different, (own, word)| different | (own ^ word)) == 0
}

/// What goes on, counted: a byte may go on once.
struct Bytes {
    heap: u64,
    input: u64,
    from: u32,
    to: u32,
}

impl Bytes {
    #[inline]
    fn payload(&mut self, given: &Given<'_>, record: u32, written: Written, goes_on: bool) -> Result<(), Breach> {
        let Given { layout, input_end, .. } = given;
        let (start, len) = (written.off(), u64::from(written.len()));
        let end = u64::from(start) + len;
        if start >= layout.input_off && end <= u64::from(*input_end) {
            self.input += if goes_on { len } else { 0 };
        } else if start >= layout.heap_off && end <= u64::from(layout.heap_end) {
            self.heap += if goes_on { len } else { 0 };
            self.uses(start, end as u32);
        } else {
            return Err(Breach::Payload { record });
        }
        Ok(())
    }

    fn uses(&mut self, start: u32, end: u32) {
        self.from = self.from.min(start);
        self.to = self.to.max(end);
    }

    #[inline]
    fn reason(&mut self, given: &Given<'_>, record: u32, written: Written) -> Result<(), Breach> {
        let (start, len) = (written.reason_off(), u32::from(written.reason_len()));
        if (start, len) == (0, 0) {
            return Ok(());
        }
        let end = u64::from(start) + u64::from(len);
        let is_within = start >= given.layout.heap_off && end <= u64::from(given.layout.heap_end);
        if len > abi::REASON_MAX || !is_within {
            return Err(Breach::Reason { record });
        }
        self.heap += u64::from(len);
        self.uses(start, end as u32);
        Ok(())
    }

    fn check(&self, given: &Given<'_>) -> Result<Heap, Breach> {
        let Layout { heap_off, heap_end, input_off, .. } = given.layout;
        let heap = u64::from(heap_end - heap_off);
        let input = u64::from(given.input_end.saturating_sub(input_off));
        if self.heap > heap || self.input > input {
            return Err(Breach::Overlap);
        }
        Ok(Heap { from: self.from.min(self.to), to: self.to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::entry;

    const LAYOUT: Layout = Layout { records: 4, heap_off: 256, heap_end: 512, input_off: 4096 };

    fn given(records: &[Entry]) -> Given<'_> {
        Given { layout: LAYOUT, records, input_end: 4096 + 32, routes: 2 }
    }

    fn two() -> [Entry; 2] {
        [entry(7, 4096, 16, Content::Inherit, 0), entry(8, 4112, 16, Content::Inherit, 0)]
    }

    /// A line with these changed: verdict, content, flags, arg.
    fn kinds(entry: Entry, verdict: u64, content: u64, flags: u64, arg: u64) -> Entry {
        [entry[0], entry[1], verdict | content << 8 | flags << 16 | arg << 32, entry[3]]
    }

    fn payload(entry: Entry, off: u64, len: u64) -> Entry {
        [entry[0], off | len << 32, entry[2], entry[3]]
    }

    fn reason(entry: Entry, off: u64, len: u64) -> Entry {
        [entry[0], entry[1], entry[2], off | len << 32]
    }

    #[test]
    fn what_can_be_passes_and_what_cannot_is_named() {
        let [a, b] = two();
        let added = kinds(entry(7, 256, 8, Content::Raw, 0), 0, 3, 2, 0);
        let rows = [
            ("untouched", vec![a, b], Ok(())),
            ("dropped, failed", vec![kinds(a, 1, 0, 0, 0), kinds(b, 2, 0, 0, 9)], Ok(())),
            ("again, whenever", vec![kinds(a, 3, 0, 0, u64::from(u32::MAX)), b], Ok(())),
            ("routed", vec![kinds(a, 4, 0, 0, 1), b], Ok(())),
            ("to no route", vec![kinds(a, 4, 0, 0, 2), b], Err(Breach::Route { record: 0, route: 2 })),
            ("no verdict", vec![a, kinds(b, 5, 0, 0, 0)], Err(Breach::Verdict { record: 1, verdict: 5 })),
            ("no content", vec![a, kinds(b, 0, 4, 0, 0)], Err(Breach::Content { record: 1, content: 4 })),
            ("rewritten", vec![payload(a, 256, 128), payload(b, 384, 128)], Ok(())),
            ("empty at the heap's end", vec![payload(a, 512, 0), b], Ok(())),
            ("over the heap's end", vec![payload(a, 504, 9), b], Err(Breach::Payload { record: 0 })),
            ("in the header", vec![payload(a, 0, 8), b], Err(Breach::Payload { record: 0 })),
            ("in the table", vec![payload(a, 255, 8), b], Err(Breach::Payload { record: 0 })),
            ("in the gap", vec![payload(a, 600, 8), b], Err(Breach::Payload { record: 0 })),
            ("behind the input", vec![payload(a, 4096 + 25, 8), b], Err(Breach::Payload { record: 0 })),
            ("around the world", vec![payload(a, 0xFFFF_FFF0, 0x20), b], Err(Breach::Payload { record: 0 })),
            ("the same heap twice", vec![payload(a, 256, 200), payload(b, 256, 200)], Err(Breach::Overlap)),
            ("the same input twice", vec![payload(a, 4096, 32), payload(b, 4096, 32)], Err(Breach::Overlap)),
            ("twice, but dropped", vec![payload(a, 4096, 32), kinds(payload(b, 4096, 32), 1, 0, 0, 0)], Ok(())),
            ("another id", vec![b, a], Err(Breach::Id { record: 0 })),
            ("one added", vec![a, b, added], Ok(())),
            ("added, not marked", vec![a, b, kinds(added, 0, 3, 0, 0)], Err(Breach::NotMarked { record: 2 })),
            ("added and failed", vec![a, b, kinds(added, 2, 3, 2, 0)], Err(Breach::Verdict { record: 2, verdict: 2 })),
            ("a reason", vec![reason(kinds(a, 2, 0, 0, 1), 500, 12), b], Ok(())),
            ("a reason over the end", vec![reason(a, 500, 13), b], Err(Breach::Reason { record: 0 })),
            ("a reason in the input", vec![reason(a, 4096, 8), b], Err(Breach::Reason { record: 0 })),
            ("a long reason", vec![reason(a, 256, 1025), b], Err(Breach::Reason { record: 0 })),
            ("a reason of nothing nowhere", vec![reason(a, 8, 0), b], Err(Breach::Reason { record: 0 })),
            ("a reason over a payload", vec![reason(payload(a, 256, 256), 256, 8), b], Err(Breach::Overlap)),
        ];
        for (what, table, want) in rows {
            assert_eq!(judge(&given(&two()), &table).map(drop), want, "{what}");
        }
    }

    #[test]
    fn no_more_is_copied_than_the_table_holds() {
        let line = |emitted: u64| ChildLine([emitted << 32, 0, 0, 0, 0, 0, 0, 0]);
        let own = two();
        let given = given(&own);
        assert_eq!(table_len(&given, line(0)), Ok(2));
        assert_eq!(table_len(&given, line(2)), Ok(4));
        assert_eq!(table_len(&given, line(3)), Err(Breach::Emitted { emitted: 3, room: 2 }));
        assert_eq!(table_len(&given, line(u64::from(u32::MAX))), Err(Breach::Emitted { emitted: u32::MAX, room: 2 }));
    }
}
