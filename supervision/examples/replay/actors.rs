//! The real supervisor, over real actors, under a paused clock.
//!
//! Each line is written by who sees it: a child its start, a child that its supervisor has stopped its exit, a caller the
//! moment in which it is woken by the answer.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Node, Ref};
use proscenium_supervision::{
    ActorChild, ChildSpec, Notice, Place, Placing, SpecError, Start, StartError, Started, Starting, Strategy,
    Supervised, Supervisor, SupervisorChild, SupervisorError, SupervisorRef,
};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::script::{self, Attempt, Obedience, Script, Spec, show};
use crate::words::{self, Request};

/// Turns in which nothing happens, after which nothing will.
const QUIET: usize = 8;

/// Runs a script, and gives its trace.
pub fn run(script: &Script) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime for one thread");
    let stage = Stage::new(script);
    runtime.block_on(async {
        stage.say(format!("script {}", script.name));
        play(&stage, script).await;
        stage.say("end".into());
    });
    let lines = stage.lines(); // Before those end who are still there.
    runtime.shutdown_background();
    lines
}

// ---- what all of them see ----

/// A process under its name.
struct Process {
    path: String,
    /// Of a dynamic child: which one it is to its supervisor.
    place: Arc<OnceLock<Place>>,
    start: u32,
    /// The supervisor's process when it was started.
    above: Option<Arc<Process>>,
    sup: OnceLock<SupervisorRef>,
    worker: OnceLock<Ref<Worker>>,
    life: Mutex<Life>,
    /// Rung at its end.
    end: Notify,
}

#[derive(Default)]
struct Life {
    is_dead: bool,
    is_unlinked: bool,
    /// By its supervisor.
    is_stopped: bool,
    /// From outside.
    is_killed: bool,
    notice: Option<Notice>,
}

impl Process {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().expect("nobody panics with it")
    }

    fn is_alive(&self) -> bool {
        !self.life().is_dead
    }

    /// It has ended; its supervisor hears of it if it is still linked, or waits for it.
    fn ended(&self, stage: &Stage, exit: Exit) {
        let mut life = self.life();
        life.is_dead = true;
        self.end.notify_waiters();
        if self.sup.get().is_some() && !life.is_stopped && !life.is_killed {
            stage.say(format!("down {} {}", self.path, show(&exit)));
        }
        let hears = life.is_stopped || !life.is_unlinked;
        let notice = if hears { life.notice.take() } else { None };
        drop(life);
        if let Some(notice) = notice {
            notice.ended(exit);
        }
    }
}

struct Shared {
    specs: Vec<Spec>,
    attempts: Vec<usize>,
    names: HashMap<String, Arc<Process>>,
    lines: Vec<(u64, String)>,
    clock: u64,
    /// Requests without an answer.
    waiting: usize,
}

/// What happens, in order, and who is who.
#[derive(Clone)]
struct Stage(Arc<Mutex<Shared>>);

impl Stage {
    fn new(script: &Script) -> Self {
        Stage(Arc::new(Mutex::new(Shared {
            attempts: vec![0; script.specs.len()],
            specs: script.specs.clone(),
            names: HashMap::new(),
            lines: Vec::new(),
            clock: 0,
            waiting: 0,
        })))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().expect("nobody panics with it")
    }

    /// A number for this moment.
    fn moment(&self) -> u64 {
        let mut shared = self.shared();
        shared.clock += 1;
        shared.clock
    }

    fn say(&self, line: String) {
        let moment = self.moment();
        self.say_of(moment, line);
    }

    fn say_of(&self, moment: u64, line: String) {
        self.shared().lines.push((moment, line));
    }

    fn process(&self, path: &str) -> Option<Arc<Process>> {
        self.shared().names.get(path).cloned()
    }

    fn alive(&self, path: &str) -> Option<Arc<Process>> {
        self.process(path).filter(|process| process.is_alive())
    }

    fn add_spec(&self, spec: Spec) -> usize {
        let mut shared = self.shared();
        shared.specs.push(spec);
        shared.attempts.push(0);
        shared.specs.len() - 1
    }

    fn attempt(&self, spec: usize) -> Attempt {
        let mut shared = self.shared();
        let attempt = shared.specs[spec].starts.get(shared.attempts[spec]).copied().unwrap_or(Attempt::Ok);
        shared.attempts[spec] += 1;
        attempt
    }

