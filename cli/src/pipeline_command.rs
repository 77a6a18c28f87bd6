//! What was typed, of the commands for pipelines.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Error;
use lexopt::prelude::{Long, Short, Value};
use proscenium::pipeline::{Class, ControlRequest};

use crate::command::{Command as Any, Typed};
use crate::plan_file::{End, PlanFile};

/// The first words of these commands.
pub const WORDS: [&str; 13] = [
    "check",
    "run",
    "status",
    "pause",
    "resume",
    "drain",
    "checkpoint",
    "reload",
    "stop",
    "swap",
    "params",
    "scale",
    "dead-letters",
];

#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Check(PlanFile),
    Run(Start),
    Control(Order),
    Letters(Letters),
}

/// A pipeline to run.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    pub file: PlanFile,
    pub has_control: bool,
}

/// Something for a running pipeline to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Order {
    pub request: ControlRequest,
    pub state: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub as_json: bool,
}

/// Something about dead letters.
#[derive(Debug, PartialEq, Eq)]
pub struct Letters {
    pub state: Option<PathBuf>,
    pub what: LetterCommand,
    pub which: Which,
}

#[derive(Debug, PartialEq, Eq)]
pub enum LetterCommand {
    List { limit: usize, below: Option<u64> },
    Show(u64),
    Redrive,
    Purge { is_meant: bool },
}

/// Which letters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Which {
    pub ids: Vec<u64>,
    pub part: Option<String>,
    pub class: Option<Class>,
    pub since: Option<Duration>,
    pub older_than: Option<Duration>,
    pub all: bool,
}

/// Words, and options with their values; those of flags are empty.
struct Given {
    words: Vec<OsString>,
    options: BTreeMap<&'static str, OsString>,
}

/// # Errors
/// What is wrong, for who typed it.
pub fn read(noun: &str, args: &[OsString]) -> Result<Typed, Error> {
    let (flags, values): (&[&str], &[&str]) = match noun {
        "check" => (&[], &["input", "output", "state"]),
        "run" => (&["no-control"], &["input", "output", "state"]),
        "status" => (&["json"], &["state", "socket"]),
        "dead-letters" => (&["all", "yes"], &["state", "part", "class", "since", "older-than", "limit", "below"]),
        _ => (&[], &["state", "socket"]),
    };
    let Some(given) = Given::read(noun, args, flags, values)? else { return Ok(Typed::Help) };
    let command = match noun {
        "check" => Command::Check(given.file(noun)?),
        "run" => Command::Run(Start { file: given.file(noun)?, has_control: !given.has("no-control") }),
        "dead-letters" => Command::Letters(given.letters()?),
        _ => Command::Control(Order {
            request: given.request(noun)?,
            state: given.path("state"),
            socket: given.path("socket"),
            as_json: given.has("json"),
        }),
    };
    Ok(Typed::Command(Any::Pipeline(command)))
}

