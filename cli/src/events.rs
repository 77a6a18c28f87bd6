//! What the plugin host says in its events while a plugin is tried out: kept for the report, and printed if asked for.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines that are kept; older ones go.
const MOST: usize = 1_024;
/// Of the plugin host, and of its plugins.
const TARGET: &str = "proscenium::plugin";

/// One event.
#[derive(Clone, Debug)]
pub struct Line {
    pub level: Level,
    pub target: String,
    pub text: String,
}

/// The last lines.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<VecDeque<Line>>>);

impl Log {
    /// What has come since the last time.
    pub fn take(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    fn push(&self, line: Line) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MOST {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl Line {
    /// The plugin's own words: its log, stdout and stderr.
    pub fn is_the_plugins(&self) -> bool {
        self.target.len() > TARGET.len()
    }
}

/// From now on, in this program.
pub fn collect() -> Log {
    let log = Log::default();
    // It is the only one: nobody else sets one in this program.
    let _ = tracing::subscriber::set_global_default(Collector(log.clone()));
    log
}

struct Collector(Log);

/// The message, and what stands beside it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A string takes all.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "plugin" | "pid" => Ok(()),
            name => write!(self.fields, ", {name}: {value:?}"),
        };
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(TARGET)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1) // None is enabled.
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        self.0.push(Line {
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            text: format!("{}{}", text.message, text.fields),
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
