//! The plugin's actor: it owns the process and carries out what the core decides.

use std::sync::Arc;

use proscenium_plugin_runner::wire::{self, Garbled, Heard, LONGEST, LastWord, Phase, Purpose, Tell, kind};
use proscenium_plugin_sdk::abi::{self, ReturnCode};
use proscenium_process::{ExitStatus, WaitError};
use proscenium_runtime::{Actor, Context, Exit, Now, Ref, Reply};

use crate::answer::{Job, Undone};
use crate::block::{ChildLine, Head, NOT_RETURNED};
use crate::desk::{Desk, Flights};
use crate::end::{Class, EndReport, KILL, STOP};
use crate::failover_core::Why;
use crate::flight_core::{Action, BatchId, Event, Seen};
use crate::judge::{Breach, Given, judge, table_len};
use crate::pace_core::{LOOK, PaceCore};
use crate::portion::Portion;
use crate::process::{Plan, Process, Source, receive_now};
use crate::start_error::StartError;
use crate::status::{State, Status};
use crate::swap::{Changing, Swap, SwapError, SwapReport};
use crate::watch;

/// What the plugin's actor is told.
pub enum Msg {
    /// A batch.
    Given(Job),
    /// A process has done something.
    Woken,
    /// It has said something.
    Heard(u32, Box<Result<Heard, Garbled>>),
    /// It has closed its end of the control socket, and lives.
    HungUp(u32),
    /// It has ended.
    Ended(u32, Result<ExitStatus, WaitError>),
    /// A time that the core has asked for.
    Tick,
    /// It is time to look, without being woken.
    Look,
    /// Another library, or other parameters.
    Swap(Box<Swap>, Reply<Result<SwapReport, SwapError>>),
    /// The process that is to take over, or why there is none.
    Launched(Box<Result<(Process, Vec<Tell>), StartError>>),
    /// A step of a swap takes too long.
    SwapLimit(u32),
    /// It takes batches again.
    Resume,
    /// How it is.
    Status(Reply<Status>),
    /// What its refs share.
    Desk(Reply<Arc<Desk>>),
}

/// One incarnation: a process, and swaps to others.
pub struct Life {
    pub(crate) desk: Arc<Desk>,
    flights: Option<Flights>,
    pub(crate) serving: Option<Serving>,
    pub(crate) changing: Option<Changing>,
    /// How often a process was asked to give or to take a state.
    pub(crate) asked: u32,
    /// When the timer is set for that runs.
    timer: Option<Now>,
    /// A timer runs for a look.
    looks: bool,
    state: State,
    /// What the plugin has returned that it was stopped for.
    stopped_by: i32,
    /// Used again and again.
    again: Vec<(u32, u32)>,
    actions: Vec<Action>,
}

/// The process that serves.
pub(crate) struct Serving {
    pub(crate) process: Process,
    pace: PaceCore,
    last_word: Option<LastWord>,
    /// Why the call in work fails, in the plugin's words.
    said: String,
    /// It was stopped when its time was up.
    was_stopped: bool,
}

impl Drop for Life {
    /// Also when it is killed.
    fn drop(&mut self) {
        drop(self.serving.take());
        if let Some(flights) = self.flights.take() {
            self.desk.put_back(flights);
        }
    }
}

impl Life {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Life {
            desk,
            flights: None,
            serving: None,
            changing: None,
            asked: 0,
            timer: None,
            looks: false,
            state: State::Starting,
            stopped_by: 0,
            again: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// What a process is started with: what serves, or served last, but for what is to change.
    pub(crate) fn plan(&mut self, change: Option<&Swap>) -> Option<Plan> {
        let flights = self.flights.as_mut()?;
        let library = match (change, &flights.library) {
            (None, Some(copy)) => Source::Copied(copy.clone()),
            (change, _) => {
                let other = change.and_then(|swap| swap.library.clone());
                Source::Path(other.unwrap_or_else(|| flights.source.clone()))
            }
        };
        let params = change.and_then(|swap| swap.params.clone()).unwrap_or_else(|| flights.params.clone());
        let (instance, guard) = (flights.processes, flights.guard.clone());
        flights.processes += 1;
        let (settings, pool) = (self.desk.settings.clone(), self.desk.pool.clone());
        Some(Plan { settings, library, params, instance, guard, pool, purpose: Purpose::Serve })
    }

