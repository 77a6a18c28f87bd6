//! Looking at letters, throwing them away, damage.

use super::super::{Consent, Fate, LetterError, LetterFilter, LetterLock, LetterSelection};
use super::*;

fn ids(office: &LetterOffice, query: &LetterQuery) -> Vec<u64> {
    office.list(query).unwrap().letters.iter().map(|kept| kept.id).collect()
}

#[tokio::test]
async fn a_list_takes_what_its_filter_takes() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 14).await;
    let office = office(&disk, &state, Some(&said));
    let with = |filter| LetterQuery { filter, ..LetterQuery::default() };
    assert_eq!(
        ids(&office, &with(LetterFilter { part: Some("odd".to_owned()), ..LetterFilter::default() })),
        [1, 3, 5, 7, 9, 11, 13]
    );
    assert_eq!(ids(&office, &with(LetterFilter { class: Some(Class::Poison), ..LetterFilter::default() })), [2, 8]);
    assert_eq!(ids(&office, &with(LetterFilter { since: Some(11_000), ..LetterFilter::default() })), [11, 12, 13]);
    let both = LetterFilter { part: Some("even".to_owned()), since: Some(3_000), before: Some(8_000), class: None };
    assert_eq!(ids(&office, &with(both)), [4, 6]);
}

#[tokio::test]
async fn pages_go_back_from_the_newest_which_comes_last() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 13).await;
    let office = office(&disk, &state, Some(&said));
    let (mut below, mut pages) = (None, Vec::new());
    loop {
        let page = office.list(&LetterQuery { limit: 4, below, ..LetterQuery::default() }).unwrap();
        below = page.letters.first().map(|kept| kept.id);
        pages.push(page.letters.iter().map(|kept| kept.id).collect::<Vec<_>>());
        if !page.has_older {
            break;
        }
    }
    assert_eq!(pages, [vec![9, 10, 11, 12], vec![5, 6, 7, 8], vec![1, 2, 3, 4], vec![0]]);
    let exact = office.list(&LetterQuery { limit: 13, ..LetterQuery::default() }).unwrap();
    assert!(!exact.has_older);
}

#[tokio::test]
async fn nothing_is_thrown_away_without_consent_or_by_a_wrong_number() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 5).await;
    let office = office(&disk, &state, Some(&said));
    let lock = LetterLock::take(state.path()).unwrap();
    let all = LetterSelection::Filter(LetterFilter::default());
    let refused = office.purge(&lock, &all, Consent::Missing).unwrap_err();
    assert!(matches!(refused, LetterError::Unconfirmed { letters: 5 }), "{refused}");
    assert!(refused.to_string().contains("`--yes`"));
    for refused in [
        office.purge(&lock, &LetterSelection::Ids(vec![1, 5, 77]), Consent::Yes).unwrap_err(),
        office.redrive(&lock, &LetterSelection::Ids(vec![77, 5, 1])).unwrap_err(),
    ] {
        assert!(refused.to_string().starts_with("there is no dead letter 5, 77; nothing was done"), "{refused}");
    }
    assert!(matches!(office.show(5), Err(LetterError::NoSuch { .. })));
    assert_eq!(listed(&office), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_file_goes_with_its_last_letter_and_its_marks_go_with_it() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 6).await;
    let files = disk.names();
    assert_eq!(files.len(), 3, "two letters a file: {files:?}");
    let office = office(&disk, &state, Some(&said));
    let lock = LetterLock::take(state.path()).unwrap();
    let purge = |ids: &[u64]| office.purge(&lock, &LetterSelection::Ids(ids.to_vec()), Consent::Yes).unwrap();

    let done = purge(&[0]);
    assert_eq!((done.letters, done.removed), (1, vec![]));
    assert_eq!(office.show(0).unwrap().fate, Fate::Purged);
    let done = purge(&[0, 1]);
    assert_eq!((done.letters, done.left, done.removed.len()), (1, vec![0], 1));
    assert!(matches!(office.show(1), Err(LetterError::NoSuch { .. })));
    assert_eq!(disk.names(), files[1..], "no mark is needed any more");

    // The pipeline is writing the last file.
    assert_eq!(purge(&[4, 5]).removed.len(), 0);
    assert_eq!(listed(&office), [2, 3]);
    let with_all = LetterQuery { all: true, ..LetterQuery::default() };
    assert_eq!(ids(&office, &with_all), [2, 3, 4, 5]);
    assert_eq!(purge(&[2, 3]).removed.len(), 1);
    assert_eq!(ids(&office, &with_all), [4, 5]);
}

