//! What others hold of a plugin.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use proscenium_runtime::{CallError, Ref, UntypedRef};

use crate::answer::{Awaited, Job};
use crate::batch::{Batch, Processed};
use crate::desk::Desk;
use crate::end::EndReport;
use crate::failover_core::Failover;
use crate::life::{Life, Msg};
use crate::stand_in;
use crate::status::Status;
use crate::swap::{self, Swap, SwapError, SwapReport};
use crate::tray::Tray;
use crate::work::Work;

/// How often a plugin is asked to flush while it has more.
const FLUSHES: usize = 1_024;

/// A plugin under a supervisor: good over its restarts and swaps, until its supervisor terminates it or ends.
///
/// Get it from the supervisor: `supervisor.child_ref::<PluginRef>("validate")`.
#[derive(Clone)]
pub struct PluginRef {
    actor: Ref<Life>,
    desk: Arc<Desk>,
}

/// Why a batch was not processed. It comes back as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProcessError {
    /// The plugin has ended for good: its supervisor has given it up, terminated it, or ended.
    Gone(Batch),
    /// Its failover policy has stopped the plugin, over a batch for which it had returned this code.
    Stopped {
        /// The batch.
        batch: Batch,
        /// What the plugin has returned, for this batch or another.
        code: i32,
    },
    /// A flush has ended one process after the other, once more than [`Retries::max`](crate::Retries::max). What the plugin
    /// held back is lost with them.
    FlushCrashed {
        /// The empty batch that was to take it.
        batch: Batch,
        /// How the last of them has ended.
        end: Option<Arc<EndReport>>,
    },
}

impl ProcessError {
    /// The batch, to be given elsewhere.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        match self {
            ProcessError::Gone(batch)
            | ProcessError::Stopped { batch, .. }
            | ProcessError::FlushCrashed { batch, .. } => batch,
        }
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessError::Gone(batch) => {
                write!(f, "the plugin has ended for good; the {} records come back as they were", batch.len())
            }
            ProcessError::FlushCrashed { end, .. } => {
                f.write_str("flush_plugin has ended one process after the other; what the plugin held back is lost")?;
                end.as_ref().map_or(Ok(()), |end| write!(f, ". The last: {end}"))
            }
            ProcessError::Stopped { batch, code } => write!(
                f,
                "the plugin was stopped by its failover policy after code {code}; the {} records come back as they were",
                batch.len()
            ),
        }
    }
}

impl std::error::Error for ProcessError {}

impl PluginRef {
    pub(crate) fn new(actor: Ref<Life>, desk: Arc<Desk>) -> Self {
        PluginRef { actor, desk }
    }

    /// An empty batch, as soon as a slot is free: [`depth`](crate::Plugin::depth) of them are there, and whoever waits is
    /// served in turn. Cancel-safe.
    pub async fn batch(&self) -> Batch {
        let slot = self.desk.pool.take().await;
        Batch(Tray::new(slot, self.desk.layout, self.desk.shelf.clone()))
    }

    /// An empty batch, if a slot is free.
    #[must_use]
    pub fn try_batch(&self) -> Option<Batch> {
        let slot = self.desk.pool.try_take()?;
        Some(Batch(Tray::new(slot, self.desk.layout, self.desk.shelf.clone())))
    }

    /// Has a batch processed. It is handed over at once; the results come when each of its records is settled, over as many
    /// crashes, restarts and retries as that takes, and, in an ordered plugin, when those of the batches before it have
    /// come. What is awaited borrows nothing: it may be awaited elsewhere, in a task of its own. Where batches come one by one,
    /// the process is given the processor of who awaits them, for 100 µs at most.
    ///
    /// It waits as long as the supervisor has hope: while the plugin is in quarantine, or restarts again and again, the
    /// batch stays. Dropped before, the batch is processed all the same, and its results are let go.
    ///
    /// # Errors
    /// [`ProcessError`], with the batch.
    pub fn process(&self, batch: Batch) -> impl Future<Output = Result<Processed, ProcessError>> + Send + use<> {
        stand_in::process(self.clone(), batch, 0)
    }

