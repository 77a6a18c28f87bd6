//! Lines of standard input, or of any other stream of bytes.

use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use crate::chunk::Filling;
use crate::source::{Boxed, Filled, Source, SourceSpec};
use crate::sources::format::{Format, format_methods, format_of_file, format_of_spec};
use crate::sources::intake::Intake;
use crate::sources::line_core::LineCore;
use crate::trouble::Trouble;

/// Bytes that are read at once.
const BLOCK: usize = 64 << 10;

type Reader = Pin<Box<dyn AsyncRead + Send>>;
type Opening = Arc<dyn Fn() -> Reader + Send + Sync>;

/// The lines of standard input, or of another stream of bytes, up to its end.
///
/// A record's id is the number of its line. It cannot replay: what was under way when the program dies is lost.
///
/// **Bounds**: three blocks of 64 KiB, and the largest record. Nothing more is read while the pipeline does not ask.
/// **Errors**: what cannot be read is tried again.
#[derive(Clone)]
pub struct Lines {
    /// None: standard input.
    open: Option<Opening>,
    format: Format,
}

impl Lines {
    /// Those of standard input.
    ///
    /// A thread of its own reads it, from the first time that a pipeline asks to the end of the input; there is one for the
    /// whole program. It does not keep the program from ending, though nobody can wake it while the input is silent; and
    /// what it has read is not lost with a source that crashes, or a pipeline that is stopped: the next one goes on with
    /// it. Two sources cannot read it at once: the second waits until the first is gone.
    #[must_use]
    pub fn stdin() -> Self {
        Lines { open: None, format: Format::default() }
    }

    /// Those of what `open` gives; called again after an error or a crash.
    pub fn of<R: AsyncRead + Send + 'static>(open: impl Fn() -> R + Send + Sync + 'static) -> Self {
        Lines { open: Some(Arc::new(move || Box::pin(open()))), format: Format::default() }
    }

    format_methods!();

    format_of_file!();
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.open.as_ref().map(Arc::as_ptr);
        f.debug_struct("Lines").field("of", &of).field("format", &self.format).finish()
    }
}

impl SourceSpec for Lines {
    fn kind(&self) -> &'static str {
        if self.open.is_some() { "lines" } else { "stdin" }
    }

    fn make(&self) -> Box<dyn Source> {
        Box::new(Reading { spec: self.clone(), intake: Intake::new(&self.format), feed: None })
    }

    fn replays(&self) -> bool {
        false
    }

    format_of_spec!();

    fn settings(&self) -> Option<Vec<(&'static str, Value)>> {
        // Another stream is Rust code.
        self.open.is_none().then(|| self.format.settings())
    }
}

enum Input {
    /// Not read from so far.
    Stdin,
    Thread(mpsc::Receiver<io::Result<Vec<u8>>>),
    Reader(Reader),
}

/// What has been read, and was not made into records.
struct Feed {
    input: Input,
    block: Vec<u8>,
    rest: std::ops::Range<usize>,
    core: LineCore,
    has_ended: bool,
}

impl Feed {
    fn new(input: Input, limit: usize) -> Self {
        Feed { input, block: Vec::new(), rest: 0..0, core: LineCore::new(limit), has_ended: false }
    }

    /// Reads a block; an empty one is the end. It may be dropped while it waits, and then has read nothing.
    async fn read(&mut self) -> Result<(), Trouble> {
        if matches!(self.input, Input::Stdin) {
            self.input = Input::Thread(read_stdin()?);
        }
        let read = match &mut self.input {
            Input::Thread(blocks) => match blocks.recv().await {
                Some(Ok(block)) => {
                    self.block = block;
                    Ok(self.block.len())
                }
                Some(Err(error)) => Err(error),
                None => Ok(0),
            },
            Input::Reader(reader) => {
                self.block.resize(BLOCK, 0);
                reader.read(&mut self.block).await
            }
            Input::Stdin => Ok(0),
        };
        let read = read.map_err(|error| Trouble::passing(format_args!("cannot read the lines: {error}")))?;
        self.rest = 0..read;
        self.has_ended = read == 0;
        Ok(())
    }
}

