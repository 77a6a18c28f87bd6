//! What the host logs, kept for the tests.

use std::fmt::{self, Debug, Write};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// One line: its level, its target, and the plugin and the text, as far as it has them.
#[derive(Clone)]
pub struct Line {
    pub level: Level,
    pub target: String,
    pub plugin: String,
    pub text: String,
}

impl Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.level, self.target, self.text)
    }
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

struct Log;

/// From now on every line of this process is kept.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Log).unwrap());
}

/// Those of one plugin, by the end of its path in the tree.
pub fn of(plugin: &str) -> Vec<Line> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| line.plugin.ends_with(plugin)).cloned().collect()
}

/// Waits for lines of one plugin: a task of the host reads them, which is behind the end of the process.
pub async fn until(plugin: &str, there: impl Fn(&[Line]) -> bool) {
    let told = async {
        while !there(&of(plugin)) {
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(30), told).await;
    assert!(told.is_ok(), "{plugin}: {:#?}", of(plugin));
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let to = match field.name() {
            "message" => &mut self.text,
            "plugin" => &mut self.plugin,
            _ => return,
        };
        to.clear();
        write!(to, "{value:?}").expect("a string takes all");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "plugin" {
            value.clone_into(&mut self.plugin);
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("proscenium::plugin")
    }

    fn event(&self, event: &Event<'_>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target().to_owned());
        let mut line = Line { level, target, plugin: String::new(), text: String::new() };
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
