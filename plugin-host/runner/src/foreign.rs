//! Texts that a plugin's process wrote: cut, and without what steers a terminal or forges a line.

use std::fmt::Write;

use crate::wire::{Failed, Heard, LastWord, Tell};

/// Bytes of a line of a log, or of a reason, as they came.
pub(crate) const LONGEST_LINE: usize = 8 << 10;
/// The same, of the name of a counter, a gauge or an info.
pub(crate) const LONGEST_NAME: usize = 128;

/// A text as it may stand in a log: control characters are escaped.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut clean, char| {
        match char {
            '\t' => clean.push(char),
            char if char.is_control() => {
                let _ = write!(clean, "{}", char.escape_default()); // A string takes all.
            }
            char => clean.push(char),
        }
        clean
    })
}

/// Cut to so many bytes, and as it may stand in a log.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    clean(&text[..text.floor_char_boundary(longest)])
}

fn line(text: &str) -> String {
    cut(text, LONGEST_LINE)
}

fn name(text: &str) -> String {
    cut(text, LONGEST_NAME)
}

/// What was heard, with texts that can be shown. What a plugin says of itself stays as it is, but for its length: a schema
/// has its lines.
pub(crate) fn shown(heard: Heard) -> Heard {
    let tell = match heard {
        Heard::LastWord(word) => return Heard::LastWord(LastWord { symbol: name(&word.symbol), ..word }),
        Heard::Tell(tell) => tell,
        Heard::OtherBuild => return heard,
    };
    Heard::Tell(match tell {
        Tell::Log { level, text } => Tell::Log { level, text: line(&text) },
        Tell::Count { name: counter, add } => Tell::Count { name: name(&counter), add },
        Tell::Gauge { name: gauge, value } => Tell::Gauge { name: name(&gauge), value },
        Tell::Fail(text) => Tell::Fail(line(&text)),
        Tell::StateRefused { code, text } => Tell::StateRefused { code, text: line(&text) },
        Tell::Failed(failed) => Tell::Failed(Failed { text: line(&failed.text), ..failed }),
        Tell::Info(info) => Tell::Info(info.into_iter().map(|(of, text)| (name(&of), text)).collect()),
        // A list, line by line.
        Tell::Learned(list) => Tell::Learned(list.lines().map(line).collect::<Vec<_>>().join("\n")),
        Tell::Walls(_)
        | Tell::Ready(_)
        | Tell::Exported { .. }
        | Tell::Imported
        | Tell::Measured(_)
        | Tell::Stopped => tell,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{encode, heard};

    #[test]
    fn a_line_cannot_forge_another_or_steer_a_terminal() {
        assert_eq!(clean("a\tb"), "a\tb");
        assert_eq!(clean("one\nERROR two\u{1b}[2J"), "one\\nERROR two\\u{1b}[2J");
    }

    #[test]
    fn every_text_of_a_process_is_cut_and_shown() {
        let evil = "\u{1b}[2J\n".repeat(2_000);
        let tells = [
            Tell::Log { level: 1, text: evil.clone() },
            Tell::Count { name: evil.clone(), add: 1 },
            Tell::Gauge { name: evil.clone(), value: 1.0 },
            Tell::Fail(evil.clone()),
            Tell::StateRefused { code: 1, text: evil.clone() },
        ];
        for tell in tells {
            let shown = format!("{:?}", heard(&encode(&tell).unwrap()).unwrap());
            // As Debug writes it, a backslash that is text is doubled, and one that stands for the character is not.
            let steers = shown.replace("\\\\", "").contains('\\');
            assert!(!steers && shown.len() < 6 * LONGEST_LINE, "{}", shown.len());
        }
    }
}
