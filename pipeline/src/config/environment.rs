//! Variables in values: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar sign.

use std::cell::Cell;
use std::ffi::OsString;
use std::ops::Range;

use super::excerpt::quoted;
use super::findings::Findings;
use crate::limits::{VALUE, VALUES};

/// Fills variables in, within the limits of one file.
pub(crate) struct Variables<'a> {
    findings: &'a Findings<'a>,
    environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// Bytes of all values so far.
    used: Cell<usize>,
}

/// A value whose variables are filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// There were some: a text may then stand for a number.
    pub(crate) had_variables: bool,
}

/// What a backslash does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backslash {
    /// It is itself.
    Plain,
    /// It begins an escape of the line format.
    Escapes,
}

/// What may stand behind a backslash in the line format, and what it is then.
pub(crate) const ESCAPES: &[(char, char)] =
    &[(',', ','), ('|', '|'), ('=', '='), ('\\', '\\'), ('n', '\n'), ('r', '\r'), ('t', '\t'), ('s', ' ')];

const FORMS: &str = "`${NAME}`, `${NAME:-default}`, or `$$` for a dollar sign";

impl<'a> Variables<'a> {
    pub(crate) fn new(findings: &'a Findings<'a>, environment: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Variables { findings, environment, used: Cell::new(0) }
    }

    /// Fills in a value. `place` says where in the file a part of it stands.
    pub(crate) fn fill(
        &self,
        raw: &str,
        backslash: Backslash,
        place: &dyn Fn(Range<usize>) -> Range<usize>,
    ) -> Option<Filled> {
        let mut filled = Filled { text: String::new(), had_variables: false };
        let mut is_good = true;
        let mut at = 0;
        while let Some(char) = raw[at..].chars().next() {
            let rest = &raw[at..];
            let step = match char {
                '$' if rest.starts_with("$$") => {
                    filled.text.push('$');
                    2
                }
                '$' if rest.starts_with("${") => {
                    filled.had_variables = true;
                    let end = rest.find('}').map_or(rest.len(), |end| end + 1);
                    match self.variable(&rest[..end], backslash, place(at..at + end)) {
                        Some(text) => filled.text.push_str(&text),
                        None => is_good = false,
                    }
                    end
                }
                '\\' if backslash == Backslash::Escapes => {
                    let (char, len) = self.escape(rest, &|len| place(at..at + len));
                    filled.text.extend(char);
                    is_good &= char.is_some();
                    len
                }
                _ => {
                    filled.text.push(char);
                    char.len_utf8()
                }
            };
            at += step;
            if filled.text.len() > VALUE || !self.has_room(&filled) {
                let what = "the value is too large after its variables are filled in";
                let expected = "64 KiB for a value, 4 MiB for all of a file";
                self.findings.add(place(0..raw.len()), what, expected, "shorten the variable, or put it into a file");
                return None;
            }
        }
        self.used.set(self.used.get() + if filled.had_variables { filled.text.len() } else { 0 });
        is_good.then_some(filled)
    }

    fn has_room(&self, filled: &Filled) -> bool {
        !filled.had_variables || self.used.get() + filled.text.len() <= VALUES
    }

    /// `written` is all from `${` to `}`, or to the value's end if there is no `}`.
    fn variable(&self, written: &str, backslash: Backslash, span: Range<usize>) -> Option<String> {
        let Some(inner) = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
            let remedy = "add the `}`, or write `$${` for these characters themselves";
            self.findings.add(span, "`${` is not closed", FORMS, remedy);
            return None;
        };
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        if !is_variable(name) {
            let what = format!("{} cannot be the name of a variable", quoted(name));
            self.findings.add(span, what, FORMS, "write letters, digits and `_`, a digit not first");
            return None;
        }
        if default.is_some_and(|default| default.contains("${")) {
            let what = "there is a variable in the default of another";
            self.findings.add(span, what, "a default without variables", "set the outer variable instead");
            return None;
        }
        match ((self.environment)(name), default) {
            (Some(value), Some(default)) if value.is_empty() => self.default_of(default, backslash, span),
            (Some(value), _) => value.into_string().ok().or_else(|| {
                let what = format!("the variable {} is not UTF-8", quoted(name));
                self.findings.add(span, what, "text", "set it to text");
                None
            }),
            (None, Some(default)) => self.default_of(default, backslash, span),
            (None, None) => {
                let what = format!("the variable {} is not set", quoted(name));
                let remedy = format!("set it, or give it a default: `${{{name}:-…}}`");
                self.findings.add(span, what, "a variable of the environment", remedy);
                None
            }
        }
    }

    /// A default is a value like those around it, but for variables.
    fn default_of(&self, default: &str, backslash: Backslash, span: Range<usize>) -> Option<String> {
        self.fill(default, backslash, &|_| span.clone()).map(|filled| filled.text)
    }

    fn escape(&self, rest: &str, place: &dyn Fn(usize) -> Range<usize>) -> (Option<char>, usize) {
        let letter = rest.chars().nth(1);
        let len = 1 + letter.map_or(0, char::len_utf8);
        let meant = ESCAPES.iter().find(|(written, _)| Some(*written) == letter).map(|(_, meant)| *meant);
        if meant.is_none() {
            let what = format!("{} is no escape", quoted(&rest[..len]));
            let expected = r"`\,` `\|` `\=` `\\`, or `\n` `\r` `\t`, or `\s` for a space";
            self.findings.add(place(len), what, expected, r"write `\\` for a backslash");
        }
        (meant, len)
    }
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|char: char| char.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