    /// In order; where OTP leaves it open, by number.
    fn lines(&self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.shared().lines);
        lines.sort_by_key(|(moment, _)| *moment);
        let mut lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
        let group = |line: &str| line.strip_prefix("stop ").and_then(|line| Some(line.split_once('#')?.0.to_owned()));
        for run in lines.chunk_by_mut(|one, other| group(one).is_some() && group(one) == group(other)) {
            run.sort_by_key(|line| words::ordinal(line.split(' ').nth(1).unwrap_or_default()));
        }
        lines
    }
}

// ---- children ----

/// How a child of a script is made.
#[derive(Clone)]
struct Scripted {
    stage: Stage,
    spec: usize,
    path: String,
    place: Arc<OnceLock<Place>>,
}

impl Start for Scripted {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        let coming: Arc<Mutex<Option<Arc<Process>>>> = Arc::default();
        let (stage, ends) = (self.stage.clone(), coming.clone());
        let inner = placing.heard_by(move |exit| {
            let process = ends.lock().expect("nobody panics with it").clone();
            process.expect("it was started").ended(&stage, exit);
        });
        Ok(Box::new(ScriptedPlace { scripted: self.clone(), inner, starts: 0, actor: None, coming, process: None }))
    }
}

struct ScriptedPlace {
    scripted: Scripted,
    /// Where the actor inside is placed.
    inner: Placing,
    starts: u32,
    /// The place of the actor inside: this one stands before it, to refuse starts and to be unlinked.
    actor: Option<Box<dyn Supervised>>,
    /// Whose incarnation the actor makes next.
    coming: Arc<Mutex<Option<Arc<Process>>>>,
    process: Option<Arc<Process>>,
}

impl ScriptedPlace {
    fn actor(&mut self) -> Result<&mut Box<dyn Supervised>, Exit> {
        if self.actor.is_none() {
            let Scripted { stage, spec, .. } = self.scripted.clone();
            let flags = stage.shared().specs[spec].clone();
            let actor = if flags.sup.is_some() {
                let build = move || supervisor(&stage, spec);
                SupervisorChild::new(build).place(self.inner.clone())?
            } else {
                let (coming, obedience) = (self.coming.clone(), flags.obedience);
                let make = move || Worker {
                    process: coming.lock().expect("nobody panics with it").clone(),
                    obedience: obedience.clone(),
                };
                ActorChild::new(make).place(self.inner.clone().light(true))?
            };
            self.actor = Some(actor);
        }
        self.actor.as_mut().ok_or(Exit::NoProc)
    }

    async fn begin(&mut self, notice: Notice) -> Result<(), Exit> {
        let Scripted { stage, spec, path, place } = self.scripted.clone();
        self.starts += 1;
        match stage.attempt(spec) {
            Attempt::Ignore => return Err(Exit::Ignore),
            Attempt::Error => return Err(Exit::custom("nope")),
            Attempt::Ok => {}
        }
        let above = path.rsplit_once(['/', '#']).and_then(|(above, _)| stage.process(above));
        let life = Mutex::new(Life { notice: Some(notice), ..Life::default() });
        let (sup, worker, start) = (OnceLock::new(), OnceLock::new(), self.starts);
        let process =
            Arc::new(Process { path: path.clone(), place, start, above, sup, worker, life, end: Notify::new() });
        *self.coming.lock().expect("nobody panics with it") = Some(process.clone());
        self.process = Some(process.clone());
        let told = self.inner.notice(start);
        let actor = self.actor()?;
        actor.start(told).await.map_err(|exit| match exit {
            Exit::ShutdownWith(_) => Exit::shutdown_with("failed_to_start_child"),
            other => other,
        })?;
        if let Some(reference) = actor.reference() {
            match reference.downcast::<SupervisorRef>() {
                Ok(sup) => drop(process.sup.set(*sup)),
                Err(other) => drop(other.downcast::<Ref<Worker>>().map(|worker| process.worker.set(*worker))),
            }
        }
        stage.shared().names.insert(path, process);
        Ok(())
    }

    /// It is to end. False: it has, unseen by its supervisor, which now hears that there is nobody.
    fn is_to_end(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let mut life = process.life();
        life.is_stopped = true;
        if !life.is_dead {
            return true;
        }
        let notice = life.notice.take();
        drop(life);
        if let Some(notice) = notice {
            notice.ended(Exit::NoProc);
        }
        false
    }
}

