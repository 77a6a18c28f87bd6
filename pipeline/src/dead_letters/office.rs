//! Looking after dead letters: beside the pipeline, or without it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::letter_error::LetterError;
use super::lock::LetterLock;
use super::marks::{self, Marked, Marks, PURGED, REDRIVE, mark_file};
use super::redrive_source::{REDRIVEN, REDRIVES, first_unread};
use super::selection::{Consent, Fate, KeptLetter, LetterPage, LetterQuery, LetterSelection, Purged, Redriven};
use super::standing::{Damage, Standing, letters_file, letters_folder, lines, number_of};
use super::{files, line};
use crate::checkpoint::Checkpoint;
use crate::disk::Disk;
use crate::letter::Letter;

/// Bytes of a file of letters that are sent again, about: each of their sources has one in memory.
const REDRIVE_FILE: usize = 8 << 20;

/// What the pipeline's last checkpoint says, as far as it concerns letters.
#[derive(Clone, Debug, Default)]
pub struct CommittedLetters {
    /// What the store of the letters has said. None: there are no letters yet.
    pub letters: Option<Value>,
    /// The pipeline's sources, each with the position up to which its letters were sent again; none where that has not
    /// begun. Letters of these can be sent again. A file of them stays until each source that has letters in it has read it.
    pub redrive: BTreeMap<String, Option<Value>>,
    /// The positions of sources that the pipeline does not have any more.
    pub absent: BTreeMap<String, Value>,
}

impl CommittedLetters {
    /// What this checkpoint says.
    #[must_use]
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { sources, absent, dead_letters, .. } = checkpoint;
        // Null is the position of one that has not begun.
        let begun = |at: &Value| Some(at.clone()).filter(|at| !at.is_null());
        let redrive =
            sources.iter().filter_map(|(name, at)| Some((name.strip_suffix(REDRIVES)?.to_owned(), begun(at))));
        CommittedLetters { letters: begun(dead_letters), redrive: redrive.collect(), absent: absent.clone() }
    }

    /// Of all sources that have begun.
    pub(crate) fn positions(self) -> BTreeMap<String, Value> {
        let CommittedLetters { redrive, absent, .. } = self;
        redrive.into_iter().filter_map(|(name, at)| Some((name, at?))).chain(absent).collect()
    }
}

/// The letters of a pipeline, as its last checkpoint names them. The pipeline may run meanwhile, and write more.
///
/// Calls block: they read files, one of at most [`LetterBounds::file`](super::LetterBounds::file) at a time.
#[derive(Debug)]
pub struct LetterOffice {
    disk: Arc<dyn Disk>,
    state: PathBuf,
    committed: Standing,
    said: CommittedLetters,
}

/// What a file of letters was read as.
struct Contents {
    letters: Vec<(u64, Letter)>,
    damage: Vec<Damage>,
}

impl LetterOffice {
    /// For the letters in this state folder.
    ///
    /// # Errors
    /// `committed` is not what the store had said.
    pub fn new(
        disk: &Arc<dyn Disk>,
        state: impl Into<PathBuf>,
        committed: &CommittedLetters,
    ) -> Result<Self, LetterError> {
        let standing = committed.letters.as_ref().map(Standing::of).transpose();
        Ok(LetterOffice {
            disk: disk.clone(),
            state: state.into(),
            committed: standing.map_err(|what| LetterError::Checkpoint { what })?.unwrap_or_default(),
            said: committed.clone(),
        })
    }

    /// The newest letters that the query takes.
    ///
    /// # Errors
    /// The disk's. Damage is no error: the rest is listed, and the page says what is wrong.
    pub fn list(&self, query: &LetterQuery) -> Result<LetterPage, LetterError> {
        let fates = self.fates()?;
        let mut page = LetterPage { damage: self.foreign()?, ..LetterPage::default() };
        page.damage.extend(fates.damage.iter().cloned());
        let mut letters = VecDeque::new();
        for nth in (0..self.committed.files.len()).rev() {
            if query.below.is_some_and(|below| self.committed.files[nth].first >= below) {
                continue;
            }
            let Some(contents) = self.contents(nth)? else { continue };
            page.damage.extend(contents.damage);
            for (id, letter) in contents.letters.into_iter().rev() {
                let fate = fates.of(id);
                let is_asked = query.all || fate == Fate::Kept;
                if !is_asked || query.below.is_some_and(|below| id >= below) || !query.filter.takes(&letter) {
                    continue;
                }
                if letters.len() >= query.limit {
                    page.has_older = true;
                    break;
                }
                letters.push_front(KeptLetter { id, fate, letter });
            }
            if page.has_older {
                break;
            }
        }
        page.letters = letters.into();
        Ok(page)
    }

