//! The demo, `make demo`: orders run through plugins and Rust stages while these are killed, frozen, swapped and fed poison;
//! then every value in the output is proved. Prints what is done to it, how soon records pass again, and the proof.
//! `--seed N` has the same faults again, `--records N` another number of orders. More of them come if these are through
//! before every fault has had its turn.

mod build;
mod letters;
mod orders;
mod plan;
mod proof;
mod random;
mod screen;
mod shape;
mod story;
mod wanted;
mod watch;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proscenium::prelude::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[proscenium::main]
async fn main() -> Outcome {
    keep_planned_panics_quiet();
    let is_quick = std::env::var_os("PROSCENIUM_QUICK").is_some();
    let usual = if cfg!(debug_assertions) {
        80_000
    } else if is_quick {
        400_000
    } else {
        2_000_000
    };
    let records = number("--records")?.unwrap_or(usual).max(1_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_micros();
    let seed = number("--seed")?.unwrap_or(now.into());
    println!("{records} orders; seed {seed}: `--seed {seed} --records {records}` has the same faults again");

    let folder = build::Folder::new()?;
    let plugins = build::Plugins::build(&folder)?;
    let mut random = random::Random(seed);
    let mut orders = orders::Orders::new(&folder.at("orders.jsonl"), records, &mut random)?;
    let plan = plan::plan(records, &mut random);

    let node = Node::start("demo").await?;
    let begun = Instant::now();
    let pipeline = shape::pipeline(&folder, &plugins).start(&node).await?;
    let screen = screen::Screen::new(records);
    let seen = [("scoring", "an order crashes scoring, twice"), ("tag", "tag panics on an order, twice")];
    let mut stories: Vec<_> = Vec::from(
        seen.map(|(part, what)| tokio::spawn(watch::incidents(pipeline.clone(), part, what, screen.clone()))),
    );
    stories.push(tokio::spawn(watch::stumble(pipeline.clone(), screen.clone())));
    let story = tokio::spawn(story::run(pipeline.clone(), plan, plugins, screen.clone()));
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let outcome = loop {
        tokio::select! {
            outcome = pipeline.wait() => break outcome,
            _ = looks.tick() => {}
        }
        let through = watch::through(&pipeline.status());
        if !story.is_finished() {
            orders.write_to(through + records / 10)?;
        } else if through >= orders.written {
            pipeline.stop().await;
        }
        screen.draw(&pipeline, orders.written);
    };
    let took = begun.elapsed();
    let mut recoveries = story.await?;
    for story in stories {
        recoveries.extend(story.await?);
    }
    node.stop().await?;

    println!("\nThe pipeline has ended, {outcome}");
    let records = orders.written;
    println!("{records} orders in {:.1} s: {:.0} a second", took.as_secs_f64(), records as f64 / took.as_secs_f64());
    println!("The proof, from the input and from what the sinks have written:");
    let failed = recoveries.iter().filter(|recovery| recovery.is_err()).count();
    let slowest = recoveries.iter().flatten().map(|(_, took)| *took).max().unwrap_or_default();
    let words = format!("{} faults; records passed again after each, at the latest in", recoveries.len());
    println!("  {} {words} {}", if failed == 0 { '✓' } else { '✗' }, screen::millis(slowest));
    if proof::check(&folder)? && failed == 0 { Ok(()) } else { Err("the proof fails".into()) }
}

/// The number behind a flag.
fn number(flag: &str) -> Result<Option<u64>, Box<dyn std::error::Error>> {
    let value = std::env::args().skip_while(|argument| argument != flag).nth(1);
    value.map(|value| value.parse().map_err(|why| format!("{flag} {value}: {why}").into())).transpose()
}

/// A panic costs its stage's actor alone, but the default hook prints a backtrace of each. Set before the node starts.
fn keep_planned_panics_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(shape::PLANNED) {
            usual(panic);
        }
    }));
}