impl Supervised for ScriptedPlace {
    fn start(&mut self, notice: Notice) -> Starting<'_> {
        Box::pin(async {
            let started = self.begin(notice).await;
            let word = match &started {
                Ok(()) => "ok",
                Err(Exit::Ignore) => "ignore",
                Err(_) => "error",
            };
            self.scripted.stage.say(format!("start {} {word}", self.scripted.path));
            started
        })
    }

    fn stop(&mut self, exit: Exit) {
        let obedience = self.scripted.stage.shared().specs[self.scripted.spec].obedience.clone();
        let is_worker = self.process.as_ref().is_some_and(|process| process.worker.get().is_some());
        let exit = if is_worker { obedience.stop.unwrap_or(exit) } else { exit };
        if self.is_to_end()
            && let Some(actor) = &mut self.actor
        {
            actor.stop(exit);
        }
    }

    fn kill(&mut self) {
        if self.is_to_end()
            && let Some(actor) = &mut self.actor
        {
            actor.kill();
        }
    }

    fn give_up(&mut self) {
        if let Some(actor) = &mut self.actor {
            actor.give_up();
        }
    }

    fn is_alive(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.is_alive())
    }

    fn stopped(&mut self, exit: &Exit) {
        self.scripted.stage.say(format!("stop {} {}", self.scripted.path, show(exit)));
    }
}

impl Drop for ScriptedPlace {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            process.life().is_dead = true; // With its supervisor, silently.
            process.end.notify_waiters();
        }
    }
}

/// A worker as scripts know them.
struct Worker {
    process: Option<Arc<Process>>,
    obedience: Obedience,
}

impl Actor for Worker {
    type Msg = Exit;
    type Ref = Ref<Self>;

    async fn handle(&mut self, _: &mut Context<Self>, exit: Exit) -> Result<(), Exit> {
        Err(exit)
    }

    /// Asked to stop, it takes its time, or all the time that there is.
    async fn terminate(&mut self, _: &mut Context<Self>, _: &Exit) {
        if !self.process.as_ref().is_some_and(|process| process.life().is_stopped) {
            return;
        }
        match self.obedience.stop {
            Some(_) => tokio::time::sleep(Duration::from_millis(self.obedience.delay)).await,
            None => std::future::pending().await,
        }
    }
}

/// The supervisor of this spec, with the children that the script gives it.
fn supervisor(stage: &Stage, spec: usize) -> Supervisor {
    let shared = stage.shared();
    let Spec { path, sup, .. } = &shared.specs[spec];
    let flags = sup.unwrap_or_default();
    let is_below =
        |other: &Spec| other.is_of_the_script && other.path.rsplit_once('/').is_some_and(|(above, _)| above == path);
    let children = shared.specs.iter().enumerate().filter(|(_, other)| is_below(other)).map(|(number, other)| {
        let scripted = Scripted { stage: stage.clone(), spec: number, path: other.path.clone(), place: Arc::default() };
        ChildSpec::of(other.path[path.len() + 1..].to_owned(), scripted).flags(other.flags)
    });
    let mut children = children.collect::<Vec<_>>().into_iter();
    let supervisor = match flags.strategy {
        Strategy::OneForOne => Supervisor::one_for_one(),
        Strategy::OneForAll => Supervisor::one_for_all(),
        Strategy::RestForOne => Supervisor::rest_for_one(),
        Strategy::SimpleOneForOne => Supervisor::simple_one_for_one(children.next().expect("it has its one spec")),
    };
    let supervisor = children.fold(supervisor, Supervisor::child);
    supervisor.intensity(flags.intensity, Duration::from_secs(flags.period)).auto_shutdown(flags.auto_shutdown)
}

/// Root's parent: starts it, linked, and exits when the script says so.
struct Parent;

enum ToParent {
    Start(Box<Supervisor>, tokio::sync::oneshot::Sender<Result<SupervisorRef, StartError>>),
    Exit(Exit),
}

impl Actor for Parent {
    type Msg = ToParent;
    type Ref = Ref<Self>;

    async fn handle(&mut self, cx: &mut Context<Self>, msg: ToParent) -> Result<(), Exit> {
        match msg {
            ToParent::Start(supervisor, answer) => {
                let started = supervisor.start_link(cx).await;
                drop(answer.send(started));
                Ok(())
            }
            ToParent::Exit(exit) => Err(exit),
        }
    }
}

