//! The operators that closures make: map, filter, flat_map, route, fold.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::failed::Failed;
use crate::operator::{AsyncOperator, Emit, Operator, OperatorSpec, Verdict};
use crate::record::{OwnedRecord, Record, RecordMut};
use crate::source::Boxed;

/// What a closure may return for a record: nothing, a verdict, or either of them with an error.
pub trait Says: 'static {
    /// Whether it says anything. Then what the closure has changed of a record is taken back when it fails, or panics.
    const SAYS: bool = true;

    /// As a verdict.
    ///
    /// # Errors
    /// Those of the closure.
    fn verdict(self) -> Result<Verdict, Failed>;
}

impl Says for () {
    const SAYS: bool = false;

    fn verdict(self) -> Result<Verdict, Failed> {
        Ok(Verdict::Next)
    }
}

impl Says for Verdict {
    fn verdict(self) -> Result<Verdict, Failed> {
        Ok(self)
    }
}

impl<S: Says, E: Into<Failed> + 'static> Says for Result<S, E> {
    fn verdict(self) -> Result<Verdict, Failed> {
        self.map_err(Into::into).and_then(Says::verdict)
    }
}

/// What a closure of `filter` may return: whether the record goes on, or that with an error.
pub trait Keeps {
    /// Whether it goes on.
    ///
    /// # Errors
    /// Those of the closure.
    fn keeps(self) -> Result<bool, Failed>;
}

impl Keeps for bool {
    fn keeps(self) -> Result<bool, Failed> {
        Ok(self)
    }
}

impl<E: Into<Failed>> Keeps for Result<bool, E> {
    fn keeps(self) -> Result<bool, Failed> {
        self.map_err(Into::into)
    }
}

/// What a closure of `route` may return: the name of a route; `None` for the usual way; either with an error.
pub trait Leads {
    /// The route.
    ///
    /// # Errors
    /// Those of the closure.
    fn leads(self) -> Result<Option<String>, Failed>;
}

impl Leads for &'static str {
    fn leads(self) -> Result<Option<String>, Failed> {
        Ok(Some(self.to_owned()))
    }
}

impl Leads for String {
    fn leads(self) -> Result<Option<String>, Failed> {
        Ok(Some(self))
    }
}

impl<L: Leads> Leads for Option<L> {
    fn leads(self) -> Result<Option<String>, Failed> {
        self.map_or(Ok(None), Leads::leads)
    }
}

impl<L: Leads, E: Into<Failed>> Leads for Result<L, E> {
    fn leads(self) -> Result<Option<String>, Failed> {
        self.map_err(Into::into).and_then(Leads::leads)
    }
}

/// What `map`, `filter`, `flat_map` and `route` are: one closure for all instances of a stage. It is no `dyn`, so that the loop
/// over records is compiled together with it. `S` is what it says, by which it is known
/// whether a record is to be put back.
pub(crate) struct ByClosure<F, S> {
    kind: &'static str,
    written: &'static Location<'static>,
    routes: Vec<String>,
    code: Arc<F>,
    says: PhantomData<fn() -> S>,
}

impl<F, S> fmt::Debug for ByClosure<F, S> {
    /// Two closures of one place in the source are the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} written at {}", self.kind, self.written)?;
        if self.routes.is_empty() { Ok(()) } else { write!(f, ", routes {}", self.routes.join(", ")) }
    }
}

