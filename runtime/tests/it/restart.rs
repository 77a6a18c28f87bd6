//! Goal: what a restart keeps and what ends with the incarnation; who hears of it; orders that came too late.
//! Method: a cell whose owner is the test; puppets tell a log what happens in each incarnation.

use std::time::Duration;

use proscenium_runtime::{CallError, Context, Exit, Mailbox, Overflow, Reply, TellError};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::{World, look, soon, watch};
use crate::kept::Kept;
use crate::marionette::{Event, Msg, Plain, Puppet, act, ask, crash, hold, log, note, notes, tell_notes, told};

both_weights!(()
    a_restart_keeps_the_queue_in_its_order,
    a_restart_keeps_the_queue_that_was_there_before_the_first_start,
    a_restart_keeps_queued_calls,
    a_restart_keeps_who_waits_for_room,
    a_restart_keeps_refs_strong_and_weak,
    a_restart_keeps_the_name,
    a_restart_keeps_the_groups,
    a_restart_keeps_the_statistics_of_the_mailbox,
    a_restart_ends_the_state,
    a_restart_ends_own_monitors_and_their_undelivered_messages,
    a_restart_ends_own_links,
    a_restart_ends_trapping_and_the_undelivered_exits,
    a_restart_ends_attached_futures_and_streams,
    a_restart_drops_the_results_that_wait,
    a_restart_ends_a_suspension,
    a_restart_ends_what_was_to_continue,
    who_monitors_an_incarnation_is_told_once,
    down_says_whether_a_restart_follows,
    shutdown_leaves_the_queue_for_the_next_incarnation,
    a_stop_request_of_the_old_incarnation_does_not_end_the_new_one,
    an_exit_signal_to_the_old_incarnation_does_not_end_the_new_one,
    a_graceful_stop_of_one_incarnation_does_not_close_the_next,
    who_waited_for_room_in_a_graceful_stop_is_not_forgotten_by_the_next_incarnation,
    incarnations_are_numbered,
);
both_weights!((start_paused = true)
    a_restart_ends_timers,
    a_restart_drops_timers_that_fired_and_wait,
    a_queued_call_past_its_deadline_is_skipped_by_the_next_incarnation,
);

// ---- kept ----

/// Catches a batch that dies with its consumer, and one that goes behind what came later.
async fn a_restart_keeps_the_queue_in_its_order(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let _release = hold(&kept.puppet).await;
    tell_notes(&kept.puppet, 1..=3);
    told(kept.puppet.tell(crash("half way")).now());
    tell_notes(&kept.puppet, 4..=6);
    kept.kill().await;
    tell_notes(&kept.puppet, 7..=8);
    kept.start().await;
    assert_eq!(kept.ends.next().await, (2, Exit::panic("half way")));
    let ended = [Event::Terminated(Exit::panic("half way")), Event::Dropped];
    assert_eq!(kept.events.so_far(), [notes(1..=3), ended.into()].concat());
    tell_notes(&kept.puppet, [9]);
    kept.start().await;
    assert_eq!(kept.settled().await, notes(4..=9));
}

async fn a_restart_keeps_the_queue_that_was_there_before_the_first_start(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    tell_notes(&kept.puppet, 1..=3);
    kept.start().await;
    assert_eq!(kept.settled().await, notes(1..=3));
}

async fn a_restart_keeps_queued_calls(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let puppet = kept.puppet.clone();
    let _release = hold(&puppet).await;
    let mut queued = puppet.call(ask(4));
    assert!(look(&mut queued).is_pending());
    kept.kill().await;
    let mut between = puppet.call(ask(5));
    assert!(look(&mut between).is_pending());
    assert!(look(&mut queued).is_pending());
    kept.start().await;
    assert_eq!(soon(queued).await, Ok(4));
    assert_eq!(soon(between).await, Ok(5));
}

