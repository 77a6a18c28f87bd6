//! How a process ends, and what its supervisor makes of it.

use std::time::Duration;

use proscenium_process::Signal;
use proscenium_runtime::Exit;
use proscenium_supervision::{ChildSpec, OsProcess, OsProcessError, Restart, Shutdown, StdinError};

use super::{LIMIT, ears, in_state, is_gone, one, over, parent, sh, soon};
use crate::children::until;

#[tokio::test]
async fn each_end_has_its_exit() {
    let rows = [
        ("read go; exit 0", Exit::Normal),
        ("read go; exit 3", Exit::Code(3)),
        ("read go; kill -SEGV $$", Exit::Signal(11)),
        ("read go; kill -KILL $$", Exit::Signal(9)),
        ("read go; kill -TERM $$", Exit::Signal(15)), // Nobody had asked it to stop.
    ];
    for (script, exit) in rows {
        let (node, _supervisor, process) = one(sh(script)).await;
        let end = process.monitor();
        process.send_line("go").await.expect("it reads");
        assert_eq!(soon(end).await, exit, "{script}");
        assert_eq!((process.pid(), process.monitor().await), (None, Exit::NoProc), "{script}");
        node.stop().await.expect("it stops");
    }
}

/// The exit of a process that is asked to stop once it has written a line.
async fn stopped(process: OsProcess, shutdown: Shutdown) -> Exit {
    let (lines, mut heard) = ears();
    let (_node, supervisor, process) = over(ChildSpec::of("p", process.stdout(lines)).shutdown(shutdown)).await;
    heard.next().await;
    let (end, pid) = (process.monitor(), process.pid().expect("it runs"));
    soon(supervisor.terminate_child("p")).await.expect("it stops");
    assert!(is_gone(pid), "it was waited for");
    soon(end).await
}

#[tokio::test]
async fn a_process_that_stops_when_asked_exits_with_shutdown() {
    let within = Shutdown::Within(LIMIT);
    let rows = [
        (sh("echo ready; exec sleep 1000"), Exit::Shutdown),
        (sh("trap 'exit 0' TERM; echo ready; read never"), Exit::Shutdown),
        (sh("trap 'exit 143' TERM; echo ready; read never"), Exit::Shutdown),
        (sh("trap 'exit 7' TERM; echo ready; read never"), Exit::Code(7)),
        (sh("trap '' TERM; echo ready; exec sleep 1000").stop_signal(Signal::INT), Exit::Shutdown),
    ];
    for (process, exit) in rows {
        let shown = format!("{process:?}");
        assert_eq!(stopped(process, within).await, exit, "{shown}");
    }
}

#[tokio::test]
async fn one_that_ignores_the_stop_signal_is_killed_when_its_time_is_over() {
    let process = sh("trap '' TERM; echo ready; exec sleep 1000");
    assert_eq!(stopped(process, Shutdown::Within(Duration::from_millis(20))).await, Exit::Killed);
}

#[tokio::test]
async fn a_brutal_kill_does_not_ask() {
    let process = sh("trap 'exit 0' TERM; echo ready; read never");
    assert_eq!(stopped(process, Shutdown::BrutalKill).await, Exit::Killed);
}

#[tokio::test]
async fn one_that_somebody_has_stopped_goes_on_to_stop_or_is_killed() {
    for (shutdown, exit) in [(Shutdown::Within(LIMIT), Exit::Shutdown), (Shutdown::BrutalKill, Exit::Killed)] {
        let (_node, supervisor, process) =
            over(ChildSpec::of("p", OsProcess::new("sleep").arg("1000")).shutdown(shutdown)).await;
        process.signal(Signal::STOP).expect("it runs");
        in_state(process.pid().expect("it runs"), 'T').await;
        let end = process.monitor();
        soon(supervisor.terminate_child("p")).await.expect("it stops");
        assert_eq!(soon(end).await, exit);
    }
}

/// `setsid` gives the last one a session of its own, out of reach for signals to a process group.
const FORKS: &str = "sleep 1000 & echo $!; (trap '' TERM; exec sleep 1000) & echo $!; \
                     setsid sh -c 'echo $$; exec sleep 1000' & read go; exit 4";

#[tokio::test]
async fn what_it_has_forked_is_gone_before_its_end_is_told() {
    let (lines, mut heard) = ears();
    let (_node, _supervisor, process) = one(sh(FORKS).stdout(lines)).await;
    let forked = [heard.pid().await, heard.pid().await, heard.pid().await];
    assert!(forked.into_iter().all(|pid| !is_gone(pid)));
    let end = process.monitor();
    process.send_line("go").await.expect("it reads");
    assert_eq!(soon(end).await, Exit::Code(4));
    assert_eq!(forked.map(is_gone), [true; 3]);
}

