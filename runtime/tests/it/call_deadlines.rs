//! Goal: nobody waits on behalf of a caller who has stopped waiting. A call made in the handler of a call ends with it.
//! Method: the last callee of a chain is held; the clock is paused.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use proscenium_runtime::{Actor, CallError, Context, Exit, Mailbox, Ref, Reply};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::both_weights::{World, look, soon};
use crate::call_limits::{LEEWAY, kept_to, takes};
use crate::marionette::{Event, Msg, Puppet, act, ask, hold, note, run, tell_notes, told};

both_weights!((start_paused = true)
    a_call_in_a_handler_ends_with_the_call_in_hand,
    a_shorter_limit_of_its_own_stays,
    the_deadline_goes_over_several_actors,
    the_deadline_goes_over_several_nodes,
    the_deadline_goes_on_with_a_delegated_call,
    a_call_given_up_early_leaves_its_time_to_those_within,
    a_call_that_was_answered_has_no_say,
    a_kept_reply_has_no_say_in_later_handlers,
    a_kept_reply_has_no_say_in_the_stop_hook,
    a_wait_for_room_ends_with_the_call_in_hand,
    a_call_that_is_late_with_another_is_not_handled,
    a_handler_sees_what_is_left,
);
both_weights!((flavor = "multi_thread", worker_threads = 2)
    a_blocking_call_ends_with_the_call_in_hand,
);

/// Longer than any limit here.
const LONG: Duration = Duration::from_secs(60);

/// Below and above the limit from which on a call has no timer of its own.
const LIMITS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(999), Duration::from_secs(1), Duration::from_secs(2)];

type Outcome = (Result<u32, CallError>, Instant);
type Outcomes = mpsc::UnboundedReceiver<Outcome>;
type Call = Pin<Box<dyn Future<Output = Result<u32, CallError>> + Send>>;

async fn next(outcomes: &mut Outcomes) -> Outcome {
    soon(outcomes.recv()).await.expect("it is told")
}

/// A call to `to`, waited for so long at most.
fn call(to: &Ref<Puppet>, limit: Duration, make: impl FnOnce(Reply<u32>) -> Msg + Send + 'static) -> Call {
    let to = to.clone();
    Box::pin(async move { to.call(make).within(limit).await })
}

/// The handler of a call that makes another one after a while, and tells how it went. Then it answers.
fn then(
    delay: Duration,
    call: Call,
    tell: &mpsc::UnboundedSender<Outcome>,
) -> impl FnOnce(Reply<u32>) -> Msg + Send + use<> {
    let tell = tell.clone();
    move |reply| {
        run(move |_, _| {
            Box::pin(async move {
                takes(delay).await;
                let _ = tell.send((call.await, Instant::now()));
                takes(LEEWAY).await; // An answer at this moment would still be taken by a caller whose time is over.
                reply.send(1);
                Ok(())
            })
        })
    }
}

/// It was the call that was begun at `start` that ended this one, `delay` later.
fn ended_with(outcome: Outcome, limit: Duration, start: Instant, delay: Duration) {
    let (ended, at) = outcome;
    let took = at - start;
    assert!((limit..=limit + LEEWAY).contains(&took), "{took:?} for {limit:?}");
    let Err(CallError::Timeout { waited, .. }) = ended else { panic!("it is held: {ended:?}") };
    let left = limit - delay;
    assert!((left.saturating_sub(LEEWAY)..=left + LEEWAY).contains(&waited), "{waited:?} of {left:?}");
}

/// Caught: the call in hand is not looked at; the error says the limit of the call itself.
async fn a_call_in_a_handler_ends_with_the_call_in_hand(world: World) {
    let ((outer, _outer_events), (held, _held_events)) = (world.puppet().await, world.puppet().await);
    let _release = hold(&held).await;
    for limit in LIMITS {
        for delay in [Duration::ZERO, limit / 2] {
            let (tell, mut outcomes) = mpsc::unbounded_channel();
            let start = Instant::now();
            let ended = call(&outer, limit, then(delay, call(&held, LONG, ask(1)), &tell)).await;
            kept_to(limit, start);
            assert!(matches!(ended, Err(CallError::Timeout { waited, .. }) if waited == limit), "{ended:?}");
            ended_with(next(&mut outcomes).await, limit, start, delay);
            assert_eq!(outer.call(ask(2)).await, Ok(2), "it goes on");
        }
    }
}

