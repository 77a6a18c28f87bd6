//! Letters as text, for a terminal.

use std::fmt::Write;

use proscenium_plugin_host::ContentType;

use super::line::{content_word, shown};
use super::selection::{Fate, KeptLetter, LetterPage};

/// Characters of a reason in a table, at most.
const REASON: usize = 60;
/// Bytes that are shown of a payload which is no text.
const SHOWN_BYTES: usize = 256;

/// The page as a table, a letter a line; what could not be read follows, and how to see more.
#[must_use]
pub fn letter_table(page: &LetterPage) -> String {
    let mut rows = vec![["ID", "SINCE", "CLASS", "PART", "SOURCE", "TRIES", "FATE", "REASON"].map(str::to_owned)];
    rows.extend(page.letters.iter().map(|kept| {
        let letter = &kept.letter;
        [
            kept.id.to_string(),
            utc(letter.since),
            letter.class.to_string(),
            plain(&letter.part),
            plain(&letter.source),
            letter.attempts.to_string(),
            fate(kept.fate).to_owned(),
            short(&plain(&letter.reason)),
        ]
    }));
    let mut text = String::new();
    if page.letters.is_empty() {
        text.push_str("no dead letters\n");
    } else {
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..8).map(width).collect();
        for row in &rows {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
    }
    if let (true, Some(oldest)) = (page.has_older, page.letters.first()) {
        _ = writeln!(text, "there are older ones: --below {}", oldest.id);
    }
    for damage in &page.damage {
        _ = writeln!(text, "cannot be read: {}", plain(&damage.to_string()));
    }
    text
}

/// All that is known of a letter.
#[must_use]
pub fn letter_text(kept: &KeptLetter) -> String {
    let (letter, record) = (&kept.letter, &kept.letter.record);
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        _ = writeln!(text, "{name:<9} {value}");
    };
    row("letter", &format!("{} ({})", kept.id, fate(kept.fate)));
    row("since", &utc(letter.since));
    row("class", &letter.class.to_string());
    row("part", &plain(&letter.part));
    row("reason", &plain(&letter.reason));
    row("attempts", &letter.attempts.to_string());
    row("source", &plain(&letter.source));
    row("record", &record.id.to_string());
    row("time", &utc(record.time));
    if let Some(key) = &record.key {
        row("key", &bytes(key));
    }
    for (name, value) in &record.headers {
        row("header", &format!("{}: {}", plain(name), bytes(value)));
    }
    row("content", &format!("{}, {} bytes", content_word(record.content), record.payload.len()));
    let payload = match (shown(record), record.content) {
        (Some(shown), _) => plain(&shown),
        (None, ContentType::MessagePack) => hex(&record.payload),
        (None, _) => bytes(&record.payload),
    };
    _ = writeln!(text, "\n{payload}");
    if let Some(crash) = &letter.crash {
        let lines: Vec<_> = crash.lines().map(plain).collect();
        _ = writeln!(text, "\ncrash report:\n{}", lines.join("\n"));
    }
    text
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Kept => "kept",
        Fate::Redriven => "redriven",
        Fate::Purged => "purged",
    }
}

/// Nothing in it moves a terminal's cursor, or begins a line: it comes from records.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        // Marks of direction and the like print nothing, and change how the rest looks.
        let is_hidden =
            matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if letter.is_control() || is_hidden {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain
}

fn bytes(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), plain)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = "0x".to_owned();
    for byte in bytes.iter().take(SHOWN_BYTES) {
        _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > SHOWN_BYTES {
        _ = write!(text, " and {} bytes more", bytes.len() - SHOWN_BYTES);
    }
    text
}

fn short(text: &str) -> String {
    match text.char_indices().nth(REASON) {
        None => text.to_owned(),
        Some(_) => text.chars().take(REASON - 1).chain(['…']).collect(),
    }
}

/// `2026-01-31 13:37:00Z`, of milliseconds since 1970.
fn utc(millis: u64) -> String {
    let seconds = millis / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that a leap day is the last of its year; eras of 400 years, from the year 0 on.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + month / 10, (month + 2) % 12 + 1);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use crate::letter::{Class, Letter};
    use crate::record::OwnedRecord;

    use super::super::standing::Damage;
    use super::*;

    #[test]
    fn days_are_named_as_calendars_do() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_799, "2000-02-29 23:59:59Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"),
            (1_769_866_620, "2026-01-31 13:37:00Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(utc(seconds * 1000), text);
        }
    }

    fn kept(id: u64, content: ContentType, payload: &[u8]) -> KeptLetter {
        let record = OwnedRecord {
            id: 7,
            content,
            payload: payload.to_vec(),
            key: Some(b"k\xff".to_vec()),
            time: 0,
            headers: vec![("from".to_owned(), b"a\x1b[2Jb".to_vec())],
        };
        let letter = Letter {
            part: "validation".to_owned(),
            source: "orders".to_owned(),
            class: Class::NotTried,
            reason: "no\nsuch".to_owned(),
            attempts: 3,
            crash: Some("line one\nline \x07two".to_owned()),
            since: 1_769_866_620_000,
            record,
        };
        KeptLetter { id, fate: Fate::Redriven, letter }
    }

    #[test]
    fn a_table_has_a_line_for_each_letter_and_says_what_is_missing() {
        let mut long = kept(1234, ContentType::Raw, b"");
        long.letter.reason = "ä".repeat(70);
        let damage = Damage { path: "x.jsonl".into(), line: Some(3), what: "torn".to_owned() };
        let page =
            LetterPage { letters: vec![kept(5, ContentType::Raw, b""), long], has_older: true, damage: vec![damage] };
        let wanted = format!(
            "ID    SINCE                 CLASS      PART        SOURCE  TRIES  FATE      REASON\n\
             5     2026-01-31 13:37:00Z  not_tried  validation  orders  3      redriven  no\\nsuch\n\
             1234  2026-01-31 13:37:00Z  not_tried  validation  orders  3      redriven  {}…\n\
             there are older ones: --below 5\n\
             cannot be read: x.jsonl:3: torn\n",
            "ä".repeat(59)
        );
        assert_eq!(letter_table(&page), wanted);
        assert_eq!(letter_table(&LetterPage::default()), "no dead letters\n");
    }

    #[test]
    fn a_letter_is_shown_in_words_and_cannot_move_the_cursor() {
        let text = letter_text(&kept(5, ContentType::MessagePack, b"\x81\xa1a\x01"));
        let wanted = "letter    5 (redriven)\n\
                      since     2026-01-31 13:37:00Z\n\
                      class     not_tried\n\
                      part      validation\n\
                      reason    no\\nsuch\n\
                      attempts  3\n\
                      source    orders\n\
                      record    7\n\
                      time      1970-01-01 00:00:00Z\n\
                      key       0x6bff\n\
                      header    from: a\\u{1b}[2Jb\n\
                      content   messagepack, 4 bytes\n\
                      \n\
                      {\"a\":1}\n\
                      \n\
                      crash report:\n\
                      line one\n\
                      line \\u{7}two\n";
        assert_eq!(text, wanted);
        let text = letter_text(&kept(5, ContentType::MessagePack, b"ab"));
        assert!(text.contains("\n0x6162\n"), "{text}");
        let text = letter_text(&kept(5, ContentType::Raw, &[255; 300]));
        assert!(text.contains("ffff and 44 bytes more\n"), "{text}");
    }
}
