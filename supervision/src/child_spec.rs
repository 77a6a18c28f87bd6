//! What a supervisor is told of a child, in OTP's words.

use std::any::Any;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{Actor, Exit, IntoName, Mailbox};

use crate::children::Spec;
use crate::layer::held;
use crate::policy::{Allowance, Backoff, Policy, Quarantine};
use crate::supervised::{ActorChild, Placing, Refers, Renewal, Start, Supervised, SupervisorChild};
use crate::supervisor::Supervisor;

/// A child's name within its supervisor.
#[derive(Clone)]
pub struct ChildId(Text);

/// So many bytes need no memory of their own.
const INLINE: usize = 22;

#[derive(Clone)]
enum Text {
    Inline(u8, [u8; INLINE]),
    Shared(Arc<str>),
}

impl ChildId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // It was text when it was put there.
            Text::Inline(len, bytes) => std::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or_default(),
            Text::Shared(text) => text,
        }
    }
}

impl<T: AsRef<str> + Into<Arc<str>>> From<T> for ChildId {
    fn from(name: T) -> Self {
        let text = name.as_ref();
        if text.len() > INLINE {
            return ChildId(Text::Shared(name.into()));
        }
        let mut bytes = [0; INLINE];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        ChildId(Text::Inline(text.len() as u8, bytes))
    }
}

impl PartialEq for ChildId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ChildId {}

impl PartialOrd for ChildId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ChildId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for ChildId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state); // As `Borrow<str>` has it.
    }
}

impl Borrow<str> for ChildId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
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
    flags: Packed,
    /// Boxed, because most have nothing beyond OTP.
    beyond: Option<Box<Beyond>>,
    start: S,
}

/// [`ChildFlags`] in less room: there is a spec for each child.
#[derive(Clone, Copy)]
struct Packed {
    /// In nanoseconds; 0 is a brutal kill, `u64::MAX` infinity.
    shutdown: u64,
    restart: Restart,
    significant: bool,
    child_type: ChildType,
    /// Of an actor: no handle for ractor code. Here, because here is room for it.
    light: bool,
}

impl From<ChildFlags> for Packed {
    fn from(flags: ChildFlags) -> Self {
        let ChildFlags { restart, significant, shutdown, child_type } = flags;
        let shutdown = match shutdown {
            Shutdown::BrutalKill => 0,
            Shutdown::Within(limit) => u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1), // 584 years are infinite.
            Shutdown::Infinity => u64::MAX,
        };
        Packed { shutdown, restart, significant, child_type, light: false }
    }
}

impl From<Packed> for ChildFlags {
    fn from(packed: Packed) -> Self {
        let Packed { restart, significant, shutdown, child_type, .. } = packed;
        let shutdown = match shutdown {
            0 => Shutdown::BrutalKill,
            u64::MAX => Shutdown::Infinity,
            limit => Shutdown::Within(Duration::from_nanos(limit)),
        };
        ChildFlags { restart, significant, shutdown, child_type }
    }
}

#[derive(Clone, Default)]
struct Beyond {
    policy: Policy,
    ready: Option<Probe>,
}

/// Whether a child is ready, asked of what others hold of it.
pub(crate) type Probe = Arc<dyn Fn(Box<dyn Any + Send>) -> Probing + Send + Sync>;

pub(crate) type Probing = Pin<Box<dyn Future<Output = Result<(), Exit>> + Send>>;

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
        self.flags.light = true;
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
        ChildSpec { id: id.into(), flags: ChildFlags::worker().into(), beyond: None, start }
    }

    /// The child's name within its supervisor.
    pub fn id(&self) -> &ChildId {
        &self.id
    }

    /// Other flags altogether.
    pub fn flags(mut self, flags: ChildFlags) -> Self {
        self.flags = Packed { light: self.flags.light, ..flags.into() };
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
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        let flags = ChildFlags { shutdown, ..self.flags.into() };
        self.flags(flags)
    }

    /// Worker or supervisor, for `count_children`. Default: worker.
    pub fn child_type(mut self, child_type: ChildType) -> Self {
        self.flags.child_type = child_type;
        self
    }

    /// Its restarts wait, longer each time. Default: they do not, as OTP's.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.beyond.get_or_insert_default().policy.backoff = Some(backoff);
        self
    }

    /// It is set aside when it restarts too often, and its supervisor goes on. Default: the supervisor gives up, as OTP's.
    pub fn quarantine(mut self, quarantine: Quarantine) -> Self {
        self.beyond.get_or_insert_default().policy.quarantine = Some(quarantine);
        self
    }

    /// So many exits within `period` that are proven not to be its fault ([`Notice::excused`](crate::Notice::excused)) are
    /// restarts that count nowhere, and wait for nothing. Default: none; they count as others do.
    pub fn excuses(mut self, count: usize, period: Duration) -> Self {
        self.beyond.get_or_insert_default().policy.excuses = Some(Allowance::new(count, period));
        self
    }

    /// A start that takes longer has failed, and what there is of it is killed. Default: it takes as long as it takes,
    /// and its supervisor waits, as OTP's does; to become [ready](ChildSpec::ready_when) it has 30 seconds.
    pub fn start_within(mut self, limit: Duration) -> Self {
        self.beyond.get_or_insert_default().policy.start_within = Some(limit);
        self
    }
}

