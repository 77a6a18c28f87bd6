//! The children of a supervisor as its core sees them: in start order, without their processes.

use std::collections::{BTreeMap, HashMap};

use crate::child_spec::{ChildFlags, ChildId};

/// A child's place in its supervisor, kept over its restarts. Places are given in the order of their children's first
/// starts, and never twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place(u64);

/// What a child is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It has no process: stopped, done, or not wanted by its start. OTP's `undefined`.
    Down,
    /// It has the process of its n-th start, dead or alive: an exit is heard when its message is taken.
    Running(u64),
    /// A restart failed, and is tried again.
    Restarting,
}

/// A child as its supervisor knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Child {
    /// The name; of a dynamic child its spec's.
    pub id: ChildId,
    /// The rest of the spec.
    pub flags: ChildFlags,
    /// What it is at.
    pub state: State,
    /// So many starts were tried. The number of the last one tells its process from those before.
    pub(crate) starts: u64,
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
#[derive(Debug, Default)]
pub(crate) struct Children {
    next: u64,
    by_place: BTreeMap<Place, Child>,
    /// Of children that have names of their own.
    by_id: HashMap<ChildId, Place>,
}

impl Children {
    /// Behind all others.
    pub(crate) fn add(&mut self, id: ChildId, flags: ChildFlags) -> Place {
        let place = self.add_nameless(id.clone(), flags);
        self.by_id.insert(id, place);
        place
    }

    /// The same for a dynamic child, which shares its spec's name with others.
    pub(crate) fn add_nameless(&mut self, id: ChildId, flags: ChildFlags) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.by_place.insert(place, Child { id, flags, state: State::Down, starts: 0 });
        place
    }

    pub(crate) fn remove(&mut self, place: Place) {
        if let Some(child) = self.by_place.remove(&place)
            && self.by_id.get(&child.id) == Some(&place)
        {
            self.by_id.remove(&child.id);
        }
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Child> {
        self.by_place.get(&place)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Child> {
        self.by_place.get_mut(&place)
    }

    pub(crate) fn place_of(&self, id: &ChildId) -> Option<Place> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// In start order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Place, &Child)> {
        self.by_place.iter().map(|(place, child)| (*place, child))
    }

    /// In start order, from this one on.
    pub(crate) fn from(&self, first: Place) -> impl DoubleEndedIterator<Item = Place> {
        self.by_place.range(first..).map(|(place, _)| *place)
    }
}
