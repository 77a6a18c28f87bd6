//! The plugin in C++: rules, and what breaks them.
use proscenium_plugin_sdk::abi::{ReturnCode, Verdict};
use proscenium_plugin_sdk::msgpack::{Value, map};

use crate::runner::{Answer, Talk, library, malformed, refuses, tells_about_itself};

const RULES: [(&str, &str); 3] = [
    ("rules", "amount:number:0..100,name:string:1..8,count:int:..9,tags:list:1..,flag:bool,body:bytes,more:map,x:any"),
    ("required", "amount"),
    ("allowed", "country:de/us"),
];

fn judged(params: &[(&str, &str)], records: &[Vec<u8>]) -> Answer {
    Talk::started(&library("validation"), params).batch(records).answers().remove(1)
}

#[test]
fn each_rule_is_judged_with_code_and_reason() {
    let amount = ("amount", Value::from(5.0));
    let with = |field, value| map(&[amount, (field, value)]);
    let rows: Vec<(Vec<u8>, u32, &str)> = vec![
        (map(&[amount]), 0, ""),
        (map(&[("amount", Value::from(0_u64))]), 0, ""),
        (map(&[("amount", Value::from(100.0))]), 0, ""),
        (map(&[("amount", Value::from(100.5))]), 4, "amount: 100.5 is not within 0..100"),
        (map(&[("amount", Value::from(-1_i64))]), 4, "amount: -1 is not within 0..100"),
        (map(&[("amount", Value::from(u64::MAX))]), 4, "amount: 1.84467e+19 is not within"),
        (map(&[("amount", Value::from(f64::NAN))]), 4, "nan is not within"),
        (map(&[("amount", Value::from("5"))]), 3, "amount: string, not number"),
        (map(&[("name", Value::from("x"))]), 2, "amount: missing"),
        (with("name", "eight888".into()), 0, ""),
        (with("name", "nine99999".into()), 4, "name: a length of 9 is not within 1..8"),
        (with("name", "".into()), 4, "a length of 0"),
        (with("count", 9_u64.into()), 0, ""),
        (with("count", 9.0.into()), 3, "count: number, not int"),
        (with("count", 10_u64.into()), 4, "count: 10 is not within -inf..9"),
        (with("flag", true.into()), 0, ""),
        (with("flag", Value::Nil), 3, "flag: nil, not bool"),
        (with("body", Value::Bin(b"x")), 0, ""),
        (with("body", "x".into()), 3, "body: string, not bytes"),
        (with("x", Value::Nil), 0, ""),
        (with("country", "de".into()), 0, ""),
        (with("country", "fr".into()), 5, "country: `fr` is not among the allowed texts"),
        (with("country", 1_u64.into()), 5, "country: `` (no text) is not among"),
        // {"amount":5,"tags":[]} and {"amount":5,"tags":[1]}, {"amount":5,"more":{}}: heads that `map` does not write.
        (b"\x82\xa6amount\x05\xa4tags\x90".to_vec(), 4, "tags: a length of 0"),
        (b"\x82\xa6amount\x05\xa4tags\x91\x01".to_vec(), 0, ""),
        (b"\x82\xa6amount\x05\xa4more\x80".to_vec(), 0, ""),
    ];
    let records: Vec<Vec<u8>> = rows.iter().map(|(record, ..)| record.clone()).collect();
    let answer = judged(&RULES, &records);
    assert_eq!((answer.code, answer.progress), (Some(ReturnCode::Ok), rows.len() as i32));
    for (number, (after, (input, code, reason))) in answer.records.iter().zip(&rows).enumerate() {
        let verdict = if *code == 0 { Verdict::Ok } else { Verdict::Fail };
        assert_eq!((after.verdict, after.arg), (verdict, *code), "row {number}: {after:?}");
        assert!(after.reason.contains(reason) && after.payload == *input, "row {number}: {after:?}");
    }
}

#[test]
fn what_is_no_map_fails_and_the_others_go_on() {
    let mut records = malformed();
    records.push(map(&[("amount", Value::from(1_u64))]));
    let answer = judged(&RULES, &records);
    let (good, bad) = answer.records.split_last().unwrap();
    assert_eq!(good.verdict, Verdict::Ok);
    for record in bad {
        assert_eq!((record.verdict, record.arg), (Verdict::Fail, 1), "{record:?}");
        assert_eq!(record.reason, "the payload is not one MessagePack map");
    }
}

#[test]
fn records_are_dropped_with_their_reason_when_asked() {
    let params = [RULES[0], ("on_fail", "drop")];
    let answer = judged(&params, &[map(&[("amount", Value::from(101_u64))])]);
    let after = &answer.records[0];
    assert_eq!((after.verdict, after.arg), (Verdict::Drop, 0));
    assert!(after.reason.starts_with("amount: 101"), "{after:?}");
}

#[test]
fn with_a_full_heap_verdicts_hold_without_their_reasons() {
    let records = vec![map(&[("amount", Value::from(101_u64))]); 3];
    let talk = Talk::started(&library("validation"), &RULES).batch_of("48 0 0 1", &records).say("counters");
    let answers = talk.answers();
    assert!(answers[1].records.iter().all(|after| (after.verdict, after.arg) == (Verdict::Fail, 4)));
    let reasons: Vec<bool> = answers[1].records.iter().map(|after| after.reason.is_empty()).collect();
    assert_eq!(reasons, [false, true, true]);
    assert_eq!(answers[2].progress, 3, "all three are counted");
}

#[test]
fn wrong_parameters_are_named() {
    let library = library("validation");
    let rules = |rules| [("rules", rules)];
    refuses(&library, &[], &["no rule"]);
    refuses(&library, &rules("amount"), &["amount", "field:type"]);
    refuses(&library, &rules("amount:float"), &["amount:float", "number"]);
    refuses(&library, &rules("amount:number:5"), &["min..max"]);
    refuses(&library, &rules("amount:number:1..x"), &["`x` is not a number"]);
    refuses(&library, &rules("amount:number:nan..1"), &["`nan` is not a number"]);
    refuses(&library, &rules("amount:number:2..1"), &["nothing lies"]);
    refuses(&library, &rules("flag:bool:0..1"), &["no range"]);
    refuses(&library, &rules(":int"), &["without a name"]);
    refuses(&library, &rules("a:int,a:string"), &["`a`", "twice"]);
    refuses(&library, &[("allowed", "country")], &["allowed", "country"]);
    refuses(&library, &[("required", "a"), ("on_fail", "explode")], &["on_fail", "explode", "drop"]);
    refuses(&library, &[("rule", "a:int")], &["`rule`", "rules"]);
    let many: Vec<String> = (0..65).map(|n| format!("f{n}:int")).collect();
    refuses(&library, &rules(&many.join(",")), &["64 fields"]);
}

#[test]
fn it_tells_about_itself() {
    tells_about_itself(&library("validation"), "validation");
}
