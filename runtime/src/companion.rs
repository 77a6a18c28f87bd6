//! The companion: the task that runs one incarnation of an actor.
//!
//! ```text
//!   start (init, on the starter's task) ──▶ companion: serve ──▶ stop hook ──▶ state dropped ──▶ end of the incarnation
//!                                              │ take · handle · timers · system requests
//! ```
//!
//! **Promises**: the stop hook and the drop of the state are over before anybody hears of the end; a panic in either
//! costs this actor alone.
//! **Bounds**: 511 messages in a row at most, then the neighbours on the worker have their turn.

use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use tracing::{Instrument, Span};

use crate::actor::{Actor, Undelivered};
use crate::cell::{AnyCell, Cell, End};
use crate::context::Context;
use crate::entry::{Special, Sys};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::guarded::{self, guarded};
use crate::lane::slot::Tag;
use crate::lane::{END, Entry, Next, Note, Tenancy};
use crate::mailbox::CrashPolicy;
use crate::node::Node;
use crate::recorder::{DOWN, EXITED};
use crate::signal::Signal;
use crate::{life, links, panics, scope};

/// What a handler asks for itself, messages to go on with and timers, in a row before other tasks of the worker get their
/// turn. For what others send see `Next::Turn`.
const BUDGET: u32 = 256;

/// Who an incarnation is linked with before it runs.
pub(crate) type Parent = Option<(Arc<dyn AnyCell>, u32)>;

/// The link with a parent, taken away again when the start comes to nothing: that is no exit signal.
struct Parented<'a, A: Actor> {
    cell: &'a Arc<Cell<A>>,
    parent: Parent,
}

impl<'a, A: Actor> Parented<'a, A> {
    fn link(cell: &'a Arc<Cell<A>>, parent: Parent) -> Self {
        if let Some((parent, theirs)) = &parent {
            let erased: Arc<dyn AnyCell> = cell.clone();
            links::link(parent, *theirs, &erased);
        }
        Parented { cell, parent }
    }

    fn keep(mut self) {
        self.parent = None;
    }
}

impl<A: Actor> Drop for Parented<'_, A> {
    fn drop(&mut self) {
        if let Some((parent, theirs)) = self.parent.take() {
            let erased: Arc<dyn AnyCell> = self.cell.clone();
            links::unlink(&parent, theirs, &erased);
        }
    }
}

/// An incarnation that has begun: what its task will hold. Dropped half way, by a starter that was cancelled, it ends the
/// incarnation; in this order, so that the state is gone before anybody hears of the end.
pub(crate) struct Seat<A: Actor> {
    state: A,
    cx: Context<A>,
    life: life::Life<A>,
}

impl<A: Actor> Seat<A> {
    /// Of an incarnation that has the cell's lane already.
    #[inline(always)]
    pub(crate) fn new(cell: &Arc<Cell<A>>, state: A, incarnation: u32) -> Self {
        let life = life::Life::new(cell.clone(), incarnation);
        Seat { state, cx: Context::new(cell.clone(), incarnation), life }
    }

    /// Begins the next incarnation, of this number if that is free.
    pub(crate) fn take(cell: &Arc<Cell<A>>, number: u32, state: A) -> Result<Self, Exit> {
        // What the last incarnation was asked to do is not this one's; questions to the actor are.
        let Some(incarnation) = cell.lane.attach(number, |request| matches!(request, Sys::Typed(_) | Sys::Any(_)))
        else {
            return Err(cell.face.gone().unwrap_or(Exit::NoProc));
        };
        cell.face.begin(incarnation);
        Ok(Seat::new(cell, state, incarnation))
    }

    /// `init` runs here, then a task of its own takes over.
    pub(crate) async fn start(mut self, cell: &Arc<Cell<A>>, parent: Parent) -> Result<(), Exit> {
        if !A::INIT && parent.is_none() {
            return self.launch(cell);
        }
        let parent = Parented::link(cell, parent);
        let Seat { state, cx, .. } = &mut self;
        let incarnation = cx.incarnation;
        let started = guarded(cell, incarnation, true, pin!(Some(state.init(cx)))).await;
        let end = match started {
            Ok(Ok(())) => {
                parent.keep();
                return self.launch(cell);
            }
            Ok(Err(exit)) => End { exit, hook: false },
            Err(end) => *end,
        };
        drop(parent); // It has the reason as the error of the start.
        scope::settle(|| Failure::Exited(end.exit.clone()));
        let Seat { state, cx, mut life } = self;
        let shown = if end.exit.is_crash() { panics::contain(|| state.format_status()).flatten() } else { None };
        drop_state(state, &end.exit);
        life.fail();
        life.end(&end.exit, cx, shown);
        Err(end.exit)
    }

