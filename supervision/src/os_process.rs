//! Operating-system processes as children of a supervisor, next to actors.

mod error;
#[cfg(unix)]
mod exit_core;
// Where there is no guard, no process comes up, and none writes a line.
#[cfg_attr(not(unix), allow(dead_code))]
mod handle;
#[cfg(unix)]
mod life;
#[cfg(not(unix))]
#[path = "os_process/elsewhere.rs"]
mod life;
mod line;
#[cfg(unix)]
#[cfg_attr(not(unix), allow(dead_code))]
mod lines_to;
#[cfg(unix)]
mod pipes;
mod place;

use std::any::Any;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proscenium_process::{Command, PidNamespace, Signal, Stdio};
use proscenium_runtime::Exit;

pub use error::OsProcessError;
pub use handle::{OsProcessRef, StdinError};
pub use line::{Line, Stream};
pub use lines_to::LinesTo;
pub use proscenium_process::Ending;

use crate::supervised::{Placing, Refers, Renewal, Start, Supervised};
use lines_to::To;
use place::OsPlace;

/// A child that is an operating-system process: a program, what it gets, and who gets what it writes.
///
/// **Promises**
/// - A start is done when the program runs, and a start that fails leaves nothing behind.
/// - The child's end is told when the process has ended, *all that it had forked* has been killed, in whatever session,
///   and its last lines were taken. So the next process does not find the last one's ports and locks taken. A program
///   that goes into the background by itself ends at once for its supervisor: start it in the foreground.
/// - When the host ends in whatever way, SIGKILL included, all of that ends, too: see [`proscenium_process`].
///
/// **Exits**: code 0 is `normal`; another code is [`Exit::Code`], a signal [`Exit::Signal`]. A process that was asked to
/// stop exits with `shutdown` if it ends by the stop signal, with code 0, or with 128 and the signal's number. One that
/// its supervisor killed has been [`Exit::Killed`]. [`OsProcessError`] has the rest.
///
/// **Stop**: the stop signal, then SIGCONT, to the process alone; SIGKILL when the spec's [`Shutdown::Within`] is over,
/// and at once for [`Shutdown::BrutalKill`]. What it has forked gets SIGKILL when it has ended. A process that does not
/// die of SIGKILL, because it waits for a device, is given up after 18 s and the limit for last lines.
///
/// **Bounds**: a line, 16 KiB, longer ones come in pieces; 64 lines queued for stdin; lines that nobody takes stay in the
/// pipe, and hold the process up; see the methods. A start has 10 s at most, within which the supervisor waits.
///
/// **Cost**: a guard for each process, since only a guard's end takes all descendants along: a thread that sleeps, 20 KB,
/// nine descriptors. A start takes 0.9 ms, a stop 0.35 ms, from a kill to the next process 1.5 ms; where a bare
/// posix_spawn takes 0.15 ms.
///
/// A paused clock runs ahead of processes: one that is asked to stop is killed at once. Use a real one, or
/// [`Node::hold_clock`](proscenium_runtime::Node::hold_clock).
///
/// ```
/// use proscenium_runtime::Node;
/// use proscenium_supervision::{ChildSpec, Line, OsProcess, OsProcessRef, Supervisor};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = Node::start("doc").await?;
/// let (said, mut hears) = tokio::sync::mpsc::unbounded_channel();
/// let cat = OsProcess::new("cat").on_stdout(move |line: Line| drop(said.send(line)));
/// let supervisor = Supervisor::one_for_one().child(ChildSpec::of("cat", cat)).start(&node).await?;
///
/// let cat: OsProcessRef = supervisor.reference("cat").await?;
/// cat.send_line("hello").await?;
/// assert_eq!(hears.recv().await.map(|line| line.to_string()).as_deref(), Some("hello"));
/// supervisor.stop().await?; // And the process has ended.
/// assert_eq!(cat.pid(), None);
/// # node.stop().await?; Ok(()) }
/// ```
///
/// [`Shutdown::Within`]: crate::Shutdown::Within
/// [`Shutdown::BrutalKill`]: crate::Shutdown::BrutalKill
#[derive(Clone)]
#[cfg_attr(not(unix), allow(dead_code))]
#[must_use = "a process is started as a supervisor's child, by `ChildSpec::of`"]
pub struct OsProcess {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<Variable>,
    current_dir: Option<PathBuf>,
    stdin: Stdin,
    stdin_queue: usize,
    stdout: LinesTo,
    stderr: LinesTo,
    longest_line: usize,
    stop_signal: Signal,
    start_limit: Duration,
    last_lines_limit: Duration,
    pid_namespace: PidNamespace,
    /// The child's path in the tree, once it has a place there: what events call it.
    child: Arc<str>,
}

/// What happens to the environment, in order.
#[derive(Clone)]
#[cfg_attr(not(unix), allow(dead_code))]
enum Variable {
    Set(OsString, OsString),
    Remove(OsString),
    Clear,
}

/// What a process reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stdin {
    /// The lines that others send it by its [`OsProcessRef`].
    #[default]
    Lines,
    /// Nothing: the end of its input at once.
    Null,
    /// What the host reads.
    Host,
}

