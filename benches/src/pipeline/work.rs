//! What is done with a record, the same everywhere: its number fills it, three stages change it, its first word is added up.
//!
//! There are two kinds of work. `stamp` is nearly none, so that it shows what the pipelines themselves take; it is what every
//! subject does, as words of 64 bits, which neither the BEAM nor Python have, would make a comparison of languages. `fold`
//! reads all of the payload, as a native stage with something to do does. Nothing is inlined, as in `payload`.

pub use crate::payload::{LEN, produce};

/// What a stage does with a payload; the stages are numbered from 1.
pub type Work = fn(&mut [u8], u8);

pub const STAGES: u8 = 3;

/// Of a word: the bytes that hold a record's number lie below those that are stamped.
const STAMPED_FROM: usize = 4;

/// Sets one byte, another one in each stage.
#[inline(never)]
pub fn stamp(payload: &mut [u8], stage: u8) {
    if let Some(byte) = payload.get_mut(STAMPED_FROM + usize::from(stage) - 1) {
        *byte = stage;
    }
}

/// Folds all words into one, which becomes the first.
#[inline(never)]
pub fn fold(payload: &mut [u8], _stage: u8) {
    let words = payload.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    let folded = words.fold(0_u64, |folded, word| folded.wrapping_mul(31).wrapping_add(word));
    if let Some(first) = payload.first_chunk_mut() {
        *first = folded.to_le_bytes();
    }
}

/// What the sink reads of a payload.
#[inline(never)]
pub fn first_word(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// The sum of the first words of that many records, after all stages, modulo 2⁶⁴.
pub fn expected(work: Work, records: u64) -> u64 {
    sum(records, |payload| (1..=STAGES).for_each(|stage| work(payload, stage)))
}

/// The same of records with which something else is done.
pub fn sum(records: u64, work: impl Fn(&mut [u8])) -> u64 {
    let of_record = |number| {
        let mut payload = [0; LEN];
        produce(&mut payload, number);
        work(&mut payload);
        first_word(&payload)
    };
    (0..records).map(of_record).fold(0, u64::wrapping_add)
}

/// What the sink has when a plugin stands between the first stage and the third, and leaves payloads as they are.
pub fn around_plugin(records: u64) -> u64 {
    sum(records, |payload| {
        stamp(payload, 1);
        stamp(payload, 3);
    })
}
