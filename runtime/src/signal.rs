//! What actors hear of each other's ends.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::actor_id::ActorId;
use crate::exit::Exit;

/// Names one monitor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MonitorId(pub(crate) u64);

impl MonitorId {
    /// Unique in the process: actors of two nodes may watch each other.
    pub(crate) fn next() -> MonitorId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        MonitorId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A monitored actor's incarnation ended.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Down {
    /// The monitor that fired; it is used up.
    pub monitor: MonitorId,
    /// Who ended.
    pub actor: ActorId,
    /// Why; [`Exit::NoProc`] if it had ended before the monitor was set.
    pub exit: Exit,
    /// Its supervisor keeps the mailbox and may start it again; `false`: it is gone for good.
    pub restart: bool,
}

/// A linked actor's incarnation ended, or somebody sent an exit signal, and this actor traps exits.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Exited {
    /// Who ended, or who sent the signal; `None` when it came from outside of any actor.
    pub actor: Option<ActorId>,
    /// Why.
    pub exit: Exit,
}

/// As it lies in a mailbox.
pub(crate) enum Signal {
    Down(Down),
    Exited(Exited),
}
