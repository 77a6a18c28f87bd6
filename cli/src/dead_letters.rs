//! What a pipeline could not process, looked at and sent again, while it runs or not.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proscenium::pipeline::{
    CheckpointStore, CommittedLetters, Consent, Disk, LetterFilter, LetterLock, LetterOffice, LetterQuery,
    LetterSelection, RealDisk, letter_table, letter_text,
};

use crate::control::state;
use crate::pipeline_command::{LetterCommand, Letters, Which};

/// # Errors
/// Why nothing, or not all, was done.
pub fn run(letters: &Letters) -> Result<(), String> {
    let state = state(letters.state.as_deref())?;
    let office = office(&state)?;
    let lock = || LetterLock::take(&state).map_err(|why| why.to_string());
    let which = &letters.which;
    match &letters.what {
        LetterCommand::List { limit, below } => {
            let query = LetterQuery { filter: filter(which), all: which.all, limit: *limit, below: *below };
            let page = office.list(&query).map_err(|why| why.to_string())?;
            print!("{}", letter_table(&page));
        }
        LetterCommand::Show(id) => print!("{}", letter_text(&office.show(*id).map_err(|why| why.to_string())?)),
        LetterCommand::Redrive => {
            let done = office.redrive(&lock()?, &selection(which)).map_err(|why| why.to_string())?;
            println!("{} letters are sent again: at once if the pipeline runs, else when it starts", done.letters);
            left(&done.left);
            for (source, letters) in &done.sourceless {
                println!(
                    "left alone: {letters} letters of `{source}`, a source that the pipeline did not have at its last \
                     checkpoint; send them when it has one of that name"
                );
            }
            damage(&done.damage)?;
        }
        LetterCommand::Purge { is_meant } => {
            let consent = if *is_meant { Consent::Yes } else { Consent::Missing };
            let done = office.purge(&lock()?, &selection(which), consent).map_err(|why| why.to_string())?;
            println!("{} letters are thrown away, {} files removed", done.letters, done.removed.len());
            left(&done.left);
            damage(&done.damage)?;
        }
    }
    Ok(())
}

fn left(ids: &[u64]) {
    if !ids.is_empty() {
        let ids: Vec<_> = ids.iter().map(u64::to_string).collect();
        println!("left alone, as they were sent again or thrown away before: {}", ids.join(", "));
    }
}

fn damage(damage: &[proscenium::pipeline::Damage]) -> Result<(), String> {
    let lines: Vec<_> = damage.iter().map(|damage| format!("cannot be read: {damage}")).collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}

/// The letters as the last checkpoint names them.
fn office(state: &Path) -> Result<LetterOffice, String> {
    if !state.is_dir() {
        return Err(format!("{}: there is no such folder; name the state of a pipeline", state.display()));
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let checkpoint = CheckpointStore::new(disk.clone(), state).load().map_err(|why| why.to_string())?;
    let committed = checkpoint.map_or_else(CommittedLetters::default, |checkpoint| CommittedLetters::of(&checkpoint));
    LetterOffice::new(&disk, state, &committed).map_err(|why| why.to_string())
}

fn filter(which: &Which) -> LetterFilter {
    LetterFilter {
        part: which.part.clone(),
        class: which.class,
        since: which.since.map(ago),
        before: which.older_than.map(ago),
    }
}

fn selection(which: &Which) -> LetterSelection {
    if which.ids.is_empty() { LetterSelection::Filter(filter(which)) } else { LetterSelection::Ids(which.ids.clone()) }
}

/// Milliseconds since 1970, so long ago.
fn ago(age: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(u64::MAX)
}
