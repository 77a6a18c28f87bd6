//! What the host and the process of a plugin say to each other besides batches.
//!
//! One message is one packet of the control socket: MessagePack, but for the word that a dying process sends from its
//! signal handler, which has a fixed layout and needs no memory. Orders of the host are read when the ring says so, so
//! that they have their place between the batches; only [`Start`] comes without.
//!
//! **Bound**: [`LONGEST`] bytes a message. The host trusts no word of it: a message that is none is a violation.

use serde::{Deserialize, Serialize};

use crate::foreign::shown;
use crate::sandbox::{Report, Sandbox};

/// Bytes of a message at most: a text of the longest kind, and some more.
pub const LONGEST: usize = 72 << 10;

/// The sources that this was built from, as a number: both sides speak only with their like.
pub const BUILD: u64 = build(env!("PROSCENIUM_RUNNER_BUILD"));

const fn build(number: &str) -> u64 {
    match u64::from_str_radix(number, 10) {
        Ok(build) => build,
        Err(_) => panic!("the build script gives a number"),
    }
}

/// Where a process finds its descriptors.
pub mod fd {
    /// The control socket.
    pub const CONTROL: i32 = 3;
    /// The page that the host writes.
    pub const ORDERS: i32 = 4;
    /// The payloads that the host writes.
    pub const INPUTS: i32 = 5;
    /// What the process writes.
    pub const FRONTS: i32 = 6;
    /// What it wakes the host with.
    pub const WAKE: i32 = 7;
}

/// What an order in the ring is.
pub mod kind {
    /// A batch, for `process_batch`.
    pub const BATCH: u8 = 1;
    /// An empty block, for `flush_plugin`.
    pub const FLUSH: u8 = 2;
    /// There is a message on the control socket.
    pub const CONTROL: u8 = 3;
}

/// The first message of the host: all that the process is to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// The stage's name.
    pub stage: String,
    /// The library in its private folder.
    pub library: Vec<u8>,
    /// 0 for the first process, one more with every other.
    pub instance: u32,
    /// The plugin's parameters, in order.
    pub params: Vec<(String, String)>,
    /// The one folder that may be written, if there is one.
    pub work_dir: Option<Vec<u8>>,
    /// Slots, records, heap, input.
    pub geometry: [u32; 4],
    /// The walls.
    pub sandbox: Sandbox,
    /// How many processors there are for both: from behind the walls that takes a while to find out.
    pub processors: u32,
    /// What the process is for.
    pub purpose: Purpose,
}

/// What a process is started for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Purpose {
    /// To serve: the plugin is initialised, and gets batches.
    #[default]
    Serve,
    /// To say what the library says of itself, and to end: the plugin is not initialised.
    Look,
}

/// What the host says later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// The plugin's state, into the memfd that comes along; so many bytes at most.
    Export {
        /// In bytes.
        limit: u64,
    },
    /// The state of another process, from the memfd that comes along.
    Import {
        /// The plugin's number for its format.
        version: u32,
        /// In bytes.
        len: u64,
    },
    /// To measure the plugin here, without a host in between.
    Measure(Load),
    /// To come to an end in order.
    Stop,
}

/// What a plugin is measured with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Every record's payload: 32 KiB at most.
    pub payload: Vec<u8>,
    /// Records of a batch: as many as the slots have room for, or fewer.
    pub records: u32,
    /// How many batches.
    pub batches: u32,
}

/// What was measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Records that the plugin was given.
    pub records: u64,
    /// From the first byte written to the last byte read.
    pub nanoseconds: u64,
    /// Processor time of the one thread.
    pub cpu_nanoseconds: u64,
    /// Of all that was read: nobody can leave the reading out.
    pub sum: u64,
    /// What the plugin has returned that ended it early; 0 if nothing.
    pub code: i32,
}

