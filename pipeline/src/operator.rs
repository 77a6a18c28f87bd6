//! What a Rust stage does with records.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::failed::Failed;
use crate::record::{OwnedRecord, RecordMut};
use crate::row::Row;
use crate::source::Boxed;

/// What a stage says of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on, as it is now.
    Next,
    /// It ends here, on purpose.
    Drop,
    /// It goes along the route of this name.
    Route(String),
}

/// Takes records that a stage makes out of one: they have its id, time, key and headers until it says otherwise.
pub trait Emit {
    /// One more, behind those before.
    fn emit(&mut self, record: OwnedRecord);
}

/// A stage's code at work: an instance of its own for each instance of the stage, and a new one after a panic, unless it has
/// a state.
///
/// A panic ends the stage's actor, which its supervisor starts anew: the records before the one in hand are done and stay
/// so, that one is tried again, and a second panic makes it a dead letter.
pub trait Operator: Send + 'static {
    /// Handles one record.
    ///
    /// After an error or a panic the record is as it was before, if [`puts_back`](Operator::puts_back) does not say otherwise.
    ///
    /// # Errors
    /// The stage's policy says what becomes of it.
    fn on(&mut self, record: &mut RecordMut<'_>, emit: &mut dyn Emit) -> Result<Verdict, Failed>;

    /// Handles records one after the other, as [`on`](Operator::on) does each, until one of them does not simply go on.
    ///
    /// There is one call of this for many records, and nobody need write another: it is here so that each operator has a
    /// loop around its own `on`.
    fn on_row(&mut self, row: &mut Row<'_>) -> Option<Result<Verdict, Failed>> {
        row.each(self)
    }

    /// Whether a record on which it fails, or panics, is put back as it was, for the next try or the next stage. That takes a
    /// copy of each payload beforehand. Default: yes. No is for code that cannot fail, or changes nothing before it does.
    fn puts_back(&self) -> bool {
        true
    }

    /// Whether it has a state that outlives a record. Then the instance goes on after a panic, and has to be whole then:
    /// change the state last.
    fn is_stateful(&self) -> bool {
        false
    }

    /// What is to be kept in checkpoints, if anything is.
    ///
    /// # Errors
    /// It cannot be said as a value: the pipeline stops, as nothing that comes later would be safe.
    fn snapshot(&self) -> Result<Option<Value>, Failed> {
        Ok(None)
    }

    /// Goes back to what [`snapshot`](Operator::snapshot) has said, possibly several of them: those of all instances
    /// there were. `is_mine` tells which keys are this instance's now.
    ///
    /// # Errors
    /// It is none of its own; the pipeline does not start.
    fn restore(&mut self, _snapshots: &[Value], _is_mine: &dyn Fn(Option<&[u8]>) -> bool) -> Result<(), Failed> {
        Ok(())
    }
}

/// A stage's code at work, where it waits for something: several records at once, their order kept.
pub trait AsyncOperator: Send + Sync + 'static {
    /// Handles one record: none goes on, or one, or several.
    fn on(&self, record: OwnedRecord) -> Boxed<'static, Result<Vec<OwnedRecord>, Failed>>;
}

/// Makes operators.
pub trait OperatorSpec: fmt::Debug + Send + Sync + 'static {
    /// What it is, in a word: `map`, `filter`, `fold`.
    fn kind(&self) -> &'static str;

    /// A new one.
    fn make(&self) -> Box<dyn Operator>;

    /// The routes that it may name; none: it passes records on as usual.
    fn routes(&self) -> &[String] {
        &[]
    }
}

/// The code of a stage in Rust.
#[derive(Clone)]
pub enum Code {
    /// Record by record.
    Sync(Arc<dyn OperatorSpec>),
    /// Several records at once.
    Async {
        /// What handles them.
        operator: Arc<dyn AsyncOperator>,
        /// How many at once at most.
        at_once: usize,
    },
}

impl Code {
    /// What it is, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Code::Sync(spec) => spec.kind(),
            Code::Async { .. } => "map_async",
        }
    }

    /// The routes that it may name.
    #[must_use]
    pub fn routes(&self) -> &[String] {
        match self {
            Code::Sync(spec) => spec.routes(),
            Code::Async { .. } => &[],
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Sync(spec) => spec.fmt(f),
            Code::Async { operator, at_once } => write!(f, "map_async({:p}, {at_once} at once)", Arc::as_ptr(operator)),
        }
    }
}
