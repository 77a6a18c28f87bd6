//! Who waits for whom: the chains of callers that must not close.
//!
//! An actor whose handler waits, for an answer or for room, says for whom. Before it waits, the chain from there is
//! followed: if it leads back, nobody in it could ever go on.
//!
//! **Bounds**: a chain is followed for 64 actors.
//! **Cost**: two atomic operations and two short locks, of the callee's place in the registry and of the caller's own cell,
//! a call from inside a handler; nothing for calls from outside.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::actor_id::ActorId;
use crate::cell::{AnyCell, Face};
use crate::lane::slot::Caller;

const FOLLOWED: usize = 64;

/// The handler of `waiter` waits for `target` while this lives.
pub(crate) struct Wait {
    waiter: Arc<dyn AnyCell>,
    target: ActorId,
}

impl Wait {
    pub(crate) fn begin(waiter: Arc<dyn AnyCell>, target: ActorId) -> Wait {
        let face = waiter.face();
        // SeqCst here and in `path`: of two actors that begin to wait for each other, at least one sees the other.
        let free = face.waiting_on.compare_exchange(0, target.to_bits(), Ordering::SeqCst, Ordering::SeqCst);
        if free.is_err() {
            face.cold(|cold| cold.waits.push(target.to_bits())); // Several at once, by join or select.
        }
        Wait { waiter, target }
    }

    /// Whoever closes a ring notes it for all in it: when the first has given up, the others see no ring any more.
    pub(crate) fn note_ring(&self) {
        let Some(ring) = self.ring() else { return };
        let members = &ring[1..];
        for (at, member) in members.iter().enumerate() {
            let Some(cell) = self.waiter.face().node.registry().get(*member) else { continue };
            let from = members[..=at].iter().rev().take(1);
            let turned: Vec<ActorId> = from.chain(&members[at + 1..]).chain(&members[..=at]).copied().collect();
            cell.face().cold(|cold| cold.ring = Some(turned));
        }
    }

    /// The ring that was noted for the waiter while it waited.
    pub(crate) fn noted_ring(&self) -> Option<Vec<ActorId>> {
        self.waiter.face().peek(|cold| cold?.ring.clone())
    }

    pub(crate) fn caller(&self) -> Caller {
        let face = self.waiter.face();
        Caller { actor: face.id.to_bits(), in_hand: face.call_in_hand.load(Ordering::Relaxed) }
    }

    /// What is left of the call that the waiter has in hand.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.waiter.face().left()
    }

    /// The ring of actors that this wait closes, if it does: it begins and ends with the waiter.
    pub(crate) fn ring(&self) -> Option<Vec<ActorId>> {
        let me = self.waiter.face().id;
        if self.target == me {
            return Some(vec![me, me]);
        }
        path(&self.waiter.face().node, self.target, me).map(|mut ring| {
            ring.insert(0, me);
            ring
        })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let face = self.waiter.face();
        let target = self.target.to_bits();
        // One wait and no ring, as almost always: one look under the lock.
        if face.peek(|cold| cold.is_none_or(|cold| cold.waits.is_empty() && cold.ring.is_none())) {
            face.waiting_on.store(0, Ordering::SeqCst); // Also when the call was delegated, and the chain redirected.
            return;
        }
        face.cold(|cold| cold.ring = None);
        face.cold(|cold| match cold.waits.iter().position(|other| *other == target) {
            Some(at) => drop(cold.waits.swap_remove(at)),
            None => face.waiting_on.store(cold.waits.pop().unwrap_or(0), Ordering::SeqCst),
        });
    }
}

/// A call of `waiter` was passed on: it waits for `target` now.
pub(crate) fn redirect(waiter: &Face, target: ActorId) {
    if waiter.waiting_on.load(Ordering::SeqCst) != 0 {
        waiter.waiting_on.store(target.to_bits(), Ordering::SeqCst);
    }
}

/// The way from `from` to `to` along the waits.
fn path(node: &crate::Node, from: ActorId, to: ActorId) -> Option<Vec<ActorId>> {
    let mut ways = vec![vec![from]];
    for _ in 0..FOLLOWED {
        let way = ways.pop()?;
        let last = *way.last()?;
        for next in targets(node, last) {
            let mut longer = way.clone();
            longer.push(next);
            if next == to {
                return Some(longer);
            }
            if !way.contains(&next) {
                ways.push(longer);
            }
        }
    }
    None
}

fn targets(node: &crate::Node, of: ActorId) -> Vec<ActorId> {
    let Some(cell) = node.registry().get(of) else { return Vec::new() };
    let face = cell.face();
    let first = face.waiting_on.load(Ordering::SeqCst);
    if first == 0 {
        return Vec::new();
    }
    let mut all = vec![ActorId::from_bits(first)];
    face.peek(|cold| all.extend(cold.iter().flat_map(|cold| &cold.waits).map(|bits| ActorId::from_bits(*bits))));
    all
}
