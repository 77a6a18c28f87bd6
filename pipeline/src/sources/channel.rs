//! Records from Rust code.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use crate::chunk::{Fields, Filling};
use crate::record::OwnedRecord;
use crate::source::{Boxed, Filled, Source, SourceSpec};
use crate::sources::format::{Format, format_methods, format_of_spec};
use crate::sources::intake::Intake;
use crate::trouble::Trouble;

/// Records that Rust code sends, until its last [`Sender`] is dropped.
///
/// They keep their ids, times, keys, headers and content types; with [`json`](Channel::json), those whose content is JSON
/// become MessagePack. It cannot replay, and a record that was sent is not acknowledged to the sender: what was under way
/// when the program dies is lost. A source that crashes loses none of those that wait.
///
/// **Bounds**: as many records as the capacity; at the bound [`send`](Sender::send) waits. **Errors**: none.
#[derive(Clone)]
pub struct Channel {
    received: Arc<Mutex<mpsc::Receiver<OwnedRecord>>>,
    capacity: usize,
    format: Format,
}

/// Sends records to a [`Channel`]; clones send to the same one.
#[derive(Clone, Debug)]
pub struct Sender(mpsc::Sender<OwnedRecord>);

/// Why a record was not taken; it is given back.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// As many as the capacity wait. Try again, or wait in [`Sender::send`].
    Full(OwnedRecord),
    /// The channel and all pipelines that read from it are gone: nobody will take a record any more.
    Closed(OwnedRecord),
}

impl SendError {
    /// The record.
    #[must_use]
    pub fn into_record(self) -> OwnedRecord {
        match self {
            SendError::Full(record) | SendError::Closed(record) => record,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full(_) => "the channel is full: its pipeline has not asked for more",
            SendError::Closed(_) => "the channel is closed: no pipeline reads from it any more",
        })
    }
}

impl std::error::Error for SendError {}

impl Channel {
    /// A channel for so many records at most, one at least.
    #[allow(clippy::new_ret_no_self, reason = "both ends are made at once, as with every channel")]
    #[must_use]
    pub fn new(capacity: usize) -> (Sender, Channel) {
        let capacity = capacity.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        let (sender, received) = mpsc::channel(capacity);
        (Sender(sender), Channel { received: Arc::new(Mutex::new(received)), capacity, format: Format::default() })
    }

    format_methods!();
}

impl Sender {
    /// Waits until there is room for it. Dropped while it waits, it has sent nothing.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn send(&self, record: OwnedRecord) -> Result<(), SendError> {
        self.0.send(record).await.map_err(|error| SendError::Closed(error.0))
    }

    /// Sends it, if there is room.
    ///
    /// # Errors
    /// There is none, or the channel is closed.
    pub fn try_send(&self, record: OwnedRecord) -> Result<(), SendError> {
        self.0.try_send(record).map_err(|error| match error {
            mpsc::error::TrySendError::Full(record) => SendError::Full(record),
            mpsc::error::TrySendError::Closed(record) => SendError::Closed(record),
        })
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("of", &Arc::as_ptr(&self.received))
            .field("capacity", &self.capacity)
            .field("format", &self.format)
            .finish()
    }
}

impl SourceSpec for Channel {
    fn kind(&self) -> &'static str {
        "channel"
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(Receiving { spec: self.clone(), intake: Intake::new(&self.format), received: None })
    }

    fn replays(&self) -> bool {
        false
    }

    format_of_spec!();
}

struct Receiving {
    spec: Channel,
    intake: Intake,
    /// Held for as long as this source is there.
    received: Option<OwnedMutexGuard<mpsc::Receiver<OwnedRecord>>>,
}

impl Receiving {
    fn start(&mut self) -> Result<(), Trouble> {
        self.spec.format.check()?;
        if self.received.is_none() {
            let received = self.spec.received.clone().try_lock_owned();
            self.received = Some(received.map_err(|_| {
                Trouble::passing("another source reads from this channel: it can be read when that is gone")
            })?);
        }
        Ok(())
    }

    async fn receive(&mut self, chunk: &mut Filling) -> Result<Filled, Trouble> {
        if chunk.is_full() {
            return Ok(Filled::More);
        }
        let Some(received) = &mut self.received else { return Err(Trouble::passing("the channel is not open")) };
        let Some(mut record) = received.recv().await else { return Ok(Filled::End) };
        loop {
            add(&mut self.intake, chunk, &record);
            if chunk.is_full() {
                return Ok(Filled::More);
            }
            record = match received.try_recv() {
                Ok(record) => record,
                Err(_) => return Ok(Filled::More),
            };
        }
    }
}

fn add(intake: &mut Intake, chunk: &mut Filling, record: &OwnedRecord) {
    let OwnedRecord { id, content, payload, key, time, headers } = record;
    let fields = Fields { id: *id, content: *content, payload, key: key.as_deref(), time: *time };
    intake.record(chunk, fields, format_args!("record {id}"));
    if !headers.is_empty() {
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        chunk.headers(&headers);
    }
}

impl Source for Receiving {
    fn open<'a>(&'a mut self, _from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(std::future::ready(self.start()))
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        Box::pin(self.receive(chunk))
    }

    fn position(&self) -> Option<Value> {
        None
    }
}
