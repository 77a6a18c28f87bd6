//! How processes begin and end.
use std::time::Duration;

use proscenium_process::{Command, ExitStatus, Signal, SignalError, Stdio, WaitError};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{LIMIT, guard, output, readable_within, sh, wait_for_state};

#[test]
fn an_exit_code_comes_back() {
    let guard = guard();
    for code in [0, 1, 42, 127, 255] {
        let child = guard.spawn(&sh(&format!("exit {code}"))).unwrap();
        assert_eq!(child.wait(LIMIT).unwrap(), ExitStatus::Code(code));
        assert_eq!(child.wait(Duration::ZERO).unwrap(), ExitStatus::Code(code), "and stays");
        assert!(matches!(child.kill(), Err(SignalError::Ended)));
    }
}

#[test]
fn a_death_by_signal_names_it() {
    let guard = guard();
    for signal in [Signal::TERM, Signal::KILL, Signal::HUP, Signal::USR1, Signal::PIPE] {
        let child = guard.spawn(&sh(&format!("kill -{} $$", signal.number()))).unwrap();
        assert_eq!(child.wait(LIMIT).unwrap().signal(), Some(signal));
    }
}

#[test]
fn nobody_waits_who_was_told_by_the_guard_s_word() {
    let guard = guard();
    let child = guard.spawn(&Command::new("sleep").arg("1000")).unwrap();
    let word = child.try_clone_word().unwrap();
    assert!(!readable_within(&word, Duration::from_millis(10)), "it lives");
    child.kill().unwrap();
    assert!(readable_within(&word, LIMIT));
    assert_eq!(child.wait(Duration::ZERO).unwrap().signal(), Some(Signal::KILL));
    assert!(readable_within(&word, Duration::ZERO), "and stays so");
    let other = guard.spawn(&Command::new("sleep").arg("1000")).unwrap();
    let word = other.try_clone_word().unwrap();
    drop(guard);
    assert!(readable_within(&word, LIMIT), "the guard is gone");
    assert!(!matches!(other.wait(Duration::ZERO), Err(WaitError::TimedOut(_))));
}

#[test]
fn a_signal_reaches_a_child_which_has_the_usual_actions() {
    let guard = guard();
    let child = guard.spawn(&Command::new("sleep").arg("1000")).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    assert!(matches!(child.wait(Duration::from_millis(1)), Err(WaitError::TimedOut(_))));
    child.signal(Signal::TERM).unwrap();
    assert_eq!(child.wait(LIMIT).unwrap().signal(), Some(Signal::TERM));
    assert!(matches!(child.signal(Signal::from_number(40).unwrap()), Err(SignalError::Unsendable(_))));
}

#[test]
fn a_stopped_child_can_be_killed() {
    let guard = guard();
    let child = guard.spawn(&Command::new("sleep").arg("1000")).unwrap();
    child.signal(Signal::STOP).unwrap();
    wait_for_state(child.pid(), "T");
    child.kill().unwrap();
    assert_eq!(child.wait(LIMIT).unwrap().signal(), Some(Signal::KILL));
}

#[test]
fn a_pidfd_of_ones_own_tells_of_the_end_and_then_the_status_is_there() {
    let guard = guard();
    for _ in 0..50 {
        let child = guard.spawn(&sh("exit 7")).unwrap();
        assert!(readable_within(child.try_clone_pidfd().unwrap(), LIMIT));
        assert_eq!(child.try_wait().unwrap(), Some(ExitStatus::Code(7)));
    }
}

#[test]
fn a_child_that_is_let_go_runs_on() {
    let guard = guard();
    let mut child = guard.spawn(&sh("read line; echo $line").stdin(Stdio::Piped).stdout(Stdio::Piped)).unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    drop(child);
    std::io::Write::write_all(&mut to, b"here\n").unwrap();
    assert_eq!(std::io::read_to_string(&mut from).unwrap(), "here\n");
}

#[test]
fn arguments_environment_and_directory_are_the_childs_own() {
    let guard = guard();
    let odd = Command::new("printf").args(["%s|", "", "a b", "*", "ü\n"]);
    assert_eq!(output(&guard, odd), "|a b|*|ü\n|");

    let folder = std::env::temp_dir().canonicalize().unwrap();
    assert_eq!(output(&guard, sh("pwd -P").current_dir(&folder)).trim_end(), folder.to_str().unwrap());
    let own = std::env::current_dir().unwrap();
    assert_eq!(output(&guard, sh("pwd -P")).trim_end(), own.to_str().unwrap());

    let cleared =
        Command::new("/usr/bin/env").env("GONE", "x").env_clear().env("A", "1").env("B", "b=c").env_remove("B");
    assert_eq!(output(&guard, cleared), "A=1\n");
    let inherited = sh("echo $PATH/$A").env("A", "1");
    assert_eq!(output(&guard, inherited).trim_end(), format!("{}/1", std::env::var("PATH").unwrap()));
}

#[test]
fn a_child_leads_a_group_and_has_the_hosts_limits_and_no_mask() {
    // The guard raises its own limit on open files to the hard one; one less than that is told apart.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum.map(|most| most - 1);
    setrlimit(Resource::Nofile, files).unwrap();
    let guard = guard();
    let child = guard.spawn(&Command::new("sleep").arg("1000")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_eq!((fields[1], fields[2]), (&*guard.pid().to_string(), &*child.pid().to_string()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
    for field in ["SigBlk", "SigIgn", "SigCgt"] {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    let limits = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = |text: String| text.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    assert_eq!(files(limits(&child.pid().to_string())), files(limits("self")));
}

#[test]
fn the_host_stays_as_it_is() {
    let actions = || -> Vec<String> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let fields = ["SigIgn", "SigCgt", "NoNewPrivs", "Seccomp"];
        status.lines().filter(|line| fields.iter().any(|field| line.starts_with(field))).map(str::to_owned).collect()
    };
    let before = actions();
    let guard = guard();
    guard.spawn(&sh("exit 0")).unwrap().wait(LIMIT).unwrap();
    assert_eq!(actions(), before);
    assert!(!rustix::process::child_subreaper().is_ok_and(|reaper| reaper.is_some()));
}
