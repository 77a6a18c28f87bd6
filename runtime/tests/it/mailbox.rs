//! Goal: what a mailbox promises at its bound and below it.
//! Method: an actor is held inside a handler, so that its mailbox fills in a known way.

use std::task::Poll;
use std::time::Duration;

use proscenium_runtime::{CallError, Exit, Mailbox, Overflow, TellError};

use crate::both_weights::{World, look, soon, watch};
use crate::marionette::{
    Event, Lost, Msg, Plain, Puppet, act, ask, hold, log, note, notes, parcel, run, tell_notes, told,
};

both_weights!(()
    the_bound_is_1024_unless_the_actor_says_otherwise,
    a_try_on_a_full_mailbox_hands_the_message_back,
    a_tell_waits_for_room,
    a_tell_dropped_while_it_waits_gives_up_its_place,
    a_tell_dropped_after_it_was_granted_room_passes_the_room_on,
    who_waits_first_gets_room_first,
    overflow_fail_hands_everything_back_at_once,
    overflow_drop_oldest_counts_and_hands_on_what_it_drops,
    overflow_drop_newest_counts_and_hands_on_what_it_drops,
    overflow_wait_drops_nothing,
    no_overflow_policy_drops_a_down,
    a_tell_to_oneself_never_waits,
    a_tell_to_oneself_is_subject_to_no_policy_but_dropping,
    an_unbounded_mailbox_is_never_full,
    a_blocking_tell_inside_a_handler_does_not_wait,
    a_tell_to_an_ended_actor_hands_the_message_back_with_the_exit,
    a_tell_is_sent_when_it_is_made,
    senders_that_run_ahead_give_way,
    a_tell_that_gives_way_is_sent,
);
both_weights!((start_paused = true)
    a_tell_within_a_limit_hands_the_message_back,
);
both_weights!((flavor = "multi_thread", worker_threads = 2)
    what_one_sender_tells_arrives_in_its_order,
    a_blocking_tell_waits_for_room_on_a_plain_thread,
    a_blocking_tell_keeps_its_limit_on_a_plain_thread,
);
#[cfg(target_os = "linux")]
both_weights!(()
    a_drained_queue_gives_its_memory_back,
);

fn number(msg: &Msg) -> Option<u32> {
    match msg {
        Msg::Note(n, _) => Some(*n),
        _ => None,
    }
}

/// Catches another default, and an off-by-one at the bound (`used > capacity` for `>=`).
async fn the_bound_is_1024_unless_the_actor_says_otherwise(world: World) {
    let (log, mut events) = log();
    let puppet = world.spawn(Puppet::<Plain>::new(&log)).await.expect("it starts");
    let release = hold(&puppet).await;
    assert_eq!(puppet.sys().status().capacity, Some(1024));
    tell_notes(&puppet, 0..1024);
    assert!(matches!(puppet.tell(note(1024)).now(), Err(TellError::Full(_))));
    assert_eq!(puppet.sys().status().queued, 1024);
    drop(release);
    assert_eq!(events.take(1024).await, notes(0..1024));

    let (small, _events) = world.puppet_with(Mailbox::bounded(3)).await;
    let _release = hold(&small).await;
    tell_notes(&small, 0..3);
    assert!(matches!(small.tell(note(3)).now(), Err(TellError::Full(_))));
}

async fn a_try_on_a_full_mailbox_hands_the_message_back(world: World) {
    let (puppet, _events) = world.puppet_with(Mailbox::bounded(1)).await;
    let _release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let error = puppet.tell(note(2)).now().expect_err("it is full");
    assert!(error.to_string().contains("mailbox"), "the remedy: {error}");
    assert_eq!(number(&error.into_message()), Some(2));
}

async fn a_tell_waits_for_room(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let mut waiting = puppet.tell(note(2));
    assert!(look(&mut waiting).is_pending());
    drop(release);
    told(soon(waiting).await);
    assert_eq!(events.take(2).await, notes(1..=2));
}

/// Catches a `Reserve` whose drop leaves its place in the line: the next waiter is never granted room.
async fn a_tell_dropped_while_it_waits_gives_up_its_place(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let mut given_up = puppet.tell(note(2));
    assert!(look(&mut given_up).is_pending());
    let mut waiting = puppet.tell(note(3));
    assert!(look(&mut waiting).is_pending());
    drop(given_up);
    drop(release);
    told(soon(waiting).await);
    assert_eq!(soon(puppet.call(ask(7))).await, Ok(7));
    assert_eq!(events.so_far(), [Event::Note(1), Event::Note(3)]);
}

