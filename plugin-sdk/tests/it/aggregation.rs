//! The plugin in Rust: sums by key, a flush, and state that goes from one instance to the next.
use proscenium_plugin_sdk::abi::{ReturnCode, Verdict};
use proscenium_plugin_sdk::msgpack::{Value, map};

use crate::runner::{After, Talk, hex, library, malformed, refuses, tells_about_itself};

const PARAMS: [(&str, &str); 2] = [("field", "amount"), ("by", "country")];
const ROOM: &str = "65536 64";

fn order(country: &str, amount: f64) -> Vec<u8> {
    map(&[("country", country.into()), ("amount", amount.into())])
}

fn orders() -> Vec<Vec<u8>> {
    vec![order("us", 2.0), order("de", 5.0), order("us", -4.0), order("de", 0.5)]
}

fn sums(after: &After, country: &str, [count, sum, min, max]: [f64; 4]) -> bool {
    after.is_emitted
        && after.verdict == Verdict::Ok
        && after.is_map(&[
            ("country", country.into()),
            ("count", Value::from(count as u64)),
            ("sum", sum.into()),
            ("min", min.into()),
            ("max", max.into()),
        ])
}

#[test]
fn a_flush_emits_each_group_once_and_begins_anew() {
    let talk = Talk::started(&library("aggregation"), &PARAMS).batch(&orders()).flush(ROOM).flush(ROOM).say("cleanup");
    let answers = talk.answers();
    assert_eq!((answers[1].code, answers[1].progress), (Some(ReturnCode::Ok), 4));
    assert!(answers[1].records.iter().all(|after| after.verdict == Verdict::Drop), "counted records end here");
    let [de, us] = answers[2].records.as_slice() else { panic!("{:?}", answers[2]) };
    assert!(sums(de, "de", [2.0, 5.5, 0.5, 5.0]) && sums(us, "us", [2.0, -2.0, -4.0, 2.0]), "{de:?} {us:?}");
    assert!(answers[3].records.is_empty());
}

