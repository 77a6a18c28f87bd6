//! Batches as users fill them, and what comes back.

use std::borrow::Cow;
use std::fmt;

use proscenium_plugin_runner::clean;
use proscenium_plugin_sdk::abi::{Content, Verdict};

use crate::block::{Entry, Written};
use crate::end::EndReport;
use crate::failover_core::Why;
use crate::tray::{Aside, Tray};

/// What a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum ContentType {
    /// One MessagePack value, usually a map with text keys.
    #[default]
    MessagePack,
    /// UTF-8 JSON.
    Json,
    /// Bytes that the plugins know.
    Raw,
}

impl ContentType {
    pub(crate) fn number(self) -> Content {
        match self {
            ContentType::MessagePack => Content::MsgPack,
            ContentType::Json => Content::Json,
            ContentType::Raw => Content::Raw,
        }
    }

    fn of(number: u8, batch: Content) -> Self {
        match Content::new(number) {
            Some(Content::Json) => ContentType::Json,
            Some(Content::Raw) => ContentType::Raw,
            Some(Content::Inherit) if batch != Content::Inherit => ContentType::of(batch.number(), Content::Inherit),
            _ => ContentType::MessagePack,
        }
    }
}

/// The batch has no room for one record more: hand it over, and take another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the batch is full; process it and take another, or give the plugin a larger `batch`")
    }
}

impl std::error::Error for Full {}

/// Records for a plugin, in the memory that it will read them from.
///
/// It holds one of the plugin's slots until it, and what comes of it, is dropped.
pub struct Batch(pub(crate) Tray);

impl Batch {
    /// Adds a record. `id` is the caller's number for it: the plugin sees it, the same in every replay.
    ///
    /// # Errors
    /// [`Full`]; the batch is as it was.
    pub fn push(&mut self, id: u64, payload: &[u8]) -> Result<(), Full> {
        self.push_with(id, payload.len(), |room| {
            room.copy_from_slice(payload);
            payload.len()
        })
    }

    /// Adds a record that is written where it stays: `write` gets `room` bytes, with whatever was in them, and says how
    /// many it has used.
    ///
    /// # Errors
    /// [`Full`]; the batch is as it was.
    pub fn push_with(&mut self, id: u64, room: usize, write: impl FnOnce(&mut [u8]) -> usize) -> Result<(), Full> {
        self.0.add(id, room, Content::Inherit, write).map_err(|_| Full)
    }

    /// Adds a record of another type than the batch's.
    ///
    /// # Errors
    /// [`Full`]; the batch is as it was.
    pub fn push_as(&mut self, content: ContentType, id: u64, payload: &[u8]) -> Result<(), Full> {
        let write = |room: &mut [u8]| {
            room.copy_from_slice(payload);
            payload.len()
        };
        self.0.add(id, payload.len(), content.number(), write).map_err(|_| Full)
    }

    /// What the payloads are, where a record does not say otherwise. Default: MessagePack.
    pub fn content(&mut self, content: ContentType) {
        self.0.content = content.number();
    }

    /// How many routes a record may be sent along. Default: none.
    pub fn routes(&mut self, routes: u32) {
        self.0.routes = routes;
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records as they were added: their ids and payloads.
    pub fn records(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        self.0.all().iter().map(|given| (Written(*given).id(), self.0.payload(given)))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch of {} records", self.len())
    }
}

/// What a plugin has made of a batch. It holds the batch's slot until it is dropped.
pub struct Processed {
    pub(crate) tray: Tray,
    /// Records that another plugin was given, by their numbers, in order.
    pub(crate) forwarded: Vec<u32>,
    /// What it has made of them.
    pub(crate) stand_in: Vec<Processed>,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdicts<'a> {
    /// It goes on, with its present payload.
    Ok,
    /// It goes to the route of this number.
    Route(u32),
    /// It ends here, on purpose.
    Dropped,
    /// The plugin says that it is wrong; the payload is the original one.
    Failed {
        /// The plugin's own code.
        code: u32,
    },
    /// It could not be processed; the payload is the original one.
    SetAside(&'a Why),
}

/// A record that was processed.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    tray: &'a Tray,
    entry: &'a Entry,
    /// Its number in the batch; none: the plugin has added it.
    nth: Option<u32>,
}

impl<'a> Record<'a> {
    /// Its id; of one that the plugin has added, that of the record it comes from, or 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        Written(*self.entry).id()
    }

