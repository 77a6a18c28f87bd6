//! What is printed is read as what was printed.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proscenium_pipeline::config::{Format, print_lines, print_toml};
use proscenium_pipeline::{
    ChunkSize, Code, Conduct, Emit, Failed, Failover, Kind, Operator, OperatorSpec, Part, Plan, PluginStage, Port,
    RecordMut, Retries, RustStage, Settings, Share, SinkStage, Verdict, WhenDown,
};

use super::ends::{Folder, Numbers, Plain, good, read};

/// Text of all sorts, with what has a meaning in a file more often.
fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        4 => prop::char::range('a', 'f'),
        3 => prop::sample::select("|,=\\$\"'{}[]# \t\n\r:/-;`".chars().collect::<Vec<_>>()),
        1 => any::<char>().prop_filter("C strings and lines have none", |char| !char.is_control()),
    ];
    vec(char, 0..12).prop_map(|chars| chars.into_iter().collect())
}

fn path() -> impl Strategy<Value = PathBuf> {
    text().prop_map(|text| PathBuf::from(format!("x{text}x.so")))
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn params() -> impl Strategy<Value = Vec<(String, String)>> {
    // Keys in an order that is not theirs.
    btree_map(text().prop_map(|key| key + "k"), text(), 0..4).prop_map(|map| map.into_iter().rev().collect())
}

/// Policies of a stage with this number, stand-ins behind it only.
fn failover(at: usize, stages: usize) -> impl Strategy<Value = Failover> {
    let circuit =
        (1_u32..9, millis(1..9_999)).prop_map(|(failures, cooldown)| Failover::CircuitBreaker { failures, cooldown });
    let last = at + 1 == stages;
    prop_oneof![
        Just(Failover::RetryWithBackoff),
        Just(Failover::SkipAndContinue),
        Just(Failover::FailFast),
        Just(Failover::DeadLetter),
        Just(Failover::StopPartition),
        circuit,
        Just(if last { Failover::FailFast } else { Failover::FailoverTo(format!("s{}", at + 1)) }),
    ]
}

/// A stage as the line format can say it.
fn plain_stage(at: usize, stages: usize) -> impl Strategy<Value = PluginStage> {
    (path(), params(), failover(at, stages), 0_u32..1_001, millis(1..86_400_001)).prop_map(
        |(library, params, failover, max, timeout)| PluginStage {
            library,
            params,
            timeout,
            routes: Vec::new(),
            grants: Default::default(),
            conduct: Conduct { failover, retries: Retries { max, ..Retries::default() }, ..Conduct::default() },
        },
    )
}

fn stage(at: usize, stages: usize) -> impl Strategy<Value = PluginStage> {
    let grants = (vec(path(), 0..2), vec(path(), 0..2), any::<[bool; 4]>());
    let conduct = (1_usize..65, any::<bool>(), millis(1..9_999), millis(0..9_999));
    (plain_stage(at, stages), grants, conduct, 0_usize..3).prop_map(
        |(mut stage, (read, write, flags), (instances, in_turns, pause, longest), routes)| {
            stage.routes = (0..routes).map(|n| format!("r{n}")).collect();
            stage.grants.read = read;
            stage.grants.write = write;
            [stage.grants.work_dir, stage.grants.network, stage.grants.processes] = [flags[0], flags[1], flags[2]];
            stage.grants.syscalls = if flags[3] { vec!["ptrace".parse().unwrap()] } else { Vec::new() };
            stage.conduct.instances = NonZeroUsize::new(instances).unwrap();
            stage.conduct.share = if in_turns { Share::InTurns } else { Share::ByKey };
            stage.conduct.retries = Retries { pause, longest: pause + longest, ..stage.conduct.retries };
            stage
        },
    )
}

fn chain(stages: Vec<PluginStage>, source: Kind, sink: Kind) -> Plan {
    let part = |name: &str, kind| Part { name: name.to_owned(), from: Vec::new(), kind };
    let mut parts = vec![part("stdin", source)];
    parts.extend(stages.into_iter().enumerate().map(|(at, stage)| part(&format!("s{at}"), Kind::Plugin(stage))));
    parts.push(part("stdout", sink));
    for at in 1..parts.len() {
        parts[at].from = vec![Port { part: parts[at - 1].name.clone(), route: None }];
    }
    Plan { name: "plan".to_owned(), settings: Settings::default(), parts }
}

fn sink(sink: Arc<dyn proscenium_pipeline::SinkSpec>) -> SinkStage {
    SinkStage { sink, when_down: None, retries: Retries::default() }
}

fn plain() -> impl Strategy<Value = Plan> {
    (1_usize..5).prop_flat_map(|count| (0..count).map(|at| plain_stage(at, count)).collect::<Vec<_>>()).prop_map(
        |stages| chain(stages, Kind::Source(Arc::new(Plain("stdin"))), Kind::Sink(sink(Arc::new(Plain("stdout"))))),
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let times = (millis(0..60_001), millis(10..3_600_001), millis(1..3_600_001));
    let sizes = (1_usize..65_537, 1_024_usize..16_777_217, 1_usize..1_025, 0_usize..1_000_001, 1_usize..67_108_865);
    (times, sizes, option::of(path())).prop_map(
        |((linger, checkpoint_every, drain), (records, bytes, window, intensity, record_limit), state)| Settings {
            chunk: ChunkSize { records, bytes },
            window,
            linger,
            state,
            checkpoint_every,
            drain,
            intensity,
            record_limit,
        },
    )
}

fn source() -> impl Strategy<Value = Kind> {
    (1_u64..1_001, millis(0..5_001), vec(path(), 1..3), any::<bool>()).prop_map(|(limit, every, files, follow)| {
        Kind::Source(Arc::new(Numbers { limit, every, format: "raw".to_owned(), files, follow }))
    })
}

fn full() -> impl Strategy<Value = Plan> {
    let stages = (1_usize..5).prop_flat_map(|count| (0..count).map(|at| stage(at, count)).collect::<Vec<_>>());
    let when_down = option::of(prop_oneof![
        Just(WhenDown::Wait),
        Just(WhenDown::Stop),
        millis(0..86_400_001).prop_map(WhenDown::SetAside),
    ]);
    let sink_kind =
        (path(), when_down, millis(1..9_999), millis(0..9_999)).prop_map(|(path, when_down, pause, longer)| {
            let retries = Retries { pause, longest: pause + longer, ..Retries::default() };
            Kind::Sink(SinkStage { sink: Arc::new(Folder(path)), when_down, retries })
        });
    (stages, source(), sink_kind, option::of(settings()), any::<u8>()).prop_map(
        |(stages, source, sink_kind, settings, bits)| {
            let mut plan = chain(stages, source, sink_kind);
            plan.settings = settings.unwrap_or_default();
            branch(&mut plan, bits);
            plan
        },
    )
}

/// A second sink, on a route or on the source.
fn branch(plan: &mut Plan, bits: u8) {
    let routed = plan.parts.iter().find_map(|part| match &part.kind {
        Kind::Plugin(stage) => Some(Port { part: part.name.clone(), route: Some(stage.routes.first()?.clone()) }),
        _ => None,
    });
    let source = Port { part: "stdin".to_owned(), route: None };
    let mut from: Vec<Port> = routed.into_iter().collect();
    if from.is_empty() || bits & 1 == 1 {
        from.push(source);
    }
    if bits & 2 == 2 {
        plan.parts.push(Part { name: "aside".to_owned(), from, kind: Kind::Sink(sink(Arc::new(Plain("stdout")))) });
    }
}

/// A plan's `Debug` text holds all of it.
#[track_caller]
fn same(format: Format, plan: &Plan, printed: &str) {
    assert_eq!(format!("{:#?}", good(format, printed)), format!("{plan:#?}"), "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_read_as_they_were_printed(plan in plain()) {
        same(Format::Lines, &plan, &print_lines(&plan).unwrap());
    }

    #[test]
    fn toml_is_read_as_it_was_printed(plan in full()) {
        same(Format::Toml, &plan, &print_toml(&plan).unwrap());
    }

    #[test]
    fn a_file_of_one_format_can_be_printed_in_the_other(plan in plain()) {
        same(Format::Toml, &plan, &print_toml(&plan).unwrap());
    }
}

#[derive(Debug)]
struct Nothing;

impl OperatorSpec for Nothing {
    fn kind(&self) -> &'static str {
        "nothing"
    }

    fn make(&self) -> Box<dyn Operator> {
        struct Unused;
        impl Operator for Unused {
            fn on(&mut self, _: &mut RecordMut<'_>, _: &mut dyn Emit) -> Result<Verdict, Failed> {
                Ok(Verdict::Next)
            }
        }
        Box::new(Unused)
    }
}

#[test]
fn what_a_format_has_no_words_for_is_said_and_not_left_out() {
    let good = || good(Format::Lines, "s0|x.so||1|FAIL_FAST|0|1\ns1|x.so||1|FAIL_FAST|0|1");
    let stage = |plan: &mut Plan, change: &dyn Fn(&mut PluginStage)| match &mut plan.parts[1].kind {
        Kind::Plugin(stage) => change(stage),
        other => panic!("{other:?}"),
    };
    type Change<'a> = Box<dyn Fn(&mut Plan) + 'a>;
    let rows: Vec<(&str, bool, Change<'_>)> = vec![
        ("nothing", true, Box::new(|_| ())),
        ("settings", true, Box::new(|plan| plan.settings.window = 3)),
        ("routes", true, Box::new(|plan| stage(plan, &|stage| stage.routes.push("r".to_owned())))),
        ("grants", true, Box::new(|plan| stage(plan, &|stage| stage.grants.network = true))),
        (
            "instances",
            true,
            Box::new(|plan| stage(plan, &|stage| stage.conduct.instances = NonZeroUsize::new(2).unwrap())),
        ),
        ("pause", true, Box::new(|plan| stage(plan, &|stage| stage.conduct.retries.pause = Duration::from_millis(7)))),
        ("order", true, Box::new(|plan| plan.parts[2].from[0].part = "stdin".to_owned())),
        ("control", true, Box::new(|plan| stage(plan, &|stage| stage.params.push(("k".into(), "\u{1}".into()))))),
        ("fine time", false, Box::new(|plan| stage(plan, &|stage| stage.timeout = Duration::from_micros(1_500)))),
        (
            "Rust",
            false,
            Box::new(|plan| {
                let code = Code::Sync(Arc::new(Nothing));
                plan.parts[1].kind = Kind::Rust(RustStage { code, conduct: Conduct::default() });
            }),
        ),
    ];
    for (what, in_toml, change) in rows {
        let mut plan = good();
        change(&mut plan);
        assert_eq!(print_lines(&plan).is_ok(), what == "nothing", "{what}: {:?}", print_lines(&plan));
        assert_eq!(print_toml(&plan).is_ok(), in_toml, "{what}: {:?}", print_toml(&plan));
        if let Ok(printed) = print_toml(&plan)
            && what != "order"
        {
            assert!(read(Format::Toml, "plan", printed.as_bytes()).is_ok(), "{what}: {printed}");
        }
    }
}
