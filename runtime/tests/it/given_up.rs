//! Goal: an incarnation whose handler does not yield is given up: its successor has all that it had, and it can do no
//! more harm when it wakes up.
//! Method: handlers that block their worker until the test lets them go.

use std::time::Duration;

use proscenium_runtime::{CallError, Context, Exit, Ref, Reply, Task};
use tokio::sync::oneshot;

use crate::both_weights::{World, look, soon, watch};
use crate::kept::Kept;
use crate::marionette::{Event, Handled, Plain, Puppet, ask, hold, note, notes, run, tell_notes, told};

both_weights!((flavor = "multi_thread", worker_threads = 3)
    a_stuck_incarnation_is_given_up_and_its_batch_goes_on,
    a_given_up_handler_is_cut_off_at_its_next_await,
    a_given_up_incarnation_that_wakes_up_runs_no_stop_hook,
    a_given_up_incarnation_that_wakes_up_changes_nothing_of_its_successor,
    the_call_in_hand_of_a_given_up_incarnation_ends_at_once,
    a_stuck_incarnation_that_was_asked_to_stop_is_given_up_and_followed,
    nothing_is_given_up_between_two_incarnations,
);

/// Has the puppet block its worker until the sender is dropped, then do the rest. Returns when it is there.
async fn stuck(
    puppet: &Ref<Puppet>,
    rest: impl for<'a> FnOnce(&'a mut Puppet, &'a mut Context<Puppet>) -> Handled<'a> + Send + 'static,
) -> std::sync::mpsc::Sender<()> {
    let (release, gate) = std::sync::mpsc::channel();
    let (entered, inside) = oneshot::channel();
    let message = run(move |me, cx| {
        let _ = entered.send(());
        let _ = gate.recv();
        rest(me, cx)
    });
    told(puppet.tell(message).now());
    soon(inside).await.expect("it gets there");
    release
}

fn nothing<'a>(_: &'a mut Puppet, _: &'a mut Context<Puppet>) -> Handled<'a> {
    Box::pin(std::future::ready(Ok(())))
}

/// Catches a batch that belongs to the stuck task, and an old task that goes on with it when it wakes up.
async fn a_stuck_incarnation_is_given_up_and_its_batch_goes_on(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    // One batch: the first of these blocks when the others are taken with it.
    let first = hold(&kept.puppet).await;
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = oneshot::channel();
    told(
        kept.puppet
            .tell(run(move |_, _| {
                let _ = entered.send(());
                let _ = gate.recv();
                Box::pin(std::future::ready(Ok(())))
            }))
            .now(),
    );
    tell_notes(&kept.puppet, 1..=5);
    let puppet = kept.puppet.clone();
    let mut queued = puppet.call(ask(6));
    assert!(look(&mut queued).is_pending());
    let down = watch(&kept.puppet);
    drop(first);
    soon(inside).await.expect("it gets there");
    assert!(kept.cell.give_up());
    assert_eq!(kept.ends.next().await, (1, Exit::Unresponsive));
    let down = soon(down).await;
    assert_eq!((down.exit, down.restart), (Exit::Unresponsive, true));
    assert_eq!(kept.cell.incarnation(), None);
    kept.start().await;
    assert_eq!(kept.cell.incarnation(), Some(2));
    assert_eq!(kept.settled().await, notes(1..=5), "by the successor, while the old one is stuck");
    assert_eq!(soon(queued).await, Ok(6));
    tell_notes(&kept.puppet, 6..=7);
    drop(release);
    assert_eq!(kept.events.take(3).await.iter().filter(|event| **event == Event::Dropped).count(), 1);
    assert_eq!(kept.settled().await, [], "the old one handles nothing");
    assert!(kept.ends.is_empty(), "and its end is not told twice");
    assert_eq!(world.node.statistics().fenced, 1);
}

