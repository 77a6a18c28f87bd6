//! The running tree of a node: which supervisors there are, what is below them, and how that does.

use std::future::Future;
use std::time::Duration;

use proscenium_runtime::{Group, Node, Status};

use crate::policy::Policy;
use crate::shell::{ChildInfo, Msg, Shell};
use crate::sup_flags::SupFlags;
use crate::supervisor::SupervisorRef;
use crate::trouble::PastExit;

/// How long a supervisor has to say what it has. One that starts or stops a child meanwhile is shown as busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is below a node, as [`NodeTree::tree`] found it. Printed, it is a picture: of a child its state, what its spec has
/// other than the defaults, its restarts and its queue; of 20 children for each supervisor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tree {
    /// The node's name.
    pub node: String,
    /// The supervisors that are nobody's child.
    pub supervisors: Vec<Branch>,
}

/// A supervisor, and what it says of its children. Printed, it is its part of the picture.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Branch {
    /// Its path in the tree: `shop/payments`.
    pub path: String,
    /// Its actor, as seen from outside.
    pub status: Status,
    /// What it answered. None: it is busy, or has just ended.
    pub answer: Option<Answer>,
}

/// What a supervisor says of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// Its flags.
    pub flags: SupFlags,
    /// Restarts that its intensity counts just now.
    pub restarts: usize,
    /// In start order.
    pub children: Vec<Twig>,
}

/// A child, and what is below it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Twig {
    /// Its name in the tree: its id, and of a dynamic child its place, which tells it from the others: `cart#3`.
    pub name: String,
    /// As `which_children` says.
    pub info: ChildInfo,
    /// What it has beyond OTP.
    pub policy: Policy,
    /// The last exit of its own, or start that failed. One that was stopped by its supervisor has none of that stop.
    pub last_exit: Option<PastExit>,
    /// Of an actor: as seen from outside.
    pub status: Option<Status>,
    /// In its own words, if it has any.
    pub note: Option<String>,
    /// Of a supervisor.
    pub below: Option<Branch>,
}

/// What a supervisor is asked for the tree.
#[doc(hidden)]
pub struct Cut {
    pub(crate) path: String,
    pub(crate) flags: SupFlags,
    pub(crate) restarts: usize,
    pub(crate) children: Vec<(Twig, Option<SupervisorRef>)>,
}

/// The supervisors that are nobody's child.
pub(crate) fn roots(node: &Node) -> Group<Shell> {
    node.group("proscenium.supervisors")
}

/// A look at a node's supervisors.
pub trait NodeTree {
    /// All of them, with their children, theirs, and so on. A supervisor that does not answer within a second, because it
    /// starts or stops a child, is shown as busy, without its children.
    ///
    /// ```
    /// use proscenium_runtime::{Node, actor_fn};
    /// use proscenium_supervision::{ChildSpec, NodeTree, Supervisor};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> proscenium_runtime::Result<()> {
    /// let node = Node::start("shop").await?;
    /// let printer = ChildSpec::new("printer", || actor_fn(|line: String| println!("{line}")));
    /// Supervisor::one_for_one().named("office").child(printer).start(&node).await?;
    /// let shown = "\
    /// shop
    /// └─ office  one_for_one, 0 of 1 restarts in 5 s
    ///    └─ printer  running, queue 0
    /// ";
    /// assert_eq!(node.tree().await.to_string(), shown);
    /// # node.stop().await }
    /// ```
    fn tree(&self) -> impl Future<Output = Tree> + Send;
}

impl NodeTree for Node {
    async fn tree(&self) -> Tree {
        let mut supervisors = Vec::new();
        for root in roots(self).members() {
            supervisors.push(branch(SupervisorRef::from(root)).await);
        }
        supervisors.sort_by(|one, other| one.path.cmp(&other.path));
        Tree { node: self.name().to_owned(), supervisors }
    }
}

/// This supervisor and all below it. Not by recursion, which a deep tree would take to the stack's end.
async fn branch(root: SupervisorRef) -> Branch {
    // Each with the branch that it is in, and its place there.
    let mut found: Vec<(Branch, Option<(usize, usize)>)> = Vec::new();
    let mut left = vec![(root, None, None)];
    while let Some((supervisor, path, above)) = left.pop() {
        let (branch, below) = cut(&supervisor, path).await;
        let here = found.len();
        left.extend(below.into_iter().map(|(child, supervisor, path)| (supervisor, Some(path), Some((here, child)))));
        found.push((branch, above));
    }
    // Those below come later than those above them.
    while let Some((branch, above)) = found.pop() {
        let Some((above, child)) = above else { return branch };
        if let Some(answer) = &mut found[above].0.answer {
            answer.children[child].below = Some(branch);
        }
    }
    unreachable!("the first is above all others, and in nothing")
}

/// One supervisor, and those among its children that are supervisors. `path`: what it is called from above.
async fn cut(supervisor: &SupervisorRef, path: Option<String>) -> (Branch, Vec<(usize, SupervisorRef, String)>) {
    let status = supervisor.sys().status();
    let Ok(Cut { path, flags, restarts, children: cut }) = supervisor.call(Msg::Tree).within(PATIENCE).await else {
        let path = path.or_else(|| status.name.as_ref().map(ToString::to_string));
        let path = path.unwrap_or_else(|| supervisor.id().to_string());
        return (Branch { path, status, answer: None }, Vec::new());
    };
    let (mut children, mut below) = (Vec::with_capacity(cut.len()), Vec::new());
    for (twig, supervisor) in cut {
        if let Some(supervisor) = supervisor {
            below.push((children.len(), supervisor, format!("{path}/{}", twig.name)));
        }
        children.push(twig);
    }
    (Branch { path, status, answer: Some(Answer { flags, restarts, children }) }, below)
}
