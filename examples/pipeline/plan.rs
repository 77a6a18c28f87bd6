//! Which faults there are, and when: all of it follows from the seed.

use crate::random::Random;
use crate::shape::{PLUGINS, SINKS, STAGES};

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A signal to a plugin's process, as its own bug would raise it.
    Segv,
    /// A plugin's process stops where it is.
    Freeze,
    /// `kill -9` from outside.
    Kill,
    /// The actor of a part is killed in the middle of what it does.
    Actor,
    Swap,
    BrokenSwap,
    Checkpoint,
    Scale,
    Pause,
}

pub struct Planned {
    /// When so many records are through.
    pub at: u64,
    pub fault: Fault,
    pub part: &'static str,
}

pub fn plan(records: u64, random: &mut Random) -> Vec<Planned> {
    let (mut plugins, mut stages, mut sinks) = (PLUGINS, STAGES, SINKS);
    random.shuffle(&mut plugins);
    random.shuffle(&mut stages);
    random.shuffle(&mut sinks);
    let mut faults = [
        (Fault::Segv, plugins[0]),
        (Fault::Freeze, plugins[1]),
        (Fault::Kill, plugins[2]),
        (Fault::Actor, stages[0]),
        (Fault::Actor, stages[1]),
        (Fault::Actor, sinks[0]),
        (Fault::Actor, "orders"),
        (Fault::Swap, "scoring"),
        (Fault::BrokenSwap, "scoring"),
        (Fault::Checkpoint, "files"),
        (Fault::Scale, "totals"),
        (Fault::Pause, "files"),
    ];
    random.shuffle(&mut faults);
    // One in each twelfth of what lies between 4 % and 60 %.
    let step = records * 56 / 100 / faults.len() as u64;
    let planned = faults.into_iter().enumerate().map(|(nth, (fault, part))| {
        let at = records * 4 / 100 + step * nth as u64 + random.below(step.max(1));
        Planned { at, fault, part }
    });
    planned.collect()
}
