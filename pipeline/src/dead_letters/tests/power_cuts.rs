//! The power is cut after every operation there is.

use super::super::{Consent, LetterFilter, LetterLock, LetterSelection};
use super::redrive::sent;
use super::toy_disk::Left;
use super::*;

const LEFT: [Left; 2] = [Left::All, Left::Synced];

/// Letters in batches from the checkpoint on, which moves forward. An error: the power is gone.
async fn write_all(disk: &Arc<ToyDisk>, state: &TestFolder, checkpoint: &mut Option<(Value, u64)>) -> Result<(), ()> {
    // Files that several checkpoints add to.
    let bounds = LetterBounds { file: 1800, ..SMALL };
    let mut store = DeadLetterStore::new(&as_disk(disk), state.path(), bounds);
    let mut n = checkpoint.as_ref().map_or(0, |(_, n)| *n);
    store.open(checkpoint.as_ref().map(|(said, _)| said)).await.map_err(drop)?;
    while n < 14 {
        let batch = 1 + n % 3;
        store.write(&letters(n..n + batch)).await.map_err(drop)?;
        n += batch;
        if n.is_multiple_of(2) {
            *checkpoint = Some((store.prepare().await.map_err(drop)?, n));
            store.commit().await.map_err(drop)?;
        }
    }
    *checkpoint = Some((store.prepare().await.map_err(drop)?, n));
    Ok(())
}

#[tokio::test]
async fn no_letter_is_lost_or_there_twice_wherever_the_power_is_cut() {
    let mut cuts = 0;
    for left in LEFT {
        for (first, second) in (0..).flat_map(|first| [(first, 2), (first, 7), (first, 1000)]) {
            let (disk, state, mut checkpoint) = (ToyDisk::new(), TestFolder::new(), None);
            disk.cut_after(first);
            let done = write_all(&disk, &state, &mut checkpoint).await;
            let was_cut = disk.come_back(left);
            assert_eq!(done.is_err(), was_cut);
            if was_cut {
                cuts += 1;
                disk.cut_after(second);
                _ = write_all(&disk, &state, &mut checkpoint).await;
                disk.come_back(left);
                write_all(&disk, &state, &mut checkpoint).await.unwrap();
            }
            let (said, n) = checkpoint.as_ref().unwrap();
            disk.come_back(left);
            let office = office(&disk, &state, Some(said));
            let page = office.list(&LetterQuery::default()).unwrap();
            assert_eq!(page.damage, [], "{first} {second} {left:?}");
            let found: Vec<_> = page.letters.into_iter().map(|kept| (kept.id, kept.letter)).collect();
            assert_eq!(found, (0..*n).map(|n| (n, letter(n))).collect::<Vec<_>>(), "{first} {second} {left:?}");
            if !was_cut {
                break;
            }
        }
    }
    assert!(cuts > 100, "{cuts}");
}

#[tokio::test]
async fn letters_are_sent_again_all_or_none_wherever_the_power_is_cut() {
    for left in LEFT {
        let mut outcomes = [0, 0];
        for operations in 0.. {
            let (disk, state) = (ToyDisk::new(), TestFolder::new());
            let (_, said) = stored(&disk, &state, 7).await;
            let lock = LetterLock::take(state.path()).unwrap();
            let office = office(&disk, &state, Some(&said));
            office.redrive(&lock, &LetterSelection::Ids(vec![0])).unwrap();
            disk.cut_after(operations);
            let done = office.redrive(&lock, &LetterSelection::Ids(vec![1, 4, 5]));
            let was_cut = disk.come_back(left);
            let found = sent(&disk, &state, "source1").await;
            // What has had an effect stays, though the file's maker has not come to its end.
            disk.come_back(Left::Synced);
            let is_sent = found == [(1, 1), (4, 1)];
            assert!(is_sent || found.is_empty(), "{operations}: {found:?}");
            outcomes[usize::from(is_sent)] += 1;
            let rest: &[u64] = if is_sent { &[2, 3, 6] } else { &[1, 2, 3, 4, 5, 6] };
            assert_eq!(listed(&office), rest, "{operations} {left:?}");
            assert!(is_sent || done.is_err());
            if !was_cut {
                break;
            }
        }
        assert!(outcomes.iter().all(|count| *count > 1), "{outcomes:?}");
    }
}

#[tokio::test]
async fn letters_are_thrown_away_all_or_none_wherever_the_power_is_cut() {
    for left in LEFT {
        for operations in 0.. {
            let (disk, state) = (ToyDisk::new(), TestFolder::new());
            let (mut store, _) = stored(&disk, &state, 9).await;
            let lock = LetterLock::take(state.path()).unwrap();
            let said = store.prepare().await.unwrap();
            let office = office(&disk, &state, Some(&said));
            office.purge(&lock, &LetterSelection::Ids(vec![3]), Consent::Yes).unwrap();
            let older = LetterSelection::Filter(LetterFilter { before: Some(6000), ..LetterFilter::default() });
            disk.cut_after(operations);
            let done = office.purge(&lock, &older, Consent::Yes);
            let was_cut = disk.come_back(left);
            let found = listed(&office);
            let is_done = found == [6, 7, 8];
            assert!(is_done || found == [0, 1, 2, 4, 5, 6, 7, 8], "{operations} {left:?}: {found:?}");
            assert!(is_done || done.is_err());
            // What was begun is brought to its end, and nothing comes to life again.
            office.purge(&lock, &older, Consent::Yes).unwrap();
            disk.come_back(Left::Synced);
            assert_eq!(listed(&office), [6, 7, 8], "{operations} {left:?}");
            if !was_cut {
                break;
            }
        }
    }
}
