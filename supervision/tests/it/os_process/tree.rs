//! Processes next to actors: the supervisor treats them alike.

use std::time::Duration;

use proscenium_process::Signal;
use proscenium_runtime::{Exit, Heard};
use proscenium_supervision::{
    AutoShutdown, ChildSpec, Happened, NodeTree, OsProcess, OsProcessRef, Restart, Started, State, StdinError,
    Supervisor, SupervisorError, SupervisorReport,
};

use super::{ears, is_gone, node, over, sh, soon};
use crate::children::{Child, Do, Log, until, watched};

fn cat() -> ChildSpec<OsProcess> {
    ChildSpec::of("p", OsProcess::new("cat"))
}

async fn killed(process: &OsProcessRef) -> Exit {
    let end = process.monitor();
    process.signal(Signal::KILL).expect("it runs");
    soon(end).await
}

/// The process after that of `before`, which has ended.
async fn next(process: &OsProcessRef, before: u32) -> u32 {
    let pid = soon(process.up()).await.expect("it is started again");
    assert_ne!(pid, before);
    pid
}

#[tokio::test]
async fn an_actor_and_a_process_restart_together_under_one_for_all() {
    let (node, log) = (node().await, Log::default());
    let supervisor = Supervisor::one_for_all().intensity(5, Duration::from_secs(5));
    let supervisor =
        supervisor.child(Child::new("a", &log).spec()).child(cat()).start(&node).await.expect("they start");
    let process: OsProcessRef = supervisor.reference("p").await.expect("it runs");
    let first = process.pid().expect("it runs");

    assert_eq!(killed(&process).await, Exit::Signal(9));
    let second = next(&process, first).await;
    assert_eq!(log.take(), ["start a", "stop a shutdown", "start a"]);

    let end = process.monitor();
    let actor = supervisor.child::<Child>("a").await.expect("it runs");
    actor.tell(Do::Exit(Exit::custom("boom"))).await.expect("it lives");
    assert_eq!(soon(end).await, Exit::Shutdown);
    next(&process, second).await;
    assert_eq!(log.take(), ["stop a boom", "start a"]);
    assert!(is_gone(first) && is_gone(second));
}

#[tokio::test]
async fn a_ref_is_good_for_the_next_process() {
    let (lines, mut heard) = ears();
    let (_node, _supervisor, process) = over(ChildSpec::of("p", OsProcess::new("cat").stdout(lines))).await;
    let first = process.pid().expect("it runs");
    process.send_line("one").await.expect("it reads");
    assert_eq!(heard.text().await, "one");
    killed(&process).await;
    let second = next(&process, first).await;
    process.send_line("two").await.expect("it reads");
    let line = heard.next().await;
    assert_eq!((line.text().as_ref(), line.pid()), ("two", second));
}

#[tokio::test]
async fn one_restart_too_many_ends_the_supervisor() {
    let (_node, supervisor, process) = over(cat()).await; // OTP's default: 1 in 5 s.
    let down = watched(supervisor.untyped()).await;
    let first = process.pid().expect("it runs");
    killed(&process).await;
    next(&process, first).await;
    killed(&process).await;
    assert_eq!(soon(down).await, Exit::Shutdown);
    assert!(matches!(process.try_send_line("x"), Err(StdinError::Gone(_))));
}

#[tokio::test]
async fn the_supervisor_has_stopped_when_its_process_has_ended() {
    let (_node, supervisor, process) = over(cat()).await;
    let (pid, end) = (process.pid().expect("it runs"), process.monitor());
    soon(supervisor.stop()).await.expect("it stops");
    assert!(is_gone(pid));
    assert_eq!(soon(end).await, Exit::Shutdown);
}

#[tokio::test]
async fn a_killed_supervisor_takes_its_process_along() {
    let (_node, supervisor, process) = over(cat()).await;
    let (pid, end) = (process.pid().expect("it runs"), process.monitor());
    supervisor.kill();
    assert_eq!(soon(end).await, Exit::Killed);
    assert!(is_gone(pid));
}

