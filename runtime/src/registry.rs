//! All actors of a node, by id.
//!
//! **Bounds**: 2²⁸ actors at once; an id is a node, an index and a generation, so that a place is used again and an id is
//! not, until 2²⁴ actors have had the place.
//! **Cost**: one lock of sixteen to enter and to leave; 32 bytes an actor. Counting them takes all sixteen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::actor_id::ActorId;
use crate::cell::AnyCell;

const SHARDS: usize = 16;

#[derive(Default)]
struct Shard {
    places: Vec<Place>,
    free: Vec<u32>,
}

struct Place {
    generation: u32,
    cell: Option<Weak<dyn AnyCell>>,
}

pub(crate) struct Registry {
    node: u32,
    shards: [Mutex<Shard>; SHARDS],
}

impl Registry {
    pub(crate) fn new(node: u32) -> Self {
        Registry { node, shards: Default::default() }
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of a new cell, which is still being made.
    ///
    /// `turn` grows from actor to actor, and spreads them over the shards.
    pub(crate) fn enter(&self, turn: u64, cell: Weak<dyn AnyCell>) -> ActorId {
        let number = turn as usize % SHARDS;
        let mut shard = self.shard(number);
        let at = shard.free.pop().unwrap_or_else(|| {
            // Generations start at 1: an id is never zero.
            shard.places.push(Place { generation: 1, cell: None });
            (shard.places.len() - 1) as u32
        });
        let place = &mut shard.places[at as usize];
        place.cell = Some(cell);
        ActorId::new(self.node, at * SHARDS as u32 + number as u32, place.generation)
    }

    pub(crate) fn leave(&self, id: ActorId) {
        let (number, at) = (id.index() as usize % SHARDS, id.index() as usize / SHARDS);
        let mut shard = self.shard(number);
        let Some(place) = shard.places.get_mut(at) else { return };
        if place.generation != id.generation() || place.cell.is_none() {
            return;
        }
        let gone = place.cell.take();
        place.generation = (place.generation + 1) % (1 << 24);
        place.generation = place.generation.max(1);
        shard.free.push(at as u32);
        drop(shard);
        drop(gone);
    }

    pub(crate) fn get(&self, id: ActorId) -> Option<Arc<dyn AnyCell>> {
        let (number, at) = (id.index() as usize % SHARDS, id.index() as usize / SHARDS);
        let shard = self.shard(number);
        let place = shard.places.get(at)?;
        if ActorId::new(self.node, id.index(), place.generation) != id {
            return None;
        }
        place.cell.as_ref()?.upgrade()
    }

    pub(crate) fn len(&self) -> usize {
        (0..SHARDS)
            .map(|number| {
                let shard = self.shard(number);
                shard.places.len() - shard.free.len()
            })
            .sum()
    }

    /// All of them, by id. Each shard is looked at by itself: an actor that comes or goes meanwhile may be missing.
    pub(crate) fn all(&self) -> Vec<Arc<dyn AnyCell>> {
        let mut cells: Vec<Arc<dyn AnyCell>> = (0..SHARDS)
            .flat_map(|number| {
                let shard = self.shard(number);
                shard.places.iter().filter_map(|place| place.cell.as_ref()?.upgrade()).collect::<Vec<_>>()
            })
            .collect();
        cells.sort_by_key(|cell| cell.face().id);
        cells
    }
}
