//! The host's ends of a process's pipes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use proscenium_process::{Ending, LinesCore};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::line::{Line, Stream};
use super::lines_to::Delivery;

/// How much is read at once.
const READ: usize = 8 << 10;
/// A process that dies closes its stdin a moment before it is dead, and whoever sends it lines is to hear of the latter.
const DYING: Duration = Duration::from_secs(1);

/// Reads stdout or stderr to its end, as fast as its lines are taken.
pub(crate) struct Reads {
    pub(crate) pipe: pipe::Receiver,
    pub(crate) core: LinesCore,
    pub(crate) stream: Stream,
    pub(crate) pid: u32,
    pub(crate) delivery: Delivery,
}

impl Reads {
    pub(crate) async fn run(mut self) {
        let mut buffer = vec![0; READ];
        loop {
            let read = match self.pipe.readable().await {
                Ok(()) => self.pipe.try_read(&mut buffer),
                Err(error) => Err(error),
            };
            match read {
                Ok(0) => break,
                Ok(read) => {
                    let mut bytes = &buffer[..read];
                    while let Some(line) = self.core.next(&mut bytes) {
                        self.deliver(line).await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    let (pid, stream) = (self.pid, self.stream);
                    tracing::warn!(target: "proscenium::os_process", pid, %stream, %error, "cannot read what it writes");
                    break;
                }
            }
        }
        if let Some(line) = self.core.end() {
            self.deliver(line).await;
        }
    }

    async fn deliver(&mut self, (bytes, ending): (Vec<u8>, Ending)) {
        let line = Line { bytes: bytes.into(), ending, stream: self.stream, pid: self.pid };
        self.delivery.deliver(line).await;
    }
}

/// Writes what is queued for stdin.
pub(crate) struct Writes {
    pub(crate) pipe: pipe::Sender,
    pub(crate) queue: mpsc::Receiver<Vec<u8>>,
    /// Closed when the process has ended: one that it has forked may hold the pipe, and not read.
    pub(crate) until: oneshot::Receiver<()>,
    pub(crate) pid: u32,
    pub(crate) child: Arc<str>,
}

impl Writes {
    /// Until there is nobody to write, or nobody to read. What is queued then is counted and reported.
    pub(crate) async fn run(mut self) {
        let mut unwritten = 0;
        while let Some(mut line) = self.queue.recv().await {
            line.push(b'\n');
            let written = tokio::select! {
                biased;
                written = write_all(&self.pipe, &line) => Some(written),
                _ = &mut self.until => None,
            };
            match written {
                Some(Ok(())) => continue,
                Some(Err(_)) => drop(timeout(DYING, &mut self.until).await),
                None => {}
            }
            unwritten = 1;
            break;
        }
        self.queue.close();
        while self.queue.recv().await.is_some() {
            unwritten += 1;
        }
        if unwritten > 0 {
            let (child, pid) = (&*self.child, self.pid);
            tracing::warn!(
                target: "proscenium::os_process", child, pid, unwritten, "lines for stdin that were not written, or not wholly"
            );
        }
    }
}

async fn write_all(pipe: &pipe::Sender, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        pipe.writable().await?;
        match pipe.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
