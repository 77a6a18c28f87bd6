/* The guard: a small program between a host and the processes that it starts. It is their parent and their subreaper,
 * so that whatever they fork stays below it, and it ends all of them when the host is gone.
 *
 *   host ──control socket: spawn requests, with descriptors──▶ guard ──fork, exec──▶ child ──▶ what it forks
 *     ◀──one status socket for each child: pidfd, exit status──┘  └──SIGKILL to everything below it at the end
 *
 * It needs no C library, so that it is one 10 KB file without a loader on every Linux. It allocates nothing but its
 * tables, never waits for a child, and never blocks but in ppoll. The other side is written in Rust, in wire.rs.
 *
 * Descriptors at the start: 0 is the control socket, 1 a pidfd of the host, 2 /dev/null. */
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <asm/errno.h>
#include <linux/mman.h>
#include <asm/unistd.h>

#include "system.h"
#include "proc.h"

#define MAGIC 0x50726f73u /* "Pros"; with WIRE_VERSION it keeps a guard from another build out. */
#define WIRE_VERSION 2u
#define MAX_EXTRAS 16
#define MAX_CHILDREN 32768
/* Orphans taken between two looks at the host, and between two rounds of killing. The kernel looks for each one among all
 * children, the living ones too: a thousand of them cost a millisecond a look. */
#define REAPED_AT_ONCE 16
#define REAPED_AT_THE_END 4096
#define OWN_AT_ONCE 64
#define INTO_CGROUP 0x200000000ull
/* How long the guard goes on killing what does not die: what is in an uninterruptible sleep, or may not be killed. */
#define END_LIMIT_NS 10000000000ll

enum { READY, STARTED, REFUSED, EXITED };
enum step {
    STEP_NONE, STEP_NAMESPACE, STEP_USER_MAP, STEP_SUBREAPER, STEP_SIGNALS, STEP_PROC, STEP_REQUEST, STEP_FULL,
    STEP_FORK, STEP_DESCRIPTORS, STEP_DIRECTORY, STEP_EXEC, STEP_GROUP,
};
/* Places of the descriptors that come with a request; the extra ones follow, and a control group's folder if there is one. */
enum { FD_STATUS, FD_BLOB, FD_DIRECTORY, FD_STDIN, FD_STDOUT, FD_STDERR, FD_FAILURE, FD_EXTRA };
#define MAX_FDS (FD_EXTRA + MAX_EXTRAS + 1)
enum { CONTROL = 3, HOST = 4, FIRST_FREE = 5 };

/* What there is behind what was reaped. */
enum reaped { NO_CHILD, NO_MORE, MORE };

struct request { u32 magic, version, argc, envc, extras, blob, groups; };
struct reply { u32 kind; i32 value, step; };

static struct { i32 pid, status; } children[MAX_CHILDREN];
static int living;
static u32 next_own;
static struct rlimit files;
static int in_namespace;
static i32 self;

/* ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static long send_reply(int to, u32 kind, i32 value, i32 step, int fd)
{
    struct reply reply = { kind, value, step };
    struct iovec part = { &reply, sizeof reply };
    struct { struct cmsghdr head; i32 fd; i32 pad; } rights = { { 16 + 4, SOL_SOCKET, SCM_RIGHTS }, fd, 0 };
    struct msghdr message = { .parts = &part, .part_count = 1 };
    if (fd >= 0) {
        message.control = &rights;
        message.control_length = sizeof rights;
    }
    return sys(__NR_sendmsg, to, (long)&message, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
}

static void fail(enum step step, long error)
{
    send_reply(CONTROL, READY, (i32)-error, step, -1);
    leave(1);
}

/* ── children ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static void forget(int at)
{
    if (children[at].status >= 0)
        sys(__NR_close, children[at].status, 0, 0, 0, 0);
    children[at] = children[--living];
}

static void tell_end(int at, i32 status)
{
    if (children[at].status >= 0)
        send_reply(children[at].status, EXITED, status, 0, -1);
    forget(at);
}

/* Takes the exit status of what has ended, of so much at most: orphans that fork and exit faster than they are reaped must
 * not keep the host waiting. */
