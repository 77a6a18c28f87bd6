//! What is decided is sent on: in place or in pieces, along routes, as dead letters; and all of it is acknowledged once.

use proscenium_runtime::{Node, actor_fn};
use tokio::sync::mpsc;

use super::*;
use crate::ledger::Ledger;
use crate::notice::End;
use crate::outlets::{Edge, Inlet};
use crate::plan::Share;
use crate::test_chunks::keyed;

struct Bench {
    node: Node,
    desk: Arc<StageDesk>,
    source: Arc<Ledger>,
    usual: mpsc::UnboundedReceiver<Chunk>,
    eu: mpsc::UnboundedReceiver<Chunk>,
    letters: mpsc::UnboundedReceiver<Posted>,
}

fn edge() -> (Edge, mpsc::UnboundedReceiver<Chunk>) {
    let (send, receive) = mpsc::unbounded_channel();
    let actor = Arc::new(move |chunk| drop(send.send(chunk)));
    (Edge { instances: vec![Inlet { actor, stats: Arc::default() }], share: Share::ByKey }, receive)
}

/// A stage with the usual outlet, a route `eu`, and a route to nowhere.
async fn bench(name: &str) -> Bench {
    bench_of(name, ChunkSize::default()).await
}

async fn bench_of(name: &str, size: ChunkSize) -> Bench {
    let node = Node::start(name).await.unwrap();
    let (send, letters) = mpsc::unbounded_channel();
    let letter_box = node.spawn(actor_fn(move |posted: Posted| drop(send.send(posted)))).await.unwrap();
    let conductor = node.spawn(actor_fn(|_: Notice| ())).await.unwrap();
    let conductor = Notices { conductor: conductor.recipient(|notice| notice), end: End::new() };
    let office = Office { letters: letter_box.recipient(|posted| posted), conductor };
    let desk = StageDesk::new("stage".to_owned(), size, Conduct::default(), Arc::default(), office);
    let ((usual_edge, usual), (eu_edge, eu)) = (edge(), edge());
    let routes =
        vec![(None, vec![usual_edge]), (Some("eu".to_owned()), vec![eu_edge]), (Some("gone".to_owned()), vec![])];
    desk.connect(Outlets::new(routes, None, size, 4));
    Bench { node, desk, source: Ledger::new(size, 4, 4), usual, eu, letters }
}

impl Bench {
    fn pass(&self, count: u64) -> Pass {
        let records: Vec<(u64, Option<&str>)> = (0..count).map(|id| (id, None)).collect();
        Pass::new(keyed(&self.source, &records))
    }

    /// Sends on what is decided of a pass; it comes back if it is not over.
    async fn send_on(&self, pass: Pass) -> Option<Pass> {
        self.desk.bench().pass = Some(pass);
        let is_over = self.desk.send_on(|bench| &mut bench.pass).await;
        let pass = self.desk.bench().pass.take();
        assert_eq!(is_over, pass.is_none());
        pass
    }

    async fn end(self) {
        assert_eq!((self.source.outstanding(), self.source.lost()), (0, 0), "each chunk is acknowledged, once");
        self.node.stop().await.unwrap();
    }
}

/// The records that came along an edge, whose chunks are acknowledged.
fn came(edge: &mut mpsc::UnboundedReceiver<Chunk>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(chunk) = edge.try_recv() {
        all.extend(chunk.records().map(|record| String::from_utf8_lossy(record.payload()).into_owned()));
        chunk.done();
    }
    all
}

fn aside() -> Option<Fate> {
    let aside = Aside { class: Class::Failed, reason: "why".to_owned(), attempts: 2, crash: None };
    Some(Fate::SetAside(Box::new(aside)))
}

/// How many chunks wait, and how many are here in all.
fn load(desk: &StageDesk) -> (u64, u64) {
    (desk.stats.counts().queue, desk.stats.load())
}

#[tokio::test]
async fn a_chunk_waits_until_it_is_begun_and_is_here_until_it_has_gone_on() {
    let mut bench = bench("load").await;
    for id in 0..2 {
        bench.desk.stats.sent_here.add(1);
        bench.desk.comes(keyed(&bench.source, &[(id, None)]));
    }
    assert_eq!(load(&bench.desk), (2, 2), "to lie on the desk is to wait");
    assert!(bench.desk.begin(&mut bench.desk.bench().queue, |_| false).is_none());
    assert_eq!(load(&bench.desk), (2, 2));
    for left in [(1, 1), (0, 0)] {
        let mut pass = bench.desk.begin(&mut bench.desk.bench().queue, |_| true).unwrap();
        assert_eq!(load(&bench.desk), (left.0, left.1 + 1), "it is in hand");
        pass.decide(None);
        assert!(bench.send_on(pass).await.is_none());
        assert_eq!(load(&bench.desk), left);
    }
    assert_eq!(came(&mut bench.usual).len(), 2);
    bench.end().await;
}

