//! A host that is killed leaves no process: neither of the plugins, whatever they are at, nor of its own. `HOSTS=` says how
//! many are killed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use proscenium_plugin_host::sandbox::Grants;
use proscenium_plugin_host::{Plugin, PluginRef};
use proscenium_runtime::Node;
use proscenium_supervision::Supervisor;

use crate::built::Folder;
use crate::census::{LIMIT, groups};

/// In the ordinary run of the tests.
const HOSTS: u64 = 10;

/// Names the folder with the libraries, to a process that is to be a host, and marks all that come of it.
const HOST: &str = "PROSCENIUM_TEST_HOST";
const ORDERLY: &str = "PROSCENIUM_TEST_HOST_ENDS";

/// What its plugins are at when it is killed.
const ACTS: [&str; 6] = ["upper", "spin", "deaf", "stop_itself", "fork_on", "litter"];

/// The host. As a test, it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host() {
    let Some(folder) = std::env::var_os(HOST) else { return };
    let folder = Path::new(&folder);
    let node = Node::start("host").await.unwrap();
    // By its path the processes of its plugins are found.
    let mut tree = Supervisor::one_for_one().named(folder.to_str().unwrap());
    for act in ACTS {
        let plugin = Plugin::new(folder.join(format!("lib{act}.so"))).timeout(Duration::from_secs(600));
        let grants = Grants { processes: act == "fork_on", work_dir: act == "litter", ..Grants::default() };
        tree = tree.child(Plugin::spec(act, plugin.grants(grants).stop_limit(Duration::from_millis(100))));
        say(&format!("knows {act}"));
    }
    let tree = tree.start(&node).await.unwrap();
    for act in ACTS {
        let plugin = tree.reference::<PluginRef>(act).await.unwrap();
        say(&format!("has {act}"));
        let mut batch = plugin.batch().await;
        batch.push(1, b"now").unwrap();
        if act == "upper" {
            drop(plugin.process(batch).await.unwrap());
        } else {
            tokio::spawn(async move { plugin.process(batch).await });
        }
    }
    say("serves");
    if std::env::var_os(ORDERLY).is_some() {
        drop(tree);
        node.stop().await.unwrap();
        return;
    }
    std::future::pending::<()>().await;
}

fn say(line: &str) {
    // Not by a macro: what those print is kept back in a test.
    std::io::stderr().write_all(format!("host: {line}\n").as_bytes()).unwrap();
}

/// Lines that it says of itself.
const LINES: u64 = 2 * ACTS.len() as u64 + 1;

/// A host that is running. Dropped, it is killed.
struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill(); // It may have ended.
        let _ = self.0.wait();
    }
}

fn host(libraries: &Path, temporary: &Path, is_orderly: bool) -> Host {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["host_killed::a_host", "--exact", "--nocapture"]).env(HOST, libraries).env("TMPDIR", temporary);
    if is_orderly {
        command.env(ORDERLY, "1");
    }
    Host(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}

/// The host of this folder and what it has started: by their environment, or, if that was cleared, by their command.
fn processes(libraries: &Path, host: u32) -> Vec<String> {
    let mark = format!("{HOST}={}", libraries.display());
    let (path, guard) = (libraries.display().to_string(), format!("of process {host}\0"));
    let own = std::process::id().to_string();
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().into_string().ok());
    let numbers = numbers.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    numbers
        .filter_map(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let (command, environment) = (read("cmdline"), read("environ"));
            let (command, environment) = (String::from_utf8_lossy(&command), String::from_utf8_lossy(&environment));
            let is_guard = command.starts_with("proscenium-guard") && command.contains(&guard);
            let is_ours = environment.contains(&mark) || command.contains(&path) || is_guard;
            is_ours.then(|| format!("{pid}: {}", command.replace('\0', " ")))
        })
        .collect()
}

/// Reads so many lines that the host says.
fn hear(host: &mut Host, lines: u64) {
    let mut from = BufReader::new(host.0.stderr.as_mut().unwrap());
    let (mut heard, mut text) = (0, String::new());
    while heard < lines {
        let begin = text.len();
        assert!(from.read_line(&mut text).unwrap() > 0, "the host has ended by itself: {text}");
        heard += u64::from(text[begin..].starts_with("host: "));
    }
}

fn nothing_is_left(libraries: &Path, host: u32, what: &str) -> Duration {
    let begin = Instant::now();
    loop {
        let left = processes(libraries, host);
        if left.is_empty() {
            return begin.elapsed();
        }
        assert!(begin.elapsed() < LIMIT, "{what}: {} are left:\n{}", left.len(), left.join("\n"));
        std::thread::yield_now();
    }
}

#[test]
fn nothing_survives_its_host() {
    let hosts = std::env::var("HOSTS").map_or(HOSTS, |text| text.parse().unwrap());
    let folder = Folder::new("host-killed");
    let (libraries, temporary) = (folder.path().join("lib"), folder.path().join("tmp"));
    [&libraries, &temporary].into_iter().for_each(|path| fs::create_dir(path).unwrap());
    folder.build("upper.c", "lib/libupper.so", &[]);
    for act in &ACTS[1..] {
        folder.build("hostile.c", &format!("lib/lib{act}.so"), &[&format!("IN_PROCESS={act}")]);
    }
    let (mut most, mut longest, mut killed) = (0, Duration::ZERO, Vec::new());
    for nth in 0..hosts {
        let mut host = host(&libraries, &temporary, false);
        // Every other one when all is under way, the others on their way there.
        let lines = if nth % 2 == 0 { LINES } else { nth / 2 % LINES };
        hear(&mut host, lines);
        let pid = host.0.id();
        let mut there = processes(&libraries, pid).len();
        // The host itself, a guard for each plugin, and its process, and those that one of them forks.
        let begin = Instant::now();
        while lines == LINES && there < 1 + 2 * ACTS.len() + 2 {
            assert!(begin.elapsed() < LIMIT, "only {there} processes: they are not found, or do not fork");
            there = processes(&libraries, pid).len();
        }
        most = most.max(there);
        drop(host);
        killed.push(pid);
        longest = longest.max(nothing_is_left(&libraries, pid, &format!("host {nth}, killed after line {lines}")));
    }
    println!("{hosts} hosts killed, of up to {most} processes: 0 left, after {longest:?} at most");
    // What the killed ones have on disk, the next one removes.
    let mut last = host(&libraries, &temporary, true);
    hear(&mut last, LINES);
    let pid = last.0.id();
    assert!(last.0.wait().unwrap().success());
    nothing_is_left(&libraries, pid, "the orderly host");
    let left: Vec<_> = killed.iter().chain([&pid]).flat_map(|host| groups(*host)).collect();
    assert!(left.is_empty(), "control groups: {left:?}, and the last host was {pid}");
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?}, and the last host was {pid}");
}
