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
use crate::faulty_disk::{FaultyDisk, Random};
use crate::sink::{Sink, SinkSpec};
use crate::sinks::RollingFiles;
use crate::sinks::rolling_files::tests::{numbers, write};

const RECORDS: u64 = 40;
const CHUNK: u64 = 3;

/// Why a program ended before its work was done.
#[derive(Debug)]
struct Died;

/// Two chunks of records between checkpoints, and files that are full both at checkpoints and between them.
fn files() -> RollingFiles {
    RollingFiles::new("out").roll_bytes(11)
}

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
async fn live(disk: &FaultyDisk) -> Result<(), Died> {
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
    let mut sink = files().make(&shared);
    persist!(disk, sink.open(from).await);
    while next < RECORDS {
        for _ in 0..2 {
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
fn prove(disk: &FaultyDisk, seed: u64, restart: impl Fn(&FaultyDisk, u64), what: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut lives = 0;
    while runtime.block_on(live(disk)).is_err() {
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
fn operations() -> u64 {
    let disk = FaultyDisk::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(live(&disk)).unwrap();
    disk.operations()
}

#[test]
fn the_power_goes_at_each_operation_and_each_record_is_there_once() {
    let all = operations();
    assert!(all > 80, "{all}");
    for cut in 1..=all {
        for seed in 0..12 {
            let disk = FaultyDisk::new();
            disk.cut_power_at(cut);
            prove(&disk, seed * 1000, FaultyDisk::restart, &format!("cut at {cut}, seed {seed}"));
        }
    }
}

#[test]
fn the_power_goes_again_while_it_recovers_and_each_record_is_there_once() {
    for cut in 1..=operations() {
        for again in 1..=12 {
            let disk = FaultyDisk::new();
            disk.cut_power_at(cut);
            let restart = |disk: &FaultyDisk, seed: u64| {
                disk.restart(seed);
                if seed % 1000 == 1 {
                    disk.cut_power_at(disk.operations() + again);
                }
            };
            let seed = Random::new(cut * 100 + again).below(1000) as u64 * 1000;
            prove(&disk, seed, restart, &format!("cut at {cut} and {again} behind it, seed {seed}"));
        }
    }
}

#[test]
fn each_operation_fails_once_and_each_record_is_there_once() {
    for kind in [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::Other] {
        for nth in 1..=operations() {
            let disk = FaultyDisk::new();
            disk.fail_at(nth, kind);
            // Where it stops, it is started again on the same, living disk.
            prove(&disk, nth, |_, _| (), &format!("{kind} at operation {nth}"));
        }
    }
}
