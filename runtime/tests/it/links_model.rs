//! Random scripts of links, monitors, trapped exits, exit signals, ends and restarts, against a model of what Erlang's
//! reference manual says of them.
//!
//! The model knows six actors, who is linked with whom, who monitors whom, and one recursive rule: what an exit signal
//! does. After every step the real actors are settled (by the ends that are told and by calls, no waiting) and compared:
//! who is alive, how each ended, whether its stop hook ran, what it heard, and its links and watchers as `status` shows
//! them. A cascade has no order that Erlang promises, so what is heard within one step is compared as a multiset; who dies
//! in a step may have missed some of it.
//!
//! `SEED=<number>` replays one script; a script that fails is cut down first.
//!
//! Caught, each by hand: `deliver_exit` that ignores every orderly exit (it must be `Normal` alone) or none; trapping looked
//! at after the reason, or for kills too; `unlink` of one side, or of none; `tell_of_end` without the links, with another
//! reason, and without taking the dead watcher out; `begin` that keeps `trap_exit`; a link or monitor on a dead actor
//! without a signal; monitors keyed by the watched; a demonitor that leaves the monitor; a kill that runs the stop hook.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{ActorCell, Down, Ended, Exit, Exited, Mailbox, MonitorId, Node, Owner, Ref};
use tokio::sync::{mpsc, oneshot};

use crate::both_weights::watch;
use crate::doer::{Doer, Heard, Msg, Weight};

const ACTORS: usize = 6;
const SCRIPTS: u64 = 3_000;
const STEPS: usize = 40;

#[derive(Clone, Debug)]
enum Step {
    Link(usize, usize),
    Unlink(usize, usize),
    Monitor(usize, usize),
    /// One of the monitors that were ever made, by its number.
    Demonitor(usize),
    Trap(usize, bool),
    /// An exit signal, from an actor or from outside.
    Signal(Option<usize>, usize, Exit),
    Kill(usize),
    /// The handler returns this.
    End(usize, Exit),
    /// `Context::stop`.
    Stop(usize, Exit),
    Panic(usize),
    /// The next incarnation in the same cell.
    Restart(usize),
    /// The end of the cell.
    Close(usize),
    /// A new actor in the place of one that was closed.
    Spawn(usize),
}

// ---- the model ----

#[derive(Clone, PartialEq, PartialOrd, Debug)]
enum Note {
    /// Monitor, target, reason, and whether a restart is possible (`None`: not said).
    Down(usize, usize, String, Option<bool>),
    Exit(Option<usize>, String),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Place {
    Alive,
    Dead,
    Closed,
}

struct Modelled {
    place: Place,
    traps: bool,
    links: BTreeSet<usize>,
    heard: Vec<Note>,
    /// How it ended in this step, and whether the stop hook ran.
    ended: Option<(Exit, bool)>,
}

struct Model {
    actors: Vec<Modelled>,
    /// Watcher and target; `None` once it has fired or was ended.
    monitors: Vec<Option<(usize, usize)>>,
    owners: Vec<usize>,
}

impl Model {
    fn new() -> Self {
        let fresh =
            || Modelled { place: Place::Alive, traps: false, links: BTreeSet::new(), heard: Vec::new(), ended: None };
        Model { actors: (0..ACTORS).map(|_| fresh()).collect(), monitors: Vec::new(), owners: Vec::new() }
    }

    fn lives(&self, who: usize) -> bool {
        self.actors[who].place == Place::Alive
    }

    /// "If a process is trapping exits, signals become messages; else `normal` is ignored unless the process sent it to
    /// itself, and any other reason ends it, with that reason."
    fn signal(&mut self, from: Option<usize>, to: usize, reason: &Exit) {
        if !self.lives(to) {
            return;
        }
        if self.actors[to].traps {
            self.actors[to].heard.push(Note::Exit(from, reason.to_string()));
        } else if *reason != Exit::Normal || from == Some(to) {
            self.dies(to, reason, true, Place::Dead);
        }
    }

