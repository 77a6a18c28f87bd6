//! What an author in Rust is offered: records, verdicts, maps, the context.
use std::sync::atomic::{AtomicU32, Ordering};

use proscenium_plugin_sdk::abi::{self, Content, LogLevel, NO_PROGRESS, ReturnCode, Verdict};
use proscenium_plugin_sdk::msgpack::{Value, find, map, read, skip};
use proscenium_plugin_sdk::testing::{Failure, Judged, Stage, TestBatch};
use proscenium_plugin_sdk::{Batch, Code, Context, Error, Plugin, Record, SetError};

/// Does with each record what its payload says.
struct Obeys;

impl Plugin for Obeys {
    fn new(_ctx: &Context) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
        batch.for_each(|mut record| obey(&mut record))
    }
}

fn obey(record: &mut Record<'_, '_>) -> Result<(), Error> {
    let order = String::from_utf8(record.payload().to_vec()).unwrap();
    match order.as_str() {
        "upper" => record.payload_mut()?.make_ascii_uppercase(),
        "longer" => record.set_payload(b"longer than it was before")?,
        "shorter" => {
            record.payload_mut()?;
            record.set_payload(b"s")?;
        }
        "empty" => record.set_payload(b"")?,
        "keep" => record.keep(1..3),
        "drop" => record.drop("enough"),
        "fail" => record.fail(7, "broken"),
        "long reason" => record.fail(8, &"ä".repeat(600)),
        "retry" => record.retry(250, ""),
        "route" => assert!(record.route(1) && !record.route(2)),
        "back" => {
            record.fail(1, "no");
            record.ok();
        }
        "emit" => {
            record.emit(b"child")?.set_content(Content::Raw);
            record.emit(b"")?.drop("for once");
        }
        "rewrite" => assert!(record.rewrite(8, |old, new| {
            new[..3].copy_from_slice(&old[2..5]);
            Some(3)
        })?),
        "ask for much" => assert!(record.rewrite(40, |_, _| Some(3))?),
        "ask in vain" => assert!(!record.rewrite(40, |_, _| None)?),
        "leave" => assert!(!record.rewrite(8, |_, _| None)?),
        "reach" => record.keep(0..100),
        _ => (),
    }
    Ok(())
}

fn obeyed(orders: &[&str]) -> Vec<Judged> {
    let batch = orders.iter().fold(TestBatch::new().routes(2), |batch, order| batch.record(order.as_bytes()));
    let mut block = batch.build();
    assert_eq!(Stage::<Obeys>::start(&[]).unwrap().process(&mut block), Ok(ReturnCode::Ok));
    assert_eq!(block.progress(), orders.len() as u32);
    block.records()
}

#[test]
fn payloads_are_changed_replaced_cut_and_rewritten() {
    let orders = ["upper", "longer", "shorter", "empty", "keep", "rewrite", "leave", "nothing"];
    let payloads: Vec<Vec<u8>> = obeyed(&orders).into_iter().map(|record| record.payload).collect();
    let wanted: [&[u8]; 8] = [b"UPPER", b"longer than it was before", b"s", b"", b"ee", b"wri", b"leave", b"nothing"];
    assert_eq!(payloads, wanted);
}

#[test]
fn verdicts_carry_their_numbers_and_reasons() {
    let after = obeyed(&["drop", "fail", "retry", "route", "back", "long reason"]);
    let verdicts: Vec<_> = after.iter().map(|record| (record.verdict, record.arg, record.reason.as_str())).collect();
    assert_eq!(
        verdicts[..5],
        [
            (Some(Verdict::Drop), 0, "enough"),
            (Some(Verdict::Fail), 7, "broken"),
            (Some(Verdict::Retry), 250, ""),
            (Some(Verdict::Route), 1, ""),
            (Some(Verdict::Ok), 0, ""),
        ]
    );
    assert_eq!(verdicts[5].2, "ä".repeat(512), "cut between two characters");
}

#[test]
fn emitted_records_stand_behind_the_others_with_their_parents_id() {
    let after = obeyed(&["emit", "nothing"]);
    assert_eq!(after.len(), 4);
    assert!(after[2].is_emitted && after[2].id == 1000 && after[2].payload == b"child");
    assert_eq!(after[2].content, Content::Raw.number());
    assert_eq!((after[3].payload.len(), after[3].verdict), (0, Some(Verdict::Drop)));
    assert!(!after[1].is_emitted && after[1].id == 1001);
}

