//! A node's start and stop: in order, within a limit, and with the names of those who did not stop.
//!
//! Each doc comment names the seeded bug that the test was seen to catch.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use proscenium_runtime::{
    Actor, ActorCell, Context, Ended, Error, Exit, Mailbox, NameError, Node, Owner, Ref, SpawnError, StartError, Task,
    TellError,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::both_weights::soon;
use crate::doer::{BOTH, Doer, Heard, Msg, Weight};

async fn node(name: &str) -> Node {
    Node::start(name).await.expect("a runtime runs here")
}

/// Says its number when its stop hook runs, and waits there if it is told to.
struct Ending {
    number: u32,
    ends: mpsc::UnboundedSender<(u32, Exit)>,
}

impl Actor for Ending {
    type Msg = ();
    type Ref = Ref<Self>;

    async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
        Ok(())
    }

    async fn terminate(&mut self, _: &mut Context<Self>, exit: &Exit) {
        tokio::task::yield_now().await; // Whoever is stopped at the same time gets ahead here.
        let _ = self.ends.send((self.number, exit.clone()));
    }
}

/// Caught: the order of ids, whose places are used again.
#[tokio::test]
async fn actors_stop_one_after_the_other_the_latest_first() {
    let node = node("order").await;
    let (tell, mut ends) = mpsc::unbounded_channel();
    let mut actors = Vec::new();
    // Places are used again, with a higher id: those that start first are not those with the lowest.
    for _ in 0..32 {
        let passing = Weight::Light.doer(&node).await;
        passing.actor.kill();
        soon(passing.actor.gone()).await;
    }
    for number in 0..40 {
        let ending = Ending { number, ends: tell.clone() };
        actors.push(BOTH[number as usize % 2].spawn(&node, ending).await.expect("it starts"));
    }
    // Their places go to those that start later.
    for number in [3, 17, 30] {
        soon(actors[number].stop().into_future()).await.expect("it stops");
        assert_eq!(soon(ends.recv()).await.map(|(number, _)| number), Some(number as u32));
    }
    for number in 40..43 {
        let ending = Ending { number, ends: tell.clone() };
        actors.push(node.spawn_light(ending).await.expect("it starts"));
    }
    soon(node.stop().into_future()).await.expect("it stops in order");
    let mut order = Vec::new();
    while let Ok((number, exit)) = ends.try_recv() {
        assert_eq!(exit, Exit::Shutdown);
        order.push(number);
    }
    let want: Vec<u32> = (0..43).rev().filter(|number| ![3, 17, 30].contains(number)).collect();
    assert_eq!(order, want);
    assert_eq!(node.actor_count(), 0);
}

/// A graceful stop: what is queued is handled. Caught: a kill before each stop.
#[tokio::test]
async fn what_is_queued_is_handled_before_the_node_has_stopped() {
    let node = node("graceful").await;
    let mut held = Weight::Ordinary.doer(&node).await;
    for number in 0..100 {
        held.actor.tell(Msg::Note(number)).now().expect("there is room");
    }
    soon(node.stop().into_future()).await.expect("it stops in order");
    let heard = held.until_the_end().await;
    assert_eq!(heard.len(), 101);
    assert_eq!(heard[100], Heard::Terminated(Exit::Shutdown));
    assert!(matches!(held.actor.tell(Msg::Note(1)).now(), Err(TellError::Stopped(Msg::Note(1), Exit::Shutdown))));
}

