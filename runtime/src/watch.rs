//! The watch: a thread of its own that notices handlers which do not yield, and keeps a coarse clock.
//!
//! ```text
//!   companion's poll ──▶ beat of its thread (running actor, number of polls)
//!                              ▲ read every millisecond while much runs, ten times a second while little does
//!   watch thread ──────────────┘──▶ report to the actor's node: actor, how long
//! ```
//!
//! One thread for all nodes of a process, from the first one's start to the last one's stop; a node is told of its own
//! actors only.
//!
//! Where little runs, a thread that wakes up a thousand times a second would be most of the work, and in the way of what it
//! watches. Then each message reads the clock itself, and the thread has time; it parks when there is nothing at all.
//!
//! **Promises**: a handler that has not yielded for half a second is named within a second of its start, even if it has
//! taken all workers of the runtime; an idle process costs nothing, because the thread parks.
//! **Bounds**: one beat a thread that polls actors, used again when the thread has ended; one report a poll.
//! **Cost**: three plain stores and three plain loads a poll, two loads a message; where little runs, 30 ns a message.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::actor_id::ActorId;

const TICK: Duration = Duration::from_millis(1);
/// Between two looks where little runs.
const LOOK: Duration = Duration::from_millis(100);
/// So many messages in a millisecond are much, and so many polls in a tick are not little.
const MUCH: u32 = 32;
/// Ticks with little after which the thread looks only.
const CALM: u32 = 20;
const STUCK: Duration = Duration::from_millis(500);

/// What one thread is at. Written by that thread alone.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Beat {
    polls: AtomicU64,
    /// The id of the actor being polled; 0: none.
    running: AtomicU64,
    /// The thread may be blocked by its actor: it is not watched.
    unwatched: AtomicBool,
    taken: AtomicBool,
}

/// A node's place at the watch.
pub(crate) struct Watch {
    node: u32,
    /// The coarse clock's time of the node's start.
    started_ms: u32,
}

/// An actor's poll that has lasted too long.
pub(crate) struct Stuck {
    pub(crate) actor: ActorId,
    pub(crate) since: Duration,
}

type Report = Arc<dyn Fn(&Stuck) + Send + Sync>;

/// Whom the watch serves.
struct Nodes {
    all: Vec<(u32, Report)>,
    thread: Option<Thread>,
}

// Threads belong to the process, and so do their beats and who looks at them; all that is a node's stays with the node.
static NODES: Mutex<Nodes> = Mutex::new(Nodes { all: Vec::new(), thread: None });
static BEATS: Mutex<Vec<&'static Beat>> = Mutex::new(Vec::new());
static PULSE: Pulse = Pulse {
    pace: AtomicU8::new(PARKED),
    clock: AtomicU32::new(UNKEPT),
    read_ms: AtomicU32::new(0),
    same_ms: AtomicU32::new(0),
    epoch: OnceLock::new(),
};

/// What a message looks at. Together, because the first message after a sleep finds nothing in the processor's cache.
#[repr(align(64))]
struct Pulse {
    pace: AtomicU8,
    /// What the clock shows, while the thread keeps it; else `UNKEPT`.
    clock: AtomicU32,
    /// When it was last read.
    read_ms: AtomicU32,
    /// Messages that found the clock at the same millisecond as the one before, or nearly so many: they count without a
    /// lock.
    same_ms: AtomicU32,
    /// The clock's zero.
    epoch: OnceLock<Instant>,
}

/// No time that a clock shows.
pub(crate) const UNKEPT: u32 = u32::MAX;

/// The thread keeps the clock.
const TICKING: u8 = 0;
/// Each message reads the clock; the thread looks for handlers that do not yield.
const LOOKING: u8 = 1;
/// The thread sleeps until the next poll.
const PARKED: u8 = 2;

fn nodes() -> MutexGuard<'static, Nodes> {
    NODES.lock().unwrap_or_else(PoisonError::into_inner) // Nothing under it leaves it half done.
}

