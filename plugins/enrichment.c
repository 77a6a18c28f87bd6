/*
 * enrichment - adds a key to every record, looked up by another
 *
 *     map=de:emea,us:amer   what to add for which value; required
 *     field=country         the key whose value is looked up
 *     into=region           the key that is set; one that is there already is replaced
 *     default=other         for values that the map does not have; without it such records go on as they are
 *
 * A record that is no MessagePack map fails with code 1. What has no room in the batch is asked for again in a smaller
 * one: the host does that by itself.
 */
#include "proscenium_plugin.h"

/* clang-format off */
PSC_PLUGIN("enrichment", "1.0.0", "Adds a key to every record, looked up by another", "Proscenium", "MIT OR Apache-2.0",
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"map\"],\"properties\":{"
    "\"map\":{\"type\":\"string\",\"minLength\":3,\"examples\":[\"de:emea,us:amer\"],\"description\":\"value:result,value:result\"},"
    "\"field\":{\"type\":\"string\",\"minLength\":1,\"default\":\"country\",\"description\":\"the key to look up\"},"
    "\"into\":{\"type\":\"string\",\"minLength\":1,\"default\":\"region\",\"description\":\"the key to set\"},"
    "\"default\":{\"type\":\"string\",\"description\":\"the result for values that the map does not have\"}}}");
/* clang-format on */

enum { CODE_NOT_A_MAP = 1, MAX_PAIRS = 100000 };

typedef struct Pair {
    const char *key, *value;
    size_t key_len;
} Pair;

typedef struct Enrichment {
    const char *field, *into;
    const char *other; /* NULL: records that the map does not have go on as they are */
    char *text;        /* the map, cut into keys and values */
    Pair *pairs;       /* sorted by key */
    size_t count;
} Enrichment;

static int by_bytes(const void *a, size_t a_len, const void *b, size_t b_len) {
    size_t least = a_len < b_len ? a_len : b_len;
    int order = least == 0 ? 0 : memcmp(a, b, least);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_key(const void *a, const void *b) {
    const Pair *x = a, *y = b;
    return by_bytes(x->key, x->key_len, y->key, y->key_len);
}

static const char *look_up(const Enrichment *e, const PscValue *v) {
    size_t low = 0, high = e->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = by_bytes(v->ptr, v->len, e->pairs[middle].key, e->pairs[middle].key_len);
        if (order == 0) return e->pairs[middle].value;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return e->other;
}

/* Cuts `value:result,value:result` into pairs. */
static int read_map(PluginContext *ctx, Enrichment *e, const char *map) {
    size_t most = 1;
    for (const char *p = map; *p != '\0'; p++) most += *p == ',';
    if (most > MAX_PAIRS) return psc_error(ctx, PSC_ERR_CONFIG, "map: %zu pairs; %d are the limit", most, MAX_PAIRS);
    e->text = malloc(strlen(map) + 1);
    e->pairs = calloc(most, sizeof *e->pairs);
    if (e->text == NULL || e->pairs == NULL) return psc_error(ctx, PSC_ERR_NOMEM, "map: no memory for %zu pairs", most);
    memcpy(e->text, map, strlen(map) + 1);
    for (char *p = e->text, *next; p != NULL; p = next) {
        if ((next = strchr(p, ',')) != NULL) *next++ = '\0';
        char *colon = strchr(p, ':');
        if (colon == NULL || colon == p)
            return psc_error(ctx, PSC_ERR_CONFIG, "map: `%s` is not value:result, as in de:emea,us:amer", p);
        *colon = '\0';
        e->pairs[e->count++] = (Pair){.key = p, .value = colon + 1, .key_len = (size_t)(colon - p)};
    }
    qsort(e->pairs, e->count, sizeof *e->pairs, by_key);
    for (size_t i = 1; i < e->count; i++)
        if (by_key(&e->pairs[i - 1], &e->pairs[i]) == 0)
            return psc_error(ctx, PSC_ERR_CONFIG, "map: `%s` is there twice", e->pairs[i].key);
    return PSC_OK;
}

static int read_parameters(PluginContext *ctx, Enrichment *e) {
    static const char *const known[] = {"map", "field", "into", "default"};
    for (uint32_t i = 0; i < ctx->param_count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) is_known |= strcmp(ctx->params[i].key, known[k]) == 0;
        if (!is_known)
            return psc_error(ctx, PSC_ERR_CONFIG, "`%s` is no parameter of mine; map, field, into and default are",
                             ctx->params[i].key);
    }
    e->field = psc_param(ctx, "field", "country");
    e->into = psc_param(ctx, "into", "region");
    e->other = psc_param(ctx, "default", NULL);
    if (e->field[0] == '\0' || e->into[0] == '\0')
        return psc_error(ctx, PSC_ERR_CONFIG, "field and into: an empty key is none");
    const char *map = psc_param(ctx, "map", NULL);
    if (map == NULL) return psc_error(ctx, PSC_ERR_CONFIG, "map is missing; give it pairs, as in de:emea,us:amer");
    return read_map(ctx, e, map);
}

static void let_go(Enrichment *e) {
    free(e->pairs);
    free(e->text);
    free(e);
}

int init_plugin(PluginContext *ctx) {
    Enrichment *e = calloc(1, sizeof *e);
    if (e == NULL) return PSC_ERR_NOMEM;
    int code = read_parameters(ctx, e);
    if (code == PSC_OK) ctx->user = e;
    else let_go(e);
    return code;
}

void cleanup_plugin(PluginContext *ctx) { let_go(ctx->user); }

int process_batch(RecordBatch *b, PluginContext *ctx) {
    const Enrichment *e = ctx->user;
    PSC_FOR_EACH(b, r) {
        PscValue v = psc_mp_value(PSC_MP_NIL);
        if (psc_content(b, r) != PSC_CONTENT_MSGPACK || psc_mp_read(psc_payload(b, r), psc_payload(b, r) + r->len, &v) == NULL ||
            v.kind != PSC_MP_MAP) {
            psc_fail(b, r, CODE_NOT_A_MAP, "the payload is no MessagePack map");
            continue;
        }
        bool is_text = psc_get(b, r, e->field, &v) && v.kind == PSC_MP_STR;
        const char *result = is_text ? look_up(e, &v) : e->other;
        if (result == NULL) continue;
        PscField field = {e->into, psc_mp_str(result)};
        switch (psc_set(b, r, &field, 1)) {
        case PSC_OK: break;
        case PSC_ERR_NOSPACE: return PSC_ERR_NOSPACE;
        default: psc_fail(b, r, CODE_NOT_A_MAP, "the payload is no whole MessagePack map");
        }
    }
    return PSC_OK;
}
