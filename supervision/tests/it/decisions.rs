//! OTP's documented behaviour, as tables over the core: what happens, and what is ordered then.

use proscenium_runtime::{Exit, Now};
use proscenium_supervision::restart_core::{Action, Event, Outcome, Reply, RestartCore};
use proscenium_supervision::{
    AutoShutdown, ChildFlags, ChildId, ChildSpec, Place, Restart, SpecError, State, Strategy, SupFlags,
};

use Restart::{Permanent, Temporary, Transient};

/// A supervisor whose actions are written down in words: `start b`, `stop c`, `again b`, `forget t`, `reply …`.
pub struct Sup {
    pub core: RestartCore<ChildSpec<()>>,
    log: Vec<String>,
    pub ms: u64,
    /// The next starts of these children go so.
    fates: Vec<(&'static str, Outcome)>,
}

pub fn flags(strategy: Strategy, intensity: usize) -> SupFlags {
    SupFlags { strategy, intensity, ..SupFlags::default() }
}

fn worker(restart: Restart) -> ChildFlags {
    ChildFlags { restart, ..ChildFlags::worker() }
}

fn significant(restart: Restart) -> ChildFlags {
    ChildFlags { significant: true, ..worker(restart) }
}

fn spec(id: &str, flags: ChildFlags) -> ChildSpec<()> {
    ChildSpec::of(id, ()).flags(flags)
}

pub fn failed() -> Outcome {
    Outcome::Failed(Exit::custom("nope"))
}

pub fn crash() -> Exit {
    Exit::custom("crash")
}

impl Sup {
    fn new(flags: SupFlags, children: &[(&'static str, ChildFlags)]) -> Sup {
        Sup::of(flags, children.iter().map(|(id, flags)| spec(id, *flags)).collect())
    }

    pub fn of(flags: SupFlags, specs: Vec<ChildSpec<()>>) -> Sup {
        let core = RestartCore::new(flags, specs).expect("the specs go together");
        Sup { core, log: Vec::new(), ms: 0, fates: Vec::new() }
    }

    /// Permanent children `a`, `b`, `c`, started.
    pub fn of_three(strategy: Strategy, intensity: usize) -> Sup {
        let mut sup = Sup::new(flags(strategy, intensity), &["a", "b", "c"].map(|id| (id, worker(Permanent))));
        assert_eq!(sup.on(Event::Begin), ["start a", "start b", "start c", "ready"]);
        sup
    }

    pub fn fate(&mut self, child: &'static str, outcome: Outcome) {
        self.fates.push((child, outcome));
    }

    fn name(&self, place: Place) -> String {
        self.core.child(place).map_or_else(|| format!("{place:?}"), |child| child.id().to_string())
    }

    pub fn place(&self, id: &'static str) -> Place {
        self.core.place_of(&id.into()).expect("it is there")
    }

    pub fn state(&self, id: &'static str) -> State {
        self.core.child(self.place(id)).expect("it is there").state()
    }

    /// Tells the core, carries out what it orders, and gives the words for it.
    pub fn on(&mut self, event: Event<ChildSpec<()>>) -> Vec<String> {
        self.tell(event);
        std::mem::take(&mut self.log)
    }

    fn tell(&mut self, event: Event<ChildSpec<()>>) {
        for action in self.core.on(event, Now::from_millis(self.ms)) {
            match action {
                Action::Start { child, .. } => {
                    let name = self.name(child);
                    let fate = self.fates.iter().position(|(id, _)| *id == name);
                    let outcome = fate.map_or(Outcome::Running, |at| self.fates.remove(at).1);
                    self.log.push(format!("start {name}"));
                    self.tell(Event::Started(outcome));
                }
                Action::Stop(children) => {
                    let names: Vec<_> = children.iter().map(|child| self.name(*child)).collect();
                    self.log.push(format!("stop {}", names.join(" ")));
                    children.into_iter().for_each(|child| self.tell(Event::Stopped(child)));
                }
                Action::TryAgain(child) => self.log.push(format!("again {}", self.name(child))),
                Action::Wait(child, _, delay) => self.log.push(format!("wait {} {delay:?}", self.name(child))),
                Action::Renew(child) => self.log.push(format!("renew {}", self.name(child))),
                Action::Forget(_) => self.log.push("forget".into()),
                Action::Retire(child) => self.log.push(format!("retire {}", self.name(child))),
                Action::Reply(reply) => self.log.push(format!("reply {}", words(&reply))),
                Action::Ready => self.log.push("ready".into()),
                Action::StartFailed(child, _) => self.log.push(format!("start failed {}", self.name(child))),
                Action::End(exit) => self.log.push(format!("end {exit}")),
                Action::Report(_) => {}
            }
        }
    }

    /// The process that `id` has now ends.
    pub fn exit(&mut self, id: &'static str, exit: Exit) -> Vec<String> {
        let State::Running(start) = self.state(id) else { panic!("{id} does not run") };
        self.on(Event::Exited { child: self.place(id), start, exit })
    }

    pub fn again(&mut self, id: &'static str) -> Vec<String> {
        self.on(Event::TryAgain(self.place(id)))
    }
}

fn words(reply: &Reply) -> String {
    match reply {
        Reply::Running(_) => "running".into(),
        Reply::AlreadyStarted(_) => "already_started".into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn one_for_one_restarts_the_child_that_ended() {
    let mut sup = Sup::of_three(Strategy::OneForOne, 5);
    assert_eq!(sup.exit("b", crash()), ["start b"]);
    assert_eq!(sup.exit("b", Exit::Normal), ["start b"], "a permanent child after any exit");
}

#[test]
fn one_for_all_stops_in_reverse_order_and_starts_in_order() {
    let mut sup = Sup::of_three(Strategy::OneForAll, 5);
    assert_eq!(sup.exit("b", crash()), ["stop c", "stop a", "start a", "start b", "start c"]);
}

#[test]
fn rest_for_one_restarts_those_behind_it() {
    let mut sup = Sup::of_three(Strategy::RestForOne, 5);
    assert_eq!(sup.exit("b", crash()), ["stop c", "start b", "start c"]);
    assert_eq!(sup.exit("c", crash()), ["start c"]);
}

#[test]
fn a_restart_type_says_after_which_exits() {
    let orderly = [Exit::Normal, Exit::Shutdown, Exit::shutdown_with("x")];
    let crashes = [crash(), Exit::Killed, Exit::panic("boom"), Exit::Signal(11), Exit::Unresponsive];
    for (restart, exit, is_restarted) in orderly
        .iter()
        .flat_map(|exit| [(Permanent, exit, true), (Transient, exit, false), (Temporary, exit, false)])
        .chain(
            crashes
                .iter()
                .flat_map(|exit| [(Permanent, exit, true), (Transient, exit, true), (Temporary, exit, false)]),
        )
    {
        let mut sup = Sup::new(flags(Strategy::OneForOne, 1), &[("x", worker(restart))]);
        sup.on(Event::Begin);
        let got = sup.exit("x", exit.clone());
        assert_eq!(got.contains(&"start x".to_owned()), is_restarted, "{restart:?} after {exit:?}");
        assert_eq!(got.contains(&"forget".to_owned()), restart == Temporary, "{restart:?} after {exit:?}");
    }
}

#[test]
fn one_restart_too_many_ends_the_supervisor() {
    let mut sup = Sup::of_three(Strategy::OneForOne, 1);
    assert_eq!(sup.exit("a", crash()), ["start a"]);
    sup.ms = 5_999;
    assert_eq!(sup.exit("b", crash()), ["stop c", "stop a", "end shutdown"]);
}

#[test]
fn a_failed_restart_is_tried_again_and_counts() {
    let mut sup = Sup::of_three(Strategy::OneForOne, 2);
    sup.fate("b", failed());
    assert_eq!(sup.exit("b", crash()), ["start b", "again b"]);
    assert_eq!(sup.state("b"), State::Restarting);
    sup.fate("b", failed());
    assert_eq!(sup.again("b"), ["start b", "again b"]);
    assert_eq!(sup.again("b"), ["stop c", "stop a", "end shutdown"], "the third within the period");
}

#[test]
fn a_retry_does_nothing_for_a_child_that_was_terminated_meanwhile() {
    let mut sup = Sup::of_three(Strategy::OneForOne, 5);
    sup.fate("b", failed());
    sup.exit("b", crash());
    assert_eq!(sup.on(Event::Terminate("b".into())), ["retire b", "reply Done"]);
    assert_eq!(sup.again("b"), [""; 0]);
}

#[test]
fn in_a_round_of_restarts_the_one_that_failed_is_tried_again() {
    let mut sup = Sup::of_three(Strategy::OneForAll, 5);
    sup.fate("b", failed());
    assert_eq!(sup.exit("a", crash()), ["stop c", "stop b", "start a", "start b", "again b"]);
    assert_eq!((sup.state("a"), sup.state("c")), (State::Running(2), State::Down));
    assert_eq!(sup.again("b"), ["stop a", "start a", "start b", "start c"]);

    let mut sup = Sup::of_three(Strategy::RestForOne, 5);
    sup.fate("c", failed());
    assert_eq!(sup.exit("b", crash()), ["stop c", "start b", "start c", "again c"]);
    assert_eq!(sup.again("c"), ["start c"], "from the one that failed on");
}

#[test]
fn temporary_children_that_are_stopped_for_a_sibling_are_gone() {
    let children = [("a", worker(Permanent)), ("t", worker(Temporary)), ("c", worker(Transient))];
    let mut sup = Sup::new(flags(Strategy::OneForAll, 5), &children);
    sup.on(Event::Begin);
    assert_eq!(sup.exit("a", crash()), ["stop c", "stop t", "forget", "start a", "start c"]);
    assert_eq!(sup.core.place_of(&"t".into()), None);
}

#[test]
fn a_sibling_s_restart_starts_those_that_were_terminated_or_ignored() {
    let mut sup = Sup::of_three(Strategy::OneForAll, 5);
    assert_eq!(sup.on(Event::Terminate("c".into())), ["stop c", "retire c", "reply Done"]);
    assert_eq!(sup.state("c"), State::Down);
    sup.fate("b", Outcome::Ignored);
    assert_eq!(sup.exit("a", crash()), ["stop b", "start a", "start b", "retire b", "start c"]);
    assert_eq!((sup.state("b"), sup.state("c")), (State::Down, State::Running(2)));
}

#[test]
fn an_exit_of_a_process_that_was_replaced_is_not_heard() {
    let mut sup = Sup::of_three(Strategy::OneForAll, 5);
    let late = Event::Exited { child: sup.place("b"), start: 1, exit: crash() };
    sup.exit("a", crash());
    assert_eq!(sup.on(late), [""; 0]);
}

#[test]
fn a_start_that_fails_stops_those_before_it_and_the_supervisor() {
    let mut sup = Sup::new(flags(Strategy::OneForOne, 5), &["a", "b", "c"].map(|id| (id, worker(Permanent))));
    sup.fate("c", failed());
    assert_eq!(sup.on(Event::Begin), ["start a", "start b", "start c", "stop b", "stop a", "start failed c"]);
}

#[test]
fn the_end_stops_all_in_reverse_order() {
    let mut sup = Sup::of_three(Strategy::RestForOne, 5);
    assert_eq!(sup.on(Event::End(Exit::custom("why"))), ["stop c", "stop b", "stop a", "end why"]);
}

#[test]
fn requests_are_answered_by_the_state_of_the_child() {
    let x = || ChildId::from("x");
    let restarting = |sup: &mut Sup| {
        sup.fate("x", failed());
        sup.exit("x", crash());
    };
    let down = |sup: &mut Sup| drop(sup.on(Event::Terminate("x".into())));
    type Make<'a> = &'a dyn Fn(&mut Sup);
    type Told = Event<ChildSpec<()>>;
    let rows: [(&str, Make<'_>, Told, &[&str]); 11] = [
        ("running", &|_| {}, Event::Delete(x()), &["reply StillRunning"]),
        ("running", &|_| {}, Event::Restart(x()), &["reply StillRunning"]),
        ("running", &|_| {}, Event::StartChild(spec("x", worker(Permanent))), &["reply already_started"]),
        ("restarting", &restarting, Event::Delete(x()), &["reply StillRestarting"]),
        ("restarting", &restarting, Event::Restart(x()), &["reply StillRestarting"]),
        ("restarting", &restarting, Event::StartChild(spec("x", worker(Permanent))), &["reply AlreadyPresent"]),
        ("down", &down, Event::Delete(x()), &["forget", "reply Done"]),
        ("down", &down, Event::Restart(x()), &["start x", "reply running"]),
        ("down", &down, Event::StartChild(spec("x", worker(Permanent))), &["reply AlreadyPresent"]),
        ("unknown", &|_| {}, Event::Delete("y".into()), &["reply NotFound"]),
        ("unknown", &|_| {}, Event::StartChild(spec("y", worker(Permanent))), &["start y", "reply running"]),
    ];
    for (row, (state, make, event, want)) in rows.into_iter().enumerate() {
        let mut sup = Sup::new(flags(Strategy::OneForOne, 5), &[("x", worker(Permanent))]);
        sup.on(Event::Begin);
        make(&mut sup);
        assert_eq!(sup.on(event), want, "row {row}: while it is {state}");
    }
}

#[test]
fn a_start_child_that_comes_to_nothing_leaves_nothing() {
    let mut sup = Sup::of_three(Strategy::OneForOne, 5);
    sup.fate("x", failed());
    let start = |restart| Event::StartChild(spec("x", worker(restart)));
    assert_eq!(sup.on(start(Permanent)), ["start x", "forget", "reply Failed(Exit(nope))"]);
    sup.fate("x", Outcome::Ignored);
    assert_eq!(sup.on(start(Temporary)), ["start x", "forget", "reply Ignored"]);
    sup.fate("x", Outcome::Ignored);
    assert_eq!(sup.on(start(Transient)), ["start x", "retire x", "reply Ignored"], "its spec stays");
    assert_eq!(sup.state("x"), State::Down);
}

#[test]
fn the_last_significant_child_or_any_ends_the_supervisor() {
    let of = |auto_shutdown| {
        let flags = SupFlags { auto_shutdown, ..flags(Strategy::OneForOne, 5) };
        let children = [("a", significant(Transient)), ("b", significant(Temporary)), ("c", worker(Permanent))];
        let mut sup = Sup::new(flags, &children);
        sup.on(Event::Begin);
        sup
    };
    let mut any = of(AutoShutdown::AnySignificant);
    assert_eq!(any.exit("a", Exit::Normal), ["retire a", "stop c", "stop b", "forget", "end shutdown"]);
    let mut all = of(AutoShutdown::AllSignificant);
    assert_eq!(all.exit("a", crash()), ["start a"], "a restart is no end");
    assert_eq!(all.exit("a", Exit::Normal), ["retire a"]);
    assert_eq!(all.exit("b", crash()), ["forget", "stop c", "end shutdown"]);
    let mut stopped = of(AutoShutdown::AnySignificant);
    assert_eq!(stopped.on(Event::Terminate("a".into())), ["stop a", "retire a", "reply Done"], "only by themselves");
}

#[test]
fn specs_that_do_not_go_together_are_refused() {
    let new = |flags: SupFlags, children: &[(&str, ChildFlags)]| {
        RestartCore::new(flags, children.iter().map(|(id, flags)| (ChildId::from(*id), *flags)).collect()).err()
    };
    let twice = [("a", worker(Permanent)), ("a", worker(Permanent))];
    assert_eq!(new(SupFlags::default(), &twice), Some(SpecError::DuplicateChildName("a".into())));
    let never = new(SupFlags::default(), &[("a", significant(Transient))]).expect("refused");
    assert!(never.to_string().contains("set auto_shutdown"), "{never}");
    let any = SupFlags { auto_shutdown: AutoShutdown::AnySignificant, ..SupFlags::default() };
    let always = new(any, &[("a", significant(Permanent))]).expect("refused");
    assert!(always.to_string().contains("make it transient or temporary"), "{always}");
    assert_eq!(new(SupFlags { period: 0, ..SupFlags::default() }, &[]), Some(SpecError::ZeroPeriod));
    assert_eq!(new(flags(Strategy::SimpleOneForOne, 1), &[]), Some(SpecError::NotOneSpec(0)));
}

#[test]
fn dynamic_children_are_of_one_spec_and_stop_all_at_once() {
    let mut sup = Sup::new(flags(Strategy::SimpleOneForOne, 5), &[("w", worker(Transient))]);
    assert_eq!(sup.on(Event::Begin), ["ready"], "none at first");
    for _ in 0..3 {
        assert_eq!(sup.on(Event::StartDynamic(None)), ["start w", "reply running"]);
    }
    sup.fate("w", failed());
    assert_eq!(sup.on(Event::StartDynamic(None)), ["start w", "forget", "reply Failed(Exit(nope))"]);
    let places: Vec<Place> = sup.core.children().map(|(place, _)| place).collect();
    let exit = |child, start, exit| Event::Exited { child, start, exit };
    assert_eq!(sup.on(exit(places[0], 1, crash())), ["start w"]);
    assert_eq!(sup.on(exit(places[1], 1, Exit::Normal)), ["forget"]);
    assert_eq!(sup.on(Event::Restart("w".into())), ["reply SimpleOneForOne"]);
    assert_eq!(sup.on(Event::End(Exit::Shutdown)), ["stop w w", "end shutdown"]);
}

#[test]
fn max_children_counts_those_that_are_being_restarted() {
    let limit = |max_children| SupFlags { max_children, ..flags(Strategy::SimpleOneForOne, 5) };
    let rows = [(None, "reply running"), (Some(3), "reply running"), (Some(2), "reply MaxChildren(2)")];
    for (row, (max_children, want)) in rows.into_iter().enumerate() {
        let mut sup = Sup::new(limit(max_children), &[("w", worker(Permanent))]);
        assert_eq!(sup.on(Event::Begin), ["ready"]);
        for _ in 0..2 {
            assert_eq!(sup.on(Event::StartDynamic(None)), ["start w", "reply running"], "row {row}");
        }
        let (first, _) = sup.core.children().next().expect("two were started");
        sup.fate("w", failed());
        assert_eq!(sup.on(Event::Exited { child: first, start: 1, exit: crash() }), ["start w", "again w"]);
        assert_eq!(sup.on(Event::StartDynamic(None)).last().map(String::as_str), Some(want), "row {row}");
        assert_eq!(sup.on(Event::TerminateDynamic(first, None)), ["forget", "reply Done"], "row {row}");
        assert_eq!(sup.on(Event::StartDynamic(None)), ["start w", "reply running"], "row {row}");
    }
}

#[test]
fn a_dynamic_child_may_have_a_spec_of_its_own() {
    let mut sup = Sup::new(flags(Strategy::SimpleOneForOne, 5), &[("w", worker(Permanent))]);
    assert_eq!(sup.on(Event::Begin), ["ready"]);
    let own = |restart| Event::StartDynamic(Some(spec("own", worker(restart))));
    assert_eq!(sup.on(own(Temporary)), ["start own", "reply running"]);
    assert_eq!(sup.on(own(Permanent)), ["start own", "reply running"]);
    let places: Vec<Place> = sup.core.children().map(|(place, _)| place).collect();
    assert_eq!(sup.on(Event::Exited { child: places[0], start: 1, exit: crash() }), ["forget"]);
    assert_eq!(sup.on(Event::Exited { child: places[1], start: 1, exit: crash() }), ["start own"]);
    let bad = Event::StartDynamic(Some(spec("own", significant(Permanent))));
    assert!(sup.on(bad)[0].starts_with("reply Refused(BadCombination"), "as in any supervisor");
    let mut other = Sup::of_three(Strategy::OneForOne, 5);
    assert_eq!(other.on(own(Permanent)), ["reply NotFound"]);
}
