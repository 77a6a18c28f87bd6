//! Lines in and out, and their limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proscenium_process::Signal;
use proscenium_runtime::{Actor, Context, Exit, Mailbox, Ref};
use proscenium_supervision::{
    ChildSpec, Ending, Line, LinesTo, OsProcess, OsProcessRef, Restart, Shutdown, Stdin, StdinError, Stream, Supervisor,
};
use tokio::sync::{Semaphore, mpsc};

use super::{Heard, ears, in_state, is_gone, node, one, over, sh, soon};
use crate::children::until;
use crate::events::{event, keep_events};

/// Takes lines one by one, each when it may. One that says "crash" makes it do so.
#[derive(Clone)]
struct Sink {
    may: Arc<Semaphore>,
    says: mpsc::UnboundedSender<Line>,
}

impl Sink {
    fn new(permits: usize) -> (Self, Heard) {
        let (says, hears) = mpsc::unbounded_channel();
        (Sink { may: Arc::new(Semaphore::new(permits)), says }, Heard(hears))
    }
}

impl Actor for Sink {
    type Msg = Line;
    type Ref = Ref<Self>;
    const MAILBOX: Mailbox = Mailbox::bounded(4);

    async fn handle(&mut self, _: &mut Context<Self>, line: Line) -> Result<(), Exit> {
        self.may.acquire().await?.forget();
        let crashes = *line.text() == *"crash";
        drop(self.says.send(line));
        if crashes { Err(Exit::custom("told to")) } else { Ok(()) }
    }
}

const MANY: usize = Semaphore::MAX_PERMITS;

#[tokio::test]
async fn lines_come_in_order_by_stream_whole_and_in_pieces_before_the_end_is_told() {
    let ((out, mut outs), (err, mut errs)) = (ears(), ears());
    let script = "read go; printf 'a\\n\\nof eight\\nof nine b\\nrest'; printf 'oops\\n' >&2";
    let (_node, _supervisor, process) = one(sh(script).longest_line(8).stdout(out).stderr(err)).await;
    let (pid, end) = (process.pid().expect("it runs"), process.monitor());
    process.send_line("go").await.expect("it reads");
    assert_eq!(soon(end).await, Exit::Normal);
    let lines: Vec<_> = std::iter::from_fn(|| outs.0.try_recv().ok()).collect();
    let shown: Vec<_> = lines.iter().map(|line| (line.as_bytes(), line.ending())).collect();
    let want: [(&[u8], Ending); 6] = [
        (b"a", Ending::Newline),
        (b"", Ending::Newline),
        (b"of eight", Ending::Newline),
        (b"of nine ", Ending::Cut),
        (b"b", Ending::Newline),
        (b"rest", Ending::EndOfOutput),
    ];
    assert_eq!(shown, want);
    assert!(lines.iter().all(|line| (line.stream(), line.pid()) == (Stream::Stdout, pid)));
    let line = errs.0.try_recv().expect("it complained");
    assert_eq!((line.to_string().as_str(), line.stream()), ("oops", Stream::Stderr));
}

#[tokio::test]
async fn an_endless_line_comes_in_pieces_of_the_limit() {
    let (says, mut hears) = mpsc::channel(3);
    let zeros = OsProcess::new("cat").arg("/dev/zero").longest_line(1000);
    let (_node, supervisor, _) = one(zeros.on_stdout(move |line| drop(says.try_send(line)))).await;
    for _ in 0..3 {
        let line = soon(hears.recv()).await.expect("it floods");
        assert_eq!((line.as_bytes(), line.ending()), ([0; 1000].as_slice(), Ending::Cut));
    }
    soon(supervisor.stop()).await.expect("it stops");
}

fn written_by(pid: u32) -> Option<usize> {
    let counts = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    counts.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
}

/// The mailbox has room for four, the pipe for 64 KiB, the reader reads 8 KiB at once: what `seq` has to say is nine times
/// that.
#[tokio::test]
async fn whoever_does_not_take_lines_holds_the_process_up_and_loses_none() {
    const PIPE: usize = 64 << 10;
    let node = node().await;
    let (sink, mut heard) = Sink::new(0);
    let may = sink.may.clone();
    let seq = OsProcess::new("seq").arg("100000").stdout(LinesTo::named::<Sink>("sink", |line| line));
    let supervisor = Supervisor::one_for_one()
        .child(ChildSpec::new("sink", move || sink.clone()).named("sink"))
        .child(ChildSpec::of("p", seq).restart(Restart::Temporary))
        .start(&node)
        .await
        .expect("they start");
    let process: OsProcessRef = supervisor.reference("p").await.expect("it waits");
    let (pid, end) = (process.pid().expect("it waits"), process.monitor());
    soon(until(async || written_by(pid).is_some_and(|written| written >= PIPE))).await;
    in_state(pid, 'S').await;
    assert!(written_by(pid).is_some_and(|written| written <= 2 * PIPE), "{:?}", written_by(pid));
    may.add_permits(MANY);
    assert_eq!(soon(end).await, Exit::Normal);
    for number in 1..=100_000 {
        assert_eq!(heard.text().await, number.to_string());
    }
}

