/* On the control socket, its outputs, its log, in its info. */
#include <sys/eventfd.h>

static void packet(const void *bytes, size_t len) { send(3, bytes, len, MSG_NOSIGNAL); }

static const char *garbage(const Scene *s) {
    (void)s;
    uint64_t words[32];
    for (int i = 0; i < 32; i++) words[i] = any();
    *(uint8_t *)words = 0xC2; /* neither a map nor a text */
    packet(words, sizeof words);
    return hang(s);
}

static const char *empty_packet(const Scene *s) {
    (void)s;
    packet("", 0);
    return hang(s);
}

static const char *close_socket(const Scene *s) {
    (void)s;
    close(3);
    return hang(s);
}

static const char *shut_socket(const Scene *s) {
    (void)s;
    shutdown(3, SHUT_RDWR);
    return hang(s);
}

/* {"Imported"}, "Stopped", {"Exported": [1, 1 << 60]}, {"Fail": "x"}: nobody has asked. */
static const char *forged_tells(const Scene *s) {
    (void)s;
    packet("\xa8Imported", 9);
    packet("\xa7Stopped", 8);
    packet("\x81\xa8" "Exported\x92\x01\xcf\x10\0\0\0\0\0\0\0", 21);
    packet("\x81\xac" "StateRefused\x92\x01\xa1x", 18);
    return NULL;
}

/* All walls are up, it says: none is. */
static const char *forged_walls(const Scene *s) {
    (void)s;
    packet("\x81\xa5Walls\x90", 8);
    return NULL;
}

static const char *forged_last_word(const Scene *s) {
    (void)s;
    char word[64] = {(char)0xC1, 6, 0, 0, 11};
    memcpy(word + 32, "\x1b[2Jforged\nERROR", 16);
    packet(word, sizeof word);
    exit(0);
}

static const char *forged_failed(const Scene *s) {
    packet("\x81\xa6" "Failed\x94\xa4Init\xa6" "Config\0\xa3\x1b[2", 26);
    return hang(s);
}

static const char *flood_socket(const Scene *s) {
    (void)s;
    for (int i = 0; i < 100000; i++) packet("\x81\xa3" "Log\x92\x02\xa5" "flood", 13);
    return NULL;
}

static const char *flood_log(const Scene *s) {
    for (int i = 0; i < 100000; i++) s->ctx->log(s->ctx, 3, "a line of the flood", 19);
    return NULL;
}

static const char *flood_metrics(const Scene *s) {
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "counter %d", i);
        s->ctx->count(s->ctx, name, 1);
        s->ctx->gauge(s->ctx, name, 1.0 / (double)(i % 2));
    }
    return NULL;
}

static const char *flood_stdout(const Scene *s) {
    (void)s;
    char line[1024];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 32 << 10; i++) {
        if (i % 4 == 0) line[sizeof line - 1] = '\n';
        if (write(1 + i % 2, line, sizeof line) < 0) return "closed";
        line[sizeof line - 1] = 'x';
    }
    return NULL;
}

static const char *junk_in_log(const Scene *s) {
    const char *junk = "\x1b[2J\x1b]0;title\x07\xff\xfe\r\nERROR forged \xc3";
    s->ctx->log(s->ctx, 99, junk, strlen(junk));
    s->ctx->log(s->ctx, -5, junk, strlen(junk));
    s->ctx->log(s->ctx, 2, NULL, 100);
    s->ctx->count(s->ctx, junk, 1);
    if (write(2, junk, strlen(junk)) < 0) return "closed";
    return NULL;
}

static const char *junk_in_reason(const Scene *s) {
    psc_fail(s->b, s->r, 5, "\x1b[2Jred\nERROR forged \xff");
    return NULL;
}

/* It wakes its host for nothing, as often as it can. */
static void *ring(void *nothing) {
    uint64_t one = 1;
    while (write(7, &one, 8) == 8) {
    }
    return nothing;
}

static const char *ring_on(const Scene *s) {
    (void)s;
    pthread_t thread;
    return pthread_create(&thread, NULL, ring, NULL) == 0 ? NULL : "no thread";
}

/* The counter full: nobody can ring any more. */
static const char *full_bell(const Scene *s) {
    (void)s;
    uint64_t most = 0xFFFFFFFFFFFFFFFEu, one = 1;
    if (write(7, &most, 8) != 8) return "no bell";
    return write(7, &one, 8) == 8 ? "room" : NULL;
}

static const char *steal_messages(const Scene *s) {
    (void)s;
    char bytes[1024];
    for (;;)
        if (recv(3, bytes, sizeof bytes, 0) <= 0) return NULL;
}

static const char *long_info(const Scene *s) {
    static char text[65536 + 1];
    memset(text, s->info[0], 65536);
    if (strcmp(s->info, "parameters") == 0) { /* These are a schema, or the plugin does not start. */
        memcpy(text, "{\"title\":\"", 10);
        memcpy(text + 65534, "\"}", 2);
    }
    return text;
}

static const char *longer_info(const Scene *s) {
    static char text[65536 + 2];
    memset(text, s->info[0], 65537);
    return text;
}

static const char *binary_info(const Scene *s) {
    static char text[65536 + 1];
    if (strcmp(s->info, "parameters") == 0) return "{}";
    memset(text, 0xff, 65536);
    return text;
}

/* The end of memory comes before a NUL. */
static const char *endless_info(const Scene *s) {
    (void)s;
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 4096, 4096, PROT_NONE);
    memset(pages, 'x', 4096);
    return pages;
}

static const char *nowhere_info(const Scene *s) {
    (void)s;
    return (const char *)16;
}

static const char *large_state(const Scene *s) {
    s->out->len = (uint64_t)1 << 40;
    s->out->data = s->ctx->alloc(s->ctx, 16);
    return NULL;
}

static const char *wild_state(const Scene *s) {
    s->out->len = 1 << 20;
    s->out->data = (void *)16;
    return NULL;
}

static const char *forged_state(const Scene *s) {
    (void)s;
    packet("\x81\xa8" "Exported\x92\x01\xcf\x10\0\0\0\0\0\0\0", 21);
    return hang(s);
}
