//! How a pipeline is started: in an order in which whoever is sent to is there, and back to nothing if a part fails.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proscenium_runtime::{Node, Ref};
use proscenium_supervision::{ChildSpec, SupervisorRef};

use crate::book::Book;
use crate::checkpoint::Checkpoint;
use crate::checkpoint_store::CheckpointStore;
use crate::conductor::{Conductor, ConductorMsg};
use crate::dead_letters::{CommittedLetters, DeadLetterStore, LetterBounds};
use crate::disk::Disk;
use crate::house::{House, Kept, flags};
use crate::lease::Lease;
use crate::letter_box::{LetterBox, LetterDesk, LetterMsg};
use crate::notice::Notices;
use crate::pipeline_ref::PipelineRef;
use crate::plan::{Kind, Part, Plan};
use crate::plan_check::{Fault, check};
use crate::stage_desk::Office;
use crate::state_lock::{LockError, StateLock};

/// How long a start waits for the last write of the pipeline that had the folder of its state before.
const LAST_WRITE: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Why a pipeline did not start. Nothing of it runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// What it was described as is wrong.
    Plan(Vec<Fault>),
    /// The folder of its state cannot be used.
    State {
        /// The folder.
        folder: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// The name is taken on the node, or the supervisor did not start.
    Supervisor(String),
    /// A part did not start; those that had been are stopped again.
    Part {
        /// Which.
        part: String,
        /// Why.
        why: String,
        /// Those that had been started.
        stopped: Vec<String>,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Plan(faults) => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&faults.join("\n"))
            }
            StartError::State { folder, why } => write!(f, "the state in {} cannot be used: {why}", folder.display()),
            StartError::Supervisor(why) => write!(f, "the pipeline's supervisor did not start: {why}"),
            StartError::Part { part, why, stopped } if stopped.is_empty() => {
                write!(f, "`{part}` did not start: {why}. Nothing else had been started")
            }
            StartError::Part { part, why, stopped } => {
                write!(f, "`{part}` did not start: {why}. Stopped again: {}", stopped.join(", "))
            }
        }
    }
}

impl std::error::Error for StartError {}

/// A state folder in use, and what was found in it.
struct Found {
    lease: Lease,
    store: CheckpointStore,
    checkpoint: Option<Checkpoint>,
}

pub(crate) async fn launch(plan: Plan, node: &Node, disk: Arc<dyn Disk>) -> Result<PipelineRef, StartError> {
    check(&plan).map_err(StartError::Plan)?;
    let found = match &plan.settings.state {
        Some(folder) => Some(find(&disk, folder.clone(), &plan.name).await?),
        None => None,
    };
    let (lease, store, checkpoint) = match found {
        Some(Found { lease, store, checkpoint }) => (Some(lease), Some(store), checkpoint),
        None => (None, None, None),
    };
    let disk = lease.as_ref().map_or(disk.clone(), |lease| lease.disk(disk));
    let number = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.number);
    let book = Arc::new(Book::new(plan, store, number, lease));
    let made = book.clone();
    let plan = book.plan();
    let supervisor = flags(&plan.settings)
        .named(format!("pipeline/{}", plan.name))
        .child(ChildSpec::new("control", move || Conductor::new(made.clone())))
        .start(node)
        .await
        .map_err(|why| StartError::Supervisor(why.to_string()))?;
    let mut stopped = Vec::new();
    match furnish(&book, &supervisor, &disk, checkpoint, &mut stopped).await {
        Ok(conductor) => {
            drop(conductor.tell(ConductorMsg::Begin).now());
            Ok(PipelineRef::new(book, conductor, supervisor))
        }
        Err((part, why)) => {
            drop(supervisor.stop().await);
            book.gives_back();
            Err(StartError::Part { part, why, stopped })
        }
    }
}

async fn find(disk: &Arc<dyn Disk>, folder: PathBuf, name: &str) -> Result<Found, StartError> {
    let failed = |why: String| StartError::State { folder: folder.clone(), why };
    let lease = lease(&folder).await.map_err(failed)?;
    let store = CheckpointStore::new(lease.disk(disk.clone()), folder.clone());
    let name = name.to_owned();
    let found = tokio::task::spawn_blocking(move || {
        let checkpoint = store.load().map_err(|why| why.to_string())?;
        match checkpoint {
            Some(other) if other.pipeline != name => Err(format!(
                "it is the state of the pipeline `{}`; give each pipeline a folder of its own",
                other.pipeline
            )),
            checkpoint => Ok(Found { lease, store, checkpoint }),
        }
    });
    found.await.map_err(|why| why.to_string()).and_then(|found| found).map_err(failed)
}

