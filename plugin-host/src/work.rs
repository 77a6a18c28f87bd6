//! The batches under way, and the process that works on them.
//!
//! It is shared by the plugin's actor and those who give batches, and whoever has it does what is to be done just then:
//! hands over, takes what has come back, lets results go. So a batch costs no message, and no task is woken for it that
//! would only pass it on. What takes time or a timer, the actor does: it is told.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_runner::wire::{LastWord, Phase, Tell, kind};
use proscenium_plugin_sdk::abi::{self, ReturnCode};
use proscenium_process::{ExitStatus, Guard, WaitError};
use proscenium_runtime::{Exit, Now};

use crate::answer::{Job, Undone};
use crate::block::{ChildLine, Head, NOT_RETURNED};
use crate::end::{Class, EndReport, KILL, STOP};
use crate::failover_core::Why;
use crate::flight_core::{Action, BatchId, Event, FlightCore, Seen};
use crate::judge::{Breach, Given, judge, table_len};
use crate::lone_core::LoneCore;
use crate::pace_core::PaceCore;
use crate::portion::Portion;
use crate::private_copy::PrivateCopy;
use crate::process::Process;
use crate::seat::Seat;
use crate::spec::Settings;
use crate::under_way::UnderWay;
use crate::watch;

/// A process that shares somebody's processor is looked at again after so long: it may have started threads.
const SEAT_CHECK: Duration = Duration::from_millis(10);

/// One for each plugin; it lives over restarts.
pub(crate) struct Work {
    settings: Arc<Settings>,
    pub(crate) core: FlightCore,
    jobs: Jobs,
    /// The number of the next batch.
    pub(crate) next: u64,
    pub(crate) serving: Option<Serving>,
    /// What the next process is started with.
    pub(crate) template: Template,
    pub(crate) last_end: Option<Arc<EndReport>>,
    /// What the plugin has returned that its policy has stopped it for.
    pub(crate) stopped_by: Option<i32>,
    /// The actor is to end with this.
    failing: Option<Exit>,
    /// The last end was a record's fault, or may have been.
    pub(crate) is_excused: bool,
    /// The plugin has ended for good.
    pub(crate) is_closed: bool,
    /// What goes back to its owners, in order, as soon as the lock is free: to wake somebody runs code of others.
    out: VecDeque<(Job, Option<Undone>)>,
    /// Somebody is at it.
    is_delivered: bool,
    /// Results that go out, or whose owners were woken for them and have not come yet.
    on_the_way: usize,
    /// Results that lie ready until their owners first ask for them.
    lying: usize,
    pub(crate) errands: Errands,
    /// Used again and again.
    again: Vec<(u32, u32)>,
    actions: Vec<Action>,
}

/// What a process is started with: what serves, or served last.
pub(crate) struct Template {
    /// Where the user has the library.
    pub(crate) source: PathBuf,
    pub(crate) params: Vec<(String, String)>,
    /// The library as it was when it was last taken: replays are by the same.
    pub(crate) library: Option<Arc<PrivateCopy>>,
    pub(crate) guard: Option<Arc<Guard>>,
    /// How many processes there were.
    pub(crate) processes: u32,
    /// How many of them its supervisor has had started: those of swaps are not among them.
    pub(crate) starts: u32,
}

/// What the actor alone can see to, and whether it knows.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    /// When its timer is set for.
    pub(crate) timer: Option<Now>,
    /// It looks by itself, soon.
    pub(crate) looks: bool,
    /// It is to look by itself, since nobody will be woken for what comes back.
    pub(crate) is_to_look: bool,
    /// It waits until the process is through with what it has.
    pub(crate) drains: bool,
    /// It was told, and has not come yet.
    is_told: bool,
}

/// The process that serves.
pub(crate) struct Serving {
    pub(crate) process: Process,
    pace: PaceCore,
    lone: LoneCore,
    seat: Seat,
    /// When the seat was last looked at.
    seen: Option<Now>,
    /// While it has anything to do.
    under_way: Option<UnderWay>,
    pub(crate) last_word: Option<LastWord>,
    /// Why the call in work fails, in the plugin's words.
    said: String,
    /// It was stopped when its time was up.
    was_stopped: bool,
}