#[test]
fn without_a_key_there_is_one_group_and_records_pass_when_asked() {
    let params = [("field", "amount"), ("input", "pass")];
    let answers = Talk::started(&library("aggregation"), &params).batch(&orders()).flush(ROOM).answers();
    assert!(answers[1].records.iter().all(|after| after.verdict == Verdict::Ok));
    let all: &[(&str, Value<'_>)] = &[
        ("count", Value::from(4_u64)),
        ("sum", Value::from(3.5)),
        ("min", Value::from(-4.0)),
        ("max", Value::from(5.0)),
    ];
    assert!(answers[2].records.len() == 1 && answers[2].records[0].is_map(all), "{:?}", answers[2]);
}

#[test]
fn state_that_goes_over_to_another_instance_loses_nothing() {
    let library = library("aggregation");
    let (first, second) = (orders()[..2].to_vec(), orders()[2..].to_vec());
    let at_once = Talk::started(&library, &PARAMS).batch(&first).batch(&second).flush(ROOM).answers().remove(3);

    let old = Talk::started(&library, &PARAMS).batch(&first).say("export").say("export").answers();
    assert_eq!((old[2].code, old[2].version), (Some(ReturnCode::Ok), 1));
    assert_eq!(old[2], old[3], "an export leaves the state as it was");
    let state = format!("import 1 {}", hex(&old[2].bytes));
    let new = Talk::started(&library, &PARAMS).say(&state).batch(&second).flush(ROOM).answers();
    assert_eq!(new[1].code, Some(ReturnCode::Ok));
    assert_eq!(new[3].records, at_once.records);
}

#[test]
fn a_state_that_cannot_be_read_is_refused_and_changes_nothing() {
    let library = library("aggregation");
    let state = Talk::started(&library, &PARAMS).batch(&orders()).say("export").answers().remove(2).bytes;
    let cut = format!("import 1 {}", hex(&state[..state.len() - 1]));
    let newer = format!("import 2 {}", hex(&state));
    let huge = format!("import 1 {}", hex(&[0xff; 16]));
    let talk = Talk::started(&library, &PARAMS).say(&cut).say(&newer).say(&huge).flush(ROOM);
    let answers = talk.answers();
    for (answer, word) in answers[1..4].iter().zip(["cut off", "version 2", "cut off"]) {
        assert_eq!(answer.code, Some(ReturnCode::Unsupported));
        assert!(answer.text.contains(word), "{}", answer.text);
    }
    assert!(answers[4].records.is_empty());

    let other = [("field", "price"), ("by", "country")];
    let whole = format!("import 1 {}", hex(&state));
    let answer = Talk::started(&library, &other).say(&whole).answers().remove(1);
    assert_eq!(answer.code, Some(ReturnCode::Unsupported));
    assert!(answer.text.contains("amount by country") && answer.text.contains("price by country"), "{}", answer.text);
}

#[test]
fn a_flush_without_room_for_all_goes_on_in_the_next_batch() {
    let talk =
        Talk::started(&library("aggregation"), &PARAMS).batch(&orders()).flush("65536 1").flush("65536 1").flush("0 1");
    let answers = talk.answers();
    let (first, second) = (&answers[2], &answers[3]);
    assert_eq!((first.code, second.code), (Some(ReturnCode::More), Some(ReturnCode::Ok)));
    assert!(sums(&first.records[0], "de", [2.0, 5.5, 0.5, 5.0]), "{first:?}");
    assert!(sums(&second.records[0], "us", [2.0, -2.0, -4.0, 2.0]), "{second:?}");
    assert_eq!(answers[4].code, Some(ReturnCode::Ok), "nothing is left to have no room");

    // Not even one fits: more of the same would never end.
    let answer = Talk::started(&library("aggregation"), &PARAMS).batch(&orders()).flush("16 4").answers().remove(2);
    assert_eq!(answer.code, Some(ReturnCode::NoSpace));
}

#[test]
fn what_cannot_be_counted_fails_and_the_others_count() {
    let mut records = malformed();
    let broken = records.len();
    records.extend([
        map(&[("country", "de".into())]),
        map(&[("country", "de".into()), ("amount", "5".into())]),
        order("de", f64::NAN),
        order("de", f64::INFINITY),
        map(&[("amount", 1.0.into())]),
        map(&[("country", 1.5.into()), ("amount", 1.0.into())]),
        order("de", 1.0),
    ]);
    let answers = Talk::started(&library("aggregation"), &PARAMS).batch(&records).flush(ROOM).answers();
    let codes: Vec<u32> = answers[1].records[broken..].iter().map(|after| after.arg).collect();
    assert_eq!(codes, [2, 2, 2, 2, 3, 3, 0]);
    assert!(answers[1].records[..broken].iter().all(|after| (after.verdict, after.arg) == (Verdict::Fail, 1)));
    assert!(answers[2].records.len() == 1 && sums(&answers[2].records[0], "de", [1.0; 4]), "{:?}", answers[2]);
}

#[test]
fn one_group_more_than_the_limit_fails_and_known_ones_go_on() {
    let params = [PARAMS[0], PARAMS[1], ("max_groups", "2")];
    let records = [order("a", 1.0), order("b", 1.0), order("c", 1.0), order("a", 1.0)];
    let answer = Talk::started(&library("aggregation"), &params).batch(&records).answers().remove(1);
    let codes: Vec<u32> = answer.records.iter().map(|after| after.arg).collect();
    assert_eq!(codes, [0, 0, 4, 0]);
    assert_eq!(answer.records[2].reason, "there are 2 groups already");
}

#[test]
fn wrong_parameters_are_named() {
    let library = library("aggregation");
    refuses(&library, &[], &["field"]);
    refuses(&library, &[("field", "")], &["field"]);
    refuses(&library, &[("field", "a"), ("by", "")], &["by"]);
    refuses(&library, &[("field", "a"), ("input", "keep")], &["input", "keep"]);
    refuses(&library, &[("field", "a"), ("max_groups", "0")], &["max_groups", "0"]);
    refuses(&library, &[("field", "a"), ("max_groups", "many")], &["max_groups", "many", "whole number"]);
    refuses(&library, &[("field", "a"), ("group", "b")], &["`group`", "by"]);
}

#[test]
fn it_tells_about_itself() {
    tells_about_itself(&library("aggregation"), "aggregation");
}
