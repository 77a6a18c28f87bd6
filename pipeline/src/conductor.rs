//! The actor that runs a pipeline as a whole: checkpoints, control messages, the end.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proscenium_plugin_host::{Swap, SwapReport};
use proscenium_runtime::{Actor, Context, Exit, Mailbox, Ref, Reply};
use serde_json::Value;

use crate::book::{Book, Left, Outcome};
use crate::changeover::{ReloadError, ReloadReport};
use crate::checkpoint::Checkpoint;
use crate::due_checkpoint::{Awaited, sent};
use crate::house::{House, Room, SourceRoom, go_on, pause};
use crate::letter_box::LetterMsg;
use crate::notice::Notice;
use crate::plan::{Kind, Plan};
use crate::sink_actor::SinkMsg;
use crate::stage_desk::{StageMsg, millis_since_1970};
use crate::trouble::Trouble;

/// How long sinks have to write what they have when a pipeline is stopped with something left.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// How long a part has to answer: a snapshot, a sink's fsync.
pub(crate) const ANSWER: Duration = Duration::from_secs(60);

/// Why a control message was not carried out. The pipeline is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no such part.
    NoSuchPart {
        /// What was asked for.
        part: String,
        /// What there is.
        parts: Vec<String>,
    },
    /// The part is not a plugin.
    NotAPlugin(String),
    /// The part is a source or a sink: there is one of each.
    NotAStage(String),
    /// What was under way did not come to its end within the limit; the pipeline goes on.
    NotDrained {
        /// The limit.
        limit: Duration,
        /// What was left.
        left: Left,
    },
    /// A plugin was not swapped; those of its instances that were are swapped back.
    NotSwapped {
        /// The stage.
        part: String,
        /// Why.
        why: String,
    },
    /// The checkpoint was not made; the one before it holds.
    NoCheckpoint(String),
    /// The change of the plan was not made.
    NotReloaded(Box<ReloadError>),
    /// The pipeline has ended.
    Ended(Outcome),
    /// The conductor did not answer.
    NoAnswer(String),
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::NoSuchPart { part, parts } => {
                write!(f, "there is no part `{part}`; there are: {}", parts.join(", "))
            }
            ControlError::NotAPlugin(part) => write!(f, "`{part}` is no plugin, which alone can be swapped"),
            ControlError::NotAStage(part) => write!(f, "`{part}` is a source or a sink, of which there is one each"),
            ControlError::NotDrained { limit, left } => {
                write!(f, "after {limit:?} this was still under way: {left}. The pipeline goes on as before")
            }
            ControlError::NotSwapped { part, why } => {
                write!(f, "`{part}` was not swapped: {why}. It goes on as before")
            }
            ControlError::NoCheckpoint(why) => write!(f, "no checkpoint was made: {why}. The one before it holds"),
            ControlError::NotReloaded(why) => write!(f, "the pipeline was not changed: {why}"),
            ControlError::Ended(outcome) => write!(f, "the pipeline has ended: {outcome}"),
            ControlError::NoAnswer(why) => write!(f, "the pipeline's conductor did not answer: {why}"),
        }
    }
}

impl std::error::Error for ControlError {}

/// Answers to who has asked.
pub(crate) type Answer<T> = Reply<Result<T, ControlError>>;

pub(crate) enum ConductorMsg {
    /// All parts are there: the sources begin.
    Begin,
    Notice(Notice),
    /// A checkpoint is due.
    Tick,
    /// Nothing is under way for the checkpoint with this number, or it has stood still for too long.
    Held(u64, bool),
    /// All sources are at their ends, and nothing is under way.
    Finished,
    Pause(Answer<()>),
    Resume(Answer<()>),
    Drain(Answer<()>),
    Checkpoint(Answer<u64>),
    Swap(String, Swap, Answer<Vec<SwapReport>>),
    Params(String, Vec<(String, String)>, Answer<Vec<SwapReport>>),
    Scale(String, NonZeroUsize, Answer<ReloadReport>),
    Reload(Box<Plan>, Answer<ReloadReport>),
    ResumePart(String, Answer<()>),
    Stop(Duration, Reply<Outcome>),
}

pub(crate) struct Conductor {
    pub(crate) book: Arc<Book>,
    is_finishing: bool,
    /// The checkpoint that is due waits until nothing is under way.
    pub(crate) awaited: Option<Awaited>,
    pub(crate) attempts: u64,
}

impl Actor for Conductor {
    type Msg = ConductorMsg;
    type Ref = Ref<Self>;