async fn a_restart_keeps_who_waits_for_room(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::bounded(1)).await;
    kept.start().await;
    let puppet = kept.puppet.clone();
    let _release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let mut waiting = puppet.tell(note(2));
    assert!(look(&mut waiting).is_pending());
    kept.kill().await;
    assert!(look(&mut waiting).is_pending(), "the bound holds between two incarnations");
    kept.start().await;
    told(soon(waiting).await);
    assert_eq!(kept.events.take(2).await, notes(1..=2));
}

async fn a_restart_keeps_refs_strong_and_weak(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let (strong, weak, untyped) = (kept.puppet.clone(), kept.puppet.downgrade(), kept.puppet.untyped());
    kept.restart().await;
    assert_eq!(soon(strong.call(ask(1))).await, Ok(1));
    let upgraded = weak.upgrade().expect("the cell lives");
    assert_eq!(soon(upgraded.call(ask(2))).await, Ok(2));
    let typed = untyped.downcast::<Puppet>().expect("it is a puppet");
    assert_eq!(soon(typed.call(ask(3))).await, Ok(3));
    assert_eq!(upgraded, strong);
    assert_eq!(strong.id(), kept.cell.reference().id());
}

async fn a_restart_keeps_the_name(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    kept.cell.name("kept").expect("it is free");
    kept.start().await;
    kept.kill().await;
    let between = world.node.whereis::<Puppet>("kept").expect("the name stays");
    kept.start().await;
    assert_eq!(soon(between.call(ask(1))).await, Ok(1));
    assert!(world.node.register("kept", &world.puppet().await.0).is_err(), "it is taken");
    kept.cell.close(&Exit::Shutdown);
    assert!(world.node.whereis::<Puppet>("kept").is_err(), "it is free");
}

async fn a_restart_keeps_the_groups(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let group = world.node.group::<Puppet>("group");
    assert!(group.join(&kept.puppet));
    kept.kill().await;
    assert_eq!(group.members(), std::slice::from_ref(&kept.puppet));
    kept.start().await;
    assert_eq!(group.members(), std::slice::from_ref(&kept.puppet));
    kept.cell.close(&Exit::Shutdown);
    assert_eq!(group.members(), []);
}

async fn a_restart_keeps_the_statistics_of_the_mailbox(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::bounded(2).overflow(Overflow::DropNewest)).await;
    kept.start().await;
    let release = hold(&kept.puppet).await;
    tell_notes(&kept.puppet, 1..=5);
    assert_eq!(kept.puppet.sys().status().dropped, 3);
    drop(release);
    assert_eq!(kept.events.take(2).await, notes(1..=2));
    kept.settled().await;
    let before = kept.puppet.sys().status();
    kept.restart().await;
    let after = kept.puppet.sys().status();
    assert_eq!((after.handled, after.dropped), (before.handled, before.dropped));
    kept.settled().await;
    assert!(kept.puppet.sys().status().handled > before.handled);
}

// ---- ended with the incarnation ----

async fn a_restart_ends_the_state(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let puppet = kept.puppet.clone();
    let mut call = puppet.call(Msg::Keep);
    assert!(look(&mut call).is_pending());
    kept.settled().await;
    kept.restart().await;
    let count = |reply: Reply<u32>| {
        act(move |me: &mut Puppet, _| {
            reply.send(me.kept.len() as u32);
            Ok(())
        })
    };
    assert_eq!(soon(puppet.call(count)).await, Ok(0));
    assert_eq!(soon(call).await, Err(CallError::Exited(Exit::Killed)));
}

/// Catches signals without the incarnation that they are for: the successor hears of an end that it never asked about.
async fn a_restart_ends_own_monitors_and_their_undelivered_messages(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let ((early, _early_events), (late, _late_events)) = (world.puppet().await, world.puppet().await);
    let watched = [early.clone(), late.clone()];
    told(
        kept.puppet
            .tell(act(move |_, cx| {
                watched.iter().for_each(|other| {
                    cx.monitor(other);
                });
                Ok(())
            }))
            .await,
    );
    let _release = hold(&kept.puppet).await;
    early.kill();
    soon(early.gone()).await; // Its DOWN lies in the queue.
    assert_eq!(late.sys().status().watchers, 1);
    kept.kill().await;
    assert_eq!(late.sys().status().watchers, 0, "the monitor ended with who set it");
    kept.start().await;
    late.kill();
    soon(late.gone()).await;
    assert_eq!(kept.settled().await, []);
}

