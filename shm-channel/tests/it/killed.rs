//! A child in a process of its own, that is served to the end, and one that is killed on the way.
//!
//! The orders of the killed one that were not seen completed are given to the next one, in the same order, from the same
//! slots: the whole series is answered once, in order, however often that happens.

use std::collections::VecDeque;
use std::io::Read;

use proscenium_shm_channel::{Geometry, HostEnd, Pool, Slot};

use crate::processes::spawn;
use crate::work::{is_answered, put};
use crate::{Chance, GEOMETRY, LIMIT};

/// How often a child is killed.
const ROUNDS: u64 = 40;

/// So many orders are under way that a kill hits one of them.
pub const WIDE: Geometry = Geometry { slots: 64, ..GEOMETRY };

/// Takes slots while there are, and submits with the numbers that follow.
fn fill(pool: &Pool, host: &mut HostEnd, under_way: &mut VecDeque<Slot>, answered: u64, orders: u64) {
    while answered + (under_way.len() as u64) < orders {
        let Some(mut slot) = pool.try_take() else { return };
        put(host, &mut slot, answered + under_way.len() as u64);
        host.submit(Some(&slot), 1, None).unwrap();
        under_way.push_back(slot);
    }
}

/// Checks what is newly completed, and gives its slots back.
fn collect(host: &mut HostEnd, under_way: &mut VecDeque<Slot>, answered: &mut u64) {
    for _ in 0..host.completed().unwrap() {
        let slot = under_way.pop_front().unwrap();
        assert!(is_answered(&host.front(&slot).unwrap(), *answered), "order {answered}");
        *answered += 1;
    }
}

#[test]
fn another_process_answers_hundreds_of_thousands() {
    const ORDERS: u64 = 300_000;
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = HostEnd::new(&pool).unwrap();
    let mut child = spawn("serve", fds);
    let (mut answered, mut under_way) = (0, VecDeque::new());
    while answered < ORDERS {
        fill(&pool, &mut host, &mut under_way, answered, ORDERS);
        assert!(host.wait(LIMIT).unwrap());
        collect(&mut host, &mut under_way, &mut answered);
    }
    host.close();
    let mut said = String::new();
    child.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains(&format!("served {ORDERS}")), "{said}");
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn what_a_killed_child_had_not_completed_is_done_by_the_next() {
    let pool = Pool::new(WIDE).unwrap();
    let mut chance = Chance(0x5EED);
    let (mut answered, mut under_way, mut hit) = (0, VecDeque::<Slot>::new(), 0);
    for round in 0..ROUNDS {
        let (mut host, fds) = HostEnd::new(&pool).unwrap();
        let mut child = spawn("serve-wide", fds);
        // What the last one left, from where it lies.
        for (at, slot) in under_way.iter_mut().enumerate() {
            put(&host, slot, answered + at as u64);
            host.submit(Some(slot), 1, None).unwrap();
        }
        let end = answered + 1 + chance.below(2_000);
        loop {
            fill(&pool, &mut host, &mut under_way, answered, u64::MAX);
            if answered >= end {
                break;
            }
            assert!(host.wait(LIMIT).unwrap());
            collect(&mut host, &mut under_way, &mut answered);
        }
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        // What it completed before it died counts, and nothing else does: every claim is checked.
        collect(&mut host, &mut under_way, &mut answered);
        assert_eq!(host.in_flight() as usize, under_way.len(), "round {round}");
        hit += u64::from(!under_way.is_empty());
    }
    assert!(hit >= ROUNDS / 2, "only {hit} of {ROUNDS} were hit with orders under way");
    under_way.clear();
    assert_eq!(pool.free(), WIDE.slots as usize);
}
