//! Where the results of a batch are put, and whoever gave it waits.
//!
//! It lies with the batch's buffers and is used again with them, so that a batch takes no memory of its own. It lives over
//! restarts of the plugin, which is why it is no call of the actor's.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::end::EndReport;
use crate::tray::Tray;

/// Why a batch comes back as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Undone {
    /// The plugin has ended for good.
    Gone,
    /// Its policy has ended the plugin, or takes no more batches, after this code.
    Stopped { code: i32 },
    /// Each process that was to flush has ended, the last one like this.
    Crashed(Option<Arc<EndReport>>),
}

pub(crate) type Settled = Result<Tray, (Tray, Undone)>;

#[derive(Debug, Default)]
pub(crate) struct Answer(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Waits(Option<Waker>),
    Here(Settled),
}

impl Answer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is going to wait.
    pub(crate) fn await_results(&self) {
        *self.state() = State::Waits(None);
    }

    fn give(&self, settled: Settled) {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Idle) {
            State::Waits(waker) => {
                *state = State::Here(settled);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            // Nobody waits any more. Dropped without the lock: the buffers go back with this very answer.
            State::Idle | State::Here(_) => {
                drop(state);
                drop(settled);
            }
        }
    }
}

/// Waits for the results. Dropped before, it lets them go.
pub(crate) struct Awaited(pub(crate) Arc<Answer>);

impl Awaited {
    pub(crate) async fn settled(self) -> Settled {
        poll_fn(|cx| {
            let mut state = self.0.state();
            match std::mem::replace(&mut *state, State::Idle) {
                State::Here(settled) => Poll::Ready(settled),
                _ => {
                    *state = State::Waits(Some(cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let late = std::mem::replace(&mut *self.0.state(), State::Idle);
        drop(late);
    }
}

/// A batch that the plugin has taken on. Dropped, it goes back to who gave it, as it was.
#[derive(Debug)]
pub(crate) struct Job {
    tray: Option<Tray>,
    answer: Arc<Answer>,
}

impl Job {
    pub(crate) fn new(tray: Tray, answer: Arc<Answer>) -> Self {
        Job { tray: Some(tray), answer }
    }

    pub(crate) fn tray(&mut self) -> Option<&mut Tray> {
        self.tray.as_mut()
    }

    pub(crate) fn done(mut self) {
        if let Some(mut tray) = self.tray.take() {
            tray.settle();
            self.answer.give(Ok(tray));
        }
    }

    pub(crate) fn undone(mut self, why: Undone) {
        self.hand_back(why);
    }

    fn hand_back(&mut self, why: Undone) {
        if let Some(tray) = self.tray.take() {
            self.answer.give(Err((tray, why)));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.hand_back(Undone::Gone);
    }
}
