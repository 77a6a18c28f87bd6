//! The shell around [`FlowCore`]: buffers that are lent, tokens that are held, and who waits for them.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::buffer::Buffer;
use crate::chunk::ChunkSize;
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

struct State {
    core: FlowCore,
    #[expect(clippy::vec_box, reason = "they go from hand to hand, and what is moved with a chunk is to be small")]
    spare: Vec<Box<Buffer>>,
    bell: Option<Bell>,
}

/// Called once, when there is demand again.
pub(crate) type Bell = Box<dyn FnOnce() + Send>;

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl State {
    fn lend(&mut self) -> Option<Box<Buffer>> {
        self.core.borrow().then(|| self.spare.pop().unwrap_or_default())
    }

    /// Who is to be told, outside of the lock, of what has come back.
    fn bell(&mut self) -> Option<Bell> {
        self.bell.take_if(|_| self.core.is_worth_a_turn())
    }
}

impl Ledger {
    pub(crate) fn new(size: ChunkSize, buffers: usize, most_open: usize) -> Arc<Self> {
        let state = State { core: FlowCore::new(buffers, most_open), spare: Vec::new(), bell: None };
        Arc::new(Ledger { size, state: Mutex::new(state), changed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer, if there is demand.
    pub(crate) fn try_borrow(self: &Arc<Self>) -> Option<Loan> {
        self.state().lend().map(|buffer| Loan { buffer: Some(buffer), ledger: self.clone() })
    }

    /// A buffer, or else the bell rings when there is demand for some.
    pub(crate) fn borrow_or_ring(self: &Arc<Self>, bell: impl FnOnce() -> Bell) -> Option<Loan> {
        let mut state = self.state();
        let Some(buffer) = state.lend() else {
            state.bell = Some(bell());
            return None;
        };
        Some(Loan { buffer: Some(buffer), ledger: self.clone() })
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
        let mut state = self.state();
        if state.core.end(token, ending) {
            let bell = state.bell();
            drop(state);
            self.changed.notify_waiters();
            bell.into_iter().for_each(|ring| ring());
        }
    }
}

/// A buffer that goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    buffer: Option<Box<Buffer>>,
    ledger: Arc<Ledger>,
}

impl Deref for Loan {
    type Target = Buffer;

    #[inline]
    fn deref(&self) -> &Buffer {
        self.buffer.as_ref().expect("it is given back when this is dropped, and not before")
    }
}

impl DerefMut for Loan {
    #[inline]
    fn deref_mut(&mut self) -> &mut Buffer {
        self.buffer.as_mut().expect("it is given back when this is dropped, and not before")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(mut buffer) = self.buffer.take() else { return };
        buffer.clear(self.ledger.size);
        let mut state = self.ledger.state();
        state.core.give_back();
        if state.spare.len() < SPARE {
            state.spare.push(buffer);
        }
        let bell = state.bell();
        drop(state);
        self.ledger.changed.notify_waiters();
        bell.into_iter().for_each(|ring| ring());
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
