//! All actors of a node, by id.
//!
//! **Bounds**: 2²⁸ actors at once; an id is a node, an index and a generation, so that a place is used again and an id is
//! not, until 2²⁴ actors have had the place.
//! **Cost**: one lock of sixteen to enter and to leave; 32 bytes an actor.

use std::sync::atomic::{AtomicUsize, Ordering};
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
    turn: AtomicUsize,
    count: AtomicUsize,
}

impl Registry {
    pub(crate) fn new(node: u32) -> Self {
        Registry { node, shards: Default::default(), turn: AtomicUsize::new(0), count: AtomicUsize::new(0) }
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a cell that knows its id from the start. `make` runs under the lock of a shard: it only allocates.
    pub(crate) fn enter<C: AnyCell + 'static>(&self, make: impl FnOnce(ActorId) -> Arc<C>) -> Arc<C> {
        let number = self.turn.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let mut shard = self.shard(number);
        let at = shard.free.pop().unwrap_or_else(|| {
            // Generations start at 1: an id is never zero.
            shard.places.push(Place { generation: 1, cell: None });
            (shard.places.len() - 1) as u32
        });
        let place = &mut shard.places[at as usize];
        let cell = make(ActorId::new(self.node, at * SHARDS as u32 + number as u32, place.generation));
        let erased: Arc<dyn AnyCell> = cell.clone();
        place.cell = Some(Arc::downgrade(&erased));
        drop(shard);
        self.count.fetch_add(1, Ordering::Relaxed);
        cell
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
        self.count.fetch_sub(1, Ordering::Relaxed);
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
        self.count.load(Ordering::Relaxed)
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
