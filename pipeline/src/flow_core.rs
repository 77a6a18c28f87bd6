//! How much a source may send, and what of it has been acknowledged. Pure: tables and a simulation test it.
//!
//! A chunk is *open* from when it is sent until all its pieces have ended. Pieces come to be where a chunk is divided:
//! for several outlets, for the instances of a stage, for records that wait. Buffers are lent and come back; demand is
//! what is left of both.

use std::collections::VecDeque;

/// A chunk's number, in the order of sending.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenId(u64);

/// How a piece has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It is where it was to go.
    Done,
    /// Nobody has it any more, and it was not done.
    Lost,
}

/// What a source's edge has under way.
#[derive(Debug)]
pub struct FlowCore {
    /// Buffers that are here.
    free: usize,
    /// Buffers in all.
    buffers: usize,
    /// The pieces of each open chunk, from `first` on; zero: it has ended before an older one.
    open: VecDeque<u32>,
    first: u64,
    /// Open chunks, those between that have ended not counted.
    outstanding: usize,
    /// Open chunks at most.
    most_open: usize,
    lost: u64,
}

impl FlowCore {
    /// With so many buffers, and at most so many chunks open at once.
    #[must_use]
    pub fn new(buffers: usize, most_open: usize) -> Self {
        FlowCore { free: buffers, buffers, open: VecDeque::new(), first: 0, outstanding: 0, most_open, lost: 0 }
    }

    /// Chunks that may be started now.
    #[must_use]
    pub fn demand(&self) -> usize {
        // Those that have ended between open ones take up a number too: else one that never ends would let them pile up.
        self.free.min(self.most_open - self.open.len().min(self.most_open))
    }

    /// Whether it is worth it to wake who found no demand: there is some, and half of the buffers are back. To wake it for
    /// each buffer would take more time than filling one does.
    #[must_use]
    pub fn is_worth_a_turn(&self) -> bool {
        self.demand() > 0 && self.free >= self.buffers.div_ceil(2)
    }

    /// Takes a buffer, if there is demand.
    pub fn borrow(&mut self) -> bool {
        let there_is = self.demand() > 0;
        self.free -= usize::from(there_is);
        there_is
    }

    /// A buffer has come back.
    pub fn give_back(&mut self) {
        debug_assert!(self.free < self.buffers, "more buffers came back than were lent");
        self.free = (self.free + 1).min(self.buffers);
    }

    /// A chunk is sent: in one piece. Whoever fills one chunk after the other, each in a buffer that it has borrowed, never
    /// has more open than there may be; of several that are filled side by side the bound is the buffers'.
    pub fn send(&mut self) -> TokenId {
        debug_assert!(self.open.len() < self.most_open, "a chunk is sent without demand");
        self.open.push_back(1);
        self.outstanding += 1;
        TokenId(self.first + self.open.len() as u64 - 1)
    }

    fn pieces(&mut self, token: TokenId) -> Option<&mut u32> {
        let at = token.0.checked_sub(self.first)?;
        self.open.get_mut(usize::try_from(at).ok()?)
    }

    /// A chunk has one piece more.
    pub fn split(&mut self, token: TokenId) {
        let pieces = self.pieces(token).filter(|pieces| **pieces > 0);
        debug_assert!(pieces.is_some(), "a chunk is split after it has ended");
        // To open it again would make it end twice.
        if let Some(pieces) = pieces {
            *pieces += 1;
        }
    }

    /// A piece has ended. True: its chunk has.
    pub fn end(&mut self, token: TokenId, ending: Ending) -> bool {
        let Some(pieces) = self.pieces(token).filter(|pieces| **pieces > 0) else {
            debug_assert!(false, "a chunk has ended twice");
            return false;
        };
        *pieces -= 1;
        let is_last = *pieces == 0;
        self.lost += u64::from(ending == Ending::Lost);
        if !is_last {
            return false;
        }
        self.outstanding -= 1;
        while self.open.front() == Some(&0) {
            self.open.pop_front();
            self.first += 1;
        }
        true
    }

    /// Chunks that have not ended.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Pieces that were lost, ever.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests;
