//! The gaps in which an end could be missed: between a start and its link, and between an end and the news of it.
//!
//! Each doc comment names the seeded bug that the test was seen to catch.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proscenium_runtime::{Actor, Context, CrashPolicy, Exit, Node, Ref, SpawnError, actor_fn};
use tokio::sync::mpsc;

use crate::both_weights::soon;
use crate::doer::{BOTH, Doer, Heard, Held, Weight, ends};

async fn node() -> Node {
    Node::start("gaps").await.expect("a runtime runs here")
}

fn boom() -> Exit {
    Exit::custom("boom")
}

/// Caught: `spawn_link` without the link.
#[tokio::test]
async fn spawn_link_ties_the_child_to_its_parent() {
    let node = node().await;
    for weight in BOTH {
        for child_ends in [true, false] {
            let parent = weight.doer(&node).await;
            let (doer, heard) = Doer::new();
            let spawn = parent.does(move |cx| cx.spawn_link(doer)).await;
            let spawn = if weight == Weight::Light { spawn.light() } else { spawn };
            let child = Held { actor: soon(spawn.into_future()).await.expect("it starts"), heard };
            let (ending, other) = if child_ends { (child, parent) } else { (parent, child) };
            ends(&ending.actor, boom()).await;
            assert_eq!(soon(other.actor.gone()).await, boom(), "{weight:?} child_ends {child_ends}");
        }
    }
}

/// Seen to fail while such a child was left unlinked: nobody is left to end it.
#[tokio::test]
async fn a_child_whose_parent_ended_while_it_started_ends_too() {
    let node = node().await;
    let parent = Weight::Light.doer(&node).await;
    let (doer, _heard) = Doer::new();
    let spawn = parent.does(move |cx| cx.spawn_link(doer)).await;
    ends(&parent.actor, boom()).await;
    soon(parent.actor.gone()).await;
    let child = match soon(spawn.light().into_future()).await {
        Ok(child) => child,
        Err(_) => return, // Not started at all is as good.
    };
    let gone = tokio::time::timeout(Duration::from_secs(2), child.gone()).await;
    assert!(gone.is_ok(), "the child runs on without its parent");
}

/// Caught: a child without `init` that is started before it has heard of its parent's end.
#[tokio::test]
async fn a_child_that_starts_at_once_is_not_started_for_a_dead_parent() {
    let node = node().await;
    let parent = Weight::Light.doer(&node).await;
    let spawn = parent.does(|cx| cx.spawn_link(actor_fn(|(): ()| {}))).await;
    ends(&parent.actor, boom()).await;
    soon(parent.actor.gone()).await;
    let error = soon(spawn.light().into_future()).await.expect_err("its parent is dead");
    assert!(matches!(&error, SpawnError::Init(_)), "{error}");
    assert_eq!(node.actor_count(), 0);
}

struct Fleeting;

impl Actor for Fleeting {
    type Msg = ();
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.stop(boom());
        Ok(())
    }

    async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        Ok(())
    }
}

