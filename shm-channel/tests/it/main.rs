//! The promises of the room: with threads where one process is enough, with real processes where it is not.
#![cfg(target_os = "linux")]

#[cfg(feature = "tokio")]
mod async_end;
mod hostile;
mod killed;
mod orders;
mod pool;
mod processes;
mod work;

use std::time::Duration;

use proscenium_shm_channel::Geometry;

/// Far more than anything here takes.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Small: 4 slots of two pages.
pub const GEOMETRY: Geometry = Geometry { slots: 4, records: 8, heap: 3000, input: 100 };

/// As many numbers by chance as you like, the same ones for the same seed.
pub struct Chance(pub u64);

impl Chance {
    /// The next one.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next one below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}
