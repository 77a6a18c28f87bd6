//! Chunks for tests.

use std::time::Instant;

use proscenium_plugin_host::ContentType;

use crate::chunk::{Chunk, ChunkSize, Fields, Filling};
use crate::ledger::Ledger;

pub(crate) fn chunk(payloads: &[(ContentType, &[u8])]) -> Chunk {
    let ledger = Ledger::new(ChunkSize::default(), 1, 1);
    let mut filling = Filling::new(ledger.try_borrow().unwrap(), ChunkSize::default());
    for (id, (content, payload)) in (0..).zip(payloads) {
        filling.push(Fields { id, content: *content, payload, key: None, time: 0 });
    }
    Chunk::new(filling.buffer, ledger.send(), "sample".into(), Instant::now())
}

/// A chunk of raw payloads.
pub(crate) fn lines(payloads: &[&str]) -> Chunk {
    let payloads: Vec<_> = payloads.iter().map(|payload| (ContentType::Raw, payload.as_bytes())).collect();
    chunk(&payloads)
}
