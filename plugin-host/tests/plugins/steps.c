/* For a test that steps through its process: it says where its process_batch is, and its answers say what they are for: the
 * number, and how often it was handed out before. A record: its number, 8 bytes, and bytes as it likes. */
#include "proscenium_plugin.h"

const char *get_plugin_info(const char *type) {
    static char here[32];
    snprintf(here, sizeof here, "%p", PSC_CAST(void *, (uintptr_t)process_batch));
    const char *const pairs[] = {PSC_INFO_NAME, "steps",  PSC_INFO_VERSION, "1.0.0", PSC_INFO_DESCRIPTION,
                                 here,          PSC_NULL, PSC_NULL};
    return psc_info_pick(type, pairs);
}

int init_plugin(PluginContext *ctx) {
    (void)ctx;
    return PSC_OK;
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }

int process_batch(RecordBatch *b, PluginContext *ctx) {
    (void)ctx;
    /* A record that is suspected of a crash is told by a number that no attempt has here. */
    uint32_t attempt = b->attempt + ((b->flags & PSC_BATCH_SUSPECT) != 0 ? 4 : 0);
    PSC_FOR_EACH(b, r) {
        uint64_t number;
        if (r->len < sizeof number) return PSC_ERR_FAIL;
        const uint8_t *from = psc_payload(b, r);
        memcpy(&number, from, sizeof number);
        switch (number % 3) {
        case 0: {
            uint8_t *to = psc_alloc(b, r->len + 1);
            if (to == NULL) return PSC_ERR_NOSPACE;
            for (uint32_t i = 0; i < r->len; i++) to[i] = from[r->len - 1 - i] ^ (uint8_t)number;
            to[r->len] = (uint8_t)attempt;
            psc_set_payload(b, r, to, r->len + 1);
            break;
        }
        case 1: psc_fail(b, r, (uint32_t)number * 16 + attempt, "as its number says"); break;
        default: psc_route(b, r, attempt); break;
        }
    }
    return PSC_OK;
}
