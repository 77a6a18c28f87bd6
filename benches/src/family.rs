//! One-for-all: children that start again together, and the driver that waits until each of them has answered.
//!
//! `peers/ractor-supervisor` compiles this very file, so that it is measured in the same way.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::Failure;
use crate::tally::{SEEDED_PANIC, deaf, now_ns};

/// Children of one supervisor.
pub const CHILDREN: usize = 10;

/// How the driver reaches one incarnation of a child.
pub trait Sibling: Send + Sync + 'static {
    fn crash(&self) -> impl Future<Output = Result<(), Failure>> + Send;
    fn ping(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What a child says over all of its incarnations.
pub struct Voice<S> {
    place: usize,
    crashed_at: Arc<AtomicU64>,
    said: mpsc::UnboundedSender<(usize, Said<S>)>,
}

enum Said<S> {
    /// A new incarnation has begun, and is reached so.
    Born(S),
    /// It handled its first message, then.
    Heard(u64),
}

// Derived, it would ask for `S: Clone`.
impl<S> Clone for Voice<S> {
    fn clone(&self) -> Self {
        Self { place: self.place, crashed_at: Arc::clone(&self.crashed_at), said: self.said.clone() }
    }
}

impl<S> Voice<S> {
    pub fn place(&self) -> usize {
        self.place
    }

    /// The last but one thing that a start does.
    pub fn born(&self, sibling: S) {
        // Nobody listens any more once the sample is over.
        let _ = self.said.send((self.place, Said::Born(sibling)));
    }

    /// The first message of an incarnation.
    pub fn ping(&self) {
        let _ = self.said.send((self.place, Said::Heard(now_ns())));
    }

    /// The last instruction of an incarnation.
    pub fn crash(&self) -> ! {
        self.crashed_at.store(now_ns(), Ordering::Release);
        panic!("{SEEDED_PANIC}");
    }
}

/// The driver's side.
pub struct Ear<S> {
    crashed_at: Arc<AtomicU64>,
    said: mpsc::UnboundedReceiver<(usize, Said<S>)>,
    siblings: Vec<Option<S>>,
}

/// Voices for the children, and who hears them.
pub fn voices<S>() -> (Vec<Voice<S>>, Ear<S>) {
    let (sender, said) = mpsc::unbounded_channel();
    let crashed_at = Arc::<AtomicU64>::default();
    let voice = |place| Voice { place, crashed_at: Arc::clone(&crashed_at), said: sender.clone() };
    let voices = (0..CHILDREN).map(voice).collect();
    (voices, Ear { crashed_at, said, siblings: (0..CHILDREN).map(|_| None).collect() })
}

impl<S: Sibling> Ear<S> {
    /// From a child's panic until all have handled a message in their next incarnation, one crash at a time, the children in
    /// turn.
    pub async fn restarts(mut self, crashes: usize) -> Result<Vec<f64>, Failure> {
        self.all_heard().await?;
        let mut latencies = Vec::with_capacity(crashes);
        for crash in 0..crashes {
            self.siblings[crash % CHILDREN].as_ref().ok_or("a child is missing")?.crash().await?;
            let heard = self.all_heard().await?;
            latencies.push(heard.saturating_sub(self.crashed_at.load(Ordering::Acquire)) as f64);
        }
        Ok(latencies)
    }

    /// Pings each child as it is born; the time at which the last one heard it.
    async fn all_heard(&mut self) -> Result<u64, Failure> {
        let (mut left, mut last) = (CHILDREN, 0);
        while left > 0 {
            match self.said.recv().await.ok_or_else(deaf)? {
                (place, Said::Born(sibling)) => {
                    sibling.ping().await?;
                    self.siblings[place] = Some(sibling);
                }
                (_, Said::Heard(at)) => {
                    (left, last) = (left - 1, last.max(at));
                }
            }
        }
        Ok(last)
    }
}
