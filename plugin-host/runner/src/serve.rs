//! One plugin, from its load to its end.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use proscenium_plugin_sdk::abi::{PscState, RecordBatch, ReturnCode};
use proscenium_shm_channel::{ChildEnd, ChildFds, Geometry, Order, Taken};
use rustix::io::{pread, pwrite};

use crate::context::Context;
use crate::control::{self, Control};
use crate::crash;
use crate::library::Library;
use crate::measure;
use crate::parameters::Schema;
use crate::sandbox::{Mode, learned};
use crate::wire::{self, Ask, Begun, Failed, FailedKind, LONGEST, Phase, Purpose, Ready, Start, Tell, fd, kind};

/// The exit code of a process that could not serve, or not to an end in order.
const FAILED: i32 = 1;

/// The process of a plugin: it serves the host whose descriptors it was given, and ends with it.
///
/// # Safety
/// The process was started by a plugin host, so that its descriptors 3 to 7 are what the host says; nothing in it has
/// made use of them, and the calling thread is its only one.
#[must_use = "the process is to end with this code"]
pub unsafe fn serve() -> i32 {
    // SAFETY: our caller's promise.
    let control = unsafe { Control::of(fd::CONTROL) };
    match begin(&control) {
        Ok(Some(mut plugin)) => plugin.serve(&control),
        Ok(None) => FAILED,
        Err(failed) => {
            Notes::default().tell(&control);
            // If nobody hears it, the host is gone.
            let _ = control.answer(&Tell::Failed(failed));
            FAILED
        }
    }
}

fn setup(error: impl std::fmt::Display) -> Failed {
    Failed { phase: crash::phase(), kind: FailedKind::Setup, code: 0, text: error.to_string() }
}

/// Up to a plugin that is ready. None: the host is gone.
fn begin(control: &Control) -> Result<Option<Plugin>, Failed> {
    crash::report_to(control.as_raw_fd()).map_err(setup)?;
    let mut bytes = Vec::with_capacity(LONGEST);
    if control.receive(&mut bytes).map_err(setup)?.is_none() {
        return Ok(None);
    }
    let start: Start = match wire::begun(&bytes).map_err(|garbled| setup(garbled.0))? {
        Begun::Start(start) => *start,
        Begun::Other(answer) => {
            control.say(&answer).map_err(setup)?;
            return Ok(None);
        }
    };
    let [slots, records, heap, input] = start.geometry;
    // SAFETY: the host has put them there for this, and nobody else has them.
    let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
    let fds =
        ChildFds { orders: own(fd::ORDERS), inputs: own(fd::INPUTS), fronts: own(fd::FRONTS), wake: own(fd::WAKE) };
    let channel =
        ChildEnd::open_among(fds, Geometry { slots, records, heap, input }, start.processors).map_err(setup)?;
    let mut context = Context::new(&start);

    crash::enter(Phase::Sandbox);
    // SAFETY: this is the only thread, and nobody keeps a pointer into the environment.
    let sandbox = unsafe { start.sandbox.apply() };
    if let Some((layer, why)) = sandbox.failed().next() {
        let text = format!("{}: {why}", layer.name());
        return Err(Failed { phase: Phase::Sandbox, kind: FailedKind::Sandbox, code: 0, text });
    }
    control.answer(&Tell::Walls(sandbox)).map_err(setup)?;
    crash::enter(Phase::Load);
    let library = Library::load(&start.library)?;
    crash::enter(Phase::Info);
    let abi = library.abi()?;
    let info = library.info()?;
    let parameters = info.iter().find(|(name, _)| name == "parameters").map(|(_, text)| text.clone());
    tell_info(info, control).map_err(setup)?;
    let ready = Ready { abi, flushes: library.flushes(), has_state: library.has_state(), ..Ready::default() };
    if start.purpose == Purpose::Look {
        Notes::default().tell(control);
        control.answer(&Tell::Ready(ready)).map_err(setup)?;
        return Ok(None);
    }
    parameters_fit(parameters.as_deref(), &start.params)?;
    crash::enter(Phase::Init);
    context.begin_call(None, channel.cancel_word());
    // SAFETY: the context is the interface's, and leaked.
    let code = unsafe { library.init(context.as_ptr()) };
    if code != ReturnCode::Ok.number() {
        let kind = match ReturnCode::new(code) {
            Some(ReturnCode::Config | ReturnCode::Unsupported) => FailedKind::Config,
            _ => FailedKind::Init,
        };
        return Err(Failed { phase: Phase::Init, kind, code, text: String::new() });
    }
    crash::enter(Phase::Idle);
    let notes = (start.sandbox.mode == Mode::Learn).then(Notes::default);
    control.answer(&Tell::Ready(ready)).map_err(setup)?;
    let geometry = Geometry { slots, records, heap, input };
    Ok(Some(Plugin { channel, context, library, geometry, notes, bytes }))
}

