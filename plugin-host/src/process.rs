//! One process of a plugin: its start, its channel, its control socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use proscenium_plugin_runner::cgroup::OutOfMemory;
use proscenium_plugin_runner::sandbox::{Layer, Mode, Report, Sandbox, Status};
use proscenium_plugin_runner::wire::{self, Ask, Failed, Heard, LONGEST, Purpose, Ready, Start, Tell, kind};
use proscenium_plugin_sdk::abi::INFO_TYPES;
use proscenium_process::{Child, Command, Descriptor, Guard, SpawnError, Stdio};
use proscenium_shm_channel::{HostEnd, OrderNumber, Pool, Slot, SubmitError, Violation};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::end::{KILL, Memory};
use crate::group::Group;
use crate::lines::{self, Output};
use crate::locate::{self, NoRunner};
use crate::private_copy::PrivateCopy;
use crate::refusals::Refusals;
use crate::spec::Settings;
use crate::start_error::StartError;
use crate::work_folder::WorkFolder;

/// What a process is started with.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) settings: Arc<Settings>,
    pub(crate) library: Source,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) instance: u32,
    /// The one that there is, if it lives.
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) pool: Pool,
    pub(crate) purpose: Purpose,
}

/// Where its library comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// From here, as it is now. If it is the same as in the copy before, that serves.
    Path(PathBuf, Option<Arc<PrivateCopy>>),
    /// As it was.
    Copied(Arc<PrivateCopy>),
}

/// A process that serves. Dropped, it is killed.
pub(crate) struct Process {
    pub(crate) child: Arc<Child>,
    pub(crate) end: HostEnd,
    pub(crate) control: Arc<AsyncFd<OwnedFd>>,
    /// What the plugin says of itself.
    pub(crate) info: Vec<(String, String)>,
    pub(crate) ready: Ready,
    pub(crate) library: Arc<PrivateCopy>,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) instance: u32,
    pub(crate) guard: Arc<Guard>,
    /// With all that it has started.
    pub(crate) group: Option<Group>,
    /// What became of it.
    layer: Status,
    work: Option<WorkFolder>,
    /// What it was ordered, in order.
    orders: VecDeque<(OrderNumber, u8)>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        if let Some(work) = self.work.take() {
            work.leave(self.child.clone());
        }
    }
}

/// A descriptor of which tokio tells when it can be read.
#[allow(deprecated, reason = "what replaces it is unsafe for types that lie about their descriptor; OwnedFd does not")]
pub(crate) fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

impl Plan {
    /// A process that is ready to serve; what fails leaves none behind. With what it said while it started.
    ///
    /// All of it, the copy of the library as well, has the start limit once; only the word on how it failed may come later, by
    /// [`DYING`].
    pub(crate) async fn launch(self) -> Result<(Process, Vec<Tell>), StartError> {
        let limit = self.settings.start_limit;
        let deadline = Instant::now() + limit;
        let late = |said: &[Tell]| StartError::TimedOut { limit, said: reason(said) };
        let (stage, params, instance) = (self.settings.stage.clone(), self.params.clone(), self.instance);
        let refusals = self.settings.refusals.clone();
        let spawned = spawn_blocking(move || self.spawn(deadline.into_std()));
        // What takes too long there says so itself, unless it is a file that cannot be read.
        let spawned = timeout_at(deadline + DYING, spawned).await.map_err(|_| late(&[]))?;
        let Spawned { child, end, control, library, guard, group, layer, work, program } =
            spawned.map_err(|_| StartError::Interrupted)??;
        let mut child = child.claim()?;
        let control = Arc::new(watched(control).map_err(StartError::Host)?);
        let stage = Arc::<str>::from(stage);
        let refusals = refusals.unwrap_or_default();
        let outputs = [(child.stdout.take(), Output::Stdout), (child.stderr.take(), Output::Stderr)];
        for (pipe, output) in outputs {
            if let Some(pipe) = pipe {
                tokio::spawn(lines::read(pipe.into(), output, stage.clone(), child.pid()));
            }
        }
        let mut process = Process {
            child: Arc::new(child),
            end,
            control,
            info: Vec::new(),
            ready: Ready::default(),
            library,
            params,
            instance,
            guard,
            group,
            layer,
            work: Some(work),
            orders: VecDeque::new(),
        };
        let mut said = Vec::new();
        match timeout_at(deadline, process.until_ready(&mut said, &refusals)).await {
            Err(_) => Err(late(&said)),
            Ok(Err(error)) => Err(StartError::Host(error)),
            Ok(Ok(Begun::Ready(ready))) => {
                process.ready = ready;
                Ok((process, said))
            }
            Ok(Ok(Begun::Failed(failed))) => Err(StartError::Refused { failed, said: reason(&said) }),
            Ok(Ok(Begun::Ended(_))) if !process.is_dying().await.map_err(StartError::Host)? => {
                Err(StartError::Channel { said: reason(&said) })
            }
            Ok(Ok(Begun::Ended(last_word))) => {
                let child = process.child.clone();
                let word = deadline.saturating_duration_since(Instant::now()).clamp(DYING, WORD);
                let status = spawn_blocking(move || child.wait(word)).await;
                let status = status.map_err(|_| StartError::Interrupted)?.map_err(StartError::NoStatus)?;
                let memory = status.signal().and_then(|signal| process.memory_at(signal.number()));
                Err(StartError::Ended { status, last_word, memory, said: reason(&said) })
            }
            Ok(Ok(Begun::OtherBuild)) => Err(StartError::OtherRunner { program }),
            Ok(Ok(Begun::Garbled(why))) => Err(StartError::Violation(why)),
        }
    }

