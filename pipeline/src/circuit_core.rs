//! A circuit that opens after failures in a row, and closes when one that is let through goes well. Pure: tables test it.

use proscenium_runtime::Now;

/// Who wants to go through, by a number of the caller's.
pub type Handle = u64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Circuit {
    Closed {
        failures: u32,
    },
    Open {
        until: Now,
    },
    /// This one was let through.
    HalfOpen {
        probe: Handle,
    },
}

/// Whether anybody is let through.
#[derive(Debug)]
pub struct CircuitCore(Circuit);

impl CircuitCore {
    /// One that is closed.
    #[must_use]
    pub fn new() -> Self {
        CircuitCore(Circuit::Closed { failures: 0 })
    }

    /// Whether all are let through.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.0, Circuit::Closed { .. })
    }

    /// All are let through, and earlier failures do not count.
    pub fn close(&mut self) {
        self.0 = Circuit::Closed { failures: 0 };
    }

    /// Whether this one is let through. Its outcome is told then, or that there is none.
    #[must_use]
    pub fn passes(&mut self, id: Handle, now: Now) -> bool {
        match self.0 {
            Circuit::Closed { .. } => true,
            Circuit::HalfOpen { probe } => probe == id,
            Circuit::Open { until } if now < until => false,
            Circuit::Open { .. } => {
                self.0 = Circuit::HalfOpen { probe: id };
                true
            }
        }
    }

    /// It went well.
    pub fn succeeded(&mut self, id: Handle) {
        match self.0 {
            Circuit::Closed { .. } => self.close(),
            Circuit::HalfOpen { probe } if probe == id => self.close(),
            // It was under way when the circuit opened.
            Circuit::HalfOpen { .. } | Circuit::Open { .. } => (),
        }
    }

    /// It has failed. With so many in a row nobody is let through before then.
    pub fn failed(&mut self, id: Handle, failures: u32, until: Now) {
        self.0 = match self.0 {
            Circuit::Closed { failures: so_far } if so_far + 1 < failures => Circuit::Closed { failures: so_far + 1 },
            Circuit::Closed { .. } => Circuit::Open { until },
            Circuit::HalfOpen { probe } if probe == id => Circuit::Open { until },
            // It was under way when the circuit opened.
            open @ (Circuit::HalfOpen { .. } | Circuit::Open { .. }) => open,
        };
    }

    /// There will be no outcome: the next one is let through in its place, if it was to show whether the circuit closes.
    pub fn was_cut_off(&mut self, id: Handle, now: Now) {
        if self.0 == (Circuit::HalfOpen { probe: id }) {
            self.0 = Circuit::Open { until: now };
        }
    }
}

impl Default for CircuitCore {
    fn default() -> Self {
        CircuitCore::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Wants to go through, and whether it may.
        Asks(Handle, bool),
        Succeeds(Handle),
        Fails(Handle),
        IsCutOff(Handle),
    }
    use Step::{Asks, Fails, IsCutOff, Succeeds};

    /// Opens after two failures in a row, for 10 ms.
    fn run(rows: &[(u64, Step)]) -> CircuitCore {
        let mut core = CircuitCore::new();
        for (row, (ms, step)) in rows.iter().enumerate() {
            match *step {
                Asks(id, may) => assert_eq!(core.passes(id, Now::from_millis(*ms)), may, "row {row} at {ms} ms"),
                Succeeds(id) => core.succeeded(id),
                Fails(id) => core.failed(id, 2, Now::from_millis(ms + 10)),
                IsCutOff(id) => core.was_cut_off(id, Now::from_millis(*ms)),
            }
        }
        core
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_with_one_that_goes_well() {
        let core = run(&[
            (0, Fails(1)),
            (0, Succeeds(2)),
            (0, Fails(3)),
            (0, Asks(4, true)), // One after the success.
            (0, Fails(4)),
            (9, Asks(5, false)),
            (9, Succeeds(6)), // Under way since before.
            (10, Asks(7, true)),
            (10, Asks(8, false)),
            (10, Fails(6)),
            (10, Asks(7, true)),
            (11, Fails(7)),
            (20, Asks(9, false)), // 10 ms from the failure on.
            (21, Asks(10, true)),
            (21, Succeeds(10)),
            (21, Asks(11, true)),
            (21, Fails(11)),
        ]);
        assert!(core.is_closed());
    }

    #[test]
    fn one_that_is_cut_off_leaves_its_place_to_the_next() {
        let opened = [(0, Fails(1)), (0, Fails(2)), (10, Asks(3, true)), (10, Asks(4, false))];
        run(&[&opened[..], &[(11, IsCutOff(4)), (11, Asks(5, false))]].concat());
        run(&[&opened[..], &[(11, IsCutOff(3)), (11, Asks(5, true)), (11, Asks(6, false))]].concat());
        let core = run(&[(0, Fails(1)), (0, IsCutOff(2)), (0, Fails(3))]);
        assert!(!core.is_closed(), "it is no success");
    }
}
