//! One line: a stage.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use proscenium_plugin_host::Retries;
use proscenium_plugin_host::sandbox::Grants;

use super::{FIELDS, Line, Piece};
use crate::config::environment::{Backslash, Variables};
use crate::config::excerpt::quoted;
use crate::config::findings::Findings;
use crate::config::{library, name, policy};
use crate::limits;
use crate::plan::{Conduct, PluginStage};

pub(super) struct Reader<'a> {
    pub(super) findings: &'a Findings<'a>,
    pub(super) variables: Variables<'a>,
    pub(super) folder: &'a Path,
    pub(super) is_file: &'a dyn Fn(&Path) -> bool,
}

impl Reader<'_> {
    /// The stage of a line, and whether it is enabled. All that is wrong with the line is said.
    pub(super) fn line(&self, line: Piece<'_>) -> Option<(Line, bool)> {
        let [name, library, params, enabled, policy, max_retries, timeout] = self.fields(line)?;
        let enabled = self.enabled(enabled);
        let name_text = self.filled(name);
        let is_name =
            name_text.as_ref().is_some_and(|text| name::check(self.findings, name.span(), "the stage's name", text));
        // A stage that is not enabled may wait for its library.
        let place = self.filled(library).and_then(|text| match enabled {
            Some(false) => Some(text.into()),
            _ => library::locate(self.findings, library.span(), &text, self.folder, self.is_file),
        });
        let params = self.params(params);
        let failover = self.filled(policy).and_then(|text| policy::parse(self.findings, policy.span(), &text));
        let max = self.number(max_retries, "max_retries", limits::MAX_RETRIES);
        let timeout = self.number(timeout, "timeout_ms", limits::TIMEOUT_MS);
        let retries = Retries { max: u32::try_from(max?).unwrap_or(u32::MAX), ..Retries::default() };
        let stage = PluginStage {
            library: place?,
            params: params?,
            timeout: Duration::from_millis(timeout?),
            routes: Vec::new(),
            grants: Grants::default(),
            conduct: Conduct { failover: failover?, retries, ..Conduct::default() },
        };
        let line = Line { name: name_text?, name_span: name.span(), policy_span: policy.span(), stage };
        is_name.then_some((line, enabled?))
    }

    fn fields<'p>(&self, line: Piece<'p>) -> Option<[Piece<'p>; 7]> {
        if let Some((at, char)) = line.raw.char_indices().find(|(_, char)| char.is_control() && *char != '\t') {
            let span = line.start + at..line.start + at + char.len_utf8();
            let what = format!("there is a control character, U+{:04X}", u32::from(char));
            self.findings.add(span, what, "text", "remove it; `\\n`, `\\r` and `\\t` may stand in values");
            return None;
        }
        let fields = line.split('|');
        let form = FIELDS.join("|");
        match <[Piece<'_>; 7]>::try_from(fields) {
            Ok(fields) => Some(fields),
            Err(fields) if fields.len() < FIELDS.len() => {
                let what = format!("the line has {} of 7 fields", fields.len());
                let missing = FIELDS[fields.len()..].join("|");
                self.findings.add(line.span(), what, form, format!("add what is missing at its end: `|{missing}`"));
                None
            }
            Err(fields) => {
                let what = format!("the line has {} fields, and 7 are known", fields.len());
                let span = fields[FIELDS.len()].start..line.span().end;
                self.findings.add(span, what, form, r"write `\|` for a `|` that is part of a value");
                None
            }
        }
    }

    fn filled(&self, piece: Piece<'_>) -> Option<String> {
        let place = |part: std::ops::Range<usize>| piece.start + part.start..piece.start + part.end;
        self.variables.fill(piece.raw, Backslash::Escapes, &place).map(|filled| filled.text)
    }

    fn enabled(&self, field: Piece<'_>) -> Option<bool> {
        let text = self.filled(field)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => {
                let what = format!("the field `enabled` is {}", quoted(&text));
                let expected = "true or false; or yes or no, 1 or 0";
                self.findings.add(field.span(), what, expected, "write `true`, or `false` to leave the stage out");
                None
            }
        }
    }

    fn number(&self, field: Piece<'_>, what: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.filled(field)?;
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let what = format!("the field `{what}` is {}", quoted(&text));
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let remedy = match number {
            Some(number) if number < *range.start() => format!("{} is the least", range.start()),
            Some(_) => format!("{} is the most", range.end()),
            None => "write digits alone".to_owned(),
        };
        self.findings.add(field.span(), what, expected, remedy);
        None
    }

    fn params(&self, field: Piece<'_>) -> Option<Vec<(String, String)>> {
        let pieces = if field.raw.is_empty() { Vec::new() } else { field.split(',') };
        let before = self.findings.count();
        let mut seen = BTreeSet::new();
        let mut params = Vec::new();
        for piece in pieces {
            let Some((key, value)) = piece.split_once('=') else {
                let what = if piece.raw.is_empty() {
                    "a parameter is empty".to_owned()
                } else {
                    format!("the parameter {} has no `=`", quoted(piece.raw))
                };
                let remedy = r"remove the comma, or write `\,` for a comma that is part of a value";
                self.findings.add(piece.span(), what, "key=value,key=value", remedy);
                continue;
            };
            let (Some(key_text), Some(value)) = (self.filled(key), self.filled(value)) else { continue };
            if key_text.is_empty() {
                self.findings.add(
                    piece.span(),
                    "a parameter has no key",
                    "key=value,key=value",
                    "name it before the `=`",
                );
            } else if [&key_text, &value].into_iter().any(|text| text.contains('\0')) {
                self.findings.add(piece.span(), "a parameter has a zero byte in it", "text", "remove it");
            } else if seen.insert(key_text.clone()) {
                params.push((key_text, value));
            } else {
                let what = format!("the parameter {} is there twice", quoted(&key_text));
                self.findings.add(key.span(), what, "each parameter once", "remove one of them");
            }
        }
        (self.findings.count() == before).then_some(params)
    }
}