/// Catches a `Reserve` whose drop keeps the permit: room is lost for ever.
async fn a_tell_dropped_after_it_was_granted_room_passes_the_room_on(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let mut granted = puppet.tell(note(2));
    assert!(look(&mut granted).is_pending());
    let mut waiting = puppet.tell(note(3));
    assert!(look(&mut waiting).is_pending());
    drop(release);
    assert_eq!(events.next().await, Event::Note(1)); // By now the first in the line has room, and was not polled.
    drop(granted);
    told(soon(waiting).await);
    assert_eq!(soon(puppet.call(ask(7))).await, Ok(7));
    assert_eq!(events.so_far(), [Event::Note(3)]);
}

async fn who_waits_first_gets_room_first(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(2)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1, 2]);
    let mut waiting: Vec<_> = (3..=9).map(|n| puppet.tell(note(n))).collect();
    assert!(waiting.iter_mut().all(|tell| look(tell).is_pending()));
    drop(release);
    for tell in waiting {
        told(soon(tell).await);
    }
    assert_eq!(events.take(9).await, notes(1..=9));
}

async fn overflow_fail_hands_everything_back_at_once(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1).overflow(Overflow::Fail)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let mut refused = puppet.tell(note(2));
    let Poll::Ready(Err(TellError::Full(message))) = look(&mut refused) else { panic!("it does not wait") };
    assert_eq!(number(&message), Some(2));
    assert_eq!(look(&mut puppet.call(ask(3))), Poll::Ready(Err(CallError::Full)));
    assert_eq!(puppet.sys().status().dropped, 0, "what is handed back is not lost");
    drop(release);
    assert_eq!(events.next().await, Event::Note(1));
}

/// Catches a policy that drops the newest, one that does not count, and a dropped call that hangs until its time-out.
async fn overflow_drop_oldest_counts_and_hands_on_what_it_drops(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(2).overflow(Overflow::DropOldest)).await;
    let (lost, mut undelivered) = log();
    let release = hold(&puppet).await;
    let mut call = puppet.call(ask(0));
    assert!(look(&mut call).is_pending());
    for n in 1..=4 {
        told(puppet.tell(parcel(n, &lost)).await);
    }
    assert_eq!(look(&mut call), Poll::Ready(Err(CallError::Dropped)));
    let gone = [1, 2].map(|n| Event::Undelivered(n, Lost::Overflow));
    assert_eq!(undelivered.so_far(), gone);
    assert_eq!(puppet.sys().status().dropped, 3);
    assert_eq!(puppet.sys().status().queued, 2);
    drop(release);
    assert_eq!(events.take(2).await, notes(3..=4));
}

/// Catches a policy that drops the oldest, one that does not count, and a dropped call that hangs until its time-out.
async fn overflow_drop_newest_counts_and_hands_on_what_it_drops(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(2).overflow(Overflow::DropNewest)).await;
    let (lost, mut undelivered) = log();
    let release = hold(&puppet).await;
    for n in 1..=4 {
        told(puppet.tell(parcel(n, &lost)).await);
    }
    assert_eq!(look(&mut puppet.call(ask(0))), Poll::Ready(Err(CallError::Dropped)));
    let gone = [3, 4].map(|n| Event::Undelivered(n, Lost::Overflow));
    assert_eq!(undelivered.so_far(), gone);
    assert_eq!(puppet.sys().status().dropped, 3);
    drop(release);
    assert_eq!(events.take(2).await, notes(1..=2));
}

async fn overflow_wait_drops_nothing(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1).overflow(Overflow::Wait)).await;
    for n in 0..100 {
        told(soon(puppet.tell(note(n))).await);
    }
    assert_eq!(events.take(100).await, notes(0..100));
    assert_eq!(puppet.sys().status().dropped, 0);
}

/// Catches `displace` without the look at the weight: the oldest entry is the DOWN.
async fn no_overflow_policy_drops_a_down(world: World) {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Fail, Overflow::Wait] {
        let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1).overflow(overflow)).await;
        let (other, _other_events) = world.puppet().await;
        let watched = other.clone();
        told(
            puppet
                .tell(act(move |me, cx| {
                    cx.monitor(&watched);
                    me.log.add(Event::Note(0));
                    Ok(())
                }))
                .await,
        );
        assert_eq!(events.next().await, Event::Note(0));
        let release = hold(&puppet).await;
        let down = watch(&other);
        other.kill();
        soon(down).await;
        let _ = puppet.tell(note(1)).now();
        let _ = puppet.tell(note(2)).now();
        drop(release);
        let Event::Down(down) = events.next().await else { panic!("{overflow:?}: the DOWN was there first") };
        assert_eq!((down.actor, down.exit), (other.id(), Exit::Killed), "{overflow:?}");
        let last = if overflow == Overflow::DropOldest { 2 } else { 1 };
        assert_eq!(events.next().await, Event::Note(last), "{overflow:?}");
    }
}