fn beats() -> MutexGuard<'static, Vec<&'static Beat>> {
    BEATS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds of the coarse clock, at most a tick old, or `UNKEPT`: then `read_clock`. It starts with the first node.
#[inline(always)]
pub(crate) fn clock() -> u32 {
    PULSE.clock.load(Ordering::Relaxed)
}

pub(crate) fn read_clock() -> u32 {
    let before = PULSE.read_ms.load(Ordering::Relaxed);
    let now = refresh();
    let same = if now == before { PULSE.same_ms.load(Ordering::Relaxed).wrapping_add(1) } else { 0 };
    PULSE.same_ms.store(same, Ordering::Relaxed);
    if same > MUCH {
        // In this order: a clock that shows something is kept from then on, whatever the thread makes of its pace meanwhile.
        PULSE.clock.store(now, Ordering::Relaxed);
        PULSE.pace.store(TICKING, Ordering::Release);
        unpark();
    }
    now
}

fn refresh() -> u32 {
    let now = PULSE.epoch.get_or_init(Instant::now).elapsed().as_millis() as u32;
    PULSE.read_ms.store(now, Ordering::Relaxed);
    now
}

/// A poll begins somewhere.
#[inline(always)]
pub(crate) fn rouse() {
    if PULSE.pace.load(Ordering::Relaxed) == PARKED {
        wake();
    }
}

#[cold]
fn wake() {
    if PULSE.pace.compare_exchange(PARKED, LOOKING, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
        unpark();
    }
}

fn unpark() {
    if let Some(thread) = &nodes().thread {
        thread.unpark();
    }
}

impl Watch {
    /// `report` is called on the watch thread.
    pub(crate) fn start(node: u32, report: impl Fn(&Stuck) + Send + Sync + 'static) -> std::io::Result<Watch> {
        let mut nodes = nodes();
        let started_ms = refresh();
        if nodes.thread.is_none() {
            let handle = std::thread::Builder::new().name("proscenium-watch".into()).spawn(run)?;
            nodes.thread = Some(handle.thread().clone());
            PULSE.pace.store(LOOKING, Ordering::Release);
        }
        nodes.all.push((node, Arc::new(report)));
        Ok(Watch { node, started_ms })
    }

    /// Nothing is reported any more. The last node's stop ends the thread.
    pub(crate) fn stop(&self) {
        let mut nodes = nodes();
        let before = nodes.all.len();
        let (gone, left) = std::mem::take(&mut nodes.all).into_iter().partition(|(node, _)| *node == self.node);
        nodes.all = left;
        if nodes.all.is_empty() && before > 0 {
            PULSE.pace.store(LOOKING, Ordering::Release);
            if let Some(thread) = &nodes.thread {
                thread.unpark();
            }
        }
        drop(nodes);
        drop::<Vec<_>>(gone); // A report may hold a node.
    }

    /// A time of the coarse clock as time since the node's start.
    pub(crate) fn since_start(&self, ms: u32) -> Duration {
        Duration::from_millis(u64::from(ms.saturating_sub(self.started_ms)))
    }
}

/// Gives a thread's beat back when the thread ends.
struct Lease(Cell<Option<&'static Beat>>);

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(beat) = self.0.take() else { return };
        crate::scope::forget_beat();
        beat.running.store(0, Ordering::Relaxed);
        beat.unwatched.store(false, Ordering::Relaxed);
        beat.taken.store(false, Ordering::Release);
    }
}

thread_local! {
    static LEASE: Lease = const { Lease(Cell::new(None)) };
}

/// A beat for this thread, until it ends.
#[cold]
pub(crate) fn beat() -> &'static Beat {
    let mut beats = beats();
    let spare = beats.iter().find(|beat| !beat.taken.swap(true, Ordering::Acquire)).copied();
    let beat = spare.unwrap_or_else(|| {
        let new: &'static Beat = Box::leak(Box::new(Beat { taken: AtomicBool::new(true), ..Beat::default() }));
        beats.push(new);
        new
    });
    // A thread that is ending keeps it.
    let _ = LEASE.try_with(|lease| lease.0.set(Some(beat)));
    beat
}

impl Beat {
    /// A poll of `actor` begins on this thread. Returns who was being polled here, for `leave`.
    #[inline(always)]
    pub(crate) fn enter(&self, actor: u64) -> u64 {
        let before = self.running.load(Ordering::Relaxed);
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.running.store(actor, Ordering::Release);
        before
    }

