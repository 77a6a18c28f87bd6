//! The flight recorder: which kinds of message an actor handled last, and when.
//!
//! **Promises** the last 64 kinds and the last 16 milliseconds in which there were any; no payloads.
//! **Cost**: a byte, a counter and a look at the coarse clock a message. The first seven messages are noted in place, if they
//! come within a millisecond; then 208 bytes are allocated.

use std::time::Duration;

use crate::watch::{UNKEPT, read_clock};

const KINDS: usize = 64;
const MARKS: usize = 16;
const FEW: usize = 7;

/// What the recorder notes beside the actor's own kinds of message.
pub(crate) const DOWN: u8 = 255;
pub(crate) const EXITED: u8 = 254;

/// What is noted of an actor.
pub(crate) enum Recorder {
    /// Many actors handle no more than a few messages in their life.
    Few(Few),
    Many(Box<Ring>),
}

const _: () = assert!(size_of::<Recorder>() == 16);

/// The first messages, all of one millisecond.
#[derive(Default)]
pub(crate) struct Few {
    count: u8,
    kinds: [u8; FEW],
    ms: u32,
}

/// What each message touches lies together, at the beginning.
#[repr(C)]
pub(crate) struct Ring {
    count: u64,
    /// The last mark's time.
    now_ms: u32,
    marked: u32,
    kinds: [u8; KINDS],
    /// (number of the first message in a millisecond, wrapping; its time in ms)
    marks: [(u32, u32); MARKS],
}

/// One message that an actor handled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The kind's name: a method of an `#[actor]`, `DOWN`, `EXIT`.
    pub kind: &'static str,
    /// When its handler began, since the node's start; `None` if the note is older than the marks.
    pub at: Option<Duration>,
}

/// Before the first message. No clock shows it for 49 days.
const NEVER: u32 = UNKEPT - 1;

impl Default for Recorder {
    #[inline(always)]
    fn default() -> Self {
        Recorder::Few(Few::default())
    }
}

impl Recorder {
    /// `clock` shows the coarse clock, or [`UNKEPT`].
    #[inline(always)]
    pub(crate) fn note(&mut self, kind: u8, clock: u32) {
        match self {
            Recorder::Many(ring) => ring.note(kind, clock),
            Recorder::Few(_) => self.note_one_of_few(kind, clock),
        }
    }

    #[cold]
    fn note_one_of_few(&mut self, kind: u8, clock: u32) {
        let Recorder::Few(few) = self else { return };
        let ms = if clock == UNKEPT { read_clock() } else { clock };
        if few.count == 0 {
            few.ms = ms;
        }
        if few.ms == ms
            && let Some(place) = few.kinds.get_mut(usize::from(few.count))
        {
            *place = kind;
            few.count += 1;
            return;
        }
        let mut ring = Box::new(Ring::of(few));
        ring.note(kind, ms);
        *self = Recorder::Many(ring);
    }

    /// The notes, oldest first; `since_start` turns the coarse clock's time into the node's.
    pub(crate) fn read(
        &self,
        name: impl Fn(u8) -> &'static str,
        since_start: impl Fn(u32) -> Duration,
    ) -> Vec<Recorded> {
        match self {
            Recorder::Many(ring) => ring.read(name, since_start),
            Recorder::Few(few) => Ring::of(few).read(name, since_start),
        }
    }
}

impl Ring {
    fn of(few: &Few) -> Self {
        let mut ring = Ring { kinds: [0; KINDS], count: 0, now_ms: NEVER, marked: 0, marks: [(0, 0); MARKS] };
        few.kinds[..usize::from(few.count)].iter().for_each(|kind| ring.note(*kind, few.ms));
        ring
    }

    #[inline(always)]
    fn note(&mut self, kind: u8, clock: u32) {
        if clock != self.now_ms {
            self.mark(clock);
        }
        self.kinds[self.count as usize % KINDS] = kind;
        self.count += 1;
    }

    #[cold]
    fn mark(&mut self, clock: u32) {
        let now_ms = if clock == UNKEPT { read_clock() } else { clock };
        if now_ms == self.now_ms {
            return;
        }
        self.now_ms = now_ms;
        self.marks[self.marked as usize % MARKS] = (self.count as u32, now_ms);
        self.marked = self.marked.wrapping_add(1);
    }

    fn read(&self, name: impl Fn(u8) -> &'static str, since_start: impl Fn(u32) -> Duration) -> Vec<Recorded> {
        let first = self.count.saturating_sub(KINDS as u64);
        let marks =
            || (1..=(self.marked as usize).min(MARKS)).map(|back| self.marks[(self.marked as usize - back) % MARKS]);
        (first..self.count)
            .map(|number| {
                // The latest mark that is not later.
                let at = marks().find(|(from, _)| (number as u32).wrapping_sub(*from) <= u32::MAX / 2);
                Recorded { kind: name(self.kinds[number as usize % KINDS]), at: at.map(|(_, ms)| since_start(ms)) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u32) -> Duration {
        Duration::from_millis(u64::from(ms))
    }

    #[test]
    fn the_last_64_kinds_are_kept_with_their_time() {
        let mut recorder = Recorder::default();
        for batch in 0..10_u32 {
            (0..10).for_each(|_| recorder.note(batch as u8, batch * 5));
        }
        let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let read = recorder.read(|kind| names[usize::from(kind)], millis);
        assert_eq!(read.len(), 64);
        assert_eq!(read[0], Recorded { kind: "3", at: Some(Duration::from_millis(15)) });
        assert_eq!(read[63], Recorded { kind: "9", at: Some(Duration::from_millis(45)) });
    }

    #[test]
    fn nothing_is_lost_when_the_few_become_many() {
        // Because there are more of them, and because time goes on.
        for (in_the_first_ms, all) in [(0, 0), (1, 1), (FEW, FEW), (FEW + 1, FEW + 1), (3, 5), (1, 64)] {
            let mut recorder = Recorder::default();
            (0..all).for_each(|number| recorder.note(number as u8, if number < in_the_first_ms { 7 } else { 9 }));
            assert_eq!(matches!(recorder, Recorder::Few(_)), all <= FEW && all == in_the_first_ms);
            let names: Vec<&'static str> = (0..all).map(|number| &*number.to_string().leak()).collect();
            let read = recorder.read(|kind| names[usize::from(kind)], millis);
            let noted = names.iter().enumerate().map(|(number, kind)| {
                let at = Some(millis(if number < in_the_first_ms { 7 } else { 9 }));
                Recorded { kind, at }
            });
            assert_eq!(read, noted.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_note_older_than_all_marks_has_no_time() {
        let mut recorder = Recorder::default();
        (0..40_u32).for_each(|tick| recorder.note(0, tick));
        let read = recorder.read(|_| "k", millis);
        assert_eq!(read.len(), 40);
        assert_eq!(read[23].at, None);
        assert_eq!(read[24].at, Some(Duration::from_millis(24)));
    }

    #[test]
    fn times_are_right_when_the_numbers_in_the_marks_wrap() {
        let mut ring = Ring::of(&Few::default());
        ring.count = u64::from(u32::MAX) - 1;
        (0..4_u32).for_each(|tick| ring.note(0, 7 + tick));
        let read = ring.read(|_| "k", millis);
        let times: Vec<_> = read[60..].iter().filter_map(|recorded| recorded.at).collect();
        assert_eq!(times, [7, 8, 9, 10].map(Duration::from_millis));
    }
}