impl OsProcess {
    /// A program: a path, if there is a slash in it; otherwise a name that is looked up in the process's `PATH`. By
    /// default it has no arguments, and the host's environment and working directory.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().to_owned();
        OsProcess {
            child: program.to_string_lossy().into(),
            program,
            args: Vec::new(),
            env: Vec::new(),
            current_dir: None,
            stdin: Stdin::default(),
            stdin_queue: 64,
            stdout: LinesTo::events(),
            stderr: LinesTo::events(),
            longest_line: 16 << 10,
            stop_signal: Signal::TERM,
            start_limit: Duration::from_secs(5),
            last_lines_limit: Duration::from_secs(1),
            pid_namespace: PidNamespace::Never,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push(Variable::Set(name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes a variable away.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push(Variable::Remove(name.as_ref().to_owned()));
        self
    }

    /// Takes all variables away, the host's and those set before.
    pub fn env_clear(mut self) -> Self {
        self.env.push(Variable::Clear);
        self
    }

    /// The working directory. Default: the host's at each start.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(directory.into());
        self
    }

    /// What it reads. Default: [`Stdin::Lines`].
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// How many lines may be queued for its stdin, besides what is in the pipe (64 KiB). Default: 64; 0 counts as 1. At
    /// the limit [`OsProcessRef::send_line`] waits, and [`OsProcessRef::try_send_line`] gives the line back.
    pub fn stdin_queue(mut self, lines: usize) -> Self {
        self.stdin_queue = lines.max(1);
        self
    }

    /// Who gets the lines of its stdout. Default: [`LinesTo::events`].
    pub fn stdout(mut self, to: LinesTo) -> Self {
        self.stdout = to;
        self
    }

    /// Who gets the lines of its stderr. Default: [`LinesTo::events`].
    pub fn stderr(mut self, to: LinesTo) -> Self {
        self.stderr = to;
        self
    }

    /// A closure gets the lines of its stdout: [`LinesTo::closure`].
    pub fn on_stdout(self, take: impl Fn(Line) + Send + Sync + 'static) -> Self {
        self.stdout(LinesTo::closure(take))
    }

    /// A closure gets the lines of its stderr: [`LinesTo::closure`].
    pub fn on_stderr(self, take: impl Fn(Line) + Send + Sync + 'static) -> Self {
        self.stderr(LinesTo::closure(take))
    }

    /// How many bytes a line may have, in each direction. Default: 16 KiB; 0 counts as 1. A longer one of stdout or stderr
    /// comes in pieces, each but the last marked with [`Ending::Cut`]; one for stdin is refused.
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest_line = bytes.max(1);
        self
    }

    /// The signal that asks it to stop. Default: SIGTERM.
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// How long its guard may take to come up, and then the program to its first instruction. Default: 5 s each.
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = limit;
        self
    }

    /// How long whoever gets its lines may take for those that are left when it has ended. Default: 1 s. What is left
    /// then is lost, and a `tracing` event of level WARN says so.
    pub fn last_lines_limit(mut self, limit: Duration) -> Self {
        self.last_lines_limit = limit;
        self
    }

    /// Whether it lives in a pid namespace of its own, with what it forks. Default: [`PidNamespace::Never`].
    pub fn pid_namespace(mut self, pid_namespace: PidNamespace) -> Self {
        self.pid_namespace = pid_namespace;
        self
    }

    /// The same for the guard.
    #[cfg_attr(not(unix), allow(dead_code))]
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program).args(&self.args).spawn_limit(self.start_limit);
        for variable in &self.env {
            command = match variable {
                Variable::Set(name, value) => command.env(name, value),
                Variable::Remove(name) => command.env_remove(name),
                Variable::Clear => command.env_clear(),
            };
        }
        if let Some(directory) = &self.current_dir {
            command = command.current_dir(directory);
        }
        let stdin = match self.stdin {
            Stdin::Lines => Stdio::Piped,
            Stdin::Null => Stdio::Null,
            Stdin::Host => Stdio::Inherit,
        };
        let output = |to: &LinesTo| match to.0 {
            To::Events | To::Closure(_) | To::Actor(_) => Stdio::Piped,
            To::Nobody => Stdio::Null,
            To::Host => Stdio::Inherit,
        };
        command.stdin(stdin).stdout(output(&self.stdout)).stderr(output(&self.stderr))
    }
}

impl Start for OsProcess {
    fn place(&self, placing: Placing) -> Result<Box<dyn Supervised>, Exit> {
        Ok(Box::new(OsPlace::new(self.clone(), &placing)))
    }

    fn renew(&self, _: &Placing, place: &mut dyn Supervised) -> Renewal {
        let place: &mut dyn Any = place;
        let Some(place) = place.downcast_mut::<OsPlace>() else { return Renewal::Outdated };
        place.renew(self.clone());
        Renewal::Taken
    }
}

impl Refers for OsProcess {
    type Ref = OsProcessRef;
}

/// Without the environment, which may hold secrets.
impl fmt::Debug for OsProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OsProcess");
        shown.field("program", &self.program).field("args", &self.args).field("current_dir", &self.current_dir);
        shown.field("stdin", &self.stdin).field("stdout", &self.stdout).field("stderr", &self.stderr);
        shown.finish_non_exhaustive()
    }
}
