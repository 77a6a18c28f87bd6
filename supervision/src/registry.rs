//! Keys, values, and the actors that stand for them: Elixir's `Registry`.
//!
//! **Why beside the node's names and groups**: a name is one for the whole node, and has no value; a group is of actors of one
//! type, and has no keys. A registry has typed keys and values, one actor or many to a key, and is a part of a tree: it
//! begins empty with its supervisor and is gone with it. What the runtime has is used: an entry leaves as a member leaves its
//! group, by [`UntypedRef::enrol`], and no actor is asked or monitored for it.
//!
//! **Promises**
//! - An entry is the actor's, not its incarnation's, as a name and a membership are: it stays over a restart, since the
//!   ref and the queue behind it stay, and it leaves when the actor is gone for good. Registering again, as the `init` of the
//!   next incarnation does, replaces the value.
//! - Of unique keys there is one entry at each moment.
//! - When the registry ends or is restarted, all its entries are gone. Put it before those who register, under
//!   `rest_for_one`: then they begin anew with it, and register again.
//!
//! **Does not promise** that an actor found is still there when it is told something: the tell says so.
//! **Bounds**: one entry for each actor and key; whoever registers bounds them.
//! **Cost**: a look-up reads one lock of as many as there are partitions, on the caller's side, and clones the values
//! under it: let that be cheap, and not ask the registry. A registration writes two locks.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use proscenium_runtime::{Actor, ActorId, AnyRef, Context, Exit, Life, Node, Ref, Roster, SpawnError, UntypedRef};

use crate::child_spec::{ChildId, ChildSpec};
use crate::partition_key::partition_of;
use crate::supervised::{ActorChild, Placing, Renewal, Start, Supervised};

/// How many actors a key may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keys {
    /// One: the key is its address.
    Unique,
    /// Any number: the key is what they have in common.
    Duplicate,
}

/// A registry: the handle that registers and looks up, and the spec of the child that keeps it.
///
/// Until that child runs, and after it has ended, nothing can be registered and nothing is found.
///
/// ```
/// use proscenium_runtime::{Actor, Context, Exit, Node, Ref};
/// use proscenium_supervision::{ChildSpec, Registry, Supervisor};
///
/// type Rooms = Registry<String, u32>;
///
/// struct Room { name: String, seats: u32, rooms: Rooms }
///
/// impl Actor for Room {
///     type Msg = String;
///     type Ref = Ref<Self>;
///
///     async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
///         Ok(self.rooms.register(cx, self.name.clone(), self.seats)?)
///     }
///     async fn handle(&mut self, _: &mut Context<Self>, said: String) -> Result<(), Exit> {
///         println!("{}: {said}", self.name);
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// # let node = Node::start("doc").await?;
/// let rooms = Rooms::unique();
/// let of_room = rooms.clone();
/// let tree = Supervisor::rest_for_one()
///     .child(rooms.child_spec("rooms"))
///     .child(ChildSpec::new("lobby", move || Room { name: "lobby".into(), seats: 40, rooms: of_room.clone() }))
///     .start(&node)
///     .await?;
/// let lobby = rooms.lookup("lobby");
/// assert_eq!(lobby[0].1, 40);
/// rooms.whereis::<Room, _>("lobby").expect("it is registered").tell("hello".into()).await?;
///
/// tree.stop().await?;
/// assert_eq!(rooms.count(), 0);
/// # node.stop().await }
/// ```
pub struct Registry<K, V> {
    table: Arc<Table<K, V>>,
}

/// Why an actor was not registered. Nothing was changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RegistryError {
    /// The key is another actor's.
    AlreadyRegistered {
        /// Whose.
        by: UntypedRef,
    },
    /// The child that keeps the registry does not run.
    NotRunning,
    /// The actor itself has ended.
    Gone,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::AlreadyRegistered { by } => {
                write!(f, "the key is that of {by:?}; unregister it there, or choose another key")
            }
            RegistryError::NotRunning => {
                f.write_str("the registry does not run; put its child_spec before those who register")
            }
            RegistryError::Gone => f.write_str("the actor that was to be registered has ended"),
        }
    }
}

impl std::error::Error for RegistryError {}

impl From<RegistryError> for proscenium_runtime::Error {
    fn from(error: RegistryError) -> Self {
        proscenium_runtime::Error::Above(Box::new(error))
    }
}