    /// Control messages come from people, notices once from each part.
    const MAILBOX: Mailbox = Mailbox::unbounded();
    const KINDS: &'static [&'static str] = &["notice", "tick", "held", "finished", "control", "stop"];

    fn kind(msg: &ConductorMsg) -> u8 {
        match msg {
            ConductorMsg::Notice(_) => 0,
            ConductorMsg::Tick => 1,
            ConductorMsg::Held(..) => 2,
            ConductorMsg::Finished => 3,
            ConductorMsg::Stop(..) => 5,
            _ => 4,
        }
    }

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        if self.book.course().is_changing {
            let (part, reason) =
                ("control".to_owned(), "it was killed while the pipeline was being changed".to_owned());
            self.book.ends(Outcome::Failed { part, reason });
        }
        if let Some(house) = self.book.house.get() {
            self.go_on(house); // After a crash, which may have happened with the sources held.
            self.schedule(cx);
        }
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: ConductorMsg) -> Result<(), Exit> {
        let book = self.book.clone();
        let Some(house) = book.house.get() else { return Ok(()) };
        let is_of_parts = matches!(msg, ConductorMsg::Notice(_) | ConductorMsg::Tick | ConductorMsg::Held(..));
        if !is_of_parts {
            self.puts_off(cx, house);
        }
        match msg {
            ConductorMsg::Begin => {
                self.go_on(house);
                self.schedule(cx);
            }
            ConductorMsg::Notice(notice) => self.hear(cx, house, notice),
            ConductorMsg::Tick => self.tick(cx, house).await,
            ConductorMsg::Held(number, is_at_end) => self.held(cx, house, number, is_at_end).await,
            ConductorMsg::Finished => self.finish(cx, house).await,
            ConductorMsg::Pause(reply) => reply.send(self.pause(house).await),
            ConductorMsg::Resume(reply) => reply.send(self.resume(cx, house)),
            ConductorMsg::Drain(reply) => reply.send(self.drain(house).await),
            ConductorMsg::Checkpoint(reply) => reply.send(self.asked_checkpoint(house).await),
            ConductorMsg::Swap(part, swap, reply) => reply.send(self.swap(house, &part, swap).await),
            ConductorMsg::Params(part, params, reply) => reply.send(self.params(house, &part, params).await),
            ConductorMsg::Scale(part, instances, reply) => reply.send(self.scale(house, &part, instances).await),
            ConductorMsg::Reload(plan, reply) => reply.send(self.reload(house, *plan).await),
            ConductorMsg::ResumePart(part, reply) => reply.send(resume_part(house, &part).await),
            ConductorMsg::Stop(limit, reply) => reply.send(self.stop(house, limit).await),
        }
        Ok(())
    }
}

impl Conductor {
    pub(crate) fn new(book: Arc<Book>) -> Self {
        Conductor { book, is_finishing: false, awaited: None, attempts: 0 }
    }

    fn hear(&mut self, cx: &mut Context<Self>, house: &House, notice: Notice) {
        match notice {
            Notice::Failed { part, reason } => {
                tracing::error!(target: "proscenium::pipeline", part, reason, "the pipeline cannot go on");
                house.sources().iter().for_each(|source| source.desk.pause(true));
                self.book.ends(Outcome::Failed { part, reason });
            }
            Notice::Exhausted { .. } => self.looks_for_the_end(cx, house),
        }
    }

    /// When all sources that have an end are at it, and what they sent has come to its own.
    pub(crate) fn looks_for_the_end(&mut self, cx: &mut Context<Self>, house: &House) {
        let sources: Vec<SourceRoom> = house.sources().into_iter().filter(|source| !source.desk.is_redrive).collect();
        let is_over = !sources.is_empty() && sources.iter().all(|source| source.desk.is_exhausted());
        if is_over && !std::mem::replace(&mut self.is_finishing, true) {
            let all = house.sources();
            cx.pipe(async move { drained(&all).await }, |()| ConductorMsg::Finished);
        }
    }

    async fn finish(&mut self, cx: &mut Context<Self>, house: &House) {
        if self.book.ended().is_some() {
            return;
        }
        let is_over = house.sources().iter().all(|source| source.desk.is_redrive || source.desk.is_exhausted());
        if !is_over {
            self.is_finishing = false; // A reload has brought another source.
            return;
        }
        if let Err(why) = self.checkpoint(house, Instant::now()).await {
            tracing::warn!(target: "proscenium::pipeline", %why, "the last checkpoint is tried again");
            cx.send_after(Duration::from_millis(200), ConductorMsg::Finished);
            return;
        }
        match close_sinks(house).await {
            Ok(()) => self.book.ends(Outcome::Done),
            Err((part, reason)) => {
                tracing::warn!(target: "proscenium::pipeline", part, reason, "the sink cannot be closed; it is tried again");
                cx.send_after(Duration::from_millis(200), ConductorMsg::Finished);
            }
        }
    }

