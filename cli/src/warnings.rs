//! What the pipeline's parts say on their way that somebody has to look at: on stderr, a line each.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::findings::clean;

/// From now on, in this program.
pub fn print() {
    // It is the only one: nobody else sets one in this program.
    let _ = tracing::subscriber::set_global_default(Printer);
}

struct Printer;

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
            name => write!(self.fields, ", {name}: {value:?}"),
        };
    }
}

impl Subscriber for Printer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN && metadata.target().starts_with("proscenium")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1) // None is enabled.
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let word = if *event.metadata().level() == Level::ERROR { "error" } else { "warning" };
        eprintln!("proscenium: {word}: {}", clean(format!("{}{}", text.message, text.fields)));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
