//! Records to Rust code, by a channel.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::record::OwnedRecord;
use crate::sink::{Sink, SinkSpec};
use crate::source::Boxed;
use crate::trouble::Trouble;

/// Records to whoever has the receiver.
///
/// A record counts as processed when it waits in the channel, so its effect is at least once for a receiver that lives as
/// long as the pipeline: records since the last checkpoint come again after a crash, and a chunk comes again from its
/// beginning when the sink is started anew in its middle.
#[derive(Clone)]
pub struct ChannelSink {
    /// Each channel has its own.
    number: u64,
    capacity: usize,
    /// None: it was closed.
    sender: Arc<Mutex<Option<mpsc::Sender<OwnedRecord>>>>,
}

impl ChannelSink {
    /// At most `capacity` records wait, at least one; then the pipeline does.
    ///
    /// The receiver ends when the pipeline has; dropped before, it ends the pipeline with an error.
    #[must_use]
    pub fn new(capacity: usize) -> (mpsc::Receiver<OwnedRecord>, Self) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let capacity = capacity.max(1);
        let (sender, receiver) = mpsc::channel(capacity);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        (receiver, ChannelSink { number, capacity, sender: Arc::new(Mutex::new(Some(sender))) })
    }

    fn sender(&self) -> Result<mpsc::Sender<OwnedRecord>, Trouble> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.clone().ok_or_else(|| Trouble::lasting("the channel was closed when the pipeline ended: make another"))
    }
}

impl fmt::Debug for ChannelSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSink").field("number", &self.number).field("capacity", &self.capacity).finish()
    }
}

impl SinkSpec for ChannelSink {
    fn kind(&self) -> &'static str {
        "channel"
    }

    fn make(&self, _disk: &Arc<dyn Disk>) -> Box<dyn Sink> {
        Box::new(self.clone())
    }
}

impl Sink for ChannelSink {
    fn open<'a>(&'a mut self, _from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        let sender = self.sender();
        Box::pin(async { sender.map(drop) })
    }

    fn write<'a>(
        &'a mut self,
        chunk: &'a Chunk,
        _refused: &'a mut Vec<(usize, String)>,
    ) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let sender = self.sender()?;
            for record in chunk.records() {
                let sent = sender.send(record.into()).await;
                sent.map_err(|_| {
                    Trouble::lasting("nobody receives from the channel any more: its receiver was dropped")
                })?;
            }
            Ok(())
        })
    }

    fn close(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::test_chunks::lines;

    #[tokio::test]
    async fn so_many_records_wait_and_then_the_pipeline() {
        let (mut receiver, mut sink) = ChannelSink::new(2);
        let (chunk, mut refused) = (lines(&["a", "b", "c"]), Vec::new());
        let mut write = sink.write(&chunk, &mut refused);
        assert_eq!((&mut write).now_or_never(), None);
        assert_eq!(receiver.len(), 2);
        assert_eq!(receiver.recv().await.unwrap().payload, b"a");
        assert_eq!(write.await, Ok(()));
        assert_eq!(receiver.recv().await.unwrap().payload, b"b");
        assert_eq!(receiver.recv().await.unwrap().id, 2);
        assert_eq!(receiver.recv().now_or_never(), None);
    }

    #[tokio::test]
    async fn a_receiver_that_was_dropped_ends_the_pipeline() {
        let (receiver, mut sink) = ChannelSink::new(0);
        drop(receiver);
        let trouble = sink.write(&lines(&["a"]), &mut Vec::new()).await.unwrap_err();
        assert!(trouble.is_final() && trouble.to_string().contains("receiver was dropped"), "{trouble}");
    }

    #[tokio::test]
    async fn the_receiver_ends_with_the_pipeline_and_a_channel_is_used_once() {
        let (mut receiver, mut sink) = ChannelSink::new(4);
        let spec = sink.clone();
        sink.open(None).await.unwrap();
        sink.write(&lines(&["a"]), &mut Vec::new()).await.unwrap();
        sink.close().await.unwrap();
        assert!(receiver.recv().await.is_some());
        assert_eq!(receiver.recv().await, None);
        assert!(spec.clone().open(None).await.unwrap_err().is_final());
        assert_ne!(format!("{spec:?}"), format!("{:?}", ChannelSink::new(4).1));
    }
}
