//! The work of a plugin's stage: a chunk's records into the plugin's batches, and what it has made of them back.

use std::sync::Arc;

use proscenium_plugin_host::{Batch, Failover, PluginRef, ProcessError, Processed, Record, Verdicts, Why};

use crate::given_ids::{GivenIds, Places};
use crate::letter::Class;
use crate::outlets::STAND_IN;
use crate::pass::{Aside, Fate, Pass};
use crate::record::OwnedRecord;
use crate::remote_stage::Begun;
use crate::source::Boxed;
use crate::tickets::{Ticket, Undone};

/// Batches that a plugin has at once.
pub(crate) const DEPTH: u32 = 8;

/// What is left of a ruling on a record when its stage's policy is to fail with it.
struct Fast(String);

pub(crate) struct PluginWork {
    pub(crate) plugin: PluginRef,
    /// How many routes there are.
    pub(crate) routes: u32,
}

impl PluginWork {
    pub(crate) fn most(&self) -> usize {
        DEPTH as usize
    }

    pub(crate) fn has_room(&self) -> bool {
        self.plugin.try_batch().is_some()
    }

    pub(crate) fn room(self: Arc<Self>) -> Boxed<'static, ()> {
        Box::pin(async move { drop(self.plugin.batch().await) })
    }

    pub(crate) fn begin(&self, mut ticket: Ticket) -> Begun {
        let plugin = self.plugin.clone();
        let (Some(pass), Some(batch)) = (&mut ticket.pass, plugin.try_batch()) else {
            return Begun { work: Box::pin(std::future::ready(ticket)), is_alone: false };
        };
        let routes = self.routes;
        let (batch, upto) = filled(batch, pass, routes);
        let is_alone = upto < pass.chunk.len();
        let mut processing = plugin.process(batch);
        let work = async move {
            let mut upto = upto;
            while let Some(pass) = &mut ticket.pass {
                match processing.await {
                    Ok(processed) => {
                        let failover = ticket.desk.bench().conduct.failover.clone();
                        if let Err(Fast(reason)) = apply(&processed, pass, upto, &failover) {
                            ticket.undone = Some(Undone::Failed(reason));
                            return ticket;
                        }
                    }
                    Err(error) => {
                        let is_fast = ticket.desk.bench().conduct.failover == Failover::FailFast;
                        ticket.undone = Some(match error {
                            ProcessError::Stopped { .. } if !is_fast => Undone::Stopped,
                            error => Undone::Failed(error.to_string()),
                        });
                        return ticket;
                    }
                }
                if pass.is_decided() {
                    break;
                }
                let (batch, next) = filled(plugin.batch().await, pass, routes);
                upto = next;
                processing = plugin.process(batch);
            }
            ticket
        };
        Begun { work: Box::pin(work), is_alone }
    }
}

/// With as many of the records that are left as there is room for; the number of the first that is not in it. One that
/// fits into no batch is decided here.
fn filled(mut batch: Batch, pass: &mut Pass, routes: u32) -> (Batch, usize) {
    batch.routes(routes);
    let ids = GivenIds::of(&pass.chunk);
    loop {
        let mut upto = pass.decided;
        while upto < pass.chunk.len() {
            let record = pass.chunk.record(upto);
            if batch.push_as(record.content(), ids.get(upto, record.id()), record.payload()).is_err() {
                break;
            }
            upto += 1;
        }
        if upto > pass.decided || pass.is_decided() {
            return (batch, upto);
        }
        let reason = "it is larger than a batch of the plugin can be; give the pipeline a larger `record_limit`";
        let aside = Aside { class: Class::Failed, reason: reason.to_owned(), attempts: 0, crash: None };
        pass.decide(Some(Fate::SetAside(Box::new(aside))));
    }
}

