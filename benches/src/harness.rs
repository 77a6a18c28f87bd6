//! Rounds: each column once a round, so that all of them see the same neighbours, in an order that turns.

use std::io::IsTerminal;
use std::time::Instant;

use crate::Failure;
use crate::bound::{self, Judged, Rounds, Verdict};
use crate::measure::{Column, Flavour, Measure, Plan};
use crate::noise::Noise;
use crate::options::Options;
use crate::{json, machine, table};

/// A quick run does this part of a sample's operations.
const QUICK_PART: usize = 5;

/// A verdict that is not clear gets more rounds, to either side: at most so many times as many.
const PATIENCE: usize = 5;

/// More than one runnable thread before we begin: somebody else uses the machine.
const BUSY: f64 = 1.0;

/// One column's samples of one flavour.
pub struct Measured {
    pub subject: String,
    pub version: String,
    /// By round, then by reading; `None` where the sample failed.
    pub rounds: Vec<Option<Vec<f64>>>,
    /// Why the last failed sample failed.
    pub failure: Option<String>,
}

impl Measured {
    pub fn reading(&self, reading: usize) -> Rounds {
        self.rounds.iter().map(|sample| sample.as_ref()?.get(reading).copied()).collect()
    }
}

/// One measure on one flavour.
pub struct Outcome {
    pub flavour: Flavour,
    pub rounds: usize,
    pub columns: Vec<Measured>,
    pub judged: Vec<Judged>,
}

/// Runs what the options ask for, prints as it goes, and says whether every bound was held.
pub fn run(options: &Options, measures: Vec<Measure>) -> Result<bool, Failure> {
    let chosen: Vec<Measure> = measures.into_iter().filter(|measure| is_chosen(options, measure)).collect();
    if chosen.is_empty() {
        return Err("no measure has such a name; --list prints them".into());
    }
    std::fs::create_dir_all(&options.json)?;
    println!("{}", machine::describe());
    if machine::load() > BUSY {
        println!("The machine is busy: these numbers mean little.");
    }
    let start = Instant::now();
    let mut noise = Noise::default();
    let mut all = Vec::new();
    for measure in &chosen {
        noise.sample(&options.json)?;
        let mut results = Vec::new();
        for &flavour in measure.flavours {
            let result = run_on(options, measure, flavour, &mut noise)?;
            table::print(measure, &result);
            all.extend(result.judged.iter().cloned());
            results.push(result);
        }
        json::write(&options.json, measure, &results, &noise)?;
    }
    table::print_summary(&all, &noise);
    eprintln!("took {:.0} s; the numbers lie in {}", start.elapsed().as_secs_f64(), options.json.display());
    if options.quick {
        println!("A quick run: its numbers mean nothing.");
    }
    Ok(all.iter().all(|judged| judged.verdict != Verdict::Missed))
}

fn is_chosen(options: &Options, measure: &Measure) -> bool {
    options.filters.is_empty() || options.filters.iter().any(|word| measure.name.contains(word.as_str()))
}

fn run_on(options: &Options, measure: &Measure, flavour: Flavour, noise: &mut Noise) -> Result<Outcome, Failure> {
    let ops = if options.quick { measure.ops.div_ceil(QUICK_PART) } else { measure.ops };
    let plan = Plan { flavour, ops };
    let rounds = match measure.rounds_at_most {
        Some(_) if options.quick => 1,
        Some(most) => most.min(options.rounds),
        None => options.rounds,
    };
    let mut columns: Vec<Measured> = measure.columns.iter().map(Measured::new).collect();
    if measure.rounds_at_most.is_none() {
        progress(&format!("{} {}: warming up", measure.name, flavour.name()));
        for column in &measure.columns {
            // What fails here fails again below, and is told there.
            drop((column.sample)(plan));
        }
    }
    let most = if options.quick || measure.rounds_at_most.is_some() { rounds } else { rounds * PATIENCE };
    let mut round = 0;
    loop {
        let more = if round < rounds { "" } else { ", for a clear verdict" };
        progress(&format!("{} {}: round {} of {rounds}{more}", measure.name, flavour.name(), round + 1));
        for turn in 0..columns.len() {
            let place = (round + turn) % columns.len();
            columns[place].take(&measure.columns[place], plan);
        }
        round += 1;
        let is_clear = || judge(measure, flavour, &columns, noise).iter().all(|judged| judged.is_clear);
        if round >= most || (round >= rounds && is_clear()) {
            break;
        }
    }
    progress("");
    noise.sample(&options.json)?;
    let judged = judge(measure, flavour, &columns, noise);
    Ok(Outcome { flavour, rounds: round, columns, judged })
}

/// One line that is written over, where there is somebody to see it.
fn progress(words: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{words}");
    }
}

fn judge(measure: &Measure, flavour: Flavour, columns: &[Measured], noise: &Noise) -> Vec<Judged> {
    let judged = measure.bounds.iter().map(|bound| {
        let rounds_of = |subject: &str| {
            let column = columns.iter().find(|column| column.subject == subject);
            column.map(|column| column.reading(bound.reading)).unwrap_or_default()
        };
        let judged =
            bound::judge(bound, (measure.readings[bound.reading], measure.unit), rounds_of, |kind| noise.floor(kind));
        Judged { flavour: flavour.name(), measure: measure.name, ..judged }
    });
    judged.collect()
}

impl Measured {
    fn new(column: &Column) -> Self {
        Self { subject: column.subject.clone(), version: column.version.clone(), rounds: Vec::new(), failure: None }
    }

    fn take(&mut self, column: &Column, plan: Plan) {
        match (column.sample)(plan) {
            Ok(sample) => self.rounds.push(Some(sample)),
            Err(failure) => {
                self.rounds.push(None);
                self.failure = Some(failure.to_string());
            }
        }
    }
}
