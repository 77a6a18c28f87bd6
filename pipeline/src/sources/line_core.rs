//! Lines out of blocks of bytes, wherever the blocks are divided. Pure.
//!
//! A line that lies in one block is handed out where it lies; only one that spans two is put together. Its memory is
//! the line limit, however long a line is.

use memchr::memchr;

/// Bytes of a line over the limit that are kept, for its dead letter.
pub(crate) const FIRST: usize = 256;

/// What is kept of the memory of a long line when it is done.
const SPARE: usize = 16 << 10;

/// What stands before a newline, or the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line<'a> {
    /// All of it, without its end; `\r` before the newline belongs to the end.
    Whole(&'a [u8]),
    /// It is longer than the limit: its first bytes, and how many there are before the newline.
    TooLong { first: &'a [u8], len: u64 },
}

/// Where the next line begins, and what of it earlier blocks have brought.
#[derive(Debug)]
pub(crate) struct LineCore {
    limit: usize,
    /// The line so far; the first bytes of one that is over the limit.
    carry: Vec<u8>,
    /// Bytes of the line so far, those that are not kept included.
    seen: u64,
    /// What is in `carry` has been handed out.
    is_taken: bool,
    offset: u64,
    lines: u64,
}

impl LineCore {
    /// At a line's first byte, behind so many bytes and lines.
    pub(crate) fn at(limit: usize, offset: u64, lines: u64) -> Self {
        LineCore { limit, carry: Vec::new(), seen: 0, is_taken: false, offset, lines }
    }

    pub(crate) fn new(limit: usize) -> Self {
        LineCore::at(limit, 0, 0)
    }

    /// Lines may be as long as this from here on.
    pub(crate) fn limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Where the first line begins that was not handed out.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lines that were handed out: the number of the last one.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Where the bytes begin that it has not seen.
    pub(crate) fn next_byte(&self) -> u64 {
        self.offset + self.seen
    }

    /// Whether it has seen a part of a line.
    pub(crate) fn is_within_line(&self) -> bool {
        self.seen > 0
    }

    /// Bytes that it holds of a line.
    pub(crate) fn held(&self) -> usize {
        if self.is_taken { 0 } else { self.carry.len() }
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.carry.capacity()
    }

    /// Takes a line from the front of `block`; none: the block is used up, and the rest of the line is in later ones.
    pub(crate) fn next<'a, 'b: 'a>(&'a mut self, block: &mut &'b [u8]) -> Option<Line<'a>> {
        self.forget_taken();
        let Some(end) = memchr(b'\n', block) else {
            self.keep(block);
            *block = &[];
            return None;
        };
        let head = &block[..end];
        *block = &block[end + 1..];
        if self.seen > 0 {
            self.keep(head);
            return Some(self.finish(1));
        }
        self.lines += 1;
        self.offset += end as u64 + 1;
        Some(framed(self.limit, head, end as u64))
    }

    /// There are no more bytes: what is left is a line.
    pub(crate) fn end(&mut self) -> Option<Line<'_>> {
        self.forget_taken();
        (self.seen > 0).then(|| self.finish(0))
    }

    /// Forgets a part of a line that takes up more than `keep` bytes: [`next_byte`](LineCore::next_byte) goes back to its
    /// beginning. One over the limit is not forgotten, as little of it is kept.
    pub(crate) fn forget(&mut self, keep: usize) {
        self.forget_taken();
        if self.carry.len() > keep && !self.is_over() {
            self.carry = Vec::new();
            self.seen = 0;
        }
    }

    fn forget_taken(&mut self) {
        if std::mem::take(&mut self.is_taken) {
            self.carry.clear();
            self.carry.shrink_to(SPARE);
        }
    }

    /// One byte over the limit may be a `\r`.
    fn is_over(&self) -> bool {
        self.seen > self.limit as u64 + 1
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        let most = if self.is_over() { FIRST } else { self.limit + 1 };
        let part = &bytes[..bytes.len().min(most.saturating_sub(self.carry.len()))];
        let len = self.carry.len() + part.len();
        if len > self.carry.capacity() {
            // Doubling, but never beyond what may be kept.
            let capacity = (2 * self.carry.capacity()).min(most).max(len);
            self.carry.reserve_exact(capacity - self.carry.len());
        }
        self.carry.extend_from_slice(part);
        if self.is_over() {
            self.carry.truncate(FIRST);
            self.carry.shrink_to(FIRST);
        }
    }

    fn finish(&mut self, newline: u64) -> Line<'_> {
        let len = std::mem::take(&mut self.seen);
        self.is_taken = true;
        self.lines += 1;
        self.offset += len + newline;
        framed(self.limit, &self.carry, len)
    }
}

