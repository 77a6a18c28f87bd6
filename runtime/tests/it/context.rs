//! Goal: what a handler can set going: timers, what comes next, piped futures, attached streams; all in their place in
//! the queue, and none of it outlives its incarnation.
//! Method: paused time, advanced by the tests; futures and streams whose ends the tests hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use proscenium_runtime::{Context, Exit, Mailbox, Overflow, Ref, Reply, TimerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::advance;

use crate::both_weights::{World, look, soon};
use crate::marionette::{
    Event, Events, Handled, Msg, Puppet, act, ask, crash, hold, log, note, notes, parcel, run, tell_notes, told,
};

both_weights!((start_paused = true)
    a_timer_fires_at_its_time_and_once,
    timers_fire_in_the_order_of_their_times,
    timers_of_one_time_fire_in_the_order_of_arming,
    a_timer_of_no_time_comes_after_what_is_queued,
    a_timer_has_its_place_in_the_queue,
    a_timer_needs_no_room_in_the_mailbox,
    a_timer_fires_in_an_actor_that_never_sleeps,
    a_cancelled_timer_never_fires,
    a_timer_is_cancelled_after_it_fired_while_its_message_waits,
    an_actor_goes_on_when_its_only_timer_is_cancelled_after_its_time,
    a_timer_that_was_handled_cannot_be_cancelled,
    an_interval_keeps_its_beat,
    an_interval_skips_what_it_missed,
    an_interval_of_no_time_is_held_to_a_millisecond,
    an_interval_is_cancelled_also_by_its_own_tick,
    timers_end_with_their_actor,
    a_timer_may_arm_the_next,
    now_follows_the_paused_clock,
    a_stream_is_held_back_by_a_full_mailbox,
);
both_weights!(()
    what_continues_goes_before_the_mailbox,
    what_continues_may_continue,
    a_second_continue_hands_the_first_one_back,
    what_continues_goes_before_a_graceful_stop_ends,
    the_result_of_a_piped_future_is_a_message,
    a_piped_future_leaves_the_actor_free,
    a_piped_result_needs_no_room_in_the_mailbox,
    a_panic_in_a_piped_future_ends_the_actor,
    a_panic_in_a_piped_future_ends_a_handler_at_its_await,
    a_piped_future_ends_with_its_actor,
    an_attached_stream_comes_in_its_order,
    an_attached_stream_ends_quietly,
    an_attached_stream_gets_through_a_mailbox_that_drops,
    a_panic_in_an_attached_stream_ends_the_actor,
    an_attached_stream_is_dropped_when_its_actor_stops,
    a_tell_in_a_piped_future_is_no_tell_to_oneself,
    a_context_knows_its_actor,
);

const MS: Duration = Duration::from_millis(1);

/// Has the puppet do this, and waits until it has.
async fn does(
    puppet: &Ref<Puppet>,
    script: impl for<'a> FnOnce(&'a mut Puppet, &'a mut Context<Puppet>) + Send + 'static,
) {
    let done = puppet.call(|reply: Reply<()>| {
        act(move |me, cx| {
            script(me, cx);
            reply.send(());
            Ok(())
        })
    });
    assert_eq!(soon(done).await, Ok(()));
}

/// What happened, when all that was due by now has been handled.
async fn settled(puppet: &Ref<Puppet>, events: &mut Events) -> Vec<Event> {
    for _ in 0..3 {
        tokio::task::yield_now().await; // The timer wheel wakes the companion; it puts what is due into the queue.
    }
    assert_eq!(puppet.call(ask(1)).await, Ok(1));
    events.so_far()
}

// ---- timers ----

/// Catches a timer that is early by a millisecond, and one that is armed again.
async fn a_timer_fires_at_its_time_and_once(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| {
        cx.send_after(1_000 * MS, note(1));
    })
    .await;
    advance(999 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, []);
    advance(2 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, notes([1]));
    advance(5_000 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, []);
}

async fn timers_fire_in_the_order_of_their_times(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| {
        for n in [5, 3, 1, 4, 2] {
            cx.send_after(100 * MS * n, note(n));
        }
    })
    .await;
    assert_eq!(events.take(5).await, notes(1..=5));
    does(&puppet, |_, cx| {
        [3, 1, 2].iter().for_each(|n| {
            cx.send_after(10 * MS * *n, note(*n));
        });
    })
    .await;
    advance(100 * MS).await;
    assert_eq!(events.take(3).await, notes(1..=3), "also when all are late");
}

