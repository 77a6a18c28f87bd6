//! The store's own: rolling, bounds, errors, what it finds when it is opened.

use super::*;

#[tokio::test]
async fn letters_come_back_as_they_were_from_several_files() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_store, said) = stored(&disk, &state, 12).await;
    let files = disk.names();
    assert!(files.len() >= 4, "{files:?}");
    assert_eq!(files[0], "00000000000000000000.jsonl");
    let office = office(&disk, &state, Some(&said));
    let page = office.list(&LetterQuery::default()).unwrap();
    let found: Vec<_> = page.letters.iter().map(|kept| (kept.id, kept.letter.clone())).collect();
    assert_eq!(found, (0..12).map(|n| (n, letter(n))).collect::<Vec<_>>());
    assert_eq!(office.show(7).unwrap().letter, letter(7));
}

#[tokio::test]
async fn at_the_limit_it_waits_until_room_is_made() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), LetterBounds { file: 600, all: 2400 });
    store.open(None).await.unwrap();
    let mut count = 0;
    let full = loop {
        match store.write(&letters(count..count + 1)).await {
            Ok(()) => count += 1,
            Err(trouble) => break trouble,
        }
        assert!(count < 100, "there is no limit");
    };
    assert!(!full.is_final());
    assert!(full.to_string().contains("over the limit of 2400") && full.to_string().contains("purge"), "{full}");
    let written: u64 = disk
        .names()
        .iter()
        .map(|name| disk.read(&state.path().join("dead_letters").join(name)).unwrap().len() as u64)
        .sum();
    assert!(written <= 2400 && written > 1800, "{written}");

    let said = store.prepare().await.unwrap();
    let lock = super::super::LetterLock::take(state.path()).unwrap();
    let office = office(&disk, &state, Some(&said));
    let oldest = super::super::LetterSelection::Ids(vec![0, 1, 2]);
    assert!(!office.purge(&lock, &oldest, super::super::Consent::Yes).unwrap().removed.is_empty());
    store.write(&letters(count..count + 1)).await.unwrap();
}

#[tokio::test]
async fn a_letter_that_is_larger_than_the_limit_is_taken_alone() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), LetterBounds { file: 10, all: 100 });
    store.open(None).await.unwrap();
    store.write(&letters(0..1)).await.unwrap();
    assert!(!store.write(&letters(1..2)).await.unwrap_err().is_final());
}

#[tokio::test]
async fn a_disk_that_is_full_leaves_nothing_of_a_letter_behind() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (mut store, _) = stored(&disk, &state, 2).await;
    disk.fail_writes(true);
    for _ in 0..3 {
        assert!(!store.write(&letters(2..4)).await.unwrap_err().is_final());
    }
    disk.fail_writes(false);
    store.write(&letters(2..4)).await.unwrap();
    let said = store.prepare().await.unwrap();
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [0, 1, 2, 3]);
}

#[tokio::test]
async fn what_no_checkpoint_names_is_not_seen_and_goes_when_it_is_opened() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (mut store, said) = stored(&disk, &state, 3).await;
    store.write(&letters(3..9)).await.unwrap();
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [0, 1, 2]);
    assert_eq!(listed(&office(&disk, &state, None)), [0_u64; 0]);

    let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), SMALL);
    store.open(Some(&said)).await.unwrap();
    assert_eq!(disk.names().len(), 2);
    store.write(&letters(3..4)).await.unwrap();
    let said = store.prepare().await.unwrap();
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [0, 1, 2, 3]);

    let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), SMALL);
    store.open(None).await.unwrap();
    assert_eq!(disk.names(), [""; 0]);
}

#[tokio::test]
async fn a_life_without_a_checkpoint_begins_behind_the_numbers_that_marks_speak_of() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 3).await;
    let lock = super::super::LetterLock::take(state.path()).unwrap();
    office(&disk, &state, Some(&said)).redrive(&lock, &super::super::LetterSelection::Ids(vec![1])).unwrap();
    let (_, said) = stored(&disk, &state, 2).await;
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [2, 3]);
}

#[tokio::test]
async fn a_life_without_a_checkpoint_sends_nothing_again_that_an_earlier_one_was_asked_for() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let redriven = |id: u64, said: &Value| {
        let lock = super::super::LetterLock::take(state.path()).unwrap();
        office(&disk, &state, Some(said)).redrive(&lock, &super::super::LetterSelection::Ids(vec![id])).unwrap()
    };
    let (_, said) = stored(&disk, &state, 3).await;
    redriven(0, &said);
    redriven(1, &said);
    let sent = async |name: &str| super::redrive::sent(&disk, &state, name).await;
    assert_eq!((sent("source0").await, sent("source1").await), (vec![(0, 1)], vec![(1, 1)]));
    let (_, said) = stored(&disk, &state, 3).await;
    assert_eq!((sent("source0").await, sent("source1").await), (vec![], vec![]));
    // Of each life the files stay, and what is asked for in this one is sent.
    let first = listed(&office(&disk, &state, Some(&said)))[0];
    redriven(first, &said);
    assert_eq!(sent("source0").await, [(0, 1)]);
    stored(&disk, &state, 3).await;
    assert_eq!(sent("source0").await, []);
    let left = disk.list(&state.path().join("redrive")).unwrap();
    let names: Vec<_> = left.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["0000000000.jsonl.left", "0000000001.jsonl.left", "0000000002.jsonl.left"]);
}

#[tokio::test]
async fn files_that_were_removed_by_hand_are_no_obstacle_and_a_short_one_is() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 3).await;
    let last = state.path().join("dead_letters").join(disk.names().last().unwrap());
    let text = disk.read(&last).unwrap();
    disk.change(&last, |bytes| bytes.truncate(5));
    let mut store = DeadLetterStore::new(&as_disk(&disk), state.path(), SMALL);
    let trouble = store.open(Some(&said)).await.unwrap_err();
    assert!(trouble.to_string().contains(last.to_str().unwrap()), "{trouble}");
    disk.change(&last, |bytes| *bytes = text);
    for name in disk.names() {
        disk.remove(&state.path().join("dead_letters").join(name)).unwrap();
    }
    store.open(Some(&said)).await.unwrap();
    store.write(&letters(3..4)).await.unwrap();
    let said = store.prepare().await.unwrap();
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [3]);
    assert!(store.open(Some(&Value::Bool(true))).await.unwrap_err().is_final());
}
