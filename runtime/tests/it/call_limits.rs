//! Goal: a call ends at its limit, on any thread, and what nobody waits for any more is not done.
//! Method: limits run on a paused clock; threads that block have short ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proscenium_runtime::{Actor, CallError, Context, Exit, Mailbox, Ref, Reply, Requests};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::both_weights::{World, look, soon};
use crate::marionette::{Event, Msg, Puppet, act, ask, hold, notes, run, tell_notes, told};

use crate::calls::crash_on;
both_weights!((start_paused = true)
    a_call_ends_after_five_seconds,
    a_call_keeps_its_own_limit,
    the_limit_covers_the_wait_for_room,
    the_wait_for_room_of_a_call_has_the_limit,
    a_call_that_waited_too_long_in_the_queue_is_not_handled,
    a_call_cancelled_before_its_limit_is_handled,
    a_late_reply_is_dropped_silently,
    a_group_is_called_with_partial_results,
);
both_weights!((flavor = "multi_thread", worker_threads = 2)
    a_blocking_call_is_answered_on_a_plain_thread,
    a_blocking_call_waits_for_room_on_a_plain_thread,
    a_blocking_call_keeps_its_limit_on_a_plain_thread,
    a_blocking_call_past_its_limit_is_not_handled,
    a_blocking_call_ends_with_its_callee,
    a_blocking_call_inside_an_async_handler_is_refused,
    a_blocking_call_inside_a_thread_actor_is_answered,
);

// ---- limits ----

