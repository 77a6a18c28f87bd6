//! What is said of a plugin: its library, its parameters, its limits.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_runner::cgroup::CgroupLimits;
use proscenium_plugin_runner::sandbox::{Grants, Limits};
use proscenium_plugin_sdk::abi::ENTRY_SIZE;
use proscenium_runtime::Exit;
use proscenium_shm_channel::Geometry;
use proscenium_supervision::{ChildId, ChildSpec, Placing, Refers, Renewal, Start, Supervised};

use crate::failover_core::{Failover, Retries};
use crate::flight_core::{Order, Patience, Terms};
use crate::place::PluginPlace;
use crate::plugin_ref::PluginRef;
use crate::refusals::Refusals;

/// Crashes that records are to blame for, and that a supervisor does not hold against a plugin: so many within so long.
const EXCUSES: (usize, Duration) = (64, Duration::from_secs(60));

/// So many slots are there for more than one batch, though fewer may be in use.
const TURNS: u32 = 16;

/// How large the batches of a plugin may be. The memory is taken when it is first written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchSize {
    /// Records, those that the plugin adds included. Default: 2,048.
    pub records: u32,
    /// Bytes of all payloads together. Default: 1 MiB.
    pub input: u32,
    /// Bytes of what the plugin writes: new payloads, reasons. Default: 2 MiB.
    pub heap: u32,
}

impl Default for BatchSize {
    fn default() -> Self {
        BatchSize { records: 2_048, input: 1 << 20, heap: 2 << 20 }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Settings {
    /// The child's path in the tree.
    pub(crate) stage: String,
    pub(crate) name: Option<String>,
    pub(crate) library: PathBuf,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) runner: Option<PathBuf>,
    pub(crate) depth: u32,
    pub(crate) batch: BatchSize,
    pub(crate) order: Order,
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) start_limit: Duration,
    pub(crate) stop_limit: Duration,
    pub(crate) state_limit: u64,
    pub(crate) failover: Failover,
    pub(crate) retries: Retries,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    pub(crate) group: Option<CgroupLimits>,
    /// Notes are taken.
    pub(crate) refusals: Option<Refusals>,
}

impl Settings {
    pub(crate) fn terms(&self) -> Terms {
        let patience = Patience { timeout: self.timeout, grace: self.grace };
        Terms { order: self.order, patience, policy: self.failover.clone(), retries: self.retries }
    }

    /// One batch at a time needs one slot. Several have more slots in turn than are under way, see `Pool::in_turn`.
    pub(crate) fn geometry(&self) -> Geometry {
        let slots = if self.depth > 1 { self.depth.max(TURNS) } else { self.depth };
        Geometry { slots, records: self.batch.records, heap: self.batch.heap, input: self.batch.input }
    }

    pub(crate) fn group_limits(&self) -> CgroupLimits {
        self.group.unwrap_or_else(|| {
            let usual = CgroupLimits::beside(&self.limits);
            // What it writes its results to counts as its own.
            let fronts = u64::from(self.geometry().slots)
                * (u64::from(self.batch.heap) + u64::from(self.batch.records) * u64::from(ENTRY_SIZE));
            CgroupLimits { memory_bytes: usual.memory_bytes.map(|bytes| bytes.saturating_add(fronts)), ..usual }
        })
    }
}

/// A child that is a plugin: a shared library in a process of its own, behind an actor's mailbox.
///
/// Put it under a supervisor by [`Plugin::spec`]; what others hold of it is a [`PluginRef`].
#[derive(Clone, Debug)]
#[must_use = "a plugin runs when its supervisor starts it"]
pub struct Plugin(pub(crate) Settings);

impl Plugin {
    /// The library at this path, with no parameters.
    pub fn new(library: impl Into<PathBuf>) -> Self {
        Plugin(Settings {
            stage: String::new(),
            name: None,
            library: library.into(),
            params: Vec::new(),
            runner: None,
            depth: 8,
            batch: BatchSize::default(),
            order: Order::default(),
            timeout: Duration::from_secs(5),
            grace: Duration::from_millis(200),
            start_limit: Duration::from_secs(5),
            stop_limit: Duration::from_secs(1),
            state_limit: 64 << 20,
            failover: Failover::default(),
            retries: Retries::default(),
            grants: Grants::default(),
            limits: Limits::default(),
            group: None,
            refusals: None,
        })
    }

