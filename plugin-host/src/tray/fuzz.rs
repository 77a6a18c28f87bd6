//! Random words where a child writes, and what the host makes of them: never a panic, never a byte from elsewhere, and what
//! was taken over stays as it is. `SEED=` and `TABLES=` for more.

use proscenium_plugin_sdk::abi::HEADER_SIZE;
use proscenium_shm_channel::{Geometry, HostEnd, Pool};

use super::*;
use crate::block::{ChildLine, Head};
use crate::judge::{Given, judge, table_len};

const TABLES: u64 = 40_000;
const RECORDS: u32 = 16;

struct Random(u64);

impl Random {
    fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.any() >> 11) % n
    }

    /// A number at, or beside, a border: there the mistakes are.
    fn near(&mut self, borders: &[u32]) -> u32 {
        let border = borders[self.below(borders.len() as u64) as usize];
        match self.below(4) {
            0 => border,
            1 => border.wrapping_sub(self.below(9) as u32),
            2 => border.wrapping_add(self.below(9) as u32),
            _ => border.wrapping_add(self.below(300) as u32),
        }
    }
}

struct World {
    end: HostEnd,
    layout: Layout,
    shelf: Arc<Shelf>,
    pool: Pool,
    /// What the heap holds.
    heap: Vec<u64>,
}

impl World {
    fn new() -> World {
        let geometry = Geometry { slots: 1, records: RECORDS, heap: 1024, input: 4096 };
        let pool = Pool::new(geometry).expect("the test has memory");
        let (end, _fds) = HostEnd::new(&pool).expect("the test has memory");
        let layout = Layout {
            records: RECORDS,
            heap_off: geometry.heap_off(),
            heap_end: geometry.heap_end(),
            input_off: geometry.input_off(),
        };
        let heap =
            (0..u64::from(layout.heap_end - layout.heap_off) / 8).map(|nth| nth * 0x0101_0101_0101_0101).collect();
        World { end, layout, shelf: Arc::default(), pool, heap }
    }

    fn tray(&self, random: &mut Random) -> Tray {
        let mut tray = Tray::new(self.pool.try_take().expect("one slot is free"), self.layout, self.shelf.clone());
        tray.routes = random.below(3) as u32;
        for id in 0..1 + random.below(u64::from(RECORDS)) {
            let len = random.below(40) as usize;
            tray.add(id + 100, len, Content::Inherit, |room| {
                room.fill(id as u8);
                len
            })
            .expect("the batch has room");
        }
        tray
    }
}

/// A table as an honest plugin leaves it, but for some words.
fn forge(tray: &Tray, portion: Portion, random: &mut Random) -> (Vec<Entry>, u32) {
    let layout = tray.layout;
    let room = layout.records - portion.count;
    let emitted = if random.below(3) == 0 { random.near(&[0, 1, room, u32::MAX]) } else { random.below(3) as u32 };
    let mut table = tray.given(portion).to_vec();
    table.resize(layout.records as usize, Entry::default());
    for line in &mut table[portion.count as usize..] {
        *line = [random.below(9), u64::from(layout.heap_off), 2 << 16, 0];
    }
    let borders = [0, layout.heap_off, layout.heap_end, layout.input_off, tray.input_end(), u32::MAX];
    for _ in 0..random.below(5) {
        let nth = random.below(u64::from(layout.records)) as usize;
        let line = &mut table[nth];
        match random.below(9) {
            0 => line[0] ^= random.below(2),
            1 => line[1] = line[1] & !0xFFFF_FFFF | u64::from(random.near(&borders)),
            2 => line[1] = line[1] & 0xFFFF_FFFF | u64::from(random.near(&[0, 8, 64, 1024])) << 32,
            3 => line[2] = line[2] & !0xFF | random.below(7),
            4 => line[2] = line[2] & !0xFF00 | random.below(6) << 8,
            5 => line[2] = line[2] & 0xFFFF_FFFF | random.below(4) << 32,
            6 => line[3] = random.any() & 0xFFFF_0000_0000_0000 | line[3] & 0xFFFF_FFFF_FFFF,
            7 => line[3] = u64::from(random.near(&borders)) | random.below(40) << 32,
            _ => line[random.below(4) as usize] = random.any(),
        }
    }
    (table, emitted)
}

