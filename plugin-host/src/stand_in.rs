//! Records that a plugin could not process go to another one: the policy [`FailoverTo`](crate::Failover::FailoverTo).

use std::future::Future;
use std::pin::Pin;

use crate::answer::Undone;
use crate::batch::{Batch, Processed};
use crate::block::Written;
use crate::failover_core::Why;
use crate::plugin_ref::{PluginRef, ProcessError};

/// A stand-in may have a stand-in, and so on; at this depth it is a circle.
const DEEPEST: u32 = 8;

type Processing = Pin<Box<dyn Future<Output = Result<Processed, ProcessError>> + Send>>;

/// By the plugin, which is handed the batch at once, and what it gives to its stand-in by that one.
pub(crate) fn process(
    plugin: PluginRef,
    batch: Batch,
    depth: u32,
) -> impl Future<Output = Result<Processed, ProcessError>> + Send {
    let given = plugin.give(batch);
    async move {
        let settled = match given {
            Ok(awaited) => awaited.settled().await,
            Err(batch) => Err((batch.0, Undone::Gone)),
        };
        match settled {
            Ok(tray) => by_stand_in(&plugin, Processed::of(tray), depth).await,
            Err((tray, Undone::Gone)) => by_another(&plugin, Batch(tray), depth).await,
            Err((tray, Undone::Crashed(end))) => Err(ProcessError::FlushCrashed { batch: Batch(tray), end }),
            Err((tray, Undone::Stopped { code })) => Err(ProcessError::Stopped { batch: Batch(tray), code }),
        }
    }
}

/// Some records of it may be the stand-in's.
async fn by_stand_in(plugin: &PluginRef, mut processed: Processed, depth: u32) -> Result<Processed, ProcessError> {
    if !processed.tray.has_asides() {
        return Ok(processed);
    }
    let is_forwarded = |nth: u32| {
        let aside = processed.tray.aside(nth);
        aside.is_some_and(|aside| matches!(aside.why, Why::FailedOver { .. }))
    };
    let records: Vec<u32> = (0..processed.tray.len()).filter(|&nth| is_forwarded(nth)).collect();
    if depth >= DEEPEST || records.is_empty() {
        return Ok(processed);
    }
    if let Some(other) = plugin.stand_in().await {
        forward(&mut processed, &records, &other, depth).await;
    }
    Ok(processed)
}

/// In as many batches as the stand-in needs for them. What it cannot take, because it has ended or has too little room,
/// stays set aside.
async fn forward(processed: &mut Processed, records: &[u32], other: &PluginRef, depth: u32) {
    let mut left = records;
    while !left.is_empty() {
        let mut part = other.batch().await;
        let mut fits = |nth: u32| {
            let given = &processed.tray.all()[nth as usize];
            part.push(Written(*given).id(), processed.tray.payload(given)).is_ok()
        };
        let taken = left.iter().position(|&nth| !fits(nth)).unwrap_or(left.len());
        let Ok(done) = boxed(other.clone(), part, depth).await else { return };
        processed.stand_in.push(done);
        processed.forwarded.extend(&left[..taken]);
        // One that does not fit into an empty batch is left out.
        left = &left[taken.max(1)..];
    }
}

/// The plugin has ended for good: all of it goes to its stand-in, if it has one.
async fn by_another(plugin: &PluginRef, batch: Batch, depth: u32) -> Result<Processed, ProcessError> {
    let other = if depth < DEEPEST { plugin.stand_in().await } else { None };
    let Some(other) = other else { return Err(ProcessError::Gone(batch)) };
    let mut part = other.batch().await;
    let all_fit = batch.records().all(|(id, payload)| part.push(id, payload).is_ok());
    if !all_fit {
        return Err(ProcessError::Gone(batch)); // The stand-in has smaller batches.
    }
    match boxed(other, part, depth).await {
        Ok(processed) => Ok(processed),
        Err(_) => Err(ProcessError::Gone(batch)),
    }
}

fn boxed(plugin: PluginRef, batch: Batch, depth: u32) -> Processing {
    Box::pin(process(plugin, batch, depth + 1))
}
