//! What a plugin's process goes through: it is started, waits, is killed, is swapped, and meets a record that kills it.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use proscenium_plugin_host::{Plugin, PluginRef, Processed, Swap, Verdicts, Why};
use rustix::process::{Pid, Signal, kill_process};

use super::plugins::{CHILD, Hosted, batches};
use crate::measure::{Plan, Sample};
use crate::payload::{LEN, RECORDS, expected, read};
use crate::stats::p50_p99;
use crate::tally::now_ns;
use crate::{Failure, child, compile};

/// Long enough for both sides to sleep: neither spins for more than twenty microseconds.
const ASLEEP: Duration = Duration::from_millis(1);

/// What the host has in memory while processes start.
const HEAP: usize = 2 << 30;

/// So many do not count: the first of its kind finds nothing in any cache.
const FIRST: usize = 5;

/// Batches under way while a plugin is swapped.
const DEPTH: usize = 8;

/// The round trip of a batch of one record while both sides sleep.
pub fn round_trip(plan: Plan) -> Sample {
    let path = compile::plugin("verdict")?;
    plan.flavour.run(async move {
        let hosted = Hosted::start(Plugin::new(path)).await?;
        let mut times = Vec::with_capacity(plan.ops);
        for _ in 0..FIRST + plan.ops {
            tokio::time::sleep(ASLEEP).await;
            let start = Instant::now();
            let done = of(&hosted.plugin, 1, 0, 0).await?;
            black_box(done.records().map(|record| read(record.payload())).sum::<u64>());
            times.push(start.elapsed().as_nanos() as f64);
        }
        times.drain(..FIRST);
        hosted.stop().await?;
        Ok(p50_p99(times))
    })
}

/// A bare futex ping-pong between two processes; asleep, as in [`round_trip`], or as fast as it goes.
pub fn ping_pong(is_asleep: bool, plan: Plan) -> Sample {
    let pause = if is_asleep { ASLEEP.as_micros() } else { 0 };
    let words = [pause.to_string(), plan.flavour.name().to_owned(), plan.ops.to_string()];
    child::numbers_of(Command::new(compile::program("pingpong")?).args(words))
}

/// A batch of so many records, one of which says something to `frail`.
async fn of(plugin: &PluginRef, records: usize, at: usize, word: u8) -> Result<Processed, Failure> {
    let mut batch = plugin.batch().await;
    for nth in 0..records {
        let payload = if nth == at { [word; LEN] } else { [0; LEN] };
        batch.push(nth as u64, &payload)?;
    }
    plugin.process(batch).await.map_err(|error| error.to_string().into())
}

/// From the order to start until the process serves, while the host holds [`HEAP`] bytes; run in a process of its own.
pub fn starts(plan: Plan) -> Sample {
    let path = compile::plugin("frail")?;
    let heap = vec![0x5a_u8; HEAP];
    let sample = plan.flavour.run(async move {
        let hosted = Hosted::start(Plugin::new(path)).await?;
        let mut times = Vec::with_capacity(plan.ops);
        for _ in 0..FIRST + plan.ops {
            hosted.tree.terminate_child(CHILD).await?;
            let start = Instant::now();
            hosted.tree.restart_child(CHILD).await?;
            times.push(start.elapsed().as_nanos() as f64);
        }
        times.drain(..FIRST);
        hosted.stop().await?;
        Ok(p50_p99(times))
    });
    black_box(heap);
    sample
}

/// From a SIGKILL until a monitor hears of the end, and until the first batch that was under way has been processed after
/// all.
pub fn kills(plan: Plan) -> Sample {
    let path = compile::plugin("frail")?;
    plan.flavour.run(async move {
        let hosted = Hosted::start(Plugin::new(path)).await?;
        let (mut noticed, mut replayed) = (Vec::new(), Vec::new());
        for _ in 0..FIRST + plan.ops {
            let [death, replay] = kill(&hosted).await?;
            noticed.push(death);
            replayed.push(replay);
        }
        noticed.drain(..FIRST);
        replayed.drain(..FIRST);
        hosted.stop().await?;
        Ok([p50_p99(noticed), p50_p99(replayed)].concat())
    })
}

