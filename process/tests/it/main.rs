//! The promises of the room, with real processes: each test waits for the event itself, with a generous limit.
#![cfg(target_os = "linux")]

mod bounds;
mod control_groups;
mod host;
mod host_ends;
mod pid_namespaces;
mod processes;
mod refusals;
mod storms;
mod streams;

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use proscenium_process::{Child, Command, Guard, Stdio};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Far more than anything here takes; the guard itself gives up after 10 s.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A guard with the usual options.
pub fn guard() -> Guard {
    Guard::start().unwrap()
}

/// A command for the shell.
pub fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script]).spawn_limit(LIMIT)
}

/// What a process writes until it and all that inherit its stdout have ended.
pub fn output(guard: &Guard, command: Command) -> String {
    let mut child = guard.spawn(&command.stdout(Stdio::Piped)).unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait(LIMIT).unwrap().is_success(), "{text}");
    text
}

/// Reads one line of what a child writes, and leaves the rest.
pub fn line(child: &Child) -> String {
    let mut pipe = child.stdout.as_ref().unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while pipe.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// A pidfd of a process that lives.
pub fn pidfd(pid: u32) -> OwnedFd {
    pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()).unwrap()
}

/// Waits until a descriptor is readable: a pidfd until its process has ended.
pub fn readable_within(descriptor: impl AsFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).unwrap();
    poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&limit)).unwrap() > 0
}

/// Waits until a process is in one of these states ("T" is stopped, "Z" a zombie).
pub fn wait_for_state(pid: u32, states: &str) {
    let end = Instant::now() + LIMIT;
    loop {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let state = text.rsplit(')').next().unwrap().trim_start().chars().next().unwrap();
        if states.contains(state) {
            return;
        }
        assert!(Instant::now() < end, "{pid} is in state {state}, not {states}");
        std::thread::yield_now();
    }
}
