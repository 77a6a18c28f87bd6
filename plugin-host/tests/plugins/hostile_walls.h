/* At the walls: other processes, files, the network, resources. Each says what it got. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char said[256];

static const char *got(const char *what, long result) {
    snprintf(said, sizeof said, "%s: %s", what, result < 0 ? strerrorname_np(errno) : "done");
    return said;
}

/* Signal 0 asks whether one could be sent, and does nothing: walls with a hole in them must not cost the machine. The guard
 * is the parent, and the host is among all that there are. */
static const char *signal_all(const Scene *s) {
    (void)s;
    if (kill(-1, 0) == 0) return "kill -1: done";
    if (kill(0, 0) == 0) return "kill 0: done";
    for (pid_t pid = 1; pid < 40000; pid++)
        if (pid != getpid() && (kill(pid, 0) == 0 || errno != EPERM)) return got("kill one", 0);
    if (syscall(SYS_tkill, getppid(), 0) == 0 || syscall(SYS_tgkill, getppid(), getppid(), 0) == 0) return "tgkill: done";
    errno = EPERM;
    return got("kill", -1);
}

static const char *trace(const Scene *s) {
    (void)s;
    return got("ptrace", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static const char *write_into(const Scene *s) {
    (void)s;
    char byte = 0;
    struct iovec own = {&byte, 1}, there = {&said, 1};
    return got("process_vm_writev", process_vm_writev(getppid(), &own, 1, &there, 1, 0));
}

static const char *limit_parent(const Scene *s) {
    (void)s;
    struct rlimit none = {0, 0};
    return got("prlimit", syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, &none, NULL));
}

static const char *adopt(const Scene *s) {
    (void)s;
    return got("pidfd_open", syscall(SYS_pidfd_open, getppid(), 0));
}

static const char *fork_storm(const Scene *s) {
    (void)s;
    for (int i = 0; i < 1000; i++) {
        pid_t child = fork();
        if (child == 0)
            for (;;) pause();
        if (child > 0) return "fork: done";
    }
    return got("fork", -1);
}

static const char *grandchild(const Scene *s) {
    (void)s;
    pid_t child = fork();
    if (child < 0) return got("fork", -1);
    if (child == 0) {
        setsid();
        if (fork() == 0)
            for (;;) pause();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return "fork: done";
}

/* Children of which each leads a session of its own, and that nobody waits for. */
static const char *bear(const Scene *s) {
    for (int child = 0; child < 3; child++)
        if (fork() == 0) {
            setsid();
            if (fork() > 0) _exit(0);
            hang(s);
        }
    return "born";
}

/* Each is as bad as the first. For who has a limit on processes, or a machine to spare. */
static const char *bomb(const Scene *s) {
    for (;;) fork();
    return s->info;
}

/* Each generation is a process of its own, in a session of its own, gone before one can look at it. For 20 s at most. */
static void generations(void) {
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000 * 1000};
    for (int left = 20000; left > 0; left--) {
        setsid();
        nanosleep(&moment, NULL);
        if (fork() > 0) _exit(0);
    }
    _exit(0);
}

static const char *fork_on(const Scene *s) {
    for (int line = 0; line < 3; line++)
        if (fork() == 0) generations();
    return hang(s);
}

static void *idle(void *nothing) {
    for (;;) pause();
    return nothing;
}

static const char *thread_storm(const Scene *s) {
    (void)s;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 500; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, idle, NULL) != 0) return "fewer threads";
    }
    return "500 threads";
}

static const char *new_user(const Scene *s) {
    (void)s;
    return got("unshare", syscall(SYS_unshare, 0x10000000));
}

static const char *run_shell(const Scene *s) {
    (void)s;
    char *arguments[] = {"sh", NULL};
    return got("execve", execve("/bin/sh", arguments, NULL));
}

static const char *passwd(const Scene *s) {
    (void)s;
    return got("open", open("/etc/passwd", O_RDONLY));
}

static const char *host_files(const Scene *s) {
    (void)s;
    const char *files[] = {"/proc/1/environ", "/proc/1/maps", "/tmp", "/root", "/dev/shm/x", "..", "."};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (open(files[i], O_RDONLY) >= 0) return files[i];
    if (open("/tmp/proscenium-hostile", O_WRONLY | O_CREAT, 0600) >= 0) return "created";
    return got("open", -1);
}