static enum reaped reap(int most)
{
    for (; most > 0; most--) {
        i32 status;
        long pid = sys(__NR_wait4, -1, (long)&status, WNOHANG | __WALL, 0, 0);
        if (pid == -EINTR)
            continue;
        if (pid <= 0)
            return pid == -ECHILD ? NO_CHILD : NO_MORE;
        for (int at = 0; at < living; at++)
            if (children[at].pid == pid) {
                tell_end(at, status);
                break;
            }
    }
    /* The host waits for these, and orphans may stand before them. To ask for one by its number is quick. */
    for (int left = living < OWN_AT_ONCE ? living : OWN_AT_ONCE; left > 0 && living > 0; left--) {
        i32 status, at = (i32)(next_own++ % (u32)living);
        if (sys(__NR_wait4, children[at].pid, (long)&status, WNOHANG | __WALL, 0, 0) > 0)
            tell_end(at, status);
    }
    return MORE;
}

/* In the new process: becomes the program, or says why not on the failure pipe, which closes on exec. */
static void become(const int *fds, int extras, const char *program, char **argv, char **envp)
{
    struct reply failure = { REFUSED, 0, STEP_DESCRIPTORS };
    int high[3 + MAX_EXTRAS];
    long out = 0;
    /* The guard may have died before this: then nobody would send the signal. */
    sys(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (sys(__NR_getppid, 0, 0, 0, 0, 0) != self)
        leave(127);
    sys(__NR_setpgid, 0, 0, 0, 0, 0);
    /* First out of the way of the numbers that they get, so that none overwrites another. */
    for (int at = 0; at < 3 + extras && out >= 0; at++) {
        int from = at < 3 ? fds[FD_STDIN + at] : fds[FD_EXTRA + at - 3];
        out = high[at] = sys(__NR_fcntl, from, F_DUPFD_CLOEXEC, 64, 0, 0);
    }
    long pipe = sys(__NR_fcntl, fds[FD_FAILURE], F_DUPFD_CLOEXEC, 64, 0, 0);
    long directory = sys(__NR_fcntl, fds[FD_DIRECTORY], F_DUPFD_CLOEXEC, 64, 0, 0);
    if (pipe < 0 || directory < 0) {
        out = pipe < 0 ? pipe : directory;
        pipe = fds[FD_FAILURE]; /* Nothing is moved then, so this is still what it was. */
    }
    for (int at = 0; at < 3 + extras && out >= 0; at++)
        out = sys(__NR_dup3, high[at], at, 0, 0, 0);
    if (out >= 0) {
        failure.step = STEP_DIRECTORY;
        out = sys(__NR_fchdir, directory, 0, 0, 0, 0);
    }
    if (out >= 0) {
        u64 none = 0;
        failure.step = STEP_EXEC;
        sys(__NR_prlimit64, 0, RLIMIT_NOFILE, (long)&files, 0, 0);
        sys(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none, 0);
        out = sys(__NR_execve, (long)program, (long)argv, (long)envp, 0, 0);
    }
    failure.value = (i32)-out;
    sys(__NR_write, pipe, (long)&failure, sizeof failure, 0, 0);
    leave(127);
}

/* A child, born in the control group of this folder if it is one: to be moved there later takes milliseconds, which the
 * kernel waits for all processors. */
static long fork_into(int group, i32 *pidfd)
{
    /* As of Linux 5.7; the headers that we are built with may be older. */
    struct { u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; } how
        = { .flags = CLONE_PIDFD | INTO_CGROUP, .pidfd = (u64)pidfd, .exit_signal = SIGCHLD, .cgroup = (u64)group };
    if (group < 0)
        return sys(__NR_clone, CLONE_PIDFD | SIGCHLD, 0, (long)pidfd, 0, 0);
    return sys(__NR_clone3, (long)&how, sizeof how, 0, 0, 0);
}

/* Points `list` at `count` strings from `at` on, and ends it with a null. Gives what follows them, or null. */
static char *strings(char *at, char *end, char **list, u32 count)
{
    for (u32 n = 0; n < count; n++) {
        list[n] = at;
        while (at < end && *at)
            at++;
        if (at++ >= end)
            return 0;
    }
    list[count] = 0;
    return at;
}

static void start(const struct request *request, const int *fds)
{
    int to = fds[FD_STATUS];
    u64 words = (u64)request->argc + request->envc + 4;
    long blob = sys6(__NR_mmap, 0, request->blob, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[FD_BLOB], 0);
    long list = sys6(__NR_mmap, 0, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (failed(blob) || failed(list)) {
        send_reply(to, REFUSED, ENOMEM, STEP_REQUEST, -1);
        goto unmap;
    }
    char **program = (char **)list, **argv = program + 2, **envp = argv + request->argc + 1;
    char *at = (char *)blob, *end = at + request->blob;
    if (!(at = strings(at, end, program, 1)) || !(at = strings(at, end, argv, request->argc))
        || !strings(at, end, envp, request->envc)) {
        send_reply(to, REFUSED, EINVAL, STEP_REQUEST, -1);
        goto unmap;
    }
    if (living == MAX_CHILDREN) {
        send_reply(to, REFUSED, EAGAIN, STEP_FULL, -1);
        goto unmap;
    }
    /* Taken before there is a child: without it nobody would hear of its end. */
    long kept = sys(__NR_fcntl, to, F_DUPFD_CLOEXEC, FIRST_FREE, 0, 0);
    if (kept < 0) {
        send_reply(to, REFUSED, EMFILE, STEP_REQUEST, -1);
        goto unmap;
    }
    i32 pidfd = -1;
    int group = request->groups ? fds[FD_EXTRA + request->extras] : -1;
    long pid = fork_into(group, &pidfd);
    if (pid == 0)
        become(fds, request->extras, program[0], argv, envp);
    if (pid < 0) {
        /* These two are told of each fork that is one too many. */
        int is_full = pid == -EAGAIN || pid == -ENOMEM;
        send_reply(to, REFUSED, (i32)-pid, group < 0 || is_full ? STEP_FORK : STEP_GROUP, -1);
        sys(__NR_close, kept, 0, 0, 0, 0);
        goto unmap;
    }
    children[living].pid = (i32)pid;
    children[living++].status = (i32)kept;
    /* Whoever asked has given up, and nobody else knows of the child. */
    if (send_reply(to, STARTED, in_namespace ? pid_outside(pidfd) : (i32)pid, 0, pidfd) < 0)
        sys(__NR_kill, pid, SIGKILL, 0, 0, 0);
    sys(__NR_close, pidfd, 0, 0, 0, 0);
unmap:
    if (!failed(blob))
        sys(__NR_munmap, blob, request->blob, 0, 0, 0);
    if (!failed(list))
        sys(__NR_munmap, list, words * 8, 0, 0, 0);
}

/* Takes one request. Gives 0 when the host has closed its end. */
static int serve(void)
{
    struct request request = { 0 };
    int fds[MAX_FDS], count = 0;
    struct iovec part = { &request, sizeof request };
    struct { struct cmsghdr head; i32 fds[MAX_FDS + 1]; } rights;
    struct msghdr message = { .parts = &part, .part_count = 1, .control = &rights, .control_length = sizeof rights };
    long length = sys(__NR_recvmsg, CONTROL, (long)&message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 0, 0);
    if (length == -EAGAIN || length == -EINTR)
        return 1;
    if (length <= 0)
        return 0;
    if (message.control_length >= sizeof rights.head && rights.head.type == SCM_RIGHTS)
        for (count = 0; count < (int)((rights.head.length - sizeof rights.head) / 4) && count < MAX_FDS; count++)
            fds[count] = rights.fds[count];
    int whole = length == sizeof request && request.magic == MAGIC && request.version == WIRE_VERSION
        && request.extras <= MAX_EXTRAS && request.groups <= 1
        && count == FD_EXTRA + (int)(request.extras + request.groups) && request.blob > 0;
    if (whole)
        start(&request, fds);
    else if (count > 0)
        /* The kernel leaves out descriptors for which there is no room in our table. */
        send_reply(fds[FD_STATUS], REFUSED, message.flags & MSG_CTRUNC ? EMFILE : EPROTO, STEP_REQUEST, -1);
    while (count > 0)
        sys(__NR_close, fds[--count], 0, 0, 0, 0);
    return 1;
}

/* ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Kills the direct children, adopted ones included. Their numbers cannot pass to others: only we reap them. */
static void kill_direct(void)
{
    char text[4096];
    long fd = sys(__NR_openat, AT_FDCWD, (long)"/proc/thread-self/children", O_RDONLY | O_CLOEXEC, 0, 0), length;
    i32 pid = 0;
    if (fd < 0)
        return; /* A kernel without this file; the other walk finds them, too. */
    while ((length = sys(__NR_read, fd, (long)text, sizeof text, 0, 0)) > 0)
        for (long at = 0; at < length; at++)
            if (text[at] >= '0' && text[at] <= '9') {
                pid = pid * 10 + (text[at] - '0');
            } else {
                if (pid > 1)
                    sys(__NR_kill, pid, SIGKILL, 0, 0, 0);
                pid = 0;
            }
    sys(__NR_close, fd, 0, 0, 0, 0);
}

static int is_below(i32 pid, int count)
{
    int low = 0, high = count;
    while (low < high) { /* /proc lists by number. */
        int middle = (low + high) / 2;
        if (seen[middle].pid == pid)
            return seen[middle].below;
        if (seen[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Kills everything below us, however deep: a child that cannot die at once must not shield its own. */
static void kill_deep(void)
{
    int count = list_processes();
    for (int changed = 1; changed;) {
        changed = 0;
        for (int at = 0; at < count; at++)
            if (!seen[at].below && (seen[at].parent == self || is_below(seen[at].parent, count)))
                changed = seen[at].below = 1;
    }
    for (int at = 0; at < count; at++) {
        if (!seen[at].below)
            continue;
        /* Somebody else may reap it and its number pass on. A pidfd does not, so look again once we have one. */
        long pidfd = sys(__NR_pidfd_open, seen[at].pid, 0, 0, 0, 0);
        if (pidfd < 0)
            continue;
        if (parent_of(seen[at].pid) == seen[at].parent)
            sys(__NR_pidfd_send_signal, pidfd, SIGKILL, 0, 0, 0);
        sys(__NR_close, pidfd, 0, 0, 0, 0);
    }
}

/* As many descriptors as the hard limit allows. */
static void raise_limit(void)
{
    struct rlimit limit;
    sys(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0);
    limit.rlim_cur = limit.rlim_max;
    sys(__NR_prlimit64, 0, RLIMIT_NOFILE, (long)&limit, 0, 0);
}

static void end_all(int signals)
{
    if (in_namespace)
        leave(0); /* The kernel ends what is left in a namespace whose first process ends. */
    raise_limit(); /* Somebody may have lowered it, and /proc must be read. */
    sys(__NR_close, CONTROL, 0, 0, 0, 0);
    for (i64 end = now() + END_LIMIT_NS; now() < end;) {
        /* Quickly and often first: a process that forks and exits must be met between the two. */
        for (int turn = 0; turn < 64; turn++) {
            kill_direct();
            if (reap(REAPED_AT_THE_END) == NO_CHILD)
                leave(0);
        }
        kill_deep();
        struct pollfd poll = { signals, POLLIN, 0 };
        struct timespec pause = { 0, 2000000 };
        sys(__NR_ppoll, (long)&poll, 1, (long)&pause, 0, 0);
        drain(signals);
    }
    leave(1);
}

/* ── the beginning ────────────────────────────────────────────────────────────────────────────────────────────── */

static void set_up_descriptors(void)
{
    sys(__NR_dup3, 0, CONTROL, O_CLOEXEC, 0, 0);
    sys(__NR_dup3, 1, HOST, O_CLOEXEC, 0, 0);
    sys(__NR_dup3, 2, 0, 0, 0, 0);
    sys(__NR_dup3, 2, 1, 0, 0, 0);
    sys(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&files, 0);
    /* Whatever the host let slip through its exec: it would stay open for as long as we live. */
    if (sys(__NR_close_range, FIRST_FREE, ~0u, 0, 0, 0) < 0)
        for (u64 fd = FIRST_FREE; fd < files.rlim_cur && fd < 1048576; fd++)
            sys(__NR_close, fd, 0, 0, 0, 0);
    raise_limit(); /* One for each child; the children get the host's own limit back. */
}

static void set_up_signals(void)
{
    u64 all = ~0ull;
    struct { long handler, flags, restorer, mask; } usual = { 0, 0, 0, 0 };
    /* Nothing but SIGKILL and SIGSTOP reaches us, and nothing that the host ignores is ignored by its children. */
    sys(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof all, 0);
    for (int signal = 1; signal <= 64; signal++)
        sys(__NR_rt_sigaction, signal, (long)&usual, 0, sizeof(u64), 0);
}

static int host_is_gone(void)
{
    struct pollfd poll = { HOST, POLLIN, 0 };
    struct timespec none = { 0, 0 };
    return sys(__NR_ppoll, (long)&poll, 1, (long)&none, 0, 0) > 0;
}

static void map_user(long uid, long gid)
{
    long written = write_file("/proc/self/setgroups", "deny", -1);
    written = written < 0 ? written : write_file("/proc/self/uid_map", " 1", uid);
    written = written < 0 ? written : write_file("/proc/self/gid_map", " 1", gid);
    if (written < 0)
        fail(STEP_USER_MAP, written);
}

/* Goes on as the first process of a pid namespace. What stays outside is a stump that dies with the host's thread,
 * and takes the namespace with it, stopped or not. */
static void enter_namespace(void)
{
    long uid = sys(__NR_geteuid, 0, 0, 0, 0, 0), gid = sys(__NR_getegid, 0, 0, 0, 0, 0);
    sys(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (host_is_gone())
        leave(1);
    long mapped = 0, inner = sys(__NR_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (inner == -EPERM) {
        mapped = 1;
        inner = sys(__NR_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    }
    if (inner < 0)
        fail(STEP_NAMESPACE, inner);
    if (inner > 0) {
        i32 status;
        sys(__NR_close, CONTROL, 0, 0, 0, 0);
        while (sys(__NR_wait4, inner, (long)&status, __WALL, 0, 0) == -EINTR)
            ;
        leave(status == 0 ? 0 : 1);
    }
    sys(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (mapped)
        map_user(uid, gid);
}

__attribute__((used)) void guard(long *stack)
{
    u64 child_ended = 1ull << (SIGCHLD - 1);
    in_namespace = stack[0] > 1 && ((char **)(stack + 1))[1][0] == 'n';
    set_up_signals();
    set_up_descriptors();
    sys(__NR_chdir, (long)"/", 0, 0, 0, 0);
    sys(__NR_setsid, 0, 0, 0, 0, 0);
    sys(__NR_prctl, PR_SET_NAME, (long)"guard", 0, 0, 0);
    if (in_namespace) {
        enter_namespace();
    } else {
        long done = sys(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        if (done < 0)
            fail(STEP_SUBREAPER, done);
        /* Wakes us up if somebody has stopped us; otherwise it does nothing. */
        sys(__NR_prctl, PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0);
    }
    self = (i32)sys(__NR_getpid, 0, 0, 0, 0, 0);
    if (!in_namespace && self_in_proc() != self)
        fail(STEP_PROC, -ENOENT); /* We would kill by the numbers of another namespace. */
    long signals = sys(__NR_signalfd4, -1, (long)&child_ended, sizeof child_ended, O_CLOEXEC | O_NONBLOCK, 0);
    if (signals < 0)
        fail(STEP_SIGNALS, signals);
    send_reply(CONTROL, READY, 0, STEP_NONE, -1);
    for (enum reaped reaped = NO_MORE;;) {
        struct timespec none = { 0, 0 };
        struct pollfd polls[3] = { { CONTROL, POLLIN, 0 }, { HOST, POLLIN, 0 }, { (i32)signals, POLLIN, 0 } };
        long ready = sys(__NR_ppoll, (long)polls, 3, reaped == MORE ? (long)&none : 0, 0, 0);
        /* Somebody has set our limit on open files below 3, say. Who cannot see the host must not go on without it. */
        if (polls[1].revents || (ready < 0 && ready != -EINTR))
            end_all((int)signals);
        if (polls[2].revents || reaped == MORE) {
            drain((int)signals);
            reaped = reap(REAPED_AT_ONCE);
        }
        if (polls[0].revents && !serve())
            end_all((int)signals);
    }
}
