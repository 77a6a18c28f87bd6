/* Looks at each record, and gives it a new payload of the same length: some twenty nanoseconds of work. */
#include "stateless.h"

PSC_PLUGIN("rewrite", "1.0.0", "Rewrites all", "Proscenium", "Apache-2.0", "{\"type\":\"object\"}");

int process_batch(RecordBatch *b, PluginContext *ctx) {
    (void)ctx;
    PSC_FOR_EACH(b, r) {
        const uint8_t *from = psc_payload(b, r);
        uint32_t hash = 2166136261u;
        for (uint32_t i = 0; i < r->len; i += 8) hash = (hash ^ from[i]) * 16777619u;
        if (hash == 0) { /* Which hardly one does. */
            psc_drop(b, r, "it hashes to nothing");
            continue;
        }
        uint8_t *to = psc_alloc(b, r->len);
        if (to == NULL) return PSC_ERR_NOSPACE;
        uint32_t at = 0;
        for (; at + 8 <= r->len; at += 8) {
            uint64_t word;
            memcpy(&word, from + at, 8);
            word ^= 0x5a5a5a5a5a5a5a5au;
            memcpy(to + at, &word, 8);
        }
        for (; at < r->len; at++) to[at] = from[at] ^ 0x5a;
        psc_set_payload(b, r, to, r->len);
    }
    return PSC_OK;
}
