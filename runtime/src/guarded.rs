//! Polls an actor's code: inside its scope, under the watch, with panics caught, and cut off when it is to end.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::actor::Actor;
use crate::cell::{AnyCell, Cell, End};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::lane::END;
use crate::{panics, scope};

/// Runs `future` as code of this incarnation.
///
/// `Err` says how it ended instead: by a panic, or by an end signal, which cuts it off at its await. Either way the
/// future has been dropped before this returns, and replies that it held have the reason.
///
/// The future is borrowed, not taken, so that an idle actor's task holds it once and not twice.
pub(crate) fn guarded<'a, A: Actor, F: Future>(
    cell: &'a Arc<Cell<A>>,
    incarnation: u32,
    heeds_exit: bool,
    future: Pin<&'a mut Option<F>>,
) -> Guarded<'a, A, F> {
    Guarded { cell, incarnation, heeds_exit, future, me: None }
}

/// The same for code that enters the lane itself, which is when its task is set, and that heeds exits.
pub(crate) fn seated<'a, A: Actor, F: Future>(
    cell: &'a Arc<Cell<A>>,
    incarnation: u32,
    future: Pin<&'a mut Option<F>>,
) -> Guarded<'a, A, F> {
    Guarded { cell, incarnation, heeds_exit: true, future, me: Some(cell.clone()) }
}

pub(crate) struct Guarded<'a, A: Actor, F> {
    cell: &'a Arc<Cell<A>>,
    incarnation: u32,
    heeds_exit: bool,
    future: Pin<&'a mut Option<F>>,
    /// None before the first poll, which sets the lane's task.
    me: Option<Arc<dyn AnyCell>>,
}

impl<A: Actor, F: Future> Future for Guarded<'_, A, F> {
    type Output = Result<F::Output, Box<End>>;

    /// Inlined into the companion, which is one call less for each message that wakes it.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Guarded { cell, incarnation, heeds_exit, future, me } = &mut *self;
        if me.is_none() {
            // Before the first look at the end signal, which wakes this task from here on.
            cell.lane.set_task(*incarnation, cx.waker().clone());
        }
        if !cell.lane.is_calm(*incarnation)
            && let Some(end) = ended(cell, *incarnation, *heeds_exit)
        {
            scope::failing_with_exit(&end.exit, || panics::contain(|| future.set(None)));
            return Poll::Ready(Err(end));
        }
        let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Pending };
        let mine = me.take().unwrap_or_else(|| cell.clone());
        let outer = scope::enter(mine, cell.face.id.to_bits());
        let polled = catch_unwind(AssertUnwindSafe(|| running.poll(cx)));
        *me = scope::leave(outer);
        match polled {
            Ok(Poll::Pending) => {
                scope::settle(Failure::default);
                Poll::Pending
            }
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)), // The companion settles: it knows the reason.
            Err(payload) => Poll::Ready(Err(panicked(payload, || future.set(None)))),
        }
    }
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>, drop_future: impl FnOnce()) -> Box<End> {
    let exit = Exit::of_panic(payload.as_ref(), panics::last_location());
    panics::discard(payload);
    scope::settle(|| Failure::Exited(exit.clone()));
    scope::failing_with_exit(&exit, || panics::contain(drop_future));
    End::with_hook(exit)
}

/// The end of this incarnation, if it is not a request that made it look.
#[cold]
fn ended<A: Actor>(cell: &Cell<A>, incarnation: u32, heeds_exit: bool) -> Option<Box<End>> {
    if cell.face.incarnation() != incarnation {
        Some(End::fenced())
    } else if cell.lane.ctl() & END != 0 {
        end_signal(cell, heeds_exit).map(Box::new)
    } else {
        None
    }
}

/// The end signal that waits for this incarnation. A stop hook under way is cut off by a kill only.
#[cold]
pub(crate) fn end_signal<A: Actor>(cell: &Cell<A>, heeds_exit: bool) -> Option<End> {
    cell.face.peek(|cold| cold?.end.clone().filter(|end| heeds_exit || !end.hook))
}