    fn check_running(&self) -> Result<(), ControlError> {
        self.book.ended().map_or(Ok(()), |outcome| Err(ControlError::Ended(outcome)))
    }

    async fn pause(&mut self, house: &House) -> Result<(), ControlError> {
        self.check_running()?;
        self.book.course().is_paused = true;
        for source in house.sources() {
            pause(&source).await.map_err(ControlError::NoAnswer)?;
        }
        Ok(())
    }

    fn resume(&mut self, cx: &mut Context<Self>, house: &House) -> Result<(), ControlError> {
        self.check_running()?;
        self.book.course().is_paused = false;
        self.go_on(house);
        self.looks_for_the_end(cx, house);
        Ok(())
    }

    async fn drain(&mut self, house: &House) -> Result<(), ControlError> {
        self.check_running()?;
        let was_paused = std::mem::replace(&mut self.book.course().is_paused, true);
        let drained = self.checkpoint(house, Instant::now()).await;
        if drained.is_err() {
            self.book.course().is_paused = was_paused;
            self.go_on(house);
        }
        drained
    }

    async fn asked_checkpoint(&mut self, house: &House) -> Result<u64, ControlError> {
        self.check_running()?;
        let made = self.checkpoint(house, Instant::now()).await;
        self.go_on(house);
        made.map(|()| self.book.course().checkpoint)
    }

    /// Sources go on, unless somebody has paused the pipeline, or it has ended.
    pub(crate) fn go_on(&self, house: &House) {
        if !self.book.course().is_paused && self.book.ended().is_none() {
            house.sources().iter().for_each(go_on);
        }
    }

    /// Waits for it, but no longer than a part fails for good: what is waited for may never come then.
    async fn unless_it_ends<T>(&self, waited_for: impl Future<Output = T>) -> Result<T, ControlError> {
        tokio::select! {
            outcome = self.book.end.reached() => Err(ControlError::Ended(outcome)),
            done = waited_for => Ok(done),
        }
    }

    /// Holds the sources until nothing is under way. They stay held, also if it takes too long.
    pub(crate) async fn hold(&self, house: &House, limit: Duration) -> Result<(), ControlError> {
        let sources = house.sources();
        for source in &sources {
            pause(source).await.map_err(ControlError::NoAnswer)?;
        }
        let at_end = async {
            // Side by side: one whose way is blocked keeps no other from sending what it has.
            join_all(sources.iter().map(|source| source.desk.send_what_cannot_come_again())).await;
            drained(&sources).await;
        };
        let within = self.unless_it_ends(tokio::time::timeout(limit, at_end)).await?;
        within.map_err(|_| ControlError::NotDrained { limit, left: left(house) })?;
        let lost: u64 = sources.iter().map(|source| source.desk.ledger.lost()).sum();
        if lost > 0 {
            let reason = format!("{lost} chunks were dropped on their way; they come again from the last checkpoint");
            self.book.ends(Outcome::Failed { part: "control".to_owned(), reason });
        }
        self.check_running()
    }

