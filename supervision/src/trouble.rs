//! What a supervisor remembers of a child that has ended by itself: its last exits, and what its [`Policy`] counts.
//!
//! **Bounds**: nothing until the first exit; then 20 exits, and as many times as its allowances have counts.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use proscenium_runtime::{Exit, Now};

use crate::children::Place;
use crate::intensity::Window;
use crate::policy::{Allowance, Backoff, Policy};

/// So many exits are remembered of each child.
const REMEMBERED: usize = 20;

/// An exit that a supervisor remembers, or a start that failed.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct PastExit {
    /// When, on the node's clock.
    pub at: Now,
    /// Of which start of the child.
    pub start: u32,
    /// Why.
    pub exit: Exit,
}

/// One child's.
#[derive(Debug, Default)]
struct Trouble {
    exits: VecDeque<PastExit>,
    quarantine: Option<Window>,
    excuses: Option<Window>,
    /// Restarts since it last kept up.
    attempts: u32,
    /// When the last delay was over.
    due: Now,
}

/// Who answers for a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The supervisor's intensity.
    Supervisor,
    /// An allowance of the child's own, and it has not used it up.
    Own,
    /// The child's quarantine, which it has.
    Quarantine,
}

/// All children's.
#[derive(Debug)]
pub(crate) struct Troubles {
    of: HashMap<Place, Box<Trouble>>,
    /// Jitter is by chance, and chance is a number that came from outside.
    chance: u64,
}

impl Troubles {
    pub(crate) fn new(seed: u64) -> Self {
        Troubles { of: HashMap::new(), chance: seed }
    }

    /// It has ended by itself, or could not start.
    pub(crate) fn add(&mut self, child: Place, exit: PastExit) {
        let exits = &mut self.of.entry(child).or_default().exits;
        if exits.len() == REMEMBERED {
            exits.pop_front();
        }
        exits.push_back(exit);
    }

    /// Its last exits, oldest first.
    pub(crate) fn exits(&self, child: Place) -> impl Iterator<Item = &PastExit> {
        self.of.get(&child).into_iter().flat_map(|trouble| &trouble.exits)
    }

    pub(crate) fn forget(&mut self, child: Place) {
        self.of.remove(&child);
    }

    /// A restart is to be counted: where?
    pub(crate) fn judge(&mut self, child: Place, policy: &Policy, is_excused: bool, now: Now) -> Verdict {
        if policy.excuses.is_none() && policy.quarantine.is_none() {
            return Verdict::Supervisor;
        }
        let trouble = self.of.entry(child).or_default();
        let fits = |window: &mut Option<Window>, Allowance { count, period }: Allowance| {
            let window = window.get_or_insert_with(|| Window::new(count, period));
            window.change(count, period); // The spec may be another one than the last time.
            window.add(now)
        };
        if let (true, Some(excuses)) = (is_excused, policy.excuses)
            && fits(&mut trouble.excuses, excuses)
        {
            return Verdict::Own;
        }
        match policy.quarantine {
            None => Verdict::Supervisor,
            Some(quarantine) if fits(&mut trouble.quarantine, quarantine.allowance) => Verdict::Own,
            Some(_) => Verdict::Quarantine,
        }
    }

    /// How long its next restart waits.
    pub(crate) fn delay(&mut self, child: Place, backoff: &Backoff, now: Now) -> Duration {
        let chance = self.chance();
        let trouble = self.of.entry(child).or_default();
        if now - trouble.due >= backoff.longest {
            trouble.attempts = 0;
        }
        let delay = backoff.delay(trouble.attempts, chance);
        trouble.attempts = trouble.attempts.saturating_add(1);
        trouble.due = now + delay;
        delay
    }

    /// From 0 to 1: SplitMix64.
    fn chance(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.chance ^ (self.chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
