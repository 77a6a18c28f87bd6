//! What cannot be started is refused, and the error names it.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use proscenium_process::{Command, SpawnError};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::{LIMIT, guard, sh};

fn refused(command: Command) -> (SpawnError, String) {
    let error = guard().spawn(&command).expect_err("it cannot be started");
    let text = error.to_string();
    (error, text)
}

/// A file of a test's own, with these contents and permissions.
fn file(name: &str, text: &str, mode: u32) -> PathBuf {
    let path = std::env::temp_dir().join(format!("proscenium-process-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let (error, text) = refused(Command::new("no-such-program").env("PATH", "/bin:/nowhere"));
    assert!(matches!(error, SpawnError::NotFound { searched: Some(_), .. }));
    assert!(text.contains("no-such-program") && text.contains("/bin:/nowhere"), "{text}");
    let (error, text) = refused(Command::new("/no/such/program"));
    assert!(
        matches!(error, SpawnError::NotFound { searched: None, .. }) && text.contains("/no/such/program"),
        "{text}"
    );
    for name in ["", ".", ".."] {
        assert!(matches!(refused(Command::new(name)).0, SpawnError::NotFound { .. }), "{name:?}");
    }
}

#[test]
fn a_file_that_is_no_program_is_named_with_the_reason() {
    let plain = file("plain", "echo x", 0o644);
    let (error, text) = refused(Command::new(&plain));
    assert!(
        matches!(error, SpawnError::Exec { .. }) && text.contains("-plain cannot be executed: Permission"),
        "{text}"
    );
    let script = file("script", "#!/no/such/interpreter\n", 0o755);
    let (error, text) = refused(Command::new(&script));
    assert!(matches!(error, SpawnError::Exec { .. }) && text.contains("interpreter"), "{text}");
    for path in [plain, script] {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let (error, text) = refused(sh("exit 0").current_dir("/no/such/directory"));
    assert!(matches!(error, SpawnError::Directory { .. }) && text.contains("/no/such/directory"), "{text}");
}

#[test]
fn what_no_system_takes_is_refused_before_anything_starts() {
    assert!(matches!(refused(sh("a\0b")).0, SpawnError::Malformed(_)));
    assert!(matches!(refused(sh("exit 0").env("A=B", "c")).0, SpawnError::Malformed(_)));
    assert!(matches!(refused(sh("exit 0").env("A", "c\0")).0, SpawnError::Malformed(_)));
    let (error, text) = refused(sh("exit 0").args(vec!["x".repeat(1 << 20); 7]));
    assert!(matches!(error, SpawnError::TooLong { .. }) && text.contains("6291456"), "{text}");
    // Within our limit, and beyond the system's own for one argument.
    assert!(matches!(refused(sh("exit 0").arg("x".repeat(1 << 20))).0, SpawnError::Exec { .. }));
    let many = (0..17).fold(sh("exit 0"), |command, _| command.descriptor(fs::File::open("/dev/null").unwrap()));
    assert!(matches!(refused(many).0, SpawnError::TooManyDescriptors { count: 17, limit: 16 }));
}

#[test]
fn a_refusal_leaves_no_process_and_the_guard_goes_on() {
    let guard = guard();
    for _ in 0..20 {
        guard.spawn(&sh("exit 0").arg("x".repeat(1 << 20))).expect_err("too long for one argument");
    }
    let child = guard.spawn(&sh("exit 0")).unwrap();
    assert!(child.wait(LIMIT).unwrap().is_success());
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", guard.pid())).unwrap();
    assert!(children.split_whitespace().count() <= 1, "{children}");
}

#[test]
fn a_stopped_guard_does_not_hold_a_spawn_beyond_its_limit_and_starts_nothing_later() {
    let guard = guard();
    let pid = Pid::from_raw(guard.pid() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    crate::wait_for_state(guard.pid(), "T");
    let (leash, end) = std::io::pipe().unwrap();
    let command = sh("exec sleep 1000").descriptor(end).spawn_limit(Duration::from_millis(50));
    let error = guard.spawn(&command).expect_err("nobody answers");
    assert!(matches!(error, SpawnError::TimedOut { .. }) && error.to_string().contains("sh "), "{error}");
    drop(command);
    kill_process(pid, Signal::CONT).unwrap();
    assert!(crate::readable_within(&leash, LIMIT), "it was started after all");
    assert!(guard.spawn(&sh("exit 0")).unwrap().wait(LIMIT).unwrap().is_success());
}

#[test]
fn a_guard_without_room_for_descriptors_refuses_and_never_starts_by_halves() {
    let guard = guard();
    let pid = Pid::from_raw(guard.pid() as i32);
    let mut started = 0;
    for limit in 3..90 {
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(4096) }).unwrap();
        match guard.spawn(&sh("exit 3")) {
            Ok(child) => {
                assert_eq!(child.wait(LIMIT).unwrap().code(), Some(3), "with {limit}");
                started += 1;
            }
            Err(SpawnError::Refused { .. }) => assert_eq!(started, 0, "with {limit}"),
            Err(error) => panic!("with {limit}: {error}"),
        }
    }
    assert!(started > 0);
}

#[test]
fn a_guard_that_can_no_longer_watch_its_host_ends_with_its_children() {
    let guard = guard();
    let child = guard.spawn(&sh("while :; do :; done")).unwrap();
    let none = Rlimit { current: Some(2), maximum: Some(4096) };
    prlimit(Pid::from_raw(guard.pid() as i32), Resource::Nofile, none).unwrap();
    guard.spawn(&sh("exit 0")).expect_err("it wakes up for this, and there is no room for it");
    assert!(crate::readable_within(guard.pidfd(), LIMIT) && crate::readable_within(child.pidfd(), LIMIT));
}
