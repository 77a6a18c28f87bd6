//! What the files of a rolling sink are called: `part-000001.jsonl`, and `.open` behind it while it grows.

use std::path::{Path, PathBuf};

/// Of a file that grows, or waits for its checkpoint.
const OPEN: &str = ".open";
/// Of what a program without a checkpoint has left unfinished.
const LEFT: &str = ".left";

/// How far a file is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stand {
    Finished,
    Open,
    Left,
}

/// The names of one sink's files. A folder and a prefix belong to one sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Names {
    pub(crate) folder: PathBuf,
    pub(crate) prefix: String,
    pub(crate) extension: String,
}

impl Names {
    pub(crate) fn name(&self, number: u64) -> String {
        format!("{}-{number:06}.{}", self.prefix, self.extension)
    }

    pub(crate) fn finished(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn open(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{OPEN}"))
    }

    pub(crate) fn left(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{LEFT}"))
    }

    /// What a path is, if it is one of these.
    pub(crate) fn parse(&self, path: &Path) -> Option<(u64, Stand)> {
        let name = path.file_name()?.to_str()?;
        let (name, stand) = match (name.strip_suffix(OPEN), name.strip_suffix(LEFT)) {
            (Some(name), _) => (name, Stand::Open),
            (_, Some(name)) => (name, Stand::Left),
            _ => (name, Stand::Finished),
        };
        let digits = name.strip_prefix(&*self.prefix)?.strip_prefix('-')?;
        let digits = digits.strip_suffix(&*self.extension)?.strip_suffix('.')?;
        let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        Some((number, stand))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_read_and_all_of_them() {
        let names = Names { folder: "out".into(), prefix: "part".into(), extension: "jsonl".into() };
        for (path, want) in [
            ("out/part-000001.jsonl", Some((1, Stand::Finished))),
            ("out/part-000012.jsonl.open", Some((12, Stand::Open))),
            ("out/part-1234567.jsonl.left", Some((1_234_567, Stand::Left))),
            ("out/part-x-000001.jsonl", None),
            ("out/part-000001.jsonl.gz", None),
            ("out/part-+00001.jsonl", None),
            ("out/part-.jsonl", None),
            ("out/part-000001jsonl", None),
            ("out/other-000001.jsonl", None),
            ("out/part-99999999999999999999.jsonl", None),
        ] {
            assert_eq!(names.parse(Path::new(path)), want, "{path}");
        }
        assert_eq!(names.parse(&names.open(&names.name(7))), Some((7, Stand::Open)));
        assert_eq!(names.parse(&names.left(&names.name(7))), Some((7, Stand::Left)));
        assert_eq!(names.parse(&names.finished(&names.name(7))), Some((7, Stand::Finished)));
    }
}
