//! What a source's payloads are, and what it does with them: the settings that all sources have.

use crate::trouble::Trouble;

/// The largest record limit: places in a chunk are counted in four bytes.
const MOST: usize = 1 << 30;

/// The settings that all sources have.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) json: bool,
    pub(crate) key_from: Option<String>,
    pub(crate) record_limit: usize,
}

impl Default for Format {
    fn default() -> Self {
        Format { json: false, key_from: None, record_limit: 1 << 20 }
    }
}

impl Format {
    pub(crate) fn limit(&mut self, bytes: usize) {
        self.record_limit = bytes.clamp(1, MOST);
    }

    /// # Errors
    /// Settings that contradict each other.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        match &self.key_from {
            Some(field) if !self.json => Err(Trouble::lasting(format_args!(
                "the key is to come from the field `{field}`, but raw payloads have no fields: say that they are JSON, \
                 or give the key in another way"
            ))),
            _ => Ok(()),
        }
    }
}

/// The methods for them, in a builder with a field `format`.
macro_rules! format_methods {
    () => {
        /// Each payload is one JSON value. It becomes MessagePack; the text is kept as the original.
        #[must_use]
        pub fn json(mut self) -> Self {
            self.format.json = true;
            self
        }

        /// Payloads are bytes that nobody looks into. The default.
        #[must_use]
        pub fn raw(mut self) -> Self {
            self.format.json = false;
            self
        }

        /// With [`json`](Self::json): the value of this field of the outermost object is the record's key. A string's
        /// text, of other values their JSON text; no key without the field, or where it is null.
        #[must_use]
        pub fn key_from(mut self, field: impl Into<String>) -> Self {
            self.format.key_from = Some(field.into());
            self
        }

        /// The largest record, in bytes. Default: 1 MiB; at most 1 GiB. A larger one becomes a dead letter with its first
        /// 256 bytes, and takes up no more memory than this.
        #[must_use]
        pub fn record_limit(mut self, bytes: usize) -> Self {
            self.format.limit(bytes);
            self
        }
    };
}

pub(crate) use format_methods;
