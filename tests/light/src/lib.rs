//! Two counters, one in each way of writing an actor, with nothing but the default features of the facade.
#![forbid(unsafe_code)]

mod marked;
mod plain;

pub use marked::{Counter, CounterRef};
pub use plain::{Tally, TallyMsg};
