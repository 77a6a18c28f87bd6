//! MessagePack as programs in Rust have it: derived for their types, by rmp-serde. Payloads are borrowed from the messages.

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::block::Loaded;
use crate::messagepack::Format;
use crate::payload::{LEN, RECORDS, produce, read};

pub struct BySerde;

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    id: u64,
    #[serde(borrow, with = "serde_bytes")]
    payload: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct Verdict<'a> {
    id: u64,
    verdict: u8,
    /// Only if it has changed.
    #[serde(borrow, with = "serde_bytes")]
    payload: Option<&'a [u8]>,
}

impl Format for BySerde {
    const SERVE: &'static str = "serve-by-serde";

    fn produce(message: &mut Vec<u8>, first: u64) -> Result<(), Failure> {
        let mut payloads = [[0; LEN]; RECORDS];
        for (id, payload) in (first..).zip(&mut payloads) {
            produce(payload, id);
        }
        let records: Vec<_> = (first..).zip(&payloads).map(|(id, payload)| Record { id, payload }).collect();
        Ok(rmp_serde::encode::write(message, &records)?)
    }

    fn read(answer: &[u8], sent: &[u8]) -> Result<u64, Failure> {
        let given: Vec<Record<'_>> = rmp_serde::from_slice(sent)?;
        let results: Vec<Verdict<'_>> = rmp_serde::from_slice(answer)?;
        let pairs = given.iter().zip(&results);
        Ok(pairs.map(|(given, result)| read(result.payload.unwrap_or(given.payload))).sum())
    }

    fn process(plugin: &mut Loaded, message: &[u8], answer: &mut Vec<u8>) -> Result<(), Failure> {
        let records: Vec<Record<'_>> = rmp_serde::from_slice(message)?;
        for (nth, record) in records.iter().enumerate() {
            plugin.give(nth, record.id, record.payload);
        }
        plugin.process(records.len())?;
        let results = (0..records.len()).map(|nth| {
            let result = plugin.result(nth);
            Verdict { id: result.id, verdict: result.verdict, payload: result.changed() }
        });
        Ok(rmp_serde::encode::write(answer, &results.collect::<Vec<_>>())?)
    }
}
