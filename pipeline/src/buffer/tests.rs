//! Whatever is done with records, in any order: each has what a plain list of records would have, and its original.

use super::*;
use crate::random::{Random, with_seeds};

/// A record as a plain value.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Plain {
    id: u64,
    time: u64,
    original: Vec<u8>,
    payload: Vec<u8>,
    key: Option<Vec<u8>>,
    headers: Vec<u8>,
    contents: (ContentType, ContentType),
}

const CONTENTS: [ContentType; 3] = [ContentType::Raw, ContentType::Json, ContentType::MessagePack];

fn plain(buffer: &Buffer) -> Vec<Plain> {
    let one = |nth| {
        let Entry { id, time, origin_content, content, .. } = *buffer.entry(nth);
        Plain {
            id,
            time,
            original: buffer.original(nth).to_vec(),
            payload: buffer.payload(nth).to_vec(),
            key: buffer.key(nth).map(<[u8]>::to_vec),
            headers: buffer.headers(nth).to_vec(),
            contents: (origin_content, content),
        }
    };
    (0..buffer.len()).map(one).collect()
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let byte = random.bits() as u8;
    vec![byte; random.place(12)]
}

fn key(random: &mut Random) -> Option<Vec<u8>> {
    random.percent(50).then(|| bytes(random))
}

/// What a source does.
fn fill(buffer: &mut Buffer, model: &mut Vec<Plain>, random: &mut Random) {
    let (payload, key) = (bytes(random), key(random));
    let content = CONTENTS[random.place(3)];
    let fields = Fields { id: random.bits(), content, payload: &payload, key: key.as_deref(), time: random.bits() };
    let mut new = Plain {
        id: fields.id,
        time: fields.time,
        original: payload.clone(),
        payload: payload.clone(),
        key: key.clone(),
        headers: Vec::new(),
        contents: (content, content),
    };
    match random.place(4) {
        0 => buffer.add_in_place(Fields { payload: b"no", ..fields }, payload.len(), |to| to.copy_from_slice(&payload)),
        _ => buffer.add(fields),
    }
    if random.percent(30) {
        let (made, fails) = (bytes(random), random.percent(30));
        let said = buffer.make_last(ContentType::MessagePack, |to| {
            to.extend_from_slice(&made);
            if fails { Err("no".into()) } else { Ok(()) }
        });
        assert_eq!(said.is_err(), fails);
        if !fails {
            (new.payload, new.contents.1) = (made, ContentType::MessagePack);
        }
    }
    if random.percent(20) {
        let key = bytes(random);
        buffer.key_last(&key);
        new.key = Some(key);
    }
    model.push(new);
    if random.percent(20) {
        let (first, block) = (random.place(model.len() + 1), bytes(random));
        buffer.share_headers(first, &block);
        model[first..].iter_mut().for_each(|record| record.headers = block.clone());
    }
}

/// What a stage does.
fn change(buffer: &mut Buffer, model: &mut [Plain], random: &mut Random) {
    if model.is_empty() {
        return;
    }
    let nth = random.place(model.len());
    let (new, was) = (bytes(random), &mut model[nth]);
    match random.place(5) {
        0 | 1 => {
            let payload = buffer.payload_mut(nth);
            payload.fill(9);
            was.payload.fill(9);
        }
        2 => {
            buffer.set_payload(nth, &new);
            was.payload = new;
        }
        3 => {
            let key = key(random);
            buffer.set_key(nth, key.as_deref());
            was.key = key;
        }
        _ => {
            buffer.set_headers(nth, &new);
            was.headers = new;
        }
    }
}

/// What is done where a chunk is divided.
fn divide(from: (&mut Buffer, &mut Vec<Plain>), to: (&mut Buffer, &mut Vec<Plain>), random: &mut Random) {
    let ((from, from_model), (to, to_model)) = (from, to);
    if from_model.is_empty() {
        return;
    }
    let nth = random.place(from_model.len());
    let was = from_model[nth].clone();
    match random.place(3) {
        0 => {
            to.copy(from, nth);
            to_model.push(was);
        }
        1 => {
            let (payload, key, headers) = (bytes(random), key(random), bytes(random));
            let (id, time, content) = (random.bits(), random.bits(), CONTENTS[random.place(3)]);
            let fields = Fields { id, content, payload: &payload, key: key.as_deref(), time };
            to.add_made_of(from, nth, fields, &headers);
            to_model.push(Plain { id, time, payload, key, headers, contents: (was.contents.0, content), ..was });
        }
        _ => {
            let out: Vec<usize> = (0..from_model.len()).filter(|_| random.percent(30)).collect();
            from.remove(out.iter().copied());
            let mut place = 0..;
            from_model.retain(|_| place.next().is_some_and(|at| !out.contains(&at)));
        }
    }
}

