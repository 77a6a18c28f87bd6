//! The same in a pid namespace, where the kernel sees to it. A system that allows none says so.
use proscenium_process::{ExitStatus, Guard, PidNamespace, Signal, StartError, Stdio};
use rustix::process::{Pid, Signal as Sent, kill_process};

use crate::host::Host;
use crate::{LIMIT, line, output, readable_within, sh};

/// `None` where the system does not allow it, which the error must name.
fn namespace() -> Option<Guard> {
    match Guard::builder().pid_namespace(PidNamespace::Required).start() {
        Ok(guard) => Some(guard),
        Err(StartError::Refused { doing, .. }) if doing.contains("namespace") => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_may_not_be_made_is_left_out_if_so_wanted() {
    let guard = Guard::builder().pid_namespace(PidNamespace::IfAllowed).start().unwrap();
    assert_eq!(guard.has_pid_namespace(), namespace().is_some());
    assert_eq!(guard.spawn(&sh("exit 4")).unwrap().wait(LIMIT).unwrap(), ExitStatus::Code(4));
    guard.stop(LIMIT).unwrap();
}

#[test]
fn a_child_is_known_by_the_number_that_the_host_sees() {
    let Some(guard) = namespace() else { return };
    assert!(output(&guard, sh("echo $$")).trim().parse::<u32>().unwrap() < 10, "its own number");
    let child = guard.spawn(&sh("exec sleep 1000")).unwrap();
    assert_ne!(child.pid(), 0);
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
    assert!(text.contains("NSpid:"), "{text}");
    child.kill().unwrap();
    assert_eq!(child.wait(LIMIT).unwrap().signal(), Some(Signal::KILL));
}

#[test]
fn everything_dies_with_a_killed_host() {
    if namespace().is_none() {
        return;
    }
    for scenario in ["loops", "stopped", "daemon", "stopped daemon", "walks", "many"] {
        Host::start(scenario, true).kill();
    }
}

#[test]
fn everything_dies_with_a_killed_host_though_the_guard_is_stopped() {
    if namespace().is_none() {
        return;
    }
    let host = Host::start("many", true);
    kill_process(Pid::from_raw(host.guard as i32).unwrap(), Sent::STOP).unwrap();
    host.kill();
}

#[test]
fn everything_dies_with_a_killed_guard() {
    let Some(guard) = namespace() else { return };
    let (leash, end) = std::io::pipe().unwrap();
    let daemon = sh("(setsid sh -c 'exec sleep 1000' &); echo started").descriptor(end);
    let child = guard.spawn(&daemon.stdout(Stdio::Piped)).unwrap();
    assert_eq!(line(&child), "started");
    kill_process(Pid::from_raw(guard.pid() as i32).unwrap(), Sent::KILL).unwrap();
    assert!(readable_within(&leash, LIMIT));
}
