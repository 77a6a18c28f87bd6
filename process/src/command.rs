//! What to run, and with what.
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use crate::Descriptor;

/// Where a child's standard stream leads.
#[derive(Debug, Default)]
pub enum Stdio {
    /// To where the host's own stream leads when the child is spawned.
    #[default]
    Inherit,
    /// To nothing.
    Null,
    /// To a pipe, whose other end is in [`Child`](crate::Child).
    Piped,
    /// To this. It stays open in the command, so that the command can be spawned again.
    Descriptor(Descriptor),
}

/// A program with its arguments, environment, working directory and descriptors; it can be spawned many times.
///
/// The child leads a process group of its own in the guard's session: a Ctrl-C at the terminal reaches the host, and not
/// its children. It gets no descriptor but those named here, default actions and no mask for signals, and the user,
/// umask and resource limits that the host had when the guard was started.
///
/// ```
/// use proscenium_process::{Command, Guard, Stdio};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Command::new("sh").args(["-c", "test \"$PWD $ROLE\" = '/ worker'"]).env("ROLE", "worker").current_dir("/");
/// let child = Guard::start()?.spawn(&worker)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a command does nothing until it is given to `Guard::spawn`"]
pub struct Command {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) keeps_env: bool,
    /// What differs from the host's environment: a value, or none if the variable is taken away.
    pub(crate) env: BTreeMap<OsString, Option<OsString>>,
    pub(crate) current_dir: Option<PathBuf>,
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
    pub(crate) descriptors: Vec<Descriptor>,
    pub(crate) control_group: Option<Descriptor>,
    pub(crate) spawn_limit: Duration,
}

impl Command {
    /// A program: a path, if there is a slash in it, which is taken from the host's working directory; otherwise a name
    /// that is looked up in the child's `PATH`. By default it has no arguments, the host's environment, working
    /// directory, stdout and stderr, and nothing at stdin.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            keeps_env: true,
            env: BTreeMap::new(),
            current_dir: None,
            stdin: Stdio::Null,
            stdout: Stdio::Inherit,
            stderr: Stdio::Inherit,
            descriptors: Vec::new(),
            control_group: None,
            spawn_limit: Duration::from_secs(5),
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
        self.env.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Takes a variable away.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Takes all variables away, those set before included.
    pub fn env_clear(mut self) -> Self {
        self.keeps_env = false;
        self.env.clear();
        self
    }

    /// The child's working directory; by default the host's when it spawns.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(directory.into());
        self
    }

    /// Where the child reads from; by default [`Stdio::Null`].
    pub fn stdin(mut self, stdin: Stdio) -> Self {
        self.stdin = stdin;
        self
    }

    /// Where the child writes to; by default [`Stdio::Inherit`].
    pub fn stdout(mut self, stdout: Stdio) -> Self {
        self.stdout = stdout;
        self
    }

    /// Where the child complains; by default [`Stdio::Inherit`].
    pub fn stderr(mut self, stderr: Stdio) -> Self {
        self.stderr = stderr;
        self
    }

    /// One descriptor more for the child: the first becomes its 3, the next its 4, up to 16 of them.
    pub fn descriptor(mut self, descriptor: impl Into<Descriptor>) -> Self {
        self.descriptors.push(descriptor.into());
        self
    }

    /// The control group that the child is born in, with all that it will fork: the open folder of a group of version 2, on
    /// Linux 5.7. To move a child there when it runs takes milliseconds, this takes none. Where it cannot be done, no
    /// process is left, and the error is [`SpawnError::ControlGroup`](crate::SpawnError::ControlGroup). By default, and with
    /// `None`, it is where the guard is, which is where the host was.
    pub fn control_group(mut self, folder: impl Into<Option<Descriptor>>) -> Self {
        self.control_group = folder.into();
        self
    }

    /// How long a spawn may take, from the call to the new program's first instruction; 5 s by default.
    pub fn spawn_limit(mut self, limit: Duration) -> Self {
        self.spawn_limit = limit;
        self
    }

    /// The environment that the child gets.
    pub(crate) fn environment(&self) -> BTreeMap<OsString, OsString> {
        let mut all: BTreeMap<_, _> = if self.keeps_env { std::env::vars_os().collect() } else { BTreeMap::new() };
        for (name, value) in &self.env {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove(name),
            };
        }
        all
    }
}