    fn dies(&mut self, who: usize, reason: &Exit, hook: bool, place: Place) {
        let dead = &mut self.actors[who];
        dead.place = place;
        dead.traps = false;
        dead.ended = Some((reason.clone(), hook));
        let links = std::mem::take(&mut dead.links);
        let restart = place == Place::Dead && *reason != Exit::Normal;
        for number in 0..self.monitors.len() {
            match self.monitors[number] {
                Some((watcher, target)) if target == who => {
                    self.monitors[number] = None;
                    if self.lives(watcher) {
                        // `NoProc` to a monitor that was set too late does not say, and reads the same.
                        let said = (*reason != Exit::NoProc || !restart).then_some(restart);
                        let down = Note::Down(number, who, reason.to_string(), said);
                        self.actors[watcher].heard.push(down);
                    }
                }
                Some((watcher, _)) if watcher == who => self.monitors[number] = None,
                _ => {}
            }
        }
        for linked in &links {
            self.actors[*linked].links.remove(&who);
        }
        for linked in links {
            self.signal(Some(who), linked, reason);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Link(a, b) if a == b => {}
            Step::Link(a, b) if self.lives(*b) => {
                self.actors[*a].links.insert(*b);
                self.actors[*b].links.insert(*a);
            }
            Step::Link(a, b) => self.signal(Some(*b), *a, &Exit::NoProc),
            Step::Unlink(a, b) => {
                self.actors[*a].links.remove(b);
                self.actors[*b].links.remove(a);
            }
            Step::Monitor(a, b) if self.lives(*b) => self.new_monitor(*a, Some((*a, *b))),
            Step::Monitor(a, b) => {
                let restart = (self.actors[*b].place == Place::Closed).then_some(false);
                let down = Note::Down(self.monitors.len(), *b, Exit::NoProc.to_string(), restart);
                self.actors[*a].heard.push(down);
                self.new_monitor(*a, None);
            }
            Step::Demonitor(number) => self.monitors[*number] = None,
            Step::Trap(a, on) => self.actors[*a].traps = *on,
            Step::Signal(from, to, reason) => self.signal(*from, *to, reason),
            Step::Kill(a) => self.dies(*a, &Exit::Killed, false, Place::Dead),
            Step::End(a, reason) | Step::Stop(a, reason) => self.dies(*a, reason, true, Place::Dead),
            Step::Panic(a) => self.dies(*a, &Exit::panic("boom"), true, Place::Dead),
            Step::Restart(a) | Step::Spawn(a) => self.actors[*a].place = Place::Alive,
            Step::Close(a) if self.lives(*a) => self.dies(*a, &Exit::Killed, false, Place::Closed),
            Step::Close(a) => self.actors[*a].place = Place::Closed,
        }
    }

    fn new_monitor(&mut self, owner: usize, monitor: Option<(usize, usize)>) {
        self.monitors.push(monitor);
        self.owners.push(owner);
    }

    /// Whether the step means anything as things stand. Who has to act must be alive.
    fn allows(&self, step: &Step) -> bool {
        match step {
            Step::Link(a, _) | Step::Unlink(a, _) | Step::Monitor(a, _) | Step::Trap(a, _) => self.lives(*a),
            Step::Kill(a) | Step::End(a, _) | Step::Stop(a, _) | Step::Panic(a) => self.lives(*a),
            Step::Demonitor(number) => self.owners.get(*number).is_some_and(|owner| self.lives(*owner)),
            Step::Signal(from, _, _) => from.is_none_or(|from| self.lives(from)),
            Step::Restart(a) => self.actors[*a].place == Place::Dead,
            Step::Close(a) => self.actors[*a].place != Place::Closed,
            Step::Spawn(a) => self.actors[*a].place == Place::Closed,
        }
    }
}

// ---- the real ones ----

struct Keeper(mpsc::UnboundedSender<Ended>);

impl Owner for Keeper {
    fn restarts(&self, _tag: u64, exit: &Exit) -> bool {
        *exit != Exit::Normal
    }

