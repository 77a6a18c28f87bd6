//! Hot-swap: another process beside the one that serves, and a cut between two batches.
//!
//! ```text
//!   asked ──▶ launching ──▶ draining ──▶ (exporting ──▶ importing) ──▶ cut over: the report
//!               │ the old one serves │      │ nothing is handed out │
//!               └────────┬───────────┴──────┴──────────┬────────────┘
//!                        └── fails: the old one goes on, and the error says why
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proscenium_plugin_runner::wire::{Ask, Garbled, Heard, Tell};
use proscenium_plugin_sdk::abi::ReturnCode;
use proscenium_process::{ExitStatus, WaitError};
use proscenium_runtime::{CallError, Context, Exit, Now, Reply};

use crate::flight_core::Event;
use crate::life::{Life, Msg};
use crate::private_copy::Fingerprint;
use crate::process::Process;
use crate::renewal_core::{Takes, takes};
use crate::spec::Settings;
use crate::start_error::StartError;
use crate::state_memory::StateMemory;
use crate::status::State;
use crate::watch;

/// What a plugin is to become.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use = "it is for PluginRef::swap"]
pub struct Swap {
    pub(crate) library: Option<PathBuf>,
    pub(crate) params: Option<Vec<(String, String)>>,
    pub(crate) drops_state: bool,
    /// The same library is the one that serves, as it was taken.
    pub(crate) keeps_copy: bool,
}

impl Swap {
    /// Another library, with the same parameters.
    pub fn to(library: impl Into<PathBuf>) -> Self {
        Swap { library: Some(library.into()), ..Swap::default() }
    }

    /// The same library, taken anew from where it is now.
    pub fn reload() -> Self {
        Swap::default()
    }

    /// The library that serves, as it was taken, whatever has become of its file: for other [parameters](Swap::params).
    pub fn same() -> Self {
        Swap { keeps_copy: true, ..Swap::default() }
    }

    /// Other parameters.
    pub fn params<K: Into<String>, V: Into<String>>(mut self, params: impl IntoIterator<Item = (K, V)>) -> Self {
        self.params = Some(params.into_iter().map(|(key, value)| (key.into(), value.into())).collect());
        self
    }

    /// The library that it is to become, if that is another.
    #[must_use]
    pub fn library(&self) -> Option<&Path> {
        self.library.as_deref()
    }

    /// The parameters that it is to have, if those are others.
    #[must_use]
    pub fn new_params(&self) -> Option<&[(String, String)]> {
        self.params.as_deref()
    }

    /// The new process begins without the state of the old one.
    pub fn without_state(mut self) -> Self {
        self.drops_state = true;
        self
    }
}

/// One side of a swap.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Side {
    /// Where the library was.
    pub library: PathBuf,
    /// What it is.
    pub fingerprint: Fingerprint,
    /// The version that it gives.
    pub version: String,
    /// Its process.
    pub pid: u32,
}

impl Side {
    fn of(process: &Process) -> Self {
        Side {
            library: process.library.source.clone(),
            fingerprint: process.library.fingerprint,
            version: process.info("version").to_owned(),
            pid: process.child.pid(),
        }
    }
}

/// A swap that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SwapReport {
    /// What has served.
    pub old: Side,
    /// What serves.
    pub new: Side,
    /// From when the old process was handed its last batch to when the new one could be handed its first: with the time
    /// for what was under way, and for the state.
    pub held: Duration,
    /// From when the old process was through with its last batch to when the new one could be handed its first, without
    /// the time for the state.
    pub gap: Duration,
    /// Batches that the old process had when it was held, and that it was let through with.
    pub drained: usize,
    /// Bytes of state that were carried over; none: there was no state.
    pub state: Option<u64>,
    /// What that took.
    pub state_time: Duration,
    /// All batches before this one were the old process's, this one and those behind it are the new one's.
    pub first_batch: u64,
}

/// Why a plugin was not swapped. The old process serves as before, and no batch was lost.
#[derive(Debug)]
#[non_exhaustive]
pub enum SwapError {
    /// Another swap is under way.
    UnderWay,
    /// The new process does not serve.
    Start(StartError),
    /// The state was refused, by the side that is named, with this code.
    StateRefused {
        /// `export_state` or `import_state`.
        by: &'static str,
        /// What it has returned.
        code: i32,
        /// What it said of it.
        text: String,
    },
    /// The new process has ended before it served.
    Ended(String),
    /// The state took longer than it may. A process that did not answer was ended, and started anew if it was the old one.
    TimedOut,
    /// The host lacks something for it.
    Host(std::io::Error),
    /// The plugin has ended meanwhile, with this exit; its supervisor decides.
    Exited(Exit),
    /// No answer came in time. The swap goes on, and may still be made.
    NoAnswer,
}

