//! What is done with a record around the plugin, the same in every peer: its bytes are produced, and read.
//!
//! `peers/plugins` compiles this very file. Nothing of it is inlined: the same instructions run for each record everywhere.

/// Records of a batch.
pub const RECORDS: usize = 1_024;

/// Bytes of a record.
pub const LEN: usize = 128;

/// Batches that go through before the clock starts.
pub const WARM_UP: usize = 100;

/// Fills a payload, word by word.
#[inline(never)]
pub fn produce(to: &mut [u8], id: u64) {
    let word = id.to_le_bytes();
    for to in to.chunks_exact_mut(word.len()) {
        to.copy_from_slice(&word);
    }
}

/// Reads each byte of a payload.
#[inline(never)]
pub fn read(payload: &[u8]) -> u64 {
    payload.iter().fold(0, |sum, &byte| sum + u64::from(byte))
}

/// What the payloads of the records with these ids sum up to, each byte with all its bits turned that `mask` has.
pub fn expected(ids: std::ops::Range<u64>, mask: u8) -> u64 {
    let of_word = |id: u64| id.to_le_bytes().iter().map(|byte| u64::from(byte ^ mask)).sum::<u64>();
    ids.map(|id| of_word(id) * (LEN / 8) as u64).sum()
}
