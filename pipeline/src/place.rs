//! A pipeline as a child of a supervisor: when it cannot go on it is started anew, and resumes from its checkpoint.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proscenium_runtime::{AnyRef, Exit, Node, UntypedRef};
use proscenium_supervision::{
    ChildId, ChildSpec, Notice, Placing, Refers, Restart, Shutdown, Start, Starting, Supervised,
};
use tokio::runtime::Handle;

use crate::book::Outcome;
use crate::builder::Pipeline;
use crate::pipeline_ref::PipelineRef;

/// How long a pipeline has for its last checkpoint, beyond its own limit for what is under way.
const BEYOND: Duration = Duration::from_secs(10);

impl Pipeline {
    /// A child spec for it. It is transient: one that is done is not started again, one that could not go on is, from its
    /// last checkpoint. What others hold of it, by [`SupervisorRef::reference`](proscenium_supervision::SupervisorRef::reference),
    /// is a [`PipelineRef`], good until it is started anew.
    pub fn spec(id: impl Into<ChildId>, pipeline: Pipeline) -> ChildSpec<Pipeline> {
        let limit = pipeline.drain_limit() + BEYOND;
        ChildSpec::of(id, pipeline).restart(Restart::Transient).shutdown(Shutdown::Within(limit))
    }
}

impl Start for Pipeline {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(PipelinePlace { pipeline: self.clone(), node: placing.node().clone(), running: Arc::default() }))
    }
}

impl Refers for Pipeline {
    type Ref = PipelineRef;
}

struct PipelinePlace {
    pipeline: Pipeline,
    node: Node,
    running: Arc<Mutex<Option<(PipelineRef, Handle)>>>,
}

impl PipelinePlace {
    fn running(&self) -> MutexGuard<'_, Option<(PipelineRef, Handle)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervised for PipelinePlace {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        Box::pin(async move {
            let started = self.pipeline.clone().start(&self.node).await;
            let pipeline = started.map_err(|error| Exit::Error(Arc::new(error)))?;
            *self.running() = Some((pipeline.clone(), Handle::current()));
            let running = self.running.clone();
            tokio::spawn(async move {
                let outcome = pipeline.wait().await;
                pipeline.stop().await; // The folder of its state is free before it is started anew.
                running.lock().unwrap_or_else(PoisonError::into_inner).take();
                notice.ended(exit_of(&outcome));
            });
            Ok(())
        })
    }

    fn stop(&mut self, _exit: Exit) {
        if let Some((pipeline, runtime)) = self.running().clone() {
            runtime.spawn(async move { pipeline.stop().await });
        }
    }

    fn kill(&mut self) {
        if let Some((pipeline, _)) = &*self.running() {
            pipeline.supervisor().to_untyped().kill();
        }
    }

    fn kill_limit(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn give_up(&mut self) {
        self.running().take();
    }

    fn is_alive(&self) -> bool {
        self.running().is_some()
    }

    fn actor(&self) -> Option<UntypedRef> {
        self.running().as_ref().map(|(pipeline, _)| pipeline.supervisor().to_untyped())
    }

    fn note(&self) -> Option<String> {
        let running = self.running();
        let (pipeline, _) = running.as_ref()?;
        Some(format!("a pipeline of {} parts", pipeline.plan().parts.len()))
    }

    fn reference(&self) -> Option<Box<dyn Any + Send>> {
        let (pipeline, _) = self.running().clone()?;
        Some(Box::new(pipeline))
    }
}

impl Drop for PipelinePlace {
    fn drop(&mut self) {
        self.kill();
    }
}

fn exit_of(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Done => Exit::Normal,
        Outcome::Stopped(_) => Exit::Shutdown,
        Outcome::Failed { .. } => Exit::custom(outcome.to_string()),
    }
}
