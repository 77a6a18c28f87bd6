//! What is found out about a plugin, line by line as it is found.

use std::fmt;

/// Lines on stdout, and how many checks have passed.
#[derive(Debug, Default)]
pub struct Findings {
    passed: usize,
    failed: Vec<String>,
}

impl Findings {
    pub fn heading(&self, text: impl fmt::Display) {
        println!("{}", clean(text));
    }

    /// A check that has passed.
    pub fn ok(&mut self, text: impl fmt::Display) {
        self.passed += 1;
        println!("  ok    {}", clean(text));
    }

    /// One that has not.
    pub fn fail(&mut self, text: impl fmt::Display) {
        let text = clean(text);
        println!("  FAIL  {text}");
        self.failed.push(text);
    }

    /// Something that is neither.
    pub fn note(&self, text: impl fmt::Display) {
        println!("  note  {}", clean(text));
    }

    /// # Errors
    /// The first check that has failed, and how many.
    pub fn conclude(self) -> Result<(), String> {
        let all = self.passed + self.failed.len();
        match self.failed.first() {
            None => {
                println!("it is a plugin: {all} of {all} checks passed");
                Ok(())
            }
            Some(first) => Err(format!("{} of {all} checks failed, the first: {first}", self.failed.len())),
        }
    }
}

/// Text that may be foreign, for a terminal: control characters are escaped.
pub fn clean(text: impl fmt::Display) -> String {
    proscenium::plugin::clean(&text.to_string())
}
