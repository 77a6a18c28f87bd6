//! The queue's rules, one consumer and one sender at a time; what they do at once is the models' matter.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use super::entry::Entry;
use super::queue::{Lane, Pushed, Refused, SYS};
use super::room::Reserve;
use super::sample::{SIGNAL, entry, number};
use super::tenancy::{Next, Tenancy};
use crate::mailbox::Overflow;

mod blocks;
mod bytes;
mod bytes_model;

type Queue = Lane<u32, &'static str>;
struct Home(Queue);

impl AsRef<Queue> for Home {
    fn as_ref(&self) -> &Queue {
        &self.0
    }
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

const UNBOUNDED: usize = usize::MAX;

fn push(lane: &Queue, number: u32) -> Result<Pushed<Entry<u32>>, Refused<Entry<u32>>> {
    lane.push(number)
}

fn push_all(lane: &Queue, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        assert_eq!(push(lane, number), Ok(Pushed::Queued), "{number}");
    }
}

fn attach(lane: &Queue) -> u32 {
    lane.attach(0, |_| true).expect("it is open")
}

/// How many entries there is room for, by trying.
fn room(lane: &Queue) -> usize {
    (0..).take_while(|number| matches!(push(lane, *number), Ok(Pushed::Queued))).count()
}

/// The next entry, or why there is none.
fn next(tenancy: &mut Tenancy<'_, u32, &'static str>) -> Result<u32, Next> {
    loop {
        match tenancy.next() {
            Some(packed) => return Ok(number(packed.entry())),
            None if tenancy.why() == Next::Turn => {} // It goes on at once.
            None => return Err(tenancy.why()),
        }
    }
}

fn take_all(tenancy: &mut Tenancy<'_, u32, &'static str>) -> Vec<u32> {
    std::iter::from_fn(|| next(tenancy).ok()).collect()
}

#[test]
fn entries_come_out_in_order_and_a_parked_consumer_is_woken_once() {
    let lane = Queue::new(UNBOUNDED, Overflow::Wait);
    let (first, bell) = (attach(&lane), Arc::new(Bell::default()));
    lane.set_task(first, Waker::from(bell.clone()));
    let mut tenancy = lane.enter(first, None);
    push_all(&lane, 0..3);
    assert_eq!(bell.rung(), 0, "a consumer that is inside is not woken");
    assert_eq!(next(&mut tenancy), Ok(0));
    push_all(&lane, 3..5);
    assert_eq!(take_all(&mut tenancy), [1, 2, 3, 4]);
    push_all(&lane, 5..8);
    assert_eq!(bell.rung(), 1, "one wake-up for the edge");
    assert_eq!(take_all(&mut tenancy), [5, 6, 7]);
}

#[test]
fn a_consumer_gives_way_after_256_entries_at_the_end_of_a_block() {
    let lane = Queue::new(UNBOUNDED, Overflow::Wait);
    let first = attach(&lane);
    let mut tenancy = lane.enter(first, None);
    let mut rows = Vec::new();
    for burst in [255, 255, 600, 3] {
        push_all(&lane, 0..burst);
        loop {
            rows.push(std::iter::from_fn(|| tenancy.next()).count());
            if tenancy.why() == Next::Parked {
                break;
            }
            assert_eq!(tenancy.why(), Next::Turn);
        }
    }
    assert_eq!(rows, [255, 255, 256, 256, 88, 3], "a wait begins the count anew");
}

#[test]
fn the_bound_is_exact_whatever_the_consumer_has_handled() {
    for capacity in [1, 2, 3, 8, 100, 1024] {
        let lane = Queue::new(capacity, Overflow::Wait);
        let first = attach(&lane);
        let mut tenancy = lane.enter(first, None);
        assert_eq!(room(&lane), capacity);
        for handled in [1, capacity / 3, capacity / 2 + 1] {
            let handled = handled.min(capacity);
            (0..handled).for_each(|_| assert!(next(&mut tenancy).is_ok()));
            assert_eq!(room(&lane), handled, "of {capacity}");
            assert_eq!(push(&lane, 9), Err(Refused::Full(entry(9))));
            assert_eq!(lane.len(), capacity);
        }
    }
}

