//! When the wait for a call is over: at its own limit, or with the call in whose handler it was made.
//!
//! A slot names the call that its caller has in hand, that one's slot the next, and so on outwards. The sweeper follows
//! the chain at each look, so no clock is read and nothing is added up on the way of a call.
//!
//! **Promises**: over any number of actors, a call is late at the sweep at which one outside of it is.
//! **Does not promise**: that two nodes count time alike. A call of another node is late when its caller has seen that.
//! **Bounds**: a chain is followed for 64 calls.

use super::slot::Tag;

const FOLLOWED: usize = 64;

/// When the call `bits` is over, or one in whose handler it was made, as the sweeper of `node` counts time; at the latest,
/// where that is not known yet. `None`: it is not waited for any more, because it has been answered.
pub(crate) fn end(bits: u64, node: u32, now_ms: u64) -> Option<u64> {
    let mut earliest = None;
    let mut bits = bits;
    for _ in 0..FOLLOWED {
        let Some(term) = Tag::term(bits) else { break };
        let stamped = term.node == node && term.deadline_ms != 0;
        let end = match term.over {
            true => now_ms,
            false if stamped => term.deadline_ms,
            false => now_ms.saturating_add(term.limit_ms),
        };
        earliest = Some(earliest.map_or(end, |earliest: u64| earliest.min(end)));
        bits = term.outer;
    }
    earliest
}