    async fn start(&mut self, cx: &mut Context<Self>) -> Result<(), StartError> {
        let plan = self.plan(None).ok_or(StartError::Interrupted)?;
        let (process, said) = plan.launch().await?;
        watch::attach(&process, &self.desk.settings.stage, cx).map_err(StartError::Host)?;
        self.serve_by(process, said);
        Ok(())
    }

    /// From now on this process serves, and those to come are started like it.
    pub(crate) fn serve_by(&mut self, process: Process, said: Vec<Tell>) {
        if let Some(flights) = &mut self.flights {
            flights.source = process.library.source.clone();
            flights.library = Some(process.library.clone());
            flights.params = process.params.clone();
            flights.guard = Some(process.guard.clone());
        }
        let mut serving =
            Serving { process, pace: PaceCore::default(), last_word: None, said: String::new(), was_stopped: false };
        said.into_iter().for_each(|tell| serving.hear(tell, &self.desk.settings.stage));
        self.serving = Some(serving);
        if self.state == State::Starting {
            self.state = State::Ready;
        }
    }

    /// Something has happened: the core decides, and this does it.
    pub(crate) fn on(&mut self, event: Event, cx: &mut Context<Self>) -> Result<(), Exit> {
        let now = cx.now();
        let Some(flights) = &mut self.flights else { return Ok(()) };
        let mut actions = std::mem::take(&mut self.actions);
        flights.core.on(event, now, &mut actions);
        let done = actions.drain(..).try_for_each(|action| self.carry_out(action));
        self.actions = actions;
        done?;
        self.set_timer(cx);
        Ok(())
    }

    fn carry_out(&mut self, action: Action) -> Result<(), Exit> {
        let Some(flights) = &mut self.flights else { return Ok(()) };
        match action {
            Action::Hand { batch, portion, attempt } => self.hand(batch, portion, attempt)?,
            Action::SetAside { batch, portion, why } => {
                let end = flights.last_end.clone().filter(|_| why == Why::Poison);
                if let Some(tray) = flights.jobs.get_mut(&batch).and_then(Job::tray) {
                    tray.set_aside(portion, why, end);
                }
            }
            Action::Release(batch) => flights.jobs.remove(&batch).into_iter().for_each(Job::done),
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
                flights.jobs.take_all().for_each(|job| job.undone(Undone::Stopped { code }));
                flights.core = self.desk.core();
                return Err(Exit::custom(format!(
                    "the plugin has failed with code {code}, and its policy is to fail fast"
                )));
            }
            Action::Stop { code } => {
                self.state = State::Stopped;
                self.stopped_by = code;
            }
            Action::GiveBack { batch } => {
                let code = self.stopped_by;
                flights.jobs.remove(&batch).into_iter().for_each(|job| job.undone(Undone::Stopped { code }));
            }
            Action::GiveUp { batch } => {
                let end = flights.last_end.clone();
                if let Some(job) = flights.jobs.remove(&batch) {
                    job.undone(Undone::Crashed(end));
                }
            }
            Action::Gone { is_excused, .. } => self.desk.excuse(is_excused),
        }
        Ok(())
    }

    fn hand(&mut self, batch: BatchId, portion: Portion, attempt: u32) -> Result<(), Exit> {
        let (Some(flights), Some(serving)) = (&mut self.flights, &mut self.serving) else { return Ok(()) };
        let Some(tray) = flights.jobs.get_mut(&batch).and_then(Job::tray) else { return Ok(()) };
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
        let written = front
            .store(0, &tray.layout.header(&head))
            .and_then(|()| front.store(u32::from(abi::HEADER_SIZE), tray.given(portion).as_flattened()));
        written.map_err(|error| broken(&error))?;
        let kind = if is_flush { kind::FLUSH } else { kind::BATCH };
        serving.process.order(Some(&tray.slot), kind, self.desk.settings.timeout).map_err(|error| broken(&error))
    }

