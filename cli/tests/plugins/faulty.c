/* For tests: a plugin with the one fault that FAULT names at compile time. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "proscenium_plugin.h"

enum Fault {
    NONE, INIT_FAILS, INIT_CONFIG, INIT_CRASHES, INIT_HANGS, CONSTRUCTOR_CRASHES, WRONG_ABI, NO_SCHEMA, NONSENSE_CODE,
    CRASHES, HANGS, FORGES, EXITS, FLUSH_CRASHES, STATE_REFUSED, CLEANUP_CRASHES, OPENS, HALF_A_STATE, NO_TEXT
};

#if FAULT == 7
#define SCHEMA "{\"properties\": 1}"
#elif FAULT == 18
#define SCHEMA "{\"properties\": {\"a\": {\"pattern\": \"x\"}}}"
#else
#define SCHEMA "{\"type\":\"object\",\"properties\":{\"depth\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}}}"
#endif

static const char *info(const char *type) {
    if (strcmp(type, "name") == 0) return "faulty";
    if (strcmp(type, "version") == 0) return "1.0.0";
    if (strcmp(type, "parameters") == 0) return SCHEMA;
    return NULL;
}
PSC_EXPORT const char *get_plugin_info(const char *type) { return info(type); }
PSC_EXPORT uint32_t plugin_abi_version(void) { return FAULT == WRONG_ABI ? 9u << 16 : PSC_ABI_VERSION; }

__attribute__((constructor)) static void constructor(void) {
    if (FAULT == CONSTRUCTOR_CRASHES) abort();
}

PSC_EXPORT int init_plugin(PluginContext *ctx) {
    if (FAULT == INIT_FAILS) return psc_error(ctx, PSC_ERR_FAIL, "no coffee");
    if (FAULT == INIT_CONFIG) return psc_error(ctx, PSC_ERR_CONFIG, "depth: I do not like it");
    if (FAULT == INIT_CRASHES) raise(SIGSEGV);
    if (FAULT == INIT_HANGS)
        for (;;) pause();
    if (FAULT == OPENS) {
        FILE *file = fopen("/etc/hostname", "r");
        if (file != NULL) fclose(file);
    }
    return PSC_OK;
}

#if FAULT == 17
PSC_EXPORT int export_state(PluginContext *ctx, PscState *out) {
    (void)ctx, (void)out;
    return PSC_OK;
}
#endif

#if FAULT == 14
PSC_EXPORT int export_state(PluginContext *ctx, PscState *out) {
    out->version = 1, out->len = 1, out->data = ctx->alloc(ctx, 1);
    return PSC_OK;
}
PSC_EXPORT int import_state(PluginContext *ctx, const PscState *in) {
    (void)ctx, (void)in;
    return PSC_ERR_FAIL;
}
#endif

PSC_EXPORT int process_batch(RecordBatch *b, PluginContext *ctx) {
    (void)ctx;
    if (FAULT == NONSENSE_CODE) return 77;
    PSC_FOR_EACH(b, r) {
        bool is_empty = r->len == 0;
        if (FAULT == CRASHES && is_empty) raise(SIGSEGV);
        if (FAULT == EXITS && is_empty) _exit(3);
        if (FAULT == HANGS && is_empty)
            for (;;) pause();
        if (FAULT == FORGES && is_empty) r->id += 1;
    }
    return PSC_OK;
}

#if FAULT == 13
PSC_EXPORT int flush_plugin(RecordBatch *b, PluginContext *ctx) {
    (void)b, (void)ctx;
    abort();
}
#endif

PSC_EXPORT void cleanup_plugin(PluginContext *ctx) {
    (void)ctx;
    if (FAULT == CLEANUP_CRASHES) abort();
}