#[test]
fn records_are_what_a_list_of_them_would_be_whatever_is_done_with_them() {
    with_seeds(2_000, |seed| {
        let mut random = Random::new(seed);
        let (mut one, mut one_model) = (Buffer::default(), Vec::new());
        let (mut other, mut other_model) = (Buffer::default(), Vec::new());
        for _ in 0..40 {
            match random.place(11) {
                0..4 => fill(&mut one, &mut one_model, &mut random),
                4..7 => change(&mut one, &mut one_model, &mut random),
                7 | 8 => divide((&mut one, &mut one_model), (&mut other, &mut other_model), &mut random),
                9 => {
                    let nth = random.place(one_model.len() + 1);
                    one.forget_before(nth);
                    one.remove(0..nth);
                    one_model.drain(..nth);
                }
                _ if random.percent(20) => {
                    one.clear(ChunkSize { records: 2, bytes: 64 });
                    one_model.clear();
                }
                _ => {
                    std::mem::swap(&mut one, &mut other);
                    std::mem::swap(&mut one_model, &mut other_model);
                }
            }
            assert_eq!(plain(&one), one_model);
            assert_eq!(plain(&other), other_model);
        }
    });
}

#[test]
fn a_payload_that_grows_again_and_again_takes_its_length_once() {
    let mut buffer = Buffer::default();
    for id in 0..2 {
        buffer.add(Fields { id, content: ContentType::Raw, payload: b"short", key: None, time: 0 });
    }
    for len in 1..1_000 {
        buffer.set_payload(1, &vec![7; len]);
    }
    assert_eq!(
        (buffer.payload(1), buffer.original(1), buffer.payload(0)),
        (&[7; 999][..], &b"short"[..], &b"short"[..])
    );
    assert_eq!(buffer.used(), 2 * "short".len() + 999);
}

#[test]
fn what_is_forgotten_leaves_room_for_what_comes_and_the_others_as_they_are() {
    let mut buffer = Buffer::default();
    for id in 0..3 {
        buffer.add(Fields { id, content: ContentType::Raw, payload: &[id as u8; 10], key: None, time: 0 });
    }
    buffer.payload_mut(2).fill(9); // Originals are kept, of the first ones too.
    for nth in 0..2 {
        buffer.set_payload(nth, &[7; 1_000]);
        buffer.forget_before(nth + 1);
        assert_eq!(buffer.used(), 30, "record {nth}");
    }
    assert_eq!((buffer.payload(2), buffer.original(2)), (&[9; 10][..], &[2; 10][..]));
}

#[test]
fn to_change_a_thousand_records_keeps_their_originals_once() {
    let mut buffer = Buffer::default();
    for id in 0..1_000 {
        buffer.add(Fields { id, content: ContentType::Raw, payload: &[1; 100], key: None, time: 0 });
    }
    for round in 2..5 {
        (0..1_000).for_each(|nth| buffer.payload_mut(nth).fill(round));
    }
    assert!((0..1_000).all(|nth| buffer.payload(nth) == [4; 100] && buffer.original(nth) == [1; 100]));
    assert_eq!((buffer.used(), buffer.kept.len()), (100_000, 100_000));
}

#[test]
fn what_was_to_leave_the_bytes_before_alone_and_did_not_breaks_nothing_else() {
    let mut buffer = Buffer::default();
    let add = |buffer: &mut Buffer, payload: &[u8]| {
        buffer.add(Fields { id: 0, content: ContentType::Raw, payload, key: None, time: 0 });
    };
    add(&mut buffer, b"first");
    add(&mut buffer, b"second");
    let shorten = |to: &mut Vec<u8>| {
        to.truncate(2);
        Ok(())
    };
    buffer.make_last(ContentType::Json, shorten).unwrap();
    add(&mut buffer, b"third");
    assert_eq!((buffer.payload(1), buffer.payload(2)), (&b""[..], &b"third"[..]));
}

#[test]
fn what_lies_beyond_four_gigabytes_is_refused_and_not_taken_for_something_else() {
    let most = u32::MAX as usize;
    assert_eq!(Span::new(most - 2, 1).end(), most - 1);
    for (at, len) in [(most - 1, 1), (0, most), (most + 1, 0), (1, most + 1), (usize::MAX, 1)] {
        assert!(std::panic::catch_unwind(|| Span::new(at, len)).is_err(), "{len} bytes at {at}");
    }
}