/// Caught: the deadline of the call in hand replaces that of the call.
async fn a_shorter_limit_of_its_own_stays(world: World) {
    let ((outer, _outer_events), (held, _held_events)) = (world.puppet().await, world.puppet().await);
    let _release = hold(&held).await;
    for limit in LIMITS {
        let (tell, mut outcomes) = mpsc::unbounded_channel();
        let start = Instant::now();
        let ended = call(&outer, limit * 2, then(Duration::ZERO, call(&held, limit, ask(1)), &tell)).await;
        assert_eq!(ended, Ok(1));
        let (ended, at) = next(&mut outcomes).await;
        assert!(matches!(ended, Err(CallError::Timeout { waited, .. }) if waited == limit), "{ended:?}");
        assert!((limit..=limit + LEEWAY).contains(&(at - start)));
    }
}

/// Caught: the next call outwards is looked at, but not the ones outside of that.
async fn the_deadline_goes_over_several_actors(world: World) {
    for limit in LIMITS {
        let (held, _held_events) = world.puppet().await;
        let _release = hold(&held).await;
        let (tell, mut outcomes) = mpsc::unbounded_channel();
        let mut chain = call(&held, LONG, ask(1));
        let mut puppets = Vec::new();
        for _ in 0..5 {
            let (puppet, events) = world.puppet().await;
            chain = call(&puppet, LONG, then(Duration::ZERO, chain, &tell));
            puppets.push((puppet, events));
        }
        let (first, _events) = world.puppet().await;
        let start = Instant::now();
        let ended = call(&first, limit, then(Duration::ZERO, chain, &tell)).await;
        assert!(matches!(ended, Err(CallError::Timeout { .. })));
        for _ in 0..6 {
            ended_with(next(&mut outcomes).await, limit, start, Duration::ZERO);
        }
    }
}

/// Caught: the stamps of two nodes are compared, although each counts time from its own start; a call outside that is late
/// is not taken for over.
async fn the_deadline_goes_over_several_nodes(world: World) {
    takes(Duration::from_secs(3)).await;
    let other = World::ordinary().await;
    for (near, far) in [(&world, &other), (&other, &world)] {
        let ((outer, _outer_events), (held, _held_events)) = (near.puppet().await, far.puppet().await);
        let _release = hold(&held).await;
        for limit in LIMITS {
            let (tell, mut outcomes) = mpsc::unbounded_channel();
            let start = Instant::now();
            let ended = call(&outer, limit, then(Duration::ZERO, call(&held, LONG, ask(1)), &tell)).await;
            assert!(matches!(ended, Err(CallError::Timeout { .. })));
            ended_with(next(&mut outcomes).await, limit, start, Duration::ZERO);
            assert_eq!(outer.call(ask(2)).await, Ok(2), "it goes on");
        }
    }
}

/// Caught: `delegate` gives the message no tag, so that the delegate has no call in hand.
async fn the_deadline_goes_on_with_a_delegated_call(world: World) {
    for limit in LIMITS {
        let ((one, _one_events), (two, _two_events)) = (world.puppet().await, world.puppet().await);
        let (held, _held_events) = world.puppet().await;
        let _release = hold(&held).await;
        let (tell, mut outcomes) = mpsc::unbounded_channel();
        let inner = then(limit / 4, call(&held, LONG, ask(1)), &tell);
        let pass_on = move |reply: Reply<u32>| {
            run(move |_, _| {
                Box::pin(async move {
                    told(two.delegate(reply, inner).await);
                    Ok(())
                })
            })
        };
        let start = Instant::now();
        assert!(matches!(call(&one, limit, pass_on).await, Err(CallError::Timeout { .. })));
        ended_with(next(&mut outcomes).await, limit, start, limit / 4);
    }
}

