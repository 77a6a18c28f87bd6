//! Random words where a child writes, and what the host makes of them: never a panic, never a byte from elsewhere, and what
//! was taken over stays as it is. `SEED=` and `TABLES=` for more.

use crate::block::Entry;
use crate::failover_core::Why;
use crate::fuzzing::world::{RECORDS, Round, World};
use crate::judge::{Given, judge};
use crate::portion::Portion;
use crate::random::Random;
use crate::tray::Tray;

const TABLES: u64 = 40_000;

impl Random {
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

impl World {
    fn random(&self, random: &mut Random) -> Tray {
        let (routes, records) = (random.below(3) as u32, 1 + random.below(u64::from(RECORDS)));
        let lens: Vec<_> = (0..records).map(|_| random.below(40) as usize).collect();
        self.tray(routes, lens)
    }
}

/// A table as an honest plugin leaves it, but for some words.
fn forge(world: &World, tray: &Tray, portion: Portion, random: &mut Random) -> (Vec<Entry>, u32) {
    let layout = tray.layout;
    let room = layout.records - portion.count;
    let emitted = if random.below(3) == 0 { random.near(&[0, 1, room, u32::MAX]) } else { random.below(3) as u32 };
    let mut table = world.honest(tray, portion);
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

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number is given"))
}

/// True: it was taken over.
fn one(world: &World, random: &mut Random) -> bool {
    let mut tray = world.random(random);
    let first = random.below(u64::from(tray.len())) as u32;
    let count = 1 + random.below(u64::from(tray.len() - first)) as u32;
    let portion = Portion { first, count, is_suspect: false };
    let (table, emitted) = forge(world, &tray, portion, random);
    let table = world.take_over(&mut tray, portion, emitted, &table);
    let is_taken = table.is_some();
    let others = (0..tray.len()).filter(|record| !portion.records().contains(record)).map(Portion::single);
    let mut rounds: Vec<_> = others.map(|portion| Round { portion, table: None }).collect();
    rounds.push(Round { portion, table });
    for Round { portion, .. } in rounds.iter().filter(|round| round.table.is_none()) {
        tray.set_aside(*portion, Why::Poison, None);
    }
    tray.settle();
    world.is_as_written(tray, &rounds);
    is_taken
}

#[test]
fn whatever_a_child_writes_is_refused_or_taken_over_as_it_was() {
    let (seed, tables) = (number("SEED", 1).max(1), number("TABLES", TABLES));
    let world = World::new();
    let mut random = Random::new(seed);
    let taken = (0..tables).filter(|_| one(&world, &mut random)).count() as u64;
    println!("SEED={seed}: {taken} of {tables} were taken over");
    assert!(taken * 10 > tables && taken * 10 < tables * 9, "{taken} of {tables}: the fuzz sees one side alone");
}

#[test]
fn random_words_alone_are_refused() {
    let world = World::new();
    let mut random = Random::new(7);
    let tray = world.random(&mut random);
    let whole = Portion::whole(tray.len());
    for _ in 0..TABLES {
        let table: Vec<Entry> = (0..tray.len()).map(|_| std::array::from_fn(|_| random.any())).collect();
        let given =
            Given { layout: tray.layout, records: tray.given(whole), input_end: tray.input_end(), routes: tray.routes };
        assert!(judge(&given, &table).is_err());
    }
}
