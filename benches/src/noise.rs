//! What the machine takes for nothing: a futex ping-pong between two threads, and an fsync.
//!
//! std parks threads by futex on Linux, so `park` and `unpark` are the plain system call with a flag around it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::Failure;
use crate::stats::{Spread, quantile};

const PING_PONGS: usize = 1_000;
const FSYNCS: usize = 5;
const PAGE: [u8; 4096] = [0x5a; 4096];

/// The kinds of floor that a bound may stand on, each in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// 99th percentile of one way of the ping-pong: a thread is woken.
    Wake,
}

impl Floor {
    pub fn name(self) -> &'static str {
        match self {
            Self::Wake => "the futex wake's p99",
        }
    }
}

/// The floor, sampled again and again over a whole run, so that it saw the same neighbours as the measures.
#[derive(Debug, Default)]
pub struct Noise {
    wake_p50: Vec<f64>,
    wake_p99: Vec<f64>,
    fsync: Vec<f64>,
}

impl Noise {
    /// One sample of each kind; a few milliseconds.
    pub fn sample(&mut self, folder: &Path) -> Result<(), Failure> {
        let ways = ping_pong()?;
        self.wake_p50.extend(quantile(&ways, 0.5));
        self.wake_p99.extend(quantile(&ways, 0.99));
        self.fsync.extend(fsync(folder)?);
        Ok(())
    }

    pub fn floor(&self, kind: Floor) -> f64 {
        let numbers = match kind {
            Floor::Wake => &self.wake_p99,
        };
        Spread::of(numbers).map_or(0.0, |spread| spread.median)
    }

    /// Name and spread of each kind, for the table and the JSON.
    pub fn lines(&self) -> Vec<(&'static str, Spread)> {
        let kinds = [
            ("futex wake, p50", &self.wake_p50),
            ("futex wake, p99", &self.wake_p99),
            ("write of 4 KiB and fsync", &self.fsync),
        ];
        kinds.into_iter().filter_map(|(name, numbers)| Some((name, Spread::of(numbers)?))).collect()
    }
}

/// Sorted times of one way, in nanoseconds: half of a round trip.
fn ping_pong() -> Result<Vec<f64>, Failure> {
    let ball = Arc::new(AtomicBool::new(false));
    let here = thread::current();
    let echo = thread::spawn({
        let ball = Arc::clone(&ball);
        move || {
            for _ in 0..PING_PONGS {
                park_until(&ball, true);
                ball.store(false, Ordering::Release);
                here.unpark();
            }
        }
    });
    let mut ways = Vec::with_capacity(PING_PONGS);
    for _ in 0..PING_PONGS {
        let start = Instant::now();
        ball.store(true, Ordering::Release);
        echo.thread().unpark();
        park_until(&ball, false);
        ways.push(start.elapsed().as_nanos() as f64 / 2.0);
    }
    echo.join().map_err(|_| "the ping-pong's other thread panicked")?;
    ways.sort_by(f64::total_cmp);
    Ok(ways)
}

fn park_until(ball: &AtomicBool, value: bool) {
    while ball.load(Ordering::Acquire) != value {
        thread::park();
    }
}

fn fsync(folder: &Path) -> Result<Vec<f64>, Failure> {
    let path = folder.join("fsync.tmp");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(FSYNCS);
    for _ in 0..FSYNCS {
        let start = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_all()?;
        times.push(start.elapsed().as_nanos() as f64);
    }
    std::fs::remove_file(&path)?;
    Ok(times)
}
