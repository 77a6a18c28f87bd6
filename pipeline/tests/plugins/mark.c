/* Puts its version behind each payload. "poison" in a payload ends the process, "bad" is refused, "aside" goes along a
 * route. */
#include <signal.h>

#include "proscenium_plugin.h"

PSC_PLUGIN("mark", VERSION, "Marks records", "Proscenium", "MIT OR Apache-2.0", "{}");

int init_plugin(PluginContext *ctx) {
    (void)ctx;
    return PSC_OK;
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }

static bool has(const uint8_t *text, size_t len, const char *word) {
    return memmem(text, len, word, strlen(word)) != NULL;
}

int process_batch(RecordBatch *b, PluginContext *ctx) {
    (void)ctx;
    PSC_FOR_EACH(b, r) {
        const uint8_t *payload = psc_payload(b, r);
        if (has(payload, r->len, "poison")) raise(SIGSEGV);
        if (has(payload, r->len, "bad")) {
            psc_fail(b, r, 7, "it is bad");
            continue;
        }
        const size_t len = r->len, more = strlen(VERSION) + 1;
        uint8_t *marked = psc_alloc(b, len + more);
        if (marked == NULL) return PSC_ERR_NOSPACE;
        memcpy(marked, payload, len);
        marked[len] = ' ';
        memcpy(marked + len + 1, VERSION, more - 1);
        const bool aside = has(payload, len, "aside");
        psc_set_payload(b, r, marked, len + more);
        if (aside) psc_route(b, r, 0);
    }
    return PSC_OK;
}
