/*
 * Loads one plugin and does what stdin says, a line each; what comes of it goes to stdout. The tests in Rust drive it.
 *
 *   param KEY VALUE                     a parameter, before init
 *   info TYPE                        -> info HEX, or: info -
 *   init                             -> init CODE TEXT
 *   batch HEAP EMITTED ROUTES CONTENT   begins a batch; record HEX adds to it
 *   process, flush                   -> return CODE PROGRESS TEXT, then: record ID VERDICT ARG FLAGS CONTENT PAYLOAD REASON
 *   export                           -> state CODE VERSION HEX TEXT
 *   import VERSION HEX               -> import CODE TEXT
 *   cleanup                          -> cleanup
 *   counters                         -> counters SUM
 *
 * The input payloads are read-only during a call: who writes there crashes. Exit 3: the plugin left nonsense behind.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/mman.h>
#include <time.h>

#include "proscenium_plugin.h"

enum { PAGE = 4096, FRONT = 1 << 22, INPUT = 1 << 20, MAX_PARAMS = 32, LINE = 1 << 21 };

static char line[LINE], failure[2048];
static PscParam params[MAX_PARAMS];
static uint64_t counted;
static uint8_t *block;
static PscRecord given[4096];
static volatile uint32_t cancel;

static void on_log(PluginContext *c, int32_t level, const char *t, size_t n) {
    (void)c, (void)t, (void)n;
    if (level < PSC_LOG_TRACE || level > PSC_LOG_ERROR) exit(3);
}
static uint64_t on_clock(PluginContext *c, int32_t which) {
    (void)c;
    struct timespec t;
    clock_gettime(which == PSC_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static void *on_alloc(PluginContext *c, size_t n) { return (void)c, malloc(n); }
static void on_release(PluginContext *c, void *p) { (void)c, free(p); }
static void on_count(PluginContext *c, const char *n, uint64_t add) { (void)c, (void)n, counted += add; }
static void on_gauge(PluginContext *c, const char *n, double v) { (void)c, (void)n, (void)v; }
static void on_fail(PluginContext *c, const char *t, size_t n) { (void)c, snprintf(failure, sizeof failure, "%.*s", (int)n, t); }

static PluginContext ctx = {.size = sizeof ctx, .abi_version = PSC_ABI_VERSION, .params = params, .stage = "test", .cancel = &cancel,
    .log = on_log, .clock = on_clock, .alloc = on_alloc, .release = on_release, .count = on_count, .gauge = on_gauge, .fail = on_fail};

static void put_hex(const void *p, size_t n) {
    if (n == 0) putchar('-');
    for (size_t i = 0; i < n; i++) printf("%02x", ((const uint8_t *)p)[i]);
}
static size_t get_hex(const char *s, uint8_t *to) {
    size_t n = 0;
    unsigned byte;
    for (; sscanf(s, "%2x", &byte) == 1; s += 2) to[n++] = (uint8_t)byte;
    return n;
}

static RecordBatch *begin(uint32_t heap, uint32_t emitted, uint32_t routes, uint32_t content) {
    mprotect(block + FRONT, INPUT, PROT_READ | PROT_WRITE);
    memset(block, 0, FRONT + INPUT);
    RecordBatch *b = (RecordBatch *)(void *)block;
    *b = (RecordBatch){.magic = PSC_MAGIC, .layout = PSC_LAYOUT, .header_size = 128, .entry_size = 32, .content = (uint8_t)content,
        .batch_id = 1, .record_capacity = emitted, .entries_off = 128, .heap_end = heap, .input_off = FRONT, .input_end = FRONT,
        .route_count = routes, .progress = PSC_NO_PROGRESS};
    return b;
}
static void add(RecordBatch *b, const char *hex) {
    size_t n = get_hex(hex, block + b->input_end);
    psc_records(b)[b->record_count] = (PscRecord){.id = 1000u + b->record_count, .off = b->input_end, .len = (uint32_t)n};
    b->record_count++;
    b->input_end += (uint32_t)n;
}
static void hand_over(RecordBatch *b) {
    b->record_capacity += b->record_count;
    b->heap_off = 128 + 32 * b->record_capacity;
    b->heap_end += b->heap_off;
    b->heap_top = b->heap_off;
    b->block_size = b->input_end;
    memcpy(given, psc_records(b), 32 * b->record_count);
    mprotect(block + FRONT, INPUT, PROT_READ);
}
static bool lies_well(const RecordBatch *b, uint32_t off, uint32_t len, bool or_input) {
    uint64_t end = (uint64_t)off + len;
    return (off >= b->heap_off && end <= b->heap_end) || (or_input && off >= b->input_off && end <= b->input_end);
}
static void show(RecordBatch *b, int code) {
    printf("return %d %d %s\n", code, (int)b->progress, failure);
    if (code < 0) return;
    if (b->emitted > b->record_capacity - b->record_count) exit(3);
    for (uint32_t i = 0; i < b->record_count + b->emitted; i++) {
        PscRecord *r = psc_records(b) + i;
        bool is_given = i < b->record_count;
        if (!lies_well(b, r->off, r->len, true) || (r->reason_len != 0 && !lies_well(b, r->reason_off, r->reason_len, false))) exit(3);
        if ((is_given && r->id != given[i].id) || is_given == ((r->flags & PSC_REC_EMITTED) != 0)) exit(3);
        printf("record %d %d %u %d %d ", (int)r->id, r->verdict, r->arg, r->flags, r->content);
        put_hex(psc_payload(b, r), r->len);
        putchar(' ');
        put_hex(psc_bytes_at(b, r->reason_off), r->reason_len);
        putchar('\n');
    }
}

static void *symbol(void *so, const char *name) {
    void *p = dlsym(so, name);
    if (p == NULL) printf("error no %s\n", name), exit(2);
    return p;
}
#define CALL(name, type) ((type)symbol(so, name))

int main(int argc, char **argv) {
    void *so = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (so == NULL) return printf("error %s\n", dlerror()), 2;
    block = mmap(NULL, FRONT + INPUT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return 4;
    RecordBatch *b = begin(0, 0, 0, PSC_CONTENT_MSGPACK);
    static uint8_t bytes[LINE];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = strchr(line, ' ');
        if (rest != NULL) *rest++ = '\0';
        else rest = line + strlen(line);
        uint32_t n[4] = {0};
        failure[0] = '\0';
        if (strcmp(line, "param") == 0 && ctx.param_count < MAX_PARAMS) {
            char *value = strchr(rest, ' ');
            if (value != NULL) *value++ = '\0';
            params[ctx.param_count++] = (PscParam){strdup(rest), strdup(value ? value : "")};
        } else if (strcmp(line, "info") == 0) {
            const char *text = CALL("get_plugin_info", const char *(*)(const char *))(rest);
            printf("info ");
            put_hex(text, text ? strlen(text) : 0);
            putchar('\n');
        } else if (strcmp(line, "init") == 0) {
            int code = CALL("init_plugin", int (*)(PluginContext *))(&ctx);
            printf("init %d %s\n", code, failure);
        } else if (strcmp(line, "batch") == 0 && sscanf(rest, "%u %u %u %u", n, n + 1, n + 2, n + 3) == 4) {
            b = begin(n[0], n[1], n[2], n[3]);
        } else if (strcmp(line, "record") == 0) {
            add(b, rest);
        } else if (strcmp(line, "process") == 0 || strcmp(line, "flush") == 0) {
            hand_over(b);
            const char *name = line[0] == 'p' ? "process_batch" : "flush_plugin";
            int code = CALL(name, int (*)(RecordBatch *, PluginContext *))(b, &ctx);
            show(b, code);
        } else if (strcmp(line, "export") == 0) {
            PscState s = {.size = sizeof s};
            int code = CALL("export_state", int (*)(PluginContext *, PscState *))(&ctx, &s);
            printf("state %d %u ", code, s.version);
            put_hex(s.data, s.len);
            printf(" %s\n", failure);
            on_release(&ctx, s.data);
        } else if (strcmp(line, "import") == 0 && sscanf(rest, "%u", n) == 1) {
            PscState s = {.size = sizeof s, .version = n[0], .data = bytes};
            s.len = get_hex(strchr(rest, ' ') ? strchr(rest, ' ') + 1 : "", bytes);
            int code = CALL("import_state", int (*)(PluginContext *, const PscState *))(&ctx, &s);
            printf("import %d %s\n", code, failure);
        } else if (strcmp(line, "cleanup") == 0) {
            CALL("cleanup_plugin", void (*)(PluginContext *))(&ctx);
            puts("cleanup");
        } else if (strcmp(line, "counters") == 0) {
            printf("counters %d\n", (int)counted);
        } else {
            printf("error what is %s?\n", line);
            return 4;
        }
    }
    return 0;
}
