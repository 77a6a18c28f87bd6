/* Adds two records behind each: its payload with a sign, naming the one that they come from. */
#include "proscenium_plugin.h"

PSC_PLUGIN("twin", VERSION, "Adds records", "Proscenium", "MIT OR Apache-2.0", "{}");

int init_plugin(PluginContext *ctx) {
    (void)ctx;
    return PSC_OK;
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }

int process_batch(RecordBatch *b, PluginContext *ctx) {
    (void)ctx;
    /* The last record first: the order of what is added says nothing of where it comes from. */
    for (uint32_t i = b->record_count; i-- > 0;) {
        const PscRecord *r = psc_records(b) + i;
        for (int n = 0; n < 2; n++) {
            PscRecord *added = psc_emit(b, r, PSC_NULL, (size_t)r->len + 1);
            if (added == PSC_NULL) return PSC_ERR_NOSPACE;
            added->content = r->content;
            uint8_t *to = psc_payload_mut(b, added);
            if (to == PSC_NULL) return PSC_ERR_NOSPACE;
            memcpy(to, psc_payload(b, r), r->len);
            to[r->len] = (uint8_t)('a' + n);
        }
    }
    return PSC_OK;
}
