//! gRPC, by tonic over a Unix socket: a batch is one message, its records a repeated field. Called once for each batch, eight
//! calls at a time, or by one stream; the better of the two is told.

use std::convert::Infallible;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::{future::Future, pin::Pin, sync::Arc, sync::PoisonError};

use bytes::{Bytes, BytesMut};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::{Service, http::uri::PathAndQuery};
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::block::Loaded;
use crate::payload::{LEN, RECORDS, WARM_UP, produce, read};
use crate::served::{self, Served};
use crate::{Clock, DEPTH, Failure, check};

#[derive(Clone, PartialEq, Message)]
struct Batch {
    #[prost(message, repeated, tag = "1")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(bytes = "bytes", tag = "2")]
    payload: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Results {
    #[prost(message, repeated, tag = "1")]
    records: Vec<Verdict>,
}

#[derive(Clone, PartialEq, Message)]
struct Verdict {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint32, tag = "2")]
    verdict: u32,
    /// Only if it has changed.
    #[prost(bytes = "bytes", optional, tag = "3")]
    payload: Option<Bytes>,
}

const UNARY: &str = "/proscenium.Plugin/Process";
const STREAM: &str = "/proscenium.Plugin/Stream";

/// Two windows that hold all that is under way.
const WINDOW: u32 = 16 << 20;

pub fn sample(library: &str, flavour: &str, batches: usize) -> Result<[f64; 2], Failure> {
    let mut runtime = match flavour {
        "multi_thread" => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    let library = library.to_owned();
    runtime.block_on(async { tokio::spawn(both(library, batches.div_ceil(2))).await? })
}

async fn both(library: String, batches: usize) -> Result<[f64; 2], Failure> {
    let (child, socket) = Served::start("serve-grpc", &library)?;
    let channel = connect(socket).await?;
    let mut ids = Ids(0);
    let warm = unary(&channel, ids.next(WARM_UP)).await? + stream(&channel, ids.next(WARM_UP)).await?;
    let clock = Clock::start(Some(child.pid()))?;
    let by_calls = unary(&channel, ids.next(batches)).await?;
    let calls = clock.stop(batches)?;
    let clock = Clock::start(Some(child.pid()))?;
    let by_stream = stream(&channel, ids.next(batches)).await?;
    let streamed = clock.stop(batches)?;
    check(&library, warm + by_calls + by_stream, 2 * (WARM_UP + batches))?;
    Ok(if calls[0] < streamed[0] { calls } else { streamed })
}

/// The next batches' first ids.
struct Ids(u64);

impl Ids {
    fn next(&mut self, batches: usize) -> impl Iterator<Item = u64> + Send + 'static {
        let first = self.0;
        self.0 += (batches * RECORDS) as u64;
        (0..batches as u64).map(move |batch| first + batch * RECORDS as u64)
    }
}

async fn connect(socket: std::os::unix::net::UnixStream) -> Result<Channel, Failure> {
    socket.set_nonblocking(true)?;
    let mut socket = Some(TokioIo::new(UnixStream::from_std(socket)?));
    let endpoint = Endpoint::from_static("http://plugin")
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let connector = tower::service_fn(move |_| {
        let socket = socket.take().ok_or_else(|| std::io::Error::other("it was connected before"));
        std::future::ready(socket)
    });
    Ok(endpoint.connect_with_connector(connector).await?)
}

/// All payloads in one piece of memory, which the records share.
fn produced(first: u64) -> Batch {
    let mut memory = BytesMut::zeroed(RECORDS * LEN);
    for (nth, to) in memory.chunks_exact_mut(LEN).enumerate() {
        produce(to, first + nth as u64);
    }
    let memory = memory.freeze();
    let record = |nth: usize| Record { id: first + nth as u64, payload: memory.slice(nth * LEN..(nth + 1) * LEN) };
    Batch { records: (0..RECORDS).map(record).collect() }
}

fn consumed(given: &Batch, results: &Results) -> u64 {
    let payloads = given
        .records
        .iter()
        .zip(&results.records)
        .map(|(given, result)| read(result.payload.as_ref().unwrap_or(&given.payload)));
    payloads.sum()
}

async fn unary(channel: &Channel, firsts: impl Iterator<Item = u64>) -> Result<u64, Failure> {
    let mut sum = 0;
    let mut calls = std::collections::VecDeque::with_capacity(DEPTH);
    for first in firsts {
        if calls.len() == DEPTH {
            sum += next(&mut calls).await?;
        }
        let channel = channel.clone();
        calls.push_back(tokio::spawn(async move {
            let batch = produced(first);
            let mut client = tonic::client::Grpc::new(channel);
            client.ready().await?;
            let codec = ProstCodec::<Batch, Results>::default();
            let answer = client.unary(Request::new(batch.clone()), PathAndQuery::from_static(UNARY), codec).await?;
            Ok(consumed(&batch, answer.get_ref()))
        }));
    }
    while !calls.is_empty() {
        sum += next(&mut calls).await?;
    }
    Ok(sum)
}

