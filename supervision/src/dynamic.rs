//! Children started on demand, from an argument each: Elixir's `DynamicSupervisor`.
//!
//! **Promises**: a restart makes a child anew from its own argument; its ref stays good, and its queue stays.
//! **Bounds**: children by `max_children` (default: none), those that are being restarted included; a start past it is
//! refused with [`SupervisorError::MaxChildren`]. Restarts by intensity, of all children together.
//! **Cost**: a start is one call to the supervisor, which gives the child's ref as well. Starts go one after the other,
//! each with its child's `init`: where that takes long, or there are many at once, put several dynamic supervisors under a
//! [`PartitionSupervisor`](crate::PartitionSupervisor).

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, IntoName, Node};

use crate::child_spec::{ChildId, ChildSpec};
use crate::children::{Counts, Place};
use crate::layer::{Layer, LayerChild, Typed, start_held};
use crate::shell::ChildInfo;
use crate::supervised::{ActorChild, Placing, Start, Supervised};
use crate::supervisor::{StartError, Supervisor, SupervisorError, SupervisorRef};

/// A child that is about to be started.
type Make<A, Arg> = dyn Fn(Arg) -> Typed<<A as Actor>::Ref> + Send + Sync;

/// A supervisor whose children are started on demand, each from an argument.
///
/// ```
/// use proscenium_runtime::{Node, actor};
/// use proscenium_supervision::{DynamicSupervisor, SupervisorError};
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct AccountId(u32);
///
/// struct Account { id: AccountId }
///
/// #[actor(crate = proscenium_runtime)]
/// impl Account {
///     #[call] fn id(&mut self) -> AccountId { self.id.clone() }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// let node = Node::start("doc").await?;
/// let accounts = DynamicSupervisor::new(|id: AccountId| Account { id }).max_children(2).start(&node).await?;
/// let first = accounts.start_child(AccountId(1)).await?;
/// assert_eq!(first.id().await?, AccountId(1));
///
/// accounts.start_child(AccountId(2)).await?;
/// let third = accounts.start_child(AccountId(3)).await;
/// assert!(matches!(third, Err(SupervisorError::MaxChildren { limit: 2 })));
///
/// accounts.terminate_child(&first).await?;
/// assert_eq!(accounts.count_children().await?.active, 1);
/// # node.stop().await }
/// ```
#[must_use = "a supervisor runs when it is started"]
pub struct DynamicSupervisor<A: Actor, Arg> {
    supervisor: Supervisor,
    make: Arc<Make<A, Arg>>,
}

impl<A: Actor, Arg: Clone + Send + Sync + 'static> DynamicSupervisor<A, Arg> {
    /// Actors, each made by `make` from its argument, once more for each restart; OTP's defaults for a worker.
    ///
    /// What all children are to have is given once: [`extra_arguments`](DynamicSupervisor::extra_arguments), or whatever
    /// `make` has captured.
    pub fn new(make: impl Fn(Arg) -> A + Send + Sync + 'static) -> Self {
        let (id, make) = (ChildId::from(std::any::type_name::<A>()), Arc::new(make));
        DynamicSupervisor::of(move |arg: Arg| {
            let make = make.clone();
            ChildSpec::new(id.clone(), move || make(arg.clone()))
        })
    }

    /// The same with a value that goes before each start's own argument: Elixir's `extra_arguments`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use proscenium_runtime::{Node, actor};
    /// # use proscenium_supervision::DynamicSupervisor;
    /// struct Quote { rates: Arc<[f64]>, currency: usize }
    ///
    /// #[actor(crate = proscenium_runtime)]
    /// impl Quote {
    ///     #[call] fn rate(&mut self) -> f64 { self.rates[self.currency] }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// # let node = Node::start("doc").await?;
    /// let rates: Arc<[f64]> = [1.0, 1.1].into();
    /// let quotes = DynamicSupervisor::extra_arguments(rates, |rates, currency| Quote { rates, currency });
    /// let quotes = quotes.start(&node).await?;
    /// assert_eq!(quotes.start_child(1).await?.rate().await?, 1.1);
    /// # node.stop().await }
    /// ```
    pub fn extra_arguments<Extra: Clone + Send + Sync + 'static>(
        extra: Extra,
        make: impl Fn(Extra, Arg) -> A + Send + Sync + 'static,
    ) -> Self {
        DynamicSupervisor::new(move |arg| make(extra.clone(), arg))
    }
}