    fn exited(&self, ended: Ended) {
        let _ = self.0.send(ended);
    }
}

struct Real {
    cell: Option<ActorCell<Doer>>,
    actor: Ref<Doer>,
    ended: mpsc::UnboundedReceiver<Ended>,
    tell: mpsc::UnboundedSender<Heard>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Real {
    async fn start(node: &Node, weight: Weight) -> Result<Real, String> {
        let (exited, ended) = mpsc::unbounded_channel();
        let (tell, heard) = mpsc::unbounded_channel();
        let cell = match weight {
            Weight::Ordinary => ActorCell::ordinary(node, Mailbox::DEFAULT, Arc::new(Keeper(exited))),
            Weight::Light => ActorCell::light(node, Mailbox::DEFAULT, Arc::new(Keeper(exited))),
        };
        let cell = cell.map_err(|error| error.to_string())?;
        let real = Real { actor: cell.reference(), cell: Some(cell), ended, tell, heard };
        real.restart().await?;
        Ok(real)
    }

    async fn restart(&self) -> Result<(), String> {
        let cell = self.cell.as_ref().ok_or("restarted after it was closed")?;
        cell.start(Doer::telling(self.tell.clone())).await.map_err(|exit| format!("it did not start: {exit}"))
    }

    async fn does<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut proscenium_runtime::Context<Doer>) -> R + Send + 'static,
    ) -> Result<R, String> {
        let (sender, done) = oneshot::channel();
        let work = move |cx: &mut proscenium_runtime::Context<Doer>| {
            let _ = sender.send(work(cx));
            Ok(())
        };
        self.tells(Msg::Do(Box::new(work)))?;
        in_time(done).await?.map_err(|_| "it ended instead of doing it".to_owned())
    }

    fn tells(&self, msg: Msg) -> Result<(), String> {
        self.actor.tell(msg).now().map_err(|error| error.to_string())
    }
}

/// The clock is paused, so that what never comes costs no time.
async fn in_time<T>(event: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(Duration::from_secs(20), event).await.map_err(|_| "it never comes".to_owned())
}

struct Stage {
    node: Node,
    weight: Weight,
    model: Model,
    real: Vec<Real>,
    monitors: Vec<MonitorId>,
}

impl Stage {
    async fn carry_out(&mut self, step: &Step) -> Result<(), String> {
        match step.clone() {
            Step::Link(a, b) => {
                let other = self.real[b].actor.clone();
                self.real[a].does(move |cx| cx.link(&other)).await
            }
            Step::Unlink(a, b) => {
                let other = self.real[b].actor.clone();
                self.real[a].does(move |cx| cx.unlink(&other)).await
            }
            Step::Monitor(a, b) => {
                let other = self.real[b].actor.clone();
                let monitor = self.real[a].does(move |cx| cx.monitor(&other)).await?;
                self.monitors.push(monitor);
                Ok(())
            }
            Step::Demonitor(number) => {
                let (monitor, owner) = (self.monitors[number], self.model.owners[number]);
                let was_set = self.model.monitors[number].is_some();
                let ended = self.real[owner].does(move |cx| cx.demonitor(monitor)).await?;
                (ended == was_set).then_some(()).ok_or(format!("demonitor says {ended}"))
            }
            Step::Trap(a, on) => self.real[a].does(move |cx| cx.trap_exit(on)).await,
            Step::Signal(None, to, reason) => {
                self.real[to].actor.exit(reason);
                Ok(())
            }
            Step::Signal(Some(from), to, reason) => {
                let target = self.real[to].actor.clone();
                self.real[from].does(move |_| target.exit(reason)).await
            }
            Step::Kill(a) => {
                self.real[a].actor.kill();
                Ok(())
            }
            Step::End(a, reason) => self.real[a].tells(Msg::Do(Box::new(move |_| Err(reason)))),
            Step::Stop(a, reason) => self.real[a].does(move |cx| cx.stop(reason)).await,
            Step::Panic(a) => self.real[a].tells(crate::doer::panics("boom")),
            Step::Restart(a) => self.real[a].restart().await,
            Step::Close(a) => {
                let running = self.real[a].actor.is_running();
                let down = running.then(|| watch(&self.real[a].actor));
                let cell = self.real[a].cell.take().ok_or("closed twice")?;
                cell.close(&Exit::Shutdown);
                if let Some(down) = down {
                    in_time(down).await?;
                }
                Ok(())
            }
            Step::Spawn(a) => {
                self.real[a] = Real::start(&self.node, self.weight).await?;
                Ok(())
            }
        }
    }

