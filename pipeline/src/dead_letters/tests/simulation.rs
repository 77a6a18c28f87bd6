//! Letters are written, sent again, thrown away and cleared, sources read and crash, in any order: what was to be sent again is
//! sent once, and nothing else is.

use std::collections::BTreeMap;

use super::super::{Consent, LetterError, LetterFilter, LetterLock, LetterSelection};
use super::redrive::{fill, source};
use super::*;
use crate::random::{Random, with_seeds};
use crate::source::Source;

/// The source of one name that sends letters again.
struct Redriver {
    name: String,
    source: Box<dyn Source>,
    sent: Vec<u64>,
    /// Of its last checkpoint: where it stood, and how much it had sent.
    kept: (Option<Value>, usize),
}

impl Redriver {
    async fn reads(&mut self, records: usize) -> bool {
        let read = fill(&mut self.source, records).await;
        self.sent.extend(read.iter().flatten().map(|record| record.id));
        read.is_some()
    }
}

struct World {
    disk: Arc<ToyDisk>,
    state: TestFolder,
    store: DeadLetterStore,
    written: u64,
    sources: Vec<Redriver>,
    /// Checkpoints, the last behind: who looks after letters may have seen an older one.
    checkpoints: Vec<(CommittedLetters, u64)>,
    /// What became of letters.
    redriven: BTreeMap<u64, bool>,
}

impl World {
    async fn new() -> Self {
        let (disk, state) = (ToyDisk::new(), TestFolder::new());
        let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), SMALL);
        store.open(None).await.unwrap();
        let mut sources = Vec::new();
        for n in 0..3 {
            let name = format!("source{n}");
            let mut source = source(&disk, &state, &name);
            source.open(None).await.unwrap();
            sources.push(Redriver { name, source, sent: Vec::new(), kept: (None, 0) });
        }
        let (checkpoints, redriven) = (Vec::new(), BTreeMap::new());
        let mut world = World { disk, state, store, written: 0, sources, checkpoints, redriven };
        world.checkpoint().await;
        world
    }

    async fn checkpoint(&mut self) {
        let letters = Some(self.store.prepare().await.unwrap());
        for source in &mut self.sources {
            source.kept = (source.source.position(), source.sent.len());
        }
        let redrive = self.sources.iter().map(|source| (source.name.clone(), source.kept.0.clone())).collect();
        self.checkpoints.push((CommittedLetters { letters, redrive, absent: BTreeMap::new() }, self.written));
    }

    /// What is asked for, by a checkpoint that may be an older one.
    fn asks(&mut self, random: &mut Random) {
        let recent = self.checkpoints.len().min(3);
        let (committed, written) = &self.checkpoints[self.checkpoints.len() - 1 - random.place(recent)];
        let office = LetterOffice::new(&as_disk(&self.disk), self.state.path(), committed).unwrap();
        let lock = LetterLock::take(self.state.path()).unwrap();
        let all: Vec<u64> = listed(&office);
        let some: Vec<u64> = (0..*written).filter(|_| random.percent(25)).collect();
        let selection = match random.place(4) {
            0 => LetterSelection::Filter(LetterFilter::default()),
            _ => LetterSelection::Ids(some.clone()),
        };
        let is_redrive = random.percent(60);
        let done = match is_redrive {
            true => office.redrive(&lock, &selection).map(|done| done.letters),
            false => office.purge(&lock, &selection, Consent::Yes).map(|done| done.letters),
        };
        let letters = match done {
            Ok(letters) => letters,
            // One of the numbers is of a letter whose file is gone: nothing was done.
            Err(LetterError::NoSuch { .. }) => return,
            Err(other) => panic!("{other}"),
        };
        let chosen = all.into_iter().filter(|id| matches!(selection, LetterSelection::Filter(_)) || some.contains(id));
        let before = self.redriven.len();
        self.redriven.extend(chosen.map(|id| (id, is_redrive)));
        assert_eq!(self.redriven.len() - before, letters as usize);
    }

    async fn step(&mut self, random: &mut Random) {
        match random.place(10) {
            0 | 1 => {
                let more = random.below(4);
                self.store.write(&letters(self.written..self.written + more)).await.unwrap();
                self.written += more;
            }
            2..5 => self.asks(random),
            5 | 6 => self.checkpoint().await,
            7 => {
                let at = random.place(self.sources.len());
                let crashed = &mut self.sources[at];
                // The pipeline begins again at its checkpoint, as far as this source sees it.
                crashed.sent.truncate(crashed.kept.1);
                crashed.source = source(&self.disk, &self.state, &crashed.name);
                crashed.source.open(crashed.kept.0.as_ref()).await.unwrap();
            }
            _ => {
                let (at, records) = (random.place(self.sources.len()), 1 + random.place(3));
                self.sources[at].reads(records).await;
            }
        }
    }

    async fn end(mut self) {
        for source in &mut self.sources {
            while source.reads(4).await {}
        }
        self.checkpoint().await;
        let mut sent: Vec<u64> = self.sources.iter().flat_map(|source| source.sent.clone()).collect();
        sent.sort_unstable();
        let asked: Vec<u64> = self.redriven.iter().filter(|(_, is_redrive)| **is_redrive).map(|(id, _)| *id).collect();
        assert_eq!(sent, asked, "each once");
        let (committed, written) = self.checkpoints.last().unwrap();
        let office = LetterOffice::new(&as_disk(&self.disk), self.state.path(), committed).unwrap();
        let kept: Vec<u64> = (0..*written).filter(|id| !self.redriven.contains_key(id)).collect();
        assert_eq!(listed(&office), kept);
    }
}

#[test]
fn what_was_to_be_sent_again_is_sent_once_whatever_is_thrown_away_or_cleared_meanwhile() {
    with_seeds(60, |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut random = Random::new(seed);
            let mut world = World::new().await;
            for _ in 0..60 {
                world.step(&mut random).await;
            }
            world.end().await;
        });
    });
}