/// Work that takes so long, on the paused clock, which moves when nobody has anything to do.
pub(crate) async fn takes(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// The time that a limit may be exceeded by: two sweeps and a little.
pub(crate) const LEEWAY: Duration = Duration::from_millis(50);

pub(crate) fn kept_to(limit: Duration, start: Instant) {
    let took = start.elapsed();
    assert!((limit..=limit + LEEWAY).contains(&took), "{took:?} for {limit:?}");
}

/// Catches another default, a sweeper that never wakes up, and one that ends calls early.
async fn a_call_ends_after_five_seconds(world: World) {
    let (puppet, _events) = world.puppet().await;
    let _release = hold(&puppet).await;
    tell_notes(&puppet, 0..3);
    let limit = Duration::from_secs(5);
    for _ in 0..3 {
        let start = Instant::now();
        let Err(CallError::Timeout { waited, queued }) = puppet.call(ask(1)).await else { panic!("it is held") };
        kept_to(limit, start);
        assert_eq!(waited, limit);
        assert!(queued >= 3, "{queued}");
    }
}

async fn a_call_keeps_its_own_limit(world: World) {
    let (puppet, _events) = world.puppet().await;
    let _release = hold(&puppet).await;
    for limit in [0, 1, 30, 999, 1_000, 1_001, 8_000].map(Duration::from_millis) {
        let start = Instant::now();
        let ended = puppet.call(ask(1)).within(limit).await;
        assert!(matches!(ended, Err(CallError::Timeout { waited, .. }) if waited == limit), "{ended:?}");
        kept_to(limit, start);
    }
    let mut calls = Requests::new();
    for limit in [3_000, 200, 5_000, 1_500] {
        calls.add(limit, puppet.call(ask(1)).within(Duration::from_millis(limit)));
    }
    let start = Instant::now();
    for limit in [200, 1_500, 3_000, 5_000] {
        assert_eq!(calls.next().await.map(|(label, _)| label), Some(limit), "each by its own");
        kept_to(Duration::from_millis(limit), start);
    }
}

/// A call's limit begins with the call, not with the room that it gets after a while.
async fn the_limit_covers_the_wait_for_room(world: World) {
    for limit in [Duration::from_millis(900), Duration::from_secs(5)] {
        let (puppet, _events) = world.puppet_with(Mailbox::bounded(1)).await;
        let release = hold(&puppet).await;
        let (entered, inside) = oneshot::channel();
        told(
            puppet
                .tell(run(|_, _| {
                    Box::pin(async move {
                        let _ = entered.send(());
                        std::future::pending().await
                    })
                }))
                .now(),
        );
        let start = Instant::now();
        let mut call = puppet.call(ask(1)).within(limit);
        let early = tokio::time::timeout(limit * 4 / 5, &mut call).await;
        assert!(early.is_err(), "it waits for room");
        drop(release);
        tokio::select! {
            biased;
            _ = inside => {}
            ended = &mut call => panic!("not yet: {ended:?}"),
        }
        let ended = call.await;
        assert!(matches!(ended, Err(CallError::Timeout { .. })), "{ended:?}");
        kept_to(limit, start);
    }
}

async fn the_wait_for_room_of_a_call_has_the_limit(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    for limit in [Duration::from_millis(300), Duration::from_secs(5)] {
        let start = Instant::now();
        let ended = puppet.call(ask(1)).within(limit).await;
        assert_eq!(ended, Err(CallError::Timeout { waited: limit, queued: 1 }));
        kept_to(limit, start);
    }
    drop(release);
    assert_eq!(events.take(1).await, notes([1]));
}

/// Catches a deadline that only the caller looks at: work that nobody waits for is done all the same.
async fn a_call_that_waited_too_long_in_the_queue_is_not_handled(world: World) {
    for limit in [100, 999, 1_000, 5_000].map(Duration::from_millis) {
        let (puppet, mut events) = world.puppet().await;
        let release = hold(&puppet).await;
        let handled = |reply: Reply<u32>| {
            act(move |me: &mut Puppet, _| {
                me.log.add(Event::Note(1));
                reply.send(1);
                Ok(())
            })
        };
        let ended = puppet.call(handled).within(limit).await;
        assert!(matches!(ended, Err(CallError::Timeout { .. })));
        drop(release);
        assert_eq!(puppet.call(ask(2)).await, Ok(2));
        assert_eq!(events.so_far(), [], "skipped, with a limit of {limit:?}");
    }
}

async fn a_call_cancelled_before_its_limit_is_handled(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    let handled = |reply: Reply<u32>| {
        act(move |me: &mut Puppet, _| {
            me.log.add(Event::Note(1));
            reply.send(1);
            Ok(())
        })
    };
    let cut_off = tokio::time::timeout(Duration::from_millis(200), puppet.call(handled)).await;
    assert!(cut_off.is_err());
    drop(release);
    assert_eq!(puppet.call(ask(2)).await, Ok(2));
    assert_eq!(events.so_far(), notes([1]));
}

async fn a_late_reply_is_dropped_silently(world: World) {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    for limit in [Duration::from_millis(100), Duration::from_secs(5)] {
        let (puppet, mut events) = world.puppet().await;
        let (release, gate) = oneshot::channel::<()>();
        let dropped = Arc::new(AtomicBool::new(false));
        let value = Flag(dropped.clone());
        let slow = |reply: Reply<Flag>| {
            run(move |me: &mut Puppet, _| {
                Box::pin(async move {
                    let _ = gate.await;
                    assert!(!reply.is_waited_for());
                    reply.send(value);
                    me.log.add(Event::Note(1));
                    Ok(())
                })
            })
        };
        let ended = puppet.call(slow).within(limit).await;
        assert!(matches!(ended, Err(CallError::Timeout { .. })));
        drop(release);
        assert_eq!(events.next().await, Event::Note(1));
        assert!(dropped.load(Ordering::SeqCst), "the value is dropped");
        assert_eq!(puppet.call(ask(2)).await, Ok(2), "and is nobody else's answer");
    }
}

async fn a_group_is_called_with_partial_results(world: World) {
    let group = world.node.group::<Puppet>("workers");
    let mut members = Vec::new();
    for _ in 0..4 {
        let (puppet, events) = world.puppet().await;
        assert!(group.join(&puppet));
        members.push((puppet, events));
    }
    let _release = hold(&members[1].0).await;
    let mut number = 0;
    let start = Instant::now();
    let limit = Duration::from_millis(500);
    let answers = group
        .multi_call(
            |reply| {
                number += 1;
                if number == 3 { crash_on("third")(reply) } else { Msg::Ask(number, reply) }
            },
            limit,
        )
        .await;
    kept_to(limit, start);
    let (ids, outcomes): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    assert_eq!(ids, members.iter().map(|(puppet, _)| puppet.id()).collect::<Vec<_>>());
    assert_eq!(outcomes[0], Ok(1));
    assert!(matches!(outcomes[1], Err(CallError::Timeout { .. })));
    assert_eq!(outcomes[2], Err(CallError::Exited(Exit::panic("third"))));
    assert_eq!(outcomes[3], Ok(4));
}

// ---- blocking ----

fn on_a_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (tell, outcome) = oneshot::channel();
    std::thread::spawn(move || drop(tell.send(f())));
    outcome
}

