//! The benchmark program: ratios of Proscenium to its peers, all measured in the same run.
//!
//! ```text
//!   measures/  what is measured, with its bounds and columns
//!      │ columns: one closure for each subject
//!   shapes ──── the drivers (tell, call, ring, …), written once, run over every peer
//!   trees ───── the same of supervisors: one_for_one, one_for_all (family), 100,000 children
//!      │
//!   pipeline/ source, three stages and sink: the work, and who else does it
//!   peers/    each subject's actor behind the `Peer` trait; actix and the BEAM bring drivers of their own
//!
//!   harness   rounds: every column once a round, in an order that turns   ──▶ table, json (target/bench)
//!   noise     the machine's own floor: a futex ping-pong and an fsync
//!   compile   the plugins that are measured, by cc
//!   child     memory, idle CPU and big trees, each in a process of its own
//! ```
//!
//! **Promises**: peers run interleaved with us, on the same runtime flavour, used as their own documentation uses
//! them; what is printed is the median over the rounds with its quartiles. A verdict that is not clear, be it good or bad,
//! gets more rounds.
//! **Does not promise**: that numbers of two runs compare. The ratios do.
//! **To add a measure**: a function that returns a [`measure::Measure`], in a file below `measures/`, and its line in
//! `measures::all`.
#![forbid(unsafe_code)]

mod bound;
mod child;
mod compile;
mod family;
mod harness;
mod json;
mod machine;
mod measure;
mod measures;
mod noise;
mod options;
mod payload;
mod peer;
mod peers;
mod pipeline;
mod procfs;
mod shapes;
mod stats;
mod table;
mod tally;
mod trees;

use std::process::ExitCode;

/// What went wrong, in words. The bench reports it in the column where it happened and goes on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    proscenium_plugin_host::run_if_child();
    tally::hush_seeded_panics();
    match options::parse(std::env::args().skip(1)).and_then(run) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(options: options::Options) -> Result<ExitCode, Failure> {
    if let Some(errand) = &options.child {
        child::run(errand)?;
        return Ok(ExitCode::SUCCESS);
    }
    let measures = measures::all(&peers::beam::Beam::default());
    if options.list {
        for measure in &measures {
            println!("{:<14} {}", measure.name, measure.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let held = harness::run(&options, measures)?;
    Ok(if options.check && !held { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
