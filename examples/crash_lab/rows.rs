//! The lines of the tree.

use proscenium::prelude::*;
use proscenium::supervision::{Branch, ChildType, Place, Strategy, Tree};
use proscenium::{Status, UntypedRef};

use crate::worker::{Worker, WorkerRef};

/// A line of the tree.
#[derive(Clone)]
pub struct Row {
    pub path: String,
    pub id: String,
    pub place: Option<Place>,
    pub restarts: u32,
    pub is_dynamic: bool,
    pub is_supervisor: bool,
    /// It has children of one kind, and takes more of them.
    pub takes_more: bool,
    status: Option<Status>,
}

impl Row {
    pub fn actor(&self, node: &Node) -> Option<UntypedRef> {
        node.actor(self.status.as_ref()?.actor)
    }

    pub fn worker(&self, node: &Node) -> Option<WorkerRef> {
        self.actor(node)?.downcast::<Worker>()
    }

    pub fn queued(&self) -> usize {
        self.status.as_ref().map_or(0, |status| status.queued)
    }
}

/// All lines, from the top down.
pub fn rows(tree: &Tree) -> Vec<Row> {
    let mut rows = Vec::new();
    for top in &tree.supervisors {
        rows.push(Row {
            path: top.path.clone(),
            id: top.path.clone(),
            place: None,
            restarts: 0,
            is_dynamic: false,
            is_supervisor: true,
            takes_more: takes_more(top),
            status: Some(top.status.clone()),
        });
        add_below(top, &mut rows);
    }
    rows
}

fn takes_more(branch: &Branch) -> bool {
    branch.answer.as_ref().is_some_and(|answer| answer.flags.strategy == Strategy::SimpleOneForOne)
}

fn add_below(branch: &Branch, rows: &mut Vec<Row>) {
    for twig in branch.answer.iter().flat_map(|answer| &answer.children) {
        rows.push(Row {
            path: format!("{}/{}", branch.path, twig.name),
            id: twig.info.id.to_string(),
            place: Some(twig.info.place),
            restarts: twig.info.restarts,
            is_dynamic: takes_more(branch),
            is_supervisor: twig.info.flags.child_type == ChildType::Supervisor,
            takes_more: twig.below.as_ref().is_some_and(takes_more),
            status: twig.status.clone(),
        });
        twig.below.iter().for_each(|below| add_below(below, rows));
    }
}
