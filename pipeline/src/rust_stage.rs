//! A stage's actor whose code is Rust, record by record.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Now, Ref};

use crate::failed::Failed;
use crate::letter::Class;
use crate::operator::{OperatorSpec, Verdict};
use crate::outlets::Outlets;
use crate::pass::{Aside, Emitted, Fate, Pass};
use crate::row::handled;
use crate::stage_desk::{Bench, StageDesk, StageMsg};
use crate::waiting::{Turn, Waiting};

/// A panic ends the actor at most this often. One that comes sooner costs its record a try, and the code a new instance,
/// but no restart: else a row of such records would use up the supervisor's patience.
const CRASH_EVERY: Duration = Duration::from_secs(1);

/// How long the code keeps a thread for itself.
const TURN: Duration = Duration::from_millis(2);

/// The clock is looked at again after as many records as fit into the rest of the turn, going by those so far, and after so
/// many times as many as those at most: each look costs as much as some records.
const LEAP: usize = 7;

/// How often the code may panic on a record.
const PANICS: u32 = 2;

/// A stage's actor.
pub(crate) struct RustActor {
    desk: Arc<StageDesk>,
    spec: Arc<dyn OperatorSpec>,
    /// In how long, from then, it looks at its desk of itself.
    looks: Option<(Instant, Duration)>,
}

impl Actor for RustActor {
    type Msg = StageMsg;
    type Ref = Ref<Self>;

    /// The buffers of who sends here are bounded.
    const MAILBOX: Mailbox = Mailbox::unbounded();
    const KINDS: &'static [&'static str] = StageMsg::KINDS;

    fn kind(msg: &StageMsg) -> u8 {
        msg.kind()
    }

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.desk.stats.starts.add(1);
        drop(cx.me().tell(StageMsg::Look).now());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: StageMsg) -> Result<(), Exit> {
        match msg {
            StageMsg::Chunk(chunk) => self.desk.comes(chunk),
            StageMsg::Look => self.looks = None,
            StageMsg::Room | StageMsg::Done(_) => (),
            StageMsg::Resume => {
                self.desk.halt(false);
                self.desk.bench().waiting.resume(cx.now());
            }
            StageMsg::Renew(conduct) => {
                let mut bench = self.desk.bench();
                bench.waiting.renew(&conduct, cx.now());
                bench.conduct = *conduct;
            }
        }
        self.work_off(cx).await;
        Ok(())
    }

    fn format_status(&self) -> Option<String> {
        Some(self.desk.words())
    }
}

/// When a step has had its turn.
struct Clock {
    begun: Instant,
    first: usize,
    /// Before which record it is looked at.
    look: usize,
}

impl Clock {
    fn new(pass: &Pass) -> Self {
        let begun = if pass.decided == 0 { pass.started } else { Instant::now() };
        Clock { begun, first: pass.decided, look: pass.decided + 1 }
    }

    fn is_over(&mut self, decided: usize) -> bool {
        if decided < self.look {
            return false;
        }
        let (took, so_far) = (self.begun.elapsed(), decided - self.first);
        let fits = so_far as u128 * TURN.saturating_sub(took).as_nanos() / took.as_nanos().max(1);
        self.look = decided + usize::try_from(fits).unwrap_or(usize::MAX).clamp(1, LEAP * so_far.max(1));
        took >= TURN
    }
}

/// How far a step has come.
enum Step {
    Decided,
    /// What was emitted fills a chunk.
    Full,
    /// Others have their turn on this thread.
    Long,
}

impl RustActor {
    pub(crate) fn new(desk: Arc<StageDesk>, spec: Arc<dyn OperatorSpec>) -> Self {
        RustActor { desk, spec, looks: None }
    }

    async fn work_off(&mut self, cx: &mut Context<Self>) {
        let desk = self.desk.clone();
        while !desk.is_halted() && self.takes_up(cx) {
            loop {
                match self.step(cx) {
                    Step::Decided => break,
                    Step::Full => drop(desk.send_on(|bench| &mut bench.pass).await),
                    Step::Long => tokio::task::yield_now().await,
                }
            }
            while !desk.send_on(|bench| &mut bench.pass).await {}
            // Behind what is waited for: whoever is cut off there finds it again.
            let failure = desk.bench().waiting.failure();
            if let Some(reason) = failure {
                desk.fail(reason);
                desk.bench().waiting.forget_failure();
            }
        }
        let due = {
            let bench = desk.bench();
            desk.stats.waiting.set(bench.waiting.len());
            bench.waiting.next_due(|| cx.now())
        };
        // A timer for the next try, unless one is set that is as early: a chunk each time would leave another.
        let is_set = |after| self.looks.is_some_and(|(since, pause)| pause.saturating_sub(since.elapsed()) <= after);
        if let Some(after) = due.filter(|after| !desk.is_halted() && !is_set(*after)) {
            self.looks = Some((Instant::now(), after));
            cx.send_after(after, StageMsg::Look);
        }
    }

