//! Records to standard output.

use std::fmt;
use std::io;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::line_format::LineFormat;
use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::sink::{Sink, SinkSpec};
use crate::source::Boxed;
use crate::trouble::Trouble;

/// Lines on standard output.
///
/// Its effect is at least once: what was written cannot be taken back, so records since the last checkpoint come again
/// after a crash, and after an error a line may be there in half and then as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stdout {
    format: LineFormat,
}

impl Stdout {
    /// As [`LineFormat::Json`].
    #[must_use]
    pub fn new() -> Self {
        Stdout::default()
    }

    /// How records are written. Default: [`LineFormat::Json`].
    #[must_use]
    pub fn format(mut self, format: LineFormat) -> Self {
        self.format = format;
        self
    }
}

impl SinkSpec for Stdout {
    fn kind(&self) -> &'static str {
        "stdout"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(LineWriter { format: self.format, out: Box::new(tokio::io::stdout()), lines: Vec::new() })
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(self.format.setting().into_iter().collect())
    }
}

/// Writes lines to where it is told.
struct LineWriter {
    format: LineFormat,
    out: Box<dyn AsyncWrite + Send + Unpin>,
    /// Those of a chunk.
    lines: Vec<u8>,
}

impl fmt::Debug for LineWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineWriter").field("format", &self.format).finish_non_exhaustive()
    }
}

fn trouble(error: io::Error) -> Trouble {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Trouble::lasting(
            "nobody reads standard output any more (broken pipe): the pipeline ends; what was not written comes again from \
             its checkpoint when it is started anew",
        )
    } else {
        Trouble::passing(format!("cannot write to standard output: {error}"))
    }
}

impl Sink for LineWriter {
    fn write<'a>(
        &'a mut self,
        chunk: &'a Chunk,
        refused: &'a mut Vec<(usize, String)>,
    ) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            self.lines.clear();
            let left_out = self.format.append_all(chunk, &mut self.lines);
            self.out.write_all(&self.lines).await.map_err(trouble)?;
            self.out.flush().await.map_err(trouble)?;
            refused.extend(left_out);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::unix::pipe;

    use super::*;
    use crate::test_chunks::lines;

    fn writer() -> (LineWriter, pipe::Receiver) {
        let (write, read) = pipe::pipe().unwrap();
        (LineWriter { format: LineFormat::Json, out: Box::new(write), lines: Vec::new() }, read)
    }

    #[tokio::test]
    async fn records_are_lines_and_what_cannot_be_one_is_refused() {
        let (mut sink, mut read) = writer();
        let mut refused = Vec::new();
        sink.write(&lines(&["one", "t\nwo", "three"]), &mut refused).await.unwrap();
        sink.write(&lines(&["four"]), &mut refused).await.unwrap();
        assert_eq!(sink.prepare().await, Ok(serde_json::Value::Null));
        assert_eq!(refused.iter().map(|(nth, _)| *nth).collect::<Vec<_>>(), [1]);
        drop(sink);
        let mut text = String::new();
        read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "one\nthree\nfour\n");
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_ends_the_pipeline_with_a_clear_message() {
        let (mut sink, read) = writer();
        drop(read);
        let trouble = sink.write(&lines(&["one"]), &mut Vec::new()).await.unwrap_err();
        assert!(trouble.is_final());
        assert!(trouble.to_string().starts_with("nobody reads standard output any more"), "{trouble}");
        assert!(!super::trouble(io::ErrorKind::StorageFull.into()).is_final());
    }
}
