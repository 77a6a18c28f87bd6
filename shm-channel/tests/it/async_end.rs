//! The host's end for tasks: nothing is lost when a wait is given up, on either kind of runtime.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use proscenium_shm_channel::{AsyncHostEnd, ChildEnd, ChildFds, Pool};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::work::{is_answered, put, serve};
use crate::{Chance, GEOMETRY, LIMIT};

fn child(fds: ChildFds) -> JoinHandle<u64> {
    thread::spawn(move || serve(&mut ChildEnd::open(fds, GEOMETRY).unwrap()))
}

/// Waits that are given up at random moments, between others that are not.
async fn series(orders: u64) {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = AsyncHostEnd::new(&pool).unwrap();
    let child = child(fds);
    let mut chance = Chance(orders);
    let (mut asked, mut answered, mut under_way) = (0, 0, VecDeque::new());
    while answered < orders {
        for _ in 0..=chance.below(4) {
            let Some(mut slot) = pool.try_take() else { break };
            put(&host, &mut slot, asked);
            host.submit(Some(&slot), 1, None).unwrap();
            under_way.push_back(slot);
            asked += 1;
        }
        if chance.below(3) == 0 {
            let yields = chance.below(3);
            let given_up = async {
                for _ in 0..yields {
                    yield_now().await;
                }
            };
            tokio::select! {
                biased;
                ready = host.ready() => ready.unwrap(),
                () = given_up => (),
            }
        } else {
            let count = 1 + chance.below(5) as u32;
            timeout(LIMIT, host.ready_for(count)).await.expect("a wake-up was lost").unwrap();
            assert!(host.has_come(count));
        }
        for _ in 0..host.completed().unwrap() {
            let slot = under_way.pop_front().unwrap();
            assert!(is_answered(&host.front(&slot).unwrap(), answered), "order {answered}");
            answered += 1;
        }
    }
    drop(host);
    assert_eq!(child.join().unwrap(), asked);
}

#[tokio::test]
async fn a_task_on_one_thread_is_woken_for_all_completions() {
    series(30_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_on_several_threads_is_woken_for_all_completions() {
    tokio::spawn(series(30_001)).await.unwrap();
}

#[tokio::test]
async fn a_wait_that_nobody_ends_does_not_spin_and_can_be_dropped() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let (mut host, fds) = AsyncHostEnd::new(&pool).unwrap();
    host.submit(None, 1, None).unwrap();
    {
        let mut ready = pin!(host.ready());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(ready.as_mut().poll(&mut cx), Poll::Pending));
        assert!(matches!(ready.as_mut().poll(&mut cx), Poll::Pending));
    }
    let mut child = ChildEnd::open(fds, GEOMETRY).unwrap();
    assert!(matches!(child.take(Some(LIMIT)).unwrap(), proscenium_shm_channel::Taken::Order(_)));
    child.complete();
    timeout(LIMIT, host.ready()).await.unwrap().unwrap();
    assert_eq!(host.completed(), Ok(1));
}

#[tokio::test]
async fn tasks_take_slots_in_turn() {
    let pool = Pool::new(GEOMETRY).unwrap();
    let mut tasks = Vec::new();
    for task in 0..8_u64 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..2_000 {
                let mut slot = pool.take().await;
                slot[0] = task as u8;
                if round % 3 == 0 {
                    yield_now().await;
                }
                assert_eq!(slot[0], task as u8);
            }
        }));
    }
    for task in tasks {
        timeout(LIMIT, task).await.unwrap().unwrap();
    }
    assert_eq!(pool.free(), GEOMETRY.slots as usize);
}
