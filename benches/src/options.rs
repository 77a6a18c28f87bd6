//! The command line: `bench [filter…] [--rounds N] [--json DIR] [--list] [--quick] [--check]`.

use std::path::PathBuf;

use crate::Failure;

const USAGE: &str = "usage: bench [filter…] [--rounds N] [--json DIR] [--list] [--quick] [--check]
  filter    run the measures whose name contains one of these words
  --rounds  rounds that count, after one that does not (9 if not given); up to five times as many where
            a verdict is not clear
  --json    where the *.json go (target/bench if not given)
  --list    print the measures and end
  --quick   3 small rounds: shows that everything runs; its numbers mean nothing
  --check   end with 1 when a bound is missed";

/// Counted rounds of a full run; the first one, which warms up, comes on top.
const ROUNDS: usize = 9;
const QUICK_ROUNDS: usize = 3;

/// What the user asked for.
#[derive(Debug)]
pub struct Options {
    pub filters: Vec<String>,
    pub rounds: usize,
    pub json: PathBuf,
    pub list: bool,
    pub quick: bool,
    pub check: bool,
    /// `--child …`: this process is one sample of the bench that started it; see `child`.
    pub child: Option<Vec<String>>,
}

/// Reads the command line; an unknown word ends with the usage.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options {
        filters: Vec::new(),
        rounds: 0,
        json: target_dir()?.join("bench"),
        list: false,
        quick: false,
        check: false,
        child: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--list" => options.list = true,
            "--quick" => options.quick = true,
            "--check" => options.check = true,
            "--rounds" => options.rounds = number(words.next())?,
            "--json" => options.json = words.next().ok_or(USAGE)?.into(),
            "--child" => {
                options.child = Some(words.by_ref().collect());
            }
            filter if !filter.starts_with('-') => options.filters.push(word),
            _ => return Err(USAGE.into()),
        }
    }
    if options.rounds == 0 {
        options.rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
    }
    Ok(options)
}

fn number(word: Option<String>) -> Result<usize, Failure> {
    match word.and_then(|word| word.parse().ok()) {
        Some(number) if number > 0 => Ok(number),
        _ => Err(USAGE.into()),
    }
}

/// The target directory that this program was built into, wherever the user's configuration put it.
pub fn target_dir() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let profile = program.parent().and_then(|folder| folder.parent());
    Ok(profile.ok_or("the program stands outside of any target directory")?.to_path_buf())
}
