//! A plugin is started, fed, killed, replayed and swapped.

use std::time::Duration;

use futures_util::FutureExt;
use proscenium_plugin_host::{Plugin, PluginRef, ProcessError, Processed, State, Swap, Verdicts, Why};
use proscenium_runtime::Node;
use proscenium_supervision::{Supervisor, SupervisorRef};
use tokio::time::timeout;

use crate::built::Folder;
use crate::census::LIMIT;

async fn started(plugin: Plugin) -> (Node, SupervisorRef, PluginRef) {
    let node = Node::start("test").await.unwrap();
    let tree = Supervisor::one_for_one().child(Plugin::spec("upper", plugin)).start(&node).await.unwrap();
    let plugin = tree.reference::<PluginRef>("upper").await.unwrap();
    (node, tree, plugin)
}

async fn process(plugin: &PluginRef, payloads: &[&str]) -> Processed {
    let mut batch = plugin.batch().await;
    for (nth, payload) in payloads.iter().enumerate() {
        batch.push(100 + nth as u64, payload.as_bytes()).unwrap();
    }
    plugin.process(batch).await.unwrap()
}

fn texts(done: &Processed) -> Vec<String> {
    done.records().map(|record| String::from_utf8_lossy(record.payload()).into_owned()).collect()
}

#[tokio::test]
async fn records_go_through_and_come_back_in_order() {
    let folder = Folder::new("through");
    let (node, _tree, plugin) = started(Plugin::new(folder.build("upper.c", "libupper.so", &[]))).await;
    let done = process(&plugin, &["one", "drop", "wrong", "same", "five"]).await;
    assert_eq!(texts(&done), ["ONE!", "drop", "wrong", "same", "FIVE!"]);
    let verdicts: Vec<_> = done.records().map(|record| record.verdict()).collect();
    assert_eq!(verdicts, [Verdicts::Ok, Verdicts::Dropped, Verdicts::Failed { code: 7 }, Verdicts::Ok, Verdicts::Ok]);
    let ids: Vec<_> = done.records().map(|record| record.id()).collect();
    assert_eq!(ids, [100, 101, 102, 103, 104]);
    assert_eq!(done.records().nth(2).unwrap().reason(), "it says wrong");
    drop(done);
    let done = process(&plugin, &["one", "turns back", "three"]).await;
    assert_eq!(texts(&done), ["ONE!", "turns back", "THREE!"], "what does not go on is as it came");
    assert_eq!(done.records().nth(1).unwrap().reason(), "after it was rewritten");
    drop(done);
    let status = plugin.status().await.unwrap();
    assert_eq!((status.state, status.info("version")), (State::Ready, Some("1.0.0")));
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_process_costs_nothing_but_a_restart() {
    let folder = Folder::new("killed");
    let (node, _tree, plugin) = started(Plugin::new(folder.build("upper.c", "libupper.so", &[]))).await;
    let before = plugin.status().await.unwrap().pid.unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(before as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let done = process(&plugin, &["one", "two"]).await;
    assert_eq!(texts(&done), ["ONE!", "TWO!"]);
    let status = plugin.status().await.unwrap();
    assert_ne!(status.pid, Some(before));
    assert_eq!(status.processes, 2);
    node.stop().await.unwrap();
}

/// Each task is woken for its results, and none of them overtakes one that was woken before it.
#[tokio::test]
async fn tasks_of_one_thread_see_their_results_in_the_order_of_their_batches() {
    let folder = Folder::new("tasks");
    let (node, _tree, plugin) = started(Plugin::new(folder.build("upper.c", "libupper.so", &[]))).await;
    let (results, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let feeding = tokio::spawn(async move {
        for id in 0..3_000 {
            let mut batch = plugin.batch().await;
            batch.push(id, b"a").unwrap();
            let (plugin, results) = (plugin.clone(), results.clone());
            tokio::spawn(async move { results.send(plugin.process(batch).await.unwrap()) });
        }
    });
    let mut next = 0;
    while let Some(done) = seen.recv().await {
        assert_eq!(done.records().next().unwrap().id(), next);
        next += 1;
    }
    assert_eq!(next, 3_000);
    feeding.await.unwrap();
    node.stop().await.unwrap();
}

#[tokio::test]
async fn batches_under_way_are_replayed_when_a_sibling_has_the_plugin_restarted() {
    let folder = Folder::new("siblings");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let node = Node::start("test").await.unwrap();
    let plugin = || Plugin::new(&library).timeout(Duration::from_secs(20));
    let tree = Supervisor::one_for_all()
        .child(Plugin::spec("upper", plugin()))
        .child(Plugin::spec("sibling", plugin()))
        .start(&node)
        .await
        .unwrap();
    let upper = tree.reference::<PluginRef>("upper").await.unwrap();
    let sibling = tree.reference::<PluginRef>("sibling").await.unwrap();
    let before = upper.status().await.unwrap().pid;
    let processing = tokio::spawn({
        let upper = upper.clone();
        async move { texts(&process(&upper, &["one", "wait"]).await) }
    });
    while upper.status().await.unwrap().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    let pid = sibling.status().await.unwrap().pid.unwrap() as i32;
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(processing.await.unwrap(), ["ONE!", "WAIT!"]);
    let status = upper.status().await.unwrap();
    assert_ne!(status.pid, before);
    assert_eq!(status.processes, 2, "no process was ended over a batch that it was never handed");
    node.stop().await.unwrap();
}

/// The process has the batch, and ends over it, before anybody asks for the results; they are there when somebody does.
#[tokio::test]
async fn a_batch_is_handed_over_before_its_results_are_awaited() {
    let folder = Folder::new("eager");
    let (node, _tree, plugin) = started(Plugin::new(folder.build("upper.c", "libupper.so", &[]))).await;
    let mut batch = plugin.batch().await;
    batch.push(1, b"segv").unwrap();
    let results = plugin.process(batch);
    while plugin.status().await.unwrap().processes < 3 {
        tokio::task::yield_now().await;
    }
    let done = results.await.unwrap();
    assert_eq!(done.records().next().unwrap().verdict(), Verdicts::SetAside(&Why::Poison));
    node.stop().await.unwrap();
}

/// Nobody has been woken for the first batch's results, so the second one's need not let them pass.
#[tokio::test]
async fn results_that_lie_ready_are_there_at_the_first_look_in_any_order() {
    let folder = Folder::new("ready");
    let (node, _tree, plugin) = started(Plugin::new(folder.build("upper.c", "libupper.so", &[]))).await;
    let mut given = Vec::new();
    for id in 0..3 {
        let mut batch = plugin.batch().await;
        batch.push(id, b"a").unwrap();
        given.push(plugin.process(batch));
    }
    while plugin.status().await.unwrap().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    while let Some(results) = given.pop() {
        let done = results.now_or_never().expect("they lie ready").unwrap();
        assert_eq!(done.records().next().unwrap().id(), given.len() as u64);
    }
    node.stop().await.unwrap();
}

/// While results lie ready nobody is woken, since whoever comes for them looks. If nobody comes, all goes on all the same.
#[tokio::test]
async fn an_owner_that_does_not_come_for_its_results_holds_up_nobody_for_long() {
    an_owner_does_not_come("absent", Node::start("test").await.unwrap()).await;
}

/// What would be seen after a millisecond is never seen there.
#[tokio::test(start_paused = true)]
async fn an_owner_that_does_not_come_for_its_results_holds_up_nobody_on_a_clock_that_stands() {
    let node = Node::start("test").await.unwrap();
    let clock = node.hold_clock();
    an_owner_does_not_come("still", node).await;
    drop(clock);
}

async fn an_owner_does_not_come(name: &str, node: Node) {
    let folder = Folder::new(name);
    // So that no limit has anybody look.
    let plugin = Plugin::new(folder.build("upper.c", "libupper.so", &[])).timeout(Duration::from_secs(3_600));
    let tree = Supervisor::one_for_one().child(Plugin::spec("upper", plugin)).start(&node).await.unwrap();
    let plugin = tree.reference::<PluginRef>("upper").await.unwrap();
    let mut batch = plugin.batch().await;
    batch.push(1, b"first").unwrap();
    let kept = plugin.process(batch);
    while plugin.status().await.unwrap().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        let done = timeout(LIMIT, process(&plugin, &["next"])).await.expect("somebody looks");
        assert_eq!(texts(&done), ["NEXT!"]);
    }
    assert_eq!(texts(&kept.await.unwrap()), ["FIRST!"]);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_poison_record_is_set_aside_and_the_rest_goes_through() {
    for (poison, by) in [("segv", "crash by signal 11"), ("abort", "crash by signal 6"), ("exit", "exit with code 3")] {
        let folder = Folder::new(poison);
        let (node, _tree, plugin) = started(Plugin::new(folder.build("upper.c", "libupper.so", &[]))).await;
        let done = process(&plugin, &["one", "two", poison, "four"]).await;
        assert_eq!(texts(&done), ["ONE!", "TWO!", poison, "FOUR!"]);
        let record = done.records().nth(2).unwrap();
        assert_eq!(record.verdict(), Verdicts::SetAside(&Why::Poison));
        let end = record.end().unwrap();
        assert_eq!((end.class.to_string().as_str(), end.record), (by, Some(102)), "{end}");
        assert_eq!(plugin.status().await.unwrap().processes, 3, "two ends, and no more");
        node.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_process_does_after_it_said_that_it_is_beyond_use_counts_for_nothing() {
    let folder = Folder::new("fatal");
    let (node, _tree, plugin) = started(Plugin::new(folder.build("upper.c", "libupper.so", &[]))).await;
    // The process goes on with the batches behind the fatal one, before anybody can end it.
    let batches = (0..8).map(|nth| {
        let plugin = plugin.clone();
        tokio::spawn(async move {
            let second = if nth == 2 { "fatal".to_owned() } else { format!("b{nth}") };
            let done = process(&plugin, &[&format!("a{nth}"), &second]).await;
            (
                nth,
                texts(&done),
                done.records().nth(1).unwrap().end().map(|end| (end.class.to_string(), end.text.clone())),
            )
        })
    });
    for batch in batches.collect::<Vec<_>>() {
        let (nth, texts, end) = batch.await.unwrap();
        if nth == 2 {
            assert_eq!(texts, ["A2!", "fatal"]);
            assert_eq!(end, Some(("fatal".to_owned(), "beyond use".to_owned())));
        } else {
            assert_eq!((texts, end), (vec![format!("A{nth}!"), format!("B{nth}!")], None));
        }
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_record_that_hangs_is_ended_at_its_limit_and_set_aside() {
    let folder = Folder::new("hang");
    let plugin = Plugin::new(folder.build("upper.c", "libupper.so", &[]));
    let plugin = plugin.timeout(Duration::from_millis(200)).grace(Duration::from_millis(50));
    let (node, _tree, plugin) = started(plugin).await;
    let done = process(&plugin, &["one", "hang", "three"]).await;
    assert_eq!(texts(&done), ["ONE!", "hang", "THREE!"]);
    assert_eq!(done.records().nth(1).unwrap().end().unwrap().class.to_string(), "timeout");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_swap_under_load_loses_nothing_and_carries_the_state() {
    let folder = Folder::new("swap");
    let (old, new) = (
        folder.build("upper.c", "libupper.so", &[]),
        folder.build("upper.c", "libupper2.so", &["VERSION=\"2.0.0\"", "MARK='?'"]),
    );
    let (node, _tree, plugin) = started(Plugin::new(old)).await;
    let feeder = plugin.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let feeding = tokio::spawn(async move {
        let (mut marks, mut batches) = (Vec::new(), 0_u64);
        while stopped.try_recv().is_err() {
            let done = process(&feeder, &["a", "b"]).await;
            marks.push(texts(&done)[0].pop().unwrap());
            batches += 1;
        }
        (marks, batches)
    });
    let report = plugin.swap(Swap::to(new)).await.unwrap();
    let _ = stop.send(());
    let (marks, batches) = feeding.await.unwrap();
    assert_eq!((report.old.version.as_str(), report.new.version.as_str()), ("1.0.0", "2.0.0"));
    assert_eq!(report.state, Some(8));
    let firsts = marks.iter().filter(|&&mark| mark == '!').count();
    assert!(marks[..firsts].iter().all(|&mark| mark == '!') && marks[firsts..].iter().all(|&mark| mark == '?'));
    assert_eq!(report.first_batch, firsts as u64, "of {batches}");
    let flushed = plugin.flush().await.unwrap();
    let seen: Vec<_> = flushed.emitted().map(|record| String::from_utf8_lossy(record.payload()).into_owned()).collect();
    assert_eq!(seen, [(batches * 2).to_string()]);
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_swap_that_fails_leaves_the_old_process_serving() {
    let folder = Folder::new("swap-fails");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let plugin = Plugin::new(&library).start_limit(Duration::from_millis(700));
    let (node, _tree, plugin) = started(plugin).await;
    let before = plugin.status().await.unwrap().pid;
    let rows = [
        (Swap::to("/nowhere/libx.so"), "/nowhere/libx.so: No such file"),
        (Swap::to("/etc/passwd"), "it is no ELF file"),
        (Swap::to(folder.path()), "it is a folder"),
        (Swap::reload().params([("init", "config")]), "init: must not be config"),
        (Swap::reload().params([("init", "crash")]), "while at init"),
        (Swap::reload().params([("init", "hang")]), "was not ready within 700ms"),
    ];
    for (swap, want) in rows {
        let error = plugin.swap(swap).await.unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
        assert_eq!(texts(&process(&plugin, &["one"]).await), ["ONE!"]);
        assert_eq!(plugin.status().await.unwrap().pid, before);
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_plugin_is_flushed_until_it_has_no_more_and_given_up_when_that_ends_each_process() {
    let folder = Folder::new("flush");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let node = Node::start("test").await.unwrap();
    let tree = Supervisor::one_for_one()
        .intensity(10, Duration::from_secs(60))
        .child(Plugin::spec("more", Plugin::new(&library).param("flush", "more")))
        .child(Plugin::spec("crash", Plugin::new(&library).param("flush", "crash")))
        .start(&node)
        .await
        .unwrap();
    let more = tree.reference::<PluginRef>("more").await.unwrap();
    assert_eq!(more.flush().await.unwrap().emitted().count(), 3);
    let crash = tree.reference::<PluginRef>("crash").await.unwrap();
    let error = crash.flush().await.unwrap_err();
    assert!(matches!(error, ProcessError::FlushCrashed { end: Some(_), .. }), "{error}");
    assert_eq!(texts(&process(&crash, &["one"]).await), ["ONE!"]);
    node.stop().await.unwrap();
}

/// The guard is stopped for more than half of the time, and then the plugin hangs in its init. Catches a limit of its own for
/// each of the two.
#[tokio::test]
async fn a_start_has_its_limit_once_whatever_takes_the_time() {
    const LIMIT: Duration = Duration::from_secs(2);
    let folder = Folder::new("once");
    let library = folder.build("upper.c", "libupper.so", &[]);
    let (node, _tree, plugin) = started(Plugin::new(library).start_limit(LIMIT)).await;
    let own = plugin.status().await.unwrap().pid.unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{own}/stat")).unwrap();
    let guard: i32 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    let send = |signal| {
        rustix::process::kill_process(rustix::process::Pid::from_raw(guard).unwrap(), signal).unwrap();
    };
    send(rustix::process::Signal::STOP);
    let begin = std::time::Instant::now();
    let mut swap = Box::pin(plugin.swap(Swap::reload().params([("init", "hang")])));
    tokio::time::timeout(LIMIT * 3 / 5, &mut swap).await.expect_err("no process can be started");
    send(rustix::process::Signal::CONT);
    let error = swap.await.unwrap_err().to_string();
    assert!(error.contains("was not ready within 2s"), "{error}");
    assert!(begin.elapsed() < LIMIT * 13 / 10, "{:?}", begin.elapsed());
    assert_eq!(texts(&process(&plugin, &["one"]).await), ["ONE!"]);
    node.stop().await.unwrap();
}

/// The first swap is refused while its time-out has not come; the second one is under way when it does.
#[tokio::test]
async fn the_limit_of_a_swap_that_was_refused_does_not_end_the_next_one() {
    let folder = Folder::new("limits");
    let old = folder.build("upper.c", "libupper.so", &["EXPORT_MS=2500"]);
    let refuses = folder.build("upper.c", "librefuses.so", &["REFUSES"]);
    let new = folder.build("upper.c", "libnew.so", &[]);
    let (node, _tree, plugin) = started(Plugin::new(old).timeout(Duration::from_secs(4))).await;
    let error = plugin.swap(Swap::to(refuses)).await.unwrap_err().to_string();
    assert!(error.contains("import_state has refused the state"), "{error}");
    assert_eq!(plugin.swap(Swap::to(new)).await.unwrap().state, Some(8));
    node.stop().await.unwrap();
}