    /// A child spec for it, with OTP's defaults for a worker. Crashes that are proven to be a record's are not held against
    /// it: 64 within a minute.
    pub fn spec(id: impl Into<ChildId>, plugin: Plugin) -> ChildSpec<Plugin> {
        ChildSpec::of(id, plugin).excuses(EXCUSES.0, EXCUSES.1)
    }

    /// A parameter, in the order in which the plugin sees them.
    pub fn param(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.params.push((key.into(), value.into()));
        self
    }

    /// A name on the node, kept over restarts, by which another plugin gives its records to this one
    /// ([`Failover::FailoverTo`]). Default: none.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// The program to run it in. Default: the one in `PROSCENIUM_RUNNER`, or beside the program, or the program itself.
    pub fn runner(mut self, program: impl Into<PathBuf>) -> Self {
        self.0.runner = Some(program.into());
        self
    }

    /// How many batches it may have at once, those included whose results somebody still holds: 1 to 64. Default: 8.
    /// Where it is more than 1, sixteen slots at least go round, and 6 MiB of what batches use.
    pub fn depth(mut self, batches: u32) -> Self {
        self.0.depth = batches;
        self
    }

    /// How large a batch may be.
    pub fn batch(mut self, size: BatchSize) -> Self {
        self.0.batch = size;
        self
    }

    /// Whether results leave in the order of their batches. Default: they do.
    pub fn order(mut self, order: Order) -> Self {
        self.0.order = order;
        self
    }

    /// How long a batch may take; then the plugin is asked to give up, and killed after a [`grace`](Plugin::grace).
    /// Default: 5 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.timeout = limit;
        self
    }

    /// How long a plugin has to give up a batch when it is asked to. Default: 200 ms.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.0.grace = limit;
        self
    }

    /// How long a process may take from its spawn until it serves. Default: 5 s.
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.0.start_limit = limit;
        self
    }

    /// How long a process may take to put its things away. Default: 1 s.
    pub fn stop_limit(mut self, limit: Duration) -> Self {
        self.0.stop_limit = limit;
        self
    }

    /// How many bytes of state a swap carries over at most. Default: 64 MiB.
    pub fn state_limit(mut self, bytes: u64) -> Self {
        self.0.state_limit = bytes;
        self
    }

    /// What is done with a batch that fails as a whole. Default: [`Failover::RetryWithBackoff`].
    pub fn failover(mut self, policy: Failover) -> Self {
        self.0.failover = policy;
        self
    }

    /// How often, and after which pauses, a batch or a record is tried again.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.0.retries = retries;
        self
    }

    /// What it may do besides computing. Default: nothing.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.0.grants = grants;
        self
    }

    /// The limits of its process.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// The limits of its process and of all that it starts, together, by a control group. They are in force where the host
    /// may make one, which the status says. Default: [`CgroupLimits::beside`] the limits of its process, and the memory of its
    /// results.
    pub fn group(mut self, limits: CgroupLimits) -> Self {
        self.0.group = Some(limits);
        self
    }

    /// Takes notes of what it is refused: for trying it out, since each refused call and each opened file costs two
    /// switches to a thread that takes them. Default: none are taken.
    pub fn learn(mut self, refusals: &Refusals) -> Self {
        self.0.refusals = Some(refusals.clone());
        self
    }
}

impl Start for Plugin {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(PluginPlace::new(self.at(&placing), &placing)?))
    }

    fn renew(&self, placing: &Placing, place: &mut dyn Supervised) -> Renewal {
        let place: &mut dyn Any = place;
        match place.downcast_mut::<PluginPlace>() {
            Some(place) => place.renew(self.at(placing), placing),
            None => Renewal::Outdated,
        }
    }
}

impl Plugin {
    fn at(&self, placing: &Placing) -> Arc<Settings> {
        Arc::new(Settings { stage: placing.path(), ..self.0.clone() })
    }
}

impl Refers for Plugin {
    type Ref = PluginRef;
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.library.display().fmt(f)
    }
}