/// What a user can reach: the sum of the bytes, and of the payloads alone.
fn read_all(tray: &Tray) -> (u64, usize) {
    let (mut sum, mut bytes) = (0_u64, 0);
    for entry in tray.results().iter().chain(tray.emitted()) {
        let (payload, reason) = (tray.result_payload(entry), tray.reason(entry));
        bytes += payload.len() + reason.len();
        sum = payload.iter().chain(reason).fold(sum, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    }
    (sum, bytes)
}

/// Every payload and reason is made of bytes of the heap, of which each says where it lies, or is what was given.
fn is_of_the_heap(bytes: &[u8], from: u32, world: &World) -> bool {
    bytes.iter().zip(from - world.layout.heap_off..).all(|(&byte, at)| byte == (at / 8) as u8)
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number is given"))
}

/// True: it was taken over.
fn one(world: &World, random: &mut Random) -> bool {
    let mut tray = world.tray(random);
    let first = random.below(u64::from(tray.len())) as u32;
    let count = 1 + random.below(u64::from(tray.len() - first)) as u32;
    let portion = Portion { first, count, is_suspect: false };
    tray.seal();
    let (table, emitted) = forge(&tray, portion, random);
    let front = world.end.front(&tray.slot).expect("within the front");
    let head = Head {
        batch_id: 1,
        attempt: 0,
        flags: 0,
        content: Content::Raw,
        count,
        input_end: tray.input_end(),
        routes: tray.routes,
    };
    front.store(0, &tray.layout.header(&head)).expect("within the front");
    front.store(u32::from(HEADER_SIZE), table.as_flattened()).expect("within the front");
    front.store(world.layout.heap_off, &world.heap).expect("within the front");
    let (layout, routes, input_end) = (tray.layout, tray.routes, tray.input_end());
    let given = Given { layout, records: tray.given(portion), input_end, routes };
    let Ok(lines) = table_len(&given, ChildLine([u64::from(emitted) << 32, 0, 0, 0, 0, 0, 0, 0])) else { return false };
    assert!(lines <= RECORDS);
    tray.copy_table(&front, lines).expect("within the front");
    let given = Given { layout, records: tray.given(portion), input_end, routes };
    let Ok(heap) = judge(&given, tray.table()) else { return false };
    assert!(tray.has_room(&heap));
    // From here on a child may write what it likes.
    front.store(u32::from(HEADER_SIZE), &vec![u64::MAX; 4 * RECORDS as usize]).expect("within the front");
    let mut again = Vec::new();
    tray.take_over(portion, &heap, &front, &mut again).expect("within the front");
    front.store(world.layout.heap_off, &vec![u64::MAX; world.heap.len()]).expect("within the front");
    assert!(again.iter().all(|(record, _)| portion.records().contains(record)));
    for record in (0..tray.len()).filter(|record| !portion.records().contains(record)) {
        tray.set_aside(Portion::single(record), Why::Poison, None);
    }
    tray.settle();
    same_as_written(&tray, portion, &table, world);
    true
}

fn same_as_written(tray: &Tray, portion: Portion, table: &[Entry], world: &World) {
    let (sum, bytes) = read_all(tray);
    let input = (tray.input_end() - tray.layout.input_off) as usize;
    assert!(bytes <= 2 * input + world.heap.len() * 8, "{bytes} bytes of {input}");
    assert_eq!(tray.results().len(), tray.len() as usize);
    let taken = portion.records().map(|record| &tray.results()[record as usize]).chain(tray.emitted());
    let (payloads, reasons) = taken.fold((0, 0), |(payloads, reasons), entry| {
        let payload = if Written(*entry).is_copied() { tray.result_payload(entry).len() } else { 0 };
        (payloads + payload, reasons + tray.reason(entry).len())
    });
    assert!(payloads + reasons <= world.heap.len() * 8, "bytes of the heap are sold twice");
    let own = portion.records().map(|record| &tray.results()[record as usize]);
    for (entry, written) in own.chain(tray.emitted()).zip(table) {
        let (taken, written) = (Written(*entry), Written(*written));
        assert_eq!((taken.id(), taken.verdict(), taken.arg()), (written.id(), written.verdict(), written.arg()));
        let (payload, reason) = (tray.result_payload(entry), tray.reason(entry));
        if taken.goes_on() {
            assert_eq!(payload.len(), written.len() as usize);
        }
        if taken.goes_on() && written.off() < tray.layout.input_off {
            assert!(is_of_the_heap(payload, written.off(), world), "{written:?}");
        }
        assert_eq!(reason.len(), usize::from(written.reason_len()));
        assert!(reason.is_empty() || is_of_the_heap(reason, written.reason_off(), world), "{written:?}");
    }
    for (record, given) in tray.all().iter().enumerate() {
        assert_eq!(Written(tray.results()[record]).id(), Written(*given).id());
        if !portion.records().contains(&(record as u32)) || !Written(tray.results()[record]).goes_on() {
            assert_eq!(tray.result_payload(&tray.results()[record]), tray.payload(given), "what came in");
        }
    }
    assert_eq!(read_all(tray).0, sum);
}

#[test]
fn whatever_a_child_writes_is_refused_or_taken_over_as_it_was() {
    let (seed, tables) = (number("SEED", 1).max(1), number("TABLES", TABLES));
    let world = World::new();
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let taken = (0..tables).filter(|_| one(&world, &mut random)).count() as u64;
    println!("SEED={seed}: {taken} of {tables} were taken over");
    assert!(taken * 10 > tables && taken * 10 < tables * 9, "{taken} of {tables}: the fuzz sees one side alone");
}

#[test]
fn random_words_alone_are_refused() {
    let world = World::new();
    let mut random = Random(7);
    let tray = world.tray(&mut random);
    let whole = Portion::whole(tray.len());
    for _ in 0..TABLES {
        let table: Vec<Entry> = (0..tray.len()).map(|_| std::array::from_fn(|_| random.any())).collect();
        let given =
            Given { layout: tray.layout, records: tray.given(whole), input_end: tray.input_end(), routes: tray.routes };
        assert!(judge(&given, &table).is_err());
    }
}
