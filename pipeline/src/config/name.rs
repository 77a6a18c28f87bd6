//! Names of pipelines, parts and routes.

use std::ops::Range;
use std::path::Path;

use super::excerpt::quoted;
use super::findings::Findings;
use crate::limits::NAME;
use crate::plan_check::may_stand;

pub(crate) const EXPECTED: &str = "1 to 64 letters, digits, `_`, `-` and `.`";

/// Whether a name can be one.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME && !name.starts_with(['-', '.']) && name.chars().all(may_stand)
}

/// A pipeline's name where its file gives none: the file's, without its end.
pub(crate) fn of_file(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let letters = stem.trim_start_matches(['-', '.']).chars().take(NAME);
    let name: String = letters.map(|char| if may_stand(char) { char } else { '_' }).collect();
    if name.is_empty() { "pipeline".to_owned() } else { name }
}

/// Says what is wrong with a name, if something is.
pub(crate) fn check(findings: &Findings<'_>, span: Range<usize>, what: &str, name: &str) -> bool {
    let fault = if name.is_empty() {
        format!("{what} is empty")
    } else if let Some(char) = name.chars().find(|&char| !may_stand(char)) {
        let char = quoted(char.encode_utf8(&mut [0; 4]));
        format!("{what} {} has {char} in it", quoted(name))
    } else if name.starts_with(['-', '.']) {
        format!("{what} {} does not begin with a letter or a digit", quoted(name))
    } else if !is_name(name) {
        format!("{what} {} is too long", quoted(name))
    } else {
        return true;
    };
    findings.add(span, fault, EXPECTED, "give it such a name, and change it wherever it is used");
    false
}
