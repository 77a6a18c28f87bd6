//! Two kinds of sources and sinks, which do nothing, and what they are read in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proscenium_pipeline::config::{Diagnostics, Ends, Format, Keys, Kinds, Surroundings, parse};
use proscenium_pipeline::{Disk, Plan, Sink, SinkSpec, Source, SourceSpec};
use serde_json::Value;

/// A source with a key of each type.
#[derive(Clone, PartialEq, Debug)]
pub struct Numbers {
    pub limit: u64,
    pub every: Duration,
    pub format: String,
    pub files: Vec<PathBuf>,
    pub follow: bool,
}

/// A sink that has to know where.
#[derive(Clone, PartialEq, Debug)]
pub struct Folder(pub PathBuf);

/// A source and a sink without keys.
#[derive(Clone, PartialEq, Debug)]
pub struct Plain(pub &'static str);

pub fn numbers(keys: &mut Keys<'_>) -> Option<Arc<dyn SourceSpec>> {
    let limit = keys.required("limit", |keys, key| keys.u64_in(key, 1..=1_000));
    let every = keys.duration_ms("every_ms", 0..=5_000).unwrap_or_default();
    let format = keys.text_of("format", &["json", "raw", "messagepack"]).unwrap_or("json").to_owned();
    let files = keys.paths("files").unwrap_or_default();
    let follow = keys.flag("follow").unwrap_or_default();
    if follow && files.is_empty() {
        keys.complain("follow", "there is nothing to follow", "`files` beside `follow`", "name some files");
    }
    Some(Arc::new(Numbers { limit: limit?, every, format, files, follow }))
}

pub fn folder(keys: &mut Keys<'_>) -> Option<Arc<dyn SinkSpec>> {
    Some(Arc::new(Folder(keys.required("path", Keys::path)?)))
}

impl SourceSpec for Numbers {
    fn kind(&self) -> &'static str {
        "numbers"
    }

    fn make(&self) -> Box<dyn Source> {
        unreachable!("nothing is run here")
    }

    fn replays(&self) -> bool {
        true
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        let files: Vec<Value> = self.files.iter().map(|path| path.to_str().unwrap().into()).collect();
        Some(vec![
            ("limit", self.limit.into()),
            ("every_ms", (self.every.as_millis() as u64).into()),
            ("format", self.format.clone().into()),
            ("files", files.into()),
            ("follow", self.follow.into()),
        ])
    }
}

impl SinkSpec for Folder {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        unreachable!("nothing is run here")
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(vec![("path", self.0.to_str().unwrap().into())])
    }
}

impl SourceSpec for Plain {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn make(&self) -> Box<dyn Source> {
        unreachable!("nothing is run here")
    }

    fn replays(&self) -> bool {
        false
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(Vec::new())
    }
}

impl SinkSpec for Plain {
    fn kind(&self) -> &'static str {
        self.0
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        unreachable!("nothing is run here")
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(Vec::new())
    }
}

pub fn kinds() -> Kinds {
    Kinds::new()
        .source("numbers", numbers)
        .source("stdin", |_| Some(Arc::new(Plain("stdin"))))
        .source("useless", |_| None)
        .sink("folder", folder)
        .sink("stdout", |_| Some(Arc::new(Plain("stdout"))))
}

pub fn ends() -> Ends {
    Ends { source: Arc::new(Plain("stdin")), sink: Arc::new(Plain("stdout")) }
}

/// Variables of the tests' own.
pub fn environment(name: &str) -> Option<OsString> {
    match name {
        "ONE" => Some("1".into()),
        "YES" => Some("true".into()),
        "WORD" => Some("word".into()),
        "ODD" => Some("a|b,c=d\\".into()),
        _ => None,
    }
}

/// Reads a file where each library is there, but those with `missing` in their names.
pub fn read(format: Format, path: &str, file: &[u8]) -> Result<Plan, Diagnostics> {
    let is_file = |path: &Path| !path.to_string_lossy().contains("missing");
    read_with(format, path, file, &is_file)
}

pub fn read_with(
    format: Format,
    path: &str,
    file: &[u8],
    is_file: &dyn Fn(&Path) -> bool,
) -> Result<Plan, Diagnostics> {
    let (kinds, ends) = (kinds(), ends());
    let surroundings = Surroundings { environment: &environment, is_file, kinds: &kinds, ends: &ends };
    parse(format, Path::new(path), file, &surroundings)
}

/// A plan out of a good file.
#[track_caller]
pub fn good(format: Format, file: &str) -> Plan {
    read(format, "plan", file.as_bytes()).unwrap_or_else(|wrong| panic!("{wrong}\n---\n{file}"))
}
