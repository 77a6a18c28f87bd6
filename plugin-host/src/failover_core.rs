//! What becomes of a batch that a plugin could not process as a whole.

use std::time::Duration;

use proscenium_runtime::Now;

/// What is done with a batch that has failed as a whole: the plugin has returned an error for it, again and again if the
/// error asks for that. For one record that fails there is no policy: it is set aside, and the others go on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Failover {
    /// It is tried again after a pause that doubles each time, as often as `max_retries` says; then its records are set
    /// aside as [`DeadLetter`](Failover::DeadLetter) does it at once.
    #[default]
    RetryWithBackoff,
    /// Its records are left out, counted, and the next batch goes on.
    SkipAndContinue,
    /// The plugin ends with the error, and its supervisor decides. What it had taken on is handed back with the error.
    FailFast,
    /// Its records go to the plugin with this name on the node.
    FailoverTo(String),
    /// Its records are set aside with the reason.
    DeadLetter,
    /// As `DeadLetter`. After so many failures in a row nothing is handed to the plugin any more: records are set aside
    /// at once, until after the cool-down one batch is tried.
    CircuitBreaker {
        /// In a row. One at least.
        failures: u32,
        /// From the last of them.
        cooldown: Duration,
    },
    /// This instance takes no more batches until it is resumed or started anew; other instances of the plugin go on.
    StopPartition,
}

/// Pauses between two tries of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retries {
    /// How often a batch, or a record that asks for it, is tried again. Default: 3.
    pub max: u32,
    /// The first pause; each is twice the one before. Default: 100 ms.
    pub pause: Duration,
    /// The longest pause, for records that ask for one as well. Default: 10 s.
    pub longest: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { max: 3, pause: Duration::from_millis(100), longest: Duration::from_secs(10) }
    }
}

impl Retries {
    /// Before the n-th try after the first, if there is one.
    pub(crate) fn pause_before(&self, nth: u32) -> Option<Duration> {
        let doubled = self.pause.saturating_mul(1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX));
        (nth <= self.max).then(|| doubled.min(self.longest))
    }
}

/// What the policy says of a batch that has failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ruling {
    /// Once more, then.
    TryAgain(Now),
    SetAside(Why),
    /// The plugin ends.
    Fail,
    /// The plugin takes no more batches.
    Stop,
}

/// Why records are not what the plugin has made of them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Why {
    /// The plugin said so, for the whole batch, with this code.
    Failed {
        /// What `process_batch` has returned.
        code: i32,
    },
    /// The same, and the policy is to go on without its records.
    Skipped {
        /// What `process_batch` has returned.
        code: i32,
    },
    /// The same, and the policy gives its records to another plugin.
    FailedOver {
        /// What `process_batch` has returned.
        code: i32,
    },
    /// The circuit is open: the plugin was not asked.
    CircuitOpen,
    /// The record has asked for a retry once more than `max_retries`.
    RetriesUsedUp,
    /// The record alone does not fit in the plugin's heap with what is made of it.
    TooLarge,
    /// The process has ended twice while this record was in work, the last time alone.
    Poison,
    /// The plugin cannot take records of this content.
    Unsupported,
}

/// A policy and what it remembers.
#[derive(Debug)]
pub(crate) struct FailoverCore {
    policy: Failover,
    retries: Retries,
    circuit: Circuit,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Circuit {
    Closed {
        failures: u32,
    },
    Open {
        until: Now,
    },
    /// One batch is being tried.
    HalfOpen,
}

impl FailoverCore {
    pub(crate) fn new(policy: Failover, retries: Retries) -> Self {
        FailoverCore { policy, retries, circuit: Circuit::Closed { failures: 0 } }
    }

    /// A circuit that another policy has opened is closed.
    pub(crate) fn renew(&mut self, policy: Failover, retries: Retries) {
        if self.policy != policy {
            *self = FailoverCore::new(policy, retries);
        }
        self.retries = retries;
    }

    pub(crate) fn retries(&self) -> &Retries {
        &self.retries
    }

    /// A new batch is there to be handed out: whether the plugin is asked at all.
    pub(crate) fn lets_pass(&mut self, now: Now) -> bool {
        match self.circuit {
            Circuit::Closed { .. } => true,
            Circuit::Open { until } if now < until => false,
            Circuit::Open { .. } => {
                self.circuit = Circuit::HalfOpen;
                true
            }
            Circuit::HalfOpen => false,
        }
    }

    pub(crate) fn succeeded(&mut self) {
        self.circuit = Circuit::Closed { failures: 0 };
    }

    /// A batch that was tried `tries` times has failed with this code.
    pub(crate) fn failed(&mut self, code: i32, asks_for_retry: bool, tries: u32, now: Now) -> Ruling {
        let pause = self.retries.pause_before(tries);
        if let (true, Some(pause)) = (asks_for_retry || self.policy == Failover::RetryWithBackoff, pause) {
            return Ruling::TryAgain(now + pause);
        }
        match &self.policy {
            Failover::RetryWithBackoff | Failover::DeadLetter => Ruling::SetAside(Why::Failed { code }),
            Failover::SkipAndContinue => Ruling::SetAside(Why::Skipped { code }),
            Failover::FailoverTo(_) => Ruling::SetAside(Why::FailedOver { code }),
            Failover::FailFast => Ruling::Fail,
            Failover::StopPartition => Ruling::Stop,
            Failover::CircuitBreaker { failures, cooldown } => {
                let so_far = match self.circuit {
                    Circuit::Closed { failures } => failures + 1,
                    Circuit::Open { .. } | Circuit::HalfOpen => *failures,
                };
                self.circuit = match so_far >= *failures {
                    true => Circuit::Open { until: now + *cooldown },
                    false => Circuit::Closed { failures: so_far },
                };
                Ruling::SetAside(Why::Failed { code })
            }
        }
    }
}
