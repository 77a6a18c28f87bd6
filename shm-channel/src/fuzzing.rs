//! What a child may write into its words and fronts between any two steps of the host's, and what the host makes of it. Fuzzers
//! drive it (`make fuzz`), and a test goes through the fuzzer's corpus. Not part of the package: it is there under
//! `--cfg fuzzing`.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use rustix::mm::ProtFlags;

use crate::error::{SubmitError, Violation};
use crate::front::Front;
use crate::geometry::{Geometry, page};
use crate::host_end::{HostEnd, OrderNumber};
use crate::pages;
use crate::pool::{Pool, Slot};
use crate::protocol::{CLOSED, ORDERS};
use crate::region::Mapping;

const GEOMETRY: Geometry = Geometry { slots: 3, records: 1, heap: 64, input: 64 };

/// Where counts begin: where nothing has happened yet, and below the borders of 31, 32 and more bits.
const BEGINNINGS: [u64; 4] = [0, (1 << 31) - 3, (1 << 32) - 3, (1 << 40) - 129];

/// What the host must think, by a model of its own: numbers without an end.
struct Model {
    submitted: u64,
    accepted: u64,
    /// Which slots have an order, and which order that is.
    slots: [Option<u64>; GEOMETRY.slots as usize],
    last: Option<OrderNumber>,
    is_closed: bool,
}

struct Ends {
    host: HostEnd,
    /// The child's view of the fronts, its words included.
    child: Mapping,
    slots: Vec<Slot>,
    model: Model,
}

/// Bytes that are taken off the front.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    /// Zeros behind the end.
    fn number(&mut self, bytes: usize) -> u64 {
        let len = bytes.min(self.0.len());
        let number = self.0[..len].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        self.0 = &self.0[len..];
        number
    }
}

/// A byte that says where to begin, then a byte for each step, with what it needs behind it. True: the child was believed all
/// the time.
pub fn words(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let mut ends = Ends::new(BEGINNINGS[input.number(1) as usize % BEGINNINGS.len()]);
    let mut is_believed = true;
    while !input.0.is_empty() {
        is_believed &= ends.step(&mut input);
    }
    is_believed
}

impl Ends {
    fn new(begin: u64) -> Self {
        let pool = Pool::new(GEOMETRY).unwrap();
        let (host, fds) = HostEnd::new(&pool).unwrap();
        let both = ProtFlags::READ | ProtFlags::WRITE;
        let child = Mapping::new(fds.fronts.as_fd(), GEOMETRY.fronts_len(), both).unwrap();
        let slots = (0..GEOMETRY.slots).map(|_| pool.try_take().unwrap()).collect();
        let model = Model { submitted: begin, accepted: begin, slots: [None; 3], last: None, is_closed: false };
        Self { host: host.after(begin), child, slots, model }
    }

    /// False: the host has seen that the child lies.
    fn step(&mut self, input: &mut Input<'_>) -> bool {
        let kind = input.number(1);
        let completed = pages::answers(&self.child).completed;
        match kind % 12 {
            0 | 1 => self.submit(None),
            2 => self.submit(Some(input.number(1) as usize % self.slots.len())),
            3 => (0..input.number(1)).for_each(|_| self.submit(None)),
            // An honest child, if there is something to do.
            4 => completed.store(completed.load(Ordering::Relaxed).wrapping_add(1) & !CLOSED, Ordering::Relaxed),
            5 => completed.store(input.number(4) as u32, Ordering::Relaxed),
            6 => {
                let near = (self.model.accepted as u32).wrapping_add(input.number(1) as u32).wrapping_sub(64);
                completed.store(near, Ordering::Relaxed);
            }
            7 | 8 => return self.completed(),
            9 => self.nap(input),
            10 => self.front(input),
            _ => self.others(input),
        }
        assert_eq!(u64::from(self.host.in_flight()), self.model.submitted - self.model.accepted);
        true
    }

    fn submit(&mut self, slot: Option<usize>) {
        let model = &mut self.model;
        let wanted = match slot {
            _ if model.is_closed => Err(SubmitError::Closed),
            Some(slot) if model.slots[slot].is_some() => Err(SubmitError::InFlight),
            _ if model.submitted - model.accepted == u64::from(ORDERS) => Err(SubmitError::Full),
            _ => Ok(()),
        };
        let order = self.host.submit(slot.map(|slot| &self.slots[slot]), 1, None);
        assert_eq!(order.map(drop), wanted);
        if let Ok(number) = order {
            assert!(model.last.is_none_or(|last| last < number), "numbers count up");
            model.last = Some(number);
            if let Some(slot) = slot {
                model.slots[slot] = Some(model.submitted);
            }
            model.submitted += 1;
        }
    }

