//! What was typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};
use proscenium::plugin::sandbox::Grants;

use crate::pipeline_command;

pub const HELP: &str = "\
proscenium - runs pipelines, and tries plugins out

usage:
  proscenium check FILE [options]           whether a pipeline's file is right, and the pipeline as a picture
  proscenium run FILE [options]             runs it to its end, or until SIGTERM or SIGINT; a change of the file is applied
  proscenium status [--json]                how a running pipeline is
  proscenium pause | resume [STAGE]         holds its sources, or lets them go on; or a stage that its policy has stopped
  proscenium drain | checkpoint | reload | stop
                                            holds it with nothing under way; makes a checkpoint; reads the file anew; ends it
  proscenium swap STAGE LIBRARY             another library for a plugin, while it works
  proscenium params STAGE KEY=VALUE...      other values for some of its parameters
  proscenium scale STAGE N                  another number of instances
  proscenium dead-letters list | show ID    what the pipeline could not process
  proscenium dead-letters redrive | purge [ID...]
                                            sends letters through it again, or throws them away
  proscenium plugin verify FILE [options]   whether a library keeps the contract of a plugin
  proscenium plugin bench FILE [options]    records a second in its process, beside those of the same library in-process
  proscenium plugin info FILE               what a library says of itself
  proscenium plugin list FOLDER...          the plugins in folders, and what is none, with the reason
  proscenium --help | --version

Every library is loaded in a sandboxed process of its own, never in this one.

of check and run:
  --input PATH | -      JSON lines from a file or stdin, in the place of the file's only source
  --output FOLDER | -   to files in a folder or stdout, in the place of its only sink
  --state FOLDER        where checkpoints, dead letters and the control socket are
                        (default: what the file says, else .proscenium/NAME beside it)
  --no-control          run alone: without a control socket
A file in the line format reads stdin and writes to stdout, unless told otherwise.

of the commands for a running pipeline, and of dead-letters:
  --state FOLDER        of the pipeline (default: the only one in .proscenium here)
  --socket PATH         its control socket; not with dead-letters

of dead-letters list, redrive and purge:
  --part NAME, --class CLASS, --since AGE, --older-than AGE   which letters; an age is 90s, 10m, 2h or 3d
  --all                 list: those too that were sent again or thrown away; redrive and purge: every letter
  --limit N, --below ID list alone: how many (default 50), and the page before
  --yes                 purge alone: they are gone for good

of verify and bench:
  --param KEY=VALUE     a parameter of the plugin; may come several times
  --grant GRANT         what the sandbox lets it do: read=PATH, write=PATH, network, processes, syscall=NAME
  --limit-ms N          how long a start or a batch may take (default 2000)

of verify:
  --learn               takes notes of what the sandbox refuses, and prints them as a list of grants
  --log                 prints the plugin's log, stdout and stderr as well

of bench:
  --records N           how many, rounded up to whole batches (default 2000000)
  --size BYTES          of one record: 32 to 32768 (default 128)
  --batch N             records of a batch: 1 to 1024 (default 1024)
  --depth N             batches under way at once: 1 to 64 (default 8)
  --in-process          measures that side alone

exit codes: 0 it is so, or done; 1 it is not, with the reason on stderr; 2 what was typed is no command; run, at a second
signal: 128 and its number
";

/// A plugin with what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub file: PathBuf,
    pub params: Vec<(String, String)>,
    pub grants: Grants,
    pub limit: Duration,
    pub learns: bool,
    pub logs: bool,
}

/// What it is measured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    pub tried: Tried,
    pub records: u64,
    pub size: usize,
    pub batch: u32,
    pub depth: u32,
    pub in_process_alone: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Verify(Tried),
    Bench(Load),
    List(Vec<PathBuf>),
    Info(PathBuf),
    Pipeline(pipeline_command::Command),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    Command(Command),
    Help,
    Version,
}

/// # Errors
/// What is wrong, for who typed it.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Typed, lexopt::Error> {
    let args: Vec<OsString> = args.into_iter().collect();
    let noun = args.first().and_then(|noun| noun.to_str()).unwrap_or_default();
    if pipeline_command::WORDS.contains(&noun) {
        return pipeline_command::read(noun, &args[1..]);
    }
    let mut words = Vec::new();
    let mut load = Load {
        tried: Tried {
            file: PathBuf::new(),
            params: Vec::new(),
            grants: Grants::default(),
            limit: Duration::from_secs(2),
            learns: false,
            logs: false,
        },
        records: 2_000_000,
        size: 128,
        batch: 1024,
        depth: 8,
        in_process_alone: false,
    };
    let mut options = Vec::new();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Typed::Help),
            Short('V') | Long("version") => return Ok(Typed::Version),
            Long(option) => {
                let option = option.to_owned();
                set(&mut load, &option, &mut parser)?;
                options.push(option);
            }
            Value(word) => words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    let mut words = words.into_iter();
    let (noun, verb) = (words.next(), words.next());
    let files: Vec<PathBuf> = words.map(PathBuf::from).collect();
    let verb = match (noun.as_deref().and_then(|noun| noun.to_str()), verb) {
        (None, _) => return Err("there is no command".into()),
        (Some("plugin"), Some(verb)) => verb.to_string_lossy().into_owned(),
        (Some("plugin"), None) => return Err("plugin: verify, bench, info or list?".into()),
        (Some(other), _) => return Err(format!("`{other}` is no command").into()),
    };
    allowed(&verb, &options)?;
    match (verb.as_str(), files.as_slice()) {
        ("list", []) => Err("plugin list: name a folder".into()),
        ("list", folders) => Ok(Typed::Command(Command::List(folders.to_vec()))),
        (_, [file]) => {
            load.tried.file = file.clone();
            Ok(Typed::Command(match verb.as_str() {
                "verify" => Command::Verify(load.tried),
                "bench" => Command::Bench(load),
                _ => Command::Info(load.tried.file),
            }))
        }
        _ => Err(format!("plugin {verb}: name one file").into()),
    }
}

