//! What a plugin has that is no process's: its memory, and the batches that it has taken on. It lives over restarts.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use proscenium_process::Guard;
use proscenium_runtime::Node;
use proscenium_shm_channel::Pool;

use crate::answer::Job;
use crate::block::Layout;
use crate::end::EndReport;
use crate::flight_core::{BatchId, FlightCore, Patience};
use crate::private_copy::PrivateCopy;
use crate::spec::Settings;
use crate::tray::Shelf;

/// One for each plugin under a supervisor, shared with those who hold a ref.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) settings: Arc<Settings>,
    pub(crate) node: Node,
    pub(crate) pool: Pool,
    pub(crate) layout: Layout,
    pub(crate) shelf: Arc<Shelf>,
    /// Leased by the incarnation that runs, and put back when it ends, however it does.
    flights: Mutex<Option<Flights>>,
    /// The last end was a record's fault, or may have been.
    excused: AtomicBool,
    /// It has ended for good.
    closed: AtomicBool,
}

/// The batches under way, and what the next process is started with.
#[derive(Debug)]
pub(crate) struct Flights {
    pub(crate) core: FlightCore,
    pub(crate) jobs: Jobs,
    pub(crate) next: u64,
    /// Where the user has the library that serves.
    pub(crate) source: PathBuf,
    pub(crate) params: Vec<(String, String)>,
    /// The library as it was when it was last taken: replays are by the same.
    pub(crate) library: Option<Arc<PrivateCopy>>,
    pub(crate) guard: Option<Arc<Guard>>,
    /// How many processes there were.
    pub(crate) processes: u32,
    pub(crate) last_end: Option<Arc<EndReport>>,
}

/// The batches that are under way: as many at most as there are slots, so they are searched. The vector stays.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Vec<(BatchId, Job)>);

impl Jobs {
    pub(crate) fn insert(&mut self, batch: BatchId, job: Job) {
        self.0.push((batch, job));
    }

    pub(crate) fn get_mut(&mut self, batch: &BatchId) -> Option<&mut Job> {
        self.0.iter_mut().find(|(of, _)| of == batch).map(|(_, job)| job)
    }

    pub(crate) fn remove(&mut self, batch: &BatchId) -> Option<Job> {
        let at = self.0.iter().position(|(of, _)| of == batch)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Job> + '_ {
        self.0.drain(..).map(|(_, job)| job)
    }
}

impl Desk {
    pub(crate) fn new(settings: Arc<Settings>, node: Node) -> std::io::Result<Self> {
        let pool = Pool::new(settings.geometry())?;
        let geometry = pool.geometry();
        let layout = Layout {
            records: geometry.records,
            heap_off: geometry.heap_off(),
            heap_end: geometry.heap_end(),
            input_off: geometry.input_off(),
        };
        let flights = Flights {
            core: core(&settings),
            jobs: Jobs::default(),
            next: 0,
            source: settings.library.clone(),
            params: settings.params.clone(),
            library: None,
            guard: None,
            processes: 0,
            last_end: None,
        };
        Ok(Desk {
            settings,
            node,
            pool,
            layout,
            shelf: Arc::default(),
            flights: Mutex::new(Some(flights)),
            excused: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// A core that knows of no batch.
    pub(crate) fn core(&self) -> FlightCore {
        core(&self.settings)
    }

    pub(crate) fn lease(&self) -> Option<Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put_back(&self, flights: Flights) {
        let mut place = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        // A process that was given up may give them back late: then they go to their owners.
        if !self.closed.load(Ordering::Acquire) {
            *place = Some(flights);
        }
    }

    /// For good: what is under way goes back to its owners.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let left = self.flights.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(left);
    }

    pub(crate) fn excuse(&self, is_excused: bool) {
        self.excused.store(is_excused, Ordering::Release);
    }

    /// Whether the end that was just told is excused. It is asked once for each end.
    pub(crate) fn take_excuse(&self) -> bool {
        self.excused.swap(false, Ordering::AcqRel)
    }
}

fn core(settings: &Settings) -> FlightCore {
    let patience = Patience { timeout: settings.timeout, grace: settings.grace };
    let (policy, retries) = (settings.failover.clone(), settings.retries);
    FlightCore::new(settings.order, settings.depth as usize, patience, policy, retries)
}
