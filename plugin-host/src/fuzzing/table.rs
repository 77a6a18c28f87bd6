//! The table that a child leaves in a batch, in one portion or several.

use crate::failover_core::Why;
use crate::fuzzing::Input;
use crate::fuzzing::world::{RECORDS, Round, World};
use crate::portion::Portion;

thread_local! {
    static WORLD: World = World::new();
}

/// Records, routes and payload lengths, a byte each; then portions: a byte with the records, one that says whether a process has
/// answered, four with how many it says it has added, and its lines of 32 bytes. True: all that was answered was taken over.
pub fn table(bytes: &[u8]) -> bool {
    WORLD.with(|world| answered(world, Input(bytes)))
}

fn answered(world: &World, mut input: Input<'_>) -> bool {
    let (records, routes) = (1 + input.below(RECORDS), input.below(3));
    let lens: Vec<_> = (0..records).map(|_| input.below(40) as usize).collect();
    let mut tray = world.tray(routes, lens);
    let (mut rounds, mut first, mut all) = (Vec::new(), 0, true);
    while first < records {
        let count = 1 + input.below(records - first);
        let portion = Portion { first, count, is_suspect: false };
        first += count;
        let is_answered = input.below(8) != 7;
        let table = is_answered.then(|| {
            let emitted = u32::from_le_bytes(input.bytes());
            let mut table = world.honest(&tray, portion);
            let lines = count.saturating_add(emitted).min(RECORDS) as usize;
            // Where the input has ended, an honest child has written.
            for line in table[..lines].iter_mut().take_while(|_| !input.0.is_empty()) {
                *line = std::array::from_fn(|_| u64::from_le_bytes(input.bytes()));
            }
            world.take_over(&mut tray, portion, emitted, &table)
        });
        let table = table.flatten();
        all &= table.is_some() == is_answered;
        if table.is_none() {
            tray.set_aside(portion, Why::Poison, None);
        }
        rounds.push(Round { portion, table });
    }
    tray.settle();
    world.is_as_written(tray, &rounds);
    all
}
