//! Where records come from: what a source does, and what its actor expects of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::chunk::Filling;
use crate::trouble::Trouble;

/// A future of a source's or a sink's, behind a `dyn`.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a source says after each [`fill`](Source::fill).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filled {
    /// There may be more.
    More,
    /// There will never be more.
    End,
}

/// A source at work. Made by its [`SourceSpec`], owned by an actor.
///
/// A source that can replay says where it stands ([`position`](Source::position)) and starts from there when it is opened
/// with that; then what goes through the pipeline is processed at least once, and exactly once by sinks that commit with
/// the position. One that cannot says so, and what was under way when the program dies is lost with it.
pub trait Source: Send + 'static {
    /// Opens it, at a position that it gave earlier, or at its beginning. Called again after an error.
    fn open<'a>(&'a mut self, from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>>;

    /// Adds records to `chunk`: waits for one, takes those that are there without waiting, and returns when there are
    /// none or the chunk is full. It may be dropped while it waits, and then has added nothing, and lost nothing: a source
    /// that cannot replay is, whenever the pipeline holds its sources.
    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>>;

    /// Where the next `fill` begins. `None`: it cannot replay.
    fn position(&self) -> Option<Value>;
}

/// What is said of a source. Its `Debug` text holds every setting: two with the same text are the same source, which is
/// how a reload finds out what has changed.
pub trait SourceSpec: fmt::Debug + Send + Sync + 'static {
    /// What it is called where nobody has named it: `files`, `stdin`.
    fn kind(&self) -> &'static str;

    /// One that has not been opened.
    fn make(&self) -> Box<dyn Source>;

    /// Whether it can say where it stands, and start from there.
    fn replays(&self) -> bool;

    /// Whether it makes MessagePack of the JSON that it reads; so is done then with dead letters that are sent again.
    fn makes_messagepack(&self) -> bool {
        false
    }

    /// The same source, with this as the largest record that it takes: what the pipeline's settings say. `None`: it has a limit
    /// of its own, or needs none.
    fn within(&self, _record_limit: usize) -> Option<Arc<dyn SourceSpec>> {
        None
    }

    /// The keys of a configuration file that describe it, `name` and `kind` left out. `None`: no file can.
    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        None
    }
}