#[tokio::test]
async fn a_node_that_stops_takes_its_processes_along() {
    let (node, _supervisor, process) = over(cat()).await;
    let pid = process.pid().expect("it runs");
    soon(node.stop()).await.expect("it stops");
    assert!(is_gone(pid));
}

#[tokio::test]
async fn it_is_terminated_restarted_and_deleted_by_request() {
    let (_node, supervisor, process) = over(cat()).await;
    let first = process.pid().expect("it runs");
    soon(supervisor.terminate_child("p")).await.expect("it stops");
    assert!(is_gone(first));
    let waits = tokio::spawn({
        let process = process.clone();
        async move { process.up().await }
    });
    assert_eq!(soon(waits).await.expect("it does not panic"), None);
    assert_eq!(process.try_send_line("x"), Err(StdinError::Gone(b"x".to_vec())));
    assert!(matches!(supervisor.reference::<OsProcessRef>("p").await, Err(SupervisorError::NotFound)));
    assert!(matches!(soon(supervisor.restart_child("p")).await, Ok(Started::Running(_))));
    let again: OsProcessRef = supervisor.reference("p").await.expect("it runs");
    assert!(again.pid().is_some_and(|pid| pid != first));
    assert!(matches!(supervisor.delete_child("p").await, Err(SupervisorError::Running)));
    soon(supervisor.terminate_child("p")).await.expect("it stops");
    supervisor.delete_child("p").await.expect("it is down");
}

#[tokio::test]
async fn a_transient_process_is_restarted_after_a_failure_only() {
    let (lines, mut heard) = ears();
    let process = sh("echo $$; read code; exit $code").stdout(lines);
    let (_node, supervisor, process) = over(ChildSpec::of("p", process).restart(Restart::Transient)).await;
    heard.pid().await;
    process.send_line("3").await.expect("it reads");
    heard.pid().await;
    process.send_line("0").await.expect("it reads");
    soon(until(async || {
        let children = supervisor.which_children().await.expect("it lives");
        children.iter().all(|child| child.state == State::Down)
    }))
    .await;
    assert_eq!(heard.taken(), [""; 0]);
}

#[tokio::test]
async fn the_end_of_a_significant_process_ends_the_supervisor() {
    let (node, log) = (node().await, Log::default());
    let spec = ChildSpec::of("p", sh("read code; exit $code")).restart(Restart::Transient).significant();
    let supervisor = Supervisor::one_for_one().auto_shutdown(AutoShutdown::AnySignificant);
    let supervisor = supervisor.child(Child::new("a", &log).spec()).child(spec).start(&node).await.expect("they start");
    let process: OsProcessRef = supervisor.reference("p").await.expect("it runs");
    let down = watched(supervisor.untyped()).await;
    process.send_line("0").await.expect("it reads");
    assert_eq!(soon(down).await, Exit::Shutdown);
    assert_eq!(log.take(), ["start a", "stop a shutdown"]);
}

#[tokio::test]
async fn which_children_and_count_children_see_processes() {
    let (_node, supervisor, process) = over(cat().restart(Restart::Transient)).await;
    let child = supervisor.which_children().await.expect("it lives").remove(0);
    assert!(child.is_alive && child.state == State::Running(1));
    assert_eq!(supervisor.count_children().await.expect("it lives").active, 1);
    let end = process.monitor();
    process.end_input(); // `cat` is done then.
    assert_eq!(soon(end).await, Exit::Normal);
    soon(until(async || supervisor.count_children().await.expect("it lives").active == 0)).await;
}

