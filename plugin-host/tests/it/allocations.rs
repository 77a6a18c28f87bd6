//! In the steady state a batch takes no memory, on neither side: counted in both processes, over all of their threads.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use proscenium_plugin_host::{Plugin, PluginRef};
use proscenium_runtime::Node;
use proscenium_supervision::Supervisor;

use crate::built::Folder;

const WARM_UP: u64 = 100;
const BATCHES: u64 = 10_000;
const RECORDS: u64 = 16;

/// A queue of the runtime's may grow by a block now and then.
const STRAY: u64 = BATCHES / 100;

/// The host looks at its process once a millisecond when it waits for several batches, and a timer takes memory: so much for
/// a millisecond, however many batches go through in it.
const OF_TIMERS: u64 = 4;

/// Where the counts are.
const FOLDER: &str = "PROSCENIUM_TEST_COUNTS";

#[test]
fn a_batch_takes_no_memory_on_either_side() {
    match std::env::var_os(FOLDER) {
        Some(folder) => counted(Path::new(&folder)),
        None => in_a_process_of_its_own(),
    }
}

/// Runs the very same test, in a process whose memory is counted.
fn in_a_process_of_its_own() {
    let folder = Folder::new("allocations");
    let counter = folder.build("count_mallocs.c", "libcount.so", &[]);
    folder.build("upper.c", "libupper.so", &[]);
    let own = std::env::current_exe().unwrap();
    // The library is preloaded into the plugin's process as well, whose environment is empty.
    let runner = folder.path().join("runner");
    let (lib, child, own_text) = (counter.display(), count_file(folder.path(), "child"), own.display());
    let script =
        format!("#!/bin/sh\nexport LD_PRELOAD={lib} COUNT_MALLOCS={}\nexec {own_text} \"$@\"\n", child.display());
    fs::write(&runner, script).unwrap();
    fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
    let counted = Command::new(own)
        .args(["--exact", "allocations::a_batch_takes_no_memory_on_either_side", "--nocapture"])
        .env("LD_PRELOAD", &counter)
        .env("COUNT_MALLOCS", count_file(folder.path(), "host"))
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&counted.stdout);
    assert!(
        counted.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&counted.stderr)
    );
}

/// A count of zero.
fn count_file(folder: &Path, side: &str) -> PathBuf {
    let path = folder.join(format!("count-{side}"));
    fs::write(&path, [0; 8]).unwrap();
    path
}

fn count(folder: &Path, side: &str) -> u64 {
    u64::from_le_bytes(fs::read(folder.join(format!("count-{side}"))).unwrap().try_into().unwrap())
}

fn counted(folder: &Path) {
    for workers in [0, 2] {
        let mut builder = match workers {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        if workers > 0 {
            builder.worker_threads(workers);
        }
        let start = Instant::now();
        let taken = builder.enable_all().build().unwrap().block_on(steady(folder));
        let most = STRAY + start.elapsed().as_millis() as u64 * OF_TIMERS;
        assert!(most < BATCHES, "the machine is too slow to tell batches from timers");
        for (side, taken) in ["host", "child"].into_iter().zip(taken) {
            println!("{workers} workers, {side}: {taken} times memory was taken, for {BATCHES} batches");
            assert!(taken <= most, "{side}, {workers} workers: memory was taken {taken} times for {BATCHES} batches");
        }
    }
}

/// How often memory was taken, by the host and by the child, for all batches behind the first ones.
async fn steady(folder: &Path) -> [u64; 2] {
    let node = Node::start("test").await.unwrap();
    let plugin = Plugin::new(folder.join("libupper.so")).runner(folder.join("runner"));
    let tree = Supervisor::one_for_one().child(Plugin::spec("upper", plugin)).start(&node).await.unwrap();
    let plugin = tree.reference::<PluginRef>("upper").await.unwrap();
    feed(&plugin, WARM_UP).await;
    assert!(count(folder, "host") > 0 && count(folder, "child") > 0, "the counters count");
    // One read more in between: reading takes memory itself.
    let own = count(folder, "host");
    let before = ["host", "child"].map(|side| count(folder, side));
    let own = before[0] - own;
    feed(&plugin, BATCHES).await;
    let after = ["host", "child"].map(|side| count(folder, side));
    node.stop().await.unwrap();
    [after[0] - before[0] - own, after[1] - before[1]]
}

/// Four at a time, so that some are always under way.
async fn feed(plugin: &PluginRef, batches: u64) {
    for _ in 0..batches / 4 {
        let done = tokio::join!(one(plugin), one(plugin), one(plugin), one(plugin));
        assert_eq!(done, (RECORDS, RECORDS, RECORDS, RECORDS));
    }
}

/// One batch; how many of its records were changed as they should.
async fn one(plugin: &PluginRef) -> u64 {
    let mut batch = plugin.batch().await;
    for id in 0..RECORDS {
        batch.push(id, b"text").unwrap();
    }
    let done = plugin.process(batch).await.unwrap();
    done.records().filter(|record| record.payload() == b"TEXT!").count() as u64
}
