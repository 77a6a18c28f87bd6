//! Groups: actors of one type under a common name, told and called together.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::broadcast;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::actor_ref::{Ref, UntypedRef};
use crate::call::CallError;
use crate::names::Name;
use crate::reply::Reply;
use crate::requests::Requests;
use crate::tell::TellError;

/// Comings and goings that a slow watcher may lag behind.
const BACKLOG: usize = 256;

#[derive(Default)]
pub(crate) struct Groups {
    map: DashMap<(Name, TypeId), Arc<dyn Any + Send + Sync>>,
}

impl Groups {
    pub(crate) fn get<A: Actor>(&self, name: Name) -> Group<A> {
        let made = self.map.entry((name.clone(), TypeId::of::<A>())).or_insert_with(|| {
            let (events, _) = broadcast::channel(BACKLOG);
            Arc::new(Inner::<A> { members: Mutex::default(), events })
        });
        let inner = made.value().clone().downcast().expect("the type is part of the key");
        Group { name, inner }
    }
}

struct Inner<A: Actor> {
    members: Mutex<BTreeMap<ActorId, Ref<A>>>,
    events: broadcast::Sender<GroupEvent>,
}

impl<A: Actor> Inner<A> {
    fn members(&self) -> MutexGuard<'_, BTreeMap<ActorId, Ref<A>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, actor: ActorId) -> bool {
        let left = self.members().remove(&actor).is_some();
        if left {
            let _ = self.events.send(GroupEvent::Left(actor));
        }
        left
    }
}

/// Who wants to know when an actor is gone for good, to take it off a list: groups do, and registries of others.
pub trait Roster: Send + Sync {
    /// The actor is gone. Called once, from wherever it ended: take it off, and wait for nothing.
    fn leave(&self, actor: ActorId);
}

impl UntypedRef {
    /// Has `roster` told when the actor is gone for good; twice is once. A restart is no end.
    ///
    /// `false`: it is gone already, and the roster will not be told. Put it on the list first, then enrol it, and take it
    /// off where this says `false`: so none stays on it that is gone.
    pub fn enrol(&self, roster: &Arc<dyn Roster>) -> bool {
        self.cell.face().cold(|cold| {
            if !cold.groups.iter().any(|other| Arc::ptr_eq(&other.0, roster)) {
                cold.groups.push(Membership(roster.clone())); // It stays when the actor leaves: joining again finds it.
            }
            cold.gone.is_none()
        })
    }
}

impl<A: Actor> Roster for Inner<A> {
    fn leave(&self, actor: ActorId) {
        Inner::leave(self, actor);
    }
}

/// Kept by a member, so that its final end takes it out.
pub(crate) struct Membership(Arc<dyn Roster>);

impl Membership {
    pub(crate) fn leave(self, actor: ActorId) {
        self.0.leave(actor);
    }
}

/// A group of actors of one type, from [`Node::group`](crate::Node::group).
///
/// A member stays over its restarts and leaves at its final end.
///
/// ```
/// # use std::time::Duration;
/// # use proscenium_runtime::{Node, Reply, FnActor, actor_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
/// # let node = Node::start("doc").await?;
/// fn answer(reply: Reply<u32>) { reply.send(1) }
/// let group = node.group::<FnActor<Reply<u32>, fn(Reply<u32>)>>("workers");
/// for _ in 0..3 {
///     group.join(&node.spawn(actor_fn(answer as fn(Reply<u32>))).await?);
/// }
/// let answers = group.multi_call(|reply| reply, Duration::from_secs(1)).await;
/// assert_eq!(answers.into_iter().filter_map(|(_, answer)| answer.ok()).sum::<u32>(), 3);
/// # node.stop().await }
/// ```
pub struct Group<A: Actor> {
    name: Name,
    inner: Arc<Inner<A>>,
}

/// Who came and who went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum GroupEvent {
    /// An actor joined.
    Joined(ActorId),
    /// An actor left, or ended for good.
    Left(ActorId),
    /// The watcher was slow: so many events are lost to it; ask for the members.
    Lagged(u64),
}

/// The comings and goings of a group, from [`Group::monitor`].
#[derive(Debug)]
pub struct GroupEvents(broadcast::Receiver<GroupEvent>);

impl GroupEvents {
    /// The next one; `None` when the node is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<GroupEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(lost)) => Some(GroupEvent::Lagged(lost)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl<A: Actor> Group<A> {
    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Adds a member; twice is once. `false`: it is a member already, or has ended.
    pub fn join(&self, actor: &Ref<A>) -> bool {
        if self.inner.members().insert(actor.id(), actor.clone()).is_some() {
            return false;
        }
        let _ = self.inner.events.send(GroupEvent::Joined(actor.id()));
        let mine: Arc<dyn Roster> = self.inner.clone();
        let lives = actor.untyped().enrol(&mine);
        if !lives {
            self.inner.leave(actor.id()); // It ended meanwhile, and did not see this group.
        }
        lives
    }

    /// Takes a member out. `false`: it was none.
    pub fn leave(&self, actor: &Ref<A>) -> bool {
        self.inner.leave(actor.id())
    }

    /// The members now, in the order of their ids.
    #[must_use]
    pub fn members(&self) -> Vec<Ref<A>> {
        self.inner.members().values().cloned().collect()
    }

    /// Tells all members, without waiting for room. What did not arrive is said, by member.
    pub fn broadcast(&self, msg: &A::Msg) -> Vec<(ActorId, Result<(), TellError<()>>)>
    where
        A::Msg: Clone,
    {
        let told = |member: Ref<A>| (member.id(), member.tell(msg.clone()).now().map_err(|error| error.map(drop)));
        self.members().into_iter().map(told).collect()
    }

    /// Calls all members at once, and gives what came within the limit: an answer or an error a member.
    pub async fn multi_call<R: Send + 'static>(
        &self,
        mut make: impl FnMut(Reply<R>) -> A::Msg,
        limit: Duration,
    ) -> Vec<(ActorId, Result<R, CallError>)> {
        let members = self.members();
        let mut requests = Requests::new();
        for member in &members {
            requests.add(member.id(), member.call(&mut make).within(limit));
        }
        let mut answers = Vec::with_capacity(members.len());
        while let Some(answer) = requests.next().await {
            answers.push(answer);
        }
        drop(requests);
        answers.sort_by_key(|(member, _)| *member);
        answers
    }

    /// Who comes and who goes, from now on.
    #[must_use]
    pub fn monitor(&self) -> GroupEvents {
        GroupEvents(self.inner.events.subscribe())
    }
}

impl<A: Actor> Clone for Group<A> {
    fn clone(&self) -> Self {
        Group { name: self.name.clone(), inner: self.inner.clone() }
    }
}

impl<A: Actor> fmt::Debug for Group<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({}, {} members)", self.name, self.inner.members().len())
    }
}
