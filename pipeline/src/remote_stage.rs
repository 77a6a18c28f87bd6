//! A stage's actor whose records are worked on elsewhere, several chunks at once: by a plugin, or by futures.

use std::sync::Arc;

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Recipient, Ref};

use crate::async_work::AsyncWork;
use crate::pass::Pass;
use crate::plugin_work::PluginWork;
use crate::source::Boxed;
use crate::stage_desk::{StageDesk, StageMsg};
use crate::tickets::{Ticket, Undone};

/// Who works.
#[derive(Clone)]
pub(crate) enum Worker {
    Plugin(Arc<PluginWork>),
    Async(Arc<AsyncWork>),
}

/// A chunk that has been handed over.
pub(crate) struct Begun {
    pub(crate) work: Boxed<'static, Ticket>,
    /// The next chunk is begun when this one is through: only a part of it fitted.
    pub(crate) is_alone: bool,
}

pub(crate) struct RemoteActor {
    desk: Arc<StageDesk>,
    worker: Worker,
    knock: Option<Recipient<()>>,
    under_way: usize,
    is_alone: bool,
    /// The worker has no room; it is waited for.
    waits_for_room: bool,
}

impl Actor for RemoteActor {
    type Msg = StageMsg;
    type Ref = Ref<Self>;

    /// The buffers of who sends here are bounded.
    const MAILBOX: Mailbox = Mailbox::unbounded();
    const KINDS: &'static [&'static str] = StageMsg::KINDS;

    fn kind(msg: &StageMsg) -> u8 {
        msg.kind()
    }

    async fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.desk.stats.starts.add(1);
        self.knock = Some(cx.me().recipient(|()| StageMsg::Look));
        drop(cx.me().tell(StageMsg::Look).now());
        Ok(())
    }

    async fn handle(&mut self, cx: &mut Context<Self>, msg: StageMsg) -> Result<(), Exit> {
        match msg {
            StageMsg::Chunk(chunk) => self.desk.comes(chunk),
            StageMsg::Look => (),
            StageMsg::Room => self.waits_for_room = false,
            StageMsg::Done(ticket) => self.done(ticket),
            StageMsg::Resume => self.desk.halt(false),
            StageMsg::Renew(conduct) => self.desk.bench().conduct = *conduct,
        }
        self.release().await;
        self.begin(cx);
        Ok(())
    }

    fn format_status(&self) -> Option<String> {
        Some(self.desk.words())
    }
}

impl RemoteActor {
    pub(crate) fn new(desk: Arc<StageDesk>, worker: Worker) -> Self {
        RemoteActor { desk, worker, knock: None, under_way: 0, is_alone: false, waits_for_room: false }
    }

    fn done(&mut self, mut ticket: Ticket) {
        self.under_way -= 1;
        self.is_alone = false;
        match ticket.undone.take() {
            Some(Undone::Stopped) => self.desk.halt(true),
            Some(Undone::Failed(reason)) => self.desk.fail(reason),
            None => (),
        }
        ticket.finish();
    }

    /// Sends on what is finished, in its order: also what a predecessor was cut off from while it waited for buffers.
    async fn release(&self) {
        let desk = self.desk.clone();
        loop {
            {
                let mut bench = desk.bench();
                if bench.pass.is_none() {
                    let release = bench.release;
                    let Some(pass) = bench.finished.remove(&release) else { break };
                    (bench.pass, bench.release) = (Some(pass), release + 1);
                }
            }
            desk.send_on(|bench| &mut bench.pass).await;
        }
    }

    /// Hands chunks over, as long as there is room.
    fn begin(&mut self, cx: &mut Context<Self>) {
        let Some(knock) = self.knock.clone() else { return };
        let is_free = |actor: &Self| !actor.is_alone && !actor.waits_for_room && !actor.desk.is_halted();
        while is_free(self) && self.under_way < self.worker.most() {
            if !self.worker.has_room() {
                self.waits_for_room = true;
                return cx.pipe(self.worker.room(), |()| StageMsg::Room);
            }
            let Some((number, pass)) = self.next() else { return };
            let ticket =
                Ticket { number, pass: Some(pass), undone: None, desk: self.desk.clone(), knock: knock.clone() };
            let Begun { work, is_alone } = self.worker.begin(ticket);
            self.is_alone = is_alone;
            self.under_way += 1;
            cx.pipe(work, StageMsg::Done);
        }
    }

    /// What came back first, then what has come.
    fn next(&self) -> Option<(u64, Pass)> {
        let mut bench = self.desk.bench();
        bench.back.pop_first().or_else(|| {
            let pass = self.desk.begin(&mut bench.queue, |_| true)?;
            bench.next += 1;
            Some((bench.next - 1, pass))
        })
    }
}

impl Worker {
    /// Chunks under way at most.
    fn most(&self) -> usize {
        match self {
            Worker::Plugin(plugin) => plugin.most(),
            Worker::Async(work) => work.most(),
        }
    }

    fn has_room(&self) -> bool {
        match self {
            Worker::Plugin(plugin) => plugin.has_room(),
            Worker::Async(_) => true,
        }
    }

    fn room(&self) -> Boxed<'static, ()> {
        match self {
            Worker::Plugin(plugin) => plugin.clone().room(),
            Worker::Async(_) => Box::pin(std::future::ready(())),
        }
    }

    fn begin(&self, ticket: Ticket) -> Begun {
        match self {
            Worker::Plugin(plugin) => plugin.begin(ticket),
            Worker::Async(work) => work.clone().begin(ticket),
        }
    }
}