    /// Takes what the process has done, and says that it is to wake this actor for more.
    fn harvest(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        loop {
            if self.flights.as_ref().is_none_or(|flights| flights.core.is_broken()) {
                return Ok(());
            }
            let Some(serving) = &mut self.serving else { return Ok(()) };
            let done = match serving.process.done() {
                Ok(done) => done,
                Err(violation) => {
                    tracing::warn!(target: "proscenium::plugin", plugin = self.desk.settings.stage, %violation, "the process lies");
                    return self.on(Event::Done(Seen::Breach), cx);
                }
            };
            serving.pace.completed(done, serving.process.end.in_flight(), cx.now());
            for _ in 0..done {
                let kind = self.serving.as_mut().and_then(|serving| serving.process.next_done());
                if kind.is_some_and(|kind| kind != kind::CONTROL) {
                    let seen = self.look();
                    self.on(Event::Done(seen), cx)?;
                    // What it did after that is not looked at: it will be replayed.
                    if self.flights.as_ref().is_none_or(|flights| flights.core.is_broken()) {
                        return Ok(());
                    }
                }
            }
            let Some(serving) = &mut self.serving else { return Ok(()) };
            let under_way = serving.process.end.in_flight();
            if under_way > 0 {
                serving.pace.handed(cx.now());
            }
            let wanted = serving.pace.wanted(under_way);
            if serving.process.end.arm(wanted) {
                // So that one that is slow all of a sudden holds nothing back for long.
                if wanted > 1 && !std::mem::replace(&mut self.looks, true) {
                    cx.send_after(LOOK, Msg::Look);
                }
                return Ok(());
            }
        }
    }

