/* Over the memory that it shares with its host. */
#include <stdatomic.h>

static uint64_t state = 88172645463325252u;

static uint64_t any(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Blocks that were seen: their fronts stay mapped, and who writes there after a call breaks the contract. */
static _Atomic(RecordBatch *) blocks[64];

typedef enum Where { HEAP, TABLE, HEADER, EVERYWHERE } Where;
static Where where;

static void scribble_over(RecordBatch *b) {
    volatile uint64_t *words = (volatile uint64_t *)b;
    uint32_t from = where == HEAP ? 128 + 32 * 64 : where == TABLE ? 128 : 64;
    uint32_t to = where == HEADER ? 128 : where == TABLE ? 128 + 32 * 8 : 128 + 32 * 64 + 4096;
    if (where == EVERYWHERE) from = 0;
    for (uint32_t at = from; at < to; at += 8) words[at / 8] = any() & (any() % 4 == 0 ? 0xFFFF : ~0ull);
}

static void *scribble(void *nothing) {
    for (;;)
        for (int i = 0; i < 64; i++) {
            RecordBatch *b = atomic_load(&blocks[i]);
            if (b != NULL) scribble_over(b);
        }
    return nothing;
}

static void see(RecordBatch *b) {
    for (int i = 0; i < 64; i++) {
        RecordBatch *none = NULL;
        if (atomic_compare_exchange_strong(&blocks[i], &none, b) || none == b) return;
    }
}

static void begin(Where over) {
    static pthread_t thread;
    where = over;
    if (thread == 0) pthread_create(&thread, NULL, scribble, NULL);
}

static const char *scribble_heap(const Scene *s) {
    (void)s;
    begin(HEAP);
    return NULL;
}

static const char *scribble_table(const Scene *s) {
    (void)s;
    begin(TABLE);
    return NULL;
}

static const char *scribble_header(const Scene *s) {
    (void)s;
    begin(HEADER);
    return NULL;
}

static const char *scribble_everywhere(const Scene *s) {
    (void)s;
    begin(EVERYWHERE);
    return NULL;
}

/* The page with its own words was mapped right after that of its host's, in which the cancel word lies. */
static volatile uint32_t *own_words(const Scene *s) {
    uintptr_t hosts = (uintptr_t)s->ctx->cancel & ~(uintptr_t)4095;
    return (volatile uint32_t *)(hosts - 4096);
}

/* So many orders more are said to be done, and the host is woken to hear it. */
static const char *completed(const Scene *s, uint32_t more) {
    own_words(s)[0] += more;
    uint64_t one = 1;
    if (write(7, &one, 8) != 8) return "no wake-up";
    return hang(s);
}

static const char *completed_ahead(const Scene *s) { return completed(s, 1000); }

static const char *completed_back(const Scene *s) { return completed(s, 0xFFFFFFFF); }

static const char *completed_itself(const Scene *s) { return completed(s, 1); }

static const char *host_words(const Scene *s) {
    *(volatile uint32_t *)((uintptr_t)s->ctx->cancel & ~(uintptr_t)4095) = 7; /* It may be read only: SIGSEGV. */
    return NULL;
}

static const char *write_input(const Scene *s) {
    ((volatile uint8_t *)s->b)[s->b->input_off] = 'X';
    return NULL;
}

static const char *unprotect_input(const Scene *s) {
    return got("mprotect", mprotect((char *)s->b + s->b->input_off, 4096, PROT_READ | PROT_WRITE));
}

static const char *unmap_block(const Scene *s) {
    munmap(s->b, s->b->input_off);
    return NULL;
}

static const char *shrink(const Scene *s) {
    (void)s;
    for (int fd = 3; fd < 32; fd++)
        if (ftruncate(fd, 0) == 0 || fallocate(fd, 3, 0, 4096) == 0) return "ftruncate: done";
    errno = EPERM;
    return got("ftruncate", -1);
}

static const char *punch(const Scene *s) {
    if (madvise((char *)s->b, s->b->input_off & ~4095u, MADV_REMOVE) != 0) return got("madvise", -1);
    own_words(s)[1] = 0;
    s->b->result = 0;
    return NULL;
}

static const char *other_id(const Scene *s) {
    s->r->id += 1;
    return NULL;
}

static const char *swapped_ids(const Scene *s) {
    PscRecord *first = psc_records(s->b);
    uint64_t id = first->id;
    if (s->b->record_count > 1) first->id = first[1].id, first[1].id = id;
    else s->r->id += 1;
    return NULL;
}

static uint32_t forged_emitted;
static uint8_t forged_verdict;
static uint32_t forged_len;
static bool forges;

/* Behind the loop, which may have set them otherwise. */
static void at_return(RecordBatch *b) {
    see(b);
    if (!forges) return;
    PscRecord *last = psc_records(b) + (b->record_count - 1);
    if (forged_emitted != 0) b->emitted = forged_emitted;
    if (forged_verdict != 0) last->verdict = forged_verdict, last->arg = 7;
    if (forged_len != 0) last->len = forged_len;
    forges = false;
}

static const char *many_emitted(const Scene *s) {
    (void)s;
    forges = true;
    forged_emitted = 0xFFFFFFFF;
    return NULL;
}

static const char *emitted_by_one(const Scene *s) {
    forges = true;
    forged_emitted = s->b->record_capacity; /* so many, besides those that there are */
    return NULL;
}

static const char *unmarked_emitted(const Scene *s) {
    (void)s;
    forges = true;
    forged_emitted = 1;
    return NULL;
}

static const char *odd_verdict(const Scene *s) {
    (void)s;
    forges = true;
    forged_verdict = 99;
    return NULL;
}

static const char *no_route(const Scene *s) {
    (void)s;
    forges = true;
    forged_verdict = PSC_VERDICT_ROUTE;
    return NULL;
}

static const char *long_payload(const Scene *s) {
    (void)s;
    forges = true;
    forged_len = 0xFFFFFFF0;
    return NULL;
}

/* The whole heap as a payload, and a piece of it as a reason. */
static const char *same_bytes(const Scene *s) {
    s->r->off = s->b->heap_off;
    s->r->len = s->b->heap_end - s->b->heap_off;
    s->r->reason_off = s->b->heap_off;
    s->r->reason_len = 8;
    return KEEP;
}

/* A lie about what it is at, and then a crash. */
static const char *false_progress(const Scene *s) {
    s->b->progress = 0;
    abort();
}

static const char *odd_progress(const Scene *s) {
    s->b->progress = 0x7FFFFFFF;
    abort();
}

static const char *smallest_code(const Scene *s) {
    *s->code = INT32_MIN;
    return NULL;
}

/* What does not fit comes in halves: each of them fills the whole heap. */
static const char *fill_heap(const Scene *s) {
    if (s->b->record_count > 1) {
        *s->code = PSC_ERR_NOSPACE;
        return NULL;
    }
    size_t left = psc_heap_left(s->b) & ~(size_t)7;
    char *all = psc_alloc(s->b, left);
    if (all == NULL) return "no heap";
    psc_set_payload(s->b, s->r, all, left);
    return KEEP;
}

/* The same with what is added: so many records as there is room for, each of no bytes. */
static const char *fill_table(const Scene *s) {
    if (s->b->record_count > 1) {
        *s->code = PSC_ERR_NOSPACE;
        return NULL;
    }
    while (psc_emit(s->b, s->r, NULL, 0) != NULL) {
    }
    return KEEP;
}
