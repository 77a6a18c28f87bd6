//! Many at once, and the same time whatever the heap.
use std::time::{Duration, Instant};

use proscenium_process::{Command, ExitStatus};

use crate::{LIMIT, guard, sh};

#[test]
fn many_threads_spawn_at_once_and_each_gets_its_own_status() {
    let guard = guard();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let guard = &guard;
            scope.spawn(move || {
                for number in 0..8 {
                    let code = thread * 8 + number;
                    let child = guard.spawn(&sh(&format!("exit {code}"))).unwrap();
                    assert_eq!(child.wait(LIMIT).unwrap(), ExitStatus::Code(code));
                }
            });
        }
    });
    guard.stop(LIMIT).unwrap();
}

#[test]
fn two_hundred_children_live_at_once_and_all_end_with_the_guard() {
    let guard = guard();
    let children: Vec<_> = (0..200).map(|_| guard.spawn(&Command::new("sleep").arg("1000")).unwrap()).collect();
    assert!(children.iter().all(|child| child.try_wait().unwrap().is_none()));
    guard.stop(LIMIT).unwrap();
    assert!(children.iter().all(|child| crate::readable_within(child.pidfd(), Duration::ZERO)));
}

#[test]
fn no_descriptor_and_no_child_is_left_behind_by_many_spawns() {
    let guard = guard();
    let count = |what: String| std::fs::read_dir(what).unwrap().count();
    let before = count(format!("/proc/{}/fd", guard.pid()));
    for _ in 0..100 {
        assert!(guard.spawn(&sh("exit 0")).unwrap().wait(LIMIT).unwrap().is_success());
    }
    // It answers before it closes what came with the last request: seven descriptors, and the child's status socket.
    let last = guard.spawn(&Command::new("sleep").arg("1000")).unwrap();
    assert!(count(format!("/proc/{}/fd", guard.pid())) <= before + 8);
    last.kill().unwrap();
}

/// A host that forks copies a table for each page that it has touched: 60 times the time at 1 GiB.
#[test]
fn a_spawn_takes_the_same_time_whatever_the_heap() {
    const PAGE: usize = 4096;
    let guard = guard();
    let command = Command::new("true");
    let median = || {
        let mut times: Vec<_> = (0..31)
            .map(|_| {
                let began = Instant::now();
                guard.spawn(&command).unwrap().wait(LIMIT).unwrap();
                began.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2]
    };
    let small = median();
    let mut heap = vec![0_u8; 1 << 30];
    heap.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    let large = median();
    std::hint::black_box(&heap);
    println!("{small:?} with a small heap, {large:?} with 1 GiB");
    assert!(large < small * 5, "{small:?} with a small heap, {large:?} with 1 GiB");
}
