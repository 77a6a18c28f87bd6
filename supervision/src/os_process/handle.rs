//! What others hold of a child that is an operating-system process.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proscenium_process::{Child, Signal, SignalError};
use proscenium_runtime::Exit;
use tokio::sync::{Notify, mpsc, watch};

/// A child that is an operating-system process: good over its restarts, until its supervisor terminates it or ends.
///
/// Get it from the supervisor: `supervisor.reference::<OsProcessRef>("worker")`.
#[derive(Clone)]
pub struct OsProcessRef(pub(crate) Arc<Seat>);

/// Where one process sits after the other.
pub(crate) struct Seat {
    child: Arc<str>,
    now: Mutex<Now>,
    changed: Notify,
}

enum Now {
    /// Between two processes.
    Down,
    Up(Up),
    /// The child has ended for good.
    Gone,
}

/// A process, for those who hold a ref.
pub(crate) struct Up {
    pub(crate) child: Arc<Child>,
    pub(crate) longest_line: usize,
    /// None: it has none, or its end was sent.
    pub(crate) stdin: Option<mpsc::Sender<Vec<u8>>>,
    pub(crate) ended: watch::Receiver<Option<Exit>>,
}

impl Seat {
    pub(crate) fn new(child: Arc<str>) -> Self {
        Seat { child, now: Mutex::new(Now::Down), changed: Notify::new() }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn up(&self, up: Up) {
        *self.now() = Now::Up(up);
        self.changed.notify_waiters();
    }

    /// Unless another process sits here by now: a process that was given up may end late.
    pub(crate) fn down(&self, child: &Arc<Child>) {
        let mut now = self.now();
        if matches!(&*now, Now::Up(up) if Arc::ptr_eq(&up.child, child)) {
            *now = Now::Down;
        }
    }

    pub(crate) fn vacate(&self, now: Vacant) {
        *self.now() = match now {
            Vacant::GivenUp => Now::Down,
            Vacant::ForGood => Now::Gone,
        };
        self.changed.notify_waiters();
    }

    fn process(&self) -> Option<Arc<Child>> {
        match &*self.now() {
            Now::Up(up) => Some(up.child.clone()),
            Now::Down | Now::Gone => None,
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process().map(|process| process.pid())
    }

    /// A line, checked, and where it goes.
    fn stdin_for(&self, line: Vec<u8>) -> Result<(Vec<u8>, mpsc::Sender<Vec<u8>>), StdinError> {
        if line.contains(&b'\n') {
            return Err(StdinError::NotOneLine(line));
        }
        match &*self.now() {
            Now::Up(Up { longest_line: limit, .. }) if line.len() > *limit => {
                Err(StdinError::TooLong { line, limit: *limit })
            }
            Now::Up(Up { stdin: Some(stdin), .. }) => Ok((line, stdin.clone())),
            now => Err(now.refuse(line)),
        }
    }

    fn refuse(&self, line: Vec<u8>) -> StdinError {
        self.now().refuse(line)
    }
}

impl Now {
    fn refuse(&self, line: Vec<u8>) -> StdinError {
        match self {
            Now::Down => StdinError::Down(line),
            Now::Up(_) => StdinError::Closed(line),
            Now::Gone => StdinError::Gone(line),
        }
    }
}

/// Why nothing sits here, though the process there was may not have ended.
#[derive(Clone, Copy)]
pub(crate) enum Vacant {
    GivenUp,
    ForGood,
}

impl OsProcessRef {
    /// The process's id; none between two processes, and when the child has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.0.pid()
    }

    /// Waits until there is a process, and says its id: of this one, or of the next one; none when the child has ended for
    /// good. A child whose supervisor does not start it again is waited for until that supervisor forgets it.
    pub async fn up(&self) -> Option<u32> {
        loop {
            // Watched before the look, or a change between the two would be missed.
            let changed = self.0.changed.notified();
            match &*self.0.now() {
                Now::Up(up) => return Some(up.child.pid()),
                Now::Gone => return None,
                Now::Down => {}
            }
            changed.await;
        }
    }

    /// Sends the process a signal: to it alone, and never to another that has got its id.
    ///
    /// # Errors
    /// It has ended ([`SignalError::Ended`]), or must not be signalled; it is as it was.
    pub fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        self.0.process().ok_or(SignalError::Ended)?.signal(signal)
    }

