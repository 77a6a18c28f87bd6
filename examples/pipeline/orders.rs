//! The data: orders as lines of JSON, a few of them bad on purpose, and what is to become of each.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::random::Random;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub id: usize,
    pub customer: String,
    pub country: String,
    pub amount: i64,
    /// `crash`: the plugin `scoring` crashes on it. `panic`: the stage `tag` panics. `stumble`: it does so once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The stage `tag` gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The plugin `enrichment` gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The plugin `scoring` gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// The stage `totals` gives it: which order of this customer it is, and the sum of all up to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<i64>,
}

pub const CUSTOMERS: u64 = 200;
pub const DEAREST: i64 = 10_000;
/// Orders from here on go to a sink of their own.
pub const BIG: i64 = 9_000;
const COUNTRIES: [&str; 5] = ["de", "fr", "us", "jp", "br"];

/// Orders at most, as a multiple of those that there are at first: every fault has long had its turn by then.
const MOST: u64 = 4;

/// The file of orders. It grows like a log: the pipeline follows it.
pub struct Orders {
    file: BufWriter<File>,
    random: Random,
    notes: [(u64, &'static str); 4],
    pub written: u64,
    most: u64,
}

impl Orders {
    /// With so many at first.
    pub fn new(path: &Path, records: u64, random: &mut Random) -> Result<Self> {
        // Each in a tenth of its own, behind the start and before the end.
        let noted = |random: &mut Random, tenth: u64| records * tenth / 10 + random.below(records / 10);
        let notes =
            [("crash", 2), ("stumble", 4), ("crash", 6), ("panic", 8)].map(|(note, at)| (noted(random, at), note));
        let (file, random) = (BufWriter::new(File::create(path)?), Random(random.next()));
        let mut orders = Orders { file, random, notes, written: 0, most: records * MOST };
        orders.write_to(records)?;
        Ok(orders)
    }

    /// Writes orders until there are so many; one in a thousand breaks a rule, and four have notes.
    pub fn write_to(&mut self, orders: u64) -> Result<()> {
        for id in self.written..orders.min(self.most) {
            let customer = self.random.below(CUSTOMERS);
            let mut country = COUNTRIES[self.random.below(5) as usize];
            let mut amount = 1 + self.random.below(DEAREST as u64) as i64;
            let note = self.notes.iter().find(|(at, _)| *at == id).map(|(_, note)| format!(r#","note":"{note}""#));
            match self.random.below(2_000) {
                0 if note.is_none() => amount = -amount,
                1 if note.is_none() => country = "nowhere",
                _ => (),
            }
            let note = note.unwrap_or_default();
            let order = format_args!(
                r#"{{"id":{id},"customer":"c{customer:03}","country":"{country}","amount":{amount}{note}}}"#
            );
            writeln!(self.file, "{order}")?;
            self.written = id + 1;
        }
        self.file.flush()
    }
}
