//! The plugin's actor: it starts and ends processes, and does what takes time.

use std::sync::Arc;

use proscenium_plugin_runner::wire::{self, Garbled, Heard, LONGEST, Purpose, Tell};
use proscenium_process::{ExitStatus, WaitError};
use proscenium_runtime::{Actor, Context, Exit, Now, Ref, Reply};

use crate::desk::Desk;
use crate::end::{Class, KILL};
use crate::flight_core::{Event, Seen};
use crate::group::Group;
use crate::pace_core::LOOK;
use crate::process::{Plan, Process, Source, receive_now};
use crate::spec::Settings;
use crate::start_error::StartError;
use crate::status::{State, Status};
use crate::swap::{Changing, Swap, SwapError, SwapReport};
use crate::watch;
use crate::work::{Errands, Template, Work};

/// What the plugin's actor is told.
pub enum Msg {
    /// There is something to do that only it can.
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
    /// Its spec has changed.
    Renew(Arc<Settings>, Reply<Result<(), SwapError>>),
    /// The process that is to take over, or why there is none.
    Launched(Box<Result<(Process, Vec<Tell>), StartError>>),
    /// A step of a swap takes too long.
    SwapLimit(u32),
    /// How it is.
    Status(Reply<Status>),
    /// What its refs share.
    Desk(Reply<Arc<Desk>>),
}

/// One incarnation: a process, and swaps to others.
pub struct Life {
    pub(crate) desk: Arc<Desk>,
    /// The process that this incarnation has made serve.
    pub(crate) instance: Option<u32>,
    pub(crate) changing: Option<Changing>,
    /// How often a process was asked to give or to take a state.
    pub(crate) asked: u32,
}

impl Drop for Life {
    /// Also when it is killed.
    fn drop(&mut self) {
        drop(self.retire());
    }
}

