//! Starts that fail: they say why, and leave nothing behind. What is left would be seen by the host alone, so each of these
//! tests runs once more in a process of its own.

use std::future::{Future, poll_fn};
use std::process::Command;
use std::task::Poll;

use proscenium_process::SpawnError;
use proscenium_runtime::{Exit, Node};
use proscenium_supervision::{ChildSpec, OsProcess, OsProcessError, Started, Supervisor, SupervisorError};

use super::{node, soon};
use crate::children::{Child, Log, until};

/// Runs the test of this name alone, below `limits` of the shell; true in that process.
fn is_alone(test: &str, limits: &str) -> bool {
    const ALONE: &str = "PROSCENIUM_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let script = format!("{limits} exec \"$0\" --exact os_process::starts::{test} --nocapture");
    let this = std::env::current_exe().expect("it runs");
    let output = Command::new("sh").args(["-c", &script]).arg(this).env(ALONE, "1").output().expect("there is a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// The processes that this one has started: guards, if there are any.
fn children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this is Linux");
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    children.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("this is Linux").count()
}

async fn nothing_is_left(descriptors_before: usize) {
    soon(until(async || children().is_empty() && descriptors() == descriptors_before)).await;
}

async fn refusal(node: &Node, process: OsProcess) -> (Exit, String) {
    let supervisor = Supervisor::one_for_one().start(node).await.expect("it starts");
    let error = soon(supervisor.start_child(ChildSpec::of("p", process))).await.expect_err("it cannot start");
    soon(supervisor.stop()).await.expect("it stops");
    match error {
        SupervisorError::Start(exit) => (exit.clone(), exit.to_string()),
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_start_that_fails_says_why_and_leaves_nothing() {
    if !is_alone("a_start_that_fails_says_why_and_leaves_nothing", "") {
        return;
    }
    type IsIt = fn(&SpawnError) -> bool;
    let rows: [(OsProcess, IsIt, &str); 5] = [
        (OsProcess::new("no-such-program"), |e| matches!(e, SpawnError::NotFound { .. }), "no-such-program in PATH"),
        (OsProcess::new("/no/such/file"), |e| matches!(e, SpawnError::NotFound { .. }), "/no/such/file"),
        (OsProcess::new("/etc/passwd"), |e| matches!(e, SpawnError::Exec { .. }), "ermission denied"),
        (OsProcess::new("cat").current_dir("/no/folder"), |e| matches!(e, SpawnError::Directory { .. }), "/no/folder"),
        (OsProcess::new("cat").arg("x".repeat(7 << 20)), |e| matches!(e, SpawnError::TooLong { .. }), "bytes"),
    ];
    let node = node().await;
    refusal(&node, OsProcess::new("/no/such/file")).await; // Whatever is opened once and for all is open then.
    let before = descriptors();
    for (process, is_it, text) in rows {
        let shown = format!("{:.80}", format!("{process:?}"));
        let (exit, told) = refusal(&node, process).await;
        let error = OsProcessError::of(&exit);
        assert!(matches!(error, Some(OsProcessError::Spawn(why)) if is_it(why)), "{shown}: {told}");
        assert!(told.contains(text) && !exit.is_orderly(), "{shown}: {told}");
    }
    nothing_is_left(before).await;
}

#[tokio::test]
async fn a_host_without_descriptors_refuses_a_child_and_keeps_the_others() {
    if !is_alone("a_host_without_descriptors_refuses_a_child_and_keeps_the_others", "ulimit -Sn 64;") {
        return;
    }
    let node = node().await;
    let spec = ChildSpec::of("p", OsProcess::new("cat"));
    let supervisor = Supervisor::simple_one_for_one(spec).start(&node).await.expect("it starts");
    let mut running = Vec::new();
    let exit = loop {
        match soon(supervisor.start_dynamic(None)).await {
            Ok(Started::Running(place)) => running.push(place),
            Err(SupervisorError::Start(exit)) => break exit,
            other => panic!("{other:?}"),
        }
        assert!(running.len() < 64, "each takes more than one");
    };
    let text = exit.to_string();
    assert!(OsProcessError::of(&exit).is_some() && text.contains("Too many open files"), "{text}");
    let counts = supervisor.count_children().await.expect("it lives");
    assert!(counts.active == running.len() && counts.active > 1, "{counts:?}");
    supervisor.terminate_dynamic(running[0]).await.expect("it stops");
    // The guard of the last try is gone, too.
    soon(until(async || children().len() == running.len() - 1)).await;
    assert!(matches!(soon(supervisor.start_dynamic(None)).await, Ok(Started::Running(_))), "there is room again");
}

#[tokio::test]
async fn a_process_that_does_not_start_fails_its_supervisor() {
    let (node, log) = (node().await, Log::default());
    let supervisor = Supervisor::one_for_one()
        .child(Child::new("a", &log).spec())
        .child(ChildSpec::of("p", OsProcess::new("no-such-program")));
    let error = supervisor.start(&node).await.expect_err("there is no such program");
    assert!(error.to_string().contains("\"p\"") && error.to_string().contains("no program no-such-program"), "{error}");
    assert_eq!(log.take(), ["start a", "stop a shutdown"]);
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_any_more_leaves_nothing() {
    if !is_alone("a_start_that_nobody_waits_for_any_more_leaves_nothing", "") {
        return;
    }
    let node = node().await;
    refusal(&node, OsProcess::new("/no/such/file")).await;
    let before = descriptors();
    let mut given_up = 0;
    while given_up < 20 {
        let supervisor = Supervisor::one_for_one().child(ChildSpec::of("p", OsProcess::new("cat")));
        let mut start = Box::pin(supervisor.start(&node));
        match poll_fn(|cx| Poll::Ready(start.as_mut().poll(cx))).await {
            Poll::Pending => {
                soon(until(async || !children().is_empty())).await;
                given_up += 1;
            }
            // The thread that spawns was quicker than this one.
            Poll::Ready(started) => drop(soon(started.expect("it starts").stop()).await.expect("it stops")),
        }
        drop(start);
        nothing_is_left(before).await;
    }
}

#[test]
fn a_runtime_without_io_is_told_and_nothing_is_left() {
    if !is_alone("a_runtime_without_io_is_told_and_nothing_is_left", "") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it builds");
    runtime.block_on(async {
        let node = node().await;
        let (exit, text) = refusal(&node, OsProcess::new("cat")).await;
        assert!(matches!(exit, Exit::Panic(_)) && text.contains("enable_io"), "{text}");
        soon(until(async || children().is_empty())).await;
    });
}
