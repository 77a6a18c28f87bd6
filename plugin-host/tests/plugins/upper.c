/* For tests: makes payloads upper case, and does what some of them ask for. */
#include <ctype.h>
#include <signal.h>
#include <unistd.h>

#include "proscenium_plugin.h"

#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef MARK
#define MARK '!'
#endif
#ifndef SCHEMA
#define SCHEMA "{\"type\":\"object\"}"
#endif

#ifndef FAIL
#define FAIL "fail"
#endif

PSC_PLUGIN("upper", VERSION, "Makes payloads upper case", "Proscenium", "Apache-2.0", SCHEMA);

typedef struct Seen {
    uint64_t records;
} Seen;

static uint8_t mark = MARK;

int init_plugin(PluginContext *ctx) {
    const char *how = psc_param(ctx, "init", "");
    if (strcmp(how, "config") == 0) return psc_error(ctx, PSC_ERR_CONFIG, "init: must not be config");
    if (strcmp(how, "hang") == 0)
        for (;;) pause();
    if (strcmp(how, "crash") == 0) abort();
    if (*psc_param(ctx, "mark", "") != '\0') mark = (uint8_t)*psc_param(ctx, "mark", "");
    ctx->user = calloc(1, sizeof(Seen));
    return ctx->user != NULL ? PSC_OK : PSC_ERR_NOMEM;
}

void cleanup_plugin(PluginContext *ctx) { free(ctx->user); }

static bool is(const RecordBatch *b, const PscRecord *r, const char *word) {
    return r->len == strlen(word) && memcmp(psc_payload(b, r), word, r->len) == 0;
}

int process_batch(RecordBatch *b, PluginContext *ctx) {
    Seen *seen = ctx->user;
    PSC_FOR_EACH(b, r) {
        seen->records += 1;
        if (is(b, r, "segv")) raise(SIGSEGV);
        if (is(b, r, "abort")) abort();
        if (is(b, r, "exit")) _exit(3);
        if (is(b, r, "hang"))
            for (;;) pause();
        if (is(b, r, "wait")) usleep(300 * 1000);
        if (is(b, r, FAIL)) return PSC_ERR_FAIL;
        if (is(b, r, "fatal")) return psc_error(ctx, PSC_ERR_FATAL, "beyond use");
        if (is(b, r, "drop")) {
            psc_drop(b, r, "asked to");
            continue;
        }
        if (is(b, r, "wrong")) {
            psc_fail(b, r, 7, "it says wrong");
            continue;
        }
        if (is(b, r, "same")) continue;
        uint8_t *to = psc_alloc(b, r->len + 1u);
        if (to == NULL) return PSC_ERR_NOSPACE;
        bool turns_back = is(b, r, "turns back");
        for (uint32_t i = 0; i < r->len; i++) to[i] = (uint8_t)toupper(psc_payload(b, r)[i]);
        to[r->len] = mark;
        psc_set_payload(b, r, to, r->len + 1u);
        if (turns_back) psc_fail(b, r, 8, "after it was rewritten");
    }
    return PSC_OK;
}

/* How many records this state has seen. */
int flush_plugin(RecordBatch *out, PluginContext *ctx) {
    const Seen *seen = ctx->user;
    const char *how = psc_param(ctx, "flush", "");
    static int parts;
    if (strcmp(how, "crash") == 0) abort();
    char text[32];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)seen->records);
    if (psc_emit(out, NULL, text, (size_t)n) == NULL) return PSC_ERR_NOSPACE;
    return strcmp(how, "more") == 0 && ++parts < 3 ? PSC_MORE : PSC_OK;
}

int export_state(PluginContext *ctx, PscState *out) {
#ifdef EXPORT_MS
    usleep(EXPORT_MS * 1000);
#endif
    void *copy = ctx->alloc(ctx, sizeof(Seen));
    if (copy == NULL) return PSC_ERR_NOMEM;
    memcpy(copy, ctx->user, sizeof(Seen));
    out->version = 1;
    out->len = sizeof(Seen);
    out->data = copy;
    return PSC_OK;
}

int import_state(PluginContext *ctx, const PscState *in) {
#ifdef REFUSES
    return PSC_ERR_UNSUPPORTED;
#endif
    if (in->version != 1 || in->len != sizeof(Seen)) return PSC_ERR_UNSUPPORTED;
    memcpy(ctx->user, in->data, sizeof(Seen));
    return PSC_OK;
}