/// What the process says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Tell {
    /// What became of the walls: said before the library is loaded, so that no plugin can say it first.
    Walls(Report),
    /// What `get_plugin_info` says: types and texts.
    Info(Vec<(String, String)>),
    /// It serves.
    Ready(Ready),
    /// It cannot serve, and ends.
    Failed(Failed),
    /// A line for the log.
    Log {
        /// The interface's number for the level.
        level: i32,
        /// The line.
        text: String,
    },
    /// A counter has grown.
    Count {
        /// The counter.
        name: String,
        /// By so much.
        add: u64,
    },
    /// A gauge has a value.
    Gauge {
        /// The gauge.
        name: String,
        /// The value.
        value: f64,
    },
    /// Why the call in work fails.
    Fail(String),
    /// The state lies in the memfd.
    Exported {
        /// The plugin's number for its format.
        version: u32,
        /// In bytes.
        len: u64,
    },
    /// The state of another was taken on.
    Imported,
    /// The plugin has refused to give or to take a state, with this code.
    StateRefused {
        /// What the function has returned.
        code: i32,
        /// What it said of it.
        text: String,
    },
    /// What was asked to be measured.
    Measured(Measured),
    /// What was refused up to now, as grants that it would take; only where notes are taken.
    Learned(String),
    /// All is put away, and the process ends.
    Stopped,
}

/// A process that serves.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// `plugin_abi_version`, or 1.0.
    pub abi: u32,
    /// Whether there is a `flush_plugin`.
    pub flushes: bool,
    /// Whether there are `export_state` and `import_state`.
    pub has_state: bool,
    /// What became of the walls: told before.
    #[serde(skip)]
    pub sandbox: Report,
}

/// What a process was at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum Phase {
    /// Before it was told what to do.
    Begin = 0,
    /// Putting up the walls.
    Sandbox = 1,
    /// Loading the library, constructors included.
    Load = 2,
    /// Asking for its version and what it says of itself.
    Info = 3,
    /// `init_plugin`.
    Init = 4,
    /// `export_state` or `import_state`.
    State = 5,
    /// `process_batch`.
    Process = 6,
    /// `flush_plugin`.
    Flush = 7,
    /// `cleanup_plugin`.
    Cleanup = 8,
    /// Between two calls.
    Idle = 9,
}

impl Phase {
    const ALL: [Phase; 10] = [
        Phase::Begin,
        Phase::Sandbox,
        Phase::Load,
        Phase::Info,
        Phase::Init,
        Phase::State,
        Phase::Process,
        Phase::Flush,
        Phase::Cleanup,
        Phase::Idle,
    ];

    /// Of a number that a process wrote.
    #[must_use]
    pub fn of(number: u32) -> Option<Phase> {
        Self::ALL.get(number as usize).copied()
    }

    /// As reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Begin => "begin",
            Phase::Sandbox => "sandbox",
            Phase::Load => "load",
            Phase::Info => "info",
            Phase::Init => "init",
            Phase::State => "state",
            Phase::Process => "process",
            Phase::Flush => "flush",
            Phase::Cleanup => "cleanup",
            Phase::Idle => "idle",
        }
    }
}

/// Why a process cannot serve.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failed {
    /// What it was at.
    pub phase: Phase,
    /// What kind of failure it is.
    pub kind: FailedKind,
    /// What a function has returned; 0 if it is none's.
    pub code: i32,
    /// In words.
    pub text: String,
}

/// Kinds of failed starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum FailedKind {
    /// The process itself could not be set up.
    Setup,
    /// A wall could not be put up.
    Sandbox,
    /// The loader has refused the library.
    Load,
    /// A function is missing.
    Symbol,
    /// The library is for another version of the interface.
    Abi,
    /// What it says of itself is no text, or too long.
    Info,
    /// The parameters are wrong.
    Config,
    /// `init_plugin` has failed otherwise.
    Init,
}

/// The last word of a process that a signal ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastWord {
    /// The signal.
    pub signal: i32,
    /// Its `si_code`.
    pub code: i32,
    /// The address that could not be accessed.
    pub address: u64,
    /// Where the code was.
    pub at: u64,
    /// What it was at.
    pub phase: Option<Phase>,
    /// Function and library, where they are known.
    pub symbol: String,
}

