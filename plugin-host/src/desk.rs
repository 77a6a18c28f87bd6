//! What a plugin has that is no process's: its memory, and the batches that it has taken on. It lives over restarts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use proscenium_runtime::{Node, Now};
use proscenium_shm_channel::Pool;
use rustix::thread::sched_yield;

use crate::answer::{Arrival, Job, records_a_step};
use crate::block::Layout;
use crate::lone_core::LONGEST;
use crate::spec::Settings;
use crate::tray::Shelf;
use crate::work::Work;

/// One for each plugin under a supervisor, shared by its actor and those who hold a ref.
pub(crate) struct Desk {
    pub(crate) node: Node,
    pub(crate) pool: Pool,
    pub(crate) layout: Layout,
    pub(crate) shelf: Arc<Shelf>,
    /// Asked once: each batch would find the runtime's memory cold.
    pub(crate) records_a_step: u32,
    work: Mutex<Work>,
}

impl Desk {
    pub(crate) fn new(settings: Arc<Settings>, node: Node) -> std::io::Result<Self> {
        let pool = Pool::in_turn(settings.geometry(), settings.depth)?;
        let geometry = pool.geometry();
        let layout = Layout {
            records: geometry.records,
            heap_off: geometry.heap_off(),
            heap_end: geometry.heap_end(),
            input_off: geometry.input_off(),
        };
        let work = Mutex::new(Work::new(settings));
        Ok(Desk { node, pool, layout, shelf: Arc::default(), records_a_step: records_a_step(), work })
    }

    /// By which it runs, and is started.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.lock().settings().clone()
    }

    /// How often its supervisor has had a process started after the first.
    pub(crate) fn restarts(&self) -> u32 {
        self.lock().template.starts.saturating_sub(1)
    }

    /// Does something with the batches under way, as the plugin's actor, which looks afterwards for what there is to do.
    pub(crate) fn with<T>(&self, todo: impl FnOnce(&mut Work, Now) -> T) -> T {
        let now = self.node.now();
        let mut work = self.lock();
        let done = todo(&mut work, now);
        self.leave(work);
        done
    }

    /// The same, as anybody else, and looks for what has come back. True: the actor must be told that there is something to do.
    #[must_use = "nobody else does it"]
    pub(crate) fn visit(&self, todo: impl FnOnce(&mut Work)) -> bool {
        self.enter(|work, now| {
            todo(work);
            work.harvest(now);
        })
    }

    /// The same, for a batch. Nobody is woken for one that is lent a processor: who gave it [looks for it](Self::lend).
    #[must_use = "nobody else does it"]
    pub(crate) fn give(&self, job: Job) -> bool {
        self.enter(|work, now| {
            work.given(job, now);
            // A processor was left to the process for it, if only by the kernel.
            let now = if work.is_alone() { self.node.now() } else { now };
            work.has_returned(now);
            if !work.is_lent() {
                work.harvest(now);
            }
        })
    }

    /// Leaves the caller's processor to the process, if that is where it works off the batch that the caller waits for.
    ///
    /// It blocks the caller's thread for [`LONGEST`], or, where the process does not give the processor back, for what the
    /// kernel gives it at once.
    pub(crate) fn lend(&self) {
        if !self.with(|work, now| work.is_to_lend(now) && work.is_lending(now)) {
            return;
        }
        // Not by the node's clock, which a test may have stopped.
        let begin = Instant::now();
        while begin.elapsed() <= LONGEST {
            sched_yield();
            if !self.with(Work::is_lending) {
                return;
            }
        }
        self.with(|work, _| work.lent_in_vain());
    }

    fn enter(&self, todo: impl FnOnce(&mut Work, Now)) -> bool {
        let now = self.node.now();
        let mut work = self.lock();
        todo(&mut work, now);
        let needs_actor = work.needs_actor();
        self.leave(work);
        needs_actor
    }

    /// What goes out goes out afterwards.
    fn leave(&self, mut work: MutexGuard<'_, Work>) {
        let is_to_deliver = work.is_to_deliver();
        drop(work);
        if is_to_deliver {
            self.deliver();
        }
    }

    /// A panic in it is a fault of this host, and leaves batches that are still under way.
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self) {
        let grief = Grief(self);
        loop {
            let next = self.lock().next_out();
            let Some((job, why)) = next else { break };
            let arrival = match why {
                None => job.done(),
                Some(why) => job.undone(why),
            };
            match arrival {
                Arrival::Woke => {}
                Arrival::Lies => self.lock().lies(),
                Arrival::Unwanted => self.lock().has_come(),
            }
        }
        std::mem::forget(grief);
    }

    /// Whether the end that was just told is excused. It is asked once for each end.
    pub(crate) fn take_excuse(&self) -> bool {
        std::mem::take(&mut self.lock().is_excused)
    }
}

/// A waker has panicked: somebody else delivers the rest.
struct Grief<'a>(&'a Desk);

impl Drop for Grief<'_> {
    fn drop(&mut self) {
        self.0.lock().is_not_delivered();
    }
}
