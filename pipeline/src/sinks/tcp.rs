//! Records as lines over TCP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::line_format::{LineFormat, whole_millis};
use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::sink::{Sink, SinkSpec};
use crate::source::Boxed;
use crate::trouble::Trouble;

/// Lines over a connection that it makes when the first record comes, and again after each error.
///
/// A chunk whose connection breaks is sent again as a whole over the next one: the receiver may see its lines twice, and
/// the last line of the broken connection in half, without an end. Lines have no acknowledgement: what the system took
/// counts as written, and is lost if the receiver dies before it reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpSink {
    address: String,
    format: LineFormat,
    write_timeout: Duration,
    is_off_loopback: bool,
}

impl TcpSink {
    /// To this host and port: `127.0.0.1:9000`, `localhost:9000`.
    #[must_use]
    pub fn to(address: impl Into<String>) -> Self {
        let write_timeout = Duration::from_secs(10);
        TcpSink { address: address.into(), format: LineFormat::default(), write_timeout, is_off_loopback: false }
    }

    /// How records are written. Default: [`LineFormat::Json`].
    #[must_use]
    pub fn format(mut self, format: LineFormat) -> Self {
        self.format = format;
        self
    }

    /// How long a connection may take, and a chunk; then the connection is given up. Default: 10 s.
    #[must_use]
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.write_timeout = limit;
        self
    }

    /// Other machines too: records go there as they are, unencrypted, to whoever listens. Default: this machine only.
    #[must_use]
    pub fn off_loopback(mut self) -> Self {
        self.is_off_loopback = true;
        self
    }

    fn allow(&self, found: &[SocketAddr]) -> Result<(), Trouble> {
        let other = found.iter().find(|found| !found.ip().to_canonical().is_loopback());
        let other = other.filter(|_| !self.is_off_loopback);
        other.map_or(Ok(()), |other| {
            Err(Trouble::lasting(format!(
                "{} is {}, another machine; lines are sent unencrypted, so that takes `off_loopback`",
                self.address,
                other.ip()
            )))
        })
    }
}

impl SinkSpec for TcpSink {
    fn kind(&self) -> &'static str {
        "tcp"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(LineSender { spec: self.clone(), stream: None, lines: Vec::new() })
    }

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        let limit = whole_millis(self.write_timeout)?;
        let mut settings = vec![("address", self.address.as_str().into()), ("write_timeout_ms", limit)];
        settings.extend(self.is_off_loopback.then(|| ("off_loopback", true.into())));
        settings.extend(self.format.setting());
        Some(settings)
    }
}

#[derive(Debug)]
struct LineSender {
    spec: TcpSink,
    /// None: there is no connection, or it is not to be used again.
    stream: Option<TcpStream>,
    /// Those of a chunk.
    lines: Vec<u8>,
}

impl LineSender {
    async fn connect(&self) -> Result<TcpStream, Trouble> {
        let address = &self.spec.address;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidInput => Trouble::lasting(format!("{address} is no address: host:port is one")),
            _ => Trouble::passing(format!("cannot connect to {address}: {error}")),
        };
        let found: Vec<SocketAddr> = lookup_host(address.as_str()).await.map_err(failed)?.collect();
        self.spec.allow(&found)?;
        let stream = TcpStream::connect(found.as_slice()).await.map_err(failed)?;
        // Chunks are written as a whole: nothing is gained by waiting for more.
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }

    async fn send(&mut self) -> Result<(), Trouble> {
        let stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        // Not kept until all of it was written: what follows half a line would be read as its end.
        let mut stream = stream;
        let written = stream.write_all(&self.lines).await;
        written.map_err(|error| Trouble::passing(format!("the connection to {} broke: {error}", self.spec.address)))?;
        self.stream = Some(stream);
        Ok(())
    }
}