/// In one message, since each wakes the host; in one for each text where they are too long for that.
fn tell_info(info: Vec<(String, String)>, control: &Control) -> io::Result<()> {
    match wire::encode(&Tell::Info(info.clone())) {
        Ok(bytes) => control.say(&bytes),
        Err(_) => info.into_iter().try_for_each(|one| control.answer(&Tell::Info(vec![one]))),
    }
}

/// The plugin's own schema is checked here, since here it is known before `init_plugin`.
fn parameters_fit(schema: Option<&str>, params: &[(String, String)]) -> Result<(), Failed> {
    let refused = |kind, text| Failed { phase: Phase::Info, kind, code: 0, text };
    let Some(schema) = schema else { return Ok(()) };
    let schema = Schema::parse(schema).map_err(|error| refused(FailedKind::Info, error.to_string()))?;
    schema.check(params).map_err(|misfits| refused(FailedKind::Config, misfits.to_string()))
}

/// What the host was told last of what was refused.
#[derive(Default)]
struct Notes(String);

impl Notes {
    /// Tells it, if there is more than the last time.
    fn tell(&mut self, control: &Control) {
        let learned = learned();
        if learned.is_empty() {
            return;
        }
        let text = learned.to_string();
        if text != self.0 {
            control::mention(control.as_fd(), &Tell::Learned(text.clone()));
            self.0 = text;
        }
    }
}

/// What comes after a message of the host.
enum Next {
    Serve,
    /// The plugin is put away, or the host gone.
    End,
}

struct Plugin {
    channel: ChildEnd,
    context: Context,
    library: Library,
    geometry: Geometry,
    /// Kept when the plugin is tried out.
    notes: Option<Notes>,
    /// The last message of the host.
    bytes: Vec<u8>,
}

impl Plugin {
    fn serve(&mut self, control: &Control) -> i32 {
        loop {
            let is_done = match self.channel.take(None) {
                Ok(Taken::Order(order)) if order.kind == kind::CONTROL => match self.obey(&order, control) {
                    Ok(Next::Serve) => true,
                    Ok(Next::End) => return 0,
                    Err(_) => return FAILED,
                },
                Ok(Taken::Order(order)) => self.work(&order),
                Ok(Taken::Nothing) => continue,
                Ok(Taken::Closed) => return 0,
                Err(_) => false,
            };
            if !is_done {
                return FAILED; // An order of another version's host.
            }
            if let Some(notes) = &mut self.notes {
                notes.tell(control);
            }
            self.channel.complete();
            tell_unsent(control);
        }
    }

    /// False: it is no order for a plugin.
    fn work(&mut self, order: &Order) -> bool {
        let Some(block) = order.block else { return false };
        let block = block.cast::<RecordBatch>().as_ptr();
        self.context.begin_call(order.budget, order.cancel);
        let code = if order.kind == kind::FLUSH {
            crash::enter(Phase::Flush);
            // SAFETY: init has succeeded, and the host has written the block before it gave the order.
            unsafe { self.library.flush(block, self.context.as_ptr()) }
        } else {
            crash::enter(Phase::Process);
            // SAFETY: as above.
            unsafe { self.library.process(block, self.context.as_ptr()) }
        };
        crash::enter(Phase::Idle);
        // The smallest number is the host's, for a call that was not made.
        // SAFETY: the block is mapped writable, and is ours until the order is completed.
        unsafe { (*block).result = code.max(-i32::MAX) };
        true
    }