    /// Everything at one moment with nothing under way: positions, states, sinks. The sources are held since then, and stay
    /// so.
    pub(crate) async fn checkpoint(&self, house: &House, since: Instant) -> Result<(), ControlError> {
        self.hold(house, self.book.plan().settings.drain).await?;
        let refused = |part: &str, why: &dyn fmt::Display| ControlError::NoCheckpoint(format!("`{part}`: {why}"));
        let sinks = house.sinks();
        let prepared = join_all(sinks.iter().map(|sink| sink.actor.call(SinkMsg::Prepare).within(ANSWER)));
        let prepared = self.unless_it_ends(prepared).await?;
        let mut of_sinks = BTreeMap::new();
        for (sink, prepared) in sinks.iter().zip(prepared) {
            let name = sink.desk.name.as_str();
            let prepared = prepared.map_err(|why| refused(name, &why))?;
            let prepared = prepared.inspect_err(|trouble| {
                sink.desk.stats.trouble(trouble);
                self.ends_if_final(name, trouble);
            });
            let prepared = prepared.map_err(|why| refused(name, &why))?;
            of_sinks.insert(name.to_owned(), prepared);
        }
        let dead_letters = match self.book.letters.get() {
            Some(letters) => {
                let prepared = letters.call(LetterMsg::Prepare).within(ANSWER);
                let prepared = self.unless_it_ends(prepared).await?;
                let prepared = prepared.map_err(|why| refused("dead_letters", &why))?;
                let prepared = prepared.inspect_err(|trouble| self.ends_if_final("dead_letters", trouble));
                prepared.map_err(|why| refused("dead_letters", &why))?
            }
            None => Value::Null,
        };
        let sent = sent(house);
        let number = self.book.course().checkpoint + 1;
        if let Some(store) = self.book.store.clone() {
            let stages = snapshots(house).map_err(|(part, reason)| {
                self.book.ends(Outcome::Failed { part: part.clone(), reason: reason.clone() });
                refused(&part, &reason)
            })?;
            let sources = positions(house);
            let (pipeline, taken) = (self.book.plan().name.clone(), millis_since_1970());
            let (sinks, absent) = (of_sinks, house.absent().clone());
            let checkpoint = Checkpoint { number, pipeline, sources, absent, stages, sinks, dead_letters, taken };
            let store = store.lock_owned().await;
            let saved = tokio::task::spawn_blocking(move || store.save(&checkpoint)).await;
            saved
                .map_err(|why| ControlError::NoCheckpoint(why.to_string()))?
                .map_err(|why| ControlError::NoCheckpoint(why.to_string()))?;
        }
        self.book.course().checkpoint = number;
        // From here on it holds. What is not committed now is committed when it is opened with it.
        let committed = join_all(sinks.iter().map(|sink| sink.actor.call(SinkMsg::Commit).within(ANSWER))).await;
        for (sink, committed) in sinks.iter().zip(committed) {
            if let Ok(Err(trouble)) = committed {
                sink.desk.stats.trouble(&trouble);
                tracing::warn!(target: "proscenium::pipeline", sink = sink.desk.name, %trouble, "files are finished later");
            }
        }
        if let Some(letters) = self.book.letters.get() {
            drop(letters.call(LetterMsg::Commit).within(ANSWER).await);
        }
        let mut course = self.book.course();
        (course.sent_then, course.held) = (Some(sent), since.elapsed());
        Ok(())
    }

    /// There will never be a checkpoint with what this part has: it ends here, and goes on from the one before.
    fn ends_if_final(&self, part: &str, trouble: &Trouble) {
        if trouble.is_final() {
            tracing::error!(target: "proscenium::pipeline", part, %trouble, "the pipeline cannot go on: there can be no checkpoint");
            self.book.ends(Outcome::Failed { part: part.to_owned(), reason: trouble.to_string() });
        }
    }

    async fn stop(&mut self, house: &House, limit: Duration) -> Outcome {
        if let Some(outcome) = self.book.ended() {
            return outcome;
        }
        let left = match self.hold(house, limit).await {
            Ok(()) => {
                let no_checkpoint = match self.checkpoint(house, Instant::now()).await {
                    Ok(()) => close_sinks(house).await.err().map(|(part, why)| format!("`{part}`: {why}")),
                    Err(why) => Some(why.to_string()),
                };
                Left { chunks: Vec::new(), no_checkpoint }
            }
            Err(ControlError::NotDrained { .. }) => left(house),
            Err(why) => Left { no_checkpoint: Some(why.to_string()), ..left(house) },
        };
        if !left.is_empty() {
            // What they have taken is to be in their files. Not closed: a file that no checkpoint knows of is not finished.
            let sinks = house.sinks();
            join_all(sinks.iter().map(|sink| sink.actor.call(SinkMsg::Prepare).within(LAST_WRITES))).await;
        }
        self.book.ends(Outcome::Stopped(left));
        self.book.ended().unwrap_or(Outcome::Done)
    }

    pub(crate) async fn swap(
        &mut self,
        house: &House,
        part: &str,
        swap: Swap,
    ) -> Result<Vec<SwapReport>, ControlError> {
        self.check_running()?;
        let reports = swap_instances(house, part, &swap).await?;
        // The plan is what a later reload is compared with.
        let mut plan = (*self.book.plan()).clone();
        if let Some(Kind::Plugin(stage)) = plan.parts.iter_mut().find(|of| of.name == part).map(|of| &mut of.kind) {
            if let Some(library) = swap.library() {
                stage.library = library.to_owned();
            }
            if let Some(params) = swap.new_params() {
                stage.params = params.to_vec();
            }
        }
        self.book.set_plan(plan);
        Ok(reports)
    }
}