    /// What the process has made of the portion that it was handed first.
    fn look(&mut self) -> Seen {
        let (Some(flights), Some(serving)) = (&mut self.flights, &self.serving) else { return Seen::Breach };
        // What was a breach once is not looked at again: a thread of the child may have mended it.
        if flights.core.ending() == Some(Class::Violation) {
            return Seen::Breach;
        }
        let Some((batch, portion)) = flights.core.in_work() else { return Seen::Breach };
        let Some(tray) = flights.jobs.get_mut(&batch).and_then(Job::tray) else { return Seen::Breach };
        let Ok(front) = serving.process.end.front(&tray.slot) else { return Seen::Breach };
        let mut line = [0; 8];
        if front.load(abi::LINE_SIZE as u32, &mut line).is_err() {
            return Seen::Breach;
        }
        let line = ChildLine(line);
        if line.result() == NOT_RETURNED {
            tracing::warn!(target: "proscenium::plugin", plugin = self.desk.settings.stage, "a call is said to be done, and was not made");
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
            tray.copy_table(&front, lines).map_err(|_| Breach::Emitted { emitted: lines, room: layout.records })?;
            judge(&Given { layout, records: tray.given(portion), input_end, routes }, tray.table())
        });
        let heap = match judged {
            Ok(heap) => heap,
            Err(breach) => {
                let plugin = self.desk.settings.stage.as_str();
                tracing::warn!(target: "proscenium::plugin", plugin, %breach, "what the process wrote cannot be");
                return Seen::Breach;
            }
        };
        if !tray.has_room(&heap) {
            return Seen::Code(ReturnCode::NoSpace.number());
        }
        self.again.clear();
        match tray.take_over(portion, &heap, &front, &mut self.again) {
            Err(_) => Seen::Breach,
            Ok(()) => Seen::Verdicts(self.again.drain(..).map(|(record, ms)| (record, ms_of(ms))).collect()),
        }
    }

    /// One timer for all that the core waits for; one that comes too early is set anew.
    fn set_timer(&mut self, cx: &mut Context<Self>) {
        let Some(next) = self.flights.as_ref().and_then(|flights| flights.core.next_tick()) else { return };
        if self.timer.is_none_or(|set| set > next) {
            self.timer = Some(next);
            let now = cx.now();
            let after = next.since_start().saturating_sub(now.since_start());
            cx.send_after(after, Msg::Tick);
        }
    }

    fn heard(&mut self, heard: Result<Heard, Garbled>, cx: &mut Context<Self>) -> Result<(), Exit> {
        let Some(serving) = &mut self.serving else { return Ok(()) };
        match heard {
            Ok(Heard::LastWord(word)) => serving.last_word = Some(word),
            Ok(Heard::Tell(tell @ (Tell::Exported { .. } | Tell::Imported | Tell::StateRefused { .. }))) => {
                let instance = serving.process.instance;
                return self.state_told(instance, tell, cx);
            }
            Ok(Heard::Tell(Tell::Learned(text))) => {
                if let Some(refusals) = &self.desk.settings.refusals {
                    refusals.note(serving.process.child.pid(), text);
                }
            }
            Ok(Heard::Tell(tell)) => serving.hear(tell, &self.desk.settings.stage),
            Err(garbled) => {
                tracing::warn!(target: "proscenium::plugin", plugin = self.desk.settings.stage, why = garbled.0, "the process garbles");
                return self.on(Event::Done(Seen::Breach), cx);
            }
        }
        Ok(())
    }

    /// The serving process is gone: what it did to its end counts, the rest is for the next.
    fn ended(&mut self, status: Result<ExitStatus, WaitError>, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.harvest(cx)?;
        self.last_words(cx)?;
        let class = self.serving.as_ref().map_or(Class::Killed(KILL), |serving| serving.class(status));
        let (report, progress) = self.report(class);
        let report = Arc::new(report);
        if let Some(flights) = &mut self.flights {
            flights.last_end = Some(report.clone());
        }
        self.on(Event::Ended { class, progress }, cx)?;
        tracing::warn!(target: "proscenium::plugin", "{report}");
        Err(report.exit())
    }

    /// What a dying process has said, and what still lies in its socket.
    fn last_words(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        /// The socket holds fewer.
        const MOST: usize = 1_024;
        use std::os::fd::AsFd;
        let mut bytes = vec![0; LONGEST];
        for _ in 0..MOST {
            let Some(serving) = &self.serving else { return Ok(()) };
            let control = serving.process.control.clone();
            match receive_now(control.get_ref().as_fd(), &mut bytes) {
                Ok(Some(len)) => self.heard(wire::heard(&bytes[..len]), cx)?,
                Ok(None) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn report(&mut self, class: Class) -> (EndReport, Option<u32>) {
        let stage = self.desk.settings.stage.as_str();
        let mut report = EndReport {
            plugin: stage.into(),
            class: self.flights.as_ref().map_or(class, |flights| flights.core.class_of(class)),
            phase: None,
            pid: 0,
            batch: None,
            attempt: 0,
            record: None,
            note: 0,
            last_word: None,
            text: String::new(),
        };
        let (Some(flights), Some(serving)) = (&mut self.flights, &mut self.serving) else { return (report, None) };
        report.pid = serving.process.child.pid();
        report.last_word = serving.last_word.take();
        report.text = std::mem::take(&mut serving.said);
        report.phase = report.last_word.as_ref().and_then(|word| word.phase);
        let Some((batch, portion)) = flights.core.in_work() else { return (report, None) };
        let Some(tray) = flights.jobs.get_mut(&batch).and_then(Job::tray) else { return (report, None) };
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
        report.attempt = flights.core.attempt(batch);
        report.record = progress.and_then(|nth| Some(tray.given(portion).get(nth as usize)?[0]));
        (report, progress)
    }

    pub(crate) fn flights(&mut self) -> Option<&mut Flights> {
        self.flights.as_mut()
    }

    fn status(&self) -> Status {
        let serving = self.serving.as_ref().map(|serving| &serving.process);
        let in_flight = self.flights.as_ref().map_or(0, |flights| flights.core.in_flight());
        let state = match (&self.changing, self.state) {
            (Some(changing), State::Ready) => changing.state(),
            (None, State::Ready) if in_flight > 0 => State::Busy,
            (_, state) => state,
        };
        Status {
            state,
            in_flight,
            pid: serving.map(|process| process.child.pid()),
            library: self.flights.as_ref().map(|flights| flights.source.clone()).unwrap_or_default(),
            fingerprint: serving.map(|process| process.library.fingerprint),
            info: serving.map(|process| process.info.clone()).unwrap_or_default(),
            sandbox: serving.map(|process| process.ready.sandbox.clone()).unwrap_or_default(),
            processes: self.flights.as_ref().map_or(0, |flights| flights.processes),
            last_end: self.flights.as_ref().and_then(|flights| flights.last_end.clone()),
        }
    }

    fn is_serving(&self, instance: u32) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.process.instance == instance)
    }
}