#[tokio::test]
async fn reports_have_the_typed_exit_and_the_tree_shows_the_process() {
    let node = node().await;
    let mut reports = SupervisorReport::topic(&node).listen();
    let spec = ChildSpec::of("p", sh("read code; exit $code"));
    let supervisor = Supervisor::one_for_one().named("s").child(spec).start(&node).await.expect("it starts");
    let process: OsProcessRef = supervisor.reference("p").await.expect("it runs");
    let tree = soon(node.tree()).await.to_string();
    assert!(tree.contains(&format!("sh, process {}", process.pid().expect("it runs"))), "{tree}");
    process.send_line("3").await.expect("it reads");
    loop {
        match soon(reports.next()).await.expect("the node lives") {
            Heard::Message(SupervisorReport { what: Happened::Exited { exit, .. }, .. }) => {
                assert_eq!(exit, Exit::Code(3));
                break;
            }
            _ => continue,
        }
    }
}

#[tokio::test]
async fn one_that_does_not_become_ready_has_failed_to_start_and_is_gone() {
    let node = node().await;
    let (lines, mut heard) = ears();
    let supervisor = Supervisor::one_for_one().start(&node).await.expect("it starts");
    let spec = ChildSpec::of("p", sh("echo $$; exec cat").stdout(lines));
    let ready = spec.clone().ready_when(|process: OsProcessRef| async move { Ok(process.send_line("x").await?) });
    soon(supervisor.start_child(ready)).await.expect("it is ready");
    let first = heard.pid().await;
    assert_eq!(heard.text().await, "x");
    soon(supervisor.terminate_child("p")).await.expect("it stops");
    supervisor.delete_child("p").await.expect("it is down");

    let never = spec.ready_when(|_| std::future::pending()).start_within(Duration::from_millis(300));
    let error = soon(supervisor.start_child(never)).await.expect_err("it is not ready in time");
    assert!(matches!(error, SupervisorError::Start(_)), "{error}");
    let second = heard.pid().await;
    assert!(first != second && is_gone(second));
}

#[tokio::test]
async fn a_changed_spec_holds_from_the_next_process_on_and_refs_stay() {
    let (lines, mut heard) = ears();
    let said = |word: &str| {
        let process = sh(&format!("trap '' TERM; echo {word}; exec cat")).stdout(lines.clone());
        ChildSpec::of("p", process.longest_line(word.len()).stop_signal(Signal::HUP))
    };
    let (_node, supervisor, process) = over(said("one")).await;
    assert_eq!(heard.text().await, "one");
    let first = process.pid().expect("it runs");
    let cat = || ChildSpec::of("p", OsProcess::new("cat").longest_line(5).stdout(lines.clone()));
    let changed = |spec| supervisor.change(Supervisor::one_for_one().intensity(5, Duration::from_secs(5)).child(spec));
    changed(cat()).await.expect("it fits");
    assert_eq!(process.pid(), Some(first), "the process stays");
    assert!(matches!(process.try_send_line("three"), Err(StdinError::TooLong { limit: 3, .. })));

    killed(&process).await;
    let second = next(&process, first).await;
    process.send_line("three").await.expect("it is not too long any more");
    assert_eq!(heard.text().await, "three", "and this one has nothing to say by itself");

    changed(said("four")).await.expect("it fits");
    killed(&process).await;
    next(&process, second).await;
    assert_eq!(heard.text().await, "four");
    changed(cat()).await.expect("it fits");
    let end = process.monitor();
    soon(supervisor.stop()).await.expect("it stops");
    assert_eq!(soon(end).await, Exit::Shutdown, "by the signal that was said of this process");
}

#[tokio::test]
async fn many_are_started_on_demand_and_end_with_their_supervisor() {
    let node = node().await;
    let (lines, mut heard) = ears();
    let spec = ChildSpec::of("p", sh("echo $$; exec cat").stdout(lines));
    let supervisor = Supervisor::simple_one_for_one(spec).start(&node).await.expect("it starts");
    let mut pids = Vec::new();
    for _ in 0..20 {
        assert!(matches!(soon(supervisor.start_dynamic(None)).await, Ok(Started::Running(_))));
        pids.push(heard.pid().await);
    }
    assert!(pids.iter().all(|pid| !is_gone(*pid)));
    soon(supervisor.stop()).await.expect("it stops");
    assert!(pids.into_iter().all(is_gone));
}
