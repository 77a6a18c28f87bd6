//! The stated bounds, and whether a run held them.

use crate::measure::Unit;
use crate::noise::Floor;
use crate::stats::{Spread, is_clear_of};

/// A noise floor counts this often against an absolute bound: on a slow machine a bound of time alone says nothing.
const FLOORS: f64 = 3.0;

/// What one subject must reach, in one reading.
#[derive(Clone, Debug)]
pub struct Bound {
    pub subject: &'static str,
    pub reading: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// At most this many times the peer's number, round by round.
    Ratio { peer: &'static str, at_most: f64, when: When },
    /// At most this number, or three times the machine's own floor of that kind, whichever is larger.
    Limit { at_most: f64, floor: Option<Floor> },
}

/// Whether a peer that cannot be measured leaves the bound open or misses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// An Erlang may not be installed.
    PeerIsThere,
}

impl Bound {
    pub fn ratio(subject: &'static str, peer: &'static str, at_most: f64) -> Self {
        Self { subject, reading: 0, kind: Kind::Ratio { peer, at_most, when: When::Always } }
    }

    /// As [`Bound::ratio`], but open where the peer is not installed.
    pub fn ratio_if_there(subject: &'static str, peer: &'static str, at_most: f64) -> Self {
        Self { subject, reading: 0, kind: Kind::Ratio { peer, at_most, when: When::PeerIsThere } }
    }

    pub fn limit(subject: &'static str, at_most: f64, floor: Option<Floor>) -> Self {
        Self { subject, reading: 0, kind: Kind::Limit { at_most, floor } }
    }

    /// Another reading than the first.
    pub fn reading(mut self, reading: usize) -> Self {
        self.reading = reading;
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Held,
    Missed,
    /// The peer's column is missing, and may be.
    Open,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Missed => "MISSED",
            Self::Open => "open",
        }
    }
}

/// A bound with what was measured for it.
#[derive(Clone, Debug)]
pub struct Judged {
    pub flavour: &'static str,
    pub measure: &'static str,
    pub words: String,
    pub at_most: f64,
    /// `Plain` for a ratio.
    pub unit: Unit,
    /// The ratio, or the absolute number; nothing if a column is missing.
    pub got: Option<Spread>,
    pub verdict: Verdict,
    /// Few rounds say otherwise.
    pub is_clear: bool,
}

/// One subject's number of one reading, round by round; `None` where a round failed.
pub type Rounds = Vec<Option<f64>>;

/// Judges by the median: of the ratios of each round, as both sides of one round saw the same machine.
pub fn judge(
    bound: &Bound,
    (reading, unit): (&str, Unit),
    rounds_of: impl Fn(&str) -> Rounds,
    floor: impl Fn(Floor) -> f64,
) -> Judged {
    let ours = rounds_of(bound.subject);
    let (words, at_most, unit, numbers, may_be_open) = match bound.kind {
        Kind::Ratio { peer, at_most, when } => {
            let theirs = rounds_of(peer);
            let may_be_open = when == When::PeerIsThere && theirs.iter().flatten().next().is_none();
            let ratios = ours.iter().zip(theirs).filter_map(|(ours, peer)| Some((*ours)? / peer?)).collect();
            let words = format!("{} {reading} ≤ {at_most} × {peer}", bound.subject);
            (words, at_most, Unit::Plain, ratios, may_be_open)
        }
        Kind::Limit { at_most, floor: kind } => {
            let floored = kind.map_or(at_most, |kind| at_most.max(FLOORS * floor(kind)));
            let words = match kind {
                Some(kind) => {
                    format!("{} {reading} ≤ {}, or {FLOORS} × {}", bound.subject, unit.show(at_most), kind.name())
                }
                None => format!("{} {reading} ≤ {}", bound.subject, unit.show(at_most)),
            };
            (words, floored, unit, ours.into_iter().flatten().collect::<Vec<f64>>(), false)
        }
    };
    let got = Spread::of(&numbers);
    let verdict = match got {
        Some(got) if got.median <= at_most => Verdict::Held,
        None if may_be_open => Verdict::Open,
        _ => Verdict::Missed,
    };
    let is_clear = is_clear_of(&numbers, at_most);
    Judged { flavour: "", measure: "", words, at_most, unit, got, verdict, is_clear }
}
