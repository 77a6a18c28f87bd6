//! The part of a line that an error shows, with what stands below it.

use std::fmt::Write as _;

/// Characters of a line that are shown. A longer one is cut around the caret.
const WIDTH: usize = 120;
/// Of them, how many stand before the caret then.
const BEFORE: usize = 40;
/// Characters of a text that is quoted within a sentence.
const QUOTED: usize = 60;

/// A line, cut and made harmless, and the caret's place below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    /// As wide as what stands before the caret: its tabs, and spaces for the rest.
    pub(crate) indent: String,
    pub(crate) carets: usize,
}

impl Excerpt {
    /// Of this line, for `len` characters from the one with this number, counted from 0.
    pub(crate) fn of(line: &str, at: usize, len: usize) -> Self {
        let is_long = line.chars().nth(WIDTH).is_some();
        let from = if is_long { at.saturating_sub(BEFORE) } else { 0 };
        let mut excerpt = Excerpt { text: String::new(), indent: String::new(), carets: 0 };
        if from > 0 {
            excerpt.text.push('…');
            excerpt.indent.push(' ');
        }
        let mut rest = line.chars().skip(from);
        for (nth, char) in (from..).zip(rest.by_ref().take(WIDTH)) {
            let width = excerpt.put(char);
            if nth < at {
                excerpt.indent.extend(std::iter::repeat_n(if char == '\t' { '\t' } else { ' ' }, width));
            } else if nth < at + len {
                excerpt.carets += width;
            }
        }
        if rest.next().is_some() {
            excerpt.text.push('…');
        }
        excerpt.carets = excerpt.carets.max(1);
        excerpt
    }

    /// How wide it has become.
    fn put(&mut self, char: char) -> usize {
        if char == '\t' || !steers(char) {
            self.text.push(char);
            return 1;
        }
        let before = self.text.len();
        put_escaped(&mut self.text, char);
        self.text.len() - before
    }
}

/// Text of a file's, within a sentence: in backticks, cut, and made harmless.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("`");
    let mut chars = text.chars();
    for char in chars.by_ref().take(QUOTED) {
        if steers(char) { put_escaped(&mut quoted, char) } else { quoted.push(char) }
    }
    quoted.push_str(if chars.next().is_some() { "…`" } else { "`" });
    quoted
}

/// Whether it does something to a terminal, or to the order of what stands beside it, instead of being seen.
fn steers(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn put_escaped(text: &mut String, char: char) {
    // Writing to a String does not fail.
    let _ = write!(text, "{}", char.escape_unicode());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, at: usize, len: usize) -> String {
        let excerpt = Excerpt::of(line, at, len);
        format!("{}\n{}{}", excerpt.text, excerpt.indent, "^".repeat(excerpt.carets))
    }

    #[test]
    fn the_caret_stands_below_what_is_meant() {
        for (line, at, len, want) in [
            ("a|bc|d", 2, 2, "a|bc|d\n  ^^"),
            ("\ta\tbc", 3, 2, "\ta\tbc\n\t \t^^"),
            ("äöü|x", 4, 1, "äöü|x\n    ^"),
            ("a\u{1b}b", 2, 1, "a\\u{1b}b\n       ^"),
            ("a\u{202e}b", 1, 1, "a\\u{202e}b\n ^^^^^^^^"),
            ("abc", 3, 0, "abc\n   ^"),
            ("", 0, 0, "\n^"),
            ("abc", 2, 50, "abc\n  ^"),
        ] {
            assert_eq!(shown(line, at, len), want, "{line:?} {at} {len}");
        }
    }

    #[test]
    fn a_giant_line_is_cut_around_the_caret() {
        let line = "x".repeat(1_000_000);
        let excerpt = Excerpt::of(&line, 500_000, 300_000);
        assert!(excerpt.text.starts_with("…x") && excerpt.text.ends_with("x…"), "{}", excerpt.text);
        assert_eq!(excerpt.text.chars().count(), WIDTH + 2);
        assert_eq!((excerpt.indent.len(), excerpt.carets), (BEFORE + 1, WIDTH - BEFORE));
        let at_end = Excerpt::of(&line, 999_999, 1);
        assert!(!at_end.text.ends_with('…'));
    }

    #[test]
    fn a_quoted_text_is_short_and_harmless() {
        assert_eq!(quoted("a\u{1b}[31m\nb"), "`a\\u{1b}[31m\\u{a}b`");
        assert_eq!(quoted(&"y".repeat(100_000)).chars().count(), QUOTED + 3);
    }
}
