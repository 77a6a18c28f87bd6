//! TOML: everything that a plan can say.

mod parts;
mod print;
mod settings;
mod syntax;

use std::path::Path;

pub use self::print::print;
use super::diagnostic::Diagnostics;
use super::environment::Variables;
use super::findings::Findings;
use super::keys::{Keys, Reading};
use super::places::Places;
use super::surroundings::Surroundings;
use super::text::Text;
use super::{joints, name};
use crate::plan::Plan;

/// Reads a file in this format.
pub(crate) fn parse(file: &Path, text: &Text, surroundings: &Surroundings<'_>) -> Result<(Plan, Places), Diagnostics> {
    let findings = Findings::of(text);
    let document = syntax::document(text, &findings);
    let reading = Reading {
        findings: &findings,
        variables: Variables::new(&findings, surroundings.environment),
        folder: file.parent().unwrap_or(Path::new("")),
        surroundings: *surroundings,
    };
    let mut keys = Keys::of(document.get_ref(), 0..0, "the pipeline".to_owned(), &reading);
    let name = match keys.text("name") {
        Some(name) => {
            name::check(&findings, keys.place("name"), "the pipeline's name", &name);
            name
        }
        None => name::of_file(file),
    };
    let settings = settings::read(&mut keys);
    let mut places = Places::default();
    places.settings.keys = keys.places();
    if let Some(settings) = keys.quietly("settings") {
        places.settings.keys.extend(settings.places());
    }
    let (parts, joined) = parts::read(&mut keys, &reading, &mut places.parts);
    keys.finish();
    if let Some(joined) = joined.filter(|_| !findings.is_broken()) {
        joints::check(&findings, &joined);
    }
    findings.into_result((Plan { name, settings, parts }, places))
}
