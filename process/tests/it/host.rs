//! A host to be killed: this very test program, run again with a scenario in its environment.
//!
//! It writes `@<pid>` for each process that the test shall look at, the guard first, and `@ready` in the end. All that it
//! starts inherit its stderr, which is a pipe to the test: the end of that file is the end of the last of them.
use std::io::{BufRead, BufReader, PipeReader, Read, pipe};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proscenium_process::{Guard, PidNamespace};

use crate::{line, pidfd, readable_within, sh};

/// Shorter than the 10 s after which the guard gives up: then its direct children would die without its doing.
const END: Duration = Duration::from_secs(8);
const VARIABLE: &str = "PROSCENIUM_TEST_HOST";
const NAMESPACE: &str = "PROSCENIUM_TEST_HOST_NAMESPACE";

/// What the host runs: each script writes as many process ids as the number says.
const SCENARIOS: &[(&str, &[(usize, &str)])] = &[
    ("loops", &[(1, "echo $$; while :; do :; done")]),
    ("ignores", &[(1, "trap '' TERM HUP INT QUIT USR1; echo $$; while :; do sleep 1; done")]),
    ("stopped", &[(1, "echo $$; kill -STOP $$")]),
    // The child ends, its child ends, and the third is the leader of a session of its own.
    ("daemon", &[(1, "(setsid sh -c 'echo $$; exec sleep 1000' &)")]),
    (
        "stopped below stopped",
        &[(2, "sh -c 'echo $$; kill -STOP $$' & while [ ! -d /proc/$! ]; do :; done; echo $$; kill -STOP $$")],
    ),
    ("stopped daemon", &[(1, "(setsid sh -c 'echo $$; kill -STOP $$' &)")]),
    // Never the same process for longer than a moment.
    ("walks", &[(0, "f() { f & exit; }; f")]),
    (
        "many",
        &[
            (1, "echo $$; while :; do :; done"),
            (1, "echo $$; kill -STOP $$"),
            (
                0,
                "for i in 1 2 3 4 5 6 7 8 9; do sh -c 'trap \"\" TERM; (setsid sleep 1000 &) ; sleep 1000' & done; exec sleep 1000",
            ),
        ],
    ),
];

/// A host that runs, as the test sees it.
pub struct Host {
    process: Child,
    pub guard: u32,
    guard_fd: OwnedFd,
    pub children: Vec<(u32, OwnedFd)>,
    leash: PipeReader,
}

impl Host {
    pub fn start(scenario: &str, in_namespace: bool) -> Self {
        let (leash, end) = pipe().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["host::is_run_by_other_tests", "--exact", "--nocapture"]).env(VARIABLE, scenario);
        if in_namespace {
            command.env(NAMESPACE, "yes");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(end).spawn().unwrap();
        drop(command);
        let mut pids = Vec::new();
        let mut seen = String::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            seen.push_str(&line);
            // libtest writes the name of the test before the first.
            match line.rsplit('@').next() {
                Some("ready") => {
                    let mut pids = pids.into_iter().map(|pid| (pid, pidfd(pid)));
                    let (guard, guard_fd) = pids.next().unwrap();
                    return Self { process, guard, guard_fd, children: pids.collect(), leash };
                }
                Some(pid) if line.contains('@') => pids.push(pid.parse().unwrap()),
                _ => (),
            }
        }
        panic!("the host ended early: {seen}");
    }

    /// Ends the host with SIGKILL, then waits for the end of everything else.
    pub fn kill(mut self) {
        for (pid, child) in &self.children {
            assert!(!readable_within(child, Duration::ZERO), "{pid} ended before its host");
        }
        let began = Instant::now();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.expect_the_end(began);
    }

    /// Lets the host end by itself, which it does without looking after anything.
    pub fn let_end(mut self) {
        let began = Instant::now();
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
        self.expect_the_end(began);
    }

    fn expect_the_end(mut self, began: Instant) {
        for (pid, child) in &self.children {
            assert!(readable_within(child, END), "{pid} lives on");
        }
        assert!(readable_within(&self.guard_fd, END), "the guard {} lives on", self.guard);
        assert!(readable_within(&self.leash, END), "something lives on");
        let mut rest = Vec::new();
        self.leash.read_to_end(&mut rest).unwrap();
        println!("all gone after {:?}; {}", began.elapsed(), String::from_utf8_lossy(&rest));
    }
}

#[test]
fn is_run_by_other_tests() {
    let Ok(scenario) = std::env::var(VARIABLE) else { return };
    let in_namespace = std::env::var_os(NAMESPACE).is_some();
    let wanted = if in_namespace { PidNamespace::Required } else { PidNamespace::Never };
    let guard = Guard::builder().pid_namespace(wanted).start().unwrap();
    println!("@{}", guard.pid());
    let (_, scripts) = SCENARIOS.iter().find(|(name, _)| *name == scenario).unwrap();
    let mut kept = Vec::new();
    for (count, script) in *scripts {
        let child = guard.spawn(&sh(script).stdout(proscenium_process::Stdio::Piped)).unwrap();
        for number in 0..*count {
            let pid = line(&child);
            // Numbers from inside a namespace mean nothing outside; the first is the child itself, if it lives.
            if !in_namespace {
                println!("@{pid}");
            } else if number == 0 && scenario != "daemon" && scenario != "stopped daemon" && *count == 1 {
                println!("@{}", child.pid());
            }
        }
        kept.push(child);
    }
    println!("@ready");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    // No destructor runs, as in a host that is killed.
    std::process::exit(0);
}
