//! Goal: the rules of a bound in bytes, one by one. Method: entries with weights, as senders give them.

use super::*;

fn lane(limit: usize, overflow: Overflow) -> Queue {
    Queue::in_bytes(limit, overflow)
}

/// The entry's number, and what it weighs.
type Load = (u32, usize);

fn push((number, weight): Load, lane: &Queue) -> Result<Pushed<Entry<u32>>, Refused<Entry<u32>>> {
    assert!(lane.room().is_none(), "nothing comes in unweighed");
    lane.push_slowly(entry(number), weight)
}

fn fill(lane: &Queue, loads: impl IntoIterator<Item = Load>) {
    for load in loads {
        assert_eq!(push(load, lane), Ok(Pushed::Queued), "{load:?}");
    }
}

fn all(lane: &Queue) -> Vec<u32> {
    let incarnation = attach(lane);
    let got = take_all(&mut lane.enter(incarnation, None));
    assert_eq!(lane.bytes(), Some(0), "what is handled weighs nothing");
    got
}

/// A wait for room, and what wakes it.
fn wait(home: &Arc<Home>, weight: usize) -> (Reserve<Home, u32, &'static str>, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    let mut wait = Reserve::new(home.clone(), weight);
    assert_eq!(wait.poll(&Waker::from(bell.clone())), Poll::Pending, "{weight}");
    (wait, bell)
}

fn displaced(numbers: impl IntoIterator<Item = u32>) -> Result<Pushed<Entry<u32>>, Refused<Entry<u32>>> {
    Ok(Pushed::Displaced(numbers.into_iter().map(entry).collect()))
}

/// Catches a policy that drops one where several are in the way, more than are in the way, or a signal; `>` for `>=`.
#[test]
fn the_policies_go_by_weight() {
    use Overflow::{DropNewest, DropOldest, Fail, Wait};
    let queued = || Ok(Pushed::Queued);
    // Into 10 bytes with a signal, 1 of 4 bytes, 2 of 3 and 3 of 2.
    let rows = [
        // policy, the weight of 4, the answer, what is left
        (Wait, 1, queued(), vec![SIGNAL, 1, 2, 3, 4]),
        (Wait, 2, Err(Refused::Full(entry(4))), vec![SIGNAL, 1, 2, 3]),
        (Fail, 1, queued(), vec![SIGNAL, 1, 2, 3, 4]),
        (Fail, 2, Err(Refused::Full(entry(4))), vec![SIGNAL, 1, 2, 3]),
        (DropNewest, 1, queued(), vec![SIGNAL, 1, 2, 3, 4]),
        (DropNewest, 2, Ok(Pushed::Dropped(entry(4))), vec![SIGNAL, 1, 2, 3]),
        (DropOldest, 1, queued(), vec![SIGNAL, 1, 2, 3, 4]),
        (DropOldest, 2, displaced([1]), vec![SIGNAL, 2, 3, 4]),
        (DropOldest, 5, displaced([1]), vec![SIGNAL, 2, 3, 4]),
        (DropOldest, 6, displaced([1, 2]), vec![SIGNAL, 3, 4]),
        (DropOldest, 8, displaced([1, 2]), vec![SIGNAL, 3, 4]),
        (DropOldest, 10, displaced([1, 2, 3]), vec![SIGNAL, 4]),
        (DropOldest, 11, displaced([1, 2, 3]), vec![SIGNAL, 4]),
    ];
    for (row, (overflow, weight, answer, left)) in rows.into_iter().enumerate() {
        let lane = lane(10, overflow);
        lane.push_exempt(entry(SIGNAL), 0).unwrap();
        fill(&lane, [(1, 4), (2, 3), (3, 2)]);
        assert_eq!(lane.bytes(), Some(9));
        assert_eq!(push((4, weight), &lane), answer, "row {row}");
        assert_eq!(all(&lane), left, "row {row}");
    }
}