impl Life {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Life { desk, instance: None, changing: None, asked: 0 }
    }

    /// What this incarnation has made serve does so no more.
    fn retire(&mut self) -> Option<Process> {
        let instance = self.instance.take()?;
        // Another incarnation's is not touched: this one may have been given up.
        self.desk.with(|work, now| if work.is_serving(instance) { work.retire(now) } else { None })
    }

    /// What a process is started with: what serves, or served last, but for what is to change.
    pub(crate) fn plan(&mut self, change: Option<&Swap>, settings: Arc<Settings>) -> Plan {
        let pool = self.desk.pool.clone();
        self.desk.with(|work, _| {
            let Template { source, params, library, guard, processes, .. } = &mut work.template;
            let other = change.and_then(|swap| swap.library.clone());
            let keeps_copy = change.is_none_or(|swap| swap.keeps_copy);
            let library = match (other, library) {
                (Some(other), before) => Source::Path(other, before.clone()),
                (None, Some(copy)) if keeps_copy => Source::Copied(copy.clone()),
                (None, before) => Source::Path(source.clone(), before.clone()),
            };
            let params = change.and_then(|swap| swap.params.clone()).unwrap_or_else(|| params.clone());
            let (instance, guard) = (*processes, guard.clone());
            *processes += 1;
            Plan { settings, library, params, instance, guard, pool, purpose: Purpose::Serve }
        })
    }

    async fn start(&mut self, cx: &mut Context<Self>) -> Result<(), StartError> {
        let (process, said) = self.plan(None, self.desk.settings()).launch().await?;
        watch::attach(&process, &self.desk, cx).map_err(StartError::Host)?;
        drop(self.serve_by(process, said));
        self.desk.with(|work, _| work.template.starts += 1);
        Ok(())
    }

    /// From now on this process serves. The one that has served so far is returned.
    pub(crate) fn serve_by(&mut self, process: Process, said: Vec<Tell>) -> Option<Process> {
        self.instance = Some(process.instance);
        self.desk.with(|work, _| work.serve_by(process, said))
    }

    /// By these settings from the next batch on.
    pub(crate) fn take_on(&self, settings: Arc<Settings>) {
        self.desk.with(|work, now| work.renew(settings, now));
    }

    /// Something has happened.
    pub(crate) fn on(&self, event: Event) {
        self.desk.with(|work, now| work.on(event, now));
    }

    /// What only the actor can do: timers, and its own end.
    fn attend(&self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.desk.with(|work, now| {
            work.attended(now);
            work.harvest(now);
            if let Some(exit) = work.failing() {
                return Err(exit);
            }
            self.set_timer(work, now, cx);
            let errands = &mut work.errands;
            if errands.is_to_look && !std::mem::replace(&mut errands.looks, true) {
                cx.send_after(LOOK, Msg::Look);
            }
            Ok(())
        })
    }

    /// One timer for all that the core waits for; one that comes too early is set anew.
    fn set_timer(&self, work: &mut Work, now: Now, cx: &mut Context<Self>) {
        let Some(next) = work.core.next_tick() else { return };
        let timer = &mut work.errands.timer;
        if timer.is_none_or(|set| set > next) {
            *timer = Some(next);
            cx.send_after(next.since_start().saturating_sub(now.since_start()), Msg::Tick);
        }
    }

    fn heard(&mut self, heard: Result<Heard, Garbled>, cx: &mut Context<Self>) -> Result<(), Exit> {
        let (desk, settings) = (self.desk.clone(), self.desk.settings());
        let stage = settings.stage.as_str();
        match heard {
            Ok(Heard::LastWord(word)) => desk.with(|work, _| {
                if let Some(serving) = &mut work.serving {
                    serving.last_word = Some(word);
                }
            }),
            Ok(Heard::Tell(tell @ (Tell::Exported { .. } | Tell::Imported | Tell::StateRefused { .. }))) => {
                if let Some(instance) = self.instance {
                    self.state_told(instance, tell, cx);
                }
            }
            Ok(Heard::Tell(Tell::Learned(text))) => {
                let pid = desk.with(|work, _| work.serving.as_ref().map(|serving| serving.process.child.pid()));
                if let (Some(refusals), Some(pid)) = (&settings.refusals, pid) {
                    refusals.note(pid, text);
                }
            }
            Ok(Heard::Tell(tell)) => desk.with(|work, _| {
                if let Some(serving) = &mut work.serving {
                    serving.hear(tell, stage);
                }
            }),
            Ok(Heard::OtherBuild) => self.garbled("it has changed its build"),
            Err(garbled) => self.garbled(&garbled.0),
        }
        Ok(())
    }

    fn garbled(&self, why: &str) {
        tracing::warn!(target: "proscenium::plugin", plugin = self.desk.settings().stage, why, "the process garbles");
        self.on(Event::Done(Seen::Breach));
    }

    /// The serving process is gone: what it did to its end counts, the rest is for the next.
    fn ended(&mut self, status: Result<ExitStatus, WaitError>, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.attend(cx)?;
        self.last_words(cx)?;
        let report = self.desk.with(|work, now| {
            let class = work.serving.as_ref().map_or(Class::Killed(KILL), |serving| serving.class(status));
            let (report, progress) = work.report(class);
            let report = Arc::new(report);
            work.last_end = Some(report.clone());
            work.on(Event::Ended { class, progress }, now);
            work.serving = None;
            report
        });
        tracing::warn!(target: "proscenium::plugin", "{report}");
        Err(report.exit())
    }

    /// What a dying process has said, and what still lies in its socket.
    fn last_words(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        /// The socket holds fewer.
        const MOST: usize = 1_024;
        use std::os::fd::AsFd;
        let mut bytes = vec![0; LONGEST];
        let control = self.desk.with(|work, _| Some(work.serving.as_ref()?.process.control.clone()));
        for _ in 0..MOST {
            let Some(control) = &control else { return Ok(()) };
            match receive_now(control.get_ref().as_fd(), &mut bytes) {
                Ok(Some(len)) => self.heard(wire::heard(&bytes[..len]), cx)?,
                Ok(None) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn status(&self) -> Status {
        self.desk.with(|work, _| {
            let serving = work.serving.as_ref().map(|serving| &serving.process);
            let in_flight = work.core.in_flight();
            let state = match &self.changing {
                _ if work.stopped_by.is_some() => State::Stopped,
                _ if serving.is_none() => State::Starting,
                Some(changing) => changing.state(),
                None if in_flight > 0 => State::Busy,
                None => State::Ready,
            };
            Status {
                state,
                in_flight,
                pid: serving.map(|process| process.child.pid()),
                library: work.template.source.clone(),
                fingerprint: serving.map(|process| process.library.fingerprint),
                info: serving.map(|process| process.info.clone()).unwrap_or_default(),
                sandbox: serving.map(|process| process.ready.sandbox.clone()).unwrap_or_default(),
                usage: serving.and_then(|process| process.group.as_ref()).map(Group::usage).unwrap_or_default(),
                processes: work.template.processes,
                last_end: work.last_end.clone(),
            }
        })
    }

    fn is_serving(&self, instance: u32) -> bool {
        self.instance == Some(instance)
    }
}

impl Actor for Life {
    type Msg = Msg;
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        // What one has left that was given up, and its timers, are of no use to this one.
        drop(self.desk.with(|work, now| {
            work.errands = Errands::default();
            work.failing();
            work.retire(now)
        }));
        self.start(cx).await.map_err(|error| Exit::Error(Arc::new(error)))?;
        self.on(Event::Ready);
        self.attend(cx)
    }

    /// Whatever it is told, it ends with a look at what the process has done.
    async fn handle(&mut self, cx: &mut Context<Self>, msg: Msg) -> Result<(), Exit> {
        match msg {
            Msg::Heard(instance, heard) if self.is_serving(instance) => self.heard(*heard, cx)?,
            Msg::Heard(instance, heard) => self.heard_of_another(instance, *heard, cx),
            Msg::HungUp(instance) if self.is_serving(instance) => self.on(Event::End(Class::Channel)),
            Msg::HungUp(_) => {} // What it was to say does not come, and that has a limit.
            Msg::Ended(instance, status) if self.is_serving(instance) => self.ended(status, cx)?,
            Msg::Ended(instance, status) => self.other_ended(instance, status),
            Msg::Woken => {}
            Msg::Look => self.desk.with(|work, _| work.errands.looks = false),
            Msg::Tick => self.desk.with(|work, now| {
                work.errands.timer = None;
                work.on(Event::Tick, now);
            }),
            Msg::Swap(swap, reply) => self.begin_swap(*swap, reply, cx),
            Msg::Renew(settings, reply) => self.renew(settings, reply, cx),
            Msg::Launched(launched) => self.launched(*launched, cx),
            Msg::SwapLimit(asked) => self.swap_limit(asked),
            Msg::Status(reply) => reply.send(self.status()),
            Msg::Desk(reply) => reply.send(self.desk.clone()),
        }
        self.attend(cx)?;
        while self.go_on_with_swap(cx) {
            self.attend(cx)?;
        }
        Ok(())
    }

    /// The process puts its things away, if that does not take too long.
    async fn terminate(&mut self, _: &mut Context<Self>, exit: &Exit) {
        if exit.is_orderly()
            && let Some(process) = self.retire()
        {
            watch::leave(process, self.desk.settings().stop_limit).await;
        }
    }
}
