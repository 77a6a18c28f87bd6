//! No orphan: the host ends in whatever way, and everything below it is gone within the guard's 10 s, the guard included.
use rustix::process::{Pid, Signal, kill_process};

use crate::host::Host;
use crate::{LIMIT, guard, line, pidfd, readable_within, sh, wait_for_state};
use proscenium_process::{SpawnError, Stdio, StopError, WaitError};

#[test]
fn a_child_that_loops_dies_with_its_killed_host() {
    Host::start("loops", false).kill();
}

#[test]
fn a_child_that_ignores_signals_dies_with_its_killed_host() {
    Host::start("ignores", false).kill();
}

#[test]
fn a_stopped_child_dies_with_its_killed_host() {
    let host = Host::start("stopped", false);
    wait_for_state(host.children[0].0, "T");
    host.kill();
}

#[test]
fn a_daemon_dies_with_the_killed_host_of_its_grandparent() {
    let host = Host::start("daemon", false);
    let fields = || -> Vec<String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", host.children[0].0)).unwrap();
        stat.rsplit(") ").next().unwrap().split(' ').map(str::to_owned).collect()
    };
    // Its parent may still be about to exit.
    let end = std::time::Instant::now() + LIMIT;
    while fields()[1] != host.guard.to_string() {
        assert!(std::time::Instant::now() < end, "the guard has not adopted it: {:?}", fields());
        std::thread::yield_now();
    }
    assert_eq!(fields()[3], host.children[0].0.to_string(), "it leads a session");
    host.kill();
}

#[test]
fn a_stopped_process_below_a_stopped_one_dies_with_the_killed_host() {
    let host = Host::start("stopped below stopped", false);
    for (pid, _) in &host.children {
        wait_for_state(*pid, "T");
    }
    host.kill();
}

#[test]
fn a_stopped_daemon_dies_with_the_killed_host() {
    let host = Host::start("stopped daemon", false);
    wait_for_state(host.children[0].0, "T");
    host.kill();
}

#[test]
fn a_process_that_forks_and_exits_all_the_time_dies_with_the_killed_host() {
    Host::start("walks", false).kill();
}

#[test]
fn a_whole_tree_dies_with_its_killed_host() {
    Host::start("many", false).kill();
}

#[test]
fn a_host_that_just_exits_leaves_nothing_either() {
    Host::start("many", false).let_end();
}

#[test]
fn a_stopped_guard_wakes_up_when_its_host_is_killed() {
    let host = Host::start("many", false);
    kill_process(Pid::from_raw(host.guard as i32).unwrap(), Signal::STOP).unwrap();
    wait_for_state(host.guard, "T");
    host.kill();
}

#[test]
fn the_guard_withstands_what_ends_other_processes() {
    let guard = guard();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::PIPE, Signal::USR1, Signal::ALARM] {
        kill_process(Pid::from_raw(guard.pid() as i32).unwrap(), signal).unwrap();
    }
    assert!(guard.spawn(&sh("exit 0")).unwrap().wait(LIMIT).unwrap().is_success());
}

#[test]
fn a_guard_that_is_killed_takes_its_children_along_and_says_so() {
    let guard = guard();
    let child = guard.spawn(&sh("while :; do :; done")).unwrap();
    kill_process(Pid::from_raw(guard.pid() as i32).unwrap(), Signal::KILL).unwrap();
    assert!(readable_within(child.pidfd(), LIMIT));
    assert!(matches!(child.wait(LIMIT), Err(WaitError::GuardGone)));
    assert!(matches!(guard.spawn(&sh("exit 0")), Err(SpawnError::GuardGone)));
    assert!(readable_within(guard.pidfd(), LIMIT));
    assert!(matches!(guard.stop(LIMIT), Err(StopError::Survivors)));
}

#[test]
fn a_stop_ends_all_and_waits_for_it() {
    let guard = guard();
    let child = guard.spawn(&sh("(setsid sh -c 'echo $$; exec sleep 1000' &)").stdout(Stdio::Piped)).unwrap();
    let daemon = pidfd(line(&child).parse().unwrap());
    let other = guard.spawn(&sh("kill -STOP $$")).unwrap();
    guard.stop(LIMIT).unwrap();
    for ended in [daemon.try_clone().unwrap(), other.try_clone_pidfd().unwrap()] {
        assert!(readable_within(ended, std::time::Duration::ZERO));
    }
}

#[test]
fn a_dropped_guard_ends_all_even_if_it_was_stopped() {
    let guard = guard();
    let child = guard.spawn(&sh("while :; do :; done")).unwrap();
    let of_guard = guard.pidfd().try_clone_to_owned().unwrap();
    kill_process(Pid::from_raw(guard.pid() as i32).unwrap(), Signal::STOP).unwrap();
    wait_for_state(guard.pid(), "T");
    drop(guard);
    assert!(readable_within(child.pidfd(), LIMIT) && readable_within(of_guard, LIMIT));
}
