//! The C interface as Rust sees it: the layouts and numbers of `include/proscenium_plugin.h`, and nothing else.
//!
//! The compiler checks every size and offset here against the numbers of the contract (`docs/plugin-abi.md`), and a test
//! has the C and the C++ compiler print what the header makes of them. A host that reads what a child wrote has no use
//! for the structs (it may make no reference to such memory): it goes by [`batch_at`], [`record_at`] and the numbers.
use std::ffi::{c_char, c_void};

/// A change of layouts or meanings.
pub const ABI_MAJOR: u32 = 1;
/// Things added at the end of structs, flags, codes, optional functions.
pub const ABI_MINOR: u32 = 0;
/// What `plugin_abi_version` returns: the major in the upper half, the minor in the lower one.
pub const ABI_VERSION: u32 = (ABI_MAJOR << 16) | ABI_MINOR;

/// `"PSCB"` in memory.
pub const MAGIC: u32 = 0x4243_5350;
/// The layout of the block.
pub const LAYOUT: u16 = 1;
/// The block's header in bytes.
pub const HEADER_SIZE: u16 = 128;
/// One record of the table in bytes.
pub const ENTRY_SIZE: u16 = 32;
/// Where the host's part of the header ends and the plugin's begins.
pub const LINE_SIZE: usize = 64;
/// `progress` before the first record.
pub const NO_PROGRESS: u32 = 0xFFFF_FFFF;
/// A block has at most so many bytes.
pub const MAX_BLOCK: u32 = 0x7FFF_FFF8;
/// So many bytes of a reason are kept.
pub const REASON_MAX: u32 = 1024;
/// So many bytes of an info string are kept, the NUL not counted.
pub const INFO_MAX: u32 = 65536;

/// [`RecordBatch::flags`]: handed out before, so side effects may be there already.
pub const BATCH_REPLAY: u32 = 0x1;
/// [`RecordBatch::flags`]: a number taken; no host of version 1.0 sets it.
pub const BATCH_INPLACE: u32 = 0x2;
/// [`RecordBatch::flags`]: no input records; given to `flush_plugin`.
pub const BATCH_FLUSH: u32 = 0x4;
/// [`RecordBatch::flags`]: rebuilds state after a crash; results are thrown away.
pub const BATCH_STATE_ONLY: u32 = 0x8;
/// [`RecordBatch::flags`]: a canary; results are compared, not delivered.
pub const BATCH_SHADOW: u32 = 0x10;
/// [`RecordBatch::flags`]: one record alone, because its batch crashed before.
pub const BATCH_SUSPECT: u32 = 0x20;

/// [`PscRecord::flags`]: the payload was replaced; informative.
pub const REC_CHANGED: u16 = 0x1;
/// [`PscRecord::flags`]: added by the plugin.
pub const REC_EMITTED: u16 = 0x2;
/// [`PscRecord::flags`]: set by the host: the record got `RETRY` before.
pub const REC_RETRIED: u16 = 0x4;

/// [`PluginContext::clock`]: since some moment, never backwards; what `deadline_ns` counts in.
pub const CLOCK_MONOTONIC: i32 = 0;
/// [`PluginContext::clock`]: since 1970.
pub const CLOCK_REALTIME: i32 = 1;

/// The four functions that every plugin has.
pub const REQUIRED_SYMBOLS: [&str; 4] = ["init_plugin", "process_batch", "cleanup_plugin", "get_plugin_info"];
/// The functions that a plugin may have. The last two come both or not at all.
pub const OPTIONAL_SYMBOLS: [&str; 4] = ["plugin_abi_version", "flush_plugin", "export_state", "import_state"];

/// The info types that a host asks for.
pub const INFO_TYPES: [&str; 7] = ["name", "version", "description", "abi", "parameters", "author", "license"];

/// An enum of numbers that arrive from elsewhere, with the way back from the number.
macro_rules! codes {
    ($(#[$about:meta])* $name:ident: $int:ty { $($(#[$doc:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr($int)]
        pub enum $name { $($(#[$doc])* $variant = $value,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The meaning of a number; none if it has none in this version.
            pub const fn new(number: $int) -> Option<$name> {
                match number {
                    $($value => Some($name::$variant),)+
                    _ => None,
                }
            }

            /// The number.
            pub const fn number(self) -> $int {
                self as $int
            }
        }
    };
}

codes! {
    /// What `init_plugin`, `process_batch`, `flush_plugin`, `export_state` and `import_state` return. Any other number is
    /// reported as `bad_return`, and then treated as [`ReturnCode::Fail`].
    ReturnCode: i32 {
        /// Done; for a batch, every record's verdict holds.
        Ok = 0,
        /// From `flush_plugin` only: there is more, call again with a fresh batch.
        More = 1,
        /// Failed as a whole; verdicts are ignored, the stage's failover policy acts.
        Fail = -1,
        /// Passing trouble: the same batch again after a pause.
        Retry = -2,
        /// The heap or the record table is too small: the host hands over smaller batches.
        NoSpace = -3,
        /// Stopped because of the cancel flag.
        Cancelled = -4,
        /// This instance is beyond use: restart the process, then replay.
        Fatal = -5,
        /// From `init_plugin` only: the parameters are wrong, and restarting will not help.
        Config = -6,
        /// A content type, an ABI or a version of the state that this plugin cannot take.
        Unsupported = -7,
        /// Out of memory: restart the process, then replay.
        NoMem = -8,
    }
}

codes! {
    /// What becomes of one record. The host presets [`Verdict::Ok`].
    Verdict: u8 {
        /// Goes on to the next stage with the payload that it has now.
        Ok = 0,
        /// Ends here on purpose; counted, with its reason if it has one.
        Drop = 1,
        /// Set aside as a failure; `arg` is the plugin's own code.
        Fail = 2,
        /// Given again after `arg` milliseconds, at most `max_retries` times; then it is a [`Verdict::Fail`].
        Retry = 3,
        /// Goes to route number `arg` instead of the next stage.
        Route = 4,
    }
}

codes! {
    /// What a payload is. A record's [`Content::Inherit`] means: as the batch says.
    Content: u8 {
        /// As the batch says; a batch itself never says this.
        Inherit = 0,
        /// One MessagePack value, usually a map with string keys. The default.
        MsgPack = 1,
        /// UTF-8 JSON.
        Json = 2,
        /// Bytes that only the plugins know.
        Raw = 3,
        /// A number taken; version 1.0 does not send it.
        ArrowIpc = 4,
    }
}

codes! {
    /// The levels of [`PluginContext::log`].
    LogLevel: i32 {
        /// Every step.
        Trace = 0,
        /// For who looks for a fault.
        Debug = 1,
        /// What an operator may want to know.
        Info = 2,
        /// Something is wrong, and the work goes on.
        Warn = 3,
        /// Something failed.
        Error = 4,
    }
}

/// One line of the record table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PscRecord {
    /// The host's sequence number, the same in every replay. Emitted records: that of the parent, or 0.
    pub id: u64,
    /// The payload, in the heap or in the input, counted from the start of the block.
    pub off: u32,
    /// Its length.
    pub len: u32,
    /// A [`Verdict`].
    pub verdict: u8,
    /// A [`Content`].
    pub content: u8,
    /// `REC_*`.
    pub flags: u16,
    /// FAIL: the code. RETRY: milliseconds. ROUTE: the number.
    pub arg: u32,
    /// UTF-8 text in the heap, without a NUL; 0 for none.
    pub reason_off: u32,
    /// Its length.
    pub reason_len: u16,
    /// Zero.
    pub reserved: u16,
}

/// The block's header. What it names by offset lies behind it: record table, heap, input payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RecordBatch {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`LAYOUT`].
    pub layout: u16,
    /// [`HEADER_SIZE`].
    pub header_size: u16,
    /// [`ENTRY_SIZE`].
    pub entry_size: u16,
    /// The [`Content`] of every record that does not say otherwise.
    pub content: u8,
    /// Zero.
    pub reserved0: u8,
    /// `BATCH_*`.
    pub flags: u32,
    /// The same in every replay.
    pub batch_id: u64,
    /// Bytes from the header to the end of the input payloads.
    pub block_size: u32,
    /// Input records.
    pub record_count: u32,
    /// Room in the record table: input and emitted.
    pub record_capacity: u32,
    /// Where the record table begins: 128.
    pub entries_off: u32,
    /// Where the heap begins.
    pub heap_off: u32,
    /// Where it ends.
    pub heap_end: u32,
    /// Where the input payloads begin: at a page where they are read-only.
    pub input_off: u32,
    /// Where they end.
    pub input_end: u32,
    /// 0 at first, one more with every replay.
    pub attempt: u32,
    /// The `arg` of ROUTE must be below this.
    pub route_count: u32,
    /// The index of the record in work; `record_count` when all were visited, [`NO_PROGRESS`] before the first.
    pub progress: u32,
    /// Records added behind the input records.
    pub emitted: u32,
    /// The first free byte of the heap.
    pub heap_top: u32,
    /// The start of the latest allocation.
    pub heap_last: u32,
    /// What `process_batch` returned; written by the runner.
    pub result: i32,
    /// Zero.
    pub reserved1: u32,
    /// The plugin's own crumb, quoted in the crash report.
    pub note: u64,
    /// Zero.
    pub reserved2: [u8; 32],
}

/// A parameter of the pipeline's line.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PscParam {
    /// NUL-terminated UTF-8.
    pub key: *const c_char,
    /// Never null; empty if the line gave none.
    pub value: *const c_char,
}

/// State on its way out of one instance and into the next.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PscState {
    /// `size_of::<PscState>()`, set by the caller.
    pub size: u32,
    /// The plugin's own number for the format of `data`.
    pub version: u32,
    /// Bytes at `data`.
    pub len: u64,
    /// Export: from `ctx.alloc`, released by the host. Import: the host's, to be read only.
    pub data: *mut c_void,
}

/// What the runner gives to a plugin; lives from before `init_plugin` until after `cleanup_plugin`, and so do the strings
/// in it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PluginContext {
    /// `size_of::<PluginContext>()` as the host knows it.
    pub size: u32,
    /// The host's [`ABI_VERSION`].
    pub abi_version: u32,
    /// The line's parameters, in order.
    pub params: *const PscParam,
    /// How many.
    pub param_count: u32,
    /// 0 for the first process of this stage, one more with every other.
    pub instance: u32,
    /// The name of the stage.
    pub stage: *const c_char,
    /// The one folder that may be written; null for none.
    pub work_dir: *const c_char,
    /// The plugin's own.
    pub user: *mut c_void,
    /// The host's own.
    pub host: *mut c_void,
    /// The deadline of the call in progress by [`CLOCK_MONOTONIC`]; 0 for none.
    pub deadline_ns: u64,
    /// Not 0: give up soon. Read with an atomic load; may be null.
    pub cancel: *const u32,
    /// Writes a line to the log. From any thread.
    pub log: unsafe extern "C" fn(ctx: *mut PluginContext, level: i32, text: *const c_char, len: usize),
    /// Reads a clock. From any thread.
    pub clock: unsafe extern "C" fn(ctx: *mut PluginContext, which: i32) -> u64,
    /// Memory for exported state; null if there is none.
    pub alloc: unsafe extern "C" fn(ctx: *mut PluginContext, size: usize) -> *mut c_void,
    /// Gives it back.
    pub release: unsafe extern "C" fn(ctx: *mut PluginContext, p: *mut c_void),
    /// Adds to a counter. From any thread.
    pub count: unsafe extern "C" fn(ctx: *mut PluginContext, name: *const c_char, add: u64),
    /// Sets a gauge. From any thread.
    pub gauge: unsafe extern "C" fn(ctx: *mut PluginContext, name: *const c_char, value: f64),
    /// Says why the call in progress fails.
    pub fail: unsafe extern "C" fn(ctx: *mut PluginContext, text: *const c_char, len: usize),
}

/// `init_plugin`.
pub type InitPlugin = unsafe extern "C" fn(*mut PluginContext) -> i32;
/// `cleanup_plugin`.
pub type CleanupPlugin = unsafe extern "C" fn(*mut PluginContext);
/// `process_batch`, and `flush_plugin`.
pub type ProcessBatch = unsafe extern "C" fn(*mut RecordBatch, *mut PluginContext) -> i32;
/// `get_plugin_info`.
pub type GetPluginInfo = unsafe extern "C" fn(*const c_char) -> *const c_char;
/// `plugin_abi_version`.
pub type PluginAbiVersion = unsafe extern "C" fn() -> u32;
/// `export_state`.
pub type ExportState = unsafe extern "C" fn(*mut PluginContext, *mut PscState) -> i32;
/// `import_state`.
pub type ImportState = unsafe extern "C" fn(*mut PluginContext, *const PscState) -> i32;