type Call = tokio::task::JoinHandle<Result<u64, Failure>>;

async fn next(calls: &mut std::collections::VecDeque<Call>) -> Result<u64, Failure> {
    calls.pop_front().ok_or("no call is under way")?.await?
}

async fn stream(channel: &Channel, firsts: impl Iterator<Item = u64> + Send + 'static) -> Result<u64, Failure> {
    let (to_call, orders) = mpsc::channel(DEPTH);
    let (kept, mut given) = mpsc::channel(DEPTH);
    let producer = tokio::spawn(async move {
        for first in firsts {
            let batch = produced(first);
            if to_call.send(batch.clone()).await.is_err() || kept.send(batch).await.is_err() {
                break;
            }
        }
    });
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await?;
    let codec = ProstCodec::<Batch, Results>::default();
    let path = PathAndQuery::from_static(STREAM);
    let answer = client.streaming(Request::new(ReceiverStream::new(orders)), path, codec).await?;
    let mut answers = answer.into_inner();
    let mut sum = 0;
    while let Some(batch) = given.recv().await {
        let results = answers.message().await?.ok_or("the stream ended early")?;
        sum += consumed(&batch, &results);
    }
    producer.await?;
    Ok(sum)
}

/// The child.
pub fn serve(library: &str) -> Result<(), Failure> {
    let plugin = Plugin(Arc::new(Mutex::new(Loaded::open(library)?)));
    let socket = served::socket()?;
    socket.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = UnixStream::from_std(socket)?;
        // The one connection, and then none: it serves until it is killed.
        let sockets = tokio_stream::once(Ok::<_, std::io::Error>(socket)).chain(tokio_stream::pending());
        let server = Server::builder().initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
        { server }.add_service(plugin).serve_with_incoming(sockets).await?;
        Ok(())
    })
}

#[derive(Clone)]
struct Plugin(Arc<Mutex<Loaded>>);

impl Plugin {
    fn process(&self, batch: &Batch) -> Result<Results, Status> {
        let mut plugin = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (nth, record) in batch.records.iter().enumerate() {
            plugin.give(nth, record.id, &record.payload);
        }
        plugin.process(batch.records.len()).map_err(|error| Status::internal(error.to_string()))?;
        let mut memory = BytesMut::with_capacity(RECORDS * LEN);
        let mut lens = Vec::with_capacity(batch.records.len());
        for nth in 0..batch.records.len() {
            let result = plugin.result(nth);
            memory.extend_from_slice(result.changed().unwrap_or_default());
            lens.push((result.verdict, result.changed().map(<[u8]>::len)));
        }
        let mut memory = memory.freeze();
        let records = batch.records.iter().zip(lens).map(|(record, (verdict, len))| Verdict {
            id: record.id,
            verdict: verdict.into(),
            payload: len.map(|len| memory.split_to(len)),
        });
        Ok(Results { records: records.collect() })
    }
}

impl NamedService for Plugin {
    const NAME: &'static str = "proscenium.Plugin";
}

type Answering<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

impl UnaryService<Batch> for Plugin {
    type Response = Results;
    type Future = Answering<Response<Results>>;

    fn call(&mut self, request: Request<Batch>) -> Self::Future {
        let results = self.process(request.get_ref());
        Box::pin(async move { Ok(Response::new(results?)) })
    }
}

impl StreamingService<Batch> for Plugin {
    type Response = Results;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Results, Status>> + Send>>;
    type Future = Answering<Response<Self::ResponseStream>>;

    fn call(&mut self, request: Request<Streaming<Batch>>) -> Self::Future {
        let plugin = self.clone();
        let results = request.into_inner().map(move |batch| plugin.process(&batch?));
        Box::pin(async move { Ok(Response::new(Box::pin(results) as Self::ResponseStream)) })
    }
}

impl Service<http::Request<Body>> for Plugin {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let plugin = self.clone();
        let mut grpc = Grpc::new(ProstCodec::<Results, Batch>::default());
        Box::pin(async move {
            Ok(match request.uri().path() {
                UNARY => grpc.unary(plugin, request).await,
                _ => grpc.streaming(plugin, request).await,
            })
        })
    }
}
