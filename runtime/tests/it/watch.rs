//! The watch names handlers that do not yield, once each, leaves all others alone, and costs an idle node nothing.
//!
//! Each doc comment names the seeded bug that the test was seen to catch.

use std::time::{Duration, Instant};

use proscenium_runtime::{Actor, Context, Exit, Node, Ref, Reply};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::soon;
use crate::capture::{self, Captured};
use crate::doer::{BOTH, Doer, Msg, Weight};

async fn node(name: &str) -> Node {
    Node::start(name).await.expect("a runtime runs here")
}

/// Lets real time pass on this thread: what is claimed here is that *nothing* happens meanwhile.
fn nothing_for(time: Duration) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(time);
}

async fn next_of(events: &mut mpsc::UnboundedReceiver<Captured>, node: &str) -> Captured {
    loop {
        let event = soon(events.recv()).await.expect("captured");
        if event.target == "proscenium::watch" && event.field("node") == node {
            return event;
        }
    }
}

/// Caught: `reported` never set (a report a tick).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_handler_is_reported_once_and_the_next_one_again() {
    let node = node("once").await;
    let mut events = capture::events();
    let held = Weight::Light.doer(&node).await;
    for round in 1..=2 {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let work = move |_: &mut Context<Doer>| {
            let _ = gate.recv();
            Ok(())
        };
        held.actor.tell(Msg::Do(Box::new(work))).await.expect("it lives");
        let event = next_of(&mut events, "once").await;
        assert_eq!((event.field("actor"), event.field("kind")), (held.actor.id().to_string().as_str(), "do"));
        nothing_for(Duration::from_millis(900));
        assert_eq!(node.statistics().unyielding, round);
        drop(release);
        held.settled().await;
    }
}

/// Caught: `polls` not compared, so that a thread that is always busy looks stuck. Seen to fail under load while a poll
/// could be seen as running before it was counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_yields_is_never_reported() {
    let node = node("yielding").await;
    for weight in BOTH {
        let busy = weight.doer(&node).await;
        let work = async {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(1_200) {
                let until = Instant::now() + Duration::from_millis(5);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
        };
        // Beside it, one that awaits all the while: long is not stuck.
        let waiting = weight.doer(&node).await;
        let (go, gate) = oneshot::channel::<()>();
        let waits = waiting.awaits(async move { drop(gate.await) }).await;
        soon(busy.awaits(work).await).await.expect("done");
        drop(go);
        soon(waits).await.expect("done");
        assert_eq!(node.statistics().unyielding, 0, "{weight:?}");
    }
}

/// `init` is the actor's code too, on the task of who starts it. Caught: `init` awaited outside `guarded`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_init_that_does_not_yield_is_named() {
    struct Starting(std::sync::mpsc::Receiver<()>);

    impl Actor for Starting {
        type Msg = ();
        type Ref = Ref<Self>;

        async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
            let _ = self.0.recv();
            Ok(())
        }

        async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
            Ok(())
        }
    }

    let node = node("init").await;
    let mut events = capture::events();
    let (release, gate) = std::sync::mpsc::channel();
    let home = node.clone();
    let starting = tokio::spawn(async move { home.spawn_light(Starting(gate)).await.map(drop) });
    let event = next_of(&mut events, "init").await;
    assert!(event.field("type_name").ends_with("Starting"));
    drop(release);
    soon(starting).await.expect("no panic").expect("it starts");
}

/// `THREAD` is for code that blocks. Seen to fail while the watch reported it, with the advice to use `thread`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_with_a_thread_of_its_own_may_block() {
    struct Blocking;

    impl Actor for Blocking {
        type Msg = (Duration, Reply<()>);
        type Ref = Ref<Self>;
        const THREAD: bool = true;

        async fn handle(&mut self, _: &mut Context<Self>, (time, reply): Self::Msg) -> Result<(), Exit> {
            nothing_for(time);
            reply.send(());
            Ok(())
        }
    }

    let node = node("thread").await;
    let blocking = node.spawn(Blocking).await.expect("it starts");
    assert_eq!(blocking.call(|reply| (Duration::from_millis(900), reply)).await, Ok(()));
    assert_eq!(node.statistics().unyielding, 0, "its thread is its own");
}

// ---- an idle node ----

/// (task, voluntary context switches) of the threads of this name.
fn switches(name: &str) -> Vec<(u64, u64)> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let of = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let field = |name: &str| Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned());
        (field("Name:")? == name).then_some(())?;
        Some((task.file_name().to_str()?.parse().ok()?, field("voluntary_ctxt_switches:")?.parse().ok()?))
    };
    tasks.flatten().filter_map(of).collect()
}

/// Waits until the threads `of` have come to rest, then gives how often they woke up in a second.
fn wake_ups_in_a_second(of: impl Fn() -> u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(15);
    let mut last = of();
    loop {
        nothing_for(Duration::from_millis(250));
        let now = of();
        if now == last || Instant::now() > deadline {
            break;
        }
        last = now;
    }
    let before = of();
    nothing_for(Duration::from_secs(1));
    of() - before
}

/// Caught: `QUIET` of `u32::MAX` in the watch; a sweeper that goes on for ever.
#[test]
fn an_idle_node_wakes_nobody_up() {
    if !cfg!(target_os = "linux") {
        return; // There is no /proc.
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("idle-worker")
        .enable_all()
        .build()
        .expect("a runtime");
    let others: Vec<u64> = switches("proscenium-watc").into_iter().map(|(task, _)| task).collect();
    let (node, actors) = runtime.block_on(async {
        let node = node("idle").await;
        let mut actors = Vec::new();
        for number in 0..200 {
            let weight = BOTH[number % 2];
            let held = weight.doer(&node).await;
            held.settled().await;
            let called: Result<u32, _> = held
                .actor
                .call(|reply| {
                    Msg::Wait(Box::pin(async move {
                        reply.send(1);
                        Ok(())
                    }))
                })
                .await;
            assert_eq!(called, Ok(1));
            actors.push(held);
        }
        (node, actors)
    });
    let watch: Vec<u64> = switches("proscenium-watc").into_iter().map(|(task, _)| task).collect();
    let watch = watch.into_iter().find(|task| !others.contains(task)).expect("the node has a watch thread");
    let of_watch = || switches("proscenium-watc").iter().filter(|(task, _)| *task == watch).map(|(_, n)| n).sum();
    let woken = wake_ups_in_a_second(of_watch);
    assert!(woken <= 3, "the watch woke {woken} times in an idle second");
    let woken = wake_ups_in_a_second(|| switches("idle-worker").iter().map(|(_, n)| n).sum());
    assert!(woken <= 6, "the workers woke {woken} times in an idle second");
    // Awake again as soon as there is something to see.
    let stuck = &actors[0];
    let (release, gate) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let mut events = capture::events();
        let work = move |_: &mut Context<Doer>| {
            let _ = gate.recv();
            Ok(())
        };
        stuck.actor.tell(Msg::Do(Box::new(work))).await.expect("it lives");
        next_of(&mut events, "idle").await;
        drop(release);
    });
    drop(node);
}
