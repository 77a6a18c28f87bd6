//! The flight recorder: which kinds of message an actor handled last, and when.
//!
//! **Promises** the last 64 kinds and the last 16 milliseconds in which there were any; no payloads.
//! **Cost**: a byte, a counter and a look at the coarse clock a message; 208 bytes, allocated at the first message.

use std::time::Duration;

use crate::watch::{UNKEPT, read_clock};

const KINDS: usize = 64;
const MARKS: usize = 16;

/// What the recorder notes beside the actor's own kinds of message.
pub(crate) const DOWN: u8 = 255;
pub(crate) const EXITED: u8 = 254;

#[derive(Clone)]
pub(crate) struct Recorder {
    kinds: [u8; KINDS],
    count: u64,
    /// The last mark's time.
    now_ms: u32,
    marked: u32,
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

impl Recorder {
    fn new() -> Self {
        Recorder { kinds: [0; KINDS], count: 0, now_ms: NEVER, marked: 0, marks: [(0, 0); MARKS] }
    }

    #[cold]
    pub(crate) fn boxed() -> Box<Self> {
        Box::new(Recorder::new())
    }

    /// `clock` shows the coarse clock, or [`UNKEPT`].
    #[inline(always)]
    pub(crate) fn note(&mut self, kind: u8, clock: u32) {
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

    /// The notes, oldest first; `since_start` turns the coarse clock's time into the node's.
    pub(crate) fn read(
        &self,
        name: impl Fn(u8) -> &'static str,
        since_start: impl Fn(u32) -> Duration,
    ) -> Vec<Recorded> {
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
        let mut recorder = Recorder::new();
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
    fn a_note_older_than_all_marks_has_no_time() {
        let mut recorder = Recorder::new();
        (0..40_u32).for_each(|tick| recorder.note(0, tick));
        let read = recorder.read(|_| "k", millis);
        assert_eq!(read.len(), 40);
        assert_eq!(read[23].at, None);
        assert_eq!(read[24].at, Some(Duration::from_millis(24)));
    }

    #[test]
    fn times_are_right_when_the_numbers_in_the_marks_wrap() {
        let mut recorder = Recorder::new();
        recorder.count = u64::from(u32::MAX) - 1;
        (0..4_u32).for_each(|tick| recorder.note(0, 7 + tick));
        let read = recorder.read(|_| "k", millis);
        let times: Vec<_> = read[60..].iter().filter_map(|recorded| recorded.at).collect();
        assert_eq!(times, [7, 8, 9, 10].map(Duration::from_millis));
    }
}
