//! The kinds of sources and sinks that this library has, and the keys of each.

use std::path::PathBuf;
use std::sync::Arc;

use super::excerpt::quoted;
use super::keys::Keys;
use super::kinds::Kinds;
use crate::limits;
use crate::sink::SinkSpec;
use crate::sinks::{LineFormat, Null, RollingFiles, Stdout, TcpSink};
use crate::source::SourceSpec;
use crate::sources::format::Format;
use crate::sources::{Files, Generator, Lines, TcpLines};

impl Kinds {
    /// Those of this library. Sources: `files`, `stdin`, `tcp`, `generator`; sinks: `files`, `stdout`, `tcp`, `null`.
    #[must_use]
    pub fn known() -> Self {
        Kinds::new()
            .source("files", files)
            .source("stdin", stdin)
            .source("tcp", tcp)
            .source("generator", generator)
            .sink("files", rolling_files)
            .sink("stdout", stdout)
            .sink("tcp", tcp_sink)
            .sink("null", null)
    }
}

/// What all sources have.
fn format(keys: &mut Keys<'_>) -> Format {
    let json = keys.text_of("format", &["raw", "json"]) == Some("json");
    let key_from = keys.text("key_from");
    if keys.has("key_from") && !json {
        let what = "`key_from` is there, but only JSON has fields";
        keys.complain("key_from", what, "`format = \"json\"` beside it", "add the one, or remove the other");
    }
    let mut format = Format { json, key_from, record_limit: None };
    if let Some(bytes) = keys.usize_in("record_limit", limits::RECORD_LIMIT) {
        format.limit(bytes);
    }
    format
}

fn files(keys: &mut Keys<'_>) -> Option<Arc<dyn SourceSpec>> {
    let (has_glob, has_path) = (keys.has("glob"), keys.has("path"));
    let glob = path_text(keys, "glob");
    let path = if has_glob { path_text(keys, "path") } else { keys.required("path", path_text) };
    if has_glob && has_path {
        let what = "`glob` and `path` are both there";
        keys.complain("path", what, "one of them: a pattern, or one file", "remove one");
    }
    let follow = keys.flag("follow");
    let most = keys.usize_in("most_files", limits::FILES);
    let format = format(keys);
    let mut files = glob.map(Files::glob).or(path.map(Files::at))?.format(format);
    if follow == Some(true) {
        files = files.follow();
    }
    if let Some(most) = most {
        files = files.most_files(most);
    }
    Some(Arc::new(files))
}

fn path_text(keys: &mut Keys<'_>, key: &'static str) -> Option<String> {
    keys.path(key).and_then(|path| path.into_os_string().into_string().ok())
}

fn stdin(keys: &mut Keys<'_>) -> Option<Arc<dyn SourceSpec>> {
    Some(Arc::new(Lines::stdin().format(format(keys))))
}

fn tcp(keys: &mut Keys<'_>) -> Option<Arc<dyn SourceSpec>> {
    let address = keys.required("address", address);
    let connections = keys.usize_in("connections", limits::CONNECTIONS);
    let off_loopback = keys.flag("off_loopback");
    let format = format(keys);
    let mut tcp = TcpLines::listen(address?).format(format);
    if let Some(connections) = connections {
        tcp = tcp.connections(connections);
    }
    Some(Arc::new(if off_loopback == Some(true) { tcp.off_loopback() } else { tcp }))
}

/// `host:port`. Whether there is such a host is found out when it is used.
fn address(keys: &mut Keys<'_>, key: &'static str) -> Option<String> {
    let text = keys.text(key)?;
    let is_good = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_good {
        let what = format!("`{key}` is {}", quoted(&text));
        keys.complain(key, what, "a host and a port", "write it as `127.0.0.1:9000`");
    }
    is_good.then_some(text)
}

fn generator(keys: &mut Keys<'_>) -> Option<Arc<dyn SourceSpec>> {
    let records = keys.u64_in("records", 0..=u64::MAX);
    let mut generator = records.map_or_else(Generator::endless, Generator::new);
    if let Some(bytes) = keys.usize_in("bytes", limits::PAYLOAD) {
        generator = generator.bytes(bytes);
    }
    if let Some(count) = keys.u64_in("keys", 0..=u64::MAX) {
        generator = generator.keys(count);
    }
    if let Some(seed) = keys.u64_in("seed", 0..=u64::MAX) {
        generator = generator.seed(seed);
    }
    if let Some(rate) = keys.u64_in("rate", limits::RATE) {
        generator = generator.rate(rate);
    }
    Some(Arc::new(generator.format(format(keys))))
}

fn rolling_files(keys: &mut Keys<'_>) -> Option<Arc<dyn SinkSpec>> {
    let folder = keys.required("folder", Keys::path);
    let prefix = name_part(keys, "prefix");
    let extension = name_part(keys, "extension");
    let format = keys.text_of("format", &["json", "raw", "frames"]);
    let bytes = keys.u64_in("roll_bytes", 1..=u64::MAX);
    let age = keys.duration_ms("roll_age_ms", limits::ROLL_AGE_MS);
    let mut files = RollingFiles::new(folder.unwrap_or_else(|| PathBuf::from(".")));
    if let Some(prefix) = prefix {
        files = files.prefix(prefix);
    }
    if let Some(extension) = extension {
        files = files.extension(extension);
    }
    files = match format {
        Some("frames") => files.frames(),
        Some("raw") => files.format(LineFormat::Raw),
        _ => files,
    };
    if let Some(bytes) = bytes {
        files = files.roll_bytes(bytes);
    }
    Some(Arc::new(if let Some(age) = age { files.roll_age(age) } else { files }))
}

/// What may stand in the name of a file.
fn name_part(keys: &mut Keys<'_>, key: &'static str) -> Option<String> {
    let text = keys.text(key)?;
    if text.is_empty() || text.contains(['/', '\\', '\0']) {
        let what = format!("`{key}` is {}", quoted(&text));
        keys.complain(key, what, "a part of a file's name", "use letters and digits");
        return None;
    }
    Some(text)
}

fn line_format(keys: &mut Keys<'_>) -> LineFormat {
    match keys.text_of("format", &["json", "raw"]) {
        Some("raw") => LineFormat::Raw,
        _ => LineFormat::Json,
    }
}

fn stdout(keys: &mut Keys<'_>) -> Option<Arc<dyn SinkSpec>> {
    Some(Arc::new(Stdout::new().format(line_format(keys))))
}

fn tcp_sink(keys: &mut Keys<'_>) -> Option<Arc<dyn SinkSpec>> {
    let address = keys.required("address", address);
    let limit = keys.duration_ms("write_timeout_ms", limits::WRITE_TIMEOUT_MS);
    let off_loopback = keys.flag("off_loopback");
    let format = line_format(keys);
    let mut tcp = TcpSink::to(address?).format(format);
    if let Some(limit) = limit {
        tcp = tcp.write_timeout(limit);
    }
    Some(Arc::new(if off_loopback == Some(true) { tcp.off_loopback() } else { tcp }))
}

fn null(_: &mut Keys<'_>) -> Option<Arc<dyn SinkSpec>> {
    Some(Arc::new(Null::new()))
}
