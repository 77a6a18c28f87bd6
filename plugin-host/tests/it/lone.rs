//! Batches that come one by one are worked off on the processor of who gives them.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use proscenium_plugin_host::{Batch, Plugin, PluginRef, Processed, Verdicts, Why};
use proscenium_runtime::Node;
use proscenium_supervision::{Supervisor, SupervisorRef};
use rustix::thread::{CpuSet, Pid, sched_getaffinity};
use tokio::time::timeout;

use crate::built::Folder;
use crate::census::{LIMIT, is_alone, until};

/// How long a thread that is started here may stay here, while there are batches.
const SEAT_CHECK: Duration = Duration::from_millis(10);

struct Stage {
    node: Node,
    tree: SupervisorRef,
    library: PathBuf,
    plugin: PluginRef,
    _folder: Folder,
}

impl Stage {
    async fn new(name: &str, settings: fn(Plugin) -> Plugin) -> Stage {
        let folder = Folder::new(name);
        let library = folder.build("seat.c", "libseat.so", &[]);
        let node = Node::start("test").await.unwrap();
        let plugin = settings(Plugin::new(&library));
        let tree = Supervisor::one_for_one().child(Plugin::spec("seat", plugin)).start(&node).await.unwrap();
        let plugin = tree.reference::<PluginRef>("seat").await.unwrap();
        Stage { node, tree, library, plugin, _folder: folder }
    }

    /// Gives one batch after the other until one is worked off here. Nothing else in this program may be at work.
    async fn until_here(&self) {
        let begin = Instant::now();
        while seats(&process(&self.plugin, "").await) != 1 {
            assert!(begin.elapsed() < LIMIT, "each batch is worked off beside");
        }
    }
}

async fn batch(plugin: &PluginRef, word: &str) -> Batch {
    let mut batch = plugin.batch().await;
    batch.push(1, word.as_bytes()).unwrap();
    batch
}

async fn process(plugin: &PluginRef, word: &str) -> Processed {
    plugin.process(batch(plugin, word).await).await.unwrap()
}

/// On how many processors the plugin could run when it had this batch.
fn seats(done: &Processed) -> u8 {
    done.records().next().unwrap().payload()[0]
}

/// Where each thread of a process may run.
fn affinities(pid: u32) -> Vec<CpuSet> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = threads.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| sched_getaffinity(Pid::from_raw(name.parse().unwrap())).unwrap()).collect()
}

/// Whether this process has a processor for each side, so that something can be seen. Where it has one, both are always there.
fn has_two() -> bool {
    sched_getaffinity(None).unwrap().count() > 1
}

