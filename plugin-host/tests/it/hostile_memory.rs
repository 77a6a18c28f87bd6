//! Plugins that never stop: threads that scribble over shared memory, floods on every channel, results without end. What
//! was accepted does not change, and the host's memory has a bound.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use proscenium_plugin_host::{BatchSize, Plugin, PluginRef, Processed, Verdicts};
use proscenium_supervision::SupervisorError;
use tokio::time::timeout;

use crate::census::{LIMIT, is_alone};
use crate::street::{Street, fate, process, texts};

/// Small, so that a scribbler comes round quickly.
fn small(library: std::path::PathBuf) -> Plugin {
    let size = BatchSize { records: 64, input: 16 << 10, heap: 64 << 10 };
    Plugin::new(library).batch(size).timeout(Duration::from_secs(2)).grace(Duration::from_millis(50))
}

/// All that a user can see of what became of a batch.
fn seen(done: &Processed) -> u64 {
    let mut hash = DefaultHasher::new();
    for record in done.records().chain(done.emitted()) {
        (record.id(), record.payload(), format!("{:?}", record.verdict()), record.reason()).hash(&mut hash);
    }
    hash.finish()
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
}

/// Batches by this plugin, some of which are kept while others come and go: none of them changes.
async fn kept(name: &str, plugin: &PluginRef) -> (usize, usize) {
    let (mut kept, mut aside) = (Vec::new(), 0);
    for _ in 0..60 {
        let done = process(name, plugin, &["one", "two", "three"]).await.unwrap();
        for record in done.records() {
            assert!(record.payload().len() <= 64 << 10, "{name}");
            aside += usize::from(matches!(record.verdict(), Verdicts::SetAside(_)));
        }
        let first = seen(&done);
        kept.push((first, done));
        if kept.len() > 4 {
            kept.remove(0);
        }
        for (first, done) in &kept {
            assert_eq!(seen(done), *first, "{name}: what was accepted has changed");
        }
    }
    (60, aside)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_does_not_change_under_a_scribbler() {
    if !is_alone("hostile_memory::what_was_accepted_does_not_change_under_a_scribbler") {
        return;
    }
    let street = Street::new("scribblers").await;
    for act in ["scribble_heap", "scribble_table", "scribble_header", "scribble_everywhere"] {
        let library = street.build(act, &[&format!("IN_INIT={act}")]);
        // Its ends are its own fault: it may have as many as it likes here.
        let spec = Plugin::spec(act, small(library))
            .quarantine(proscenium_supervision::Quarantine::after(1_000_000, Duration::from_secs(1)));
        street.tree.start_child(spec).await.unwrap();
        let plugin = street.tree.reference::<PluginRef>(act).await.unwrap();
        let (batches, aside) = timeout(3 * LIMIT, kept(act, &plugin)).await.unwrap_or_else(|_| panic!("{act} hangs"));
        let processes = plugin.status().await.map_or(0, |status| status.processes);
        println!("{act}: {batches} batches, {aside} records set aside, {processes} processes");
        street.neighbour_serves(act).await;
        street.move_out(act).await;
    }
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_cost_the_host_no_memory_and_the_neighbour_no_turn() {
    if !is_alone("hostile_memory::floods_cost_the_host_no_memory_and_the_neighbour_no_turn") {
        return;
    }
    let street = Street::new("floods").await;
    let acts =
        ["flood_socket", "flood_log", "flood_metrics", "flood_stdout", "junk_in_log", "junk_in_reason", "ring_on"];
    for act in acts {
        let library = street.build(act, &[&format!("IN_PROCESS={act}")]);
        let plugin = street.move_in(act, small(library).timeout(Duration::from_secs(10))).await.unwrap();
        let before = resident();
        let done = process(act, &plugin, &["one", "now", "three"]).await.unwrap();
        let payload = if act == "junk_in_reason" { "now" } else { "now!" };
        if act == "junk_in_reason" {
            let record = done.records().nth(1).unwrap();
            assert_eq!(record.verdict(), Verdicts::Failed { code: 5 });
            assert_eq!(record.reason(), "\\u{1b}[2Jred\\nERROR forged \u{fffd}");
        } else {
            assert_eq!((texts(&done)[1].as_str(), fate(&done, 1).as_str()), (payload, "ok"), "{act}");
        }
        drop(done);
        for _ in 0..20 {
            assert_eq!(texts(&process(act, &plugin, &["four"]).await.unwrap()), ["four!"], "{act}");
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 16 << 20, "{act}: the host has grown by {grown} bytes");
        assert_eq!(plugin.status().await.unwrap().processes, 1, "{act}");
        street.neighbour_serves(act).await;
        street.move_out(act).await;
    }
    let slowest = street.close().await;
    assert!(slowest < Duration::from_secs(5), "the neighbour waited {slowest:?}");
}

/// A plugin that takes its host the bell waits for the host's clock with each batch, and loses none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_the_bell_is_served_by_the_clock() {
    if !is_alone("hostile_memory::who_breaks_the_bell_is_served_by_the_clock") {
        return;
    }
    let street = Street::new("bell").await;
    let library = street.build("full_bell", &["IN_PROCESS=full_bell"]);
    let plugin = street.move_in("bell", small(library).timeout(Duration::from_secs(1))).await.unwrap();
    assert_eq!(texts(&process("bell", &plugin, &["one", "now"]).await.unwrap()), ["one!", "now!"]);
    for _ in 0..5 {
        assert_eq!(texts(&process("bell", &plugin, &["four"]).await.unwrap()), ["four!"]);
    }
    assert_eq!(plugin.status().await.unwrap().processes, 1);
    street.neighbour_serves("bell").await;
    drop(plugin);
    street.close().await;
}

/// Each record alone fills the heap: what is kept of them for one batch has a bound of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_without_end_are_cut_off() {
    if !is_alone("hostile_memory::results_without_end_are_cut_off") {
        return;
    }
    let street = Street::new("endless").await;
    let size = BatchSize { records: 256, input: 64 << 10, heap: 1 << 20 };
    let plugin = Plugin::new(street.build("fill", &["IN_PROCESS=fill_heap"])).batch(size);
    let plugin = street.move_in("fill", plugin).await.unwrap();
    let before = resident();
    let done = process("fill", &plugin, &["now"; 200]).await.unwrap();
    let bytes: usize = done.records().map(|record| record.payload().len()).sum();
    let ok = done.records().filter(|record| record.verdict() == Verdicts::Ok).count();
    println!("{ok} of 200 records, {bytes} bytes");
    assert!(ok >= 8, "a batch may grow some: {ok}");
    assert!(bytes <= 9 << 20, "{bytes} bytes of results for a heap of 1 MiB");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "the host has grown by {grown} bytes");
    drop((done, plugin));

    let plugin = Plugin::new(street.build("table", &["IN_PROCESS=fill_table"])).batch(size);
    let plugin = street.move_in("table", plugin).await.unwrap();
    let done = process("table", &plugin, &["now"; 200]).await.unwrap();
    let ok = done.records().filter(|record| record.verdict() == Verdicts::Ok).count();
    println!("{ok} of 200 records, {} more", done.emitted().count());
    assert!(ok >= 8 && done.emitted().count() <= 8 * 256, "{ok}, {}", done.emitted().count());
    drop((done, plugin));
    street.close().await;
}

