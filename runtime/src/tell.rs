//! Sending a message.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::cell::Cell;
use crate::entry::{Special, Sys};
use crate::exit::Exit;
use crate::lane::slot::Tag;
use crate::lane::{Entry, Pushed, Refused, Reserve};
use crate::mailbox::Overflow;
use crate::waits::Wait;
use crate::{block_on, scope};

/// How often a tell gives way to an actor that is behind.
///
/// Enough for eight senders to go at its pace, and little where it does not handle anything: 1 ns a message.
const TURNS: u32 = 8;

/// How long a tell that waits inside a handler may wait for room.
const INSIDE: Duration = Duration::from_secs(5);

/// The message was not queued; here it is.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum TellError<M> {
    /// The mailbox is at its bound. The actor lives: retry, or wait in `tell(..).await`.
    Full(M),
    /// There was no room in time. The actor lives.
    Timeout {
        /// The message.
        message: M,
        /// How long it waited for room.
        waited: Duration,
        /// How many messages are queued now.
        queued: usize,
    },
    /// Waited inside a handler until the deadline; `path` names the ring of actors that wait for each other, if there is
    /// one. All of them live.
    Cycle {
        /// The message.
        message: M,
        /// The ring, first and last the same; empty if the target is only slow.
        path: Vec<ActorId>,
    },
    /// A graceful stop is under way; nothing new is taken.
    Stopping(M),
    /// The actor has ended for good; nobody will start it again.
    Stopped(M, Exit),
}

impl<M> TellError<M> {
    /// The message, to be sent again or elsewhere.
    pub fn into_message(self) -> M {
        match self {
            TellError::Full(message)
            | TellError::Timeout { message, .. }
            | TellError::Cycle { message, .. }
            | TellError::Stopping(message)
            | TellError::Stopped(message, _) => message,
        }
    }

    /// The same error about another message.
    pub fn map<N>(self, f: impl FnOnce(M) -> N) -> TellError<N> {
        match self {
            TellError::Full(m) => TellError::Full(f(m)),
            TellError::Timeout { message, waited, queued } => {
                TellError::Timeout { message: f(message), waited, queued }
            }
            TellError::Cycle { message, path } => TellError::Cycle { message: f(message), path },
            TellError::Stopping(m) => TellError::Stopping(f(m)),
            TellError::Stopped(m, exit) => TellError::Stopped(f(m), exit),
        }
    }
}

impl<M> fmt::Display for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TellError::Full(_) => {
                f.write_str("the mailbox is full; await `tell`, or give the actor a larger `mailbox`")
            }
            TellError::Timeout { waited, queued, .. } => {
                write!(f, "no room within {waited:?}, {queued} messages queued; the actor is slower than its senders")
            }
            TellError::Cycle { path, .. } if path.is_empty() => write!(
                f,
                "no room within {INSIDE:?} inside a handler; the target is slow: use `.now()`, or tell it from a `pipe`"
            ),
            TellError::Cycle { path, .. } => write!(
                f,
                "actors wait for room in each other's full mailboxes: {path:?}; break the ring with `.now()` or a larger `mailbox`"
            ),
            TellError::Stopping(_) => f.write_str("the actor is stopping and takes nothing new"),
            TellError::Stopped(_, exit) => write!(f, "the actor has ended ({exit})"),
        }
    }
}

impl<M> fmt::Debug for TellError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TellError({self})") // The message may be anything, and may be secret.
    }
}

impl<M> std::error::Error for TellError<M> {}

/// A message that is on its way, if there was room for it.
///
/// As in Erlang a tell sends when it is made; awaiting it is waiting for room where there was none, and learning of it when
/// nothing is taken any more:
///
/// - awaited, it waits for room: outside of handlers as long as it takes, inside one for 5 s at most;
/// - [`within`](Tell::within) a limit;
/// - [`now`](Tell::now), or not at all;
/// - [`blocking`](Tell::blocking) the thread, for code that is not async.
///
/// Awaited where there was room, it is ready at once, with one exception: on a current-thread runtime, once in 256 messages, it
/// gives way to an actor that has 1,024 and more to go. Its message is sent by then.
///
/// **Cancel-safe**: dropped while it waits, it gives up its place, and the message with it.
/// **Cost**: with room, no more than the push itself; there is nothing left to hold then.
#[must_use = "without room the message waits here: await this, or tell it `.now()` or `.blocking()`"]
pub struct Tell<'a, A: Actor> {
    /// Dropped by hand, so that a tell that is sent has nothing to drop.
    left: ManuallyDrop<Option<Box<Left<'a, A>>>>,
}

/// What is left to do: for a message that found no room, or nobody; or it is sent, and the sender is to give way.
struct Left<'a, A: Actor> {
    cell: &'a Arc<Cell<A>>,
    /// None: it is sent.
    refused: Option<Refused<Entry<A::Msg>>>,
    /// Turns that it still gives way for, at most.
    turns: u32,
    limit: Option<Duration>,
    wait: Option<WaitForRoom<A>>,
}

