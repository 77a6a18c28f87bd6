//! The tree on the screen: what has changed since the last look is marked.

use std::collections::HashSet;

use proscenium::supervision::{Branch, Tree};

const MARK: &str = "   ◀";

/// How much of the tree is shown after a command.
#[derive(PartialEq)]
pub enum View {
    Whole,
    WhatMatters,
}

pub struct Picture {
    view: View,
    seen: HashSet<String>,
}

impl Picture {
    pub fn new(view: View) -> Self {
        Picture { view, seen: HashSet::new() }
    }

    pub fn whole(&mut self, tree: &Tree) {
        println!("{}", self.marked(&tree.to_string()).join("\n"));
    }

    /// The supervisor of this path, or the next one above it, and what is below; all for those who do not want it folded.
    pub fn part(&mut self, tree: &Tree, path: &str) {
        let mut ancestors = std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above));
        let found = ancestors.find_map(|path| tree.supervisors.iter().find_map(|top| find(top, path)));
        let Some(branch) = found.filter(|_| self.view == View::WhatMatters) else { return self.whole(tree) };
        let marked = self.marked(&tree.to_string());
        let news: HashSet<&str> = marked.iter().filter_map(|line| line.strip_suffix(MARK)).map(bare).collect();
        let is_new = |line: &&str| news.contains(bare(line));
        let text = branch.to_string();
        let mut lines = text.lines();
        println!("  {}", lines.next().unwrap_or(path));
        // Children, each with what is below it, of which only what has news is shown; and no long rows without news.
        let lines: Vec<&str> = lines.collect();
        let below_matters = |child: &&[&str]| child[1..].iter().any(is_new);
        let children: Vec<&[&str]> = lines.chunk_by(|_, next| depth(next) > 0).collect();
        for row in children.chunk_by(|a, b| [a, b].iter().all(|child| !is_new(&child[0]) && !below_matters(child))) {
            if row.len() > 2 {
                println!("  ┆  {} as before", row.len());
                continue;
            }
            for child in row {
                let shown = if below_matters(child) { child } else { &child[..1] };
                shown.iter().for_each(|line| println!("  {line}{}", if is_new(line) { MARK } else { "" }));
            }
        }
    }

    fn marked(&mut self, text: &str) -> Vec<String> {
        let is_first = self.seen.is_empty();
        let seen = std::mem::replace(&mut self.seen, text.lines().map(|line| bare(line).to_owned()).collect());
        let mark = |line| if is_first || seen.contains(bare(line)) { "" } else { MARK };
        text.lines().map(|line| format!("{line}{}", mark(line))).collect()
    }
}

/// Without the lines of the picture.
fn bare(line: &str) -> &str {
    line.trim_start_matches(['├', '└', '│', '─', ' '])
}

fn depth(line: &str) -> usize {
    line.chars().take_while(|c| !matches!(c, '├' | '└')).count()
}

fn find<'a>(branch: &'a Branch, path: &str) -> Option<&'a Branch> {
    if branch.path == path {
        return Some(branch);
    }
    let children = branch.answer.iter().flat_map(|answer| &answer.children);
    children.filter_map(|child| child.below.as_ref()).find_map(|below| find(below, path))
}