async fn timers_of_one_time_fire_in_the_order_of_arming(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| {
        (0..20).for_each(|n| {
            cx.send_after(7 * MS, note(n));
        });
    })
    .await;
    assert_eq!(events.take(20).await, notes(0..20));
}

async fn a_timer_of_no_time_comes_after_what_is_queued(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    told(
        puppet
            .tell(act(|_, cx| {
                cx.send_after(Duration::ZERO, note(3));
                Ok(())
            }))
            .now(),
    );
    tell_notes(&puppet, 1..=2);
    drop(release);
    assert_eq!(events.take(3).await, notes(1..=3));
}

/// What was told before it fired is handled before it, what is told later after it.
async fn a_timer_has_its_place_in_the_queue(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| {
        cx.send_after(100 * MS, note(2));
    })
    .await;
    tell_notes(&puppet, [1]);
    advance(150 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, notes([1, 2]));
    tell_notes(&puppet, [3]);
    assert_eq!(settled(&puppet, &mut events).await, notes([3]));
}

async fn a_timer_needs_no_room_in_the_mailbox(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(2)).await;
    does(&puppet, |_, cx| {
        (10..20).for_each(|n| {
            cx.send_after(MS, note(n));
        });
    })
    .await;
    advance(10 * MS).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, 1..=2);
    drop(release);
    let mut all = events.take(12).await;
    all.sort_by_key(|event| matches!(event, Event::Note(n) if *n >= 10));
    assert_eq!(all, [notes(1..=2), notes(10..20)].concat());
}

/// A companion that looks at its timers only when it sleeps would never see this one.
async fn a_timer_fires_in_an_actor_that_never_sleeps(world: World) {
    fn again<'a>(_: &'a mut Puppet, cx: &'a mut Context<Puppet>) -> Handled<'a> {
        Box::pin(async move {
            told(cx.me().tell(run(again)).await);
            advance(MS).await;
            Ok(())
        })
    }
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| {
        cx.send_after(100 * MS, note(1));
    })
    .await;
    told(puppet.tell(run(again)).await);
    assert_eq!(events.next().await, Event::Note(1));
}

async fn a_cancelled_timer_never_fires(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |me, cx| {
        let timer = cx.send_after(100 * MS, note(1));
        cx.send_after(100 * MS, note(2));
        me.log.add(Event::Note(u32::from(cx.cancel(timer))));
        me.log.add(Event::Note(u32::from(cx.cancel(timer))));
    })
    .await;
    assert_eq!(events.so_far(), notes([1, 0]), "once");
    advance(200 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, notes([2]));
}

/// Catches a cancel that cannot reach what lies in the queue: a time-out would come after it was called off.
async fn a_timer_is_cancelled_after_it_fired_while_its_message_waits(world: World) {
    let (puppet, mut events) = world.puppet().await;
    // While this handler runs, the times of all its timers pass; the first to have its turn cancels another.
    let (begin, begun) = oneshot::channel::<()>();
    told(
        puppet
            .tell(run(|me, cx| {
                Box::pin(async move {
                    let first = cx.send_after(10 * MS, note(1));
                    let second = cx.send_after(
                        10 * MS,
                        act(move |me: &mut Puppet, cx| {
                            me.log.add(Event::Note(u32::from(cx.cancel(first))));
                            Ok(())
                        }),
                    );
                    let third = cx.send_after(10 * MS, note(3));
                    cx.cancel(second);
                    cx.send_after(
                        9 * MS,
                        act(move |me: &mut Puppet, cx| {
                            me.log.add(Event::Note(10 + u32::from(cx.cancel(third))));
                            Ok(())
                        }),
                    );
                    let _ = begin.send(());
                    advance(50 * MS).await;
                    me.log.add(Event::Note(0));
                    Ok(())
                })
            }))
            .await,
    );
    soon(begun).await.expect("it gets there");
    assert_eq!(settled(&puppet, &mut events).await, notes([0, 11, 1]), "all three were in the queue");
}

/// A timer of 10 ms.
async fn armed(puppet: &Ref<Puppet>) -> TimerId {
    let (give, timer) = oneshot::channel::<TimerId>();
    does(puppet, |_, cx| {
        let _ = give.send(cx.send_after(10 * MS, note(1)));
    })
    .await;
    timer.await.expect("it was armed")
}

