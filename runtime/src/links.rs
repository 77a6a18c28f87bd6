//! Links, monitors and exit signals, in OTP's meaning.
//!
//! **Promises**
//! - A link or monitor set on a dead actor fires at once, with [`Exit::NoProc`]; there is no gap in which an end is missed.
//! - A DOWN or a trapped EXIT comes after everything that the dead actor had sent before.
//! - Both hold for incarnations: a restarted actor has none of its predecessor's, and none is told of its end twice.
//!
//! **Bounds**: what user code links and monitors; their signals wait outside the mailbox's bound.

use std::sync::Arc;

use crate::actor_id::ActorId;
use crate::cell::{AnyCell, End, Face, Tables, Watcher};
use crate::exit::Exit;
use crate::signal::{Down, Exited, MonitorId, Signal};

/// Links `mine`, in `incarnation`, with another actor. Twice is once; with oneself is nothing.
///
/// Mine is noted first, and an end tells only those whose own table still has the link: so an `unlink` that has returned
/// holds, even while the other is ending.
pub(crate) fn link(mine: &Arc<dyn AnyCell>, incarnation: u32, other: &Arc<dyn AnyCell>) {
    let (me, them) = (mine.face().id, other.face().id);
    if me == them {
        return;
    }
    let theirs = other.face().incarnation();
    let noted = mine.face().alive(incarnation, |tables, _| tables.links.insert(them, (other.clone(), theirs)));
    if noted.is_none() {
        // The one that links has ended, or was fenced off: the other shares its fate.
        let exit = mine.face().gone().unwrap_or(Exit::NoProc);
        deliver_exit(other, theirs, Some(me), exit);
        return;
    }
    let note = || other.face().alive(theirs, |tables, _| tables.links.insert(me, (mine.clone(), incarnation)));
    let linked = if theirs == 0 { None } else { note() };
    if linked.is_none() {
        let was = mine.face().alive(incarnation, |tables, _| tables.links.remove(&them).is_some());
        if was == Some(true) {
            deliver_exit(mine, incarnation, Some(them), Exit::NoProc);
        }
    }
}

pub(crate) fn unlink(mine: &Arc<dyn AnyCell>, incarnation: u32, other: &Arc<dyn AnyCell>) {
    let (me, them) = (mine.face().id, other.face().id);
    mine.face().alive(incarnation, |tables, _| tables.links.remove(&them));
    other.face().alive(0, |tables, _| tables.links.remove(&me));
}

pub(crate) fn monitor(mine: &Arc<dyn AnyCell>, incarnation: u32, other: &Arc<dyn AnyCell>) -> MonitorId {
    let monitor = MonitorId::next();
    mine.face().alive(incarnation, |tables, _| tables.watching.insert(monitor, other.clone()));
    let watcher = Watcher::Actor { cell: mine.clone(), incarnation };
    watch(monitor, watcher, other);
    monitor
}

/// Adds a watcher; on a dead actor it hears so at once.
pub(crate) fn watch(monitor: MonitorId, watcher: Watcher, other: &Arc<dyn AnyCell>) {
    let mut watcher = Some(watcher);
    let face = other.face();
    face.alive(0, |tables, _| {
        if let Some(watcher) = watcher.take() {
            tables.watched_by.insert(monitor, watcher);
        }
    });
    if let Some(watcher) = watcher {
        let restart = face.is_kept() && face.gone().is_none();
        down(watcher, Down { monitor, actor: face.id, exit: Exit::NoProc, restart });
    }
}

/// From here on the monitor is void: a DOWN that lies in the mailbox already is skipped when its turn comes.
pub(crate) fn demonitor(mine: &Arc<dyn AnyCell>, incarnation: u32, monitor: MonitorId) -> bool {
    let other = mine.face().alive(incarnation, |tables, _| tables.watching.remove(&monitor)).flatten();
    let Some(other) = other else { return false };
    other.face().alive(0, |tables, _| tables.watched_by.remove(&monitor));
    true
}

fn down(watcher: Watcher, down: Down) {
    match watcher {
        Watcher::Actor { cell, incarnation } => cell.signal(incarnation, Signal::Down(down)),
        Watcher::Outside(sender) => drop(sender.send(down)), // Who no longer listens does not mind.
    }
}

/// An exit signal: trapped, ignored, or the end of `incarnation` (0: whichever runs).
pub(crate) fn deliver_exit(to: &Arc<dyn AnyCell>, incarnation: u32, from: Option<ActorId>, exit: Exit) {
    let face = to.face();
    let now = face.incarnation();
    if now == 0 || (incarnation != 0 && incarnation != now) {
        return;
    }
    if face.trap_exit.load(std::sync::atomic::Ordering::Acquire) {
        to.signal(now, Signal::Exited(Exited { actor: from, exit }));
    } else if exit != Exit::Normal || from == Some(face.id) {
        end(to.as_ref(), now, End { exit, hook: true });
    }
}

/// Ends an incarnation at its next await. A kill goes before any other reason.
pub(crate) fn end(cell: &dyn AnyCell, incarnation: u32, end: End) {
    let face = cell.face();
    face.cold(|cold| {
        if face.incarnation() == incarnation && (cold.end.is_none() || !end.hook) {
            cold.end = Some(end);
        }
    });
    cell.ring_end(incarnation);
}

/// Tells everybody who watches or is linked that an incarnation is over.
pub(crate) fn tell_of_end(face: &Face, tables: Tables, exit: &Exit, restart: bool) {
    for (monitor, other) in tables.watching {
        other.face().alive(0, |tables, _| tables.watched_by.remove(&monitor));
    }
    for (monitor, watcher) in tables.watched_by {
        down(watcher, Down { monitor, actor: face.id, exit: exit.clone(), restart });
    }
    for (cell, incarnation) in tables.links.into_values() {
        let linked = cell.face().alive(incarnation, |tables, _| tables.links.remove(&face.id).is_some());
        if linked == Some(true) {
            deliver_exit(&cell, incarnation, Some(face.id), exit.clone());
        }
    }
}
