//! Chance for tests: the same from the same seed.

/// Never of zero: from there it goes nowhere.
pub struct Random(u64);

impl Random {
    /// Seeds that lie side by side go different ways.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// All 64 bits of it are good.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.any() >> 11) % n
    }
}
