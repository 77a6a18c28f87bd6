/* For tests of chaos: works a while on each record, and fails as the record asks, if it is given for the first time.
 * A record: its number, and what it asks for, 8 bytes each, and as many bytes more as it likes. */
#include <signal.h>
#include <unistd.h>

#include "proscenium_plugin.h"

PSC_PLUGIN("chaos", "1.0.0", "Transforms records, fails on demand", "Proscenium", "Apache-2.0", "{\"type\":\"object\"}");

int init_plugin(PluginContext *ctx) {
    ctx->user = calloc(1, sizeof(uint64_t));
    return ctx->user != NULL ? PSC_OK : PSC_ERR_NOMEM;
}

void cleanup_plugin(PluginContext *ctx) { free(ctx->user); }

__attribute__((noinline)) static int deeper(volatile char *above) {
    volatile char here[4096];
    here[0] = above[0];
    return here[0] == 1 ? 1 : deeper(here) + here[0];
}

static void fail(uint64_t how) {
    volatile char first = 0;
    volatile int *volatile nowhere = NULL;
    switch (how) {
    case 1: *nowhere = 1; break;
    case 2: abort();
    case 3: deeper(&first); break;
    case 4:
        for (;;) pause();
    case 5: _exit(0);
    default: break;
    }
}

int process_batch(RecordBatch *b, PluginContext *ctx) {
    uint64_t *seen = ctx->user;
    PSC_FOR_EACH(b, r) {
        uint64_t words[2];
        if (r->len < sizeof words) return PSC_ERR_FAIL;
        memcpy(words, psc_payload(b, r), sizeof words);
        if (b->attempt == 0) fail(words[1]);
        uint8_t *to = psc_alloc(b, r->len);
        if (to == NULL) return PSC_ERR_NOSPACE;
        for (volatile int round = 0; round < 400; round++) {
        }
        for (uint32_t i = 0; i < r->len; i++) to[i] = psc_payload(b, r)[r->len - 1 - i] ^ (uint8_t)words[0];
        psc_set_payload(b, r, to, r->len);
        *seen += 1;
    }
    return PSC_OK;
}

int export_state(PluginContext *ctx, PscState *out) { return psc_state_set(ctx, out, 1, ctx->user, sizeof(uint64_t)); }

int import_state(PluginContext *ctx, const PscState *in) {
    if (in->version != 1 || in->len != sizeof(uint64_t)) return PSC_ERR_UNSUPPORTED;
    memcpy(ctx->user, in->data, sizeof(uint64_t));
    return PSC_OK;
}
