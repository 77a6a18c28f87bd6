//! Records a second through a plugin's process, beside those of the same library on one thread of that process.

use std::time::{Duration, Instant};

use proscenium::plugin::{BatchSize, Load as Inside, Plugin, PluginRef, Verdicts, read};
use proscenium::{Node, Supervisor};

use crate::command::Load;
use crate::msgpack;
use crate::verify::{named, plugin};

/// A plugin that is slower than a record in so long is given up.
const SLOWEST: Duration = Duration::from_micros(50);
/// What a measurement may take at least.
const PATIENCE: Duration = Duration::from_secs(30);

/// # Errors
/// Why it cannot be measured.
pub async fn run(load: &Load) -> Result<(), String> {
    measure(load).await.map_err(|why| named(&load.tried.file, &why))
}

async fn measure(load: &Load) -> Result<(), String> {
    let payload = msgpack::of_size(load.size);
    let batches = load.records.div_ceil(load.batch.into());
    let batches = u32::try_from(batches).map_err(|_| "so many batches are not counted; give fewer records")?;
    let input = load.batch * load.size.next_multiple_of(8) as u32;
    let heap = (input * 4).max(64 << 10).next_multiple_of(8);
    let size = BatchSize { records: load.batch * 2, input, heap };
    let plugin = plugin(&load.tried).batch(size).depth(load.depth);
    let look = plugin.look().await.map_err(|error| error.to_string())?;
    let schema = look.schema().map_err(|error| error.to_string())?;
    let stand_ins = schema.stand_ins(&load.tried.params);
    let plugin = stand_ins.iter().fold(plugin, |plugin, (key, value)| plugin.param(key, value));

    let records = u64::from(batches) * u64::from(load.batch);
    println!("{}: {records} records of {} bytes, {} a batch", look.name(), load.size, load.batch);
    let limit = PATIENCE + SLOWEST.saturating_mul(records.try_into().unwrap_or(u32::MAX));
    let inside = Inside { payload: payload.clone(), records: load.batch, batches };
    let warm = Inside { batches: batches.div_ceil(20), ..inside.clone() };
    plugin.measure(warm, limit).await.map_err(|error| error.to_string())?;
    let measured = plugin.measure(inside, limit).await.map_err(|error| error.to_string())?;
    let in_process = line("in-process", measured.records, Duration::from_nanos(measured.nanoseconds));
    if load.in_process_alone {
        return Ok(());
    }

    let node = Node::start("bench").await.map_err(|error| error.to_string())?;
    let tree = Supervisor::one_for_one().child(Plugin::spec("plugin", plugin)).start(&node).await;
    let tree = tree.map_err(|error| error.to_string())?;
    let plugin = tree.reference::<PluginRef>("plugin").await.map_err(|error| error.to_string())?;
    let through = async |batches| through(&plugin, load, &payload, batches).await;
    through(batches.div_ceil(20)).await?;
    let (took, sum) = through(batches).await?;
    let name = format!("its process, depth {}", load.depth);
    let in_child = line(&name, records, took);
    println!("ratio {:.2}", in_child / in_process);
    if sum != measured.sum {
        println!("note: what was read differs from side to side: the plugin's results depend on more than its records");
    }
    tree.stop().await.map_err(|error| error.to_string())?;
    node.stop().await.map_err(|error| error.to_string())
}

/// Prints a row, and returns records a second.
fn line(name: &str, records: u64, took: Duration) -> f64 {
    let seconds = took.as_secs_f64().max(f64::MIN_POSITIVE);
    let rate = records as f64 / seconds;
    println!("{name:<24} {:>10.3} M records/s {:>8.1} ns a record", rate / 1e6, seconds * 1e9 / records as f64);
    rate
}

/// So many batches, at most `depth` at once. How long that took, and the sum of what was read.
async fn through(plugin: &PluginRef, load: &Load, payload: &[u8], batches: u32) -> Result<(Duration, u64), String> {
    let began = Instant::now();
    let mut lanes = Vec::new();
    for lane in 0..load.depth {
        let (plugin, payload, count) = (plugin.clone(), payload.to_vec(), load.batch);
        let own = (lane..batches).step_by(load.depth as usize).len();
        lanes.push(tokio::spawn(async move {
            let mut sum = 0_u64;
            for nth in 0..own as u64 {
                let mut batch = plugin.batch().await;
                for record in 0..u64::from(count) {
                    batch.push(nth * u64::from(count) + record, &payload).map_err(|full| full.to_string())?;
                }
                let done = plugin.process(batch).await.map_err(|error| error.to_string())?;
                let goes_on =
                    done.records().filter(|record| matches!(record.verdict(), Verdicts::Ok | Verdicts::Route(_)));
                sum = goes_on.chain(done.emitted()).fold(sum, |sum, record| sum.wrapping_add(read(record.payload())));
            }
            Ok::<u64, String>(sum)
        }));
    }
    let mut sum = 0_u64;
    for lane in lanes {
        sum = sum.wrapping_add(lane.await.map_err(|error| error.to_string())??);
    }
    Ok((began.elapsed(), sum))
}
