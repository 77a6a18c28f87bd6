//! What a handler may do besides changing its state.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::task::JoinSet;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::actor_ref::{AnyRef, Ref};
use crate::attached::Attached;
use crate::cell::{AnyCell, Cell, End, Face};
use crate::entry::Special;
use crate::exit::Exit;
use crate::lane::{Entry, Reserve};
use crate::links;
use crate::mailbox::CrashPolicy;
use crate::node::Node;
use crate::now::Now;
use crate::panics;
use crate::recorder::{Recorded, Recorder};
use crate::reply::Reply;
use crate::signal::{MonitorId, Signal};
use crate::spawn::Spawn;
use crate::timers_core::{TimerId, TimersCore};
use crate::watch;

/// An incarnation's own side: its timers, links, monitors and attached futures, all of which end with it.
///
/// Every hook of an [`Actor`] gets it. It is not a handle for others: [`me`](Context::me) gives that.
pub struct Context<A: Actor> {
    pub(crate) cell: Arc<Cell<A>>,
    pub(crate) incarnation: u32,
    tracing: bool,
    /// The message in hand has crashed its handler once before.
    pub(crate) retrying: bool,
    pub(crate) recorder: Recorder,
    extra: Option<Box<Extra<A>>>,
}

/// What most actors do not use: allocated at first use.
struct Extra<A: Actor> {
    /// One of the below was set since the companion looked.
    called: bool,
    stop: Option<Exit>,
    next: Option<A::Msg>,
    /// A call that was made in a span, on its way to its handler.
    traced: Option<A::Msg>,
    kept: Option<A::Msg>,
    timers: TimersCore<A::Msg>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    /// Attached futures and streams; dropping the set ends them.
    attached: JoinSet<()>,
    /// How the incarnation ended, for those of them that end with it.
    ended: Arc<OnceLock<Exit>>,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(cell: Arc<Cell<A>>, incarnation: u32) -> Self {
        Context { cell, incarnation, tracing: false, retrying: false, recorder: Recorder::default(), extra: None }
    }

    /// The extra part, for a change that the companion is to see after this handler.
    fn call(&mut self) -> &mut Extra<A> {
        let extra = self.extra();
        extra.called = true;
        extra
    }

    fn extra(&mut self) -> &mut Extra<A> {
        self.extra.get_or_insert_with(|| {
            Box::new(Extra {
                called: false,
                stop: None,
                next: None,
                traced: None,
                kept: None,
                timers: TimersCore::new(),
                sleep: None,
                attached: JoinSet::new(),
                ended: Arc::default(),
            })
        })
    }

    pub(crate) fn face(&self) -> &Face {
        &self.cell.face
    }

    fn erased(&self) -> Arc<dyn AnyCell> {
        self.cell.clone()
    }

    // ---- identity ----

    /// A ref to this actor. A tell to oneself never waits for room.
    #[must_use]
    pub fn me(&self) -> A::Ref {
        A::Ref::from(Ref::new(self.cell.clone()))
    }

