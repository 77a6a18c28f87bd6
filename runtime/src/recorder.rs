//! The flight recorder: which kinds of message an actor handled last, and when.
//!
//! **Promises** the last 64 kinds and the time of the last 16 batches, to a millisecond; no payloads.
//! **Cost**: a byte and a counter a message; 336 bytes, allocated at the first message.

use std::time::Duration;

const KINDS: usize = 64;
const MARKS: usize = 16;

/// What the recorder notes beside the actor's own kinds of message.
pub(crate) const DOWN: u8 = 255;
pub(crate) const EXITED: u8 = 254;

#[derive(Clone)]
pub(crate) struct Recorder {
    kinds: [u8; KINDS],
    count: u64,
    /// (number of the first message of a batch, node time in ms when the batch was taken)
    marks: [(u64, u32); MARKS],
    batches: u32,
}

/// One message that an actor handled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The kind's name: a method of an `#[actor]`, `DOWN`, `EXIT`.
    pub kind: &'static str,
    /// When its batch was taken from the mailbox, since the node's start; `None` if the note is older than the marks.
    pub at: Option<Duration>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Recorder { kinds: [0; KINDS], count: 0, marks: [(0, 0); MARKS], batches: 0 }
    }

    #[inline]
    pub(crate) fn note(&mut self, kind: u8) {
        self.kinds[self.count as usize % KINDS] = kind;
        self.count += 1;
    }

    #[inline]
    pub(crate) fn mark(&mut self, now_ms: u32) {
        let last = self.marks[self.batches.wrapping_sub(1) as usize % MARKS];
        if self.batches == 0 || last.1 != now_ms {
            self.marks[self.batches as usize % MARKS] = (self.count, now_ms);
            self.batches = self.batches.wrapping_add(1);
        }
    }

    /// The notes, oldest first.
    pub(crate) fn read(&self, name: impl Fn(u8) -> &'static str) -> Vec<Recorded> {
        let first = self.count.saturating_sub(KINDS as u64);
        let marks = self.batches.min(MARKS as u32) as usize;
        (first..self.count)
            .map(|number| {
                let kind = name(self.kinds[number as usize % KINDS]);
                let at = self.marks[..marks].iter().filter(|(from, _)| *from <= number).max_by_key(|(from, _)| *from);
                Recorded { kind, at: at.map(|(_, ms)| Duration::from_millis(u64::from(*ms))) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_64_kinds_are_kept_with_the_time_of_their_batch() {
        let mut recorder = Recorder::new();
        for batch in 0..10_u32 {
            recorder.mark(batch * 5);
            (0..10).for_each(|_| recorder.note(batch as u8));
        }
        let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let read = recorder.read(|kind| names[usize::from(kind)]);
        assert_eq!(read.len(), 64);
        assert_eq!(read[0], Recorded { kind: "3", at: Some(Duration::from_millis(15)) });
        assert_eq!(read[63], Recorded { kind: "9", at: Some(Duration::from_millis(45)) });
    }

    #[test]
    fn a_note_older_than_all_marks_has_no_time() {
        let mut recorder = Recorder::new();
        for tick in 0..40_u32 {
            recorder.mark(tick);
            recorder.note(0);
        }
        let read = recorder.read(|_| "k");
        assert_eq!(read.len(), 40);
        assert_eq!(read[23].at, None);
        assert_eq!(read[24].at, Some(Duration::from_millis(24)));
    }
}