#[tokio::test]
async fn an_actor_that_is_restarted_misses_no_line_and_one_that_comes_anew_is_found_by_its_name() {
    let node = node().await;
    let (sink, mut heard) = Sink::new(MANY);
    let cat = OsProcess::new("cat").stdout(LinesTo::named::<Sink>("sink", |line| line));
    let supervisor = Supervisor::one_for_one()
        .child(ChildSpec::new("sink", move || sink.clone()).named("sink"))
        .child(ChildSpec::of("p", cat))
        .start(&node)
        .await
        .expect("they start");
    let process: OsProcessRef = supervisor.reference("p").await.expect("it runs");
    for line in ["1", "crash", "2"] {
        process.send_line(line).await.expect("it reads");
    }
    assert_eq!([heard.text().await, heard.text().await, heard.text().await], ["1", "crash", "2"]);
    supervisor.terminate_child("sink").await.expect("it stops");
    supervisor.restart_child("sink").await.expect("it starts");
    process.send_line("3").await.expect("it reads");
    assert_eq!(heard.text().await, "3");
}

#[tokio::test]
async fn what_no_actor_takes_becomes_an_event() {
    keep_events();
    let node = node().await;
    let (sink, _heard) = Sink::new(MANY);
    let actor = node.spawn(sink).await.expect("it starts");
    let to = LinesTo::recipient(actor.recipient(|line| line));
    actor.stop().await.expect("it stops");
    let spec = ChildSpec::of("p", sh("echo hello").stdout(to)).restart(Restart::Temporary);
    let _supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    soon(until(async || event("no actor took: hello").is_some())).await;
}

#[tokio::test]
async fn events_are_where_lines_go_by_default() {
    keep_events();
    let (_node, _supervisor, process) = one(sh("read go; echo out; echo err >&2")).await;
    let (pid, end) = (process.pid().expect("it runs"), process.monitor());
    process.send_line("go").await.expect("it reads");
    soon(end).await;
    for (level, stream, text) in [("INFO", "stdout", "out"), ("WARN", "stderr", "err")] {
        let written = event(&format!("message={text} ")).expect("it was written");
        for part in [level, &format!("stream=\"{stream}\""), &format!("pid={pid}"), "/p\" "] {
            assert!(written.contains(part), "{written}: {part}");
        }
    }
}

#[tokio::test]
async fn a_closure_that_panics_ends_the_process_with_the_panic() {
    let process = sh("read go; echo line; exec sleep 1000");
    let (_node, _supervisor, process) = one(process.on_stdout(|_| panic!("not this line"))).await;
    let (pid, end) = (process.pid().expect("it runs"), process.monitor());
    process.send_line("go").await.expect("it reads");
    assert_eq!(soon(end).await, Exit::panic("not this line"));
    assert!(is_gone(pid));
}

#[tokio::test]
async fn last_lines_that_nobody_takes_in_time_are_reported_as_lost() {
    keep_events();
    let (sink, _heard) = Sink::new(0);
    let node = node().await;
    let actor = node.spawn(sink).await.expect("it starts");
    let to = LinesTo::recipient(actor.recipient(|line| line));
    let process = sh("read go; seq 10").stdout(to).last_lines_limit(Duration::from_millis(20));
    let spec = ChildSpec::of("p", process).restart(Restart::Temporary);
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let process: OsProcessRef = supervisor.reference("p").await.expect("it runs");
    let end = process.monitor();
    process.send_line("go").await.expect("it reads");
    assert_eq!(soon(end).await, Exit::Normal);
    assert!(event("last lines are lost").is_some());
    actor.kill();
}

/// A child that is an actor would be given up after a tenth of a second.
#[tokio::test]
async fn a_killed_process_is_waited_for_while_its_last_lines_are() {
    let (sink, _heard) = Sink::new(0);
    let node = node().await;
    let actor = node.spawn(sink).await.expect("it starts");
    let to = LinesTo::recipient(actor.recipient(|line| line));
    let process = sh("seq 10; echo ready >&2; exec sleep 1000").stdout(to);
    let (err, mut errs) = ears();
    let process = process.stderr(err).last_lines_limit(Duration::from_millis(300));
    let spec = ChildSpec::of("p", process).shutdown(Shutdown::BrutalKill);
    let supervisor = Supervisor::one_for_one().child(spec).start(&node).await.expect("it starts");
    let process: OsProcessRef = supervisor.reference("p").await.expect("it runs");
    errs.next().await;
    let end = process.monitor();
    soon(supervisor.terminate_child("p")).await.expect("it stops");
    assert_eq!(soon(end).await, Exit::Killed);
    actor.kill();
}

