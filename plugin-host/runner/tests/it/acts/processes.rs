//! New processes, and other ones.
use std::os::fd::{AsRawFd, IntoRawFd};
use std::process::Command;

use super::{Named, address, call, end, errno, io_end, parent, text};

/// Argument and environment lists of a program without any.
fn no_list() -> i64 {
    address(Box::leak(Box::new([0usize])))
}

/// The word in the parent that may be read and written.
fn target(cell: &crate::child::Cell, size: i64) -> [i64; 2] {
    [cell.argument.parse().unwrap(), size]
}

fn process_vm(cell: &crate::child::Cell, number: libc::c_long) -> i32 {
    let mut own = 0u64;
    let mut here = [address(&mut own), 8];
    let mut there = target(cell, 8);
    cell.shut_in();
    end(number, &[parent(), address(&mut here), 1, address(&mut there), 1, 0])
}

pub const ACTS: &[Named] = &[
    ("fork", |cell| {
        cell.shut_in();
        // SAFETY: one thread, and the child only ends.
        match unsafe { libc::fork() } {
            -1 => errno(),
            0 => {
                call(libc::SYS_exit_group, &[0]).unwrap();
                unreachable!("it has ended")
            }
            _ => 0,
        }
    }),
    ("posix_spawn", |cell| {
        cell.shut_in();
        io_end(Command::new("/bin/true").env_clear().status())
    }),
    #[cfg(target_arch = "x86_64")]
    ("vfork", |cell| {
        cell.shut_in();
        let answer: i64;
        // SAFETY: the child of vfork ends within the block, without touching the stack that it shares.
        unsafe {
            std::arch::asm!(
                "syscall", "test rax, rax", "jnz 2f", "xor edi, edi", "mov eax, 60", "syscall", "2:",
                inlateout("rax") libc::SYS_vfork => answer,
                out("rcx") _, out("r11") _, out("rdi") _,
            );
        }
        if answer < 0 { -answer as i32 } else { 0 }
    }),
    ("execve", |cell| {
        cell.shut_in();
        end(libc::SYS_execve, &[text("/bin/true"), no_list(), no_list()])
    }),
    ("execveat", |cell| {
        let file = i64::from(std::fs::File::open("/bin/true").unwrap().into_raw_fd());
        cell.shut_in();
        end(libc::SYS_execveat, &[file, text(""), no_list(), no_list(), i64::from(libc::AT_EMPTY_PATH)])
    }),
    ("memfd to execute", |cell| {
        let program = std::fs::read("/bin/true").unwrap();
        cell.shut_in();
        let memfd = match call(libc::SYS_memfd_create, &[text("x"), 0]) {
            Ok(memfd) => memfd,
            Err(errno) => return errno,
        };
        call(libc::SYS_write, &[memfd, program.as_ptr().expose_provenance() as i64, program.len() as i64]).unwrap();
        end(libc::SYS_execveat, &[memfd, text(""), no_list(), no_list(), i64::from(libc::AT_EMPTY_PATH)])
    }),
    ("clone with a namespace of users", |cell| {
        cell.shut_in();
        match call(libc::SYS_clone, &[i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD), 0, 0, 0, 0]) {
            Err(errno) => errno,
            Ok(0) => {
                call(libc::SYS_exit_group, &[0]).unwrap();
                unreachable!("it has ended")
            }
            Ok(_) => 0,
        }
    }),
    ("clone3", |cell| {
        cell.shut_in();
        // Its arguments, all zero but the signal at the end: a fork.
        let mut arguments = [0u64; 8];
        arguments[4] = libc::SIGCHLD as u64;
        match call(libc::SYS_clone3, &[address(&mut arguments), 64]) {
            Err(errno) => errno,
            Ok(0) => {
                call(libc::SYS_exit_group, &[0]).unwrap();
                unreachable!("it has ended")
            }
            Ok(_) => 0,
        }
    }),
    ("ptrace the parent", |cell| {
        cell.shut_in();
        end(libc::SYS_ptrace, &[i64::from(libc::PTRACE_SEIZE), parent(), 0, 0])
    }),
    ("read the parent", |cell| process_vm(cell, libc::SYS_process_vm_readv)),
    ("write to the parent", |cell| process_vm(cell, libc::SYS_process_vm_writev)),
    ("signal the parent", |cell| {
        cell.shut_in();
        end(libc::SYS_kill, &[parent(), 0])
    }),
    ("signal everybody", |cell| {
        cell.shut_in();
        end(libc::SYS_kill, &[-1, 0])
    }),
    ("signal the group", |cell| {
        cell.shut_in();
        end(libc::SYS_kill, &[0, 0])
    }),
    ("signal a thread of the parent", |cell| {
        cell.shut_in();
        end(libc::SYS_tgkill, &[parent(), parent(), 0])
    }),
    ("signal a thread by number", |cell| {
        cell.shut_in();
        end(libc::SYS_tkill, &[parent(), 0])
    }),
    ("queue a signal to the parent", |cell| {
        // `siginfo_t`: signal, errno, code, the rest.
        let mut info = [0i32; 32];
        info[2] = libc::SI_QUEUE;
        cell.shut_in();
        end(libc::SYS_rt_sigqueueinfo, &[parent(), 0, address(&mut info)])
    }),
    ("have a descriptor signal the parent", |cell| {
        let (reader, _writer) = std::io::pipe().unwrap();
        cell.shut_in();
        end(libc::SYS_fcntl, &[i64::from(reader.as_raw_fd()), i64::from(libc::F_SETOWN), parent()])
    }),
    ("change a descriptor of the channel", |cell| {
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut reader = i64::from(reader.as_raw_fd());
        if reader != 3 {
            reader = call(libc::SYS_dup3, &[reader, 3, 0]).unwrap();
        }
        cell.shut_in();
        end(libc::SYS_fcntl, &[reader, i64::from(libc::F_SETFL), i64::from(libc::O_NONBLOCK)])
    }),
    ("copy a descriptor of the channel", |cell| {
        call(libc::SYS_dup3, &[1, 3, 0]).unwrap();
        cell.shut_in();
        end(libc::SYS_fcntl, &[3, i64::from(libc::F_DUPFD), 20])
    }),
    ("pidfd of the parent", |cell| {
        cell.shut_in();
        end(libc::SYS_pidfd_open, &[parent(), 0])
    }),
    ("limits of the parent", |cell| {
        let mut limits = [0u64; 2];
        cell.shut_in();
        end(libc::SYS_prlimit64, &[parent(), i64::from(libc::RLIMIT_NOFILE), 0, address(&mut limits)])
    }),
    ("processors of the parent", |cell| {
        let mut set = [0u64; 16];
        call(libc::SYS_sched_getaffinity, &[0, 128, address(&mut set)]).unwrap();
        cell.shut_in();
        end(libc::SYS_sched_setaffinity, &[parent(), 128, address(&mut set)])
    }),
    ("survive the parent", |cell| {
        cell.shut_in();
        end(libc::SYS_prctl, &[i64::from(libc::PR_SET_PDEATHSIG), 0])
    }),
];