/// The batches that are under way: as many at most as there are slots, so they are searched. The vector stays.
#[derive(Debug, Default)]
struct Jobs(Vec<(BatchId, Job)>);

impl Jobs {
    fn insert(&mut self, batch: BatchId, job: Job) {
        self.0.push((batch, job));
    }

    fn get_mut(&mut self, batch: &BatchId) -> Option<&mut Job> {
        self.0.iter_mut().find(|(of, _)| of == batch).map(|(_, job)| job)
    }

    fn remove(&mut self, batch: &BatchId) -> Option<Job> {
        let at = self.0.iter().position(|(of, _)| of == batch)?;
        Some(self.0.swap_remove(at).1)
    }

    fn take_any(&mut self) -> Option<Job> {
        self.0.pop().map(|(_, job)| job)
    }
}

impl Work {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let template = Template {
            source: settings.library.clone(),
            params: settings.params.clone(),
            library: None,
            guard: None,
            processes: 0,
            starts: 0,
        };
        Work {
            core: core(&settings),
            settings,
            jobs: Jobs::default(),
            next: 0,
            serving: None,
            template,
            last_end: None,
            stopped_by: None,
            failing: None,
            is_excused: false,
            is_closed: false,
            out: VecDeque::new(),
            is_delivered: false,
            on_the_way: 0,
            lying: 0,
            errands: Errands::default(),
            again: Vec::new(),
            actions: Vec::new(),
        }
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// By these settings from now on. What another spec says of the library and its parameters holds for the next process.
    pub(crate) fn renew(&mut self, settings: Arc<Settings>, now: Now) {
        let old = std::mem::replace(&mut self.settings, settings);
        let (new, template) = (&self.settings, &mut self.template);
        if old.library != new.library {
            (template.source, template.library) = (new.library.clone(), None);
        }
        if old.params != new.params {
            template.params.clone_from(&new.params);
        }
        let terms = new.terms();
        self.on(Event::Renewed(Box::new(terms)), now);
    }

    /// A batch. One that is not taken on goes back with the reason.
    pub(crate) fn given(&mut self, mut job: Job, now: Now) {
        if self.is_closed {
            return self.goes_out(job, Some(Undone::Gone));
        }
        if let Some(code) = self.stopped_by {
            return self.goes_out(job, Some(Undone::Stopped { code }));
        }
        let batch = BatchId(self.next);
        self.next += 1;
        let records = job.tray().map_or(0, |tray| tray.len());
        self.jobs.insert(batch, job);
        self.on(Event::Given { batch, records }, now);
    }

    /// A plugin that its policy has stopped takes batches again. False: it has ended for good.
    pub(crate) fn resume(&mut self) -> bool {
        if self.stopped_by.take().is_some() {
            self.core.resume();
        }
        !self.is_closed
    }

    /// From now on this process serves, and those to come are started like it. The one that has served so far is returned.
    pub(crate) fn serve_by(&mut self, process: Process, said: Vec<Tell>) -> Option<Process> {
        let Template { source, params, library, guard, .. } = &mut self.template;
        source.clone_from(&process.library.source);
        params.clone_from(&process.params);
        *library = Some(process.library.clone());
        *guard = Some(process.guard.clone());
        let mut serving = Serving {
            pace: PaceCore::default(),
            lone: LoneCore::new(),
            seat: Seat::of(process.child.pid()),
            seen: None,
            under_way: None,
            last_word: None,
            said: String::new(),
            was_stopped: false,
            process,
        };
        said.into_iter().for_each(|tell| serving.hear(tell, &self.settings.stage));
        self.serving.replace(serving).map(|old| old.process)
    }

    /// Nothing serves any more, and nothing that was handed over counts against a record. The process is returned.
    pub(crate) fn retire(&mut self, now: Now) -> Option<Process> {
        let serving = self.serving.take()?;
        let is_excused = self.is_excused;
        self.on(Event::Ended { class: Class::Killed(KILL), progress: None }, now);
        self.is_excused = is_excused;
        Some(serving.process)
    }