async fn a_restart_ends_own_links(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let (other, mut other_events) = world.puppet().await;
    let linked = other.clone();
    told(
        kept.puppet
            .tell(act(move |_, cx| {
                cx.link(&linked);
                Ok(())
            }))
            .await,
    );
    told(
        other
            .tell(act(|_, cx| {
                cx.trap_exit(true);
                Ok(())
            }))
            .await,
    );
    kept.settled().await;
    soon(other.call(ask(1))).await.expect("it runs");
    kept.restart().await;
    let Event::Exited(exited) = other_events.next().await else { panic!("it was linked") };
    assert_eq!((exited.actor, exited.exit), (Some(kept.puppet.id()), Exit::Killed));
    assert_eq!(kept.puppet.sys().status().links, []);
    other.kill();
    soon(other.gone()).await;
    assert_eq!(kept.settled().await, []);
    assert!(kept.ends.is_empty());
}

async fn a_restart_ends_trapping_and_the_undelivered_exits(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    told(
        kept.puppet
            .tell(act(|_, cx| {
                cx.trap_exit(true);
                Ok(())
            }))
            .await,
    );
    let _release = hold(&kept.puppet).await;
    kept.puppet.exit(Exit::custom("trapped"));
    kept.restart().await;
    assert_eq!(kept.settled().await, [], "what was trapped is not handled by the successor");
    kept.puppet.exit(Exit::custom("not trapped"));
    assert_eq!(kept.ends.next().await, (2, Exit::custom("not trapped")));
}

