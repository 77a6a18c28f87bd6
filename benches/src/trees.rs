//! The drivers of supervisors: as `shapes`, each once, run over every subject that has one.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::family;
use crate::measure::{Plan, Sample};
use crate::peer::{Families, Peer, Trees};
use crate::shapes::crashes;
use crate::stats::p50_p99;
use crate::tally::{Phoenix, Tally};

/// Restarts of the one child that crashes, in a sample of a tree.
///
/// At each one OTP walks over all that its supervisor did in the last second: few, so that the list is not what is measured.
pub const CRASHES: usize = 100;

/// So long after a start the workers have nothing more to share out: what is restarted is a tree that runs.
const SETTLE: Duration = Duration::from_millis(50);

/// From the panic of one of ten children until all ten have handled a message in their next incarnation.
pub fn one_for_all<P: Families>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (voices, ear) = family::voices();
        let family = P::family(&world, voices).await?;
        let latencies = ear.restarts(plan.ops).await?;
        drop((world, family));
        Ok(p50_p99(latencies))
    })
}

/// Time for each child until the supervisor has started them all; then the median restart of one among them.
pub fn tree<P: Trees>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (phoenix, mut times) = Phoenix::new();
        let start = Instant::now();
        let tree = P::tree(&world, plan.ops, phoenix).await?;
        let mut sample = per_child(start, plan.ops);
        let ashes = P::ashes(&tree).await?;
        tokio::time::sleep(SETTLE).await;
        let restarts = p50_p99(crashes::<P>(&ashes, &mut times, CRASHES).await?);
        drop((tree, world));
        sample.extend(restarts.first());
        Ok(sample)
    })
}

/// Time for each actor until so many are spawned that have no supervisor, and are told nothing.
pub fn bare<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let mut kept = Vec::with_capacity(plan.ops);
        let start = Instant::now();
        for _ in 0..plan.ops {
            kept.push(P::counter(&world, Tally::Quiet).await?);
        }
        let sample = per_child(start, plan.ops);
        drop((kept, world));
        Ok::<_, Failure>(sample)
    })
}

fn per_child(start: Instant, children: usize) -> Vec<f64> {
    vec![start.elapsed().as_nanos() as f64 / children as f64]
}