/// A folder that is another pipeline's is refused at once. If all that is left of that is a write, it is waited for.
async fn lease(folder: &Path) -> Result<Lease, String> {
    let since = tokio::time::Instant::now();
    loop {
        let at = folder.to_owned();
        let taken = tokio::task::spawn_blocking(move || StateLock::take(&at)).await.map_err(|why| why.to_string())?;
        match taken {
            Ok(lock) => return Ok(Lease::of(lock)),
            Err(LockError::Ending { .. }) if since.elapsed() < LAST_WRITE => tokio::time::sleep(LOOK).await,
            Err(why @ LockError::Ending { .. }) => return Err(format!("{why} (it was waited for {LAST_WRITE:?})")),
            Err(why) => return Err(why.to_string()),
        }
    }
}

type Failed = (String, String);

async fn furnish(
    book: &Arc<Book>,
    supervisor: &SupervisorRef,
    disk: &Arc<dyn Disk>,
    checkpoint: Option<Checkpoint>,
    started: &mut Vec<String>,
) -> Result<Ref<Conductor>, Failed> {
    let of = |part: &str| {
        let part = part.to_owned();
        move |why: &dyn fmt::Display| (part.clone(), why.to_string())
    };
    let plan = book.plan();
    let conductor = supervisor.child::<Conductor>("control").await.map_err(|why| of("control")(&why))?;
    let notices = Notices { conductor: conductor.recipient(ConductorMsg::Notice), end: book.end.clone() };
    let letters = open_letters(disk, &plan, checkpoint.as_ref()).await.map_err(|why| of("dead_letters")(&why))?;
    let desk = Arc::new(LetterDesk::new(letters, notices.clone()));
    book.letter_stats(desk.stats.clone());
    let child = ChildSpec::new("dead_letters", move || LetterBox::new(desk.clone()));
    supervisor.start_child(child).await.map_err(|why| of("dead_letters")(&why))?;
    let letters = supervisor.child::<LetterBox>("dead_letters").await.map_err(|why| of("dead_letters")(&why))?;
    let office = Office { letters: letters.recipient(LetterMsg::Put), conductor: notices };
    drop(book.letters.set(letters));
    // All of them at first: each is taken by its source.
    let absent = checkpoint.as_ref().map(CommittedLetters::of).unwrap_or_default().positions();
    let house = House::new(supervisor.clone(), office, (disk.clone(), plan.settings.state.clone()), absent);
    let nothing = BTreeMap::new();
    let kept = match &checkpoint {
        Some(kept) => Kept { sources: &kept.sources, stages: &kept.stages, sinks: &kept.sinks },
        None => Kept { sources: &nothing, stages: &nothing, sinks: &nothing },
    };
    for part in in_order(&plan) {
        let room = house.open(&plan, part, kept).await.map_err(|error| (error.part, error.why))?;
        house.attach(&part.name, room);
        started.push(part.name.clone());
    }
    house.connect(&plan);
    drop(book.house.set(house));
    Ok(conductor)
}

async fn open_letters(
    disk: &Arc<dyn Disk>,
    plan: &Plan,
    checkpoint: Option<&Checkpoint>,
) -> Result<Option<DeadLetterStore>, String> {
    let Some(state) = &plan.settings.state else { return Ok(None) };
    let mut store = DeadLetterStore::new(disk, state, LetterBounds::default());
    let from = checkpoint.map(|checkpoint| &checkpoint.dead_letters).filter(|from| !from.is_null());
    store.open(from).await.map_err(|why| why.to_string())?;
    Ok(Some(store))
}

/// Sinks first, and sources last: whoever is sent to is there. They are stopped the other way round.
fn in_order(plan: &Plan) -> Vec<&Part> {
    let rank = |part: &Part| match part.kind {
        Kind::Sink(_) => 0,
        Kind::Plugin(_) | Kind::Rust(_) => 1,
        Kind::Source(_) => 2,
    };
    let mut parts: Vec<&Part> = plan.parts.iter().rev().collect();
    parts.sort_by_key(|part| rank(part));
    parts
}