/// Catches an actor that looks at its clock for ever: the time of a timer is past, and there is no timer any more.
async fn an_actor_goes_on_when_its_only_timer_is_cancelled_after_its_time(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let timer = armed(&puppet).await;
    let (begin, begun) = oneshot::channel::<()>();
    told(
        puppet
            .tell(run(move |me, cx| {
                Box::pin(async move {
                    let _ = begin.send(());
                    advance(50 * MS).await;
                    me.log.add(Event::Note(10 + u32::from(cx.cancel(timer))));
                    Ok(())
                })
            }))
            .await,
    );
    soon(begun).await.expect("it gets there");
    told(puppet.tell(note(2)).await);
    assert_eq!(soon(events.next()).await, Event::Note(11));
    assert_eq!(soon(events.next()).await, Event::Note(2));
}

async fn a_timer_that_was_handled_cannot_be_cancelled(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let timer = armed(&puppet).await;
    assert_eq!(events.next().await, Event::Note(1));
    does(&puppet, move |_, cx| assert!(!cx.cancel(timer))).await;
}

async fn an_interval_keeps_its_beat(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let mut n = 0;
    does(&puppet, move |_, cx| {
        cx.interval(100 * MS, move || {
            n += 1;
            note(n)
        });
    })
    .await;
    advance(99 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, []);
    let mut passed = 99;
    for tick in 1..=20 {
        let late = if tick % 3 == 0 { 7 } else { 1 }; // A late look moves no later tick.
        advance((100 * tick + late - passed) * MS).await;
        passed = 100 * tick + late;
        assert_eq!(settled(&puppet, &mut events).await, notes([tick]), "at {passed} ms");
    }
}

/// Catches a slow actor that is flooded with the ticks that it missed.
async fn an_interval_skips_what_it_missed(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let mut n = 0;
    does(&puppet, move |_, cx| {
        cx.interval(100 * MS, move || {
            n += 1;
            note(n)
        });
    })
    .await;
    let release = hold(&puppet).await;
    advance(1_050 * MS).await;
    drop(release);
    assert_eq!(settled(&puppet, &mut events).await, notes([1]), "one for ten");
    advance(40 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, [], "at 1,090 ms");
    advance(15 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, notes([2]), "at 1,105 ms: the beat is the old one");
}

async fn an_interval_of_no_time_is_held_to_a_millisecond(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| {
        cx.interval(Duration::ZERO, || note(1));
    })
    .await;
    for _ in 0..5 {
        advance(MS).await;
        assert_eq!(puppet.call(ask(1)).await, Ok(1), "others have their turn");
    }
    let ticks = settled(&puppet, &mut events).await.len();
    assert!((1..=6).contains(&ticks), "{ticks}");
}

async fn an_interval_is_cancelled_also_by_its_own_tick(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let (give, timer) = mpsc::unbounded_channel::<TimerId>();
    let mut timer = Some(timer);
    does(&puppet, move |_, cx| {
        let id = cx.interval(10 * MS, move || {
            let mut timer = timer.take();
            act(move |me: &mut Puppet, cx| {
                let id = timer.as_mut().and_then(|timer| timer.try_recv().ok());
                me.log.add(Event::Note(u32::from(id.is_some_and(|id| cx.cancel(id)))));
                Ok(())
            })
        });
        give.send(id).expect("the first tick takes it");
    })
    .await;
    advance(100 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, notes([1]));
    advance(100 * MS).await;
    assert_eq!(settled(&puppet, &mut events).await, []);
}

async fn timers_end_with_their_actor(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let (lost, mut undelivered) = log();
    does(&puppet, move |_, cx| {
        cx.send_after(100 * MS, parcel(1, &lost));
    })
    .await;
    puppet.exit(Exit::Shutdown);
    soon(puppet.gone()).await;
    advance(1_000 * MS).await;
    assert_eq!(events.so_far(), [Event::Terminated(Exit::Shutdown), Event::Dropped]);
    assert_eq!(undelivered.so_far(), [], "a timer's message was never sent");
}

async fn a_timer_may_arm_the_next(world: World) {
    fn chain<'a>(me: &'a mut Puppet, cx: &'a mut Context<Puppet>) -> Result<(), Exit> {
        me.log.add(Event::Note(cx.now().as_millis() as u32));
        cx.send_after(100 * MS, act(chain));
        Ok(())
    }
    let (puppet, mut events) = world.puppet().await;
    let start = world.node.now().as_millis() as u32;
    told(puppet.tell(act(chain)).await);
    let times = events.take(5).await;
    for (step, event) in times.iter().enumerate() {
        let Event::Note(at) = event else { panic!("{event:?}") };
        let due = start + 100 * step as u32;
        assert!((due..=due + 10).contains(at), "step {step} at {at} ms, due at {due}");
    }
}

