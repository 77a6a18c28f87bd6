//! A plugin's own words in the host's log: cut, escaped, and not too many.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proscenium_plugin_runner::clean;
use proscenium_process::LinesCore;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Bytes of a line; what is longer comes in pieces.
const LONGEST: usize = 8 << 10;
/// How much is read at once.
const READ: usize = 8 << 10;

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
    let mut meter = Meter::default();
    each(pipe, |line| {
        if meter.allows(Instant::now(), |dropped| too_many(&plugin, dropped)) {
            let text = clean(String::from_utf8_lossy(&line).trim_end_matches('\r'));
            match output {
                Output::Stdout => {
                    tracing::info!(target: "proscenium::plugin::stdout", plugin = &*plugin, pid, "{text}");
                }
                Output::Stderr => {
                    tracing::warn!(target: "proscenium::plugin::stderr", plugin = &*plugin, pid, "{text}");
                }
            }
        }
    })
    .await
}

async fn each(pipe: OwnedFd, mut tell: impl FnMut(Vec<u8>)) -> io::Result<()> {
    let mut pipe = pipe::Receiver::from_owned_fd(pipe)?;
    let (mut core, mut buffer) = (LinesCore::new(LONGEST), vec![0; READ]);
    loop {
        let read = pipe.read(&mut buffer).await?;
        let mut bytes = &buffer[..read];
        while let Some((line, _)) = core.next(&mut bytes) {
            tell(line);
        }
        if read == 0 {
            core.end().into_iter().for_each(|(line, _)| tell(line));
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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

    /// Catches a line of just the limit that is followed by an empty one, and a last one without its end that is left out.
    #[tokio::test]
    async fn lines_are_told_whole_up_to_the_limit_and_in_pieces_beyond() {
        let (reader, mut writer) = io::pipe().unwrap();
        let text = ["a".to_owned(), String::new(), "b".repeat(LONGEST), "c".repeat(LONGEST + 1), "d".into()].join("\n");
        let writing = std::thread::spawn(move || writer.write_all(text.as_bytes()).unwrap());
        let mut lengths = Vec::new();
        each(reader.into(), |line| lengths.push((line.first().copied().unwrap_or(b'-'), line.len()))).await.unwrap();
        writing.join().unwrap();
        assert_eq!(lengths, [(b'a', 1), (b'-', 0), (b'b', LONGEST), (b'c', LONGEST), (b'c', 1), (b'd', 1)]);
    }
}
