//! A log is followed while it grows: lines are parsed, errors counted for each service, and what is counted survives a
//! restart, because a checkpoint keeps it together with the place in the log.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use proscenium::pipeline::sources::Files;
use proscenium::pipeline::{ChannelSink, Failed, Pipeline, Record, RecordMut};
use proscenium::prelude::*;

fn write(log: &mut File, lines: &[&str]) -> std::io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(log, "{line}"))
}

/// `LEVEL service text`: the service becomes the key.
fn parse(line: &mut RecordMut<'_>) -> Result<(), Failed> {
    let text = std::str::from_utf8(line.payload())?.to_owned();
    let service = text.split(' ').nth(1).ok_or_else(|| Failed::because("a line names its service"))?;
    line.set_key(Some(service.as_bytes()));
    Ok(())
}

/// Follows the log, shows so many lines, and stops.
async fn follow(node: &Node, folder: &Path, lines: usize) -> proscenium::Result<()> {
    let (mut shown, sink) = ChannelSink::new(16);
    let pipeline = Pipeline::named("log_tail")
        .source(Files::at(folder.join("app.log").display().to_string()).follow())
        .map("parse", parse)
        .filter("errors", |line: Record<'_>| line.payload().starts_with(b"ERROR"))
        .fold("count", |errors: &mut u64, line: &mut RecordMut<'_>| {
            *errors += 1;
            let text = format!("{} (error {errors} of this service)", String::from_utf8_lossy(line.payload()));
            line.set_payload(text.as_bytes());
        })
        .sink(sink)
        .state(folder.join("state"))
        .start(node)
        .await?;
    for _ in 0..lines {
        let Some(line) = shown.recv().await else { break };
        println!("{}", String::from_utf8_lossy(&line.payload));
    }
    println!("{}", pipeline.stop().await);
    Ok(())
}

#[proscenium::main]
async fn main() -> proscenium::Result<()> {
    let folder = std::env::temp_dir().join(format!("log_tail-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut log = OpenOptions::new().create(true).append(true).open(folder.join("app.log"))?;
    let node = Node::start("log_tail").await?;

    write(&mut log, &["INFO web started", "ERROR web out of cups", "ERROR db slow", "ERROR web out of tea"])?;
    follow(&node, &folder, 3).await?;

    println!("-- it is started anew");
    write(&mut log, &["INFO web tea came", "ERROR web out of milk", "ERROR db slower"])?;
    follow(&node, &folder, 2).await?;

    std::fs::remove_dir_all(&folder)?;
    node.stop().await
}