/// The thread's outcome.
///
/// # Panics
/// It panicked, or hangs.
async fn outcome<T>(thread: oneshot::Receiver<T>) -> T {
    soon(thread).await.expect("no panic on the thread")
}

async fn a_blocking_call_is_answered_on_a_plain_thread(world: World) {
    let (puppet, _events) = world.puppet().await;
    let release = hold(&puppet).await;
    let caller = puppet.clone();
    let call = on_a_thread(move || caller.call(ask(3)).blocking());
    drop(release);
    assert_eq!(outcome(call).await, Ok(3));
    let caller = puppet.clone();
    let dropped = on_a_thread(move || {
        caller
            .call(|reply: Reply<u32>| {
                act(move |_, _| {
                    drop(reply);
                    Ok(())
                })
            })
            .blocking()
    });
    assert_eq!(outcome(dropped).await, Err(CallError::NoReply));
}

/// Catches a timer made outside of the runtime: tokio panics.
async fn a_blocking_call_waits_for_room_on_a_plain_thread(world: World) {
    let (puppet, _events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let caller = puppet.clone();
    let (begun, begins) = oneshot::channel();
    let call = on_a_thread(move || {
        let mut call = caller.call(ask(3));
        let waits = look(&mut call).is_pending();
        let _ = begun.send(waits);
        call.blocking()
    });
    assert!(soon(begins).await.expect("no panic on the thread"), "there is no room");
    drop(release);
    assert_eq!(outcome(call).await, Ok(3));
}

async fn a_blocking_call_keeps_its_limit_on_a_plain_thread(world: World) {
    let (puppet, _events) = world.puppet().await;
    let _release = hold(&puppet).await;
    let limit = Duration::from_millis(30);
    let caller = puppet.clone();
    let call = on_a_thread(move || caller.call(ask(3)).within(limit).blocking());
    assert_eq!(outcome(call).await, Err(CallError::Timeout { waited: limit, queued: 1 }));
}

async fn a_blocking_call_past_its_limit_is_not_handled(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    let caller = puppet.clone();
    let handled = |reply: Reply<u32>| {
        act(move |me: &mut Puppet, _| {
            me.log.add(Event::Note(1));
            reply.send(1);
            Ok(())
        })
    };
    let call = on_a_thread(move || caller.call(handled).within(Duration::from_millis(30)).blocking());
    assert!(matches!(outcome(call).await, Err(CallError::Timeout { .. })));
    drop(release);
    assert_eq!(soon(puppet.call(ask(2))).await, Ok(2));
    assert_eq!(events.so_far(), []);
}

async fn a_blocking_call_ends_with_its_callee(world: World) {
    let (puppet, _events) = world.puppet().await;
    let caller = puppet.clone();
    let (begun, begins) = oneshot::channel();
    let call = on_a_thread(move || {
        let call = caller.call(Msg::Keep);
        let _ = begun.send(());
        call.blocking()
    });
    soon(begins).await.expect("no panic on the thread");
    puppet.exit(Exit::custom("gone"));
    assert_eq!(outcome(call).await, Err(CallError::Exited(Exit::custom("gone"))));
}

async fn a_blocking_call_inside_an_async_handler_is_refused(world: World) {
    let ((a, mut events), (b, _b_events)) = (world.puppet().await, world.puppet().await);
    told(
        a.tell(act(move |me, _| {
            assert_eq!(b.call(ask(1)).blocking(), Err(CallError::WouldBlock));
            me.log.add(Event::Note(1));
            Ok(())
        }))
        .await,
    );
    assert_eq!(events.next().await, Event::Note(1));
}

async fn a_blocking_call_inside_a_thread_actor_is_answered(world: World) {
    struct OnThread(Ref<Puppet>);
    impl Actor for OnThread {
        type Msg = Reply<Result<u32, CallError>>;
        type Ref = Ref<Self>;
        const THREAD: bool = true;

        async fn handle(&mut self, _: &mut Context<Self>, reply: Self::Msg) -> Result<(), Exit> {
            reply.send(self.0.call(ask(6)).blocking());
            Ok(())
        }
    }
    let (puppet, _events) = world.puppet().await;
    let actor = world.spawn(OnThread(puppet)).await.expect("it starts");
    assert_eq!(soon(actor.call(|reply| reply)).await, Ok(Ok(6)));
}
