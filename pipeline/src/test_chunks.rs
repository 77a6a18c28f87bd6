//! Chunks for tests.

use std::sync::Arc;
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

/// A chunk of this ledger: records with these ids and keys.
pub(crate) fn keyed(ledger: &Arc<Ledger>, records: &[(u64, Option<&str>)]) -> Chunk {
    let mut filling = Filling::new(ledger.try_borrow().unwrap(), ChunkSize::default());
    for (id, key) in records {
        let (payload, key) = (format!("record {id}"), key.map(str::as_bytes));
        filling.push(Fields { id: *id, content: ContentType::Raw, payload: payload.as_bytes(), key, time: 0 });
    }
    Chunk::new(filling.buffer, ledger.send(), "sample".into(), Instant::now())
}

/// A chunk of raw payloads.
pub(crate) fn lines(payloads: &[&str]) -> Chunk {
    let payloads: Vec<_> = payloads.iter().map(|payload| (ContentType::Raw, payload.as_bytes())).collect();
    chunk(&payloads)
}