#[tokio::test]
async fn each_fate_has_its_way_and_its_count() {
    let mut bench = bench("fates").await;
    let mut pass = bench.pass(7);
    pass.chunk.record_mut(3).set_payload(b"changed");
    let fates = [None, Some(Fate::Drop), Some(Fate::Route(1)), aside(), Some(Fate::Skip), Some(Fate::Route(2)), None];
    fates.into_iter().for_each(|fate| pass.decide(fate));
    assert!(bench.send_on(pass).await.is_none());
    assert_eq!(came(&mut bench.usual), ["record 0", "record 6"]);
    assert_eq!(came(&mut bench.eu), ["record 2"]);
    let posted = bench.letters.recv().await.unwrap();
    let letters: Vec<(u64, Class, u32)> =
        posted.letters.iter().map(|letter| (letter.record.id, letter.class, letter.attempts)).collect();
    assert_eq!(letters, [(3, Class::Failed, 2), (5, Class::Unroutable, 1)]);
    assert_eq!(posted.letters[0].record.payload, b"record 3", "the original");
    assert!(posted.letters[1].reason.contains("`gone`"), "{}", posted.letters[1].reason);
    assert_eq!(bench.source.outstanding(), 1, "it waits for its letters");
    posted.token.done();
    let counts = bench.desk.stats.counts();
    assert_eq!((counts.passed, counts.dropped, counts.skipped, counts.dead_letters), (3, 1, 1, 2));
    bench.end().await;
}

#[tokio::test]
async fn what_is_emitted_stands_behind_its_record() {
    let mut bench = bench("emitted").await;
    let mut pass = bench.pass(3);
    for fate in [None, Some(Fate::Drop), None] {
        let nth = pass.decided;
        let record =
            OwnedRecord { payload: format!("of {nth}").into_bytes(), ..OwnedRecord::from(pass.chunk.record(nth)) };
        pass.emit(record);
        pass.decide(fate);
    }
    assert!(bench.send_on(pass).await.is_none());
    assert_eq!(came(&mut bench.usual), ["record 0", "of 0", "of 1", "record 2", "of 2"]);
    bench.end().await;
}

#[tokio::test]
async fn what_is_emitted_goes_on_in_chunks_of_the_size_that_they_are_to_have() {
    const EMITTED: usize = 10;
    for (size, most) in [(ChunkSize { records: 4, bytes: 1 << 20 }, 4), (ChunkSize { records: 100, bytes: 64 }, 8)] {
        let mut bench = bench_of("sizes", size).await;
        let mut pass = bench.pass(3);
        for fate in [None, Some(Fate::Route(1)), None] {
            // Empty ones, too: what they were made of is with them.
            let record = OwnedRecord { payload: Vec::new(), ..OwnedRecord::from(pass.chunk.record(pass.decided)) };
            (0..EMITTED).for_each(|_| pass.emit(record.clone()));
            pass.decide(fate);
        }
        let mut left = Some(pass);
        let mut ids = Vec::new();
        while let Some(pass) = left {
            left = bench.send_on(pass).await;
            let chunk = bench.usual.try_recv().unwrap();
            assert!(chunk.len() <= most, "{} records with {size:?}", chunk.len());
            assert!(left.is_none() || chunk.len() == most, "it is filled: {}", chunk.len());
            ids.extend(chunk.records().map(|record| record.id()));
            chunk.done();
        }
        let expected = [vec![0; 1 + EMITTED], vec![1; EMITTED], vec![2; 1 + EMITTED]].concat();
        assert_eq!((ids, came(&mut bench.eu).len()), (expected, 1));
        assert_eq!(bench.desk.stats.counts().passed, 3 * EMITTED as u64 + 3);
        bench.end().await;
    }
}

#[tokio::test]
async fn a_pass_that_is_sent_in_parts_sends_each_record_once() {
    let mut bench = bench("parts").await;
    let mut pass = bench.pass(4);
    pass.decide(None);
    pass.decide(Some(Fate::Route(1)));
    let mut pass = bench.send_on(pass).await.unwrap();
    assert_eq!(
        (came(&mut bench.usual), came(&mut bench.eu)),
        (vec!["record 0".to_owned()], vec!["record 1".to_owned()])
    );
    pass.decide(Some(Fate::Route(1)));
    pass.decide(None);
    assert!(bench.send_on(pass).await.is_none());
    assert_eq!(
        (came(&mut bench.usual), came(&mut bench.eu)),
        (vec!["record 3".to_owned()], vec!["record 2".to_owned()])
    );
    bench.end().await;
}

#[tokio::test]
async fn a_pass_of_which_nothing_goes_on_ends_here() {
    let mut bench = bench("nothing").await;
    let mut pass = bench.pass(2);
    (0..2).for_each(|_| pass.decide(Some(Fate::Drop)));
    assert!(bench.send_on(pass).await.is_none());
    assert!(came(&mut bench.usual).is_empty());
    bench.end().await;
}
