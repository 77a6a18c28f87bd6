//! Goal: what goes into a backlog comes out of it, in order, with its note, and is dropped once.
//! Method: random scripts against a `VecDeque`, for messages of several sizes and alignments. `SEED=<number>` replays one.

use std::collections::VecDeque;
use std::fmt::Debug;

use super::super::backlog::{Backlog, KEPT};
use super::super::block::{BLOCK, Block, Packed};
use super::super::entry::Note;
use super::super::sample::{Dice, play_all};
use super::*;

/// A message; `token` is counted.
trait Message: PartialEq + Debug {
    fn new(number: u32, token: &Arc<()>) -> Self;
}

impl Message for () {
    fn new(_: u32, _: &Arc<()>) {}
}

impl Message for u8 {
    fn new(number: u32, _: &Arc<()>) -> u8 {
        number as u8
    }
}

impl Message for [u16; 7] {
    fn new(number: u32, _: &Arc<()>) -> Self {
        [number as u16; 7]
    }
}

impl Message for u128 {
    fn new(number: u32, _: &Arc<()>) -> u128 {
        u128::from(number) << 70
    }
}

/// With niches, and something to drop.
impl Message for Option<(String, Arc<()>)> {
    fn new(number: u32, token: &Arc<()>) -> Self {
        (!number.is_multiple_of(3)).then(|| (number.to_string(), token.clone()))
    }
}

/// A backlog, the hand into which its blocks go, and what should be in them.
struct Stage<M> {
    backlog: Backlog<M>,
    hand: Block<M>,
    model: VecDeque<Entry<M>>,
    in_hand: VecDeque<Entry<M>>,
    token: Arc<()>,
    count: u32,
}

impl<M: Message> Stage<M> {
    fn new() -> Self {
        Stage {
            backlog: Backlog::new(),
            hand: Block::default(),
            model: VecDeque::new(),
            in_hand: VecDeque::new(),
            token: Arc::new(()),
            count: 0,
        }
    }

    /// The same entry twice, one for the model.
    fn make(&mut self, kind: usize) -> (Entry<M>, Entry<M>) {
        self.count += 1;
        let number = self.count;
        let make = || match kind {
            0 => Entry::news(Note(number.into())),
            1 => Entry::noted(M::new(number, &self.token), Note(number.into())),
            _ => Entry::noted(M::new(number, &self.token), Note::PLAIN),
        };
        (make(), make())
    }

    fn push(&mut self, kind: usize) {
        let (entry, twin) = self.make(kind);
        self.backlog.push(Packed::new(entry));
        self.model.push_back(twin);
    }

    fn step(&mut self, dice: &mut Dice) {
        // Of some scripts most entries have a note, of others few.
        let kind = dice.roll([3, 30, 1_000][self.count as usize / 600 % 3]);
        match dice.roll(40) {
            0..22 => self.push(kind),
            22 => (0..dice.roll(2 * BLOCK)).for_each(|_| self.push(kind)),
            23..30 => assert_eq!(self.backlog.pop().map(Packed::entry), self.model.pop_front()),
            30..33 => assert_eq!(self.hand.pop().map(Packed::entry), self.in_hand.pop_front()),
            33 => {
                let at = self.model.iter().position(Entry::weighs);
                let wanted = at.and_then(|at| self.model.remove(at));
                assert_eq!(self.backlog.remove_message().map(Packed::entry), wanted);
            }
            34 | 35 => {
                let (entry, twin) = self.make(kind);
                match self.hand.put_first(Packed::new(entry)) {
                    Ok(()) => self.in_hand.push_front(twin),
                    Err(entry) => {
                        assert_eq!(self.hand.len(), BLOCK);
                        drop(entry.entry());
                    }
                }
            }
            36 | 37 => {
                while let Some(packed) = self.hand.pop() {
                    assert_eq!(Some(packed.entry()), self.in_hand.pop_front());
                }
                self.hand.rewind();
                self.backlog.swap_block(&mut self.hand);
                assert_eq!(self.hand.is_empty(), self.model.is_empty());
                self.in_hand = self.model.drain(..self.hand.len()).collect();
            }
            38 => {
                self.hand.shrink_to(KEPT);
                self.backlog.last().shrink_to(KEPT);
            }
            _ => {
                let all: Vec<_> = std::mem::take(&mut self.hand).chain(self.backlog.take()).collect();
                assert!(all.into_iter().eq(self.in_hand.drain(..).chain(self.model.drain(..))));
            }
        }
    }

    fn check(&self) {
        assert_eq!((self.backlog.len(), self.hand.len()), (self.model.len(), self.in_hand.len()));
        assert_eq!(self.backlog.is_empty(), self.model.is_empty());
        assert!(self.hand.capacity() <= BLOCK);
        assert!(self.backlog.messages().eq(self.model.iter().filter_map(|entry| entry.message.as_ref())));
        let twice: usize = Arc::strong_count(&self.token) - 1;
        assert!(twice.is_multiple_of(2), "each that is there is in the model, and the other way round");
    }
}

fn play<M: Message>(seed: u64) {
    let mut dice = Dice(seed);
    let mut stage = Stage::<M>::new();
    for _ in 0..dice.roll(400) {
        stage.step(&mut dice);
        stage.check();
    }
    let Stage { backlog, hand, model, in_hand, token, .. } = stage;
    drop((backlog, hand, model, in_hand));
    assert_eq!(Arc::strong_count(&token), 1, "all are dropped");
}

/// Catches each of these: `move_to` that leaves the notes behind; notes that begin at an odd address; a `slide` of the
/// messages alone; `put_first` without notes; a `remove_message` that takes news; `shrink_to` that forgets where entries
/// begin; `get` that leaves its place to be dropped again.
#[test]
fn what_goes_in_comes_out_in_order_and_is_dropped_once() {
    play_all(150, |seed| {
        play::<()>(seed);
        play::<u8>(seed);
        play::<[u16; 7]>(seed);
        play::<u128>(seed);
        play::<Option<(String, Arc<()>)>>(seed);
    });
}

#[test]
fn blocks_are_full_before_there_is_another() {
    let mut backlog = Backlog::new();
    for number in 0..3 * BLOCK {
        let split = backlog.push(Packed::new(Entry::noted(number, Note::PLAIN)));
        assert_eq!(split, number > 0 && number.is_multiple_of(BLOCK), "{number}");
    }
    let mut hand = Block::default();
    for _ in 0..3 {
        assert!(!backlog.is_empty());
        hand.rewind();
        backlog.swap_block(&mut hand);
        assert_eq!(std::iter::from_fn(|| hand.pop()).count(), BLOCK);
    }
    assert!(backlog.is_empty() && !backlog.is_split());
}

#[test]
fn a_queue_of_tells_keeps_no_notes() {
    let mut block = Block::default();
    let plain = |number: u64| Packed::new(Entry::noted(number, Note::PLAIN));
    assert!(block.make_room(false));
    block.put(plain(1));
    assert!(!block.must_make_room(&plain(2)));
    assert!(block.must_make_room(&Packed::new(Entry::noted(2, Note(1)))), "a note needs room of its own");
    assert!(block.make_room(true));
    assert!(block.map(|entry| entry.message).eq([Some(1)]));
}

#[test]
fn a_panic_in_the_drop_of_a_message_is_passed_on() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a seeded panic");
        }
    }
    let mut backlog = Backlog::new();
    backlog.push(Packed::new(Entry::noted(Bomb, Note::PLAIN)));
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(backlog)));
    assert!(dropped.is_err());
}
