/* For `make asan`: does to memory what no plugin may, one wrong for each word that it knows. */
#include "proscenium_plugin.h"

PSC_PLUGIN("sick", "1.0.0", "Misuses memory when it is asked to", "Proscenium", "Apache-2.0", "{\"type\":\"object\"}");

static char global[16];

/* What the compiler cannot see through: or else it leaves the wrong out, or refuses it. */
static size_t behind(size_t size) {
    volatile size_t at = size;
    return at;
}

int init_plugin(PluginContext *ctx) {
    ctx->user = ctx->alloc(ctx, 16);
    return ctx->user != NULL ? PSC_OK : PSC_ERR_NOMEM;
}

void cleanup_plugin(PluginContext *ctx) { ctx->release(ctx, ctx->user); }

static bool is(const RecordBatch *b, const PscRecord *r, const char *word) {
    return r->len == strlen(word) && memcmp(psc_payload(b, r), word, r->len) == 0;
}

static void misuse(const RecordBatch *b, const PscRecord *r, PluginContext *ctx) {
    if (is(b, r, "heap write")) {
        char *own = malloc(16);
        if (own != NULL) own[behind(16)] = 'x';
        free(own);
    }
    if (is(b, r, "heap read")) {
        char *own = malloc(16);
        if (own != NULL) ctx->instance += (uint32_t)own[behind(16)];
        free(own);
    }
    if (is(b, r, "freed")) {
        char *volatile own = malloc(16);
        free(own);
        own[behind(3)] = 'x';
    }
    if (is(b, r, "twice")) {
        char *volatile own = malloc(16);
        free(own);
        free(own);
    }
    if (is(b, r, "of the context")) ((char *)ctx->user)[behind(16)] = 'x';
    if (is(b, r, "stack")) {
        char own[16], *volatile there = own;
        there[behind(16)] = 'x';
    }
    if (is(b, r, "global")) {
        char *volatile there = global;
        there[behind(16)] = 'x';
    }
    if (is(b, r, "copy")) {
        char *volatile own = malloc(16);
        if (own != NULL) memset(own, 0, behind(17));
        free(own);
    }
    if (is(b, r, "too far!")) ctx->instance += psc_payload(b, r)[behind(r->len)];
    if (is(b, r, "askew")) {
        uint64_t two[2] = {0, 0};
        ctx->instance += *(volatile uint32_t *)(void *)((char *)two + behind(1));
    }
    if (is(b, r, "undefined")) {
        volatile int large = INT32_MAX;
        large = large + 1;
    }
}

int process_batch(RecordBatch *b, PluginContext *ctx) {
    PSC_FOR_EACH(b, r) { misuse(b, r, ctx); }
    return PSC_OK;
}