/// Somebody whom the supervisor does not know, but who is linked with it.
struct Stray(SupervisorRef);

impl Actor for Stray {
    type Msg = Exit;
    type Ref = Ref<Self>;

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        cx.link(&self.0);
        Ok(())
    }

    async fn handle(&mut self, _: &mut Context<Self>, exit: Exit) -> Result<(), Exit> {
        Err(exit)
    }
}

// ---- the script ----

struct Play {
    stage: Stage,
    node: Node,
    parent: Ref<Parent>,
    root: Arc<Process>,
    began: Instant,
    is_held: bool,
}

async fn play(stage: &Stage, script: &Script) {
    let node = Node::start("replay").await.expect("a node on this runtime");
    let parent = node.spawn_light(Parent).await.expect("the node runs");
    let (answer, started) = tokio::sync::oneshot::channel();
    let root = Box::new(supervisor(stage, 0));
    parent.tell(ToParent::Start(root, answer)).await.expect("it takes it");
    let root = match started.await.expect("it answers") {
        Ok(root) => root,
        Err(error) => {
            let why = match error {
                StartError::Spec(SpecError::DuplicateChildName(_)) => "duplicate_child_name",
                StartError::Spec(_) => "bad_combination",
                _ => "failed_to_start_child",
            };
            return stage.say(format!("start root error {why}"));
        }
    };
    stage.say("start root ok".into());
    let process = Process {
        path: "root".into(),
        place: Arc::default(),
        start: 1,
        above: None,
        sup: OnceLock::from(root.clone()),
        worker: OnceLock::new(),
        life: Mutex::default(),
        end: Notify::new(),
    };
    let process = Arc::new(process);
    stage.shared().names.insert("root".into(), process.clone());
    tokio::spawn({
        let (stage, process) = (stage.clone(), process.clone());
        async move {
            let exit = root.gone().await;
            stage.say(format!("down root {}", show(&exit)));
            process.life().is_dead = true;
            process.end.notify_waiters();
        }
    });
    let mut play = Play { stage: stage.clone(), node, parent, root: process, began: Instant::now(), is_held: false };
    play.settle().await;
    for event in &script.events {
        if !play.root.is_alive() {
            break;
        }
        stage.say(format!("> {event}"));
        play.event(event).await;
        play.settle().await;
    }
    if !play.root.is_alive() {
        // Those whom it still answered have their say.
        play.until(|| stage.shared().waiting == 0).await;
    }
}

impl Play {
    async fn event(&mut self, line: &str) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (path, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        match kind {
            "advance" => tokio::time::sleep(Duration::from_millis(rest.parse().unwrap_or(0))).await,
            "now" => self.stage.say(format!("ret now {}", self.began.elapsed().as_millis())),
            "parent_exit" if rest == "kill" => self.kill(&self.root.clone()).await,
            "parent_exit" => drop(self.parent.tell(ToParent::Exit(script::exit(rest))).now()),
            "hold" | "release" => {
                self.is_held = kind == "hold";
                let sup = self.root.sup.get().expect("root is one");
                let done = if self.is_held { sup.sys().suspend() } else { sup.sys().resume() };
                done.expect("root lives");
            }
            "exit" | "unlink" | "stray_exit" => {
                let Some(process) = self.stage.alive(path) else {
                    return self.stage.say(format!("no-process {path}"));
                };
                match kind {
                    "unlink" => process.life().is_unlinked = true,
                    "stray_exit" => self.stray(&process, script::exit(reason)).await,
                    _ => self.exit(&process, reason).await,
                }
            }
            _ => self.request(Request::new(kind, path, reason)).await,
        }
    }

    async fn exit(&self, process: &Arc<Process>, reason: &str) {
        match process.worker.get() {
            Some(worker) if reason != "kill" => {
                drop(worker.tell(script::exit(reason)).now());
                self.until(|| !process.is_alive()).await;
            }
            _ => self.kill(process).await,
        }
    }

    async fn kill(&self, process: &Arc<Process>) {
        process.life().is_killed = true;
        match (process.sup.get(), process.worker.get()) {
            (Some(sup), _) => sup.kill(),
            (None, Some(worker)) => worker.kill(),
            (None, None) => {}
        }
        self.until(|| !process.is_alive()).await;
    }