    /// For good: what is under way goes back to its owners.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.serving = None;
        self.all_go_out(&Undone::Gone);
    }

    fn all_go_out(&mut self, why: &Undone) {
        self.core = core(&self.settings);
        while let Some(job) = self.jobs.take_any() {
            self.goes_out(job, Some(why.clone()));
        }
    }

    fn goes_out(&mut self, job: Job, why: Option<Undone>) {
        self.on_the_way += 1;
        self.out.push_back((job, why));
    }

    /// Whether the caller is to deliver what goes out: one at a time does, so that the order stays.
    #[must_use = "nobody else does it"]
    pub(crate) fn is_to_deliver(&mut self) -> bool {
        !self.out.is_empty() && !std::mem::replace(&mut self.is_delivered, true)
    }

    /// What is to be delivered next, and why it was not done, if so. None: that was all.
    pub(crate) fn next_out(&mut self) -> Option<(Job, Option<Undone>)> {
        let next = self.out.pop_front();
        self.is_delivered = next.is_some();
        next
    }

    /// Who delivers has come to grief over a waker.
    pub(crate) fn is_not_delivered(&mut self) {
        self.is_delivered = false;
    }

    /// Whose results come before those of who asks.
    pub(crate) fn is_somebody_coming(&self) -> bool {
        self.on_the_way > 0
    }

    /// For results on the way; or nobody is to be waited for, as they woke nobody.
    pub(crate) fn has_come(&mut self) {
        self.on_the_way = self.on_the_way.saturating_sub(1);
    }

    /// Results were put where their owner first asks for them, and woke nobody.
    pub(crate) fn lies(&mut self) {
        self.has_come();
        self.lying += 1;
    }

    /// Their owner has taken them, or lets them go.
    pub(crate) fn lies_no_more(&mut self) {
        self.lying = self.lying.saturating_sub(1);
    }

    /// Why the actor is to end, if it is: asked once.
    pub(crate) fn failing(&mut self) -> Option<Exit> {
        self.failing.take()
    }

    /// The actor has come.
    pub(crate) fn attended(&mut self, now: Now) {
        self.errands.is_told = false;
        if let Some(serving) = &mut self.serving {
            serving.pace.looks(now);
        }
    }

    /// Whether the actor must be told that there is something to do: once, until it comes.
    #[must_use = "nobody else does it"]
    pub(crate) fn needs_actor(&mut self) -> bool {
        let Errands { timer, looks, is_to_look, drains, is_told } = &mut self.errands;
        let is_due = |next| timer.is_none_or(|set| set > next);
        let needs = self.failing.is_some()
            || (*is_to_look && !*looks)
            || (*drains && self.core.handed() == 0)
            || self.core.next_tick().is_some_and(is_due);
        needs && !std::mem::replace(is_told, true)
    }

    /// Something has happened: the core decides, and this does it.
    pub(crate) fn on(&mut self, event: Event, now: Now) {
        let mut actions = std::mem::take(&mut self.actions);
        self.core.on(event, now, &mut actions);
        for action in actions.drain(..) {
            if let Err(exit) = self.carry_out(action, now) {
                self.failing = Some(exit);
            }
        }
        self.actions = actions;
    }

    fn carry_out(&mut self, action: Action, now: Now) -> Result<(), Exit> {
        match action {
            Action::Hand { batch, portion, attempt } => self.hand(batch, portion, attempt, now)?,
            Action::SetAside { batch, portion, why } => {
                let end = self.last_end.clone().filter(|_| why == Why::Poison);
                if let Some(tray) = self.jobs.get_mut(&batch).and_then(Job::tray) {
                    tray.set_aside(portion, why, end);
                }
            }
            Action::Release(batch) => {
                if let Some(job) = self.jobs.remove(&batch) {
                    self.goes_out(job, None);
                }
            }
            Action::Cancel(true) => {
                if let Some(serving) = &self.serving {
                    serving.process.cancel();
                }
            }
            // Each order has a word of its own.
            Action::Cancel(false) => {}
            Action::End(class) => {
                if let Some(serving) = &mut self.serving {
                    serving.was_stopped = class == Class::Timeout && is_stopped(serving.process.child.pid());
                    let _ = serving.process.child.kill(); // It may have ended.
                }
            }
            Action::Fail { code } => {
                // Nothing of this incarnation's is waited for any more.
                self.all_go_out(&Undone::Stopped { code });
                return Err(Exit::custom(format!(
                    "the plugin has failed with code {code}, and its policy is to fail fast"
                )));
            }
            Action::Stop { code } => self.stopped_by = Some(code),
            Action::GiveBack { batch } => {
                let code = self.stopped_by.unwrap_or_default();
                if let Some(job) = self.jobs.remove(&batch) {
                    self.goes_out(job, Some(Undone::Stopped { code }));
                }
            }
            Action::GiveUp { batch } => {
                let end = self.last_end.clone();
                if let Some(job) = self.jobs.remove(&batch) {
                    self.goes_out(job, Some(Undone::Crashed(end)));
                }
            }
            Action::Gone { is_excused, .. } => self.is_excused = is_excused,
        }
        Ok(())
    }

    fn hand(&mut self, batch: BatchId, portion: Portion, attempt: u32, now: Now) -> Result<(), Exit> {
        let is_only = self.jobs.0.len() == 1;
        let Some(serving) = &mut self.serving else { return Ok(()) };
        let Some(tray) = self.jobs.get_mut(&batch).and_then(Job::tray) else { return Ok(()) };
        let is_flush = portion.count == 0;
        let flags =
            [(attempt > 0, abi::BATCH_REPLAY), (is_flush, abi::BATCH_FLUSH), (portion.is_suspect, abi::BATCH_SUSPECT)];
        let head = Head {
            batch_id: batch.0,
            attempt,
            flags: flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum(),
            content: tray.content,
            count: portion.count,
            input_end: tray.input_end(),
            routes: tray.routes,
        };
        let broken =
            |error: &dyn std::error::Error| Exit::custom(format!("the channel to the plugin is broken: {error}"));
        let front = serving.process.end.front(&tray.slot).map_err(|error| broken(&error))?;
        let (at, table) = (u32::from(abi::HEADER_SIZE), tray.given(portion).as_flattened());
        let written = front.store(0, &tray.layout.header(&head)).and_then(|()| front.store(at, table));
        written.map_err(|error| broken(&error))?;
        let kind = if is_flush { kind::FLUSH } else { kind::BATCH };
        serving.take_seat(is_only && attempt == 0 && kind == kind::BATCH, now);
        serving.process.order(Some(&tray.slot), kind, self.settings.timeout).map_err(|error| broken(&error))?;
        if serving.lone.is_lent() {
            serving.process.end.wake_child(); // Nobody else does it.
        }
        serving.under_way.get_or_insert_with(UnderWay::begin);
        Ok(())
    }

    /// Takes what the process has done, and sees to it that somebody comes for more.
    pub(crate) fn harvest(&mut self, now: Now) {
        while self.gather(now) && !self.is_awaited(now) {}
    }

    /// Takes what the process has done. False: nothing more of it is looked at.
    fn gather(&mut self, now: Now) -> bool {
        if self.core.is_broken() || self.failing.is_some() {
            return false;
        }
        let Some(serving) = &mut self.serving else { return false };
        let done = match serving.process.done() {
            Ok(done) => done,
            Err(violation) => {
                tracing::warn!(target: "proscenium::plugin", plugin = self.settings.stage, %violation, "the process lies");
                self.on(Event::Done(Seen::Breach), now);
                return false;
            }
        };
        serving.has_done(done, now);
        for _ in 0..done {
            let kind = self.serving.as_mut().and_then(|serving| serving.process.next_done());
            if kind.is_some_and(|kind| kind != kind::CONTROL) {
                let seen = self.look();
                self.on(Event::Done(seen), now);
                // What it did after that is not looked at: it will be replayed.
                if self.core.is_broken() || self.failing.is_some() {
                    return false;
                }
            }
        }
        true
    }

    /// Whether the batch that was just given is worked off on the processor of who gave it, who looks for it by itself.
    pub(crate) fn is_lent(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.lone.is_lent())
    }

    /// Whether it was alone.
    pub(crate) fn is_alone(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.lone.is_alone())
    }

    /// Who gave it goes on.
    pub(crate) fn has_returned(&mut self, now: Now) {
        if let Some(serving) = &mut self.serving {
            serving.lone.returned(now);
        }
    }

    /// Who gave a batch waits for it. True: its processor is to be left to the process.
    pub(crate) fn is_to_lend(&mut self, now: Now) -> bool {
        self.serving.as_mut().is_some_and(|serving| serving.lone.awaited(now))
    }

    /// Takes what the process has done meanwhile. False: it is through, or has no need of the caller's processor any more.
    pub(crate) fn is_lending(&mut self, now: Now) -> bool {
        self.gather(now) && self.is_lent() && self.serving.as_ref().is_some_and(|serving| serving.seat.is_shared())
    }

    /// It was not through in time, and does it on another processor, if there is one.
    pub(crate) fn lent_in_vain(&mut self) {
        if let Some(serving) = self.serving.as_mut().filter(|serving| serving.lone.is_lent()) {
            serving.lone.in_vain();
            serving.seat.leave();
        }
    }

    /// Sees to it that the process works, and says for how much who is to be woken. False: there is something already.
    fn is_awaited(&mut self, now: Now) -> bool {
        let Some(serving) = &mut self.serving else { return true };
        let under_way = serving.process.end.in_flight();
        if under_way > 0 {
            serving.pace.handed(now);
        }
        let wakes = serving.pace.wakes(under_way, self.on_the_way + self.lying, now);
        let end = &mut serving.process.end;
        if wakes.process {
            end.wake_child();
        }
        // So that one that is slow all of a sudden, or an owner that does not come, holds nothing back for long.
        self.errands.is_to_look = wakes.host != Some(1);
        match wakes.host {
            Some(wanted) => end.arm(wanted),
            None => {
                end.disarm();
                true
            }
        }
    }

    /// What the process has made of the portion that it was handed first.
    fn look(&mut self) -> Seen {
        let Some(serving) = &self.serving else { return Seen::Breach };
        // What was a breach once is not looked at again: a thread of the child may have mended it.
        if self.core.ending() == Some(Class::Violation) {
            return Seen::Breach;
        }
        let Some((batch, portion)) = self.core.in_work() else { return Seen::Breach };
        let Some(tray) = self.jobs.get_mut(&batch).and_then(Job::tray) else { return Seen::Breach };
        let Ok(front) = serving.process.end.front(&tray.slot) else { return Seen::Breach };
        let mut line = [0; 8];
        if front.load(abi::LINE_SIZE as u32, &mut line).is_err() {
            return Seen::Breach;
        }
        let line = ChildLine(line);
        let plugin = self.settings.stage.as_str();
        if line.result() == NOT_RETURNED {
            tracing::warn!(target: "proscenium::plugin", plugin, "a call is said to be done, and was not made");
            return Seen::Breach;
        }
        match ReturnCode::new(line.result()) {
            Some(ReturnCode::Ok) => {}
            Some(ReturnCode::More) if portion.count == 0 => tray.has_more = true,
            _ => return Seen::Code(line.result()),
        }
        let (layout, routes, input_end) = (tray.layout, tray.routes, tray.input_end());
        let judged = {
            let given = Given { layout, records: tray.given(portion), input_end, routes };
            table_len(&given, line)
        };
        let judged = judged.and_then(|lines| {
            let beyond = |_| Breach::Emitted { emitted: lines, room: layout.records };
            if tray.came_as_given(portion, &front, lines).map_err(beyond)? {
                return Ok(None);
            }
            tray.copy_table(&front, lines).map_err(beyond)?;
            judge(&Given { layout, records: tray.given(portion), input_end, routes }, tray.table()).map(Some)
        });
        let heap = match judged {
            Ok(Some(heap)) => heap,
            Ok(None) => return Seen::Verdicts(Vec::new()),
            Err(breach) => {
                tracing::warn!(target: "proscenium::plugin", plugin, %breach, "what the process wrote cannot be");
                return Seen::Breach;
            }
        };
        if !tray.has_room(portion, &heap) {
            return Seen::Code(ReturnCode::NoSpace.number());
        }
        self.again.clear();
        match tray.take_over(portion, &heap, &front, &mut self.again) {
            Err(_) => Seen::Breach,
            Ok(()) => Seen::Verdicts(self.again.drain(..).map(|(record, ms)| (record, ms_of(ms))).collect()),
        }
    }

    /// How the serving process has ended, and the record that was in work.
    pub(crate) fn report(&mut self, class: Class) -> (EndReport, Option<u32>) {
        let mut report = EndReport {
            plugin: self.settings.stage.as_str().into(),
            class: self.core.class_of(class),
            phase: None,
            pid: 0,
            batch: None,
            attempt: 0,
            record: None,
            note: 0,
            last_word: None,
            memory: None,
            tasks_refused: 0,
            text: String::new(),
        };
        let Some(serving) = &mut self.serving else { return (report, None) };
        report.pid = serving.process.child.pid();
        report.memory = match report.class {
            Class::Killed(KILL) | Class::OutOfMemory => serving.process.memory_at(KILL),
            _ => None,
        };
        let refused = serving.process.group.as_ref().and_then(|group| group.usage().tasks_refused);
        report.tasks_refused = refused.unwrap_or(0);
        report.last_word = serving.last_word.take();
        report.text = std::mem::take(&mut serving.said);
        report.phase = report.last_word.as_ref().and_then(|word| word.phase);
        let Some((batch, portion)) = self.core.in_work() else { return (report, None) };
        let Some(tray) = self.jobs.get_mut(&batch).and_then(Job::tray) else { return (report, None) };
        let Ok(front) = serving.process.end.front(&tray.slot) else { return (report, None) };
        let mut line = [0; 8];
        if front.load(abi::LINE_SIZE as u32, &mut line).is_err() {
            return (report, None);
        }
        let line = ChildLine(line);
        let progress = line.progress(portion.count);
        report.phase = report.phase.or(Some(if portion.count == 0 { Phase::Flush } else { Phase::Process }));
        report.batch = Some(batch.0);
        report.note = line.note();
        report.attempt = self.core.attempt(batch);
        report.record = progress.and_then(|nth| Some(tray.given(portion).get(nth as usize)?[0]));
        (report, progress)
    }

    pub(crate) fn is_serving(&self, instance: u32) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.process.instance == instance)
    }
}