/// Nothing is under way of these any more.
pub(crate) async fn drained(sources: &[SourceRoom]) {
    for source in sources {
        source.desk.ledger.drained().await;
    }
}

/// All instances of a plugin, or none.
pub(crate) async fn swap_instances(house: &House, part: &str, swap: &Swap) -> Result<Vec<SwapReport>, ControlError> {
    let plugins = match room(house, part)? {
        Room::Stage(stages) => stages.into_iter().map(|stage| stage.plugin).collect::<Option<Vec<_>>>(),
        Room::Source { .. } | Room::Sink(_) => None,
    };
    let plugins = plugins.ok_or_else(|| ControlError::NotAPlugin(part.to_owned()))?;
    let mut reports: Vec<SwapReport> = Vec::new();
    for plugin in &plugins {
        let before = plugin.params(); // Those of one instance are those of all.
        match plugin.swap(swap.clone()).await {
            Ok(report) => reports.push(report),
            Err(why) => {
                for (plugin, report) in plugins.iter().zip(&reports) {
                    let back = swap.library().map_or_else(|| swap.clone(), |_| Swap::to(&report.old.library));
                    if let Err(why) = plugin.swap(back.params(before.clone())).await {
                        tracing::error!(target: "proscenium::pipeline", part, %why, "an instance could not be swapped back");
                    }
                }
                return Err(ControlError::NotSwapped { part: part.to_owned(), why: why.to_string() });
            }
        }
    }
    Ok(reports)
}

pub(crate) fn room(house: &House, part: &str) -> Result<Room, ControlError> {
    house.room(part).ok_or_else(|| no_such_part(house, part))
}

pub(crate) fn no_such_part(house: &House, part: &str) -> ControlError {
    ControlError::NoSuchPart { part: part.to_owned(), parts: house.rooms().keys().cloned().collect() }
}

async fn resume_part(house: &House, part: &str) -> Result<(), ControlError> {
    let Room::Stage(stages) = room(house, part)? else { return Err(ControlError::NotAStage(part.to_owned())) };
    for stage in stages {
        if let Some(plugin) = &stage.plugin {
            plugin.resume().await.map_err(|why| ControlError::NoAnswer(why.to_string()))?;
        }
        drop(stage.actor.tell_now(StageMsg::Resume));
    }
    Ok(())
}

pub(crate) fn left(house: &House) -> Left {
    let sources = house.sources();
    let under_way = |source: &SourceRoom| source.desk.ledger.outstanding() + source.desk.unsent();
    let chunks = sources.iter().map(|source| (source.desk.name.clone(), under_way(source)));
    Left { chunks: chunks.filter(|(_, chunks)| *chunks > 0).collect(), no_checkpoint: None }
}

fn positions(house: &House) -> BTreeMap<String, Value> {
    let sources = house.sources().into_iter();
    // One that brings letters back has not begun: what it is to read is not to be cleared away.
    let position = |source: &SourceRoom| source.desk.position().or(source.desk.is_redrive.then_some(Value::Null));
    sources.filter_map(|source| Some((source.desk.name.clone(), position(&source)?))).collect()
}

/// Of each stage that has a state: what its instances say of it. Else the stage's name, and why it cannot say it.
pub(crate) fn snapshots(house: &House) -> Result<BTreeMap<String, Value>, (String, String)> {
    let mut kept = BTreeMap::new();
    for (name, stages) in house.stages() {
        let mut of_instances = Vec::new();
        for stage in &stages {
            let said = stage.desk.bench().operator.as_ref().map(|operator| operator.snapshot()).transpose();
            let said = said.map_err(|why| (name.clone(), format!("its state cannot be kept: {why}")))?;
            of_instances.extend(said.flatten());
        }
        if !of_instances.is_empty() {
            kept.insert(name, Value::Array(of_instances));
        }
    }
    Ok(kept)
}

async fn close_sinks(house: &House) -> Result<(), (String, String)> {
    for sink in house.sinks() {
        let closed = sink.actor.call(SinkMsg::Close).within(ANSWER).await;
        let closed = closed.map_err(|why| why.to_string()).and_then(|closed| closed.map_err(|why| why.to_string()));
        closed.map_err(|why| (sink.desk.name.clone(), why))?;
    }
    Ok(())
}
