//! A message and its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::cell::Cell;
use crate::entry::Special;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lane::slot::{Await, Seen, pair};
use crate::lane::{Entry, Refused};
use crate::mailbox::Overflow;
use crate::reply::Reply;
use crate::tell::{TellError, WaitForRoom, Waited, push, refusal};
use crate::waits::Wait;
use crate::{block_on, scope};

/// How long a call waits unless it says otherwise: OTP's default.
pub(crate) const DEFAULT_LIMIT: Duration = Duration::from_secs(5);

/// Shorter limits get a timer of their own; longer ones are looked after by the node's sweeper, at no cost a call.
const SWEPT: Duration = Duration::from_secs(1);

/// Why a call has no answer.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// No answer in time. The message may still be handled, unless it waited in the mailbox until now: then it is
    /// skipped. A late answer is dropped silently.
    Timeout {
        /// The limit that is over: the call's own, or what was left, give or take 20 ms, of the call in whose handler it
        /// was made.
        waited: Duration,
        /// Messages in the callee's mailbox now.
        queued: usize,
    },
    /// The callee ended before it answered; a call that was still queued is not handled any more.
    Exited(Exit),
    /// The handler dropped the reply without an answer. The callee lives.
    NoReply,
    /// The mailbox is at its bound. The call was not queued.
    Full,
    /// The callee's overflow policy dropped the call for another message.
    Dropped,
    /// A graceful stop is under way; nothing new is taken. The call was not queued.
    Stopping,
    /// The callee waits, directly or through others, for the caller: nobody could go on. The call was not queued.
    Chain {
        /// The ring of waits; the first is the caller, and so is the last.
        path: Vec<ActorId>,
    },
    /// `blocking()` inside a handler would take a worker from the runtime. The call was not queued.
    WouldBlock,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Timeout { waited, queued } => {
                write!(f, "no answer within {waited:?}; {queued} messages are queued at the callee")
            }
            CallError::Exited(exit) => write!(f, "the callee ended ({exit})"),
            CallError::NoReply => f.write_str("the handler dropped the reply; answer it with `reply.send(..)`"),
            CallError::Full => f.write_str("the mailbox is full; await the call, or give the actor a larger `mailbox`"),
            CallError::Dropped => f.write_str("the callee's overflow policy dropped the call"),
            CallError::Stopping => f.write_str("the callee is stopping and takes nothing new"),
            CallError::Chain { path } => write!(
                f,
                "the call would close a ring of waiting actors: {path:?}; use a tell, or answer later with the `Reply`"
            ),
            CallError::WouldBlock => {
                f.write_str("`blocking()` inside an async handler; await the call, or use `thread`")
            }
        }
    }
}

impl std::error::Error for CallError {}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoReply => CallError::NoReply,
            Failure::Exited(exit) => CallError::Exited(exit),
            Failure::Dropped => CallError::Dropped,
        }
    }
}

impl<M> From<TellError<M>> for CallError {
    fn from(error: TellError<M>) -> Self {
        match error {
            TellError::Full(_) => CallError::Full,
            TellError::Timeout { waited, queued, .. } => CallError::Timeout { waited, queued },
            TellError::Cycle { path, .. } => CallError::Chain { path },
            TellError::Stopping(_) => CallError::Stopping,
            TellError::Stopped(_, exit) => CallError::Exited(exit),
        }
    }
}

/// A call on its way. Nothing is sent before the first poll.
///
/// The limit, 5 s by default, covers the wait for room, the queue and the handler. A call made in the handler of a call is
/// waited for no longer than that one: see [`Context::remaining`](crate::Context::remaining). Over a restart a queued call
/// waits for the next incarnation; the call in hand at a crash ends at once with the reason.
///
/// With a `tracing` subscriber, the handler runs in the span that is current at the first poll, so that a trace goes on in it.
///
/// **Cancel-safe**: dropped, the caller gives up; a message that was queued is still handled.
#[must_use = "a call is not sent until this is awaited, or told `.blocking()`"]
pub struct Call<'a, A: Actor, R: Send + 'static> {
    cell: &'a Arc<Cell<A>>,
    /// Until it is sent.
    msg: Option<A::Msg>,
    answer: Await<R, Failure>,
    /// Awaited by a handler.
    wait: Option<Wait>,
    extra: Option<Box<Extra<A>>>,
}

/// What a call with the default limit, to an actor with room, does not need.
struct Extra<A: Actor> {
    limit: Duration,
    /// What the wait for room has left of it.
    left: Duration,
    try_only: bool,
    room: Option<WaitForRoom<A>>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<A: Actor, R: Send + 'static> Unpin for Call<'_, A, R> {}

impl<'a, A: Actor, R: Send + 'static> Call<'a, A, R> {
    /// Inlined, so that it is made where it is awaited: a copy of what was just written stalls the processor.
    #[inline(always)]
    pub(crate) fn new(cell: &'a Arc<Cell<A>>, make: impl FnOnce(Reply<R>) -> A::Msg) -> Self {
        let (reply, answer) = pair::<R, Failure>(cell.face.node.number(), DEFAULT_LIMIT.as_millis() as u64);
        Call { cell, msg: Some(make(Reply::new(reply))), answer, wait: None, extra: None }
    }

    fn extra(&mut self) -> &mut Extra<A> {
        self.extra.get_or_insert_with(|| {
            Box::new(Extra { limit: DEFAULT_LIMIT, left: DEFAULT_LIMIT, try_only: false, room: None, sleep: None })
        })
    }

    fn limit(&self) -> Duration {
        self.extra.as_ref().map_or(DEFAULT_LIMIT, |extra| extra.limit)
    }

