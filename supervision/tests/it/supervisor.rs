//! The supervisor itself, over real actors.

use std::time::Duration;

use proscenium_runtime::{Exit, Node};
use proscenium_supervision::{
    AutoShutdown, ChildSpec, Restart, Shutdown, StartError, Started, State, Supervisor, SupervisorError, SupervisorRef,
};

use crate::children::{Child, Do, Log, Stop, node, settled, until, watched};

async fn three(node: &Node, supervisor: Supervisor) -> (SupervisorRef, Log) {
    let log = Log::default();
    let supervisor =
        ["a", "b", "c"].iter().fold(supervisor, |supervisor, name| supervisor.child(Child::new(name, &log).spec()));
    let supervisor = supervisor.start(node).await.expect("all start");
    assert_eq!(log.take(), ["start a", "start b", "start c"]);
    (supervisor, log)
}

async fn tell(supervisor: &SupervisorRef, id: &str, what: Do) {
    let child = supervisor.child::<Child>(id).await.expect("it runs");
    child.tell(what).await.expect("it takes it");
}

/// Waits until the log has this many lines more.
async fn lines(log: &Log, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    until(async || {
        all.extend(log.take());
        all.len() >= count
    })
    .await;
    all
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_answered_by_the_strategy() {
    let rows = [
        (Supervisor::one_for_one(), vec!["stop b boom", "start b"]),
        (
            Supervisor::one_for_all(),
            vec!["stop b boom", "stop c shutdown", "stop a shutdown", "start a", "start b", "start c"],
        ),
        (Supervisor::rest_for_one(), vec!["stop b boom", "stop c shutdown", "start b", "start c"]),
    ];
    for (supervisor, want) in rows {
        let node = node().await;
        let (supervisor, log) = three(&node, supervisor).await;
        tell(&supervisor, "b", Do::Exit(Exit::custom("boom"))).await;
        assert_eq!(lines(&log, want.len()).await, want);
        node.stop().await.expect("it stops");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ref_and_its_queue_outlive_a_restart() {
    let node = node().await;
    let (supervisor, _) = three(&node, Supervisor::one_for_one()).await;
    let child = supervisor.child::<Child>("b").await.expect("it runs");
    child.tell(Do::Panic).await.expect("it takes it");
    assert_eq!(child.call(Do::Count).await.expect("the next one answers"), 1);
}

#[tokio::test(start_paused = true)]
async fn one_restart_too_many_ends_the_supervisor_and_its_children() {
    let node = node().await;
    let (supervisor, log) = three(&node, Supervisor::one_for_one()).await;
    let down = watched(supervisor.untyped()).await;
    tell(&supervisor, "a", Do::Exit(Exit::custom("boom"))).await;
    assert_eq!(lines(&log, 2).await, ["stop a boom", "start a"]);
    tell(&supervisor, "a", Do::Exit(Exit::custom("boom"))).await;
    assert_eq!(down.await, Exit::Shutdown);
    assert_eq!(log.take(), ["stop a boom", "stop c shutdown", "stop b shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn the_supervisor_stops_its_children_in_reverse_order() {
    let node = node().await;
    let (supervisor, log) = three(&node, Supervisor::one_for_one()).await;
    supervisor.stop().await.expect("it stops");
    assert_eq!(
        log.take(),
        ["stop c normal", "stop b normal", "stop a normal"].map(|line| line.replace("normal", "shutdown"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_killed_supervisor_takes_its_children_along() {
    let node = node().await;
    let (supervisor, log) = three(&node, Supervisor::one_for_one()).await;
    let child = supervisor.child::<Child>("b").await.expect("it runs");
    let down = watched(child.untyped()).await;
    supervisor.kill();
    assert_eq!(down.await, Exit::Killed);
    assert_eq!(log.take(), [""; 0], "no stop hook runs");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_start_fails_the_supervisor() {
    let node = node().await;
    let log = Log::default();
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        let bad = Child::new("b", &log);
        bad.fate(Err(Exit::custom("nope")));
        let a = Child::new("a", &log).spec().restart(restart);
        let supervisor = Supervisor::one_for_one().child(a).child(bad.spec().restart(restart));
        let error = supervisor.start(&node).await.expect_err("b fails");
        assert!(matches!(&error, StartError::Start(_)) && error.to_string().contains("\"b\": nope"), "{error}");
        assert_eq!(log.take(), ["start a", "fail b", "stop a shutdown"]);
        assert_eq!(node.actor_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_restart_is_tried_again() {
    let node = node().await;
    let log = Log::default();
    let child = Child::new("a", &log);
    let supervisor = Supervisor::one_for_one().intensity(5, Duration::from_secs(5)).child(child.spec());
    let supervisor = supervisor.start(&node).await.expect("it starts");
    child.fate(Err(Exit::custom("nope")));
    child.fate(Err(Exit::custom("nope")));
    tell(&supervisor, "a", Do::Exit(Exit::custom("boom"))).await;
    assert_eq!(lines(&log, 5).await, ["start a", "stop a boom", "fail a", "fail a", "start a"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_says_how_long_a_child_may_take() {
    for (shutdown, took) in [(Shutdown::BrutalKill, 0), (Shutdown::Within(Duration::from_millis(700)), 700)] {
        let node = node().await;
        let log = Log::default();
        let child = Child::new("a", &log).stops(Stop::Never);
        let supervisor = Supervisor::one_for_one().child(child.spec().shutdown(shutdown));
        let supervisor = supervisor.start(&node).await.expect("it starts");
        let began = tokio::time::Instant::now();
        supervisor.terminate_child("a").await.expect("it stops");
        assert_eq!(began.elapsed().as_millis(), took, "{shutdown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_stop_hook_or_the_start_is_an_exit_like_any_other() {
    let node = node().await;
    let log = Log::default();
    let supervisor = Supervisor::one_for_one()
        .child(Child::new("a", &log).stops(Stop::Panics).spec())
        .child(Child::new("b", &log).spec())
        .start(&node)
        .await
        .expect("they start");
    supervisor.terminate_child("a").await.expect("it stops");
    assert!(matches!(supervisor.restart_child("a").await, Ok(Started::Running(_))));
    let make = || -> Child { panic!("in the making") };
    let error = supervisor.start_child(ChildSpec::new("p", make)).await.expect_err("it cannot be made");
    assert!(matches!(&error, SupervisorError::Start(Exit::Panic(_))), "{error}");
    settled(&supervisor).await;
}

#[tokio::test(start_paused = true)]
async fn children_come_and_go_by_request() {
    let node = node().await;
    let (supervisor, log) = three(&node, Supervisor::one_for_one()).await;
    let d = Child::new("d", &log);
    supervisor.start_child(d.spec()).await.expect("it starts");
    assert!(matches!(supervisor.start_child(d.spec()).await, Err(SupervisorError::AlreadyStarted)));
    assert!(matches!(supervisor.delete_child("d").await, Err(SupervisorError::Running)));
    let child = supervisor.child::<Child>("d").await.expect("it runs");
    supervisor.terminate_child("d").await.expect("it stops");
    assert!(child.call(Do::Count).await.is_err(), "nobody waits for a restart that may never come");
    assert!(matches!(supervisor.start_child(d.spec()).await, Err(SupervisorError::AlreadyPresent)));
    let counts = supervisor.count_children().await.expect("it lives");
    assert_eq!((counts.specs, counts.active, counts.workers, counts.supervisors), (4, 3, 4, 0));
    supervisor.restart_child("d").await.expect("it starts");
    supervisor.terminate_child("d").await.expect("it stops");
    supervisor.delete_child("d").await.expect("it is down");
    assert!(matches!(supervisor.restart_child("d").await, Err(SupervisorError::NotFound)));
    let names: Vec<_> =
        supervisor.which_children().await.expect("it lives").into_iter().map(|child| child.id).collect();
    assert_eq!(names, ["a", "b", "c"].map(Into::into));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_significant_child_ends_the_supervisor() {
    let node = node().await;
    let log = Log::default();
    let spec = Child::new("a", &log).spec().restart(Restart::Transient).significant();
    let supervisor = Supervisor::one_for_one().auto_shutdown(AutoShutdown::AnySignificant).child(spec);
    let supervisor = supervisor.child(Child::new("b", &log).spec()).start(&node).await.expect("they start");
    let down = watched(supervisor.untyped()).await;
    tell(&supervisor, "a", Do::Exit(Exit::Normal)).await;
    assert_eq!(down.await, Exit::Shutdown);
    assert_eq!(log.take(), ["start a", "start b", "stop a normal", "stop b shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_below_ends_and_is_restarted_like_any_child() {
    let node = node().await;
    let log = Log::default();
    let (x, y) = (Child::new("x", &log), Child::new("y", &log));
    let below = move || Supervisor::one_for_all().intensity(0, Duration::from_secs(1)).child(x.spec()).child(y.spec());
    let supervisor = Supervisor::one_for_one()
        .child(ChildSpec::supervisor("below", below))
        .child(Child::new("z", &log).spec())
        .start(&node)
        .await
        .expect("they start");
    assert_eq!(log.take(), ["start x", "start y", "start z"]);
    let below = supervisor.supervisor("below").await.expect("it runs");
    tell(&below, "x", Do::Exit(Exit::custom("boom"))).await;
    assert_eq!(lines(&log, 4).await, ["stop x boom", "stop y shutdown", "start x", "start y"]);
    supervisor.stop().await.expect("it stops");
    assert_eq!(log.take(), ["stop z shutdown", "stop y shutdown", "stop x shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn dynamic_children_have_places() {
    let node = node().await;
    let log = Log::default();
    let supervisor = Supervisor::simple_one_for_one(Child::new("w", &log).spec());
    let supervisor = supervisor.start(&node).await.expect("it starts");
    let mut places = Vec::new();
    for _ in 0..3 {
        match supervisor.start_dynamic(None).await {
            Ok(Started::Running(place)) => places.push(place),
            other => panic!("{other:?}"),
        }
    }
    supervisor.terminate_dynamic(places[1]).await.expect("it stops");
    supervisor.terminate_dynamic(places[1]).await.expect("it is gone already");
    let left = supervisor.which_children().await.expect("it lives");
    assert_eq!(left.iter().map(|child| child.place).collect::<Vec<_>>(), [places[0], places[2]]);
    assert!(left.iter().all(|child| child.is_alive && matches!(child.state, State::Running(1))));
}

/// The worker thread is taken by the handler for as long as the test wants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_does_not_yield_is_given_up_and_the_tree_goes_on() {
    let node = node().await;
    let log = Log::default();
    let spec = Child::new("a", &log).spec().shutdown(Shutdown::Within(Duration::from_millis(20)));
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let (let_go, until) = std::sync::mpsc::channel();
    tell(&supervisor, "a", Do::Hang(until)).await;
    assert_eq!(lines(&log, 2).await, ["start a", "hang a"]); // Asked before, it would stop.
    let child = supervisor.child::<Child>("a").await.expect("it runs");
    let down = watched(child.untyped()).await;
    supervisor.terminate_child("a").await.expect("it is given up");
    assert_eq!(down.await, Exit::Unresponsive);
    supervisor.restart_child("a").await.expect("its place is free");
    assert_eq!(supervisor.child::<Child>("a").await.expect("it runs").call(Do::Count).await.expect("it answers"), 1);
    drop(let_go);
}

#[tokio::test(start_paused = true)]
async fn down_says_whether_a_restart_follows_by_the_spec_of_now() {
    let rows = [
        (Restart::Permanent, Exit::Normal, true),
        (Restart::Permanent, Exit::custom("boom"), true),
        (Restart::Transient, Exit::shutdown_with("done"), false),
        (Restart::Transient, Exit::custom("boom"), true),
        (Restart::Temporary, Exit::custom("boom"), false),
    ];
    for (restart, exit, follows) in rows {
        for is_changed in [false, true] {
            let node = node().await;
            let child = Child::new("a", &Log::default());
            let tree = |restart| Supervisor::one_for_one().child(child.spec().restart(restart));
            let first = if is_changed { Restart::Transient } else { restart };
            let supervisor = tree(first).start(&node).await.expect("it starts");
            supervisor.change(tree(restart)).await.expect("it fits");
            let child = supervisor.child::<Child>("a").await.expect("it runs");
            child.tell(Do::Exit(exit.clone())).await.expect("there is room");
            let down = child.monitor().await;
            assert_eq!((down.exit, down.restart), (exit.clone(), follows), "{restart:?}, changed: {is_changed}");
        }
    }
}
