//! Whatever the routes: each record comes to each part of its route once, and no chunk is lost on the way.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::random::{Random, with_seeds};
use crate::test_chunks::keyed;

const SIZE: ChunkSize = ChunkSize { records: 16, bytes: 1 << 10 };
const KEYS: [Option<&str>; 5] = [None, Some("a"), Some("b"), Some("c"), Some("")];

/// The chunks that came, with the number of the instance that they came to.
type Came = Arc<Mutex<Vec<(usize, Chunk)>>>;

fn edge(instances: usize, share: Share) -> (Edge, Came) {
    let came = Came::default();
    let inlet = |nth: usize| {
        let came = came.clone();
        let actor = Arc::new(move |chunk| came.lock().unwrap().push((nth, chunk)));
        Inlet { actor, stats: Arc::default() }
    };
    (Edge { instances: (0..instances).map(inlet).collect(), share }, came)
}

/// The numbers of the records that came, in their order, with the instances that they came to.
fn records(came: &Came) -> Vec<(u64, usize)> {
    let came = came.lock().unwrap();
    came.iter().flat_map(|(nth, chunk)| chunk.records().map(|record| (record.id(), *nth)).collect::<Vec<_>>()).collect()
}

fn end_all(came: &Came) {
    came.lock().unwrap().drain(..).for_each(|(_, chunk)| chunk.done());
}

/// Borrows what a route needs, at once, and sends.
fn send(outlets: &Outlets, route: Route, chunk: Chunk) {
    let mut loans: Vec<Loan> = (0..outlets.loans(route)).map(|_| outlets.ledger.try_borrow().unwrap()).collect();
    outlets.send(route, chunk, &mut loans);
}

#[test]
fn every_part_of_a_route_gets_every_record_once_and_nothing_is_lost() {
    with_seeds(500, |seed| {
        let mut random = Random::new(seed);
        let random_edge = |random: &mut Random| {
            let share = if random.percent(50) { Share::ByKey } else { Share::InTurns };
            edge(1 + random.place(4), share)
        };
        let mut all_came = Vec::new();
        let mut routes = Vec::new();
        for nth in 0..1 + random.place(3) {
            let edges: Vec<(Edge, Came)> = (0..random.place(4)).map(|_| random_edge(&mut random)).collect();
            all_came.push(edges.iter().map(|(edge, came)| (edge.clone(), came.clone())).collect::<Vec<_>>());
            routes.push(((nth > 0).then(|| format!("r{nth}")), edges.into_iter().map(|(edge, _)| edge).collect()));
        }
        let stand_in = random_edge(&mut random);
        let outlets = Outlets::new(routes, Some(stand_in.0.clone()), SIZE, 1);
        all_came.push(vec![stand_in]);
        let source = Ledger::new(SIZE, 1, 1);
        for round in 0..20 {
            let at = random.place(all_came.len());
            let route = if at + 1 == all_came.len() { STAND_IN } else { at };
            let sent: Vec<(u64, Option<&str>)> = (0..random.below(6)).map(|id| (id, KEYS[random.place(5)])).collect();
            send(&outlets, route, keyed(&source, &sent));
            for (edge, came) in &all_came[at] {
                let mut got = records(came);
                if edge.share == Share::ByKey {
                    for (id, instance) in &got {
                        let key = sent[*id as usize].1.map(str::as_bytes);
                        assert_eq!(*instance, instance_of(key, edge.instances.len()), "record {id} in round {round}");
                    }
                    let mut of_instances: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
                    got.iter().for_each(|(id, instance)| of_instances.entry(*instance).or_default().push(*id));
                    assert!(of_instances.values().all(|ids| ids.is_sorted()), "out of order: {of_instances:?}");
                    got.sort_unstable();
                }
                let ids: Vec<u64> = got.iter().map(|(id, _)| *id).collect();
                assert_eq!(ids, sent.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "in round {round}");
            }
            all_came.iter().flatten().for_each(|(_, came)| end_all(came));
            assert_eq!((source.outstanding(), source.lost()), (0, 0), "in round {round}");
            assert!(source.try_borrow().is_some(), "the source's buffer is back");
        }
    });
}

