//! What a Rust stage does with records.

use std::fmt;

use serde_json::Value;

use crate::failed::Failed;
use crate::record::{OwnedRecord, RecordMut};
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

/// A stage's code at work: an instance of its own for each instance of the stage, and a new one after each crash.
///
/// A panic ends the stage's actor, which its supervisor starts anew: the records before the one in hand are done and stay
/// so, that one is tried again, and a second panic makes it a dead letter.
pub trait Operator: Send + 'static {
    /// Handles one record.
    ///
    /// # Errors
    /// The stage's policy says what becomes of it.
    fn on(&mut self, record: &mut RecordMut<'_>, emit: &mut dyn Emit) -> Result<Verdict, Failed>;

    /// What is to be kept in checkpoints, if anything is.
    fn snapshot(&self) -> Option<Value> {
        None
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
    fn make(&self) -> Work;

    /// The routes that it may name; none: it passes records on as usual.
    fn routes(&self) -> &[String] {
        &[]
    }
}

/// The two kinds of operators.
pub enum Work {
    /// Record by record.
    Sync(Box<dyn Operator>),
    /// Several at once, so many at most.
    Async(Box<dyn AsyncOperator>, usize),
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::Sync(_) => "Sync",
            Work::Async(..) => "Async",
        })
    }
}
