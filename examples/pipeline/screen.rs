//! What is seen while it runs: a table that is drawn anew on a terminal, and lines elsewhere.

use std::collections::HashMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use proscenium::pipeline::{PartStatus, PipelineRef};

use crate::story::Recovery;
use crate::watch::through;

#[derive(Clone)]
pub struct Screen {
    is_terminal: bool,
    drawn: Arc<Mutex<Drawn>>,
}

struct Drawn {
    /// Orders that there are so far.
    records: u64,
    /// The lines of the table, which the next one takes the place of.
    lines: usize,
    at: Instant,
    passed: HashMap<String, u64>,
    tenth: u64,
}

impl Screen {
    pub fn new(records: u64) -> Self {
        let drawn = Drawn { records, lines: 0, at: Instant::now(), passed: HashMap::new(), tenth: 0 };
        let is_terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Screen { is_terminal, drawn: Arc::new(Mutex::new(drawn)) }
    }

    /// A line of the story, above the table.
    pub fn tell(&self, pipeline: &PipelineRef, recovery: &Recovery) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let percent = through(&pipeline.status()) * 100 / drawn.records;
        let line = match recovery {
            Ok((what, took)) => format!("{percent:>3} %  {what}; records pass again after {}", millis(*took)),
            Err(why) => format!("{percent:>3} %  ✗ {why}"),
        };
        println!("{}{line}", drawn.clear());
    }

    /// Draws the table, or says how far it is, at each tenth.
    pub fn draw(&self, pipeline: &PipelineRef, records: u64) {
        let status = pipeline.status();
        let through = through(&status);
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.records = records;
        let took = drawn.at.elapsed().as_secs_f64().max(0.001);
        let rate = |name: &str, passed: u64, passed_then: &mut HashMap<String, u64>| {
            let then = passed_then.insert(name.to_owned(), passed).unwrap_or(0);
            ((passed - then) as f64 / took) as u64
        };
        if !self.is_terminal {
            let tenth = through * 10 / records;
            if tenth > drawn.tenth {
                let rate = rate("", through, &mut drawn.passed);
                println!("{:>3} %  {through} of {} records are through, {rate} a second", tenth * 10, records);
                (drawn.tenth, drawn.at) = (tenth, Instant::now());
            }
            return;
        }
        let mut table = drawn.clear();
        let _ = writeln!(table, "{HEAD}");
        for part in &status.parts {
            let rate = rate(&part.name, part.counts.passed, &mut drawn.passed);
            let _ = writeln!(table, "{}", row(part, rate));
        }
        let done = (through * 60 / records).min(60) as usize;
        let (percent, bar) = (through * 100 / records, "█".repeat(done) + &"░".repeat(60 - done));
        let _ = writeln!(table, "{bar}  {percent} % of {}, {} a second", records, rate("", through, &mut drawn.passed));
        print!("{table}");
        let _ = std::io::Write::flush(&mut std::io::stdout());
        (drawn.lines, drawn.at) = (status.parts.len() + 2, Instant::now());
    }
}

impl Drawn {
    /// Moves to the table's first line, and removes it.
    fn clear(&mut self) -> String {
        match std::mem::take(&mut self.lines) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }
}

const HEAD: &str = "part               in        out   records/s  queue  in flight  restarts  dead letters";

fn row(part: &PartStatus, rate: u64) -> String {
    let PartStatus { name, counts, .. } = part;
    let settled = counts.passed + counts.dropped + counts.skipped + counts.dead_letters;
    let in_flight = counts.taken.saturating_sub(settled);
    format!(
        "{name:<12} {:>8} {:>10} {rate:>11} {:>6} {in_flight:>10} {:>9} {:>13}",
        counts.taken, counts.passed, counts.queue, counts.restarts, counts.dead_letters
    )
}

pub fn millis(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1000.0;
    if millis < 1.0 { format!("{millis:.3} ms") } else { format!("{millis:.1} ms") }
}