    /// The same, by this plugin alone. The batch, if it is another plugin's: its process cannot see this memory.
    pub(crate) fn give(&self, batch: Batch) -> Result<Awaited, Batch> {
        if !Arc::ptr_eq(&self.desk.shelf, batch.0.shelf()) {
            return Err(batch);
        }
        let answer = batch.0.answer();
        answer.await_results();
        let awaited = Awaited { plugin: self.clone(), records: batch.0.len(), answer: answer.clone() };
        let job = Job::new(batch.0, answer);
        self.tell_if(self.desk.give(job));
        Ok(awaited)
    }

    /// Looks for what has come back, and does this before.
    pub(crate) fn visit(&self, todo: impl FnOnce(&mut Work)) {
        self.tell_if(self.desk.visit(todo));
    }

    /// After so many records who awaits them has made a step.
    pub(crate) fn records_a_step(&self) -> u32 {
        self.desk.records_a_step
    }

    /// The results of a batch are awaited for the first time.
    pub(crate) fn lend(&self) {
        self.desk.lend();
    }

    fn tell_if(&self, needs_actor: bool) {
        if needs_actor {
            // If there is no room, it has something to do, and comes to this at the end of that. If it is gone, the next one
            // begins with it.
            drop(self.actor.tell(Msg::Woken).now());
        }
    }

    /// The plugin that its policy gives records to, if that is its policy and it is there.
    pub(crate) async fn stand_in(&self) -> Option<PluginRef> {
        let settings = self.desk.settings();
        let Failover::FailoverTo(name) = &settings.failover else { return None };
        let plugin = settings.stage.as_str();
        let found = async {
            let actor = self.desk.node.whereis::<Life>(name.as_str()).map_err(|error| error.to_string())?;
            let desk = actor.call(Msg::Desk).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(PluginRef { actor, desk })
        };
        match found.await {
            Ok(found) => Some(found),
            Err(why) => {
                tracing::warn!(target: "proscenium::plugin", plugin, stand_in = name, why, "its records are set aside: no stand-in");
                None
            }
        }
    }

    /// Lets the plugin give out what it holds back: sums, windows. What it gives is in
    /// [`emitted`](Processed::emitted); nothing, when it has no `flush_plugin`. It is asked again as long as it has more, at
    /// most 1,024 times; each part has a slot until the result is dropped, so what does not fit into `depth` parts comes with
    /// the next flush.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn flush(&self) -> Result<Processed, ProcessError> {
        let mut flushed = self.process(self.batch().await).await?;
        let mut has_more = flushed.tray.has_more;
        for _ in 1..FLUSHES {
            let Some(batch) = self.try_batch().filter(|_| has_more) else { break };
            let part = self.process(batch).await?;
            has_more = part.tray.has_more;
            flushed.stand_in.push(part);
        }
        Ok(flushed)
    }

    /// Another library or other parameters, without a pause: a new process starts beside the one that serves, takes on
    /// its state, and takes over between two batches.
    ///
    /// # Errors
    /// [`SwapError`]: the old process serves as before.
    pub async fn swap(&self, swap: Swap) -> Result<SwapReport, SwapError> {
        let limit = swap::limit(&self.desk.settings());
        let swapped = self.actor.call(|reply| Msg::Swap(Box::new(swap), reply)).within(limit).await;
        swapped.unwrap_or_else(|error| Err(error.into()))
    }

    /// How the plugin is.
    ///
    /// # Errors
    /// It has ended for good, or is between two processes for longer than 5 s.
    pub async fn status(&self) -> Result<Status, CallError> {
        self.actor.call(Msg::Status).await
    }

    /// How often another process was started because one had ended. Nobody is asked for it: it is known while there is none.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.desk.restarts()
    }

    /// A plugin that its failover policy has stopped takes batches again.
    ///
    /// # Errors
    /// It has ended for good.
    pub async fn resume(&self) -> Result<(), CallError> {
        // At once, so that it takes the batch that is given next.
        let mut is_there = false;
        self.visit(|work| is_there = work.resume());
        if is_there { Ok(()) } else { Err(CallError::Stopping) }
    }

    /// The parameters that it has now.
    #[must_use]
    pub fn params(&self) -> Vec<(String, String)> {
        self.desk.settings().params.clone()
    }

    /// The library that it is now, by where it was taken from.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.desk.settings().library.clone()
    }

    /// The actor that it is.
    #[must_use]
    pub fn actor(&self) -> UntypedRef {
        self.actor.untyped()
    }
}

impl fmt::Debug for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginRef({})", self.desk.settings().stage)
    }
}
