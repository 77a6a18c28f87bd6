//! A plugin under load that ends in every way at random moments, again and again: no record is lost, none comes twice,
//! and all come in order. `FAULTS=` says how many, `SEED=` replays the choices of a run.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proscenium_plugin_host::{Plugin, PluginRef, Processed, Status, Swap, Verdicts};
use proscenium_runtime::Node;
use proscenium_supervision::Supervisor;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::time::timeout;

use crate::built::Folder;
use crate::census::{Census, LIMIT, is_alone, nothing_is_left};
use crate::random::Random;

/// In the ordinary run of the tests.
const FAULTS: u64 = 100;
/// Batches that are given and not yet back.
const IN_FLIGHT: usize = 6;
const RECORDS: u64 = 48;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fault {
    /// From outside, whatever the process does.
    Sent(&'static str),
    /// By a record.
    Asked(&'static str, u64),
    Swap,
    /// The old process is killed meanwhile.
    SwapKilled,
}

const ALL: [Fault; 11] = [
    Fault::Sent("KILL"),
    Fault::Sent("STOP"),
    Fault::Sent("SEGV"),
    Fault::Sent("ABRT"),
    Fault::Asked("SEGV", 1),
    Fault::Asked("ABRT", 2),
    Fault::Asked("stack", 3),
    Fault::Asked("hang", 4),
    Fault::Asked("exit", 5),
    Fault::Swap,
    Fault::SwapKilled,
];

fn signal(name: &str) -> Signal {
    match name {
        "KILL" => Signal::KILL,
        "STOP" => Signal::STOP,
        "SEGV" => Signal::SEGV,
        _ => Signal::ABORT,
    }
}

/// What the feeder is told, and what it tells.
#[derive(Default)]
pub struct Feed {
    /// The next batch has a record that asks for this.
    asks: AtomicU64,
    pub back: AtomicU64,
    pub ends: AtomicBool,
}

fn payload(id: u64, asks: u64) -> Vec<u8> {
    let mut bytes = [id.to_le_bytes(), asks.to_le_bytes()].concat();
    bytes.extend((0..id % 60).map(|nth| (nth * 7 + id) as u8));
    bytes
}

/// What was given with each batch, until it is back.
type Given = Vec<(u64, u64)>;

async fn give(plugin: PluginRef, batch: u64, given: Given) -> (u64, Given, Processed) {
    let mut room = plugin.batch().await;
    for &(id, asks) in &given {
        room.push(id, &payload(id, asks)).unwrap();
    }
    (batch, given, plugin.process(room).await.unwrap())
}

/// Each record is there, at its place, made from what was given for it.
fn check(batch: u64, given: &Given, done: &Processed) {
    assert_eq!(done.records().count(), given.len(), "batch {batch}");
    assert_eq!(done.emitted().count(), 0, "batch {batch}");
    for (record, &(id, asks)) in done.records().zip(given) {
        assert_eq!(record.id(), id, "batch {batch}");
        let end = record.end().map(ToString::to_string);
        assert_eq!(record.verdict(), Verdicts::Ok, "batch {batch}, record {id}: {end:?}");
        let want: Vec<u8> = payload(id, asks).iter().rev().map(|byte| byte ^ id as u8).collect();
        assert_eq!(record.payload(), want, "batch {batch}, record {id}");
    }
}

type Giving = Pin<Box<dyn Future<Output = (u64, Given, Processed)> + Send>>;

/// The batches under way, in the order in which they were given.
#[derive(Default)]
struct UnderWay(VecDeque<Giving>);

impl UnderWay {
    async fn push(&mut self, mut giving: Giving) {
        // Its place in the order is that of its first look.
        let back = poll_fn(|cx| Poll::Ready(giving.as_mut().poll(cx))).await;
        self.0.push_back(match back {
            Poll::Pending => giving,
            Poll::Ready(done) => Box::pin(std::future::ready(done)),
        });
    }

    /// The first, when it is back; that none behind it is back before.
    async fn next(&mut self) -> Option<(u64, Given, Processed)> {
        if self.0.is_empty() {
            return None;
        }
        let mut back = poll_fn(|cx| self.look(cx)).await;
        let first = back.pop_front();
        // Those are there, as if they were looked at later.
        back.into_iter().rev().for_each(|done| self.0.push_front(Box::pin(std::future::ready(done))));
        first
    }

    fn look(&mut self, cx: &mut Context<'_>) -> Poll<VecDeque<(u64, Given, Processed)>> {
        let mut back: VecDeque<_> = self.0.iter_mut().map(|giving| giving.as_mut().poll(cx)).collect();
        let until = back.iter().rposition(Poll::is_ready).map_or(0, |last| last + 1);
        for (nth, done) in back.iter_mut().take(until).enumerate() {
            if done.is_pending() {
                // One behind it is back. Then this one is by now, or it was overtaken.
                *done = self.0[nth].as_mut().poll(cx);
                assert!(done.is_ready(), "a batch was overtaken");
            }
        }
        self.0.drain(..until);
        let back: VecDeque<_> =
            back.into_iter().filter_map(|done| if let Poll::Ready(done) = done { Some(done) } else { None }).collect();
        if back.is_empty() { Poll::Pending } else { Poll::Ready(back) }
    }
}

/// Gives batch after batch and takes them back, in the order in which they leave the plugin. How many records there were.
pub async fn feed(plugin: PluginRef, feed: Arc<Feed>) -> u64 {
    let mut under_way = UnderWay::default();
    let (mut batches, mut records, mut next_back) = (0, 0, 0);
    loop {
        while under_way.0.len() < IN_FLIGHT && !feed.ends.load(Ordering::Acquire) {
            let asks = feed.asks.swap(0, Ordering::AcqRel);
            let at = (batches * 7) % RECORDS;
            let given = (0..RECORDS).map(|nth| (records + nth, if nth == at { asks } else { 0 })).collect();
            under_way.push(Box::pin(give(plugin.clone(), batches, given))).await;
            (batches, records) = (batches + 1, records + RECORDS);
        }
        let Some((batch, given, done)) = timeout(LIMIT, under_way.next()).await.expect("it goes on") else {
            assert_eq!(next_back, batches);
            return records;
        };
        assert_eq!(batch, next_back, "batches leave in their order");
        check(batch, &given, &done);
        next_back += 1;
        feed.back.store(next_back, Ordering::Release);
    }
}

struct Chaos {
    plugin: PluginRef,
    random: Random,
    feed: Arc<Feed>,
    libraries: [std::path::PathBuf; 2],
    hits: BTreeMap<Fault, (u64, u64)>,
    /// The last faults, and what was said of them.
    story: VecDeque<String>,
}

impl Chaos {
    /// A process that serves, after so many.
    async fn status(&self, after: u32) -> Status {
        let end = Instant::now() + LIMIT;
        loop {
            match self.plugin.status().await {
                Ok(status) if status.processes > after && status.pid.is_some() => return status,
                other => assert!(Instant::now() < end, "no process after {after}: {other:?}"),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Some batches and some microseconds later.
    async fn moment(&mut self) {
        let back = self.feed.back.load(Ordering::Acquire) + self.random.below(6);
        let end = Instant::now() + LIMIT;
        while self.feed.back.load(Ordering::Acquire) < back {
            assert!(Instant::now() < end, "no batch comes back, after {:#?}", self.story);
            tokio::task::yield_now().await;
        }
        let spin = Instant::now() + Duration::from_micros(self.random.below(300));
        while Instant::now() < spin {
            std::hint::spin_loop();
        }
    }

    async fn send(&self, to: &Status, signal: Signal) {
        let pid = Pid::from_raw(to.pid.unwrap() as i32).unwrap();
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // The number is still that of the plugin's process, so the descriptor is.
        if self.plugin.status().await.is_ok_and(|now| now.pid == to.pid) {
            let _ = pidfd_send_signal(&process, signal); // It may have ended.
        }
    }

    async fn swap(&self, nth: u64) -> bool {
        let swapped = self.plugin.swap(Swap::to(&self.libraries[(nth % 2) as usize])).await;
        swapped.is_ok_and(|report| report.drained > 0)
    }

    /// Whether it has hit a batch in work.
    async fn strike(&mut self, nth: u64, fault: Fault) {
        let before = self.status(0).await;
        self.moment().await;
        let is_hit = match fault {
            Fault::Sent(name) => {
                self.send(&before, signal(name)).await;
                self.ended(&before).await
            }
            Fault::Asked(_, how) => {
                self.feed.asks.store(how, Ordering::Release);
                self.ended(&before).await
            }
            Fault::Swap => self.swap(nth).await,
            Fault::SwapKilled => {
                let kill = async {
                    tokio::task::yield_now().await;
                    self.send(&before, Signal::KILL).await;
                };
                let (is_hit, ()) = tokio::join!(self.swap(nth), kill);
                is_hit || self.ended(&before).await
            }
        };
        let now = self.status(0).await;
        self.story.push_back(format!(
            "{fault:?}, process {}: {:?}",
            now.processes,
            now.last_end.map(|end| end.to_string())
        ));
        if self.story.len() > 12 {
            self.story.pop_front();
        }
        let (all, hit) = self.hits.entry(fault).or_default();
        (*all, *hit) = (*all + 1, *hit + u64::from(is_hit));
    }

    /// The process has given way to another: over a batch?
    async fn ended(&self, before: &Status) -> bool {
        let after = self.status(before.processes).await;
        after.last_end.is_some_and(|end| end.batch.is_some())
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order() {
    if !is_alone("chaos::nothing_is_lost_doubled_or_out_of_order") {
        return;
    }
    let faults = number("FAULTS").unwrap_or(FAULTS);
    let seed = number("SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into())
        .max(1);
    println!("SEED={seed} FAULTS={faults}");
    let name = format!("chaos-{}", std::process::id());
    Node::start("first").await.unwrap().stop().await.unwrap();
    let before = Census::of(&name);
    let folder = Folder::new("chaos");
    let libraries = ["libone.so", "libtwo.so"].map(|name| folder.build("chaos.c", name, &[]));
    let node = Node::start(&name).await.unwrap();
    let plugin = Plugin::new(&libraries[0]).timeout(Duration::from_secs(1)).grace(Duration::from_millis(30));
    let tree = Supervisor::one_for_one().named(&*name).intensity(1_000_000, Duration::from_secs(1));
    let tree = tree.child(Plugin::spec("plugin", plugin)).start(&node).await.unwrap();
    let plugin = tree.reference::<PluginRef>("plugin").await.unwrap();
    let fed = Arc::<Feed>::default();
    let feeding = tokio::spawn(feed(plugin.clone(), fed.clone()));
    let begin = Instant::now();
    let random = Random::new(seed);
    let mut chaos =
        Chaos { plugin, random, feed: fed.clone(), libraries, hits: BTreeMap::new(), story: VecDeque::new() };
    for nth in 0..faults {
        assert!(!feeding.is_finished(), "SEED={seed}: the feeder has ended at fault {nth}, after {:#?}", chaos.story);
        let fault = ALL[chaos.random.below(ALL.len() as u64) as usize];
        chaos.strike(nth, fault).await;
    }
    fed.ends.store(true, Ordering::Release);
    let records = timeout(LIMIT, feeding).await.expect("the last batches come back").unwrap();
    let processes = chaos.status(0).await.processes;
    let hits: u64 = chaos.hits.values().map(|(_, hit)| hit).sum();
    println!("{faults} faults, {hits} over a batch in work, {processes} processes, {:?}", begin.elapsed());
    println!("{records} records: 0 lost, 0 doubled, in order");
    chaos.hits.iter().for_each(|(fault, (all, hit))| println!("  {fault:?}: {all}, {hit} over a batch"));
    assert!(hits * 100 >= faults * 60, "SEED={seed}: only {hits} of {faults} hit a batch");
    drop((chaos, tree));
    node.stop().await.unwrap();
    drop(folder);
    nothing_is_left(&name, &before).await;
}
