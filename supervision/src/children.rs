//! The children of a supervisor as its core sees them: in start order, without their processes.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::child_spec::{ChildFlags, ChildId};
use crate::policy::Policy;
use crate::table::Table;

/// A child's place in its supervisor, kept over its restarts. Places are given in the order of their children's first
/// starts, and never twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place(pub(crate) u64);

/// `#3`: what tells dynamic children apart in a tree, where it stands behind the name that they share.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What a child is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It has no process: stopped, done, or not wanted by its start. OTP's `undefined`.
    Down,
    /// It has the process of its n-th start, dead or alive: an exit is heard when its message is taken.
    Running(u32),
    /// A restart failed, and is tried again; or it waits for its [`Backoff`](crate::Backoff).
    Restarting,
    /// It restarted too often, and is set aside: see [`Quarantine`](crate::Quarantine).
    Quarantined,
}

/// What the core has to know of a spec; the rest is for who carries its orders out.
pub trait Spec {
    /// The child's name; of a dynamic child its spec's.
    fn id(&self) -> &ChildId;

    /// What there is to it but its start.
    fn flags(&self) -> ChildFlags;

    /// What becomes of it when the `old` spec of all dynamic children gives way to a `new` one.
    #[must_use]
    fn renewed(&self, old: &Self, new: &Self) -> Self
    where
        Self: Clone,
    {
        let _ = old;
        new.clone()
    }

    /// What it has beyond OTP.
    fn policy(&self) -> &Policy {
        &Policy::NONE
    }
}

/// All that the core needs.
impl Spec for (ChildId, ChildFlags) {
    fn id(&self) -> &ChildId {
        &self.0
    }

    fn flags(&self) -> ChildFlags {
        self.1
    }
}

/// A child as its supervisor knows it. Of a hundred thousand there are as many, so it is small.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Child<S> {
    pub(crate) spec: S,
    /// So many starts were tried. The number of the last one tells its process from those before.
    pub(crate) starts: u32,
    pub(crate) mode: Mode,
}

/// [`State`] without its number, which is always that of the last start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Down,
    Running,
    Restarting,
    /// Its restart waits, and has been counted.
    Delayed,
    Quarantined,
}

impl<S> Child<S> {
    /// The spec.
    pub fn spec(&self) -> &S {
        &self.spec
    }

    /// What it is at.
    pub fn state(&self) -> State {
        match self.mode {
            Mode::Down => State::Down,
            Mode::Running => State::Running(self.starts),
            Mode::Restarting | Mode::Delayed => State::Restarting,
            Mode::Quarantined => State::Quarantined,
        }
    }
}

impl<S> Child<S> {
    /// How often it was started again, or that was tried.
    pub fn restarts(&self) -> u32 {
        self.starts.saturating_sub(1)
    }
}

impl<S: Spec> Child<S> {
    /// The name; of a dynamic child its spec's.
    pub fn id(&self) -> &ChildId {
        self.spec.id()
    }

    /// The rest of the spec.
    pub fn flags(&self) -> ChildFlags {
        self.spec.flags()
    }
}

/// What `count_children` counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Counts {
    /// Dynamic children share one spec, which is there before them.
    pub specs: usize,
    /// Children with a process that lives; of dynamic ones all that are not being restarted.
    pub active: usize,
    /// Children that are supervisors, alive or not.
    pub supervisors: usize,
    /// Children that are workers, alive or not.
    pub workers: usize,
}

/// All of them, by place and by name.
#[derive(Debug)]
pub(crate) struct Children<S> {
    next: u64,
    by_place: Table<Child<S>>,
    /// Of children that have names of their own; the names are in their specs alone.
    by_id: HashTable<Place>,
    hasher: RandomState,
}

impl<S: Spec> Children<S> {
    /// None, with room for so many.
    pub(crate) fn with_room_for(count: usize) -> Self {
        Children {
            next: 0,
            by_place: Table::with_room_for(count),
            by_id: HashTable::with_capacity(count),
            hasher: RandomState::new(),
        }
    }

    /// Behind all others.
    pub(crate) fn add(&mut self, spec: S) -> Place {
        let hash = self.hasher.hash_one(spec.id());
        let place = self.add_nameless(spec);
        let Children { by_place, by_id, hasher, .. } = self;
        by_id.insert_unique(hash, place, |place| by_place.get(*place).map_or(0, |child| hasher.hash_one(child.id())));
        place
    }

    /// The same for a dynamic child, which shares its spec's name with others.
    pub(crate) fn add_nameless(&mut self, spec: S) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.by_place.insert(place, Child { spec, starts: 0, mode: Mode::Down });
        place
    }

    pub(crate) fn remove(&mut self, place: Place) {
        let Some(child) = self.by_place.remove(place) else { return };
        let hash = self.hasher.hash_one(child.id());
        if let Ok(entry) = self.by_id.find_entry(hash, |named| *named == place) {
            entry.remove();
        }
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Child<S>> {
        self.by_place.get(place)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Child<S>> {
        self.by_place.get_mut(place)
    }

    pub(crate) fn place_of(&self, id: &ChildId) -> Option<Place> {
        let is_meant = |place: &Place| self.get(*place).is_some_and(|child| child.id() == id);
        self.by_id.find(self.hasher.hash_one(id), is_meant).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_place.count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_place.iter().next().is_none()
    }

    /// In start order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Place, &Child<S>)> {
        self.by_place.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Place, &mut Child<S>)> {
        self.by_place.iter_mut()
    }

    /// In start order, from this one on.
    pub(crate) fn from(&self, first: Place) -> impl DoubleEndedIterator<Item = Place> {
        self.by_place.from(first).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_with_its_child_and_a_place_is_given_once() {
        let mut children = Children::with_room_for(0);
        let spec = |id: &str| (ChildId::from(id), ChildFlags::worker());
        let first = children.add(spec("a"));
        let mut last = first;
        for _ in 0..1_000 {
            let place = children.add(spec("b"));
            assert!(last < place);
            assert_eq!(children.place_of(&"b".into()), Some(place));
            children.remove(place);
            assert_eq!(children.place_of(&"b".into()), None);
            last = place;
        }
        assert_eq!((children.by_id.len(), children.place_of(&"a".into())), (1, Some(first)));
    }
}
