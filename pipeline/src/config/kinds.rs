//! The kinds of sources and sinks that a file may name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::keys::Keys;
use crate::sink::SinkSpec;
use crate::source::SourceSpec;

/// Makes a source out of its keys. `None`: something is wrong with them, and the keys know it.
pub type MakeSource = fn(&mut Keys<'_>) -> Option<Arc<dyn SourceSpec>>;

/// Makes a sink out of its keys. `None`: something is wrong with them, and the keys know it.
pub type MakeSink = fn(&mut Keys<'_>) -> Option<Arc<dyn SinkSpec>>;

/// What `kind = ".."` may say, and who reads the other keys then.
#[derive(Clone, Default)]
pub struct Kinds {
    sources: BTreeMap<&'static str, MakeSource>,
    sinks: BTreeMap<&'static str, MakeSink>,
}

impl Kinds {
    /// None at all.
    #[must_use]
    pub fn new() -> Self {
        Kinds::default()
    }

    /// A kind of source; one of this name before is replaced.
    #[must_use]
    pub fn source(mut self, kind: &'static str, make: MakeSource) -> Self {
        self.sources.insert(kind, make);
        self
    }

    /// A kind of sink; one of this name before is replaced.
    #[must_use]
    pub fn sink(mut self, kind: &'static str, make: MakeSink) -> Self {
        self.sinks.insert(kind, make);
        self
    }

    pub(crate) fn sources(&self) -> &BTreeMap<&'static str, MakeSource> {
        &self.sources
    }

    pub(crate) fn sinks(&self) -> &BTreeMap<&'static str, MakeSink> {
        &self.sinks
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinds").field("sources", &self.sources.keys()).field("sinks", &self.sinks.keys()).finish()
    }
}
