//! How large the regions are, and where things lie in them.

use std::fmt;

/// Bytes of a batch's header.
pub const HEADER: u32 = 128;

/// Bytes of an entry of the record table.
pub const RECORD: u32 = 32;

/// The most bytes that one block may have, header to end of the input: offsets are 32 bits wide, and signed for some.
pub const MAX_BLOCK: u32 = 0x7FFF_FFF8;

/// Slots that a channel may have at most.
pub const MAX_SLOTS: u32 = 64;

/// How many slots there are, and what each has room for.
///
/// ```text
///   0         128              heap_off          heap_end   front_size = input_off        block_size
///   │ header  │ record table   │ heap            │ (pad)    │ input                        │
///   └───────────── front, the child writes ─────────────────┴──── the host writes ─────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Batches that can be under way at once: 1 to 64.
    pub slots: u32,
    /// Entries of a slot's record table: at least one, and 32 bytes each.
    pub records: u32,
    /// Bytes of a slot's heap, for what the child writes: a multiple of 8, or 0.
    pub heap: u32,
    /// Bytes of a slot's input at least: it is rounded up to whole pages.
    pub input: u32,
}

impl Geometry {
    /// The geometry, if a channel can have it.
    ///
    /// # Errors
    /// What is out of bounds, with the bound.
    pub fn check(self) -> Result<Self, GeometryError> {
        if !(1..=MAX_SLOTS).contains(&self.slots) {
            return Err(GeometryError::Slots(self.slots));
        }
        if self.records == 0 {
            return Err(GeometryError::NoRecords);
        }
        if !self.heap.is_multiple_of(8) {
            return Err(GeometryError::Heap(self.heap));
        }
        if self.input == 0 {
            return Err(GeometryError::NoInput);
        }
        match self.wide_front() + pages(u64::from(self.input)) {
            block if block > u64::from(MAX_BLOCK) => Err(GeometryError::Block(block)),
            _ => Ok(self),
        }
    }

    fn wide_front(&self) -> u64 {
        pages(u64::from(HEADER) + u64::from(RECORD) * u64::from(self.records) + u64::from(self.heap))
    }

    /// Bytes of a slot's front (header, record table, heap), in whole pages. Saturates where [`check`](Self::check) fails.
    pub fn front_size(&self) -> u32 {
        u32::try_from(self.wide_front()).unwrap_or(u32::MAX)
    }

    /// Bytes of a slot's input, in whole pages. Saturates where [`check`](Self::check) fails.
    pub fn input_size(&self) -> u32 {
        u32::try_from(pages(u64::from(self.input))).unwrap_or(u32::MAX)
    }

    /// Where the record table begins in a block.
    pub fn entries_off(&self) -> u32 {
        HEADER
    }

    /// Where the heap begins in a block.
    pub fn heap_off(&self) -> u32 {
        HEADER.saturating_add(RECORD.saturating_mul(self.records))
    }

    /// Where the heap ends in a block.
    pub fn heap_end(&self) -> u32 {
        self.heap_off().saturating_add(self.heap)
    }

    /// Where the input begins in a block.
    pub fn input_off(&self) -> u32 {
        self.front_size()
    }

    /// Bytes of a whole block.
    pub fn block_size(&self) -> u32 {
        self.front_size().saturating_add(self.input_size())
    }

    /// Bytes of the region with all inputs.
    pub(crate) fn inputs_len(&self) -> usize {
        self.slots as usize * self.input_size() as usize
    }

    /// Bytes of the region with the child's words and all fronts.
    pub(crate) fn fronts_len(&self) -> usize {
        page() + self.slots as usize * self.front_size() as usize
    }
}

/// Bytes of a page, as a length.
pub(crate) fn page() -> usize {
    rustix::param::page_size()
}

fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(page() as u64)
}

/// Why a channel cannot have this geometry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// No slot, or more than 64.
    Slots(u32),
    /// A table without an entry holds no batch.
    NoRecords,
    /// The heap's size is no multiple of 8.
    Heap(u32),
    /// No room for input.
    NoInput,
    /// A block would be larger than offsets reach; its bytes.
    Block(u64),
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots(slots) => write!(f, "slots = {slots}; give 1 to {MAX_SLOTS}"),
            Self::NoRecords => write!(f, "records = 0; give as many as a batch has, and those that the plugin adds"),
            Self::Heap(heap) => write!(f, "heap = {heap} bytes; give a multiple of 8"),
            Self::NoInput => write!(f, "input = 0 bytes; give room for the payloads of a batch"),
            Self::Block(bytes) => {
                write!(f, "a block of {bytes} bytes; give less heap, input or records: {MAX_BLOCK} are the limit")
            }
        }
    }
}

impl std::error::Error for GeometryError {}

#[cfg(test)]
mod tests {
    use super::{Geometry, GeometryError, MAX_BLOCK, page};

    const GEOMETRY: Geometry = Geometry { slots: 8, records: 1024, heap: 65_536, input: 131_072 };

    #[test]
    fn a_block_has_its_parts_in_the_order_of_the_plugin_interface() {
        let page = page() as u32;
        for geometry in
            [GEOMETRY, Geometry { records: 1, heap: 0, input: 1, ..GEOMETRY }, Geometry { heap: 8, ..GEOMETRY }]
        {
            let geometry = geometry.check().unwrap();
            assert_eq!(geometry.entries_off(), 128);
            assert_eq!(geometry.heap_off(), 128 + 32 * geometry.records);
            assert_eq!(geometry.heap_end(), geometry.heap_off() + geometry.heap);
            assert!(geometry.heap_end() <= geometry.front_size());
            assert!(geometry.front_size() - geometry.heap_end() < page, "no page more than is needed");
            assert_eq!(geometry.input_off(), geometry.front_size());
            assert_eq!((geometry.front_size() % page, geometry.input_size() % page), (0, 0));
            assert!(geometry.input_size() >= geometry.input);
            assert_eq!(geometry.block_size(), geometry.front_size() + geometry.input_size());
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        for (geometry, wrong) in [
            (Geometry { slots: 0, ..GEOMETRY }, GeometryError::Slots(0)),
            (Geometry { slots: 65, ..GEOMETRY }, GeometryError::Slots(65)),
            (Geometry { records: 0, ..GEOMETRY }, GeometryError::NoRecords),
            (Geometry { heap: 12, ..GEOMETRY }, GeometryError::Heap(12)),
            (Geometry { input: 0, ..GEOMETRY }, GeometryError::NoInput),
        ] {
            assert_eq!(geometry.check(), Err(wrong));
        }
        for geometry in [
            Geometry { records: u32::MAX, ..GEOMETRY },
            Geometry { heap: u32::MAX - 7, ..GEOMETRY },
            Geometry { input: u32::MAX, ..GEOMETRY },
            Geometry { heap: MAX_BLOCK / 16 * 8, input: MAX_BLOCK / 2, ..GEOMETRY },
        ] {
            assert!(matches!(geometry.check(), Err(GeometryError::Block(_))), "{geometry:?}");
        }
    }
}