/// Whether the other side has not said that it ends. What else it says is thrown away.
fn is_open(stream: &TcpStream) -> bool {
    let mut answer = [0; 4096];
    match stream.try_read(&mut answer) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

impl Sink for LineSender {
    fn open<'a>(&'a mut self, _from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        self.stream = None;
        Box::pin(async { Ok(()) })
    }

    fn write<'a>(
        &'a mut self,
        chunk: &'a Chunk,
        refused: &'a mut Vec<(usize, String)>,
    ) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            self.lines.clear();
            let left_out = self.spec.format.append_all(chunk, &mut self.lines);
            if !self.lines.is_empty() {
                let limit = self.spec.write_timeout;
                let sent = timeout(limit, self.send()).await;
                sent.map_err(|_| {
                    let address = &self.spec.address;
                    Trouble::passing(format!("{address} has not taken {} bytes within {limit:?}", self.lines.len()))
                })??;
            }
            refused.extend(left_out);
            Ok(())
        })
    }

    fn close(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        Box::pin(async move {
            let Some(mut stream) = self.stream.take() else { return Ok(()) };
            let ended = timeout(self.spec.write_timeout, stream.shutdown()).await;
            let address = &self.spec.address;
            let ended = ended.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            ended.map_err(|error| Trouble::passing(format!("cannot end the connection to {address}: {error}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::test_chunks::lines;

    async fn sender(change: impl FnOnce(TcpSink) -> TcpSink) -> (TcpListener, LineSender) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let spec = change(TcpSink::to(listener.local_addr().unwrap().to_string()));
        (listener, LineSender { spec, stream: None, lines: Vec::new() })
    }

    #[tokio::test]
    async fn it_connects_with_the_first_record_and_sends_all_over_one_connection() {
        let (listener, mut sink) = sender(|spec| spec).await;
        sink.open(None).await.unwrap();
        sink.close().await.unwrap();
        let mut refused = Vec::new();
        sink.write(&lines(&["o\nne"]), &mut refused).await.unwrap();
        assert!(sink.stream.is_none(), "there was nothing to send");
        for words in [["one", "two"], ["three", "four"]] {
            sink.write(&lines(&words), &mut refused).await.unwrap();
        }
        assert_eq!(sink.prepare().await, Ok(Value::Null));
        sink.close().await.unwrap();
        let mut text = String::new();
        listener.accept().await.unwrap().0.read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), refused.len()), ("one\ntwo\nthree\nfour\n", 1));
    }

    #[tokio::test]
    async fn a_receiver_that_has_gone_is_noticed_and_the_next_connection_gets_the_chunk() {
        let (listener, mut sink) = sender(|spec| spec).await;
        sink.write(&lines(&["one"]), &mut Vec::new()).await.unwrap();
        let (first, _) = listener.accept().await.unwrap();
        let mut first = BufReader::new(first);
        let mut text = String::new();
        first.read_line(&mut text).await.unwrap();
        drop(first);
        // Until the end has come over.
        sink.stream.as_ref().unwrap().readable().await.unwrap();
        sink.write(&lines(&["two", "three"]), &mut Vec::new()).await.unwrap();
        sink.close().await.unwrap();
        listener.accept().await.unwrap().0.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn an_answer_is_no_end() {
        let (listener, mut sink) = sender(|spec| spec).await;
        sink.write(&lines(&["one"]), &mut Vec::new()).await.unwrap();
        let (mut receiver, _) = listener.accept().await.unwrap();
        receiver.write_all(b"thanks\n").await.unwrap();
        sink.stream.as_ref().unwrap().readable().await.unwrap();
        sink.write(&lines(&["two"]), &mut Vec::new()).await.unwrap();
        drop(sink);
        let mut text = Vec::new();
        // The end may be a reset, as the answer was not read: the lines come before it.
        while let Ok(1..) = receiver.read_buf(&mut text).await {}
        assert_eq!(text, b"one\ntwo\n");
    }

    #[tokio::test]
    async fn a_receiver_that_does_not_read_breaks_the_connection_in_time() {
        let (listener, mut sink) = sender(|spec| spec.write_timeout(Duration::from_millis(50))).await;
        let payload = "x".repeat(200_000);
        let chunk = lines(&[&payload]);
        let mut refused = Vec::new();
        let trouble = loop {
            if let Err(trouble) = sink.write(&chunk, &mut refused).await {
                break trouble;
            }
        };
        assert!(
            !trouble.is_final() && trouble.to_string().contains("has not taken 200001 bytes within 50ms"),
            "{trouble}"
        );
        assert!(sink.stream.is_none());
        // Over a new connection, and not behind the half of it that the first one has.
        drop(listener.accept().await.unwrap());
        sink.spec.write_timeout = Duration::from_secs(10);
        let (written, accepted) = tokio::join!(sink.write(&chunk, &mut refused), async {
            let (mut receiver, _) = listener.accept().await.unwrap();
            let mut text = vec![0; 200_001];
            receiver.read_exact(&mut text).await.unwrap();
            text
        });
        written.unwrap();
        assert!(accepted.starts_with(payload.as_bytes()) && accepted.ends_with(b"x\n"));
    }

    #[tokio::test]
    async fn nobody_there_may_pass_and_another_machine_takes_a_word() {
        let (listener, mut sink) = sender(|spec| spec).await;
        drop(listener);
        let trouble = sink.write(&lines(&["one"]), &mut Vec::new()).await.unwrap_err();
        assert!(!trouble.is_final() && trouble.to_string().contains(&sink.spec.address), "{trouble}");

        // An address for documents: nobody has it.
        sink.spec = TcpSink::to("192.0.2.1:9").write_timeout(Duration::from_millis(50));
        let trouble = sink.write(&lines(&["one"]), &mut Vec::new()).await.unwrap_err();
        assert!(trouble.is_final() && trouble.to_string().contains("`off_loopback`"), "{trouble}");
        let other = "192.0.2.1:9".parse().unwrap();
        assert_eq!(sink.spec.clone().off_loopback().allow(&[other]), Ok(()));
        assert_eq!(sink.spec.allow(&["[::1]:9".parse().unwrap(), "[::ffff:127.0.0.9]:9".parse().unwrap()]), Ok(()));
        assert!(sink.spec.allow(&["127.0.0.1:9".parse().unwrap(), other]).is_err());

        sink.spec = TcpSink::to("nowhere");
        let trouble = sink.write(&lines(&["one"]), &mut Vec::new()).await.unwrap_err();
        assert!(trouble.is_final() && trouble.to_string().contains("host:port"), "{trouble}");
    }
}
