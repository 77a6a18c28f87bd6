//! Polls an actor's code: inside its scope, under the watch, with panics caught, and cut off when it is to end.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

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
    mut future: Pin<&'a mut Option<F>>,
) -> impl Future<Output = Result<F::Output, End>> + use<'a, A, F> {
    let mut me: Option<Arc<dyn AnyCell>> = None;
    let mut entered = false;
    poll_fn(move |cx| {
        let watch = cell.face.node.watch();
        if !entered {
            entered = true;
            me = Some(cell.clone());
            cell.lane.set_task(incarnation, cx.waker().clone());
        }
        let ended = if cell.face.incarnation() != incarnation {
            Some(End::fenced())
        } else if cell.lane.ctl() & END != 0 {
            end_signal(cell, heeds_exit)
        } else {
            None
        };
        if let Some(end) = ended {
            scope::failing_with_exit(&end.exit, || panics::contain(|| future.set(None)));
            return Poll::Ready(Err(end));
        }
        let Some(running) = future.as_mut().as_pin_mut() else { return Poll::Pending };
        let (outer, outer_id) = scope::exchange(me.take(), cell.face.id.to_bits());
        // A thread of its own may be blocked: that takes a worker from nobody.
        let before = (!scope::may_block()).then(|| watch.enter(cell.face.id.to_bits()));
        let polled = catch_unwind(AssertUnwindSafe(|| running.poll(cx)));
        if let Some(before) = before {
            watch.leave(before);
        }
        me = scope::exchange(outer, outer_id).0;
        match polled {
            Ok(Poll::Pending) => {
                scope::settle(Failure::default);
                Poll::Pending
            }
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)), // The companion settles: it knows the reason.
            Err(payload) => {
                let exit = Exit::of_panic(payload.as_ref(), panics::last_location());
                panics::discard(payload);
                scope::settle(|| Failure::Exited(exit.clone()));
                scope::failing_with_exit(&exit, || panics::contain(|| future.set(None)));
                Poll::Ready(Err(End { exit, hook: true }))
            }
        }
    })
}

/// The end signal that waits for this incarnation. A stop hook under way is cut off by a kill only.
#[cold]
pub(crate) fn end_signal<A: Actor>(cell: &Cell<A>, heeds_exit: bool) -> Option<End> {
    cell.face.peek(|cold| cold?.end.clone().filter(|end| heeds_exit || !end.hook))
}
