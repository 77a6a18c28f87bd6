//! One child many times over, and keys that say which: Elixir's `PartitionSupervisor`.
//!
//! ```text
//!   partition(key) ──▶ partition_of(key, n) ──▶ slot: the child's ref, put there when the child got its place
//!                      pure, the same everywhere    no message to the supervisor
//! ```
//!
//! **Promises**: a key goes to the same partition in each run, on each machine, as long as the number of partitions is the
//! same. A partition that crashes is restarted alone, with its queue; its ref stays good.
//! **Does not promise** that a partition which is down is passed by: what is sent to it waits for its restart.
//! **When the partition supervisor itself is restarted** by its own supervisor, its children are new ones, as below any
//! supervisor: refs that were got before are gone, and say so to whoever uses them. The [`PartitionSupervisorRef`] stays
//! good, and gives the new ones: ask it for each message or each batch, and keep no partition's ref for long.
//! **Bounds**: so many children as partitions, each with its own mailbox; no other queue.
//! **Cost**: a key is hashed on the caller's side, and a lock is read that only a start of that partition writes.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{Actor, Context, IntoName, Node};

use crate::child_spec::{ChildId, ChildSpec};
use crate::children::Counts;
use crate::layer::{Layer, LayerChild, Noting, Slot};
use crate::partition_key::partition_of;
use crate::shell::ChildInfo;
use crate::sup_flags::SpecError;
use crate::supervised::{ActorChild, Refers, Start};
use crate::supervisor::{StartError, Supervisor, SupervisorError, SupervisorRef};

/// The child of a partition, added to the supervisor.
type AddChild<R> = dyn Fn(Supervisor, usize, Arc<Slot<R>>) -> Supervisor + Send + Sync;

/// A supervisor whose children are partitions of one work.
///
/// ```
/// use proscenium_runtime::{Node, actor};
/// use proscenium_supervision::PartitionSupervisor;
///
/// struct Counter { partition: usize, n: u64 }
///
/// #[actor(crate = proscenium_runtime)]
/// impl Counter {
///     #[call] fn add(&mut self) -> (usize, u64) { self.n += 1; (self.partition, self.n) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// let node = Node::start("doc").await?;
/// let counters = PartitionSupervisor::new(|partition| Counter { partition, n: 0 }).partitions(4).start(&node).await?;
/// assert_eq!(counters.partition(6)?.add().await?, (2, 1)); // 6 % 4
/// assert_eq!(counters.partition(10)?.add().await?, (2, 2));
/// # node.stop().await }
/// ```
#[must_use = "a supervisor runs when it is started"]
pub struct PartitionSupervisor<R> {
    supervisor: Supervisor,
    partitions: Option<usize>,
    add: Arc<AddChild<R>>,
}