#[tokio::test]
async fn a_stop_takes_what_it_has_forked_along() {
    for shutdown in [Shutdown::Within(LIMIT), Shutdown::BrutalKill] {
        let (lines, mut heard) = ears();
        let (_node, supervisor, _) = over(ChildSpec::of("p", sh(FORKS).stdout(lines)).shutdown(shutdown)).await;
        let forked = [heard.pid().await, heard.pid().await, heard.pid().await];
        soon(supervisor.stop()).await.expect("it stops");
        assert_eq!(forked.map(is_gone), [true; 3], "{shutdown:?}");
    }
}

#[tokio::test]
async fn one_that_closes_its_stdout_lives() {
    let (lines, mut heard) = ears();
    let script = "echo out; exec >&-; echo closed >&2; read go; exit 5";
    let (_node, _supervisor, process) = one(sh(script).stdout(lines.clone()).stderr(lines)).await;
    let mut said = [heard.text().await, heard.text().await];
    said.sort();
    assert_eq!(said, ["closed", "out"]);
    let end = process.monitor();
    process.send_line("go").await.expect("it reads");
    assert_eq!(soon(end).await, Exit::Code(5));
}

fn kill(pid: u32) {
    let kill = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(kill.expect("there is a kill").success());
}

#[tokio::test]
async fn the_death_of_its_guard_is_an_exit_and_the_next_process_has_another() {
    let spec = ChildSpec::of("p", OsProcess::new("cat")).restart(Restart::Permanent);
    let (_node, _supervisor, process) = over(spec).await;
    let first = process.pid().expect("it runs");
    let (guard, end) = (parent(first), process.monitor());
    kill(guard);
    let exit = soon(end).await;
    assert!(matches!(OsProcessError::of(&exit), Some(OsProcessError::GuardGone)), "{exit}");
    assert!(!exit.is_orderly() && is_gone(first));
    let second = soon(process.up()).await.expect("it is started again");
    assert!(second != first && parent(second) != guard);
}

/// Only what is killed by the kernel at its guard's death goes by itself.
#[tokio::test]
async fn one_that_would_outlive_its_guard_is_killed() {
    let process = OsProcess::new("setpriv").args(["--pdeathsig", "clear", "sh", "-c", "echo here; exec sleep 1000"]);
    let (lines, mut heard) = ears();
    let (_node, _supervisor, process) = one(process.stdout(lines)).await;
    heard.next().await;
    let (pid, end) = (process.pid().expect("it runs"), process.monitor());
    kill(parent(pid));
    let exit = soon(end).await;
    assert!(matches!(OsProcessError::of(&exit), Some(OsProcessError::GuardGone)), "{exit}");
    assert!(is_gone(pid));
}

/// Somebody must have killed the guard for this; what holds the pipes then must not hold up anybody else.
#[tokio::test]
async fn what_outlives_the_guard_keeps_neither_the_supervisor_nor_a_sender_waiting() {
    let (lines, mut heard) = ears();
    let script = sh("exec 3<&0; sleep 1000 <&3 & echo $!; exec sleep 1000").stdin_queue(1).stdout(lines);
    let (_node, _supervisor, process) = one(script.last_lines_limit(Duration::from_millis(20))).await;
    let (pid, forked, end) = (process.pid().expect("it runs"), heard.pid().await, process.monitor());
    let sender = process.clone();
    let sends = tokio::spawn(async move {
        loop {
            if let Err(error) = sender.send_line("x".repeat(16 << 10)).await {
                return error;
            }
        }
    });
    soon(until(async || matches!(process.try_send_line("x"), Err(StdinError::Full(_))))).await;
    kill(parent(pid));
    let (exit, error) = (soon(end).await, soon(sends).await.expect("it does not panic"));
    assert!(matches!(OsProcessError::of(&exit), Some(OsProcessError::GuardGone)), "{exit}");
    assert!(matches!(error, StdinError::Down(_) | StdinError::Gone(_)), "{error}");
    assert!(is_gone(pid) && !is_gone(forked));
    kill(forked);
}

/// Nothing here has a virtual time-out of its own: a paused clock would be past it at once.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_run_on_while_a_killed_process_ends_or_last_lines_are_read() {
    for _ in 0..20 {
        let (lines, mut heard) = ears();
        let script = "sleep 1000 & read go; seq 2000; exit 3";
        let (_node, _supervisor, process) = one(sh(script).stdout(lines.clone())).await;
        let end = process.monitor();
        process.send_line("go").await.expect("it reads");
        assert_eq!((end.await, heard.taken().len()), (Exit::Code(3), 2000));

        let spec = ChildSpec::of("p", sh(script)).shutdown(Shutdown::BrutalKill);
        let (_node, supervisor, process) = over(spec).await;
        let end = process.monitor();
        supervisor.terminate_child("p").await.expect("it stops");
        assert_eq!(end.await, Exit::Killed);
    }
}
