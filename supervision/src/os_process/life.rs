//! One process from its start to its end, and that of all that it has forked.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proscenium_process::{Child, Guard, LinesCore, Signal, SignalError, WaitError};
use proscenium_runtime::{ClockGuard, Exit, Node};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::OsProcess;
use super::error::OsProcessError;
use super::exit_core::{Told, exit_of};
use super::handle::{Seat, Up};
use super::line::Stream;
use super::lines_to::{Delivery, LinesTo};
use super::pipes::{Reads, Writes};

/// Between a process's end and its guard's word on it, which is there at once unless somebody has stopped the guard.
const WORD: Duration = Duration::from_secs(5);
/// The guard ends after the last descendant, or after ten seconds.
const GUARD: Duration = Duration::from_secs(12);
/// How long a process may take to end after SIGKILL, besides what its last lines take: then it waits for a device.
const KILL: Duration = WORD.saturating_add(GUARD).saturating_add(Duration::from_secs(1));

/// A process that runs. Dropped, it is killed, and the supervisor not told.
pub(crate) struct Life {
    told: watch::Sender<Told>,
    end: Arc<End>,
    child: Arc<Child>,
    /// What was said of this process. The next one's may be another.
    plan: Arc<OsProcess>,
}

/// Told of the end, once.
type Notice = Box<dyn FnOnce(Exit) + Send>;

/// Those who hear of the end.
struct End {
    notice: Mutex<Option<Notice>>,
    ended: watch::Sender<Option<Exit>>,
}

impl End {
    /// Once. Whoever watches knows before the supervisor does something about it.
    fn come(&self, exit: Exit) {
        let is_first = self.ended.send_if_modified(|ended| ended.is_none() && ended.replace(exit.clone()).is_none());
        if let (true, Some(notice)) = (is_first, self.take_notice()) {
            notice(exit);
        }
    }

