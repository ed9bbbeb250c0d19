/*
 * The failing heap: a table of live blocks, and a counter that says which allocation fails.
 */
#include "oom_heap.h"

#include <execinfo.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACES ((size_t)1 << 20) /* of live blocks, a power of two, never more than half full */
#define DEPTH  12                /* frames that are kept of a failure */
#define SHOWN  8                 /* leaked blocks that are printed */

/* The linker makes these where a program is linked with --wrap; elsewhere nobody calls what does. */
void *__real_malloc(size_t n) __attribute__((weak));
void *__real_calloc(size_t n, size_t size) __attribute__((weak));
void *__real_realloc(void *memory, size_t n) __attribute__((weak));
void *__real_aligned_alloc(size_t alignment, size_t n) __attribute__((weak));
void __real_free(void *memory) __attribute__((weak));

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

struct block {
    void *memory; /* NULL: the place is free */
    void *asked;  /* by which code */
    uint64_t serial;
    bool library;
};

static struct {
    pthread_mutex_t lock;
    struct block place[PLACES]; /* guarded by lock, as all below */
    size_t live[2];             /* own, libraries' */
    uint64_t serial, mark;
    bool armed, lasting;
    size_t nth, count, failed;
    void *frame[DEPTH];
    int n_frames;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the table ---- */

static size_t home_of(const void *memory)
{
    return (size_t)(((uintptr_t)memory >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 44) & (PLACES - 1);
}

static void note(void *memory, void *asked, bool library)
{
    size_t i = home_of(memory);

    while (heap.place[i].memory != NULL) {
        i = (i + 1) & (PLACES - 1);
    }
    heap.place[i] = (struct block){memory, asked, heap.serial++, library};
    heap.live[library]++;
}

/* What the C library allocated by itself is not there. Blocks behind move up, so that no search ends early. */
static void forget(const void *memory)
{
    size_t i = home_of(memory);

    while (heap.place[i].memory != memory) {
        if (heap.place[i].memory == NULL) {
            return;
        }
        i = (i + 1) & (PLACES - 1);
    }
    heap.live[heap.place[i].library]--;
    for (size_t next = (i + 1) & (PLACES - 1); heap.place[next].memory != NULL;
         next = (next + 1) & (PLACES - 1)) {
        const size_t home = home_of(heap.place[next].memory);
        if (((next - home) & (PLACES - 1)) >= ((next - i) & (PLACES - 1))) {
            heap.place[i] = heap.place[next];
            i = next;
        }
    }
    heap.place[i].memory = NULL;
}

/* ---- failing ---- */

static bool is_to_fail(void)
{
    bool fails;

    pthread_mutex_lock(&heap.lock);
    fails = heap.armed && (heap.lasting ? heap.count >= heap.nth : heap.count == heap.nth);
    heap.count++;
    if (fails && heap.failed++ == 0) {
        heap.n_frames = backtrace(heap.frame, DEPTH);
    }
    pthread_mutex_unlock(&heap.lock);
    return fails;
}

static void *took(void *memory, void *asked, bool library)
{
    if (memory != NULL) {
        pthread_mutex_lock(&heap.lock);
        note(memory, asked, library);
        pthread_mutex_unlock(&heap.lock);
    }
    return memory;
}

static void *take(size_t n, void *asked, bool library)
{
    return is_to_fail() ? NULL : took(__real_malloc(n), asked, library);
}

static void *take_again(void *memory, size_t n, void *asked, bool library)
{
    void *grown;

    if (is_to_fail()) {
        return NULL;
    }
    pthread_mutex_lock(&heap.lock);
    grown = __real_realloc(memory, n);
    if (grown != NULL) {
        if (memory != NULL) {
            forget(memory);
        }
        note(grown, asked, library);
    }
    pthread_mutex_unlock(&heap.lock);
    return grown;
}

static void give(void *memory)
{
    if (memory != NULL) {
        pthread_mutex_lock(&heap.lock);
        forget(memory);
        pthread_mutex_unlock(&heap.lock);
        __real_free(memory);
    }
}

/* ---- rankd's own code ---- */

void *__wrap_malloc(size_t n)
{
    return take(n, __builtin_return_address(0), false);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_to_fail() ? NULL : took(__real_calloc(n, size), __builtin_return_address(0), false);
}

void *__wrap_realloc(void *memory, size_t n)
{
    return take_again(memory, n, __builtin_return_address(0), false);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return is_to_fail()
               ? NULL
               : took(__real_aligned_alloc(alignment, n), __builtin_return_address(0), false);
}

char *__wrap_strdup(const char *text)
{
    const size_t n = strlen(text) + 1;
    char *copy = take(n, __builtin_return_address(0), false);

    return copy != NULL ? memcpy(copy, text, n) : NULL;
}

void __wrap_free(void *memory)
{
    give(memory);
}

/* ---- SQLite, which asks for the size of its blocks: it stands before them ---- */

struct sized {
    _Alignas(16) size_t n;
};

static void *sqlite_take(int n)
{
    struct sized *block = take((size_t)n + sizeof *block, __builtin_return_address(0), true);

    if (block == NULL) {
        return NULL;
    }
    block->n = (size_t)n;
    return block + 1;
}

static void *sqlite_take_again(void *memory, int n)
{
    struct sized *block = take_again((struct sized *)memory - 1, (size_t)n + sizeof *block,
                                     __builtin_return_address(0), true);

    if (block == NULL) {
        return NULL;
    }
    block->n = (size_t)n;
    return block + 1;
}

static void sqlite_give(void *memory)
{
    give((struct sized *)memory - 1);
}

static int sqlite_size(void *memory)
{
    return (int)((struct sized *)memory - 1)->n;
}

static int sqlite_round(int n)
{
    return (n + 7) & ~7;
}

static int sqlite_begin(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void sqlite_end(void *context)
{
    (void)context;
}

/* ---- GnuTLS ---- */

static void *gnutls_take(size_t n)
{
    return take(n, __builtin_return_address(0), true);
}

static void *gnutls_take_zeros(size_t n, size_t size)
{
    void *memory = take(n * size, __builtin_return_address(0), true);

    return memory != NULL ? memset(memory, 0, n * size) : NULL;
}

static void *gnutls_take_again(void *memory, size_t n)
{
    return take_again(memory, n, __builtin_return_address(0), true);
}

void heap_start(void)
{
    static const sqlite3_mem_methods methods = {
        .xMalloc = sqlite_take,
        .xFree = sqlite_give,
        .xRealloc = sqlite_take_again,
        .xSize = sqlite_size,
        .xRoundup = sqlite_round,
        .xInit = sqlite_begin,
        .xShutdown = sqlite_end,
    };
    void *frame[DEPTH];

    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        /* Without it, small blocks would come from an array of the connection, and never fail. */
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK) {
        (void)fprintf(stderr, "oom: SQLite does not take another heap\n");
        abort();
    }
    gnutls_malloc = gnutls_take;
    gnutls_calloc = gnutls_take_zeros;
    gnutls_realloc = gnutls_take_again;
    gnutls_free = give;
    (void)backtrace(frame, DEPTH); /* loads what it needs now, not under the lock */
}

/* ---- what tests ask ---- */

void heap_arm(size_t nth, bool lasting)
{
    pthread_mutex_lock(&heap.lock);
    heap.armed = true;
    heap.lasting = lasting;
    heap.nth = nth;
    heap.count = heap.failed = 0;
    pthread_mutex_unlock(&heap.lock);
}

size_t heap_disarm(void)
{
    size_t failed;

    pthread_mutex_lock(&heap.lock);
    heap.armed = false;
    failed = heap.failed;
    pthread_mutex_unlock(&heap.lock);
    return failed;
}

static size_t read_guarded(const size_t *number)
{
    size_t value;

    pthread_mutex_lock(&heap.lock);
    value = *number;
    pthread_mutex_unlock(&heap.lock);
    return value;
}

size_t heap_count(void)
{
    return read_guarded(&heap.count);
}

size_t heap_live(void)
{
    return read_guarded(&heap.live[false]);
}

size_t heap_live_libraries(void)
{
    return read_guarded(&heap.live[true]);
}

void heap_print_failed(void)
{
    (void)fflush(stdout);
    backtrace_symbols_fd(heap.frame, heap.n_frames, STDOUT_FILENO);
}

void heap_mark(void)
{
    pthread_mutex_lock(&heap.lock);
    heap.mark = heap.serial;
    pthread_mutex_unlock(&heap.lock);
}

void heap_print_new(void)
{
    size_t shown = 0;

    (void)fflush(stdout);
    pthread_mutex_lock(&heap.lock);
    for (size_t i = 0; i < PLACES && shown < SHOWN; i++) {
        if (heap.place[i].memory != NULL && heap.place[i].serial >= heap.mark) {
            backtrace_symbols_fd(&heap.place[i].asked, 1, STDOUT_FILENO);
            shown++;
        }
    }
    pthread_mutex_unlock(&heap.lock);
}
