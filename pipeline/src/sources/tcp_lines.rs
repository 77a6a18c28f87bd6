//! Lines from TCP connections.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Sleep;

use crate::chunk::{Fields, Filling};
use crate::headers::Headers;
use crate::source::{Boxed, Filled, Source, SourceSpec};
use crate::sources::format::{Format, format_methods, format_of_file, format_of_spec};
use crate::sources::intake::Intake;
use crate::sources::line_core::{Line, LineCore};
use crate::trouble::Trouble;

/// Bytes that are read at once.
const BLOCK: usize = 64 << 10;
/// After a connection could not be accepted (too many open files, mostly).
const PAUSE: Duration = Duration::from_millis(100);

/// The lines of all TCP connections to an address; those of one connection stay in their order.
///
/// A record's id is its number among all lines since the source was opened, its header `peer` the address it came from.
/// It cannot replay, and it acknowledges nothing to who has sent: what was under way when the program dies, or when the
/// source crashes, is lost, and the sender sees a closed connection.
///
/// **Bounds**: 64 connections ([`connections`](TcpLines::connections)), further ones wait in the system's queue; 64 KiB for
/// a block, and for each connection the largest record. An idle connection may stay for ever. Nothing is read while the
/// pipeline does not ask, and so senders wait. **Errors**: a connection that breaks within a line makes a dead letter of
/// what there is of it; an address that is taken is tried again.
#[derive(Clone)]
pub struct TcpLines {
    address: String,
    connections: usize,
    off_loopback: bool,
    format: Format,
    bound: Arc<watch::Sender<Option<SocketAddr>>>,
}

/// Tells where a [`TcpLines`] listens.
#[derive(Clone, Debug)]
pub struct Bound(watch::Receiver<Option<SocketAddr>>);

impl Bound {
    /// Waits until it listens. None: it is gone, and has never listened.
    pub async fn address(&mut self) -> Option<SocketAddr> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|address| *address)
    }
}

impl TcpLines {
    /// Listens at `host:port`; with port 0 the system chooses one, which stays the same when the source crashes.
    pub fn listen(address: impl Into<String>) -> Self {
        TcpLines {
            address: address.into(),
            connections: 64,
            off_loopback: false,
            format: Format::default(),
            bound: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Connections at once, one at least. Default: 64.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Listens at an address that other machines reach, too: whoever reaches it can send records.
    #[must_use]
    pub fn off_loopback(mut self) -> Self {
        self.off_loopback = true;
        self
    }

    /// Tells the address, when it listens.
    #[must_use]
    pub fn bound(&self) -> Bound {
        Bound(self.bound.subscribe())
    }

    format_methods!();

    format_of_file!();

    async fn bind(&self) -> Result<TcpListener, Trouble> {
        let address = &self.address;
        let found: Vec<SocketAddr> = match *self.bound.borrow() {
            Some(before) => vec![before],
            None => Vec::new(),
        };
        let found = match found.is_empty() {
            false => found,
            true => tokio::net::lookup_host(address).await.map_err(|error| no_address(address, &error))?.collect(),
        };
        if let Some(open) = found.iter().find(|found| !found.ip().is_loopback() && !self.off_loopback) {
            return Err(Trouble::lasting(format_args!(
                "tcp {address}: other machines reach {}, and whoever does can send records: use 127.0.0.1, or say \
                 `off_loopback` if that is meant",
                open.ip()
            )));
        }
        let listener = TcpListener::bind(&found[..]).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                Trouble::passing(format_args!("tcp {address}: another program listens there; it is tried again"))
            }
            _ => Trouble::lasting(format_args!("tcp {address}: cannot listen there: {error}; choose another address")),
        })?;
        self.bound.send_replace(listener.local_addr().ok());
        Ok(listener)
    }
}

fn no_address(address: &str, error: &std::io::Error) -> Trouble {
    match error.kind() {
        std::io::ErrorKind::InvalidInput => Trouble::lasting(format_args!(
            "tcp {address}: this is no address ({error}); write `host:port`, for example `127.0.0.1:9000`"
        )),
        _ => Trouble::passing(format_args!("tcp {address}: the name cannot be looked up: {error}; it is tried again")),
    }
}

impl fmt::Debug for TcpLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpLines")
            .field("address", &self.address)
            .field("connections", &self.connections)
            .field("off_loopback", &self.off_loopback)
            .field("format", &self.format)
            .finish()
    }
}

impl SourceSpec for TcpLines {
    fn kind(&self) -> &'static str {
        "tcp"
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(Listening {
            spec: self.clone(),
            listener: None,
            pause: None,
            connections: Vec::new(),
            block: vec![0; BLOCK],
            rest: 0..0,
            turn: 0,
            taker: Taker { intake: Intake::new(&self.format), next: 0 },
        })
    }

    fn replays(&self) -> bool {
        false
    }

    format_of_spec!();

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        let mut settings = vec![("address", self.address.as_str().into()), ("connections", self.connections.into())];
        settings.extend(self.off_loopback.then(|| ("off_loopback", true.into())));
        settings.extend(self.format.settings());
        Some(settings)
    }
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    core: LineCore,
    header: Vec<u8>,
}