/// By a signal: it neither works nor ends until somebody continues it.
fn is_stopped(pid: u32) -> bool {
    // The name, in parentheses, may hold anything; behind it comes the state.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

impl Serving {
    /// Of its end.
    fn class(&self, status: Result<ExitStatus, WaitError>) -> Class {
        match status {
            _ if self.was_stopped => Class::Killed(STOP),
            Ok(status) => match status.signal() {
                Some(signal) => Class::of_signal(signal.number(), self.last_word.as_ref(), self.process.child.pid()),
                None => Class::Exit(status.code().unwrap_or(0)),
            },
            Err(_) => Class::Killed(KILL), // Its guard is gone, which takes it along.
        }
    }

    fn hear(&mut self, tell: Tell, plugin: &str) {
        match tell {
            Tell::Fail(text) => self.said = text,
            tell => watch::tell(plugin, &tell),
        }
    }
}

fn ms_of(ms: u32) -> std::time::Duration {
    std::time::Duration::from_millis(ms.into())
}

impl Actor for Life {
    type Msg = Msg;
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        // One that was given up may still have them; then the supervisor tries again.
        self.flights = self.desk.lease();
        self.start(cx).await.map_err(|error| Exit::Error(Arc::new(error)))?;
        self.on(Event::Ready, cx)?;
        self.harvest(cx)
    }

    /// Whatever it is told, it ends with a look at what the process has done, and says that it is to be woken for more.
    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        match msg {
            Msg::Given(job) => self.given(job, cx)?,
            Msg::Heard(instance, heard) if self.is_serving(instance) => self.heard(*heard, cx)?,
            Msg::Heard(instance, heard) => self.heard_of_another(instance, *heard, cx)?,
            Msg::HungUp(instance) if self.is_serving(instance) => self.on(Event::End(Class::Channel), cx)?,
            Msg::HungUp(_) => {} // What it was to say does not come, and that has a limit.
            Msg::Ended(instance, status) if self.is_serving(instance) => self.ended(status, cx)?,
            Msg::Ended(instance, status) => self.other_ended(instance, status, cx)?,
            Msg::Woken => {}
            Msg::Look => self.looks = false,
            Msg::Tick => {
                self.timer = None;
                self.on(Event::Tick, cx)?;
            }
            Msg::Swap(swap, reply) => self.begin_swap(*swap, reply, cx),
            Msg::Launched(launched) => self.launched(*launched, cx)?,
            Msg::SwapLimit(asked) => self.swap_limit(asked, cx)?,
            Msg::Resume => {
                if self.state == State::Stopped {
                    self.state = State::Ready;
                    if let Some(flights) = &mut self.flights {
                        flights.core.resume();
                    }
                }
            }
            Msg::Status(reply) => reply.send(self.status()),
            Msg::Desk(reply) => reply.send(self.desk.clone()),
        }
        self.harvest(cx)?;
        while self.go_on_with_swap(cx)? {
            self.harvest(cx)?;
        }
        Ok(())
    }

    /// The process puts its things away, if that does not take too long.
    async fn terminate(&mut self, _: &mut Context<Self>, exit: &Exit) {
        if exit.is_orderly()
            && let Some(serving) = self.serving.take()
        {
            watch::leave(serving.process, self.desk.settings.stop_limit).await;
        }
    }
}

impl Life {
    fn given(&mut self, job: Job, cx: &mut Context<Self>) -> Result<(), Exit> {
        let Some(flights) = &mut self.flights else { return Ok(()) };
        if self.state == State::Stopped {
            job.undone(Undone::Stopped { code: self.stopped_by });
            return Ok(());
        }
        let batch = BatchId(flights.next);
        flights.next += 1;
        let mut job = job;
        let records = job.tray().map_or(0, |tray| tray.len());
        flights.jobs.insert(batch, job);
        self.on(Event::Given { batch, records }, cx)
    }
}
