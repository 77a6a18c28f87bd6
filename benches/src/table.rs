//! The tables on standard output.

use crate::bound::{Judged, Verdict};
use crate::harness::{Measured, Outcome};
use crate::measure::{Measure, Unit};
use crate::noise::Noise;
use crate::stats::Spread;

/// One measure on one flavour: a line for each column and reading, then the bounds.
pub fn print(measure: &Measure, outcome: &Outcome) {
    println!("\n{} · {} · {} rounds", measure.title, outcome.flavour.name(), outcome.rounds);
    let ours = outcome.columns.first();
    for column in &outcome.columns {
        for (reading, name) in measure.readings.iter().enumerate() {
            print_reading(measure, ours, column, (reading, name));
        }
    }
    for judged in &outcome.judged {
        println!("  {}", line(judged));
    }
    for note in &measure.notes {
        println!("  ({note})");
    }
}

fn print_reading(measure: &Measure, ours: Option<&Measured>, column: &Measured, (reading, name): (usize, &str)) {
    let subject = format!("{} {}", column.subject, column.version);
    let is_other = |sample: &Vec<f64>| sample.len() <= reading;
    if column.rounds.iter().flatten().any(is_other) {
        return; // The subject has no such reading.
    }
    let Some(spread) = spread(column, reading) else {
        let why = column.failure.as_deref().unwrap_or("no sample");
        println!("  {subject:<28} {name:<9} –  {why}");
        return;
    };
    let ratio = ours.filter(|ours| !std::ptr::eq(*ours, column)).and_then(|ours| self::spread(ours, reading));
    let ratio = ratio
        .filter(|_| spread.median > 0.0)
        .map_or(String::new(), |ours| format!("{:>7.2}×", ours.median / spread.median));
    let [median, q1, q3] = [spread.median, spread.q1, spread.q3].map(|number| measure.unit.show(number));
    println!("  {subject:<28} {name:<9} {median:>10}  [{q1:>9} – {q3:>9}] {ratio}");
}

/// The spread of a column's reading over the rounds that did not fail.
pub fn spread(column: &Measured, reading: usize) -> Option<Spread> {
    let numbers: Vec<f64> = column.reading(reading).into_iter().flatten().collect();
    Spread::of(&numbers)
}

fn line(judged: &Judged) -> String {
    let got = judged.got.map_or("not measured".to_owned(), |got| {
        let [median, q1, q3, most] =
            [got.median, got.q1, got.q3, judged.at_most].map(|number| judged.unit.show(number));
        format!("{median} [{q1} – {q3}], bound {most}")
    });
    format!("{:<6} {}: {got}", judged.verdict.word(), judged.words)
}

/// The floor of the machine, and every bound that was not held.
pub fn print_summary(all: &[Judged], noise: &Noise) {
    println!("\nThe machine's own noise");
    for (name, spread) in noise.lines() {
        let [median, q1, q3] = [spread.median, spread.q1, spread.q3].map(|ns| Unit::Nanoseconds.show(ns));
        println!("  {name:<28} {median:>20}  [{q1:>9} – {q3:>9}]");
    }
    let count = |verdict| all.iter().filter(|judged| judged.verdict == verdict).count();
    let [held, missed, open] = [Verdict::Held, Verdict::Missed, Verdict::Open].map(count);
    println!("\n{held} bounds held, {missed} missed, {open} open (peer not installed)");
    for judged in all.iter().filter(|judged| judged.verdict == Verdict::Missed) {
        println!("  {} · {} · {}", judged.measure, judged.flavour, line(judged));
    }
}
