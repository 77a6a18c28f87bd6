//! What a source's payloads are, and what it does with them: the settings that all sources have.

use serde_json::Value;

use crate::trouble::Trouble;

/// The largest record limit: places in a chunk are counted in four bytes.
const MOST: usize = 1 << 30;
/// Where neither the source nor its pipeline says another.
const USUAL: usize = 1 << 20;

/// The settings that all sources have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Format {
    pub(crate) json: bool,
    pub(crate) key_from: Option<String>,
    /// None: as its pipeline says.
    pub(crate) record_limit: Option<usize>,
}

impl Format {
    pub(crate) fn limit(&mut self, bytes: usize) {
        self.record_limit = Some(bytes.clamp(1, MOST));
    }

    pub(crate) fn record_limit(&self) -> usize {
        self.record_limit.unwrap_or(USUAL)
    }

    /// The keys of a file that say it: what is as usual has none.
    pub(crate) fn settings(&self) -> Vec<(&'static str, Value)> {
        let json = self.json.then(|| ("format", "json".into()));
        let key = self.key_from.as_ref().map(|field| ("key_from", field.as_str().into()));
        let limit = self.record_limit.map(|bytes| ("record_limit", bytes.into()));
        [json, key, limit].into_iter().flatten().collect()
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

        /// The largest record, in bytes. Default: what the [settings](crate::Settings::record_limit) of the pipeline say, which
        /// is 1 MiB by default; at most 1 GiB. A larger one becomes a dead letter with its first 256 bytes, and takes up no
        /// more memory than this.
        #[must_use]
        pub fn record_limit(mut self, bytes: usize) -> Self {
            self.format.limit(bytes);
            self
        }
    };
}

/// The same of a file's keys, for the kinds that files know.
macro_rules! format_of_file {
    () => {
        pub(crate) fn format(mut self, format: Format) -> Self {
            self.format = format;
            self
        }
    };
}

/// What follows from them, in the `SourceSpec` of a builder with a field `format`.
macro_rules! format_of_spec {
    () => {
        fn makes_messagepack(&self) -> bool {
            self.format.json
        }

        fn within(&self, record_limit: usize) -> Option<std::sync::Arc<dyn SourceSpec>> {
            let mut spec = self.clone();
            if spec.format.record_limit.is_some() {
                return None;
            }
            spec.format.limit(record_limit);
            Some(std::sync::Arc::new(spec))
        }
    };
}

pub(crate) use {format_methods, format_of_file, format_of_spec};
