//! actix: its actors live on arbiter threads and its futures are not `Send`, so it brings drivers of its own.
//!
//! On the multi-threaded flavour the receivers live on a second arbiter; on the other everything shares one thread.
//! Calls and the ring run on one arbiter in both, which is where actix is quickest.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Message, System};
use tokio::sync::oneshot;

use crate::Failure;
use crate::measure::{Flavour, Plan, Sample};
use crate::shapes::{FANS, RING, SENDERS};
use crate::tally::{Latch, Link, Tally};

pub const NAME: &str = "actix";
pub const VERSION: &str = env!("BENCH_ACTIX");

const BOUND: usize = 1024;

pub struct Counter {
    tally: Tally,
    bound: Option<usize>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub struct Add(u64);

#[derive(Message)]
#[rtype(result = "u64")]
pub struct Ask(u64);

impl Actor for Counter {
    type Context = Context<Self>;

    fn started(&mut self, cx: &mut Self::Context) {
        if let Some(bound) = self.bound {
            cx.set_mailbox_capacity(bound);
        }
    }
}

impl Handler<Add> for Counter {
    type Result = ();

    fn handle(&mut self, Add(number): Add, _cx: &mut Self::Context) {
        self.tally.add(number);
    }
}

impl Handler<Ask> for Counter {
    type Result = u64;

    fn handle(&mut self, Ask(number): Ask, _cx: &mut Self::Context) -> u64 {
        self.tally.answer(number)
    }
}

pub struct Hop(Link<Addr<Hop>>);

#[derive(Message)]
#[rtype(result = "()")]
pub struct Token(u64);

impl Actor for Hop {
    type Context = Context<Self>;
}

impl Handler<Token> for Hop {
    type Result = ();

