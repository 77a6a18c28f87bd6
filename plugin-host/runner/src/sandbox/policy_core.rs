//! Which system calls a plugin may make.
//!
//! The list is what glibc, libstdc++, Rust's std, threads and the runner beside the plugin need. What is not on it is
//! refused with EPERM, which a library that only asked copes with; the end of the process is kept for calls by a foreign
//! convention, which no honest program makes.
use libc::{c_int, c_long, *};

use super::filter_core::{Check, Rule, Test, Verdict};
use super::grants::Grants;
use super::learn::{RECEIVE, SEND};

/// What is known of the process when its filter is made.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its own number, as it sees it.
    pub pid: u32,
    /// Landlock decides about files.
    pub files_are_guarded: bool,
    /// Landlock lets no signal out.
    pub signals_are_guarded: bool,
    /// Refused calls are noted, and files that cannot be opened too.
    pub learning: bool,
}

impl Facts {
    /// Whether opens go through the thread that learns, which makes them as `openat2`: landlock decides.
    fn notes_files(self) -> bool {
        self.learning && self.files_are_guarded
    }
}

/// The descriptors that the plugin shares with its host: control socket, three memories, wake-up. It may use and close
/// them, but not change how they behave: `O_NONBLOCK` belongs to the open file that the host has too.
const CHANNEL: std::ops::RangeInclusive<u32> = 3..=7;

#[rustfmt::skip]
const ALWAYS: &[c_long] = &[
    // Descriptors. Nothing among them opens a way out.
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_preadv2,
    SYS_pwritev2, SYS_close, SYS_close_range, SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fstatfs, SYS_statfs,
    SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_getdents64, SYS_getcwd, SYS_fsync, SYS_fdatasync, SYS_flock,
    SYS_fadvise64, SYS_readahead, SYS_sendfile, SYS_copy_file_range, SYS_pipe2, SYS_eventfd2, SYS_epoll_create1,
    SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_ppoll, SYS_pselect6, SYS_timerfd_create, SYS_timerfd_settime,
    SYS_timerfd_gettime, SYS_signalfd4,
    // The sockets that it has been given: the runner's own channel. New ones cannot be made.
    SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_shutdown, SYS_getsockopt,
    SYS_getsockname, SYS_getpeername,
    // Memory. It may make code: a dynamic loader cannot do without.
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_brk, SYS_madvise, SYS_mincore, SYS_msync, SYS_membarrier,
    // Threads, time, chance.
    SYS_futex, SYS_futex_waitv, SYS_set_robust_list, SYS_rseq, SYS_set_tid_address, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_getcpu, SYS_nanosleep, SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep,
    SYS_gettimeofday, SYS_times, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun,
    SYS_timer_delete, SYS_setitimer, SYS_getitimer, SYS_getrandom,
    // Signals of its own, and the end.
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_rt_sigreturn,
    SYS_sigaltstack, SYS_restart_syscall, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid,
    // Who and where it is.
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid,
    SYS_getresgid, SYS_getgroups, SYS_getpgid, SYS_getsid, SYS_getpriority, SYS_getrusage, SYS_capget, SYS_uname,
    SYS_sysinfo, SYS_umask,
];

/// The older forms of the calls above.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALWAYS_HERE: &[c_long] = &[
    SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents, SYS_pipe, SYS_poll, SYS_select, SYS_epoll_create,
    SYS_epoll_wait, SYS_eventfd, SYS_signalfd, SYS_time, SYS_alarm, SYS_pause, SYS_getpgrp, SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
#[rustfmt::skip]
const ALWAYS_HERE: &[c_long] = &[];

/// Which files these reach is landlock's to say. Without a grant they are refused here too.
#[rustfmt::skip]
const WRITING: &[c_long] = &[
    SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_ftruncate, SYS_truncate, SYS_fallocate,
];
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const WRITING_HERE: &[c_long] =
    &[SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_renameat, SYS_link, SYS_symlink, SYS_creat];
#[cfg(target_arch = "aarch64")]
#[rustfmt::skip]
const WRITING_HERE: &[c_long] = &[SYS_renameat];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[rustfmt::skip]
const WRITING_HERE: &[c_long] = &[];

const NETWORK: &[c_long] = &[SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_setsockopt];