    /// The next thing to work on, if there is any: what a crash has left, a record that has waited, a chunk.
    fn takes_up(&self, cx: &Context<Self>) -> bool {
        let mut bench = self.desk.bench();
        let Bench { pass, waiting, queue, .. } = &mut *bench;
        if pass.is_some() {
            return true;
        }
        waiting.due(|| cx.now());
        if let Some((handle, chunk, turn)) = waiting.turn() {
            self.desk.stats.begun.add(1);
            let mut alone = Pass::new(chunk);
            match turn {
                Turn::Try => {
                    self.desk.stats.retries.add(1);
                    alone.handle = Some(handle);
                }
                Turn::End(fate) => alone.decide(fate),
            }
            *pass = Some(alone);
            return true;
        }
        *pass = self.desk.begin(queue, |chunk| waiting.has_room(chunk.len()));
        pass.is_some()
    }

    /// Goes on with the pass in work.
    fn step(&mut self, cx: &Context<Self>) -> Step {
        let desk = self.desk.clone();
        let outlets = desk.outlets();
        let mut bench = desk.bench();
        let Bench { operator, pass: Some(pass), crashed, waiting, .. } = &mut *bench else { return Step::Decided };
        if pass.is_in_work {
            // A crash has left it so. Those before it in their row went well.
            waiting.go_well(pass.end_row());
            pass.panics += 1;
            *crashed = Some(Instant::now());
            operator.take_if(|operator| !operator.is_stateful());
        }
        let may_crash = crashed.is_none_or(|at| at.elapsed() >= CRASH_EVERY);
        let mut emitted = Emitted::default();
        let mut clock = Clock::new(pass);
        while !pass.is_decided() && !pass.is_full(desk.size) {
            if clock.is_over(pass.decided) {
                return Step::Long;
            }
            if pass.handle.is_none() && !waiting.is_clear() {
                match waiting.arrives(&pass.chunk, pass.decided, cx.now()) {
                    Ok(handle) => pass.handle = Some(handle),
                    Err(fate) => {
                        pass.decide(Some(fate));
                        continue;
                    }
                }
            }
            let code = operator.get_or_insert_with(|| self.spec.make());
            let is_tried_freely = may_crash && pass.panics == 0;
            let said = if is_tried_freely && pass.handle.is_none() {
                let end = pass.chunk.len().min(clock.look);
                let said = code.on_row(&mut pass.row(&mut emitted, end, desk.size));
                waiting.go_well(pass.end_row());
                let Some(said) = said else { continue };
                Ok(said)
            } else {
                pass.is_in_work = true;
                let mut record = pass.chunk.record_mut(pass.decided);
                match is_tried_freely {
                    true => Ok(handled(&mut **code, &mut record, &mut emitted)),
                    false => catch_unwind(AssertUnwindSafe(|| handled(&mut **code, &mut record, &mut emitted))),
                }
            };
            pass.is_in_work = false;
            match said {
                Ok(Ok(verdict)) => {
                    emitted.0.drain(..).for_each(|record| pass.emit(record));
                    let fate = went_well(pass, waiting, cx).or_else(|| fate_of(verdict, &outlets));
                    pass.decide(fate);
                }
                Ok(Err(failed)) => {
                    emitted.0.clear();
                    let fate = waiting.fails(pass.handle, &pass.chunk, pass.decided, &failed, cx.now());
                    pass.decide(Some(fate));
                }
                Err(panic) => {
                    emitted.0.clear();
                    operator.take_if(|operator| !operator.is_stateful());
                    panicked(pass, waiting, panic.as_ref(), cx.now());
                }
            }
        }
        if pass.is_decided() { Step::Decided } else { Step::Full }
    }
}

fn went_well(pass: &Pass, waiting: &mut Waiting, cx: &Context<RustActor>) -> Option<Fate> {
    match pass.handle {
        Some(handle) => waiting.went_well(handle, &pass.chunk, pass.decided, cx.now()),
        None => {
            waiting.go_well(1);
            None
        }
    }
}

/// A record on which the code panics again and again becomes a dead letter, whatever the policy.
fn panicked(pass: &mut Pass, waiting: &mut Waiting, panic: &(dyn Any + Send), now: Now) {
    pass.panics += 1;
    if pass.panics < PANICS {
        return;
    }
    let failed = Failed::because(words(panic)).for_good();
    if pass.handle.is_some() {
        let _its_key_goes_on = waiting.fails(pass.handle, &pass.chunk, pass.decided, &failed, now);
    }
    let reason = failed.reason().to_owned();
    let aside = Aside { class: Class::Poison, reason, attempts: PANICS, crash: None };
    pass.decide(Some(Fate::SetAside(Box::new(aside))));
}

fn fate_of(verdict: Verdict, outlets: &Outlets) -> Option<Fate> {
    match verdict {
        Verdict::Next => None,
        Verdict::Drop => Some(Fate::Drop),
        Verdict::Route(name) => Some(outlets.route(&name).map_or_else(
            || {
                let reason = format!("the stage has no route `{name}`");
                Fate::SetAside(Box::new(Aside { class: Class::Unroutable, reason, attempts: 1, crash: None }))
            },
            Fate::Route,
        )),
    }
}

/// What a panic has said.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without words"))
}
