//! The companion: the task that runs one incarnation of an actor.
//!
//! ```text
//!   start (init, on the starter's task) ──▶ companion: serve ──▶ stop hook ──▶ state dropped ──▶ end of the incarnation
//!                                              │ pop · handle · timers · system requests
//! ```
//!
//! **Promises**: the stop hook and the drop of the state are over before anybody hears of the end; a panic in either
//! costs this actor alone.
//! **Bounds**: 256 messages in a row, then the neighbours on the worker have their turn.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use crate::actor::{Actor, Undelivered};
use crate::cell::{Cell, End};
use crate::context::Context;
use crate::entry::{Entry, Sys};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::guarded::guarded;
use crate::lane::{Next, SYS, Tenancy, slot};
use crate::mailbox::CrashPolicy;
use crate::recorder::{DOWN, EXITED};
use crate::signal::Signal;
use crate::{life, scope};

/// Messages handled in a row before other tasks of the worker get their turn.
const BUDGET: u32 = 256;

/// Starts an incarnation: `init` runs here, then a task of its own takes over.
pub(crate) async fn start<A: Actor>(cell: &Arc<Cell<A>>, mut state: A) -> Result<(), Exit> {
    let Some(incarnation) = cell.lane.attach() else {
        return Err(cell.face.gone().unwrap_or(Exit::NoProc));
    };
    cell.face.begin(incarnation);
    // Dropped half way, by a starter that was cancelled, this ends the incarnation.
    let mut life = life::Life::new(cell.clone(), incarnation);
    let mut cx = Context::new(cell.clone(), incarnation);
    let started = guarded(cell, incarnation, true, pin!(Some(state.init(&mut cx)))).await;
    let end = match started {
        Ok(Ok(())) => {
            let companion = run(life, state, cx);
            if A::THREAD {
                return crate::thread::run(&cell.face, companion).map_err(Exit::from);
            }
            cell.face.node.runtime().spawn(companion);
            return Ok(());
        }
        Ok(Err(exit)) => End { exit, hook: false },
        Err(end) => end,
    };
    scope::settle(|| Failure::Exited(end.exit.clone()));
    drop_state(state, &end.exit);
    life.fail();
    life.end(&end.exit, cx);
    Err(end.exit)
}

async fn run<A: Actor>(life: life::Life<A>, mut state: A, mut cx: Context<A>) {
    let cell = life.cell().clone();
    let incarnation = cx.incarnation;
    let served = guarded(&cell, incarnation, true, pin!(Some(serve(&cell, &mut state, &mut cx)))).await;
    let end = served.unwrap_or_else(|end| end);
    scope::settle(|| Failure::Exited(end.exit.clone()));
    Box::pin(finish(life, state, cx, end)).await;
}

/// The stop hook, the state's end, and the news of it. Boxed: an idle actor does not hold its future.
async fn finish<A: Actor>(life: life::Life<A>, mut state: A, mut cx: Context<A>, end: End) {
    let cell = life.cell().clone();
    let mut exit = end.exit;
    if end.hook {
        let incarnation = cx.incarnation;
        let hook = state.terminate(&mut cx, &exit);
        let ended = guarded(&cell, incarnation, false, Box::pin(Some(hook)).as_mut()).await;
        scope::settle(|| Failure::Exited(exit.clone()));
        if let Err(worse) = ended {
            exit = worse.exit; // A kill, or a panic in the hook itself.
        }
    }
    drop_state(state, &exit);
    life.end(&exit, cx);
}

/// User code runs in the state's Drop, with whatever replies it still holds.
fn drop_state<A: Actor>(state: A, exit: &Exit) {
    let dropped = scope::failing_with_exit(exit, || catch_unwind(AssertUnwindSafe(|| drop(state))));
    if dropped.is_err() {
        tracing::error!(actor = std::any::type_name::<A>(), "panic in the drop of an actor's state");
    }
}