    /// Waits for so long at most, instead of 5 s.
    pub fn within(mut self, limit: Duration) -> Self {
        self.answer.limit(limit);
        let extra = self.extra();
        extra.limit = limit;
        extra.left = limit;
        self
    }

    /// Does not wait for room: a full mailbox is an error at once. The answer is awaited as ever.
    pub fn now(mut self) -> Self {
        self.extra().try_only = true;
        self
    }

    /// Waits by blocking this thread, for code that is not async.
    ///
    /// # Errors
    /// As when awaited; [`CallError::WouldBlock`] inside an async handler.
    pub fn blocking(mut self) -> Result<R, CallError> {
        if scope::is_inside() && !scope::may_block() {
            return Err(CallError::WouldBlock);
        }
        let _clock = self.cell.face.node.hold_clock();
        let limit = self.limit();
        block_on::block_on(&mut self, Some(limit)).unwrap_or_else(|| self.give_up())
    }

    #[cold]
    fn give_up(&mut self) -> Result<R, CallError> {
        match self.answer.give_up() {
            Seen::Answer(value) => Ok(value),
            Seen::Failure(failure) => Err(failure.into()),
            Seen::Fenced => Err(CallError::Exited(Exit::Unresponsive)),
            Seen::Late(cut_ms) => Err(self.timeout(cut_ms)),
            Seen::Pending => Err(self.timeout(0)),
        }
    }

    /// The limit that is over: the call's own, or so much less as the call in hand allowed.
    #[cold]
    fn timeout(&self, cut_ms: u64) -> CallError {
        let waited = self.limit().saturating_sub(Duration::from_millis(cut_ms));
        CallError::Timeout { waited, queued: self.cell.lane.len() }
    }

    /// Sends the message; pending: there is no room yet.
    #[inline(always)]
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        if self.extra.as_ref().is_some_and(|extra| extra.room.is_some()) {
            return self.poll_room(cx);
        }
        if scope::is_inside()
            && let Some(path) = self.begin_wait()
        {
            self.msg = None; // Its reply is answered by nobody: this error is all.
            return Poll::Ready(Err(CallError::Chain { path }));
        }
        if LevelFilter::current() != LevelFilter::OFF {
            self.answer.carry_span(); // Somebody traces.
        }
        self.cell.face.node.sweeper().wake();
        let Some(msg) = self.msg.take() else { return Poll::Ready(Ok(())) };
        match push(self.cell, msg, self.answer.tag()) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(refused) => self.refused(refused, cx),
        }
    }

    /// The handler that awaits the call waits for the callee from now on. The ring of waits, if this closes one.
    #[inline(never)]
    fn begin_wait(&mut self) -> Option<Vec<ActorId>> {
        let wait = self.wait.insert(Wait::begin(scope::current()?, self.cell.face.id));
        self.answer.belongs_to(wait.caller());
        wait.ring()
    }

    #[cold]
    fn refused(&mut self, refused: Refused<Entry<A::Msg>>, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        let may_wait = !self.extra().try_only && self.cell.lane.overflow() == Overflow::Wait;
        match refused {
            Refused::Full(entry) if may_wait => self.msg = entry.message,
            refused => return Poll::Ready(Err(refusal(self.cell, refused).into())),
        }
        // There is a timer anyway, so the call in hand is asked at once.
        let left = self.wait.as_ref().and_then(Wait::left).unwrap_or(Duration::MAX);
        let limit = self.limit().min(left);
        let weight = self.msg.as_ref().map_or(1, |msg| self.cell.weight(msg));
        self.extra().room = Some(WaitForRoom::new(self.cell, weight, Some(limit)));
        self.poll_room(cx)
    }

    #[cold]
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        let cell = self.cell;
        let Some(extra) = &mut self.extra else { return Poll::Ready(Ok(())) };
        let Some(room) = &mut extra.room else { return Poll::Ready(Ok(())) };
        match room.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Waited::Late { waited, .. }) => {
                Poll::Ready(Err(CallError::Timeout { waited, queued: cell.lane.len() }))
            }
            Poll::Ready(Waited::Room) => {
                extra.left = extra.limit.saturating_sub(room.waited());
                self.answer.limit(extra.left);
                let tag = self.answer.tag();
                let filled = match extra.room.take().zip(self.msg.take()) {
                    Some((room, msg)) => room.fill(Entry::noted(msg, Special::tagged(tag).note())),
                    None => Ok(()),
                };
                Poll::Ready(filled.map_err(|refused| refusal(cell, refused).into()))
            }
        }
    }

    #[cold]
    fn short_limit_is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(extra) = self.extra.as_mut().filter(|extra| extra.left < SWEPT) else { return false };
        if tokio::runtime::Handle::try_current().is_err() {
            return false; // `blocking` outside the runtime keeps the limit itself.
        }
        let limit = extra.left;
        let sleep = extra.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).is_ready()
    }
}

impl<A: Actor, R: Send + 'static> Future for Call<'_, A, R> {
    type Output = Result<R, CallError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.msg.is_some() {
            match this.poll_send(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
        }
        let answer = match this.answer.poll(cx) {
            Seen::Answer(value) => Ok(value),
            Seen::Pending if this.extra.is_none() || !this.short_limit_is_over(cx) => return Poll::Pending,
            Seen::Pending => this.give_up(),
            Seen::Late(cut_ms) => Err(this.timeout(cut_ms)),
            Seen::Failure(failure) => Err(failure.into()),
            Seen::Fenced => Err(CallError::Exited(Exit::Unresponsive)),
        };
        this.wait = None;
        Poll::Ready(answer)
    }
}

impl<A: Actor, R: Send + 'static> fmt::Debug for Call<'_, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call(to {} within {:?})", self.cell.face.id, self.limit())
    }
}
