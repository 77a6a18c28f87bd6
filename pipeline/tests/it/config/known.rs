//! The kinds that the library has: what each key does, what is printed is read as what was printed, and faults of a plan as
//! a whole have their places.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use proscenium_pipeline::config::{Diagnostics, Ends, Format, Kinds, Surroundings, parse, print_toml, read_bytes};
use proscenium_pipeline::sources::{Files, Generator, Lines, TcpLines};
use proscenium_pipeline::{
    Kind, LineFormat, Null, Part, Plan, Port, Retries, RollingFiles, Settings, SinkSpec, SinkStage, SourceSpec, Stdout,
    TcpSink, picture,
};

fn with<T>(read: impl FnOnce(&Surroundings<'_>) -> T) -> T {
    let ends = Ends { source: Arc::new(Lines::stdin().json()), sink: Arc::new(Stdout::new()) };
    let kinds = Kinds::known();
    read(&Surroundings { environment: &|_| None, is_file: &|_| true, kinds: &kinds, ends: &ends })
}

fn toml(text: &str) -> Result<Plan, Diagnostics> {
    with(|surroundings| parse(Format::Toml, Path::new("p.toml"), text.as_bytes(), surroundings))
}

fn checked(file: &str, text: &str) -> String {
    let read = with(|surroundings| read_bytes(Path::new(file), text.as_bytes(), surroundings));
    read.map(|plan| panic!("nothing is wrong with {plan:?}")).unwrap_or_else(|wrong| wrong.to_string())
}

fn plan(source: Arc<dyn SourceSpec>, sink: Arc<dyn SinkSpec>) -> Plan {
    let stage = SinkStage { sink, when_down: None, retries: Retries::default() };
    let from = vec![Port { part: "in".to_owned(), route: None }];
    let parts = vec![
        Part { name: "in".to_owned(), from: Vec::new(), kind: Kind::Source(source) },
        Part { name: "out".to_owned(), from, kind: Kind::Sink(stage) },
    ];
    Plan { name: "p".to_owned(), settings: Settings::default(), parts }
}

fn word() -> impl Strategy<Value = String> {
    "[a-zé$\"' ]{1,8}"
}

/// Applies what all sources have.
macro_rules! formatted {
    ($source:expr, $format:expr) => {{
        let (json, key, limit): (bool, Option<String>, Option<usize>) = $format;
        let mut source = $source;
        if json {
            source = source.json();
            if let Some(key) = key {
                source = source.key_from(key);
            }
        }
        if let Some(limit) = limit {
            source = source.record_limit(limit);
        }
        Arc::new(source) as Arc<dyn SourceSpec>
    }};
}

fn source() -> impl Strategy<Value = Arc<dyn SourceSpec>> {
    let format = || (any::<bool>(), option::of(word()), option::of(1_usize..1 << 26));
    let files = (word(), any::<bool>(), any::<bool>(), option::of(1_usize..1_000_001), format()).prop_map(
        |(path, is_glob, follows, most, format)| {
            let mut files = if is_glob { Files::glob(path) } else { Files::at(path) };
            files = if follows { files.follow() } else { files };
            formatted!(most.map_or(files.clone(), |most| files.most_files(most)), format)
        },
    );
    let generator =
        (option::of(any::<u64>()), 0_usize..1 << 26, any::<[u64; 2]>(), option::of(1_u64..1_000_000_001), format())
            .prop_map(|(records, bytes, [keys, seed], rate, format)| {
                let generator =
                    records.map_or_else(Generator::endless, Generator::new).bytes(bytes).keys(keys).seed(seed);
                formatted!(rate.map_or(generator.clone(), |rate| generator.rate(rate)), format)
            });
    let tcp = (any::<u16>(), 1_usize..1_025, any::<bool>(), format()).prop_map(|(port, connections, off, format)| {
        let tcp = TcpLines::listen(format!("localhost:{port}")).connections(connections);
        formatted!(if off { tcp.off_loopback() } else { tcp }, format)
    });
    prop_oneof![files, generator, tcp, format().prop_map(|format| formatted!(Lines::stdin(), format))]
}

fn sink() -> impl Strategy<Value = Arc<dyn SinkSpec>> {
    let lines = || prop::sample::select(vec![LineFormat::Json, LineFormat::Raw]);
    let age = option::of((1_u64..31_536_000_001).prop_map(Duration::from_millis));
    let files = (word(), word(), option::of(word()), option::of(lines()), 1_u64..u64::MAX, age).prop_map(
        |(folder, prefix, extension, lines, bytes, age)| {
            let mut files = RollingFiles::new(folder).prefix(prefix).roll_bytes(bytes);
            files = lines.map_or_else(|| files.clone().frames(), |format| files.clone().format(format));
            files = extension.map_or(files.clone(), |extension| files.extension(extension));
            Arc::new(age.map_or(files.clone(), |age| files.roll_age(age))) as Arc<dyn SinkSpec>
        },
    );
    let tcp = (any::<u16>(), lines(), 1_u64..3_600_001, any::<bool>()).prop_map(|(port, format, limit, off)| {
        let tcp = TcpSink::to(format!("[::1]:{port}")).format(format).write_timeout(Duration::from_millis(limit));
        Arc::new(if off { tcp.off_loopback() } else { tcp }) as Arc<dyn SinkSpec>
    });
    prop_oneof![
        files,
        tcp,
        lines().prop_map(|format| Arc::new(Stdout::new().format(format)) as Arc<dyn SinkSpec>),
        Just(Arc::new(Null::new()) as Arc<dyn SinkSpec>),
    ]
}

proptest! {
    #[test]
    fn every_kind_is_read_as_it_was_printed(source in source(), sink in sink()) {
        let plan = plan(source, sink);
        let text = print_toml(&plan).unwrap();
        let again = toml(&text).unwrap_or_else(|wrong| panic!("{wrong}\n---\n{text}"));
        prop_assert_eq!(format!("{again:?}"), format!("{plan:?}"), "{}", text);
    }
}

#[test]
fn what_is_rust_code_cannot_be_printed() {
    let code = plan(Arc::new(Generator::new(1).record(|_, _| ())), Arc::new(Null::new()));
    assert!(
        print_toml(&code).unwrap_err().to_string().contains("`in` is of the kind `generator`, which no file can say")
    );
}

#[test]
fn wrong_keys_of_a_kind_are_said_at_their_places() {
    let source = |keys: &str| format!("[[source]]\nname = \"in\"\n{keys}\n[[sink]]\nname = \"out\"\nkind = \"null\"\n");
    for (keys, want) in [
        ("kind = \"files\"", "p.toml:1:1: the source `in` has no `path`"),
        ("kind = \"files\"\nglob = \"a*\"\npath = \"b\"", "p.toml:5:8: `glob` and `path` are both there"),
        ("kind = \"files\"\npath = \"\"", "p.toml:4:8: `path` is empty"),
        ("kind = \"stdin\"\nkey_from = \"id\"", "p.toml:4:12: `key_from` is there, but only JSON has fields"),
        ("kind = \"stdin\"\nrecord_limit = 0", "p.toml:4:16: `record_limit` is the number `0`"),
        ("kind = \"tcp\"\naddress = \"nowhere\"", "p.toml:4:11: `address` is `nowhere`"),
        ("kind = \"tcp\"\naddress = \":80\"", "p.toml:4:11: `address` is `:80`"),
        ("kind = \"generator\"\nrecord = 5", "did you mean `records`?"),
        ("kind = \"stdin\"\nfollow = true", "has no key `follow`"),
    ] {
        let wrong = toml(&source(keys)).unwrap_err().to_string();
        assert!(wrong.contains(want), "{keys}\n{wrong}");
    }
}

#[test]
fn a_fault_of_the_plan_has_its_place_in_both_formats() {
    let text = "[settings]\nwindow = 8\n[[source]]\nname = \"control\"\nkind = \"generator\"\nrecords = 3\n[[stage]]\n\
                name = \"a\"\nplugin = \"x.so\"\nretry_pause_ms = 9\nretry_longest_ms = 5\n[[sink]]\n\
                kind = \"null\"\nretry_pause_ms = 9\nretry_longest_ms = 5\n";
    let wrong = checked("p.toml", text);
    for want in [
        "p.toml:4:8: `control`, name: the pipeline itself uses this name",
        "p.toml:10:18: `a`, retries: the longest pause, 5ms, is shorter than the first, 9ms",
        "p.toml:14:18: `null`, retries: the longest pause, 5ms, is shorter than the first, 9ms",
    ] {
        assert!(wrong.contains(want), "no {want}\nin\n{wrong}");
    }
    let lines = "# a chain\nfirst|a.so||true|FAIL_FAST|0|1\ncontrol|x.so||true|FAIL_FAST|0|1\n";
    let wrong = checked("p.txt", lines);
    let want = "p.txt:3:1: `control`, name: the pipeline itself uses this name\n 3 | control|x.so||true|FAIL_FAST|0|1\n   | ^^^^^^^";
    assert!(wrong.contains(want), "{wrong}");
}

#[test]
fn what_looks_like_a_secret_is_not_in_the_picture() {
    let params = "api_key=K1,auth-token=K2,PASSWORD=K3,client_secret=K4,key=K5,keys=V1,monkeys=V2,map=V3,secret=";
    let text = format!("a|a.so|{params}|true|FAIL_FAST|0|1\n");
    let plan = with(|surroundings| read_bytes(Path::new("p.txt"), text.as_bytes(), surroundings)).unwrap();
    let picture = picture(&plan);
    assert!(["K1", "K2", "K3", "K4", "K5"].iter().all(|secret| !picture.contains(secret)), "{picture}");
    assert!(["V1", "V2", "V3", "api_key=…"].iter().all(|shown| picture.contains(shown)), "{picture}");
}
