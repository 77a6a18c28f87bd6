/* Gives each order a score, by a formula that depends on the version. An order whose note is "crash" makes it write to
 * address 0; the build with BROKEN does that as soon as it starts. */
#include "proscenium_plugin.h"

PSC_PLUGIN("scoring", VERSION, "Gives each order a score", "Proscenium", "MIT OR Apache-2.0", "{\"additionalProperties\":false}");

static void crash(void) {
    volatile int *nowhere = NULL;
    *nowhere = 1;
}

int init_plugin(PluginContext *ctx) {
    (void)ctx;
#ifdef BROKEN
    crash();
#endif
    return PSC_OK;
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }

int process_batch(RecordBatch *b, PluginContext *ctx) {
    const int version = VERSION[0] - '0';
    (void)ctx;
    PSC_FOR_EACH(b, r) {
        PscValue v;
        double amount;
        if (psc_get(b, r, "note", &v) && psc_mp_is(&v, "crash")) crash();
        if (!psc_get(b, r, "amount", &v) || !psc_mp_number(&v, &amount)) {
            psc_fail(b, r, 1, "no amount");
            continue;
        }
        PscField score = {"score", psc_mp_int(1000 * version + (int64_t)amount * 7 * version % 1000)};
        if (psc_set(b, r, &score, 1) == PSC_ERR_NOSPACE) return PSC_ERR_NOSPACE;
    }
    return PSC_OK;
}
