//! Lines out of bytes, with a limit: what an Erlang port does that was opened with `{line, L}`.

/// What stands behind the bytes of a line: Erlang's `eol` and `noeol`, the latter with its cause.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ending {
    /// The end of the line, which is not among the bytes.
    Newline,
    /// The limit: the next line of this stream goes on where this one stops. Nothing is left out between them.
    Cut,
    /// The end of all output, in the middle of a line.
    EndOfOutput,
}

/// Makes lines of what a process writes, however it is read: with bytes in and lines out, and no pipe.
///
/// **Bound**: it holds the line that has not ended yet, of which there are `longest` bytes at most. What is longer comes in
/// pieces, and none of it is lost.
///
/// ```
/// use proscenium_process::{Ending, LinesCore};
///
/// let mut core = LinesCore::new(4);
/// let mut read: &[u8] = b"ab\nlonger";
/// assert_eq!(core.next(&mut read), Some((b"ab".to_vec(), Ending::Newline)));
/// assert_eq!(core.next(&mut read), Some((b"long".to_vec(), Ending::Cut)));
/// assert_eq!(core.next(&mut read), None);
/// assert_eq!(core.end(), Some((b"er".to_vec(), Ending::EndOfOutput)));
/// ```
#[derive(Debug)]
pub struct LinesCore {
    longest: usize,
    held: Vec<u8>,
}

impl LinesCore {
    /// A limit of zero counts as one: a piece has something in it.
    pub fn new(longest: usize) -> Self {
        LinesCore { longest: longest.max(1), held: Vec::new() }
    }

    /// The next line or piece, and what comes after it is left in `bytes`. None: all of them are held, and no line has
    /// ended.
    ///
    /// A line of just the limit is whole: whether it is, the byte behind it tells.
    #[must_use]
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<(Vec<u8>, Ending)> {
        let room = self.longest - self.held.len();
        let newline = bytes.iter().take(room + 1).position(|byte| *byte == b'\n');
        let (taken, passed) = newline.map_or((room.min(bytes.len()), room.min(bytes.len())), |at| (at, at + 1));
        let more_follows = bytes.len() > passed;
        self.held.extend_from_slice(&bytes[..taken]);
        *bytes = &bytes[passed..];
        match newline {
            Some(_) => Some((std::mem::take(&mut self.held), Ending::Newline)),
            None if more_follows => Some((std::mem::take(&mut self.held), Ending::Cut)),
            None => None,
        }
    }

    /// What is left at the end of the output.
    #[must_use]
    pub fn end(&mut self) -> Option<(Vec<u8>, Ending)> {
        (!self.held.is_empty()).then(|| (std::mem::take(&mut self.held), Ending::EndOfOutput))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that comes out when these are read one after the other: `|` for a newline, `~` for a cut, `.` for the
    /// end of the output.
    fn lines(longest: usize, reads: &[&str]) -> String {
        let mut core = LinesCore::new(longest);
        let mut all = Vec::new();
        for read in reads {
            let mut bytes = read.as_bytes();
            while let Some(line) = core.next(&mut bytes) {
                all.push(line);
            }
            assert!(bytes.is_empty() && core.held.len() <= longest, "{reads:?}");
        }
        all.extend(core.end());
        let marked = all.into_iter().map(|(bytes, ending)| {
            let mark = match ending {
                Ending::Newline => "|",
                Ending::Cut => "~",
                Ending::EndOfOutput => ".",
            };
            String::from_utf8(bytes).expect("the rows are ASCII") + mark
        });
        marked.collect()
    }

    #[test]
    fn lines_end_at_newlines_and_longer_ones_are_cut() {
        let rows: [(&[&str], &str); 11] = [
            (&[], ""),
            (&["ab\ncd\n"], "ab|cd|"),
            (&["a", "b\nc", "d\n"], "ab|cd|"),
            (&["\n\n"], "||"),
            (&["abc\n"], "abc|"), // Of just the limit: whole.
            (&["abc", "\n"], "abc|"),
            (&["abcd\n"], "abc~d|"),
            (&["abc", "d\n"], "abc~d|"),
            (&["abcdef\n"], "abc~def|"),
            (&["abcdefgh"], "abc~def~gh."),
            (&["abc"], "abc."),
        ];
        for (reads, want) in rows {
            assert_eq!(lines(3, reads), want, "{reads:?}");
        }
    }

    #[test]
    fn however_it_is_read_the_same_lines_come_out_and_nothing_is_lost() {
        let text = "a\nbcd\nefgh\n\n\nijklmnop\nq";
        for longest in 1..8 {
            let whole = lines(longest, &[text]);
            for first in 0..text.len() {
                for second in first..text.len() {
                    let reads = [&text[..first], &text[first..second], &text[second..]];
                    assert_eq!(lines(longest, &reads), whole, "{longest} {reads:?}");
                }
            }
            let restored = whole.replace(['~', '.'], "").replace('|', "\n");
            assert_eq!(restored, text, "{longest}");
        }
    }

    #[test]
    fn a_limit_of_zero_counts_as_one() {
        assert_eq!(lines(1, &["ab\n"]), "a~b|");
        let mut bytes: &[u8] = b"ab";
        assert_eq!(LinesCore::new(0).next(&mut bytes), Some((b"a".to_vec(), Ending::Cut)));
    }
}