/// A wait for room in a mailbox, with its deadline.
pub(crate) struct WaitForRoom<A: Actor> {
    room: Reserve<Cell<A>, A::Msg, Sys<A>>,
    limit: Option<Duration>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    /// Set inside a handler.
    inside: Option<Wait>,
    since: Instant,
}

impl<A: Actor> Unpin for Tell<'_, A> {}

impl<A: Actor> Drop for Tell<'_, A> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.left.is_some() {
            self.give_up();
        }
    }
}

impl<'a, A: Actor> Tell<'a, A> {
    #[inline(always)]
    pub(crate) fn new(cell: &'a Arc<Cell<A>>, msg: A::Msg, tag: Option<Tag>) -> Self {
        // Nothing here panics; for all that the compiler knows it could, and it would keep the message in memory for that.
        let msg = ManuallyDrop::new(msg);
        match cell.lane.room() {
            Some(room) => {
                let is_worth_a_look = room.put(ManuallyDrop::into_inner(msg), Special::tagged(tag).note());
                if is_worth_a_look {
                    return Tell::sent(cell);
                }
                Tell { left: ManuallyDrop::new(None) }
            }
            // Boxed: what a pointer leads to would lie in memory on the quick way, too, and be copied in pieces.
            None => {
                Tell::slowly(cell, Box::new(Entry::noted(ManuallyDrop::into_inner(msg), Special::tagged(tag).note())))
            }
        }
    }

    #[cold]
    fn give_up(&mut self) {
        *self.left = None;
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::boxed_local, reason = "see where it is called")]
    fn slowly(cell: &'a Arc<Cell<A>>, entry: Box<Entry<A::Msg>>) -> Self {
        match push_slowly(cell, *entry) {
            Ok(()) => Tell { left: ManuallyDrop::new(None) },
            Err(refused) => Tell::left(cell, Some(refused)),
        }
    }

    /// It is sent. Where there is one thread only, the actor may have its turn first.
    #[cold]
    #[inline(never)]
    fn sent(cell: &'a Arc<Cell<A>>) -> Self {
        if cell.face.node.has_one_thread() { Tell::left(cell, None) } else { Tell { left: ManuallyDrop::new(None) } }
    }

    #[cold]
    fn left(cell: &'a Arc<Cell<A>>, refused: Option<Refused<Entry<A::Msg>>>) -> Self {
        let left = Left { cell, refused, turns: TURNS, limit: None, wait: None };
        Tell { left: ManuallyDrop::new(Some(Box::new(left))) }
    }

    /// Waits for room for so long at most.
    pub fn within(mut self, limit: Duration) -> Self {
        if let Some(left) = &mut *self.left {
            left.limit = Some(limit);
        }
        self
    }

    /// Does not wait: it is sent if there was room.
    ///
    /// # Errors
    /// [`TellError::Full`], or the actor is stopping or gone.
    #[inline]
    pub fn now(mut self) -> Result<(), TellError<A::Msg>> {
        match self.left.take() {
            None => Ok(()),
            Some(left) => left.give_back(),
        }
    }

    /// Waits for room by blocking this thread, for code that is not async. Inside a handler it does not wait: that would
    /// take a worker from the runtime.
    ///
    /// # Errors
    /// As when awaited.
    pub fn blocking(mut self) -> Result<(), TellError<A::Msg>> {
        let Some(left) = self.left.as_mut().filter(|left| left.refused.is_some()) else { return Ok(()) };
        if scope::current().is_some() && !scope::may_block() {
            return self.now();
        }
        let limit = left.limit.take();
        match block_on::block_on(&mut self, limit) {
            Some(told) => told,
            None => self.left.take().map_or(Ok(()), |left| left.late(limit.unwrap_or_default(), None)),
        }
    }
}

impl<A: Actor> Future for Tell<'_, A> {
    type Output = Result<(), TellError<A::Msg>>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match *self.left {
            None => Poll::Ready(Ok(())),
            Some(_) => self.poll_left(cx),
        }
    }
}

impl<A: Actor> Tell<'_, A> {
    #[cold]
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TellError<A::Msg>>> {
        let Some(mut left) = self.left.take() else { return Poll::Ready(Ok(())) };
        if left.refused.is_none() {
            if left.turns == 0 || !left.cell.lane.is_behind() {
                return Poll::Ready(Ok(()));
            }
            left.turns -= 1;
            *self.left = Some(left);
            cx.waker().wake_by_ref(); // Not tokio's `yield_now`: that waits until nobody else wants to run.
            return Poll::Pending;
        }
        let waits = matches!(left.refused, Some(Refused::Full(_))) && left.cell.lane.overflow() == Overflow::Wait;
        if !waits {
            return Poll::Ready(left.give_back());
        }
        let (cell, limit) = (left.cell, left.limit);
        let weight = match &left.refused {
            Some(Refused::Full(Entry { message: Some(msg), .. })) if left.wait.is_none() => cell.weight(msg),
            _ => 1,
        };
        let wait = left.wait.get_or_insert_with(|| WaitForRoom::new(cell, weight, limit));
        match wait.poll(cx) {
            Poll::Pending => {
                *self.left = Some(left);
                Poll::Pending
            }
            Poll::Ready(Waited::Room) => Poll::Ready(left.fill()),
            Poll::Ready(Waited::Late { inside, waited }) => Poll::Ready(left.late(waited, inside)),
        }
    }
}

