//! What the end of an operating-system process is in OTP's words.

use proscenium_process::{ExitStatus, Signal};
use proscenium_runtime::Exit;

/// What the process was told before it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Told {
    /// To stop, by this signal.
    pub(crate) stop: Option<Signal>,
    /// Nothing: it was killed.
    pub(crate) kill: bool,
}

/// A shell says so of a child that a signal has ended, and so do programs that handle the signal and then end.
const BY_SIGNAL: i32 = 128;

/// An actor that is asked to stop exits with `shutdown`, however its stop hook went about it. A process does so when it
/// ends with success, by the very signal, or with the code that stands for it.
pub(crate) fn exit_of(status: ExitStatus, told: Told) -> Exit {
    let is_asked = told.stop.is_some() || told.kill;
    match status {
        ExitStatus::Signal { signal: Signal::KILL, .. } if told.kill => Exit::Killed,
        ExitStatus::Signal { signal, .. } if told.stop == Some(signal) => Exit::Shutdown,
        ExitStatus::Signal { signal, .. } => Exit::Signal(signal.number()),
        ExitStatus::Code(0) if is_asked => Exit::Shutdown,
        ExitStatus::Code(0) => Exit::Normal,
        ExitStatus::Code(code) if told.stop.is_some_and(|stop| code == BY_SIGNAL + stop.number()) => Exit::Shutdown,
        ExitStatus::Code(code) => Exit::Code(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_and_what_it_was_told_make_the_exit() {
        let signal = |signal| ExitStatus::Signal { signal, core_dumped: false };
        let nothing = Told::default();
        let term = Told { stop: Some(Signal::TERM), kill: false };
        let int = Told { stop: Some(Signal::INT), kill: false };
        let kill = Told { stop: None, kill: true };
        let both = Told { stop: Some(Signal::TERM), kill: true };
        let rows = [
            (ExitStatus::Code(0), nothing, Exit::Normal),
            (ExitStatus::Code(0), term, Exit::Shutdown),
            (ExitStatus::Code(0), kill, Exit::Shutdown), // It was quicker than the kill.
            (ExitStatus::Code(3), nothing, Exit::Code(3)),
            (ExitStatus::Code(3), term, Exit::Code(3)),
            (ExitStatus::Code(143), nothing, Exit::Code(143)),
            (ExitStatus::Code(143), term, Exit::Shutdown),
            (ExitStatus::Code(143), int, Exit::Code(143)),
            (ExitStatus::Code(130), int, Exit::Shutdown),
            (signal(Signal::TERM), nothing, Exit::Signal(15)), // Somebody else's.
            (signal(Signal::TERM), term, Exit::Shutdown),
            (signal(Signal::TERM), both, Exit::Shutdown),
            (signal(Signal::TERM), int, Exit::Signal(15)),
            (signal(Signal::KILL), nothing, Exit::Signal(9)),
            (signal(Signal::KILL), term, Exit::Signal(9)), // Out of memory, say, while it stopped.
            (signal(Signal::KILL), kill, Exit::Killed),
            (signal(Signal::KILL), both, Exit::Killed),
            (signal(Signal::SEGV), both, Exit::Signal(11)),
            (signal(Signal::KILL), Told { stop: Some(Signal::KILL), kill: false }, Exit::Shutdown),
        ];
        for (row, (status, told, want)) in rows.into_iter().enumerate() {
            assert_eq!(exit_of(status, told), want, "row {row}: {status} after {told:?}");
        }
    }
}