/// Catches an end signal that a restart wipes out: the old handler would go on for as long as it likes.
async fn a_given_up_handler_is_cut_off_at_its_next_await(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let release = stuck(&kept.puppet, |me, _| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            me.log.add(Event::Note(1));
            Ok(())
        })
    })
    .await;
    assert!(kept.cell.give_up());
    assert_eq!(kept.ends.next().await, (1, Exit::Unresponsive));
    kept.start().await;
    drop(release);
    assert_eq!(kept.events.next().await, Event::Dropped, "and nothing before");
}

async fn a_given_up_incarnation_that_wakes_up_runs_no_stop_hook(world: World) {
    for outcome in [Ok(()), Err(Exit::custom("late")), Err(Exit::panic("late"))] {
        let mut kept = Kept::<Plain>::running(&world).await;
        let late = outcome.clone();
        let release = stuck(&kept.puppet, move |_, _| {
            assert!(!matches!(late, Err(Exit::Panic(_))), "late");
            Box::pin(std::future::ready(late))
        })
        .await;
        assert!(kept.cell.give_up());
        assert_eq!(kept.ends.next().await, (1, Exit::Unresponsive));
        kept.start().await;
        drop(release);
        assert_eq!(kept.events.next().await, Event::Dropped, "{outcome:?}");
        assert_eq!(kept.settled().await, [], "{outcome:?}");
        assert!(kept.ends.is_empty());
    }
}

async fn a_given_up_incarnation_that_wakes_up_changes_nothing_of_its_successor(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let release = stuck(&kept.puppet, |_, cx| {
        cx.trap_exit(true);
        cx.stop(Exit::custom("old"));
        cx.send_after(Duration::ZERO, note(1));
        cx.continue_with(note(2));
        cx.pipe(async { 3 }, note);
        Box::pin(std::future::ready(Ok(())))
    })
    .await;
    assert!(kept.cell.give_up());
    assert_eq!(kept.ends.next().await, (1, Exit::Unresponsive));
    kept.start().await;
    let busy = hold(&kept.puppet).await;
    drop(release);
    assert_eq!(kept.events.next().await, Event::Dropped);
    let status = kept.puppet.sys().status();
    assert_eq!((status.incarnation, status.in_hand), (2, Some("run")), "what the successor is at");
    drop(busy);
    assert_eq!(kept.settled().await, []);
    kept.puppet.exit(Exit::custom("not trapped"));
    assert_eq!(kept.ends.next().await, (2, Exit::custom("not trapped")));
}

/// The handler that holds the reply may never come back.
async fn the_call_in_hand_of_a_given_up_incarnation_ends_at_once(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = oneshot::channel();
    let puppet = kept.puppet.clone();
    let call = Task::spawn(&world.node, async move {
        puppet
            .call(|reply: Reply<u32>| {
                run(move |_, _| {
                    let _ = entered.send(());
                    let _ = gate.recv();
                    reply.send(1);
                    Box::pin(std::future::ready(Ok(())))
                })
            })
            .await
    })
    .await
    .expect("it starts");
    soon(inside).await.expect("it gets there");
    assert!(kept.cell.give_up());
    assert_eq!(kept.ends.next().await, (1, Exit::Unresponsive));
    let ended = tokio::time::timeout(Duration::from_secs(1), call).await;
    drop(release);
    assert_eq!(ended.expect("at once"), Ok(Err(CallError::Exited(Exit::Unresponsive))));
}

/// The way of a supervisor: shutdown, wait for the limit, give up, start again.
async fn a_stuck_incarnation_that_was_asked_to_stop_is_given_up_and_followed(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let release = stuck(&kept.puppet, nothing).await;
    kept.cell.shutdown(Exit::Shutdown);
    kept.cell.kill();
    assert!(kept.cell.give_up());
    assert_eq!(kept.ends.next().await, (1, Exit::Unresponsive));
    kept.start().await;
    tell_notes(&kept.puppet, [1]);
    assert_eq!(kept.settled().await, notes([1]));
    drop(release);
    assert_eq!(kept.events.next().await, Event::Dropped);
    assert_eq!(kept.settled().await, []);
    assert!(kept.ends.is_empty());
}

async fn nothing_is_given_up_between_two_incarnations(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    kept.kill().await;
    assert!(!kept.cell.give_up());
    assert!(kept.ends.is_empty());
}
