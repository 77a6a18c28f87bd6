//! The protocol, checked by loom over every interleaving with three preemptions at most.
//!
//! `make loom` runs them. A lost wake-up shows as a deadlock, a result that is read too early as loom's report of a race, an
//! order that is lost, doubled or torn as a failed assertion. Two orders may be under way here, so that places are used again.
//!
//! Seeded bugs that they were seen to catch, each put in by hand and taken out again (and one that was no seed: a sleeper
//! that was named by a number of its nap, see `bell`):
//!
//! | place | bug | caught by |
//! |---|---|---|
//! | `bell::arm` | no fence; no second look | `one_at_a_time_…`, `several_…`, `who_waits_…` |
//! | `Ringer::owes` | no fence; it rings for the first sleep alone; it is off by one, either way | the same |
//! | `HostSide::submit` | the count before the entry; the count stored relaxed | the same |
//! | `HostSide::completed` | the count loaded relaxed | the same |
//! | `load_acquire` | no fence | the same |
//! | `ChildSide::complete` | the count stored relaxed | the same |
//! | `HostSide::completed` | one more than was submitted is accepted | `a_child_that_answers_at_will_…` |
//! | `HostSide::close` | it does not ring, or as if nothing were new | `a_child_that_sleeps_learns_…` |

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

use crate::protocol::{Answers, ChildSide, Entry, HostSide, Look, ORDERS, Orders, place};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What a futex does: the word is compared and the sleep begun under the same lock as a wake-up.
struct Futex {
    is_asleep: Mutex<bool>,
    bell: Notify,
}

impl Futex {
    fn new() -> Self {
        Self { is_asleep: Mutex::new(false), bell: Notify::new() }
    }

    fn wait(&self, word: &AtomicU32, expected: u32) {
        let mut is_asleep = self.is_asleep.lock().unwrap();
        if word.load(Ordering::Relaxed) == expected {
            *is_asleep = true;
            drop(is_asleep);
            self.bell.wait();
        }
    }

    fn wake(&self) {
        if std::mem::take(&mut *self.is_asleep.lock().unwrap()) {
            self.bell.notify();
        }
    }
}

/// Both pages, what the system keeps, and a result for each place.
struct Shared {
    submitted: AtomicU32,
    host_asleep: AtomicU64,
    entries: [[AtomicU64; 2]; ORDERS as usize],
    completed: AtomicU32,
    child_asleep: AtomicU64,
    results: [UnsafeCell<u64>; ORDERS as usize],
    futex: Futex,
    /// The eventfd, for who waits for its edges: one that nobody waits for is kept for the next wait.
    edge: Notify,
}

impl Shared {
    fn new() -> Arc<Self> {
        let word = || AtomicU64::new(0);
        Arc::new(Self {
            submitted: AtomicU32::new(0),
            host_asleep: word(),
            entries: std::array::from_fn(|_| [word(), word()]),
            completed: AtomicU32::new(0),
            child_asleep: word(),
            results: std::array::from_fn(|_| UnsafeCell::new(0)),
            futex: Futex::new(),
            edge: Notify::new(),
        })
    }

    fn orders(&self) -> Orders<'_> {
        Orders { submitted: &self.submitted, host_asleep: &self.host_asleep, entries: &self.entries }
    }

    fn answers(&self) -> Answers<'_> {
        Answers { completed: &self.completed, child_asleep: &self.child_asleep }
    }

    fn result(&self, number: u64) -> &UnsafeCell<u64> {
        &self.results[place(number)]
    }
}

fn entry(number: u64) -> Entry {
    [number + 10, number + 20]
}

fn model(threads: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(threads);
}

/// A child that serves so many orders, beside what the host does.
fn beside_a_child(orders: u64, host: impl Fn(&Shared, &mut HostSide) + Sync + Send + 'static) {
    model(move || {
        let shared = Shared::new();
        let child = thread::spawn({
            let shared = shared.clone();
            move || serve(&shared, orders)
        });
        let mut side = HostSide::new();
        host(&shared, &mut side);
        child.join().unwrap();
        assert_eq!(side.in_flight(), 0);
    });
}

/// As `ChildEnd::take` does, without the spin.
fn take(shared: &Shared, side: &ChildSide) -> Look {
    loop {
        match side.look(shared.orders()) {
            Look::Nothing => (),
            found => return found,
        }
        if side.arm(shared.orders(), shared.answers()) {
            shared.futex.wait(&shared.submitted, side.nothing());
            side.disarm(shared.answers());
        }
    }
}

