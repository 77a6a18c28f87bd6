use proscenium::prelude::*;

/// Counts, by the macro.
pub struct Counter {
    /// The count.
    pub n: u64,
}

#[actor]
impl Counter {
    /// Adds `by`.
    #[cast]
    pub fn add(&mut self, by: u64) {
        self.n += by;
    }

    /// The count.
    #[call]
    pub fn get(&mut self) -> u64 {
        self.n
    }
}