    /// The companion takes over.
    #[inline(always)]
    pub(crate) fn launch(self, cell: &Cell<A>) -> Result<(), Exit> {
        let companion = run(self);
        if A::THREAD {
            return crate::thread::run(&cell.face, companion).map_err(Exit::from);
        }
        cell.face.node.runtime().spawn(companion);
        Ok(())
    }
}

#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice, in every idle actor")]
fn run<A: Actor>(mut seat: Seat<A>) -> impl Future<Output = ()> + Send + 'static {
    async move {
        let mut end = {
            let Seat { state, cx, life } = &mut seat;
            let incarnation = cx.incarnation;
            let served = guarded::seated(life.cell(), incarnation, pin!(Some(serve(life.cell(), state, cx)))).await;
            served.unwrap_or_else(|end| end)
        };
        let face = seat.cx.face();
        if face.incarnation() == seat.cx.incarnation {
            face.call_in_hand.store(0, Ordering::Relaxed); // The stop hook has all the time that it is given.
        } else {
            end = End::fenced();
        }
        scope::settle(|| Failure::Exited(end.exit.clone()));
        Box::pin(finish(seat, end)).await;
    }
}

/// The stop hook, the state's end, and the news of it. Boxed: an idle actor does not hold its future.
async fn finish<A: Actor>(seat: Seat<A>, end: Box<End>) {
    let Seat { life, mut cx, mut state } = seat; // Dropped the other way round, should the task be cut off here.
    let cell = life.cell().clone();
    let mut exit = end.exit;
    if end.hook {
        let incarnation = cx.incarnation;
        let hook = state.terminate(&mut cx, &exit);
        let ended = guarded(&cell, incarnation, false, pin!(Some(hook))).await;
        scope::settle(|| Failure::Exited(exit.clone()));
        if let Err(worse) = ended {
            exit = worse.exit; // A kill, or a panic in the hook itself.
        }
    }
    let shown = if exit.is_crash() { panics::contain(|| state.format_status()).flatten() } else { None };
    drop_state(state, &exit);
    life.end(&exit, cx, shown);
}

/// User code runs in the state's Drop, with whatever replies it still holds.
fn drop_state<A: Actor>(state: A, exit: &Exit) {
    let dropped = scope::failing_with_exit(exit, || panics::contain(|| drop(state)));
    if dropped.is_none() {
        tracing::error!(actor = std::any::type_name::<A>(), "panic in the drop of an actor's state");
    }
}

/// Handles messages until the incarnation is to end; says why. Boxed, because it goes through many hands.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice, in every idle actor")]
fn serve<A: Actor>(cell: &Cell<A>, state: &mut A, cx: &mut Context<A>) -> impl Future<Output = Box<End>> + Send {
    async move {
        let task = waker().await;
        let mut tenancy = cell.lane.enter(cx.incarnation, Some(task));
        let mut budget = BUDGET;
        let mut is_calm = tenancy.is_calm();
        loop {
            if !is_calm && let Some(end) = overtaken(cell, state, cx, &mut tenancy) {
                return end;
            }
            if cx.is_called() {
                if let Err(end) = Box::pin(heed(state, cx)).await {
                    return end;
                }
                budget -= 1;
                if budget == 0 {
                    budget = BUDGET;
                    give_way(&cell.face.node).await;
                }
                is_calm = tenancy.is_calm();
                continue;
            }
            let mut step = Step::Told;
            let Some(msg) = take(cx, &mut tenancy, &mut step) else {
                match step {
                    Step::Told | Step::Asked | Step::Stale => {}
                    Step::Timer => {
                        if let Err(end) = Box::pin(timed(state, cx)).await {
                            return end;
                        }
                    }
                    Step::Traced => {
                        if let Err(end) = Box::pin(traced(state, cx)).await {
                            return end;
                        }
                    }
                    Step::Signal => {
                        if let Err(end) = Box::pin(signalled(state, cx)).await {
                            return end;
                        }
                    }
                    Step::Nothing => match tenancy.why() {
                        Next::Parked => park(cx).await,
                        Next::Turn => give_way(&cell.face.node).await,
                        Next::Entries | Next::Sys => {}
                        Next::Drained => return End::with_hook(cell.face.drain_reason()),
                        // Closed under a running incarnation, which was killed before; otherwise given up.
                        Next::Gone => return guarded::end_signal(cell, true).map_or_else(End::fenced, Box::new),
                    },
                }
                is_calm = tenancy.is_calm();
                continue;
            };
            if let Err(exit) = state.handle(cx, msg).await {
                return End::with_hook(exit);
            }
            // Once for both: whether it was given up meanwhile, and whether anything overtakes the next message.
            is_calm = tenancy.is_calm();
            if !is_calm && !cell.lane.belongs_to(cx.incarnation) {
                return End::fenced();
            }
            cx.through();
            if step == Step::Asked {
                answered(cx);
            }
        }
    }
}

