//! Where records end: what a sink does, and what its actor expects of it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::chunk::Chunk;
use crate::disk::Disk;
use crate::source::Boxed;
use crate::trouble::Trouble;

/// A sink at work. Made by its [`SinkSpec`], owned by an actor.
///
/// What it was [given](Sink::write) is acknowledged when `write` returns. A checkpoint comes in two steps, with no record
/// under way: [`prepare`](Sink::prepare) makes all of it durable and says by what; when the whole pipeline's positions
/// stand on the disk with it, [`commit`](Sink::commit) follows. Opened with what `prepare` said, it goes back to there:
/// so its effect is exactly once. A sink without such a thing has only `write` of its own, and its effect is at least once.
pub trait Sink: Send + 'static {
    /// Opens it, at what it said when it was last prepared, or for the first time. Called until it succeeds, and then no
    /// more: what it has taken since is in it, and a lost connection is its own to make again.
    fn open<'a>(&'a mut self, _from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }

    /// Takes all records of a chunk, or none: after an error it is given the same chunk again. A record that it can never
    /// take (a value that its format has no words for) is said in `refused`, with the reason, and is no error.
    fn write<'a>(
        &'a mut self,
        chunk: &'a Chunk,
        refused: &'a mut Vec<(usize, String)>,
    ) -> Boxed<'a, Result<(), Trouble>>;

    /// Makes durable what it was given, and says where it stands.
    fn prepare(&mut self) -> Boxed<'_, Result<Value, Trouble>> {
        Box::pin(async { Ok(Value::Null) })
    }

    /// What it last said in `prepare` is now part of a checkpoint.
    fn commit(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }

    /// No record will follow, and what was prepared is committed: finishes what it has open.
    fn close(&mut self) -> Boxed<'_, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }
}

/// What is said of a sink. Its `Debug` text holds every setting, as with sources.
pub trait SinkSpec: fmt::Debug + Send + Sync + 'static {
    /// What it is called where nobody has named it: `files`, `stdout`.
    fn kind(&self) -> &'static str;

    /// One that has not been opened, which keeps its files, if it has any, by `disk`.
    fn make(&self, disk: &Arc<dyn Disk>) -> Box<dyn Sink>;

    /// The keys of a configuration file that describe it, `name` and `kind` left out. `None`: no file can.
    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        None
    }
}
