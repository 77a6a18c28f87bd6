//! Goal: how incarnations start and end: what the starter and the owner hear, what becomes of the message in hand and
//! of the queue when nobody follows.
//! Method: as in `restart`.

use std::task::Poll;

use proscenium_runtime::{CallError, CrashPolicy, Ended, Exit, Mailbox, Owner, TellError};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::{World, look, soon, watch};
use crate::kept::Kept;
use crate::marionette::{
    Cut, Event, Log, Lost, Msg, Plain, Puppet, ask, crash, hold, log, note, notes, parcel, poison, tell_notes, told,
};

both_weights!(()
    a_start_that_fails_keeps_the_queue,
    a_start_that_ignores_keeps_the_queue,
    a_start_that_panics_keeps_the_queue,
    a_start_that_fails_runs_no_stop_hook_and_drops_the_state,
    a_start_dropped_half_way_ends_with_a_kill,
    a_state_is_dropped_before_the_owner_hears_of_its_end,
    a_closed_cell_starts_nothing,
    the_old_stop_hook_ends_before_the_owner_hears,
    a_message_in_hand_at_a_crash_is_dropped_by_default,
    retry_once_gives_it_to_the_next_incarnation_before_all_others,
    retry_once_is_once,
    retry_once_is_for_each_message,
    set_aside_hands_it_to_on_undelivered,
    an_orderly_end_retries_nothing,
    a_final_stop_hands_on_what_is_queued,
    a_cell_that_is_dropped_between_two_incarnations_is_closed,
    a_cell_that_is_dropped_lets_its_incarnation_end,
);

struct Retry;
impl Cut for Retry {
    const CRASH: CrashPolicy = CrashPolicy::RetryOnce;
}

struct Aside;
impl Cut for Aside {
    const CRASH: CrashPolicy = CrashPolicy::SetAside;
}

// ---- starts ----

/// A start that ends with this is said to the starter and to nobody else; the next one takes over the queue.
async fn failing_start(world: &World, script: impl Fn() -> Result<(), Exit> + Clone + Send + 'static, exit: Exit) {
    let mut kept = Kept::<Plain>::in_cell(world, Mailbox::DEFAULT).await;
    tell_notes(&kept.puppet, 1..=2);
    for _ in 0..2 {
        let script = script.clone();
        let failing = Puppet::new(&kept.log).with_init(move |_, _| Box::pin(async move { script() }));
        assert_eq!(soon(kept.cell.start(failing)).await, Err(exit.clone()));
        assert_eq!(kept.cell.incarnation(), None);
        assert!(kept.ends.is_empty(), "who starts it has the reason");
    }
    tell_notes(&kept.puppet, [3]);
    assert_eq!(kept.events.so_far(), [Event::Dropped, Event::Dropped]);
    kept.start().await;
    assert_eq!(kept.settled().await, notes(1..=3));
}

async fn a_start_that_fails_keeps_the_queue(world: World) {
    failing_start(&world, || Err(Exit::custom("no disk")), Exit::custom("no disk")).await;
}

async fn a_start_that_ignores_keeps_the_queue(world: World) {
    failing_start(&world, || Err(Exit::Ignore), Exit::Ignore).await;
}

async fn a_start_that_panics_keeps_the_queue(world: World) {
    failing_start(&world, || panic!("in init"), Exit::panic("in init")).await;
}

async fn a_start_that_fails_runs_no_stop_hook_and_drops_the_state(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    let failing = Puppet::new(&kept.log).with_init(|_, _| Box::pin(async { Err(Exit::custom("no")) }));
    assert_eq!(kept.cell.start(failing).await, Err(Exit::custom("no")));
    assert_eq!(kept.events.so_far(), [Event::Dropped]);
}

async fn a_start_dropped_half_way_ends_with_a_kill(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    tell_notes(&kept.puppet, [1]);
    {
        let endless = Puppet::new(&kept.log).with_init(|_, _| Box::pin(std::future::pending()));
        let mut start = Box::pin(kept.cell.start(endless));
        assert!(look(&mut start).is_pending());
    }
    assert_eq!(kept.ends.next().await, (1, Exit::Killed));
    assert_eq!(kept.events.so_far(), [Event::Dropped]);
    kept.start().await;
    assert_eq!(kept.settled().await, notes([1]));
}

/// Tells the log when it hears of an end.
struct Logging(Log, mpsc::UnboundedSender<Ended>);

impl Owner for Logging {
    fn restarts(&self, _: u64, _: &Exit) -> bool {
        true
    }

    fn exited(&self, ended: Ended) {
        self.0.add(Event::Note(1_000 + ended.incarnation));
        let _ = self.1.send(ended);
    }
}

