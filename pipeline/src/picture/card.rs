//! What a part's box says.

use proscenium_plugin_host::{Failover, Retries};

use crate::plan::{Conduct, Kind, Part, Plan, Share, SinkStage, WhenDown};

/// Lines of one thing, parameters for example.
const LINES: usize = 6;

/// A box with its lines.
pub(super) struct Card {
    pub(super) name: String,
    pub(super) lines: Vec<String>,
    pub(super) width: usize,
}

impl Card {
    /// With so many columns inside at most, unless its name is longer; with what it follows, where nothing is drawn.
    pub(super) fn of(plan: &Plan, nth: usize, inside: usize, with_from: bool) -> Self {
        let part = &plan.parts[nth];
        let mut things = of_kind(plan, part);
        if with_from && !part.from.is_empty() {
            let from: Vec<String> = part.from.iter().map(ToString::to_string).collect();
            things.insert(0, format!("from {}", from.join(", ")));
        }
        let is_free = |route: &&String| {
            let takes = |other: &Part| {
                other.from.iter().any(|port| port.part == part.name && port.route.as_ref() == Some(route))
            };
            !plan.parts.iter().any(takes)
        };
        let free: Vec<&str> = part.routes().iter().filter(is_free).map(String::as_str).collect();
        if !free.is_empty() {
            things.push(format!("nobody takes: {}", free.join(", ")));
        }
        let lines: Vec<String> = things.iter().flat_map(|thing| wrapped(&clean(thing), inside)).collect();
        let name = clean(&part.name);
        let longest = lines.iter().map(|line| columns(line)).max().unwrap_or_default();
        let width = (longest + 4).max(columns(&name) + 6);
        Card { name, lines, width }
    }

    pub(super) fn height(&self) -> usize {
        self.lines.len() + 2
    }
}

/// Letters are counted: wide ones make a picture ragged, and harm nothing else.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Without what would move a terminal's cursor.
pub(super) fn clean(text: &str) -> String {
    let visible = |letter: char| match letter.is_control() {
        true => letter.escape_default().collect::<String>(),
        false => letter.to_string(),
    };
    text.chars().map(visible).collect()
}

fn of_kind(plan: &Plan, part: &Part) -> Vec<String> {
    match &part.kind {
        Kind::Source(source) => {
            let replays = if source.replays() { "" } else { ", cannot replay" };
            vec![format!("source · {}{replays}", source.kind())]
        }
        Kind::Plugin(stage) => {
            let params: Vec<String> =
                stage.params.iter().map(|(name, value)| format!("{name}={}", shown(name, value))).collect();
            let mut things = vec![format!("plugin · {}", stage.library.display())];
            things.extend(Some(params.join(", ")).filter(|params| !params.is_empty()));
            things.push(format!("a batch within {:?}", stage.timeout));
            things.extend(of_conduct(&stage.conduct));
            things
        }
        Kind::Rust(stage) => {
            let mut things = vec![format!("Rust · {}", stage.code.kind())];
            things.extend(of_conduct(&stage.conduct));
            things
        }
        Kind::Sink(stage) => vec![format!("sink · {}", stage.sink.kind()), when_down(plan, stage)],
    }
}

/// A picture is shown around: what looks like a secret is not in it.
fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    let name = name.to_ascii_lowercase();
    let is_secret =
        ["password", "passwd", "passphrase", "token", "secret", "credential"].iter().any(|word| name.contains(word))
            || name.split(|letter: char| !letter.is_alphanumeric()).any(|word| word.ends_with("key"));
    if is_secret && !value.is_empty() { "…" } else { value }
}

fn of_conduct(conduct: &Conduct) -> Vec<String> {
    let mut things = vec![format!("on failure: {}", failover(&conduct.failover, &conduct.retries))];
    if conduct.instances.get() > 1 {
        let share = match conduct.share {
            Share::ByKey => "by key",
            Share::InTurns => "in turns",
        };
        things.push(format!("{} instances, {share}", conduct.instances));
    }
    things
}

fn failover(failover: &Failover, retries: &Retries) -> String {
    match failover {
        Failover::RetryWithBackoff if retries.max == 0 => "dead letter".to_owned(),
        Failover::RetryWithBackoff => {
            format!("{} retries after {:?} to {:?}, then dead letter", retries.max, retries.pause, retries.longest)
        }
        Failover::SkipAndContinue => "left out".to_owned(),
        Failover::FailFast => "the pipeline stops".to_owned(),
        Failover::FailoverTo(stage) => format!("to {stage}"),
        Failover::DeadLetter => "dead letter".to_owned(),
        Failover::CircuitBreaker { failures, cooldown } => {
            format!("dead letter; after {failures} in a row none is tried for {cooldown:?}")
        }
        Failover::StopPartition => "the instance stops".to_owned(),
        // Policies that are added later.
        other => format!("{other:?}"),
    }
}

fn when_down(plan: &Plan, stage: &SinkStage) -> String {
    let is_only = plan.parts.iter().filter(|part| matches!(part.kind, Kind::Sink(_))).count() == 1;
    match stage.when_down.unwrap_or(WhenDown::of(is_only)) {
        WhenDown::Wait => "when down: wait".to_owned(),
        WhenDown::SetAside(after) => format!("when down: dead letters after {after:?}"),
        WhenDown::Stop => "when down: stop".to_owned(),
    }
}

impl WhenDown {
    /// The default of a pipeline's only sink, and of each of several.
    #[must_use]
    pub fn of(is_only: bool) -> Self {
        if is_only { WhenDown::Wait } else { WhenDown::SetAside(std::time::Duration::from_secs(5)) }
    }
}

/// In lines of so many columns, broken at spaces if possible; what is too long is cut, and says so.
fn wrapped(text: &str, inside: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let letters: Vec<char> = word.chars().collect();
        for (nth, piece) in letters.chunks(inside.max(1)).enumerate() {
            let piece: String = piece.iter().collect();
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(&piece),
                Some(line) if nth == 0 && columns(line) + 1 + columns(&piece) <= inside => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    if lines.len() > LINES {
        lines.truncate(LINES);
        lines[LINES - 1] = "…".to_owned();
    }
    lines
}