    async fn stray(&self, process: &Process, exit: Exit) {
        let Some(sup) = process.sup.get() else { return };
        let stray = self.node.spawn_light(Stray(sup.clone())).await.expect("the node runs");
        drop(stray.tell(exit).now());
        stray.gone().await;
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    /// Until nothing happens any more. Supervisors answer when they have done what came before.
    async fn settle(&self) {
        let mut quiet = 0;
        let mut seen = self.stage.shared().clock;
        while quiet < QUIET {
            let free: Vec<Arc<Process>> = {
                let shared = self.stage.shared();
                let free = shared.names.values().filter(|process| !(self.is_held && Arc::ptr_eq(process, &self.root)));
                free.filter(|process| process.sup.get().is_some()).cloned().collect()
            };
            for process in free {
                let end = process.end.notified();
                if let (true, Some(sup)) = (process.is_alive(), process.sup.get()) {
                    // A question that it did not come to waits for its next incarnation, and nobody for that.
                    tokio::select! {
                        _ = sup.which_children() => {}
                        () = end => {}
                    }
                }
            }
            tokio::task::yield_now().await;
            let now = self.stage.shared().clock;
            quiet = if now == seen { quiet + 1 } else { 0 };
            seen = now;
        }
    }

    // ---- requests ----

    async fn request(&self, request: Request) {
        let Some(above) = self.stage.alive(request.supervisor()) else {
            return self.stage.say(format!("no-process {}", request.supervisor()));
        };
        let target = self.stage.process(request.target());
        if request.is_about_dynamic() && request.kind() != "start_dynamic" && target.is_none() {
            return self.stage.say(format!("no-process {}", request.target()));
        }
        let Some(sup) = above.sup.get().cloned() else { return };
        let asked = Asked { stage: self.stage.clone(), request, above: above.clone(), sup, target };
        let mut answer: Answering = Box::pin(asked.answer());
        let told = Arc::new(OnceLock::new());
        let stage = self.stage.clone();
        // The first poll puts it into the mailbox, in the script's order.
        if let Poll::Ready(line) = poll_fn(|cx| Poll::Ready(poll(&mut answer, &stage, &told, cx))).await {
            return line.into_iter().for_each(|line| stage.say(line));
        }
        stage.shared().waiting += 1;
        tokio::spawn(async move {
            let line = poll_fn(|cx| poll(&mut answer, &stage, &told, cx)).await;
            stage.shared().waiting -= 1;
            let moment = told.get().copied().unwrap_or_else(|| stage.moment());
            line.into_iter().for_each(|line| stage.say_of(moment, line));
        });
    }
}

type Answering = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// Polls with a waker that notes when it is woken: then the supervisor has answered.
fn poll(
    answer: &mut Answering,
    stage: &Stage,
    told: &Arc<OnceLock<u64>>,
    cx: &mut TaskContext<'_>,
) -> Poll<Option<String>> {
    let noted = Noted { stage: stage.clone(), told: told.clone(), task: cx.waker().clone() };
    answer.as_mut().poll(&mut TaskContext::from_waker(&Waker::from(Arc::new(noted))))
}

struct Noted {
    stage: Stage,
    told: Arc<OnceLock<u64>>,
    task: Waker,
}

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.told.get_or_init(|| self.stage.moment());
        self.task.wake_by_ref();
    }
}

struct Asked {
    stage: Stage,
    request: Request,
    above: Arc<Process>,
    sup: SupervisorRef,
    target: Option<Arc<Process>>,
}

impl Asked {
    async fn answer(self) -> Option<String> {
        let (request, sup) = (&self.request, &self.sup);
        let result = match request.kind() {
            "which_children" => return self.lines().await,
            "count_children" => return Some(words::count(request, sup.count_children().await.ok()?)),
            "get_childspec" => {
                let id = if request.is_about_dynamic() { self.template().1 } else { request.id().to_owned() };
                return match sup.get_childspec(id).await {
                    Ok(flags) => Some(words::childspec(request, Some(flags))),
                    Err(SupervisorError::Gone(_)) => None,
                    Err(_) => Some(words::childspec(request, None)),
                };
            }
            "start_child" => {
                let spec = request.spec();
                let flags = spec.flags;
                let scripted = self.scripted(spec, request.target());
                started(sup.start_child(ChildSpec::of(request.id().to_owned(), scripted).flags(flags)).await)
            }
            "start_dynamic" => self.start_dynamic().await,
            "terminate_child" if request.is_about_dynamic() => self.terminate_dynamic().await,
            "terminate_child" => done(sup.terminate_child(request.id().to_owned()).await),
            "restart_child" => started(sup.restart_child(request.id().to_owned()).await),
            "delete_child" => done(sup.delete_child(request.id().to_owned()).await),
            other => Some(format!("error unknown event {other}")),
        };
        Some(request.result(&result?))
    }

