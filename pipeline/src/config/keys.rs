//! The keys of one table of a TOML file, read one by one. What is wrong is noted where it stands.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::{Backslash, Filled, Variables};
use super::excerpt::quoted;
use super::findings::Findings;
use super::surroundings::Surroundings;

/// What reading one file goes on with.
pub(crate) struct Reading<'a> {
    pub(crate) findings: &'a Findings<'a>,
    pub(crate) variables: Variables<'a>,
    pub(crate) folder: &'a Path,
    pub(crate) surroundings: Surroundings<'a>,
}

/// The keys of a source, a sink, or another table. Every getter gives `None` where the key is not there, and where its
/// value is wrong; the latter is noted with its place, and the file is refused. So a getter's caller goes on with its
/// default, and all errors are found at once. Keys that nobody has called for are errors.
pub struct Keys<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    what: String,
    known: Vec<&'static str>,
    reading: &'a Reading<'a>,
}

impl<'a> Keys<'a> {
    pub(crate) fn of(table: &'a DeTable<'a>, span: Range<usize>, what: String, reading: &'a Reading<'a>) -> Self {
        Keys { table, span, what, known: Vec::new(), reading }
    }

    pub(crate) fn name_it(&mut self, what: String) {
        self.what = what;
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(crate) fn reading(&self) -> &'a Reading<'a> {
        self.reading
    }

    pub(crate) fn findings(&self) -> &'a Findings<'a> {
        self.reading.findings
    }

    /// The value of a key, which is known from now on.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table.get(key)
    }

    /// Where the value of a key stands, or the table, if it has no such key.
    pub(crate) fn place(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or(self.span.clone(), Spanned::span)
    }

    /// Where the values of all keys stand.
    pub(crate) fn places(&self) -> BTreeMap<String, Range<usize>> {
        self.table.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect()
    }

