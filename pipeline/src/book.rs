//! What is known of a running pipeline, over the crashes of its conductor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use proscenium_runtime::Ref;

use crate::checkpoint_store::CheckpointStore;
use crate::house::House;
use crate::lease::Lease;
use crate::letter_box::LetterBox;
use crate::notice::End;
use crate::plan::Plan;
use crate::stats::Stats;

/// How a pipeline has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// All of its sources had an end, and everything is where it was to go.
    Done,
    /// It was stopped.
    Stopped(Left),
    /// It could not go on. What was under way comes again, from sources that replay, when it is started anew.
    Failed {
        /// The part that could not.
        part: String,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done => f.write_str("done: all sources are at their ends, and nothing is under way"),
            Outcome::Stopped(left) if left.is_empty() => f.write_str("stopped: nothing was under way"),
            Outcome::Stopped(left) => write!(f, "stopped: {left}"),
            Outcome::Failed { part, reason } => write!(f, "`{part}` could not go on: {reason}"),
        }
    }
}

/// What was under way when a pipeline was stopped and its limit was over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Left {
    /// Chunks of each source that had not come to their ends, or were read by one that does not replay, and not sent.
    /// Sources that replay read them again at the next start.
    pub chunks: Vec<(String, usize)>,
    /// The last checkpoint could not be made, for this reason: the one before it holds.
    pub no_checkpoint: Option<String>,
}

impl Left {
    /// Whether everything has come to its end, and is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.no_checkpoint.is_none()
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (source, chunks)) in self.chunks.iter().enumerate() {
            let comma = if nth > 0 { ", " } else { "" };
            write!(f, "{comma}{chunks} chunks of `{source}` were under way")?;
        }
        match &self.no_checkpoint {
            Some(why) if self.chunks.is_empty() => write!(f, "no checkpoint could be made: {why}"),
            Some(why) => write!(f, "; no checkpoint could be made: {why}"),
            None => Ok(()),
        }
    }
}

/// How far a pipeline is.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Somebody has paused it.
    pub(crate) is_paused: bool,
    /// It is being changed: whoever finds this after a crash has half of the old and half of the new.
    pub(crate) is_changing: bool,
    /// The number of the last checkpoint.
    pub(crate) checkpoint: u64,
    /// What the sources had sent at the last checkpoint: if they have sent nothing since, there is nothing to do.
    pub(crate) sent_then: Option<u64>,
    /// How long sources were held for checkpoints: the last time.
    pub(crate) held: Duration,
}

pub(crate) struct Book {
    pub(crate) house: OnceLock<House>,
    pub(crate) letters: OnceLock<Ref<LetterBox>>,
    /// One is saved after the other, also if a conductor has been killed while its own was on its way.
    pub(crate) store: Option<Arc<tokio::sync::Mutex<CheckpointStore>>>,
    letter_stats: OnceLock<Arc<Stats>>,
    /// Nobody else uses the folder of its state.
    lease: Option<Lease>,
    plan: Mutex<Arc<Plan>>,
    course: Mutex<Course>,
    pub(crate) end: End,
}

impl Book {
    pub(crate) fn new(plan: Plan, store: Option<CheckpointStore>, checkpoint: u64, lease: Option<Lease>) -> Self {
        Book {
            house: OnceLock::new(),
            letters: OnceLock::new(),
            store: store.map(|store| Arc::new(tokio::sync::Mutex::new(store))),
            letter_stats: OnceLock::new(),
            lease,
            plan: Mutex::new(Arc::new(plan)),
            course: Mutex::new(Course { checkpoint, ..Course::default() }),
            end: End::new(),
        }
    }

    /// The folder of its state is free again, as soon as what is being written there is.
    pub(crate) fn gives_back(&self) {
        self.lease.iter().for_each(Lease::ends);
    }

    pub(crate) fn letter_stats(&self, stats: Arc<Stats>) {
        drop(self.letter_stats.set(stats));
    }

    pub(crate) fn letters_counted(&self) -> Option<&Stats> {
        self.letter_stats.get().map(|stats| &**stats)
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_plan(&self, plan: Plan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    pub(crate) fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first end is the one that counts.
    pub(crate) fn ends(&self, outcome: Outcome) {
        self.end.comes(outcome);
    }

    pub(crate) fn ended(&self) -> Option<Outcome> {
        self.end.has_come()
    }
}

/// Parts of a pipeline that nobody has stopped may live on for a moment: they write no more.
impl Drop for Book {
    fn drop(&mut self) {
        self.gives_back();
    }
}
