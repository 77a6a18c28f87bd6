/* For tests: says where its working folder is and how many files it has found there, and makes one more. */
#include <fcntl.h>
#include <unistd.h>

#include "proscenium_plugin.h"

PSC_PLUGIN("folder", "1.0.0", "Writes in its folder", "Proscenium", "Apache-2.0", "{\"type\":\"object\"}");

/* One that serves has made its own, and no more. */
static int found(void) {
    char name[32];
    int count = 0;
    for (;;) {
        snprintf(name, sizeof name, "file%d", count);
        if (access(name, F_OK) != 0) return count;
        count++;
    }
}

int init_plugin(PluginContext *ctx) {
    if (*psc_param(ctx, "init", "") == '\0') return PSC_OK;
    close(open("left", O_WRONLY | O_CREAT, 0600));
    return psc_error(ctx, PSC_ERR_FAIL, "asked to");
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }

int process_batch(RecordBatch *b, PluginContext *ctx) {
    PSC_FOR_EACH(b, r) {
        char text[4200], name[32];
        int count = found();
        snprintf(name, sizeof name, "file%d", count);
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (file >= 0) close(file);
        if ((file >= 0) != (ctx->work_dir != NULL)) return PSC_ERR_FAIL;
        snprintf(text, sizeof text, "%s %d", ctx->work_dir != NULL ? ctx->work_dir : "none", count);
        psc_replace(b, r, text, strlen(text));
    }
    return PSC_OK;
}