impl Given {
    /// None: it is asked for help.
    fn read(
        noun: &str,
        args: &[OsString],
        flags: &[&'static str],
        values: &[&'static str],
    ) -> Result<Option<Self>, Error> {
        let mut given = Given { words: Vec::new(), options: BTreeMap::new() };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long(option) => {
                    let find = |options: &[&'static str]| options.iter().find(|known| **known == option).copied();
                    let (name, value) = match (find(flags), find(values)) {
                        (Some(flag), _) => (flag, OsString::new()),
                        (None, Some(name)) => (name, parser.value()?),
                        (None, None) => return Err(format!("{noun} has no option --{option}").into()),
                    };
                    if given.options.insert(name, value).is_some() {
                        return Err(format!("--{name} is there twice").into());
                    }
                }
                Value(word) => given.words.push(word),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(given))
    }

    fn has(&self, option: &str) -> bool {
        self.options.contains_key(option)
    }

    fn path(&self, option: &str) -> Option<PathBuf> {
        self.options.get(option).map(PathBuf::from)
    }

    fn text(&self, option: &str) -> Option<String> {
        self.options.get(option).map(|value| value.to_string_lossy().into_owned())
    }

    fn number(&self, option: &str) -> Result<Option<u64>, Error> {
        self.options.get(option).map(|value| number(&format!("--{option}"), value)).transpose()
    }

    fn age(&self, option: &str) -> Result<Option<Duration>, Error> {
        let Some(text) = self.text(option) else { return Ok(None) };
        let wrong = || format!("--{option} {text}: give a number with s, m, h or d behind it");
        let (count, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(wrong().into()),
        };
        let age = count.parse::<u64>().ok().and_then(|count| count.checked_mul(seconds)).ok_or_else(wrong)?;
        Ok(Some(Duration::from_secs(age)))
    }

    fn file(&self, noun: &str) -> Result<PlanFile, Error> {
        let [file] = self.words.as_slice() else { return Err(format!("{noun}: name one file").into()) };
        let end = |option: &str| {
            self.path(option).map(|path| if path.as_os_str() == "-" { End::Standard } else { End::At(path) })
        };
        Ok(PlanFile { file: file.into(), input: end("input"), output: end("output"), state: self.path("state") })
    }

    fn request(&self, noun: &str) -> Result<ControlRequest, Error> {
        let words: Vec<String> = self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match (noun, words.as_slice()) {
            ("status", []) => ControlRequest::Status,
            ("pause", []) => ControlRequest::Pause,
            ("resume", []) => ControlRequest::Resume,
            ("resume", [stage]) => ControlRequest::ResumeStage { stage: (*stage).to_owned() },
            ("drain", []) => ControlRequest::Drain,
            ("checkpoint", []) => ControlRequest::Checkpoint,
            ("reload", []) => ControlRequest::Reload,
            ("stop", []) => ControlRequest::Stop,
            ("swap", [stage, library]) => {
                // The pipeline may run in another folder.
                let library = std::path::absolute(library).map_err(|why| format!("{library}: {why}"))?;
                ControlRequest::Swap { stage: (*stage).to_owned(), library }
            }
            ("swap", _) => return Err("swap: name a stage and a library".into()),
            ("params", [stage, params @ ..]) if !params.is_empty() => {
                let pair = |param: &&str| match param.split_once('=') {
                    Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
                    _ => Err(Error::from(format!("params: `{param}` is no KEY=VALUE"))),
                };
                let params = params.iter().map(pair).collect::<Result<_, _>>()?;
                ControlRequest::Params { stage: (*stage).to_owned(), params }
            }
            ("params", _) => return Err("params: name a stage, and KEY=VALUE".into()),
            ("scale", [stage, count]) => {
                let instances = count.parse().map_err(|_| format!("scale: `{count}` is no number from 1 on"))?;
                ControlRequest::Scale { stage: (*stage).to_owned(), instances }
            }
            ("scale", _) => return Err("scale: name a stage and a number".into()),
            (noun, words) => return Err(format!("{noun}: `{}` has no meaning here", words.join(" ")).into()),
        })
    }

    fn letters(&self) -> Result<Letters, Error> {
        let Some((verb, words)) = self.words.split_first() else {
            return Err("dead-letters: list, show, redrive or purge?".into());
        };
        let verb = verb.to_string_lossy();
        let own: &[&str] = match &*verb {
            "list" => &["state", "part", "class", "since", "older-than", "all", "limit", "below"],
            "show" => &["state"],
            "redrive" => &["state", "part", "class", "since", "older-than", "all"],
            "purge" => &["state", "part", "class", "since", "older-than", "all", "yes"],
            other => return Err(format!("dead-letters: `{other}` is no command").into()),
        };
        if let Some(option) = self.options.keys().find(|option| !own.contains(*option)) {
            return Err(format!("dead-letters {verb} has no option --{option}").into());
        }
        let ids = words.iter().map(|word| number("the number of a letter", word)).collect::<Result<Vec<u64>, _>>()?;
        let class = self.text("class").map(|class| of_class(&class)).transpose()?;
        let (since, older_than) = (self.age("since")?, self.age("older-than")?);
        let which = Which { ids, part: self.text("part"), class, since, older_than, all: self.has("all") };
        let what = match (&*verb, which.ids.as_slice()) {
            ("list", []) => {
                let limit = self.number("limit")?.unwrap_or(50).clamp(1, 10_000) as usize;
                LetterCommand::List { limit, below: self.number("below")? }
            }
            ("list", _) => return Err("dead-letters list takes no numbers: `show` does".into()),
            ("show", [id]) => LetterCommand::Show(*id),
            ("show", _) => return Err("dead-letters show: give the number of one letter".into()),
            ("redrive", _) => LetterCommand::Redrive,
            _ => LetterCommand::Purge { is_meant: self.has("yes") },
        };
        which.check(&verb)?;
        Ok(Letters { state: self.path("state"), what, which })
    }
}

impl Which {
    fn is_filtered(&self) -> bool {
        self.part.is_some() || self.class.is_some() || self.since.is_some() || self.older_than.is_some()
    }

