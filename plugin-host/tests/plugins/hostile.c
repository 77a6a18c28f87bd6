/* For tests: a plugin that does one hostile thing, in the function that IN_<FUNCTION>=<act> names. In `process_batch` it
 * does so for a record that says "now"; every record gets a '!' behind it. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Winfinite-recursion"
#include "proscenium_plugin.h"

#include "hostile_ends.h"
#include "hostile_walls.h"
#include "hostile_memory.h"
#include "hostile_words.h"

static const char *nothing(const Scene *scene) {
    (void)scene;
    return NULL;
}

#ifndef IN_CONSTRUCTOR
#define IN_CONSTRUCTOR nothing
#endif
#ifndef IN_INFO
#define IN_INFO nothing
#endif
#ifndef IN_INIT
#define IN_INIT nothing
#endif
#ifndef IN_PROCESS
#define IN_PROCESS nothing
#endif
#ifndef IN_FLUSH
#define IN_FLUSH nothing
#endif
#ifndef IN_EXPORT
#define IN_EXPORT nothing
#endif
#ifndef IN_IMPORT
#define IN_IMPORT nothing
#endif
#ifndef IN_CLEANUP
#define IN_CLEANUP nothing
#endif
#ifndef DESCRIPTION
#define DESCRIPTION "hostile"
#endif

__attribute__((constructor)) static void constructor(void) { IN_CONSTRUCTOR(&(Scene){0}); }

#ifdef VERSION_OF_ABI
uint32_t plugin_abi_version(void) { return VERSION_OF_ABI; }
#endif

#ifndef NO_INFO
const char *get_plugin_info(const char *type) {
    const char *said = IN_INFO(&(Scene){.info = type});
    if (said != NULL) return said;
    return strcmp(type, "name") == 0 ? "hostile" : strcmp(type, "description") == 0 ? DESCRIPTION : NULL;
}
#endif

int init_plugin(PluginContext *ctx) {
    const char *said = IN_INIT(&(Scene){.ctx = ctx});
    return said == NULL ? PSC_OK : psc_error(ctx, PSC_ERR_FAIL, "%s", said);
}

void cleanup_plugin(PluginContext *ctx) { IN_CLEANUP(&(Scene){.ctx = ctx}); }

int process_batch(RecordBatch *b, PluginContext *ctx) {
    int code = PSC_OK;
    PSC_FOR_EACH(b, r) {
        const char *said = NULL;
        if (r->len == 3 && memcmp(psc_payload(b, r), "now", 3) == 0)
            said = IN_PROCESS(&(Scene){.b = b, .ctx = ctx, .r = r, .code = &code});
        if (said == KEEP) continue;
        if (said != NULL) {
            psc_replace(b, r, said, strlen(said));
            continue;
        }
        if (code != PSC_OK) return code;
        uint8_t *to = psc_alloc(b, r->len + 1u);
        if (to == NULL) return PSC_ERR_NOSPACE;
        memcpy(to, psc_payload(b, r), r->len);
        to[r->len] = '!';
        psc_set_payload(b, r, to, r->len + 1u);
    }
    at_return(b);
    return PSC_OK;
}

int flush_plugin(RecordBatch *out, PluginContext *ctx) {
    IN_FLUSH(&(Scene){.b = out, .ctx = ctx});
    return PSC_OK;
}

int export_state(PluginContext *ctx, PscState *out) {
    IN_EXPORT(&(Scene){.ctx = ctx, .out = out});
    return out->data != NULL ? PSC_OK : psc_state_set(ctx, out, 1, "state", 5);
}

#ifndef NO_IMPORT
int import_state(PluginContext *ctx, const PscState *in) {
    (void)in;
    IN_IMPORT(&(Scene){.ctx = ctx});
    return PSC_OK;
}
#endif
