//! Operating-system processes as children, with real ones: each test waits for the event itself, with a generous limit.

mod exits;
mod lines;
mod starts;
mod tree;

use std::future::IntoFuture;
use std::time::Duration;

use proscenium_runtime::Node;
use proscenium_supervision::{ChildSpec, Line, LinesTo, OsProcess, OsProcessRef, Restart, Supervisor, SupervisorRef};
use tokio::sync::mpsc;

use crate::children::until;

/// Far more than anything here takes.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A script for the shell.
pub fn sh(script: &str) -> OsProcess {
    OsProcess::new("sh").args(["-c", script]).start_limit(LIMIT)
}

/// What has to come, and does.
pub async fn soon<T>(event: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(LIMIT, event.into_future()).await.expect("it comes in time")
}

/// The lines that a process wrote.
pub struct Heard(mpsc::UnboundedReceiver<Line>);

/// Somebody who takes every line at once.
pub fn ears() -> (LinesTo, Heard) {
    let (says, hears) = mpsc::unbounded_channel();
    (LinesTo::closure(move |line| drop(says.send(line))), Heard(hears))
}

impl Heard {
    pub async fn next(&mut self) -> Line {
        soon(self.0.recv()).await.expect("the process can still write")
    }

    pub async fn text(&mut self) -> String {
        self.next().await.to_string()
    }

    pub async fn pid(&mut self) -> u32 {
        self.text().await.parse().expect("it wrote a process id")
    }

    /// What was taken by now.
    pub fn taken(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).map(|line| line.to_string()).collect()
    }
}

pub async fn node() -> Node {
    Node::start("test").await.expect("a runtime is here")
}

/// A supervisor over one process, "p", that is not started again.
pub async fn one(process: OsProcess) -> (Node, SupervisorRef, OsProcessRef) {
    over(ChildSpec::of("p", process).restart(Restart::Temporary)).await
}

pub async fn over(spec: ChildSpec<OsProcess>) -> (Node, SupervisorRef, OsProcessRef) {
    let node = node().await;
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let process = supervisor.reference("p").await.expect("it runs");
    (node, supervisor, process)
}

/// Its state and its parent, as /proc has them; none if it is gone.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = text.rsplit(')').next()?.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

pub fn parent(pid: u32) -> u32 {
    stat(pid).expect("it is there").1
}

/// It runs no more. Its number may still be there, for a moment.
pub fn is_gone(pid: u32) -> bool {
    stat(pid).is_none_or(|(state, _)| matches!(state, 'Z' | 'X'))
}

pub async fn in_state(pid: u32, wanted: char) {
    soon(until(async || stat(pid).is_some_and(|(state, _)| state == wanted))).await;
}
