//! A plugin that was loaded, and a block for it: all that stands between it and who calls it directly.

use libloading::Library;
use proscenium_plugin_sdk::abi::{self, InitPlugin, ProcessBatch, PscRecord, RecordBatch};
use proscenium_plugin_sdk::testing::Host;

use crate::Failure;
use crate::payload::{LEN, RECORDS};

const TABLE: usize = 128;
const ENTRY: usize = 32;
const CAPACITY: usize = 2_048;
const HEAP: usize = TABLE + CAPACITY * ENTRY;
const INPUT: usize = (HEAP + (2 << 20)).next_multiple_of(4_096);

pub struct Loaded {
    process: ProcessBatch,
    host: Host,
    words: Vec<u64>,
    // Lives as long as the function that is in it.
    _library: Library,
}

// SAFETY:
// - the context's pointers lead to memory that the host in here owns;
// - the bench's plugins keep nothing for one thread, and are called under a lock, one call at a time.
unsafe impl Send for Loaded {}

impl Loaded {
    pub fn open(path: &str) -> Result<Self, Failure> {
        // SAFETY: the bench has built the library itself; its constructors do nothing.
        let library = unsafe { Library::new(path)? };
        let mut host = Host::new(&[]);
        // SAFETY: the symbol of a plugin has this type.
        let init = unsafe { *library.get::<InitPlugin>(b"init_plugin")? };
        // SAFETY: as above.
        let process = unsafe { *library.get::<ProcessBatch>(b"process_batch")? };
        // SAFETY: the context lives as long as the plugin is used.
        match unsafe { init(host.as_ptr()) } {
            0 => Ok(Self { process, host, words: vec![0; (INPUT + RECORDS * LEN).div_ceil(8)], _library: library }),
            code => Err(format!("{path}: init_plugin returned {code}").into()),
        }
    }

    fn base(&mut self) -> *mut u8 {
        self.words.as_mut_ptr().cast()
    }

    /// The place of a record's payload.
    #[inline]
    pub fn input(&mut self, nth: usize) -> &mut [u8] {
        assert!(nth < RECORDS);
        // SAFETY:
        // - in bounds: the words reach to the end of the last record's input;
        // - nobody else has a reference: this borrows all of the block.
        unsafe { std::slice::from_raw_parts_mut(self.base().add(INPUT + nth * LEN), LEN) }
    }

    /// A record that lies elsewhere: it is copied.
    #[inline]
    pub fn give(&mut self, nth: usize, id: u64, payload: &[u8]) {
        self.input(nth)[..payload.len()].copy_from_slice(payload);
        self.enter(nth, id, payload.len());
    }

    /// The table's line of a record: its payload is where [`input`](Self::input) has put it, and so many bytes of it.
    #[inline]
    pub fn enter(&mut self, nth: usize, id: u64, len: usize) {
        assert!(nth < RECORDS && len <= LEN);
        let entry = PscRecord { id, off: (INPUT + nth * LEN) as u32, len: len as u32, ..PscRecord::default() };
        // SAFETY: in bounds, and aligned as the block is: the table has more lines than there are records.
        unsafe { self.base().add(TABLE + nth * ENTRY).cast::<PscRecord>().write(entry) };
    }

    /// Has the plugin process so many records.
    pub fn process(&mut self, count: usize) -> Result<(), Failure> {
        let header = RecordBatch {
            magic: abi::MAGIC,
            layout: abi::LAYOUT,
            header_size: abi::HEADER_SIZE,
            entry_size: abi::ENTRY_SIZE,
            content: abi::Content::MsgPack.number(),
            reserved0: 0,
            flags: 0,
            batch_id: 1,
            block_size: (INPUT + RECORDS * LEN) as u32,
            record_count: count as u32,
            record_capacity: CAPACITY as u32,
            entries_off: TABLE as u32,
            heap_off: HEAP as u32,
            heap_end: INPUT as u32,
            input_off: INPUT as u32,
            input_end: (INPUT + count * LEN) as u32,
            attempt: 0,
            route_count: 0,
            progress: abi::NO_PROGRESS,
            emitted: 0,
            heap_top: HEAP as u32,
            heap_last: 0,
            result: 0,
            reserved1: 0,
            note: 0,
            reserved2: [0; 32],
        };
        let block = self.base().cast::<RecordBatch>();
        // SAFETY: the block begins with room for the header.
        unsafe { block.write(header) };
        // SAFETY:
        // - the library is loaded as long as this lives;
        // - the block is as the contract wants it, and nobody else uses it meanwhile.
        match unsafe { (self.process)(block, self.host.as_ptr()) } {
            0 => Ok(()),
            code => Err(format!("process_batch returned {code}").into()),
        }
    }

    /// What became of a record.
    #[inline]
    pub fn result(&self, nth: usize) -> Outcome<'_> {
        assert!(nth < RECORDS);
        let base = self.words.as_ptr().cast::<u8>();
        // SAFETY: as in `enter`.
        let entry = unsafe { base.add(TABLE + nth * ENTRY).cast::<PscRecord>().read() };
        // SAFETY: the library is the bench's own: what it names lies in the block.
        let payload = unsafe { std::slice::from_raw_parts(base.add(entry.off as usize), entry.len as usize) };
        Outcome { id: entry.id, verdict: entry.verdict, payload, is_new: (entry.off as usize) < INPUT }
    }
}

/// What became of a record.
pub struct Outcome<'a> {
    pub id: u64,
    pub verdict: u8,
    pub payload: &'a [u8],
    is_new: bool,
}

impl<'a> Outcome<'a> {
    /// The payload, if it is not the one that came in.
    #[inline]
    pub fn changed(&self) -> Option<&'a [u8]> {
        self.is_new.then_some(self.payload)
    }
}
