//! Errors as they are found, before their places are worked out.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::diagnostic::Diagnostics;
use super::text::Text;
use crate::limits::SHOWN;
use crate::nearest::nearest;

/// Collects what is wrong with one file. Of very many it keeps those that stand first.
pub(crate) struct Findings<'a> {
    text: &'a Text,
    kept: RefCell<Vec<Finding>>,
    found: Cell<usize>,
    suggestions: Cell<usize>,
    /// Lines that could not be understood: what is found there besides is not said.
    broken: RefCell<Vec<usize>>,
}

struct Finding {
    span: Range<usize>,
    what: String,
    expected: String,
    remedy: String,
}

impl<'a> Findings<'a> {
    pub(crate) fn of(text: &'a Text) -> Self {
        Findings {
            text,
            kept: RefCell::default(),
            found: Cell::new(0),
            suggestions: Cell::new(0),
            broken: RefCell::default(),
        }
    }

    pub(crate) fn add(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        expected: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.is_on_broken_line(span.start) {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        self.found.set(self.found.get() + 1);
        kept.push(Finding { span, what: what.into(), expected: expected.into(), remedy: remedy.into() });
        if kept.len() >= 2 * SHOWN {
            kept.sort_by_key(|finding| finding.span.start);
            kept.truncate(SHOWN);
        }
    }

    /// The syntax is wrong here: more is not said of this line, and of what is missing nothing at all.
    pub(crate) fn add_syntax(&self, span: Range<usize>, what: String, expected: String, remedy: String) {
        let line = self.text.line_of(span.start.min(self.text.text().len()));
        self.add(span, what, expected, remedy);
        let mut broken = self.broken.borrow_mut();
        if broken.len() < SHOWN {
            broken.push(line);
        }
    }

    fn is_on_broken_line(&self, at: usize) -> bool {
        let broken = self.broken.borrow();
        !broken.is_empty() && broken.contains(&self.text.line_of(at.min(self.text.text().len())))
    }

    /// Whether what is missing may only have been hidden by wrong syntax.
    pub(crate) fn is_broken(&self) -> bool {
        !self.broken.borrow().is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.found.get()
    }

    /// "Did you mean": for the first errors only, since the work grows with the number of candidates.
    pub(crate) fn suggestion<'c>(&self, word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
        self.suggestions.set(self.suggestions.get() + 1);
        let best = (self.suggestions.get() <= SHOWN).then(|| nearest(word, candidates)).flatten()?;
        Some(format!("did you mean `{best}`?"))
    }

    pub(crate) fn source(&self) -> &'a str {
        self.text.text()
    }

    pub(crate) fn into_diagnostics(self) -> Diagnostics {
        let mut kept = self.kept.into_inner();
        kept.sort_by_key(|finding| finding.span.start);
        kept.truncate(SHOWN);
        let more = self.found.get() - kept.len();
        let shown = kept
            .into_iter()
            .map(|finding| self.text.diagnostic(finding.span, finding.what, finding.expected, finding.remedy));
        Diagnostics::new(shown.collect(), more)
    }

    /// The value, if nothing was found.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, Diagnostics> {
        if self.count() == 0 { Ok(value) } else { Err(self.into_diagnostics()) }
    }
}