async fn a_state_is_dropped_before_the_owner_hears_of_its_end(world: World) {
    let (log, mut events) = log();
    let (tell, mut ended) = mpsc::unbounded_channel();
    let cell = world.cell_of::<Puppet>(Mailbox::DEFAULT, Logging(log.clone(), tell)).await;
    {
        let endless = Puppet::new(&log).with_init(|_, _| Box::pin(std::future::pending()));
        let mut start = Box::pin(cell.start(endless));
        assert!(look(&mut start).is_pending());
    }
    soon(ended.recv()).await.expect("the owner hears");
    assert_eq!(events.so_far(), [Event::Dropped, Event::Note(1_001)], "of a start that was dropped");
    cell.start(Puppet::new(&log)).await.expect("it starts");
    cell.shutdown(Exit::Shutdown);
    soon(ended.recv()).await.expect("the owner hears");
    let shutdown = [Event::Terminated(Exit::Shutdown), Event::Dropped, Event::Note(1_002)];
    assert_eq!(events.so_far(), shutdown, "of a shutdown");
    cell.start(Puppet::new(&log)).await.expect("it starts");
    cell.kill();
    soon(ended.recv()).await.expect("the owner hears");
    assert_eq!(events.so_far(), [Event::Dropped, Event::Note(1_003)], "of a kill");
}

async fn a_closed_cell_starts_nothing(world: World) {
    let (cell, _ends) = world.cell::<Puppet>(Mailbox::DEFAULT).await;
    let puppet = cell.reference();
    cell.close(&Exit::custom("given up"));
    assert_eq!(soon(puppet.gone()).await, Exit::custom("given up"));
    assert!(matches!(puppet.tell(note(1)).await, Err(TellError::Stopped(_, exit)) if exit == Exit::custom("given up")));
    assert_eq!(puppet.call(ask(1)).await, Err(CallError::Exited(Exit::custom("given up"))));
}

/// Catches an end that is told before the hook has run: two incarnations would hold the same file.
async fn the_old_stop_hook_ends_before_the_owner_hears(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    let (entered, inside) = oneshot::channel();
    let (release, gate) = oneshot::channel::<()>();
    let slow = Puppet::new(&kept.log).with_stop(move |_, _| {
        Box::pin(async move {
            let _ = entered.send(());
            let _ = gate.await;
            Ok(())
        })
    });
    kept.cell.start(slow).await.expect("it starts");
    let mut down = watch(&kept.puppet);
    told(kept.puppet.tell(crash("now")).await);
    soon(inside).await.expect("the hook runs");
    tokio::task::yield_now().await;
    assert!(kept.ends.is_empty());
    assert!(look(&mut down).is_pending());
    assert_eq!(kept.cell.incarnation(), Some(1));
    drop(release);
    assert_eq!(kept.ends.next().await, (1, Exit::panic("now")));
    assert_eq!(kept.events.so_far(), [Event::Terminated(Exit::panic("now")), Event::Dropped]);
    assert_eq!(soon(down).await.exit, Exit::panic("now"));
}

// ---- the message in hand ----

async fn a_message_in_hand_at_a_crash_is_dropped_by_default(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    let (lost, mut undelivered) = log();
    told(kept.puppet.tell(poison(1, 1, &lost)).await);
    assert_eq!(kept.ends.next().await, (1, Exit::panic("poison")));
    kept.events.so_far();
    kept.start().await;
    assert_eq!(kept.settled().await, []);
    assert_eq!(undelivered.so_far(), []);
}

/// Catches a retry at the end of the queue.
async fn retry_once_gives_it_to_the_next_incarnation_before_all_others(world: World) {
    let mut kept = Kept::<Retry>::running(&world).await;
    let release = hold(&kept.puppet).await;
    let (lost, mut undelivered) = log();
    tell_notes(&kept.puppet, [1]);
    told(kept.puppet.tell(poison(2, 1, &lost)).now());
    tell_notes(&kept.puppet, 3..=4);
    drop(release);
    assert_eq!(kept.ends.next().await, (1, Exit::panic("poison")));
    let ended = [Event::Note(1), Event::Terminated(Exit::panic("poison")), Event::Dropped];
    assert_eq!(kept.events.so_far(), ended);
    assert_eq!(kept.puppet.sys().status().queued, 3);
    tell_notes(&kept.puppet, [5]);
    kept.start().await;
    assert_eq!(kept.settled().await, notes(2..=5));
    assert_eq!(undelivered.so_far(), []);
}

