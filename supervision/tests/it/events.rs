//! The `tracing` events of a test.

use std::cell::RefCell;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static EVENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the events of each thread apart, as texts: the level, then the fields. One for all tests: with subscribers that
/// come and go, `tracing` would remember of a place in the code that nobody wanted its events.
struct Events;

/// From now on.
pub fn keep_events() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Events).expect("there is no other"));
}

/// An event of this thread with this in it.
pub fn event(what: &str) -> Option<String> {
    EVENTS.with_borrow(|events| events.iter().find(|event| event.contains(what)).cloned())
}

/// The events of this thread since the last look.
pub fn events() -> Vec<String> {
    EVENTS.take()
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("proscenium::")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(format!("{} ", event.metadata().level()));
        event.record(&mut text);
        EVENTS.with_borrow_mut(|events| events.push(text.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
