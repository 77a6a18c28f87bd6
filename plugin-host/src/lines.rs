//! A plugin's own words in the host's log: cut, escaped, and not too many.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proscenium_plugin_runner::clean;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

/// Bytes of a line; what is longer comes in pieces.
const LONGEST: u64 = 8 << 10;

/// What the plugin gave to its log function, at its level.
pub(crate) fn log(plugin: &str, level: i32, text: &str) {
    match level {
        ..=0 => tracing::trace!(target: "proscenium::plugin::log", plugin, "{text}"),
        1 => tracing::debug!(target: "proscenium::plugin::log", plugin, "{text}"),
        2 => tracing::info!(target: "proscenium::plugin::log", plugin, "{text}"),
        3 => tracing::warn!(target: "proscenium::plugin::log", plugin, "{text}"),
        _ => tracing::error!(target: "proscenium::plugin::log", plugin, "{text}"),
    }
}

/// So many lines a second of one source; what is more is counted, and told of in the next second.
const LINES: u32 = 1_000;

/// Counts the lines of a second.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    since: Option<Instant>,
    lines: u32,
    dropped: u64,
}

impl Meter {
    /// Whether a line may be told. `late`: so many were not, before.
    pub(crate) fn allows(&mut self, now: Instant, late: impl FnOnce(u64)) -> bool {
        if self.since.is_none_or(|since| now - since >= Duration::from_secs(1)) {
            (self.since, self.lines) = (Some(now), 0);
            match std::mem::take(&mut self.dropped) {
                0 => {}
                dropped => late(dropped),
            }
        }
        self.lines = self.lines.saturating_add(1);
        self.dropped += u64::from(self.lines > LINES);
        self.lines <= LINES
    }
}

pub(crate) fn too_many(plugin: &str, dropped: u64) {
    tracing::warn!(target: "proscenium::plugin", plugin, dropped, "lines and figures of the plugin were dropped: more than 1,000 a second");
}

/// Which of its outputs.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

/// Reads a pipe of the process to its end. A process that floods it waits for this reader, which is one task among others.
pub(crate) async fn read(pipe: OwnedFd, output: Output, plugin: Arc<str>, pid: u32) -> io::Result<()> {
    let mut pipe = BufReader::new(pipe::Receiver::from_owned_fd(pipe)?);
    let (mut line, mut meter) = (Vec::new(), Meter::default());
    loop {
        line.clear();
        if (&mut pipe).take(LONGEST).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if !meter.allows(Instant::now(), |dropped| too_many(&plugin, dropped)) {
            continue;
        }
        let text = clean(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        match output {
            Output::Stdout => tracing::info!(target: "proscenium::plugin::stdout", plugin = &*plugin, pid, "{text}"),
            Output::Stderr => tracing::warn!(target: "proscenium::plugin::stderr", plugin = &*plugin, pid, "{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_a_thousand_a_second_and_told_of() {
        let (mut meter, begin) = (Meter::default(), Instant::now());
        let (mut told, mut late) = (0, 0);
        for n in 0..3_000_u64 {
            let now = begin + Duration::from_micros(n * 500);
            told += u32::from(meter.allows(now, |dropped| late += dropped));
        }
        assert_eq!((told, late), (2_000, 1_000), "a second and a half, two thousand lines a second");
    }
}
