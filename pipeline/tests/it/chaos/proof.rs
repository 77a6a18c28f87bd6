//! What must have come out, computed anew from what went in, and compared with what lies in the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proscenium_pipeline::{
    CheckpointStore, Class, CommittedLetters, Disk, KeptLetter, LetterOffice, LetterQuery, RealDisk,
};

use super::parts::key;
use crate::flow::lines;

/// All dead letters of a state folder.
pub fn letters(state: &Path) -> Vec<KeptLetter> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let checkpoint = CheckpointStore::new(disk.clone(), state).load().unwrap().expect("there is a checkpoint");
    let committed = CommittedLetters { letters: Some(checkpoint.dead_letters), ..CommittedLetters::default() };
    let office = LetterOffice::new(&disk, state, &committed).unwrap();
    let page = office.list(&LetterQuery { all: true, limit: usize::MAX, ..LetterQuery::default() }).unwrap();
    assert!(page.damage.is_empty(), "{:?}", page.damage);
    page.letters
}

/// Where a record with this word becomes a dead letter, if it does.
fn end_of(word: &str) -> Option<(&'static str, Class)> {
    match word {
        "poison" => Some(("stamp", Class::Poison)),
        "bad" => Some(("stamp", Class::Failed)),
        "panic" => Some(("picky", Class::Poison)),
        "lost" => Some(("split", Class::Unroutable)),
        _ => None,
    }
}

/// What each sink must have for each key, in order: the number of the record, and what was made of it.
type Sorted = BTreeMap<(&'static str, String), Vec<(u64, String)>>;

fn expected(records: u64, special: &BTreeMap<u64, &'static str>) -> (Sorted, BTreeMap<u64, (&'static str, Class)>) {
    let (mut sorted, mut dead) = (Sorted::new(), BTreeMap::new());
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for n in 0..records {
        let word = special.get(&n).copied().unwrap_or("usual");
        let end = end_of(word);
        dead.extend(end.map(|end| (n, end)));
        if end.is_some_and(|(part, _)| part != "split") {
            continue;
        }
        let (count, sum) = sums.entry(key(n)).or_default();
        (*count, *sum) = (*count + 1, *sum + n);
        if end.is_none() {
            let sink = if n % 3 == 0 { "third" } else { "main" };
            let made = format!("{word} {} {count} {sum}", 3 * n);
            sorted.entry((sink, key(n))).or_default().push((n, made));
        }
    }
    (sorted, dead)
}

/// The number, what must be there, and whether the plugin's stamp is one of its own.
fn read(line: &str) -> (u64, String) {
    let words: Vec<&str> = line.split(' ').collect();
    let [n, word, stamp, tripled, count, sum] = words[..] else { panic!("what is {line:?}?") };
    assert!(["one", "two"].iter().any(|version| stamp.starts_with(version)), "{line}");
    (n.parse().unwrap(), format!("{word} {tripled} {count} {sum}"))
}

/// What there was, for people. Panics with the first difference.
pub fn check(folder: &Path, records: u64, special: &BTreeMap<u64, &'static str>) -> String {
    let (expected, dead) = expected(records, special);
    let (mut found, mut written) = (Sorted::new(), 0_u64);
    for sink in ["main", "third"] {
        for line in lines(&folder.join(sink)) {
            let (n, made) = read(&line);
            found.entry((sink, key(n))).or_default().push((n, made));
            written += 1;
        }
        let names: Vec<_> = std::fs::read_dir(folder.join(sink)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(names.iter().all(|path| path.extension().is_some_and(|end| end == "jsonl")), "{names:?}");
    }
    for (of, expected) in &expected {
        let found = found.get(of).map_or(&[][..], Vec::as_slice);
        if let Some(nth) = (0..expected.len().max(found.len())).find(|nth| expected.get(*nth) != found.get(*nth)) {
            panic!(
                "{of:?}, at {nth}: expected {:?}, found {:?}; {} expected in all, {} found",
                &expected[nth..expected.len().min(nth + 3)],
                &found[nth.min(found.len())..found.len().min(nth + 3)],
                expected.len(),
                found.len(),
            );
        }
    }
    assert_eq!(found.len(), expected.len());
    let mut kept = BTreeMap::new();
    for KeptLetter { letter, .. } in letters(&folder.join("state")) {
        let n = letter.record.id;
        let original = format!("{n} {}", special.get(&n).copied().unwrap_or("usual"));
        assert_eq!(String::from_utf8_lossy(&letter.record.payload), original);
        let of = (letter.part.clone(), letter.class);
        assert!(kept.insert(n, of).is_none(), "the letter of {n} is there twice");
    }
    let dead: BTreeMap<u64, (String, Class)> =
        dead.into_iter().map(|(n, (part, class))| (n, (part.to_owned(), class))).collect();
    assert_eq!(kept, dead);
    assert_eq!(written + kept.len() as u64, records);
    format!("{records} records, {written} written, {} dead letters: 0 lost, 0 doubled, in order by key", kept.len())
}
