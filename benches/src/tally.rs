//! What every subject's actor does with a message: the same few instructions, so that only the actors differ.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::Failure;

/// Opens when it was hit as often as agreed.
pub struct Latch {
    left: AtomicU64,
    open: Mutex<Option<oneshot::Sender<()>>>,
}

impl Latch {
    /// `hits` must not be zero.
    pub fn new(hits: u64) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (open, opened) = oneshot::channel();
        (Arc::new(Self { left: AtomicU64::new(hits), open: Mutex::new(Some(open)) }), opened)
    }

    pub fn hit(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
            // The driver may have given up; then nobody wants to know.
            let _ = open.map(|open| open.send(()));
        }
    }
}

/// An actor's state.
pub enum Tally {
    /// Counts messages, and hits the latch at the last one.
    Count { left: u64, latch: Arc<Latch> },
    /// Says when a message, or the stop, was heard.
    Clock { heard: mpsc::UnboundedSender<u64> },
    /// Only answers.
    Quiet,
}

impl Tally {
    pub fn count(messages: usize, latch: &Arc<Latch>) -> Self {
        Self::Count { left: messages as u64, latch: Arc::clone(latch) }
    }

    #[inline]
    pub fn add(&mut self, number: u64) {
        match self {
            Self::Count { left, latch } => {
                *left = left.wrapping_sub(number);
                if *left == 0 {
                    latch.hit();
                }
            }
            Self::Clock { heard } => stamp(heard),
            Self::Quiet => (),
        }
    }

    #[inline]
    pub fn answer(&mut self, number: u64) -> u64 {
        number + 1
    }

    /// Called by the subject's own stop hook.
    pub fn stopped(&mut self) {
        if let Self::Clock { heard } = self {
            stamp(heard);
        }
    }
}

fn stamp(heard: &mpsc::UnboundedSender<u64>) {
    // Nobody listens any more once the sample is over.
    let _ = heard.send(now_ns());
}

/// One of the ring's places: passes the token on, and hits the latch when it is spent.
pub struct Link<Hop> {
    pub next: Arc<OnceLock<Hop>>,
    pub latch: Arc<Latch>,
}

impl<Hop: Clone> Link<Hop> {
    /// Where the token goes from here, and with what on it; nothing at the end of its way.
    #[inline]
    pub fn pass(&self, token: u64) -> Option<(&Hop, u64)> {
        match (token.checked_sub(1), self.next.get()) {
            (Some(left), Some(next)) => Some((next, left)),
            _ => {
                self.latch.hit();
                None
            }
        }
    }
}

/// What the crashing actor and the driver share, over all incarnations.
#[derive(Clone)]
pub struct Phoenix {
    crashed_at: Arc<AtomicU64>,
    heard: mpsc::UnboundedSender<f64>,
}

/// The panic that the bench seeds; the hook keeps it silent.
pub const SEEDED_PANIC: &str = "a panic that the bench seeded";

/// Panics that a measure seeds print nothing; the others do.
pub fn hush_seeded_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(SEEDED_PANIC) {
            loud(panic);
        }
    }));
}

impl Phoenix {
    pub fn new() -> (Self, mpsc::UnboundedReceiver<f64>) {
        let (heard, times) = mpsc::unbounded_channel();
        (Self { crashed_at: Arc::default(), heard }, times)
    }

    /// The last instruction of an incarnation.
    pub fn crash(&self) -> ! {
        self.crashed_at.store(now_ns(), Ordering::Release);
        panic!("{SEEDED_PANIC}");
    }

    /// The first message of the next one.
    pub fn ping(&self) {
        let since = now_ns().saturating_sub(self.crashed_at.load(Ordering::Acquire));
        let _ = self.heard.send(since as f64);
    }
}

/// Nanoseconds since the first call in this process, on the clock that all threads share.
pub fn now_ns() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    EPOCH.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// The receiving half of a [`Tally::Clock`] has lost its actor.
pub fn deaf() -> Failure {
    "the actor ended before it heard the message".into()
}
