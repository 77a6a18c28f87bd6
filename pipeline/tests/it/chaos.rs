//! A pipeline under load, struck in every way at random moments: no record is lost, none comes twice, those of one key come
//! in order, and dead letters are exactly those that must be. `FAULTS=` says how many, `SEED=` replays the choices of a run.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proscenium_pipeline::{
    ChunkSize, Failed, Pipeline, PipelineRef, Plan, Record, RecordMut, Retries, RollingFiles, Share, WhenDown,
};
use proscenium_plugin_host::{Status, Swap};
use proscenium_runtime::Node;
use tokio::time::timeout;

use crate::built::stamp;
use crate::flow::finished;
use crate::random::Random;
use crate::test_folder::TestFolder;
use parts::{Crowded, Feed, Moody, Numbers};

pub(crate) mod parts;
pub(crate) mod proof;

/// In the ordinary run of the tests.
const FAULTS: u64 = 60;
/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fault {
    /// To the plugin's process.
    Signal(&'static str),
    /// Of a part's actor; `plugin` is the one that has the process.
    Kill(&'static str),
    /// As `Kill`, when sinks have refused everything until nothing moves any more.
    KillStalled(&'static str),
    /// A record with this word.
    Word(&'static str),
    Swap,
    SwapRefused,
    /// The old process is killed meanwhile.
    SwapKilled,
    Params,
    ParamsRefused,
    /// A stage is put in, or taken out.
    ReloadStage,
    Scale,
    ReloadSink,
    ReloadRefused,
    Pause,
    Checkpoint,
    /// The conductor is killed meanwhile.
    CheckpointKilled,
    SinkRefuses,
    DiskFull,
}

use Fault::{
    Checkpoint, CheckpointKilled, DiskFull, Kill, KillStalled, Params, ParamsRefused, Pause, ReloadRefused, ReloadSink,
    ReloadStage, Scale, Signal, SinkRefuses, SwapKilled, SwapRefused, Word,
};

const ALL: [Fault; 42] = [
    Signal("KILL"),
    Signal("SEGV"),
    Signal("STOP"),
    Signal("KILL"),
    Kill("plugin"),
    Kill("numbers"),
    Kill("stamp"),
    Kill("picky"),
    Kill("sums"),
    Kill("split"),
    Kill("main"),
    Kill("third"),
    Kill("dead_letters"),
    Kill("control"),
    KillStalled("plugin"),
    KillStalled("numbers"),
    KillStalled("stamp"),
    KillStalled("picky"),
    KillStalled("sums"),
    KillStalled("split"),
    KillStalled("main"),
    KillStalled("control"),
    Word("poison"),
    Word("bad"),
    Word("panic"),
    Word("once"),
    Word("twice"),
    Word("lost"),
    Fault::Swap,
    SwapRefused,
    SwapKilled,
    Params,
    ParamsRefused,
    ReloadStage,
    Scale,
    ReloadSink,
    ReloadRefused,
    Pause,
    Checkpoint,
    CheckpointKilled,
    SinkRefuses,
    DiskFull,
];

/// What the pipeline is to look like.
#[derive(Clone, Debug)]
struct Shape {
    library: PathBuf,
    sign: &'static str,
    has_extra: bool,
    sums: usize,
    roll: u64,
}

struct Chaos {
    folder: TestFolder,
    libraries: [PathBuf; 2],
    feed: Arc<Feed>,
    disk: Crowded,
    refusals: [Arc<AtomicU64>; 2],
    /// How often the code has met a record with a word for it.
    met: Arc<Mutex<HashMap<u64, u32>>>,
    shape: Shape,
    random: Random,
    hits: BTreeMap<Fault, (u64, u64)>,
    /// The last faults.
    story: VecDeque<String>,
}

/// What a stage does that is choosy.
fn picky(met: &Mutex<HashMap<u64, u32>>, record: &mut RecordMut<'_>) -> Result<(), Failed> {
    let text = String::from_utf8_lossy(record.payload()).into_owned();
    let n = record.id();
    let times = |most: u32| {
        let mut met = met.lock().unwrap();
        let times = met.entry(n).or_default();
        *times += 1;
        *times <= most
    };
    if text.contains("panic") || (text.contains("once") && times(1)) {
        panic!("it cannot stand {n}");
    }
    if text.contains("twice") && times(2) {
        return Err(Failed::because("not yet"));
    }
    let end = Instant::now() + Duration::from_micros(10);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    record.set_payload(format!("{text} {}", 3 * n).as_bytes());
    Ok(())
}

fn add(record: &mut RecordMut<'_>, more: &str) {
    let text = format!("{} {more}", String::from_utf8_lossy(record.payload()));
    record.set_payload(text.as_bytes());
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let folder = TestFolder::new();
        let libraries = ["one", "two"].map(|version| stamp(folder.path(), version));
        let library = libraries[0].clone();
        Chaos {
            folder,
            libraries,
            feed: Feed::new(),
            disk: Crowded::default(),
            refusals: Default::default(),
            met: Arc::default(),
            shape: Shape { library, sign: "+", has_extra: false, sums: 1, roll: 1 << 20 },
            random: Random::new(seed),
            hits: BTreeMap::new(),
            story: VecDeque::new(),
        }
    }

    fn sink(&self, nth: usize, roll: u64) -> Moody {
        let files = RollingFiles::new(self.folder.at(["main", "third"][nth])).roll_bytes(roll);
        Moody { files, refusals: self.refusals[nth].clone() }
    }

    fn described(&self, shape: &Shape) -> Pipeline {
        let met = self.met.clone();
        let quick =
            Retries { pause: Duration::from_millis(2), longest: Duration::from_millis(20), ..Retries::default() };
        let mut pipeline = Pipeline::named("chaos")
            .source(Numbers(self.feed.clone()))
            .plugin("stamp", &shape.library)
            .param("sign", shape.sign)
            .timeout(Duration::from_millis(500))
            .map("picky", move |record: &mut RecordMut<'_>| picky(&met, record))
            .retries(quick)
            .fold("sums", |(count, sum): &mut (u64, u64), record| {
                (*count, *sum) = (*count + 1, *sum + record.id());
                add(record, &format!("{count} {sum}"));
            })
            .instances(NonZeroUsize::new(shape.sums).unwrap(), Share::ByKey);
        if shape.has_extra {
            pipeline = pipeline.map("extra", |record: &mut RecordMut<'_>| record.set_header("extra", b"yes"));
        }
        pipeline
            .route("split", ["third", "nowhere"], |record: Record<'_>| {
                let is_lost = record.payload().windows(4).any(|word| word == b"lost");
                Some(if is_lost { "nowhere" } else { "third" }).filter(|_| is_lost || record.id().is_multiple_of(3))
            })
            .sink(self.sink(0, shape.roll))
            .called("main")
            .when_down(WhenDown::Wait)
            .retries(quick)
            .from("split/third")
            .sink(self.sink(1, 1 << 20))
            .called("third")
            .when_down(WhenDown::Wait)
            .retries(quick)
            .state(self.folder.at("state"))
            .chunk(ChunkSize { records: 64, ..ChunkSize::default() })
            .settings(|settings| {
                settings.checkpoint_every = Duration::from_millis(30);
                settings.intensity = 1_000_000;
            })
    }

    fn plan(&self, shape: &Shape) -> Plan {
        self.described(shape).plan().unwrap()
    }
}

/// A pipeline that is struck.
struct Struck<'a> {
    chaos: &'a mut Chaos,
    pipeline: PipelineRef,
}

impl Struck<'_> {
    fn written(&self) -> u64 {
        let parts = self.pipeline.status().parts;
        parts.iter().filter(|part| part.kind == "sink").map(|part| part.counts.passed).sum()
    }

    fn under_way(&self) -> usize {
        self.pipeline.status().parts.iter().map(|part| part.under_way).sum()
    }

    fn goes_on(&self, since: Instant) {
        let status = self.pipeline.status();
        assert!(status.ended.is_none(), "it has ended: {status:#?}, after {:#?}", self.chaos.story);
        assert!(since.elapsed() < LIMIT, "nothing moves: {status:#?}, after {:#?}", self.chaos.story);
    }

    /// Some records and some microseconds later.
    async fn moment(&mut self) {
        let (begin, written) = (Instant::now(), self.written());
        let more = self.chaos.random.below(300);
        // A sink that was replaced counts from zero.
        while self.written().abs_diff(written) < more + 1 {
            self.goes_on(begin);
            tokio::task::yield_now().await;
        }
        let spin = Instant::now() + Duration::from_micros(self.chaos.random.below(300));
        while Instant::now() < spin {
            std::hint::spin_loop();
        }
    }

    /// A process of the plugin that serves.
    async fn process(&self, after: u32) -> Status {
        let begin = Instant::now();
        loop {
            let plugin = self.pipeline.plugins("stamp").remove(0);
            match plugin.status().await {
                Ok(status) if status.processes > after && status.pid.is_some() => return status,
                _ => self.goes_on(begin),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn signal(&self, name: &str) {
        let pid = self.process(0).await.pid.unwrap_or_default();
        drop(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).output());
    }

    fn kill(&mut self, part: &str) {
        if part == "plugin" {
            return self.pipeline.plugins("stamp")[0].actor().kill();
        }
        let actors = self.pipeline.actors(part);
        actors[self.chaos.random.below(actors.len() as u64) as usize].kill();
    }

    /// Waits until sinks that refuse all have let everything pile up.
    async fn stall(&self) {
        self.chaos.refusals.iter().for_each(|refusals| refusals.store(u64::MAX, Ordering::Release));
        let (begin, mut read, mut still) = (Instant::now(), 0, 0);
        let mut look = tokio::time::interval(Duration::from_millis(1));
        while still < 15 {
            self.goes_on(begin);
            look.tick().await;
            let now = self.chaos.feed.read.load(Ordering::Acquire);
            still = if now == read { still + 1 } else { 0 };
            read = now;
        }
    }

    async fn reload(&mut self, change: impl FnOnce(&mut Shape)) {
        let mut shape = self.chaos.shape.clone();
        change(&mut shape);
        let reloaded = timeout(LIMIT, self.pipeline.reload(self.chaos.plan(&shape))).await.expect("an answer");
        match reloaded {
            Ok(_) => self.chaos.shape = shape,
            Err(why) => self.chaos.story.push_back(format!("    not reloaded: {why}")),
        }
    }

    async fn swap(&mut self, library: PathBuf, killed: bool) {
        let swapped = self.pipeline.swap("stamp", Swap::to(&library));
        let kill = async {
            if killed {
                tokio::task::yield_now().await;
                self.signal("KILL").await;
            }
        };
        let (swapped, ()) = tokio::join!(swapped, kill);
        if swapped.is_ok() {
            self.chaos.shape.library = library;
        }
    }

    async fn params(&mut self, key: &str, value: &'static str) {
        let given = self.pipeline.params("stamp", [(key, value)]).await;
        assert!(key == "sign" || given.is_err(), "{given:?}");
        if given.is_ok() {
            self.chaos.shape.sign = value;
        }
    }

    /// Whether it has hit work under way.
    async fn strike(&mut self, nth: u64, fault: Fault) {
        self.moment().await;
        let is_hit = self.under_way() > 0;
        let other = self.chaos.libraries[(nth % 2) as usize].clone();
        match fault {
            Signal(name) => self.signal(name).await,
            Kill(part) => self.kill(part),
            KillStalled(part) => {
                self.stall().await;
                self.kill(part);
                self.chaos.refusals.iter().for_each(|refusals| refusals.store(0, Ordering::Release));
            }
            Word(word) => self.chaos.feed.wanted.lock().unwrap().push(word),
            Fault::Swap => self.swap(other, false).await,
            SwapRefused => self.swap("/etc/hostname".into(), false).await,
            SwapKilled => self.swap(other, true).await,
            Params => self.params("sign", if nth.is_multiple_of(2) { "+" } else { "-" }).await,
            ParamsRefused => self.params("other", "thing").await,
            ReloadStage => self.reload(|shape| shape.has_extra = !shape.has_extra).await,
            Scale => self.reload(|shape| shape.sums = 1 + (nth % 3) as usize).await,
            ReloadSink => self.reload(|shape| shape.roll = (64 << 10) + (nth << 10)).await,
            ReloadRefused => {
                // The extra stage is in or out by then, and comes back.
                let of = |shape: &mut Shape| {
                    (shape.has_extra, shape.sums) = (!shape.has_extra, 1 + (nth % 3) as usize);
                    shape.library = "/etc/hostname".into();
                };
                self.reload(of).await;
            }
            Pause => {
                drop(self.pipeline.pause().await);
                drop(self.pipeline.resume().await);
            }
            Checkpoint => drop(self.pipeline.checkpoint().await),
            CheckpointKilled => {
                let kill = async {
                    for _ in 0..nth % 20 {
                        tokio::task::yield_now().await;
                    }
                    self.pipeline.actors("control")[0].kill();
                };
                drop(tokio::join!(self.pipeline.checkpoint(), kill));
            }
            SinkRefuses => self.chaos.refusals[(nth % 2) as usize].store(1 + nth % 5, Ordering::Release),
            DiskFull => self.chaos.disk.refusals.store(1 + nth % 7, Ordering::Release),
        }
        let (all, hit) = self.chaos.hits.entry(fault).or_default();
        (*all, *hit) = (*all + 1, *hit + u64::from(is_hit));
        self.chaos.story.push_back(format!("{nth}: {fault:?}"));
        while self.chaos.story.len() > 16 {
            self.chaos.story.pop_front();
        }
    }
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

pub(crate) fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    number("SEED").unwrap_or_else(now).max(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order() {
    let faults = number("FAULTS").unwrap_or(FAULTS);
    let seed = seed();
    println!("SEED={seed} FAULTS={faults}");
    let begin = Instant::now();
    let mut chaos = Chaos::new(seed);
    let node = Node::start("chaos").await.unwrap();
    let described = chaos.described(&chaos.shape);
    let pipeline = described.start_on(&node, Arc::new(chaos.disk.clone())).await.unwrap();
    let mut struck = Struck { chaos: &mut chaos, pipeline: pipeline.clone() };
    for nth in 0..faults {
        let fault = ALL[struck.chaos.random.below(ALL.len() as u64) as usize];
        struck.strike(nth, fault).await;
    }
    struck.moment().await;
    let records = chaos.feed.read.load(Ordering::Acquire) + 500;
    chaos.feed.end.store(records, Ordering::Release);
    finished(&pipeline).await;
    pipeline.stop().await;
    node.stop().await.unwrap();
    let records = chaos.feed.read.load(Ordering::Acquire);
    let special = chaos.feed.special.lock().unwrap().clone();
    let proof = proof::check(chaos.folder.path(), records, &special);
    let hits: u64 = chaos.hits.values().map(|(_, hit)| hit).sum();
    println!("{faults} faults, {hits} with work under way, {:?}", begin.elapsed());
    println!("{proof}");
    chaos.hits.iter().for_each(|(fault, (all, hit))| println!("  {fault:?}: {all}, {hit} with work under way"));
    assert!(hits * 100 >= faults * 60, "SEED={seed}: only {hits} of {faults} hit work under way");
}