    /// It reads files and waits for processes.
    fn spawn(self, deadline: std::time::Instant) -> Result<Spawned, StartError> {
        let left = move || deadline.saturating_duration_since(std::time::Instant::now());
        // A guard takes as long to start as the rest takes to be made ready.
        let guard = match self.guard.clone().filter(|guard| !has_ended(guard)) {
            Some(guard) => Ok(guard),
            None => Err(Guard::builder().start_limit(left()).begin()),
        };
        let runner = locate::runner(self.settings.runner.as_deref()).map_err(StartError::NoRunner)?;
        let (control, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|error| StartError::Host(error.into()))?;
        rustix::io::ioctl_fionbio(&control, true).map_err(|error| StartError::Host(error.into()))?;
        let (end, fds) = HostEnd::new(&self.pool).map_err(StartError::Host)?;
        let command = Command::new(&runner.program)
            .args(&runner.args)
            .arg(&self.settings.stage)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::Null)
            .stdout(Stdio::Piped)
            .stderr(Stdio::Piped)
            .spawn_limit(left());
        let command = [theirs, fds.orders, fds.inputs, fds.fronts, fds.wake]
            .into_iter()
            .fold(command, |command, fd| command.descriptor(Descriptor::from(fd)));
        let (group, layer) = Group::make(self.settings.group_limits());
        let command = command.control_group(group.as_ref().and_then(Group::open).map(Descriptor::from));
        let guard = guard.or_else(|starts| starts.wait().map(Arc::new)).map_err(StartError::Guard)?;
        let (child, command, layer) = match guard.spawn(&command) {
            Err(SpawnError::ControlGroup(_)) => {
                let command = command.control_group(None);
                let child = guard.spawn(&command).map_err(StartError::Spawn)?;
                // It waits to be told what to load.
                let added = group.as_ref().map_or(Ok(()), |group| group.add(child.pid()));
                let layer = added.map_or_else(|error| Status::NotAvailable(error.to_string()), |()| layer);
                (child, command, layer)
            }
            spawned => (spawned.map_err(StartError::Spawn)?, command, layer),
        };
        let child = Unclaimed(Some(child));
        drop(command); // Or else the socket would stay open when the process ends.
        // It takes as long until it reads what it is to load as that takes to be put there.
        let library = match &self.library {
            Source::Path(path, before) => PrivateCopy::take(path, before.as_ref()).map_err(StartError::Library)?,
            Source::Copied(copy) => copy.clone(),
        };
        let work =
            WorkFolder::make(&library, self.instance, self.settings.grants.work_dir).map_err(StartError::Host)?;
        let start = wire::encode_start(&self.start(&library, &work)).map_err(|_| StartError::ParamsTooLong)?;
        match send(control.as_fd(), &start, None) {
            // It has ended already: how, is told to who waits for it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent.map_err(StartError::Host)?,
        }
        Ok(Spawned { child, end, control, library, guard, group, layer, work, program: runner.program })
    }

    fn start(&self, library: &PrivateCopy, work: &WorkFolder) -> Start {
        let geometry = self.pool.geometry();
        let sandbox = Sandbox {
            grants: self.settings.grants.clone(),
            limits: self.settings.limits.clone(),
            mode: if self.settings.refusals.is_some() { Mode::Learn } else { Mode::Enforce },
            ..Sandbox::new(library.library_folder(), work.path())
        };
        Start {
            stage: self.settings.stage.clone(),
            library: library.library.as_os_str().as_bytes().to_vec(),
            instance: self.instance,
            params: self.params.clone(),
            work_dir: work.granted().map(|path| path.as_os_str().as_bytes().to_vec()),
            geometry: [geometry.slots, geometry.records, geometry.heap, geometry.input],
            sandbox,
            processors: processors(self.settings.group_limits().cpu_thousandths),
            purpose: self.purpose,
        }
    }
}

