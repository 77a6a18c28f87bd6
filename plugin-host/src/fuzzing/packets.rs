//! What a child says on the control socket, and its last word: as the host reads, shows and tells it.

use proscenium_plugin_runner::wire::{self, Heard, LONGEST, LastWord, Tell};
use proscenium_runtime::Exit;

use crate::end::{Class, EndReport};
use crate::fuzzing::is_clean;
use crate::refusals::Refusals;
use crate::start_error::StartError;
use crate::swap::SwapError;

/// Bytes of a line, and of a name, as they came; a character that is escaped is up to six times as long.
const LINE: usize = 6 * (8 << 10);
const NAME: usize = 6 * 128;

/// A packet, which is as long as the host's buffer at most. True: it is a message.
pub fn packet(bytes: &[u8]) -> bool {
    let Ok(heard) = wire::heard(&bytes[..bytes.len().min(LONGEST)]) else { return false };
    match heard {
        Heard::LastWord(word) => ends_with(word),
        Heard::Tell(tell) => {
            is_short(&tell);
            is_told(&tell);
            is_the_same_again(&tell);
        }
        Heard::OtherBuild => {}
    }
    true
}

/// What a signal handler leaves behind the first byte.
pub fn last_word(bytes: &[u8]) -> bool {
    packet(&[&[0xC1], bytes].concat())
}

fn is_short(tell: &Tell) {
    match tell {
        Tell::Log { text, .. } | Tell::Fail(text) | Tell::StateRefused { text, .. } => {
            assert!(is_clean(text) && text.len() <= LINE);
        }
        Tell::Failed(failed) => assert!(is_clean(&failed.text) && failed.text.len() <= LINE),
        Tell::Count { name, .. } | Tell::Gauge { name, .. } => assert!(is_clean(name) && name.len() <= NAME),
        // What a plugin says of itself stays as it is.
        Tell::Info(info) => {
            assert!(info.iter().all(|(name, text)| is_clean(name) && name.len() <= NAME && text.len() <= LONGEST));
        }
        Tell::Learned(list) => assert!(list.lines().all(|line| is_clean(line) && line.len() <= LINE)),
        Tell::Walls(_)
        | Tell::Ready(_)
        | Tell::Exported { .. }
        | Tell::Imported
        | Tell::Measured(_)
        | Tell::Stopped => {}
    }
}

/// As errors and lists have it.
fn is_told(tell: &Tell) {
    match tell {
        Tell::Failed(failed) => {
            let error = StartError::Refused { failed: failed.clone(), said: failed.text.clone() };
            assert!(is_clean(&error.to_string()) && error.to_string().len() <= 2 * LINE + 200);
            assert!(!error.class().is_empty() && (error.is_final() || !error.is_final()));
        }
        Tell::StateRefused { code, text } => {
            let error = SwapError::StateRefused { by: "export_state", code: *code, text: text.clone() };
            assert!(is_clean(&error.to_string()));
        }
        Tell::Learned(list) => {
            let refusals = Refusals::new();
            for pid in 0..100 {
                refusals.note(pid, list.clone());
            }
            assert!(refusals.to_string().len() <= list.len() + 1 && !refusals.is_empty(), "once, as it is the same");
        }
        Tell::Walls(report) => assert!(report.to_string().lines().count() >= report.0.len()),
        _ => {}
    }
}

/// What is short says the same when it is said again.
fn is_the_same_again(tell: &Tell) {
    let Ok(bytes) = wire::encode(tell) else { return };
    let again = wire::heard(&bytes).expect("what was read can be read again");
    // An empty line at the end of a list goes.
    if bytes.len() < 128 && !matches!(tell, Tell::Learned(_)) {
        assert_eq!(format!("{again:?}"), format!("{:?}", Heard::Tell(tell.clone())));
    }
}

/// In the report, whichever signal the process has ended by, and whatever it said of it.
fn ends_with(word: LastWord) {
    assert!(is_clean(&word.symbol) && word.symbol.len() <= NAME);
    for (signal, pid) in [(word.signal, word.address as u32), (word.signal, 77), (9, 77), (11, 77), (15, 77)] {
        let class = Class::of_signal(signal, Some(&word), pid);
        assert!(matches!(class, Class::Crash(of) | Class::Killed(of) if of == signal));
        assert!(![9, 15].contains(&signal) || !class.is_of_a_record(), "who was killed is to blame for nothing");
        let report = std::sync::Arc::new(EndReport {
            plugin: "fuzz".into(),
            class,
            phase: word.phase,
            pid,
            batch: Some(word.at),
            attempt: word.code as u32,
            record: Some(word.address),
            note: word.at,
            last_word: Some(word.clone()),
            memory: None,
            tasks_refused: 0,
            text: word.symbol.clone(),
        });
        assert!(is_clean(&report.to_string()) && report.to_string().len() <= 2 * NAME + 300);
        assert!(matches!(report.exit(), Exit::Signal(of) if of == signal));
    }
}
