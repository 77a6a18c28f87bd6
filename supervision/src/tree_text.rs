//! The tree as people read it.

use std::fmt::{self, Write};

use proscenium_runtime::{Exit, Life};

use crate::child_spec::{ChildType, Restart};
use crate::children::State;
use crate::sup_flags::AutoShutdown;
use crate::tree::{Answer, Branch, Tree, Twig};

/// So many children of one supervisor are printed; of the others their number is.
const PRINTED: usize = 20;

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.node)?;
        for (n, supervisor) in self.supervisors.iter().enumerate() {
            let is_last = n + 1 == self.supervisors.len();
            print(f, "", is_last, &format!("{}  {}", supervisor.path, supervisor.summary()))?;
            supervisor.print_children(f, if is_last { "   " } else { "│  " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {}", self.path, self.summary())?;
        self.print_children(f, "")
    }
}

fn print(f: &mut fmt::Formatter<'_>, indent: &str, is_last: bool, line: &str) -> fmt::Result {
    writeln!(f, "{indent}{} {line}", if is_last { "└─" } else { "├─" })
}

impl Branch {
    fn summary(&self) -> String {
        let Some(Answer { flags, restarts, .. }) = &self.answer else {
            return format!("busy, queue {}", self.status.queued);
        };
        let ended_by = match flags.auto_shutdown {
            AutoShutdown::Never => "",
            AutoShutdown::AnySignificant => ", auto_shutdown any_significant",
            AutoShutdown::AllSignificant => ", auto_shutdown all_significant",
        };
        let most = flags.max_children.map_or_else(String::new, |limit| format!(", max_children {limit}"));
        format!("{}{ended_by}{most}, {restarts} of {} restarts in {} s", flags.strategy, flags.intensity, flags.period)
    }

    fn print_children(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        let Some(Answer { children, .. }) = &self.answer else { return Ok(()) };
        let shown = children.len().min(PRINTED);
        for (n, child) in children.iter().take(shown).enumerate() {
            let is_last = n + 1 == children.len();
            print(f, indent, is_last, &format!("{}  {}", child.name, child.summary()))?;
            if let Some(below) = &child.below {
                below.print_children(f, &format!("{indent}{}", if is_last { "   " } else { "│  " }))?;
            }
        }
        if shown < children.len() {
            print(f, indent, true, &format!("and {} more", children.len() - shown))?;
        }
        Ok(())
    }
}

impl Twig {
    fn summary(&self) -> String {
        let mut line = self.state();
        self.add_spec(&mut line);
        // What is written here goes to a string, which takes everything.
        let restarts = self.info.restarts;
        if restarts > 0 {
            let _ = write!(line, ", {restarts} restart{}", if restarts == 1 { "" } else { "s" });
        }
        if let Some(status) = self.status.as_ref().filter(|_| self.info.flags.child_type == ChildType::Worker) {
            let _ = write!(line, ", queue {}", status.queued);
            if let Some(kind) = status.in_hand {
                let _ = write!(line, ", at {kind}");
            }
        }
        if let Some(note) = &self.note {
            let _ = write!(line, ", {note}");
        }
        if let Some(below) = &self.below {
            let _ = write!(line, ", {}", below.summary());
        }
        line
    }

    fn state(&self) -> String {
        let is_suspended = self.status.as_ref().is_some_and(|status| status.life == Life::Suspended);
        let state = match self.info.state {
            State::Running(_) if !self.info.is_alive => "ended, its exit waits",
            State::Running(_) if is_suspended => "suspended",
            State::Running(_) => "running",
            State::Restarting => "restarting",
            State::Quarantined => "in quarantine",
            State::Down => "down",
        };
        match self.why_not_running() {
            Some(why) => format!("{state} ({why})"),
            None => state.to_owned(),
        }
    }

    /// How its last process ended, if that did so by itself.
    fn why_not_running(&self) -> Option<String> {
        let last = self.last_exit.as_ref().filter(|exit| exit.start == self.info.restarts + 1)?;
        // Where a panic was is for reports: this is a line.
        let why = match &last.exit {
            Exit::Panic(panicked) => format!("panic: {}", panicked.message),
            exit => exit.to_string(),
        };
        match self.info.state {
            State::Running(_) => None,
            State::Down | State::Restarting | State::Quarantined => Some(why.lines().next()?.to_owned()),
        }
    }

    /// What its spec has other than the defaults.
    fn add_spec(&self, line: &mut String) {
        let flags = &self.info.flags;
        let restart = match flags.restart {
            Restart::Permanent => None,
            Restart::Transient => Some("transient"),
            Restart::Temporary => Some("temporary"),
        };
        let significant = flags.significant.then_some("significant");
        let backoff = self.policy.has_backoff().then_some("backoff");
        // Being in it says that it has one.
        let is_told = self.info.state == State::Quarantined;
        let quarantine = (self.policy.has_quarantine() && !is_told).then_some("quarantine");
        for word in [restart, significant, backoff, quarantine].into_iter().flatten() {
            let _ = write!(line, ", {word}");
        }
        let name = self.status.as_ref().and_then(|status| status.name.as_ref()).map(ToString::to_string);
        if let Some(name) = name.filter(|name| *name != self.info.id.as_str()) {
            let _ = write!(line, ", named {name}");
        }
    }
}
