//! Buffers come back, tokens end once, and whoever waits is woken.

use futures_util::FutureExt;

use super::*;
use crate::test_chunks::keyed;

const SIZE: ChunkSize = ChunkSize { records: 4, bytes: 64 };

#[test]
fn a_buffer_that_is_dropped_comes_back_empty_and_no_larger_than_twice_a_chunk() {
    let ledger = Ledger::new(SIZE, 1, 8);
    let mut loan = ledger.try_borrow().unwrap();
    loan.put(&[7; 10_000]);
    assert!(ledger.try_borrow().is_none());
    drop(loan);
    let loan = ledger.try_borrow().unwrap();
    assert!(loan.bytes.is_empty() && loan.entries.is_empty());
    assert!(loan.bytes.capacity() <= 2 * SIZE.bytes, "{} bytes", loan.bytes.capacity());
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
