//! Registered names: any key that can be hashed, one actor each, for the life of a node.

use std::any::{Any, TypeId};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::actor_ref::{Ref, UntypedRef};
use crate::cell::AnyCell;

trait Key: Send + Sync {
    fn equals(&self, other: &dyn Key) -> bool;
    fn feed(&self, state: &mut dyn Hasher);
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn as_any(&self) -> &dyn Any;
}

struct Typed<K>(K);

impl<K: Hash + Eq + fmt::Debug + Send + Sync + 'static> Key for Typed<K> {
    fn equals(&self, other: &dyn Key) -> bool {
        other.as_any().downcast_ref::<Typed<K>>().is_some_and(|other| other.0 == self.0)
    }

    fn feed(&self, mut state: &mut dyn Hasher) {
        TypeId::of::<K>().hash(&mut state);
        self.0.hash(&mut state);
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0 as &dyn Any).downcast_ref::<Arc<str>>() {
            Some(text) => f.write_str(text),
            None => write!(f, "{:?}", self.0),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A name: a text, or any key of the user's own.
///
/// ```
/// use proscenium_runtime::Name;
///
/// assert_eq!(Name::from("cache").to_string(), "cache");
/// assert_ne!(Name::key(("shard", 1)), Name::key(("shard", 2)));
/// ```
#[derive(Clone)]
pub struct Name(Arc<dyn Key>);

impl Name {
    /// A name out of any hashable key. Keys of two types are never equal.
    pub fn key(key: impl Hash + Eq + fmt::Debug + Send + Sync + 'static) -> Self {
        Name(Arc::new(Typed(key)))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(other.0.as_ref())
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.feed(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Name::key(Arc::<str>::from(text))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Name::key(Arc::<str>::from(text))
    }
}

/// What can stand where a name is asked for: texts, and [`Name::key`] of anything else.
pub trait IntoName {
    /// The name.
    fn into_name(self) -> Name;
}

impl<T: Into<Name>> IntoName for T {
    fn into_name(self) -> Name {
        self.into()
    }
}

/// Why a name was not given, or found nobody. Nothing was changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// Somebody has it.
    Taken {
        /// The name.
        name: Name,
        /// Who has it.
        by: UntypedRef,
    },
    /// Nobody has it.
    Unknown(Name),
    /// Somebody has it who is told other messages.
    OtherType {
        /// The name.
        name: Name,
        /// The Rust type of who has it.
        found: &'static str,
        /// The Rust type that was asked for.
        expected: &'static str,
    },
    /// The actor has ended.
    Gone(Name),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Taken { name, by } => {
                write!(f, "the name \"{name}\" is taken by {by:?}; stop that actor first, or choose another name")
            }
            NameError::Unknown(name) => {
                write!(f, "no actor is named \"{name}\"; spawn one with `.named(\"{name}\")`")
            }
            NameError::OtherType { name, found, expected } => {
                write!(f, "the actor named \"{name}\" is a {found}, not a {expected}; ask for that type")
            }
            NameError::Gone(name) => write!(f, "the actor that was to be named \"{name}\" has ended"),
        }
    }
}

impl std::error::Error for NameError {}

#[derive(Default)]
pub(crate) struct Names {
    map: DashMap<Name, (ActorId, Weak<dyn AnyCell>)>,
}

impl Names {
    pub(crate) fn register(&self, name: Name, cell: Arc<dyn AnyCell>) -> Result<(), NameError> {
        match self.map.entry(name.clone()) {
            Entry::Occupied(mut taken) => {
                let holder = taken.get().1.upgrade().filter(|holder| holder.face().gone().is_none());
                match holder {
                    Some(holder) => return Err(NameError::Taken { name, by: UntypedRef { cell: holder } }),
                    None => taken.insert((cell.face().id, Arc::downgrade(&cell))),
                };
            }
            Entry::Vacant(free) => drop(free.insert((cell.face().id, Arc::downgrade(&cell)))),
        }
        let gone = cell.face().cold(|cold| {
            cold.names.push(name.clone());
            cold.gone.is_some()
        });
        if gone {
            self.remove(&name, cell.face().id); // It ended meanwhile, and did not see this name.
            return Err(NameError::Gone(name));
        }
        Ok(())
    }

    pub(crate) fn remove(&self, name: &Name, of: ActorId) {
        self.map.remove_if(name, |_, (holder, _)| *holder == of);
    }

    pub(crate) fn find(&self, name: &Name) -> Option<Arc<dyn AnyCell>> {
        self.map.get(name)?.1.upgrade().filter(|cell| cell.face().gone().is_none())
    }

    pub(crate) fn whereis<A: Actor>(&self, name: Name) -> Result<A::Ref, NameError> {
        let Some(cell) = self.find(&name) else { return Err(NameError::Unknown(name)) };
        let found = cell.type_name();
        match crate::sys::typed::<A>(cell) {
            Some(cell) => Ok(A::Ref::from(Ref::new(cell))),
            None => Err(NameError::OtherType { name, found, expected: std::any::type_name::<A>() }),
        }
    }

    /// All names and who has them.
    pub(crate) fn all(&self) -> Vec<(Name, UntypedRef)> {
        let live = |cell: &Arc<dyn AnyCell>| cell.face().gone().is_none();
        self.map
            .iter()
            .filter_map(|entry| {
                let cell = entry.value().1.upgrade().filter(live)?;
                Some((entry.key().clone(), UntypedRef { cell }))
            })
            .collect()
    }
}