impl fmt::Display for SwapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SwapError::UnderWay => f.write_str("another swap is under way; wait for its report"),
            SwapError::Start(error) => write!(f, "{error}; the old process serves as before"),
            SwapError::StateRefused { by, code, text } => {
                let colon = if text.is_empty() { "" } else { ": " };
                write!(f, "{by} has refused the state with code {code}{colon}{text}; the old process serves as before")
            }
            SwapError::Ended(how) => {
                write!(f, "the new process has ended before it served: {how}; the old one serves as before")
            }
            SwapError::TimedOut => {
                f.write_str("the state was not carried over in time; raise `timeout`, or swap without state")
            }
            SwapError::Host(error) => write!(f, "the host cannot carry the state over: {error}"),
            SwapError::Exited(exit) => write!(f, "the plugin has ended meanwhile: {exit}"),
            SwapError::NoAnswer => f.write_str("no answer in time; the swap goes on, ask for the status"),
        }
    }
}

impl std::error::Error for SwapError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SwapError::Start(error) => Some(error),
            SwapError::Host(error) => Some(error),
            _ => None,
        }
    }
}

impl SwapError {
    /// The one that an exit carries, if it does: of a plugin that has refused another spec.
    #[must_use]
    pub fn of(exit: &Exit) -> Option<&Self> {
        match exit {
            Exit::Error(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl From<CallError> for SwapError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Exited(exit) => SwapError::Exited(exit),
            _ => SwapError::NoAnswer,
        }
    }
}

/// How long a swap may take besides what the plugin's own limits say.
const SWAP: Duration = Duration::from_secs(10);

/// How long a swap is waited for.
pub(crate) fn limit(settings: &Settings) -> Duration {
    settings.start_limit + settings.timeout * 3 + settings.grace + SWAP
}

/// A swap under way.
pub(crate) struct Changing {
    wish: Wish,
    step: Step,
}

/// What was asked for, and by whom.
struct Wish {
    drops_state: bool,
    /// By which the new process is.
    settings: Arc<Settings>,
    by: Asker,
}

enum Asker {
    /// By a control message.
    Swap(Reply<Result<SwapReport, SwapError>>),
    /// By another spec.
    Spec(Reply<Result<(), SwapError>>),
}

enum Step {
    Launching,
    Draining { new: Process, said: Vec<Tell>, held: Held },
    Exporting { new: Process, said: Vec<Tell>, held: Held, drained: Now, memory: StateMemory },
    Importing { new: Process, said: Vec<Tell>, held: Held, drained: Now, bytes: u64 },
}

/// When the old process was held, and what it had.
#[derive(Clone, Copy)]
struct Held {
    at: Now,
    handed: usize,
}

/// A process that can take over now.
struct Ready {
    wish: Wish,
    new: Process,
    said: Vec<Tell>,
    held: Held,
    drained: Now,
    state: Option<u64>,
}

impl Changing {
    pub(crate) fn state(&self) -> State {
        if let Step::Launching = self.step { State::Swapping } else { State::Draining }
    }

    fn new_process(&self) -> Option<&Process> {
        match &self.step {
            Step::Launching => None,
            Step::Draining { new, .. } | Step::Exporting { new, .. } | Step::Importing { new, .. } => Some(new),
        }
    }
}

impl Wish {
    fn fail(self, error: SwapError) {
        match self.by {
            Asker::Swap(reply) => reply.send(Err(error)),
            Asker::Spec(reply) => {
                let plugin = self.settings.stage.as_str();
                tracing::warn!(target: "proscenium::plugin", plugin, %error, "the new spec is refused, and the plugin goes on by the old one");
                reply.send(Err(error));
            }
        }
    }
}

impl Asker {
    fn done(self, report: SwapReport) {
        match self {
            Asker::Swap(reply) => reply.send(Ok(report)),
            Asker::Spec(reply) => reply.send(Ok(())),
        }
    }
}

impl Life {
    pub(crate) fn begin_swap(
        &mut self,
        swap: Swap,
        reply: Reply<Result<SwapReport, SwapError>>,
        cx: &mut Context<Self>,
    ) {
        if self.changing.is_some() {
            return reply.send(Err(SwapError::UnderWay));
        }
        let wish = Wish { drops_state: swap.drops_state, settings: self.desk.settings(), by: Asker::Swap(reply) };
        self.begin(&swap, wish, cx);
    }