impl<A: Actor, Arg: 'static> DynamicSupervisor<A, Arg> {
    /// Children by the spec that `spec` makes of the argument, once for each `start_child`, on the caller's side: with a
    /// name, another restart type or shutdown, significant, light. A restart is by the same spec.
    ///
    /// ```
    /// # use proscenium_runtime::{Node, actor};
    /// # use proscenium_supervision::{ChildSpec, DynamicSupervisor, Restart};
    /// # struct Session { user: String }
    /// # #[actor(crate = proscenium_runtime)]
    /// # impl Session { #[call] fn user(&mut self) -> String { self.user.clone() } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// # let node = Node::start("doc").await?;
    /// let sessions = DynamicSupervisor::of(|user: String| {
    ///     let name = user.clone();
    ///     ChildSpec::new("session", move || Session { user: user.clone() }).named(name).restart(Restart::Temporary)
    /// });
    /// let sessions = sessions.start(&node).await?;
    /// sessions.start_child("ada".into()).await?;
    /// assert_eq!(Session::whereis(&node, "ada")?.user().await?, "ada");
    /// # node.stop().await }
    /// ```
    pub fn of<F>(spec: impl Fn(Arg) -> ChildSpec<ActorChild<F>> + Send + Sync + 'static) -> Self
    where
        F: Fn() -> A + Clone + Send + Sync + 'static,
    {
        let shared = OnceLock::<ChildId>::new();
        let make = move |arg: Arg| {
            let mut child = spec(arg);
            // Most specs of one supervisor have one name, which then lies in memory once.
            let first = shared.get_or_init(|| child.id().clone());
            if first == child.id() {
                child = child.renamed(first.clone());
            }
            Typed::from(child)
        };
        let template = ChildSpec::of(std::any::type_name::<A>(), NeedsArgument);
        DynamicSupervisor { supervisor: Supervisor::simple_one_for_one(template), make: Arc::new(make) }
    }

    /// So many children at once, those that are being restarted included. Default: as many as are started.
    pub fn max_children(mut self, limit: usize) -> Self {
        self.supervisor.flags.max_children = Some(limit);
        self
    }

    /// A name on the node: see [`Supervisor::named`]. Default: none.
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.supervisor = self.supervisor.named(name);
        self
    }

    /// One restart more than `intensity` within `period`, of all children together, ends the supervisor. OTP's default: 1
    /// in 5 s; Elixir has 3.
    pub fn intensity(mut self, intensity: usize, period: Duration) -> Self {
        self.supervisor = self.supervisor.intensity(intensity, period);
        self
    }

    fn layer(&self) -> Layer<DynamicSupervisorRef<A, Arg>> {
        let make = self.make.clone();
        let hold = move |supervisor| DynamicSupervisorRef { supervisor, make: make.clone() };
        Layer { supervisor: self.supervisor.clone(), hold: Box::new(hold) }
    }

    /// Starts the supervisor, without children.
    ///
    /// # Errors
    /// The flags do not go together, or the node is stopping. Nothing runs.
    pub async fn start(self, node: &Node) -> Result<DynamicSupervisorRef<A, Arg>, StartError> {
        self.layer().start(node).await
    }

    /// The same, linked with the actor that starts it: see [`Supervisor::start_link`].
    ///
    /// # Errors
    /// As [`start`](DynamicSupervisor::start).
    pub fn start_link<B: Actor>(
        self,
        cx: &Context<B>,
    ) -> impl Future<Output = Result<DynamicSupervisorRef<A, Arg>, StartError>> + Send + use<A, Arg, B> {
        self.layer().start_link(cx)
    }

    /// As a child of another supervisor, with OTP's defaults for a supervisor; its ref comes of
    /// [`SupervisorRef::reference`].
    ///
    /// A restart of it begins without children, as in Elixir: who had them started starts them again. Its ref stays good.
    ///
    /// ```
    /// # use proscenium_runtime::{FnActor, Node, actor_fn};
    /// # use proscenium_supervision::{DynamicSupervisor, DynamicSupervisorRef, Supervisor};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// # let node = Node::start("doc").await?;
    /// type Printer = FnActor<u32, fn(u32)>;
    /// let printers = DynamicSupervisor::new(|print: fn(u32)| -> Printer { actor_fn(print) });
    /// let tree = Supervisor::one_for_one().child(printers.child_spec("printers")).start(&node).await?;
    /// let printers: DynamicSupervisorRef<Printer, fn(u32)> = tree.reference("printers").await?;
    /// printers.start_child(|n| println!("{n}")).await?.tell(1).await?;
    /// # node.stop().await }
    /// ```
    pub fn child_spec(self, id: impl Into<ChildId>) -> ChildSpec<LayerChild<DynamicSupervisorRef<A, Arg>>> {
        LayerChild::spec(id, move || Ok(self.layer()))
    }
}

