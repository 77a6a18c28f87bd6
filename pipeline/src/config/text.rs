//! A file's text, and where in it something stands.

use std::ops::Range;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::excerpt::Excerpt;
use super::findings::Findings;
use crate::limits;

/// The text of a file: UTF-8, without a byte-order mark.
pub(crate) struct Text {
    file: String,
    text: String,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl Text {
    /// All bytes of a file as text.
    pub(crate) fn of(file: &str, bytes: &[u8]) -> Result<Self, Diagnostics> {
        if bytes.len() > limits::FILE {
            return Err(Self::too_large(file));
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut text = String::with_capacity(bytes.len());
        let mut wrong: Vec<(usize, u8)> = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if let Some(&byte) = chunk.invalid().first() {
                wrong.push((text.len(), byte));
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let text = Text { file: file.to_owned(), text, starts };
        if wrong.is_empty() {
            return Ok(text);
        }
        let findings = Findings::of(&text);
        for (at, byte) in wrong {
            let what = format!("the byte {byte:#04X} is not UTF-8 here");
            let remedy = "save the file as UTF-8 (`iconv -f LATIN1 -t UTF-8` turns an older one into it)";
            findings.add(at..at + char::REPLACEMENT_CHARACTER.len_utf8(), what, "UTF-8 text", remedy);
        }
        Err(findings.into_diagnostics())
    }

    pub(crate) fn too_large(file: &str) -> Diagnostics {
        let what = format!("the file is larger than {} bytes", limits::FILE);
        Diagnostic::of_file(file, what, "a file of 1 MiB at most", "move long lists to files of their own").into()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Without its line end.
    fn line(&self, index: usize) -> &str {
        let start = self.starts[index];
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let line = &self.text[start..end];
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Every line with the place where it begins.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.starts.iter().enumerate().map(|(index, &start)| (start, self.line(index)))
    }

    /// The line of a place, from 0.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at) - 1
    }

    /// An error at this place. It is cut where its line ends.
    pub(crate) fn diagnostic(&self, span: Range<usize>, what: String, expected: String, remedy: String) -> Diagnostic {
        let start = self.text.floor_char_boundary(span.start.min(self.text.len()));
        let index = self.line_of(start);
        let line = self.line(index);
        let in_line = line.floor_char_boundary((start - self.starts[index]).min(line.len()));
        let end = line.floor_char_boundary(span.end.saturating_sub(self.starts[index]).clamp(in_line, line.len()));
        let at = line[..in_line].chars().count();
        let len = line[in_line..end].chars().count().max(1);
        Diagnostic {
            file: self.file.clone(),
            line: index + 1,
            column: at + 1,
            len,
            what,
            expected,
            remedy,
            excerpt: Some(Excerpt::of(line, at, len)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_lines_of_any_kind() {
        let text = Text::of("f", "\u{feff}äb\r\nc\n\nd".as_bytes()).unwrap();
        let place = |span: Range<usize>| {
            let found = text.diagnostic(span, String::new(), String::new(), String::new());
            (found.line, found.column, found.len)
        };
        for (span, want) in
            [(0..2, (1, 1, 1)), (2..3, (1, 2, 1)), (0..5, (1, 1, 2)), (5..6, (2, 1, 1)), (7..7, (3, 1, 1))]
        {
            assert_eq!(place(span.clone()), want, "{span:?}");
        }
        assert_eq!(place(8..9), (4, 1, 1));
        assert_eq!(place(900..901), (4, 2, 1), "behind the end is the end");
        assert_eq!(place(1..2), (1, 1, 1), "within a character is the character");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_each_found() {
        let wrong = Text::of("f", b"ab\xFFc\n\xC3").err().unwrap();
        let places: Vec<_> = wrong.shown().iter().map(|found| (found.line, found.column, &*found.what)).collect();
        assert_eq!(places, [(1, 3, "the byte 0xFF is not UTF-8 here"), (2, 1, "the byte 0xC3 is not UTF-8 here")]);
    }

    #[test]
    fn a_file_may_have_a_mebibyte() {
        assert!(Text::of("f", &vec![b'#'; limits::FILE]).is_ok());
        assert!(Text::of("f", &vec![b'#'; limits::FILE + 1]).is_err());
    }
}