    /// Its spec has changed. All of it is taken on, at once or when another process takes over, or none.
    pub(crate) fn renew(
        &mut self,
        settings: Arc<Settings>,
        reply: Reply<Result<(), SwapError>>,
        cx: &mut Context<Self>,
    ) {
        let change = takes(&self.desk.settings(), &settings);
        let is_free = match &self.changing {
            None => true,
            // A swap by a message changes no spec, unless there is a process to be started as well.
            Some(changing) => matches!(changing.wish.by, Asker::Swap(_)) && change == Takes::Word,
        };
        let by = Asker::Spec(reply);
        match change {
            _ if !is_free => Wish { drops_state: false, settings, by }.fail(SwapError::UnderWay),
            Takes::Process(swap) => self.begin(&swap, Wish { drops_state: false, settings, by }, cx),
            // Memory and name are the same: the place has looked.
            Takes::Word | Takes::Place => {
                self.take_on(settings);
                if let Asker::Spec(reply) = by {
                    reply.send(Ok(()));
                }
            }
        }
    }

    fn begin(&mut self, swap: &Swap, wish: Wish, cx: &mut Context<Self>) {
        let plan = self.plan(Some(swap), wish.settings.clone());
        // The old one serves meanwhile.
        cx.pipe(plan.launch(), |launched| Msg::Launched(Box::new(launched)));
        self.changing = Some(Changing { wish, step: Step::Launching });
    }

    pub(crate) fn launched(&mut self, launched: Result<(Process, Vec<Tell>), StartError>, cx: &mut Context<Self>) {
        let Some(mut changing) = self.changing.take() else { return };
        let (new, said) = match launched {
            Ok(launched) => launched,
            Err(error) => return changing.wish.fail(SwapError::Start(error)),
        };
        if let Err(error) = watch::attach(&new, &self.desk, cx) {
            return changing.wish.fail(SwapError::Host(error));
        }
        let handed = self.desk.with(|work, now| {
            work.errands.drains = true;
            work.on(Event::Hold, now);
            work.core.handed()
        });
        changing.step = Step::Draining { new, said, held: Held { at: cx.now(), handed } };
        self.changing = Some(changing);
    }

    /// After each message: the next step, if it can be taken. True: it was.
    pub(crate) fn go_on_with_swap(&mut self, cx: &mut Context<Self>) -> bool {
        let (is_drained, had_state) = self.desk.with(|work, _| {
            (work.core.handed() == 0, work.serving.as_ref().is_some_and(|old| old.process.ready.has_state))
        });
        match self.changing.take() {
            Some(Changing { wish, step: Step::Draining { new, said, held } }) if is_drained => {
                self.desk.with(|work, _| work.errands.drains = false);
                if wish.drops_state || !had_state || !new.ready.has_state {
                    let drained = cx.now();
                    self.cut_over(Ready { wish, new, said, held, drained, state: None }, cx);
                    return true;
                }
                let asked = self.ask_for_state(&wish.settings, cx);
                let changing = |step| Changing { wish, step };
                match asked {
                    Ok(memory) => {
                        let drained = cx.now();
                        self.changing = Some(changing(Step::Exporting { new, said, held, drained, memory }));
                    }
                    Err(error) => self.give_up_swap(changing(Step::Launching), SwapError::Host(error)),
                }
                true
            }
            other => {
                self.changing = other;
                false
            }
        }
    }

    fn ask_for_state(&mut self, settings: &Settings, cx: &mut Context<Self>) -> std::io::Result<StateMemory> {
        let limit = settings.state_limit;
        let memory = StateMemory::of(limit)?;
        self.desk.with(|work, _| {
            let Some(serving) = &mut work.serving else { return Err(std::io::ErrorKind::NotConnected.into()) };
            serving.process.ask(&Ask::Export { limit }, Some(memory.as_fd()), settings.timeout)
        })?;
        self.limit_swap(settings, cx);
        Ok(memory)
    }

