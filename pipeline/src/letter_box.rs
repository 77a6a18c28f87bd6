//! The actor that keeps dead letters: on the disk, or, in a pipeline without a place for state, in the log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Ref, Reply};
use serde_json::Value;

use crate::dead_letters::DeadLetterStore;
use crate::letter::Letter;
use crate::notice::{Notice, Notices};
use crate::source_actor::pause_before;
use crate::stage_desk::Posted;
use crate::stats::Stats;
use crate::trouble::Trouble;

/// Pauses between two tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The letters of so many messages are written in one go.
const AT_ONCE: usize = 256;

/// What outlives the actor.
pub(crate) struct LetterDesk {
    pub(crate) stats: Arc<Stats>,
    pub(crate) conductor: Notices,
    /// Those that have come, and are not written: as many as the chunks under way may have.
    queue: Mutex<VecDeque<Posted>>,
    /// Held while it works: letters are written one after the other.
    store: tokio::sync::Mutex<Option<DeadLetterStore>>,
}

impl LetterDesk {
    /// With a store that is open.
    pub(crate) fn new(store: Option<DeadLetterStore>, conductor: Notices) -> Self {
        LetterDesk { stats: Arc::default(), conductor, queue: Mutex::default(), store: tokio::sync::Mutex::new(store) }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Posted>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what has come, and acknowledges it then.
    async fn write(&self) -> Result<(), Trouble> {
        let mut store = self.store.lock().await;
        loop {
            let (letters, posted): (Vec<Letter>, usize) = {
                let queue = self.queue();
                let taken = queue.iter().take(AT_ONCE);
                (taken.clone().flat_map(|posted| posted.letters.iter().cloned()).collect(), taken.count())
            };
            if posted == 0 {
                return Ok(());
            }
            match &mut *store {
                Some(store) => store.write(&letters).await?,
                None => letters.iter().for_each(log),
            }
            self.stats.well();
            self.stats.passed.add(letters.len());
            let written: Vec<Posted> = self.queue().drain(..posted).collect();
            written.into_iter().for_each(|posted| posted.token.done());
        }
    }

    async fn prepare(&self) -> Result<Value, Trouble> {
        match &mut *self.store.lock().await {
            Some(store) => store.prepare().await,
            None => Ok(Value::Null),
        }
    }

    async fn commit(&self) -> Result<(), Trouble> {
        match &mut *self.store.lock().await {
            Some(store) => store.commit().await,
            None => Ok(()),
        }
    }
}

fn log(letter: &Letter) {
    let Letter { part, source, class, reason, attempts, .. } = letter;
    let (id, payload) = (letter.record.id, String::from_utf8_lossy(&letter.record.payload));
    let payload: String = payload.chars().take(200).flat_map(char::escape_debug).collect();
    tracing::error!(target: "proscenium::pipeline", part, source, id, %class, reason, attempts, payload, "a dead letter, with no place to keep it");
}

pub(crate) struct LetterBox {
    desk: Arc<LetterDesk>,
    tries: u32,
    is_waiting: bool,
}

pub(crate) enum LetterMsg {
    Put(Posted),
    Try,
    Prepare(Reply<Result<Value, Trouble>>),
    Commit(Reply<Result<(), Trouble>>),
}

impl Actor for LetterBox {
    type Msg = LetterMsg;
    type Ref = Ref<Self>;

    /// Who posts holds an acknowledgement back: there are as many letters as chunks under way have records.
    const MAILBOX: Mailbox = Mailbox::unbounded();
    const KINDS: &'static [&'static str] = &["put", "try", "prepare", "commit"];

    fn kind(msg: &LetterMsg) -> u8 {
        match msg {
            LetterMsg::Put(_) => 0,
            LetterMsg::Try => 1,
            LetterMsg::Prepare(_) => 2,
            LetterMsg::Commit(_) => 3,
        }
    }

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.desk.stats.starts.add(1);
        drop(cx.me().tell(LetterMsg::Try).now());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: LetterMsg) -> Result<(), Exit> {
        match msg {
            LetterMsg::Put(posted) => {
                self.desk.stats.taken.add(posted.letters.len());
                self.desk.queue().push_back(posted);
            }
            LetterMsg::Try => self.is_waiting = false,
            LetterMsg::Prepare(reply) => {
                reply.send(self.desk.prepare().await);
                return Ok(());
            }
            LetterMsg::Commit(reply) => {
                reply.send(self.desk.commit().await);
                return Ok(());
            }
        }
        if !self.is_waiting {
            self.work_off(cx).await;
        }
        Ok(())
    }
}

impl LetterBox {
    pub(crate) fn new(desk: Arc<LetterDesk>) -> Self {
        LetterBox { desk, tries: 0, is_waiting: false }
    }

    async fn work_off(&mut self, cx: &mut Context<Self>) {
        // In a task of its own, which ends what it has begun, also when this actor is killed: letters are written once.
        let desk = self.desk.clone();
        let written = match tokio::spawn(async move { desk.write().await }).await {
            Ok(written) => written,
            Err(panic) => Err(Trouble::lasting(panic)),
        };
        let Err(trouble) = written else {
            self.tries = 0;
            return;
        };
        self.tries = self.tries.saturating_add(1);
        self.desk.stats.trouble(&trouble);
        self.is_waiting = true;
        if trouble.is_final() {
            let notice = Notice::Failed { part: "dead_letters".to_owned(), reason: trouble.to_string() };
            self.desk.conductor.tell(notice);
            return;
        }
        tracing::warn!(target: "proscenium::pipeline", %trouble, "dead letters cannot be written; it is tried again");
        cx.send_after(pause_before(self.tries, PAUSES), LetterMsg::Try);
    }
}
