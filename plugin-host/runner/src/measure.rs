//! A plugin measured where it is, as if there were no host: what its process costs is the difference to that.
//!
//! One thread writes the payloads, calls the plugin, and reads each byte that goes on, batch after batch in one block of
//! ordinary memory. Nobody looks at what the plugin writes, as nobody would in a program that has it loaded: one that
//! writes nonsense ends this process.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::time::Duration;

use proscenium_plugin_sdk::abi::{
    self, Content, ENTRY_SIZE, HEADER_SIZE, LAYOUT, MAGIC, NO_PROGRESS, PscRecord, RecordBatch, Verdict,
};
use proscenium_shm_channel::Geometry;
use rustix::time::{ClockId, clock_gettime};

use crate::context::Context;
use crate::library::Library;
use crate::wire::{Load, Measured};

/// Every payload begins at a multiple of this, as in the host's batches.
const ALIGN: usize = 8;

/// Reads each byte: what a measurement's consumer does, in the host and here.
#[must_use]
pub fn read(payload: &[u8]) -> u64 {
    let (words, rest) = payload.as_chunks::<8>();
    let sum = words.iter().fold(0_u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, &byte| sum.wrapping_add(byte.into()))
}

/// The plugin has been initialised, and no call of it is under way.
pub(crate) fn run(library: &Library, context: &Context, geometry: Geometry, load: &Load) -> io::Result<Measured> {
    let mut block = Block::new(geometry, load)?;
    let mut measured = Measured::default();
    let (from, cpu_from) = (now(ClockId::Monotonic), now(ClockId::ThreadCPUTime));
    for batch in 0..load.batches {
        block.fill(batch.into(), load);
        // SAFETY: init has succeeded; `fill` has written the block as the interface describes it.
        measured.code = unsafe { library.process(block.header().as_ptr(), context.as_ptr()) };
        if measured.code != 0 {
            break;
        }
        measured.records += u64::from(load.records);
        measured.sum = measured.sum.wrapping_add(block.read());
    }
    measured.nanoseconds = (now(ClockId::Monotonic).saturating_sub(from)).as_nanos() as u64;
    measured.cpu_nanoseconds = (now(ClockId::ThreadCPUTime).saturating_sub(cpu_from)).as_nanos() as u64;
    Ok(measured)
}

fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// One slot in memory of this process.
struct Block {
    start: NonNull<u8>,
    layout: Layout,
    geometry: Geometry,
    /// Bytes from one payload to the next.
    stride: usize,
    input_end: u32,
}

impl Block {
    fn new(geometry: Geometry, load: &Load) -> io::Result<Block> {
        let stride = load.payload.len().next_multiple_of(ALIGN);
        let used = stride * load.records as usize;
        if load.records > geometry.records || used > geometry.input_size() as usize {
            return Err(io::Error::other("a batch of this size does not fit in the plugin's slots"));
        }
        let layout = Layout::from_size_align(geometry.block_size() as usize, rustix::param::page_size())
            .map_err(io::Error::other)?;
        // SAFETY: a block has a header at least, so its size is not 0.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        let input_end = geometry.input_off() + used as u32;
        Ok(Block { start, layout, geometry, stride, input_end })
    }

    fn header(&self) -> NonNull<RecordBatch> {
        self.start.cast()
    }

    fn record(&self, nth: u32) -> NonNull<PscRecord> {
        assert!(nth < self.geometry.records, "the table has room for it");
        // SAFETY: the table has room for `records` entries behind the header, all within the block.
        unsafe { self.start.add(usize::from(HEADER_SIZE)).cast::<PscRecord>().add(nth as usize) }
    }

    fn fill(&mut self, batch: u64, load: &Load) {
        let Geometry { records, .. } = self.geometry;
        let (heap_off, input_off) = (self.geometry.heap_off(), self.geometry.input_off());
        let header = RecordBatch {
            magic: MAGIC,
            layout: LAYOUT,
            header_size: HEADER_SIZE,
            entry_size: ENTRY_SIZE,
            content: Content::MsgPack.number(),
            reserved0: 0,
            flags: 0,
            batch_id: batch,
            block_size: self.input_end,
            record_count: load.records,
            record_capacity: records,
            entries_off: HEADER_SIZE.into(),
            heap_off,
            heap_end: self.geometry.heap_end(),
            input_off,
            input_end: self.input_end,
            attempt: 0,
            route_count: 0,
            progress: NO_PROGRESS,
            emitted: 0,
            heap_top: heap_off,
            heap_last: 0,
            result: 0,
            reserved1: 0,
            note: 0,
            reserved2: [0; 32],
        };
        // SAFETY: the block begins at a page, is larger than a header, and is ours alone between two calls.
        unsafe { self.header().write(header) };
        for nth in 0..load.records {
            let off = input_off as usize + nth as usize * self.stride;
            let (id, len) = (batch * u64::from(load.records) + u64::from(nth), load.payload.len() as u32);
            let record = PscRecord { id, off: off as u32, len, ..PscRecord::default() };
            // SAFETY:
            // - `record` is within the table;
            // - `new` has seen to it that `records` strides fit in the input, and a payload is no longer than a stride;
            // - nobody else has the block between two calls.
            unsafe {
                self.record(nth).write(record);
                self.start.add(off).copy_from_nonoverlapping(NonNull::from(&load.payload[..]).cast(), len as usize);
            }
        }
    }

    /// Each byte of what goes on.
    fn read(&self) -> u64 {
        // SAFETY: the block is mapped, and nobody writes it between two calls.
        let header = unsafe { self.header().read() };
        let count = header.record_count.saturating_add(header.emitted).min(self.geometry.records);
        (0..count).fold(0, |sum, nth| {
            // SAFETY: within the table; every bit pattern is a record.
            let record = unsafe { self.record(nth).read() };
            let goes_on = matches!(Verdict::new(record.verdict), Some(Verdict::Ok | Verdict::Route));
            let end = u64::from(record.off) + u64::from(record.len);
            if !goes_on || end > self.layout.size() as u64 {
                return sum;
            }
            // SAFETY: within the block, as was just seen; nobody writes it between two calls.
            let payload = unsafe {
                std::slice::from_raw_parts(self.start.add(record.off as usize).as_ptr(), record.len as usize)
            };
            sum.wrapping_add(read(payload))
        })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout, and dropped once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

const _: () = assert!(abi::ENTRY_SIZE as usize == size_of::<PscRecord>());