    /// The old process has given its state, or the new one has taken it. What another process than the one that was asked
    /// says of it is its own idea.
    pub(crate) fn state_told(&mut self, by: u32, tell: Tell, cx: &mut Context<Self>) {
        let asked = match self.changing.as_ref().map(|changing| &changing.step) {
            Some(Step::Exporting { .. }) => self.instance,
            Some(Step::Importing { new, .. }) => Some(new.instance),
            _ => None,
        };
        if asked != Some(by) {
            return watch::tell(&self.desk.settings().stage, &tell);
        }
        let Some(Changing { wish, step }) = self.changing.take() else { return };
        let settings = wish.settings.clone();
        let changing = |step| Changing { wish, step };
        match (step, tell) {
            (Step::Exporting { mut new, said, held, drained, memory }, Tell::Exported { version, len }) => {
                let handed = memory
                    .sealed_copy(len, settings.state_limit)
                    .and_then(|copy| new.ask(&Ask::Import { version, len }, Some(copy.as_fd()), settings.timeout));
                match handed {
                    Ok(_) => {
                        self.limit_swap(&settings, cx);
                        self.changing = Some(changing(Step::Importing { new, said, held, drained, bytes: len }));
                    }
                    Err(error) => self.give_up_swap(changing(Step::Launching), SwapError::Host(error)),
                }
            }
            (Step::Importing { new, said, held, drained, bytes }, Tell::Imported) => {
                let Changing { wish, .. } = changing(Step::Launching);
                self.cut_over(Ready { wish, new, said, held, drained, state: Some(bytes) }, cx);
            }
            // A pair that says so is as none.
            (Step::Exporting { new, said, held, drained, .. }, Tell::StateRefused { code, .. })
                if ReturnCode::new(code) == Some(ReturnCode::Unsupported) =>
            {
                let Changing { wish, .. } = changing(Step::Launching);
                self.cut_over(Ready { wish, new, said, held, drained, state: None }, cx);
            }
            (step, Tell::StateRefused { code, text }) => {
                let by = if let Step::Exporting { .. } = step { "export_state" } else { "import_state" };
                self.give_up_swap(changing(step), SwapError::StateRefused { by, code, text });
            }
            // Not what was asked for: the limit will end it.
            (step, _) => self.changing = Some(changing(step)),
        }
    }

    /// The old process goes on.
    fn give_up_swap(&mut self, changing: Changing, error: SwapError) {
        changing.wish.fail(error);
        self.desk.with(|work, now| {
            work.errands.drains = false;
            work.on(Event::Ready, now);
        });
    }

    fn cut_over(&mut self, ready: Ready, cx: &mut Context<Self>) {
        let Ready { wish, new, said, held, drained, state } = ready;
        let (to, stop_limit) = (Side::of(&new), self.desk.settings().stop_limit);
        if let Asker::Spec(_) = wish.by {
            self.take_on(wish.settings);
        }
        let Some(old) = self.serve_by(new, said) else { return };
        let before = cx.now();
        let first_batch = self.desk.with(|work, now| {
            let first = work.core.oldest().map_or(work.next, |batch| batch.0);
            work.on(Event::Ready, now);
            first
        });
        let now = cx.now();
        let state_time = if state.is_some() { before - drained } else { Duration::ZERO };
        wish.by.done(SwapReport {
            old: Side::of(&old),
            new: to,
            held: now - held.at,
            gap: (now - drained).saturating_sub(state_time),
            drained: held.handed,
            state,
            state_time,
            first_batch,
        });
        tokio::spawn(watch::leave(old, stop_limit));
    }

    /// What a process says that does not serve.
    pub(crate) fn heard_of_another(&mut self, instance: u32, heard: Result<Heard, Garbled>, cx: &mut Context<Self>) {
        match heard {
            Ok(Heard::Tell(tell @ (Tell::Imported | Tell::StateRefused { .. }))) => self.state_told(instance, tell, cx),
            Ok(Heard::Tell(tell)) => watch::tell(&self.desk.settings().stage, &tell),
            _ => {}
        }
    }

    /// A process has ended that does not serve: one that was to take over, or that has left.
    pub(crate) fn other_ended(&mut self, instance: u32, status: Result<ExitStatus, WaitError>) {
        let is_new = self.changing.as_ref().and_then(Changing::new_process).is_some_and(|new| new.instance == instance);
        match self.changing.take() {
            Some(changing) if is_new => {
                let memory = changing.new_process().zip(status.as_ref().ok()).and_then(|(new, status)| {
                    let memory = new.memory_at(status.signal()?.number())?;
                    Some(format!(" ({memory})"))
                });
                let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                let how = how + memory.as_deref().unwrap_or_default();
                self.give_up_swap(changing, SwapError::Ended(how));
            }
            other => self.changing = other,
        }
    }

    /// What was just asked for has a limit. Each has a number, so that the limit of one that is over says nothing to the next.
    fn limit_swap(&mut self, settings: &Settings, cx: &mut Context<Self>) {
        self.asked += 1;
        cx.send_after(settings.timeout, Msg::SwapLimit(self.asked));
    }

    /// What was asked for with this number should have come by now.
    pub(crate) fn swap_limit(&mut self, asked: u32) {
        let waits = matches!(
            self.changing.as_ref().map(|changing| &changing.step),
            Some(Step::Exporting { .. } | Step::Importing { .. })
        );
        if !waits || asked != self.asked {
            return;
        }
        let Some(changing) = self.changing.take() else { return };
        if let Step::Exporting { .. } = changing.step {
            // It hangs, and is started anew.
            self.desk.with(|work, _| work.serving.as_ref().map(|serving| serving.process.child.kill()));
        }
        self.give_up_swap(changing, SwapError::TimedOut);
    }
}