    /// A table within this one, if it is one, without a word if not.
    pub(crate) fn quietly(&self, key: &str) -> Option<Keys<'a>> {
        match self.table.get(key)?.get_ref() {
            DeValue::Table(table) => Some(Keys::of(table, self.place(key), String::new(), self.reading)),
            _ => None,
        }
    }

    /// Whether the key is there.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Calls a getter for a key that must be there: `keys.required("glob", Keys::text)`.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        get: impl FnOnce(&mut Self, &'static str) -> Option<T>,
    ) -> Option<T> {
        // What is missing may be on a line that could not be understood.
        if !self.has(key) && !self.findings().is_broken() {
            let what = format!("{} has no `{key}`", self.what);
            self.findings().add(
                self.span.clone(),
                what,
                format!("the key `{key}`"),
                format!("add a line: `{key} = …`"),
            );
        }
        get(self, key)
    }

    /// Notes what is wrong with the value of a key, in a getter's words: what, what was expected, what to do.
    pub fn complain(
        &mut self,
        key: &'static str,
        what: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings().add(self.place(key), what, expected, remedy);
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        self.string(key, value)
    }

    /// One of these words.
    pub fn text_of<'w>(&mut self, key: &'static str, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(key)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let all = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            let remedy = self.findings().suggestion(&text, words.iter().copied());
            let remedy = remedy.unwrap_or_else(|| "write one of these".to_owned());
            self.complain(key, format!("`{key}` is {}", quoted(&text)), format!("one of {all}"), remedy);
        }
        found
    }

    /// A path, as it is written: seen from the working folder if it is relative.
    pub fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.text(key)?;
        if text.is_empty() {
            self.complain(key, format!("`{key}` is empty"), "a path", "write one, or leave the key out");
        }
        Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty())
    }

    /// A list of texts, each with its place. A text alone is a list of one.
    pub(crate) fn placed_texts(&mut self, key: &'static str) -> Option<Vec<(String, Range<usize>)>> {
        let value = self.value(key)?;
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            DeValue::String(_) => vec![value],
            other => {
                let what = format!("`{key}` is {}", described(other));
                self.complain(key, what, "a list of texts", format!("write `{key} = [\"…\"]`"));
                return None;
            }
        };
        // All are looked at, and all or none are given.
        let texts: Vec<_> = items.into_iter().map(|item| Some((self.string(key, item)?, item.span()))).collect();
        texts.into_iter().collect()
    }

    /// A list of texts. A text alone is a list of one.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        Some(self.placed_texts(key)?.into_iter().map(|(text, _)| text).collect())
    }

    /// A list of paths, as they are written. A path alone is a list of one.
    pub fn paths(&mut self, key: &'static str) -> Option<Vec<PathBuf>> {
        Some(self.texts(key)?.into_iter().map(PathBuf::from).collect())
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let filled = self.filled_in(value).ok()?;
        match (value.get_ref(), filled.as_deref()) {
            (DeValue::Boolean(flag), _) => Some(*flag),
            (_, Some("true")) => Some(true),
            (_, Some("false")) => Some(false),
            (other, _) => {
                let remedy =
                    if matches!(other, DeValue::String(_)) { "leave the quotes out" } else { "write one of them" };
                self.complain(key, format!("`{key}` is {}", described(other)), "true or false", remedy);
                None
            }
        }
    }

    /// A whole number in this range.
    pub fn u64_in(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let filled = self.filled_in(value).ok()?;
        let number = match (value.get_ref(), &filled) {
            (DeValue::Integer(number), _) => i128::from_str_radix(number.as_str(), number.radix()).ok(),
            (_, Some(text)) => text.parse::<i128>().ok(),
            _ => None,
        };
        let good = number.and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number));
        if good.is_none() {
            let found = filled.map_or_else(|| described(value.get_ref()), |text| format!("the text {}", quoted(&text)));
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            let remedy = match (number, value.get_ref()) {
                (Some(number), _) if number < i128::from(*range.start()) => format!("{} is the least", range.start()),
                (Some(_), _) => format!("{} is the most", range.end()),
                (None, DeValue::String(_)) => "write a number without quotes".to_owned(),
                (None, _) => "write digits alone".to_owned(),
            };
            self.complain(key, format!("`{key}` is {found}"), expected, remedy);
        }
        good
    }

    /// A whole number in this range, for sizes and counts.
    pub fn usize_in(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<usize> {
        self.u64_in(key, range).and_then(|number| usize::try_from(number).ok())
    }

    /// A time in whole milliseconds, in this range. The key's name ends in `_ms`.
    pub fn duration_ms(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<Duration> {
        self.u64_in(key, range).map(Duration::from_millis)
    }

    /// A table within this one, with keys of its own. Call [`finish`](Keys::finish) when all are read.
    pub fn table(&mut self, key: &'static str) -> Option<Keys<'a>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Keys::of(table, value.span(), format!("`{key}`"), self.reading)),
            other => {
                let what = format!("`{key}` is {}", described(other));
                self.complain(key, what, "a table", format!("write `{key} = {{ … }}`"));
                None
            }
        }
    }

    /// The keys and values of a table, in the order of the file. Numbers and `true` and `false` become texts.
    pub fn pairs(&mut self, key: &'static str) -> Option<Vec<(String, String)>> {
        let keys = self.table(key)?;
        let mut entries: Vec<_> = keys.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let pairs: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| {
                let text = keys.scalar(key.get_ref(), value)?;
                if key.get_ref().is_empty() || key.get_ref().contains('\0') || text.contains('\0') {
                    let what = "a key is empty, or a zero byte is in a key or a value";
                    keys.findings().add(key.span(), what, "keys and values that are texts", "remove it");
                }
                Some((key.get_ref().to_string(), text))
            })
            .collect();
        pairs.into_iter().collect()
    }

    /// Notes every key that nobody has called for. The library calls it for sources and sinks.
    pub fn finish(self) {
        for (key, _) in self.table.iter().filter(|(key, _)| !self.known.contains(&&**key.get_ref())) {
            let what = format!("{} has no key {}", self.what, quoted(key.get_ref()));
            let remedy = self.findings().suggestion(key.get_ref(), self.known.iter().copied());
            let expected = format!("one of {}", self.known.join(", "));
            self.findings().add(key.span(), what, expected, remedy.unwrap_or_else(|| "remove it".to_owned()));
        }
    }

    fn scalar(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        Some(match value.get_ref() {
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok()?.to_string(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::String(_) => return self.string(key, value),
            other => {
                let what = format!("{} is {}", quoted(key), described(other));
                self.findings().add(value.span(), what, "a text, a number, true or false", "write it as one text");
                return None;
            }
        })
    }

    fn string(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => self.fill(text, value.span()).map(|filled| filled.text),
            other => {
                let what = format!("{} is {}", quoted(key), described(other));
                self.findings().add(value.span(), what, "a text", "put it in quotes");
                None
            }
        }
    }

    /// The text with its variables filled in, if it is one and has some: it may stand for a number then.
    /// `Err`: a variable is wrong, which is noted.
    fn filled_in(&self, value: &Spanned<DeValue<'_>>) -> Result<Option<String>, ()> {
        let DeValue::String(text) = value.get_ref() else { return Ok(None) };
        let filled = self.fill(text, value.span()).ok_or(())?;
        Ok(filled.had_variables.then_some(filled.text))
    }

    fn fill(&self, text: &str, span: Range<usize>) -> Option<Filled> {
        let written = self.findings().source().get(span.clone()).unwrap_or_default();
        let place = |part: Range<usize>| {
            within(written, text, &part).map_or(span.clone(), |at| span.start + at.start..span.start + at.end)
        };
        self.reading.variables.fill(text, Backslash::Plain, &place)
    }
}

/// Where a part of a text that begins with a `$` stands in the text as it is written, with quotes and escapes: the `$` are
/// counted, unless one of them is written as an escape.
fn within(written: &str, text: &str, part: &Range<usize>) -> Option<Range<usize>> {
    let dollars = |text: &str| text.bytes().filter(|&byte| byte == b'$').count();
    if !text[part.start..].starts_with('$') || dollars(written) != dollars(text) {
        return None;
    }
    let (start, _) = written.match_indices('$').nth(dollars(&text[..part.start]))?;
    Some(start..(start + part.len()).min(written.len()))
}

/// What was found, for "`key` is …".
pub(crate) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {}", quoted(text)),
        DeValue::Integer(number) => format!("the number {}", quoted(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", quoted(number.as_str())),
        DeValue::Boolean(flag) => format!("`{flag}`"),
        DeValue::Datetime(time) => format!("the date `{time}`"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
