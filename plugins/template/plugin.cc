/*
 * A plugin in C++. Copy it to plugins/<name>.cc, and build it with: scripts/build/build_plugins.sh
 * docs/writing-plugins.md explains each part, docs/plugin-abi.md is the contract.
 */
#include <new>
#include <string>

#include "proscenium_plugin.h"

/* Name, version, description, author, licence, and a JSON Schema that the parameters are checked against. */
PSC_PLUGIN("template", "0.1.0", "What it does, in a line", "You", "MIT",
           R"({"type":"object","additionalProperties":false,"properties":{)"
           R"("field":{"type":"string","description":"the key that must be there"}}})");

namespace {

struct State {
    std::string field;
};

}  // namespace

/* Once, first. Read the parameters; say what is wrong with psc_error. No exception may leave a function. */
int init_plugin(PluginContext *ctx) try {
    ctx->user = new State{psc_param(ctx, "field", "id")};
    return PSC_OK;
} catch (const std::bad_alloc &) {
    return PSC_ERR_NOMEM;
}

/* Once, last, on an orderly stop. */
void cleanup_plugin(PluginContext *ctx) { delete static_cast<State *>(ctx->user); }

/* For every batch. A record without a verdict goes on. */
int process_batch(RecordBatch *batch, PluginContext *ctx) {
    const auto &state = *static_cast<const State *>(ctx->user);
    PSC_FOR_EACH(batch, r) {
        PscValue value;
        if (!psc_get(batch, r, state.field.c_str(), &value)) psc_failf(batch, r, 1, "%s: missing", state.field.c_str());
    }
    return PSC_OK;
}