/// MessagePack never begins like this.
const LAST_WORD: u8 = 0xC1;
/// Before a [`Start`]: this byte, again none of MessagePack's, and the host's [`BUILD`].
const START: u8 = 0xC1;
/// No message is a small number: a runner of another build says this, and its own [`BUILD`].
const OTHER_BUILD: u8 = 0x7F;
/// Bytes before the symbol.
const LAST_WORD_HEAD: usize = 32;
/// Bytes of a symbol at most.
pub const LONGEST_SYMBOL: usize = 256;

/// What came from a process.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// A message.
    Tell(Tell),
    /// The last one.
    LastWord(LastWord),
    /// It was built from other sources than its host, and ends.
    OtherBuild,
}

/// A message that is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Garbled(pub String);

/// A message as bytes.
///
/// # Errors
/// It is longer than [`LONGEST`].
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, Garbled> {
    let bytes = rmp_serde::to_vec(message).map_err(|error| Garbled(error.to_string()))?;
    match bytes.len() {
        len if len > LONGEST => Err(Garbled(format!("a message of {len} bytes, and {LONGEST} is the limit"))),
        _ => Ok(bytes),
    }
}

/// The first message.
///
/// # Errors
/// It is longer than [`LONGEST`].
pub fn encode_start(start: &Start) -> Result<Vec<u8>, Garbled> {
    let mut bytes = encode(start)?;
    bytes.splice(0..0, numbered(START));
    if bytes.len() > LONGEST { Err(Garbled("a start that is too long".into())) } else { Ok(bytes) }
}

fn numbered(kind: u8) -> [u8; 9] {
    let mut bytes = [kind; 9];
    bytes[1..].copy_from_slice(&BUILD.to_le_bytes());
    bytes
}

/// What a runner makes of the first message.
pub(crate) enum Begun {
    Start(Box<Start>),
    /// The host was built from other sources; it is to be told this.
    Other([u8; 9]),
}

pub(crate) fn begun(bytes: &[u8]) -> Result<Begun, Garbled> {
    match bytes.strip_prefix(&numbered(START)) {
        Some(start) => decode(start).map(|start| Begun::Start(Box::new(start))),
        None => Ok(Begun::Other(numbered(OTHER_BUILD))),
    }
}

/// A message of the host.
///
/// # Errors
/// It is none.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Garbled> {
    rmp_serde::from_slice(bytes).map_err(|error| Garbled(error.to_string()))
}

/// A message of a process: its texts are cut, and their control characters escaped.
///
/// # Errors
/// It is none.
pub fn heard(bytes: &[u8]) -> Result<Heard, Garbled> {
    match bytes.first() {
        Some(&LAST_WORD) => last_word(bytes)
            .map(|word| shown(Heard::LastWord(word)))
            .ok_or_else(|| Garbled("a last word cut short".into())),
        Some(&OTHER_BUILD) if bytes.len() == numbered(OTHER_BUILD).len() => Ok(Heard::OtherBuild),
        _ => decode(bytes).map(|tell| shown(Heard::Tell(tell))),
    }
}

fn last_word(bytes: &[u8]) -> Option<LastWord> {
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(i32::from_le_bytes);
    let long = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let symbol = bytes.get(LAST_WORD_HEAD..)?;
    let symbol = &symbol[..symbol.len().min(LONGEST_SYMBOL)];
    Some(LastWord {
        phase: Phase::of(bytes.get(1).copied()?.into()),
        signal: word(4)?,
        code: word(8)?,
        address: long(16)?,
        at: long(24)?,
        symbol: String::from_utf8_lossy(symbol).into_owned(),
    })
}

