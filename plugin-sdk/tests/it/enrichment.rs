//! The plugin in C: a key looked up, another one set.
use proscenium_plugin_sdk::abi::{ReturnCode, Verdict};
use proscenium_plugin_sdk::msgpack::{Value, map};

use crate::runner::{Talk, library, malformed, refuses, tells_about_itself};

const MAP: (&str, &str) = ("map", "de:emea,us:amer,jp:apac");

#[test]
fn a_key_is_looked_up_and_another_one_set() {
    let library = library("enrichment");
    let order = |country: Value<'_>| map(&[("id", Value::from(7_u64)), ("country", country)]);
    let records = [
        order("de".into()),
        order("jp".into()),
        // Not in the map, no text, not there, there already.
        order("br".into()),
        order(5_u64.into()),
        map(&[("id", Value::from(7_u64))]),
        map(&[("region", "old".into()), ("country", "us".into())]),
    ];
    let answer =
        Talk::started(&library, &[MAP, ("default", "other")]).batch(&records).say("cleanup").answers().remove(1);
    assert_eq!((answer.code, answer.progress), (Some(ReturnCode::Ok), 6));
    let regions = ["emea", "apac", "other", "other", "other", "amer"];
    for (record, region) in answer.records.iter().zip(regions) {
        assert_eq!(record.verdict, Verdict::Ok);
        let at = record.payload.windows(6).position(|window| window == b"region").unwrap();
        assert_eq!(&record.payload[at + 7..], region.as_bytes(), "{record:?}");
    }
    assert!(
        answer.records[5].is_map(&[("country", "us".into()), ("region", "amer".into())]),
        "{:?}",
        answer.records[5]
    );
}

#[test]
fn without_a_default_what_is_not_in_the_map_goes_on_untouched() {
    let library = library("enrichment");
    let records = [map(&[("land", "br".into())]), map(&[("land", "de".into())])];
    let params = [MAP, ("field", "land"), ("into", "zone")];
    let answer = Talk::started(&library, &params).batch(&records).answers().remove(1);
    assert_eq!(answer.records[0].payload, records[0]);
    assert!(answer.records[1].is_map(&[("land", "de".into()), ("zone", "emea".into())]));
}

#[test]
fn what_is_no_map_fails_and_the_others_go_on() {
    let library = library("enrichment");
    let mut records = malformed();
    records.push(map(&[("country", "de".into())]));
    let answer = Talk::started(&library, &[MAP, ("default", "other")]).batch(&records).answers().remove(1);
    assert_eq!(answer.code, Some(ReturnCode::Ok));
    let (good, bad) = answer.records.split_last().unwrap();
    assert_eq!(good.verdict, Verdict::Ok);
    for (record, input) in bad.iter().zip(&records) {
        assert_eq!((record.verdict, record.arg), (Verdict::Fail, 1), "{input:02x?}");
        assert!(record.reason.contains("MessagePack map") && record.payload == *input, "{record:?}");
    }
}

#[test]
fn json_is_not_taken_for_messagepack() {
    let library = library("enrichment");
    let answer = Talk::started(&library, &[MAP]).batch_of("4096 0 0 2", &[b"\x80".to_vec()]).answers().remove(1);
    assert_eq!((answer.records[0].verdict, answer.records[0].arg), (Verdict::Fail, 1));
}

#[test]
fn a_full_heap_asks_for_smaller_batches() {
    let library = library("enrichment");
    let records = vec![map(&[("country", "de".into())]); 10];
    // Each takes 48 bytes of heap while it is built.
    let talk = Talk::started(&library, &[MAP]).batch_of("200 0 0 1", &records).batch_of("200 0 0 1", &records[..1]);
    let answers = talk.answers();
    assert_eq!((answers[1].code, answers[2].code), (Some(ReturnCode::NoSpace), Some(ReturnCode::Ok)));
}

#[test]
fn wrong_parameters_are_named() {
    let library = library("enrichment");
    refuses(&library, &[], &["map", "missing"]);
    refuses(&library, &[("map", "de=emea")], &["map", "de=emea"]);
    refuses(&library, &[("map", "de:emea,")], &["map"]);
    refuses(&library, &[("map", "de:emea,us:amer,de:apac")], &["`de`", "twice"]);
    refuses(&library, &[MAP, ("feild", "x")], &["feild", "field"]);
    refuses(&library, &[MAP, ("into", "")], &["into"]);
}

#[test]
fn it_tells_about_itself() {
    tells_about_itself(&library("enrichment"), "enrichment");
}
