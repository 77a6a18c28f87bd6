//! Chance for simulations: the same from the same seed.

/// Never of zero: from there it goes nowhere.
pub(crate) struct Random(u64);

impl Random {
    /// Seeds that lie side by side go different ways.
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    /// Of nothing, the first.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    /// A place in a row of so many.
    pub(crate) fn place(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// In so many of a hundred cases.
    pub(crate) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }
}

/// Runs a simulation with each of so many seeds, or with the one in `SEED` alone; names the one that fails.
pub(crate) fn with_seeds(many: u64, simulation: impl Fn(u64)) {
    /// Says the seed when the simulation panics.
    struct Seed(u64);
    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("run it again with SEED={}", self.0);
            }
        }
    }
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in given.map_or(0..many, |seed: u64| seed..seed + 1) {
        let seed = Seed(seed);
        simulation(seed.0);
    }
}
