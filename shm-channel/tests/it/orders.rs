//! Orders and completions, with both ends in one process.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use proscenium_shm_channel::{AccessError, ChildEnd, ChildFds, Geometry, HostEnd, Pool, SubmitError, Taken};

use crate::work::{is_answered, put, serve};
use crate::{Chance, GEOMETRY, LIMIT};

fn child(fds: ChildFds, geometry: Geometry) -> JoinHandle<u64> {
    thread::spawn(move || serve(&mut ChildEnd::open(fds, geometry).unwrap()))
}

fn order_of(child: &mut ChildEnd) -> proscenium_shm_channel::Order {
    match child.take(Some(LIMIT)).unwrap() {
        Taken::Order(order) => order,
        other => panic!("an order was submitted, and there is {other:?}"),
    }
}

#[test]
fn one_order_after_the_other_is_answered() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = HostEnd::new(&pool).unwrap();
    let child = child(fds, GEOMETRY);
    for number in 0..20_000 {
        let mut slot = pool.try_take().unwrap();
        put(&host, &mut slot, number);
        host.submit(Some(&slot), 1, None).unwrap();
        assert!(host.wait(LIMIT).unwrap());
        assert_eq!(host.completed(), Ok(1));
        assert!(is_answered(&host.front(&slot).unwrap(), number), "order {number}");
    }
    host.close();
    assert_eq!(child.join().unwrap(), 20_000);
}

#[test]
fn several_under_way_are_answered_in_order() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = HostEnd::new(&pool).unwrap();
    let child = child(fds, GEOMETRY);
    let mut chance = Chance(7);
    let (mut asked, mut answered, mut under_way) = (0, 0, VecDeque::new());
    while answered < 50_000 {
        // Sometimes one, sometimes all that there is room for: both sides run dry now and then.
        for _ in 0..chance.below(5) {
            let Some(mut slot) = pool.try_take() else { break };
            put(&host, &mut slot, asked);
            host.submit(Some(&slot), 1, None).unwrap();
            under_way.push_back(slot);
            asked += 1;
        }
        if under_way.is_empty() {
            continue;
        }
        let count = 1 + chance.below(5) as u32;
        assert!(host.wait_for(count, LIMIT).unwrap());
        let new = host.completed().unwrap();
        assert!(new >= count.min(under_way.len() as u32), "{new} of {count}");
        for _ in 0..new {
            let slot = under_way.pop_front().unwrap();
            assert!(is_answered(&host.front(&slot).unwrap(), answered), "order {answered}");
            answered += 1;
        }
        assert_eq!(host.in_flight() as usize, under_way.len());
    }
    drop(host);
    assert_eq!(child.join().unwrap(), asked);
}

#[test]
fn the_bounds_hold_and_say_what_they_are() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, _fds) = HostEnd::new(&pool).unwrap();
    let slot = pool.try_take().unwrap();
    host.submit(Some(&slot), 1, None).unwrap();
    assert_eq!(host.submit(Some(&slot), 1, None), Err(SubmitError::InFlight));
    (1..128).for_each(|_| assert!(host.submit(None, 3, None).is_ok()));
    assert_eq!(host.submit(None, 3, None), Err(SubmitError::Full));
    assert_eq!(host.in_flight(), 128);
    let other = Pool::new(GEOMETRY).unwrap().try_take().unwrap();
    assert_eq!(host.submit(Some(&other), 1, None), Err(SubmitError::ForeignSlot));
    assert_eq!(host.front(&other).unwrap_err(), AccessError::ForeignSlot);
    host.close();
    assert_eq!(host.submit(None, 3, None), Err(SubmitError::Closed));
}

/// Of every length up to a few rounds of the comparison, with each word changed in turn.
#[test]
fn a_front_holds_these_words_and_no_others() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (host, _fds) = HostEnd::new(&pool).unwrap();
    let slot = pool.try_take().unwrap();
    let front = host.front(&slot).unwrap();
    for len in [0, 1, 127, 128, 129, 256, 300] {
        let words: Vec<u64> = (1..=len).collect();
        front.store(64, &words).unwrap();
        assert_eq!(front.holds(64, &words), Ok(true), "{len} words");
        for (nth, &word) in (0..).zip(&words) {
            front.store(64 + 8 * nth, &[word ^ 1 << 63]).unwrap();
            assert_eq!(front.holds(64, &words), Ok(false), "word {nth} of {len}");
            front.store(64 + 8 * nth, &[word]).unwrap();
        }
    }
    let size = front.size();
    assert!(front.holds(size - 8, &[1, 2]).is_err(), "half of it lies beyond the end");
}