/// Catches one that waits for ever, and one that comes in beside others.
#[test]
fn what_is_heavier_than_the_bound_goes_in_alone() {
    for overflow in [Overflow::Wait, Overflow::Fail, Overflow::DropNewest, Overflow::DropOldest] {
        let lane = lane(10, overflow);
        fill(&lane, [(1, 1_000)]);
        assert_eq!(lane.bytes(), Some(1_000));
        let refused = push((2, 1), &lane);
        match overflow {
            Overflow::Wait | Overflow::Fail => assert_eq!(refused, Err(Refused::Full(entry(2)))),
            Overflow::DropNewest => assert_eq!(refused, Ok(Pushed::Dropped(entry(2)))),
            Overflow::DropOldest => assert_eq!(refused, displaced([1])),
        }
        all(&lane);
    }
    let home = Arc::new(Home(lane(10, Overflow::Wait)));
    fill(&home.0, [(1, 1), (2, 1)]);
    let (waits, bell) = wait(&home, 11);
    let first = attach(&home.0);
    let mut tenancy = home.0.enter(first, None);
    assert_eq!((next(&mut tenancy), bell.rung()), (Ok(1), 0), "not beside another");
    assert_eq!((next(&mut tenancy), bell.rung()), (Ok(2), 1), "when nothing is left");
    assert_eq!(waits.fill(entry(3)), Ok(()));
    assert_eq!(take_all(&mut tenancy), [3]);
}

/// Catches a push, and a wait, that looks at the room and not at the line, and a grant that looks past the first.
#[test]
fn a_heavy_one_that_waits_is_not_passed_by_light_ones() {
    let home = Arc::new(Home(lane(10, Overflow::Wait)));
    fill(&home.0, [(1, 4), (2, 4)]);
    let (heavy, heavy_bell) = wait(&home, 9);
    let (light, light_bell) = wait(&home, 1);
    assert_eq!(push((5, 1), &home.0), Err(Refused::Full(entry(5))), "a newcomer");
    let first = attach(&home.0);
    let mut tenancy = home.0.enter(first, None);
    assert_eq!(next(&mut tenancy), Ok(1));
    assert_eq!((heavy_bell.rung(), light_bell.rung()), (0, 0), "six are free");
    assert_eq!(next(&mut tenancy), Ok(2));
    assert_eq!((heavy_bell.rung(), light_bell.rung()), (1, 1), "both have room now");
    assert_eq!(push((5, 1), &home.0), Err(Refused::Full(entry(5))), "all of it is granted");
    assert_eq!((light.fill(entry(4)), heavy.fill(entry(3))), (Ok(()), Ok(())));
    assert_eq!(home.0.bytes(), Some(10));
    assert_eq!(take_all(&mut tenancy), [4, 3]);
}

/// Catches a cancelled wait that gives back 1, or nothing, and one that leaves those behind it waiting.
#[test]
fn a_wait_that_is_given_up_gives_back_what_it_had() {
    let home = Arc::new(Home(lane(10, Overflow::Wait)));
    fill(&home.0, [(1, 6)]);
    let (heavy, _) = wait(&home, 7);
    let (light, light_bell) = wait(&home, 4);
    drop(heavy);
    assert_eq!(light_bell.rung(), 1, "it stood behind the heavy one only");
    assert_eq!(home.0.bytes(), Some(10), "granted room counts");
    drop(light);
    assert_eq!(home.0.bytes(), Some(6));
    fill(&home.0, [(2, 4)]);
    assert_eq!(all(&home.0), [1, 2]);
}

/// Catches weights that go with the consumer, and a retry that is counted once and given back never.
#[test]
fn a_restart_keeps_the_account() {
    let lane = lane(10, Overflow::Wait);
    fill(&lane, [(1, 3), (2, 3), (3, 4)]);
    let first = attach(&lane);
    assert_eq!(next(&mut lane.enter(first, None)), Ok(1)); // It crashes: the consumer has left.
    lane.push_front(entry(1)).unwrap();
    assert_eq!((lane.bytes(), lane.len()), (Some(7), 3), "what is retried has no weight any more");
    let second = attach(&lane);
    let mut stuck = lane.enter(second, None);
    assert_eq!((next(&mut stuck), next(&mut stuck)), (Ok(1), Ok(2)));
    assert!(lane.fence(second));
    assert_eq!(lane.bytes(), Some(4));
    fill(&lane, [(4, 6)]);
    assert_eq!(push((5, 1), &lane), Err(Refused::Full(entry(5))));
    assert_eq!(all(&lane), [3, 4]);
}

