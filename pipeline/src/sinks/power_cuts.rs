//! Records go from a source that replays into files, with checkpoints; the power goes at each operation there is, in turn,
//! and again while it recovers. In the end each record is in the finished files exactly once, in order.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::checkpoint::Checkpoint;
use crate::checkpoint_store::CheckpointStore;
use crate::disk::Disk;
use crate::faulty_disk::FaultyDisk;
use crate::random::Random;
use crate::sink::{Sink, SinkSpec};
use crate::sinks::RollingFiles;
use crate::sinks::rolling_files::tests::{numbers, write};

const RECORDS: u64 = 40;
const CHUNK: u64 = 3;

/// Why a program ended before its work was done.
#[derive(Debug)]
struct Died;

/// One to four chunks between checkpoints: so of these files some are full between two checkpoints, some at one, and some
/// grow over several.
const ROLLS: [u64; 3] = [11, 20, 64];

/// Tries again what fails in passing, as a pipeline does; gives up where it would stop, or when the power is gone.
macro_rules! persist {
    ($disk:expr, $attempt:expr) => {{
        let mut tries = 0;
        loop {
            match $attempt {
                Ok(done) => break done,
                Err(_) if $disk.is_off() => return Err(Died),
                Err(trouble) if trouble.is_final() => return Err(Died),
                Err(trouble) => {
                    tries += 1;
                    assert!(tries < 5, "it does not pass: {trouble}");
                }
            }
        }
    }};
}

/// One life of the program: from the last checkpoint to the end.
async fn live(disk: &FaultyDisk, roll: u64) -> Result<(), Died> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = CheckpointStore::new(shared.clone(), "state");
    let last = match store.load() {
        Err(_) if disk.is_off() => return Err(Died),
        // One that fails once; a damaged one would fail again.
        loaded => loaded.or_else(|_| store.load()).unwrap(),
    };
    let mut next = last.as_ref().map_or(0, |last| last.sources["numbers"].as_u64().unwrap());
    let mut number = last.as_ref().map_or(0, |last| last.number);
    let from = last.as_ref().map(|last| &last.sinks["files"]);
    let mut sink = RollingFiles::new("out").roll_bytes(roll).make(&shared);
    persist!(disk, sink.open(from).await);
    while next < RECORDS {
        for _ in 0..=number % 4 {
            let end = (next + CHUNK).min(RECORDS);
            persist!(disk, write(&mut *sink, &numbers(next..end)).await);
            next = end;
        }
        number += 1;
        take_checkpoint(disk, &store, &mut *sink, number, next).await?;
    }
    persist!(disk, sink.close().await);
    Ok(())
}

async fn take_checkpoint(
    disk: &FaultyDisk,
    store: &CheckpointStore,
    sink: &mut dyn Sink,
    number: u64,
    next: u64,
) -> Result<(), Died> {
    let prepared = persist!(disk, sink.prepare().await);
    let checkpoint = Checkpoint {
        number,
        pipeline: "test".to_owned(),
        sources: [("numbers".to_owned(), json!(next))].into(),
        absent: BTreeMap::new(),
        stages: BTreeMap::new(),
        sinks: [("files".to_owned(), prepared)].into(),
        dead_letters: Value::Null,
        taken: 0,
    };
    if store.save(&checkpoint).is_err() {
        if disk.is_off() {
            return Err(Died);
        }
        store.save(&checkpoint).map_err(|_| Died)?;
    }
    persist!(disk, sink.commit().await);
    Ok(())
}

/// Lives until the work is done, then cuts the power once more: finished files must be there for good.
fn prove(roll: u64, disk: &FaultyDisk, seed: u64, restart: impl Fn(&FaultyDisk, u64), what: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut lives = 0;
    while runtime.block_on(live(disk, roll)).is_err() {
        lives += 1;
        assert!(lives < 5, "{what}: it dies again and again");
        restart(disk, seed + lives);
    }
    disk.restart(seed);
    let mut found = String::new();
    for path in disk.list(Path::new("out")).unwrap() {
        let name = path.to_str().unwrap();
        if name.ends_with(".jsonl") {
            found.push_str(&String::from_utf8_lossy(&disk.read(&path).unwrap()));
        } else {
            assert!(name.ends_with(".left"), "{what}: {name}");
        }
    }
    let want: String = (0..RECORDS).map(|number| format!("{number}\n")).collect();
    assert_eq!(found, want, "{what}\n{}", disk.log().join("\n"));
}

/// The operations of a life without faults.
fn operations(roll: u64) -> u64 {
    let disk = FaultyDisk::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(live(&disk, roll)).unwrap();
    disk.operations()
}

#[test]
fn the_power_goes_at_each_operation_and_each_record_is_there_once() {
    for roll in ROLLS {
        let all = operations(roll);
        assert!(all > 50, "{all}");
        for cut in 1..=all {
            for seed in 0..12 {
                let disk = FaultyDisk::new();
                disk.cut_power_at(cut);
                let what = format!("files of {roll}, cut at {cut}, seed {seed}");
                prove(roll, &disk, seed * 1000, FaultyDisk::restart, &what);
            }
        }
    }
}

#[test]
fn the_power_goes_again_while_it_recovers_and_each_record_is_there_once() {
    for roll in ROLLS {
        for cut in 1..=operations(roll) {
            for again in 1..=16 {
                let disk = FaultyDisk::new();
                disk.cut_power_at(cut);
                let restart = |disk: &FaultyDisk, seed: u64| {
                    disk.restart(seed);
                    if seed % 1000 == 1 {
                        disk.cut_power_at(disk.operations() + again);
                    }
                };
                let seed = Random::new(cut * 100 + again).below(1000) * 1000;
                let what = format!("files of {roll}, cut at {cut} and {again} behind it, seed {seed}");
                prove(roll, &disk, seed, restart, &what);
            }
        }
    }
}

/// Killed, not cut off from power: what was not synced is still there, which hides less than one might think.
#[test]
fn the_program_is_killed_at_each_operation_and_each_record_is_there_once() {
    for roll in ROLLS {
        for cut in 1..=operations(roll) {
            let disk = FaultyDisk::new();
            disk.cut_power_at(cut);
            prove(roll, &disk, cut, |disk, _| disk.revive(), &format!("files of {roll}, killed at {cut}"));
        }
    }
}

#[test]
fn each_operation_fails_once_and_each_record_is_there_once() {
    for roll in ROLLS {
        for kind in [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::Other] {
            for nth in 1..=operations(roll) {
                let disk = FaultyDisk::new();
                disk.fail_at(nth, kind);
                // Where it stops, it is started again on the same, living disk.
                prove(roll, &disk, nth, |_, _| (), &format!("files of {roll}, {kind} at operation {nth}"));
            }
        }
    }
}
