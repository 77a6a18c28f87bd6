/* Checks on the helpers of proscenium_plugin.h; says which ones failed, and ends with their number. */
#include "proscenium_plugin.h"

static int bad;
#define CHECK(holds) \
    do { \
        if (!(holds)) bad++, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
    } while (0)

enum { RECORDS = 2, CAPACITY = 4, HEAP = 512, HEAP_OFF = 128 + 32 * CAPACITY, INPUT_OFF = HEAP_OFF + HEAP };

typedef union World {
    RecordBatch b;
    uint8_t bytes[2048];
} World;

static World w;

static RecordBatch *fresh(const void *first, size_t first_len, const void *second, size_t second_len) {
    memset(&w, 0, sizeof w);
    w.b = (RecordBatch){.magic = PSC_MAGIC, .layout = PSC_LAYOUT, .header_size = 128, .entry_size = 32, .content = PSC_CONTENT_MSGPACK,
        .record_count = RECORDS, .record_capacity = CAPACITY, .entries_off = 128, .heap_off = HEAP_OFF, .heap_end = HEAP_OFF + HEAP,
        .input_off = INPUT_OFF, .heap_top = HEAP_OFF, .route_count = 3, .progress = PSC_NO_PROGRESS};
    memcpy(w.bytes + INPUT_OFF, first, first_len);
    memcpy(w.bytes + INPUT_OFF + first_len, second, second_len);
    psc_records(&w.b)[0] = (PscRecord){.id = 1, .off = INPUT_OFF, .len = (uint32_t)first_len};
    psc_records(&w.b)[1] = (PscRecord){.id = 2, .off = INPUT_OFF + (uint32_t)first_len, .len = (uint32_t)second_len};
    w.b.input_end = w.b.block_size = INPUT_OFF + (uint32_t)(first_len + second_len);
    return &w.b;
}

static void payloads(void) {
    RecordBatch *b = fresh("abcd", 4, "wxyz", 4);
    PscRecord *r = psc_records(b);
    uint8_t *p = psc_payload_mut(b, r);
    CHECK(p != NULL && psc_is_writable(b, r) && r->len == 4 && memcmp(p, "abcd", 4) == 0 && (r->flags & PSC_REC_CHANGED));
    CHECK(memcmp(w.bytes + INPUT_OFF, "abcd", 4) == 0);
    CHECK(psc_payload_mut(b, r) == p);
    CHECK(psc_replace(b, r, "ABCDEFGHIJ", 10) == PSC_OK && r->len == 10 && memcmp(psc_payload(b, r), "ABCDEFGHIJ", 10) == 0);
    CHECK(psc_replace(b, r, psc_payload(b, r) + 2, 3) == PSC_OK && memcmp(psc_payload(b, r), "CDE", 3) == 0);
    CHECK(psc_replace(b, r + 1, b, HEAP + 1) == PSC_ERR_NOSPACE && r[1].len == 4);
}

/* An empty payload and what is allocated next must not share an address: setting the first again would free the second. */
static void empty_payloads(void) {
    RecordBatch *b = fresh("abcd", 4, "wxyz", 4);
    PscRecord *r = psc_records(b);
    void *empty = psc_alloc(b, 0), *full = psc_alloc(b, 100);
    CHECK(empty != full && empty != NULL && full != NULL);
    psc_set_payload(b, r, empty, 0);
    CHECK(psc_alloc(b, 8) != full);

    b = fresh("abcd", 4, "wxyz", 4);
    CHECK(psc_replace(b, r, "", 0) == PSC_OK && r->len == 0);
    uint8_t *second = PSC_CAST(uint8_t *, psc_alloc(b, 16));
    memset(second, 'S', 16);
    psc_set_payload(b, r + 1, second, 16);
    CHECK(psc_replace(b, r, "", 0) == PSC_OK);
    memset(psc_alloc(b, 16), 'T', 16);
    CHECK(psc_payload(b, r + 1)[0] == 'S' && psc_payload(b, r + 1)[15] == 'S');
}

static void room(void) {
    RecordBatch *b = fresh("abcd", 4, "wxyz", 4);
    CHECK(psc_alloc(b, HEAP + 1) == NULL && psc_alloc(b, SIZE_MAX) == NULL && psc_heap_left(b) == HEAP);
    uint8_t *p = PSC_CAST(uint8_t *, psc_alloc(b, HEAP));
    CHECK(p == w.bytes + HEAP_OFF && psc_heap_left(b) == 0 && psc_alloc(b, 1) == NULL && psc_alloc(b, 0) == NULL);
    psc_set_payload(b, psc_records(b), p, 10); /* the rest goes back */
    CHECK(psc_heap_left(b) == HEAP - 16);
}

