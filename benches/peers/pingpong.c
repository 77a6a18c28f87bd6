/* A bare futex ping-pong between two processes: `pingpong <pause in µs> <flavour> <count>` prints the median and the 99th
 * percentile of a round trip in nanoseconds. Before each one it sleeps for so long, so that both sides are asleep. */
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_for(uint32_t *ball, uint32_t value) {
    for (;;) {
        uint32_t now = __atomic_load_n(ball, __ATOMIC_ACQUIRE);
        if (now == value) return;
        syscall(SYS_futex, ball, FUTEX_WAIT, now, NULL, NULL, 0);
    }
}

static void pass(uint32_t *ball, uint32_t value) {
    __atomic_store_n(ball, value, __ATOMIC_RELEASE);
    syscall(SYS_futex, ball, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    struct timespec pause = {0, atol(argv[1]) * 1000};
    size_t count = strtoul(argv[3], NULL, 10);
    uint32_t *ball = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double *times = calloc(count, sizeof *times);
    if (ball == MAP_FAILED || times == NULL || count == 0) return 1;
    pid_t other = fork();
    if (other < 0) return 1;
    if (other == 0) {
        for (;;) {
            wait_for(ball, 1);
            pass(ball, 0);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (pause.tv_nsec > 0) nanosleep(&pause, NULL);
        double start = now_ns();
        pass(ball, 1);
        wait_for(ball, 0);
        times[i] = now_ns() - start;
    }
    kill(other, SIGKILL);
    qsort(times, count, sizeof *times, by_size);
    printf("%f %f\n", times[count / 2], times[count * 99 / 100]);
    return 0;
}