/// What wakes the task that this runs on.
fn waker() -> impl Future<Output = Waker> {
    poll_fn(|task| Poll::Ready(task.waker().clone()))
}

/// What a look for the next message has found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A tell.
    Told,
    /// A message that may hold a reply.
    Asked,
    /// A call that was made in a span; `Context::take_traced` has it.
    Traced,
    /// `Context::collect_timer` has it.
    Timer,
    /// `Context::take_signal` has it.
    Signal,
    /// For nobody any more: a call whose caller gave up, something of a predecessor's.
    Stale,
    /// `Tenancy::why` says why not.
    Nothing,
}

/// The next message. Not async, so that it goes from the queue to its handler without a stop in the task's own memory,
/// and inlined for the same reason.
#[inline(always)]
fn take<A: Actor>(cx: &mut Context<A>, tenancy: &mut Tenancy<'_, A::Msg, Sys<A>>, step: &mut Step) -> Option<A::Msg> {
    let Some(entry) = tenancy.next() else {
        *step = Step::Nothing;
        return None;
    };
    if !entry.is_plain() {
        *step = sift(entry.note(), cx);
        match step {
            Step::Told | Step::Asked => {}
            Step::Traced => {
                cx.hold_traced(entry.message().ok());
                return None;
            }
            Step::Timer | Step::Signal | Step::Stale | Step::Nothing => {
                drop(entry.message());
                return None;
            }
        }
    }
    // From here on there is one way: put together from two places, a message is copied (see `Tenancy::next`).
    let Ok(msg) = entry.message() else { return None };
    // `kind` and `keep` run the actor's own code. When that panics the message is dropped with what it holds; `note` does
    // not, and is not to keep the message in memory for the case.
    let kind = A::kind(&msg);
    let msg = ManuallyDrop::new(msg);
    cx.note(kind);
    let msg = ManuallyDrop::into_inner(msg);
    cx.keep(&msg);
    Some(msg)
}

/// Handles a call in the span in which that was made: at each poll, and at its first steps, which a handler that is no async
/// fn takes before.
async fn traced<A: Actor>(state: &mut A, cx: &mut Context<A>) -> Result<(), Box<End>> {
    let Some(msg) = cx.take_traced() else { return Ok(()) };
    cx.begin(&msg);
    let span = Tag::span(cx.face().call_in_hand.load(Ordering::Relaxed)).unwrap_or_else(Span::none);
    let handler = span.in_scope(|| state.handle(cx, msg));
    handler.instrument(span).await.map_err(End::with_hook)?;
    cx.done()?;
    answered(cx);
    Ok(())
}

/// The handler of what may have been a call is through.
#[inline(always)]
fn answered<A: Actor>(cx: &mut Context<A>) {
    cx.face().call_in_hand.store(0, Ordering::Relaxed);
    scope::settle(Failure::default);
}