    fn aside(&self) -> Option<&'a Aside> {
        self.tray.aside(self.nth?)
    }

    /// What became of it.
    #[must_use]
    pub fn verdict(&self) -> Verdicts<'a> {
        if let Some(aside) = self.aside() {
            return Verdicts::SetAside(&aside.why);
        }
        let written = Written(*self.entry);
        match Verdict::new(written.verdict()) {
            Some(Verdict::Route) => Verdicts::Route(written.arg()),
            Some(Verdict::Drop) => Verdicts::Dropped,
            Some(Verdict::Fail) => Verdicts::Failed { code: written.arg() },
            Some(Verdict::Ok | Verdict::Retry) | None => Verdicts::Ok,
        }
    }

    /// Its payload.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.tray.result_payload(self.entry)
    }

    /// Whether the payload is the one that was given, byte for byte where it lay.
    #[must_use]
    pub fn is_as_given(&self) -> bool {
        let Some(nth) = self.nth else { return false };
        let (given, written) = (Written(self.tray.all()[nth as usize]), Written(*self.entry));
        let is_same_place = given.off() == written.off() && given.len() == written.len();
        is_same_place && !written.is_copied() && given.content() == written.content()
    }

    /// What the payload is.
    #[must_use]
    pub fn content(&self) -> ContentType {
        ContentType::of(Written(*self.entry).content(), self.tray.content)
    }

    /// How the process ended that this record was alone with, if it was set aside for that.
    #[must_use]
    pub fn end(&self) -> Option<&'a EndReport> {
        self.aside()?.end.as_deref()
    }

    /// Why, in the plugin's words, with their control characters escaped; empty if it gave none.
    #[must_use]
    pub fn reason(&self) -> Cow<'a, str> {
        match String::from_utf8_lossy(self.tray.reason(self.entry)) {
            text if text.contains(char::is_control) => clean(&text).into(),
            text => text,
        }
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.payload().len();
        f.debug_struct("Record")
            .field("id", &self.id())
            .field("verdict", &self.verdict())
            .field("bytes", &bytes)
            .finish()
    }
}

impl Processed {
    pub(crate) fn of(tray: Tray) -> Self {
        Processed { tray, forwarded: Vec::new(), stand_in: Vec::new() }
    }

    /// The batch's records, in their order; those that another plugin was given as that one has made them.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut others = (!self.stand_in.is_empty()).then(|| self.others());
        self.tray.results().iter().zip(0..).map(move |(entry, nth)| {
            let other = others.as_mut().filter(|_| self.forwarded.binary_search(&nth).is_ok()).and_then(Iterator::next);
            other.unwrap_or(Record { tray: &self.tray, entry, nth: Some(nth) })
        })
    }

    /// Boxed, as a stand-in may have one of its own.
    fn others(&self) -> Box<dyn Iterator<Item = Record<'_>> + Send + '_> {
        Box::new(self.stand_in.iter().flat_map(Processed::records))
    }

    /// What the plugin has added, in its order, and behind it what a stand-in has.
    pub fn emitted(&self) -> impl Iterator<Item = Record<'_>> {
        let own = self.tray.emitted().map(|entry| Record { tray: &self.tray, entry, nth: None });
        own.chain(self.emitted_by_others())
    }

    fn emitted_by_others(&self) -> Box<dyn Iterator<Item = Record<'_>> + Send + '_> {
        Box::new(self.stand_in.iter().flat_map(Processed::emitted))
    }

    /// The records, those with this verdict only: how many went on, and so forth.
    #[must_use]
    pub fn count(&self, verdict: impl Fn(Verdicts<'_>) -> bool) -> usize {
        self.records().filter(|record| verdict(record.verdict())).count()
    }
}

impl fmt::Debug for Processed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, emitted) = (self.tray.results().len(), self.emitted().count());
        write!(f, "Processed: {records} records, {emitted} added")
    }
}
