//! Plugins in child processes, under a supervisor: ours, and what other hands make of the same libraries.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, stream};
use proscenium_plugin_host::{Plugin, PluginRef, Processed};
use proscenium_runtime::Node;
use proscenium_supervision::{Supervisor, SupervisorRef};

use crate::measure::{Plan, Sample};
use crate::payload::{LEN, RECORDS, WARM_UP, expected, produce, read};
use crate::peers::outside;
use crate::{Failure, compile, procfs};

/// The child's name.
pub const CHILD: &str = "plugin";

/// More restarts than any sample asks for.
const RESTARTS: usize = 1_000_000;
const PERIOD: Duration = Duration::from_secs(1);

/// A plugin under a supervisor, on a node of its own.
pub struct Hosted {
    pub tree: SupervisorRef,
    pub plugin: PluginRef,
    node: Node,
}

impl Hosted {
    pub async fn start(plugin: Plugin) -> Result<Self, Failure> {
        let node = Node::start("bench").await?;
        let supervisor = Supervisor::one_for_one().intensity(RESTARTS, PERIOD);
        let tree = supervisor.child(Plugin::spec(CHILD, plugin)).start(&node).await?;
        let plugin = tree.reference::<PluginRef>(CHILD).await?;
        Ok(Self { tree, plugin, node })
    }

    /// The process that serves.
    pub async fn pid(&self) -> Result<u32, Failure> {
        Ok(self.plugin.status().await?.pid.ok_or("the plugin has no process")?)
    }

    /// No process is left after it.
    pub async fn stop(self) -> Result<(), Failure> {
        Ok(self.node.stop().await?)
    }
}

/// So many batches, produced and processed as they are asked for, a number of them under way.
pub fn batches(
    plugin: &PluginRef,
    first: u64,
    batches: usize,
    depth: usize,
) -> impl Stream<Item = Result<Processed, Failure>> {
    let firsts = stream::iter((0..batches as u64).map(move |batch| first + batch * RECORDS as u64));
    let filled = firsts.then(async |first| filled(plugin, first).await);
    // Handed over as soon as they are filled; awaited in their order, so many later.
    let given = filled.map(|batch| batch.map(|batch| plugin.process(batch)));
    given.map(async |given| given?.await.map_err(|error| error.to_string().into())).buffered(depth)
}

async fn filled(plugin: &PluginRef, first: u64) -> Result<proscenium_plugin_host::Batch, Failure> {
    let mut batch = plugin.batch().await;
    for id in first..first + RECORDS as u64 {
        batch.push_with(id, LEN, |to| {
            produce(to, id);
            LEN
        })?;
    }
    Ok(batch)
}

/// What all bytes of these batches sum up to.
async fn read_all(plugin: &PluginRef, first: u64, count: usize, depth: usize) -> Result<u64, Failure> {
    let mut sum = 0;
    let mut done = std::pin::pin!(batches(plugin, first, count, depth));
    while let Some(done) = done.next().await {
        sum += done?.records().map(|record| read(record.payload())).sum::<u64>();
    }
    Ok(sum)
}

/// Time and CPU of both processes for each record, `depth` batches under way.
pub fn throughput(library: &'static str, depth: usize, plan: Plan) -> Sample {
    let path = compile::plugin(library)?;
    plan.flavour.run(async move {
        let hosted = Hosted::start(Plugin::new(&path).depth(depth as u32)).await?;
        let (plugin, pid) = (&hosted.plugin, hosted.pid().await?);
        let cpu = || Ok::<_, Failure>(procfs::used()?.cpu_ns + procfs::cpu_ns_of(pid)?);
        let warm = read_all(plugin, 0, WARM_UP, depth).await?;
        let (used, start) = (cpu()?, Instant::now());
        let sum = read_all(plugin, (WARM_UP * RECORDS) as u64, plan.ops, depth).await?;
        let (time, used) = (start.elapsed().as_nanos() as f64, (cpu()? - used) as f64);
        let mask = if library == "rewrite" { 0x5a } else { 0 };
        if warm + sum != expected(0..((WARM_UP + plan.ops) * RECORDS) as u64, mask) {
            return Err("the bytes that came back are wrong".into());
        }
        hosted.stop().await?;
        let records = (plan.ops * RECORDS) as f64;
        Ok(vec![time / records, used / records])
    })
}

/// The same of a peer: an errand of `peers/plugins`.
pub fn elsewhere(errand: &str, library: &'static str, plan: Plan) -> Sample {
    let path = compile::plugin(library)?;
    outside::sample_of("plugins", &[errand, &text(&path)?], plan)
}

fn text(path: &Path) -> Result<String, Failure> {
    Ok(path.to_str().ok_or("the target directory's name is no text")?.to_owned())
}
