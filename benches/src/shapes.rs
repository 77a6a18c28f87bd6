//! The drivers: each shape of traffic once, run over every [`Peer`].
//!
//! Each is a task of its own on the sample's runtime, never the receiver's task, and awaits each message once.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::Failure;
use crate::measure::{Plan, Sample};
use crate::peer::{Peer, Restarts, Stops};
use crate::stats::p50_p99;
use crate::tally::{Latch, Link, Phoenix, Tally, deaf, now_ns};

/// Actors in the ring, senders of 8→1, receivers of the fan-out.
pub const RING: usize = 64;
pub const SENDERS: usize = 8;
pub const FANS: usize = 100;

/// Long enough for a worker to stop looking for work and park.
const PARKED: Duration = Duration::from_micros(200);
/// Runtimes in a sample of wakes by a thread.
const PLACEMENTS: usize = 6;
/// Wakes in each of them before those that count.
const COLD: usize = 20;

/// A message that waited in the mailbox over a restart for this long was lost with the incarnation.
const LOST: Duration = Duration::from_millis(20);

fn per_op(start: Instant, ops: usize) -> Vec<f64> {
    vec![start.elapsed().as_nanos() as f64 / ops as f64]
}

/// One task tells one actor.
pub fn tell<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (warm, warmed) = Latch::new(1);
        send_all::<P>(&P::counter(&world, Tally::count(plan.ops / 10 + 1, &warm)).await?, plan.ops / 10 + 1).await?;
        warmed.await?;
        let (latch, opened) = Latch::new(1);
        let counter = P::counter(&world, Tally::count(plan.ops, &latch)).await?;
        P::watch(&world, &counter).await?;
        let start = Instant::now();
        send_all::<P>(&counter, plan.ops).await?;
        opened.await?;
        Ok(per_op(start, plan.ops))
    })
}

async fn send_all<P: Peer>(counter: &P::Counter, messages: usize) -> Result<(), Failure> {
    for _ in 0..messages {
        P::tell(counter, 1).await?;
    }
    Ok(())
}

/// One task calls one actor, one call at a time.
pub fn call<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let counter = P::counter(&world, Tally::Quiet).await?;
        P::watch(&world, &counter).await?;
        for number in 0..plan.ops as u64 / 10 {
            P::call(&counter, number).await?;
        }
        let start = Instant::now();
        for number in 0..plan.ops as u64 {
            if P::call(&counter, number).await? != number + 1 {
                return Err("a wrong answer".into());
            }
        }
        Ok(per_op(start, plan.ops))
    })
}

/// A token goes round a ring of actors.
pub fn ring<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (latch, mut opened) = Latch::new(1);
        let places: Vec<Arc<OnceLock<P::Hop>>> = (0..RING).map(|_| Arc::default()).collect();
        for place in 0..RING {
            let next = Arc::clone(&places[(place + 1) % RING]);
            let hop = P::hop(&world, Link { next, latch: Arc::clone(&latch) }).await?;
            places[place].set(hop).map_err(|_| "the ring has a place twice")?;
        }
        let first = places[0].get().ok_or("the ring is empty")?;
        let start = Instant::now();
        P::pass(first, plan.ops as u64).await?;
        (&mut opened).await?;
        Ok(per_op(start, plan.ops))
    })
}

/// Eight tasks tell one actor.
pub fn many_to_one<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let each = plan.ops / SENDERS;
        let (latch, opened) = Latch::new(1);
        let counter = P::counter(&world, Tally::count(each * SENDERS, &latch)).await?;
        P::watch(&world, &counter).await?;
        let start = Instant::now();
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let counter = counter.clone();
                tokio::spawn(async move { send_all::<P>(&counter, each).await })
            })
            .collect();
        opened.await?;
        let sample = per_op(start, each * SENDERS);
        for sender in senders {
            sender.await??;
        }
        Ok(sample)
    })
}

/// One task tells a hundred actors in turn.
pub fn fan_out<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let each = plan.ops / FANS;
        let (latch, opened) = Latch::new(FANS as u64);
        let mut counters = Vec::with_capacity(FANS);
        for _ in 0..FANS {
            let counter = P::counter(&world, Tally::count(each, &latch)).await?;
            P::watch(&world, &counter).await?;
            counters.push(counter);
        }
        let start = Instant::now();
        for _ in 0..each {
            for counter in &counters {
                P::tell(counter, 1).await?;
            }
        }
        opened.await?;
        Ok(per_op(start, each * FANS))
    })
}

