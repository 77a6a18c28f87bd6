//! Handles to actors.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::call::Call;
use crate::cell::{AnyCell, Cell, End, Watcher};
use crate::exit::Exit;
use crate::node::Node;
use crate::recipient::Recipient;
use crate::reply::Reply;
use crate::signal::{Down, MonitorId};
use crate::sys::{Status, Sys};
use crate::tell::Tell;
use crate::{links, scope};

/// A handle to an actor: cheap to clone, good over restarts, and opaque about where the actor lives.
///
/// A ref does not keep its actor running; after the final end it answers with the exit reason.
pub struct Ref<A: Actor> {
    pub(crate) cell: Arc<Cell<A>>,
}

impl<A: Actor> Ref<A> {
    pub(crate) fn new(cell: Arc<Cell<A>>) -> Self {
        Ref { cell }
    }

    /// Sends a message. Awaited, it waits for room in the mailbox; see [`Tell`] for the other ways.
    #[inline(always)]
    pub fn tell(&self, msg: A::Msg) -> Tell<'_, A> {
        Tell::new(&self.cell, msg, None)
    }

    /// Sends a message that carries a [`Reply`], and awaits the answer, for 5 s unless [`Call::within`] says otherwise.
    #[inline(always)]
    pub fn call<R: Send + 'static>(&self, make: impl FnOnce(Reply<R>) -> A::Msg) -> Call<'_, A, R> {
        Call::new(&self.cell, make)
    }

    /// Passes a call on: `reply` is answered by this actor, and lives and dies with its message there.
    ///
    /// A chain of callers is looked through: the caller then waits for this actor.
    pub fn delegate<R: Send + 'static>(&self, reply: Reply<R>, make: impl FnOnce(Reply<R>) -> A::Msg) -> Tell<'_, A> {
        reply.now_waits_for(&self.cell.face);
        let tag = reply.tag();
        Tell::new(&self.cell, make(reply), Some(tag))
    }

    /// The actor's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.cell.face.id
    }

    /// The node it lives on.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.cell.face.node
    }

    /// A ref that does not keep the mailbox in memory after the actor's end.
    #[must_use]
    pub fn downgrade(&self) -> WeakRef<A> {
        WeakRef(Arc::downgrade(&self.cell))
    }

    /// The same actor without its type: for links, monitors, ends.
    #[must_use]
    pub fn untyped(&self) -> UntypedRef {
        UntypedRef { cell: self.cell.clone() }
    }

    /// A handle that takes messages of another type and wraps them for this actor.
    #[must_use]
    pub fn recipient<M: Send + 'static>(&self, wrap: impl Fn(M) -> A::Msg + Send + Sync + 'static) -> Recipient<M> {
        Recipient::new(self.clone(), wrap)
    }

    /// System requests: status, state, suspend, resume, history, trace.
    #[must_use]
    pub fn sys(&self) -> Sys<'_, A> {
        Sys(self)
    }

    /// A graceful stop: see [`Stop`].
    pub fn stop(&self) -> Stop {
        Stop::new(self.cell.clone())
    }

    /// Ends the actor at its next await, without its stop hook. Links and monitors see [`Exit::Killed`].
    pub fn kill(&self) {
        self.untyped().kill();
    }

    /// Sends an exit signal, as a linked actor's end does: trapped, or the end of the actor at its next await, with its
    /// stop hook. [`Exit::Normal`] ends nobody but oneself.
    pub fn exit(&self, exit: Exit) {
        self.untyped().exit(exit);
    }

    /// Waits for the end of the incarnation that runs now; at once with [`Exit::NoProc`] if none runs. Cancel-safe.
    pub async fn monitor(&self) -> Down {
        self.untyped().monitor().await
    }

    /// Waits until the actor is gone for good, and says why. Cancel-safe.
    pub async fn gone(&self) -> Exit {
        gone(&self.cell.face).await
    }

    /// Whether an incarnation runs now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.cell.face.incarnation() != 0
    }
}

pub(crate) async fn gone(face: &crate::cell::Face) -> Exit {
    match face.gone_signal() {
        Err(exit) => exit,
        Ok(receiver) => receiver.await.unwrap_or(Exit::NoProc),
    }
}

impl<A: Actor> AsRef<Ref<A>> for Ref<A> {
    fn as_ref(&self) -> &Ref<A> {
        self
    }
}

impl<A: Actor> Clone for Ref<A> {
    fn clone(&self) -> Self {
        Ref { cell: self.cell.clone() }
    }
}

impl<A: Actor> PartialEq for Ref<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cell, &other.cell)
    }
}

impl<A: Actor> Eq for Ref<A> {}

impl<A: Actor> fmt::Debug for Ref<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({}{})", std::any::type_name::<A>(), self.id())
    }
}

/// A ref that leaves the memory of an ended actor's mailbox alone.
pub struct WeakRef<A: Actor>(Weak<Cell<A>>);

impl<A: Actor> WeakRef<A> {
    /// The ref, if the actor still runs or somebody holds a strong ref to it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Ref<A>> {
        self.0.upgrade().map(Ref::new)
    }
}

impl<A: Actor> Clone for WeakRef<A> {
    fn clone(&self) -> Self {
        WeakRef(self.0.clone())
    }
}

impl<A: Actor> fmt::Debug for WeakRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeakRef({})", std::any::type_name::<A>())
    }
}

/// Any actor, whatever it is told.
#[derive(Clone)]
pub struct UntypedRef {
    pub(crate) cell: Arc<dyn AnyCell>,
}