#[tokio::test]
async fn what_comes_one_by_one_is_worked_off_here_and_what_comes_together_beside() {
    if !is_alone("lone::what_comes_one_by_one_is_worked_off_here_and_what_comes_together_beside") || !has_two() {
        return;
    }
    let stage = Stage::new("lone", |plugin| plugin).await;
    let pid = stage.plugin.status().await.unwrap().pid.unwrap();
    let anywhere = affinities(pid);
    for _ in 0..3 {
        stage.until_here().await;
        let [first, second] = [batch(&stage.plugin, "").await, batch(&stage.plugin, "").await];
        let (first, second) = (stage.plugin.process(first), stage.plugin.process(second));
        let (_first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!(u32::from(seats(&second)), anywhere[0].count());
        assert_eq!(affinities(pid), anywhere);
    }
    stage.node.stop().await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_starts_threads_has_all_processors_for_them() {
    if !is_alone("lone::a_plugin_that_starts_threads_has_all_processors_for_them") || !has_two() {
        return;
    }
    let stage = Stage::new("threads", |plugin| plugin).await;
    let pid = stage.plugin.status().await.unwrap().pid.unwrap();
    let anywhere = affinities(pid)[0];
    stage.until_here().await;
    process(&stage.plugin, "thread").await;
    // From now on it may be seen at any time, and soon it is.
    let begin = Instant::now();
    until("the threads are looked at", || begin.elapsed() > 2 * SEAT_CHECK).await;
    assert_eq!(u32::from(seats(&process(&stage.plugin, "").await)), anywhere.count());
    assert_eq!(affinities(pid), [anywhere, anywhere]);
    for _ in 0..1_000 {
        assert_eq!(u32::from(seats(&process(&stage.plugin, "").await)), anywhere.count());
    }
    stage.node.stop().await.unwrap();
}

/// The worker has others to serve, and the batch does not keep it for more than a moment.
#[tokio::test]
async fn a_batch_that_is_slow_all_of_a_sudden_holds_nobody_up() {
    if !is_alone("lone::a_batch_that_is_slow_all_of_a_sudden_holds_nobody_up") {
        return;
    }
    let stage = Stage::new("sudden", |plugin| plugin).await;
    if has_two() {
        stage.until_here().await;
    }
    let turns = Cell::new(0);
    let spins = batch(&stage.plugin, "spin").await;
    let others = async {
        loop {
            tokio::task::yield_now().await;
            turns.set(turns.get() + 1);
        }
    };
    tokio::select! {
        biased;
        done = stage.plugin.process(spins) => assert_eq!(done.unwrap().records().count(), 1),
        () = others => {}
    }
    assert!(turns.get() >= 10, "the others had {} turns in 300 ms", turns.get());
    stage.node.stop().await.unwrap();
}

/// Nobody is woken for it, and nobody looks for it: it is done all the same, and not late.
#[tokio::test]
async fn results_that_nobody_asks_for_in_time_are_not_late() {
    if !is_alone("lone::results_that_nobody_asks_for_in_time_are_not_late") {
        return;
    }
    let impatient = |plugin: Plugin| plugin.timeout(Duration::from_millis(500)).grace(Duration::ZERO);
    let stage = Stage::new("unasked", impatient).await;
    let other = impatient(Plugin::new(&stage.library));
    stage.tree.start_child(Plugin::spec("other", other)).await.unwrap();
    let other = stage.tree.reference::<PluginRef>("other").await.unwrap();
    let begin = Instant::now();
    loop {
        if has_two() {
            stage.until_here().await;
        }
        let results = stage.plugin.process(batch(&stage.plugin, "").await);
        // A batch that was given later is found to be late.
        let (hangs, ends) = (other.process(batch(&other, "hang").await), other.restarts());
        until("the other one is killed", || other.restarts() > ends).await;
        drop(hangs);
        let done = results.now_or_never().expect("they are there").unwrap();
        if seats(&done) == 1 {
            break;
        }
        // Now and then one is worked off beside.
        assert!(begin.elapsed() < LIMIT, "no batch that nobody asks for is worked off here");
    }
    let status = stage.plugin.status().await.unwrap();
    assert_eq!((status.processes, stage.plugin.restarts()), (1, 0));
    stage.node.stop().await.unwrap();
}

#[tokio::test]
async fn results_that_are_let_go_unasked_give_their_slot_back() {
    if !is_alone("lone::results_that_are_let_go_unasked_give_their_slot_back") {
        return;
    }
    let stage = Stage::new("let-go", |plugin| plugin.depth(1).timeout(2 * LIMIT)).await;
    for _ in 0..20 {
        if has_two() {
            stage.until_here().await;
        }
        drop(stage.plugin.process(batch(&stage.plugin, "").await));
        timeout(LIMIT, batch(&stage.plugin, "")).await.expect("the slot comes back");
    }
    stage.node.stop().await.unwrap();
}

#[tokio::test]
async fn a_process_that_ends_here_is_replaced_and_the_next_one_works_here_too() {
    if !is_alone("lone::a_process_that_ends_here_is_replaced_and_the_next_one_works_here_too") || !has_two() {
        return;
    }
    let stage = Stage::new("ends", |plugin| plugin).await;
    for _ in 0..3 {
        stage.until_here().await;
        let done = process(&stage.plugin, "segv").await;
        assert_eq!(done.records().next().unwrap().verdict(), Verdicts::SetAside(&Why::Poison));
    }
    stage.until_here().await;
    stage.node.stop().await.unwrap();
}
