//! What the lane's tests share: entries, and chance.

use super::entry::{Entry, Note};

/// Numbers from here on are no messages: they take no room.
pub(super) const SIGNAL: u32 = 1_000;

pub(super) fn entry(number: u32) -> Entry<u32> {
    if number < SIGNAL { Entry::noted(number, Note::PLAIN) } else { Entry::news(Note(number.into())) }
}

pub(super) fn number(entry: Entry<u32>) -> u32 {
    entry.message.unwrap_or(entry.note.0 as u32)
}

/// Random numbers from a seed (SplitMix64).
#[cfg(not(proscenium_loom))]
pub(super) struct Dice(pub(super) u64);

#[cfg(not(proscenium_loom))]
impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

/// Plays the scripts of so many seeds, or of `SEED=<number>` alone, and prints the seed of one that fails.
#[cfg(not(proscenium_loom))]
pub(super) fn play_all(count: u64, play: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..count).collect(),
    };
    for seed in seeds {
        if let Err(why) = std::panic::catch_unwind(|| play(seed)) {
            eprintln!("SEED={seed}");
            std::panic::resume_unwind(why);
        }
    }
}