async fn now_follows_the_paused_clock(world: World) {
    let (puppet, _events) = world.puppet().await;
    let now = || {
        puppet.call(|reply: Reply<Duration>| {
            act(move |_, cx| {
                reply.send(cx.now().since_start());
                Ok(())
            })
        })
    };
    let before = now().await.expect("it runs");
    advance(Duration::from_secs(9)).await;
    let after = now().await.expect("it runs");
    assert!((Duration::from_secs(9)..Duration::from_secs(10)).contains(&(after - before)));
}

// ---- what continues ----

/// Catches `continue_with` as a tell to oneself.
async fn what_continues_goes_before_the_mailbox(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    told(
        puppet
            .tell(act(|_, cx| {
                cx.continue_with(note(2));
                Ok(())
            }))
            .now(),
    );
    tell_notes(&puppet, 3..=4);
    drop(release);
    assert_eq!(events.take(3).await, notes(2..=4));
}

async fn what_continues_may_continue(world: World) {
    fn step(n: u32) -> Msg {
        act(move |me: &mut Puppet, cx: &mut Context<Puppet>| {
            me.log.add(Event::Note(n));
            if n < 10 {
                cx.continue_with(step(n + 1));
            }
            Ok(())
        })
    }
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    told(puppet.tell(step(1)).now());
    tell_notes(&puppet, [11]);
    drop(release);
    assert_eq!(events.take(11).await, notes(1..=11));
}

async fn a_second_continue_hands_the_first_one_back(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| {
        assert!(cx.continue_with(note(1)).is_none());
        assert!(matches!(cx.continue_with(note(2)), Some(Msg::Note(1, _))));
    })
    .await;
    assert_eq!(events.next().await, Event::Note(2));
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    assert_eq!(events.so_far(), []);
}

async fn what_continues_goes_before_a_graceful_stop_ends(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let release = hold(&puppet).await;
    told(
        puppet
            .tell(act(|_, cx| {
                cx.continue_with(note(1));
                Ok(())
            }))
            .now(),
    );
    let mut stop = puppet.stop().into_future();
    assert!(look(&mut stop).is_pending());
    drop(release);
    soon(stop).await.expect("it stops");
    assert_eq!(events.so_far(), [Event::Note(1), Event::Terminated(Exit::Normal), Event::Dropped]);
}

// ---- futures and streams ----

async fn the_result_of_a_piped_future_is_a_message(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| cx.pipe(async { "four" }, |text| note(text.len() as u32))).await;
    assert_eq!(events.next().await, Event::Note(4));
}

async fn a_piped_future_leaves_the_actor_free(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let (send, value) = oneshot::channel();
    does(&puppet, |_, cx| cx.pipe(async move { value.await.expect("it is sent") }, note)).await;
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
    tell_notes(&puppet, [1]);
    assert_eq!(events.next().await, Event::Note(1));
    send.send(2).expect("it waits");
    assert_eq!(events.next().await, Event::Note(2));
}

async fn a_piped_result_needs_no_room_in_the_mailbox(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let (send, value) = oneshot::channel();
    does(&puppet, |_, cx| cx.pipe(async move { value.await.expect("it is sent") }, note)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    send.send(2).expect("it waits");
    let arrived = async {
        while puppet.sys().status().queued < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    drop(release);
    assert_eq!(events.take(2).await, notes(1..=2));
}

async fn a_panic_in_a_piped_future_ends_the_actor(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| cx.pipe(async { panic!("in the future") }, |()| note(1))).await;
    assert_eq!(soon(puppet.gone()).await, Exit::panic("in the future"));
    assert_eq!(events.so_far(), [Event::Terminated(Exit::panic("in the future")), Event::Dropped]);

    let (puppet, _events) = world.puppet().await;
    does(&puppet, |_, cx| cx.pipe(async {}, |()| panic!("in the wrapping"))).await;
    assert_eq!(soon(puppet.gone()).await, Exit::panic("in the wrapping"));
}

async fn a_panic_in_a_piped_future_ends_a_handler_at_its_await(world: World) {
    let (puppet, _events) = world.puppet().await;
    let (send, value) = oneshot::channel::<()>();
    does(&puppet, |_, cx| {
        cx.pipe(
            async move {
                let _ = value.await;
                panic!("meanwhile")
            },
            |()| note(1),
        );
    })
    .await;
    let mut release = hold(&puppet).await;
    drop(send);
    assert_eq!(soon(puppet.gone()).await, Exit::panic("meanwhile"));
    soon(release.closed()).await;
}

async fn a_piped_future_ends_with_its_actor(world: World) {
    for end in [
        (|puppet| told(puppet.tell(crash("end")).now())) as fn(&Ref<Puppet>),
        |puppet| puppet.kill(),
        |puppet| puppet.stop().now(),
    ] {
        let (puppet, _events) = world.puppet().await;
        let (held, dropped) = oneshot::channel::<()>();
        does(&puppet, |_, cx| {
            cx.pipe(
                async move {
                    let _held = held;
                    std::future::pending().await
                },
                note,
            );
        })
        .await;
        end(&puppet);
        soon(puppet.gone()).await;
        assert!(soon(dropped).await.is_err());
    }
}

async fn an_attached_stream_comes_in_its_order(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(3)).await;
    does(&puppet, |_, cx| cx.attach(futures_util::stream::iter(0..1_000), note)).await;
    assert_eq!(events.take(1_000).await, notes(0..1_000));
}

