/* Stamps each record with its version and with how many records it has seen: the count is its state. */
#include "proscenium_plugin.h"

PSC_PLUGIN("stamp", VERSION, "Stamps records", "Proscenium", "MIT OR Apache-2.0", "{\"additionalProperties\":false}");

int init_plugin(PluginContext *ctx) {
    ctx->user = calloc(1, sizeof(uint64_t));
    return ctx->user != NULL ? PSC_OK : PSC_ERR_NOMEM;
}

void cleanup_plugin(PluginContext *ctx) { free(ctx->user); }

int process_batch(RecordBatch *b, PluginContext *ctx) {
    uint64_t *seen = ctx->user;
    const uint64_t version = (uint64_t)(VERSION[0] - '0');
    PSC_FOR_EACH(b, r) {
        uint8_t *stamp = psc_alloc(b, 16);
        if (stamp == NULL) return PSC_ERR_NOSPACE;
        memcpy(stamp, &version, 8);
        memcpy(stamp + 8, seen, 8);
        *seen += 1;
        psc_set_payload(b, r, stamp, 16);
    }
    return PSC_OK;
}

int export_state(PluginContext *ctx, PscState *out) {
    void *copy = ctx->alloc(ctx, sizeof(uint64_t));
    if (copy == NULL) return PSC_ERR_NOMEM;
    memcpy(copy, ctx->user, sizeof(uint64_t));
    out->version = 1, out->len = sizeof(uint64_t), out->data = copy;
    return PSC_OK;
}

int import_state(PluginContext *ctx, const PscState *in) {
    if (in->version != 1 || in->len != sizeof(uint64_t)) return PSC_ERR_UNSUPPORTED;
    memcpy(ctx->user, in->data, sizeof(uint64_t));
    return PSC_OK;
}
