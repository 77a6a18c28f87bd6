//! The pure core in a world of values: processes that are entries in a table, a clock that is a number.

use std::collections::{HashMap, VecDeque};

use proscenium_runtime::{Exit, Now};
use proscenium_supervision::restart_core::{Action, Event, Outcome, RestartCore};
use proscenium_supervision::{ChildFlags, Place, Shutdown, SpecError, Strategy, SupFlags};

use crate::script::{Attempt, Script, Spec, show};
use crate::words;

/// What stands between a script and the core: nothing. A test puts its bugs here, to see that they are seen.
pub trait Between {
    fn sup(&self, flags: SupFlags) -> SupFlags {
        flags
    }

    fn child(&self, flags: ChildFlags) -> ChildFlags {
        flags
    }

    fn now(&self, clock: u64) -> Now {
        Now::from_millis(clock)
    }

    /// A retry waits its turn.
    fn try_again(&self, mailbox: &mut VecDeque<Item>, retry: Item) {
        mailbox.push_back(retry);
    }
}

/// Nothing.
pub struct Faithful;

impl Between for Faithful {}

/// Runs a script, and gives its trace.
pub fn run(script: &Script, between: &dyn Between) -> Vec<String> {
    let mut world = World::new(script, between);
    world.out.push(format!("script {}", script.name));
    world.begin();
    for event in &script.events {
        if world.is_over {
            break;
        }
        world.out.push(format!("> {event}"));
        world.event(event);
        world.settle();
    }
    world.out.push("end".into());
    world.out
}

pub type Pid = usize;

/// A process, dead or alive.
struct Process {
    path: String,
    spec: usize,
    is_alive: bool,
    /// Its supervisor hears nothing of it any more.
    is_unlinked: bool,
    /// Its supervisor, its place there, and the start that made it. None: the root.
    parent: Option<(Pid, Place, u32)>,
    sup: Option<Box<Sup>>,
}

/// What a supervisor has.
pub struct Sup {
    pub core: RestartCore,
    /// By place: the spec's number, and the path of a dynamic child.
    known: HashMap<Place, (usize, String)>,
    processes: HashMap<Place, Pid>,
    mailbox: VecDeque<Item>,
    /// The request in hand.
    request: Option<words::Request>,
    /// Of the dynamic child or the spec that is being started: its path, and the spec's number.
    coming: Option<(usize, String)>,
    /// How its own start ended.
    begun: Option<Result<(), Exit>>,
    is_stopped_by_parent: bool,
}

/// What lies in a supervisor's mailbox.
pub enum Item {
    Exited { pid: Pid, exit: Exit },
    TryAgain(Place),
    Request(words::Request, Option<Pid>),
    ParentExit(Exit),
}

pub struct World<'a> {
    specs: Vec<Spec>,
    /// By spec: how many starts were tried.
    attempts: Vec<usize>,
    processes: Vec<Process>,
    /// The process last started under a path.
    names: HashMap<String, Pid>,
    clock: u64,
    is_held: bool,
    is_over: bool,
    between: &'a dyn Between,
    out: Vec<String>,
}

const ROOT: Pid = 0;

impl<'a> World<'a> {
    fn new(script: &Script, between: &'a dyn Between) -> Self {
        World {
            attempts: vec![0; script.specs.len()],
            specs: script.specs.clone(),
            processes: Vec::new(),
            names: HashMap::new(),
            clock: 0,
            is_held: false,
            is_over: false,
            between,
            out: Vec::new(),
        }
    }

    fn say(&mut self, line: String) {
        self.out.push(line);
    }

    fn sup(&mut self, pid: Pid) -> &mut Sup {
        self.processes[pid].sup.as_mut().expect("only supervisors are asked")
    }