/// An option that has no meaning for a command is a mistake.
fn allowed(verb: &str, options: &[String]) -> Result<(), lexopt::Error> {
    let both = ["param", "grant", "limit-ms"];
    let own: &[&str] = match verb {
        "verify" => &["learn", "log"],
        "bench" => &["records", "size", "batch", "depth", "in-process"],
        "info" | "list" => &[],
        other => return Err(format!("plugin: `{other}` is no command").into()),
    };
    let has_both = matches!(verb, "verify" | "bench");
    let is_allowed = |option: &&String| own.contains(&option.as_str()) || has_both && both.contains(&option.as_str());
    match options.iter().find(|option| !is_allowed(option)) {
        Some(option) => Err(format!("plugin {verb} has no option --{option}").into()),
        None => Ok(()),
    }
}

fn set(load: &mut Load, option: &str, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
    let mut number = |least: u64, most: u64| -> Result<u64, lexopt::Error> {
        let value = parser.value()?;
        let number = value.to_str().and_then(|value| value.parse().ok()).filter(|n| (least..=most).contains(n));
        number.ok_or_else(|| format!("--{option} {}: give {least} to {most}", value.display()).into())
    };
    match option {
        "records" => load.records = number(1, 1_000_000_000_000)?,
        "size" => load.size = number(32, 32 << 10)? as usize,
        "batch" => load.batch = number(1, 1024)? as u32,
        "depth" => load.depth = number(1, 64)? as u32,
        "limit-ms" => load.tried.limit = Duration::from_millis(number(10, 600_000)?),
        "in-process" => load.in_process_alone = true,
        "learn" => load.tried.learns = true,
        "log" => load.tried.logs = true,
        "param" => {
            let text = parser.value()?.string()?;
            let (key, value) = text.split_once('=').ok_or_else(|| format!("--param {text}: give KEY=VALUE"))?;
            load.tried.params.push((key.to_owned(), value.to_owned()));
        }
        "grant" => grant(&mut load.tried.grants, &parser.value()?.string()?)?,
        other => return Err(format!("there is no option --{other}").into()),
    }
    Ok(())
}

fn grant(grants: &mut Grants, text: &str) -> Result<(), lexopt::Error> {
    match text.split_once('=') {
        None if text == "network" => grants.network = true,
        None if text == "processes" => grants.processes = true,
        Some(("read", path)) => grants.read.push(path.into()),
        Some(("write", path)) => grants.write.push(path.into()),
        Some(("syscall", name)) => match name.parse() {
            Ok(call) => grants.syscalls.push(call),
            Err(why) => return Err(format!("--grant {text}: {why}").into()),
        },
        _ => {
            let kinds = "read=PATH, write=PATH, network, processes or syscall=NAME";
            return Err(format!("--grant {text}: give {kinds}").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Typed, String> {
        read(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_read_as_it_is_meant() {
        let Ok(Typed::Command(Command::Bench(load))) = typed(
            "plugin bench a.so --param map=a:b=c --size 64 --depth=2 --grant read=/x --grant network --in-process",
        ) else {
            panic!("it is a bench");
        };
        assert_eq!(load.tried.params, [("map".to_owned(), "a:b=c".to_owned())]);
        assert_eq!((load.size, load.depth, load.batch, load.in_process_alone), (64, 2, 1024, true));
        assert_eq!((load.tried.grants.read, load.tried.grants.network), (vec![PathBuf::from("/x")], true));
        assert_eq!(typed("plugin list a b"), Ok(Typed::Command(Command::List(vec!["a".into(), "b".into()]))));
        assert_eq!((typed("--help"), typed("plugin bench -h")), (Ok(Typed::Help), Ok(Typed::Help)));
    }

    #[test]
    fn a_mistake_is_told_by_name() {
        let rows = [
            ("", "there is no command"),
            ("plugin", "verify, bench, info or list?"),
            ("plug verify x", "`plug` is no command"),
            ("plugin verfy x", "`verfy` is no command"),
            ("plugin verify", "name one file"),
            ("plugin verify a b", "name one file"),
            ("plugin list", "name a folder"),
            ("plugin verify a --depth 2", "plugin verify has no option --depth"),
            ("plugin bench a --learn", "plugin bench has no option --learn"),
            ("plugin bench a --deep", "there is no option --deep"),
            ("plugin bench a --depth 65", "--depth 65: give 1 to 64"),
            ("plugin bench a --size many", "--size many: give 32 to 32768"),
            ("plugin verify a --param x", "--param x: give KEY=VALUE"),
            ("plugin verify a --grant all", "--grant all: give read=PATH"),
            ("plugin verify a --grant syscall=fly", "`fly` is no system call"),
        ];
        for (line, want) in rows {
            let error = typed(line).expect_err(line);
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