/// Where tells drop the oldest, a stream waits. Caught: room that comes back and is granted to nobody.
async fn an_attached_stream_gets_through_a_mailbox_that_drops(world: World) {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Fail] {
        let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1).overflow(overflow)).await;
        does(&puppet, |_, cx| cx.attach(futures_util::stream::iter(0..20), note)).await;
        assert_eq!(events.take(20).await, notes(0..20), "{overflow:?}");
    }
}

async fn an_attached_stream_ends_quietly(world: World) {
    let (puppet, mut events) = world.puppet().await;
    does(&puppet, |_, cx| cx.attach(futures_util::stream::empty::<u32>(), note)).await;
    does(&puppet, |_, cx| cx.attach(futures_util::stream::iter(1..=2), note)).await;
    assert_eq!(events.take(2).await, notes(1..=2));
    assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
}

async fn a_panic_in_an_attached_stream_ends_the_actor(world: World) {
    let (puppet, _events) = world.puppet().await;
    does(&puppet, |_, cx| {
        let stream = futures_util::stream::poll_fn(|_| -> Poll<Option<u32>> { panic!("in the stream") });
        cx.attach(stream, note);
    })
    .await;
    assert_eq!(soon(puppet.gone()).await, Exit::panic("in the stream"));
}

async fn an_attached_stream_is_dropped_when_its_actor_stops(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let (items, mut source) = mpsc::unbounded_channel::<u32>();
    does(&puppet, |_, cx| cx.attach(futures_util::stream::poll_fn(move |cx| source.poll_recv(cx)), note)).await;
    items.send(1).expect("it is attached");
    assert_eq!(events.next().await, Event::Note(1));
    soon(puppet.stop().into_future()).await.expect("it stops");
    soon(items.closed()).await;
}

/// Catches a stream that pushes past the bound: a fast source would fill the memory.
async fn a_stream_is_held_back_by_a_full_mailbox(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(4)).await;
    let taken = Arc::new(AtomicU32::new(0));
    let count = taken.clone();
    let (release, gate) = oneshot::channel::<()>();
    told(
        puppet
            .tell(run(move |_, cx| {
                let items = futures_util::stream::iter(0..100);
                let counted = futures_util::StreamExt::inspect(items, move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                });
                cx.attach(counted, note);
                Box::pin(async move {
                    let _ = gate.await;
                    Ok(())
                })
            }))
            .await,
    );
    // A paused clock moves when nobody has anything to do: by then the stream waits.
    let _ = tokio::time::timeout(MS, std::future::pending::<()>()).await;
    assert_eq!(puppet.sys().status().queued, 4);
    assert_eq!(taken.load(Ordering::SeqCst), 5, "one more is in hand");
    drop(release);
    assert_eq!(events.take(100).await, notes(0..100));
}

/// A future beside the handlers waits for room like anybody else; it is not the handler.
async fn a_tell_in_a_piped_future_is_no_tell_to_oneself(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    drop(release);
    let (begin, begun) = oneshot::channel::<()>();
    let me = puppet.clone();
    does(&puppet, |_, cx| {
        cx.pipe(
            async move {
                let _ = begun.await;
                let full = me.tell(note(2)).now().is_err();
                told(me.tell(note(2)).await);
                u32::from(full)
            },
            |full| note(10 + full),
        );
    })
    .await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    begin.send(()).expect("it waits");
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(puppet.sys().status().queued, 1);
    drop(release);
    assert_eq!(events.take(3).await, notes([1, 2, 11]));
}

async fn a_context_knows_its_actor(world: World) {
    let (puppet, _events) = world.puppet().await;
    let (this, node) = (puppet.clone(), world.node.name().to_owned());
    does(&puppet, move |_, cx| {
        assert_eq!((cx.me(), cx.id(), cx.incarnation()), (this.clone(), this.id(), 1));
        assert_eq!(cx.node().name(), node);
    })
    .await;
}