/* With a working folder: what it may do there, and nothing beside it. */
static const char *writes_out(const Scene *s) {
    const char *own = s->ctx->work_dir;
    struct stat st;
    if (own == NULL || own[0] != '/' || stat(own, &st) != 0 || (st.st_mode & 07777) != 0700) return "no folder of its own";
    char cwd[4096], path[4200];
    if (getcwd(cwd, sizeof cwd) == NULL || strcmp(cwd, own) != 0) return "elsewhere";
    const char *outside[] = {"../x", "../lib/x", "../.host", "/tmp/proscenium-hostile", "/dev/shm/x", "out/x", "tmp/x"};
    symlink("..", "out");
    symlink("/tmp", "tmp");
    snprintf(path, sizeof path, "%s/file", own);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file < 0 || write(file, "x", 1) != 1) return got("open its own", -1);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        if (open(outside[i], O_WRONLY | O_CREAT, 0600) >= 0) return outside[i];
        if (errno != EACCES) return got(outside[i], -1);
        if (rename("file", outside[i]) == 0 || link("file", outside[i]) == 0) return outside[i];
    }
    if (open("../lib", O_RDONLY | O_DIRECTORY) < 0) return got("open lib", -1);
    if (unlink("../.host") == 0 || mkdir("../folder", 0700) == 0) return "in the host's folder";
    return got("all others", -1);
}

/* More than one file may have. */
static const char *fills(const Scene *s) {
    (void)s;
    static char mib[1 << 20];
    int file = open("large", O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 3; i++)
        if (write(file, mib, sizeof mib) != sizeof mib) return got("write", -1);
    return "3 MiB";
}

/* Deeper than who removes it may have descriptors, or stack. */
static const char *litter(const Scene *s) {
    int at = open(".", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%d", i);
        close(openat(at, name, O_WRONLY | O_CREAT, 0600));
        if (mkdirat(at, "deeper", 0700) != 0) return got("mkdirat", -1);
        int below = openat(at, "deeper", O_RDONLY | O_DIRECTORY);
        close(at);
        at = below;
    }
    return hang(s);
}

static const char *network(const Scene *s) {
    (void)s;
    int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (socket(families[i], SOCK_STREAM, 0) >= 0 || socket(families[i], SOCK_DGRAM, 0) >= 0) return "a socket";
    return got("socket", -1);
}

static const char *leak(const Scene *s) {
    (void)s;
    for (size_t mib = 0;; mib++) {
        char *memory = malloc(1 << 20);
        if (memory == NULL) {
            snprintf(said, sizeof said, "NULL after %s", mib < 1100 ? "its limit" : "more than its limit");
            return said;
        }
        memset(memory, 1, 1 << 20);
    }
}

/* Memory that no limit of the process itself counts, but that on all that is mapped. */
static const char *leak_shared(const Scene *s) {
    (void)s;
    for (;;) {
        char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return "no more is mapped";
        memset(memory, 1, 1 << 20);
    }
}

static const char *leak_on(const Scene *s) {
    leak(s);
    *(volatile char *volatile)malloc(64 << 20) = 1; /* as one who does not ask */
    return NULL;
}

static const char *open_many(const Scene *s) {
    (void)s;
    int count = 0, ends[2];
    while (pipe(ends) == 0) count += 2;
    int why = errno;
    snprintf(said, sizeof said, "%s below %d", strerrorname_np(why), count < 256 ? 256 : count + 1);
    return said;
}

static const char *close_all(const Scene *s) {
    (void)s;
    for (int fd = 0; fd < 256; fd++) close(fd);
    return hang(s);
}

static const char *dup_over(const Scene *s) {
    (void)s;
    for (int fd = 3; fd <= 7; fd++)
        if (dup2(0, fd) < 0) return got("dup2", -1);
    return hang(s);
}

static const char *dup_channel(const Scene *s) {
    (void)s;
    return got("dup", dup(3));
}

static const char *own_signals(const Scene *s) {
    (void)s;
    if (fcntl(3, F_SETOWN, getppid()) == 0 || fcntl(3, F_SETFL, O_NONBLOCK) == 0) return "fcntl: done";
    return got("fcntl", -1);
}
