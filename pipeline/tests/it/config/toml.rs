//! TOML: what each key may say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proscenium_pipeline::config::Format;
use proscenium_pipeline::{Failover, Kind, Part, Plan, Retries, Settings, Share, WhenDown};

use super::ends::{Folder, Numbers, good, read};

const SOURCE: &str = "[[source]]\nname = \"in\"\nkind = \"stdin\"\n";
const SINK: &str = "[[sink]]\nname = \"out\"\nkind = \"stdout\"\n";

fn joined(plan: &Plan) -> Vec<String> {
    let from = |part: &Part| part.from.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
    plan.parts.iter().map(|part| format!("{}<{}", part.name, from(part))).collect()
}

fn parse(file: &str) -> Plan {
    good(Format::Toml, file)
}

#[test]
fn every_key_says_what_it_says() {
    let plan = parse(include_str!("every_key.toml"));
    assert_eq!(plan.name, "orders");
    assert_eq!(
        plan.settings,
        Settings {
            chunk: proscenium_pipeline::ChunkSize { records: 100, bytes: 65_536 },
            window: 4,
            linger: Duration::from_millis(20),
            state: Some(PathBuf::from("state/word")),
            checkpoint_every: Duration::from_millis(500),
            drain: Duration::from_millis(2_000),
            intensity: 3,
            record_limit: 4_096,
        }
    );
    assert_eq!(
        joined(&plan),
        ["in<", "check<in", "add<check", "odd<check/suspect+add", "out<odd", "aside<add+check/suspect"]
    );
    let Kind::Plugin(check) = &plan.parts[1].kind else { panic!("{plan:?}") };
    let params: Vec<_> = check.params.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(params, [("z", "a,b"), ("n", "16"), ("f", "1.50"), ("yes", "true"), ("odd key", ""), ("word", "word$")]);
    assert_eq!((&*check.library, check.timeout), (Path::new("x.so"), Duration::from_millis(250)));
    assert_eq!(check.routes, ["suspect", "other"]);
    assert_eq!(check.conduct.failover, Failover::FailoverTo("odd".to_owned()));
    let (pause, longest) = (Duration::from_millis(5), Duration::from_millis(50));
    assert_eq!(check.conduct.retries, Retries { max: 7, pause, longest });
    assert_eq!((check.conduct.instances.get(), check.conduct.share), (2, Share::InTurns));
    let grants = &check.grants;
    assert_eq!((&*grants.read, &*grants.write), (&[PathBuf::from("/etc/hosts")][..], &[PathBuf::from("/tmp")][..]));
    assert!(grants.work_dir && grants.network && !grants.processes);
    assert_eq!(grants.syscalls.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ptrace"]);
    let Kind::Sink(out) = &plan.parts[4].kind else { panic!("{plan:?}") };
    assert_eq!(out.when_down, Some(WhenDown::SetAside(Duration::from_millis(70))));
    assert_eq!((out.retries.pause, out.retries.longest), (Duration::from_millis(1), Duration::from_millis(2)));
    assert_eq!(format!("{:?}", out.sink), format!("{:?}", Folder("out/".into())));
    let Kind::Source(source) = &plan.parts[0].kind else { panic!("{plan:?}") };
    let want = Numbers {
        limit: 9,
        every: Duration::from_millis(1),
        format: "raw".to_owned(),
        files: vec!["a".into(), "word".into()],
        follow: true,
    };
    assert_eq!(format!("{source:?}"), format!("{:?}", Arc::new(want)));
}

#[test]
fn what_is_left_out_is_as_usual() {
    let plan = parse(&format!("{SOURCE}[[stage]]\nname = \"a\"\nplugin = \"x.so\"\n{SINK}"));
    assert_eq!((&*plan.name, plan.settings), ("plan", Settings::default()));
    let Kind::Plugin(stage) = &plan.parts[1].kind else { panic!("no plugin") };
    assert_eq!(stage.conduct, proscenium_pipeline::Conduct::default());
    assert_eq!((stage.timeout, stage.params.len(), stage.routes.len()), (Duration::from_secs(5), 0, 0));
    let Kind::Sink(sink) = &plan.parts[2].kind else { panic!("no sink") };
    assert_eq!((sink.when_down, sink.retries), (None, Retries::default()));
}

#[test]
fn a_part_follows_the_source_or_stage_before_it() {
    let stage = "[[stage]]\nname = \"a\"\nplugin = \"x.so\"\n";
    for (file, want) in [
        (format!("{SOURCE}{SINK}"), vec!["in<", "out<in"]),
        (format!("{SOURCE}{stage}{SINK}"), vec!["in<", "a<in", "out<a"]),
        (format!("{SOURCE}{stage}{SINK}{}", SINK.replace("\"out\"", "\"two\"")), vec!["in<", "a<in", "out<a", "two<a"]),
        (
            format!("{SOURCE}{SINK}{stage}{}", SINK.replace("\"out\"", "\"two\"")),
            vec!["in<", "out<in", "a<in", "two<a"],
        ),
        (format!("{SINK}from = \"in\"\n{SOURCE}"), vec!["out<in", "in<"]),
        ("[[source]]\nkind = \"stdin\"\n[[sink]]\nkind = \"stdout\"\n".to_owned(), vec!["stdin<", "stdout<stdin"]),
        (
            "source = [{ kind = \"stdin\" }]\nsink = [{ kind = \"stdout\" }, { kind = \"stdout\", name = \"b\" }]"
                .to_owned(),
            vec!["stdin<", "stdout<stdin", "b<stdin"],
        ),
    ] {
        assert_eq!(joined(&parse(&file)), want, "{file}");
    }
}

#[test]
fn several_sources_and_branches_meet_again() {
    let file = "[[source]]\nname=\"a\"\nkind=\"stdin\"\n[[source]]\nname=\"b\"\nkind=\"stdin\"\n\
                [[stage]]\nname=\"l\"\nplugin=\"x.so\"\nfrom=[\"a\",\"b\"]\n[[stage]]\nname=\"r\"\nplugin=\"x.so\"\nfrom=[\"b\"]\n\
                [[sink]]\nkind=\"stdout\"\nfrom=[\"l\",\"r\",\"a\"]\n";
    assert_eq!(joined(&parse(file)), ["a<", "b<", "l<a+b", "r<b", "stdout<l+r+a"]);
}

#[test]
fn a_file_has_a_thousand_parts_at_most() {
    let file = |sinks: usize| {
        (0..sinks).fold(SOURCE.to_owned(), |file, n| file + &format!("[[sink]]\nname = \"s{n}\"\nkind = \"stdout\"\n"))
    };
    assert_eq!(parse(&file(999)).parts.len(), 1_000);
    let wrong = read(Format::Toml, "p", file(1_000).as_bytes()).unwrap_err();
    assert_eq!((wrong.shown().len(), wrong.more()), (1, 0), "{wrong}");
}
