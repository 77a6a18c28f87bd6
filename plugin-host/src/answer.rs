//! Where the results of a batch are put, and whoever gave it waits.
//!
//! It lies with the batch's buffers and is used again with them, so that a batch takes no memory of its own. It lives over
//! restarts of the plugin, which is why it is no call of the actor's.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;

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
    /// None: it has not been asked for yet.
    Waits(Option<Waker>),
    Here {
        settled: Settled,
        /// For them.
        was_woken: bool,
    },
}

/// What became of results that were given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// Their owner was woken for them, and is on its way.
    Woke,
    /// They lie ready until their owner first asks.
    Lies,
    /// Nobody waits any more.
    Unwanted,
}

impl Answer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_here(&self) -> bool {
        matches!(*self.state(), State::Here { .. })
    }

    /// What is there, and whether its owner was woken for it. `is_turn` is asked for that, and may refuse.
    fn take_if(&self, is_turn: impl FnOnce(bool) -> bool) -> Option<(Settled, bool)> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Idle) {
            State::Here { settled, was_woken } if is_turn(was_woken) => Some((settled, was_woken)),
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
            State::Here { .. } => true,
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

    fn give(&self, settled: Settled) -> Arrival {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Idle) {
            State::Waits(waker) => {
                *state = State::Here { settled, was_woken: waker.is_some() };
                drop(state);
                let Some(waker) = waker else { return Arrival::Lies };
                waker.wake();
                Arrival::Woke
            }
            // Dropped without the lock: the buffers go back with this very answer.
            State::Idle | State::Here { .. } => {
                drop(state);
                drop(settled);
                Arrival::Unwanted
            }
        }
    }
}

/// So many records count as one of the 128 steps that a task has on tokio until it gives way, where others have only this thread:
/// after some four thousand records, which take their owner a quarter of a millisecond or more.
const RECORDS: u32 = 32;
/// Where there are more threads: others find one, and to give way wakes one of them each time.
const RECORDS_BESIDE_OTHERS: u32 = 256;

/// How many records count as a step, on the runtime of who calls this.
pub(crate) fn records_a_step() -> u32 {
    let has_more = Handle::try_current().is_ok_and(|runtime| runtime.metrics().num_workers() > 1);
    if has_more { RECORDS_BESIDE_OTHERS } else { RECORDS }
}

/// Waits for the results. Dropped before, it lets them go.
pub(crate) struct Awaited {
    pub(crate) plugin: PluginRef,
    /// How many there are.
    pub(crate) records: u32,
    pub(crate) answer: Arc<Answer>,
}

impl Awaited {
    pub(crate) async fn settled(self) -> Settled {
        // Others have their turn, also where all results are always there already.
        for _ in 0..=self.records / self.plugin.records_a_step() {
            tokio::task::consume_budget().await;
        }
        // Whoever finds its results without having been woken for them has overtaken the owners of those before, if they
        // were woken and have not come yet: they have their turn first.
        let (mut is_turn, mut is_first) = (false, true);
        poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                self.plugin.lend();
            }
            // Who waits looks for itself first, at what the process has done: so nobody need be woken to do it.
            if !self.answer.is_here() {
                is_turn = false;
                self.plugin.visit(|_| ());
            }
            if self.answer.is_here()
                && let Some(settled) = self.claimed(is_turn)
            {
                return Poll::Ready(settled);
            }
            is_turn = true;
            if self.answer.wait(cx) {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// The results, if it is their turn: their owner was woken for them, or nobody else who was is on its way.
    fn claimed(&self, is_turn: bool) -> Option<Settled> {
        let mut taken = None;
        self.plugin.visit(|work| {
            taken = self.answer.take_if(|was_woken| is_turn || was_woken || !work.is_somebody_coming());
            match taken {
                Some((_, true)) => work.has_come(),
                Some((_, false)) => work.lies_no_more(),
                None => {}
            }
        });
        taken.map(|(settled, _)| settled)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let late = std::mem::replace(&mut *self.answer.state(), State::Idle);
        match late {
            State::Here { was_woken: true, .. } => self.plugin.visit(Work::has_come),
            State::Here { was_woken: false, .. } => self.plugin.visit(Work::lies_no_more),
            // It may be that nobody is woken for it.
            State::Waits(None) => self.plugin.visit(|_| ()),
            _ => {}
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

    pub(crate) fn done(mut self) -> Arrival {
        let tray = self.tray.take();
        tray.map_or(Arrival::Unwanted, |mut tray| {
            tray.settle();
            self.answer.give(Ok(tray))
        })
    }

    pub(crate) fn undone(mut self, why: Undone) -> Arrival {
        self.hand_back(why)
    }

    fn hand_back(&mut self, why: Undone) -> Arrival {
        self.tray.take().map_or(Arrival::Unwanted, |tray| self.answer.give(Err((tray, why))))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.hand_back(Undone::Gone);
    }
}