impl<K, V> Registry<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn of(keys: Keys, partitions: NonZeroUsize) -> Self {
        let table = Table {
            keys,
            runs: AtomicBool::new(false),
            by_key: (0..partitions.get()).map(|_| RwLock::default()).collect(),
            by_actor: (0..partitions.get()).map(|_| Mutex::default()).collect(),
        };
        Registry { table: Arc::new(table) }
    }

    /// One actor to a key; as many partitions as the program may use cores.
    #[must_use]
    pub fn unique() -> Self {
        Registry::of(Keys::Unique, std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// Any number of actors to a key; as many partitions as the program may use cores.
    #[must_use]
    pub fn duplicate() -> Self {
        Registry::of(Keys::Duplicate, std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// So many locks for keys, and as many for actors: a new registry, so say it before handing it on.
    #[must_use]
    pub fn partitions(self, partitions: NonZeroUsize) -> Self {
        Registry::of(self.table.keys, partitions)
    }

    /// The child that keeps the registry: while it runs, actors can be registered. One at a time of each registry; a second
    /// one does not start.
    pub fn child_spec(&self, id: impl Into<ChildId>) -> ChildSpec<Registry<K, V>> {
        ChildSpec::of(id, self.clone())
    }

    /// The same without a supervisor.
    ///
    /// # Errors
    /// It runs already, or the node is stopping.
    pub async fn start(&self, node: &Node) -> Result<Ref<RegistryKeeper<K, V>>, SpawnError> {
        node.spawn_light(self.keeper()).await
    }

    fn keeper(&self) -> RegistryKeeper<K, V> {
        RegistryKeeper { table: self.table.clone(), runs: false }
    }

    /// Registers the actor of `cx` under a key; where it is registered under that already, it has the new value.
    ///
    /// # Errors
    /// The key is unique and another actor's; the registry does not run; the actor has ended.
    pub fn register<A: Actor>(&self, cx: &Context<A>, key: K, value: V) -> Result<(), RegistryError> {
        let actor = cx.me().as_ref().untyped();
        self.table.enter(&actor, key, value)?;
        let roster: Arc<dyn Roster> = self.table.clone();
        if actor.enrol(&roster) {
            return Ok(());
        }
        self.table.leave(actor.id());
        Err(RegistryError::Gone)
    }

    /// Takes the entry of the actor of `cx` under this key away. `false`: there was none.
    pub fn unregister<A: Actor, Q>(&self, cx: &Context<A>, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.table.unregister(cx.id(), key)
    }

    /// The actors of this key and their values, in the order of their registrations: one at most of a unique one.
    #[must_use]
    pub fn lookup<Q>(&self, key: &Q) -> Vec<(UntypedRef, V)>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let partition = self.table.read(key);
        let entries = partition.get(key).map(Vec::as_slice).unwrap_or_default();
        entries.iter().map(|entry| (entry.actor.clone(), entry.value.clone())).collect()
    }

    /// The first actor of this key, if it is an `A`.
    #[must_use]
    pub fn whereis<A: Actor, Q>(&self, key: &Q) -> Option<A::Ref>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let actor = self.table.read(key).get(key)?.first()?.actor.clone();
        actor.downcast::<A>()
    }

    /// Calls `f` with the actors of this key and their values, unless there are none. No lock is held meanwhile.
    pub fn dispatch<Q>(&self, key: &Q, f: impl FnOnce(&[(UntypedRef, V)]))
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entries = self.lookup(key);
        if !entries.is_empty() {
            f(&entries);
        }
    }

    /// The keys of an actor, in the order of their registrations.
    #[must_use]
    pub fn keys(&self, actor: &impl AnyRef) -> Vec<K> {
        let actor = actor.to_untyped().id();
        self.table.actors(actor).get(&actor).cloned().unwrap_or_default()
    }

    /// How many entries there are, over all keys.
    #[must_use]
    pub fn count(&self) -> usize {
        let of = |partition: &RwLock<ByKey<K, V>>| {
            partition.read().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum::<usize>()
        };
        self.table.by_key.iter().map(of).sum()
    }
}

impl<K, V> Start for Registry<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        let registry = self.clone();
        ActorChild::new(move || registry.keeper()).place(placing.light(true))
    }

    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        let registry = self.clone();
        ActorChild::new(move || registry.keeper()).renew(placing, place)
    }
}

impl<K, V> Clone for Registry<K, V> {
    fn clone(&self) -> Self {
        Registry { table: self.table.clone() }
    }
}

impl<K, V> fmt::Debug for Registry<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({:?} keys, runs: {})", self.table.keys, self.table.runs.load(Ordering::Relaxed))
    }
}

struct Entry<V> {
    actor: UntypedRef,
    value: V,
}

type ByKey<K, V> = HashMap<K, Vec<Entry<V>>>;

type ByActor<K> = HashMap<ActorId, Vec<K>>;

/// Who changes both halves locks the actor's first. Entries are dropped without a lock: values are the user's code.
struct Table<K, V> {
    keys: Keys,
    /// Written by the keeper, read under an actor's lock: see `close`.
    runs: AtomicBool,
    by_key: Box<[RwLock<ByKey<K, V>>]>,
    by_actor: Box<[Mutex<ByActor<K>>]>,
}