impl<A: Actor, Arg> fmt::Debug for DynamicSupervisor<A, Arg> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicSupervisor").field("flags", &self.supervisor.flags).finish_non_exhaustive()
    }
}

/// The spec that all children share has no start of its own.
pub(crate) struct NeedsArgument;

impl Start for NeedsArgument {
    fn place(&self, _: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Err(Exit::custom("its children are started from an argument; use `start_child` of its own ref"))
    }
}

/// A running [`DynamicSupervisor`].
pub struct DynamicSupervisorRef<A: Actor, Arg> {
    supervisor: SupervisorRef,
    make: Arc<Make<A, Arg>>,
}

impl<A: Actor, Arg> DynamicSupervisorRef<A, Arg> {
    /// Starts a child from `arg`, and waits for its `init`.
    ///
    /// Dropped while it waits, it may have started the child all the same.
    ///
    /// # Errors
    /// There are `max_children`, or the start failed, or said [`Exit::Ignore`]: nothing of the child is left.
    pub async fn start_child(&self, arg: Arg) -> Result<DynamicChild<A>, SupervisorError> {
        let (actor, place) = start_held(&self.supervisor, (self.make)(arg)).await?;
        Ok(DynamicChild { actor, place })
    }

    /// Stops a child, as its shutdown says, and forgets it: it is not restarted. One that is gone already is fine.
    ///
    /// It takes a child, or a line of [`which_children`](DynamicSupervisorRef::which_children).
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn terminate_child(&self, child: impl Into<Place>) -> Result<(), SupervisorError> {
        self.supervisor.terminate_dynamic(child.into()).await
    }

    /// The children in start order, each with its ref.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn which_children(&self) -> Result<Vec<(ChildInfo, Option<A::Ref>)>, SupervisorError> {
        self.supervisor.children().await
    }

    /// How many children there are, and how many of them run.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn count_children(&self) -> Result<Counts, SupervisorError> {
        self.supervisor.count_children().await
    }

    /// The supervisor, without the types of its children: to stop it, monitor it, link with it.
    #[must_use]
    pub fn supervisor(&self) -> &SupervisorRef {
        &self.supervisor
    }
}

impl<A: Actor, Arg> Clone for DynamicSupervisorRef<A, Arg> {
    fn clone(&self) -> Self {
        DynamicSupervisorRef { supervisor: self.supervisor.clone(), make: self.make.clone() }
    }
}

impl<A: Actor, Arg> fmt::Debug for DynamicSupervisorRef<A, Arg> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamicSupervisorRef({})", self.supervisor.id())
    }
}

/// A child of a [`DynamicSupervisor`]: its ref, which it stands for, and its place in its supervisor. Both are good over its
/// restarts.
pub struct DynamicChild<A: Actor> {
    actor: A::Ref,
    place: Place,
}

impl<A: Actor> DynamicChild<A> {
    /// Its ref.
    #[must_use]
    pub fn actor(&self) -> &A::Ref {
        &self.actor
    }

    /// Its place in its supervisor.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }
}

impl<A: Actor> std::ops::Deref for DynamicChild<A> {
    type Target = A::Ref;

    fn deref(&self) -> &A::Ref {
        &self.actor
    }
}

impl<A: Actor> From<&DynamicChild<A>> for Place {
    fn from(child: &DynamicChild<A>) -> Self {
        child.place
    }
}

impl From<&ChildInfo> for Place {
    fn from(child: &ChildInfo) -> Self {
        child.place
    }
}

impl<A: Actor> Clone for DynamicChild<A> {
    fn clone(&self) -> Self {
        DynamicChild { actor: self.actor.clone(), place: self.place }
    }
}

impl<A: Actor> fmt::Debug for DynamicChild<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynamicChild({:?}, {:?})", self.place, self.actor.as_ref())
    }
}
