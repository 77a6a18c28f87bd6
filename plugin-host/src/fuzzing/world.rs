//! A batch in real shared memory, what a child leaves of it, and whether what the host took over is what stood there.

use std::sync::Arc;

use proscenium_plugin_sdk::abi::{Content, HEADER_SIZE};
use proscenium_shm_channel::{Front, Geometry, HostEnd, Pool};

use crate::batch::{Processed, Record, Verdicts};
use crate::block::{ChildLine, Entry, Head, Layout, Written};
use crate::fuzzing::is_clean;
use crate::judge::{Given, judge, table_len};
use crate::portion::Portion;
use crate::tray::{Shelf, Tray};

pub(super) const RECORDS: u32 = 16;

pub(super) struct World {
    end: HostEnd,
    pub(super) layout: Layout,
    shelf: Arc<Shelf>,
    pool: Pool,
    /// What the heap holds: each byte says where it lies.
    heap: Vec<u64>,
}

/// What a child made of a portion of a batch.
pub(super) struct Round {
    pub(super) portion: Portion,
    /// The table that was taken over; none: the host has set the records aside.
    pub(super) table: Option<Vec<Entry>>,
}

impl World {
    pub(super) fn new() -> World {
        let geometry = Geometry { slots: 1, records: RECORDS, heap: 1024, input: 4096 };
        let pool = Pool::new(geometry).unwrap();
        let (end, _fds) = HostEnd::new(&pool).unwrap();
        let layout = Layout {
            records: RECORDS,
            heap_off: geometry.heap_off(),
            heap_end: geometry.heap_end(),
            input_off: geometry.input_off(),
        };
        let words = u64::from(layout.heap_end - layout.heap_off) / 8;
        let heap = (0..words).map(|nth| nth * 0x0101_0101_0101_0101).collect();
        World { end, layout, shelf: Arc::default(), pool, heap }
    }

    /// Records with payloads of these lengths.
    pub(super) fn tray(&self, routes: u32, lens: impl IntoIterator<Item = usize>) -> Tray {
        let mut tray = Tray::new(self.pool.try_take().unwrap(), self.layout, self.shelf.clone());
        tray.routes = routes;
        for (nth, len) in (0_u64..).zip(lens) {
            let write = |room: &mut [u8]| {
                room.fill(nth as u8);
                len
            };
            tray.add(100 + nth, len, Content::Inherit, write).unwrap();
        }
        tray
    }

    /// A table as an honest plugin leaves it that has added to each record's portion what there is room for.
    pub(super) fn honest(&self, tray: &Tray, portion: Portion) -> Vec<Entry> {
        let mut table = tray.given(portion).to_vec();
        table.resize(self.layout.records as usize, [0, u64::from(self.layout.heap_off), 2 << 16, 0]);
        table
    }

    /// A child has written the table, and says that it has added so many records. None: the host refuses it. Whatever is written
    /// after it was copied changes nothing.
    pub(super) fn take_over(
        &self,
        tray: &mut Tray,
        portion: Portion,
        emitted: u32,
        table: &[Entry],
    ) -> Option<Vec<Entry>> {
        let front = self.end.front(&tray.slot).unwrap();
        self.write(&front, tray, portion, table);
        let (layout, routes, input_end) = (tray.layout, tray.routes, tray.input_end());
        let given = Given { layout, records: tray.given(portion), input_end, routes };
        let lines = table_len(&given, ChildLine([u64::from(emitted) << 32, 0, 0, 0, 0, 0, 0, 0])).ok()?;
        assert!(lines <= RECORDS);
        tray.copy_table(&front, lines).unwrap();
        let given = Given { layout, records: tray.given(portion), input_end, routes };
        let heap = judge(&given, tray.table()).ok()?;
        if !tray.has_room(portion, &heap) {
            return None;
        }
        let ones = |words: usize| vec![u64::MAX; words];
        front.store(u32::from(HEADER_SIZE), &ones(4 * RECORDS as usize)).unwrap();
        let mut again = Vec::new();
        tray.take_over(portion, &heap, &front, &mut again).unwrap();
        front.store(self.layout.heap_off, &ones(self.heap.len())).unwrap();
        assert!(again.iter().all(|(record, _)| portion.records().contains(record)));
        Some(table[..lines as usize].to_vec())
    }

