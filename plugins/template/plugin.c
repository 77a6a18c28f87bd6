/*
 * A plugin in C. Copy it to plugins/<name>.c, and build it with: scripts/build/build_plugins.sh
 * docs/writing-plugins.md explains each part, docs/plugin-abi.md is the contract.
 */
#include "proscenium_plugin.h"

/* Name, version, description, author, licence, and a JSON Schema that the parameters are checked against. */
PSC_PLUGIN("template", "0.1.0", "What it does, in a line", "You", "MIT",
           "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
           "\"field\":{\"type\":\"string\",\"description\":\"the key that must be there\"}}}");

typedef struct State {
    const char *field;
} State;

/* Once, first. Read the parameters; say what is wrong with psc_error. */
int init_plugin(PluginContext *ctx) {
    State *state = malloc(sizeof *state);
    if (state == NULL) return PSC_ERR_NOMEM;
    state->field = psc_param(ctx, "field", "id");
    ctx->user = state;
    return PSC_OK;
}

/* Once, last, on an orderly stop. */
void cleanup_plugin(PluginContext *ctx) { free(ctx->user); }

/* For every batch. A record without a verdict goes on. */
int process_batch(RecordBatch *batch, PluginContext *ctx) {
    const State *state = ctx->user;
    PSC_FOR_EACH(batch, r) {
        PscValue value;
        if (!psc_get(batch, r, state->field, &value)) psc_failf(batch, r, 1, "%s: missing", state->field);
    }
    return PSC_OK;
}
