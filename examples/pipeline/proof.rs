//! Reads what the sinks and the store of dead letters hold, and compares every value with what must be there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::Outcome;
use crate::build::Folder;
use crate::letters;
use crate::orders::Order;
use crate::shape::SINKS;
use crate::wanted::{Fate, fates, finished};

/// What was found in the files.
#[derive(Default)]
struct Found {
    written: u64,
    wrong: u64,
    doubled: u64,
    elsewhere: u64,
    out_of_order: u64,
    /// By version 1 and version 2 of `scoring`, and by 1 behind 2 for the same customer.
    by: [u64; 2],
    back: u64,
}

/// Prints each line of the proof. True: all of it holds.
pub fn check(at: &Folder) -> Result<bool, Box<dyn std::error::Error>> {
    let input = std::fs::read_to_string(at.at("orders.jsonl"))?;
    let lines: Vec<&str> = input.lines().collect();
    let fates = fates(&lines)?;
    let (mut found, mut seen) = (Found::default(), vec![false; lines.len()]);
    for sink in SINKS {
        found.read(sink, &at.at(sink), (&lines, &fates), &mut seen)?;
    }
    let lost = |(fate, seen): &(&Fate, &bool)| matches!(fate, Fate::Written { .. }) && !**seen;
    let lost = fates.iter().zip(&seen).filter(lost).count();
    let Found { written, wrong, doubled, elsewhere, out_of_order, by: [one, two], back } = found;
    let mut holds = true;
    let mut line = |is_so: bool, words: String| {
        println!("  {} {words}", if is_so { '✓' } else { '✗' });
        holds &= is_so;
    };
    line(wrong == 0, format!("{written} orders in the sinks' files, each value computed anew: {wrong} wrong"));
    line(lost == 0, format!("{lost} lost"));
    line(doubled == 0, format!("{doubled} doubled"));
    line(elsewhere == 0, format!("{elsewhere} where they do not belong"));
    line(out_of_order == 0, format!("{out_of_order} out of their customer's order"));
    line(
        back == 0 && one > 0 && two > 0,
        format!("{one} scored by 1.0.0, then {two} by 2.0.0; {back} by 1.0.0 after that"),
    );
    let (letters, bad) = letters::compare(&at.at("state/dead_letters"), &lines, &fates)?;
    let due = fates.iter().filter(|fate| matches!(fate, Fate::Dead { .. })).count();
    let words = format!("{letters} dead letters of {due}: refused and poison, as they came; {bad} others or changed");
    line(letters == due && bad == 0, words);
    Ok(holds)
}

impl Found {
    fn read(&mut self, sink: &str, folder: &Path, (lines, fates): (&[&str], &[Fate]), seen: &mut [bool]) -> Outcome {
        let mut last: HashMap<String, (u64, i64)> = HashMap::new();
        for line in written(folder)? {
            let order: Order = serde_json::from_str(&line?)?;
            self.written += 1;
            let (Some(fate), Some(input)) = (fates.get(order.id), lines.get(order.id)) else {
                self.wrong += 1;
                continue;
            };
            let Fate::Written { sink: its, nth, sum } = *fate else {
                self.elsewhere += 1;
                continue;
            };
            self.doubled += u64::from(std::mem::replace(&mut seen[order.id], true));
            self.elsewhere += u64::from(its != sink);
            let version = order.score.unwrap_or(0) / 1000;
            self.wrong += u64::from(!(1..=2).contains(&version) || finished(input, nth, sum, version)? != order);
            self.by[usize::from(version == 2)] += 1;
            let (last_nth, last_version) = last.insert(order.customer, (nth, version)).unwrap_or_default();
            self.out_of_order += u64::from(nth <= last_nth);
            self.back += u64::from(version < last_version);
        }
        Ok(())
    }
}

/// The lines of all files of a folder that are finished, in their order.
pub fn written(folder: &Path) -> std::io::Result<impl Iterator<Item = std::io::Result<String>>> {
    let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    let files = files.iter().map(File::open).collect::<std::io::Result<Vec<_>>>()?;
    Ok(files.into_iter().flat_map(|file| BufReader::new(file).lines()))
}