#[cfg(test)]
mod tests {
    use super::super::text::Text;
    use super::*;

    fn environment(name: &str) -> Option<OsString> {
        use std::os::unix::ffi::OsStringExt as _;
        match name {
            "A" => Some("one".into()),
            "EMPTY" => Some("".into()),
            "ODD" => Some("x|y,z=${A}\\".into()),
            "BYTES" => Some(OsString::from_vec(vec![0xFF])),
            "LARGE" => Some("x".repeat(VALUE - 10).into()),
            _ => None,
        }
    }

    fn fill(raw: &str, backslash: Backslash) -> Result<Filled, String> {
        let text = Text::of("f", raw.as_bytes()).unwrap();
        let findings = Findings::of(&text);
        let filled = Variables::new(&findings, &environment).fill(raw, backslash, &|span| span);
        match filled {
            Some(filled) if findings.count() == 0 => Ok(filled),
            _ => {
                let all = findings.into_diagnostics();
                Err(format!("{}+{} {}", all.shown()[0].column, all.shown()[0].len, all.shown()[0].what))
            }
        }
    }

    #[test]
    fn variables_are_filled_in() {
        for (raw, want) in [
            ("plain", "plain"),
            ("a${A}b${A}", "aoneboneX".trim_end_matches('X')),
            ("${NONE:-two}", "two"),
            ("${NONE:-}", ""),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY}", ""),
            ("${A:-two}", "one"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$5 and $", "$5 and $"),
            ("${ODD}", "x|y,z=${A}\\"),
            ("\\n", "\\n"),
        ] {
            assert_eq!(fill(raw, Backslash::Plain).map(|filled| filled.text).as_deref(), Ok(want), "{raw}");
        }
        assert!(fill("${A}", Backslash::Plain).unwrap().had_variables);
        assert!(!fill("$$A", Backslash::Plain).unwrap().had_variables);
    }

    #[test]
    fn escapes_are_for_the_line_format() {
        let raw = r"a\,b\|c\=d\\e\n\r\t\s${NONE:-\,}";
        assert_eq!(fill(raw, Backslash::Escapes).unwrap().text, "a,b|c=d\\e\n\r\t ,");
        assert_eq!(fill(r"ab\d", Backslash::Escapes).unwrap_err(), r"3+2 `\d` is no escape");
        assert_eq!(fill(r"ab\", Backslash::Escapes).unwrap_err(), r"3+1 `\` is no escape");
    }

    #[test]
    fn what_is_wrong_with_a_variable_is_said_at_its_place() {
        for (raw, want) in [
            ("ab${NONE}c", "3+7 the variable `NONE` is not set"),
            ("ab${A", "3+3 `${` is not closed"),
            ("${1A}", "1+5 `1A` cannot be the name of a variable"),
            ("${}", "1+3 `` cannot be the name of a variable"),
            ("${A-b}", "1+6 `A-b` cannot be the name of a variable"),
            ("${A:-${A}}", "1+9 there is a variable in the default of another"),
            ("${BYTES}", "1+8 the variable `BYTES` is not UTF-8"),
            ("${LARGE}${LARGE}", "1+16 the value is too large after its variables are filled in"),
        ] {
            assert_eq!(fill(raw, Backslash::Plain).unwrap_err(), want, "{raw}");
        }
    }

    #[test]
    fn all_values_of_a_file_have_a_limit_together() {
        let text = Text::of("f", b"").unwrap();
        let findings = Findings::of(&text);
        let variables = Variables::new(&findings, &environment);
        let filled = (0..100).filter(|_| variables.fill("${LARGE}", Backslash::Plain, &|span| span).is_some()).count();
        assert_eq!(filled, VALUES / (VALUE - 10));
        assert!(variables.fill("plain", Backslash::Plain, &|span| span).is_some());
    }
}