impl Serving {
    /// Whether the batch that it is about to get is worked off on the caller's processor, which it is put on for it.
    fn take_seat(&mut self, is_alone: bool, now: Now) {
        let is_alone = is_alone && self.process.end.in_flight() == 0 && UnderWay::is_none();
        if !self.lone.handed(is_alone, now) {
            return self.seat.leave();
        }
        let is_due = self.seen.is_none_or(|seen| now - seen >= SEAT_CHECK);
        if is_due {
            self.seen = Some(now);
        }
        if (is_due && !self.seat.is_single()) || self.seat.share().is_err() {
            self.lone.never();
            return self.seat.leave();
        }
        // Who gave it looks for it, and is not to be woken.
        self.process.end.disarm();
    }

    fn has_done(&mut self, done: u32, now: Now) {
        let left = self.process.end.in_flight();
        self.pace.completed(done, left, now);
        if left == 0 {
            self.under_way = None;
        }
        if done > 0 {
            self.lone.completed(now);
        }
    }

    /// Of its end.
    pub(crate) fn class(&self, status: Result<ExitStatus, WaitError>) -> Class {
        match status {
            _ if self.was_stopped => Class::Killed(STOP),
            Ok(status) => match status.signal() {
                Some(signal) if self.process.is_over_its_memory(signal.number()) => Class::OutOfMemory,
                Some(signal) => Class::of_signal(signal.number(), self.last_word.as_ref(), self.process.child.pid()),
                None => Class::Exit(status.code().unwrap_or(0)),
            },
            Err(_) => Class::Killed(KILL), // Its guard is gone, which takes it along.
        }
    }

    pub(crate) fn hear(&mut self, tell: Tell, plugin: &str) {
        match tell {
            Tell::Fail(text) => self.said = text,
            tell => watch::tell(plugin, &tell),
        }
    }
}

/// By a signal: it neither works nor ends until somebody continues it.
fn is_stopped(pid: u32) -> bool {
    // The name, in parentheses, may hold anything; behind it comes the state.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

fn ms_of(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

fn core(settings: &Settings) -> FlightCore {
    FlightCore::new(settings.depth as usize, settings.terms())
}