#[test]
fn signals_and_tells_to_oneself_take_no_notice_of_the_bound() {
    let lane = Queue::new(2, Overflow::Fail);
    push_all(&lane, [0, 1]);
    assert_eq!(lane.push_exempt(entry(SIGNAL), 1), Ok(()));
    assert_eq!(lane.push_self(entry(2), 1), Ok(()));
    assert_eq!(lane.len(), 4);
    let first = attach(&lane);
    let mut tenancy = lane.enter(first, None);
    assert_eq!(take_all(&mut tenancy), [0, 1, SIGNAL, 2]);
    assert_eq!(room(&lane), 2);
}

#[test]
fn overflow_decides_who_goes() {
    let rows = [
        (Overflow::Wait, Err(Refused::Full(entry(3))), vec![SIGNAL, 1, 2]),
        (Overflow::Fail, Err(Refused::Full(entry(3))), vec![SIGNAL, 1, 2]),
        (Overflow::DropNewest, Ok(Pushed::Dropped(entry(3))), vec![SIGNAL, 1, 2]),
        // The oldest that takes room: a signal is never dropped.
        (Overflow::DropOldest, Ok(Pushed::Dropped(entry(1))), vec![SIGNAL, 2, 3]),
    ];
    for (overflow, pushed, left) in rows {
        let lane = Queue::new(2, overflow);
        lane.push_exempt(entry(SIGNAL), 1).unwrap();
        push_all(&lane, [1, 2]);
        assert_eq!(push(&lane, 3), pushed, "{overflow:?}");
        let first = attach(&lane);
        assert_eq!(take_all(&mut lane.enter(first, None)), left, "{overflow:?}");
    }
}

#[test]
fn dropping_the_oldest_never_drops_what_was_pushed_last() {
    let lane = Queue::new(1, Overflow::DropOldest);
    let first = attach(&lane);
    let mut tenancy = lane.enter(first, None);
    push_all(&lane, [0]);
    assert_eq!(next(&mut tenancy), Ok(0));
    assert_eq!(push(&lane, 1), Ok(Pushed::Queued));
    assert_eq!(push(&lane, 2), Ok(Pushed::Dropped(entry(1))));
    assert_eq!(take_all(&mut tenancy), [2]);
}

#[test]
fn a_drain_refuses_the_new_and_ends_when_the_queue_is_empty() {
    let lane = Queue::new(4, Overflow::Wait);
    let first = attach(&lane);
    let mut tenancy = lane.enter(first, None);
    push_all(&lane, 0..3);
    assert_eq!(next(&mut tenancy), Ok(0));
    lane.drain();
    assert_eq!(push(&lane, 3), Err(Refused::Draining(entry(3))));
    assert_eq!(lane.push_exempt(entry(SIGNAL), 1), Ok(()), "signals are still heard");
    assert_eq!(take_all(&mut tenancy), [1, 2, SIGNAL]);
    assert_eq!(next(&mut tenancy), Err(Next::Drained));
}

#[test]
fn closing_hands_back_everything_in_order() {
    let lane = Queue::new(UNBOUNDED, Overflow::Wait);
    let first = attach(&lane);
    let mut tenancy = lane.enter(first, None);
    push_all(&lane, 0..3);
    assert_eq!(next(&mut tenancy), Ok(0));
    push_all(&lane, 3..5);
    lane.push_sys("status").unwrap();
    let left = lane.close();
    assert_eq!(left.entries, [1, 2, 3, 4].map(entry));
    assert_eq!(left.requests, ["status"]);
    assert_eq!(next(&mut tenancy), Err(Next::Gone));
    assert_eq!(push(&lane, 5), Err(Refused::Closed(entry(5))));
    assert_eq!(lane.push_exempt(entry(6), 1), Err(entry(6)));
    assert_eq!(lane.push_sys("late"), Err("late"));
    assert_eq!(lane.attach(0, |_| true), None);
}

#[test]
fn a_fence_keeps_the_hand_for_the_successor() {
    let lane = Queue::new(8, Overflow::Wait);
    let first = attach(&lane);
    let mut stuck = lane.enter(first, None);
    push_all(&lane, 0..4);
    assert_eq!(next(&mut stuck), Ok(0));
    push_all(&lane, 4..6);
    assert!(lane.fence(first));
    assert!(!lane.fence(first), "once");
    let second = attach(&lane);
    assert_eq!(next(&mut stuck), Err(Next::Gone));
    assert_eq!(take_all(&mut lane.enter(second, None)), [1, 2, 3, 4, 5]);
    assert_eq!(room(&lane), 8);
}

