//! Bugs on purpose, for the comparison with OTP to find.

use std::collections::VecDeque;

use proscenium_runtime::Now;
use proscenium_supervision::{AutoShutdown, ChildFlags, Restart, Strategy, SupFlags};

use crate::world::{Between, Item};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// The window is a second short, as if it were open.
    ShortPeriod,
    /// One restart more is fine.
    OneRestartMore,
    /// A transient child is restarted after `normal`.
    TransientAfterNormal,
    /// A permanent child is not restarted after `shutdown`.
    PermanentLikeTransient,
    /// Nobody is significant.
    SignificantIgnored,
    /// One significant child's end is enough.
    AnyForAll,
    /// A temporary child's spec is kept.
    TemporaryKept,
    /// Under `rest_for_one`, a child's restart is its own affair.
    RestAlone,
    /// Under `rest_for_one`, all are restarted.
    AllForRest,
    /// A failed restart is not tried again.
    NoRetry,
    /// A retry comes before what waits.
    RetryFirst,
    /// Times are rounded up.
    RoundedUp,
}

impl Mutant {
    pub const ALL: [Mutant; 12] = [
        Mutant::ShortPeriod,
        Mutant::OneRestartMore,
        Mutant::TransientAfterNormal,
        Mutant::PermanentLikeTransient,
        Mutant::SignificantIgnored,
        Mutant::AnyForAll,
        Mutant::TemporaryKept,
        Mutant::RestAlone,
        Mutant::AllForRest,
        Mutant::NoRetry,
        Mutant::RetryFirst,
        Mutant::RoundedUp,
    ];
}

impl Between for Mutant {
    fn sup(&self, mut flags: SupFlags) -> SupFlags {
        match (self, flags.strategy) {
            (Mutant::ShortPeriod, _) => flags.period = flags.period.saturating_sub(1).max(1),
            (Mutant::OneRestartMore, _) => flags.intensity += 1,
            (Mutant::AnyForAll, _) if flags.auto_shutdown == AutoShutdown::AllSignificant => {
                flags.auto_shutdown = AutoShutdown::AnySignificant;
            }
            (Mutant::RestAlone, Strategy::RestForOne) => flags.strategy = Strategy::OneForOne,
            (Mutant::AllForRest, Strategy::RestForOne) => flags.strategy = Strategy::OneForAll,
            _ => {}
        }
        flags
    }

    fn child(&self, mut flags: ChildFlags) -> ChildFlags {
        match (self, flags.restart) {
            (Mutant::SignificantIgnored, _) => flags.significant = false,
            (Mutant::TransientAfterNormal, Restart::Transient) => {
                flags.restart = Restart::Permanent;
                flags.significant = false;
            }
            (Mutant::PermanentLikeTransient, Restart::Permanent) => flags.restart = Restart::Transient,
            (Mutant::TemporaryKept, Restart::Temporary) => flags.restart = Restart::Transient,
            _ => {}
        }
        flags
    }

    fn now(&self, clock: u64) -> Now {
        Now::from_millis(if *self == Mutant::RoundedUp { clock + 999 } else { clock })
    }

    fn try_again(&self, mailbox: &mut VecDeque<Item>, retry: Item) {
        match self {
            Mutant::NoRetry => {}
            Mutant::RetryFirst => mailbox.push_front(retry),
            _ => mailbox.push_back(retry),
        }
    }
}