#[test]
fn what_has_no_room_is_told_by_its_code() {
    let no_space = |batch: TestBatch| {
        let failure = Stage::<Obeys>::start(&[]).unwrap().process(&mut batch.build()).unwrap_err();
        assert_eq!(failure.code, Some(ReturnCode::NoSpace));
    };
    no_space(TestBatch::new().record(b"upper").heap(4));
    no_space(TestBatch::new().record(b"longer").heap(4));
    no_space(TestBatch::new().record(b"empty").heap(0));
    no_space(TestBatch::new().record(b"emit").emitted(0));
    no_space(TestBatch::new().record(b"emit").emitted(1));
    let mut full = TestBatch::new().record(b"fail").heap(4).build();
    assert_eq!(Stage::<Obeys>::start(&[]).unwrap().process(&mut full), Ok(ReturnCode::Ok));
    assert_eq!((full.records()[0].verdict, full.records()[0].reason.as_str()), (Some(Verdict::Fail), ""));
}

#[test]
fn what_a_rewrite_does_not_take_goes_back_to_the_heap() {
    let orders = ["ask for much", "ask in vain", "ask for much", "ask in vain", "ask for much"];
    // Each asks for 40 bytes and takes 3: in steps of 8, that is 16 + 40 at the last.
    let batch = orders.iter().fold(TestBatch::new().heap(56), |batch, order| batch.record(order.as_bytes()));
    let mut block = batch.build();
    assert_eq!(Stage::<Obeys>::start(&[]).unwrap().process(&mut block), Ok(ReturnCode::Ok));
    let sizes: Vec<usize> = block.records().iter().map(|record| record.payload.len()).collect();
    assert_eq!(sizes, [3, 11, 3, 11, 3]);
}

#[test]
fn progress_names_the_record_in_work_when_a_call_ends_early() {
    let mut block = TestBatch::new().record(b"nothing").record(b"nothing").record(b"reach").record(b"nothing").build();
    assert_eq!(block.progress(), NO_PROGRESS);
    let failure = Stage::<Obeys>::start(&[]).unwrap().process(&mut block).unwrap_err();
    assert_eq!((failure.code, block.progress()), (Some(ReturnCode::Fatal), 2));
    assert!(failure.text.contains("0..100 is not within a payload of 5 bytes"), "{failure}");
}

/// Empties a payload between two allocations: the second must keep its bytes.
struct Empties;

impl Plugin for Empties {
    fn new(_ctx: &Context) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
        batch.record(0).unwrap().set_payload(b"")?;
        batch.record(1).unwrap().set_payload(&[b'S'; 64])?;
        batch.record(0).unwrap().set_payload(b"")?;
        batch.emit(0, &[b'T'; 64])?;
        assert!(batch.record(2).is_none());
        batch.note(42);
        Ok(())
    }
}

#[test]
fn an_empty_payload_gives_back_no_bytes_of_others() {
    let mut block = TestBatch::new().record(b"a").record(b"b").build();
    assert_eq!(Stage::<Empties>::start(&[]).unwrap().process(&mut block), Ok(ReturnCode::Ok));
    let after = block.records();
    assert_eq!((after[0].payload.len(), &after[1].payload[..]), (0, &[b'S'; 64][..]));
    assert_eq!((&after[2].payload[..], block.note(), block.progress()), (&[b'T'; 64][..], 42, 2));
}

/// Sets keys, and says what came of it.
struct Sets;

impl Plugin for Sets {
    fn new(_ctx: &Context) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, batch: &mut Batch, _ctx: &Context) -> Result<(), Error> {
        batch.for_each(|mut record| {
            match record.set(&[("a", Value::from(1_u64)), ("z", "last".into())]) {
                Err(SetError::NotAMap) => record.fail(1, "no map"),
                set => set?,
            }
            Ok(())
        })
    }
}