#[test]
fn what_crashed_goes_before_all_others() {
    let lane = Queue::new(4, Overflow::Wait);
    let first = attach(&lane);
    push_all(&lane, 0..3);
    assert_eq!(next(&mut lane.enter(first, None)), Ok(0)); // It crashes: the consumer has left.
    lane.push_front(entry(0)).unwrap();
    assert_eq!(lane.len(), 3);
    let second = attach(&lane);
    assert_eq!(take_all(&mut lane.enter(second, None)), [0, 1, 2]);
    assert_eq!(room(&lane), 4);
}

#[test]
fn suspended_only_requests_are_taken() {
    let lane = Queue::new(UNBOUNDED, Overflow::Wait);
    let (first, bell) = (attach(&lane), Arc::new(Bell::default()));
    lane.set_task(first, Waker::from(bell.clone()));
    let mut tenancy = lane.enter(first, None);
    push_all(&lane, 0..2);
    assert_eq!(next(&mut tenancy), Ok(0));
    tenancy.suspend(true);
    assert_eq!(next(&mut tenancy), Err(Next::Parked));
    push_all(&lane, [2]);
    assert_eq!(bell.rung(), 0, "a suspended consumer is not woken for entries");
    lane.push_sys("resume").unwrap();
    assert_eq!(bell.rung(), 1);
    assert_eq!(next(&mut tenancy), Err(Next::Sys));
    assert_ne!(lane.ctl() & SYS, 0);
    assert_eq!(lane.take_sys(first), ["resume"]);
    tenancy.suspend(false);
    assert_eq!(take_all(&mut tenancy), [1, 2]);
}

#[test]
fn who_waits_for_room_finds_what_the_consumer_has_not_given_back() {
    let home = Arc::new(Home(Queue::new(8, Overflow::Wait))); // Given back two by two.
    let lane = &home.0;
    let first = attach(lane);
    let mut tenancy = lane.enter(first, None);
    assert_eq!(room(lane), 8);
    let mut waits = Reserve::new(home.clone(), 1);
    assert_eq!(waits.poll(Waker::noop()), Poll::Pending);
    assert!(next(&mut tenancy).is_ok());
    assert_eq!(waits.poll(Waker::noop()), Poll::Ready(()));
    assert_eq!(push(lane, 8), Err(Refused::Full(entry(8))), "the room is reserved");
    assert_eq!(waits.fill(entry(9)), Ok(()));
    assert_eq!(lane.len(), 8);
}

#[test]
fn a_burst_gives_its_memory_back() {
    let lane = Queue::new(UNBOUNDED, Overflow::Wait);
    let first = attach(&lane);
    push_all(&lane, 0..100_000);
    assert!(lane.buffered() >= 100_000);
    let mut tenancy = lane.enter(first, None);
    take_all(&mut tenancy);
    push_all(&lane, 0..10);
    take_all(&mut tenancy);
    drop(tenancy);
    assert!(lane.buffered() <= 64, "{} places kept", lane.buffered());
}

/// Caught: an entry taken singly leaves room and grants it to nobody.
#[test]
fn who_waits_for_room_gets_it_whatever_the_overflow_policy() {
    for overflow in [Overflow::Wait, Overflow::Fail, Overflow::DropOldest, Overflow::DropNewest] {
        let home = Arc::new(Home(Queue::new(1, overflow)));
        let lane = &home.0;
        let first = attach(lane);
        let mut tenancy = lane.enter(first, None);
        push_all(lane, [0]);
        let bell = Arc::new(Bell::default());
        let mut waits = Reserve::new(home.clone(), 1);
        assert_eq!(waits.poll(&Waker::from(bell.clone())), Poll::Pending, "{overflow:?}");
        assert_eq!(next(&mut tenancy), Ok(0), "{overflow:?}");
        assert_eq!(bell.rung(), 1, "{overflow:?}");
        assert_eq!(waits.poll(Waker::noop()), Poll::Ready(()), "{overflow:?}");
        assert_eq!(waits.fill(entry(1)), Ok(()), "{overflow:?}");
        assert_eq!(next(&mut tenancy), Ok(1), "{overflow:?}");
    }
}
