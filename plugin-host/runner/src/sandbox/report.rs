//! What became of each layer.
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the walls around a plugin. Each stands without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// An empty folder to be in.
    WorkingFolder,
    /// No environment variables, and none left in memory.
    Environment,
    /// Limits on memory, files, descriptors and time of this process.
    ResourceLimits,
    /// No set-user-id program gives rights back.
    NoNewPrivileges,
    /// Files, TCP ports, and signals to processes outside.
    Landlock,
    /// None of root's rights, also for root.
    Capabilities,
    /// The list of the system calls that are allowed.
    Seccomp,
    /// Limits on memory, CPU and processes of all that the plugin starts. The host's layer, see [`crate::cgroup`].
    Cgroup,
}

impl Layer {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 8] = [
        Self::WorkingFolder,
        Self::Environment,
        Self::ResourceLimits,
        Self::NoNewPrivileges,
        Self::Landlock,
        Self::Capabilities,
        Self::Seccomp,
        Self::Cgroup,
    ];

    /// The word for it in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkingFolder => "working folder",
            Self::Environment => "environment",
            Self::ResourceLimits => "resource limits",
            Self::NoNewPrivileges => "no new privileges",
            Self::Landlock => "landlock",
            Self::Capabilities => "capabilities",
            Self::Seccomp => "seccomp",
            Self::Cgroup => "cgroup",
        }
    }
}

/// How one layer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// In force; the text says to what extent.
    Active(String),
    /// The system does not have it; the text says what is missing. The plugin runs without this layer.
    NotAvailable(String),
    /// The system has it, and it could not be put up; the text says why. The plugin should not run.
    Failed(String),
}

/// What became of each layer, in the order in which they were put up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report(pub Vec<(Layer, Status)>);

impl Report {
    /// How this layer is; `None` for one that nobody has tried.
    pub fn status(&self, layer: Layer) -> Option<&Status> {
        self.0.iter().find(|(of, _)| *of == layer).map(|(_, status)| status)
    }

    /// Whether this layer is in force.
    pub fn is_active(&self, layer: Layer) -> bool {
        matches!(self.status(layer), Some(Status::Active(_)))
    }

    /// The layers that the system has and that could not be put up, with the reasons.
    pub fn failed(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.0.iter().filter_map(|(layer, status)| match status {
            Status::Failed(why) => Some((*layer, why.as_str())),
            Status::Active(_) | Status::NotAvailable(_) => None,
        })
    }

    pub(super) fn add(&mut self, layer: Layer, tried: Result<String, NotInForce>) {
        let status = match tried {
            Ok(extent) => Status::Active(extent),
            Err(NotInForce::Missing(what)) => Status::NotAvailable(what),
            Err(NotInForce::Broken(why)) => Status::Failed(why),
        };
        self.0.push((layer, status));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (layer, status) in &self.0 {
            let (state, text) = match status {
                Status::Active(text) => ("active", text),
                Status::NotAvailable(text) => ("not available", text),
                Status::Failed(text) => ("FAILED", text),
            };
            writeln!(f, "{:<18} {state:<14} {text}", layer.name())?;
        }
        Ok(())
    }
}

/// Why a layer is not up.
pub(super) enum NotInForce {
    Missing(String),
    Broken(String),
}

impl NotInForce {
    /// The layer is there, and this step of putting it up went wrong.
    pub(super) fn broken(step: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Broken(format!("{step}: {error}"))
    }
}
