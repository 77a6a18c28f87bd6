//! What a rule is: a check over a tree, and the samples that prove it. All that a tree does wrong is reported at once.
use std::fmt;

use crate::tree::Tree;

pub struct Rule {
    pub name: &'static str,
    /// What to do about a violation.
    pub remedy: &'static str,
    pub check: fn(&Tree, &mut Found),
    /// Small trees, with every place in them that must be found; at least one bad and one good.
    pub samples: &'static [Sample],
}

pub struct Sample {
    pub files: &'static [(&'static str, &'static str)],
    /// `path:line` of each violation, in order; none in a good sample.
    pub caught: &'static [&'static str],
}

/// What one rule found.
#[derive(Default)]
pub struct Found {
    places: Vec<(String, usize, String)>,
}

pub struct Violation {
    pub path: String,
    pub line: usize,
    pub rule: &'static str,
    pub what: String,
    pub remedy: &'static str,
}

impl Found {
    pub fn at(&mut self, path: &str, line: usize, what: impl Into<String>) {
        self.places.push((path.to_owned(), line, what.into()));
    }
}

impl Rule {
    pub fn violations(&self, tree: &Tree) -> Vec<Violation> {
        let mut found = Found::default();
        (self.check)(tree, &mut found);
        found.places.sort();
        found.places.dedup();
        let violation = |(path, line, what)| Violation { path, line, rule: self.name, what, remedy: self.remedy };
        found.places.into_iter().map(violation).collect()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}; {}", self.path, self.line, self.rule, self.what, self.remedy)
    }
}

impl Sample {
    pub fn tree(&self) -> Tree {
        Tree::of(self.files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}
