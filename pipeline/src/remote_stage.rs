//! A stage's actor whose records are worked on elsewhere, several chunks at once: by a plugin, or by futures.

use std::sync::Arc;

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Recipient, Ref};

use crate::async_work::AsyncWork;
use crate::pass::Pass;
use crate::plan::Conduct;
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

/// What has been handed over and has not come back.
#[derive(Debug, Default)]
struct UnderWay {
    chunks: usize,
    /// The number of the chunk after which none is begun until it is through. Those before it may still be under way.
    alone: Option<u64>,
}

impl UnderWay {
    fn has_room(&self, most: usize) -> bool {
        self.alone.is_none() && self.chunks < most
    }

    fn begins(&mut self, number: u64, is_alone: bool) {
        self.chunks += 1;
        self.alone = is_alone.then_some(number);
    }

    fn ends(&mut self, number: u64) {
        self.chunks -= 1;
        self.alone.take_if(|alone| *alone == number);
    }
}

pub(crate) struct RemoteActor {
    desk: Arc<StageDesk>,
    worker: Worker,
    knock: Option<Recipient<()>>,
    under_way: UnderWay,
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
            StageMsg::Renew(conduct) => {
                let mut bench = self.desk.bench();
                self.worker.renew(&bench.conduct, &conduct);
                bench.conduct = *conduct;
            }
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
        RemoteActor { desk, worker, knock: None, under_way: UnderWay::default(), waits_for_room: false }
    }

    fn done(&mut self, mut ticket: Ticket) {
        self.under_way.ends(ticket.number);
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
        let is_free = |actor: &Self| !actor.waits_for_room && !actor.desk.is_halted();
        while is_free(self) && self.under_way.has_room(self.worker.most()) {
            if !self.worker.has_room() {
                self.waits_for_room = true;
                return cx.pipe(self.worker.room(), |()| StageMsg::Room);
            }
            let Some((number, pass)) = self.next() else { return };
            let ticket =
                Ticket { number, pass: Some(pass), undone: None, desk: self.desk.clone(), knock: knock.clone() };
            let Begun { work, is_alone } = self.worker.begin(ticket);
            self.under_way.begins(number, is_alone);
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

    fn renew(&self, before: &Conduct, conduct: &Conduct) {
        if let Worker::Async(work) = self {
            work.renew(before, conduct);
        }
    }

    fn begin(&self, ticket: Ticket) -> Begun {
        match self {
            Worker::Plugin(plugin) => plugin.begin(ticket),
            Worker::Async(work) => work.clone().begin(ticket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_chunk_of_which_only_a_part_fitted_none_is_begun_whatever_else_ends() {
        let mut under_way = UnderWay::default();
        under_way.begins(0, false);
        under_way.begins(1, true);
        assert!(!under_way.has_room(8), "the rest of chunk 1 comes first");
        under_way.ends(0);
        assert!(!under_way.has_room(8), "chunk 1 is not through with chunk 0");
        under_way.ends(1);
        assert!(under_way.has_room(8));
    }

    #[test]
    fn at_most_so_many_are_under_way() {
        let mut under_way = UnderWay::default();
        under_way.begins(0, false);
        assert!(under_way.has_room(2));
        under_way.begins(1, false);
        assert!(!under_way.has_room(2));
        under_way.ends(1);
        assert!(under_way.has_room(2));
    }
}