impl<A: Actor> Left<'_, A> {
    fn give_back(self) -> Result<(), TellError<A::Msg>> {
        self.refused.map_or(Ok(()), |refused| Err(refusal(self.cell, refused)))
    }

    /// There is room: the permit of the wait is used up.
    fn fill(self) -> Result<(), TellError<A::Msg>> {
        let Some((wait, Refused::Full(entry))) = self.wait.zip(self.refused) else { return Ok(()) };
        wait.fill(entry).map_err(|refused| refusal(self.cell, refused))
    }

    fn late(self, waited: Duration, inside: Option<Vec<ActorId>>) -> Result<(), TellError<A::Msg>> {
        let queued = self.cell.lane.len();
        match (self.give_back(), inside) {
            (Err(TellError::Full(message)), Some(path)) => Err(TellError::Cycle { message, path }),
            (Err(TellError::Full(message)), None) => Err(TellError::Timeout { message, waited, queued }),
            (told, _) => told,
        }
    }
}

pub(crate) enum Waited {
    /// There is a permit, or never will be one.
    Room,
    Late {
        /// The ring of waits, when the limit was that of handlers.
        inside: Option<Vec<ActorId>>,
        waited: Duration,
    },
}

impl<A: Actor> WaitForRoom<A> {
    /// For a message of this weight.
    pub(crate) fn new(cell: &Arc<Cell<A>>, weight: usize, limit: Option<Duration>) -> Self {
        let inside = scope::current().map(|waiter| Wait::begin(waiter, cell.face.id));
        if let Some(wait) = &inside {
            wait.note_ring();
        }
        WaitForRoom { room: Reserve::new(cell.clone(), weight), limit, sleep: None, inside, since: Instant::now() }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Waited> {
        if self.room.poll(cx.waker()).is_ready() {
            self.inside = None;
            return Poll::Ready(Waited::Room);
        }
        let limit = match (self.limit, &self.inside) {
            (Some(limit), _) => limit,
            (None, Some(_)) => INSIDE,
            (None, None) => return Poll::Pending,
        };
        if tokio::runtime::Handle::try_current().is_err() {
            return Poll::Pending; // `blocking` outside the runtime keeps the limit itself.
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let inside = match (self.limit, &self.inside) {
            (None, Some(wait)) => Some(wait.ring().or_else(|| wait.noted_ring()).unwrap_or_default()),
            _ => None,
        };
        Poll::Ready(Waited::Late { inside, waited: limit })
    }

    pub(crate) fn waited(&self) -> Duration {
        self.since.elapsed()
    }

    pub(crate) fn fill(self, entry: Entry<A::Msg>) -> Result<(), Refused<Entry<A::Msg>>> {
        self.room.fill(entry)
    }
}

/// One push of a call, by the rules for tells to oneself and for the overflow policy.
#[inline(always)]
pub(crate) fn push<A: Actor>(cell: &Cell<A>, msg: A::Msg, tag: Option<Tag>) -> Result<(), Refused<Entry<A::Msg>>> {
    let msg = ManuallyDrop::new(msg); // As in `Tell::new`.
    match cell.lane.room() {
        Some(room) => {
            room.put(ManuallyDrop::into_inner(msg), Special::tagged(tag).note());
            Ok(())
        }
        None => push_slowly(cell, Entry::noted(ManuallyDrop::into_inner(msg), Special::tagged(tag).note())),
    }
}

#[cold]
fn push_slowly<A: Actor>(cell: &Cell<A>, entry: Entry<A::Msg>) -> Result<(), Refused<Entry<A::Msg>>> {
    let weight = entry.message.as_ref().map_or(0, |msg| cell.weight(msg));
    match cell.lane.push_slowly(entry, weight) {
        Ok(Pushed::Queued) => Ok(()),
        Ok(dropped) => {
            cell.displaced(dropped);
            Ok(())
        }
        Err(Refused::Full(entry)) if scope::is_current(cell.face.id) => cell.lane.push_self(entry, weight),
        Err(refused) => Err(refused),
    }
}

/// A refused push as the sender's error.
#[cold]
pub(crate) fn refusal<A: Actor>(cell: &Cell<A>, refused: Refused<Entry<A::Msg>>) -> TellError<A::Msg> {
    let message = |entry: Entry<A::Msg>| entry.message.expect("only messages are pushed by senders");
    match refused {
        Refused::Full(entry) => TellError::Full(message(entry)),
        Refused::Draining(entry) => TellError::Stopping(message(entry)),
        Refused::Closed(entry) => TellError::Stopped(message(entry), cell.face.gone().unwrap_or(Exit::NoProc)),
    }
}

impl<A: Actor> fmt::Debug for Tell<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.left {
            None => f.write_str("Tell(sent)"),
            Some(left) => write!(f, "Tell(to {})", left.cell.face.id),
        }
    }
}
