//! A record that the pipeline could not bring to its end, and why.

use std::fmt;

use crate::record::OwnedRecord;

/// Why a record has become a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Class {
    /// The source could not read it as a record.
    Malformed,
    /// A stage, or a sink, could not process it.
    Failed,
    /// It ended the plugin's process, twice, the last time alone; or panicked in a Rust stage, twice.
    Poison,
    /// Its route has nothing attached, or no such name.
    Unroutable,
    /// The circuit was open, or the stage was stopped: it was not tried.
    NotTried,
    /// A sink was down for longer than its policy waits.
    SinkDown,
}

impl Class {
    /// All of them, with the words for them in files.
    pub const ALL: [(Class, &'static str); 6] = [
        (Class::Malformed, "malformed"),
        (Class::Failed, "failed"),
        (Class::Poison, "poison"),
        (Class::Unroutable, "unroutable"),
        (Class::NotTried, "not_tried"),
        (Class::SinkDown, "sink_down"),
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Class::ALL.iter().find(|(class, _)| class == self);
        f.write_str(found.map_or("failed", |(_, word)| word))
    }
}

/// A dead letter: the record as it came from the source, and what happened to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// Where it happened: a stage's name, or a source's or sink's.
    pub part: String,
    /// The source it came from; it is sent again from there.
    pub source: String,
    /// Why, in one word.
    pub class: Class,
    /// Why, in words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The report of the plugin's process that it ended.
    pub crash: Option<String>,
    /// When it became one: milliseconds since 1970.
    pub since: u64,
    /// The record, with its original payload.
    pub record: OwnedRecord,
}
