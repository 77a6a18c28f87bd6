//! Plans for tests, made of parts that are never opened.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::{
    Code, Conduct, Disk, Failover, Kind, Operator, OperatorSpec, Part, Plan, PluginStage, Port, Retries, RustStage,
    Settings, Sink, SinkSpec, SinkStage, Source, SourceSpec,
};

#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) kind: &'static str,
    pub(crate) routes: Vec<String>,
    /// A setting, which makes it another one.
    #[expect(dead_code, reason = "`Debug` reads it, by which two specs are told apart")]
    pub(crate) setting: u8,
}

impl SourceSpec for Fake {
    fn kind(&self) -> &'static str {
        self.kind
    }
    fn make(&self) -> Box<dyn Source> {
        unreachable!("nobody opens it")
    }
    fn replays(&self) -> bool {
        true
    }
}

impl SinkSpec for Fake {
    fn kind(&self) -> &'static str {
        self.kind
    }
    fn make(&self, _: &Arc<dyn Disk>) -> Box<dyn Sink> {
        unreachable!("nobody opens it")
    }
}

impl OperatorSpec for Fake {
    fn kind(&self) -> &'static str {
        self.kind
    }
    fn make(&self) -> Box<dyn Operator> {
        unreachable!("nobody runs it")
    }
    fn routes(&self) -> &[String] {
        &self.routes
    }
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn fake(kind: &'static str, routes: &str, setting: u8) -> Arc<Fake> {
    Arc::new(Fake { kind, routes: words(routes), setting })
}

fn part(name: &str, from: &str, kind: Kind) -> Part {
    let port = |port: String| match port.split_once('/') {
        Some((part, route)) => Port { part: part.into(), route: Some(route.into()) },
        None => Port { part: port, route: None },
    };
    Part { name: name.into(), from: words(from).into_iter().map(port).collect(), kind }
}

pub(crate) fn source(name: &str) -> Part {
    part(name, "", Kind::Source(fake("lines", "", 0)))
}

pub(crate) fn sink(name: &str, from: &str) -> Part {
    let sink = SinkStage { sink: fake("files", "", 0), when_down: None, retries: Retries::default() };
    part(name, from, Kind::Sink(sink))
}

/// A Rust stage with these routes.
pub(crate) fn rust(name: &str, from: &str, routes: &str) -> Part {
    let kind = if routes.is_empty() { "map" } else { "route" };
    let stage = RustStage { code: Code::Sync(fake(kind, routes, 0)), conduct: Conduct::default() };
    part(name, from, Kind::Rust(stage))
}

/// A plugin with these routes.
pub(crate) fn plugin(name: &str, from: &str, routes: &str) -> Part {
    let stage = PluginStage {
        library: format!("plugins/lib{name}.so").into(),
        params: Vec::new(),
        timeout: Duration::from_secs(5),
        routes: words(routes),
        grants: Default::default(),
        conduct: Conduct::default(),
    };
    part(name, from, Kind::Plugin(stage))
}

/// Another setting, which makes it another part of the same kind.
pub(crate) fn with_setting(mut part: Part, setting: u8) -> Part {
    match &mut part.kind {
        Kind::Source(source) => *source = fake("lines", "", setting),
        Kind::Rust(stage) => {
            let routes = stage.code.routes().join(" ");
            stage.code = Code::Sync(fake(if routes.is_empty() { "map" } else { "route" }, &routes, setting));
        }
        Kind::Sink(stage) => stage.sink = fake("files", "", setting),
        Kind::Plugin(stage) => stage.library = format!("plugins/other{setting}.so").into(),
    }
    part
}

pub(crate) fn conduct(part: &mut Part) -> &mut Conduct {
    match &mut part.kind {
        Kind::Plugin(stage) => &mut stage.conduct,
        Kind::Rust(stage) => &mut stage.conduct,
        Kind::Source(_) | Kind::Sink(_) => panic!("`{}` is no stage", part.name),
    }
}

pub(crate) fn failing_to(mut part: Part, stage: &str) -> Part {
    conduct(&mut part).failover = Failover::FailoverTo(stage.into());
    part
}

pub(crate) fn plan(parts: impl IntoIterator<Item = Part>) -> Plan {
    Plan { name: "orders".into(), settings: Settings::default(), parts: parts.into_iter().collect() }
}

/// A source, two stages, a sink.
pub(crate) fn chain() -> Plan {
    plan([source("in"), plugin("validation", "in", ""), rust("tag", "validation", ""), sink("out", "tag")])
}

/// Plans of up to seven parts that are joined in any way, circles and failovers included.
pub(crate) fn any_plan() -> impl Strategy<Value = Plan> {
    let part = (0..8_u8, vec((0..7_u8, any::<bool>()), 0..3), 0..14_u8);
    vec(part, 2..8).prop_map(|parts| {
        let last = parts.len() - 1;
        plan(parts.into_iter().enumerate().map(|(nth, (kind, from, failover))| {
            let port = |(part, routed): &(u8, bool)| format!("p{part}{}", if *routed && kind > 3 { "/eu" } else { "" });
            let from = from.iter().map(port).collect::<Vec<_>>().join(" ");
            let name = format!("p{nth}");
            match kind {
                _ if nth == 0 => source(&name),
                _ if nth == last => sink(&name, &from),
                0 => source(&name),
                1 => sink(&name, &from),
                2 => plugin(&name, &from, "eu"),
                _ if failover < 7 => failing_to(rust(&name, &from, "eu"), &format!("p{failover}")),
                _ => rust(&name, &from, "eu"),
            }
        }))
    })
}
