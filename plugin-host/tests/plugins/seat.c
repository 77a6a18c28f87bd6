/* For tests: says on how many processors it may run, and does what a payload asks for. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "proscenium_plugin.h"

PSC_PLUGIN("seat", "1.0.0", "Says where it may run", "Proscenium", "Apache-2.0", "{\"type\":\"object\"}");

int init_plugin(PluginContext *ctx) {
    (void)ctx;
    return PSC_OK;
}

void cleanup_plugin(PluginContext *ctx) { (void)ctx; }

static void *rest(void *nothing) {
    while (nothing == NULL) pause();
    return nothing;
}

static void spin(void) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 300);
}

int process_batch(RecordBatch *b, PluginContext *ctx) {
    PSC_FOR_EACH(b, r) {
        const char *word = (const char *)psc_payload(b, r);
        pthread_t thread;
        if (r->len == 4 && memcmp(word, "spin", 4) == 0) spin();
        if (r->len == 4 && memcmp(word, "segv", 4) == 0) raise(SIGSEGV);
        if (r->len == 4 && memcmp(word, "hang", 4) == 0) rest(NULL);
        if (r->len == 6 && memcmp(word, "thread", 6) == 0 && pthread_create(&thread, NULL, rest, NULL) != 0)
            return psc_error(ctx, PSC_ERR_FAIL, "no thread");
        cpu_set_t set;
        if (sched_getaffinity(0, sizeof set, &set) != 0) return psc_error(ctx, PSC_ERR_FAIL, "no affinity");
        uint8_t *to = psc_alloc(b, 1);
        if (to == NULL) return PSC_ERR_NOSPACE;
        *to = (uint8_t)CPU_COUNT(&set);
        psc_set_payload(b, r, to, 1);
    }
    return PSC_OK;
}
