//! What a supervisor is told of itself, in OTP's words, and which specs go together.

use std::fmt;

use crate::child_spec::{ChildFlags, ChildId, Restart};
use crate::policy::Policy;

/// Which children are restarted when one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strategy {
    /// That one.
    #[default]
    OneForOne,
    /// All of them: they cannot do without each other.
    OneForAll,
    /// That one and those that were started after it: they build on it.
    RestForOne,
    /// That one; all children are of one spec, and are started on demand.
    SimpleOneForOne,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::OneForOne => "one_for_one",
            Strategy::OneForAll => "one_for_all",
            Strategy::RestForOne => "rest_for_one",
            Strategy::SimpleOneForOne => "simple_one_for_one",
        })
    }
}

/// Whether the exits of significant children end the supervisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AutoShutdown {
    /// No child may be significant.
    #[default]
    Never,
    /// The first significant child that ends by itself, and is not restarted, ends it.
    AnySignificant,
    /// The last one does.
    AllSignificant,
}

/// Strategy, intensity and period, and auto_shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SupFlags {
    /// Which children are restarted when one is.
    pub strategy: Strategy,
    /// So many restarts within `period`, and the next one ends the supervisor.
    pub intensity: usize,
    /// In whole seconds, as OTP counts.
    pub period: u64,
    /// Whether the exits of significant children end the supervisor.
    pub auto_shutdown: AutoShutdown,
    /// So many dynamic children at once, those that are being restarted included; a start past it is refused.
    pub max_children: Option<usize>,
}

impl Default for SupFlags {
    /// OTP's: one_for_one, one restart in five seconds, no auto_shutdown, any number of dynamic children.
    fn default() -> Self {
        SupFlags {
            strategy: Strategy::OneForOne,
            intensity: 1,
            period: 5,
            auto_shutdown: AutoShutdown::Never,
            max_children: None,
        }
    }
}

/// Why specs are refused. Nothing was started.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SpecError {
    /// Two children have one name: OTP's `duplicate_child_name`.
    DuplicateChildName(ChildId),
    /// A significant child that can end nothing: OTP's `bad_combination`.
    BadCombination {
        /// Which.
        child: ChildId,
        /// What it cannot be significant with.
        with: Conflict,
    },
    /// A child with a policy that cannot come to anything.
    BadPolicy {
        /// Which.
        child: ChildId,
        /// Why not.
        why: PolicyConflict,
    },
    /// A supervisor that counts restarts in no time at all.
    ZeroPeriod,
    /// A running supervisor cannot become `simple_one_for_one`, or cease to be.
    OtherKind,
    /// A `simple_one_for_one` supervisor has one spec, for all of its children.
    NotOneSpec(usize),
    /// A partition supervisor without a partition: there is no place for any key.
    NoPartitions,
}

/// What a significant child does not go with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conflict {
    /// It is always restarted.
    Permanent,
    /// The supervisor's `auto_shutdown` is `never`.
    AutoShutdownNever,
}

/// What a child of this [`Policy`](crate::ChildSpec) cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PolicyConflict {
    /// It is temporary, so never restarted: there is no restart to delay, to count or to excuse.
    Temporary,
    /// In quarantine it would keep its siblings down: the strategy restarts them together.
    QuarantineOfOneOfMany,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecError::DuplicateChildName(child) => {
                write!(f, "two children are named {child:?}; give each a name of its own")
            }
            SpecError::BadCombination { child, with: Conflict::Permanent } => {
                write!(f, "{child:?} is significant and permanent, so it never ends; make it transient or temporary")
            }
            SpecError::BadCombination { child, with: Conflict::AutoShutdownNever } => {
                write!(f, "{child:?} is significant, and nothing follows from it; set auto_shutdown of its supervisor")
            }
            SpecError::BadPolicy { child, why: PolicyConflict::Temporary } => write!(
                f,
                "{child:?} is temporary, so never restarted, and has a policy for restarts; make it transient or permanent"
            ),
            SpecError::BadPolicy { child, why: PolicyConflict::QuarantineOfOneOfMany } => write!(
                f,
                "{child:?} has a quarantine, and is restarted together with its siblings; give it a one_for_one supervisor"
            ),
            SpecError::ZeroPeriod => f.write_str("the period is zero; restarts are counted in a second at least"),
            SpecError::OtherKind => f.write_str(
                "a running supervisor cannot become simple_one_for_one, or cease to be; stop it, and start another",
            ),
            SpecError::NoPartitions => f.write_str(
                "a partition supervisor has no partition for any key; give it one, or leave the number to it",
            ),
            SpecError::NotOneSpec(specs) => {
                write!(f, "a simple_one_for_one supervisor has one child spec, and this one has {specs}")
            }
        }
    }
}

impl std::error::Error for SpecError {}

impl SupFlags {
    /// Whether a child of these flags goes with this supervisor.
    ///
    /// # Errors
    /// It is significant, and could not end the supervisor; or its policy could come to nothing.
    pub(crate) fn check(&self, child: &ChildId, flags: &ChildFlags, policy: &Policy) -> Result<(), SpecError> {
        let with = match (flags.significant, self.auto_shutdown, flags.restart) {
            (true, AutoShutdown::Never, _) => Some(Conflict::AutoShutdownNever),
            (true, _, Restart::Permanent) => Some(Conflict::Permanent),
            _ => None,
        };
        if let Some(with) = with {
            return Err(SpecError::BadCombination { child: child.clone(), with });
        }
        let why = match self.strategy {
            _ if flags.restart == Restart::Temporary && policy.is_about_restarts() => PolicyConflict::Temporary,
            Strategy::OneForAll | Strategy::RestForOne if policy.quarantine.is_some() => {
                PolicyConflict::QuarantineOfOneOfMany
            }
            _ => return Ok(()),
        };
        Err(SpecError::BadPolicy { child: child.clone(), why })
    }
}
