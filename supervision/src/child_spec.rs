//! What a supervisor is told of a child, in OTP's words.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{Actor, IntoName, Mailbox};

use crate::children::Spec;
use crate::supervised::{ActorChild, Start, SupervisorChild};
use crate::supervisor::Supervisor;

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

/// A child: its name, its flags, and how it is made.
///
/// ```
/// use proscenium_runtime::actor_fn;
/// use proscenium_supervision::{ChildSpec, Restart};
///
/// let spec = ChildSpec::new("printer", || actor_fn(|line: String| println!("{line}")))
///     .named("printer")
///     .restart(Restart::Transient);
/// assert_eq!(format!("{:?}", spec.id()), "\"printer\"");
/// ```
#[derive(Clone)]
#[must_use = "a child is started by its supervisor"]
pub struct ChildSpec<S: ?Sized> {
    id: ChildId,
    flags: ChildFlags,
    start: S,
}

impl<A: Actor, F: Fn() -> A + Clone + Send + Sync + 'static> ChildSpec<ActorChild<F>> {
    /// An actor, made anew by `make` for each start; OTP's defaults for a worker.
    pub fn new(id: impl Into<ChildId>, make: F) -> Self {
        ChildSpec::of(id, ActorChild::new(make))
    }

    /// A name on the node, kept over restarts. Default: none.
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.start = self.start.named(name);
        self
    }

    /// Another mailbox than the actor's own.
    pub fn mailbox(mut self, mailbox: Mailbox) -> Self {
        self.start = self.start.mailbox(mailbox);
        self
    }

    /// No handle for ractor code.
    pub fn light(mut self) -> Self {
        self.start = self.start.light();
        self
    }
}

impl<F: Fn() -> Supervisor + Clone + Send + Sync + 'static> ChildSpec<SupervisorChild<F>> {
    /// A supervisor below this one, built anew by `build` for each start; OTP's defaults for a supervisor.
    ///
    /// It is started with its children, and a restart of it starts new ones: refs to the old ones are good no more.
    pub fn supervisor(id: impl Into<ChildId>, build: F) -> Self {
        ChildSpec::of(id, SupervisorChild::new(build)).flags(ChildFlags::supervisor())
    }
}

impl<S> ChildSpec<S> {
    /// Anything that can be started ([`Start`]); OTP's defaults for a worker.
    pub fn of(id: impl Into<ChildId>, start: S) -> Self {
        ChildSpec { id: id.into(), flags: ChildFlags::worker(), start }
    }

    /// The child's name within its supervisor.
    pub fn id(&self) -> &ChildId {
        &self.id
    }

    /// Other flags altogether.
    pub fn flags(mut self, flags: ChildFlags) -> Self {
        self.flags = flags;
        self
    }

    /// After which exits it is started again. Default: after each.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.flags.restart = restart;
        self
    }

    /// Its end may end the supervisor. Default: it does not.
    pub fn significant(mut self) -> Self {
        self.flags.significant = true;
        self
    }

    /// How it is stopped. Default: within five seconds.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.flags.shutdown = shutdown;
        self
    }

    /// Worker or supervisor, for `count_children`. Default: worker.
    pub fn child_type(mut self, child_type: ChildType) -> Self {
        self.flags.child_type = child_type;
        self
    }
}

impl<S: Start> ChildSpec<S> {
    /// Whatever its start is.
    pub(crate) fn any(self) -> AnyChild {
        AnyChild(Arc::new(self))
    }
}

impl<S: ?Sized> fmt::Debug for ChildSpec<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("id", &self.id).field("flags", &self.flags).finish_non_exhaustive()
    }
}

/// A spec as a supervisor keeps it.
#[derive(Clone, Debug)]
pub struct AnyChild(Arc<ChildSpec<dyn Start>>);

impl AnyChild {
    pub(crate) fn start(&self) -> &dyn Start {
        &self.0.start
    }

    /// The same in all but its start.
    pub(crate) fn starting<S: Start>(&self, start: S) -> AnyChild {
        AnyChild(Arc::new(ChildSpec { id: self.0.id.clone(), flags: self.0.flags, start }))
    }
}

impl Spec for AnyChild {
    fn id(&self) -> &ChildId {
        &self.0.id
    }

    fn flags(&self) -> &ChildFlags {
        &self.0.flags
    }
}
