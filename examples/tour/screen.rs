//! What the tour looks like: sections, sentences, and proofs that hold or not.

use std::time::Duration;

use crate::Outcome;

pub struct Screen {
    sections: u32,
    proofs: u32,
    failed: Vec<String>,
}

impl Screen {
    pub fn new() -> Self {
        println!("A tour of Proscenium: actors with bounded mailboxes. Each ✓ was checked while it ran.");
        Screen { sections: 0, proofs: 0, failed: Vec::new() }
    }

    pub fn section(&mut self, title: &str) {
        self.sections += 1;
        println!("\n{}. {title}", self.sections);
    }

    pub fn say(&self, line: impl AsRef<str>) {
        println!("     {}", line.as_ref());
    }

    pub fn proof(&mut self, holds: bool, what: impl Into<String>) {
        let what = what.into();
        self.proofs += 1;
        println!("   {} {what}", if holds { '✓' } else { '✗' });
        if !holds {
            self.failed.push(what);
        }
    }

    pub fn end(self, took: Duration) -> Outcome {
        if !self.failed.is_empty() {
            return Err(format!("{} of {} proofs failed: {:?}", self.failed.len(), self.proofs, self.failed).into());
        }
        println!(
            "\nAll {} proofs hold. It took {:.1} s. The code is in examples/tour.",
            self.proofs,
            took.as_secs_f64()
        );
        Ok(())
    }
}
