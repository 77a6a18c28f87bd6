//! Acts of a hostile plugin: each succeeds in a process that is not shut in, and is refused in one that is.
use proscenium_plugin_runner::sandbox::Layer;

use crate::child::{End, is_ci, run};

/// An act, the layer that refuses it, and what the layer answers.
struct Forbidden {
    act: &'static str,
    layer: Layer,
    end: End,
    /// Without root the system itself refuses it, so that nothing is shown.
    root: bool,
}

const fn by_seccomp(act: &'static str) -> Forbidden {
    Forbidden { act, layer: Layer::Seccomp, end: End::Errno(libc::EPERM), root: false }
}

const fn by_landlock(act: &'static str) -> Forbidden {
    Forbidden { act, layer: Layer::Landlock, end: End::Errno(libc::EACCES), root: false }
}

const fn as_root(forbidden: Forbidden) -> Forbidden {
    Forbidden { root: true, ..forbidden }
}

const FORBIDDEN: &[Forbidden] = &[
    by_landlock("read /etc/passwd"),
    by_landlock("list /"),
    by_landlock("read beside the library"),
    by_landlock("write beside the library"),
    by_landlock("create in the working folder"),
    by_landlock("read the parent's memory file"),
    by_landlock("list the descriptors of itself"),
    by_seccomp("make a folder"),
    by_seccomp("remove a file"),
    by_seccomp("change the mode of a file"),
    by_seccomp("socket of the network"),
    by_seccomp("socket of the machine"),
    by_seccomp("pair of sockets"),
    by_seccomp("connect what it has"),
    by_seccomp("fork"),
    by_seccomp("posix_spawn"),
    #[cfg(target_arch = "x86_64")]
    by_seccomp("vfork"),
    by_seccomp("execve"),
    by_seccomp("execveat"),
    by_seccomp("memfd to execute"),
    by_seccomp("clone with a namespace of users"),
    by_seccomp("unshare"),
    as_root(by_seccomp("setns")),
    as_root(by_seccomp("mount")),
    as_root(by_seccomp("chroot")),
    as_root(by_seccomp("ptrace the parent")),
    as_root(by_seccomp("read the parent")),
    as_root(by_seccomp("write to the parent")),
    by_seccomp("signal the parent"),
    by_seccomp("signal everybody"),
    by_seccomp("signal the group"),
    by_seccomp("signal a thread of the parent"),
    by_seccomp("signal a thread by number"),
    by_seccomp("queue a signal to the parent"),
    by_seccomp("have a descriptor signal the parent"),
    by_seccomp("change a descriptor of the channel"),
    by_seccomp("copy a descriptor of the channel"),
    by_seccomp("pidfd of the parent"),
    by_seccomp("limits of the parent"),
    by_seccomp("processors of the parent"),
    by_seccomp("priority"),
    by_seccomp("personality"),
    by_seccomp("io_uring"),
    by_seccomp("userfaultfd"),
    by_seccomp("shared memory of System V"),
    by_seccomp("asynchronous input"),
    by_seccomp("watch a folder"),
    by_seccomp("handle of a file"),
    by_seccomp("another filter"),
    by_seccomp("survive the parent"),
    as_root(by_seccomp("bpf")),
    as_root(by_seccomp("perf_event_open")),
    as_root(by_seccomp("keyring")),
    as_root(by_seccomp("change the user")),
    as_root(by_seccomp("set the clock")),
    Forbidden { layer: Layer::ResourceLimits, ..by_seccomp("raise a limit") },
];

static TARGET: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn is_root() -> bool {
    // SAFETY: it has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn each_forbidden_act_is_refused_by_its_layer_and_succeeds_outside() {
    let target = std::ptr::from_ref(&TARGET).addr().to_string();
    let mut wrong = Vec::new();
    for Forbidden { act, layer, end, root } in FORBIDDEN {
        let outside = run(act, false, &target);
        if (!root || is_root()) && outside.end != End::Done {
            wrong.push(format!("{act}: fails outside too: {outside:?}"));
        }
        let inside = run(act, true, &target);
        if !inside.is_active(*layer) && !is_ci() {
            println!("{act}: {} is not available here", layer.name());
        } else if inside.end != *end {
            wrong.push(format!("{act}: {:?} instead of {end:?} by {}", inside, layer.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_refusal_of_clone3_and_openat2_is_that_of_an_older_kernel() {
    for act in ["clone3", "openat2"] {
        assert_eq!(run(act, true, "").end, End::Errno(libc::ENOSYS), "{act}");
        assert_eq!(run(act, false, "").end, End::Done, "{act}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_call_by_a_foreign_convention_is_the_end() {
    for act in ["call by the 32-bit gate", "call by an x32 number"] {
        assert_eq!(run(act, true, "").end, End::Signal(libc::SIGSYS), "{act}");
        assert_ne!(run(act, false, "").end, End::Signal(libc::SIGSYS), "{act}");
    }
}