    fn write(&self, front: &Front<'_>, tray: &Tray, portion: Portion, table: &[Entry]) {
        let head = Head {
            batch_id: 1,
            attempt: 0,
            flags: 0,
            content: Content::Raw,
            count: portion.count,
            input_end: tray.input_end(),
            routes: tray.routes,
        };
        front.store(0, &tray.layout.header(&head)).unwrap();
        front.store(u32::from(HEADER_SIZE), table.as_flattened()).unwrap();
        front.store(self.layout.heap_off, &self.heap).unwrap();
    }

    /// Made of bytes of the heap from there on.
    fn is_of_the_heap(&self, bytes: &[u8], from: u32) -> bool {
        bytes.iter().zip(from - self.layout.heap_off..).all(|(&byte, at)| byte == (at / 8) as u8)
    }

    /// A batch that is settled is what its children have written, where that was taken over, and what was given elsewhere.
    pub(super) fn is_as_written(&self, tray: Tray, rounds: &[Round]) {
        let (results, mut added) = (tray.results(), tray.emitted());
        assert_eq!(results.len(), tray.len() as usize);
        for Round { portion, table } in rounds {
            let own = portion.records().map(|record| &results[record as usize]);
            let Some(table) = table else {
                own.for_each(|entry| assert_eq!(tray.reason(entry), b""));
                continue;
            };
            let emitted = table.len() - portion.count as usize;
            let taken: Vec<_> = own.chain(added.by_ref().take(emitted)).collect();
            assert_eq!(taken.len(), table.len());
            let heap: usize = taken.iter().map(|entry| copied(&tray, entry)).sum();
            assert!(heap <= self.heap.len() * 8, "bytes of the heap are sold twice");
            taken.iter().zip(table).for_each(|(taken, written)| self.is_same(&tray, taken, written));
        }
        assert_eq!(added.len(), 0, "records that nobody has added");
        for (nth, (entry, given)) in (0..).zip(results.iter().zip(tray.all())) {
            assert_eq!(Written(*entry).id(), Written(*given).id());
            let round = rounds.iter().find(|round| round.portion.records().contains(&nth)).unwrap();
            if round.table.is_none() || !Written(*entry).goes_on() {
                assert_eq!(tray.result_payload(entry), tray.payload(given), "what came in");
            }
        }
        drop(added);
        let (records, emitted) = (tray.len() as usize, tray.emitted().len());
        let done = Processed::of(tray);
        assert_eq!((done.records().count(), done.emitted().count()), (records, emitted));
        done.records().chain(done.emitted()).for_each(can_be_read);
    }

    fn is_same(&self, tray: &Tray, entry: &Entry, written: &Entry) {
        let (taken, written) = (Written(*entry), Written(*written));
        assert_eq!((taken.id(), taken.verdict(), taken.arg()), (written.id(), written.verdict(), written.arg()));
        let (payload, reason) = (tray.result_payload(entry), tray.reason(entry));
        if taken.goes_on() {
            assert_eq!(payload.len(), written.len() as usize);
            let of_the_heap = written.off() < self.layout.input_off;
            assert!(!of_the_heap || self.is_of_the_heap(payload, written.off()), "{written:?}");
        }
        assert_eq!(reason.len(), usize::from(written.reason_len()));
        assert!(reason.is_empty() || self.is_of_the_heap(reason, written.reason_off()), "{written:?}");
    }
}

/// Bytes of the heap that were copied for it.
fn copied(tray: &Tray, entry: &Entry) -> usize {
    let payload = if Written(*entry).is_copied() { tray.result_payload(entry).len() } else { 0 };
    payload + tray.reason(entry).len()
}

/// By a user, all of it.
fn can_be_read(record: Record<'_>) {
    assert!(is_clean(&record.reason()));
    let _ = (record.content(), record.end().is_some());
    let sum = record.payload().iter().fold(0_u64, |sum, &byte| sum.wrapping_add(byte.into()));
    std::hint::black_box(sum);
    assert!(!matches!(record.verdict(), Verdicts::Route(route) if route > 2), "there are two routes at most");
}