    fn handle(&mut self, Token(token): Token, _cx: &mut Self::Context) {
        if let Some((next, token)) = self.0.pass(token) {
            next.do_send(Token(token));
        }
    }
}

/// Runs a sample in a system of its own, on a thread of its own: a system belongs to the thread that made it.
fn run<F>(body: impl FnOnce() -> F + Send + 'static) -> Sample
where
    F: Future<Output = Sample> + 'static,
{
    let system = std::thread::spawn(move || System::new().block_on(body()));
    system.join().map_err(|_| "the actix system panicked")?
}

/// Starts the counters where the flavour wants them, and stops their arbiter when the sample is over.
async fn with_counters<F>(
    flavour: Flavour,
    bound: Option<usize>,
    tallies: Vec<Tally>,
    body: impl FnOnce(Vec<Addr<Counter>>) -> F,
) -> Sample
where
    F: Future<Output = Sample>,
{
    let arbiter = (flavour == Flavour::MultiThread).then(Arbiter::new);
    let start = |tally| match &arbiter {
        Some(arbiter) => Counter::start_in_arbiter(&arbiter.handle(), move |_cx| Counter { tally, bound }),
        None => Counter { tally, bound }.start(),
    };
    let sample = body(tallies.into_iter().map(start).collect()).await;
    if let Some(arbiter) = arbiter {
        arbiter.stop();
        arbiter.join().map_err(|_| "the arbiter panicked")?;
    }
    sample
}

fn per_op(start: Instant, ops: usize) -> Sample {
    Ok(vec![start.elapsed().as_nanos() as f64 / ops as f64])
}

fn only(counters: &[Addr<Counter>]) -> Result<&Addr<Counter>, Failure> {
    counters.first().ok_or_else(|| "no counter was started".into())
}

/// `do_send` takes no notice of any bound.
pub fn tell(plan: Plan) -> Sample {
    run(move || async move {
        let (latch, opened) = Latch::new(1);
        with_counters(plan.flavour, None, vec![Tally::count(plan.ops, &latch)], |counters| async move {
            let counter = only(&counters)?;
            let start = Instant::now();
            for _ in 0..plan.ops {
                counter.do_send(Add(1));
            }
            opened.await?;
            per_op(start, plan.ops)
        })
        .await
    })
}

/// `try_send`, and a turn for the receiver when it is full: actix has no send that waits for room alone.
pub fn tell_bounded(plan: Plan) -> Sample {
    run(move || async move {
        let (latch, opened) = Latch::new(1);
        with_counters(plan.flavour, Some(BOUND), vec![Tally::count(plan.ops, &latch)], |counters| async move {
            let counter = only(&counters)?;
            let start = Instant::now();
            for _ in 0..plan.ops {
                while counter.try_send(Add(1)).is_err() {
                    tokio::task::yield_now().await;
                }
            }
            opened.await?;
            per_op(start, plan.ops)
        })
        .await
    })
}

pub fn call(plan: Plan) -> Sample {
    run(move || {
        with_counters(Flavour::CurrentThread, None, vec![Tally::Quiet], move |counters| async move {
            let counter = only(&counters)?;
            let start = Instant::now();
            for number in 0..plan.ops as u64 {
                counter.send(Ask(number)).await?;
            }
            per_op(start, plan.ops)
        })
    })
}

pub fn ring(plan: Plan) -> Sample {
    run(move || async move {
        let (latch, opened) = Latch::new(1);
        let places: Vec<Arc<OnceLock<Addr<Hop>>>> = (0..RING).map(|_| Arc::default()).collect();
        for place in 0..RING {
            let next = Arc::clone(&places[(place + 1) % RING]);
            let hop = Hop(Link { next, latch: Arc::clone(&latch) }).start();
            places[place].set(hop).map_err(|_| "the ring has a place twice")?;
        }
        let start = Instant::now();
        places[0].get().ok_or("the ring is empty")?.do_send(Token(plan.ops as u64));
        opened.await?;
        per_op(start, plan.ops)
    })
}

pub fn many_to_one(plan: Plan) -> Sample {
    run(move || async move {
        let each = plan.ops / SENDERS;
        let (latch, opened) = Latch::new(1);
        let tally = Tally::count(each * SENDERS, &latch);
        with_counters(plan.flavour, None, vec![tally], |counters| async move {
            let counter = only(&counters)?.clone();
            let start = Instant::now();
            for _ in 0..SENDERS {
                let counter = counter.clone();
                actix::spawn(async move {
                    for _ in 0..each {
                        counter.do_send(Add(1));
                    }
                });
            }
            opened.await?;
            per_op(start, each * SENDERS)
        })
        .await
    })
}

pub fn fan_out(plan: Plan) -> Sample {
    run(move || async move {
        let each = plan.ops / FANS;
        let (latch, opened) = Latch::new(FANS as u64);
        let tallies = (0..FANS).map(|_| Tally::count(each, &latch)).collect();
        with_counters(plan.flavour, None, tallies, |counters| async move {
            let start = Instant::now();
            for _ in 0..each {
                for counter in &counters {
                    counter.do_send(Add(1));
                }
            }
            opened.await?;
            per_op(start, each * FANS)
        })
        .await
    })
}

pub fn spawn(plan: Plan) -> Sample {
    run(move || async move {
        let (latch, opened) = Latch::new(plan.ops as u64);
        let mut kept = Vec::with_capacity(plan.ops);
        let start = Instant::now();
        for _ in 0..plan.ops {
            let counter = Counter { tally: Tally::count(1, &latch), bound: None }.start();
            counter.do_send(Add(1));
            kept.push(counter);
        }
        opened.await?;
        per_op(start, plan.ops)
    })
}

/// Starts idle actors and hands `body` their addresses; for the memory measure, which runs in a process of its own.
pub fn idle<T: Send + 'static>(
    count: usize,
    before: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    after: impl FnOnce(T) -> Sample + Send + 'static,
) -> Sample {
    run(move || async move {
        let (started, all_started) = oneshot::channel();
        let start = || Counter { tally: Tally::Quiet, bound: None }.start();
        let warm: Vec<_> = (0..count / 100).map(|_| start()).collect();
        tokio::task::yield_now().await;
        let mark = before()?;
        let kept: Vec<_> = (0..count).map(|_| start()).collect();
        // The last of them starts after all the others.
        let last = Counter::create(move |cx| {
            cx.run_later(std::time::Duration::ZERO, |_counter, _cx| {
                // The sample may have failed already.
                let _ = started.send(());
            });
            Counter { tally: Tally::Quiet, bound: None }
        });
        all_started.await?;
        let sample = after(mark);
        drop((warm, kept, last));
        sample
    })
}
