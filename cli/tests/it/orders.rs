//! Goal: a running pipeline does what it is told at its control socket, and harmful clients harm nothing. Method: each
//! command once, with what it changes seen in the records; a socket of our own that sends what no client should.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::built::{Folder, Ran};
use crate::pipelines::{enrichment, following};
use crate::running::{Running, append, done, json, plugins};

/// A pipeline that has begun.
fn started(name: &str, stages: &str) -> (Folder, Running) {
    let folder = Folder::new(name);
    plugins(&folder);
    fs::write(folder.path("flow.toml"), following(stages)).unwrap();
    append(&folder.path("in.jsonl"), "{\"id\":0,\"country\":\"us\"}\n");
    let running = Running::start(&folder, &["run", "flow.toml"], &[]);
    running.stdout.next(1);
    (folder, running)
}

#[track_caller]
fn told(folder: &Folder, line: &str, want: &str) -> Ran {
    let args: Vec<&str> = line.split(' ').collect();
    // The first record may be through before the socket is there.
    let ran = loop {
        let ran = done(folder, &args);
        if !ran.stderr.contains("no pipeline listens") && !ran.stderr.contains("no pipeline's state") {
            break ran;
        }
    };
    assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
    assert!(ran.stdout.contains(want), "{line}: {}", ran.stdout);
    ran
}

/// Sends a record, and says what has come of it.
fn through(folder: &Folder, running: &Running) -> serde_json::Value {
    append(&folder.path("in.jsonl"), "{\"id\":1,\"country\":\"us\"}\n");
    json(&running.stdout.next(1)[0])
}

#[test]
fn each_command_does_what_it_says() {
    let (folder, mut running) = started("orders", &enrichment("e", "libenrichment.so", "region", "one"));
    let file = folder.path("flow.toml");
    told(&folder, "status", "flow: running");
    told(&folder, "pause", "done");
    let status = json(&told(&folder, "status --json", "\"is_paused\":true").stdout);
    assert_eq!(status["parts"][0]["counts"]["taken"], 1, "{status}");
    told(&folder, "resume", "done");
    assert_eq!(through(&folder, &running)["region"], "one");
    told(&folder, "drain", "done");
    told(&folder, "status", "flow: paused");
    told(&folder, "resume", "done");
    told(&folder, "checkpoint", "checkpoint ");
    told(&folder, "params e default=two", "swapped: 1 instances");
    let got = through(&folder, &running);
    assert_eq!((&got["region"], got["extra"].is_null()), (&"two".into(), true));
    fs::copy(folder.path("plugins/libenrichment.so"), folder.path("plugins/libother.so")).unwrap();
    told(&folder, "swap e plugins/libother.so", "swapped: 1 instances");
    assert_eq!(through(&folder, &running)["region"], "two", "its parameters stay");
    told(&folder, "scale e 3", "3 instances");
    told(&folder, "status --json", "\"instances\":3");
    assert_eq!(through(&folder, &running)["region"], "two");
    told(&folder, "resume e", "done");
    // The file still says one instance, the first library and the first word.
    told(&folder, "reload", "1 instances");
    assert_eq!(through(&folder, &running)["region"], "one");
    for (line, want) in [
        ("scale nobody 2", "there is no part `nobody`"),
        ("swap in plugins/libother.so", "`in` is no plugin"),
        ("swap e plugins/libnone.so", "was not swapped"),
        ("params e colour=red", "colour"),
        ("scale e 65", "65 instances"),
    ] {
        let ran = done(&folder, &line.split(' ').collect::<Vec<_>>());
        assert_eq!((ran.code, &*ran.stdout), (Some(1), ""), "{line}");
        assert!(ran.stderr.contains(want), "{line}: {}", ran.stderr);
    }
    fs::write(&file, "nonsense").unwrap();
    let ran = done(&folder, &["reload"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("flow.toml:1:"), "{}", ran.stderr);
    assert_eq!(through(&folder, &running)["region"], "one");
    told(&folder, "stop", "stopped: nothing was under way");
    assert_eq!(running.code(), Some(0));
    assert!(!folder.path(".proscenium/flow/control.sock").exists());
    let ran = done(&folder, &["status"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("no pipeline listens"), "{}", ran.stderr);
}

#[test]
fn a_socket_that_nobody_answers_at_is_replaced_and_one_pipeline_has_a_state() {
    let (folder, mut running) = started("stale", "");
    told(&folder, "status", "running");
    let ran = done(&folder, &["run", "flow.toml"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("runs a pipeline with the state"), "{}", ran.stderr);
    told(&folder, "status", "running");
    running.signal("KILL");
    running.child.wait().unwrap();
    assert!(folder.path(".proscenium/flow/control.sock").exists());
    let running = Running::start(&folder, &["run", "flow.toml"], &[]);
    told(&folder, "stop", "stopped");
    drop(running);
}

#[test]
fn harmful_clients_harm_nothing() {
    let (folder, running) = started("hostile", "");
    told(&folder, "status", "running");
    let state = folder.path(".proscenium/flow");
    let socket = state.join("control.sock");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&socket)), (0o700, 0o600));
    let connect = || {
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    };
    let answer = |stream: &UnixStream| {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    };
    // Garbage is refused, and the next request is answered.
    let mut stream = connect();
    stream.write_all(b"\xFF\x00garbage\n").unwrap();
    assert!(answer(&stream).contains("this is no request"));
    stream.write_all(b"{\"command\":\"checkpoint\",\"more\":1}\n{\"command\":\"status\"}").unwrap();
    answer(&stream);
    drop(stream);
    // Half a request does nothing.
    let mut stream = connect();
    stream.write_all(b"{\"command\":\"stop\"}").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    // A giant line is refused at its limit, and the connection closed.
    let mut stream = connect();
    let giant = vec![b'a'; 1 << 20];
    drop(stream.write_all(&giant));
    let mut refused = String::new();
    drop(stream.read_to_string(&mut refused));
    assert!(refused.is_empty() || refused.contains("65536 bytes at most"), "{refused}");
    // The seventeenth is told so.
    drop(stream);
    told(&folder, "status", "running");
    let held: Vec<_> = (0..16)
        .map(|_| {
            // Places of those that have gone come back in a moment.
            loop {
                let mut stream = connect();
                stream.write_all(b"{\"command\":\"status\"}\n").unwrap();
                if answer(&stream).contains("\"name\":\"flow\"") {
                    break stream;
                }
            }
        })
        .collect();
    assert!(answer(&connect()).contains("16 connections are open"));
    drop(held);
    through(&folder, &running);
    told(&folder, "stop", "stopped");
}
