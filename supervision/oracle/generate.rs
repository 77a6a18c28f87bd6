//! Random supervisor scripts, one for each seed, for the comparison with OTP's own supervisor.
//!
//! Every script is valid, and none asks for what the comparison leaves open. It has no `delay` equal to `shutdown`, no
//! `shutdown=0`, and no child that never stops under a supervisor that waits for ever. A restarting dynamic child is
//! never terminated. A supervisor is killed only when no supervisor and no unlinked child is below it: OTP's nested
//! supervisors outlive a killed one for a while, and unlinked children outlive it for good.
//!
//! The generator does not run the script in its head. It guesses what is alive, so that most events hit something, and
//! now and then aims at what is dead, or was never there.

use std::fmt::Display;

use self::weights::Weights;

/// One script, with `seed` as its name.
pub fn script(seed: u64) -> String {
    let mut script = Script::new(seed);
    script.specs();
    script.line("run");
    script.events();
    script.line("end");
    script.text
}

/// What to choose, and how often compared with the others in the same row.
mod weights {
    use super::{Event, Flaw};
    pub type Weights<T> = &'static [(u32, T)];

    pub const FLAW: Weights<Flaw> =
        &[(88, Flaw::None), (8, Flaw::FailedStart), (2, Flaw::DuplicateId), (2, Flaw::BadCombination)];
    pub const STRATEGY: Weights<&str> =
        &[(25, "one_for_one"), (25, "one_for_all"), (25, "rest_for_one"), (25, "simple_one_for_one")];
    /// Root gives up less easily: with it the script ends.
    pub const ROOT_INTENSITY: Weights<u32> = &[(1, 0), (2, 1), (3, 2), (4, 3), (4, 5), (4, 10)];
    pub const INTENSITY: Weights<u32> = &[(2, 0), (5, 1), (5, 2), (3, 3), (1, 5)];
    pub const PERIOD: Weights<u32> = &[(3, 1), (3, 2), (4, 5), (1, 10)];
    pub const AUTO_SHUTDOWN: Weights<&str> = &[(60, "never"), (20, "any_significant"), (20, "all_significant")];
    pub const CHILDREN: Weights<u32> = &[(1, 0), (2, 1), (5, 2), (5, 3), (3, 4), (1, 5)];
    pub const RESTART: Weights<&str> = &[(5, "permanent"), (4, "transient"), (3, "temporary")];
    /// The empty word leaves a key out.
    pub const SHUTDOWN: Weights<&str> =
        &[(8, ""), (4, "brutal_kill"), (2, "infinity"), (1, "1"), (2, "500"), (2, "1000"), (2, "2000"), (1, "5000")];
    pub const STOP: Weights<&str> =
        &[(10, ""), (1, "shutdown"), (2, "normal"), (2, "{shutdown,x}"), (2, "crash"), (3, "never")];
    pub const DELAY: Weights<u32> = &[(10, 0), (1, 1), (2, 300), (1, 999), (1, 1000), (2, 1500), (1, 3000), (1, 7000)];
    pub const START: Weights<&str> = &[(5, "ok"), (2, "ignore"), (5, "error")];
    /// OTP cannot stop a supervisor any more after an ignored restart of a dynamic child: it keeps a child `undefined`.
    pub const DYNAMIC_START: Weights<&str> = &[(5, "ok"), (5, "error")];
    pub const REASON: Weights<&str> =
        &[(15, "normal"), (8, "shutdown"), (8, "{shutdown,x}"), (34, "crash"), (15, "boom"), (20, "kill")];
    pub const OF_RESTARTING: Weights<&str> = &[
        (4, "which_children"),
        (3, "count_children"),
        (2, "delete_child"),
        (2, "restart_child"),
        (2, "start_child"),
        (1, "terminate_child"),
        (1, "get_childspec"),
    ];
    pub const EVENTS: Weights<Event> = &[
        (26, Event::Exit),
        (5, Event::Burst),
        (12, Event::Advance),
        (2, Event::Now),
        (3, Event::KillSupervisor),
        (3, Event::Unlink),
        (2, Event::StrayExit),
        (1, Event::ParentExit),
        (7, Event::StartChild),
        (16, Event::StartDynamic),
        (8, Event::Request("terminate_child")),
        (7, Event::Request("restart_child")),
        (6, Event::Request("delete_child")),
        (4, Event::Request("get_childspec")),
        (5, Event::Ask("which_children")),
        (5, Event::Ask("count_children")),
        (10, Event::Hold),
    ];
}

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Some first start is an error.
    FailedStart,
    DuplicateId,
    BadCombination,
}

