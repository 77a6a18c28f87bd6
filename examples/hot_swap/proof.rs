//! What must hold of the results, whatever happens to the plugin's process.

use proscenium::plugin::{Processed, Verdicts};

use crate::load::BATCH;

#[derive(Default)]
pub struct Proof {
    pub records: u64,
    /// By version 1, by version 2.
    pub by: [u64; 2],
    pub lost: u64,
    pub doubled: u64,
    /// Records of version 1 behind one of version 2.
    pub back: u64,
    /// Where the plugin's own count did not go on by one: its state was lost.
    pub jumps: Vec<(u64, u64)>,
    count: u64,
}

impl Proof {
    pub fn check(&mut self, done: &Processed) {
        for record in done.records() {
            assert_eq!(record.verdict(), Verdicts::Ok);
            let (id, want) = (record.id(), self.records + self.lost);
            self.lost += id.saturating_sub(want);
            if id < want {
                self.doubled += 1; // Or late: both are wrong.
                continue;
            }
            self.records += 1;
            let word = |at| u64::from_le_bytes(record.payload()[at..at + 8].try_into().expect("eight bytes"));
            let (version, count) = (word(0), word(8));
            if count != self.count {
                self.jumps.push((self.count, count));
            }
            self.count = count + 1;
            self.back += u64::from(version == 1 && self.by[1] > 0);
            self.by[version as usize - 1] += 1;
        }
    }

    /// Says what was found, and panics if it is not as it must be: version 1 had the batches before this one.
    pub fn tell(&self, first_batch: u64) {
        let Self { records, by: [one, two], lost, doubled, back, jumps, .. } = self;
        println!("{records} records: {lost} lost, {doubled} doubled or out of order");
        println!("{one} by version 1, then {two} by version 2; {back} by version 1 after that");
        assert_eq!((records % BATCH, *lost, *doubled, *back, *one), (0, 0, 0, 0, first_batch * BATCH));
        // The swap has carried the count over; the kill has not: this plugin keeps no checkpoints.
        println!("its own count went on over the swap, and began anew {} time, after the kill", jumps.len());
        assert!(matches!(jumps.as_slice(), [(_, 0)]), "{jumps:?}");
    }
}
