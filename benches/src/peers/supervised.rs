//! Proscenium's supervisors, with children as their users write them, of both weights.

use std::time::Duration;

use proscenium_runtime::{Actor, Context, Exit, Mailbox, Node, actor};
use proscenium_supervision::{
    ActorChild, ChildId, ChildSpec, DynamicSupervisor, DynamicSupervisorRef, Supervisor, SupervisorRef,
};

use super::proscenium::{BOUND, Child, ChildRef, Counter, ProsceniumBounded};
use crate::Failure;
use crate::family::{Sibling, Voice};
use crate::peer::{Families, Restarts, Subject, Trees};
use crate::tally::{Phoenix, Tally};

/// More restarts than any sample asks for.
const RESTARTS: usize = 1_000_000;
const PERIOD: Duration = Duration::from_secs(1);

/// The name of the one child that crashes.
const PHOENIX: &str = "phoenix";

/// Children of one of the two weights.
pub struct Supervised<const LIGHT: bool>;

pub type Ordinary = Supervised<false>;
pub type Light = Supervised<true>;

impl<const LIGHT: bool> Supervised<LIGHT> {
    fn spec<A, F>(id: impl Into<ChildId>, make: F) -> ChildSpec<ActorChild<F>>
    where
        A: Actor,
        F: Fn() -> A + Clone + Send + Sync + 'static,
    {
        let spec = ChildSpec::new(id, make);
        if LIGHT { spec.light() } else { spec }
    }

    /// A child with nothing to do; its mailbox is that of the actors it is compared with.
    fn quiet(id: impl Into<ChildId>) -> ChildSpec<ActorChild<impl Fn() -> Counter + Clone + Send + Sync + 'static>> {
        Self::spec(id, || Counter(Tally::Quiet)).mailbox(Mailbox::bounded(BOUND))
    }

    /// Quiet children with names of their own.
    pub async fn fixed(node: &Node, children: usize) -> Result<SupervisorRef, Failure> {
        let specs = (0..children).map(|number| Self::quiet(number.to_string()));
        Ok(specs.fold(Supervisor::one_for_one(), Supervisor::child).start(node).await?)
    }

    /// Quiet children of one spec.
    pub async fn dynamic(node: &Node, children: usize) -> Result<SupervisorRef, Failure> {
        let supervisor = Supervisor::simple_one_for_one(Self::quiet("quiet")).start(node).await?;
        for _ in 0..children {
            supervisor.start_dynamic(None).await?;
        }
        Ok(supervisor)
    }

    /// Quiet children with an argument each, which makes them anew.
    pub async fn with_arguments(node: &Node, children: usize) -> Result<DynamicSupervisorRef<Counter, usize>, Failure> {
        let make = |number| Self::spec("quiet", move || numbered(number)).mailbox(Mailbox::bounded(BOUND));
        let supervisor = DynamicSupervisor::of(make).start(node).await?;
        for number in 0..children {
            supervisor.start_child(number).await?;
        }
        Ok(supervisor)
    }
}

impl<const LIGHT: bool> Subject for Supervised<LIGHT> {
    const NAME: &'static str = if LIGHT { "light" } else { "proscenium" };
    const VERSION: &'static str = ProsceniumBounded::VERSION;
    type World = Node;

    async fn world() -> Result<Node, Failure> {
        ProsceniumBounded::world().await
    }
}

impl<const LIGHT: bool> Restarts for Supervised<LIGHT> {
    type Ashes = (SupervisorRef, ChildRef);

    async fn phoenix(node: &Node, phoenix: Phoenix) -> Result<Self::Ashes, Failure> {
        Self::ashes(&Self::tree(node, 1, phoenix).await?).await
    }

    async fn crash((_supervisor, child): &Self::Ashes) -> Result<(), Failure> {
        Ok(child.crash().await.map_err(gone)?)
    }

    async fn ping((_supervisor, child): &Self::Ashes) -> Result<(), Failure> {
        Ok(child.ping().await.map_err(gone)?)
    }
}

impl<const LIGHT: bool> Trees for Supervised<LIGHT> {
    type Tree = SupervisorRef;

    async fn tree(node: &Node, children: usize, phoenix: Phoenix) -> Result<SupervisorRef, Failure> {
        let mut supervisor = Supervisor::one_for_one().intensity(RESTARTS, PERIOD);
        for number in 0..children {
            supervisor = if number == children / 2 {
                let phoenix = phoenix.clone();
                supervisor.child(Self::spec(PHOENIX, move || Child(phoenix.clone())))
            } else {
                supervisor.child(Self::quiet(number.to_string()))
            };
        }
        Ok(supervisor.start(node).await?)
    }

    async fn ashes(tree: &SupervisorRef) -> Result<Self::Ashes, Failure> {
        Ok((tree.clone(), tree.child::<Child>(PHOENIX).await?))
    }
}

/// One of a family.
pub struct Member(Voice<MemberRef>);

#[actor(crate = ::proscenium_runtime)]
impl Member {
    #[init]
    fn init(&mut self, cx: &mut Context<Self>) -> Result<(), Exit> {
        self.0.born(cx.me());
        Ok(())
    }

    #[cast]
    fn crash(&mut self) {
        self.0.crash();
    }

    #[cast]
    fn ping(&mut self) {
        self.0.ping();
    }
}

impl Sibling for MemberRef {
    async fn crash(&self) -> Result<(), Failure> {
        Ok(MemberRef::crash(self).await.map_err(gone)?)
    }

    async fn ping(&self) -> Result<(), Failure> {
        Ok(MemberRef::ping(self).await.map_err(gone)?)
    }
}

impl<const LIGHT: bool> Families for Supervised<LIGHT> {
    type Sibling = MemberRef;
    type Family = SupervisorRef;

    async fn family(node: &Node, voices: Vec<Voice<MemberRef>>) -> Result<SupervisorRef, Failure> {
        let specs = voices.into_iter().map(|voice| {
            let id = voice.place().to_string();
            Self::spec(id, move || Member(voice.clone()))
        });
        let supervisor = Supervisor::one_for_all().intensity(RESTARTS, PERIOD);
        Ok(specs.fold(supervisor, Supervisor::child).start(node).await?)
    }
}

/// A child that was made from an argument.
fn numbered(_number: usize) -> Counter {
    Counter(Tally::Quiet)
}

fn gone<E>(_error: E) -> &'static str {
    "the child is gone"
}
