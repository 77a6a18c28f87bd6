//! Records out of nothing: for tests, measurements and demonstrations.

use std::fmt;
use std::io::Write;
use std::panic::Location;
use std::sync::Arc;

use proscenium_plugin_host::ContentType;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::chunk::{Fields, Filling};
use crate::source::{Boxed, Filled, Source, SourceSpec};
use crate::sources::format::{Format, format_methods, format_of_file, format_of_spec};
use crate::sources::intake::Intake;
use crate::trouble::Trouble;

type Write1 = Arc<dyn Fn(u64, &mut Vec<u8>) + Send + Sync>;

/// Records by their numbers, from zero on: the same ones at every run.
///
/// A record's id is its number. Without a [function](Generator::record) of yours its payload is made of
/// [`bytes`](Generator::bytes) letters; with [`json`](Generator::json) an object with the fields `id`, `key` and `data`.
/// The position is the number of the next record.
///
/// **Bounds**: one record. **Errors**: none, but for a position of another source.
#[derive(Clone)]
pub struct Generator {
    end: Option<u64>,
    bytes: usize,
    keys: u64,
    seed: u64,
    rate: Option<u64>,
    /// And where in the source it is written.
    write: Option<(Write1, &'static Location<'static>)>,
    format: Format,
}

impl Generator {
    /// So many records.
    #[must_use]
    pub fn new(records: u64) -> Self {
        Generator { end: Some(records), ..Generator::endless() }
    }

    /// Records without end.
    #[must_use]
    pub fn endless() -> Self {
        let (end, rate, write) = (None, None, None);
        Generator { end, bytes: 128, keys: 0, seed: 0, rate, write, format: Format::default() }
    }

    /// Payloads are what this function writes for each number. It should write the same each time, or what is read again
    /// after a crash is something else.
    #[must_use]
    #[track_caller]
    pub fn record(mut self, write: impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        self.write = Some((Arc::new(write), Location::caller()));
        self
    }

    /// The size of a payload. Default: 128. An object with its fields takes up about 40 at least.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// So many different keys, `k0` and on, which come in no order. Default: none, and records have no key.
    #[must_use]
    pub fn keys(mut self, keys: u64) -> Self {
        self.keys = keys;
        self
    }

    /// What letters and keys come from. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Records in a second at most. Default: as many as are asked for. What was not asked for in its second is not made up
    /// for later.
    #[must_use]
    pub fn rate(mut self, per_second: u64) -> Self {
        self.rate = Some(per_second.max(1));
        self
    }

    format_methods!();

    format_of_file!();

    fn payload(&self, id: u64, key: &[u8], to: &mut Vec<u8>) {
        if let Some((write, _)) = &self.write {
            return write(id, to);
        }
        if !self.format.json {
            return letters(mix(self.seed ^ mix(id)), self.bytes, to);
        }
        // Writing into a vector cannot fail.
        let _ = write!(to, "{{\"id\":{id},\"key\":\"{}\",\"data\":\"", String::from_utf8_lossy(key));
        letters(mix(self.seed ^ mix(id)), self.bytes.saturating_sub(to.len() + 2), to);
        to.extend_from_slice(b"\"}");
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("end", &self.end)
            .field("bytes", &self.bytes)
            .field("keys", &self.keys)
            .field("seed", &self.seed)
            .field("rate", &self.rate)
            // Two functions of one place in the source are the same.
            .field("record", &self.write.as_ref().map(|(_, written)| written.to_string()))
            .field("format", &self.format)
            .finish()
    }
}

impl SourceSpec for Generator {
    fn kind(&self) -> &'static str {
        "generator"
    }

    fn make(&self) -> Box<dyn Source> {
        let intake = Intake::new(&self.format);
        let (key, payload) = (Vec::new(), Vec::new());
        Box::new(Generating { spec: self.clone(), intake, next: 0, key, payload, since: Instant::now(), sent: 0 })
    }

    fn replays(&self) -> bool {
        true
    }

    format_of_spec!();

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        if self.write.is_some() {
            return None;
        }
        let mut settings: Vec<(&'static str, Value)> =
            vec![("bytes", self.bytes.into()), ("keys", self.keys.into()), ("seed", self.seed.into())];
        settings.extend(self.end.map(|records| ("records", records.into())));
        settings.extend(self.rate.map(|rate| ("rate", rate.into())));
        settings.extend(self.format.settings());
        Some(settings)
    }
}