    fn actor(&self, id: proscenium_runtime::ActorId) -> usize {
        self.real.iter().position(|real| real.actor.id() == id).unwrap_or(usize::MAX)
    }

    fn note(&self, heard: Heard) -> Option<Note> {
        match heard {
            Heard::Down(Down { monitor, actor, exit, restart, .. }) => {
                let number = self.monitors.iter().position(|made| *made == monitor).unwrap_or(usize::MAX);
                let said = exit != Exit::NoProc || !restart;
                Some(Note::Down(number, self.actor(actor), exit_text(&exit), said.then_some(restart)))
            }
            Heard::Exited(Exited { actor, exit, .. }) => {
                Some(Note::Exit(actor.map(|actor| self.actor(actor)), exit_text(&exit)))
            }
            Heard::Note(_) | Heard::Terminated(_) | Heard::Dropped => None,
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let closed_alive = matches!(step, Step::Close(a) if self.model.lives(*a));
        self.carry_out(step).await?;
        self.model.step(step);
        for at in 0..ACTORS {
            let Some((want, _)) = self.model.actors[at].ended.clone() else { continue };
            if closed_alive && matches!(step, Step::Close(closed) if *closed == at) {
                continue; // Nobody owns it any more; its monitor was awaited.
            }
            let ended = in_time(self.real[at].ended.recv()).await.map_err(|late| format!("the end of {at}: {late}"))?;
            let got = ended.map(|ended| ended.exit);
            if got.as_ref() != Some(&want) {
                return Err(format!("{at} ended with {got:?}, not {want}"));
            }
        }
        for at in 0..ACTORS {
            if self.model.lives(at) {
                self.real[at].does(|_| ()).await.map_err(|why| format!("{at} should be alive: {why}"))?;
            }
        }
        let ends: Vec<_> =
            self.model.actors.iter().map(|actor| actor.ended.clone().map(|(exit, _)| exit_text(&exit))).collect();
        for at in 0..ACTORS {
            self.compare(at, &ends).map_err(|why| format!("actor {at}: {why}"))?;
        }
        Ok(())
    }

    fn compare(&mut self, at: usize, ends: &[Option<String>]) -> Result<(), String> {
        let raw: Vec<Heard> = std::iter::from_fn(|| self.real[at].heard.try_recv().ok()).collect();
        let hooks: Vec<Exit> = raw
            .iter()
            .filter_map(|heard| if let Heard::Terminated(exit) = heard { Some(exit.clone()) } else { None })
            .collect();
        let drops = raw.iter().filter(|heard| **heard == Heard::Dropped).count();
        let mut heard: Vec<Note> = raw.into_iter().filter_map(|heard| self.note(heard)).collect();
        let status = self.real[at].actor.sys().status();
        let links: BTreeSet<usize> = status.links.iter().map(|id| self.actor(*id)).collect();
        let watchers = self.model.monitors.iter().flatten().filter(|(_, target)| *target == at).count();
        let alive = self.real[at].actor.is_running();
        let model = &mut self.model.actors[at];
        let mut want = std::mem::take(&mut model.heard);
        let ended = model.ended.take();
        if alive != (model.place == Place::Alive) {
            return Err(format!("alive is {alive}"));
        }
        if links != model.links || (alive && status.watchers != watchers) {
            return Err(format!(
                "linked with {links:?}, not {:?}; {} watchers, not {watchers}",
                model.links, status.watchers
            ));
        }
        let hook: Vec<Exit> = ended.iter().filter(|(_, hook)| *hook).map(|(exit, _)| exit.clone()).collect();
        if hooks != hook || drops != usize::from(ended.is_some()) {
            return Err(format!("stop hooks {hooks:?}, not {hook:?}; {drops} states dropped"));
        }
        let by = |a: &Note, b: &Note| a.partial_cmp(b).expect("notes have an order");
        heard.sort_by(by);
        want.sort_by(by);
        let agrees = if ended.is_some() {
            // Which of the step's other ends it heard of before its own is chance; of anything else it must not hear.
            heard.iter().all(|note| match note {
                Note::Down(_, who, exit, _) | Note::Exit(Some(who), exit) => {
                    ends.get(*who) == Some(&Some(exit.clone()))
                }
                Note::Exit(None, _) => false,
            })
        } else {
            heard == want
        };
        agrees.then_some(()).ok_or(format!("heard {heard:?}, not {want:?}"))
    }
}

/// A panic reads without its place, which the model cannot know.
fn exit_text(exit: &Exit) -> String {
    match exit {
        Exit::Panic(panicked) => format!("panic: {}", panicked.message),
        other => other.to_string(),
    }
}

fn play(seed: u64, script: &[Step]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let node = Node::start(format!("script {seed}")).await.map_err(|error| error.to_string())?;
        let weight = if seed.is_multiple_of(2) { Weight::Light } else { Weight::Ordinary };
        let mut real = Vec::new();
        for _ in 0..ACTORS {
            real.push(Real::start(&node, weight).await?);
        }
        let mut stage = Stage { node, weight, model: Model::new(), real, monitors: Vec::new() };
        for (at, step) in script.iter().enumerate() {
            if stage.model.allows(step) {
                stage.step(step).await.map_err(|why| format!("after step {at}, {step:?}: {why}"))?;
            }
        }
        Ok(())
    })
}