/// Caught: no kill at the limit; `killed` and `stuck` confused. Seen to fail while the statuses were taken after the kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_a_stop_kills_who_is_left_and_names_them() {
    let node = node("limit").await;
    // It waits for ever in its handler: a kill ends it.
    let waiting = Weight::Light.doer(&node).await;
    drop(waiting.awaits(std::future::pending::<()>()).await);
    // It does not yield: nothing ends it.
    let stuck = Weight::Light.doer(&node).await;
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = oneshot::channel();
    let work = move |_: &mut Context<Doer>| {
        let _ = entered.send(());
        let _ = gate.recv();
        Ok(())
    };
    stuck.actor.tell(Msg::Do(Box::new(work))).await.expect("it lives");
    soon(inside).await.expect("the handler runs");

    let started = Instant::now();
    let error = match soon(node.stop().within(Duration::from_millis(200)).into_future()).await {
        Err(Error::Stop(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let killed: Vec<_> = error.killed.iter().map(|status| (status.actor, status.in_hand)).collect();
    let not_yielding: Vec<_> = error.stuck.iter().map(|status| (status.actor, status.in_hand)).collect();
    assert_eq!(killed, [(waiting.actor.id(), Some("wait"))]);
    assert_eq!(not_yielding, [(stuck.actor.id(), Some("do"))]);
    let text = error.to_string();
    assert!(text.contains("1 actors were killed, 1 do not yield") && text.contains("stop().within(..)"), "{text}");
    assert_eq!(soon(waiting.actor.gone()).await, Exit::Killed);
    drop(release);
    soon(stuck.actor.gone()).await;
}

/// Caught: `one_more` that does not look at the node's life.
#[tokio::test]
async fn nothing_starts_once_a_node_stops() {
    struct Idle;

    impl Owner for Idle {
        fn restarts(&self, _: u64, _: &Exit) -> bool {
            true
        }

        fn exited(&self, _: Ended) {}
    }

    let node = node("stopping").await;
    let held = Weight::Light.doer(&node).await;
    let (go_on, gate) = oneshot::channel::<()>();
    let (home, (tell, told)) = (node.clone(), oneshot::channel());
    // While the node stops, a handler that it waits for still spawns.
    let work = async move {
        let _ = gate.await;
        let _ = tell.send(home.spawn_light(Doer::new().0).await.map(drop));
    };
    drop(held.awaits(work).await);
    let stopping = tokio::spawn(node.stop().into_future());
    tokio::task::yield_now().await;
    go_on.send(()).expect("the handler waits");
    let refused = soon(told).await.expect("it spawns").expect_err("the node stops");
    assert!(matches!(refused, SpawnError::NodeStopping), "{refused:?}");
    assert!(refused.to_string().contains("before `stop`"), "{refused}");
    soon(stopping).await.expect("no panic").expect("it stops in order");

    for weight in BOTH {
        let spawned = weight.spawn(&node, Doer::new().0).named("late").await;
        assert!(matches!(spawned, Err(SpawnError::NodeStopping)));
    }
    assert!(matches!(ActorCell::<Doer>::light(&node, Mailbox::DEFAULT, Arc::new(Idle)), Err(SpawnError::NodeStopping)));
    let ordinary = ActorCell::<Doer>::ordinary(&node, Mailbox::DEFAULT, Arc::new(Idle));
    assert!(matches!(ordinary, Err(SpawnError::NodeStopping)));
    assert!(matches!(Task::spawn(&node, async {}).await, Err(SpawnError::NodeStopping)));
    assert!(node.lookup("late").is_none());
    assert_eq!(node.actor_count(), 0);
    soon(node.stop().into_future()).await.expect("a second stop has nothing to do");
}

/// Caught: a panic of `Handle::current`.
#[test]
fn a_start_outside_of_any_runtime_says_what_to_do() {
    let mut start = pin!(Node::start("nowhere"));
    match start.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error @ StartError::NoRuntime)) => {
            let text = error.to_string();
            assert!(text.contains("#[proscenium::main]") && text.contains("block_on"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

async fn lives_and_dies() {
    let node = node("flavours").await;
    for weight in BOTH {
        let mut held = weight.doer(&node).await;
        held.actor.tell(Msg::Note(1)).await.expect("it lives");
        assert_eq!(held.next().await, Heard::Note(1));
    }
    assert_eq!(Task::spawn(&node, async { 7 }).await.expect("it starts").await, Ok(7));
    soon(node.stop().into_future()).await.expect("it stops in order");
}

#[test]
fn both_flavours_of_tokio_carry_a_node() {
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    one.block_on(lives_and_dies());
    for workers in [1, 4] {
        let many = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
        many.expect("a runtime").block_on(lives_and_dies());
    }
}

/// Caught: `hold` that holds nothing. The clock jumps at once without it: see the second half.
#[tokio::test(start_paused = true)]
async fn a_held_clock_stands_while_something_outside_is_waited_for() {
    let node = node("clock").await;
    let from_outside = || {
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || {
            // Real work, of which tokio knows nothing.
            let (_keep, never) = std::sync::mpsc::channel::<()>();
            let _ = never.recv_timeout(Duration::from_millis(100));
            tell.send(())
        });
        told
    };
    for _ in 0..2 {
        let before = Instant::now();
        let (first, second) = (node.hold_clock(), node.hold_clock());
        drop(first);
        let told = tokio::time::timeout(Duration::from_secs(3_600), from_outside()).await;
        assert!(told.is_ok(), "an hour went by in the meantime");
        assert_eq!(before.elapsed(), Duration::ZERO);
        drop(second);
    }
    let before = Instant::now();
    assert!(tokio::time::timeout(Duration::from_secs(3_600), from_outside()).await.is_err(), "it runs on again");
    assert_eq!(before.elapsed().as_secs(), 3_600);
}

/// Seen to fail while each hold after a drop started a task of its own.
#[tokio::test(start_paused = true)]
async fn many_holds_cost_one_thread() {
    let node = node("holds").await;
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    for _ in 0..300 {
        drop(node.hold_clock());
    }
    let guards: Vec<_> = (0..300).map(|_| node.hold_clock()).collect();
    let now = threads();
    assert!(now <= before + 20, "{before} threads before, {now} now"); // Other tests' threads come and go.
    drop(guards);
}

/// Two guards hold it, each enough by itself: the start's, and the incarnation's.
#[tokio::test]
async fn a_spawn_that_is_dropped_half_way_leaves_nothing() {
    struct Slow(Option<oneshot::Sender<()>>, mpsc::UnboundedSender<&'static str>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.1.send("dropped");
        }
    }

    impl Actor for Slow {
        type Msg = ();
        type Ref = Ref<Self>;

        async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
            if let Some(reached) = self.0.take() {
                let _ = reached.send(());
            }
            std::future::pending().await
        }

        async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
            Ok(())
        }

        async fn terminate(&mut self, _: &mut Context<Self>, _: &Exit) {
            let _ = self.1.send("stop hook");
        }
    }

    let node = node("half").await;
    for weight in BOTH {
        let (reached, at_init) = oneshot::channel();
        let (tell, mut told) = mpsc::unbounded_channel();
        // Not even begun: nothing was started.
        drop(weight.spawn(&node, Slow(None, tell.clone())).named("slow"));
        assert_eq!(soon(told.recv()).await, Some("dropped"));
        let spawn = weight.spawn(&node, Slow(Some(reached), tell)).named("slow");
        let starting = tokio::spawn(spawn.into_future());
        soon(at_init).await.expect("init runs");
        let half = node.lookup("slow").expect("it has its name before init runs");
        assert!(matches!(node.whereis::<Doer>("slow"), Err(NameError::OtherType { .. })));
        starting.abort();
        assert!(soon(starting).await.expect_err("aborted").is_cancelled());
        assert_eq!(soon(half.gone()).await, Exit::Killed);
        assert!(node.lookup("slow").is_none(), "{weight:?}");
        assert_eq!(node.actor_count(), 0, "{weight:?}");
        assert_eq!(soon(told.recv()).await, Some("dropped"));
        assert!(told.try_recv().is_err(), "no stop hook after a kill");
    }
    soon(node.stop().into_future()).await.expect("nobody is counted as running");
}

/// An error of `init` leaves nothing either.
#[tokio::test]
async fn an_init_that_fails_leaves_nothing() {
    struct Failing(Exit);

    impl Actor for Failing {
        type Msg = ();
        type Ref = Ref<Self>;

        async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
            Err(self.0.clone())
        }

        async fn handle(&mut self, _: &mut Context<Self>, (): ()) -> Result<(), Exit> {
            Ok(())
        }
    }

    let node = node("failing").await;
    for weight in BOTH {
        for exit in [Exit::Ignore, Exit::custom("boom")] {
            match weight.spawn(&node, Failing(exit.clone())).named("failing").await {
                Err(SpawnError::Init(why)) => assert_eq!(why, exit),
                other => panic!("{other:?}"),
            }
            assert!(node.lookup("failing").is_none());
            assert_eq!(node.actor_count(), 0);
        }
    }
    soon(node.stop().into_future()).await.expect("nobody is counted as running");
}
