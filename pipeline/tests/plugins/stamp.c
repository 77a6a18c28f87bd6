/* Puts its version and its sign behind each payload. Words in a payload: "poison" ends the process, "bad" is refused, "whole"
 * fails the batch that it is in. It knows the parameter `sign`, and refuses to start with others. */
#include <signal.h>

#include "proscenium_plugin.h"

PSC_PLUGIN("stamp", VERSION, "Stamps records", "Proscenium", "MIT OR Apache-2.0", "{}");

int init_plugin(PluginContext *ctx) {
    for (uint32_t i = 0; i < ctx->param_count; i++)
        if (strcmp(ctx->params[i].key, "sign") != 0) return psc_error(ctx, PSC_ERR_CONFIG, "it knows `sign` only");
    return PSC_OK;
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }

static bool has(const uint8_t *text, size_t len, const char *word) {
    return memmem(text, len, word, strlen(word)) != NULL;
}

int process_batch(RecordBatch *b, PluginContext *ctx) {
    const char *sign = psc_param(ctx, "sign", "+");
    PSC_FOR_EACH(b, r) {
        const uint8_t *payload = psc_payload(b, r);
        if (has(payload, r->len, "poison")) raise(SIGSEGV);
        if (has(payload, r->len, "whole")) return PSC_ERR_FAIL;
        if (has(payload, r->len, "bad")) {
            psc_fail(b, r, 7, "it is bad");
            continue;
        }
        const size_t len = r->len, of_version = strlen(VERSION), of_sign = strlen(sign);
        uint8_t *stamped = psc_alloc(b, len + 1 + of_version + of_sign);
        if (stamped == NULL) return PSC_ERR_NOSPACE;
        memcpy(stamped, payload, len);
        stamped[len] = ' ';
        memcpy(stamped + len + 1, VERSION, of_version);
        memcpy(stamped + len + 1 + of_version, sign, of_sign);
        psc_set_payload(b, r, stamped, len + 1 + of_version + of_sign);
    }
    return PSC_OK;
}