impl<K: Hash + Eq + Clone, V> Table<K, V> {
    fn partition<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        partition_of(key, NonZeroUsize::new(self.by_key.len()).unwrap_or(NonZeroUsize::MIN))
    }

    fn read<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockReadGuard<'_, ByKey<K, V>> {
        self.by_key[self.partition(key)].read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockWriteGuard<'_, ByKey<K, V>> {
        self.by_key[self.partition(key)].write().unwrap_or_else(PoisonError::into_inner)
    }

    fn actors(&self, actor: ActorId) -> MutexGuard<'_, ByActor<K>> {
        self.by_actor[self.partition(&actor)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, actor: &UntypedRef, key: K, value: V) -> Result<(), RegistryError> {
        let id = actor.id();
        let mut actors = self.actors(id);
        if !self.runs.load(Ordering::Acquire) {
            return Err(RegistryError::NotRunning);
        }
        let mut partition = self.write(&key);
        let entries = partition.entry(key.clone()).or_default();
        let mut old = None;
        match entries.iter_mut().find(|entry| entry.actor.id() == id) {
            Some(mine) => old = Some(std::mem::replace(&mut mine.value, value)),
            None => {
                let taken = entries.first().filter(|_| self.keys == Keys::Unique).map(|entry| entry.actor.clone());
                match taken {
                    Some(by) if by.status().life != Life::Gone => return Err(RegistryError::AlreadyRegistered { by }),
                    // About to leave, and to find that its entry is gone.
                    Some(_) => old = Some(entries.remove(0).value),
                    None => {}
                }
                entries.push(Entry { actor: actor.clone(), value });
                actors.entry(id).or_default().push(key);
            }
        }
        drop((partition, actors));
        drop(old);
        Ok(())
    }

    fn unregister<Q>(&self, actor: ActorId, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut actors = self.actors(actor);
        let Some(keys) = actors.get_mut(&actor) else { return false };
        let Some(at) = keys.iter().position(|other| other.borrow() == key) else { return false };
        keys.remove(at);
        if keys.is_empty() {
            actors.remove(&actor);
        }
        let gone = self.take(actor, key);
        drop(actors);
        gone.is_some()
    }

    /// Takes the entry out of the half of the keys.
    fn take<Q>(&self, actor: ActorId, key: &Q) -> Option<Entry<V>>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut partition = self.write(key);
        let entries = partition.get_mut(key)?;
        let at = entries.iter().position(|entry| entry.actor.id() == actor)?;
        let gone = entries.remove(at);
        if entries.is_empty() {
            partition.remove(key);
        }
        Some(gone)
    }

    /// From here on nobody enters: who has seen the registry run is through with it when its lock is had.
    fn close(&self) {
        self.runs.store(false, Ordering::Release);
        for actors in &self.by_actor {
            drop(std::mem::take(&mut *actors.lock().unwrap_or_else(PoisonError::into_inner)));
        }
        for partition in &self.by_key {
            let gone = std::mem::take(&mut *partition.write().unwrap_or_else(PoisonError::into_inner));
            drop(gone);
        }
    }
}

impl<K, V> Roster for Table<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Send + Sync,
{
    fn leave(&self, actor: ActorId) {
        let mut actors = self.actors(actor);
        let keys = actors.remove(&actor).unwrap_or_default();
        let gone: Vec<_> = keys.iter().filter_map(|key| self.take(actor, key)).collect();
        drop(actors);
        drop(gone);
    }
}

/// The actor that keeps a [`Registry`]: it is told nothing, and its life is the registry's.
pub struct RegistryKeeper<K: Hash + Eq + Clone, V> {
    table: Arc<Table<K, V>>,
    /// It is this one that opened the table.
    runs: bool,
}

impl<K, V> Actor for RegistryKeeper<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    type Msg = std::convert::Infallible;
    type Ref = Ref<Self>;

    async fn init(&mut self, _: &mut Context<Self>) -> Result<(), Exit> {
        self.runs = !self.table.runs.swap(true, Ordering::AcqRel);
        if self.runs { Ok(()) } else { Err(Exit::custom("this registry runs already; make another one")) }
    }

    async fn handle(&mut self, _: &mut Context<Self>, msg: Self::Msg) -> Result<(), Exit> {
        match msg {}
    }
}

impl<K: Hash + Eq + Clone, V> Drop for RegistryKeeper<K, V> {
    /// However it ends: a kill runs no stop hook.
    fn drop(&mut self) {
        if self.runs {
            self.table.close();
        }
    }
}

impl<K: Hash + Eq + Clone, V> fmt::Debug for RegistryKeeper<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryKeeper").field("runs", &self.runs).finish_non_exhaustive()
    }
}
