//! Both sides of the protocol as threads over the same addresses, for a race detector: `make races`.
//!
//! In earnest each end has mappings of its own, at addresses of its own, and a detector would not see that they are the same
//! memory. Here the two sides share one mapping of the real regions: words, front and input. The child's side reads and
//! writes front and input plainly, as a plugin does; the host's side copies, as it always does.
//!
//! Seeded bugs that ThreadSanitizer was seen to catch: `completed` stored relaxed, or loaded relaxed; `submitted` stored relaxed,
//! or loaded relaxed; an order submitted before its input is written.

use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::thread::futex;

use crate::edges::Edges;
use crate::front::Front;
use crate::pages;
use crate::protocol::{Answers, ChildSide, HostSide, Look, Orders};
use crate::region::{self, Mapping, Writer};

const LIMIT: Duration = Duration::from_secs(60);
const ORDERS: u64 = 20_000;
/// So many are under way; each has a page of the fronts behind the child's words, and one of the inputs.
const DEPTH: u64 = 4;
const PAGE: usize = 4096;

struct Shared {
    orders: Mapping,
    fronts: Mapping,
    inputs: Mapping,
    wake: OwnedFd,
}

impl Shared {
    fn new() -> Self {
        let region = |name, pages| region::create(name, pages * PAGE, Writer::Everybody).unwrap().1;
        Self {
            orders: region("races-orders", 1),
            fronts: region("races-fronts", 1 + DEPTH as usize),
            inputs: region("races-inputs", DEPTH as usize),
            wake: eventfd(0, EventfdFlags::NONBLOCK).unwrap(),
        }
    }

    fn words(&self) -> (Orders<'_>, Answers<'_>) {
        (pages::orders(&self.orders), pages::answers(&self.fronts))
    }

    fn front(&self, number: u64) -> Front<'_> {
        Front::of(&self.fronts, PAGE * (1 + number % DEPTH) as usize, PAGE as u32)
    }

    /// Where the plain words of the child and the host's input lie.
    fn plain(&self, number: u64) -> (*mut u64, *mut u64) {
        let at = PAGE * (number % DEPTH) as usize;
        let front = self.fronts.base().as_ptr().wrapping_add(PAGE + at);
        (front.cast(), self.inputs.base().as_ptr().wrapping_add(at).cast())
    }
}

fn serve(shared: &Shared) {
    let (orders, answers) = shared.words();
    let mut side = ChildSide::new();
    loop {
        match side.look(orders) {
            Look::Closed => return,
            Look::Nothing => {
                if side.arm(orders, answers) {
                    let _ = futex::wait(orders.submitted, futex::Flags::empty(), side.nothing(), None);
                    side.disarm(answers);
                }
            }
            Look::Order([number, _]) => {
                let (front, input) = shared.plain(number);
                // SAFETY: mapped and aligned; both are this side's until the order is completed.
                unsafe { front.write(input.read() + front.add(1).read()) };
                if side.complete(orders, answers) {
                    rustix::io::write(&shared.wake, &1_u64.to_ne_bytes()).unwrap();
                }
            }
        }
    }
}

fn submit(shared: &Shared, side: &mut HostSide) {
    let number = side.submitted();
    let (orders, answers) = shared.words();
    shared.front(number).store(0, &[u64::MAX, 2 * number]).unwrap();
    // SAFETY: mapped and aligned; the input is this side's until the order is submitted.
    unsafe { shared.plain(number).1.write(number) };
    side.submit(orders, [number, 0]);
    if side.owes(answers) {
        futex::wake(orders.submitted, futex::Flags::empty(), 1).unwrap();
    }
}

#[test]
fn the_two_sides_do_not_race() {
    let shared = Shared::new();
    let (orders, answers) = shared.words();
    let edges = Edges::new();
    thread::scope(|scope| {
        scope.spawn(|| serve(&shared));
        let mut side = HostSide::new();
        while side.seen() < ORDERS {
            while u64::from(side.in_flight()) < DEPTH && side.submitted() < ORDERS {
                submit(&shared, &mut side);
            }
            if side.arm(orders, answers, 2) {
                assert!(edges.wait(shared.wake.as_fd(), LIMIT, || side.has_come(answers, 2)).unwrap());
                side.disarm(orders);
            }
            let first = side.seen();
            let _ = side.completed(answers).unwrap();
            for number in first..side.seen() {
                let mut word = [0];
                shared.front(number).load(0, &mut word).unwrap();
                assert_eq!(word, [3 * number]);
            }
        }
        if side.close(orders, answers) {
            futex::wake(orders.submitted, futex::Flags::empty(), 1).unwrap();
        }
    });
}