    fn take_notice(&self) -> Option<Notice> {
        self.notice.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Life {
    /// Starts a process; what fails leaves none behind.
    pub(crate) async fn start(
        plan: &Arc<OsProcess>,
        node: &Node,
        seat: &Arc<Seat>,
        notice: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<Self, Exit> {
        let ours = plan.clone();
        // The guard's start and the spawn block. When this is dropped meanwhile, both are dropped with the result.
        let (guard, child) = spawn_blocking(move || spawn(&ours)).await.map_err(lost)??;
        let (told, orders) = watch::channel(Told::default());
        let (ended, ends) = watch::channel(None);
        let end = Arc::new(End { notice: Mutex::new(Some(Box::new(notice))), ended });
        let (living, stdin) = Living::watch(guard, child, plan, node).map_err(OsProcessError::Watch)?;
        let child = living.child.clone();
        seat.up(Up { child: child.clone(), longest_line: plan.longest_line, stdin, ended: ends });
        tokio::spawn(living.run(orders, seat.clone(), end.clone()));
        Ok(Life { told, end, child, plan: plan.clone() })
    }

    pub(crate) fn stop(&self) {
        self.told.send_modify(|told| told.stop = Some(self.plan.stop_signal));
    }

    /// How long it may take to end once it is killed.
    pub(crate) fn kill_limit(&self) -> Duration {
        KILL + self.plan.last_lines_limit
    }

    pub(crate) fn kill(&self) {
        self.told.send_modify(|told| told.kill = true);
    }

    /// It goes on being killed, and nobody waits for it.
    pub(crate) fn give_up(self) {
        self.end.come(Exit::Unresponsive);
    }
}

impl Drop for Life {
    /// Before its refs are told that it is gone: a process that sees the end of its input could end in order.
    fn drop(&mut self) {
        self.end.take_notice();
        self.kill();
        let _ = self.child.kill(); // It may have ended.
    }
}

/// A guard for each process: only a guard's own end takes all that a process has forked along, whatever its session.
fn spawn(plan: &OsProcess) -> Result<(Guard, Child), OsProcessError> {
    let guard = Guard::builder().pid_namespace(plan.pid_namespace).start_limit(plan.start_limit).start();
    let guard = guard.map_err(OsProcessError::Guard)?;
    let child = guard.spawn(&plan.command()).map_err(OsProcessError::Spawn)?;
    Ok((guard, child))
}

/// A blocking task that did not come to its end: a bug of ours, or a runtime that is being shut down.
fn lost(error: JoinError) -> Exit {
    match error.try_into_panic() {
        Ok(payload) => Exit::caught(payload.as_ref()),
        Err(_) => Exit::Killed,
    }
}

/// A pidfd of which tokio tells when its process has ended.
#[allow(deprecated, reason = "what replaces it is unsafe for types that lie about their descriptor; OwnedFd does not")]
fn watched(pidfd: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd.try_clone_to_owned()?, Interest::READABLE)
}

struct Living {
    plan: Arc<OsProcess>,
    node: Node,
    guard: Guard,
    child: Arc<Child>,
    ends: AsyncFd<OwnedFd>,
    guard_ends: AsyncFd<OwnedFd>,
    reads: JoinSet<()>,
    /// Dropped when it has ended: the writer of stdin stops.
    writes: oneshot::Sender<()>,
}

/// Where lines for stdin are queued.
type Queue = Option<mpsc::Sender<Vec<u8>>>;

impl Living {
    fn watch(guard: Guard, mut child: Child, plan: &Arc<OsProcess>, node: &Node) -> io::Result<(Self, Queue)> {
        let (ends, guard_ends) = (watched(child.pidfd())?, watched(guard.pidfd())?);
        let (writes, until) = oneshot::channel();
        let pid = child.pid();
        let mut stdin = None;
        if let Some(pipe) = child.stdin.take() {
            let (sender, queue) = mpsc::channel(plan.stdin_queue);
            let pipe = pipe::Sender::from_owned_fd(pipe.into())?;
            tokio::spawn(Writes { pipe, queue, until, pid, child: plan.child.clone() }.run());
            stdin = Some(sender);
        }
        let mut reads = JoinSet::new();
        let mut read = |fd: Option<OwnedFd>, stream, to: &LinesTo| -> io::Result<()> {
            let Some(fd) = fd else { return Ok(()) };
            let pipe = pipe::Receiver::from_owned_fd(fd)?;
            let delivery = Delivery::new(to.0.clone(), node.clone(), plan.child.clone());
            reads.spawn(Reads { pipe, core: LinesCore::new(plan.longest_line), stream, pid, delivery }.run());
            Ok(())
        };
        read(child.stdout.take().map(Into::into), Stream::Stdout, &plan.stdout)?;
        read(child.stderr.take().map(Into::into), Stream::Stderr, &plan.stderr)?;
        let (plan, node, child) = (plan.clone(), node.clone(), Arc::new(child));
        Ok((Living { plan, node, guard, child, ends, guard_ends, reads, writes }, stdin))
    }

    async fn run(mut self, mut orders: watch::Receiver<Told>, seat: Arc<Seat>, end: Arc<End>) {
        let panicked = self.until_it_ends(&mut orders).await;
        let told = *orders.borrow();
        seat.down(&self.child);
        let Living { plan, guard, child, mut reads, writes, .. } = self;
        drop(writes);
        let pid = child.pid();
        let ended = spawn_blocking(move || (child.wait(WORD), guard.stop(GUARD))).await;
        let exit = match ended {
            Err(error) => lost(error),
            Ok((status, guard_end)) => {
                if let Err(why) = guard_end {
                    tracing::warn!(target: "proscenium::os_process", child = %plan.child, pid, %why, "what it forked may live on");
                }
                match status {
                    Ok(status) => exit_of(status, told),
                    Err(_) if told.kill => Exit::Killed,
                    Err(WaitError::GuardGone) => OsProcessError::GuardGone.into(),
                    Err(error) => OsProcessError::NoStatus(error).into(),
                }
            }
        };
        // All that could write is gone, so the pipes end; what is in them is at most as much as fits.
        let panicked = match timeout(plan.last_lines_limit, last_lines(&mut reads)).await {
            Ok(while_ending) => panicked.or(while_ending),
            Err(_) => {
                reads.abort_all();
                tracing::warn!(
                    target: "proscenium::os_process", child = %plan.child, pid, limit = ?plan.last_lines_limit,
                    "its last lines are lost: whoever gets them did not take them in time"
                );
                panicked
            }
        };
        end.come(panicked.unwrap_or(exit));
    }

    /// With the panic of who takes its lines, for which it was killed.
    async fn until_it_ends(&mut self, orders: &mut watch::Receiver<Told>) -> Option<Exit> {
        let mut panicked = None;
        // A paused clock must not run on while a kill is under way, or the supervisor would not wait for it.
        let mut _held: Option<ClockGuard> = None;
        loop {
            tokio::select! {
                biased;
                _ = self.ends.readable() => return panicked,
                // It goes with its guard, but for one that has changed its user.
                _ = self.guard_ends.readable() => {
                    self.send(Signal::KILL);
                    let _ = self.ends.readable().await;
                    return panicked;
                }
                Some(Err(error)) = self.reads.join_next(), if !self.reads.is_empty() => {
                    panicked = Some(lost(error));
                    self.send(Signal::KILL);
                }
                Ok(()) = orders.changed() => {
                    let told = *orders.borrow_and_update();
                    _held = told.kill.then(|| self.node.hold_clock());
                    self.obey(told);
                }
            }
        }
    }

    fn obey(&self, told: Told) {
        match (told.kill, told.stop) {
            (true, _) => self.send(Signal::KILL),
            (false, Some(signal)) => {
                self.send(signal);
                // One that somebody has stopped would not notice before it goes on.
                self.send(Signal::CONT);
            }
            (false, None) => {}
        }
    }

    fn send(&self, signal: Signal) {
        match self.child.signal(signal) {
            Ok(()) | Err(SignalError::Ended) => {}
            Err(why) => {
                let (child, pid) = (&*self.plan.child, self.child.pid());
                tracing::warn!(target: "proscenium::os_process", child, pid, %signal, %why, "cannot stop it");
            }
        }
    }
}

/// Waits until all is read and taken; the panic of who takes it, if there is one.
async fn last_lines(reads: &mut JoinSet<()>) -> Option<Exit> {
    let mut panicked = None;
    while let Some(read) = reads.join_next().await {
        panicked = panicked.or(read.err().map(lost));
    }
    panicked
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::os_process::handle::{OsProcessRef, Vacant};

    /// It would take a broken device for SIGKILL to do nothing; the supervisor's side of it needs none.
    #[tokio::test]
    async fn one_that_is_given_up_is_told_once_and_does_not_take_the_place_of_the_next() {
        let node = Node::start("test").await.unwrap();
        let plan = Arc::new(OsProcess::new("sleep").arg("1000"));
        let seat = Arc::new(Seat::new(plan.child.clone()));
        let process = OsProcessRef(seat.clone());
        let (tells, mut told) = mpsc::unbounded_channel();
        let notice = move |exit| drop(tells.send(exit));
        let first = Life::start(&plan, &node, &seat, notice.clone()).await.unwrap();
        let (end, child) = (process.monitor(), first.child.clone());
        seat.vacate(Vacant::GivenUp);
        first.give_up();
        assert_eq!((end.await, process.pid()), (Exit::Unresponsive, None));
        assert_eq!(told.recv().await, Some(Exit::Unresponsive));

        let second = Life::start(&plan, &node, &seat, notice).await.unwrap();
        seat.down(&child);
        assert_eq!(process.pid(), Some(second.child.pid()));
        let gone = spawn_blocking(move || child.wait(Duration::from_secs(60))).await.unwrap();
        assert_eq!(gone.unwrap().signal(), Some(Signal::KILL));
        second.stop();
        assert_eq!(told.recv().await, Some(Exit::Shutdown));
    }
}
