//! What is said over a control socket: a line of JSON asks, a line of JSON answers.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a request, its line's end left out.
pub(crate) const LONGEST_REQUEST: usize = 64 << 10;

/// An order for a running pipeline: `{"command":"scale","stage":"enrichment","instances":2}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ControlRequest {
    /// How it is.
    Status,
    /// Its sources send nothing more.
    Pause,
    /// Its sources go on.
    Resume,
    /// A stage that its policy has stopped goes on.
    ResumeStage {
        /// Which.
        stage: String,
    },
    /// It is paused, and what is under way comes to its end.
    Drain,
    /// A checkpoint is made.
    Checkpoint,
    /// A plugin is swapped for another library.
    Swap {
        /// Its stage.
        stage: String,
        /// The library, seen from the pipeline's working folder if it is relative.
        library: PathBuf,
    },
    /// A plugin gets other values of some parameters.
    Params {
        /// Its stage.
        stage: String,
        /// Those that change, or are new.
        params: BTreeMap<String, String>,
    },
    /// A stage gets another number of instances.
    Scale {
        /// Which.
        stage: String,
        /// How many.
        instances: NonZeroUsize,
    },
    /// Its file is read anew.
    Reload,
    /// It is drained and stopped.
    Stop,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ControlAnswer {
    /// It is done.
    Done,
    /// How it is: a [`PipelineStatus`](crate::PipelineStatus).
    Status {
        /// As JSON.
        status: Value,
    },
    /// A checkpoint was made.
    Checkpoint {
        /// Its number.
        number: u64,
    },
    /// A plugin was swapped.
    Swapped {
        /// How many instances of it.
        instances: usize,
        /// For how long the slowest was held, in microseconds.
        held_us: u64,
    },
    /// The plan was changed.
    Reloaded {
        /// What was done.
        report: String,
    },
    /// It has stopped.
    Stopped {
        /// How.
        outcome: String,
    },
    /// Nothing was done.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

impl ControlRequest {
    /// Reads a line.
    ///
    /// # Errors
    /// It is none, and why.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > LONGEST_REQUEST {
            return Err(format!("a request has {LONGEST_REQUEST} bytes at most"));
        }
        serde_json::from_slice(line)
            .map_err(|why| format!("this is no request: {why}; send `{{\"command\":\"status\"}}`"))
    }
}

impl ControlAnswer {
    /// Reads a line.
    ///
    /// # Errors
    /// It is none, and why.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|why| format!("this is no answer: {why}"))
    }
}

/// Something as a line.
pub(crate) fn line(said: &impl Serialize) -> Vec<u8> {
    // Texts and numbers alone: it cannot fail.
    let mut line = serde_json::to_vec(said).unwrap_or_default();
    line.push(b'\n');
    line
}

impl fmt::Display for ControlAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlAnswer::Done => f.write_str("done"),
            ControlAnswer::Status { status } => write!(f, "{status}"),
            ControlAnswer::Checkpoint { number } => write!(f, "checkpoint {number} was made"),
            ControlAnswer::Swapped { instances, held_us } => {
                write!(f, "swapped: {instances} instances, held for {held_us} µs")
            }
            ControlAnswer::Reloaded { report } => f.write_str(report),
            ControlAnswer::Stopped { outcome } => f.write_str(outcome),
            ControlAnswer::Refused { why } => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_read_as_it_is_written() {
        let stage = || "enrichment".to_owned();
        let params = BTreeMap::from([("a".to_owned(), "b=\"c\"\n".to_owned())]);
        for (request, want) in [
            (ControlRequest::Status, r#"{"command":"status"}"#),
            (ControlRequest::ResumeStage { stage: stage() }, r#"{"command":"resume-stage","stage":"enrichment"}"#),
            (
                ControlRequest::Swap { stage: stage(), library: "a.so".into() },
                r#"{"command":"swap","stage":"enrichment","library":"a.so"}"#,
            ),
            (
                ControlRequest::Params { stage: stage(), params },
                r#"{"command":"params","stage":"enrichment","params":{"a":"b=\"c\"\n"}}"#,
            ),
            (
                ControlRequest::Scale { stage: stage(), instances: NonZeroUsize::MIN },
                r#"{"command":"scale","stage":"enrichment","instances":1}"#,
            ),
            (ControlRequest::Stop, r#"{"command":"stop"}"#),
        ] {
            let line = line(&request);
            assert_eq!(String::from_utf8_lossy(&line).trim_end(), want);
            assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
            assert_eq!(ControlRequest::parse(&line), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        let large = vec![b' '; LONGEST_REQUEST + 1];
        for (line, want) in [
            (&b""[..], "EOF"),
            (b"status", "expected"),
            (b"{\"command\":\"explode\"}", "unknown variant `explode`"),
            (b"{\"command\":\"swap\",\"stage\":\"a\"}", "missing field `library`"),
            (b"{\"command\":\"scale\",\"stage\":\"a\",\"instances\":0}", "nonzero"),
            (b"{\"command\":\"swap\",\"stage\":\"a\",\"library\":\"b\",\"c\":1}", "unknown field `c`"),
            (b"\xFF\xFE", "expected"),
            (&large, "65536 bytes at most"),
        ] {
            let why = ControlRequest::parse(line).unwrap_err();
            assert!(why.contains(want), "{why}");
        }
    }
}