#[test]
fn the_buffers_for_all_routes_are_there_at_once() {
    let edges = |count| (0..count).map(|_| edge(3, Share::ByKey).0).collect::<Vec<_>>();
    let routes = vec![(None, edges(2)), (Some("eu".to_owned()), edges(3))];
    let outlets = Outlets::new(routes, Some(edge(4, Share::ByKey).0), SIZE, 1);
    let needed: usize = [0, 1, STAND_IN].into_iter().map(|route| 1 + outlets.loans(route)).sum();
    assert_eq!(needed, 3 + (2 * 3 + 1) + (3 * 3 + 2) + 4);
    let loans: Vec<Option<Loan>> = (0..needed).map(|_| outlets.ledger.try_borrow()).collect();
    assert!(loans.iter().all(Option::is_some));
}

#[test]
fn chunks_go_in_turns_to_instances_that_are_equally_busy() {
    let (edge, came) = edge(3, Share::InTurns);
    let outlets = Outlets::new(vec![(None, vec![edge])], None, SIZE, 1);
    let source = Ledger::new(SIZE, 6, 6);
    (0..6).for_each(|id| send(&outlets, 0, keyed(&source, &[(id, Some("same"))])));
    let instances: Vec<usize> = came.lock().unwrap().iter().map(|(nth, _)| *nth).collect();
    assert_eq!(instances, [0, 1, 2, 0, 1, 2]);
    end_all(&came);
}

#[test]
fn chunks_go_in_turns_to_instances_that_are_equally_idle() {
    let (edge, came) = edge(3, Share::InTurns);
    let outlets = Outlets::new(vec![(None, vec![edge.clone()])], None, SIZE, 1);
    let source = Ledger::new(SIZE, 6, 6);
    for id in 0..6 {
        send(&outlets, 0, keyed(&source, &[(id, None)]));
        let took = came.lock().unwrap().last().map(|(nth, _)| *nth).unwrap();
        let stats = &edge.instances[took].stats;
        [&stats.chunks, &stats.begun, &stats.ended].into_iter().for_each(|counter| counter.add(1));
    }
    let instances: Vec<usize> = came.lock().unwrap().iter().map(|(nth, _)| *nth).collect();
    assert_eq!(instances, [0, 1, 2, 0, 1, 2]);
    end_all(&came);
}

#[test]
fn an_instance_with_a_chunk_in_hand_takes_none_while_another_is_idle() {
    let (edge, came) = edge(2, Share::InTurns);
    let outlets = Outlets::new(vec![(None, vec![edge.clone()])], None, SIZE, 1);
    let source = Ledger::new(SIZE, 5, 5);
    for id in 0..5 {
        send(&outlets, 0, keyed(&source, &[(id, None)]));
        let took = came.lock().unwrap().last().map(|(nth, _)| *nth).unwrap();
        let stats = &edge.instances[took].stats;
        stats.chunks.add(1);
        stats.begun.add(1);
        stats.ended.add(took); // The first instance is at its chunk for ever.
    }
    let instances: Vec<usize> = came.lock().unwrap().iter().map(|(nth, _)| *nth).collect();
    assert_eq!(instances, [0, 1, 1, 1, 1]);
    end_all(&came);
}

#[test]
fn a_chunk_whose_records_are_of_one_instance_goes_on_without_a_copy() {
    let (edge, came) = edge(4, Share::ByKey);
    let outlets = Outlets::new(vec![(None, vec![edge])], None, SIZE, 1);
    let source = Ledger::new(SIZE, 1, 1);
    send(&outlets, 0, keyed(&source, &[(0, Some("a")), (1, Some("a"))]));
    assert_eq!(came.lock().unwrap().len(), 1);
    assert!(source.try_borrow().is_none(), "it is still in the source's buffer");
    end_all(&came);
}

#[test]
fn what_was_lent_in_vain_is_lost_with_the_piece_and_said() {
    let (edge, came) = edge(2, Share::ByKey);
    let outlets = Outlets::new(vec![(None, vec![edge])], None, SIZE, 1);
    let source = Ledger::new(SIZE, 1, 1);
    let keys: Vec<(u64, Option<&str>)> = (0..5).zip(KEYS).collect();
    outlets.send(0, keyed(&source, &keys), &mut Vec::new());
    assert_eq!((records(&came).len(), source.outstanding(), source.lost()), (0, 0, 1));
}