    fn begin(&mut self) {
        let outcome = match self.make_sup(0, None) {
            Ok(root) => {
                self.drive(root, Event::Begin);
                self.sup(root).begun.clone().unwrap_or(Ok(())).map_err(|_| "failed_to_start_child")
            }
            Err(SpecError::DuplicateChildName(_)) => Err("duplicate_child_name"),
            Err(_) => Err("bad_combination"),
        };
        match outcome {
            Ok(()) => self.say("start root ok".into()),
            Err(why) => {
                self.say(format!("start root error {why}"));
                self.is_over = true;
            }
        }
        self.settle();
    }

    // ---- events ----

    fn event(&mut self, line: &str) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "advance" => self.clock += rest.parse::<u64>().unwrap_or(0),
            "now" => self.say(format!("ret now {}", self.clock)),
            "exit" => self.exit_event(rest),
            "unlink" => match self.alive(rest) {
                Some(pid) => self.processes[pid].is_unlinked = true,
                None => self.say(format!("no-process {rest}")),
            },
            "stray_exit" => {
                let path = rest.split(' ').next().unwrap_or_default();
                if self.alive(path).is_none() {
                    self.say(format!("no-process {path}"));
                }
            }
            "parent_exit" if rest == "kill" => {
                self.kill(ROOT);
                self.root_is_down(&Exit::Killed);
            }
            "parent_exit" => self.sup(ROOT).mailbox.push_back(Item::ParentExit(crate::script::exit(rest))),
            "hold" => self.is_held = true,
            "release" => self.is_held = false,
            _ => self.request_event(kind, rest),
        }
    }

    fn exit_event(&mut self, rest: &str) {
        let (path, reason) = rest.split_once(' ').unwrap_or((rest, "normal"));
        let Some(pid) = self.alive(path) else { return self.say(format!("no-process {path}")) };
        if self.processes[pid].sup.is_some() {
            self.kill(pid);
            if pid == ROOT {
                return self.root_is_down(&Exit::Killed);
            }
        }
        self.die(pid, crate::script::exit(reason));
    }

    fn request_event(&mut self, kind: &str, rest: &str) {
        let (target, keys) = rest.split_once(' ').unwrap_or((rest, ""));
        let request = words::Request::new(kind, target, keys);
        let Some(pid) = self.alive(request.supervisor()) else {
            return self.say(format!("no-process {}", request.supervisor()));
        };
        if request.is_about_dynamic() && kind != "start_dynamic" && !self.names.contains_key(target) {
            return self.say(format!("no-process {target}"));
        }
        // A dynamic child is meant by its process of this moment.
        let process = self.names.get(target).copied();
        self.sup(pid).mailbox.push_back(Item::Request(request, process));
    }

    fn alive(&self, path: &str) -> Option<Pid> {
        self.names.get(path).copied().filter(|pid| self.processes[*pid].is_alive)
    }

    /// Until all is idle. Those below go first: what happens above waits for them.
    fn settle(&mut self) {
        while !self.is_over {
            let waits = |pid: &Pid| {
                let process = &self.processes[*pid];
                process.is_alive
                    && !(*pid == ROOT && self.is_held)
                    && process.sup.as_ref().is_some_and(|sup| !sup.mailbox.is_empty())
            };
            let Some(pid) = (0..self.processes.len()).rev().find(waits) else { return };
            if let Some(item) = self.sup(pid).mailbox.pop_front() {
                self.take(pid, item);
            }
        }
    }

    fn take(&mut self, sup: Pid, item: Item) {
        match item {
            Item::TryAgain(place) => self.drive(sup, Event::TryAgain(place)),
            Item::ParentExit(exit) => self.drive(sup, Event::End(exit)),
            Item::Request(request, process) => self.request(sup, request, process),
            Item::Exited { pid, exit } => {
                if let Some((_, child, start)) = self.processes[pid].parent {
                    self.drive(sup, Event::Exited { child, start, exit });
                }
            }
        }
    }

    // ---- requests ----

    fn request(&mut self, pid: Pid, request: words::Request, target: Option<Pid>) {
        let place = target.and_then(|target| self.processes[target].parent).filter(|parent| parent.0 == pid);
        let is_alive = target.is_some_and(|target| self.processes[target].is_alive);
        let sup = self.sup(pid);
        let is_dynamic = sup.core.flags().strategy == Strategy::SimpleOneForOne;
        let known = place.map(|(_, place, _)| place);
        let known =
            known.filter(|place| sup.core.child(*place).is_some() && sup.processes.get(place) == target.as_ref());
        let event = match request.kind() {
            "which_children" | "count_children" => {
                let line = self.count_or_list(pid, &request);
                return self.say(line);
            }
            "get_childspec" => {
                let found = match sup.core.template() {
                    Some(_) if request.is_about_dynamic() && is_alive && known.is_none() => None,
                    Some((id, flags)) if request.is_about_dynamic() || id.as_str() == request.id() => Some(*flags),
                    Some(_) => None,
                    None => {
                        sup.core.place_of(&request.id().into()).and_then(|place| Some(sup.core.child(place)?.flags()))
                    }
                };
                return self.say(words::childspec(&request, found));
            }
            "start_child" => {
                let spec = request.spec();
                let event = Event::StartChild((request.id().into(), spec.flags));
                let number = self.specs.len();
                self.sup(pid).coming = Some((number, spec.path.clone()));
                self.specs.push(spec);
                self.attempts.push(0);
                event
            }
            "start_dynamic" => {
                let number = self.template_for(pid, &request);
                self.sup(pid).coming = Some((number, request.target().to_owned()));
                Event::StartDynamic(None)
            }
            "terminate_child" if request.is_about_dynamic() && is_dynamic => match known {
                Some(place) => Event::TerminateDynamic(place, None),
                None if is_alive => return self.say(request.result("error not_found")),
                None => return self.say(request.result("ok")),
            },
            "terminate_child" => Event::Terminate(request.id().into()),
            "restart_child" => Event::Restart(request.id().into()),
            "delete_child" => Event::Delete(request.id().into()),
            other => return self.say(format!("error unknown event {other}")),
        };
        self.sup(pid).request = Some(request);
        self.drive(pid, event);
        self.sup(pid).coming = None;
    }

    /// The spec of a dynamic child: the supervisor's one, with starts of its own if the event has them.
    fn template_for(&mut self, pid: Pid, request: &words::Request) -> usize {
        let path = format!("{}/", self.processes[pid].path);
        let template = self.specs.iter().position(|spec| spec.path.starts_with(&path)).unwrap_or_default();
        let mut spec = self.specs[template].clone();
        let Some(starts) = request.starts() else { return template };
        spec.starts = starts;
        spec.is_of_the_script = false;
        self.specs.push(spec);
        self.attempts.push(0);
        self.specs.len() - 1
    }

    fn count_or_list(&mut self, pid: Pid, request: &words::Request) -> String {
        let sup = self.processes[pid].sup.as_ref().expect("only supervisors are asked");
        if request.kind() == "count_children" {
            let lives = |place| sup.processes.get(&place).is_some_and(|pid: &Pid| self.processes[*pid].is_alive);
            return words::count(request, sup.core.count(lives));
        }
        let is_dynamic = sup.core.template().is_some();
        let path = |place: Place| sup.known.get(&place).map_or(String::new(), |(_, path)| path.clone());
        let lines = sup.core.children().map(|(place, child)| words::Line {
            name: if is_dynamic { path(place) } else { child.id().to_string() },
            state: child.state(),
            child_type: child.flags().child_type,
        });
        words::list(request, is_dynamic, &lines.collect::<Vec<_>>())
    }

    // ---- what the core orders ----

    fn drive(&mut self, pid: Pid, event: Event) {
        let now = self.between.now(self.clock);
        for action in self.sup(pid).core.on(event, now) {
            self.carry_out(pid, action);
        }
    }

    fn carry_out(&mut self, pid: Pid, action: Action) {
        match action {
            Action::Wait(..) | Action::Renew(_) => unreachable!("no script has a delay or a change"),
            Action::Start { child, start } => {
                let outcome = self.start(pid, child, start);
                self.drive(pid, Event::Started(outcome));
            }
            Action::Stop(children) => {
                self.stop(pid, &children);
                for child in children {
                    self.drive(pid, Event::Stopped(child));
                }
            }
            Action::Forget(child) => {
                self.sup(pid).known.remove(&child);
            }
            Action::TryAgain(child) => {
                let between = self.between;
                between.try_again(&mut self.sup(pid).mailbox, Item::TryAgain(child));
            }
            Action::Reply(reply) => {
                if let Some(request) = self.sup(pid).request.take() {
                    self.say(request.result(&words::reply(&reply)));
                }
            }
            Action::Ready => self.sup(pid).begun = Some(Ok(())),
            Action::StartFailed(..) => {
                self.sup(pid).begun = Some(Err(Exit::shutdown_with("failed_to_start_child")));
                self.processes[pid].is_alive = false;
            }
            Action::End(exit) => self.ended(pid, exit),
            Action::Retire(_) | Action::Report(_) => {}
        }
    }

    fn ended(&mut self, pid: Pid, exit: Exit) {
        if pid == ROOT {
            self.processes[ROOT].is_alive = false;
            return self.root_is_down(&exit);
        }
        if self.sup(pid).is_stopped_by_parent {
            self.processes[pid].is_alive = false;
            return;
        }
        let path = self.processes[pid].path.clone();
        self.say(format!("down {path} {}", show(&exit)));
        self.die(pid, exit);
    }

    fn root_is_down(&mut self, exit: &Exit) {
        self.say(format!("down root {}", show(exit)));
        self.is_over = true;
    }

    // ---- starts ----

    fn start(&mut self, parent: Pid, place: Place, start: u32) -> Outcome {
        let sup = self.sup(parent);
        if let Some(coming) = sup.coming.take() {
            sup.known.insert(place, coming);
        }
        let Some((spec, path)) = sup.known.get(&place).cloned() else {
            return Outcome::Failed(Exit::custom("nope"));
        };
        let attempt = self.specs[spec].starts.get(self.attempts[spec]).copied().unwrap_or(Attempt::Ok);
        self.attempts[spec] += 1;
        let outcome = match attempt {
            Attempt::Ignore => Outcome::Ignored,
            Attempt::Error => Outcome::Failed(Exit::custom("nope")),
            Attempt::Ok if self.specs[spec].sup.is_some() => self.start_sup(spec, (parent, place, start)),
            Attempt::Ok => {
                self.make(spec, path.clone(), Some((parent, place, start)), None);
                Outcome::Running
            }
        };
        let word = match outcome {
            Outcome::Running => "ok",
            Outcome::Ignored => "ignore",
            Outcome::Failed(_) => "error",
        };
        self.say(format!("start {path} {word}"));
        outcome
    }

    fn start_sup(&mut self, spec: usize, parent: (Pid, Place, u32)) -> Outcome {
        let Ok(pid) = self.make_sup(spec, Some(parent)) else { return Outcome::Failed(Exit::custom("bad specs")) };
        self.drive(pid, Event::Begin);
        match self.sup(pid).begun.clone() {
            Some(Err(exit)) => Outcome::Failed(exit),
            _ => Outcome::Running,
        }
    }

    fn make_sup(&mut self, spec: usize, parent: Option<(Pid, Place, u32)>) -> Result<Pid, SpecError> {
        let path = self.specs[spec].path.clone();
        let is_below = |other: &Spec| {
            other.is_of_the_script && other.path.rsplit_once('/').is_some_and(|(above, _)| above == path)
        };
        let below: Vec<usize> = (0..self.specs.len()).filter(|at| is_below(&self.specs[*at])).collect();
        let id = |at: usize| self.specs[at].path[path.len() + 1..].to_owned();
        let children = below.iter().map(|at| (id(*at).into(), self.between.child(self.specs[*at].flags))).collect();
        let flags = self.between.sup(self.specs[spec].sup.unwrap_or_default());
        let core = RestartCore::new(flags, children)?;
        let places = core.children().zip(&below);
        let known = places.map(|((place, _), at)| (place, (*at, self.specs[*at].path.clone()))).collect();
        let sup = Sup {
            core,
            known,
            processes: HashMap::new(),
            mailbox: VecDeque::new(),
            request: None,
            coming: None,
            begun: None,
            is_stopped_by_parent: false,
        };
        Ok(self.make(spec, path, parent, Some(Box::new(sup))))
    }

    fn make(&mut self, spec: usize, path: String, parent: Option<(Pid, Place, u32)>, sup: Option<Box<Sup>>) -> Pid {
        let pid = self.processes.len();
        self.names.insert(path.clone(), pid);
        self.processes.push(Process { path, spec, is_alive: true, is_unlinked: false, parent, sup });
        if let Some((parent, place, _)) = parent {
            self.sup(parent).processes.insert(place, pid);
        }
        pid
    }

    // ---- ends ----

    fn die(&mut self, pid: Pid, exit: Exit) {
        self.processes[pid].is_alive = false;
        if let Some((parent, _, _)) = self.processes[pid].parent
            && !self.processes[pid].is_unlinked
        {
            self.sup(parent).mailbox.push_back(Item::Exited { pid, exit });
        }
    }

    /// With all that is linked to it, silently.
    fn kill(&mut self, pid: Pid) {
        self.processes[pid].is_alive = false;
        for child in 0..self.processes.len() {
            let process = &self.processes[child];
            let is_child = process.parent.is_some_and(|parent| parent.0 == pid);
            if is_child && process.is_alive && !process.is_unlinked {
                self.kill(child);
            }
        }
    }

    /// Stops them as their specs say, all at once; the clock moves by the longest.
    fn stop(&mut self, sup: Pid, children: &[Place]) {
        let began = self.clock;
        let mut latest = began;
        let mut lines = Vec::new();
        for child in children {
            let Some(pid) = self.sup(sup).processes.get(child).copied() else { continue };
            self.clock = began;
            let exit = self.stop_one(sup, pid);
            latest = latest.max(self.clock);
            let path = self.processes[pid].path.clone();
            lines.push((words::ordinal(&path), format!("stop {path} {}", show(&exit))));
        }
        self.clock = latest;
        lines.sort_by_key(|(ordinal, _)| *ordinal);
        self.out.extend(lines.into_iter().map(|(_, line)| line));
    }

    fn stop_one(&mut self, sup: Pid, pid: Pid) -> Exit {
        if !self.processes[pid].is_alive {
            let mailbox = &mut self.sup(sup).mailbox;
            let at = mailbox.iter().position(|item| matches!(item, Item::Exited { pid: of, .. } if *of == pid));
            return match at.and_then(|at| mailbox.remove(at)) {
                Some(Item::Exited { exit, .. }) => exit,
                _ => Exit::NoProc,
            };
        }
        let spec = &self.specs[self.processes[pid].spec];
        let (shutdown, obedience) = (spec.flags.shutdown, spec.obedience.clone());
        if shutdown == Shutdown::BrutalKill {
            self.kill(pid);
            return Exit::Killed;
        }
        if self.processes[pid].sup.is_some() {
            self.sup(pid).is_stopped_by_parent = true;
            self.drive(pid, Event::End(Exit::Shutdown));
            return Exit::Shutdown;
        }
        self.processes[pid].is_alive = false;
        let limit = match shutdown {
            Shutdown::Within(limit) => limit.as_millis() as u64,
            Shutdown::Infinity | Shutdown::BrutalKill => u64::MAX,
        };
        match obedience.stop {
            Some(exit) if obedience.delay < limit => {
                self.clock += obedience.delay;
                exit
            }
            _ => {
                self.clock += limit;
                Exit::Killed
            }
        }
    }
}
