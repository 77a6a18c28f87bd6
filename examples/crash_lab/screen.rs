//! What the script looks like: chapters, sentences, commands, and proofs that hold or not.

use std::io::Write;

use crate::Outcome;
use crate::typed::Typed;

pub struct Screen<'a> {
    chapters: u32,
    proofs: u32,
    failed: Vec<String>,
    /// A reader who turns the pages.
    reader: Option<&'a mut Typed>,
}

impl<'a> Screen<'a> {
    pub fn new(reader: Option<&'a mut Typed>) -> Self {
        Screen { chapters: 0, proofs: 0, failed: Vec::new(), reader }
    }

    pub async fn chapter(&mut self, title: &str) {
        if let Some(reader) = &mut self.reader {
            print!("\n[Enter turns the page, a word turns all]");
            // A screen that is gone is nobody's; the end of the input turns all.
            let _ = std::io::stdout().flush();
            if reader.next().await.is_none_or(|line| !line.is_empty()) {
                self.reader = None;
            }
        }
        self.chapters += 1;
        println!("\n{}. {title}", self.chapters);
    }

    pub fn proof(&mut self, holds: bool, what: impl Into<String>) {
        let what = what.into();
        self.proofs += 1;
        println!("   {} {what}", if holds { '✓' } else { '✗' });
        if !holds {
            self.failed.push(what);
        }
    }

    /// The story has these parts in this order, and no others.
    pub fn order(&mut self, story: &[String], parts: &[&str], what: impl Into<String>) {
        let fits = |(line, part): (&String, &&str)| line.contains(part);
        self.proof(story.len() == parts.len() && story.iter().zip(parts).all(fits), what);
    }

    pub fn end(self) -> Outcome {
        if !self.failed.is_empty() {
            return Err(format!("{} of {} proofs failed: {:?}", self.failed.len(), self.proofs, self.failed).into());
        }
        println!("\nAll {} proofs hold. The code is in examples/crash_lab.", self.proofs);
        Ok(())
    }
}