/// Dropped on the incarnation's end, with all that it holds.
struct Held(#[expect(dead_code, reason = "it is only dropped")] oneshot::Sender<()>);

async fn a_restart_ends_attached_futures_and_streams(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let (pipe_held, pipe_dropped) = oneshot::channel();
    let (stream_held, stream_dropped) = oneshot::channel();
    let (items, mut source) = mpsc::unbounded_channel::<u32>();
    let (pipe_held, stream_held) = (Held(pipe_held), Held(stream_held));
    told(
        kept.puppet
            .tell(act(move |_, cx| {
                cx.pipe(
                    async move {
                        let _held = pipe_held;
                        std::future::pending::<u32>().await
                    },
                    note,
                );
                let stream = futures_util::stream::poll_fn(move |cx| {
                    let _held = &stream_held;
                    source.poll_recv(cx)
                });
                cx.attach(stream, note);
                Ok(())
            }))
            .await,
    );
    items.send(1).expect("it is attached");
    assert_eq!(kept.events.next().await, Event::Note(1));
    kept.restart().await;
    assert!(soon(pipe_dropped).await.is_err(), "the future is dropped");
    assert!(soon(stream_dropped).await.is_err(), "the stream is dropped");
    assert!(items.send(2).is_err(), "nobody listens");
    assert_eq!(kept.settled().await, []);
}

async fn a_restart_drops_the_results_that_wait(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    told(
        kept.puppet
            .tell(act(|_, cx| {
                cx.pipe(async { 1 }, note);
                Ok(())
            }))
            .await,
    );
    let _release = hold(&kept.puppet).await;
    while kept.puppet.sys().status().queued == 0 {
        tokio::task::yield_now().await;
    }
    tell_notes(&kept.puppet, [2]);
    kept.restart().await;
    assert_eq!(kept.settled().await, notes([2]), "the result of the old incarnation is skipped");
}

async fn a_restart_ends_a_suspension(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    kept.puppet.sys().suspend().expect("it runs");
    assert_eq!(kept.puppet.sys().state().await.expect("it answers"), None); // By now it is suspended.
    tell_notes(&kept.puppet, [1]);
    kept.restart().await;
    assert_eq!(kept.settled().await, notes([1]));
    assert_eq!(kept.settled().await, [], "it is woken when it sleeps");
}

async fn a_restart_ends_what_was_to_continue(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    told(
        kept.puppet
            .tell(act(|_, cx| {
                cx.continue_with(note(1));
                Err(Exit::custom("no"))
            }))
            .await,
    );
    assert_eq!(kept.ends.next().await, (1, Exit::custom("no")));
    kept.events.so_far();
    kept.start().await;
    assert_eq!(kept.settled().await, []);
}

/// Catches timers that belong to the cell.
async fn a_restart_ends_timers(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    told(
        kept.puppet
            .tell(act(|_, cx| {
                cx.send_after(Duration::from_secs(1), note(1));
                cx.send_after(Duration::from_secs(3), note(2));
                cx.interval(Duration::from_secs(2), || note(3));
                Ok(())
            }))
            .await,
    );
    let _release = hold(&kept.puppet).await;
    tokio::time::advance(Duration::from_millis(1_500)).await;
    kept.restart().await;
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(kept.settled().await, []);
}

/// Catches entries of timers without their incarnation: numbers are given anew, and the successor's timer would go off.
async fn a_restart_drops_timers_that_fired_and_wait(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    told(
        kept.puppet
            .tell(act(|_, cx| {
                cx.send_after(Duration::from_secs(1), note(1));
                Ok(())
            }))
            .await,
    );
    kept.settled().await;
    kept.puppet.sys().suspend().expect("it runs");
    assert!(kept.puppet.sys().state().await.is_ok());
    tokio::time::advance(Duration::from_millis(1_500)).await;
    assert!(kept.puppet.sys().state().await.is_ok());
    assert_eq!(kept.puppet.sys().status().queued, 1, "it fired");
    kept.kill().await;
    let successor = Puppet::new(&kept.log).with_init(|_, cx| {
        cx.send_after(Duration::from_secs(5), note(2));
        Box::pin(std::future::ready(Ok(())))
    });
    kept.cell.start(successor).await.expect("it starts");
    assert_eq!(kept.settled().await, []);
    assert_eq!(kept.events.next().await, Event::Note(2));
}

/// Catches a deadline that only the time in one incarnation's queue counts for.
async fn a_queued_call_past_its_deadline_is_skipped_by_the_next_incarnation(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    let handled = |reply: Reply<u32>| {
        act(move |me: &mut Puppet, _| {
            me.log.add(Event::Note(1));
            reply.send(1);
            Ok(())
        })
    };
    for limit in [Duration::from_millis(200), Duration::from_secs(5)] {
        let ended = kept.puppet.call(handled).within(limit).await;
        assert!(matches!(ended, Err(CallError::Timeout { .. })), "{ended:?}");
    }
    kept.start().await;
    assert_eq!(kept.settled().await, []);
}

// ---- who is told ----

async fn who_monitors_an_incarnation_is_told_once(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let (watcher, mut events) = world.puppet().await;
    let watched = kept.puppet.clone();
    told(
        watcher
            .tell(act(move |_, cx| {
                cx.monitor(&watched);
                Ok(())
            }))
            .await,
    );
    soon(watcher.call(ask(1))).await.expect("it runs");
    kept.restart().await;
    kept.kill().await;
    soon(watcher.call(ask(1))).await.expect("it runs");
    let heard = events.so_far();
    let [Event::Down(down)] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((down.actor, &down.exit, down.restart), (kept.puppet.id(), &Exit::Killed, true));
}

async fn down_says_whether_a_restart_follows(world: World) {
    for restarts in [true, false] {
        let (cell, mut ends) = world.cell_that::<Puppet>(Mailbox::DEFAULT, restarts).await;
        let (log, _events) = log();
        cell.start(Puppet::new(&log)).await.expect("it starts");
        let down = watch(&cell.reference());
        cell.kill();
        assert_eq!(ends.next().await, (1, Exit::Killed));
        let down = soon(down).await;
        assert_eq!((down.exit, down.restart), (Exit::Killed, restarts));
    }
    let (alone, _events) = world.puppet().await;
    let down = watch(&alone);
    alone.kill();
    assert!(!soon(down).await.restart, "nobody would start it again");
}

// ---- one incarnation's orders are not the next one's ----

async fn shutdown_leaves_the_queue_for_the_next_incarnation(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let release = hold(&kept.puppet).await;
    tell_notes(&kept.puppet, 1..=2);
    kept.cell.shutdown(Exit::Shutdown);
    drop(release);
    assert_eq!(kept.ends.next().await, (1, Exit::Shutdown));
    assert_eq!(kept.events.so_far(), [Event::Terminated(Exit::Shutdown), Event::Dropped]);
    kept.start().await;
    assert_eq!(kept.settled().await, notes(1..=2));
}

/// Catches a stop request that lies in the cell until somebody takes it: asked to stop, then killed, then started.
async fn a_stop_request_of_the_old_incarnation_does_not_end_the_new_one(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let _release = hold(&kept.puppet).await;
    kept.cell.shutdown(Exit::Shutdown);
    kept.restart().await;
    tell_notes(&kept.puppet, [1]);
    assert_eq!(kept.settled().await, notes([1]));
    kept.kill().await;
    kept.cell.shutdown(Exit::Shutdown); // Nobody runs: nobody stops.
    kept.start().await;
    tell_notes(&kept.puppet, [2]);
    assert_eq!(kept.settled().await, notes([2]));
    assert!(kept.ends.is_empty());
}

async fn an_exit_signal_to_the_old_incarnation_does_not_end_the_new_one(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let _release = hold(&kept.puppet).await;
    kept.puppet.exit(Exit::custom("one"));
    kept.puppet.kill();
    kept.puppet.exit(Exit::custom("two"));
    assert_eq!(kept.ends.next().await, (1, Exit::Killed));
    kept.puppet.exit(Exit::custom("three"));
    kept.puppet.kill();
    kept.events.so_far();
    kept.start().await;
    assert_eq!(kept.settled().await, []);
    assert!(kept.ends.is_empty());
}

/// Somebody with a ref stops a kept actor, and its owner starts it again: it takes messages as before.
async fn a_graceful_stop_of_one_incarnation_does_not_close_the_next(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    assert_eq!(soon(kept.puppet.stop().into_future()).await.expect("it stops"), Exit::Normal);
    assert_eq!(kept.ends.next().await, (1, Exit::Normal));
    kept.events.so_far();
    kept.start().await;
    told(kept.puppet.tell(note(1)).await);
    assert_eq!(kept.settled().await, notes([1]));
    assert!(kept.ends.is_empty());
}

/// The stop takes the waiters off their line; one that looks only after the restart must find its way.
async fn who_waited_for_room_in_a_graceful_stop_is_not_forgotten_by_the_next_incarnation(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::bounded(1)).await;
    kept.start().await;
    let puppet = kept.puppet.clone();
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let mut telling = Box::pin(puppet.tell(note(2)));
    assert!(look(&mut telling).is_pending());
    let mut calling = Box::pin(puppet.call(ask(3)));
    assert!(look(&mut calling).is_pending());
    let mut stop = puppet.stop().into_future();
    assert!(look(&mut stop).is_pending());
    drop(release);
    assert_eq!(kept.ends.next().await, (1, Exit::Normal));
    kept.start().await;
    // Refused by the old one, or taken by the new one: either will do.
    assert!(matches!(soon(telling).await, Ok(()) | Err(TellError::Stopping(_))));
    let called = soon(calling).await;
    assert!(matches!(called, Ok(3) | Err(CallError::Stopping)), "{called:?}");
}

async fn incarnations_are_numbered(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    assert_eq!(kept.cell.incarnation(), None);
    for incarnation in 1..=3 {
        kept.start().await;
        assert_eq!(kept.cell.incarnation(), Some(incarnation));
        let own = |reply: Reply<u32>| {
            act(move |_, cx: &mut Context<Puppet>| {
                reply.send(cx.incarnation());
                Ok(())
            })
        };
        assert_eq!(soon(kept.puppet.call(own)).await, Ok(incarnation));
        kept.kill().await;
    }
}
