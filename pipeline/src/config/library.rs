//! Where a plugin's library is.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::excerpt::quoted;
use super::findings::Findings;

/// Finds a library: beside the configuration file, or else from the working folder. Says it if it is in neither.
pub(crate) fn locate(
    findings: &Findings<'_>,
    span: Range<usize>,
    written: &str,
    folder: &Path,
    is_file: &dyn Fn(&Path) -> bool,
) -> Option<PathBuf> {
    if written.is_empty() {
        findings.add(
            span,
            "the library is missing",
            "the path of a shared library",
            "name one: `plugins/libvalidation.so`",
        );
        return None;
    }
    let as_written = PathBuf::from(written);
    let beside = folder.join(&as_written);
    if let Some(found) = [&beside, &as_written].into_iter().find(|path| is_file(path)) {
        return Some(found.clone());
    }
    let tried = if beside == as_written {
        format!("a file at {}", quoted(written))
    } else {
        format!(
            "a file at {} (seen from this file's folder), or at {} (seen from the working folder)",
            quoted(&beside.to_string_lossy()),
            quoted(written)
        )
    };
    let remedy = "build the plugins by `make plugins`, or mend the path";
    findings.add(span, format!("there is no library {}", quoted(written)), tried, remedy);
    None
}