/// Handles messages until the incarnation is to end; says why.
async fn serve<A: Actor>(cell: &Arc<Cell<A>>, state: &mut A, cx: &mut Context<A>) -> End {
    let mut tenancy = cell.lane.enter(cx.incarnation);
    let mut budget = BUDGET;
    loop {
        if cell.lane.ctl() & SYS != 0 {
            if let Some(exit) = obey(cell, state, cx, &mut tenancy) {
                return End { exit, hook: true };
            }
        }
        if cx.is_called() {
            if let Some(exit) = cx.take_stop() {
                return End { exit, hook: true };
            }
            poll_fn(|waker| Poll::Ready(cx.fire_timers(waker))).await;
        }
        let entry = match cx.take_continue() {
            Some(msg) => Entry::Own { incarnation: cx.incarnation, msg },
            None => match tenancy.pop() {
                Some(entry) => entry,
                None => match next(cx, &mut tenancy, &mut budget).await {
                    Next::Entry(entry) => entry,
                    Next::Sys => continue,
                    Next::Drained => return End { exit: cell.face.drain_reason(), hook: true },
                    Next::Gone => return End { exit: Exit::Unresponsive, hook: false },
                },
            },
        };
        let msg = match message(entry, state, cx).await {
            Ok(Some(msg)) => msg,
            Ok(None) => continue,
            Err(exit) => return End { exit, hook: true },
        };
        let kind = A::kind(&msg);
        cx.begin(kind, &msg);
        let handled = state.handle(cx, msg).await;
        if let Err(exit) = handled {
            return End { exit, hook: true };
        }
        cx.done();
        scope::settle(Failure::default);
        budget -= 1;
        if budget == 0 {
            budget = BUDGET;
            tokio::task::yield_now().await;
        }
    }
}

/// Waits for the next entry, a timer, or a system request.
async fn next<A: Actor>(
    cx: &mut Context<A>,
    tenancy: &mut Tenancy<'_, Entry<A::Msg>, Sys<A>>,
    budget: &mut u32,
) -> Next<Entry<A::Msg>> {
    poll_fn(|waker| {
        if cx.has_timers() {
            cx.fire_timers(waker);
        }
        let next = tenancy.poll_next();
        if next.is_pending() {
            *budget = BUDGET;
        } else {
            cx.mark_batch();
        }
        next
    })
    .await
}

/// The message of an entry. Signals are handled here, and what is stale or late is skipped.
#[inline]
async fn message<A: Actor>(
    entry: Entry<A::Msg>,
    state: &mut A,
    cx: &mut Context<A>,
) -> Result<Option<A::Msg>, Exit> {
    Ok(match entry {
        Entry::Tell(msg) => Some(msg),
        Entry::Call { slot, generation, msg } => (!slot::is_late(&slot, generation)).then_some(msg),
        Entry::Own { incarnation, msg } => (incarnation == cx.incarnation).then_some(msg),
        Entry::Retry(msg) => {
            cx.retrying = true;
            Some(msg)
        }
        Entry::Timer { incarnation, timer } if incarnation == cx.incarnation => cx.collect_timer(timer),
        Entry::Signal { incarnation, signal } if incarnation == cx.incarnation => {
            Box::pin(signalled(*signal, state, cx)).await?;
            None
        }
        Entry::Timer { .. } | Entry::Signal { .. } => None,
    })
}

async fn signalled<A: Actor>(signal: Signal, state: &mut A, cx: &mut Context<A>) -> Result<(), Exit> {
    match signal {
        Signal::Down(down) => {
            let watched = cx.face().alive(cx.incarnation, |tables, _| tables.watching.remove(&down.monitor)).flatten();
            if watched.is_none() {
                return Ok(()); // Demonitored while it waited here.
            }
            cx.begin_signal(DOWN);
            state.handle_down(cx, down).await?;
        }
        Signal::Exited(exited) => {
            cx.begin_signal(EXITED);
            state.handle_exit(cx, exited).await?;
        }
    }
    cx.done();
    Ok(())
}

/// Carries out system requests. `Some`: the actor is to stop.
#[cold]
fn obey<A: Actor>(
    cell: &Arc<Cell<A>>,
    state: &mut A,
    cx: &mut Context<A>,
    tenancy: &mut Tenancy<'_, Entry<A::Msg>, Sys<A>>,
) -> Option<Exit> {
    for request in cell.lane.take_sys(cx.incarnation) {
        match request {
            Sys::Stop(exit) => return Some(exit),
            Sys::Suspend | Sys::Resume => {
                let on = matches!(request, Sys::Suspend);
                tenancy.suspended = on;
                cell.lane.suspend(on);
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
    match A::CRASH {
        CrashPolicy::RetryOnce if !retried && cell.face.is_kept() => cell.lane.push_front(Entry::Retry(msg)),
        CrashPolicy::Drop => drop(msg),
        CrashPolicy::RetryOnce | CrashPolicy::SetAside => {
            let why = Undelivered::Crashed(exit.clone());
            let _ = catch_unwind(AssertUnwindSafe(|| A::on_undelivered(msg, &why)));
        }
    }
}
