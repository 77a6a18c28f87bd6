//! What is wrong with a file: where, what was expected, what to do.

use std::fmt;

use super::excerpt::Excerpt;

/// One error in a file. Its `Display` shows the line with a caret.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The file's path, as it was given.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters that are meant; 0 where there is nothing to point at, because the file could not be read.
    pub len: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right. May be empty.
    pub expected: String,
    /// What to do. May be empty.
    pub remedy: String,
    pub(crate) excerpt: Option<Excerpt>,
}

impl Diagnostic {
    /// About a file as a whole.
    pub(crate) fn of_file(file: &str, what: String, expected: &str, remedy: &str) -> Self {
        Diagnostic {
            file: file.to_owned(),
            line: 1,
            column: 1,
            len: 0,
            what,
            expected: expected.to_owned(),
            remedy: remedy.to_owned(),
            excerpt: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.excerpt {
            None => write!(f, "{}: {}", self.file, self.what)?,
            Some(excerpt) => {
                let blank = " ".repeat(self.line.to_string().len());
                writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)?;
                writeln!(f, "{}", format!(" {} | {}", self.line, excerpt.text).trim_end())?;
                write!(f, " {blank} | {}{}", excerpt.indent, "^".repeat(excerpt.carets))?;
            }
        }
        for (word, text) in [("expected", &self.expected), ("remedy", &self.remedy)] {
            if !text.is_empty() {
                write!(f, "\n  {word}: {text}")?;
            }
        }
        Ok(())
    }
}

/// All that is wrong with a file, in the order of the places. At most 100 are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostics {
    shown: Vec<Diagnostic>,
    more: usize,
}

impl Diagnostics {
    pub(crate) fn new(shown: Vec<Diagnostic>, more: usize) -> Self {
        Diagnostics { shown, more }
    }

    /// Those that were kept: at least one.
    #[must_use]
    pub fn shown(&self) -> &[Diagnostic] {
        &self.shown
    }

    /// How many there are besides.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(only: Diagnostic) -> Self {
        Diagnostics { shown: vec![only], more: 0 }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, diagnostic) in self.shown.iter().enumerate() {
            write!(f, "{}{diagnostic}", if nth == 0 { "" } else { "\n\n" })?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl std::error::Error for Diagnostics {}
