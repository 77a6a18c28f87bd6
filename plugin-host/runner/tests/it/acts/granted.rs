//! Acts with a grant, and what it does not grant.
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use proscenium_plugin_runner::sandbox::{Mode, learned};

use super::{Named, address, call, end, io_end, parent, text};

pub const ACTS: &[Named] = &[
    ("read a granted folder", |cell| {
        let granted = cell.folder.join("granted/below");
        fs::create_dir_all(&granted).unwrap();
        fs::write(granted.join("file"), "x").unwrap();
        cell.shut_in_as(|sandbox| sandbox.grants.read.push(cell.folder.join("granted")));
        assert_eq!(fs::read_to_string(granted.join("file")).unwrap(), "x");
        assert_eq!(io_end(fs::read("/etc/passwd")), libc::EACCES);
        assert_eq!(io_end(fs::write(granted.join("file"), "y")), libc::EACCES);
        io_end(fs::read_dir(granted))
    }),
    ("write in a granted folder", |cell| {
        let granted = cell.folder.join("granted");
        fs::create_dir(&granted).unwrap();
        cell.shut_in_as(|sandbox| sandbox.grants.write.push(granted.clone()));
        fs::create_dir(granted.join("a")).unwrap();
        fs::write(granted.join("a/file"), "x").unwrap();
        fs::rename(granted.join("a/file"), granted.join("file")).unwrap();
        fs::OpenOptions::new().append(true).open(granted.join("file")).unwrap().write_all(b"y").unwrap();
        assert_eq!(fs::read_to_string(granted.join("file")).unwrap(), "xy");
        fs::remove_dir(granted.join("a")).unwrap();
        assert_eq!(io_end(fs::write(cell.folder.join("beside"), "x")), libc::EACCES);
        assert_eq!(io_end(fs::rename(granted.join("file"), cell.folder.join("out"))), libc::EACCES);
        assert_eq!(io_end(std::os::unix::fs::symlink("/etc/passwd", granted.join("link"))), 0);
        assert_eq!(io_end(fs::read(granted.join("link"))), libc::EACCES);
        io_end(fs::remove_file(granted.join("file")))
    }),
    ("write in its working folder", |cell| {
        fs::write(cell.folder.join("beside"), "x").unwrap();
        cell.shut_in_as(|sandbox| sandbox.grants.work_dir = true);
        fs::create_dir("a").unwrap();
        fs::write("a/file", "x").unwrap();
        fs::rename("a/file", "file").unwrap();
        assert_eq!(fs::read_to_string("file").unwrap(), "x");
        assert_eq!(io_end(fs::write("../beside", "x")), libc::EACCES);
        assert_eq!(io_end(fs::rename("file", "../file")), libc::EACCES);
        assert_ne!(io_end(fs::hard_link("../beside", "mine")), 0);
        assert_eq!(io_end(std::os::unix::fs::symlink("..", "out")), 0);
        assert_eq!(io_end(fs::write("out/beside", "x")), libc::EACCES);
        io_end(fs::read_dir("."))
    }),
    ("speak over the network", |cell| {
        let to: SocketAddr = cell.argument.parse().unwrap();
        cell.shut_in_as(|sandbox| sandbox.grants.network = true);
        assert_eq!(io_end(std::os::unix::net::UnixDatagram::unbound()), libc::EPERM);
        assert_eq!(end(libc::SYS_socket, &[i64::from(libc::AF_NETLINK), 3, 0]), libc::EPERM);
        io_end(TcpStream::connect(to).and_then(|mut stream| stream.write_all(b"hello")))
    }),
    ("start a program", |cell| {
        cell.shut_in_as(|sandbox| {
            sandbox.grants.processes = true;
            // `/bin` may be a link, or a folder of its own.
            sandbox.grants.read.extend(["/bin".into(), "/usr/bin".into()]);
        });
        let script = "cat /etc/passwd || echo refused; kill -0 $PPID && kill -0 $1 || echo deaf";
        let output = Command::new("/bin/sh").args(["-c", script, "sh", &parent().to_string()]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "refused\ndeaf\n", "{output:?}");
        assert_eq!(end(libc::SYS_unshare, &[i64::from(libc::CLONE_NEWUSER)]), libc::EPERM);
        assert_eq!(end(libc::SYS_clone, &[i64::from(libc::CLONE_NEWUSER | libc::SIGCHLD)]), libc::EPERM);
        let mut child = Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        child.kill().unwrap();
        io_end(child.wait())
    }),
    ("make a memfd", |cell| {
        cell.shut_in_as(|sandbox| sandbox.grants.syscalls.push("memfd_create".parse().unwrap()));
        end(libc::SYS_memfd_create, &[text("x"), 0])
    }),
    ("a grant of what is not there", |cell| {
        cell.shut_in_as(|sandbox| sandbox.grants.read.push("/nowhere/at/all".into()));
        0
    }),
    ("a working folder that is not empty", |cell| {
        fs::write(cell.folder.join("work/left"), "x").unwrap();
        cell.shut_in();
        0
    }),
    ("learn", |cell| {
        cell.shut_in_as(|sandbox| sandbox.mode = Mode::Learn);
        assert!(learned().is_empty(), "{}", learned());
        assert_eq!(io_end(fs::read("/etc/passwd")), libc::EACCES);
        assert_eq!(io_end(fs::write("/tmp/proscenium-learned", "x")), libc::EACCES);
        assert_eq!(io_end(fs::write("notes/today", "x")), libc::ENOENT);
        assert_eq!(io_end(fs::write("notes", "x")), libc::EACCES);
        assert_eq!(io_end(fs::File::open("/dev/urandom")), 0);
        assert_eq!(io_end(fs::File::open("/usr/lib/not there")), libc::ENOENT);
        let refused = [
            end(libc::SYS_memfd_create, &[text("x"), 0]),
            end(libc::SYS_memfd_create, &[text("x"), 0]),
            end(libc::SYS_kill, &[parent(), 0]),
            io_end(Command::new("/bin/true").status()),
            io_end(std::net::UdpSocket::bind("127.0.0.1:0")),
        ];
        assert_eq!(refused, [libc::EPERM; 5]);
        // From another thread too, and with the arguments in their places.
        let noted = std::thread::spawn(|| end(libc::SYS_inotify_init1, &[0])).join().unwrap();
        assert_eq!(noted, libc::EPERM);
        print!("{}", learned());
        0
    }),
    ("cost", |cell| {
        println!("cost {}", cell.shut_in().as_micros());
        0
    }),
    ("environment", |cell| {
        cell.shut_in_as(|sandbox| sandbox.grants.read.push("/proc/self/environ".into()));
        assert_eq!(std::env::vars_os().count(), 0);
        let bytes = fs::read("/proc/self/environ").unwrap();
        assert!(!bytes.is_empty() && bytes.iter().all(|&byte| byte == 0), "{}", String::from_utf8_lossy(&bytes));
        0
    }),
    ("whoever it is", |cell| {
        let mut sets = [0u32; 6];
        let mut header = [0x2008_0522u32, 0];
        cell.shut_in();
        call(libc::SYS_capget, &[address(&mut header), address(&mut sets)]).unwrap();
        assert_eq!(sets, [0; 6]);
        assert_eq!(call(libc::SYS_prctl, &[i64::from(libc::PR_GET_NO_NEW_PRIVS)]), Ok(1));
        assert_eq!(call(libc::SYS_prctl, &[i64::from(libc::PR_GET_SECCOMP)]), Ok(2));
        i32::from(fs::canonicalize(".").is_ok_and(|folder| !folder.ends_with("work")))
    }),
];
