//! The table `[settings]`.

use crate::chunk::ChunkSize;
use crate::config::keys::Keys;
use crate::limits;
use crate::plan::Settings;

/// What the table says; the usual where it says nothing.
pub(super) fn read(keys: &mut Keys<'_>) -> Settings {
    let usual = Settings::default();
    let Some(mut keys) = keys.table("settings") else { return usual };
    let settings = Settings {
        chunk: ChunkSize {
            records: keys.usize_in("chunk_records", limits::CHUNK_RECORDS).unwrap_or(usual.chunk.records),
            bytes: keys.usize_in("chunk_bytes", limits::CHUNK_BYTES).unwrap_or(usual.chunk.bytes),
        },
        window: keys.usize_in("window", limits::WINDOW).unwrap_or(usual.window),
        linger: keys.duration_ms("linger_ms", limits::LINGER_MS).unwrap_or(usual.linger),
        state: keys.path("state"),
        checkpoint_every: keys
            .duration_ms("checkpoint_every_ms", limits::CHECKPOINT_EVERY_MS)
            .unwrap_or(usual.checkpoint_every),
        drain: keys.duration_ms("drain_ms", limits::DRAIN_MS).unwrap_or(usual.drain),
        intensity: keys.usize_in("intensity", limits::INTENSITY).unwrap_or(usual.intensity),
        record_limit: keys.usize_in("record_limit", limits::RECORD_LIMIT).unwrap_or(usual.record_limit),
    };
    keys.finish();
    settings
}
