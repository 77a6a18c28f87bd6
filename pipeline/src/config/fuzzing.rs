//! Any bytes as a configuration file. Fuzzers drive it (`make fuzz`), and tests go through the fuzzers' corpus. Not part of
//! the package: it is there under `--cfg fuzzing`.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{Diagnostics, Ends, Format, Keys, Kinds, Surroundings, parse, print_lines, print_toml};
use crate::disk::Disk;
use crate::plan::Plan;
use crate::sink::{Sink, SinkSpec};
use crate::source::{Source, SourceSpec};

/// The first byte chooses the format. True: the file was good, and is the same when it is printed and read again.
///
/// # Panics
/// An error has no place in the file, or could steer a terminal; or what is printed is something else.
pub fn config(bytes: &[u8]) -> bool {
    let Some((&first, file)) = bytes.split_first() else { return false };
    let (format, path) = if first % 2 == 0 { (Format::Lines, "f.txt") } else { (Format::Toml, "f.toml") };
    match read(format, path, file) {
        Err(wrong) => {
            look_at(&wrong, file);
            false
        }
        Ok(plan) => {
            let printed = if format == Format::Lines { print_lines(&plan) } else { print_toml(&plan) };
            let printed = printed.unwrap_or_else(|why| panic!("a file can say all that was in a file: {why}"));
            let again = read(format, path, printed.as_bytes()).unwrap_or_else(|wrong| panic!("{wrong}\n{printed}"));
            assert_eq!(format!("{plan:?}"), format!("{again:?}"), "{printed}");
            true
        }
    }
}

fn read(format: Format, path: &str, file: &[u8]) -> Result<Plan, Diagnostics> {
    let kinds = Kinds::new().source("end", end_source).sink("end", end_sink);
    let ends = Ends { source: Arc::new(End(1)), sink: Arc::new(End(1)) };
    let environment = |name: &str| (name == "A").then(|| "1".into());
    let surroundings = Surroundings {
        environment: &environment,
        is_file: &|path| path != Path::new("no"),
        kinds: &kinds,
        ends: &ends,
    };
    parse(format, Path::new(path), file, &surroundings)
}

/// Every error has its place in the file, and does nothing to a terminal.
fn look_at(wrong: &Diagnostics, file: &[u8]) {
    let lines = 1 + file.iter().filter(|&&byte| byte == b'\n').count();
    assert!(!wrong.shown().is_empty() && wrong.shown().len() <= 100, "{} errors", wrong.shown().len());
    for found in wrong.shown() {
        assert!((1..=lines).contains(&found.line) && (1..=file.len() + 1).contains(&found.column), "{found:?}");
        assert!(!found.what.is_empty() && found.len > 0, "{found:?}");
    }
    let shown = wrong.to_string();
    assert!(!shown.contains(|char: char| char.is_control() && char != '\n' && char != '\t'), "{shown:?}");
}

#[derive(Debug)]
struct End(u64);

fn end_source(keys: &mut Keys<'_>) -> Option<Arc<dyn SourceSpec>> {
    Some(Arc::new(End(keys.required("limit", |keys, key| keys.u64_in(key, 1..=9))?)))
}

fn end_sink(keys: &mut Keys<'_>) -> Option<Arc<dyn SinkSpec>> {
    Some(Arc::new(End(keys.u64_in("limit", 1..=9).unwrap_or(1))))
}

impl SourceSpec for End {
    fn kind(&self) -> &'static str {
        "end"
    }

    fn make(&self) -> Box<dyn Source> {
        unreachable!("nothing is run here")
    }

    fn replays(&self) -> bool {
        true
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(vec![("limit", self.0.into())])
    }
}

impl SinkSpec for End {
    fn kind(&self) -> &'static str {
        "end"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        unreachable!("nothing is run here")
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(vec![("limit", self.0.into())])
    }
}

#[cfg(test)]
mod tests;
