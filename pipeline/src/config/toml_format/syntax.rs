//! A file as a TOML document, with its places.

use toml::Spanned;
use toml::de::DeTable;

use crate::config::findings::Findings;
use crate::config::text::Text;
use crate::limits::RECOVERED;

/// The document, as far as it can be understood. What cannot is said.
pub(super) fn document<'t>(text: &'t Text, findings: &Findings<'_>) -> Spanned<DeTable<'t>> {
    let source = text.text();
    let (document, errors) = match DeTable::parse(source) {
        Ok(document) => (document, Vec::new()),
        Err(first) if source.len() > RECOVERED => (Spanned::new(0..0, DeTable::new()), vec![first]),
        Err(_) => DeTable::parse_recoverable(source),
    };
    for error in errors {
        let (what, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
        let span = error.span().unwrap_or(0..0);
        findings.add_syntax(span, what.to_owned(), expected.to_owned(), remedy(what).to_owned());
    }
    document
}

fn remedy(what: &str) -> &'static str {
    match what {
        "duplicate key" => "remove one of them; stages are written `[[stage]]`, with two brackets",
        _ => "mend the TOML here: texts stand in quotes, lists in `[]`, tables in `{}`",
    }
}
