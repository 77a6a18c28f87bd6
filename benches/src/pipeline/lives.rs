//! What a running pipeline goes through: it is started, reloaded, and its plugin is killed.

use std::time::{Duration, Instant};

use proscenium_pipeline::{Pipeline, PipelineRef, RecordMut};
use proscenium_runtime::Node;
use rustix::process::{Pid, Signal, kill_process};

use super::ends::Numbers;
use super::ours::three;
use super::pulse::Pulse;
use super::work::stamp;
use crate::measure::{Plan, Sample};
use crate::stats::p50_p99;
use crate::tally::now_ns;
use crate::{Failure, compile};

/// Chunks that go through between two changes: more than there are under way at once.
const BETWEEN: u64 = 100;

/// Reloads, kills and starts that do not count.
const FIRST: usize = 5;

/// Kills come quicker here than any pipeline should put up with.
const RESTARTS: usize = 1_000_000;

/// Records flow again at the latest.
const LIMIT: Duration = Duration::from_secs(10);

/// A pipeline at full speed, without an end.
struct Live {
    node: Node,
    pulse: Pulse,
    pipeline: PipelineRef,
}

impl Live {
    async fn start(stages: impl FnOnce(Pipeline) -> Pipeline) -> Result<Self, Failure> {
        let (node, pulse) = (Node::start("bench").await?, Pulse::default());
        let pipeline = stages(Pipeline::named("bench").source(Numbers::endless()))
            .sink(pulse.clone())
            .settings(|settings| settings.intensity = RESTARTS)
            .start(&node)
            .await?;
        let live = Self { node, pulse, pipeline };
        live.pulse.beats(BETWEEN).await;
        Ok(live)
    }

    async fn stop(self) -> Result<(), Failure> {
        self.pipeline.stop().await;
        Ok(self.node.stop().await?)
    }
}

fn stage(number: u8) -> impl Fn(&mut RecordMut<'_>) + Send + Sync + 'static {
    move |record| stamp(record.payload_mut(), number)
}

/// A plugin with a stage on either side.
fn around(pipeline: Pipeline, path: std::path::PathBuf) -> Pipeline {
    pipeline.map("first", stage(1)).plugin("plugin", path).map("third", stage(3))
}

/// A plugin gets other parameters: the longest gap that the sink sees.
pub fn params(plan: Plan) -> Sample {
    let path = compile::plugin("verdict")?;
    plan.flavour.run(async move {
        let live = Live::start(|pipeline| around(pipeline, path)).await?;
        let mut gaps = Vec::with_capacity(plan.ops);
        for nth in 0..FIRST + plan.ops {
            live.pulse.watch();
            live.pipeline.params("plugin", [("turn", nth.to_string())]).await?;
            gaps.push(live.pulse.beats(BETWEEN).await.nanoseconds() as f64);
        }
        live.stop().await?;
        Ok(p50_p99(gaps.split_off(FIRST)))
    })
}

/// A stage is added, and taken out again: the longest gap that the sink sees, and how long the source was held.
pub fn stages(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let live = Live::start(|pipeline| three(pipeline, stamp)).await?;
        let pulse = || live.pulse.clone();
        let settings = |pipeline: Pipeline| pipeline.settings(|settings| settings.intensity = RESTARTS);
        let begun = || settings(three(Pipeline::named("bench").source(Numbers::endless()), stamp));
        let plans = [begun().map("fourth", stage(3)).sink(pulse()).plan(), begun().sink(pulse()).plan()];
        let [more, less] = plans.map(|plan| plan.map_err(|faults| format!("{faults:?}")));
        let (more, less) = (more?, less?);
        let (mut gaps, mut holds) = (Vec::with_capacity(plan.ops), Vec::with_capacity(plan.ops));
        for nth in 0..FIRST + plan.ops {
            live.pulse.watch();
            let plan = if nth % 2 == 0 { &more } else { &less };
            let report = live.pipeline.reload(plan.clone()).await?;
            gaps.push(live.pulse.beats(BETWEEN).await.nanoseconds() as f64);
            holds.push(report.held.ok_or("the source was not held")?.as_nanos() as f64);
        }
        live.stop().await?;
        Ok([p50_p99(gaps.split_off(FIRST)), p50_p99(holds.split_off(FIRST))].concat())
    })
}

/// The longest gap of as long a time in which nothing is changed: what the machine itself does.
pub fn unchanged(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let live = Live::start(|pipeline| three(pipeline, stamp)).await?;
        let mut gaps = Vec::with_capacity(plan.ops);
        for _ in 0..FIRST + plan.ops {
            live.pulse.watch();
            tokio::time::sleep(Duration::from_millis(1)).await;
            gaps.push(live.pulse.beats(BETWEEN).await.nanoseconds() as f64);
        }
        live.stop().await?;
        Ok(p50_p99(gaps.split_off(FIRST)))
    })
}

/// From the order until the first records are at the sink: five stages, of Rust or plugins.
pub fn starts(is_plugin: bool, plan: Plan) -> Sample {
    let path = compile::plugin("verdict")?;
    plan.flavour.run(async move {
        let mut times = Vec::with_capacity(plan.ops);
        for _ in 0..FIRST + plan.ops {
            let (node, pulse) = (Node::start("bench").await?, Pulse::default());
            let path = path.clone();
            let begin = Instant::now();
            let source = Pipeline::named("bench").source(Numbers::new(1));
            let whole = (0..5).fold(source, |pipeline, nth: u8| {
                let name = format!("stage-{nth}");
                if is_plugin { pipeline.plugin(name, &path) } else { pipeline.map(name, stage(nth + 1)) }
            });
            let pipeline = whole.sink(pulse).start(&node).await?;
            pipeline.wait().await;
            times.push(begin.elapsed().as_nanos() as f64);
            pipeline.stop().await;
            node.stop().await?;
        }
        Ok(p50_p99(times.split_off(FIRST)))
    })
}

/// From the SIGKILL of a plugin until the end of the gap that follows it.
pub fn kills(plan: Plan) -> Sample {
    let path = compile::plugin("verdict")?;
    plan.flavour.run(async move {
        let live = Live::start(|pipeline| around(pipeline, path)).await?;
        let mut times = Vec::with_capacity(plan.ops);
        for _ in 0..FIRST + plan.ops {
            times.push(kill(&live).await? as f64);
        }
        live.stop().await?;
        Ok(p50_p99(times.split_off(FIRST)))
    })
}

async fn kill(live: &Live) -> Result<u64, Failure> {
    let plugin = live.pipeline.plugins("plugin").pop().ok_or("the pipeline has no plugin")?;
    let before = plugin.status().await?;
    let pid = before.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).ok_or("no such process")?;
    live.pulse.watch();
    let killed = now_ns();
    kill_process(pid, Signal::KILL)?;
    let is_back = async {
        // What comes to the sink behind that has been through the next process.
        while plugin.status().await?.processes == before.processes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, Failure>(live.pulse.beats(BETWEEN).await)
    };
    let gap = tokio::time::timeout(LIMIT, is_back).await.map_err(|_| "no record came through again")??;
    Ok(gap.until.saturating_sub(killed))
}