/// Caught: a caller that is gone takes the calls on its behalf with it, or their deadline.
async fn a_call_given_up_early_leaves_its_time_to_those_within(world: World) {
    let ((outer, _outer_events), (held, _held_events)) = (world.puppet().await, world.puppet().await);
    let _release = hold(&held).await;
    for limit in [999, 1_000, 5_000].map(Duration::from_millis) {
        let (tell, mut outcomes) = mpsc::unbounded_channel();
        let start = Instant::now();
        let call = call(&outer, limit, then(Duration::ZERO, call(&held, LONG, ask(1)), &tell));
        assert!(tokio::time::timeout(limit / 2, call).await.is_err());
        ended_with(next(&mut outcomes).await, limit, start, Duration::ZERO);
    }
}

/// Also when the slot of that call carries others since.
///
/// Caught: the generation of that call's slot is not looked at; its state is not.
async fn a_call_that_was_answered_has_no_say(world: World) {
    let ((outer, _outer_events), (held, _held_events)) = (world.puppet().await, world.puppet().await);
    let _release = hold(&held).await;
    for collects in [true, false] {
        let (tell, mut outcomes) = mpsc::unbounded_channel();
        let inner = call(&held, 3 * LIMITS[2], ask(1));
        let answers_first = move |reply: Reply<u32>| {
            run(move |_, _| {
                Box::pin(async move {
                    takes(LIMITS[0]).await; // The sweeper has seen it.
                    reply.send(7);
                    let _ = tell.send((inner.await, Instant::now()));
                    Ok(())
                })
            })
        };
        let start = Instant::now() + LIMITS[0];
        let mut first = call(&outer, LIMITS[2], answers_first);
        assert!(look(&mut first).is_pending());
        if collects {
            assert_eq!(first.as_mut().await, Ok(7));
            let ended = call(&held, LIMITS[0], ask(1)).await;
            assert!(matches!(ended, Err(CallError::Timeout { .. })));
        }
        ended_with(next(&mut outcomes).await, 3 * LIMITS[2], start, Duration::ZERO);
        drop(first);
    }
}

/// Caught: what is in hand is not forgotten when the handler is through.
async fn a_kept_reply_has_no_say_in_later_handlers(world: World) {
    let ((puppet, _events), (held, _held_events)) = (world.puppet().await, world.puppet().await);
    let _release = hold(&held).await;
    let (tell, mut outcomes) = mpsc::unbounded_channel();
    let mut kept = puppet.call(Msg::Keep).within(LIMITS[2]);
    assert!(look(&mut kept).is_pending());
    let inner = call(&held, LIMITS[3], ask(1));
    let start = Instant::now();
    let later = run(move |_, cx: &mut Context<Puppet>| {
        assert_eq!(cx.remaining(), None);
        Box::pin(async move {
            let _ = tell.send((inner.await, Instant::now()));
            Ok(())
        })
    });
    told(puppet.tell(later).await);
    ended_with(next(&mut outcomes).await, LIMITS[3], start, Duration::ZERO);
    assert!(matches!(kept.await, Err(CallError::Timeout { .. })));
}

/// Caught: what is in hand is not forgotten when the handler has ended the actor.
async fn a_kept_reply_has_no_say_in_the_stop_hook(world: World) {
    let (held, _held_events) = world.puppet().await;
    let _release = hold(&held).await;
    let (tell, mut outcomes) = mpsc::unbounded_channel();
    let inner = call(&held, LIMITS[3], ask(1));
    let (log, _events) = crate::marionette::log();
    let puppet = Puppet::new(&log).with_stop(move |_, _| {
        Box::pin(async move {
            let _ = tell.send((inner.await, Instant::now()));
            Ok(())
        })
    });
    let puppet: Ref<Puppet> = world.spawn(puppet).await.expect("it starts");
    let start = Instant::now();
    let keeps = |reply| {
        act(move |me: &mut Puppet, _| {
            me.kept.push(reply);
            Err(Exit::Shutdown)
        })
    };
    assert!(matches!(call(&puppet, LIMITS[2], keeps).await, Err(CallError::Timeout { .. })));
    ended_with(next(&mut outcomes).await, LIMITS[3], start, Duration::ZERO);
}

