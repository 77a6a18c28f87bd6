//! A street: a plugin that behaves, which is kept at work all the time, and one after the other that does not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proscenium_plugin_host::{Plugin, PluginRef, Processed, Verdicts};
use proscenium_runtime::Node;
use proscenium_supervision::{ChildSpec, Quarantine, Supervisor, SupervisorError, SupervisorRef};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::built::Folder;
use crate::census::{Census, LIMIT, nothing_is_left, until};

pub struct Street {
    pub name: String,
    pub folder: Folder,
    pub node: Node,
    pub tree: SupervisorRef,
    neighbour: PluginRef,
    pid: Option<u32>,
    served: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    work: JoinHandle<Duration>,
    before: Census,
}

impl Street {
    pub async fn new(name: &str) -> Street {
        let name = format!("{name}-{}", std::process::id());
        // What the runtime opens once for all is there before the count.
        Node::start("first").await.unwrap().stop().await.unwrap();
        let before = Census::of(&name);
        let folder = Folder::new(&name);
        let node = Node::start(&name).await.unwrap();
        let plugin = Plugin::new(folder.build("upper.c", "libupper.so", &[]));
        let tree = Supervisor::one_for_one()
            .named(&*name)
            .intensity(0, Duration::from_secs(1))
            .child(Plugin::spec("neighbour", plugin));
        let tree = tree.start(&node).await.unwrap();
        let neighbour = tree.reference::<PluginRef>("neighbour").await.unwrap();
        let pid = neighbour.status().await.unwrap().pid;
        let (served, ends) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let work = tokio::spawn(work(neighbour.clone(), served.clone(), ends.clone()));
        Street { name, folder, node, tree, neighbour, pid, served, ends, work, before }
    }

    pub fn build(&self, name: &str, defines: &[&str]) -> PathBuf {
        self.folder.build("hostile.c", &format!("lib{name}.so"), defines)
    }

    /// A plugin whose bad end is its own: the street's supervisor has no patience.
    pub fn spec(id: &str, plugin: Plugin) -> ChildSpec<Plugin> {
        Plugin::spec(id.to_owned(), plugin).quarantine(Quarantine::after(3, Duration::from_secs(60)))
    }

    pub async fn move_in(&self, id: &str, plugin: Plugin) -> Result<PluginRef, SupervisorError> {
        let started = timeout(LIMIT, self.tree.start_child(Street::spec(id, plugin))).await;
        started.unwrap_or_else(|_| panic!("{id}: it neither starts nor fails"))?;
        self.tree.reference::<PluginRef>(id.to_owned()).await
    }

    /// Also when it was moved out by itself.
    pub async fn move_out(&self, id: &str) {
        let _ = self.tree.terminate_child(id.to_owned()).await;
        let _ = self.tree.delete_child(id.to_owned()).await;
    }

    /// The neighbour has served a batch from its beginning to its end since now, by the process that it began with.
    pub async fn neighbour_serves(&self, what: &str) {
        let served = self.served.load(Ordering::Acquire);
        until(&format!("{what}: the neighbour serves"), || {
            assert!(!self.work.is_finished(), "{what}: the neighbour has ended");
            self.served.load(Ordering::Acquire) > served + 1
        })
        .await;
        assert_eq!(self.neighbour.status().await.unwrap().pid, self.pid, "{what}: the neighbour was restarted");
    }

    /// All has ended, and nothing is left of it. The longest that the neighbour took for a batch.
    pub async fn close(self) -> Duration {
        self.neighbour_serves("at the end").await;
        self.ends.store(true, Ordering::Release);
        let slowest = self.work.await.unwrap();
        println!("neighbour: {} batches, the slowest in {slowest:?}", self.served.load(Ordering::Acquire));
        drop((self.neighbour, self.tree));
        timeout(LIMIT, self.node.stop()).await.expect("the node stops").unwrap();
        drop(self.folder);
        nothing_is_left(&self.name, &self.before).await;
        slowest
    }
}

async fn work(neighbour: PluginRef, served: Arc<AtomicU64>, ends: Arc<AtomicBool>) -> Duration {
    let mut slowest = Duration::ZERO;
    while !ends.load(Ordering::Acquire) {
        let begin = Instant::now();
        let done = process("neighbour", &neighbour, &["one", "two"]).await.unwrap();
        assert_eq!(texts(&done), ["ONE!", "TWO!"]);
        slowest = slowest.max(begin.elapsed());
        served.fetch_add(1, Ordering::AcqRel);
    }
    slowest
}

pub async fn process(what: &str, plugin: &PluginRef, payloads: &[&str]) -> Result<Processed, String> {
    let done = async {
        let mut batch = plugin.batch().await;
        for (nth, payload) in payloads.iter().enumerate() {
            batch.push(100 + nth as u64, payload.as_bytes()).unwrap();
        }
        batch.routes(1);
        plugin.process(batch).await
    };
    let done = timeout(LIMIT, done).await.map_err(|_| format!("{what}: no results within {LIMIT:?}"))?;
    let done = done.map_err(|error| format!("{what}: {error}"))?;
    let ids: Vec<_> = done.records().map(|record| record.id()).collect();
    assert_eq!(ids, (0..payloads.len() as u64).map(|nth| 100 + nth).collect::<Vec<_>>(), "{what}");
    Ok(done)
}

pub fn texts(done: &Processed) -> Vec<String> {
    done.records().map(|record| String::from_utf8_lossy(record.payload()).into_owned()).collect()
}

/// What became of a record, in words: `ok`, `aside: crash by signal 11`.
pub fn fate(done: &Processed, nth: usize) -> String {
    let record = done.records().nth(nth).unwrap();
    match record.verdict() {
        Verdicts::Ok => "ok".into(),
        Verdicts::SetAside(why) => {
            let end = record.end().map_or_else(|| format!("{why:?}"), |end| end.class.to_string());
            format!("aside: {end}")
        }
        other => format!("{other:?}"),
    }
}

/// A library with some of its bytes changed.
pub fn patched(from: &Path, to: &Path, patch: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = std::fs::read(from).unwrap();
    patch(&mut bytes);
    std::fs::write(to, bytes).unwrap();
    to.to_owned()
}