/// The pipe has room for six of these lines, the writer has one in hand, and two are queued.
#[tokio::test]
async fn one_that_never_reads_fills_the_queue_and_its_end_gives_the_waiting_line_back() {
    const LONG: usize = 10_000;
    const MOST: usize = 6 + 1 + 2;
    keep_events();
    let (lines, mut heard) = ears();
    let cat = OsProcess::new("cat").stdin_queue(2).stdout(lines);
    let (_node, _supervisor, process) = over(ChildSpec::of("p", cat)).await;
    let first = process.pid().expect("it runs");
    process.signal(Signal::STOP).expect("it runs");
    in_state(first, 'T').await;

    let queued = Arc::new(AtomicUsize::new(0));
    let (sender, count) = (process.clone(), queued.clone());
    let sends = tokio::spawn(async move {
        loop {
            if let Err(error) = sender.send_line("x".repeat(LONG)).await {
                return error;
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    soon(until(async || queued.load(Ordering::SeqCst) == MOST)).await;
    assert_eq!(process.try_send_line("more"), Err(StdinError::Full(b"more".to_vec())));
    process.signal(Signal::KILL).expect("it runs");
    let error = soon(sends).await.expect("it does not panic");
    assert!(matches!(&error, StdinError::Down(line) if line.len() == LONG), "{error}");
    assert_eq!(queued.load(Ordering::SeqCst), MOST);
    assert!(event("unwritten=3 ").is_some_and(|event| event.starts_with("WARN")));

    assert!(soon(process.up()).await.is_some_and(|pid| pid != first));
    process.send_line("again").await.expect("the next one reads");
    assert_eq!(heard.text().await, "again");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_one_that_never_reads() {
    let (_node, supervisor, process) = one(OsProcess::new("sleep").arg("1000").stdin_queue(1)).await;
    soon(until(async || process.try_send_line("x".repeat(16 << 10)).is_err())).await;
    let pid = process.pid().expect("it runs");
    soon(supervisor.stop()).await.expect("it stops");
    assert!(is_gone(pid));
}

#[tokio::test]
async fn lines_for_stdin_are_checked_and_its_end_can_be_sent() {
    let (lines, mut heard) = ears();
    let (_node, _supervisor, process) = one(OsProcess::new("cat").longest_line(4).stdout(lines)).await;
    let long = StdinError::TooLong { line: b"12345".to_vec(), limit: 4 };
    assert_eq!(process.send_line("12345").await, Err(long));
    assert_eq!(process.send_line("1\n2").await, Err(StdinError::NotOneLine(b"1\n2".to_vec())));
    process.send_line("1234").await.expect("it is of just the limit");
    let end = process.monitor();
    process.end_input();
    assert_eq!(process.try_send_line("x"), Err(StdinError::Closed(b"x".to_vec())));
    assert_eq!(soon(end).await, Exit::Normal);
    assert_eq!(heard.text().await, "1234", "what was queued came before the end");

    let (_node, _supervisor, deaf) = one(OsProcess::new("sleep").arg("1000").stdin(Stdin::Null)).await;
    assert_eq!(deaf.send_line("x").await, Err(StdinError::Closed(b"x".to_vec())));
}

#[tokio::test]
async fn one_that_closes_its_stdin_gives_lines_back() {
    let (lines, mut heard) = ears();
    let (_node, _supervisor, process) = one(sh("exec <&-; echo closed; exec sleep 1000").stdout(lines)).await;
    assert_eq!(heard.text().await, "closed");
    soon(until(async || matches!(process.try_send_line("x"), Err(StdinError::Closed(_))))).await;
    assert!(process.pid().is_some());
}

#[tokio::test]
async fn arguments_variables_and_folder_are_those_that_were_said() {
    let script = "echo \"$1,${A-none},${B-none},${HOME-none},$PWD\"";
    let process = |name| OsProcess::new(name).args(["-c", script]).args(["name", "arg"]).current_dir("/");
    let rows = [
        (process("/bin/sh").env("A", "0").env_clear().env("A", "1").env("B", "2").env_remove("B"), "arg,1,none,none,/"),
        (process("sh").env("A", "1").env("HOME", "there").env_remove("B"), "arg,1,none,there,/"),
    ];
    for (process, want) in rows {
        let (lines, mut heard) = ears();
        let (_node, _supervisor, _) = one(process.stdout(lines).arg("more")).await;
        assert_eq!(heard.text().await, want);
    }
}