    fn obey(&mut self, order: &Order, control: &Control) -> io::Result<Next> {
        let Some(luggage) = control.receive(&mut self.bytes)? else { return Ok(Next::End) };
        self.context.begin_call(order.budget, order.cancel);
        let ask: Ask = wire::decode(&self.bytes).map_err(|garbled| io::Error::other(garbled.0))?;
        let told = match (ask, luggage) {
            (Ask::Export { limit }, Some(memory)) => self.export(limit, &memory)?,
            (Ask::Import { version, len }, Some(memory)) => self.import(version, len, &memory)?,
            (Ask::Measure(load), _) => {
                crash::enter(Phase::Process);
                Tell::Measured(measure::run(&self.library, &self.context, self.geometry, &load)?)
            }
            (Ask::Stop, _) => {
                crash::enter(Phase::Cleanup);
                // SAFETY: init has succeeded, and no other function is called after it.
                unsafe { self.library.cleanup(self.context.as_ptr()) };
                if let Some(notes) = &mut self.notes {
                    notes.tell(control);
                }
                control.answer(&Tell::Stopped)?;
                return Ok(Next::End);
            }
            (Ask::Export { .. } | Ask::Import { .. }, None) => return Err(io::Error::other("no memory came along")),
        };
        crash::enter(Phase::Idle);
        control.answer(&told)?;
        Ok(Next::Serve)
    }

    fn export(&mut self, limit: u64, memory: &OwnedFd) -> io::Result<Tell> {
        let size = size_of::<PscState>() as u32;
        let mut state = PscState { size, version: 0, len: 0, data: ptr::null_mut() };
        crash::enter(Phase::State);
        // SAFETY: init has succeeded.
        let code = unsafe { self.library.export(self.context.as_ptr(), &mut state) };
        if code != ReturnCode::Ok.number() {
            return Ok(Tell::StateRefused { code, text: String::new() });
        }
        if state.len > limit {
            let text = format!("the state has {} bytes, and {limit} are the limit", state.len);
            return Ok(Tell::StateRefused { code: ReturnCode::NoSpace.number(), text });
        }
        if state.len > 0 && state.data.is_null() {
            return Ok(Tell::StateRefused { code, text: format!("a state of {} bytes, and no data", state.len) });
        }
        if state.len > 0 {
            // SAFETY: the interface says that `data` has `len` bytes.
            let bytes = unsafe { std::slice::from_raw_parts(state.data.cast::<u8>(), state.len as usize) };
            write_all(memory, bytes)?;
        }
        // SAFETY: from `ctx->alloc`, as the interface says of exported state, or null; given back once.
        unsafe { libc::free(state.data) };
        Ok(Tell::Exported { version: state.version, len: state.len })
    }

    fn import(&mut self, version: u32, len: u64, memory: &OwnedFd) -> io::Result<Tell> {
        let mut bytes = vec![0; len as usize];
        read_all(memory, &mut bytes)?;
        let size = size_of::<PscState>() as u32;
        let state = PscState { size, version, len, data: bytes.as_mut_ptr().cast::<c_void>() };
        crash::enter(Phase::State);
        // SAFETY: init has succeeded, and `bytes` has `len` bytes and lives through the call.
        let code = unsafe { self.library.import(self.context.as_ptr(), &state) };
        Ok(match code {
            0 => Tell::Imported,
            code => Tell::StateRefused { code, text: String::new() },
        })
    }
}

fn write_all(memory: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    let mut at = 0;
    while !bytes.is_empty() {
        match pwrite(memory, bytes, at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                at += written as u64;
                bytes = &bytes[written..];
            }
        }
    }
    Ok(())
}

fn read_all(memory: &OwnedFd, mut bytes: &mut [u8]) -> io::Result<()> {
    let mut at = 0;
    while !bytes.is_empty() {
        match pread(memory, &mut *bytes, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                at += read as u64;
                bytes = &mut bytes[read..];
            }
        }
    }
    Ok(())
}

/// Lines that were dropped are told of when there is room again.
fn tell_unsent(control: &Control) {
    let unsent = control::unsent();
    if unsent > 0 {
        let text =
            format!("{unsent} lines and figures of the plugin were dropped: they came faster than they were read");
        control::mention(control.as_fd(), &Tell::Log { level: 3, text });
    }
}
