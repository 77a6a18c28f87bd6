//! The watch: a thread of its own that notices handlers which do not yield, and keeps the node's coarse clock.
//!
//! ```text
//!   companion's poll ──▶ beat of its thread (running actor, number of polls)
//!                              ▲ read every millisecond while anything runs
//!   watch thread ──────────────┘──▶ report: actor, message kind, how long
//! ```
//!
//! **Promises**: a handler that has not yielded for half a second is named within a second of its start, even if it has
//! taken all workers of the runtime; an idle node costs nothing, because the thread parks.
//! **Bounds**: one beat a thread that ever polled an actor of the node; one report a poll.
//! **Cost**: three relaxed stores and a load a poll.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(1);
/// Ticks without any poll after which the thread parks.
const QUIET: u32 = 20;
const STUCK: Duration = Duration::from_millis(500);

/// What one thread is at. Written by that thread alone.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Beat {
    polls: AtomicU64,
    /// The id of the actor being polled; 0: none.
    running: AtomicU64,
}

pub(crate) struct Watch {
    node: u32,
    started: Instant,
    now_ms: AtomicU32,
    parked: AtomicBool,
    stopped: AtomicBool,
    thread: OnceLock<Thread>,
    beats: Mutex<Vec<Arc<Beat>>>,
}

/// An actor's poll that has lasted too long.
pub(crate) struct Stuck {
    pub(crate) actor: u64,
    pub(crate) since: Duration,
}

thread_local! {
    static BEAT: RefCell<Option<(u32, Arc<Beat>)>> = const { RefCell::new(None) };
}

impl Watch {
    /// `report` is called on the watch thread. The thread ends when the watch is stopped.
    pub(crate) fn start(node: u32, report: impl Fn(Stuck) + Send + 'static) -> std::io::Result<Arc<Watch>> {
        let watch = Arc::new(Watch {
            node,
            started: Instant::now(),
            now_ms: AtomicU32::new(0),
            parked: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            thread: OnceLock::new(),
            beats: Mutex::new(Vec::new()),
        });
        let mine = watch.clone();
        let handle = std::thread::Builder::new().name("proscenium-watch".into()).spawn(move || mine.run(report))?;
        let _ = watch.thread.set(handle.thread().clone());
        Ok(watch)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.unpark();
    }

    /// Milliseconds since the node's start, at most a tick old while any actor runs.
    #[inline]
    pub(crate) fn coarse_ms(&self) -> u32 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn refresh(&self) {
        self.now_ms.store(self.started.elapsed().as_millis() as u32, Ordering::Relaxed);
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// A poll of `actor` begins on this thread. Returns who was being polled here, for `leave`.
    #[inline]
    pub(crate) fn enter(&self, actor: u64) -> u64 {
        let before = BEAT.try_with(|place| {
            let mut place = place.borrow_mut();
            match &*place {
                Some((node, beat)) if *node == self.node => beat.enter(actor),
                _ => place.insert((self.node, self.beat())).1.enter(actor),
            }
        });
        if self.parked.load(Ordering::Relaxed) {
            self.wake();
        }
        before.unwrap_or(0)
    }

    #[inline]
    pub(crate) fn leave(&self, before: u64) {
        let _ = BEAT.try_with(|place| {
            if let Some((node, beat)) = &*place.borrow()
                && *node == self.node
            {
                beat.running.store(before, Ordering::Relaxed);
            }
        });
    }

    #[cold]
    fn wake(&self) {
        if self.parked.swap(false, Ordering::AcqRel) {
            self.refresh();
            self.unpark();
        }
    }

    #[cold]
    fn beat(&self) -> Arc<Beat> {
        let beat = Arc::new(Beat::default());
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.retain(|other| Arc::strong_count(other) > 1); // Threads that ended, or went over to another node.
        beats.push(beat.clone());
        beat
    }

    fn run(&self, report: impl Fn(Stuck)) {
        let mut seen: Vec<Seen> = Vec::new();
        let mut quiet = 0;
        while !self.stopped.load(Ordering::Acquire) {
            let look = self.look(&mut seen, &report);
            quiet = if look == Look::Busy { 0 } else { quiet + 1 };
            if quiet < QUIET {
                std::thread::sleep(TICK);
            } else if look == Look::Held {
                std::thread::sleep(50 * TICK); // Nothing but stuck handlers: no need to hurry.
            } else {
                self.park(&mut seen, &report);
                quiet = 0;
            }
        }
    }

    fn look(&self, seen: &mut Vec<Seen>, report: &impl Fn(Stuck)) -> Look {
        self.refresh();
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.retain(|old| beats.iter().any(|beat| Arc::ptr_eq(beat, &old.beat)));
        let mut look = Look::Quiet;
        for beat in &beats {
            let at = seen.iter().position(|old| Arc::ptr_eq(&old.beat, beat)).unwrap_or_else(|| {
                seen.push(Seen { beat: beat.clone(), polls: 0, since: Instant::now(), reported: false });
                seen.len() - 1
            });
            look = look.max(seen[at].look(report));
        }
        look
    }

    /// A poll that began before it could see `parked` has its beat visible within a tick: look once more after that.
    /// (A fence in every poll would do the same at 6 ns a poll.)
    fn park(&self, seen: &mut Vec<Seen>, report: &impl Fn(Stuck)) {
        self.parked.store(true, Ordering::SeqCst);
        std::thread::sleep(TICK);
        let look = self.look(seen, report);
        if look != Look::Quiet || self.stopped.load(Ordering::Acquire) {
            self.parked.store(false, Ordering::SeqCst);
            return;
        }
        while self.parked.load(Ordering::Acquire) && !self.stopped.load(Ordering::Acquire) {
            std::thread::park();
        }
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
    beat: Arc<Beat>,
    polls: u64,
    since: Instant,
    reported: bool,
}

impl Seen {
    fn look(&mut self, report: &impl Fn(Stuck)) -> Look {
        // In this order, and written in the other: a poll that is seen as running has been counted.
        let actor = self.beat.running.load(Ordering::Acquire);
        let polls = self.beat.polls.load(Ordering::Relaxed);
        if polls != self.polls {
            *self = Seen { beat: self.beat.clone(), polls, since: Instant::now(), reported: false };
            return Look::Busy;
        }
        if actor == 0 {
            self.since = Instant::now();
            return Look::Quiet;
        }
        let since = self.since.elapsed();
        if since >= STUCK && !self.reported {
            self.reported = true;
            report(Stuck { actor, since });
        }
        Look::Held
    }
}

impl Beat {
    #[inline]
    fn enter(&self, actor: u64) -> u64 {
        let before = self.running.load(Ordering::Relaxed);
        self.polls.store(self.polls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.running.store(actor, Ordering::Release);
        before
    }
}