/// How many there are for host and process, of which the process may have so many thousandths.
fn processors(thousandths: Option<u32>) -> u32 {
    static ALL: OnceLock<u32> = OnceLock::new();
    let all = *ALL.get_or_init(|| thread::available_parallelism().map_or(1, |all| all.get() as u32));
    thousandths.map_or(all, |thousandths| all.min(thousandths.div_ceil(1_000)))
}

/// A process that nobody waits for yet. Dropped, it is killed.
struct Unclaimed(Option<Child>);

impl Unclaimed {
    fn claim(mut self) -> Result<Child, StartError> {
        self.0.take().ok_or(StartError::Interrupted)
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|child| drop(child.kill())); // It may have ended.
    }
}

struct Spawned {
    child: Unclaimed,
    end: HostEnd,
    control: OwnedFd,
    library: Arc<PrivateCopy>,
    guard: Arc<Guard>,
    group: Option<Group>,
    layer: Status,
    work: WorkFolder,
    program: PathBuf,
}

fn has_ended(guard: &Guard) -> bool {
    let mut ends = [PollFd::from_borrowed_fd(guard.pidfd(), PollFlags::IN)];
    poll(&mut ends, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ended| ended > 0)
}

/// Between the end of a process's sockets and its own, with room for a machine that has much to do.
pub(crate) const DYING: Duration = Duration::from_millis(200);

/// Between a process's end and its guard's word on it.
pub(crate) const WORD: Duration = Duration::from_secs(5);

/// How a start goes.
enum Begun {
    Ready(Ready),
    Failed(Failed),
    Ended(Option<wire::LastWord>),
    /// The runner is of other sources than this host.
    OtherBuild,
    Garbled(String),
}

/// What a plugin gave as its reason, of what it said.
fn reason(said: &[Tell]) -> String {
    let mut reasons = said.iter().rev().filter_map(|tell| match tell {
        Tell::Fail(text) => Some(text.clone()),
        _ => None,
    });
    reasons.next().unwrap_or_default()
}

impl Process {
    async fn until_ready(&mut self, said: &mut Vec<Tell>, refusals: &Refusals) -> io::Result<Begun> {
        /// A plugin that says more before it serves says it to nobody.
        const MOST: usize = 256;
        let (mut last_word, mut walls) = (None, None);
        let mut bytes = vec![0; LONGEST];
        loop {
            let Some(len) = receive(&self.control, &mut bytes).await? else { return Ok(Begun::Ended(last_word)) };
            match wire::heard(&bytes[..len]) {
                Ok(Heard::Tell(Tell::Ready(ready))) => {
                    let mut sandbox: Report = walls.unwrap_or_default();
                    sandbox.0.push((Layer::Cgroup, self.layer.clone()));
                    return Ok(Begun::Ready(Ready { sandbox, ..ready }));
                }
                // The first one is the runner's, from before the library was loaded; another would be the plugin's.
                Ok(Heard::Tell(Tell::Walls(report))) => {
                    walls.get_or_insert(report);
                }
                Ok(Heard::Tell(Tell::Failed(failed))) => return Ok(Begun::Failed(failed)),
                Ok(Heard::Tell(Tell::Info(info))) => {
                    let room = INFO_TYPES.len() - self.info.len();
                    self.info.extend(info.into_iter().take(room));
                }
                Ok(Heard::Tell(Tell::Learned(text))) => refusals.note(self.child.pid(), text),
                Ok(Heard::Tell(tell)) if said.len() < MOST => said.push(tell),
                Ok(Heard::Tell(_)) => {}
                Ok(Heard::LastWord(word)) => last_word = Some(word),
                // Only before there was a plugin that could say it.
                Ok(Heard::OtherBuild) if walls.is_none() => return Ok(Begun::OtherBuild),
                Ok(Heard::OtherBuild) => return Ok(Begun::Garbled("it has changed its build".into())),
                Err(garbled) => return Ok(Begun::Garbled(garbled.0)),
            }
        }
    }