/// The program's standard input: there is one.
fn stdin() -> Arc<Mutex<Feed>> {
    static STDIN: OnceLock<Arc<Mutex<Feed>>> = OnceLock::new();
    STDIN.get_or_init(|| Arc::new(Mutex::new(Feed::new(Input::Stdin, 0)))).clone()
}

/// Starts the thread that reads standard input: a block ahead at most, besides the one in its hand.
///
/// Tokio's own would do it on a thread for which the runtime waits at its end: for as long as the input is silent.
fn read_stdin() -> Result<mpsc::Receiver<io::Result<Vec<u8>>>, Trouble> {
    let (blocks, received) = mpsc::channel(1);
    let read = move || {
        let mut block = vec![0; BLOCK];
        loop {
            let read = match io::stdin().lock().read(&mut block) {
                Ok(0) => return,
                Ok(len) => Ok(block[..len].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let has_failed = read.is_err();
            if blocks.blocking_send(read).is_err() || has_failed {
                return;
            }
        }
    };
    match std::thread::Builder::new().name("stdin".into()).spawn(read) {
        Ok(_) => Ok(received),
        Err(error) => Err(Trouble::passing(format_args!("cannot start a thread that reads standard input: {error}"))),
    }
}

struct Reading {
    spec: Lines,
    intake: Intake,
    /// Held for as long as this source is there.
    feed: Option<OwnedMutexGuard<Feed>>,
}

impl Reading {
    fn start(&mut self) -> Result<(), Trouble> {
        self.spec.format.check()?;
        let limit = self.spec.format.record_limit();
        if self.feed.is_some() && self.spec.open.is_none() {
            return Ok(());
        }
        let feed = match &self.spec.open {
            Some(open) => Arc::new(Mutex::new(Feed::new(Input::Reader(open()), limit))),
            None => stdin(),
        };
        let mut feed = feed.try_lock_owned().map_err(|_| {
            Trouble::passing(
                "another source reads standard input, and a program has one: it can be read when that is gone",
            )
        })?;
        feed.core.limit(limit);
        self.feed = Some(feed);
        Ok(())
    }

    async fn read_on(&mut self, chunk: &mut Filling) -> Result<Filled, Trouble> {
        let Some(feed) = &mut self.feed else { return Err(Trouble::passing("the lines are not open")) };
        let before = chunk.len();
        loop {
            feed.frame(&mut self.intake, chunk);
            if feed.has_ended && !feed.core.is_within_line() {
                return Ok(Filled::End);
            }
            if chunk.len() > before || chunk.is_full() {
                return Ok(Filled::More);
            }
            feed.read().await?;
        }
    }
}

impl Feed {
    fn frame(&mut self, intake: &mut Intake, chunk: &mut Filling) {
        intake.look_at_the_clock();
        let mut bytes = &self.block[self.rest.clone()];
        while !chunk.is_full() {
            let number = self.core.lines() + 1;
            let line = match self.has_ended {
                false => self.core.next(&mut bytes),
                true => self.core.end(),
            };
            let Some(line) = line else { break };
            intake.line(chunk, number, line, format_args!("line {number}"));
        }
        self.rest.start = self.rest.end - bytes.len();
    }
}

impl Source for Reading {
    fn open<'a>(&'a mut self, _from: Option<&'a Value>) -> Boxed<'a, Result<(), Trouble>> {
        Box::pin(std::future::ready(self.start()))
    }

    fn fill<'a>(&'a mut self, chunk: &'a mut Filling) -> Boxed<'a, Result<Filled, Trouble>> {
        Box::pin(self.read_on(chunk))
    }

    fn position(&self) -> Option<Value> {
        None
    }
}
