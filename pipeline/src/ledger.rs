//! The shell around [`FlowCore`]: buffers that are lent, tokens that are held, and who waits for them.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::chunk::{Buffer, ChunkSize};
use crate::flow_core::{Ending, FlowCore, TokenId};

/// Buffers at most that are kept when nobody uses them.
const SPARE: usize = 256;

/// Of one source, or of one stage that makes chunks of its own (whose tokens are the sources').
#[derive(Debug)]
pub(crate) struct Ledger {
    size: ChunkSize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    core: FlowCore,
    spare: Vec<Buffer>,
}

impl Ledger {
    pub(crate) fn new(size: ChunkSize, buffers: usize, most_open: usize) -> Arc<Self> {
        let state = State { core: FlowCore::new(buffers, most_open), spare: Vec::new() };
        Arc::new(Ledger { size, state: Mutex::new(state), changed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer, if there is demand.
    pub(crate) fn try_borrow(self: &Arc<Self>) -> Option<Loan> {
        let mut state = self.state();
        let buffer = state.core.borrow().then(|| state.spare.pop().unwrap_or_default())?;
        Some(Loan { buffer, ledger: self.clone() })
    }

    /// A buffer, as soon as there is demand.
    pub(crate) async fn borrow(self: &Arc<Self>) -> Loan {
        loop {
            let changed = self.changed.notified();
            if let Some(loan) = self.try_borrow() {
                return loan;
            }
            changed.await;
        }
    }

    /// A chunk is on its way.
    pub(crate) fn send(self: &Arc<Self>) -> Token {
        let id = self.state().core.send();
        Token { id, ledger: self.clone(), is_done: false }
    }

    /// Chunks that have not ended.
    pub(crate) fn outstanding(&self) -> usize {
        self.state().core.outstanding()
    }

    /// Pieces that nobody has any more, and that were not done.
    pub(crate) fn lost(&self) -> u64 {
        self.state().core.lost()
    }

    /// Returns when no chunk is under way. Pieces that were lost have ended too: [`lost`](Ledger::lost) tells.
    pub(crate) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if self.outstanding() == 0 {
                return;
            }
            changed.await;
        }
    }

    fn end(&self, token: TokenId, ending: Ending) {
        let has_ended = self.state().core.end(token, ending);
        if has_ended {
            self.changed.notify_waiters();
        }
    }
}

/// A buffer that goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    buffer: Buffer,
    ledger: Arc<Ledger>,
}

impl Deref for Loan {
    type Target = Buffer;

    #[inline]
    fn deref(&self) -> &Buffer {
        &self.buffer
    }
}

impl DerefMut for Loan {
    #[inline]
    fn deref_mut(&mut self) -> &mut Buffer {
        &mut self.buffer
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear(self.ledger.size);
        let mut state = self.ledger.state();
        state.core.give_back();
        if state.spare.len() < SPARE {
            state.spare.push(buffer);
        }
        drop(state);
        self.ledger.changed.notify_waiters();
    }
}

/// A piece's share of its chunk's acknowledgement.
#[derive(Debug)]
pub(crate) struct Token {
    id: TokenId,
    ledger: Arc<Ledger>,
    is_done: bool,
}

impl Token {
    /// One for another piece of the same chunk.
    pub(crate) fn split(&self) -> Token {
        self.ledger.state().core.split(self.id);
        Token { id: self.id, ledger: self.ledger.clone(), is_done: false }
    }

    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.ledger.end(self.id, if self.is_done { Ending::Done } else { Ending::Lost });
    }
}

#[cfg(test)]
mod tests;
