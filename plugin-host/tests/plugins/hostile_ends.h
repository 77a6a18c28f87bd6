/* Ends: crashes, hangs, exits. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where an act is played. What does not belong there is NULL. */
typedef struct Scene {
    RecordBatch *b;
    PluginContext *ctx;
    PscRecord *r;
    int *code; /* what process_batch is to return */
    PscState *out;
    const char *info;
} Scene;

/* Said instead of a payload: the record stays as the act has left it. */
static const char KEEP[] = "";

static const char *segv(const Scene *s) {
    (void)s;
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
    return NULL;
}

static const char *divide(const Scene *s) {
    (void)s;
    raise(SIGFPE);
    return NULL;
}

static const char *illegal(const Scene *s) {
    (void)s;
    raise(SIGILL);
    return NULL;
}

static const char *aborts(const Scene *s) {
    (void)s;
    abort();
}

__attribute__((noinline)) static int deeper(volatile char *above) {
    volatile char here[4096];
    here[0] = above[0];
    return deeper(here) + here[0];
}

static const char *stack(const Scene *s) {
    (void)s;
    volatile char first = 0;
    return deeper(&first) == 1 ? "odd" : NULL;
}

static void *segv_in_thread(void *nothing) {
    segv(nothing);
    return NULL;
}

static const char *thread_segv(const Scene *s) {
    (void)s;
    pthread_t thread;
    if (pthread_create(&thread, NULL, segv_in_thread, NULL) == 0) pthread_join(thread, NULL);
    return NULL;
}

static const char *exit_zero(const Scene *s) {
    (void)s;
    exit(0);
}

static const char *exit_three(const Scene *s) {
    (void)s;
    _exit(3);
}

/* It unwinds the stack as an exception does, through the caller. */
static const char *unwind(const Scene *s) {
    (void)s;
    pthread_exit(NULL);
}

static const char *hang(const Scene *s) {
    for (;;) pause();
    return s->info;
}

static const char *spin(const Scene *s) {
    for (volatile int i = 0;; i++) {
    }
    return s->info;
}

/* Deaf to all that can be blocked, and hanging. */
static const char *deaf(const Scene *s) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    return hang(s);
}

static const char *stop_itself(const Scene *s) {
    (void)s;
    raise(SIGSTOP);
    return NULL;
}

static const char *kill_itself(const Scene *s) {
    (void)s;
    kill(getpid(), SIGKILL);
    return NULL;
}

static const char *term_itself(const Scene *s) {
    (void)s;
    signal(SIGTERM, SIG_DFL);
    kill(getpid(), SIGTERM);
    return NULL;
}

static jmp_buf back;

static const char *mark(const Scene *s) {
    (void)s;
    if (setjmp(back) != 0) abort();
    return NULL;
}

static const char *jump(const Scene *s) {
    (void)s;
    longjmp(back, 1);
}

/* Returns in good order, and crashes a moment later, when no call is under way. */
static void *crash_later(void *nothing) {
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 20 * 1000 * 1000};
    nanosleep(&moment, NULL);
    segv(nothing);
    return NULL;
}

static const char *later(const Scene *s) {
    (void)s;
    pthread_t thread;
    return pthread_create(&thread, NULL, crash_later, NULL) == 0 ? "later" : "no thread";
}

static const char *fatal(const Scene *s) {
    *s->code = PSC_ERR_FATAL;
    const char *why = "beyond \x1b[31muse\nERROR forged";
    s->ctx->fail(s->ctx, why, strlen(why));
    return NULL;
}
