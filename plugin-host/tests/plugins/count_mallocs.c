/* For tests, preloaded: counts the memory that all threads of a process ask for, in the file that COUNT_MALLOCS names.
 *
 * What it passes the calls on to is glibc's own, under the names that are there for that. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);

static uint64_t before;
static uint64_t *count = &before;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("COUNT_MALLOCS");
    int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) abort();
    void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) abort();
    close(file);
    count = page;
}

static void counted(void) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }

#pragma GCC visibility push(default)

void *malloc(size_t size) {
    counted();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    counted();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    counted();
    return __libc_realloc(old, size);
}

void *memalign(size_t align, size_t size) {
    counted();
    return __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size) {
    counted();
    return __libc_memalign(align, size);
}

int posix_memalign(void **to, size_t align, size_t size) {
    counted();
    *to = __libc_memalign(align, size);
    return *to != NULL || size == 0 ? 0 : ENOMEM;
}

#pragma GCC visibility pop