/// A field of one of the structs, for tools and tests that compare layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the header.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// The offsets of a struct as constants, proven by the compiler, and as a table.
macro_rules! layout {
    ($(#[$about:meta])* $module:ident: $of:ident = $bytes:literal { $($constant:ident $field:ident = $offset:literal, $size:literal;)+ }) => {
        $(#[$about])*
        pub mod $module {
            use super::{Field, $of};

            /// The struct's size in bytes.
            pub const SIZE: usize = $bytes;
            $(
                #[doc = concat!("Offset of `", stringify!($field), "`, which has ", stringify!($size), " bytes.")]
                pub const $constant: usize = $offset;
            )+
            /// The fields in order.
            pub const FIELDS: &[Field] =
                &[$(Field { name: stringify!($field), offset: $offset, size: $size }),+];

            const _: () = {
                assert!(size_of::<$of>() == $bytes);
                let mut end = 0;
                $(
                    assert!(std::mem::offset_of!($of, $field) == $offset && end == $offset);
                    end += $size;
                )+
                // No hole between two fields, and none at the end: a size that is wrong shows here too.
                assert!(end == $bytes);
            };
        }
    };
}

layout! {
    /// Offsets in a record of the table.
    record_at: PscRecord = 32 {
        ID id = 0, 8;
        OFF off = 8, 4;
        LEN len = 12, 4;
        VERDICT verdict = 16, 1;
        CONTENT content = 17, 1;
        FLAGS flags = 18, 2;
        ARG arg = 20, 4;
        REASON_OFF reason_off = 24, 4;
        REASON_LEN reason_len = 28, 2;
        RESERVED reserved = 30, 2;
    }
}

layout! {
    /// Offsets in the header of a block. Those below `LINE_SIZE` are the host's.
    batch_at: RecordBatch = 128 {
        MAGIC magic = 0, 4;
        LAYOUT layout = 4, 2;
        HEADER_SIZE header_size = 6, 2;
        ENTRY_SIZE entry_size = 8, 2;
        CONTENT content = 10, 1;
        RESERVED0 reserved0 = 11, 1;
        FLAGS flags = 12, 4;
        BATCH_ID batch_id = 16, 8;
        BLOCK_SIZE block_size = 24, 4;
        RECORD_COUNT record_count = 28, 4;
        RECORD_CAPACITY record_capacity = 32, 4;
        ENTRIES_OFF entries_off = 36, 4;
        HEAP_OFF heap_off = 40, 4;
        HEAP_END heap_end = 44, 4;
        INPUT_OFF input_off = 48, 4;
        INPUT_END input_end = 52, 4;
        ATTEMPT attempt = 56, 4;
        ROUTE_COUNT route_count = 60, 4;
        PROGRESS progress = 64, 4;
        EMITTED emitted = 68, 4;
        HEAP_TOP heap_top = 72, 4;
        HEAP_LAST heap_last = 76, 4;
        RESULT result = 80, 4;
        RESERVED1 reserved1 = 84, 4;
        NOTE note = 88, 8;
        RESERVED2 reserved2 = 96, 32;
    }
}

layout! {
    /// Offsets in a parameter.
    param_at: PscParam = 16 {
        KEY key = 0, 8;
        VALUE value = 8, 8;
    }
}

layout! {
    /// Offsets in a state.
    state_at: PscState = 24 {
        SIZE_FIELD size = 0, 4;
        VERSION version = 4, 4;
        LEN len = 8, 8;
        DATA data = 16, 8;
    }
}

layout! {
    /// Offsets in the context.
    context_at: PluginContext = 128 {
        SIZE_FIELD size = 0, 4;
        ABI_VERSION abi_version = 4, 4;
        PARAMS params = 8, 8;
        PARAM_COUNT param_count = 16, 4;
        INSTANCE instance = 20, 4;
        STAGE stage = 24, 8;
        WORK_DIR work_dir = 32, 8;
        USER user = 40, 8;
        HOST host = 48, 8;
        DEADLINE_NS deadline_ns = 56, 8;
        CANCEL cancel = 64, 8;
        LOG log = 72, 8;
        CLOCK clock = 80, 8;
        ALLOC alloc = 88, 8;
        RELEASE release = 96, 8;
        COUNT count = 104, 8;
        GAUGE gauge = 112, 8;
        FAIL fail = 120, 8;
    }
}

const _: () = assert!(
    cfg!(all(target_endian = "little", target_pointer_width = "64")),
    "the plugin interface is for 64-bit little-endian machines"
);