#[test]
fn a_front_has_an_end() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (host, _fds) = HostEnd::new(&pool).unwrap();
    let slots: Vec<_> = std::iter::from_fn(|| pool.try_take()).collect();
    let front = host.front(&slots[3]).unwrap();
    let size = front.size();
    assert_eq!(size, GEOMETRY.front_size());
    assert!(front.store(size - 8, &[7]).is_ok());
    let mut word = [0];
    assert!(front.load(size - 8, &mut word).is_ok());
    assert_eq!(word, [7]);
    assert_eq!(front.load_u32(size - 8), Ok(7));
    let mut bytes = vec![1];
    for (offset, len) in [(size, 1), (size - 7, 8), (u32::MAX, 1), (0, size + 1), (u32::MAX, u32::MAX)] {
        let wrong = AccessError::OutOfBounds { offset, len: len as usize, size };
        assert_eq!(front.copy_out(offset, len, &mut bytes), Err(wrong));
        assert_eq!(bytes, [1], "nothing was read");
    }
    assert!(front.store(size - 7, &[7]).is_err());
    assert!(front.load(size - 7, &mut word).is_err());
    assert!(front.copy_out(size, 0, &mut bytes).is_ok());
}

#[test]
fn an_order_says_kind_slot_budget_and_whether_it_was_cancelled() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = HostEnd::new(&pool).unwrap();
    let mut child = ChildEnd::open(fds, GEOMETRY).unwrap();
    // SAFETY: the word is mapped as long as the child's end is there, and only ever loaded.
    let word = |at: *const u32| unsafe { AtomicU32::from_ptr(at.cast_mut()) }.load(Ordering::Relaxed);
    let slot = pool.try_take().unwrap();
    // Twice round the places: what was left of the order before does not show.
    for round in 0..300_u64 {
        let number = host.submit(Some(&slot), 2, Some(Duration::from_millis(round))).unwrap();
        let next = host.submit(None, 255, None).unwrap();
        let order = order_of(&mut child);
        assert_eq!((order.kind, order.slot, order.block.is_some()), (2, Some(0), true));
        assert_eq!(order.budget, Some(Duration::from_millis(round).max(Duration::from_nanos(1))));
        assert_eq!(word(order.cancel), 0);
        host.cancel(number);
        assert_eq!(word(order.cancel), 1);
        assert_eq!(order_of(&mut child).cancel, order.cancel, "the same until it is completed");
        assert!(child.complete());
        assert!(!child.complete(), "once");
        let order = order_of(&mut child);
        assert_eq!((order.kind, order.slot, order.block, order.budget), (255, None, None, None));
        assert_eq!(word(order.cancel), 0, "the cancellation was for the one before");
        assert_eq!(host.completed(), Ok(1));
        host.cancel(number);
        assert_eq!(word(order.cancel), 0, "that one is over");
        if round == 299 {
            host.cancel_all();
            assert_eq!((word(order.cancel), word(child.cancel_word())), (1, 1));
        } else {
            assert_eq!(word(child.cancel_word()), 0);
        }
        assert!(next > number);
        assert!(child.complete());
        assert_eq!(host.completed(), Ok(1));
    }
}

#[test]
fn a_limit_ends_a_wait_on_either_side() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = HostEnd::new(&pool).unwrap();
    let mut child = ChildEnd::open(fds, GEOMETRY).unwrap();
    assert!(matches!(child.take(Some(Duration::ZERO)).unwrap(), Taken::Nothing));
    assert!(matches!(child.take(Some(Duration::from_millis(3))).unwrap(), Taken::Nothing));
    assert!(!host.wait(Duration::from_millis(3)).unwrap());
    host.submit(None, 1, None).unwrap();
    assert!(!host.wait(Duration::ZERO).unwrap());
    assert!(matches!(child.take(Some(Duration::ZERO)).unwrap(), Taken::Order(_)));
    assert!(child.complete());
    assert!(host.wait(Duration::ZERO).unwrap());
}

#[test]
fn a_child_s_end_does_not_open_what_does_not_fit() {
    let pool = Pool::new(GEOMETRY).unwrap();
    for wrong in [
        Geometry { slots: 5, ..GEOMETRY },
        Geometry { heap: 8192, ..GEOMETRY },
        Geometry { input: 5000, ..GEOMETRY },
        Geometry { records: 0, ..GEOMETRY },
    ] {
        let (_host, fds) = HostEnd::new(&pool).unwrap();
        assert!(ChildEnd::open(fds, wrong).is_err(), "{wrong:?}");
    }
    // Neither what is no region of ours.
    let (_host, mut fds) = HostEnd::new(&pool).unwrap();
    fds.orders = rustix::fs::memfd_create("unsealed", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&fds.orders, rustix::param::page_size() as u64).unwrap();
    let refused = ChildEnd::open(fds, GEOMETRY).unwrap_err();
    assert!(refused.to_string().contains("not sealed"), "{refused}");
}