    /// How many orders the child's count says are done: none if that cannot be.
    fn claimed(&self) -> Option<u64> {
        let word = pages::answers(&self.child).completed.load(Ordering::Relaxed);
        let Model { submitted, accepted, .. } = self.model;
        (0..=submitted - accepted).find(|new| (accepted + new) % u64::from(CLOSED) == u64::from(word))
    }

    fn completed(&mut self) -> bool {
        let claimed = self.claimed();
        assert!(self.host.has_news() || claimed == Some(0), "what has come is seen");
        let Model { submitted, accepted, .. } = self.model;
        match (self.host.completed(), claimed) {
            (Ok(new), Some(claimed)) => {
                assert_eq!(u64::from(new), claimed);
                self.model.accepted += claimed;
                for slot in &mut self.model.slots {
                    *slot = slot.filter(|&number| number >= self.model.accepted);
                }
                true
            }
            (Err(Violation { accepted: told, in_flight, .. }), None) => {
                assert_eq!((told, u64::from(in_flight)), (accepted, submitted - accepted));
                false
            }
            (found, claimed) => panic!("{found:?}, where {claimed:?} have come"),
        }
    }

    /// Who goes to sleep is not left asleep: either it must not, or the count is one that it can wait for.
    fn nap(&mut self, input: &mut Input<'_>) {
        let count = input.number(1) as u32;
        let Model { submitted, accepted, .. } = self.model;
        let enough = u64::from(count).min(submitted - accepted).max(1);
        let has_come = self.claimed().is_none_or(|claimed| claimed >= enough);
        assert_eq!(self.host.has_come(count), has_come);
        assert_eq!(self.host.arm(count), !has_come);
        self.host.disarm();
    }

    /// What the child leaves in a front, and no byte beyond it.
    fn front(&mut self, input: &mut Input<'_>) {
        let slot = input.number(1) as usize % self.slots.len();
        let size = GEOMETRY.front_size() as usize;
        let begin = page() + self.slots[slot].index() as usize * size;
        let mark = input.number(1) as u8;
        // The same memory, by another address, as the child writes it.
        let childs = Front::of(&self.child, begin, size as u32);
        childs.store(0, &vec![u64::from_ne_bytes([mark; 8]); size / 8]).unwrap();
        let (offset, len) = (input.number(4) as u32, input.number(4) as u32);
        let fits = u64::from(offset) + u64::from(len) <= size as u64;
        let front = self.host.front(&self.slots[slot]).unwrap();
        let mut bytes = vec![1, 2, 3];
        let copied = front.copy_out(offset, len, &mut bytes);
        assert_eq!(copied.is_ok(), fits);
        let expected = [&[1, 2, 3], &vec![mark; if fits { len as usize } else { 0 }][..]].concat();
        assert_eq!(bytes, expected);
        let mut word = [0];
        assert_eq!(front.load(offset, &mut word).is_ok(), u64::from(offset) + 8 <= size as u64);
        assert_eq!(front.load_u32(offset).is_ok(), u64::from(offset) + 4 <= size as u64);
    }

    /// Words that the host believes for nothing, and its own that the child reads.
    fn others(&mut self, input: &mut Input<'_>) {
        match input.number(1) % 4 {
            0 => pages::answers(&self.child).child_asleep.store(input.number(8), Ordering::Relaxed),
            1 => {
                let phase = input.number(4) as u32;
                pages::phase(&self.child).store(phase, Ordering::Relaxed);
                assert_eq!(self.host.phase(), phase);
            }
            2 => {
                self.host.cancel_all();
                self.model.last.into_iter().for_each(|number| self.host.cancel(number));
            }
            // Seldom, since it is the end of the orders.
            _ if input.number(1) == 1 => {
                self.host.close();
                self.model.is_closed = true;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_is_on_both_sides() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/words");
        let corpus = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        let (believed, not): (Vec<_>, Vec<_>) = corpus.map(|bytes| super::words(&bytes)).partition(|&is| is);
        assert!(believed.len() > 4 && not.len() > 4, "{} are believed, {} are not", believed.len(), not.len());
    }
}
