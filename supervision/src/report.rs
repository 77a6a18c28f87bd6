//! What supervisors tell of: starts, exits, stops, escalations, each with its path in the tree.

use std::fmt;
use std::sync::Arc;

use proscenium_runtime::{ActorId, Exit, Node, Now, Topic};

use crate::child_spec::ChildId;

/// Something that happened under a supervisor.
///
/// Read in order, an escalation is one story: a child ends, it was one restart too many, its supervisor ends, the
/// supervisor above sees that end, one step shorter in its path. Each is a `tracing` event of the target
/// `proscenium::supervisor`, too.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SupervisorReport {
    /// When, on the node's clock.
    pub at: Now,
    /// The supervisor's path in the tree: `shop/payments`.
    pub path: Arc<str>,
    /// The supervisor.
    pub supervisor: ActorId,
    /// What.
    pub what: Happened,
}

/// What a supervisor tells of. A dynamic child is named with its place, as in the tree: `cart#3`.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Happened {
    /// A child runs: OTP's progress report.
    Started {
        /// Which.
        child: ChildId,
        /// The how many-th start it was.
        start: u32,
    },
    /// A child did not start, or not again.
    StartFailed {
        /// Which.
        child: ChildId,
        /// Why not.
        exit: Exit,
    },
    /// A child has ended by itself, with a crash or so that it is restarted: OTP's `child_terminated`.
    Exited {
        /// Which.
        child: ChildId,
        /// Why.
        exit: Exit,
    },
    /// The supervisor has stopped a child.
    Stopped {
        /// Which.
        child: ChildId,
        /// How it ended: otherwise than asked, that is OTP's `shutdown_error`.
        exit: Exit,
    },
    /// A child restarted too often for its quarantine, and is set aside.
    Quarantined {
        /// Which.
        child: ChildId,
    },
    /// This child's restart was one too many, and the supervisor gives up: OTP's `reached_max_restart_intensity`.
    GaveUp {
        /// Which.
        child: ChildId,
    },
    /// The supervisor ends; its children have been stopped.
    Ended {
        /// Why.
        exit: Exit,
    },
}

impl SupervisorReport {
    /// Where a node's supervisors tell of what happens: `listen` to it. Who lags behind by more than 256 reports loses the
    /// oldest, and is told how many.
    ///
    /// ```
    /// use proscenium_runtime::{Heard, Node, actor_fn};
    /// use proscenium_supervision::{ChildSpec, Supervisor, SupervisorReport};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// let node = Node::start("doc").await?;
    /// let mut reports = SupervisorReport::topic(&node).listen();
    /// let printer = ChildSpec::new("printer", || actor_fn(|line: String| println!("{line}")));
    /// Supervisor::one_for_one().named("office").child(printer).start(&node).await?;
    /// let Some(Heard::Message(report)) = reports.next().await else { panic!("the node is gone") };
    /// assert_eq!(report.to_string(), "office: printer started");
    /// # node.stop().await }
    /// ```
    #[must_use]
    pub fn topic(node: &Node) -> Topic<SupervisorReport> {
        node.topic("proscenium.supervisors")
    }
}

impl fmt::Display for SupervisorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happened::Started { child, start: 1 } => write!(f, "{child} started"),
            Happened::Started { child, start } => write!(f, "{child} started, for the {} time", Nth(*start)),
            Happened::StartFailed { child, exit } => write!(f, "{child} did not start: {exit}"),
            Happened::Exited { child, exit } => write!(f, "{child} ended: {exit}"),
            Happened::Stopped { child, exit } => write!(f, "{child} was stopped: {exit}"),
            Happened::Quarantined { child } => write!(f, "{child} restarted too often, and is in quarantine"),
            Happened::GaveUp { child } => write!(f, "{child} restarted too often; giving up"),
            Happened::Ended { exit } => write!(f, "ends: {exit}"),
        }
    }
}

/// A number as a place in a row: 2nd.
struct Nth(u32);

impl fmt::Display for Nth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match (self.0 % 10, self.0 % 100) {
            (_, 11..=13) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        write!(f, "{}{end}", self.0)
    }
}

/// What a supervisor reports with.
#[derive(Debug)]
pub(crate) struct Reporter {
    path: Arc<str>,
    supervisor: ActorId,
    topic: Topic<SupervisorReport>,
}

impl Reporter {
    pub(crate) fn new(node: &Node, path: Arc<str>, supervisor: ActorId) -> Self {
        Reporter { path, supervisor, topic: SupervisorReport::topic(node) }
    }

    pub(crate) fn path(&self) -> &Arc<str> {
        &self.path
    }

    pub(crate) fn tell(&self, at: Now, what: Happened) {
        self.trace(&what);
        if self.topic.is_heard() {
            let report = SupervisorReport { at, path: self.path.clone(), supervisor: self.supervisor, what };
            self.topic.publish_now(&report);
        }
    }

    fn trace(&self, what: &Happened) {
        const TARGET: &str = "proscenium::supervisor";
        let (path, supervisor) = (&*self.path, self.supervisor);
        match what {
            Happened::Started { child, start } => {
                tracing::debug!(target: TARGET, path, %supervisor, %child, start, "child started");
            }
            Happened::StartFailed { child, exit } => {
                tracing::error!(target: TARGET, path, %supervisor, %child, %exit, "child did not start");
            }
            Happened::Exited { child, exit } if exit.is_orderly() => {
                tracing::info!(target: TARGET, path, %supervisor, %child, %exit, "child ended");
            }
            Happened::Exited { child, exit } => {
                tracing::error!(target: TARGET, path, %supervisor, %child, %exit, "child ended");
            }
            Happened::Stopped { child, exit } if exit.is_orderly() || *exit == Exit::Killed => {
                tracing::debug!(target: TARGET, path, %supervisor, %child, %exit, "child stopped");
            }
            Happened::Stopped { child, exit } => {
                tracing::error!(target: TARGET, path, %supervisor, %child, %exit, "child stopped otherwise than asked");
            }
            Happened::Quarantined { child } => {
                tracing::error!(target: TARGET, path, %supervisor, %child, "child in quarantine: too many restarts");
            }
            Happened::GaveUp { child } => {
                tracing::error!(target: TARGET, path, %supervisor, %child, "supervisor gives up: too many restarts");
            }
            Happened::Ended { exit } => tracing::info!(target: TARGET, path, %supervisor, %exit, "supervisor ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_counted_as_people_count() {
        let said = |start| Happened::Started { child: ChildId::from("a"), start }.to_string();
        assert_eq!(said(1), "a started");
        for (start, nth) in [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (112, "112th")] {
            assert_eq!(said(start), format!("a started, for the {nth} time"));
        }
    }
}