/// Takes over what became of the records from the first undecided one up to `upto`.
fn apply(processed: &Processed, pass: &mut Pass, upto: usize, failover: &Failover) -> Result<(), Fast> {
    let first = pass.decided;
    let mut emitted = processed.emitted().peekable();
    let mut by_parent: Vec<(usize, OwnedRecord)> = Vec::new();
    if emitted.peek().is_some() {
        let places = Places::of(&pass.chunk, first, upto);
        for record in emitted {
            // One that names none stands behind all.
            let parent = places.find(record.id()).unwrap_or(upto - 1);
            let mut owned = OwnedRecord::from(pass.chunk.record(parent));
            (owned.content, owned.payload) = (record.content(), record.payload().to_vec());
            by_parent.push((parent, owned));
        }
        by_parent.sort_by_key(|(parent, _)| *parent); // Stable: the plugin's order stays.
    }
    // Nothing is taken over of a batch with which the pipeline stops.
    if *failover == Failover::FailFast
        && let Some(failed) = processed.records().find(|record| is_failed(record))
    {
        return Err(Fast(reason_of(&failed)));
    }
    let mut by_parent = by_parent.into_iter().peekable();
    for (nth, record) in (first..upto).zip(processed.records()) {
        let fate = fate_of(&record, failover);
        if fate.as_ref().is_none_or(|fate| matches!(fate, Fate::Route(route) if *route != STAND_IN))
            && !record.is_as_given()
        {
            pass.chunk.record_mut(nth).set(record.content(), record.payload());
        }
        while let Some((_, owned)) = by_parent.next_if(|(parent, _)| *parent == nth) {
            pass.emit(owned);
        }
        pass.decide(fate);
    }
    Ok(())
}

fn is_failed(record: &Record<'_>) -> bool {
    matches!(record.verdict(), Verdicts::Failed { .. } | Verdicts::SetAside(Why::Failed { .. }))
}

fn reason_of(record: &Record<'_>) -> String {
    let said = record.reason();
    match record.verdict() {
        Verdicts::Failed { code } if said.is_empty() => format!("the plugin refused it with code {code}"),
        Verdicts::Failed { code } => format!("{said} (code {code})"),
        Verdicts::SetAside(why) if said.is_empty() => in_words(why),
        Verdicts::SetAside(why) => format!("{} ({said})", in_words(why)),
        _ => said.into_owned(),
    }
}

fn in_words(why: &Why) -> String {
    match why {
        Why::Failed { code } => format!("the plugin gave up the batch that it was in, with code {code}"),
        Why::Skipped { code } => {
            format!("the plugin gave up the batch that it was in, with code {code}; it is skipped")
        }
        Why::FailedOver { code } => {
            format!("the plugin gave up its batch with code {code}, and its stand-in is not there")
        }
        Why::CircuitOpen => "the circuit is open: the plugin was not asked".to_owned(),
        Why::RetriesUsedUp => "the plugin asked for another try again and again".to_owned(),
        Why::TooLarge => "what is made of it does not fit into the plugin's memory".to_owned(),
        Why::Poison => "the plugin's process has ended twice with it, the last time with it alone".to_owned(),
        Why::Unsupported => "the plugin cannot take records of this content".to_owned(),
        other => format!("{other:?}"),
    }
}

/// `None`: it goes on.
fn fate_of(record: &Record<'_>, failover: &Failover) -> Option<Fate> {
    let aside = |class, crash| {
        let aside = Aside { class, reason: reason_of(record), attempts: 1, crash };
        Some(Fate::SetAside(Box::new(aside)))
    };
    match record.verdict() {
        Verdicts::Ok => None,
        Verdicts::Route(number) => Some(Fate::Route(number as usize + 1)),
        Verdicts::Dropped => Some(Fate::Drop),
        Verdicts::SetAside(Why::Skipped { .. }) => Some(Fate::Skip),
        Verdicts::Failed { .. } => match failover {
            Failover::SkipAndContinue => Some(Fate::Skip),
            Failover::FailoverTo(_) => Some(Fate::Route(STAND_IN)),
            _ => aside(Class::Failed, None),
        },
        Verdicts::SetAside(Why::Failed { .. }) if matches!(failover, Failover::FailoverTo(_)) => {
            Some(Fate::Route(STAND_IN))
        }
        Verdicts::SetAside(why) => {
            let class = match why {
                Why::Poison => Class::Poison,
                Why::CircuitOpen => Class::NotTried,
                _ => Class::Failed,
            };
            aside(class, record.end().map(ToString::to_string))
        }
    }
}
