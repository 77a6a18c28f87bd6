//! Pieces of a line, each with its place.

use std::ops::Range;

/// Part of a line, as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Piece<'a> {
    /// Where in the file.
    pub(super) start: usize,
    pub(super) raw: &'a str,
}

const BLANK: [char; 2] = [' ', '\t'];

impl<'a> Piece<'a> {
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    pub(super) fn trimmed(self) -> Piece<'a> {
        let raw = self.raw.trim_start_matches(BLANK);
        Piece { start: self.start + self.raw.len() - raw.len(), raw: raw.trim_end_matches(BLANK) }
    }

    fn part(&self, range: Range<usize>) -> Piece<'a> {
        Piece { start: self.start + range.start, raw: &self.raw[range] }
    }

    /// At every separator that is neither escaped nor within `${..}`.
    pub(super) fn split(&self, separator: char) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let (mut from, closed) = (0, self.last_brace());
        while let Some(at) = self.find(separator, from, closed) {
            pieces.push(self.part(from..at).trimmed());
            from = at + separator.len_utf8();
        }
        pieces.push(self.part(from..self.raw.len()).trimmed());
        pieces
    }

    /// At the first such separator.
    pub(super) fn split_once(&self, separator: char) -> Option<(Piece<'a>, Piece<'a>)> {
        let at = self.find(separator, 0, self.last_brace())?;
        let behind = at + separator.len_utf8();
        Some((self.part(0..at).trimmed(), self.part(behind..self.raw.len()).trimmed()))
    }

    fn last_brace(&self) -> usize {
        self.raw.rfind('}').unwrap_or(0)
    }

    /// `closed`: behind the last `}` no `${` is looked through for one, or a line full of them would take very long.
    fn find(&self, separator: char, from: usize, closed: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let rest = &self.raw[at..];
            let char = rest.chars().next()?;
            if char == separator {
                return Some(at);
            }
            at += match char {
                '\\' => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
                '$' if rest.starts_with("$$") => 2,
                // One that is not closed ends here: the other fields are then still those that were meant.
                '$' if at < closed && rest.starts_with("${") => rest.find('}').map_or(2, |end| end + 1),
                _ => char.len_utf8(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_that_are_escaped_or_in_a_variable_do_not_split() {
        for (raw, want) in [
            ("a|b", vec!["a", "b"]),
            ("", vec![""]),
            ("|", vec!["", ""]),
            (" a |\tb ", vec!["a", "b"]),
            (r"a\|b|c", vec![r"a\|b", "c"]),
            (r"a\\|b", vec![r"a\\", "b"]),
            ("${A:-x|y}|b", vec!["${A:-x|y}", "b"]),
            ("$${x|y}", vec!["$${x", "y}"]),
            ("${x|y", vec!["${x", "y"]),
            ("ä|ö\\", vec!["ä", "ö\\"]),
        ] {
            let pieces = Piece { start: 5, raw }.split('|');
            assert_eq!(pieces.iter().map(|piece| piece.raw).collect::<Vec<_>>(), want, "{raw}");
            for piece in pieces {
                assert_eq!(&raw[piece.start - 5..piece.span().end - 5], piece.raw, "{raw}");
            }
        }
    }
}