/// The code of a stage without a state.
pub(crate) trait Code:
    Fn(&mut RecordMut<'_>, &mut dyn Emit) -> Result<Verdict, Failed> + Send + Sync + 'static
{
}

impl<F: Fn(&mut RecordMut<'_>, &mut dyn Emit) -> Result<Verdict, Failed> + Send + Sync + 'static> Code for F {}

impl<F: Code, S: Says> OperatorSpec for ByClosure<F, S> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn make(&self) -> Box<dyn Operator> {
        Box::new(SharedOperator { code: self.code.clone(), says: self.says })
    }

    fn routes(&self) -> &[String] {
        &self.routes
    }
}

struct SharedOperator<F, S> {
    code: Arc<F>,
    says: PhantomData<fn() -> S>,
}

impl<F: Code, S: Says> Operator for SharedOperator<F, S> {
    #[inline(always)] // Into its loop.
    fn on(&mut self, record: &mut RecordMut<'_>, emit: &mut dyn Emit) -> Result<Verdict, Failed> {
        (self.code)(record, emit)
    }

    #[inline(always)]
    fn puts_back(&self) -> bool {
        S::SAYS
    }
}

#[track_caller]
fn by_closure<F: Code, S>(kind: &'static str, routes: Vec<String>, code: F) -> ByClosure<F, S> {
    ByClosure { kind, written: Location::caller(), routes, code: Arc::new(code), says: PhantomData }
}

#[track_caller]
pub(crate) fn map<S: Says>(code: impl Fn(&mut RecordMut<'_>) -> S + Send + Sync + 'static) -> ByClosure<impl Code, S> {
    by_closure("map", Vec::new(), move |record: &mut RecordMut<'_>, _: &mut dyn Emit| code(record).verdict())
}

#[track_caller]
pub(crate) fn filter<K: Keeps>(code: impl Fn(Record<'_>) -> K + Send + Sync + 'static) -> ByClosure<impl Code, ()> {
    by_closure("filter", Vec::new(), move |record: &mut RecordMut<'_>, _: &mut dyn Emit| {
        Ok(if code(record.as_ref()).keeps()? { Verdict::Next } else { Verdict::Drop })
    })
}

#[track_caller]
pub(crate) fn flat_map<S: Says>(
    code: impl Fn(Record<'_>, &mut dyn Emit) -> S + Send + Sync + 'static,
) -> ByClosure<impl Code, ()> {
    by_closure("flat_map", Vec::new(), move |record: &mut RecordMut<'_>, emit: &mut dyn Emit| {
        // What is emitted stands in its place.
        code(record.as_ref(), emit).verdict().map(|said| if said == Verdict::Next { Verdict::Drop } else { said })
    })
}

#[track_caller]
pub(crate) fn route<L: Leads>(
    routes: Vec<String>,
    code: impl Fn(Record<'_>) -> L + Send + Sync + 'static,
) -> ByClosure<impl Code, ()> {
    by_closure("route", routes, move |record: &mut RecordMut<'_>, _: &mut dyn Emit| {
        Ok(code(record.as_ref()).leads()?.map_or(Verdict::Next, Verdict::Route))
    })
}

type Folding<S> = dyn Fn(&mut S, &mut RecordMut<'_>) -> Result<Verdict, Failed> + Send + Sync;

/// A stage that keeps a state for each key.
pub(crate) struct Fold<S> {
    written: &'static Location<'static>,
    puts_back: bool,
    code: Arc<Folding<S>>,
}

impl<S> fmt::Debug for Fold<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fold written at {}", self.written)
    }
}

/// What a key's state can be.
pub trait State: Default + Clone + Serialize + DeserializeOwned + Send + 'static {}

impl<S: Default + Clone + Serialize + DeserializeOwned + Send + 'static> State for S {}

#[track_caller]
pub(crate) fn fold<S: State, V: Says>(
    code: impl Fn(&mut S, &mut RecordMut<'_>) -> V + Send + Sync + 'static,
) -> Fold<S> {
    let code = Arc::new(move |state: &mut S, record: &mut RecordMut<'_>| code(state, record).verdict());
    Fold { written: Location::caller(), puts_back: V::SAYS, code }
}

impl<S: State> OperatorSpec for Fold<S> {
    fn kind(&self) -> &'static str {
        "fold"
    }

    fn make(&self) -> Box<dyn Operator> {
        Box::new(Folder { puts_back: self.puts_back, code: self.code.clone(), states: HashMap::new() })
    }
}

struct Folder<S> {
    puts_back: bool,
    code: Arc<Folding<S>>,
    states: HashMap<Option<Box<[u8]>>, S>,
}

impl<S: State> Operator for Folder<S> {
    /// The code gets a copy, which takes the state's place when it returns well: so a panic or an error leaves it whole.
    fn on(&mut self, record: &mut RecordMut<'_>, _emit: &mut dyn Emit) -> Result<Verdict, Failed> {
        let key: Option<Box<[u8]>> = record.key().map(Into::into);
        let mut state = self.states.get(&key).cloned().unwrap_or_default();
        let verdict = (self.code)(&mut state, record)?;
        self.states.insert(key, state);
        Ok(verdict)
    }

    fn puts_back(&self) -> bool {
        self.puts_back
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn snapshot(&self) -> Result<Option<Value>, Failed> {
        let of_keys = self.states.iter().map(|(key, state)| {
            let key = match key {
                None => Value::Null,
                Some(key) => std::str::from_utf8(key).map_or_else(|_| json!(key), |text| json!(text)),
            };
            serde_json::to_value(state).map(|state| json!([key, state]))
        });
        Ok(Some(Value::Array(of_keys.collect::<Result<Vec<_>, _>>()?)))
    }

    fn restore(&mut self, snapshots: &[Value], is_mine: &dyn Fn(Option<&[u8]>) -> bool) -> Result<(), Failed> {
        for of_keys in snapshots {
            let of_keys: Vec<(Value, S)> = serde_json::from_value(of_keys.clone())?;
            for (key, state) in of_keys {
                let key: Option<Box<[u8]>> = match key {
                    Value::Null => None,
                    Value::String(text) => Some(text.into_bytes().into()),
                    bytes => Some(serde_json::from_value::<Vec<u8>>(bytes)?.into()),
                };
                if is_mine(key.as_deref()) {
                    self.states.insert(key, state);
                }
            }
        }
        Ok(())
    }
}

/// What the closure of an async stage may return: nothing, a record, several.
pub trait Yields {
    /// As records.
    fn records(self) -> Vec<OwnedRecord>;
}

impl Yields for OwnedRecord {
    fn records(self) -> Vec<OwnedRecord> {
        vec![self]
    }
}

impl Yields for Option<OwnedRecord> {
    fn records(self) -> Vec<OwnedRecord> {
        self.into_iter().collect()
    }
}

impl Yields for Vec<OwnedRecord> {
    fn records(self) -> Vec<OwnedRecord> {
        self
    }
}

pub(crate) struct AsyncClosure<F>(pub(crate) F);

impl<F, T, Y> AsyncOperator for AsyncClosure<F>
where
    F: Fn(OwnedRecord) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Y, Failed>> + Send + 'static,
    Y: Yields,
{
    fn on(&self, record: OwnedRecord) -> Boxed<'static, Result<Vec<OwnedRecord>, Failed>> {
        let handled = (self.0)(record);
        Box::pin(async move { Ok(handled.await?.records()) })
    }
}