/// Serves so many orders, each of which must be the one that comes next, whole.
fn serve(shared: &Shared, orders: u64) {
    let mut side = ChildSide::new();
    for number in 0..orders {
        assert_eq!(take(shared, &side), Look::Order(entry(number)));
        // SAFETY: the order is the child's until it is completed; loom looks.
        shared.result(number).with_mut(|result| unsafe { *result = entry(number)[1] });
        if side.complete(shared.orders(), shared.answers()) {
            shared.edge.notify();
        }
    }
}

fn submit(shared: &Shared, side: &mut HostSide) {
    side.submit(shared.orders(), entry(side.submitted()));
    wake(shared, side);
}

fn wake(shared: &Shared, side: &mut HostSide) {
    if side.owes(shared.answers()) {
        shared.futex.wake();
    }
}

/// As `HostEnd::wait` does.
fn wait_for(shared: &Shared, side: &HostSide, count: u32) {
    while side.arm(shared.orders(), shared.answers(), count) {
        shared.edge.wait();
    }
    side.disarm(shared.orders());
}

/// Reads the results of all new completions. How many there were.
fn collect(shared: &Shared, side: &mut HostSide) -> u32 {
    let first = side.seen();
    let new = side.completed(shared.answers()).unwrap();
    for number in first..side.seen() {
        // SAFETY: the order is completed, and the next one for its place is not submitted; loom looks.
        shared.result(number).with(|result| assert_eq!(unsafe { *result }, entry(number)[1]));
    }
    new
}

/// Each side sleeps until the other has done its part.
#[test]
fn one_at_a_time_wakes_both_sides() {
    beside_a_child(2, |shared, side| {
        for _ in 0..2 {
            submit(shared, side);
            wait_for(shared, side, 1);
            assert_eq!(collect(shared, side), 1);
        }
    });
}

/// Places are used again: the third order may be submitted only after the first is seen completed.
#[test]
fn several_under_way_come_once_each_in_order_and_whole() {
    beside_a_child(u64::from(ORDERS) + 1, |shared, side| {
        let mut done = 0;
        (0..ORDERS).for_each(|_| submit(shared, side));
        while done == 0 {
            wait_for(shared, side, 1);
            done += collect(shared, side);
        }
        submit(shared, side);
        while done < ORDERS + 1 {
            wait_for(shared, side, 1);
            done += collect(shared, side);
        }
    });
}

/// The host sleeps until both are done, and is not woken for nothing in between.
#[test]
fn who_waits_for_several_is_woken_for_the_last() {
    beside_a_child(u64::from(ORDERS), |shared, side| {
        (0..ORDERS).for_each(|_| submit(shared, side));
        wait_for(shared, side, ORDERS);
        assert_eq!(collect(shared, side), ORDERS);
    });
}

/// Orders that are published wake nobody; who is woken later finds all of them.
#[test]
fn a_child_is_woken_for_what_was_published_before() {
    beside_a_child(u64::from(ORDERS), |shared, side| {
        (0..ORDERS).for_each(|_| side.submit(shared.orders(), entry(side.submitted())));
        wake(shared, side);
        wait_for(shared, side, ORDERS);
        assert_eq!(collect(shared, side), ORDERS);
    });
}

/// What was submitted before the end is served, and then the end is seen, asleep or not.
#[test]
fn a_child_that_sleeps_learns_of_the_end_behind_its_orders() {
    model(|| {
        let shared = Shared::new();
        let child = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut side = ChildSide::new();
                assert_eq!(take(&shared, &side), Look::Order(entry(0)));
                let _ = side.complete(shared.orders(), shared.answers());
                assert_eq!(take(&shared, &side), Look::Closed);
            }
        });
        let mut side = HostSide::new();
        submit(&shared, &mut side);
        if side.close(shared.orders(), shared.answers()) {
            shared.futex.wake();
        }
        child.join().unwrap();
    });
}

/// The child writes what it likes: the host takes no completion for more than was submitted, and goes on.
#[test]
fn a_child_that_answers_at_will_is_believed_no_more_than_can_be() {
    model(|| {
        let shared = Shared::new();
        let child = thread::spawn({
            let shared = shared.clone();
            move || {
                for claim in [2, 1, u32::MAX, 3] {
                    shared.child_asleep.store(u64::from(claim), Ordering::Relaxed);
                    shared.completed.store(claim, Ordering::Relaxed);
                }
            }
        });
        let mut side = HostSide::new();
        let mut done = 0;
        for submitted in 1..=2 {
            submit(&shared, &mut side);
            done += side.completed(shared.answers()).unwrap_or(0);
            assert!(done <= submitted);
            assert_eq!(side.in_flight(), submitted - done);
        }
        child.join().unwrap();
    });
}