    /// Whether it has ended, or does so soon. To give back the memory that one was killed for may take a while.
    async fn is_dying(&self) -> io::Result<bool> {
        let ends = watched(self.child.pidfd().try_clone_to_owned()?)?;
        Ok(timeout(DYING, ends.readable()).await.is_ok() || self.is_over_its_memory(KILL))
    }

    /// Hands over a slot, behind what it has. Who does it sees to it that the process wakes up.
    pub(crate) fn order(&mut self, slot: Option<&Slot>, kind: u8, budget: Duration) -> Result<(), SubmitError> {
        let number = self.end.post(slot, kind, Some(budget))?;
        self.orders.push_back((number, kind));
        Ok(())
    }

    /// A message, and the order to read it.
    pub(crate) fn ask(&mut self, ask: &Ask, luggage: Option<BorrowedFd<'_>>, budget: Duration) -> io::Result<()> {
        let bytes = wire::encode(ask).map_err(|garbled| io::Error::other(garbled.0))?;
        send(self.control.get_ref().as_fd(), &bytes, luggage)?;
        self.order(None, kind::CONTROL, budget).map_err(io::Error::other)?;
        self.end.wake_child();
        Ok(())
    }

    /// How many orders it has done since the last time.
    pub(crate) fn done(&mut self) -> Result<u32, Violation> {
        self.end.completed()
    }

    /// The kind of the oldest of them.
    pub(crate) fn next_done(&mut self) -> Option<u8> {
        self.orders.pop_front().map(|(_, kind)| kind)
    }

    /// Asks for an end of the order in work.
    pub(crate) fn cancel(&self) {
        if let Some(&(number, _)) = self.orders.front() {
            self.end.cancel(number);
        }
    }

    /// What is known of memory when it has ended by this signal. None: it is not SIGKILL, or no memory ran out.
    pub(crate) fn memory_at(&self, signal: i32) -> Option<Memory> {
        if signal != KILL {
            return None;
        }
        let unknown = |why| Some(Memory::Unknown(why));
        let Some(group) = &self.group else {
            return unknown(match &self.layer {
                Status::NotAvailable(why) | Status::Failed(why) | Status::Active(why) => why.clone(),
            });
        };
        match group.out_of_memory() {
            Ok(None) => None,
            Ok(Some(OutOfMemory::Above)) => Some(Memory::Above),
            Ok(Some(OutOfMemory::Own)) => {
                let usage = group.usage();
                Some(Memory::Own { limit: usage.memory_limit_bytes.unwrap_or(0), peak: usage.memory_peak_bytes })
            }
            Err(error) => unknown(error.to_string()),
        }
    }

    /// Whether it has ended at the limit of its own group.
    pub(crate) fn is_over_its_memory(&self, signal: i32) -> bool {
        matches!(self.memory_at(signal), Some(Memory::Own { .. }))
    }

    pub(crate) fn info(&self, name: &str) -> &str {
        self.info.iter().find(|(of, _)| of == name).map_or("", |(_, text)| text)
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], luggage: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let fds: Vec<_> = luggage.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        message.push(SendAncillaryMessage::ScmRights(&fds));
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut message, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent.map(drop)?),
        }
    }
}

/// The next packet. None: the process has closed its end, or has ended.
pub(crate) async fn receive(socket: &AsyncFd<OwnedFd>, bytes: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        let mut guard = socket.readable().await?;
        match guard.try_io(|socket| receive_now(socket.get_ref().as_fd(), bytes)) {
            Ok(received) => return received,
            Err(_would_block) => {}
        }
    }
}

/// The same, if it is there. What comes along is not taken, so that nobody can make the host run out of descriptors.
pub(crate) fn receive_now(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        let mut parts = [IoSliceMut::new(bytes)];
        let received =
            recvmsg(socket, &mut parts, &mut Default::default(), RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT);
        match received {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(received) if received.bytes == 0 => return Ok(None),
            Ok(received) => return Ok(Some(received.bytes)),
        }
    }
}

impl From<NoRunner> for StartError {
    fn from(error: NoRunner) -> Self {
        StartError::NoRunner(error)
    }
}
