//! A pipeline's file, with what was typed beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proscenium::pipeline::config::{Ends, Format, Kinds, Surroundings, read};
use proscenium::pipeline::sources::{Files, Lines};
use proscenium::pipeline::{Kind, Part, Plan, RollingFiles, SinkSpec, SourceSpec, Stdout};

/// Where states are kept of which nobody has said where.
pub const STATES: &str = ".proscenium";

/// Where records come from or go to, of one that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Standard input, or output.
    Standard,
    /// A file, or a folder.
    At(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFile {
    pub file: PathBuf,
    pub input: Option<End>,
    pub output: Option<End>,
    pub state: Option<PathBuf>,
}

impl PlanFile {
    /// # Errors
    /// All that is wrong with it, for people.
    pub fn read(&self) -> Result<Plan, String> {
        let (kinds, ends) =
            (Kinds::known(), Ends { source: source(self.input.as_ref()), sink: sink(self.output.as_ref()) });
        let surroundings = Surroundings::of_process(&kinds, &ends);
        let mut plan = read(&self.file, &surroundings).map_err(|wrong| wrong.to_string())?;
        if Format::of(&self.file) == Format::Toml {
            self.put_ends(&mut plan, &ends)?;
        }
        if let Some(state) = &self.state {
            plan.settings.state = Some(state.clone());
        }
        let beside = || self.file.parent().unwrap_or(Path::new("")).join(STATES).join(&plan.name);
        if plan.settings.state.is_none() {
            plan.settings.state = Some(beside());
        }
        Ok(plan)
    }

    /// What was typed stands in the place of what the file says.
    fn put_ends(&self, plan: &mut Plan, ends: &Ends) -> Result<(), String> {
        if self.input.is_some() {
            let part = only(&self.file, plan, "--input", "source", |kind| matches!(kind, Kind::Source(_)))?;
            part.kind = Kind::Source(ends.source.clone());
        }
        if self.output.is_some() {
            let part = only(&self.file, plan, "--output", "sink", |kind| matches!(kind, Kind::Sink(_)))?;
            if let Kind::Sink(stage) = &mut part.kind {
                stage.sink = ends.sink.clone();
            }
        }
        Ok(())
    }
}

fn only<'a>(
    file: &Path,
    plan: &'a mut Plan,
    option: &str,
    what: &str,
    is: impl Fn(&Kind) -> bool,
) -> Result<&'a mut Part, String> {
    let count = plan.parts.iter().filter(|part| is(&part.kind)).count();
    let part = plan.parts.iter_mut().find(|part| count == 1 && is(&part.kind));
    part.ok_or_else(|| {
        format!(
            "{}: {option} stands in the place of the only {what}, and there are {count}; leave it out",
            file.display()
        )
    })
}

fn source(input: Option<&End>) -> Arc<dyn SourceSpec> {
    match input {
        Some(End::At(path)) => Arc::new(Files::at(path.to_string_lossy()).json()),
        Some(End::Standard) | None => Arc::new(Lines::stdin().json()),
    }
}

fn sink(output: Option<&End>) -> Arc<dyn SinkSpec> {
    match output {
        Some(End::At(folder)) => Arc::new(RollingFiles::new(folder)),
        Some(End::Standard) | None => Arc::new(Stdout::new()),
    }
}
