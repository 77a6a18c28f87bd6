//! Buffers come back, tokens end once, and whoever waits is woken.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use proscenium_plugin_host::ContentType;

use super::*;
use crate::chunk::Fields;
use crate::test_chunks::keyed;

const SIZE: ChunkSize = ChunkSize { records: 4, bytes: 64 };
const EMPTY: Fields<'_> = Fields { id: 0, content: ContentType::Raw, payload: &[], key: None, time: 0 };

#[test]
fn a_buffer_that_is_dropped_comes_back_empty_and_no_larger_than_twice_a_chunk() {
    let ledger = Ledger::new(SIZE, 1, 8);
    let mut loan = ledger.try_borrow().unwrap();
    loan.add_in_place(EMPTY, 10_000, |bytes| bytes.fill(7));
    assert!(ledger.try_borrow().is_none());
    drop(loan);
    let loan = ledger.try_borrow().unwrap();
    assert!(loan.used() == 0 && loan.len() == 0);
    assert!(loan.takes() <= 2 * SIZE.bytes + 2 * SIZE.records * 64, "{} bytes", loan.takes());
}

#[tokio::test]
async fn who_waits_for_a_buffer_gets_it_when_one_comes_back() {
    let ledger = Ledger::new(SIZE, 1, 8);
    let loan = ledger.try_borrow().unwrap();
    let waiting = tokio::spawn({
        let ledger = ledger.clone();
        async move { drop(ledger.borrow().await) }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(loan);
    waiting.await.unwrap();
}

#[tokio::test]
async fn who_waits_for_room_among_open_chunks_gets_it_when_the_oldest_ends() {
    let ledger = Ledger::new(SIZE, 8, 1);
    let token = ledger.send();
    let mut waiting = Box::pin(ledger.borrow());
    assert!((&mut waiting).now_or_never().is_none());
    token.done();
    assert!(waiting.now_or_never().is_some());
}

#[test]
fn a_token_is_done_or_else_lost_and_each_piece_counts() {
    let ledger = Ledger::new(SIZE, 8, 8);
    let token = ledger.send();
    let (second, third) = (token.split(), token.split());
    token.done();
    second.done();
    assert_eq!((ledger.outstanding(), ledger.lost()), (1, 0));
    drop(third);
    assert_eq!((ledger.outstanding(), ledger.lost()), (0, 1));
}

#[test]
fn all_is_drained_when_the_last_piece_has_ended_be_it_lost() {
    let ledger = Ledger::new(SIZE, 8, 8);
    assert!(ledger.drained().now_or_never().is_some());
    let chunks = [keyed(&ledger, &[(1, None)]), keyed(&ledger, &[(2, None)])];
    let mut drained = Box::pin(ledger.drained());
    for chunk in chunks {
        assert!((&mut drained).now_or_never().is_none());
        drop(chunk);
    }
    assert!(drained.now_or_never().is_some());
    assert_eq!(ledger.lost(), 2);
}

/// A bell that counts how often it is rung.
fn counting(rung: &Arc<AtomicUsize>) -> Bell {
    let rung = rung.clone();
    Box::new(move || {
        rung.fetch_add(1, Ordering::Relaxed);
    })
}

#[test]
fn the_bell_rings_once_when_half_of_the_buffers_are_back() {
    let ledger = Ledger::new(SIZE, 5, 64);
    let rung = Arc::default();
    let mut loans: Vec<Loan> = (0..5).map(|_| ledger.borrow_or_ring(|| counting(&rung)).unwrap()).collect();
    assert!(ledger.borrow_or_ring(|| counting(&rung)).is_none());
    let mut rings = Vec::new();
    while let Some(loan) = loans.pop() {
        drop(loan);
        rings.push(rung.load(Ordering::Relaxed));
    }
    assert_eq!(rings, [0, 0, 1, 1, 1]);
}

#[test]
fn the_bell_rings_when_an_open_chunk_ends_that_was_all_that_demand_waited_for() {
    let ledger = Ledger::new(SIZE, 4, 1);
    let rung = Arc::default();
    let token = ledger.send();
    assert!(ledger.borrow_or_ring(|| counting(&rung)).is_none());
    assert_eq!(rung.load(Ordering::Relaxed), 0);
    token.done();
    assert_eq!(rung.load(Ordering::Relaxed), 1);
}
