//! Drives a small program in C that loads one plugin, as `runner.c` says.
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};

use proscenium_plugin_sdk::abi::{ReturnCode, Verdict};
use proscenium_plugin_sdk::msgpack::{self, Value};

use crate::{folder, quiet, root, script};

/// The library of one of the project's plugins.
pub fn library(name: &str) -> PathBuf {
    let to = folder("plugins");
    quiet(script(&to).arg("all"));
    to.join(format!("lib{name}.so"))
}

/// A conversation with a plugin: what is to be done, then all of it at once.
pub struct Talk {
    library: PathBuf,
    lines: String,
}

/// What a function returned, and what it said to `fail`.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub code: Option<ReturnCode>,
    pub text: String,
    /// After `process` and `flush`.
    pub progress: i32,
    pub records: Vec<After>,
    /// After `export` and `info`.
    pub version: u32,
    pub bytes: Vec<u8>,
}

/// A record after a call.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    pub id: u64,
    pub verdict: Verdict,
    pub arg: u32,
    pub is_emitted: bool,
    pub payload: Vec<u8>,
    pub reason: String,
}

impl After {
    /// The payload is one map with these fields and no others, in this order.
    pub fn is_map(&self, fields: &[(&str, Value<'_>)]) -> bool {
        self.payload == msgpack::map(fields)
    }
}

impl Talk {
    pub fn with(library: &Path) -> Self {
        Self { library: library.to_owned(), lines: String::new() }
    }

    /// With parameters, and started.
    pub fn started(library: &Path, params: &[(&str, &str)]) -> Self {
        let talk =
            params.iter().fold(Self::with(library), |talk, (key, value)| talk.say(&format!("param {key} {value}")));
        talk.say("init")
    }

    pub fn say(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// A batch with room to spare, and the call for it.
    pub fn batch(self, records: &[Vec<u8>]) -> Self {
        self.batch_of("65536 64 0 1", records)
    }

    /// The same with bytes of heap, emitted records, routes, and a content.
    pub fn batch_of(self, room: &str, records: &[Vec<u8>]) -> Self {
        let talk = self.say(&format!("batch {room}"));
        records.iter().fold(talk, |talk, record| talk.say(&format!("record {}", hex(record)))).say("process")
    }

    /// A flush, with room for bytes and emitted records.
    pub fn flush(self, room: &str) -> Self {
        self.say(&format!("batch {room} 0 1")).say("flush")
    }

    /// All of it. The plugin must have behaved: whatever it left behind lies where it may.
    pub fn answers(self) -> Vec<Answer> {
        let mut command = Command::new(runner());
        command.arg(&self.library).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(self.lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {}\n{text}", self.library.display(), output.status);
        answers(&text)
    }
}

fn answers(text: &str) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let rest = |from: usize| words.get(from..).unwrap_or_default().join(" ");
        let number = |at: usize| words[at].parse::<i32>().unwrap();
        let mut answer =
            Answer { code: None, text: String::new(), progress: 0, records: Vec::new(), version: 0, bytes: Vec::new() };
        match words[0] {
            "init" | "import" => (answer.code, answer.text) = (ReturnCode::new(number(1)), rest(2)),
            "return" => {
                (answer.code, answer.progress, answer.text) = (ReturnCode::new(number(1)), number(2), rest(3));
            }
            "state" => {
                (answer.code, answer.version) = (ReturnCode::new(number(1)), words[2].parse().unwrap());
                (answer.bytes, answer.text) = (bytes(words[3]), rest(4));
            }
            "info" => answer.bytes = bytes(words[1]),
            "counters" => answer.progress = number(1),
            "cleanup" => continue,
            "record" => {
                let after = After {
                    id: words[1].parse().unwrap(),
                    verdict: Verdict::new(words[2].parse().unwrap()).unwrap(),
                    arg: words[3].parse().unwrap(),
                    is_emitted: number(4) & 2 != 0,
                    payload: bytes(words[6]),
                    reason: String::from_utf8(bytes(words[7])).unwrap(),
                };
                answers.last_mut().unwrap().records.push(after);
                continue;
            }
            _ => panic!("{line}"),
        }
        answers.push(answer);
    }
    answers
}

/// The program, built when it is not there or older than its source.
fn runner() -> PathBuf {
    let source = root().join("plugin-sdk/tests/it/runner.c");
    let header = root().join("plugin-sdk/include/proscenium_plugin.h");
    let program = folder("runner").join("runner");
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let newest = changed(&source).unwrap().max(changed(&header).unwrap());
    if !changed(&program).is_ok_and(|built| built > newest) {
        // Tests are processes side by side: each builds its own, and the last one stays.
        let new = program.with_extension(id().to_string());
        let mut command = Command::new("cc");
        command.args(["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-I"]).arg(header.parent().unwrap());
        quiet(command.arg("-o").arg(&new).arg(&source).arg("-ldl"));
        fs::rename(&new, &program).unwrap();
    }
    program
}

pub fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
}

fn bytes(hex: &str) -> Vec<u8> {
    if hex == "-" {
        return Vec::new();
    }
    hex.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// What is no MessagePack map, or not one whole map.
pub fn malformed() -> Vec<Vec<u8>> {
    let mut cut = msgpack::map(&[("country", Value::from("de")), ("amount", Value::from(1.5))]);
    cut.pop();
    let mut behind = msgpack::map(&[("country", Value::from("de")), ("amount", Value::from(1.5))]);
    behind.push(0);
    vec![
        vec![],
        vec![0xc1],
        vec![0x93, 1, 2, 3],
        vec![0x81],
        b"{\"country\":\"de\"}".to_vec(),
        // A map of four billion pairs, in six bytes.
        vec![0xdf, 0xff, 0xff, 0xff, 0xff, 0x01],
        // A text longer than all there is.
        vec![0x81, 0xa7, b'c', 0xdb, 0xff, 0xff, 0xff, 0xff],
        vec![0x91; 4000],
        cut,
        behind,
    ]
}

/// The plugin says no to its parameters, and what it says has these words in it.
pub fn refuses(library: &Path, params: &[(&str, &str)], words: &[&str]) {
    let answer = &Talk::started(library, params).answers()[0];
    assert_eq!(answer.code, Some(ReturnCode::Config), "{params:?}: {answer:?}");
    for word in words {
        assert!(answer.text.contains(word), "{params:?}: no {word} in {}", answer.text);
    }
}

/// The plugin answers every question that a host asks, and no other.
pub fn tells_about_itself(library: &Path, name: &str) {
    let types = proscenium_plugin_sdk::abi::INFO_TYPES;
    let talk = types.iter().fold(Talk::with(library), |talk, kind| talk.say(&format!("info {kind}")));
    let answers = talk.say("info nonsense").answers();
    let texts: Vec<String> = answers.iter().map(|answer| String::from_utf8(answer.bytes.clone()).unwrap()).collect();
    assert_eq!((texts[0].as_str(), texts[3].as_str()), (name, "1.0"));
    assert!(texts[..7].iter().all(|text| !text.is_empty()) && texts[7].is_empty(), "{texts:?}");
    // A JSON Schema.
    let schema = &texts[4];
    assert!(
        schema.contains("\"type\"") && schema.contains("\"object\"") && schema.contains("\"properties\""),
        "{schema}"
    );
    assert!(schema.contains("\"additionalProperties\"") && json_is_balanced(schema), "{schema}");
}

fn json_is_balanced(text: &str) -> bool {
    let mut open = Vec::new();
    let mut in_text = false;
    for c in text.chars() {
        match c {
            '"' => in_text = !in_text,
            '{' | '[' if !in_text => open.push(c),
            '}' if !in_text && open.pop() != Some('{') => return false,
            ']' if !in_text && open.pop() != Some('[') => return false,
            _ => (),
        }
    }
    open.is_empty() && !in_text
}
