//! Where the results of a batch are put, and whoever gave it waits.
//!
//! It lies with the batch's buffers and is used again with them, so that a batch takes no memory of its own. It lives over
//! restarts of the plugin, which is why it is no call of the actor's.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::end::EndReport;
use crate::plugin_ref::PluginRef;
use crate::tray::Tray;
use crate::work::Work;

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

    fn is_here(&self) -> bool {
        matches!(*self.state(), State::Here(_))
    }

    /// What is there.
    fn take(&self) -> Option<Settled> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Idle) {
            State::Here(settled) => Some(settled),
            other => {
                *state = other;
                None
            }
        }
    }

    /// A wake-up when it is there. True: it is.
    fn wait(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        match &mut *state {
            State::Here(_) => true,
            state => {
                *state = State::Waits(Some(cx.waker().clone()));
                false
            }
        }
    }

    /// Somebody is going to wait.
    pub(crate) fn await_results(&self) {
        *self.state() = State::Waits(None);
    }

    /// False: nobody waits any more.
    fn give(&self, settled: Settled) -> bool {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Idle) {
            State::Waits(waker) => {
                *state = State::Here(settled);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            }
            // Nobody waits any more. Dropped without the lock: the buffers go back with this very answer.
            State::Idle | State::Here(_) => {
                drop(state);
                drop(settled);
                false
            }
        }
    }
}

/// So many records count as one of the 128 steps that a task has on tokio until it gives way.
const RECORDS: u32 = 32;

/// Waits for the results. Dropped before, it lets them go.
pub(crate) struct Awaited<'a> {
    pub(crate) plugin: &'a PluginRef,
    /// How many there are.
    pub(crate) records: u32,
    pub(crate) answer: Arc<Answer>,
}

impl Awaited<'_> {
    pub(crate) async fn settled(self) -> Settled {
        // Others have their turn, also where all results are always there already: after some four thousand records, which
        // take their owner a quarter of a millisecond or more.
        for _ in 0..=self.records / RECORDS {
            tokio::task::consume_budget().await;
        }
        // Whoever finds its results without having been woken for them has overtaken the owners of those before, if they
        // have not come yet: they were woken, and have their turn first.
        let mut is_woken = false;
        poll_fn(|cx| {
            // Who waits looks for itself first, at what the process has done: so nobody need be woken to do it.
            if !self.answer.is_here() {
                is_woken = false;
                self.plugin.visit(|_| ());
            }
            if self.answer.is_here()
                && let Some(settled) = self.claimed(is_woken)
            {
                return Poll::Ready(settled);
            }
            is_woken = true;
            if self.answer.wait(cx) {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// The results, if it is their turn: their owner was woken for them, or nobody else's lie ready.
    fn claimed(&self, is_woken: bool) -> Option<Settled> {
        let mut settled = None;
        self.plugin.visit(|work| {
            if is_woken || work.has_one_unclaimed() {
                settled = self.answer.take();
                if settled.is_some() {
                    work.claimed();
                }
            }
        });
        settled
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let late = std::mem::replace(&mut *self.answer.state(), State::Idle);
        if let State::Here(_) = &late {
            self.plugin.visit(Work::claimed);
        }
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

    /// False: nobody waits for it.
    pub(crate) fn done(mut self) -> bool {
        self.tray.take().is_some_and(|mut tray| {
            tray.settle();
            self.answer.give(Ok(tray))
        })
    }

    /// False: nobody waits for it.
    pub(crate) fn undone(mut self, why: Undone) -> bool {
        self.hand_back(why)
    }

    fn hand_back(&mut self, why: Undone) -> bool {
        self.tray.take().is_some_and(|tray| self.answer.give(Err((tray, why))))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.hand_back(Undone::Gone);
    }
}
