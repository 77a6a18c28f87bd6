//! `target/bench/<measure>.json`: everything that the table shows, and every round's number.

use std::path::Path;

use serde_json::{Value, json};

use crate::bound::Judged;
use crate::harness::{Measured, Outcome};
use crate::measure::Measure;
use crate::noise::Noise;
use crate::stats::Spread;
use crate::{Failure, machine, table};

pub fn write(folder: &Path, measure: &Measure, outcomes: &[Outcome], noise: &Noise) -> Result<(), Failure> {
    let flavours: Vec<Value> = outcomes.iter().map(|outcome| of_outcome(measure, outcome)).collect();
    let floor: Vec<Value> = noise.lines().into_iter().map(|(name, ns)| json!({ "name": name, "ns": of(ns) })).collect();
    let document = json!({
        "measure": measure.name,
        "title": measure.title,
        "unit": measure.unit.name(),
        "readings": measure.readings,
        "machine": machine::describe(),
        "noise": floor,
        "flavours": flavours,
        "notes": measure.notes,
    });
    let path = folder.join(format!("{}.json", measure.name));
    std::fs::write(path, serde_json::to_string_pretty(&document)?)?;
    Ok(())
}

fn of_outcome(measure: &Measure, outcome: &Outcome) -> Value {
    let columns: Vec<Value> = outcome.columns.iter().map(|column| of_column(measure, column)).collect();
    let bounds: Vec<Value> = outcome.judged.iter().map(of_judged).collect();
    json!({ "flavour": outcome.flavour.name(), "rounds": outcome.rounds, "columns": columns, "bounds": bounds })
}

fn of_column(measure: &Measure, column: &Measured) -> Value {
    let spreads: Vec<Value> =
        (0..measure.readings.len()).map(|reading| table::spread(column, reading).map_or(Value::Null, of)).collect();
    json!({
        "subject": column.subject,
        "version": column.version,
        "readings": spreads,
        "rounds": column.rounds,
        "failure": column.failure,
    })
}

fn of_judged(judged: &Judged) -> Value {
    json!({
        "bound": judged.words,
        "at_most": judged.at_most,
        "got": judged.got.map(of),
        "verdict": judged.verdict.word(),
    })
}

fn of(spread: Spread) -> Value {
    let Spread { median, q1, q3, min, max } = spread;
    json!({ "median": median, "q1": q1, "q3": q3, "min": min, "max": max })
}
