/* Ends as its records ask it to: 'p' kills it, and 'w' waits to be killed, the first time. */
#include <stdlib.h>
#include <unistd.h>

#include "stateless.h"

PSC_PLUGIN("frail", "1.0.0", "Ends when asked to", "Proscenium", "Apache-2.0", "{\"type\":\"object\"}");

int process_batch(RecordBatch *b, PluginContext *ctx) {
    (void)ctx;
    PSC_FOR_EACH(b, r) {
        uint8_t word = r->len > 0 ? *psc_payload(b, r) : 0;
        if (word == 'p') abort();
        while (word == 'w' && (b->flags & PSC_BATCH_REPLAY) == 0) pause();
    }
    return PSC_OK;
}
