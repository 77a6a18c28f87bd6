/* Looks at each record and lets it go on: some twenty nanoseconds of work, and not one byte written. */
#include "stateless.h"

PSC_PLUGIN("verdict", "1.0.0", "Looks, and changes nothing", "Proscenium", "Apache-2.0", "{\"type\":\"object\"}");

int process_batch(RecordBatch *b, PluginContext *ctx) {
    (void)ctx;
    PSC_FOR_EACH(b, r) {
        const uint8_t *payload = psc_payload(b, r);
        uint32_t hash = 2166136261u;
        for (uint32_t i = 0; i < r->len; i += 4) hash = (hash ^ payload[i]) * 16777619u;
        if (hash == 0) psc_drop(b, r, "it hashes to nothing"); /* Which hardly one does. */
    }
    return PSC_OK;
}