fn framed(limit: usize, bytes: &[u8], len: u64) -> Line<'_> {
    let text = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.len() as u64 == len && text.len() <= limit {
        Line::Whole(text)
    } else {
        Line::TooLong { first: &bytes[..bytes.len().min(FIRST)], len }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, PartialEq, Eq, Debug)]
    struct Seen {
        text: Vec<u8>,
        /// Of one over the limit.
        len: Option<u64>,
        number: u64,
        /// Where the next begins.
        offset: u64,
    }

    fn seen(line: Line<'_>) -> (Vec<u8>, Option<u64>) {
        match line {
            Line::Whole(text) => (text.to_vec(), None),
            Line::TooLong { first, len } => (first.to_vec(), Some(len)),
        }
    }

    fn lines(limit: usize, blocks: &[&[u8]]) -> Vec<Seen> {
        let mut core = LineCore::new(limit);
        let mut all = Vec::new();
        for block in blocks {
            let mut rest = *block;
            while let Some((text, len)) = core.next(&mut rest).map(seen) {
                all.push(Seen { text, len, number: core.lines(), offset: core.offset() });
            }
            assert!(core.memory() <= limit.max(FIRST) + SPARE, "{} bytes", core.memory());
        }
        if let Some((text, len)) = core.end().map(seen) {
            all.push(Seen { text, len, number: core.lines(), offset: core.offset() });
        }
        assert!(core.end().is_none(), "there is one end");
        all
    }

    /// As simple as it can be said.
    fn model(limit: usize, bytes: &[u8]) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        for (nth, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let offset = all.last().map_or(0, |last| last.offset) + line.len() as u64;
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            let text = body.strip_suffix(b"\r").unwrap_or(body);
            let (text, len) = match text.len() <= limit {
                true => (text, None),
                false => (&body[..body.len().min(FIRST)], Some(body.len() as u64)),
            };
            all.push(Seen { text: text.to_vec(), len, number: nth as u64 + 1, offset });
        }
        all
    }

    proptest! {
        #[test]
        fn any_division_into_blocks_gives_the_same_lines(
            bytes in prop::collection::vec(prop_oneof![3 => Just(b'x'), 1 => Just(b'\n'), 1 => Just(b'\r')], 0..80),
            cuts in prop::collection::vec(0usize..80, 0..12),
            limit in 0usize..12,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.push(0);
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let blocks: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(lines(limit, &blocks), model(limit, &bytes));
        }

        #[test]
        fn long_lines_come_out_the_same_however_they_are_divided(
            lens in prop::collection::vec(0usize..2_000, 1..5),
            block in 1usize..700,
            limit in 200usize..1_500,
        ) {
            let mut bytes = Vec::new();
            for (nth, len) in lens.into_iter().enumerate() {
                bytes.extend((0..len).map(|at| b'a' + ((at + nth) % 26) as u8));
                bytes.extend_from_slice(if nth % 2 == 0 { b"\n" } else { b"\r\n" });
            }
            let blocks: Vec<&[u8]> = bytes.chunks(block).collect();
            prop_assert_eq!(lines(limit, &blocks), model(limit, &bytes));
        }
    }

    #[test]
    fn a_line_without_an_end_takes_up_no_more_than_the_limit() {
        let mut core = LineCore::new(1 << 20);
        let block = [b'x'; 64 << 10];
        let mut most = 0;
        for _ in 0..1_000 {
            assert!(core.next(&mut &block[..]).is_none());
            most = most.max(core.memory());
        }
        assert!(most <= (1 << 20) + 1, "{most} bytes");
        assert!(core.memory() <= FIRST, "and when it is over the limit, only the first bytes: {}", core.memory());
        assert_eq!(core.next_byte(), 1_000 * (64 << 10));
        let len = 1_000 * (64 << 10);
        assert_eq!(core.next(&mut &b"\nnext"[..]), Some(Line::TooLong { first: &block[..FIRST], len }));
    }

    #[test]
    fn a_part_that_is_forgotten_is_read_again_from_the_beginning_of_its_line() {
        let mut core = LineCore::new(100);
        let mut rest = &b"one\ntwo, a part"[..];
        assert_eq!(core.next(&mut rest), Some(Line::Whole(b"one")));
        assert_eq!(core.next(&mut rest), None);
        core.forget(100);
        assert_eq!(core.next_byte(), 15, "it is small enough to stay");
        core.forget(4);
        assert_eq!((core.next_byte(), core.offset(), core.lines()), (4, 4, 1));
        assert_eq!(core.next(&mut &b"two, a part, all\n"[..]), Some(Line::Whole(b"two, a part, all")));
    }
}