#[test]
fn keys_are_replaced_or_added_and_what_is_no_map_stays_as_it_was() {
    let many: Vec<String> = (0..15).map(|n| format!("k{n}")).collect();
    let fifteen: Vec<(&str, Value<'_>)> = many.iter().map(|key| (key.as_str(), Value::Nil)).collect();
    let inputs = [
        map(&[]),
        map(&[("b", true.into()), ("a", "old".into()), ("c", Value::Nil)]),
        map(&fifteen),
        [map(&[]), vec![0]].concat(),
        vec![0xc1],
    ];
    let mut block = inputs.iter().fold(TestBatch::new(), |batch, input| batch.record(input)).build();
    assert_eq!(Stage::<Sets>::start(&[]).unwrap().process(&mut block), Ok(ReturnCode::Ok));
    let after = block.records();
    let set = [("a", Value::from(1_u64)), ("z", "last".into())];
    assert_eq!(after[0].payload, map(&set));
    assert_eq!(after[1].payload, map(&[("b", true.into()), ("c", Value::Nil), set[0], set[1]]));
    assert_eq!(after[2].payload, map(&[&fifteen[..], &set].concat()), "a head of another size");
    for (record, input) in after[3..].iter().zip(&inputs[3..]) {
        assert_eq!((record.verdict, &record.payload), (Some(Verdict::Fail), input));
    }
}

#[test]
fn every_kind_of_value_is_read_as_it_was_written() {
    let text = "x".repeat(300);
    let bytes = vec![7; 70_000];
    let numbers: [i64; 10] =
        [0, 127, 128, -32, -33, i16::MIN.into(), i32::MAX.into(), i64::from(i32::MIN) - 1, i64::MIN, i64::MAX];
    let mut values: Vec<Value<'_>> = numbers.map(Value::Int).into();
    values.extend([Value::UInt(u64::MAX), Value::Float(-0.5), Value::Bool(true), Value::Bool(false), Value::Nil]);
    values.extend([
        Value::from(""),
        Value::from("short"),
        Value::from(text.as_str()),
        Value::Bin(b""),
        Value::Bin(&bytes),
    ]);
    for value in values {
        let record = map(&[("before", Value::Nil), ("key", value)]);
        assert_eq!(find(&record, "key"), Some(value));
        assert_eq!(skip(&record), Some(&[][..]));
        for end in 0..record.len() {
            assert!(skip(&record[..end]).is_none(), "{value:?} cut at {end}");
        }
    }
}

#[test]
fn foreign_bytes_are_read_without_a_panic() {
    // Every tag, alone and with a tail that is a length, a type or a body.
    for tag in 0..=u8::MAX {
        for tail in [&[][..], &[0; 1], &[0xff; 4], &[1; 40], &[0; 40]] {
            let bytes = [&[tag], tail].concat();
            let (whole, one) = (skip(&bytes), read(&bytes));
            assert!(one.is_some() || whole.is_none(), "{bytes:02x?}");
            let _ = find(&bytes, "key");
        }
    }
    assert_eq!(read(&[0xd4, 5, 9]), Some((Value::Ext(5, &[9]), &[][..])));
    assert_eq!(read(&[0xc7, 2, 0xff, 1, 2, 3]), Some((Value::Ext(-1, &[1, 2]), &[3][..])));
    assert_eq!(read(&[0xca, 0x3f, 0x80, 0, 0]), Some((Value::Float(1.0), &[][..])));
}

/// Uses all of the context, from a thread of its own too.
struct Asks;

impl Plugin for Asks {
    fn new(ctx: &Context) -> Result<Self, Error> {
        let limit = ctx.param_int("limit")?.unwrap_or(-1);
        let share = ctx.param_float("share")?.unwrap_or(0.5);
        ctx.log(LogLevel::Info, &format!("{} {} {limit} {share}", ctx.stage(), ctx.instance()));
        assert!(ctx.work_dir().is_none() && ctx.remaining().is_none() && ctx.unix_ns() > 0);
        Ok(Self)
    }

    fn process(&mut self, batch: &mut Batch, ctx: &Context) -> Result<(), Error> {
        let rounds = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ctx.count(c"rounds", 2);
                ctx.gauge(c"level", 0.25);
                rounds.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert!(rounds.into_inner() == 1 && batch.is_replay() && !batch.is_shadow());
        if ctx.cancelled() { Err(Error::new(Code::Cancelled, "asked to")) } else { Ok(()) }
    }
}

#[test]
fn the_context_has_parameters_log_metrics_and_the_wish_to_give_up() {
    let mut stage = Stage::<Asks>::start(&[("limit", "12"), ("share", "1e3")]).unwrap();
    assert_eq!(stage.host().log(), [(LogLevel::Info.number(), "test 0 12 1000".to_owned())]);
    let mut block = TestBatch::new().flags(abi::BATCH_REPLAY).build();
    assert_eq!(stage.process(&mut block), Ok(ReturnCode::Ok));
    assert_eq!((stage.host().counter("rounds"), stage.host().gauge("level")), (2, Some(0.25)));
    stage.host().cancel();
    let failure = stage.process(&mut block).unwrap_err();
    assert_eq!((failure.code, failure.text.as_str()), (Some(ReturnCode::Cancelled), "asked to"));
}

#[test]
fn parameters_that_are_no_numbers_are_named() {
    for (key, value) in
        [("limit", "12x"), ("limit", ""), ("limit", "99999999999999999999"), ("share", "nan"), ("share", "inf")]
    {
        let Failure { code, text, .. } = Stage::<Asks>::start(&[(key, value)]).err().unwrap();
        assert_eq!(code, Some(ReturnCode::Config));
        assert!(text.starts_with(&format!("{key} = `{value}`: not a")), "{text}");
    }
}

#[test]
fn by_default_there_is_no_state_and_none_is_taken() {
    let mut stage = Stage::<Obeys>::start(&[]).unwrap();
    assert_eq!(stage.export().unwrap_err().code, Some(ReturnCode::Unsupported));
    let refused = stage.import(&proscenium_plugin_sdk::State { version: 3, bytes: vec![1] }).unwrap_err();
    assert_eq!(refused.code, Some(ReturnCode::Unsupported));
    assert!(refused.text.contains("version 3"), "{refused}");
    assert_eq!(stage.flush(&mut TestBatch::new().build()), Ok(ReturnCode::Ok));
}
