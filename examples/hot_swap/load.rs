//! Batch after batch, eight under way at once, until it is told to end.

use proscenium::plugin::PluginRef;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::proof::Proof;

pub const BATCH: u64 = 256;

pub struct Load {
    end: oneshot::Sender<()>,
    proof: JoinHandle<Proof>,
    through: watch::Receiver<u64>,
}

impl Load {
    pub fn start(plugin: PluginRef) -> Self {
        let (end, ended) = oneshot::channel();
        let (results, mut arrived) = mpsc::channel(8); // Each result holds one of the eight slots.
        let (count, through) = watch::channel(0);
        tokio::spawn(feed(plugin, ended, results));
        let proof = tokio::spawn(async move {
            let mut proof = Proof::default();
            while let Some(done) = arrived.recv().await {
                proof.check(&done);
                count.send_replace(proof.records);
            }
            proof
        });
        Self { end, proof, through }
    }

    /// Waits until so many more records are through.
    pub async fn more(&mut self, records: u64) {
        let want = *self.through.borrow() + records;
        let through = self.through.wait_for(|&through| through >= want).await;
        drop(through.expect("the load runs until it is told to end"));
    }

    /// No more batches; what is under way is waited for.
    pub async fn end(self) -> Proof {
        self.end.send(()).expect("it runs");
        self.proof.await.expect("it does not panic")
    }
}

async fn feed(
    plugin: PluginRef,
    mut ended: oneshot::Receiver<()>,
    results: mpsc::Sender<proscenium::plugin::Processed>,
) {
    let mut next = 0;
    while ended.try_recv().is_err() {
        let mut batch = plugin.batch().await; // Waits for one of the eight slots, which bounds all that is under way.
        for id in next..next + BATCH {
            batch.push(id, &id.to_le_bytes()).expect("it has room for so many");
        }
        next += BATCH;
        let (plugin, results) = (plugin.clone(), results.clone());
        tokio::spawn(async move {
            let done = plugin.process(batch).await.expect("it is restarted as often as it is killed here");
            let _ = results.try_send(done); // In the order in which they come.
        });
    }
}