/// Catches a tell to oneself that is not counted, or that is refused; an own result without its weight.
#[test]
fn what_is_exempt_counts_and_is_let_in() {
    let lane = lane(10, Overflow::Wait);
    fill(&lane, [(1, 10)]);
    assert_eq!(lane.push_self(entry(2), 5), Ok(()));
    assert_eq!(lane.push_exempt(entry(3), 6), Ok(()));
    assert_eq!(lane.push_exempt(entry(SIGNAL), 7), Ok(()));
    assert_eq!(lane.bytes(), Some(21), "all but the signal");
    let first = attach(&lane);
    let mut tenancy = lane.enter(first, None);
    assert_eq!(next(&mut tenancy), Ok(1));
    assert_eq!(push((4, 1), &lane), Err(Refused::Full(entry(4))), "eleven are there");
    assert_eq!(next(&mut tenancy), Ok(2));
    fill(&lane, [(4, 4)]);
    assert_eq!(take_all(&mut tenancy), [3, SIGNAL, 4]);
}

/// Catches `displace` that drops before it has looked, and one that takes the room of those who wait.
#[test]
fn nothing_is_dropped_in_vain_and_granted_room_is_not_taken() {
    let home = Arc::new(Home(lane(10, Overflow::DropOldest)));
    let mut granted = Reserve::new(home.clone(), 8);
    assert_eq!(granted.poll(Waker::noop()), Poll::Ready(()));
    fill(&home.0, [(1, 2)]);
    assert_eq!(push((2, 3), &home.0), Ok(Pushed::Dropped(entry(2))), "1 alone would not make room");
    let (_waits, bell) = wait(&home, 9);
    assert_eq!(push((3, 2), &home.0), displaced([1]));
    assert_eq!(push((4, 1), &home.0), displaced([3]));
    assert_eq!(push((5, 2), &home.0), Ok(Pushed::Dropped(entry(5))), "one free byte is not its own");
    assert_eq!(granted.fill(entry(6)), Ok(()));
    let first = attach(&home.0);
    let mut tenancy = home.0.enter(first, None);
    assert_eq!((next(&mut tenancy), bell.rung()), (Ok(4), 0));
    assert_eq!((next(&mut tenancy), bell.rung()), (Ok(6), 1));
}

/// A weight is what a user says: the count comes right again, however wrong it was. Catches `+=`.
#[test]
fn weights_that_are_not_true_overflow_nothing() {
    for overflow in [Overflow::Wait, Overflow::DropOldest] {
        let lane = lane(10, overflow);
        for number in 0..3 {
            assert_eq!(lane.push_self(entry(number), usize::MAX), Ok(()));
        }
        let _ = push((3, usize::MAX), &lane);
        all(&lane);
        fill(&lane, [(4, 10)]);
    }
}

/// Catches a permit that is given back to a closed lane as though it held something.
#[test]
fn a_closed_lane_weighs_nothing() {
    let home = Arc::new(Home(lane(10, Overflow::Wait)));
    let mut granted = Reserve::new(home.clone(), 8);
    assert_eq!(granted.poll(Waker::noop()), Poll::Ready(()));
    fill(&home.0, [(1, 2)]);
    let (waits, bell) = wait(&home, 3);
    assert_eq!(home.0.close().entries, [entry(1)]);
    assert_eq!((home.0.bytes(), bell.rung()), (Some(0), 1));
    assert_eq!(granted.fill(entry(2)), Err(Refused::Closed(entry(2))));
    assert_eq!(waits.fill(entry(3)), Err(Refused::Closed(entry(3))));
}

#[test]
fn a_lane_without_a_bound_weighs_nothing() {
    let unbounded = Queue::in_bytes(UNBOUNDED, Overflow::DropOldest);
    assert!(unbounded.room().is_some(), "and goes the short way");
    assert_eq!((unbounded.bytes(), unbounded.bound()), (None, None));
    assert_eq!(Queue::new(3, Overflow::Wait).bytes(), None);
}
