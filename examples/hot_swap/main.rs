//! A plugin is swapped for a newer version while it works, and killed while it works: a C library in a process of its own,
//! under a supervisor, with eight batches under way all the time. Prints each step, and proves that no record was lost,
//! doubled or out of order.

mod build;
mod load;
mod proof;

use std::process::Command;

use proscenium::plugin::{Plugin, PluginRef, Swap};
use proscenium::prelude::*;

use load::Load;

/// In one thread, results are seen in the order in which they come.
#[proscenium::main(flavor = "current_thread")]
async fn main() -> proscenium::Result<()> {
    let folder = build::Folder::new()?;
    let (old, new) = (folder.build("1.0.0")?, folder.build("2.0.0")?);
    let node = Node::start("hot_swap").await?;
    let tree = Supervisor::one_for_one().child(Plugin::spec("stamp", Plugin::new(&old))).start(&node).await?;
    let plugin: PluginRef = tree.reference("stamp").await?;
    let status = plugin.status().await?;
    println!("{} {} serves", status.info("name").unwrap_or("?"), status.info("version").unwrap_or("?"));

    let mut load = Load::start(plugin.clone());
    load.more(20_000).await;
    println!("20000 records are through; swap");
    let report = plugin.swap(Swap::to(&new)).await?;
    println!("{} serves in place of {}", report.new.version, report.old.version);
    println!("  nothing was handed out for {:?}, {:?} of it for its state", report.held, report.state_time);
    println!("  {} batches were let through first", report.drained);
    println!("  {} bytes of state were carried over", report.state.unwrap_or(0));
    println!("  all batches before number {} are the old one's", report.first_batch);

    load.more(20_000).await;
    println!("20000 more; a swap to a library that is none");
    let refused = plugin.swap(Swap::to("/etc/hostname")).await.expect_err("it is none");
    println!("  {refused}");

    load.more(20_000).await;
    let pid = plugin.status().await?.pid.expect("it serves");
    println!("20000 more; kill -9, with batches under way");
    assert!(Command::new("sh").arg("-c").arg(format!("kill -9 {pid}")).status()?.success());
    load.more(20_000).await;
    let status = plugin.status().await?;
    assert_ne!(status.pid, Some(pid));
    let end = status.last_end.expect("one has ended");
    println!("20000 more; the last process has ended: {}", end.class);

    load.end().await.tell(report.first_batch);
    node.stop().await
}
