//! A batch in memory of the test's own: built like a host's, and read like one.
use crate::abi::{self, Content, RecordBatch, Verdict, batch_at, record_at};

/// Bytes between two things of the block, so that a plugin that reaches too far is seen.
const GAP: usize = 64;

/// What a batch will hold. Without further words: MessagePack, 64 KiB of heap, room for 64 emitted records, no routes.
#[derive(Clone, Debug)]
pub struct TestBatch {
    records: Vec<Vec<u8>>,
    content: Content,
    heap: usize,
    emitted: usize,
    routes: u32,
    flags: u32,
}

impl Default for TestBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl TestBatch {
    /// A batch without records, as for a flush.
    pub fn new() -> Self {
        Self { records: Vec::new(), content: Content::MsgPack, heap: 64 * 1024, emitted: 64, routes: 0, flags: 0 }
    }

    /// One record more. Ids count from 1,000.
    pub fn record(mut self, payload: &[u8]) -> Self {
        self.records.push(payload.to_vec());
        self
    }

    /// What payloads are.
    pub fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// Room for new payloads and reasons, in bytes.
    pub fn heap(mut self, bytes: usize) -> Self {
        self.heap = bytes;
        self
    }

    /// Room for emitted records.
    pub fn emitted(mut self, records: usize) -> Self {
        self.emitted = records;
        self
    }

    /// How many routes the stage has.
    pub fn routes(mut self, routes: u32) -> Self {
        self.routes = routes;
        self
    }

    /// `abi::BATCH_*`.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// The block.
    ///
    /// # Panics
    /// If it were above 2 GiB.
    pub fn build(self) -> Block {
        let header = batch_at::SIZE;
        let capacity = self.records.len() + self.emitted;
        let heap_off = header + capacity * record_at::SIZE;
        let heap_end = heap_off + self.heap.next_multiple_of(8);
        let input_off = heap_end + GAP;
        let input_end = input_off + self.records.iter().map(Vec::len).sum::<usize>();
        let mut block = Block { words: vec![0; input_end.div_ceil(8)] };
        block.put(batch_at::MAGIC, &abi::MAGIC.to_le_bytes());
        block.put(batch_at::LAYOUT, &abi::LAYOUT.to_le_bytes());
        block.put(batch_at::HEADER_SIZE, &abi::HEADER_SIZE.to_le_bytes());
        block.put(batch_at::ENTRY_SIZE, &abi::ENTRY_SIZE.to_le_bytes());
        block.put(batch_at::CONTENT, &[self.content.number()]);
        block.put(batch_at::FLAGS, &self.flags.to_le_bytes());
        block.put(batch_at::BATCH_ID, &1_u64.to_le_bytes());
        block.put(batch_at::ROUTE_COUNT, &self.routes.to_le_bytes());
        block.put(batch_at::PROGRESS, &abi::NO_PROGRESS.to_le_bytes());
        let sizes = [
            (batch_at::BLOCK_SIZE, input_end),
            (batch_at::RECORD_COUNT, self.records.len()),
            (batch_at::RECORD_CAPACITY, capacity),
            (batch_at::ENTRIES_OFF, header),
            (batch_at::HEAP_OFF, heap_off),
            (batch_at::HEAP_END, heap_off + self.heap),
            (batch_at::INPUT_OFF, input_off),
            (batch_at::INPUT_END, input_end),
            (batch_at::HEAP_TOP, heap_off),
        ];
        for (at, size) in sizes {
            block.put_u32(at, size);
        }
        let mut off = input_off;
        for (index, payload) in self.records.iter().enumerate() {
            let at = header + index * record_at::SIZE;
            block.put(at + record_at::ID, &(1000 + index as u64).to_le_bytes());
            block.put_u32(at + record_at::OFF, off);
            block.put_u32(at + record_at::LEN, payload.len());
            block.put(off, payload);
            off += payload.len();
        }
        block
    }
}

/// A block as a plugin gets it, and as it left it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Words, so that it lies as a block must.
    words: Vec<u64>,
}

/// A record after a call, copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its id; of an emitted record its parent's, or 0.
    pub id: u64,
    /// What becomes of it; none if the plugin left a number without meaning.
    pub verdict: Option<Verdict>,
    /// FAIL: the code. RETRY: milliseconds. ROUTE: the number.
    pub arg: u32,
    /// Why.
    pub reason: String,
    /// The payload as it is now.
    pub payload: Vec<u8>,
    /// What it is, if it says so itself.
    pub content: u8,
    /// Whether the plugin added it.
    pub is_emitted: bool,
}

impl Block {
    /// For calls of C functions.
    pub fn as_mut_ptr(&mut self) -> *mut RecordBatch {
        self.words.as_mut_ptr().cast()
    }

    /// The input records and those that were emitted, in order.
    ///
    /// # Panics
    /// If a payload or a reason lies outside the block: a plugin in Rust cannot do that.
    pub fn records(&self) -> Vec<Judged> {
        (0..self.u32(batch_at::RECORD_COUNT) + self.u32(batch_at::EMITTED)).map(|index| self.judged(index)).collect()
    }

    /// The index of the record in work; how many there are after the last, [`abi::NO_PROGRESS`] before the first.
    pub fn progress(&self) -> u32 {
        self.u32(batch_at::PROGRESS)
    }

    /// The plugin's own crumb.
    pub fn note(&self) -> u64 {
        self.words[batch_at::NOTE / 8]
    }

    fn judged(&self, index: u32) -> Judged {
        let at = batch_at::SIZE + index as usize * record_at::SIZE;
        let word = self.u32(at + record_at::VERDICT);
        let [verdict, content, flags, _] = word.to_le_bytes();
        let reason_len = self.u32(at + record_at::REASON_LEN) & 0xffff;
        Judged {
            id: self.words[(at + record_at::ID) / 8],
            verdict: Verdict::new(verdict),
            arg: self.u32(at + record_at::ARG),
            reason: String::from_utf8_lossy(&self.bytes(self.u32(at + record_at::REASON_OFF), reason_len)).into_owned(),
            payload: self.bytes(self.u32(at + record_at::OFF), self.u32(at + record_at::LEN)),
            content,
            is_emitted: u16::from(flags) & abi::REC_EMITTED != 0,
        }
    }

    fn bytes(&self, off: u32, len: u32) -> Vec<u8> {
        let byte = |at: usize| self.words[at / 8].to_le_bytes()[at % 8];
        (off as usize..off as usize + len as usize).map(byte).collect()
    }

    fn u32(&self, at: usize) -> u32 {
        (self.words[at / 8] >> (at % 8 * 8)) as u32
    }

    fn put_u32(&mut self, at: usize, number: usize) {
        let number = u32::try_from(number).expect("a test's block has less than 2 GiB");
        self.put(at, &number.to_le_bytes());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let mut word = self.words[at / 8].to_le_bytes();
            word[at % 8] = *byte;
            self.words[at / 8] = u64::from_le_bytes(word);
        }
    }
}