/// A task wakes a parked actor: from the send to the first instruction of the handler.
pub fn wake_by_task<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (heard, mut times) = mpsc::unbounded_channel();
        let counter = P::counter(&world, Tally::Clock { heard }).await?;
        P::watch(&world, &counter).await?;
        let mut latencies = Vec::with_capacity(plan.ops);
        for _ in 0..plan.ops {
            let start = now_ns();
            P::tell(&counter, 1).await?;
            latencies.push(since(start, times.recv().await)?);
            // Two turns of the scheduler: the receiver has looked at its empty mailbox and sleeps.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }
        Ok(p50_p99(latencies))
    })
}

/// A thread outside of the runtime wakes an actor whose worker sleeps as well.
///
/// The kernel puts the threads where it likes and then leaves them there, and that makes a difference of a factor: a sample
/// is of several runtimes.
pub fn wake_by_thread<P: Peer>(plan: Plan) -> Sample {
    let mut latencies = Vec::with_capacity(plan.ops);
    for _ in 0..PLACEMENTS {
        latencies.extend(wakes_by_thread::<P>(Plan { ops: plan.ops.div_ceil(PLACEMENTS), ..plan })?);
    }
    Ok(p50_p99(latencies))
}

fn wakes_by_thread<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (heard, mut times) = mpsc::unbounded_channel();
        let counter = P::counter(&world, Tally::Clock { heard }).await?;
        P::watch(&world, &counter).await?;
        let outside = tokio::task::spawn_blocking(move || {
            let mut latencies = Vec::with_capacity(plan.ops);
            for _ in 0..COLD + plan.ops {
                std::thread::sleep(PARKED);
                let start = now_ns();
                P::post(&counter, 1)?;
                latencies.push(since(start, times.blocking_recv())?);
            }
            latencies.drain(..COLD); // New threads, code that nobody has run yet: that is not what is measured.
            Ok::<_, Failure>(latencies)
        });
        outside.await?
    })
}

fn since(start: u64, heard: Option<u64>) -> Result<f64, Failure> {
    Ok(heard.ok_or_else(deaf)?.saturating_sub(start) as f64)
}

/// From the panic to the next message handled, one crash at a time.
pub fn restart<P: Restarts>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (phoenix, mut times) = Phoenix::new();
        let ashes = P::phoenix(&world, phoenix).await?;
        Ok(p50_p99(crashes::<P>(&ashes, &mut times, plan.ops).await?))
    })
}

/// Crashes the phoenix and pings it, again and again.
pub async fn crashes<P: Restarts>(
    ashes: &P::Ashes,
    times: &mut mpsc::UnboundedReceiver<f64>,
    crashes: usize,
) -> Result<Vec<f64>, Failure> {
    let mut latencies = Vec::with_capacity(crashes);
    let mut lost = 0;
    for _ in 0..crashes {
        P::crash(ashes).await?;
        P::ping(ashes).await?;
        match tokio::time::timeout(LOST, times.recv()).await {
            Ok(time) => latencies.push(time.ok_or_else(deaf)?),
            Err(_) => lost += 1,
        }
    }
    if lost > 0 {
        eprintln!("{}: {lost} of {crashes} messages that waited over a crash were lost", P::NAME);
    }
    if lost > crashes / 10 {
        return Err(format!("{lost} of {crashes} queued messages never reached the next incarnation").into());
    }
    Ok(latencies)
}

/// Actors are spawned and told one message each, one after the other; the time ends when all have handled it.
pub fn spawn<P: Peer>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (latch, opened) = Latch::new(plan.ops as u64);
        let mut kept = Vec::with_capacity(plan.ops);
        let start = Instant::now();
        for _ in 0..plan.ops {
            let counter = P::counter(&world, Tally::count(1, &latch)).await?;
            P::tell(&counter, 1).await?;
            kept.push(counter);
        }
        opened.await?;
        Ok(per_op(start, plan.ops))
    })
}

/// From the stop of an idle actor to its stop hook.
pub fn stop<P: Stops>(plan: Plan) -> Sample {
    plan.flavour.run(async move {
        let world = P::world().await?;
        let (heard, mut times) = mpsc::unbounded_channel();
        let mut counters = Vec::with_capacity(plan.ops);
        for _ in 0..plan.ops {
            counters.push(P::counter(&world, Tally::Clock { heard: heard.clone() }).await?);
        }
        // All of them have started and sleep.
        for counter in &counters {
            P::tell(counter, 1).await?;
            times.recv().await.ok_or_else(deaf)?;
        }
        let mut latencies = Vec::with_capacity(plan.ops);
        for counter in &counters {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let start = now_ns();
            P::stop(counter).await?;
            latencies.push(since(start, times.recv().await)?);
        }
        Ok(p50_p99(latencies))
    })
}
