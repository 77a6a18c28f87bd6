/* What the guard reads in /proc, and the one thing that it writes there. */
#define MAX_SEEN 65536

static struct { i32 pid, parent; u8 below; } seen[MAX_SEEN];

static char *put(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

static char *put_number(char *to, u64 number)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *to++ = digits[--count];
    return to;
}

/* Gives 0 where there is no number. */
static i32 number_at(const char *text)
{
    i32 number = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    while (*text >= '0' && *text <= '9')
        number = number * 10 + (*text++ - '0');
    return number;
}

/* The beginning of a file, ended by a null. */
static long read_file(const char *path, char *text, long room)
{
    long fd = sys(__NR_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0), length;
    if (fd < 0)
        return fd;
    length = sys(__NR_read, fd, (long)text, room - 1, 0, 0);
    sys(__NR_close, fd, 0, 0, 0, 0);
    text[length > 0 ? length : 0] = 0;
    return length;
}

/* Writes `text`, or "<id> <id><text>" if there is an id. */
static long write_file(const char *path, const char *text, long id)
{
    char line[64], *end = line;
    long fd = sys(__NR_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC, 0, 0), written;
    if (fd < 0)
        return fd;
    if (id >= 0) {
        end = put_number(end, (u64)id);
        end = put_number(put(end, " "), (u64)id);
    }
    end = put(end, text);
    written = sys(__NR_write, fd, (long)line, end - line, 0, 0);
    sys(__NR_close, fd, 0, 0, 0, 0);
    return written;
}

/* The parent of a process, or 0. Its name, which may hold anything, stands in brackets before. */
static i32 parent_of(i32 pid)
{
    char path[32], text[512], *end, *after = 0;
    end = put(put_number(put(path, "/proc/"), (u64)pid), "/stat");
    *end = 0;
    if (read_file(path, text, sizeof text) <= 0)
        return 0;
    for (char *at = text; *at; at++)
        if (*at == ')')
            after = at;
    return after && after[1] && after[2] && after[3] ? number_at(after + 3) : 0;
}

/* Our own number, as this /proc has it. */
static i32 self_in_proc(void)
{
    char text[64];
    return read_file("/proc/self/stat", text, sizeof text) > 0 ? number_at(text) : 0;
}

/* The number that a process has for those who mounted /proc: the host, if this is a namespace of our own. */
static i32 pid_outside(int pidfd)
{
    char path[48], text[512], *end = put_number(put(path, "/proc/self/fdinfo/"), (u64)pidfd);
    *end = 0;
    if (read_file(path, text, sizeof text) <= 0)
        return 0;
    for (char *at = text; *at; at++)
        if (at[0] == 'P' && at[1] == 'i' && at[2] == 'd' && at[3] == ':')
            return number_at(at + 4);
    return 0;
}

/* Fills `seen`, which is in order of the numbers, as /proc is. Gives how many there are. */
static int list_processes(void)
{
    struct entry { u64 inode, offset; unsigned short length; u8 type; char name[]; };
    static _Alignas(8) char entries[16384];
    long fd = sys(__NR_openat, AT_FDCWD, (long)"/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0), length;
    int count = 0;
    if (fd < 0)
        return 0;
    while ((length = sys(__NR_getdents64, fd, (long)entries, sizeof entries, 0, 0)) > 0)
        for (long at = 0; at < length;) {
            struct entry *entry = (struct entry *)(entries + at);
            i32 pid = number_at(entry->name);
            at += entry->length;
            if (pid > 0 && count < MAX_SEEN) {
                seen[count].pid = pid;
                seen[count].parent = parent_of(pid);
                seen[count++].below = 0;
            }
        }
    sys(__NR_close, fd, 0, 0, 0, 0);
    return count;
}

/* Empties a signalfd. */
static void drain(int signals)
{
    u8 taken[128 * 16]; /* A signalfd_siginfo has 128 bytes. */
    while (sys(__NR_read, signals, (long)taken, sizeof taken, 0, 0) > 0)
        ;
}
