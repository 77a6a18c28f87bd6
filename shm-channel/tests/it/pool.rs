//! The pool: one owner a slot, turns kept, nothing lost when a wait is given up.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use proscenium_shm_channel::{Geometry, Pool, Slot};

use crate::{Chance, GEOMETRY, LIMIT};

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn poll(future: impl Future<Output = Slot> + Unpin, bell: &Arc<Bell>) -> Option<Slot> {
    match pin!(future).poll(&mut Context::from_waker(&Waker::from(bell.clone()))) {
        Poll::Ready(slot) => Some(slot),
        Poll::Pending => None,
    }
}

fn all(pool: &Pool) -> Vec<Slot> {
    std::iter::from_fn(|| pool.try_take()).collect()
}

#[test]
fn there_are_as_many_as_the_geometry_says_and_each_comes_back() {
    for slots in [1, 2, 63, 64] {
        let pool = Pool::new(Geometry { slots, ..GEOMETRY }).unwrap();
        let taken = all(&pool);
        let mut indices: Vec<_> = taken.iter().map(Slot::index).collect();
        indices.sort_unstable();
        assert_eq!(indices, (0..slots).collect::<Vec<_>>());
        assert_eq!(pool.free(), 0);
        drop(taken);
        assert_eq!(pool.free(), slots as usize);
    }
    for slots in [0, 65] {
        assert!(Pool::new(Geometry { slots, ..GEOMETRY }).is_err());
    }
}

#[test]
fn more_slots_than_owners_go_round_as_long_as_little_is_written_to_each() {
    let pool = Pool::in_turn(Geometry { slots: 8, ..GEOMETRY }, 2).unwrap();
    let used_in_20 = || {
        let _other = pool.try_take().unwrap();
        let mut indices: Vec<_> = (0..20).map(|_| pool.try_take().unwrap().index()).collect();
        indices.sort_unstable();
        indices.dedup();
        indices.len()
    };
    assert_eq!(used_in_20(), 7, "all but the other's");
    let use_one = |bytes| pool.try_take().unwrap().has_used(bytes);
    use_one(1 << 20);
    assert_eq!(used_in_20(), 5, "six of a MiB each");
    use_one(1);
    assert_eq!(used_in_20(), 5, "what was large once may be again");
    use_one(64 << 20);
    assert_eq!(used_in_20(), 1, "no more than the owners need");
    let both = all(&pool);
    assert_eq!((both.len(), pool.free()), (2, 0), "two owners, whatever goes round");
}

#[test]
fn who_waits_is_served_in_turn_and_nobody_overtakes() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let mut taken = all(&pool);
    let bells: [Arc<Bell>; 3] = Default::default();
    let mut waits = [pool.take(), pool.take(), pool.take()];
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        assert!(poll(wait, bell).is_none());
    }
    for turn in 0..3 {
        let freed = taken.pop().unwrap().index();
        assert!(pool.try_take().is_none(), "it is for who waits");
        assert_eq!(bells.each_ref().map(|bell| bell.rings()), std::array::from_fn(|at| usize::from(at <= turn)));
        // Whoever asks first: it is the turn of one.
        for other in turn + 1..3 {
            assert!(poll(&mut waits[other], &bells[other]).is_none());
        }
        let got = poll(&mut waits[turn], &bells[turn]).unwrap();
        assert_eq!(got.index(), freed);
        taken.push(got);
        let latest = taken.len() - 1;
        taken.swap(0, latest);
    }
}

#[test]
fn a_wait_that_is_dropped_passes_its_turn_and_its_slot_on() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let mut taken = all(&pool);
    let bells: [Arc<Bell>; 3] = Default::default();
    let (mut first, mut second, mut third) = (pool.take(), pool.take(), pool.take());
    assert!(poll(&mut first, &bells[0]).is_none());
    assert!(poll(&mut second, &bells[1]).is_none());
    assert!(poll(&mut third, &bells[2]).is_none());
    drop(second);
    let freed = taken.pop().unwrap().index();
    assert_eq!(bells[0].rings(), 1);
    // It has the slot and never looks.
    drop(first);
    assert_eq!((bells[1].rings(), bells[2].rings()), (0, 1));
    assert_eq!(poll(&mut third, &bells[2]).unwrap().index(), freed);
    // And with nobody left the slot is free: the one that was polled above was dropped at once.
    assert_eq!(pool.free(), 1);
    drop(pool.take());
    assert_eq!(pool.free(), 1);
}

#[test]
fn the_latest_waker_is_the_one_that_is_woken() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let taken = all(&pool);
    let bells: [Arc<Bell>; 2] = Default::default();
    let mut wait = pool.take();
    assert!(poll(&mut wait, &bells[0]).is_none());
    assert!(poll(&mut wait, &bells[1]).is_none());
    drop(taken);
    assert_eq!((bells[0].rings(), bells[1].rings()), (0, 1));
}

#[test]
fn a_blocking_wait_ends_at_its_limit_or_with_a_slot() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let mut taken = all(&pool);
    assert!(pool.blocking_take(Duration::from_millis(2)).is_none());
    let waiting = thread::spawn({
        let pool = pool.clone();
        move || pool.blocking_take(LIMIT).map(|slot| slot.index())
    });
    let freed = taken.pop().unwrap().index();
    assert_eq!(waiting.join().unwrap(), Some(freed));
    assert_eq!(pool.free(), 1);
}

#[test]
fn a_slot_never_has_two_owners() {
    const THREADS: u64 = 6;
    let pool = Pool::new(Geometry { slots: 3, ..GEOMETRY }).unwrap();
    let taken = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pool, taken) = (&pool, &taken);
            scope.spawn(move || {
                let mut chance = Chance(thread + 1);
                for _ in 0..5_000 {
                    // Some give up early, so that slots are granted to who has left.
                    let slot = match chance.below(4) {
                        0 => pool.try_take(),
                        1 => pool.blocking_take(Duration::from_nanos(chance.below(3_000))),
                        _ => Some(pool.blocking_take(LIMIT).unwrap()),
                    };
                    let Some(mut slot) = slot else { continue };
                    let mark = chance.number() as u8;
                    slot[..64].fill(mark);
                    if chance.below(8) == 0 {
                        thread::yield_now();
                    }
                    assert!(slot[..64].iter().all(|&byte| byte == mark));
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(pool.free(), 3);
    assert!(taken.into_inner() >= THREADS * 2_500);
}