    #[inline(always)]
    pub(crate) fn leave(&self, before: u64) {
        self.running.store(before, Ordering::Relaxed);
    }

    /// Who is being polled; 0: nobody.
    #[inline(always)]
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// This thread belongs to one actor, which may block it.
    pub(crate) fn leave_unwatched(&self) {
        self.unwatched.store(true, Ordering::Relaxed);
    }
}

/// The watch thread.
fn run() {
    let mut seen: Vec<Seen> = Vec::new();
    let mut calm = 0;
    loop {
        {
            let mut nodes = nodes();
            if nodes.all.is_empty() {
                nodes.thread = None;
                PULSE.clock.store(UNKEPT, Ordering::Relaxed);
                PULSE.pace.store(PARKED, Ordering::Release);
                return;
            }
        }
        if PULSE.pace.load(Ordering::Relaxed) == TICKING {
            std::thread::sleep(TICK);
            PULSE.clock.store(refresh(), Ordering::Relaxed);
            let (_, polls) = look(&mut seen);
            calm = if polls > u64::from(MUCH) { 0 } else { calm + 1 };
            if calm >= CALM {
                PULSE.pace.store(LOOKING, Ordering::Relaxed); // From the next turn on it does not keep the clock.
                calm = 0;
            }
        } else {
            PULSE.clock.store(UNKEPT, Ordering::Relaxed);
            std::thread::park_timeout(LOOK);
            if look(&mut seen).0 == Look::Quiet {
                park(&mut seen);
            }
        }
    }
}

/// What runs, and how many polls there were since the last look.
fn look(seen: &mut Vec<Seen>) -> (Look, u64) {
    let beats = beats().clone();
    let first = seen.len();
    let new = beats[first..].iter().map(|beat| Seen { beat, polls: 0, since: Instant::now(), reported: false });
    seen.extend(new); // Beats are never taken out, so those seen are the first ones.
    let looks = seen.iter_mut().map(Seen::look);
    looks.fold((Look::Quiet, 0), |(most, all), (look, polls)| (most.max(look), all + polls))
}

/// A poll that began before it could see `PARKED` has its beat visible within a tick: look once more after that.
/// (A fence in every poll would do the same at 6 ns a poll.)
fn park(seen: &mut Vec<Seen>) {
    // Not over a faster pace that a message has just asked for.
    if PULSE.pace.compare_exchange(LOOKING, PARKED, Ordering::SeqCst, Ordering::Relaxed).is_err() {
        return;
    }
    std::thread::sleep(TICK);
    if look(seen).0 != Look::Quiet {
        let _ = PULSE.pace.compare_exchange(PARKED, LOOKING, Ordering::SeqCst, Ordering::Relaxed);
        return;
    }
    while PULSE.pace.load(Ordering::Acquire) == PARKED {
        std::thread::park();
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Quiet,
    /// Polls are under way, none new.
    Held,
    Busy,
}

struct Seen {
    beat: &'static Beat,
    polls: u64,
    since: Instant,
    reported: bool,
}

impl Seen {
    fn look(&mut self) -> (Look, u64) {
        // In this order, and written in the other: a poll that is seen as running has been counted.
        let actor = self.beat.running.load(Ordering::Acquire);
        let polls = self.beat.polls.load(Ordering::Relaxed);
        if polls != self.polls {
            let new = polls.wrapping_sub(self.polls);
            *self = Seen { beat: self.beat, polls, since: Instant::now(), reported: false };
            return (Look::Busy, new);
        }
        if actor == 0 || self.beat.unwatched.load(Ordering::Relaxed) {
            self.since = Instant::now();
            return (Look::Quiet, 0);
        }
        let since = self.since.elapsed();
        if since >= STUCK && !self.reported {
            self.reported = true;
            report(&Stuck { actor: ActorId::from_bits(actor), since });
        }
        (Look::Held, 0)
    }
}

fn report(stuck: &Stuck) {
    let reports: Vec<Report> =
        nodes().all.iter().filter(|(node, _)| stuck.actor.is_of(*node)).map(|(_, report)| report.clone()).collect();
    for report in reports {
        report(stuck); // Outside of the lock: it may be the last to hold a node.
    }
}