/// Signals that the host has not sent blame no record: who ends itself like that, again and again, is set aside by its
/// supervisor, and its batch comes back as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_kills_or_stops_itself_blames_no_record() {
    if !is_alone("hostile_memory::who_kills_or_stops_itself_blames_no_record") {
        return;
    }
    let street = Street::new("kills").await;
    for (act, how) in [("kill_itself", "signal 9"), ("term_itself", "signal 15"), ("stop_itself", "signal 19")] {
        let library = street.build(act, &[&format!("IN_PROCESS={act}")]);
        let plugin = street.move_in(act, small(library).timeout(Duration::from_secs(4))).await.unwrap();
        let giver = plugin.clone();
        let given = tokio::spawn(async move { process("itself", &giver, &["one", "now", "three"]).await });
        let begin = Instant::now();
        // Three restarts, and no more. The time-out is long, so that a process that waits for a processor is not taken for one
        // that was stopped.
        loop {
            let exits = street.tree.exits(act).await.unwrap();
            if exits.len() >= 4 {
                assert!(exits.iter().all(|exit| exit.exit.to_string().contains(how)), "{act}: {exits:?}");
                break;
            }
            assert!(begin.elapsed() < LIMIT, "{act}: {exits:?}");
            tokio::task::yield_now().await;
        }
        assert!(!given.is_finished(), "{act}: the batch is kept for who may come");
        street.move_out(act).await;
        let error = timeout(LIMIT, given).await.expect("it comes back").unwrap().unwrap_err();
        assert!(error.contains("has ended"), "{act}: {error}");
        street.neighbour_serves(act).await;
    }
    street.close().await;
}

/// A crash when no call is under way, and one in flush: no record's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_calls_or_in_a_flush_is_the_plugins_own() {
    if !is_alone("hostile_memory::a_crash_between_calls_or_in_a_flush_is_the_plugins_own") {
        return;
    }
    let street = Street::new("idle").await;
    let plugin = street.move_in("later", small(street.build("later", &["IN_PROCESS=later"]))).await.unwrap();
    let done = process("later", &plugin, &["one", "now", "three"]).await.unwrap();
    assert_eq!(texts(&done), ["one!", "later", "three!"]);
    drop(done);
    let mut exits = Vec::new();
    let end = Instant::now() + LIMIT;
    while exits.is_empty() && Instant::now() < end {
        exits = street.tree.exits("later").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(exits[0].exit.to_string().contains("signal 11"), "{exits:?}");
    assert_eq!(texts(&process("later", &plugin, &["four"]).await.unwrap()), ["four!"]);
    street.move_out("later").await;
    drop(plugin);

    for (act, how) in [("segv", "signal 11"), ("exit_zero", "exit with code 0"), ("hang", "timeout")] {
        let library = street.build(&format!("flush-{act}"), &[&format!("IN_FLUSH={act}")]);
        let plugin = street.move_in("flush", small(library).timeout(Duration::from_secs(1))).await.unwrap();
        let flushing = plugin.clone();
        let flush = tokio::spawn(async move { flushing.flush().await.map(drop).map_err(|error| error.to_string()) });
        let begin = Instant::now();
        loop {
            let exits = street.tree.exits("flush").await.unwrap();
            if exits.len() >= 4 {
                assert!(exits.iter().all(|exit| exit.exit.to_string().contains(how)), "{act}: {exits:?}");
                break;
            }
            assert!(begin.elapsed() < LIMIT, "{act}: {exits:?}");
            tokio::task::yield_now().await;
        }
        street.move_out("flush").await;
        assert!(timeout(LIMIT, flush).await.expect("it comes back").unwrap().is_err(), "{act}");
        street.neighbour_serves(act).await;
    }
    let gone = street.tree.exits("flush").await;
    assert!(matches!(gone, Err(SupervisorError::NotFound)), "{gone:?}");
    street.close().await;
}