async fn kill(hosted: &Hosted) -> Result<[f64; 2], Failure> {
    let pid = i32::try_from(hosted.pid().await?).ok().and_then(Pid::from_raw).ok_or("no such process")?;
    let killed = AtomicU64::new(0);
    let since = || now_ns().saturating_sub(killed.load(Ordering::Acquire)) as f64;
    let actor = hosted.plugin.actor();
    let heard = async {
        actor.monitor().await;
        since()
    };
    let processed = async {
        let done = of(&hosted.plugin, RECORDS, 0, b'w').await?;
        black_box(&done);
        Ok::<_, Failure>(since())
    };
    let killing = async {
        // By then it is in the batch, and waits for its end.
        tokio::time::sleep(ASLEEP * 2).await;
        killed.store(now_ns(), Ordering::Release);
        Ok::<_, Failure>(kill_process(pid, Signal::KILL)?)
    };
    let (heard, processed, killing) = tokio::join!(heard, processed, killing);
    killing?;
    Ok([heard, processed?])
}

/// The gap of each of so many swaps under load: no batch is lost, which the sum of all bytes proves.
pub fn swaps(plan: Plan) -> Sample {
    let path = compile::plugin("verdict")?;
    plan.flavour.run(async move {
        let hosted = Hosted::start(Plugin::new(path).depth(DEPTH as u32)).await?;
        let over = Arc::new(AtomicBool::new(false));
        let load = tokio::spawn(load(hosted.plugin.clone(), Arc::clone(&over)));
        let (mut gaps, mut holds) = (Vec::new(), Vec::new());
        for _ in 0..plan.ops {
            let report = hosted.plugin.swap(Swap::reload()).await?;
            gaps.push(report.gap.as_nanos() as f64);
            holds.push(report.held.as_nanos() as f64);
        }
        over.store(true, Ordering::Release);
        load.await??;
        hosted.stop().await?;
        Ok([p50_p99(gaps), p50_p99(holds)].concat())
    })
}

/// Feeds the plugin until it is over.
async fn load(plugin: PluginRef, over: Arc<AtomicBool>) -> Result<(), Failure> {
    let (mut sum, mut ids) = (0, 0);
    while !over.load(Ordering::Acquire) {
        let mut done = std::pin::pin!(batches(&plugin, ids, 64, DEPTH));
        while let Some(done) = done.next().await {
            for record in done?.records() {
                if record.id() != ids {
                    return Err(format!("record {} came where {ids} should", record.id()).into());
                }
                ids += 1;
                sum += read(record.payload());
            }
        }
    }
    if sum == expected(0..ids, 0) { Ok(()) } else { Err("the bytes that came back are wrong".into()) }
}

/// The most crashes that a record took until it was set aside alone, and the time that it took: p50 and p99 in
/// milliseconds.
pub fn poison(plan: Plan) -> Sample {
    let path = compile::plugin("frail")?;
    plan.flavour.run(async move {
        let hosted = Hosted::start(Plugin::new(path)).await?;
        let (mut most, mut times) = (0, Vec::with_capacity(plan.ops));
        for nth in 0..plan.ops {
            let before = hosted.plugin.status().await?.processes;
            let at = nth * RECORDS / plan.ops;
            let start = Instant::now();
            let done = of(&hosted.plugin, RECORDS, at, b'p').await?;
            times.push(start.elapsed().as_nanos() as f64 / 1e6);
            let is_found = done.records().nth(at).is_some_and(|record| is_poison(record.verdict()));
            if done.count(is_poison) != 1 || !is_found {
                return Err("the wrong records were set aside".into());
            }
            drop(done);
            most = most.max(hosted.plugin.status().await?.processes - before);
        }
        hosted.stop().await?;
        Ok([vec![f64::from(most)], p50_p99(times)].concat())
    })
}

fn is_poison(verdict: Verdicts<'_>) -> bool {
    verdict == Verdicts::SetAside(&Why::Poison)
}
