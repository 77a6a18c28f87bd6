//! A plugin's own words in the host's log: cut, escaped, and not too many.

use std::fmt::Write;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

/// Bytes of a line; what is longer comes in pieces.
const LONGEST: u64 = 8 << 10;

/// A line as it may stand in a log: control characters are escaped.
pub(crate) fn clean(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut clean, char| {
        match char {
            '\t' => clean.push(char),
            char if char.is_control() => {
                let _ = write!(clean, "{}", char.escape_default()); // A string takes all.
            }
            char => clean.push(char),
        }
        clean
    })
}

/// What the plugin gave to its log function, at its level.
pub(crate) fn log(plugin: &str, level: i32, text: &str) {
    let text = clean(text);
    match level {
        ..=0 => tracing::trace!(target: "proscenium::plugin::log", plugin, "{text}"),
        1 => tracing::debug!(target: "proscenium::plugin::log", plugin, "{text}"),
        2 => tracing::info!(target: "proscenium::plugin::log", plugin, "{text}"),
        3 => tracing::warn!(target: "proscenium::plugin::log", plugin, "{text}"),
        _ => tracing::error!(target: "proscenium::plugin::log", plugin, "{text}"),
    }
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
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut pipe).take(LONGEST).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
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
    fn a_line_cannot_forge_another_or_steer_a_terminal() {
        assert_eq!(clean("a\tb"), "a\tb");
        assert_eq!(clean("one\nERROR two\u{1b}[2J"), "one\\nERROR two\\u{1b}[2J");
    }
}