/// Catches a `push` without the look at who is current: the handler waits for itself.
async fn a_tell_to_oneself_never_waits(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let message = run(|_, cx: &mut proscenium_runtime::Context<Puppet>| {
        Box::pin(async move {
            for n in 0..10 {
                told(cx.me().tell(note(n)).await);
            }
            Ok(())
        })
    });
    told(puppet.tell(message).await);
    assert_eq!(events.take(10).await, notes(0..10));
}

async fn a_tell_to_oneself_is_subject_to_no_policy_but_dropping(world: World) {
    let rows =
        [(Overflow::Wait, 0..10), (Overflow::Fail, 0..10), (Overflow::DropOldest, 9..10), (Overflow::DropNewest, 0..1)];
    for (overflow, arrive) in rows {
        let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1).overflow(overflow)).await;
        told(
            puppet
                .tell(act(|_, cx| {
                    (0..10).for_each(|n| told(cx.me().tell(note(n)).now()));
                    Ok(())
                }))
                .await,
        );
        let count = arrive.len();
        assert_eq!(events.take(count).await, notes(arrive), "{overflow:?}");
        assert_eq!(soon(puppet.call(ask(1))).await, Ok(1));
        assert_eq!(events.so_far(), [], "{overflow:?}");
    }
}

async fn an_unbounded_mailbox_is_never_full(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::unbounded()).await;
    let release = hold(&puppet).await;
    assert_eq!(puppet.sys().status().capacity, None);
    tell_notes(&puppet, 0..50_000);
    assert_eq!(puppet.sys().status().queued, 50_000);
    drop(release);
    assert_eq!(events.take(50_000).await, notes(0..50_000));
}

async fn a_blocking_tell_inside_a_handler_does_not_wait(world: World) {
    let (full, _events) = world.puppet_with(Mailbox::bounded(1)).await;
    let _release = hold(&full).await;
    tell_notes(&full, [1]);
    let (puppet, mut events) = world.puppet().await;
    let other = full.clone();
    told(
        puppet
            .tell(act(move |me, _| {
                let told = other.tell(note(2)).blocking();
                me.log.add(Event::Note(u32::from(matches!(told, Err(TellError::Full(_))))));
                Ok(())
            }))
            .await,
    );
    assert_eq!(events.next().await, Event::Note(1));
}

async fn a_tell_to_an_ended_actor_hands_the_message_back_with_the_exit(world: World) {
    let (puppet, _events) = world.puppet().await;
    puppet.exit(Exit::custom("enough"));
    assert_eq!(soon(puppet.gone()).await, Exit::custom("enough"));
    let Err(TellError::Stopped(message, exit)) = puppet.tell(note(5)).await else { panic!("nobody is there") };
    assert_eq!((number(&message), exit), (Some(5), Exit::custom("enough")));
    let blocking = puppet.tell(note(5)).blocking();
    assert!(matches!(blocking, Err(TellError::Stopped(..))));
}

async fn a_tell_is_sent_when_it_is_made(world: World) {
    let (puppet, mut events) = world.puppet().await;
    let first = puppet.tell(note(1));
    told(puppet.tell(note(2)).await);
    told(first.await); // It was on its way already, and is not sent again.
    drop(puppet.tell(note(3)));
    assert_eq!(events.take(3).await, notes(1..=3));
}

/// Catches senders that give way once for all, or once for each block: the mailbox fills with what they have.
async fn senders_that_run_ahead_give_way(world: World) {
    const EACH: u32 = 20_000;
    for senders in [1, 8] {
        let (puppet, mut events) = world.puppet_with(Mailbox::unbounded()).await;
        let tasks: Vec<_> = (0..senders)
            .map(|_| {
                let puppet = puppet.clone();
                tokio::spawn(async move {
                    let mut most = 0;
                    for n in 0..EACH {
                        told(puppet.tell(note(n)).await);
                        most = most.max(puppet.sys().status().queued);
                    }
                    most
                })
            })
            .collect();
        for task in tasks {
            let most = task.await.expect("it ends");
            assert!((1_024..4_096).contains(&most), "{most} of {senders} senders were queued");
        }
        events.take((senders * EACH) as usize).await;
    }
}