static void emitted(void) {
    RecordBatch *b = fresh("abcd", 4, "wxyz", 4);
    PscRecord *r = psc_emit(b, psc_records(b), "new", 3);
    CHECK(r == psc_records(b) + 2 && r->id == 1 && (r->flags & PSC_REC_EMITTED) && memcmp(psc_payload(b, r), "new", 3) == 0);
    CHECK(psc_emit(b, NULL, NULL, HEAP) == NULL && b->emitted == 1);
    CHECK(psc_emit(b, NULL, "x", 1)->id == 0 && psc_emit(b, NULL, "x", 1) == NULL && b->emitted == 2);
}

static void verdicts(void) {
    RecordBatch *b = fresh("abcd", 4, "wxyz", 4);
    PscRecord *r = psc_records(b);
    static char text[PSC_REASON_MAX + 200];
    memset(text, 'r', sizeof text - 1);
    b->heap_end = HEAP_OFF + 64;
    psc_fail(b, r, 7, text); /* no room for the reason: the verdict holds */
    CHECK(r->verdict == PSC_VERDICT_FAIL && r->arg == 7 && r->reason_off == 0 && r->reason_len == 0);
    psc_failf(b, r, 8, "%d is %s", 5, "odd");
    CHECK(r->arg == 8 && r->reason_len == 8 && memcmp(w.bytes + r->reason_off, "5 is odd", 8) == 0);
    psc_ok(r);
    CHECK(r->verdict == PSC_VERDICT_OK && r->arg == 0 && r->reason_off == 0 && r->reason_len == 0);
    psc_retry(b, r, 250, NULL);
    psc_route(b, r + 1, 2);
    CHECK(r->verdict == PSC_VERDICT_RETRY && r->arg == 250 && r[1].verdict == PSC_VERDICT_ROUTE && r[1].arg == 2);
    uint32_t visited = 0;
    PSC_FOR_EACH(b, at) {
        CHECK(b->progress == visited && at == r + visited);
        visited++;
    }
    CHECK(visited == RECORDS && b->progress == RECORDS);
}

static void numbers_in_parameters(void) {
    const PscParam params[] = {{"n", "-12"}, {"x", "1.5"}, {"none", ""}, {"tail", "12x"}, {"big", "99999999999999999999"},
        {"nan", "nan"}, {"inf", "-inf"}, {"huge", "1e999"}};
    PluginContext c = {.size = sizeof c, .params = params, .param_count = sizeof params / sizeof *params};
    int64_t n = 77;
    double x = 7.5;
    CHECK(psc_param_int(&c, "missing", &n) && n == 77 && psc_param_float(&c, "missing", &x) && x == 7.5);
    CHECK(!psc_param_int(&c, "none", &n) && !psc_param_int(&c, "tail", &n) && !psc_param_int(&c, "big", &n) && n == 77);
    CHECK(!psc_param_float(&c, "nan", &x) && !psc_param_float(&c, "inf", &x) && !psc_param_float(&c, "huge", &x) && x == 7.5);
    CHECK(psc_param_int(&c, "n", &n) && n == -12 && psc_param_float(&c, "x", &x) && x == 1.5);
}

static void maps(void) {
    uint8_t map[256];
    const PscField fields[] = {{"a", psc_mp_int(1)}, {"b", psc_mp_str("two")}};
    size_t len = (size_t)(psc_mp_write_map(map, fields, 2) - map);
    map[len] = 0; /* a byte behind the map */
    RecordBatch *b = fresh(map, len, map, len + 1);
    PscRecord *r = psc_records(b);
    const PscField set[] = {{"a", psc_mp_float(0.5)}, {"c", psc_mp_bool(true)}};
    CHECK(psc_set(b, r, set, 2) == PSC_OK);
    PscValue v;
    CHECK(psc_get(b, r, "a", &v) && v.kind == PSC_MP_FLOAT && psc_get(b, r, "b", &v) && psc_mp_is(&v, "two"));
    CHECK(psc_get(b, r, "c", &v) && v.kind == PSC_MP_BOOL && v.i == 1 && !psc_get(b, r, "d", &v));
    CHECK(psc_mp_skip(psc_payload(b, r), psc_payload(b, r) + r->len) == psc_payload(b, r) + r->len);
    uint32_t top = b->heap_top;
    CHECK(psc_set(b, r + 1, set, 2) == PSC_ERR_UNSUPPORTED && r[1].len == len + 1 && b->heap_top <= top + 7);
    CHECK(psc_get(b, r + 1, "b", &v)); /* as it was */
}

int main(void) {
    payloads();
    empty_payloads();
    room();
    emitted();
    verdicts();
    numbers_in_parameters();
    maps();
    return bad;
}