    /// The exit of the process that there is now, when it has ended and all that it had forked with it; at once
    /// [`Exit::NoProc`] if there is none. Watched from this call on.
    pub fn monitor(&self) -> impl Future<Output = Exit> + Send + use<> {
        let ended = match &*self.0.now() {
            Now::Up(up) => Some(up.ended.clone()),
            Now::Down | Now::Gone => None,
        };
        async move {
            let Some(mut ended) = ended else { return Exit::NoProc };
            // Nobody tells: the runtime is being shut down, which kills the process.
            let exit = ended.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
            exit.unwrap_or(Exit::Killed)
        }
    }

    /// Queues a line for the process's stdin, waiting for room. The newline is added. Dropped before it is ready, it has
    /// sent nothing.
    ///
    /// A line that is queued when the process ends is not written to the next one: it is counted, in a `tracing` event of
    /// level WARN. That one was written says nothing of its being read.
    ///
    /// # Errors
    /// The line was not queued, and comes back: see [`StdinError`].
    pub async fn send_line(&self, line: impl Into<Vec<u8>>) -> Result<(), StdinError> {
        let (line, stdin) = self.0.stdin_for(line.into())?;
        stdin.send(line).await.map_err(|error| self.0.refuse(error.0))
    }

    /// The same if there is room now.
    ///
    /// # Errors
    /// The line was not queued, and comes back: see [`StdinError`].
    pub fn try_send_line(&self, line: impl Into<Vec<u8>>) -> Result<(), StdinError> {
        let (line, stdin) = self.0.stdin_for(line.into())?;
        stdin.try_send(line).map_err(|error| match error {
            mpsc::error::TrySendError::Full(line) => StdinError::Full(line),
            mpsc::error::TrySendError::Closed(line) => self.0.refuse(line),
        })
    }

    /// The process that there is now sees the end of its input after what is queued. The next one has a stdin again.
    pub fn end_input(&self) {
        if let Now::Up(up) = &mut *self.0.now() {
            up.stdin = None;
        }
    }
}

impl fmt::Debug for OsProcessRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid() {
            Some(pid) => write!(f, "OsProcessRef({}, {pid})", self.0.child),
            None => write!(f, "OsProcessRef({}, down)", self.0.child),
        }
    }
}

/// Why a line was not queued for a process's stdin. It comes back.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StdinError {
    /// So many lines are queued as may be: the process does not read. Try again, or wait in `send_line`.
    Full(Vec<u8>),
    /// There is no process just now: it has ended, and its supervisor may start another.
    Down(Vec<u8>),
    /// The child has ended for good.
    Gone(Vec<u8>),
    /// The process lives, and reads no more: it has closed its stdin, was sent the end of its input, or never had one.
    Closed(Vec<u8>),
    /// The line is longer than the child's lines may be.
    TooLong {
        /// The line.
        line: Vec<u8>,
        /// How many bytes there may be.
        limit: usize,
    },
    /// There is a newline in it.
    NotOneLine(Vec<u8>),
}

impl StdinError {
    /// The line, to be sent again or elsewhere.
    #[must_use]
    pub fn into_line(self) -> Vec<u8> {
        match self {
            StdinError::Full(line)
            | StdinError::Down(line)
            | StdinError::Gone(line)
            | StdinError::Closed(line)
            | StdinError::TooLong { line, .. }
            | StdinError::NotOneLine(line) => line,
        }
    }
}

impl fmt::Display for StdinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StdinError::Full(_) => f.write_str("the queue is full: the process does not read; wait with `send_line`"),
            StdinError::Down(_) => f.write_str("there is no process just now; try again after its restart"),
            StdinError::Gone(_) => f.write_str("the child has ended; ask its supervisor for another"),
            StdinError::Closed(_) => f.write_str("the process reads no more, or was given no stdin"),
            StdinError::TooLong { line, limit } => {
                let bytes = line.len();
                write!(f, "the line has {bytes} bytes, where {limit} may be; send less, or raise `longest_line`")
            }
            StdinError::NotOneLine(_) => f.write_str("there is a newline in the line; send one line at a time"),
        }
    }
}

impl std::error::Error for StdinError {}
