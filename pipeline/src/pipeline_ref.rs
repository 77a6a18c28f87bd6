//! What others hold of a pipeline: they look at it, control it, wait for its end.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_host::{PluginRef, Swap, SwapReport};
use proscenium_runtime::{AnyRef, Ref, UntypedRef};
use proscenium_supervision::SupervisorRef;

use crate::book::{Book, Left, Outcome};
use crate::changeover::ReloadReport;
use crate::conductor::{Answer, Conductor, ConductorMsg, ControlError};
use crate::house::Room;
use crate::plan::Plan;
use crate::status::{PipelineStatus, status};

/// How long a control message may take beyond the limits of what it does.
const BEYOND: Duration = Duration::from_secs(120);

/// A pipeline that runs, or has ended.
#[derive(Clone)]
pub struct PipelineRef {
    book: Arc<Book>,
    conductor: Ref<Conductor>,
    supervisor: SupervisorRef,
}

impl PipelineRef {
    pub(crate) fn new(book: Arc<Book>, conductor: Ref<Conductor>, supervisor: SupervisorRef) -> Self {
        PipelineRef { book, conductor, supervisor }
    }

    async fn ask<T: Send + 'static>(&self, make: impl FnOnce(Answer<T>) -> ConductorMsg) -> Result<T, ControlError> {
        if let Some(outcome) = self.book.ended() {
            return Err(ControlError::Ended(outcome));
        }
        let limit = self.book.plan().settings.drain + BEYOND;
        let asked = self.conductor.call(make).within(limit).await;
        asked.unwrap_or_else(|why| Err(ControlError::NoAnswer(why.to_string())))
    }

    /// What it is, as it is now.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        self.book.plan()
    }

    /// How it is: a look at counters, which costs it nothing.
    #[must_use]
    pub fn status(&self) -> PipelineStatus {
        status(&self.book)
    }

    /// Its sources send nothing more, until it is resumed. What is under way goes on.
    ///
    /// # Errors
    /// It has ended.
    pub async fn pause(&self) -> Result<(), ControlError> {
        self.ask(ConductorMsg::Pause).await
    }

    /// Its sources go on.
    ///
    /// # Errors
    /// It has ended.
    pub async fn resume(&self) -> Result<(), ControlError> {
        self.ask(ConductorMsg::Resume).await
    }

    /// A stage that its policy has stopped takes records again.
    ///
    /// # Errors
    /// There is no such stage.
    pub async fn resume_stage(&self, stage: impl Into<String>) -> Result<(), ControlError> {
        let stage = stage.into();
        self.ask(|reply| ConductorMsg::ResumePart(stage, reply)).await
    }

    /// Pauses it, waits until nothing is under way, and makes a checkpoint.
    ///
    /// # Errors
    /// It took longer than the limit; it is paused all the same.
    pub async fn drain(&self) -> Result<(), ControlError> {
        self.ask(ConductorMsg::Drain).await
    }

    /// Makes a checkpoint, and says its number.
    ///
    /// # Errors
    /// It was not made; the one before it holds.
    pub async fn checkpoint(&self) -> Result<u64, ControlError> {
        self.ask(ConductorMsg::Checkpoint).await
    }

    /// Swaps a plugin for another library, or other parameters, while it works: all instances, or none.
    ///
    /// # Errors
    /// There is no such plugin, or it was not swapped.
    pub async fn swap(&self, stage: impl Into<String>, swap: Swap) -> Result<Vec<SwapReport>, ControlError> {
        let stage = stage.into();
        self.ask(|reply| ConductorMsg::Swap(stage, swap, reply)).await
    }

    /// Gives a plugin other values for these parameters, while it works; the others stay.
    ///
    /// # Errors
    /// There is no such plugin, or it does not take them.
    pub async fn params<K: Into<String>, V: Into<String>>(
        &self,
        stage: impl Into<String>,
        params: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Vec<SwapReport>, ControlError> {
        let params = params.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let stage = stage.into();
        self.ask(|reply| ConductorMsg::Params(stage, params, reply)).await
    }

    /// Another number of instances of a stage.
    ///
    /// # Errors
    /// There is no such stage, or an instance did not start: it goes on as it was.
    pub async fn scale(&self, stage: impl Into<String>, instances: NonZeroUsize) -> Result<ReloadReport, ControlError> {
        let stage = stage.into();
        self.ask(|reply| ConductorMsg::Scale(stage, instances, reply)).await
    }

    /// Makes it what `plan` says, while it runs: parts that have not changed are not touched, plugins are swapped, and only
    /// when parts are joined otherwise, replaced or scaled are the sources held until nothing is under way.
    ///
    /// # Errors
    /// The plan is wrong, or a step failed and those before it were taken back: it goes on as it was.
    pub async fn reload(&self, plan: Plan) -> Result<ReloadReport, ControlError> {
        self.ask(|reply| ConductorMsg::Reload(Box::new(plan), reply)).await
    }

    /// Waits for its end: of all its sources, or that it cannot go on, or that somebody stops it.
    pub async fn wait(&self) -> Outcome {
        tokio::select! {
            outcome = self.book.end.reached() => return outcome,
            exit = self.gone() => {
                let reason = format!("its supervisor has ended: {exit}");
                self.book.ends(Outcome::Failed { part: "supervisor".to_owned(), reason });
            }
        }
        self.book.ended().unwrap_or(Outcome::Done)
    }

    async fn gone(&self) -> proscenium_runtime::Exit {
        self.supervisor.to_untyped().gone().await
    }

    /// Stops it: its sources send nothing more, what is under way has as long as the settings say, then a checkpoint is
    /// made, and all parts end. Says what was left, or how it had ended before.
    pub async fn stop(&self) -> Outcome {
        let limit = self.book.plan().settings.drain;
        let stopped = self.conductor.call(|reply| ConductorMsg::Stop(limit, reply)).within(limit + BEYOND).await;
        let outcome = stopped.unwrap_or_else(|why| {
            let left = Left { chunks: Vec::new(), no_checkpoint: Some(why.to_string()) };
            self.book.ends(Outcome::Stopped(left));
            self.book.ended().unwrap_or(Outcome::Done)
        });
        drop(self.supervisor.stop().await);
        self.book.gives_back();
        outcome
    }

    /// The actors of a part, one for each instance: to look at, to monitor, to kill. Those of every pipeline are called
    /// `control` and `dead_letters`.
    #[must_use]
    pub fn actors(&self, part: &str) -> Vec<UntypedRef> {
        match part {
            "control" => return vec![self.conductor.untyped()],
            "dead_letters" => return self.book.letters.get().map(Ref::untyped).into_iter().collect(),
            _ => (),
        }
        match self.book.house.get().and_then(|house| house.room(part)) {
            Some(Room::Source { own, .. }) => vec![own.actor.untyped()],
            Some(Room::Stage(stages)) => stages.into_iter().map(|stage| stage.untyped).collect(),
            Some(Room::Sink(sink)) => vec![sink.actor.untyped()],
            None => Vec::new(),
        }
    }

    /// The plugins of a stage, one for each instance.
    #[must_use]
    pub fn plugins(&self, stage: &str) -> Vec<PluginRef> {
        match self.book.house.get().and_then(|house| house.room(stage)) {
            Some(Room::Stage(stages)) => stages.into_iter().filter_map(|stage| stage.plugin).collect(),
            _ => Vec::new(),
        }
    }

    /// Its supervisor.
    #[must_use]
    pub fn supervisor(&self) -> &SupervisorRef {
        &self.supervisor
    }
}

impl fmt::Debug for PipelineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PipelineRef({})", self.book.plan().name)
    }
}