/// Seen to fail while the link was made after the start: a child that ends at once was `NoProc` to its parent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawn_link_leaves_no_gap_in_which_the_reason_is_lost() {
    let node = node().await;
    let mut parent = Weight::Light.doer(&node).await;
    parent.does(|cx| cx.trap_exit(true)).await;
    for round in 0..2_000 {
        let spawn = parent.does(|cx| cx.spawn_link(Fleeting)).await;
        drop(soon(spawn.light().into_future()).await.expect("it starts"));
        match parent.next().await {
            Heard::Exited(exited) => assert_eq!(exited.exit, boom(), "round {round}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Never done with its start.
struct Starting;

impl Actor for Starting {
    type Msg = ();
    type Ref = Ref<Self>;

    async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        std::future::pending().await
    }

    async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        Ok(())
    }
}

/// As `proc_lib:start_link` with a time-out: the child is unlinked before it is killed. Seen to fail while the kill came
/// back through the link.
#[tokio::test(start_paused = true)]
async fn a_parent_that_gives_up_a_start_does_not_end_by_it() {
    let node = node().await;
    for weight in BOTH {
        let parent = weight.doer(&node).await;
        let spawn = parent.does(|cx| cx.spawn_link(Starting)).await;
        let spawn = if weight == Weight::Light { spawn.light() } else { spawn };
        let limit = Duration::from_secs(1);
        let started =
            parent.awaits(async move { tokio::time::timeout(limit, spawn.into_future()).await.is_ok() }).await;
        assert_eq!(soon(started).await, Ok(false), "{weight:?}");
        parent.settled().await;
        assert_eq!(node.actor_count(), 1, "{weight:?}: the child is gone");
        parent.actor.kill();
        soon(parent.actor.gone()).await;
    }
}

/// The link holds from before `init` on.
#[tokio::test]
async fn the_end_of_the_parent_ends_a_child_that_still_starts() {
    let node = node().await;
    let parent = Weight::Light.doer(&node).await;
    let spawn = parent.does(|cx| cx.spawn_link(Starting)).await;
    let starting = tokio::spawn(spawn.light().into_future());
    tokio::task::yield_now().await;
    assert_eq!(node.actor_count(), 2, "it is in its init");
    ends(&parent.actor, boom()).await;
    match soon(starting).await.expect("no panic") {
        Err(SpawnError::Init(exit)) => assert_eq!(exit, boom()),
        other => panic!("{other:?}"),
    }
    assert_eq!(node.actor_count(), 0);
}

// ---- the gap between the end and the news of it ----

struct Slow;

/// Holds an actor between its end and the news of it: the crash report is made there.
#[derive(Clone)]
struct Gate {
    reached: mpsc::UnboundedSender<()>,
    open: Arc<Mutex<std::sync::mpsc::Receiver<()>>>,
}

impl Actor for Slow {
    type Msg = Gate;
    type Ref = Ref<Self>;
    const CRASH: CrashPolicy = CrashPolicy::SetAside;

    async fn handle(&mut self, _: &mut Context<Self>, _: Gate) -> Result<(), Exit> {
        Err(boom())
    }

    fn duplicate(gate: &Gate) -> Option<Gate> {
        Some(gate.clone())
    }

    fn format_message(gate: &Gate) -> Option<String> {
        let _ = gate.reached.send(());
        let _ = gate.open.lock().expect("one thread").recv_timeout(Duration::from_secs(20));
        None
    }
}

/// An actor that has ended and whose news are held back, until the sender is used.
async fn held_at_its_end(
    node: &Node,
    before: impl AsyncFnOnce(&Ref<Slow>),
) -> (Ref<Slow>, std::sync::mpsc::Sender<()>) {
    let slow = node.spawn_light(Slow).await.expect("it starts");
    before(&slow).await;
    let (open, gate) = std::sync::mpsc::channel();
    let (reached, mut at_the_gate) = mpsc::unbounded_channel();
    slow.tell(Gate { reached, open: Arc::new(Mutex::new(gate)) }).await.expect("it lives");
    soon(at_the_gate.recv()).await.expect("a crash is reported");
    (slow, open)
}

/// Erlang: once `unlink` has returned, the link has no effect on the caller any more. Seen to fail while an exit signal
/// was delivered whether or not the link was still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlink_holds_even_while_the_other_is_ending() {
    let node = node().await;
    let a = Weight::Light.doer(&node).await;
    let (slow, open) = held_at_its_end(&node, async |slow: &Ref<Slow>| {
        let slow = slow.clone();
        a.does(move |cx| cx.link(&slow)).await;
    })
    .await;
    let other = slow.clone();
    a.does(move |cx| cx.unlink(&other)).await;
    open.send(()).expect("it waits at the gate");
    soon(slow.gone()).await;
    // A later monitor of the same actor fires when all its news are told.
    let gone = tokio::time::timeout(Duration::from_secs(1), a.actor.gone()).await;
    assert!(gone.is_err(), "ended by a link that it had taken away");
}

/// Seen to fail while `restart` was "not gone yet".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_down_never_promises_a_restart_that_nobody_will_make() {
    let node = node().await;
    let (slow, open) = held_at_its_end(&node, async |_: &Ref<Slow>| ()).await;
    let down = soon(slow.monitor()).await;
    open.send(()).expect("it waits at the gate");
    assert_eq!(down.exit, Exit::NoProc);
    assert!(!down.restart, "no supervisor keeps it");
}