/// Catches a retry for ever, and a message that is gone without a word after the second crash.
async fn retry_once_is_once(world: World) {
    let mut kept = Kept::<Retry>::running(&world).await;
    let (lost, mut undelivered) = log();
    told(kept.puppet.tell(poison(1, 5, &lost)).now());
    tell_notes(&kept.puppet, [2]);
    for incarnation in 1..=2 {
        assert_eq!(kept.ends.next().await, (incarnation, Exit::panic("poison")));
        kept.events.so_far();
        kept.start().await;
    }
    assert_eq!(kept.settled().await, notes([2]));
    assert_eq!(undelivered.so_far(), [Event::Undelivered(1, Lost::Crashed(Exit::panic("poison")))]);
}

/// Catches a mark that stays after a retry went well: the next message would not be retried.
async fn retry_once_is_for_each_message(world: World) {
    let mut kept = Kept::<Retry>::running(&world).await;
    let (lost, mut undelivered) = log();
    for n in 1..=3 {
        told(kept.puppet.tell(poison(n, 1, &lost)).now());
    }
    for incarnation in 1..=3 {
        assert_eq!(kept.ends.next().await, (incarnation, Exit::panic("poison")));
        kept.start().await;
    }
    let handled = kept.settled().await;
    assert_eq!(handled.into_iter().filter(|event| matches!(event, Event::Note(_))).collect::<Vec<_>>(), notes(1..=3));
    assert_eq!(undelivered.so_far(), []);
}

async fn set_aside_hands_it_to_on_undelivered(world: World) {
    let mut kept = Kept::<Aside>::running(&world).await;
    let (lost, mut undelivered) = log();
    told(kept.puppet.tell(poison(1, 1, &lost)).now());
    tell_notes(&kept.puppet, [2]);
    assert_eq!(kept.ends.next().await, (1, Exit::panic("poison")));
    assert_eq!(undelivered.so_far(), [Event::Undelivered(1, Lost::Crashed(Exit::panic("poison")))]);
    kept.events.so_far();
    kept.start().await;
    assert_eq!(kept.settled().await, notes([2]));
}

/// An actor that stops while it handles a message has handled it. Catches a policy that asks only for an `Err`.
async fn an_orderly_end_retries_nothing(world: World) {
    let mut kept = Kept::<Retry>::running(&world).await;
    told(kept.puppet.tell(Msg::Quit).await);
    assert_eq!(kept.ends.next().await, (1, Exit::Shutdown));
    kept.events.so_far();
    kept.start().await;
    assert_eq!(kept.settled().await, []);
    assert!(kept.ends.is_empty());
}

// ---- the end for good ----

async fn a_final_stop_hands_on_what_is_queued(world: World) {
    let mut kept = Kept::<Plain>::in_cell(&world, Mailbox::DEFAULT).await;
    let (lost, mut undelivered) = log();
    let puppet = kept.puppet.clone();
    told(puppet.tell(parcel(1, &lost)).await);
    let mut call = puppet.call(ask(2));
    assert!(look(&mut call).is_pending());
    told(puppet.tell(parcel(3, &lost)).await);
    kept.start().await;
    suspend(&kept).await;
    kept.cell.close(&Exit::custom("too many restarts"));
    let exit = Exit::custom("too many restarts");
    assert_eq!(soon(puppet.gone()).await, exit);
    assert_eq!(undelivered.so_far(), [1, 3].map(|n| Event::Undelivered(n, Lost::Stopped(exit.clone()))));
    assert_eq!(look(&mut call), Poll::Ready(Err(CallError::Exited(exit.clone()))));
    let Err(TellError::Stopped(_, said)) = puppet.tell(note(4)).await else { panic!("it is closed") };
    assert_eq!(said, exit);
    assert_eq!(kept.events.next().await, Event::Dropped);
}

/// Suspends, so that what is queued stays so. The queue is looked at by nobody until then: the test does not await.
async fn suspend(kept: &Kept) {
    kept.puppet.sys().suspend().expect("it runs");
    assert!(kept.puppet.sys().state().await.is_ok());
}

async fn a_cell_that_is_dropped_between_two_incarnations_is_closed(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    kept.kill().await;
    let (lost, mut undelivered) = log();
    told(kept.puppet.tell(parcel(1, &lost)).await);
    drop(kept.cell);
    assert_eq!(soon(kept.puppet.gone()).await, Exit::Shutdown);
    assert_eq!(undelivered.so_far(), [Event::Undelivered(1, Lost::Stopped(Exit::Shutdown))]);
}

async fn a_cell_that_is_dropped_lets_its_incarnation_end(world: World) {
    let mut kept = Kept::<Plain>::running(&world).await;
    drop(kept.cell);
    assert_eq!(soon(kept.puppet.call(ask(1))).await, Ok(1));
    told(kept.puppet.tell(crash("last")).await);
    assert_eq!(soon(kept.puppet.gone()).await, Exit::panic("last"));
    assert_eq!(kept.events.so_far(), [Event::Terminated(Exit::panic("last")), Event::Dropped]);
}
