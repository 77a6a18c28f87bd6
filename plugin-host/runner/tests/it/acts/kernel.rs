//! Sockets, and the parts of the kernel that holes are found in.
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use super::{Named, address, call, end, io_end, text};

pub const ACTS: &[Named] = &[
    ("socket of the network", |cell| {
        cell.shut_in();
        io_end(std::net::UdpSocket::bind("127.0.0.1:0"))
    }),
    ("socket of the machine", |cell| {
        cell.shut_in();
        io_end(UnixDatagram::unbound())
    }),
    ("pair of sockets", |cell| {
        cell.shut_in();
        io_end(UnixStream::pair())
    }),
    ("connect what it has", |cell| {
        let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        cell.shut_in();
        io_end(socket.connect(address))
    }),
    ("io_uring", |cell| {
        let mut parameters = [0u64; 15];
        cell.shut_in();
        end(libc::SYS_io_uring_setup, &[1, address(&mut parameters)])
    }),
    ("userfaultfd", |cell| {
        cell.shut_in();
        // In user mode alone, which needs no rights.
        end(libc::SYS_userfaultfd, &[1])
    }),
    ("shared memory of System V", |cell| {
        cell.shut_in();
        let id = match call(libc::SYS_shmget, &[libc::IPC_PRIVATE as i64, 4096, 0o600]) {
            Ok(id) => id,
            Err(errno) => return errno,
        };
        end(libc::SYS_shmctl, &[id, libc::IPC_RMID as i64, 0])
    }),
    ("asynchronous input", |cell| {
        let mut context = 0u64;
        cell.shut_in();
        end(libc::SYS_io_setup, &[1, address(&mut context)])
    }),
    ("bpf", |cell| {
        // An array of one number.
        let mut map = [2u32, 4, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        cell.shut_in();
        end(libc::SYS_bpf, &[0, address(&mut map), 48])
    }),
    ("perf_event_open", |cell| {
        // A software event that counts nothing: type 1, 112 bytes, number 9.
        let mut event = [0u64; 14];
        event[0] = 1 | 112 << 32;
        event[1] = 9;
        cell.shut_in();
        end(libc::SYS_perf_event_open, &[address(&mut event), 0, -1, -1, 0])
    }),
    ("keyring", |cell| {
        cell.shut_in();
        // The keyring of the process, made if need be.
        end(libc::SYS_keyctl, &[0, -2, 1])
    }),
    ("another filter", |cell| {
        cell.shut_in();
        // Is the answer `kill the process` there? The same call loads filters.
        let mut action = 0x8000_0000u32;
        end(libc::SYS_seccomp, &[2, 0, address(&mut action)])
    }),
    ("personality", |cell| {
        cell.shut_in();
        end(libc::SYS_personality, &[0xffff_ffff])
    }),
    ("unshare", |cell| {
        cell.shut_in();
        end(libc::SYS_unshare, &[i64::from(libc::CLONE_NEWUSER)])
    }),
    ("setns", |cell| {
        let own = std::fs::File::open("/proc/self/ns/uts").unwrap();
        cell.shut_in();
        end(libc::SYS_setns, &[i64::from(own.as_raw_fd()), 0])
    }),
    ("mount", |cell| {
        let folder = text(cell.folder.join("work").to_str().unwrap());
        // In a view of the files of its own, so that nobody else sees the mount.
        if call(libc::SYS_unshare, &[i64::from(libc::CLONE_NEWNS)]).is_ok() {
            call(libc::SYS_mount, &[0, text("/"), 0, (libc::MS_REC | libc::MS_PRIVATE) as i64, 0]).unwrap();
        }
        cell.shut_in();
        end(libc::SYS_mount, &[text("none"), folder, text("tmpfs"), 0, 0])
    }),
    ("chroot", |cell| {
        cell.shut_in();
        end(libc::SYS_chroot, &[text("/")])
    }),
    #[cfg(target_arch = "x86_64")]
    ("call by the 32-bit gate", |cell| {
        cell.shut_in();
        let answer: i64;
        // SAFETY: number 20 there is `getpid`, which touches nothing.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("rax") 20i64 => answer, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        }
        i32::from(answer == 0)
    }),
    #[cfg(target_arch = "x86_64")]
    ("call by an x32 number", |cell| {
        cell.shut_in();
        end(0x4000_0000 | libc::SYS_getpid, &[])
    }),
];
