//! Reading a pipeline from a file, in the format that its name says.

use std::io::Read as _;
use std::path::Path;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::findings::Findings;
use super::places::{Places, check_plan};
use super::surroundings::Surroundings;
use super::text::Text;
use super::{line_format, toml_format};
use crate::limits;
use crate::plan::Plan;

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// One stage a line, fields with `|` between them: the format of earlier systems.
    Lines,
    /// TOML.
    Toml,
}

impl Format {
    /// TOML if the name ends in `.toml`, else lines.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let is_toml = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
        if is_toml { Format::Toml } else { Format::Lines }
    }
}

/// Reads a pipeline from a file, and [checks](crate::check) it as a whole.
///
/// # Errors
/// All that is wrong with it. Nothing has been started.
pub fn read(file: &Path, surroundings: &Surroundings<'_>) -> Result<Plan, Diagnostics> {
    let shown = file.to_string_lossy();
    let mut bytes = Vec::new();
    // One byte more tells a file that is too large.
    let limit = limits::FILE as u64 + 1;
    if let Err(error) = std::fs::File::open(file).and_then(|open| open.take(limit).read_to_end(&mut bytes)) {
        let what = format!("the file cannot be read: {error}");
        return Err(Diagnostic::of_file(&shown, what, "a file that can be read", "mend the path or its rights").into());
    }
    read_bytes(file, &bytes, surroundings)
}

/// As [`read`], from the bytes of a file whose path is given.
///
/// # Errors
/// All that is wrong with it. Nothing has been started.
pub fn read_bytes(file: &Path, bytes: &[u8], surroundings: &Surroundings<'_>) -> Result<Plan, Diagnostics> {
    let text = Text::of(&file.to_string_lossy(), bytes)?;
    let (plan, places) = placed(Format::of(file), file, &text, surroundings)?;
    let findings = Findings::of(&text);
    check_plan(&findings, &plan, &places);
    findings.into_result(plan)
}

/// Reads a pipeline from the bytes of a file, without a look at whether it can be started as a whole. The path is for errors, for the pipeline's name if the file gives none, and
/// for its folder, where libraries are looked for.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(format: Format, file: &Path, bytes: &[u8], surroundings: &Surroundings<'_>) -> Result<Plan, Diagnostics> {
    let text = Text::of(&file.to_string_lossy(), bytes)?;
    placed(format, file, &text, surroundings).map(|(plan, _)| plan)
}

fn placed(
    format: Format,
    file: &Path,
    text: &Text,
    surroundings: &Surroundings<'_>,
) -> Result<(Plan, Places), Diagnostics> {
    match format {
        Format::Lines => line_format::parse(file, text, surroundings),
        Format::Toml => toml_format::parse(file, text, surroundings),
    }
}
