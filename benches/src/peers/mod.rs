//! The subjects, one file each.

pub mod actix;
pub mod beam;
pub mod kameo;
pub mod proscenium;
pub mod ractor;
pub mod ractor_default;
pub mod tokio;

use crate::tally::SEEDED_PANIC;

/// Panics that the restart measure seeds print nothing; the others do.
pub fn hush_seeded_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(SEEDED_PANIC) {
            loud(panic);
        }
    }));
}
