//! Crash reports: what an actor was at when it ended in disorder.

use std::fmt;

use tokio::sync::broadcast;

use crate::actor_id::ActorId;
use crate::exit::Exit;
use crate::names::Name;
use crate::now::Now;
use crate::recorder::Recorded;

/// Reports that a slow subscriber may lag behind before it loses the oldest.
pub(crate) const BACKLOG: usize = 256;

/// The end of an incarnation that was not orderly. Payloads and state are in it only where the actor opted in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CrashReport {
    /// Who crashed.
    pub actor: ActorId,
    /// Its registered name.
    pub name: Option<Name>,
    /// Its Rust type.
    pub type_name: &'static str,
    /// Which incarnation; the first is 1.
    pub incarnation: u32,
    /// Why.
    pub exit: Exit,
    /// The kind of the message in hand.
    pub in_hand: Option<&'static str>,
    /// The message in hand, if the actor copies and shows its messages.
    pub message: Option<String>,
    /// The state as the actor's `format_status` shows it.
    pub state: Option<String>,
    /// Messages that it had handled over all incarnations.
    pub handled: u64,
    /// Messages that wait.
    pub queued: usize,
    /// The flight recorder: what it handled last, oldest first.
    pub history: Vec<Recorded>,
    /// When.
    pub at: Now,
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.type_name, self.actor)?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        write!(f, " ended, {}", self.exit)?;
        if let Some(kind) = self.in_hand {
            write!(f, "; in hand: {kind}")?;
        }
        if let Some(message) = &self.message {
            write!(f, " = {message}")?;
        }
        if let Some(state) = &self.state {
            write!(f, "; state: {state}")?;
        }
        write!(f, "; {} handled, {} queued; last:", self.handled, self.queued)?;
        for recorded in self.history.iter().rev().take(8).rev() {
            write!(f, " {}", recorded.kind)?;
        }
        Ok(())
    }
}

/// A subscription to the crash reports of a node.
///
/// **Bound**: 256 reports; who lags behind loses the oldest, and is told how many.
#[derive(Debug)]
pub struct Reports(broadcast::Receiver<CrashReport>);

/// What a subscriber gets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reported {
    /// A crash.
    Crash(Box<CrashReport>),
    /// The subscriber was slow: so many reports are lost to it.
    Lagged(u64),
}

impl Reports {
    pub(crate) fn new(receiver: broadcast::Receiver<CrashReport>) -> Self {
        Reports(receiver)
    }

    /// The next report. `None`: the node is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Reported> {
        match self.0.recv().await {
            Ok(report) => Some(Reported::Crash(Box::new(report))),
            Err(broadcast::error::RecvError::Lagged(lost)) => Some(Reported::Lagged(lost)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
