//! The life of one incarnation: however its task ends, the end is told, once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::actor::Actor;
use crate::actor_cell::{Ended, Owner};
use crate::cell::{AnyCell, Cell};
use crate::companion;
use crate::context::Context;
use crate::exit::Exit;
use crate::lane::slot::Tag;
use crate::recorder::Recorder;
use crate::report::CrashReport;
use crate::{links, panics, scope};

/// Held by the incarnation's task. Dropped without `end`, because the runtime went down or a start was cancelled, it
/// tells of a kill.
pub(crate) struct Life<A: Actor> {
    cell: Arc<Cell<A>>,
    incarnation: u32,
    over: bool,
    /// The start itself failed: who started it has the reason, so the owner is not told.
    failed: bool,
}

impl<A: Actor> Life<A> {
    pub(crate) fn new(cell: Arc<Cell<A>>, incarnation: u32) -> Self {
        Life { cell, incarnation, over: false, failed: false }
    }

    pub(crate) fn cell(&self) -> &Arc<Cell<A>> {
        &self.cell
    }

    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }

    /// `shown`: the state in the actor's own words, for the report.
    pub(crate) fn end(mut self, exit: &Exit, mut cx: Context<A>, shown: Option<String>) {
        self.over = true;
        let kept = cx.take_kept();
        let recorder = std::mem::take(&mut cx.recorder);
        let retried = cx.retrying;
        // Attached futures are user code, and end with the incarnation.
        cx.ends_with(exit);
        scope::failing_with_exit(exit, || panics::contain(|| drop(cx)));
        self.conclude(exit, Hand { kept, recorder, retried, shown });
    }

    fn conclude(&mut self, exit: &Exit, hand: Hand<A>) {
        let cell = &self.cell;
        cell.lane.fence(self.incarnation);
        let Some(tables) = cell.face.end(self.incarnation) else { return }; // Given up before: all was told then.
        let owner = cell.face.owner();
        if exit.is_crash() {
            report(cell, self.incarnation, exit, &hand);
        }
        if let Some(msg) = hand.kept {
            if exit.is_orderly() {
                panics::contain(|| drop(msg));
            } else {
                companion::crashed(cell, msg, hand.retried, exit);
            }
        }
        let tag = cell.face.tag.load(Ordering::Relaxed);
        let asked = |owner: &Arc<dyn Owner>| panics::contain(|| owner.restarts(tag, exit)) == Some(true);
        let restart = !self.failed && owner.is_some_and(asked);
        if owner.is_none() {
            close(cell.as_ref(), exit);
        }
        links::tell_of_end(&cell.face, tables, exit, restart);
        if let (Some(owner), false) = (owner, self.failed) {
            let ended = Ended { actor: cell.face.id, tag, incarnation: self.incarnation, exit: exit.clone() };
            panics::contain(|| owner.exited(ended));
        }
    }
}

/// What the incarnation had in hand.
struct Hand<A: Actor> {
    kept: Option<A::Msg>,
    recorder: Recorder,
    retried: bool,
    shown: Option<String>,
}

impl<A: Actor> Hand<A> {
    /// Of a task that is gone or stuck: what it had in hand is out of reach.
    fn out_of_reach() -> Self {
        Hand { kept: None, recorder: Recorder::default(), retried: false, shown: None }
    }
}

impl<A: Actor> Drop for Life<A> {
    fn drop(&mut self) {
        if !self.over {
            self.conclude(&Exit::Killed, Hand::out_of_reach());
        }
    }
}

fn report<A: Actor>(cell: &Arc<Cell<A>>, incarnation: u32, exit: &Exit, hand: &Hand<A>) {
    let face = &cell.face;
    let in_hand = face.in_hand.load(Ordering::Relaxed);
    let shown = hand.kept.as_ref().and_then(|msg| {
        panics::contain(|| A::format_message(msg)).unwrap_or_else(|| Some("(panic in format_message)".into()))
    });
    let name = |kind| cell.kind_name(kind);
    face.node.report(CrashReport {
        actor: face.id,
        name: face.name(),
        type_name: cell.type_name(),
        incarnation,
        exit: exit.clone(),
        in_hand: in_hand.checked_sub(1).map(|kind| name(kind as u8)),
        message: shown,
        state: hand.shown.clone(),
        handled: face.handled.load(Ordering::Relaxed),
        queued: cell.lane.len(),
        history: cell.history(&hand.recorder),
        at: face.node.now(),
    });
}

/// Gives an incarnation up whose handler does not yield: its task is fenced off, and everybody is told.
pub(crate) fn fence<A: Actor>(cell: &Arc<Cell<A>>, exit: &Exit) -> bool {
    let incarnation = cell.face.incarnation();
    if incarnation == 0 {
        return false;
    }
    cell.face.node.count_fenced();
    let task = cell.lane.task(incarnation);
    let mut life = Life::new(cell.clone(), incarnation);
    life.over = true;
    Tag::fence(cell.face.call_in_hand.load(Ordering::Acquire));
    life.conclude(exit, Hand::out_of_reach());
    // Woken when it is over, it finds that out and is cut off, if it waits for anything at all.
    if let Some(task) = task {
        task.wake();
    }
    true
}

/// The end for good: names are free, refs know the reason, what was queued is handed on.
pub(crate) fn close(cell: &dyn AnyCell, exit: &Exit) {
    let face = cell.face();
    let Some((names, groups)) = face.go(exit) else { return };
    for name in names {
        face.node.names().remove(&name, face.id);
    }
    for membership in groups {
        membership.leave(face.id);
    }
    face.node.registry().leave(face.id);
    cell.close(exit);
    if let Some(shell) = &face.shell {
        shell.stop();
    }
    let watchers = face.cold(|cold| {
        cold.closed = true;
        std::mem::take(&mut cold.gone_watchers)
    });
    for watcher in watchers {
        let _ = watcher.send(exit.clone());
    }
    face.node.one_less();
}