/// Catches a tell that is sent again when it goes on, one that gives way for ever, and a try that fails of it.
async fn a_tell_that_gives_way_is_sent(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::unbounded()).await;
    let release = hold(&puppet).await;
    let turns = |n| {
        let mut tell = std::pin::pin!(puppet.tell(note(n)));
        (0..100).take_while(|_| !matches!(look(&mut tell), Poll::Ready(Ok(())))).count()
    };
    let gave_way: Vec<_> = (0..1_500).map(|n| (n, turns(n))).filter(|(_, turns)| *turns > 0).collect();
    assert_eq!(gave_way, [(1_024, 8), (1_280, 8)], "the actor has four blocks to go, and goes nowhere");
    assert_eq!(puppet.sys().status().queued, 1_500);
    drop(puppet.tell(note(1_500)));
    tell_notes(&puppet, 1_501..2_000);
    assert_eq!(puppet.sys().status().queued, 2_000, "a try does not give way");
    drop(release);
    assert_eq!(events.take(2_000).await, notes(0..2_000));
}

async fn a_tell_within_a_limit_hands_the_message_back(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let limit = Duration::from_millis(700);
    let start = tokio::time::Instant::now();
    let error = puppet.tell(note(2)).within(limit).await.expect_err("there is no room");
    assert!((limit..limit + Duration::from_millis(50)).contains(&start.elapsed()));
    let TellError::Timeout { message, waited, queued } = error else { panic!("{error}") };
    assert_eq!((number(&message), waited, queued), (Some(2), limit, 1));
    drop(release);
    told(puppet.tell(note(3)).within(limit).await);
    assert_eq!(events.take(2).await, [Event::Note(1), Event::Note(3)]);
}

/// Catches `hand` and `entries` taken in the wrong order, and newcomers that overtake who waits.
async fn what_one_sender_tells_arrives_in_its_order(world: World) {
    const SENDERS: u32 = 4;
    const EACH: u32 = 5_000;
    for mailbox in [Mailbox::bounded(7), Mailbox::DEFAULT, Mailbox::unbounded(), Mailbox::bytes(5_000)] {
        let (puppet, mut events) = world.puppet_with(mailbox).await;
        for sender in 0..SENDERS {
            let puppet = puppet.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    told(puppet.tell(note(sender * EACH + n)).await);
                }
            });
        }
        let mut next = [0; SENDERS as usize];
        for _ in 0..SENDERS * EACH {
            let Event::Note(n) = events.next().await else { panic!("only notes were told") };
            let (sender, n) = ((n / EACH) as usize, n % EACH);
            assert_eq!(n, next[sender], "from sender {sender} with {mailbox:?}");
            next[sender] += 1;
        }
    }
}

async fn a_blocking_tell_waits_for_room_on_a_plain_thread(world: World) {
    let (puppet, mut events) = world.puppet_with(Mailbox::bounded(1)).await;
    let release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let told_on = std::thread::spawn(move || puppet.tell(note(2)).blocking().map_err(|error| error.to_string()));
    drop(release);
    assert_eq!(events.take(2).await, notes(1..=2));
    assert_eq!(told_on.join().expect("no panic"), Ok(()));
}

async fn a_blocking_tell_keeps_its_limit_on_a_plain_thread(world: World) {
    let (puppet, _events) = world.puppet_with(Mailbox::bounded(1)).await;
    let _release = hold(&puppet).await;
    tell_notes(&puppet, [1]);
    let sender = puppet.clone();
    let told_on = std::thread::spawn(move || sender.tell(note(2)).within(Duration::from_millis(30)).blocking());
    let error = told_on.join().expect("no panic").expect_err("there is no room");
    assert!(matches!(&error, TellError::Timeout { queued: 1, .. }), "{error}");
    assert_eq!(number(&error.into_message()), Some(2));
}

/// Catches a park without the look at the size of the queue: 128 MB stay with the actor.
/// The two weights take turns, because the memory of the whole process is looked at.
#[cfg(target_os = "linux")]
async fn a_drained_queue_gives_its_memory_back(world: World) {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    type Block = [u64; 64];
    const MB: usize = 1 << 20;
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("its second number") * 4096
    };
    let (done, drained) = tokio::sync::oneshot::channel();
    let (mut seen, mut done) = (0_u64, Some(done));
    let last = (128 * MB / size_of::<Block>()) as u64;
    let actor = proscenium_runtime::actor_fn(move |block: Block| {
        seen += block[0];
        if seen == last {
            let _ = done.take().map(|done| done.send(()));
        }
    });
    let actor = world.spawn(actor).mailbox(Mailbox::unbounded()).await.expect("it starts");
    let before = resident();
    for _ in 0..last {
        told(actor.tell([1; 64]).now()); // One thread: the actor runs when this test awaits.
    }
    let full = resident();
    assert!(full > before + 100 * MB, "{} MB for the queue", (full - before) / MB);
    soon(drained).await.expect("it handles them all");
    assert!(actor.sys().state().await.is_ok()); // It went to sleep, and woke up for this.
    let after = resident();
    assert!(after < before + 40 * MB, "{} MB are left", (after.saturating_sub(before)) / MB);
}