#[tokio::test]
async fn a_mark_of_a_letter_that_an_older_checkpoint_does_not_name_stays() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (mut store, old) = stored(&disk, &state, 4).await;
    store.write(&letters(4..8)).await.unwrap();
    let new = store.prepare().await.unwrap();
    let lock = LetterLock::take(state.path()).unwrap();
    office(&disk, &state, Some(&new)).purge(&lock, &LetterSelection::Ids(vec![6]), Consent::Yes).unwrap();
    for said in [Some(&old), None] {
        office(&disk, &state, said)
            .purge(&lock, &LetterSelection::Filter(LetterFilter::default()), Consent::Yes)
            .unwrap();
    }
    assert_eq!(listed(&office(&disk, &state, Some(&new))), [4, 5, 7]);
}

#[tokio::test]
async fn damage_is_named_with_its_place_and_the_rest_stays_readable() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 6).await;
    let folder = state.path().join("dead_letters");
    let files = disk.names();
    disk.change(&folder.join(&files[0]), |text| {
        // A number that has become a word, of the same length.
        let at = text.windows(14).position(|window| window == b"\"attempts\":1,\"").unwrap();
        text[at + 11] = b'x';
    });
    disk.change(&folder.join(&files[2]), |text| text.truncate(text.len() - 10));
    disk.put(&folder.join("notes.txt"), b"what is this");
    let office = office(&disk, &state, Some(&said));
    let page = office.list(&LetterQuery::default()).unwrap();
    assert_eq!(page.letters.iter().map(|kept| kept.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let damage: Vec<_> = page.damage.iter().map(ToString::to_string).collect();
    let of = |what: &str| damage.iter().filter(|text| text.contains(what)).count();
    assert_eq!(damage.len(), 4, "{damage:#?}");
    assert_eq!(of("notes.txt: this is no file of dead letters"), 1);
    assert_eq!(of(&format!("{}:1: expected value at line 1 column", files[0])), 1, "{damage:#?}");
    assert_eq!(of(&format!("{}:2: the line ends after", files[2])), 1);
    assert_eq!(of(&format!("{}: it has ", files[2])), 1);
    assert_eq!(page.damage[0].line, None);

    let missing = office.show(0).unwrap_err().to_string();
    assert!(missing.contains(&format!("{}:1", files[0])), "{missing}");
    // What cannot be read is not thrown away with the rest.
    let lock = LetterLock::take(state.path()).unwrap();
    let done = office.purge(&lock, &LetterSelection::Filter(LetterFilter::default()), Consent::Yes).unwrap();
    assert_eq!((done.letters, done.damage.len()), (4, 4));
    assert_eq!(done.removed, [folder.join(&files[1])]);
}

#[tokio::test]
async fn a_half_line_behind_the_checkpoint_is_no_damage() {
    let (disk, state) = (ToyDisk::new(), TestFolder::new());
    let (_, said) = stored(&disk, &state, 3).await;
    let last = disk.names().pop().unwrap();
    disk.change(&state.path().join("dead_letters").join(last), |text| text.extend_from_slice(b"{\"id\":3,\"pa"));
    assert_eq!(listed(&office(&disk, &state, Some(&said))), [0, 1, 2]);
}

#[test]
fn a_checkpoint_that_says_something_else_is_refused() {
    let committed = CommittedLetters { letters: Some(Value::from("x")), ..CommittedLetters::default() };
    let refused = LetterOffice::new(&as_disk(&ToyDisk::new()), "state", &committed).unwrap_err();
    assert!(matches!(refused, LetterError::Checkpoint { .. }));
}