    fn scripted(&self, spec: Spec, path: &str) -> Scripted {
        let spec = self.stage.add_spec(spec);
        Scripted { stage: self.stage.clone(), spec, path: path.into(), place: Arc::default() }
    }

    /// The one spec of the supervisor that is asked, and its name.
    fn template(&self) -> (Spec, String) {
        let above = format!("{}/", self.above.path);
        let shared = self.stage.shared();
        let spec = shared.specs.iter().find(|spec| spec.path.starts_with(&above)).expect("it has its one spec");
        (spec.clone(), spec.path[above.len()..].to_owned())
    }

    async fn start_dynamic(&self) -> Option<String> {
        let (mut spec, _) = self.template();
        spec.is_of_the_script = false;
        spec.starts = self.request.starts().unwrap_or_default();
        let scripted = self.scripted(spec, self.request.target());
        let place = scripted.place.clone();
        let result = self.sup.start_dynamic(Some(Arc::new(scripted))).await;
        if let Ok(Started::Running(at)) = &result {
            let _ = place.set(*at); // Its first start is its only one by request.
        }
        started(result)
    }

    async fn terminate_dynamic(&self) -> Option<String> {
        let process = self.target.as_ref()?;
        let is_of_this_one = process.above.as_ref().is_some_and(|above| Arc::ptr_eq(above, &self.above));
        match process.place.get() {
            Some(place) if is_of_this_one => done(self.sup.terminate_process(*place, process.start).await),
            _ if process.is_alive() => Some("error not_found".into()),
            _ => Some("ok".into()),
        }
    }

    async fn lines(&self) -> Option<String> {
        let children = self.sup.which_children().await.ok()?;
        let names: HashMap<Place, String> = {
            let shared = self.stage.shared();
            let here = shared
                .names
                .values()
                .filter(|process| process.above.as_ref().is_some_and(|above| Arc::ptr_eq(above, &self.above)));
            here.filter_map(|process| Some((*process.place.get()?, process.path.clone()))).collect()
        };
        let flags =
            self.stage.shared().specs.iter().find(|spec| spec.path == self.above.path).and_then(|spec| spec.sup);
        let is_dynamic = flags.is_some_and(|flags| flags.strategy == Strategy::SimpleOneForOne);
        let lines = children.into_iter().map(|child| words::Line {
            name: if is_dynamic { names.get(&child.place).cloned().unwrap_or_default() } else { child.id.to_string() },
            state: child.state,
            child_type: child.flags.child_type,
        });
        Some(words::list(&self.request, is_dynamic, &lines.collect::<Vec<_>>()))
    }
}

/// None: the supervisor is gone, and nobody is answered.
fn started(result: Result<Started, SupervisorError>) -> Option<String> {
    Some(match result {
        Ok(Started::Running(_)) => "ok pid".into(),
        Ok(Started::Ignored) => "ok undefined".into(),
        Err(error) => return refused(error),
    })
}

fn done(result: Result<(), SupervisorError>) -> Option<String> {
    match result {
        Ok(()) => Some("ok".into()),
        Err(error) => refused(error),
    }
}

fn refused(error: SupervisorError) -> Option<String> {
    let word = match error {
        SupervisorError::Start(exit) => return Some(format!("error {}", show(&exit))),
        SupervisorError::NotFound => "not_found",
        SupervisorError::AlreadyStarted => "already_started",
        SupervisorError::AlreadyPresent => "already_present",
        SupervisorError::Running => "running",
        SupervisorError::Restarting => "restarting",
        SupervisorError::Spec(_) => "bad_combination",
        SupervisorError::SimpleOneForOne => "simple_one_for_one",
        _ => return None,
    };
    Some(format!("error {word}"))
}
