use super::*;
use crate::random::{Random, with_seeds};

#[test]
fn demand_is_what_is_left_of_buffers_and_of_open_chunks() {
    for (buffers, most_open, lent, sent, demand) in [
        (4, 2, 0, 0, 2),
        (4, 2, 1, 0, 2),
        (4, 2, 3, 0, 1),
        (4, 2, 4, 0, 0),
        (2, 4, 0, 0, 2),
        (4, 2, 1, 1, 1),
        (4, 2, 2, 2, 0),
        (0, 2, 0, 0, 0),
        (2, 0, 0, 0, 0),
    ] {
        let mut core = FlowCore::new(buffers, most_open);
        for nth in 0..lent {
            if nth < sent {
                assert!(core.borrow());
                core.send();
            } else {
                assert!(core.free > 0);
                core.borrow();
            }
        }
        assert_eq!(core.demand(), demand, "{buffers} buffers, {most_open} open, {lent} lent, {sent} sent");
        assert_eq!(core.borrow(), demand > 0);
    }
}

#[test]
fn a_buffer_is_lent_again_only_after_it_has_come_back() {
    let mut core = FlowCore::new(1, 8);
    assert!(core.borrow());
    assert!(!core.borrow());
    core.give_back();
    assert!(core.borrow());
}

#[test]
fn a_chunk_has_ended_when_all_its_pieces_have_and_not_before() {
    let mut core = FlowCore::new(1, 8);
    let token = core.send();
    core.split(token);
    core.split(token);
    assert!(!core.end(token, Ending::Done));
    assert!(!core.end(token, Ending::Lost));
    assert_eq!((core.outstanding(), core.lost()), (1, 1));
    assert!(core.end(token, Ending::Done));
    assert_eq!((core.outstanding(), core.lost()), (0, 1));
}

#[test]
fn the_watermark_passes_a_chunk_when_all_before_it_have_ended() {
    let mut core = FlowCore::new(8, 8);
    let [first, second, third] = [core.send(), core.send(), core.send()];
    assert_eq!(TokenId(core.first), first);
    assert!(core.end(second, Ending::Done));
    assert_eq!(TokenId(core.first), first);
    assert_eq!((core.outstanding(), core.demand()), (2, 5), "what has ended behind an open one takes up room");
    assert!(core.end(first, Ending::Done));
    assert_eq!(TokenId(core.first), third);
    assert!(core.end(third, Ending::Done));
    assert!(TokenId(core.first) > third);
    assert_eq!(core.demand(), 8);
}

#[test]
#[should_panic(expected = "ended twice")]
fn to_end_a_chunk_twice_is_a_mistake() {
    let mut core = FlowCore::new(1, 8);
    let token = core.send();
    core.end(token, Ending::Done);
    core.end(token, Ending::Done);
}

#[test]
#[should_panic(expected = "split after it has ended")]
fn to_split_a_chunk_that_has_ended_behind_an_open_one_is_a_mistake() {
    let mut core = FlowCore::new(8, 8);
    let [_open, ended] = [core.send(), core.send()];
    core.end(ended, Ending::Done);
    core.split(ended);
}

#[test]
#[should_panic(expected = "split after it has ended")]
fn to_split_a_chunk_that_is_forgotten_is_a_mistake() {
    let mut core = FlowCore::new(8, 8);
    let ended = core.send();
    core.end(ended, Ending::Done);
    core.split(ended);
}

#[test]
#[should_panic(expected = "without demand")]
fn to_send_more_chunks_than_may_be_open_is_a_mistake() {
    let mut core = FlowCore::new(8, 1);
    core.send();
    core.send();
}

/// The same by counting everything, with nothing forgotten.
#[derive(Default)]
struct Naive {
    /// Of each chunk ever sent its pieces that have not ended.
    pieces: Vec<u32>,
    acknowledged: Vec<bool>,
    lent: usize,
    lost: u64,
}

impl Naive {
    fn watermark(&self) -> usize {
        self.pieces.iter().position(|pieces| *pieces > 0).unwrap_or(self.pieces.len())
    }
}

fn agree(core: &FlowCore, naive: &Naive, buffers: usize, most_open: usize) {
    let open = naive.pieces.len() - naive.watermark();
    assert!(naive.lent <= buffers, "{} of {buffers} buffers are lent", naive.lent);
    assert!(open <= most_open, "{open} of {most_open} chunks are open");
    assert_eq!(core.demand(), (buffers - naive.lent).min(most_open - open));
    assert_eq!(core.outstanding(), naive.pieces.iter().filter(|pieces| **pieces > 0).count());
    assert_eq!(TokenId(core.first), TokenId(naive.watermark() as u64));
    assert_eq!(core.lost(), naive.lost);
    assert!(core.open.len() <= most_open, "it remembers {} chunks", core.open.len());
    for (pieces, acknowledged) in naive.pieces.iter().zip(&naive.acknowledged) {
        assert_eq!(*pieces == 0, *acknowledged, "a chunk is acknowledged when its last piece ends");
    }
}

#[test]
fn in_any_course_of_events_each_chunk_is_acknowledged_once_and_the_bounds_hold() {
    with_seeds(2_000, |seed| {
        let mut random = Random::new(seed);
        let (buffers, most_open) = (1 + random.below(8) as usize, 1 + random.below(8) as usize);
        let mut core = FlowCore::new(buffers, most_open);
        let mut naive = Naive::default();
        let mut is_filling = false;
        let mut under_way: Vec<TokenId> = Vec::new();
        for step in 0..400 {
            let is_late = step >= 300;
            match random.below(6) {
                0 | 1 if !is_filling && !is_late => {
                    is_filling = core.borrow();
                    naive.lent += usize::from(is_filling);
                }
                2 if is_filling && random.percent(10) => {
                    is_filling = false;
                    naive.lent -= 1;
                    core.give_back();
                }
                0..3 if is_filling => {
                    is_filling = false;
                    under_way.push(core.send());
                    naive.pieces.push(1);
                    naive.acknowledged.push(false);
                }
                3 if naive.lent > usize::from(is_filling) => {
                    naive.lent -= 1;
                    core.give_back();
                }
                4 if !under_way.is_empty() && !is_late => {
                    let token = under_way[random.below(under_way.len() as u64) as usize];
                    core.split(token);
                    naive.pieces[token.0 as usize] += 1;
                    under_way.push(token);
                }
                _ if !under_way.is_empty() => {
                    let token = under_way.swap_remove(random.below(under_way.len() as u64) as usize);
                    let ending = if random.percent(5) { Ending::Lost } else { Ending::Done };
                    naive.lost += u64::from(ending == Ending::Lost);
                    naive.pieces[token.0 as usize] -= 1;
                    if core.end(token, ending) {
                        let before = std::mem::replace(&mut naive.acknowledged[token.0 as usize], true);
                        assert!(!before, "acknowledged twice");
                    }
                }
                _ => (),
            }
            agree(&core, &naive, buffers, most_open);
        }
        for token in under_way.drain(..) {
            naive.pieces[token.0 as usize] -= 1;
            naive.acknowledged[token.0 as usize] |= core.end(token, Ending::Done);
        }
        agree(&core, &naive, buffers, most_open);
        assert_eq!(core.outstanding(), 0, "a chunk is never acknowledged");
    });
}