    /// The letter with this number, whatever became of it since.
    ///
    /// # Errors
    /// There is none, or the disk's.
    pub fn show(&self, id: u64) -> Result<KeptLetter, LetterError> {
        let mut damage = Vec::new();
        let nth = self.committed.files.iter().rposition(|file| file.first <= id);
        if let Some(contents) = nth.map(|nth| self.contents(nth)).transpose()?.flatten() {
            damage = contents.damage;
            if let Some((_, letter)) = contents.letters.into_iter().find(|(found, _)| *found == id) {
                return Ok(KeptLetter { id, fate: self.fates()?.of(id), letter });
            }
        }
        Err(LetterError::NoSuch { ids: vec![id], damage })
    }

    /// Sends letters through the whole pipeline again, from their sources: at once, if it runs, else when it is started. What
    /// fails again is a new letter; its record's header `proscenium-redriven` says how often it was sent again. Letters of a
    /// source that the pipeline does not have stay as they are.
    ///
    /// The file that is made says both: that they are to be sent, and that they were; it is there as a whole or not at all. Of
    /// more than about 8 MiB several are made, one after the other.
    ///
    /// # Errors
    /// There is no letter with one of the numbers; or the disk's: then letters may have been sent again that are not listed
    /// any more.
    pub fn redrive(&self, lock: &LetterLock, selection: &LetterSelection) -> Result<Redriven, LetterError> {
        let mut fates = self.fates()?;
        let survey = self.survey(selection, &fates)?;
        let mut done = Redriven { left: survey.left.clone(), damage: survey.damage.clone(), ..Redriven::default() };
        let (mut text, mut waiting) = (Vec::new(), Marked::default());
        for (nth, file) in survey.files.iter().enumerate() {
            if file.ids.is_disjoint(&survey.chosen) {
                continue;
            }
            let contents = self.contents(nth)?;
            for (id, mut letter) in contents.map(|contents| contents.letters).unwrap_or_default() {
                if !survey.chosen.contains(&id) {
                    continue;
                }
                if !self.said.redrive.contains_key(&letter.source) {
                    *done.sourceless.entry(letter.source).or_default() += 1;
                    continue;
                }
                count_redrive(&mut letter);
                line::encode(id, &letter, &mut text).map_err(|what| LetterError::Checkpoint { what })?;
                waiting.ids.insert(id);
                waiting.sources.insert(letter.source);
                if text.len() >= REDRIVE_FILE {
                    self.commit_redrive(&mut text, &mut waiting, &mut fates, &mut done)?;
                }
            }
        }
        self.commit_redrive(&mut text, &mut waiting, &mut fates, &mut done)?;
        self.tidy(lock, &survey, &fates)?;
        Ok(done)
    }

    fn commit_redrive(
        &self,
        text: &mut Vec<u8>,
        waiting: &mut Marked,
        fates: &mut Fates,
        done: &mut Redriven,
    ) -> Result<(), LetterError> {
        if !waiting.ids.is_empty() {
            let number = marks::commit(&*self.disk, &self.state, REDRIVE, text)?;
            done.files.push(mark_file(&self.state, REDRIVE, number));
            done.letters += waiting.ids.len() as u64;
            fates.redriven.files.insert(number, std::mem::take(waiting));
            text.clear();
        }
        Ok(())
    }

