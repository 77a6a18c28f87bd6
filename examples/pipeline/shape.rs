//! The pipeline: JSON orders through three plugins and three Rust stages into two folders of files.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proscenium::pipeline::sources::Files;
use proscenium::pipeline::{Failed, Failover, Pipeline, Record, RecordMut, RollingFiles};
use serde::{Deserialize, Serialize};

use crate::build::{Folder, Plugins};
use crate::orders::{BIG, DEAREST, Order};

pub const PLUGINS: [&str; 3] = ["validation", "enrichment", "scoring"];
pub const STAGES: [&str; 6] = ["validation", "tag", "enrichment", "scoring", "totals", "size"];
pub const SINKS: [&str; 2] = ["files", "big"];

/// What panics on purpose says.
pub const PLANNED: &str = "an order that makes me panic";

/// When the stage `tag` has panicked on an order that it can handle the next time.
pub static STUMBLED: OnceLock<Instant> = OnceLock::new();

/// How long a plugin may take for a batch: a frozen one is killed then.
pub const LIMIT: Duration = Duration::from_secs(1);

/// What is known of a customer.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Account {
    orders: u64,
    sum: i64,
}

pub fn pipeline(at: &Folder, plugins: &Plugins) -> Pipeline {
    Pipeline::named("orders")
        .source(Files::at(at.at("orders.jsonl").display().to_string()).follow().json().key_from("customer"))
        .called("orders")
        .plugin("validation", &plugins.validation)
        .param("rules", format!("amount:int:1..{DEAREST},country:string:2..2"))
        .param("required", "id,customer,country,amount")
        .timeout(LIMIT)
        .failover(Failover::DeadLetter)
        .map("tag", tag)
        .plugin("enrichment", &plugins.enrichment)
        .param("map", "de:emea,fr:emea,us:amer,jp:apac")
        .param("default", "other")
        .timeout(LIMIT)
        .plugin("scoring", &plugins.scoring)
        .timeout(LIMIT)
        .fold("totals", total)
        .route("size", ["big"], |record: Record<'_>| {
            let order: Order = record.decode()?;
            Ok::<_, Failed>((order.amount >= BIG).then_some("big"))
        })
        .sink(RollingFiles::new(at.at("files")))
        .from("size/big")
        .sink(RollingFiles::new(at.at("big")))
        .called("big")
        .state(at.at("state"))
        // More is broken here within five seconds than a pipeline is expected to bear.
        .settings(|settings| settings.intensity = 100)
}

fn tag(record: &mut RecordMut<'_>) -> Result<(), Failed> {
    let mut order: Order = record.decode()?;
    match order.note.as_deref() {
        Some("panic") => panic!("{PLANNED}"),
        Some("stumble") if STUMBLED.set(Instant::now()).is_ok() => panic!("{PLANNED}"),
        _ => (),
    }
    order.tag = Some(if order.amount % 10 == 0 { "express" } else { "standard" }.to_owned());
    record.encode(&order)
}

/// The account is whole whenever this panics or is killed: the code gets a copy, which takes its place in the end.
fn total(account: &mut Account, record: &mut RecordMut<'_>) -> Result<(), Failed> {
    let mut order: Order = record.decode()?;
    account.orders += 1;
    account.sum += order.amount;
    (order.nth, order.sum) = (Some(account.orders), Some(account.sum));
    record.encode(&order)
}
