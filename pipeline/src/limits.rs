//! How much a pipeline, its file, and each number in them, may be.

use std::ops::RangeInclusive;

/// Bytes of a file.
pub(crate) const FILE: usize = 1 << 20;
/// Sources, stages and sinks.
pub(crate) const PARTS: usize = 1_000;
/// Letters of a name: of a pipeline, a part, a route.
pub(crate) const NAME: usize = 64;
/// Errors that are kept; the rest is counted.
pub(crate) const SHOWN: usize = 100;
/// Bytes of a value whose variables are filled in.
pub(crate) const VALUE: usize = 64 << 10;
/// Bytes of all such values together.
pub(crate) const VALUES: usize = 4 << 20;
/// Bytes of a TOML file whose syntax errors are all looked for: each is held in memory.
pub(crate) const RECOVERED: usize = 256 << 10;
/// How often a stand-in may have a stand-in: the host of plugins goes no deeper.
pub(crate) const STAND_INS: usize = 8;

pub(crate) const MAX_RETRIES: RangeInclusive<u64> = 0..=1_000;
pub(crate) const TIMEOUT_MS: RangeInclusive<u64> = 1..=DAY;
pub(crate) const PAUSE_MS: RangeInclusive<u64> = 1..=HOUR;
pub(crate) const FAILURES: RangeInclusive<u64> = 1..=1_000_000;
pub(crate) const COOLDOWN_MS: RangeInclusive<u64> = 1..=DAY;
pub(crate) const INSTANCES: RangeInclusive<u64> = 1..=64;
pub(crate) const WHEN_DOWN_AFTER_MS: RangeInclusive<u64> = 0..=DAY;
pub(crate) const CHUNK_RECORDS: RangeInclusive<u64> = 1..=65_536;
pub(crate) const CHUNK_BYTES: RangeInclusive<u64> = 1..=64 << 20;
pub(crate) const WINDOW: RangeInclusive<u64> = 1..=4_096;
pub(crate) const LINGER_MS: RangeInclusive<u64> = 0..=60_000;
pub(crate) const CHECKPOINT_EVERY_MS: RangeInclusive<u64> = 10..=HOUR;
pub(crate) const DRAIN_MS: RangeInclusive<u64> = 1..=HOUR;
pub(crate) const INTENSITY: RangeInclusive<u64> = 0..=1_000_000;
pub(crate) const RECORD_LIMIT: RangeInclusive<u64> = 1..=64 << 20;

pub(crate) const FILES: RangeInclusive<u64> = 1..=1_000_000;
pub(crate) const CONNECTIONS: RangeInclusive<u64> = 1..=1_024;
pub(crate) const PAYLOAD: RangeInclusive<u64> = 0..=64 << 20;
pub(crate) const RATE: RangeInclusive<u64> = 1..=1_000_000_000;
pub(crate) const ROLL_AGE_MS: RangeInclusive<u64> = 1..=365 * DAY;
pub(crate) const WRITE_TIMEOUT_MS: RangeInclusive<u64> = 1..=HOUR;

const HOUR: u64 = 3_600_000;
pub(crate) const DAY: u64 = 24 * HOUR;