/// Gives records their numbers.
struct Taker {
    intake: Intake,
    next: u64,
}

impl Taker {
    fn take(&mut self, chunk: &mut Filling, peer: SocketAddr, number: u64, line: Line<'_>) {
        self.next += 1;
        self.intake.line(chunk, self.next, line, format_args!("{peer}, line {number}"));
    }
}

struct Listening {
    spec: TcpLines,
    listener: Option<TcpListener>,
    /// Before the next connection is accepted.
    pause: Option<Pin<Box<Sleep>>>,
    connections: Vec<Connection>,
    block: Vec<u8>,
    /// What of the block no record was made of; it came from the connection whose turn it is.
    rest: std::ops::Range<usize>,
    turn: usize,
    taker: Taker,
}

impl Listening {
    async fn start(&mut self) -> Result<(), Trouble> {
        self.spec.format.check()?;
        // Not two at once, and the port is free.
        self.listener = None;
        (self.connections, self.rest, self.turn) = (Vec::new(), 0..0, 0);
        self.listener = Some(self.spec.bind().await?);
        Ok(())
    }

    fn accept(&mut self, cx: &mut Context<'_>) {
        let Some(listener) = &self.listener else { return };
        while self.connections.len() < self.spec.connections {
            if self.pause.as_mut().is_some_and(|pause| pause.as_mut().poll(cx).is_pending()) {
                return;
            }
            self.pause = None;
            match listener.poll_accept(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok((stream, peer))) => {
                    let core = LineCore::new(self.spec.format.record_limit());
                    let header = Headers::encode(&[("peer", peer.to_string().as_bytes())]);
                    self.connections.push(Connection { stream, peer, core, header });
                }
                Poll::Ready(Err(error)) => {
                    tracing::warn!(address = self.spec.address, %error, "a connection could not be accepted");
                    self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                }
            }
        }
    }

    /// Makes records of what is left of the block.
    fn frame(&mut self, chunk: &mut Filling) {
        let Some(Connection { core, peer, header, .. }) = self.connections.get_mut(self.turn) else { return };
        let mut bytes = &self.block[self.rest.clone()];
        let first = chunk.len();
        while !chunk.is_full() && !bytes.is_empty() {
            let number = core.lines() + 1;
            let Some(line) = core.next(&mut bytes) else { break };
            self.taker.take(chunk, *peer, number, line);
        }
        self.rest.start = self.rest.end - bytes.len();
        chunk.share_headers(first, header);
        if self.rest.is_empty() {
            self.turn += 1;
        }
    }

    /// The connection whose turn it is has ended: in order, or by an error within a line.
    fn close(&mut self, chunk: &mut Filling, broken: Option<&std::io::Error>) {
        let mut connection = self.connections.swap_remove(self.turn);
        let Connection { core, peer, header, .. } = &mut connection;
        let (first, number) = (chunk.len(), core.lines() + 1);
        match (broken, core.end()) {
            (_, None) => (),
            (None, Some(line)) => self.taker.take(chunk, *peer, number, line),
            (Some(error), Some(Line::Whole(part) | Line::TooLong { first: part, .. })) => {
                self.taker.next += 1;
                let content = crate::ContentType::Raw;
                let fields = Fields { id: self.taker.next, content, payload: part, key: None, time: 0 };
                self.taker.intake.broken(chunk, fields, format!("{peer}, line {number}: cut off: {error}"));
            }
        }
        chunk.share_headers(first, header);
    }

    /// Gives each connection its turn until records have come.
    fn poll(&mut self, cx: &mut Context<'_>, chunk: &mut Filling) -> Poll<()> {
        let before = chunk.len();
        self.accept(cx);
        self.taker.intake.look_at_the_clock();
        // Connections that had nothing, one after the other.
        let mut silent = 0;
        loop {
            if !self.rest.is_empty() {
                self.frame(chunk);
            }
            if chunk.is_full() {
                return Poll::Ready(());
            }
            if silent >= self.connections.len() {
                break;
            }
            self.turn = if self.turn < self.connections.len() { self.turn } else { 0 };
            let mut block = ReadBuf::new(&mut self.block);
            match Pin::new(&mut self.connections[self.turn].stream).poll_read(cx, &mut block) {
                Poll::Pending => {
                    silent += 1;
                    self.turn += 1;
                }
                Poll::Ready(Ok(())) if !block.filled().is_empty() => {
                    self.rest = 0..block.filled().len();
                    silent = 0;
                }
                Poll::Ready(read) => {
                    self.close(chunk, read.err().as_ref());
                    // There is room for another.
                    self.accept(cx);
                    silent = 0;
                }
            }
        }
        if chunk.len() > before { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Source for Listening {
    fn open<'a>(&'a mut self, _from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(self.start())
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        Box::pin(async move {
            std::future::poll_fn(|cx| self.poll(cx, chunk)).await;
            Ok(Filled::More)
        })
    }

    fn position(&self) -> Option<Value> {
        None
    }
}