/// The bytes of a last word before its symbol. It is made in a signal handler: no memory, no locks.
pub(crate) fn last_word_head(phase: u8, signal: i32, code: i32, address: u64, at: u64) -> [u8; LAST_WORD_HEAD] {
    let mut bytes = [0; LAST_WORD_HEAD];
    bytes[0] = LAST_WORD;
    bytes[1] = phase;
    bytes[4..8].copy_from_slice(&signal.to_le_bytes());
    bytes[8..12].copy_from_slice(&code.to_le_bytes());
    bytes[16..24].copy_from_slice(&address.to_le_bytes());
    bytes[24..32].copy_from_slice(&at.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_word_is_read_as_it_was_written() {
        let mut bytes = last_word_head(Phase::Process as u8, 11, 1, 0xdead, 0xbeef).to_vec();
        bytes.extend(b"process_batch in libx.so");
        let want = LastWord {
            signal: 11,
            code: 1,
            address: 0xdead,
            at: 0xbeef,
            phase: Some(Phase::Process),
            symbol: "process_batch in libx.so".into(),
        };
        assert_eq!(heard(&bytes), Ok(Heard::LastWord(want)));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for len in 0..LAST_WORD_HEAD {
            assert!(heard(&last_word_head(0, 0, 0, 0, 0)[..len]).is_err(), "{len} bytes");
        }
        assert!(heard(b"\x81\xa5Other\xc0").is_err());
        assert!(heard(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err(), "an array of four thousand million");
    }

    fn start() -> Start {
        Start {
            stage: "s".into(),
            library: vec![],
            instance: 0,
            params: vec![],
            work_dir: None,
            geometry: [1; 4],
            sandbox: Sandbox::new("/l", "/w"),
            processors: 2,
            purpose: Purpose::Serve,
        }
    }

    /// Catches a runner that reads on, and one whose answer its host cannot read.
    #[test]
    fn a_start_from_other_sources_is_known_whatever_else_it_says() {
        let mut bytes = encode_start(&start()).unwrap();
        assert!(matches!(begun(&bytes), Ok(Begun::Start(start)) if start.stage == "s"));
        assert!(decode::<Start>(&bytes).is_err(), "a runner that knows of no builds does not take it for a message");
        bytes[3] ^= 1;
        for others in [&bytes[..], &bytes[..9], &bytes[..4], b"", &encode(&start()).unwrap()] {
            let Ok(Begun::Other(answer)) = begun(others) else { panic!("it is not ours") };
            assert_eq!(heard(&answer), Ok(Heard::OtherBuild));
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        assert!(encode(&Tell::Fail("x".repeat(LONGEST))).is_err());
        let tell = Tell::Count { name: "failed".into(), add: 7 };
        assert_eq!(heard(&encode(&tell).unwrap()), Ok(Heard::Tell(tell)));
    }

    /// Packets of all kinds with some of their bytes changed, cut, and random ones: a message or a refusal, never a panic, and
    /// nothing that is longer than what came.
    #[test]
    fn whatever_comes_is_a_message_or_is_refused() {
        let text = "text".to_owned();
        let mut last_word = last_word_head(6, 11, 1, 2, 3).to_vec();
        last_word.extend(b"process_batch");
        let mut packets: Vec<Vec<u8>> = [
            Tell::Walls(Report::default()),
            Tell::Info(vec![(text.clone(), text.clone())]),
            Tell::Ready(Ready::default()),
            Tell::Failed(Failed { phase: Phase::Init, kind: FailedKind::Init, code: 1, text: text.clone() }),
            Tell::Log { level: 2, text: text.clone() },
            Tell::Count { name: text.clone(), add: 1 },
            Tell::Gauge { name: text.clone(), value: 1.0 },
            Tell::Fail(text),
            Tell::Exported { version: 1, len: 2 },
            Tell::Stopped,
        ]
        .iter()
        .map(|tell| encode(tell).unwrap())
        .collect();
        packets.push(last_word);
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut below = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % n
        };
        let (mut messages, mut refused) = (0, 0);
        for _ in 0..100_000 {
            let mut packet = packets[below(packets.len())].clone();
            for _ in 0..below(4) {
                let at = below(packet.len());
                packet[at] = below(256) as u8;
            }
            if below(8) == 0 {
                packet.truncate(below(packet.len()));
            }
            if below(16) == 0 {
                packet = (0..below(200)).map(|_| below(256) as u8).collect();
            }
            match heard(&packet) {
                Ok(heard) => {
                    messages += 1;
                    assert!(format!("{heard:?}").len() < 6 * (packet.len() + 256), "{packet:?}");
                }
                Err(_) => refused += 1,
            }
        }
        assert!(messages > 20_000 && refused > 20_000, "{messages} messages, {refused} refused");
    }
}
