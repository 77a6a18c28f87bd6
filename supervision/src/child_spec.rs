//! What a supervisor is told of a child, in OTP's words.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A child's name within its supervisor.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(Arc<str>);

impl ChildId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for ChildId {
    fn from(name: T) -> Self {
        ChildId(name.into())
    }
}

impl Borrow<str> for ChildId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// After which exits a child is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Restart {
    /// After each.
    #[default]
    Permanent,
    /// After a crash: not after `normal`, `shutdown` and `{shutdown, _}`.
    Transient,
    /// Never. The spec goes with the child.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// It is killed at once.
    BrutalKill,
    /// It is asked to stop, and killed when it has not done so in time.
    Within(Duration),
    /// It is asked to stop, and takes the time that it needs: for supervisors.
    Infinity,
}

/// What a child is, for `count_children` and for the default of its [`Shutdown`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChildType {
    /// Does the work.
    #[default]
    Worker,
    /// Has children of its own.
    Supervisor,
}

/// What there is to a child but its name and its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChildFlags {
    /// Whether it is started again.
    pub restart: Restart,
    /// Whether its exit may end the supervisor: see [`AutoShutdown`](crate::AutoShutdown).
    pub significant: bool,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Worker or supervisor.
    pub child_type: ChildType,
}

impl ChildFlags {
    /// OTP's defaults for a worker: permanent, not significant, five seconds to stop.
    #[must_use]
    pub const fn worker() -> Self {
        ChildFlags {
            restart: Restart::Permanent,
            significant: false,
            shutdown: Shutdown::Within(Duration::from_secs(5)),
            child_type: ChildType::Worker,
        }
    }

    /// OTP's defaults for a supervisor: permanent, not significant, as long to stop as it takes.
    #[must_use]
    pub const fn supervisor() -> Self {
        ChildFlags { shutdown: Shutdown::Infinity, child_type: ChildType::Supervisor, ..ChildFlags::worker() }
    }
}
