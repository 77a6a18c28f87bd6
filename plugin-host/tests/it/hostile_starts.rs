//! Plugins that are hostile, or no plugins, before they serve: a start or a swap fails with class, cause and remedy, within
//! its limit, and who serves goes on.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proscenium_plugin_host::sandbox::Layer;
use proscenium_plugin_host::{Plugin, PluginRef, Swap, SwapError};
use proscenium_supervision::SupervisorError;

use crate::census::is_alone;
use crate::street::{Street, patched, process, texts};

const START: Duration = Duration::from_secs(3);

fn patient(library: &Path) -> Plugin {
    Plugin::new(library).start_limit(START).timeout(START).stop_limit(Duration::from_millis(300))
}

/// A library, the class of its failure, and what the error must say.
type Row = (PathBuf, &'static str, &'static str);

/// Each as a child of its own, and as what a plugin that serves is swapped to.
async fn all_fail(street: &Street, rows: &[Row]) {
    let serving = street.move_in("serving", patient(&street.build("serving", &[]))).await.unwrap();
    let pid = serving.status().await.unwrap().pid;
    let mut wrong = Vec::new();
    for (library, class, text) in rows {
        let begin = Instant::now();
        let started = street.move_in("hostile", patient(library)).await;
        match &started {
            Err(SupervisorError::Start(exit)) if exit.to_string().contains(text) => {}
            other => wrong.push(format!("{}, started: {other:?}; wanted {text}", library.display())),
        }
        street.move_out("hostile").await;
        match serving.swap(Swap::to(library)).await {
            Err(SwapError::Start(error)) if error.class() == *class && error.to_string().contains(text) => {}
            Err(SwapError::Start(error)) => {
                wrong.push(format!("{}: {}: {error}; wanted {class}: {text}", library.display(), error.class()));
            }
            other => wrong.push(format!("{}, swapped to: {other:?}; wanted {class}: {text}", library.display())),
        }
        let took = begin.elapsed();
        if took > 2 * START + Duration::from_secs(2) {
            wrong.push(format!("{}: it took {took:?} to fail twice", library.display()));
        }
        assert_eq!(texts(&process("serving", &serving, &["one"]).await.unwrap()), ["one!"]);
    }
    assert_eq!(serving.status().await.unwrap().pid, pid, "the old process serves as before");
    street.neighbour_serves("after all").await;
    street.move_out("serving").await;
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is built with this definition, its class, and what the error must say.
async fn fail_by(street: &Street, acts: &[(&str, &'static str, &'static str)]) {
    let build = |nth: usize, define: &str| street.build(&format!("start{nth}"), &[define]);
    let rows = acts.iter().enumerate().map(|(nth, (define, class, text))| (build(nth, define), *class, *text));
    all_fail(street, &rows.collect::<Vec<Row>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_in_a_constructor_or_its_info() {
    if !is_alone("hostile_starts::hostile_in_a_constructor_or_its_info") {
        return;
    }
    let street = Street::new("starts").await;
    let acts = [
        ("IN_CONSTRUCTOR=segv", "crash", "SIGSEGV"),
        ("IN_CONSTRUCTOR=hang", "timeout", "was not ready within"),
        ("IN_CONSTRUCTOR=exit_zero", "exit", "before it was ready"),
        ("IN_CONSTRUCTOR=close_socket", "channel", "has closed"),
        ("IN_CONSTRUCTOR=garbage", "violation", "no language of ours"),
        ("IN_CONSTRUCTOR=stop_itself", "timeout", "was not ready within"),
        ("IN_CONSTRUCTOR=kill_itself", "crash", "SIGKILL"),
        ("IN_CONSTRUCTOR=forged_failed", "config_error", "\\u{1b}[2"),
        ("IN_INFO=segv", "crash", "while at info"),
        ("IN_INFO=hang", "timeout", "was not ready within"),
        ("IN_INFO=longer_info", "bad_info", "has more than 65536 bytes"),
        ("IN_INFO=endless_info", "crash", "while at info"),
        ("IN_INFO=nowhere_info", "crash", "while at info"),
    ];
    fail_by(&street, &acts).await;
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_in_init_or_for_another_host() {
    if !is_alone("hostile_starts::hostile_in_init_or_for_another_host") {
        return;
    }
    let street = Street::new("inits").await;
    let acts = [
        ("IN_INIT=segv", "crash", "while at init in init_plugin"),
        ("IN_INIT=stack", "crash", "while at init"),
        ("IN_INIT=hang", "timeout", "was not ready within"),
        ("IN_INIT=spin", "timeout", "was not ready within"),
        ("IN_INIT=deaf", "timeout", "was not ready within"),
        ("IN_INIT=exit_three", "exit", "before it was ready"),
        ("IN_INIT=signal_all", "init_failed", "kill: EPERM"),
        ("VERSION_OF_ABI=0x20000", "abi_mismatch", "version 2.0 of the plugin interface"),
        ("NO_INFO", "load_error", "it has no function get_plugin_info"),
        ("NO_IMPORT", "load_error", "both or not at all"),
    ];
    fail_by(&street, &acts).await;
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_library_is_refused_before_a_process_is_started() {
    if !is_alone("hostile_starts::what_is_no_library_is_refused_before_a_process_is_started") {
        return;
    }
    let street = Street::new("files").await;
    let real = street.build("real", &[]);
    let files = street.folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let file = |name: &str| files.join(name);
    std::fs::write(file("text.so"), "not a library\n").unwrap();
    std::fs::write(file("empty.so"), "").unwrap();
    let made = std::process::Command::new("mkfifo").arg(file("fifo.so")).status().unwrap();
    assert!(made.success());
    let socket = UnixListener::bind(file("socket.so")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all.so", file("dangling.so")).unwrap();
    std::os::unix::fs::symlink(file("circle.so"), file("circle.so")).unwrap();
    let mut rows: Vec<Row> = vec![
        (file("text.so"), "load_error", "it is no ELF file"),
        (file("empty.so"), "load_error", "it is no ELF file"),
        (files.clone(), "load_error", "it is a folder"),
        (file("fifo.so"), "load_error", "it is a pipe"),
        (file("socket.so"), "load_error", "No such device"),
        (file("dangling.so"), "load_error", "No such file"),
        (file("circle.so"), "load_error", "symbolic links"),
        (file("nowhere.so"), "load_error", "No such file"),
        ("/dev/zero".into(), "load_error", "it is a device"),
        ("/dev/null".into(), "load_error", "it is a device"),
        ("/proc/self/mem".into(), "load_error", "/proc/self/mem"),
        ("/".into(), "load_error", "it is a folder"),
        ("".into(), "load_error", "No such file"),
    ];
    let machine = patched(&real, &file("machine.so"), |bytes| bytes[18..20].copy_from_slice(&40_u16.to_le_bytes()));
    rows.push((machine, "load_error", "it is built for 32-bit ARM"));
    let narrow = patched(&real, &file("narrow.so"), |bytes| bytes[4] = 1);
    rows.push((narrow, "load_error", "64-bit little-endian"));
    let program = patched(&real, &file("program.so"), |bytes| bytes[16] = 2);
    rows.push((program, "load_error", "it is a program"));
    let len = std::fs::metadata(&real).unwrap().len() as usize;
    for nth in 0..12 {
        let cut = if nth < 11 { len * nth / 11 } else { len - 1 };
        let truncated = patched(&real, &file(&format!("cut{nth}.so")), |bytes| bytes.truncate(cut));
        rows.push((truncated, "load_error", if cut == 0 { "it is no ELF file" } else { "it is cut off" }));
    }
    all_fail(&street, &rows).await;
    drop(socket);
    street.close().await;
}

/// What is whole by its header and has its inside spoilt is the loader's to find, in the child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_with_a_spoilt_inside_harms_its_own_process_alone() {
    if !is_alone("hostile_starts::a_library_with_a_spoilt_inside_harms_its_own_process_alone") {
        return;
    }
    let street = Street::new("spoilt").await;
    let real = street.build("real", &[]);
    let len = std::fs::metadata(&real).unwrap().len() as usize;
    let folder = street.folder.path().join("spoilt");
    std::fs::create_dir(&folder).unwrap();
    let mut failed = 0;
    for nth in 0..24 {
        let path = patched(&real, &folder.join(format!("{nth}.so")), |bytes| {
            let from = 64 + (len - 64) * nth / 24;
            let until = (from + 512).min(len);
            bytes[from..until].iter_mut().enumerate().for_each(|(at, byte)| *byte ^= (at * 37 + nth) as u8);
        });
        match street.move_in("spoilt", patient(&path)).await {
            Err(SupervisorError::Start(_)) => failed += 1,
            Ok(_) => {} // It was not needed, or not yet.
            Err(other) => panic!("{nth}: {other}"),
        }
        street.move_out("spoilt").await;
        std::fs::remove_file(&path).unwrap();
    }
    assert!(failed > 4, "only {failed} of 24 did not load");
    street.neighbour_serves("after all").await;
    street.close().await;
}

/// At their limit: a description of 64 KiB, and one that is no text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plugin_says_of_itself_may_be_long_and_binary() {
    if !is_alone("hostile_starts::what_a_plugin_says_of_itself_may_be_long_and_binary") {
        return;
    }
    let street = Street::new("info").await;
    for (act, want) in [("long_info", "d".repeat(65_536)), ("binary_info", "\u{fffd}".repeat(65_536 / 3))] {
        let library = street.build(act, &[&format!("IN_INFO={act}")]);
        let plugin = street.move_in(act, patient(&library)).await.unwrap_or_else(|error| panic!("{act}: {error}"));
        let status = plugin.status().await.unwrap();
        let said = status.info("description").unwrap();
        assert!(said == want, "{act}: {} bytes", said.len());
        assert_eq!(status.info.len(), 7, "{act}");
        assert_eq!(texts(&process(act, &plugin, &["one"]).await.unwrap()), ["one!"]);
        street.move_out(act).await;
    }
    street.close().await;
}

/// A plugin cannot say another thing of its walls than they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_the_walls_is_no_word_of_the_plugins() {
    if !is_alone("hostile_starts::what_became_of_the_walls_is_no_word_of_the_plugins") {
        return;
    }
    let street = Street::new("walls").await;
    let honest = street.move_in("honest", patient(&street.build("honest", &[]))).await.unwrap();
    let walls = honest.status().await.unwrap().sandbox;
    assert!(walls.is_active(Layer::Seccomp) && walls.is_active(Layer::ResourceLimits), "{walls}");
    let library = street.build("liar", &["IN_CONSTRUCTOR=forged_walls", "IN_INIT=forged_walls"]);
    let liar = street.move_in("liar", patient(&library)).await.unwrap();
    assert_eq!(liar.status().await.unwrap().sandbox, walls);
    drop((honest, liar));
    street.close().await;
}

/// A name, what the old and the new plugin do, and what the swap comes to: bytes of state, or a part of the error.
type Swapping = (&'static str, &'static [&'static str], &'static [&'static str], Result<u64, &'static str>);

async fn swaps(street: &Street, name: &str, old: &[&str], new: &[&str]) -> (PluginRef, Result<u64, String>) {
    let old = street.build(&format!("{name}-old"), old);
    let new = street.build(&format!("{name}-new"), new);
    let plugin = street.move_in(name, patient(&old)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    let swapped = plugin.swap(Swap::to(new)).await;
    (plugin, swapped.map(|report| report.state.unwrap_or(0)).map_err(|error| error.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_with_its_state_or_at_its_end() {
    if !is_alone("hostile_starts::hostile_with_its_state_or_at_its_end") {
        return;
    }
    let street = Street::new("state").await;
    let rows: [Swapping; 12] = [
        ("fine", &[], &[], Ok(5)),
        ("export-segv", &["IN_EXPORT=segv"], &[], Err("has ended")),
        ("export-hang", &["IN_EXPORT=hang"], &[], Err("not carried over in time")),
        ("export-large", &["IN_EXPORT=large_state"], &[], Err("1099511627776 bytes, and 67108864 are the limit")),
        ("export-wild", &["IN_EXPORT=wild_state"], &[], Err("has ended")),
        ("export-forged", &["IN_EXPORT=forged_state"], &[], Err("are the limit")),
        ("export-close", &["IN_EXPORT=close_socket"], &[], Err("has ended")),
        ("import-segv", &[], &["IN_IMPORT=segv"], Err("the new process has ended")),
        ("import-hang", &[], &["IN_IMPORT=hang"], Err("not carried over in time")),
        ("import-exit", &[], &["IN_IMPORT=exit_zero"], Err("the new process has ended")),
        ("cleanup-segv", &["IN_CLEANUP=segv"], &[], Ok(5)),
        ("cleanup-hang", &["IN_CLEANUP=deaf"], &[], Ok(5)),
    ];
    let mut wrong = Vec::new();
    for (name, old, new, want) in rows {
        let (plugin, swapped) = swaps(&street, name, old, new).await;
        let is_right = match (&swapped, want) {
            (Ok(bytes), Ok(wanted)) => *bytes == wanted,
            (Err(error), Err(wanted)) => error.contains(wanted),
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{name}: {swapped:?}; wanted {want:?}"));
        }
        match process(name, &plugin, &["one"]).await {
            Ok(done) => assert_eq!(texts(&done), ["one!"]),
            Err(error) => wrong.push(format!("{name}, afterwards: {error}")),
        }
        street.neighbour_serves(name).await;
        street.move_out(name).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    street.close().await;
}