// ---- scripts ----

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn exit(&mut self) -> Exit {
        match self.roll(5) {
            0 => Exit::Normal,
            1 => Exit::Shutdown,
            2 => Exit::shutdown_with("done"),
            3 => Exit::custom("boom"),
            _ => Exit::Error(std::sync::Arc::new(std::fmt::Error)),
        }
    }

    fn step(&mut self) -> Step {
        let (a, b) = (self.roll(ACTORS), self.roll(ACTORS));
        match self.roll(40) {
            0..=9 => Step::Link(a, b),
            10..=11 => Step::Unlink(a, b),
            12..=17 => Step::Monitor(a, b),
            18..=19 => Step::Demonitor(self.roll(12)),
            20..=22 => Step::Trap(a, self.roll(3) > 0),
            23 => Step::Signal(None, a, self.exit()),
            24..=25 => Step::Signal(Some(a), b, self.exit()),
            26 => Step::Signal(Some(a), b, Exit::Killed),
            27 => Step::Kill(a),
            28 => Step::End(a, self.exit()),
            29 => Step::Stop(a, self.exit()),
            30 => Step::Panic(a),
            31 => Step::Close(a),
            32..=34 => Step::Spawn(a),
            _ => Step::Restart(a),
        }
    }
}

fn script(seed: u64) -> Vec<Step> {
    let mut dice = Dice(seed);
    (0..STEPS).map(|_| dice.step()).collect()
}

/// Takes steps out for as long as it still fails.
fn cut_down(seed: u64, mut script: Vec<Step>) -> (Vec<Step>, String) {
    let mut why = play(seed, &script).err().unwrap_or_else(|| "not every time".into());
    let mut at = script.len();
    while at > 0 {
        at -= 1;
        let mut shorter = script.clone();
        shorter.remove(at);
        if let Err(still) = play(seed, &shorter) {
            (script, why) = (shorter, still);
        }
    }
    (script, why)
}

#[test]
fn links_monitors_and_exits_do_what_the_model_says() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..SCRIPTS).collect(),
    };
    let from = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_nanos() as u64);
    let base = if std::env::var("SEED").is_ok() { 0 } else { from << 16 };
    for seed in seeds {
        let seed: u64 = base.wrapping_add(seed);
        let steps = script(seed);
        if play(seed, &steps).is_err() {
            let (steps, why) = cut_down(seed, steps);
            panic!("SEED={seed}: {why}\n{steps:#?}");
        }
    }
}