impl<S: Start + Refers> ChildSpec<S> {
    /// A start is done when `probe` says so, of the ref of what has started: until then those after it wait. An error, an
    /// end of the child, or no answer within [`start_within`](ChildSpec::start_within) is a start that failed.
    ///
    /// ```
    /// use proscenium_runtime::{Node, actor_fn};
    /// use proscenium_supervision::{ChildSpec, Supervisor};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// let node = Node::start("doc").await?;
    /// let cache = ChildSpec::new("cache", || actor_fn(|_: u32| ()))
    ///     .start_within(Duration::from_secs(5))
    ///     .ready_when(|cache| async move { Ok(cache.tell(1).await?) });
    /// Supervisor::one_for_one().child(cache).start(&node).await?;
    /// # node.stop().await }
    /// ```
    pub fn ready_when<P>(mut self, probe: impl Fn(S::Ref) -> P + Send + Sync + 'static) -> Self
    where
        P: Future<Output = Result<(), Exit>> + Send + 'static,
    {
        let probe = move |reference: Box<dyn Any + Send>| -> Probing {
            match held::<S::Ref>(reference) {
                Some(reference) => Box::pin(probe(reference)),
                None => Box::pin(std::future::ready(Err(Exit::NoProc))), // It gives no ref: nothing runs.
            }
        };
        self.beyond.get_or_insert_default().ready = Some(Arc::new(probe));
        self
    }
}

impl<S: Start> ChildSpec<S> {
    /// The same child, started in another way.
    pub(crate) fn map<T: Start>(self, start: impl FnOnce(S) -> T) -> ChildSpec<T> {
        let ChildSpec { id, flags, beyond, start: before } = self;
        ChildSpec { id, flags, beyond, start: start(before) }
    }

    /// The same child under another name.
    pub(crate) fn renamed(mut self, id: impl Into<ChildId>) -> Self {
        self.id = id.into();
        self
    }

    /// Whatever its start is.
    pub(crate) fn any(self) -> AnyChild {
        AnyChild(Arc::new(self))
    }
}

impl<S: ?Sized> fmt::Debug for ChildSpec<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("flags", &ChildFlags::from(self.flags))
            .finish_non_exhaustive()
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
        let ChildSpec { id, flags, beyond, .. } = &*self.0;
        AnyChild(Arc::new(ChildSpec { id: id.clone(), flags: *flags, beyond: beyond.clone(), start }))
    }

    /// Whether it is this very value that starts the child.
    pub(crate) fn is_start<S: Start>(&self, start: &S) -> bool {
        let own: &dyn Any = self.start();
        own.downcast_ref().is_some_and(|own| ptr::eq::<S>(own, start))
    }

    pub(crate) fn is_light(&self) -> bool {
        self.0.flags.light
    }

    pub(crate) fn ready(&self) -> Option<&Probe> {
        self.0.beyond.as_ref()?.ready.as_ref()
    }
}

impl Start for AnyChild {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        self.start().place(placing.with(self))
    }

    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        self.start().renew(&placing.clone().with(self), place)
    }

    fn make(&self, actor: &mut dyn Any) -> Result<(), Exit> {
        self.start().make(actor)
    }
}

impl<S: ?Sized> Spec for ChildSpec<S> {
    fn id(&self) -> &ChildId {
        &self.id
    }

    fn flags(&self) -> ChildFlags {
        self.flags.into()
    }

    fn policy(&self) -> &Policy {
        self.beyond.as_ref().map_or(&Policy::NONE, |beyond| &beyond.policy)
    }
}

impl Spec for AnyChild {
    fn id(&self) -> &ChildId {
        self.0.id()
    }

    /// A child with a start of its own keeps that.
    fn renewed(&self, old: &Self, new: &Self) -> Self {
        if Arc::ptr_eq(&self.0, &old.0) { new.clone() } else { new.starting(self.clone()) }
    }

    fn flags(&self) -> ChildFlags {
        Spec::flags(&*self.0)
    }

    fn policy(&self) -> &Policy {
        self.0.policy()
    }
}
