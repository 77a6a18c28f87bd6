//! The identity of an actor within its node.

use std::fmt;

/// Names an actor for the life of its node; it is never given to another, and a restart keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActorId(u64);

const INDEX: u32 = 28;
const GENERATION: u32 = 24;

impl ActorId {
    /// `node` tells the nodes of one process apart, so that their actors may know each other.
    pub(crate) fn new(node: u32, index: u32, generation: u32) -> Self {
        let node = u64::from(node) << (INDEX + GENERATION);
        let generation = u64::from(generation & ((1 << GENERATION) - 1)) << INDEX;
        ActorId(node | generation | u64::from(index))
    }

    /// Whether an actor of this node has it.
    pub(crate) fn is_of(self, node: u32) -> bool {
        (self.0 ^ u64::from(node) << (INDEX + GENERATION)) >> (INDEX + GENERATION) == 0
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        ActorId(bits)
    }

    /// As one number, for logs and wire formats. Zero names nobody.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn index(self) -> u32 {
        self.0 as u32 & ((1 << INDEX) - 1)
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> INDEX) as u32 & ((1 << GENERATION) - 1)
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}.{}>", self.index(), self.generation())
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