#[derive(Clone, Copy, PartialEq)]
enum Event {
    Exit,
    /// One child exits again and again, which is what intensity is about.
    Burst,
    Advance,
    Now,
    KillSupervisor,
    Unlink,
    StrayExit,
    ParentExit,
    StartChild,
    StartDynamic,
    /// A request about a child.
    Request(&'static str),
    /// A request about all children.
    Ask(&'static str),
    Hold,
}

const ROOT: usize = 0;
const MAX_DEPTH: usize = 3;
const CRASHES: &[&str] = &["crash", "boom", "kill"];

struct Sup {
    path: String,
    above: Option<usize>,
    depth: usize,
    strategy: &'static str,
    auto_shutdown: bool,
    intensity: u32,
    period: u32,
    restart: &'static str,
    /// Its own supervisor kills it when it stops it.
    brutal_kill: bool,
    /// The restart type of its dynamic children.
    template_restart: &'static str,
    ids: u8,
    ordinals: u32,
    /// A child below has unlinked itself.
    unlinked: bool,
    /// It was terminated or deleted on request, so its id may be free.
    touched: bool,
}

impl Sup {
    fn is_simple(&self) -> bool {
        self.strategy == "simple_one_for_one"
    }
}

struct Worker {
    path: String,
    sup: usize,
    restart: &'static str,
    dynamic: bool,
    may_fail: bool,
    /// A guess.
    alive: bool,
    /// It has exited while root was held.
    exited_in_hold: bool,
}

struct Script {
    random: Random,
    text: String,
    flaw: Flaw,
    held: bool,
    sups: Vec<Sup>,
    workers: Vec<Worker>,
}

/// The specs.
impl Script {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let flaw = random.weighted(weights::FLAW);
        Self { random, text: format!("script {seed}\n"), flaw, held: false, sups: Vec::new(), workers: Vec::new() }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn specs(&mut self) {
        self.sup("root".into(), None);
        match self.flaw {
            Flaw::DuplicateId => self.line("child root/a"),
            Flaw::BadCombination => self.line("child root/z significant=true"),
            Flaw::None | Flaw::FailedStart => (),
        }
    }

    fn sup(&mut self, path: String, above: Option<usize>) {
        let random = &mut self.random;
        // A simple_one_for_one root takes one line, and that makes no duplicate.
        let simple_ok = above.is_some() || !matches!(self.flaw, Flaw::DuplicateId | Flaw::BadCombination);
        let strategy = match random.weighted(weights::STRATEGY) {
            "simple_one_for_one" if !simple_ok => "one_for_all",
            strategy => strategy,
        };
        let intensities = if above.is_none() { weights::ROOT_INTENSITY } else { weights::INTENSITY };
        let auto_shutdown = random.weighted(weights::AUTO_SHUTDOWN);
        let sup = Sup {
            above,
            depth: above.map_or(1, |above| self.sups[above].depth + 1),
            strategy,
            auto_shutdown: auto_shutdown != "never",
            intensity: random.weighted(intensities),
            period: random.weighted(weights::PERIOD),
            restart: random.weighted(weights::RESTART),
            brutal_kill: above.is_some() && random.percent(20),
            path,
            template_restart: "",
            ids: 0,
            ordinals: 0,
            unlinked: false,
            touched: false,
        };
        let mut keys = vec![
            random.key("strategy", strategy, "one_for_one"),
            random.key("intensity", sup.intensity, 1),
            random.key("period", sup.period, 5),
            random.key("auto_shutdown", auto_shutdown, "never"),
        ];
        if let Some(above) = above {
            keys.extend(self.nested_keys(&sup, above));
        }
        let keys = self.random.keys(keys);
        self.line(&format!("sup {}{keys}", sup.path));
        self.sups.push(sup);
        self.children(self.sups.len() - 1);
    }

    fn nested_keys(&mut self, sup: &Sup, above: usize) -> Vec<String> {
        let mut keys = vec![self.random.key("restart", sup.restart, "permanent")];
        keys.push(if sup.brutal_kill { "shutdown=brutal_kill".into() } else { String::new() });
        keys.push(self.significant(sup.restart, above));
        keys.push(self.starts(if self.flaw == Flaw::FailedStart { 10 } else { 0 }, weights::START).0);
        keys.push(if self.random.percent(10) { "type=worker".into() } else { String::new() });
        keys
    }

    fn children(&mut self, sup: usize) {
        if self.sups[sup].is_simple() {
            return self.template(sup);
        }
        let fewest = u32::from(sup == ROOT);
        for _ in 0..self.random.weighted(weights::CHILDREN).max(fewest) {
            let path = self.next_path(sup);
            let nest = if sup == ROOT { 35 } else { 25 };
            // A supervisor that is killed leaves nested ones behind, which then stop in their own time.
            let may_nest = self.sups[sup].depth < MAX_DEPTH && !self.sups[sup].brutal_kill;
            if may_nest && self.random.percent(nest) {
                self.sup(path, Some(sup));
            } else {
                let first_error = if self.flaw == Flaw::FailedStart { 20 } else { 0 };
                let (keys, worker) = self.worker(&path, sup, first_error);
                self.line(&format!("child {path}{keys}"));
                self.workers.push(worker);
            }
        }
    }

    /// Children get the ids a, b, c, and so on, whatever they are. No id comes twice.
    fn next_path(&mut self, sup: usize) -> String {
        let sup = &mut self.sups[sup];
        let letter = char::from(b'a' + sup.ids % 25);
        let round = if sup.ids < 25 { String::new() } else { (sup.ids / 25).to_string() };
        sup.ids += 1;
        format!("{}/{letter}{round}", sup.path)
    }

    fn template(&mut self, sup: usize) {
        let path = format!("{}/w", self.sups[sup].path);
        let restart = self.random.weighted(weights::RESTART);
        let keys = self.child_keys(restart, sup);
        let keys = self.random.keys(keys);
        self.line(&format!("child {path}{keys}"));
        self.sups[sup].template_restart = restart;
    }

    /// The keys of a plain child, and what to remember of it.
    fn worker(&mut self, path: &str, sup: usize, first_error: u32) -> (String, Worker) {
        let restart = self.random.weighted(weights::RESTART);
        let mut keys = self.child_keys(restart, sup);
        let (starts, may_fail) = self.starts(first_error, weights::START);
        let alive = !starts.starts_with("starts=error") && !starts.starts_with("starts=ignore");
        keys.push(starts);
        let worker = Worker { path: path.into(), sup, restart, dynamic: false, may_fail, alive, exited_in_hold: false };
        (self.random.keys(keys), worker)
    }

    fn child_keys(&mut self, restart: &str, sup: usize) -> Vec<String> {
        let kind = if self.random.percent(12) { "supervisor" } else { "worker" };
        let shutdown = self.random.weighted(weights::SHUTDOWN);
        let waits_for_ever = shutdown == "infinity" || (shutdown.is_empty() && kind == "supervisor");
        let mut stop = self.random.weighted(weights::STOP);
        if waits_for_ever && stop == "never" {
            stop = "";
        }
        let mut delay = self.random.weighted(weights::DELAY);
        if stop == "never" || shutdown.parse() == Ok(delay) {
            delay = 0;
        }
        vec![
            self.random.key("restart", restart, "permanent"),
            self.significant(restart, sup),
            self.random.key("type", kind, "worker"),
            optional("shutdown", shutdown),
            optional("stop", stop),
            self.random.key("delay", delay, 0),
        ]
    }

    fn significant(&mut self, restart: &str, sup: usize) -> String {
        let allowed = restart != "permanent" && self.sups[sup].auto_shutdown;
        let significant = allowed && self.random.percent(65);
        self.random.key("significant", significant, false)
    }

    /// The key, and whether a restart may fail. The first start fails in so many of a hundred.
    fn starts(&mut self, first_error: u32, restarts: Weights<&'static str>) -> (String, bool) {
        let first = if self.random.percent(first_error) {
            "error"
        } else if self.random.percent(8) {
            "ignore"
        } else {
            "ok"
        };
        let mut starts = vec![first];
        if self.random.percent(45) {
            let more = self.random.between(1, 4);
            starts.extend((0..more).map(|_| self.random.weighted(restarts)));
        }
        let may_fail = starts.contains(&"error");
        let key = if starts == ["ok"] { String::new() } else { format!("starts={}", starts.join(",")) };
        (key, may_fail)
    }
}

/// The events.
impl Script {
    fn events(&mut self) {
        let many = if matches!(self.flaw, Flaw::DuplicateId | Flaw::BadCombination) { 2 } else { 24 };
        for _ in 0..self.random.between(many / 4, many) {
            let event = self.random.weighted(weights::EVENTS);
            self.event(event);
        }
        if self.random.percent(30) {
            self.event(Event::ParentExit);
        }
    }

    /// Nothing happens when there is nothing to aim at.
    fn event(&mut self, event: Event) {
        match event {
            Event::Exit => self.exit(),
            Event::Burst => self.burst(),
            Event::Advance => self.advance(),
            Event::Now => self.line("now"),
            Event::KillSupervisor => self.kill_supervisor(),
            Event::Unlink => self.unlink(),
            Event::StrayExit => {
                let reason = self.random.pick(&["normal", "shutdown", "crash"]);
                let sup = self.some_sup();
                self.line(&format!("stray_exit {sup} {reason}"));
            }
            Event::ParentExit => self.parent_exit(),
            Event::StartChild => self.start_child(),
            Event::StartDynamic => self.start_dynamic(),
            Event::Request(request) => self.request(request),
            Event::Ask(request) => {
                let sup = self.some_sup();
                self.line(&format!("{request} {sup}"));
            }
            Event::Hold if self.held => (),
            Event::Hold => self.hold(),
        }
    }

    /// Root reads its mailbox again at the end, so that a script never ends in a hold.
    fn hold(&mut self) {
        self.line("hold");
        self.held = true;
        if self.random.percent(50) {
            self.failing_restart();
        }
        for _ in 0..self.random.between(1, 7) {
            let event = self.random.weighted(weights::EVENTS);
            self.event(event);
        }
        self.held = false;
        self.line("release");
        self.workers.iter_mut().for_each(|worker| worker.exited_in_hold = false);
    }

    /// What was queued before a retry sees the child restarting.
    fn failing_restart(&mut self) {
        let fails = |worker: &Worker| worker.sup == ROOT && worker.alive && worker.may_fail;
        let failing: Vec<usize> = (0..self.workers.len()).filter(|&n| fails(&self.workers[n])).collect();
        if failing.is_empty() {
            return;
        }
        let worker = self.random.pick(&failing);
        let reason = self.random.pick(CRASHES);
        self.exits(worker, reason);
        let Worker { ref path, dynamic, .. } = self.workers[worker];
        let path = path.clone();
        for _ in 0..self.random.between(1, 3) {
            match self.random.weighted(weights::OF_RESTARTING) {
                request @ ("which_children" | "count_children") => self.line(&format!("{request} root")),
                "start_child" | "terminate_child" if dynamic => (),
                request => self.line(&format!("{request} {path}")),
            }
        }
    }

    fn exit(&mut self) {
        if let Some(worker) = self.some_worker() {
            let reason = self.random.weighted(weights::REASON);
            self.exits(worker, reason);
        } else {
            self.start_dynamic();
            self.start_child();
        }
    }

    fn exits(&mut self, number: usize, reason: &str) {
        let worker = &mut self.workers[number];
        worker.exited_in_hold = self.held;
        worker.alive = match worker.restart {
            "permanent" => true,
            "transient" => CRASHES.contains(&reason),
            _ => false,
        };
        let (sup, restarted) = (worker.sup, worker.alive);
        let line = format!("exit {} {reason}", worker.path);
        self.line(&line);
        let stopped = match self.sups[sup].strategy {
            "one_for_all" if restarted => 0,
            "rest_for_one" if restarted => number,
            _ => return,
        };
        // Children are in start order here, save for ids that were given again.
        for sibling in self.workers[stopped..].iter_mut().filter(|sibling| sibling.sup == sup) {
            sibling.alive &= sibling.restart != "temporary";
        }
    }

    /// Exits of one child, with a step of the clock before the last one: the whole period, a millisecond less or more.
    fn burst(&mut self) {
        let Some(worker) = self.some_worker() else { return };
        let Worker { sup, restart, .. } = self.workers[worker];
        let Sup { intensity, period, .. } = self.sups[sup];
        if restart == "temporary" {
            return self.exit();
        }
        // Down in most cases, but not in all.
        let exits = (intensity + self.random.between(0, 1)).clamp(1, 6);
        for n in 1..=exits {
            if n == exits && self.random.percent(60) {
                let ms = self.around(period);
                self.line(&format!("advance {ms}"));
            }
            let reason = self.random.pick(CRASHES);
            self.exits(worker, reason);
        }
        if exits > intensity {
            self.falls(sup);
        }
    }

    fn advance(&mut self) {
        let sup = self.random.below(self.sups.len());
        let ms = match self.random.below(3) {
            0 => self.around(self.sups[sup].period),
            1 => self.random.pick(&[1, 500, 999, 1000, 2500]),
            _ => self.random.between(1, 12_000),
        };
        self.line(&format!("advance {ms}"));
    }

    /// Where a restart of `period` seconds ago counts or no longer counts.
    fn around(&mut self, period: u32) -> u32 {
        let ms = period * 1000;
        self.random.pick(&[ms, ms - 1, ms + 1, ms + 999, ms + 1000])
    }

    fn kill_supervisor(&mut self) {
        let killable: Vec<usize> = (ROOT..self.sups.len()).filter(|&sup| self.is_killable(sup)).collect();
        if killable.is_empty() {
            return;
        }
        let sup = self.random.pick(&killable);
        // Root's end is the script's end.
        if sup != ROOT || self.random.percent(15) {
            let line = format!("exit {} kill", self.sups[sup].path);
            self.line(&line);
            self.falls(sup);
        }
    }

    /// Its dynamic children are gone for good, and the others are only if it is not started again.
    fn falls(&mut self, sup: usize) {
        let permanent = self.sups[sup].restart == "permanent";
        for worker in self.workers.iter_mut().filter(|worker| worker.sup == sup) {
            worker.alive = permanent && !worker.dynamic;
        }
    }

    fn is_killable(&self, sup: usize) -> bool {
        !self.sups[sup].unlinked && self.sups.iter().all(|below| below.above != Some(sup))
    }

    fn unlink(&mut self) {
        let Some(worker) = self.some_worker() else { return };
        let Worker { ref path, sup, .. } = self.workers[worker];
        if self.sups[sup].brutal_kill {
            return;
        }
        let line = format!("unlink {path}");
        self.line(&line);
        self.sups[sup].unlinked = true;
        // What the supervisor never hears of is what matters.
        if self.random.percent(75) {
            let reason = self.random.weighted(weights::REASON);
            self.exits(worker, reason);
            self.workers[worker].alive = false;
        }
    }

    fn parent_exit(&mut self) {
        let reason = match self.random.pick(&["normal", "shutdown", "shutdown", "{shutdown,x}", "crash", "kill"]) {
            "kill" if !self.is_killable(ROOT) => "shutdown",
            reason => reason,
        };
        self.line(&format!("parent_exit {reason}"));
    }

    fn start_child(&mut self) {
        let sups: Vec<usize> = (ROOT..self.sups.len()).filter(|&sup| !self.sups[sup].is_simple()).collect();
        if sups.is_empty() {
            return;
        }
        let sup = self.random.pick(&sups);
        let known = self.known_ids(sup);
        let path = if !known.is_empty() && self.random.percent(35) {
            known[self.random.below(known.len())].clone()
        } else {
            self.next_path(sup)
        };
        let (mut keys, worker) = self.worker(&path, sup, 15);
        if self.random.percent(6) && !keys.contains("significant") && !keys.contains("restart") {
            keys.push_str(" significant=true");
        }
        self.line(&format!("start_child {path}{keys}"));
        if self.sups.iter().all(|sup| sup.path != path) {
            self.workers.retain(|other| other.path != path);
            self.workers.push(worker);
        }
    }

    /// Children whose id a worker may take. A nested supervisor's id counts only while it is surely taken.
    fn known_ids(&self, sup: usize) -> Vec<String> {
        let workers = self.workers.iter().filter(|worker| worker.sup == sup && !worker.dynamic);
        let sups = self.sups.iter().filter(|below| below.above == Some(sup));
        let sups = sups.filter(|below| below.restart != "temporary" && !below.touched);
        workers.map(|worker| worker.path.clone()).chain(sups.map(|below| below.path.clone())).collect()
    }

    fn start_dynamic(&mut self) {
        let simple: Vec<usize> = (ROOT..self.sups.len()).filter(|&sup| self.sups[sup].is_simple()).collect();
        if simple.is_empty() {
            return;
        }
        let sup = self.random.pick(&simple);
        self.sups[sup].ordinals += 1;
        let path = format!("{}#{}", self.sups[sup].path, self.sups[sup].ordinals);
        let (starts, may_fail) = self.starts(8, weights::DYNAMIC_START);
        let alive = !starts.starts_with("starts=error") && !starts.starts_with("starts=ignore");
        let keys = self.random.keys(vec![starts]);
        self.line(&format!("start_dynamic {path}{keys}"));
        let restart = self.sups[sup].template_restart;
        self.workers.push(Worker { path, sup, restart, dynamic: true, may_fail, alive, exited_in_hold: false });
    }

    fn request(&mut self, request: &str) {
        let target = self.target(request);
        // In a hold the request may find the child restarting, and what OTP counts afterwards is wrong.
        let restarting = |worker: &Worker| worker.path == target && worker.exited_in_hold && worker.may_fail;
        let lost = self.workers.iter().any(|worker| worker.dynamic && restarting(worker));
        if lost && request == "terminate_child" {
            return;
        }
        self.line(&format!("{request} {target}"));
        let starts = request == "restart_child";
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.path == target) {
            worker.alive = starts && !worker.dynamic;
        }
        if let Some(sup) = self.sups.iter_mut().find(|sup| sup.path == target) {
            sup.touched = true;
        }
        // A child that was terminated is the one to restart or to delete.
        if request == "terminate_child" && !target.contains('#') && self.random.percent(60) {
            let then = self.random.pick(&["restart_child", "delete_child", "which_children"]);
            match then {
                "which_children" => self.event(Event::Ask(then)),
                _ => self.line(&format!("{then} {target}")),
            }
        }
    }

    /// A child, a nested supervisor, or one that never was.
    fn target(&mut self, request: &str) -> String {
        let sup = self.random.below(self.sups.len());
        let path = self.sups[sup].path.clone();
        match self.random.below(12) {
            0 => format!("{path}/none"),
            1 if self.sups[sup].is_simple() => format!("{path}#99"),
            2 if self.sups[sup].is_simple() => format!("{path}/w"),
            // Most of the time such a request would take away much of the tree.
            3 | 4 if sup != ROOT && (request != "terminate_child" || self.random.percent(50)) => path,
            _ => self.some_worker().map_or("root/none".into(), |worker| self.workers[worker].path.clone()),
        }
    }

    /// Mostly one that lives.
    fn some_worker(&mut self) -> Option<usize> {
        let alive = self.random.percent(88);
        let held = self.held && self.random.percent(70);
        let fits = |&n: &usize| {
            let worker: &Worker = &self.workers[n];
            (!alive || worker.alive) && (!held || worker.sup == ROOT)
        };
        let fitting: Vec<usize> = (0..self.workers.len()).filter(fits).collect();
        (!fitting.is_empty()).then(|| self.random.pick(&fitting))
    }

    fn some_sup(&mut self) -> String {
        if self.held && self.random.percent(60) {
            return "root".into();
        }
        let sup = self.random.below(self.sups.len());
        self.sups[sup].path.clone()
    }
}

fn optional(key: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{key}={value}") }
}

/// Splitmix64 (Steele, Lea and Flood, 2014): any seed is a good one, 0 and neighbours too.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below((high - low + 1) as usize) as u32
    }

    fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn weighted<T: Copy>(&mut self, from: &[(u32, T)]) -> T {
        let mut left = self.below(from.iter().map(|row| row.0 as usize).sum());
        for &(weight, value) in from {
            match left.checked_sub(weight as usize) {
                Some(rest) => left = rest,
                None => return value,
            }
        }
        unreachable!("what is left is below the sum of the weights")
    }

    /// `key=value`. A default value is mostly left out.
    fn key<T: Display + PartialEq>(&mut self, key: &str, value: T, default: T) -> String {
        if value == default && self.percent(85) { String::new() } else { format!("{key}={value}") }
    }

    /// The keys of a line, in any order.
    fn keys(&mut self, mut keys: Vec<String>) -> String {
        for last in (1..keys.len()).rev() {
            keys.swap(last, self.below(last + 1));
        }
        keys.iter().filter(|key| !key.is_empty()).fold(String::new(), |line, key| line + " " + key)
    }
}