/// Lets the neighbours have their turn.
async fn give_way(node: &Node) {
    if !node.has_one_thread() {
        return tokio::task::yield_now().await;
    }
    // tokio would let it wait there until nobody else wants to run, and those who tell this actor more always want to.
    let mut gave_way = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until anything wakes the task.
fn park<A: Actor>(cx: &mut Context<A>) -> impl Future<Output = ()> {
    let mut slept = false;
    poll_fn(move |waker| {
        if std::mem::replace(&mut slept, true) {
            return Poll::Ready(());
        }
        if cx.has_clock() {
            cx.fire_timers(waker);
        }
        Poll::Pending
    })
}

/// What the last handler asked for, and timers: a stop, a message to go on with, what is due.
async fn heed<A: Actor>(state: &mut A, cx: &mut Context<A>) -> Result<(), Box<End>> {
    if let Some(exit) = cx.take_stop() {
        return Err(End::with_hook(exit));
    }
    if cx.has_clock() {
        poll_fn(|waker| {
            cx.fire_timers(waker);
            Poll::Ready(())
        })
        .await;
    }
    let Some(msg) = cx.take_continue() else { return Ok(()) };
    cx.begin(&msg);
    state.handle(cx, msg).await.map_err(End::with_hook)?;
    cx.done()
}

/// Looks at what overtakes the messages: a kill or an untrapped exit, and requests.
#[cold]
fn overtaken<A: Actor>(
    cell: &Cell<A>,
    state: &mut A,
    cx: &mut Context<A>,
    tenancy: &mut Tenancy<'_, A::Msg, Sys<A>>,
) -> Option<Box<End>> {
    if cell.lane.ctl() & END != 0
        && let Some(end) = guarded::end_signal(cell, true)
    {
        return Some(Box::new(end));
    }
    obey(cell, state, cx, tenancy).map(End::with_hook)
}

/// What an entry that is no tell has for the actor.
fn sift<A: Actor>(note: Note, cx: &mut Context<A>) -> Step {
    match Special::read(note) {
        Special::Tell => Step::Told,
        Special::Call(tag) if Tag::from_bits(tag).is_late() => Step::Stale,
        Special::Call(tag) => {
            cx.face().call_in_hand.store(tag, Ordering::Release);
            if Tag::is_traced(tag) { Step::Traced } else { Step::Asked }
        }
        Special::Retry => {
            cx.retrying = true;
            Step::Asked
        }
        Special::Own(incarnation) | Special::Timer(incarnation) | Special::Signal(incarnation)
            if incarnation != cx.incarnation =>
        {
            Step::Stale // A predecessor's.
        }
        Special::Own(_) => Step::Asked,
        Special::Timer(_) => Step::Timer,
        Special::Signal(_) => Step::Signal,
    }
}

async fn timed<A: Actor>(state: &mut A, cx: &mut Context<A>) -> Result<(), Box<End>> {
    let Some(msg) = cx.collect_timer() else { return Ok(()) }; // Cancelled.
    cx.begin(&msg);
    state.handle(cx, msg).await.map_err(End::with_hook)?;
    cx.done()
}

async fn signalled<A: Actor>(state: &mut A, cx: &mut Context<A>) -> Result<(), Box<End>> {
    let Some(signal) = cx.take_signal() else { return Ok(()) };
    match signal {
        Signal::Down(down) => {
            let watched = cx.face().alive(cx.incarnation, |tables, _| tables.watching.remove(&down.monitor)).flatten();
            if watched.is_none() {
                return Ok(()); // Demonitored while it waited here.
            }
            cx.note(DOWN);
            state.handle_down(cx, down).await.map_err(End::with_hook)?;
        }
        Signal::Exited(exited) => {
            cx.note(EXITED);
            state.handle_exit(cx, exited).await.map_err(End::with_hook)?;
        }
    }
    cx.done()
}

/// Carries out system requests. `Some`: the actor is to stop.
fn obey<A: Actor>(
    cell: &Cell<A>,
    state: &mut A,
    cx: &mut Context<A>,
    tenancy: &mut Tenancy<'_, A::Msg, Sys<A>>,
) -> Option<Exit> {
    for request in cell.lane.take_sys(cx.incarnation) {
        match request {
            Sys::Stop(exit) => return Some(exit),
            Sys::Suspend | Sys::Resume => {
                let on = matches!(request, Sys::Suspend);
                tenancy.suspend(on);
                cell.face.suspended.store(on, Ordering::Relaxed);
            }
            Sys::Typed(request) => request(state),
            Sys::Any(asked) => asked.answer(state, cx),
        }
    }
    None
}

/// The message that crashed its handler, by the actor's policy.
pub(crate) fn crashed<A: Actor>(cell: &Cell<A>, msg: A::Msg, retried: bool, exit: &Exit) {
    let undelivered = |msg| {
        let why = Undelivered::Crashed(exit.clone());
        panics::contain(|| A::on_undelivered(msg, &why));
    };
    match A::CRASH {
        CrashPolicy::RetryOnce if !retried && cell.face.is_kept() => {
            let refused = cell.lane.push_front(Entry::noted(msg, Special::Retry.note())).err();
            refused.and_then(|entry| entry.message).into_iter().for_each(undelivered); // Closed meanwhile.
        }
        CrashPolicy::Drop => drop(panics::contain(|| drop(msg))),
        CrashPolicy::RetryOnce | CrashPolicy::SetAside => undelivered(msg),
    }
}