impl<R: Clone + Send + Sync + 'static> PartitionSupervisor<R> {
    /// Actors, each made by `make` from the number of its partition, from 0 on; OTP's defaults for a worker.
    pub fn new<A: Actor<Ref = R>>(make: impl Fn(usize) -> A + Send + Sync + 'static) -> Self {
        let make = Arc::new(make);
        PartitionSupervisor::of(move |partition| {
            let make = make.clone();
            ChildSpec::of("partition", ActorChild::new(move || make(partition)))
        })
    }

    /// Children by the spec that `spec` makes of the number of the partition: actors, supervisors,
    /// [dynamic supervisors](crate::DynamicSupervisor), or anything that says what it is [held by](Refers).
    ///
    /// Whatever the specs are named, the children's names are their numbers.
    ///
    /// ```
    /// # use proscenium_runtime::{Node, actor};
    /// # use proscenium_supervision::{DynamicSupervisor, PartitionSupervisor};
    /// # struct Session(u64);
    /// # #[actor(crate = proscenium_runtime)]
    /// # impl Session { #[call] fn user(&mut self) -> u64 { self.0 } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// # let node = Node::start("doc").await?;
    /// // Starts of sessions do not wait for each other: there is a supervisor for each core.
    /// let sessions = PartitionSupervisor::of(|_| DynamicSupervisor::new(Session).child_spec("sessions"));
    /// let sessions = sessions.start(&node).await?;
    /// let user = 17;
    /// assert_eq!(sessions.partition(user)?.start_child(user).await?.user().await?, user);
    /// # node.stop().await }
    /// ```
    pub fn of<S: Start + Refers<Ref = R>>(spec: impl Fn(usize) -> ChildSpec<S> + Send + Sync + 'static) -> Self {
        let add = move |supervisor: Supervisor, partition: usize, slot: Arc<Slot<R>>| {
            let child = spec(partition).map(|start| Noting { start, slot });
            supervisor.child(child.renamed(partition.to_string()))
        };
        PartitionSupervisor { supervisor: Supervisor::one_for_one(), partitions: None, add: Arc::new(add) }
    }

    /// How many partitions there are. Default: one for each core that the program may use.
    ///
    /// None at all is an error of [`start`](PartitionSupervisor::start).
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// A name on the node: see [`Supervisor::named`]. Default: none.
    pub fn named(mut self, name: impl IntoName) -> Self {
        self.supervisor = self.supervisor.named(name);
        self
    }

    /// One restart more than `intensity` within `period`, of all partitions together, ends the supervisor. OTP's default: 1
    /// in 5 s; Elixir has 3.
    pub fn intensity(mut self, intensity: usize, period: Duration) -> Self {
        self.supervisor = self.supervisor.intensity(intensity, period);
        self
    }

    fn layer(&self) -> Result<Layer<PartitionSupervisorRef<R>>, SpecError> {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let partitions = self.partitions.unwrap_or_else(cores);
        if partitions == 0 {
            return Err(SpecError::NoPartitions);
        }
        let slots: Arc<[Arc<Slot<R>>]> = (0..partitions).map(|_| Arc::new(Slot::new())).collect();
        let mut supervisor = self.supervisor.clone();
        for (partition, slot) in slots.iter().enumerate() {
            supervisor = (self.add)(supervisor, partition, slot.clone());
        }
        let hold = move |supervisor| PartitionSupervisorRef { supervisor, slots: slots.clone() };
        Ok(Layer { supervisor, hold: Box::new(hold) })
    }

    /// Starts the supervisor and its partitions, in the order of their numbers.
    ///
    /// # Errors
    /// There is not one partition, or one did not start: those before it have been stopped.
    pub async fn start(self, node: &Node) -> Result<PartitionSupervisorRef<R>, StartError> {
        self.layer()?.start(node).await
    }

    /// The same, linked with the actor that starts it: see [`Supervisor::start_link`].
    ///
    /// # Errors
    /// As [`start`](PartitionSupervisor::start).
    pub fn start_link<A: Actor>(
        self,
        cx: &Context<A>,
    ) -> impl Future<Output = Result<PartitionSupervisorRef<R>, StartError>> + Send + use<A, R> {
        let starting = self.layer().map(|layer| layer.start_link(cx));
        async move { starting?.await }
    }

    /// As a child of another supervisor, with OTP's defaults for a supervisor; its ref comes of
    /// [`SupervisorRef::reference`].
    pub fn child_spec(self, id: impl Into<ChildId>) -> ChildSpec<LayerChild<PartitionSupervisorRef<R>>> {
        LayerChild::spec(id, move || self.layer())
    }
}

impl<R> fmt::Debug for PartitionSupervisor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionSupervisor").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

/// A running [`PartitionSupervisor`], good over its restarts; `R` is what a partition is held by.
pub struct PartitionSupervisorRef<R> {
    supervisor: SupervisorRef,
    slots: Arc<[Arc<Slot<R>>]>,
}

impl<R: Clone + Send + Sync + 'static> PartitionSupervisorRef<R> {
    /// The partition of this key. Asks nobody.
    ///
    /// A key that is one integer, or is hashed as one (a newtype of it, a `char`, a fieldless `enum`), goes to the partition
    /// of that number, modulo how many there are; of a negative one the sign is left out. Other keys go by a hash that is
    /// the same in each run and on each machine: see [`partition_of`].
    ///
    /// # Errors
    /// The partition has never been started.
    pub fn partition(&self, key: impl Hash) -> Result<R, SupervisorError> {
        let number = partition_of(&key, NonZeroUsize::new(self.slots.len()).ok_or(SupervisorError::NotFound)?);
        self.slots.get(number).and_then(|slot| slot.get()).ok_or(SupervisorError::NotFound)
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.slots.len()
    }

    /// All partitions, in the order of their numbers. Asks nobody.
    #[must_use]
    pub fn all(&self) -> Vec<R> {
        self.slots.iter().filter_map(|slot| slot.get()).collect()
    }

    /// The partitions as the supervisor knows them; their names are their numbers.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, SupervisorError> {
        self.supervisor.which_children().await
    }

    /// How many children there are, of which kind, and how many of them run.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub async fn count_children(&self) -> Result<Counts, SupervisorError> {
        self.supervisor.count_children().await
    }

    /// The supervisor, without what is known of its children: to stop it, monitor it, link with it.
    #[must_use]
    pub fn supervisor(&self) -> &SupervisorRef {
        &self.supervisor
    }
}

impl<R> Clone for PartitionSupervisorRef<R> {
    fn clone(&self) -> Self {
        PartitionSupervisorRef { supervisor: self.supervisor.clone(), slots: self.slots.clone() }
    }
}

impl<R> fmt::Debug for PartitionSupervisorRef<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionSupervisorRef({}, {} partitions)", self.supervisor.id(), self.slots.len())
    }
}