    /// This actor's id.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.face().id
    }

    /// The node it lives on.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.face().node
    }

    /// The time since the node's start. It follows a paused clock.
    #[must_use]
    pub fn now(&self) -> Now {
        self.node().now()
    }

    /// Which incarnation of the actor this is; the first is 1.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// What is left of the call in hand: its caller waits so long at most, and so does a call made in this handler.
    ///
    /// `None` for anything but a call, and when the call has been answered. Calls carry no start time, so this is known to
    /// the look that the node takes every 20 ms: it may say up to two of those looks too much, and never too little.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.face().left()
    }

    // ---- what comes next ----

    /// Ends the actor after the handler that runs now; the last call counts. What is queued is not handled.
    pub fn stop(&mut self, exit: Exit) {
        self.call().stop = Some(exit);
    }

    /// Handles `msg` before anything in the mailbox, after the handler that runs now: OTP's `handle_continue`.
    ///
    /// One message a handler: a second call in the same handler replaces the first, which is handed back.
    pub fn continue_with(&mut self, msg: A::Msg) -> Option<A::Msg> {
        self.call().next.replace(msg)
    }

    // ---- timers ----

    /// Sends oneself `msg` after a while.
    pub fn send_after(&mut self, after: Duration, msg: A::Msg) -> TimerId {
        let now = self.now();
        self.call().timers.once(after, msg, now)
    }

    /// Sends oneself a message each `period`, the first one a period from now.
    ///
    /// The beat is kept; ticks that fall due while one waits are skipped, so a slow actor is not flooded.
    pub fn interval(&mut self, period: Duration, make: impl FnMut() -> A::Msg + Send + 'static) -> TimerId {
        let now = self.now();
        self.call().timers.every(period, Box::new(make), now)
    }

    /// Cancels a timer, also one whose message waits in the mailbox. `false`: it is too late, or was cancelled before.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.extra.is_some() && self.call().timers.cancel(timer)
    }

    // ---- futures and streams ----

    /// Runs `future` beside the handlers and sends oneself what it gives. It ends with the incarnation.
    ///
    /// A panic in it is this actor's, as if they were linked.
    pub fn pipe<T: Send + 'static>(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
        into: impl FnOnce(T) -> A::Msg + Send + 'static,
    ) {
        let (cell, own) = (self.cell.clone(), Special::Own(self.incarnation).note());
        self.run(async move {
            let msg = into(future.await);
            let weight = cell.weight(&msg);
            drop(cell.lane.push_exempt(Entry::noted(msg, own), weight)); // Closed: nobody is left to have it.
        });
    }

    /// Sends oneself the items of `stream`, at the pace of the mailbox: a full one holds the stream back.
    pub fn attach<T: Send + 'static>(
        &mut self,
        stream: impl Stream<Item = T> + Send + 'static,
        mut into: impl FnMut(T) -> A::Msg + Send + 'static,
    ) {
        let (cell, own) = (self.cell.clone(), Special::Own(self.incarnation).note());
        self.run(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(item) = stream.next().await {
                let msg = into(item);
                let mut room = Reserve::new(cell.clone(), cell.weight(&msg));
                std::future::poll_fn(|cx| room.poll(cx.waker())).await;
                if room.fill(Entry::noted(msg, own)).is_err() {
                    return; // Stopping: the rest is not wanted.
                }
            }
        });
    }

    /// Answers `reply` with what `future` gives, while this actor goes on. It ends with the incarnation, and so does the
    /// call.
    pub fn reply_with<T: Send + 'static>(&mut self, reply: Reply<T>, future: impl Future<Output = T> + Send + 'static) {
        self.run(async move { reply.send(future.await) });
    }

    fn run(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        let (cell, incarnation) = (self.cell.clone(), self.incarnation);
        let runtime = self.node().runtime().clone();
        let extra = self.extra();
        while extra.attached.try_join_next().is_some() {} // Those that are done give their memory back.
        let attached = Attached::new(future, extra.ended.clone());
        extra.attached.spawn_on(
            async move {
                if let Err(exit) = attached.await {
                    links::end(cell.as_ref(), incarnation, End { exit, hook: true });
                }
            },
            &runtime,
        );
    }

    /// Attached futures that are dropped from here on end their calls with this reason.
    pub(crate) fn ends_with(&mut self, exit: &Exit) {
        if let Some(extra) = &self.extra {
            let _ = extra.ended.set(exit.clone());
        }
    }

    // ---- others ----

    /// Starts an actor that is linked to this one: the end of either ends the other, unless it traps exits.
    pub fn spawn_link<B: Actor>(&self, actor: B) -> Spawn<B> {
        self.node().spawn(actor).linked(self.erased(), self.incarnation)
    }

    /// Links this actor with another. On a dead one the exit signal comes at once.
    pub fn link(&self, other: &impl AnyRef) {
        links::link(&self.erased(), self.incarnation, &other.to_untyped().cell);
    }

    /// Takes a link away.
    pub fn unlink(&self, other: &impl AnyRef) {
        links::unlink(&self.erased(), self.incarnation, &other.to_untyped().cell);
    }

    /// Has `handle_down` called when `other`'s incarnation ends; at once if it has ended.
    pub fn monitor(&self, other: &impl AnyRef) -> MonitorId {
        links::monitor(&self.erased(), self.incarnation, &other.to_untyped().cell)
    }

    /// Ends a monitor, also one whose DOWN waits in the mailbox. `false`: it has fired, or was ended before.
    pub fn demonitor(&self, monitor: MonitorId) -> bool {
        links::demonitor(&self.erased(), self.incarnation, monitor)
    }

    /// With `true`, exit signals of linked actors come as messages to `handle_exit` instead of ending this one.
    pub fn trap_exit(&self, on: bool) {
        let face = self.face();
        face.alive(self.incarnation, |_, _| face.trap_exit.store(on, Ordering::Release)); // A fenced one has no say.
    }

    // ---- the companion's side ----

    /// Something beside the mailbox may be due: a stop, a message to go on with, a timer.
    #[inline]
    pub(crate) fn is_called(&self) -> bool {
        self.extra
            .as_ref()
            .is_some_and(|extra| extra.called || extra.sleep.as_ref().is_some_and(|sleep| sleep.is_elapsed()))
    }

    pub(crate) fn take_stop(&mut self) -> Option<Exit> {
        let extra = self.extra.as_mut()?;
        extra.called = false;
        extra.stop.take()
    }

    pub(crate) fn take_signal(&self) -> Option<Signal> {
        self.face().alive(self.incarnation, |tables, _| tables.signals.pop_front()).flatten()
    }

    pub(crate) fn take_continue(&mut self) -> Option<A::Msg> {
        self.extra.as_mut()?.next.take()
    }

    /// Whether there are timers, or the clock still runs for one that is cancelled: left so, it would call when its time
    /// is past, again and again.
    #[inline]
    pub(crate) fn has_clock(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.timers.next_due().is_some() || extra.sleep.is_some())
    }

    /// Puts what is due into the mailbox, and has the task woken when the next one is.
    pub(crate) fn fire_timers(&mut self, waker: &mut std::task::Context<'_>) {
        let node = self.cell.face.node.clone();
        let Some(extra) = self.extra.as_mut() else { return };
        loop {
            let now = node.now();
            while extra.timers.fire(now) {
                drop(self.cell.lane.push_exempt(Entry::news(Special::Timer(self.incarnation).note()), 0)); // Closed: the companion is about to learn it.
            }
            let Some(due) = extra.timers.next_due() else {
                extra.sleep = None;
                return;
            };
            let deadline = node.instant(due);
            match &mut extra.sleep {
                Some(sleep) if sleep.deadline() == deadline => {}
                Some(sleep) => sleep.as_mut().reset(deadline),
                none => *none = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
            let Some(sleep) = &mut extra.sleep else { return };
            if sleep.as_mut().poll(waker).is_pending() {
                return;
            }
        }
    }

    pub(crate) fn collect_timer(&mut self) -> Option<A::Msg> {
        let now = self.now();
        self.call().timers.collect(now) // `call`: an interval is armed again by this.
    }

    #[cold]
    pub(crate) fn hold_traced(&mut self, msg: Option<A::Msg>) {
        self.extra().traced = msg;
    }

    pub(crate) fn take_traced(&mut self) -> Option<A::Msg> {
        self.extra.as_mut()?.traced.take()
    }

    /// A handler is about to get this message.
    pub(crate) fn begin(&mut self, msg: &A::Msg) {
        self.note(A::kind(msg));
        self.keep(msg);
    }

    /// A second copy of the message in hand, for a crash policy that wants one.
    #[inline(always)]
    pub(crate) fn keep(&mut self, msg: &A::Msg) {
        if A::CRASH != CrashPolicy::Drop {
            self.extra().kept = A::duplicate(msg);
        }
    }

    /// A handler is about to get a message of this kind, or a signal. Does not panic.
    #[inline(always)]
    pub(crate) fn note(&mut self, kind: u8) {
        self.cell.face.in_hand.store(u16::from(kind) + 1, Ordering::Relaxed);
        self.recorder.note(kind, watch::clock());
        if self.tracing {
            self.trace_message(kind);
        }
    }

    /// The handler is through, unless the incarnation was given up meanwhile.
    pub(crate) fn done(&mut self) -> Result<(), Box<End>> {
        if !self.cell.lane.belongs_to(self.incarnation) {
            return Err(End::fenced());
        }
        self.through();
        Ok(())
    }

    /// The handler is through.
    #[inline(always)]
    pub(crate) fn through(&mut self) {
        let face = &self.cell.face;
        face.in_hand.store(0, Ordering::Relaxed);
        // This task alone writes it: no read-modify-write is needed.
        face.handled.store(face.handled.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if A::CRASH != CrashPolicy::Drop {
            self.retrying = false;
            self.take_kept();
        }
    }

    pub(crate) fn take_kept(&mut self) -> Option<A::Msg> {
        self.extra.as_mut()?.kept.take()
    }

    #[cold]
    fn trace_message(&self, kind: u8) {
        let kind = self.cell.kind_name(kind);
        // A subscriber that panics costs the event, not the message in hand.
        panics::contain(|| tracing::info!(target: "proscenium::trace", actor = %self.face().id, kind, "handles"));
    }

    pub(crate) fn trace(&mut self, on: bool) {
        self.tracing = on;
    }

    pub(crate) fn history(&self) -> Vec<Recorded> {
        self.cell.history(&self.recorder)
    }
}