    /// Throws letters away, and removes the files that hold no other ones. The file that the pipeline is writing stays.
    ///
    /// # Errors
    /// There is no letter with one of the numbers; consent is missing: nothing was done. Or the disk's.
    pub fn purge(
        &self,
        lock: &LetterLock,
        selection: &LetterSelection,
        consent: Consent,
    ) -> Result<Purged, LetterError> {
        let mut fates = self.fates()?;
        let survey = self.survey(selection, &fates)?;
        let letters = survey.chosen.len() as u64;
        if consent == Consent::Missing {
            return Err(LetterError::Unconfirmed { letters });
        }
        if letters > 0 {
            let text: String = survey.chosen.iter().map(|id| format!("{{\"id\":{id}}}\n")).collect();
            let number = marks::commit(&*self.disk, &self.state, PURGED, text.as_bytes())?;
            fates.purged.files.insert(number, Marked { ids: survey.chosen.clone(), ..Marked::default() });
        }
        let removed = self.tidy(lock, &survey, &fates)?;
        Ok(Purged { letters, left: survey.left, removed, damage: survey.damage })
    }
}

/// What became of all letters.
struct Fates {
    redriven: Marks,
    purged: Marks,
    damage: Vec<Damage>,
}

impl Fates {
    fn of(&self, id: u64) -> Fate {
        let is_in = |marks: &Marks| marks.files.values().any(|marked| marked.ids.contains(&id));
        if is_in(&self.redriven) {
            Fate::Redriven
        } else if is_in(&self.purged) {
            Fate::Purged
        } else {
            Fate::Kept
        }
    }
}

/// The letters of a file, by their numbers.
#[derive(Default)]
struct SurveyedFile {
    ids: BTreeSet<u64>,
    is_there: bool,
    is_damaged: bool,
}

/// What there is, and what of it a selection takes.
struct Survey {
    /// As the checkpoint names them.
    files: Vec<SurveyedFile>,
    chosen: BTreeSet<u64>,
    left: Vec<u64>,
    damage: Vec<Damage>,
}

impl LetterOffice {
    fn fates(&self) -> Result<Fates, LetterError> {
        let redriven = Marks::read(&*self.disk, &self.state, REDRIVE)?;
        let purged = Marks::read(&*self.disk, &self.state, PURGED)?;
        let damage = redriven.damage.iter().chain(&purged.damage).cloned().collect();
        Ok(Fates { redriven, purged, damage })
    }

    /// Files in the letters' folder that are none of ours.
    fn foreign(&self) -> Result<Vec<Damage>, LetterError> {
        let path = letters_folder(&self.state);
        let found = self.disk.list(&path).map_err(|source| LetterError::Disk { action: "list", path, source })?;
        let foreign = found.into_iter().filter(|path| number_of(path, files::DIGITS).is_none());
        let what = "this is no file of dead letters; it was left alone, and belongs elsewhere";
        Ok(foreign.map(|path| Damage { path, line: None, what: what.to_owned() }).collect())
    }