impl UntypedRef {
    /// The actor's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.cell.face().id
    }

    /// What can be seen of it from outside.
    #[must_use]
    pub fn status(&self) -> Status {
        self.cell.status()
    }

    /// The typed ref, if the actor is an `A`.
    #[must_use]
    pub fn downcast<A: Actor>(&self) -> Option<A::Ref> {
        crate::sys::typed(self.cell.clone()).map(|cell| A::Ref::from(Ref::new(cell)))
    }

    /// A graceful stop: see [`Stop`].
    pub fn stop(&self) -> Stop {
        Stop::new(self.cell.clone())
    }

    /// Ends the actor at its next await, without its stop hook.
    pub fn kill(&self) {
        let incarnation = self.cell.face().incarnation();
        links::end(self.cell.as_ref(), incarnation, End { exit: Exit::Killed, hook: false });
    }

    /// Sends an exit signal; see [`Ref::exit`].
    pub fn exit(&self, exit: Exit) {
        let from = scope::current().map(|cell| cell.face().id);
        links::deliver_exit(&self.cell, 0, from, exit);
    }

    /// Waits for the end of the incarnation that runs now; at once if none runs. Cancel-safe.
    pub async fn monitor(&self) -> Down {
        let (sender, receiver) = oneshot::channel();
        let face = self.cell.face();
        let monitor = MonitorId::next();
        links::watch(monitor, Watcher::Outside(sender), &self.cell);
        let lost = Down { monitor, actor: face.id, exit: Exit::NoProc, restart: false };
        receiver.await.unwrap_or(lost)
    }

    /// Waits until the actor is gone for good, and says why. Cancel-safe.
    pub async fn gone(&self) -> Exit {
        gone(self.cell.face()).await
    }
}

impl fmt::Debug for UntypedRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.cell.type_name(), self.id())
    }
}

/// Whatever stands for one actor: refs of all kinds.
pub trait AnyRef {
    /// The actor without its type.
    fn to_untyped(&self) -> UntypedRef;
}

impl AnyRef for UntypedRef {
    fn to_untyped(&self) -> UntypedRef {
        self.clone()
    }
}

impl<A: Actor> AnyRef for Ref<A> {
    fn to_untyped(&self) -> UntypedRef {
        self.untyped()
    }
}

impl<T: Deref<Target = Ref<A>>, A: Actor> AnyRef for T {
    fn to_untyped(&self) -> UntypedRef {
        self.untyped()
    }
}

/// A graceful stop: nothing new is taken, what is queued is handled, then the stop hook runs.
///
/// Awaited, it gives the exit reason when the actor is gone (or, kept by a supervisor, when its incarnation has ended).
/// When the limit (5 s by default) is over, the actor stops after the message in hand; what is queued goes to
/// `on_undelivered`. [`Stop::now`] does not wait.
#[must_use = "a stop does nothing until it is awaited, or told `.now()`"]
pub struct Stop {
    cell: Arc<dyn AnyCell>,
    exit: Exit,
    limit: Duration,
}

/// The actor did not stop. It was told to; a `kill` ends it at its next await.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StopError {
    /// Who.
    pub actor: ActorId,
    /// The kind of message that its handler is at.
    pub in_hand: Option<&'static str>,
    /// How long it was waited for.
    pub waited: Duration,
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.in_hand.unwrap_or("its stop hook");
        write!(f, "{} did not stop within {:?}: it is at {at}; raise the limit, or kill it", self.actor, self.waited)
    }
}

impl std::error::Error for StopError {}

impl Stop {
    fn new(cell: Arc<dyn AnyCell>) -> Self {
        Stop { cell, exit: Exit::Normal, limit: Duration::from_secs(5) }
    }

    /// The exit reason; [`Exit::Normal`] by default.
    pub fn reason(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// How long the queue may take; 5 s by default. The message in hand then has as long again.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Begins the stop and does not wait for its end. The limit holds all the same.
    pub fn now(self) {
        let runtime = self.cell.face().node.runtime().clone();
        self.begin();
        runtime.spawn(async move { drop(self.finish().await) });
    }

    fn begin(&self) {
        let face = self.cell.face();
        face.cold(|cold| cold.drain = Some(self.exit.clone()));
        self.cell.drain();
    }

    async fn finish(self) -> Result<Exit, StopError> {
        let actor = UntypedRef { cell: self.cell.clone() };
        if actor.cell.face().incarnation() == 0 {
            return self.between_incarnations(&actor).await;
        }
        let mut ended = std::pin::pin!(actor.monitor());
        if let Ok(down) = tokio::time::timeout(self.limit, ended.as_mut()).await {
            return Ok(self.reason_of(down));
        }
        self.cell.stop(self.exit.clone());
        match tokio::time::timeout(self.limit, ended).await {
            Ok(down) => Ok(self.reason_of(down)),
            Err(_) => {
                let in_hand = actor.status().in_hand;
                Err(StopError { actor: actor.id(), in_hand, waited: self.limit * 2 })
            }
        }
    }

    /// It ended between the request and the look.
    fn reason_of(&self, down: Down) -> Exit {
        if down.exit == Exit::NoProc { self.cell.face().gone().unwrap_or(Exit::NoProc) } else { down.exit }
    }

    async fn between_incarnations(&self, actor: &UntypedRef) -> Result<Exit, StopError> {
        if let Some(exit) = self.cell.face().gone() {
            return Ok(exit);
        }
        match tokio::time::timeout(self.limit, actor.gone()).await {
            Ok(exit) => Ok(exit),
            Err(_) => Err(StopError { actor: actor.id(), in_hand: None, waited: self.limit }),
        }
    }
}

impl IntoFuture for Stop {
    type Output = Result<Exit, StopError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.begin();
            self.finish().await
        })
    }
}