    /// What takes effect is said in full.
    fn check(&self, verb: &str) -> Result<(), Error> {
        let acts = matches!(verb, "redrive" | "purge");
        let is_filtered = self.is_filtered() || self.all;
        match (self.ids.is_empty(), is_filtered) {
            (true, false) if acts => {
                Err(format!("dead-letters {verb}: give numbers, or --part, --class, --since, --older-than or --all")
                    .into())
            }
            (false, true) => Err(format!("dead-letters {verb}: give numbers, or options, not both").into()),
            _ => Ok(()),
        }
    }
}

fn number(what: &str, value: &OsStr) -> Result<u64, Error> {
    let number = value.to_str().and_then(|value| value.parse().ok());
    number.ok_or_else(|| format!("{what}: `{}` is no number", value.to_string_lossy()).into())
}

fn of_class(word: &str) -> Result<Class, Error> {
    let found = Class::ALL.iter().find(|(_, known)| *known == word).map(|(class, _)| *class);
    let all = || Class::ALL.map(|(_, word)| word).join(", ");
    found.ok_or_else(|| format!("--class {word}: give one of {}", all()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Command, String> {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let noun = line.split_whitespace().next().unwrap();
        match read(noun, &args[1..]) {
            Ok(Typed::Command(Any::Pipeline(command))) => Ok(command),
            Ok(other) => panic!("{line}: {other:?}"),
            Err(why) => Err(why.to_string()),
        }
    }

    #[test]
    fn a_line_is_read_as_it_is_meant() {
        let file = PlanFile {
            file: "a.toml".into(),
            input: Some(End::Standard),
            output: Some(End::At("out".into())),
            state: Some("s".into()),
        };
        let start = Start { file, has_control: false };
        assert_eq!(typed("run a.toml --input - --output=out --state s --no-control"), Ok(Command::Run(start)));
        let Ok(Command::Control(order)) = typed("params e a=b c=d=e --socket x") else { panic!("it is an order") };
        let params = [("a".to_owned(), "b".to_owned()), ("c".to_owned(), "d=e".to_owned())].into();
        assert_eq!(order.request, ControlRequest::Params { stage: "e".to_owned(), params });
        assert_eq!(order.socket, Some("x".into()));
        let Ok(Command::Letters(letters)) = typed("dead-letters purge --class sink_down --older-than 2h --yes") else {
            panic!("it is about letters")
        };
        let older_than = Some(Duration::from_secs(7_200));
        let which = Which { class: Some(Class::SinkDown), older_than, ..Which::default() };
        assert_eq!((letters.what, letters.which), (LetterCommand::Purge { is_meant: true }, which));
    }

    #[test]
    fn a_mistake_is_told_by_name() {
        for (line, want) in [
            ("check", "check: name one file"),
            ("run a b", "run: name one file"),
            ("run a --json", "run has no option --json"),
            ("check a --state x --state y", "--state is there twice"),
            ("pause now", "pause: `now` has no meaning here"),
            ("swap a", "swap: name a stage and a library"),
            ("params a b", "`b` is no KEY=VALUE"),
            ("params a", "params: name a stage, and KEY=VALUE"),
            ("scale a 0", "`0` is no number from 1 on"),
            ("dead-letters", "list, show, redrive or purge?"),
            ("dead-letters burn", "`burn` is no command"),
            ("dead-letters show", "give the number of one letter"),
            ("dead-letters show 1 --all", "dead-letters show has no option --all"),
            ("dead-letters list --since soon", "--since soon: give a number with s, m, h or d"),
            ("dead-letters list --class odd", "--class odd: give one of malformed"),
            ("dead-letters redrive", "give numbers, or --part"),
            ("dead-letters redrive 1 --all", "not both"),
            ("dead-letters purge x", "`x` is no number"),
        ] {
            let why = typed(line).expect_err(line);
            assert!(why.contains(want), "{line}: {why}");
        }
    }
}
