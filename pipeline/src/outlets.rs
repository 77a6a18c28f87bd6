//! Where a part's records go: by route, to one part or several, to one instance or several.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::chunk::{Chunk, ChunkSize};
use crate::ledger::{Ledger, Loan};
use crate::plan::Share;
use crate::stats::Stats;

/// Somebody who takes chunks.
#[derive(Clone)]
pub(crate) struct Inlet {
    /// Its actor's mailbox. Mailboxes of parts are not bounded: buffers are.
    pub(crate) actor: Arc<dyn Fn(Chunk) + Send + Sync>,
    pub(crate) stats: Arc<Stats>,
}

impl fmt::Debug for Inlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inlet")
    }
}

impl Inlet {
    /// Whoever has ended for good drops the chunk, which counts as lost.
    fn take(&self, chunk: Chunk) {
        self.stats.sent_here.add(1);
        (self.actor)(chunk);
    }
}

/// All instances of a part.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) instances: Vec<Inlet>,
    pub(crate) share: Share,
}

/// The number of the instance that has the records of this key.
pub(crate) fn instance_of(key: Option<&[u8]>, instances: usize) -> usize {
    let Some(key) = key else { return 0 };
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % instances as u64) as usize
}

/// A part's routes, with the buffers that dividing takes.
#[derive(Debug)]
pub(crate) struct Outlets {
    /// The usual one first, then those with names.
    routes: Vec<(Option<String>, Vec<Edge>)>,
    /// Where records go whose failing is somebody else's to mend.
    stand_in: Option<Edge>,
    ledger: Arc<Ledger>,
}

/// A route's number: 0 is the usual one.
pub(crate) type Route = usize;

/// Stands for the stand-in.
pub(crate) const STAND_IN: Route = usize::MAX;

impl Outlets {
    pub(crate) fn new(
        routes: Vec<(Option<String>, Vec<Edge>)>,
        stand_in: Option<Edge>,
        size: ChunkSize,
        window: usize,
    ) -> Self {
        // Whoever divides a chunk has all buffers for that before the first piece leaves: they must be there at once.
        let at_once: usize = routes.iter().map(|(_, edges)| loans(edges) + 1).sum::<usize>()
            + stand_in.iter().map(|edge| loans(std::slice::from_ref(edge)) + 1).sum::<usize>();
        let buffers = window.max(2 * at_once);
        Outlets { routes, stand_in, ledger: Ledger::new(size, buffers, usize::MAX) }
    }

    /// The route of this name.
    pub(crate) fn route(&self, name: &str) -> Option<Route> {
        self.routes.iter().position(|(of, _)| of.as_deref() == Some(name))
    }

    pub(crate) fn name(&self, route: Route) -> &str {
        self.routes.get(route).and_then(|(name, _)| name.as_deref()).unwrap_or_default()
    }

    fn edges(&self, route: Route) -> &[Edge] {
        match route {
            STAND_IN => self.stand_in.as_slice(),
            route => self.routes.get(route).map_or(&[], |(_, edges)| edges),
        }
    }

    /// Whether anything is there.
    pub(crate) fn leads_somewhere(&self, route: Route) -> bool {
        !self.edges(route).is_empty()
    }

    /// The buffers that a chunk for this route takes at most, besides its own.
    pub(crate) fn loans(&self, route: Route) -> usize {
        loans(self.edges(route))
    }

    /// So many buffers, if they are all there.
    pub(crate) fn try_borrow(&self, loans: usize) -> Option<Vec<Loan>> {
        (0..loans).map(|_| self.ledger.try_borrow()).collect()
    }

    /// Waits for so many buffers.
    pub(crate) async fn borrow(&self, loans: usize) -> Vec<Loan> {
        let mut borrowed = Vec::with_capacity(loans);
        for _ in 0..loans {
            borrowed.push(self.ledger.borrow().await);
        }
        borrowed
    }

    /// Sends a chunk on, in one go: so it is never half sent.
    pub(crate) fn send(&self, route: Route, chunk: Chunk, loans: &mut Vec<Loan>) {
        if chunk.is_empty() {
            return chunk.done();
        }
        let Some((last, others)) = self.edges(route).split_last() else { return chunk.done() };
        for edge in others {
            let Some(loan) = loans.pop() else { return };
            let mut copy = chunk.beside(loan);
            for nth in 0..chunk.len() {
                copy.copy(&chunk, nth);
            }
            edge.send(copy, loans);
        }
        last.send(chunk, loans);
    }
}

fn loans(edges: &[Edge]) -> usize {
    let within: usize = edges.iter().map(Edge::loans).sum();
    within + edges.len().saturating_sub(1)
}

impl Edge {
    fn loans(&self) -> usize {
        match (self.instances.len(), self.share) {
            (0 | 1, _) | (_, Share::InTurns) => 0,
            (instances, Share::ByKey) => instances,
        }
    }

    fn send(&self, chunk: Chunk, loans: &mut Vec<Loan>) {
        match self.share {
            _ if self.instances.len() == 1 => self.instances[0].take(chunk),
            Share::InTurns => match self.least_busy() {
                Some(inlet) => inlet.take(chunk),
                None => chunk.done(),
            },
            Share::ByKey => self.divide(chunk, loans),
        }
    }

    /// The one with the least to do; of equal ones it is the turn of the first from the place that is one further on with
    /// each chunk sent: so that instances which keep up all get their share, whoever else sends to them.
    fn least_busy(&self) -> Option<&Inlet> {
        let sent: u64 = self.instances.iter().map(|inlet| inlet.stats.sent_here.get()).sum();
        let turn = sent.checked_rem(self.instances.len() as u64)? as usize;
        let (later, first) = self.instances.split_at(turn);
        first.iter().chain(later).min_by_key(|inlet| inlet.stats.load())
    }

    fn divide(&self, chunk: Chunk, loans: &mut Vec<Loan>) {
        let count = self.instances.len();
        let owners: Vec<usize> = chunk.records().map(|record| instance_of(record.key(), count)).collect();
        if owners.iter().all(|owner| *owner == owners[0]) {
            return self.instances[owners[0]].take(chunk);
        }
        for (owner, inlet) in self.instances.iter().enumerate() {
            if !owners.contains(&owner) {
                continue;
            }
            let Some(loan) = loans.pop() else { return };
            let mut piece = chunk.beside(loan);
            for (nth, _) in owners.iter().enumerate().filter(|(_, of)| **of == owner) {
                piece.copy(&chunk, nth);
            }
            inlet.take(piece);
        }
        chunk.done();
    }
}

#[cfg(test)]
mod tests;