/// One step of splitmix64: each number to another that looks like chance.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Appends so many letters, of the first sixteen: eight at once, none of which waits for those before.
fn letters(seed: u64, count: usize, to: &mut Vec<u8>) {
    let at = to.len();
    to.resize(at + count, 0);
    let mut state = seed;
    for eight in to[at..].chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        // The lower half of each byte, plus `a`.
        let letters = ((mixed ^ (mixed >> 32)) & 0x0f0f_0f0f_0f0f_0f0f) + 0x6161_6161_6161_6161;
        eight.copy_from_slice(&letters.to_le_bytes()[..eight.len()]);
    }
}

struct Generating {
    spec: Generator,
    intake: Intake,
    next: u64,
    /// The memory for a key and a payload.
    key: Vec<u8>,
    payload: Vec<u8>,
    /// Since when records are counted for the rate.
    since: Instant,
    sent: u64,
}

impl Generating {
    /// Waits until there may be one, and says how many there may be.
    async fn allowed(&mut self) -> u64 {
        let Some(rate) = self.spec.rate else { return u64::MAX };
        let due = |sent: u64| Duration::from_nanos((u128::from(sent) * 1_000_000_000 / u128::from(rate)) as u64);
        let second = Duration::from_secs(1);
        tokio::time::sleep_until(self.since + due(self.sent + 1)).await;
        let behind = self.since.elapsed().saturating_sub(due(self.sent));
        self.since += behind.saturating_sub(second);
        let due_now = (self.since.elapsed().as_nanos() * u128::from(rate) / second.as_nanos()) as u64;
        due_now.saturating_sub(self.sent).max(1)
    }

    fn add(&mut self, chunk: &mut Filling) {
        let (id, spec) = (self.next, &self.spec);
        self.key.clear();
        self.payload.clear();
        if spec.keys > 0 {
            let _ = write!(self.key, "k{}", mix(spec.seed ^ mix(!id)) % spec.keys);
        }
        spec.payload(id, &self.key, &mut self.payload);
        let content = if spec.format.json { ContentType::Json } else { ContentType::Raw };
        let key = (spec.keys > 0).then_some(&self.key[..]);
        self.intake.made_now(chunk, Fields { id, content, payload: &self.payload, key, time: 0 }, format_args!("{id}"));
        self.next += 1;
        self.sent += 1;
    }

    async fn generate(&mut self, chunk: &mut Filling) -> Result<Filled, Trouble> {
        let end = self.spec.end.unwrap_or(u64::MAX);
        if self.next >= end {
            return Ok(Filled::End);
        }
        let allowed = self.allowed().await.min(end - self.next);
        self.intake.look_at_the_clock();
        for _ in 0..allowed {
            if chunk.is_full() {
                break;
            }
            self.add(chunk);
        }
        Ok(if self.next < end { Filled::More } else { Filled::End })
    }

    fn start(&mut self, from: Option<&Value>) -> Result<(), Trouble> {
        self.spec.format.check()?;
        self.next = match from {
            None => 0,
            Some(from) => from.get("next").and_then(Value::as_u64).ok_or_else(|| {
                Trouble::lasting(format_args!(
                    "the checkpoint's position, {from}, is none of a generator: if the source was another before, give it \
                     a new name"
                ))
            })?,
        };
        (self.since, self.sent) = (Instant::now(), 0);
        Ok(())
    }
}

impl Source for Generating {
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(std::future::ready(self.start(from)))
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        Box::pin(self.generate(chunk))
    }

    fn position(&self) -> Option<Value> {
        Some(json!({ "next": self.next }))
    }
}