/// Caught: only the wait for the answer has the deadline.
async fn a_wait_for_room_ends_with_the_call_in_hand(world: World) {
    let (outer, _outer_events) = world.puppet().await;
    let (held, _held_events) = world.puppet_with(Mailbox::bounded(1)).await;
    let _release = hold(&held).await;
    tell_notes(&held, [1]);
    for limit in LIMITS {
        for delay in [Duration::ZERO, limit / 2] {
            let (tell, mut outcomes) = mpsc::unbounded_channel();
            let start = Instant::now();
            let ended = call(&outer, limit, then(delay, call(&held, LONG, ask(1)), &tell)).await;
            assert!(matches!(ended, Err(CallError::Timeout { .. })));
            ended_with(next(&mut outcomes).await, limit, start, delay);
            assert_eq!(outer.call(ask(2)).await, Ok(2), "it goes on");
        }
    }
}

/// Caught: the wait ends, but the slot is not late.
async fn a_call_that_is_late_with_another_is_not_handled(world: World) {
    let ((outer, _outer_events), (held, mut events)) = (world.puppet().await, world.puppet().await);
    let release = hold(&held).await;
    let (tell, mut outcomes) = mpsc::unbounded_channel();
    let handled = |reply: Reply<u32>| {
        act(move |me: &mut Puppet, _| {
            me.log.add(Event::Note(1));
            reply.send(1);
            Ok(())
        })
    };
    let ended = call(&outer, LIMITS[0], then(Duration::ZERO, call(&held, LONG, handled), &tell)).await;
    assert!(matches!(ended, Err(CallError::Timeout { .. })));
    let (ended, _) = next(&mut outcomes).await;
    assert!(matches!(ended, Err(CallError::Timeout { .. })));
    drop(release);
    told(held.tell(note(2)).await);
    assert_eq!(events.next().await, Event::Note(2), "it was skipped");
}

/// Caught: the limit instead of what is left.
async fn a_handler_sees_what_is_left(world: World) {
    let (puppet, mut events) = world.puppet().await;
    for limit in LIMITS {
        let handler = move |reply: Reply<u32>| {
            run(move |me: &mut Puppet, cx: &mut Context<Puppet>| {
                Box::pin(async move {
                    let end = Instant::now() + limit;
                    while Instant::now() < end {
                        let (left, truly) = (cx.remaining().expect("a call is in hand"), end - Instant::now());
                        assert!((truly..=truly + LEEWAY).contains(&left), "{left:?} of {truly:?}");
                        takes(limit / 7).await;
                    }
                    takes(end + LEEWAY - Instant::now()).await;
                    assert_eq!(cx.remaining(), Some(Duration::ZERO));
                    reply.send(1);
                    assert_eq!(cx.remaining(), None, "it is answered");
                    me.log.add(Event::Note(1));
                    Ok(())
                })
            })
        };
        assert!(matches!(call(&puppet, limit, handler).await, Err(CallError::Timeout { .. })));
        assert_eq!(events.next().await, Event::Note(1));
        let told_only = act(|me: &mut Puppet, cx| {
            assert_eq!(cx.remaining(), None, "nobody waits");
            me.log.add(Event::Note(2));
            Ok(())
        });
        told(puppet.tell(told_only).await);
        assert_eq!(events.next().await, Event::Note(2));
    }
}

/// Caught: a thread that waits keeps the limit of its own alone.
async fn a_blocking_call_ends_with_the_call_in_hand(world: World) {
    struct OnThread(Ref<Puppet>, mpsc::UnboundedSender<Result<u32, CallError>>);
    impl Actor for OnThread {
        type Msg = Reply<u32>;
        type Ref = Ref<Self>;
        const THREAD: bool = true;

        async fn handle(&mut self, _: &mut Context<Self>, reply: Self::Msg) -> Result<(), Exit> {
            let _ = self.1.send(self.0.call(ask(6)).within(LONG).blocking());
            reply.send(1);
            Ok(())
        }
    }
    let (held, _events) = world.puppet().await;
    let _release = hold(&held).await;
    let (tell, mut outcomes) = mpsc::unbounded_channel();
    let actor = world.spawn(OnThread(held, tell)).await.expect("it starts");
    let ended = actor.call(|reply| reply).within(Duration::from_millis(30)).await;
    assert!(matches!(ended, Err(CallError::Timeout { .. })));
    let ended = soon(outcomes.recv()).await.expect("it is told");
    assert!(matches!(ended, Err(CallError::Timeout { waited, .. }) if waited < LONG / 10), "{ended:?}");
}