    /// The letters of a file as far as the checkpoint says. None: it was removed.
    fn contents(&self, nth: usize) -> Result<Option<Contents>, LetterError> {
        let file = &self.committed.files[nth];
        let path = letters_file(&self.state, file.first);
        let text = match self.disk.read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LetterError::Disk { action: "read", path, source }),
        };
        let mut contents = Contents { letters: Vec::new(), damage: Vec::new() };
        let len = usize::try_from(file.len).unwrap_or(usize::MAX);
        if text.len() < len {
            let what = format!("it has {} bytes, and the checkpoint says {len}: its end is missing", text.len());
            contents.damage.push(Damage { path: path.clone(), line: None, what });
        }
        for (nth, line) in lines(&text[..len.min(text.len())]) {
            match line.and_then(line::decode) {
                Ok(found) => contents.letters.push(found),
                Err(what) => contents.damage.push(Damage { path: path.clone(), line: Some(nth), what }),
            }
        }
        Ok(Some(contents))
    }

    fn survey(&self, selection: &LetterSelection, fates: &Fates) -> Result<Survey, LetterError> {
        let damage = self.foreign()?.into_iter().chain(fates.damage.iter().cloned()).collect();
        let mut survey = Survey { files: Vec::new(), chosen: BTreeSet::new(), left: Vec::new(), damage };
        let mut missing: BTreeSet<u64> = match selection {
            LetterSelection::Ids(ids) => ids.iter().copied().collect(),
            LetterSelection::Filter(_) => BTreeSet::new(),
        };
        for nth in 0..self.committed.files.len() {
            let mut file = SurveyedFile::default();
            if let Some(contents) = self.contents(nth)? {
                (file.is_there, file.is_damaged) = (true, !contents.damage.is_empty());
                survey.damage.extend(contents.damage);
                for (id, letter) in contents.letters {
                    file.ids.insert(id);
                    let is_kept = fates.of(id) == Fate::Kept;
                    let is_meant = match selection {
                        LetterSelection::Filter(filter) => filter.takes(&letter),
                        LetterSelection::Ids(_) => missing.remove(&id),
                    };
                    if is_meant && is_kept {
                        survey.chosen.insert(id);
                    }
                }
            }
            survey.files.push(file);
        }
        if let LetterSelection::Ids(ids) = selection {
            if !missing.is_empty() {
                return Err(LetterError::NoSuch { ids: missing.into_iter().collect(), damage: survey.damage });
            }
            survey.left = ids.iter().copied().filter(|id| !survey.chosen.contains(id)).collect();
        }
        Ok(survey)
    }

    /// Removes files of letters that hold none to be kept, then marks of letters that are nowhere any more. In this order, and
    /// each durable before the next: a letter without its mark would come to life again.
    fn tidy(&self, _lock: &LetterLock, survey: &Survey, fates: &Fates) -> Result<Vec<PathBuf>, LetterError> {
        let mut removed = Vec::new();
        if survey.files.is_empty() {
            return Ok(removed);
        }
        let mut alive = BTreeSet::new();
        let last = survey.files.len().saturating_sub(1);
        for (nth, file) in survey.files.iter().enumerate() {
            let is_over = file.ids.iter().all(|id| fates.of(*id) != Fate::Kept);
            if file.is_there && is_over && !file.is_damaged && nth != last {
                removed.push(letters_file(&self.state, self.committed.files[nth].first));
            } else {
                alive.extend(&file.ids);
            }
        }
        self.remove(&removed)?;
        self.sync(&letters_folder(&self.state))?;
        if survey.files.iter().any(|file| file.is_damaged) || !fates.damage.is_empty() {
            return Ok(removed);
        }
        // A mark of a letter behind our checkpoint was made by somebody who has seen a newer one.
        let is_past =
            |ids: &BTreeSet<u64>| ids.is_disjoint(&alive) && ids.last().is_none_or(|id| *id < self.committed.next);
        let purged = fates.purged.files.iter().filter(|(_, marked)| is_past(&marked.ids));
        let purged: Vec<_> = purged.map(|(number, _)| mark_file(&self.state, PURGED, *number)).collect();
        self.remove(&purged)?;
        // The highest stays: the next one's number must be behind what the sources have read.
        let highest = fates.redriven.files.keys().next_back().copied().unwrap_or(0);
        let read = self.said.clone().positions();
        let is_read = |number: u64, source| read.get(source).is_some_and(|at| first_unread(at) > number);
        let sent = fates.redriven.files.iter().filter(|(number, marked)| {
            **number < highest && is_past(&marked.ids) && marked.sources.iter().all(|source| is_read(**number, source))
        });
        let sent: Vec<_> = sent.map(|(number, _)| mark_file(&self.state, REDRIVE, *number)).collect();
        self.remove(&sent)?;
        Ok(removed)
    }

    fn remove(&self, paths: &[PathBuf]) -> Result<(), LetterError> {
        for path in paths {
            match self.disk.remove(path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(LetterError::Disk { action: "remove", path: path.clone(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn sync(&self, folder: &std::path::Path) -> Result<(), LetterError> {
        match self.disk.sync_folder(folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(LetterError::Disk { action: "sync", path: folder.to_owned(), source })
            }
            _ => Ok(()),
        }
    }
}

/// One more, in the record's header.
fn count_redrive(letter: &mut Letter) {
    let headers = &mut letter.record.headers;
    let old = headers.iter().find(|(name, _)| name == REDRIVEN);
    let times = old.and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0_u64);
    headers.retain(|(name, _)| name != REDRIVEN);
    headers.push((REDRIVEN.to_owned(), times.saturating_add(1).to_string().into_bytes()));
}
