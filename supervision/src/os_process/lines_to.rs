//! Who gets the lines of a process.

use std::fmt;
use std::sync::Arc;

use proscenium_runtime::{Actor, IntoName, Node, Recipient, Ref};

use super::line::{Line, Stream};

/// Who gets the lines that a process writes, one by one, in order.
///
/// **At the limit**: whoever takes a line is waited for before the next one is read. Then the pipe fills (64 KiB), and the
/// process waits when it writes. No line is dropped on the way; one that an actor refuses for good becomes an event, with
/// the reason.
#[derive(Clone, Default)]
pub struct LinesTo(pub(crate) To);

/// Looks for the actor that takes lines.
type Find = dyn Fn(&Node) -> Option<Recipient<Line>> + Send + Sync;

#[derive(Clone, Default)]
pub(crate) enum To {
    #[default]
    Events,
    Closure(Arc<dyn Fn(Line) + Send + Sync>),
    Actor(Arc<Find>),
    Nobody,
    Host,
}

impl LinesTo {
    /// `tracing` events with the target `proscenium::os_process`: INFO for stdout, WARN for stderr. The default.
    #[must_use]
    pub fn events() -> Self {
        LinesTo(To::Events)
    }

    /// A closure, called on a task of its own. One that panics ends the process, with the panic as its exit; one that
    /// blocks holds a worker of the runtime.
    pub fn closure(take: impl Fn(Line) + Send + Sync + 'static) -> Self {
        LinesTo(To::Closure(Arc::new(take)))
    }

    /// An actor that there is already. Its mailbox is the queue, and what happens at its bound the mailbox's to say: by
    /// default, the process waits.
    #[must_use]
    pub fn recipient(recipient: Recipient<Line>) -> Self {
        LinesTo(To::Actor(Arc::new(move |_| Some(recipient.clone()))))
    }

    /// The actor of this name, as each process finds it: a child started before this one, say.
    ///
    /// When it is gone for good, the name is looked up again.
    pub fn named<A: Actor>(name: impl IntoName, wrap: impl Fn(Line) -> A::Msg + Send + Sync + 'static) -> Self {
        let (name, wrap) = (name.into_name(), Arc::new(wrap));
        LinesTo(To::Actor(Arc::new(move |node| {
            let (found, wrap) = (node.whereis::<A>(name.clone()).ok()?, wrap.clone());
            let actor: &Ref<A> = found.as_ref();
            Some(actor.recipient(move |line| wrap(line)))
        })))
    }

    /// Nobody: the process writes to `/dev/null`.
    #[must_use]
    pub fn nobody() -> Self {
        LinesTo(To::Nobody)
    }

    /// The host's own stdout or stderr, directly: not by lines, and without a limit.
    #[must_use]
    pub fn host() -> Self {
        LinesTo(To::Host)
    }
}

impl fmt::Debug for LinesTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            To::Events => "events",
            To::Closure(_) => "a closure",
            To::Actor(_) => "an actor",
            To::Nobody => "nobody",
            To::Host => "the host's own",
        })
    }
}

/// The lines of one process on their way.
pub(crate) struct Delivery {
    to: To,
    node: Node,
    child: Arc<str>,
    recipient: Option<Recipient<Line>>,
}

impl Delivery {
    pub(crate) fn new(to: To, node: Node, child: Arc<str>) -> Self {
        Delivery { to, node, child, recipient: None }
    }

    pub(crate) async fn deliver(&mut self, line: Line) {
        match &self.to {
            To::Closure(take) => take(line),
            To::Actor(find) => {
                let told = tell(&**find, &self.node, &mut self.recipient, &line).await;
                if let Err(why) = told {
                    tracing::warn!(
                        target: "proscenium::os_process", child = %self.child, pid = line.pid, why, "no actor took: {line}"
                    );
                }
            }
            // The last two have no pipe, so that nothing comes here.
            To::Events | To::Nobody | To::Host => self.event(&line),
        }
    }

    fn event(&self, line: &Line) {
        let (child, pid) = (&*self.child, line.pid);
        match line.stream {
            Stream::Stdout => {
                tracing::info!(target: "proscenium::os_process", child, pid, stream = "stdout", "{line}");
            }
            Stream::Stderr => {
                tracing::warn!(target: "proscenium::os_process", child, pid, stream = "stderr", "{line}");
            }
        }
    }
}

/// Waits for room. An actor that has gone since the last line is looked for once more.
async fn tell(find: &Find, node: &Node, known: &mut Option<Recipient<Line>>, line: &Line) -> Result<(), String> {
    if let Some(recipient) = known
        && recipient.tell(line.clone()).await.is_ok()
    {
        return Ok(());
    }
    let Some(recipient) = find(node) else { return Err("nobody has the name".to_owned()) };
    let told = recipient.tell(line.clone()).await.map_err(|error| error.to_string());
    *known = Some(recipient);
    told
}
