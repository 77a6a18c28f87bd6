//! Which timer is due, and when the next one is. Pure: the companion owns the clock.
//!
//! **Bounds**: what the actor arms; an interval has at most one tick in the queue, and ticks that it missed are skipped.
//! **Cost**: O(log n) to arm, cancel and fire.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::now::Now;

/// Names a timer of one incarnation of an actor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerId(pub(crate) u64);

type Make<M> = Box<dyn FnMut() -> M + Send>;

enum Kind<M> {
    Once(M),
    Every(Duration, Make<M>),
}

struct Timer<M> {
    due: Now,
    kind: Kind<M>,
}

pub(crate) struct TimersCore<M> {
    timers: HashMap<u64, Timer<M>>,
    /// Those that have not fired, soonest first; the number keeps the order of arming among equals.
    order: BTreeSet<(Now, u64)>,
    /// In the order of their entries in the queue; those that were cancelled meanwhile are still there.
    fired: VecDeque<u64>,
    next: u64,
}

impl<M> TimersCore<M> {
    pub(crate) fn new() -> Self {
        TimersCore { timers: HashMap::new(), order: BTreeSet::new(), fired: VecDeque::new(), next: 0 }
    }

    fn arm(&mut self, due: Now, kind: Kind<M>) -> TimerId {
        self.next += 1;
        self.timers.insert(self.next, Timer { due, kind });
        self.order.insert((due, self.next));
        TimerId(self.next)
    }

    pub(crate) fn once(&mut self, after: Duration, message: M, now: Now) -> TimerId {
        self.arm(now + after, Kind::Once(message))
    }

    /// A zero period would fire for ever without time passing: it is taken as one millisecond.
    pub(crate) fn every(&mut self, period: Duration, make: Make<M>, now: Now) -> TimerId {
        let period = period.max(Duration::from_millis(1));
        self.arm(now + period, Kind::Every(period, make))
    }

    /// False: it has been handled, or was cancelled before.
    pub(crate) fn cancel(&mut self, id: TimerId) -> bool {
        let Some(timer) = self.timers.remove(&id.0) else { return false };
        self.order.remove(&(timer.due, id.0));
        true
    }

    pub(crate) fn next_due(&self) -> Option<Now> {
        self.order.first().map(|(due, _)| *due)
    }

    /// The next timer whose time has come. It goes to the end of the queue; `collect` gets its message there.
    pub(crate) fn fire(&mut self, now: Now) -> bool {
        let Some(&(_, id)) = self.order.first().filter(|(due, _)| *due <= now) else { return false };
        self.order.pop_first();
        self.fired.push_back(id);
        true
    }

    /// The message of the next timer that fired, whose turn in the queue has come; `None` if it was cancelled meanwhile.
    pub(crate) fn collect(&mut self, now: Now) -> Option<M> {
        let id = self.fired.pop_front()?;
        let timer = self.timers.remove(&id)?;
        match timer.kind {
            Kind::Once(message) => Some(message),
            Kind::Every(period, mut make) => {
                let message = make();
                let missed = (now - timer.due).as_nanos() / period.as_nanos();
                let steps = u32::try_from(missed + 1).unwrap_or(u32::MAX);
                let due = timer.due + period.saturating_mul(steps);
                self.timers.insert(id, Timer { due, kind: Kind::Every(period, make) });
                self.order.insert((due, id));
                Some(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Now {
        Now::from_millis(n)
    }

    #[test]
    fn timers_fire_in_order_of_their_time_then_of_arming() {
        let mut core = TimersCore::new();
        core.once(Duration::from_millis(20), "late", ms(0));
        core.once(Duration::from_millis(10), "first", ms(0));
        core.once(Duration::from_millis(10), "second", ms(0));
        assert_eq!(core.next_due(), Some(ms(10)));
        assert!(!core.fire(ms(9)));
        let fired = std::iter::from_fn(|| core.fire(ms(20)).then_some(())).count();
        let messages: Vec<_> = (0..fired).map(|_| core.collect(ms(20))).collect();
        assert_eq!(messages, [Some("first"), Some("second"), Some("late")]);
    }

    #[test]
    fn a_timer_cancelled_after_it_fired_has_no_message() {
        let mut core = TimersCore::new();
        let id = core.once(Duration::ZERO, "never", ms(5));
        core.once(Duration::ZERO, "next", ms(5));
        assert!(core.fire(ms(5)) && core.fire(ms(5)));
        assert!(core.cancel(id));
        assert_eq!(core.collect(ms(5)), None);
        assert_eq!(core.collect(ms(5)), Some("next"), "each has its own turn");
        assert!(!core.cancel(id));
    }

    #[test]
    fn an_interval_keeps_its_beat_and_skips_what_it_missed() {
        let mut core = TimersCore::new();
        core.every(Duration::from_millis(10), Box::new(|| ()), ms(0));
        // (now, fires, next due after its tick is handled)
        for (now, next) in [(10, 20), (20, 30), (57, 60), (60, 70)] {
            assert!(core.fire(ms(now)), "at {now}");
            assert!(!core.fire(ms(now)), "one tick at a time, at {now}");
            assert_eq!(core.collect(ms(now)), Some(()), "at {now}");
            assert_eq!(core.next_due(), Some(ms(next)), "at {now}");
        }
    }
}