const PROCESSES: &[c_long] = &[SYS_execve, SYS_execveat, SYS_setpgid, SYS_setsid];
#[cfg(target_arch = "x86_64")]
const PROCESSES_HERE: &[c_long] = &[SYS_fork, SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const PROCESSES_HERE: &[c_long] = &[];

const NAMESPACES: c_int =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
const THREAD: c_int = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;

/// Locks, flags of the descriptor itself, and seals. Not `F_SETOWN` and `F_SETSIG`: with these two the kernel sends any
/// signal to any process of the user.
#[rustfmt::skip]
const FCNTL: &[c_int] = &[
    F_GETFD, F_SETFD, F_GETFL, F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETPIPE_SZ,
    F_GET_SEALS, F_ADD_SEALS,
];

#[rustfmt::skip]
const PRCTL: &[c_int] = &[
    PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_GET_PDEATHSIG,
    PR_CAPBSET_READ, PR_GET_TIMERSLACK,
];

/// Is it a terminal, how much is there to read, close it on exec.
const IOCTL: &[c_ulong] = &[TCGETS, FIONREAD, FIOCLEX, FIONCLEX];

/// The rules, sorted by number.
pub fn rules(grants: &Grants, facts: Facts) -> Vec<(u32, Rule)> {
    let mut list = List(Vec::with_capacity(256));
    list.allow(ALWAYS);
    list.allow(ALWAYS_HERE);
    list.own_process_only(facts, grants);
    list.descriptors(grants, facts);
    list.files(grants, facts);
    list.arms(SYS_prctl, PRCTL.iter().map(|&option| vec![argument(0, option)]).collect());
    // glibc and Rust fall back to `clone` and `openat`, whose arguments a filter can see.
    list.rule(SYS_clone3, Rule::Plain(Verdict::Absent));
    list.rule(SYS_openat2, Rule::Plain(if facts.notes_files() { Verdict::Allow } else { Verdict::Absent }));
    if grants.network {
        list.allow(NETWORK);
        // Not AF_UNIX: behind those sockets are services that do what they are asked, as the user who asks.
        list.arms(SYS_socket, vec![vec![argument(0, AF_INET)], vec![argument(0, AF_INET6)]]);
    }
    if grants.processes {
        list.allow(PROCESSES);
        list.allow(PROCESSES_HERE);
        list.arms(SYS_clone, vec![vec![bits(0, NAMESPACES, 0)]]);
    } else {
        list.arms(SYS_clone, vec![vec![bits(0, THREAD | NAMESPACES, THREAD)]]);
    }
    for call in &grants.syscalls {
        list.0.push((call.number(), Rule::Plain(Verdict::Allow)));
    }
    list.sorted()
}

/// The last rule for a number holds.
struct List(Vec<(u32, Rule)>);

impl List {
    fn sorted(mut self) -> Vec<(u32, Rule)> {
        self.0.reverse();
        // Stable, so that the last one for a number is now the first of its like.
        self.0.sort_by_key(|(number, _)| *number);
        self.0.dedup_by_key(|(number, _)| *number);
        self.0
    }

    fn rule(&mut self, call: c_long, rule: Rule) {
        self.0.push((u32::try_from(call).expect("system calls have small numbers"), rule));
    }

    fn allow(&mut self, calls: &[c_long]) {
        for &call in calls {
            self.rule(call, Rule::Plain(Verdict::Allow));
        }
    }

    fn arms(&mut self, call: c_long, arms: Vec<Vec<Check>>) {
        self.rule(call, Rule::Arms(arms));
    }

    /// Signals and limits: of this process, and of no other.
    fn own_process_only(&mut self, facts: Facts, grants: &Grants) {
        let own = Check { argument: 0, test: Test::Is(facts.pid) };
        let own_by_zero = argument(0, 0);
        for call in [SYS_kill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo] {
            self.arms(call, vec![vec![own]]);
        }
        if grants.processes && facts.signals_are_guarded {
            // Then landlock tells what the plugin started from all others.
            self.allow(&[SYS_kill, SYS_tgkill]);
        }
        self.arms(SYS_prlimit64, vec![vec![own], vec![own_by_zero]]);
        for call in [SYS_sched_setaffinity, SYS_get_robust_list] {
            self.arms(call, vec![vec![own_by_zero]]);
        }
        // They name no process, so they are of this one.
        self.allow(&[SYS_getrlimit, SYS_setrlimit]);
    }

    fn descriptors(&mut self, grants: &Grants, facts: Facts) {
        // A program that the plugin starts has other descriptors under those numbers.
        let all = &[Check { argument: 0, test: Test::Bits(0, 0) }][..];
        let shared = others(CHANNEL);
        let free = if grants.processes { all } else { &shared };
        let with = |rest: &[Check]| free.iter().map(|&free| [rest, &[free]].concat()).collect::<Vec<_>>();
        let mut fcntl: Vec<Vec<Check>> = FCNTL.iter().map(|&command| vec![argument(1, command)]).collect();
        for command in [F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC] {
            fcntl.extend(with(&[argument(1, command)]));
        }
        self.arms(SYS_fcntl, fcntl);
        let mut ioctl: Vec<Vec<Check>> = IOCTL.iter().map(|&request| vec![is(1, request as u32)]).collect();
        ioctl.extend(with(&[is(1, FIONBIO as u32)]));
        if facts.learning {
            ioctl.extend([RECEIVE, SEND].map(|request| vec![is(1, request as u32)]));
            // Of its own memory: how the thread that learns reads a path.
            self.arms(SYS_process_vm_readv, vec![vec![is(0, facts.pid)]]);
        }
        self.arms(SYS_ioctl, ioctl);
        self.arms(SYS_dup, with(&[]));
        self.arms(SYS_dup3, with(&[]));
        #[cfg(target_arch = "x86_64")]
        self.arms(SYS_dup2, with(&[]));
    }

    fn files(&mut self, grants: &Grants, facts: Facts) {
        if grants.writes() {
            self.allow(WRITING);
            self.allow(WRITING_HERE);
        }
        let open = |flags| match () {
            () if facts.notes_files() => Rule::Plain(Verdict::Note),
            () if facts.files_are_guarded || grants.writes() => Rule::Plain(Verdict::Allow),
            // Where landlock is missing, at least nothing is written.
            () => Rule::Arms(vec![vec![bits(flags, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)]]),
        };
        self.rule(SYS_openat, open(2));
        #[cfg(target_arch = "x86_64")]
        self.rule(SYS_open, open(1));
    }
}

/// Values are compared as the kernel reads them: as 32 bits.
fn is(argument: u8, value: u32) -> Check {
    Check { argument, test: Test::Is(value) }
}

fn argument(argument: u8, value: c_int) -> Check {
    is(argument, value.cast_unsigned())
}

fn bits(argument: u8, mask: c_int, bits: c_int) -> Check {
    Check { argument, test: Test::Bits(mask.cast_unsigned(), bits.cast_unsigned()) }
}

/// A first argument outside the range: two checks, of which one must hold.
fn others(range: std::ops::RangeInclusive<u32>) -> [Check; 2] {
    [Test::Below(*range.start()), Test::Above(*range.end())].map(|test| Check { argument: 0, test })
}

#[cfg(test)]
mod tests {
    use super::super::syscalls::Syscall;
    use super::*;

    const FACTS: Facts = Facts { pid: 7, files_are_guarded: true, signals_are_guarded: true, learning: false };

    fn rule(grants: &Grants, facts: Facts, call: c_long) -> Option<Rule> {
        rules(grants, facts).into_iter().find(|(number, _)| c_long::from(*number) == call).map(|(_, rule)| rule)
    }

    #[test]
    fn where_landlock_is_missing_nothing_is_opened_for_writing_without_a_grant() {
        let none = Grants::default();
        let unguarded = Facts { files_are_guarded: false, ..FACTS };
        assert_eq!(rule(&none, FACTS, SYS_openat), Some(Rule::Plain(Verdict::Allow)));
        let reading = Rule::Arms(vec![vec![bits(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)]]);
        assert_eq!(rule(&none, unguarded, SYS_openat), Some(reading.clone()));
        // Nor when learning, where nobody but landlock would decide.
        let learning = Facts { learning: true, ..unguarded };
        assert_eq!(rule(&none, learning, SYS_openat), Some(reading));
        assert_eq!(rule(&none, learning, SYS_openat2), Some(Rule::Plain(Verdict::Absent)));
    }

    #[test]
    fn signals_to_what_it_started_need_landlock_to_keep_them_in() {
        let grants = Grants { processes: true, ..Grants::default() };
        let own = Rule::Arms(vec![vec![argument(0, 7)]]);
        assert_eq!(rule(&grants, FACTS, SYS_kill), Some(Rule::Plain(Verdict::Allow)));
        assert_eq!(rule(&grants, Facts { signals_are_guarded: false, ..FACTS }, SYS_kill), Some(own.clone()));
        assert_eq!(rule(&Grants::default(), FACTS, SYS_kill), Some(own));
    }

    #[test]
    fn a_granted_call_is_granted_whatever_else_is_said_of_it() {
        let ptrace = Syscall::numbered(SYS_ptrace as u32);
        let kill = Syscall::numbered(SYS_kill as u32);
        let grants = Grants { syscalls: vec![ptrace, kill], ..Grants::default() };
        assert_eq!(rule(&Grants::default(), FACTS, SYS_ptrace), None);
        for call in [SYS_ptrace, SYS_kill] {
            assert_eq!(rule(&grants, FACTS, call), Some(Rule::Plain(Verdict::Allow)));
        }
    }
}
