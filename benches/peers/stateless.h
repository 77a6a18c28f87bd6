/* For plugins that keep nothing: what is left to write is process_batch. */
#include "proscenium_plugin.h"

int init_plugin(PluginContext *ctx) {
    (void)ctx;
    return PSC_OK;
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }
