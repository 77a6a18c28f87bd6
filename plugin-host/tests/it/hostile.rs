//! Plugins that are hostile while they serve: each is reported for what it did, loses nothing but its own record, and
//! costs neither its neighbour nor its host anything.

use std::time::Duration;

use proscenium_plugin_host::Plugin;
use proscenium_plugin_host::sandbox::{Grants, Limits};

use crate::census::is_alone;
use crate::street::{Street, fate, process, texts};

/// What becomes of the record that a plugin is hostile at.
#[derive(Clone, Copy)]
enum Then {
    /// It goes on with this payload: what the plugin got for its try.
    Says(&'static str),
    /// It is set aside after an end of this class.
    Aside(&'static str),
    /// It goes on, as if nothing were.
    Passes,
}
use Then::{Aside, Passes, Says};

/// Who hangs is not waited for long; who does not may have to wait for a processor.
fn impatient(plugin: Plugin, then: Then) -> Plugin {
    let hangs = matches!(then, Then::Aside(class) if class.contains("timeout"));
    let limit = Duration::from_secs(if hangs { 1 } else { 20 });
    plugin.timeout(limit).grace(Duration::from_millis(50)).stop_limit(Duration::from_millis(400))
}

/// They have a working folder; the others have none that they could write in.
const WRITERS: [&str; 3] = ["writes_out", "fills", "litter"];

/// Each act by a plugin of its own, between two records that must go through. What was not as it should be.
async fn act_out(street: &Street, act: &str, then: Then) -> Result<(), String> {
    let library = street.build(act, &[&format!("IN_PROCESS={act}"), "IN_INIT=mark"]);
    let limits = Limits { data_bytes: Some(64 << 20), file_bytes: Some(2 << 20), ..Limits::default() };
    let grants = Grants { work_dir: WRITERS.contains(&act), ..Grants::default() };
    let plugin = impatient(Plugin::new(library), then).limits(limits).grants(grants);
    let plugin = street.move_in(act, plugin).await.map_err(|error| error.to_string())?;
    let done = process(act, &plugin, &["one", "now", "three"]).await?;
    let (payloads, fate) = (texts(&done), fate(&done, 1));
    let (payload, wanted) = match then {
        Says(text) => (text, "ok".into()),
        Passes => ("now!", "ok".into()),
        Aside(class) => ("now", format!("aside: {class}")),
    };
    if payloads != ["one!", payload, "three!"] || !fate.starts_with(&wanted) {
        return Err(format!("{payloads:?}, {fate}; wanted {payload}, {wanted}"));
    }
    let end = done.records().nth(1).and_then(|record| record.end().map(ToString::to_string)).unwrap_or_default();
    if end.contains(char::is_control) {
        return Err(format!("its report steers terminals: {end:?}"));
    }
    drop(done);
    let after = texts(&process(act, &plugin, &["four"]).await?);
    let processes = plugin.status().await.map_err(|error| error.to_string())?.processes;
    let most = if matches!(then, Aside(_)) { 4 } else { 1 };
    match processes <= most && after == ["four!"] {
        true => Ok(()),
        false => Err(format!("afterwards {after:?}, by process {processes} of {most}; {end}")),
    }
}

async fn play(street: &Street, acts: &[(&str, Then)]) {
    let mut wrong = Vec::new();
    for &(act, then) in acts {
        if let Err(how) = act_out(street, act, then).await {
            wrong.push(format!("{act}: {how}"));
        }
        street.neighbour_serves(act).await;
        street.move_out(act).await;
    }
    assert!(wrong.is_empty(), "{} of {} acts:\n{}", wrong.len(), acts.len(), wrong.join("\n"));
}

macro_rules! scene {
    ($name:ident, $acts:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            if is_alone(concat!("hostile::", stringify!($name))) {
                let street = Street::new(stringify!($name)).await;
                play(&street, $acts).await;
                street.close().await;
            }
        }
    };
}

scene!(
    crashes_and_exits_are_told_by_their_class,
    &[
        ("segv", Aside("crash by signal 11")),
        ("divide", Aside("crash by signal 8")),
        ("illegal", Aside("crash by signal 4")),
        ("aborts", Aside("crash by signal 6")),
        ("stack", Aside("crash by signal 11")),
        ("thread_segv", Aside("crash by signal 11")),
        ("jump", Aside("crash")),
        ("unwind", Aside("crash")),
        ("exit_zero", Aside("exit with code 0")),
        ("exit_three", Aside("exit with code 3")),
        ("fatal", Aside("fatal")),
    ]
);

scene!(
    who_hangs_is_ended,
    &[("hang", Aside("timeout")), ("spin", Aside("timeout")), ("deaf", Aside("timeout")), ("litter", Aside("timeout")),]
);

scene!(
    the_walls_hold,
    &[
        ("signal_all", Says("kill: EPERM")),
        ("trace", Says("ptrace: EPERM")),
        ("write_into", Says("process_vm_writev: EPERM")),
        ("limit_parent", Says("prlimit: EPERM")),
        ("adopt", Says("pidfd_open: EPERM")),
        ("fork_storm", Says("fork: EPERM")),
        ("grandchild", Says("fork: EPERM")),
        ("new_user", Says("unshare: EPERM")),
        ("run_shell", Says("execve: EPERM")),
        ("passwd", Says("open: EACCES")),
        ("host_files", Says("open: EACCES")),
        ("writes_out", Says("all others: EACCES")),
        ("fills", Aside("crash by signal 25")),
        ("network", Says("socket: EPERM")),
        ("thread_storm", Says("500 threads")),
        ("leak", Says("NULL after its limit")),
        ("leak_on", Aside("crash by signal 11")),
        ("open_many", Says("EMFILE below 256")),
        ("dup_channel", Says("dup: EPERM")),
        ("own_signals", Says("fcntl: EPERM")),
    ]
);

scene!(
    a_channel_that_is_closed_or_garbled_ends_the_process,
    &[
        ("close_all", Aside("channel")),
        ("dup_over", Aside("channel")),
        ("close_socket", Aside("channel")),
        ("shut_socket", Aside("channel")),
        ("empty_packet", Aside("channel")),
        ("garbage", Aside("violation")),
        ("forged_tells", Passes),
        ("forged_last_word", Aside("exit with code 0")),
        ("forged_failed", Aside("timeout")),
    ]
);

scene!(
    forged_words_in_shared_memory_are_a_violation,
    &[
        ("completed_ahead", Aside("violation")),
        ("completed_back", Aside("violation")),
        ("completed_itself", Aside("violation")),
        ("host_words", Aside("crash by signal 11")),
        ("write_input", Aside("crash by signal 11")),
        ("unprotect_input", Says("mprotect: EACCES")),
        ("unmap_block", Aside("crash by signal 11")),
        ("shrink", Says("ftruncate: EPERM")),
        ("other_id", Aside("violation")),
        ("swapped_ids", Aside("violation")),
        ("many_emitted", Aside("violation")),
        ("emitted_by_one", Aside("violation")),
        ("unmarked_emitted", Aside("violation")),
        ("odd_verdict", Aside("violation")),
        ("no_route", Aside("violation")),
        ("long_payload", Aside("violation")),
        ("same_bytes", Aside("violation")),
        ("false_progress", Aside("crash by signal 6")),
        ("odd_progress", Aside("crash by signal 6")),
    ]
);
