/*
 * Durations and their quantiles.
 */
#include "waits.h"

#include <stdio.h>
#include <stdlib.h>

#define LATE_NS INT64_C(100000000)

void waits_deinit(struct waits *waits)
{
    free(waits->ns);
    *waits = (struct waits){0};
}

void waits_add(struct waits *waits, int64_t ns)
{
    if (waits->n == waits->room) {
        waits->room = 2 * waits->room + 64;
        waits->ns = realloc(waits->ns, waits->room * sizeof *waits->ns);
        if (waits->ns == NULL) {
            abort(); /* the program's own memory */
        }
    }
    waits->ns[waits->n++] = ns;
}

void waits_join(struct waits *waits, const struct waits *more)
{
    for (size_t i = 0; i < more->n; i++) {
        waits_add(waits, more->ns[i]);
    }
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

void waits_print(struct waits *waits, const char *name)
{
    size_t late = 0;

    if (waits->n == 0) {
        return;
    }
    qsort(waits->ns, waits->n, sizeof *waits->ns, compare);
    while (late < waits->n && waits->ns[waits->n - 1 - late] > LATE_NS) {
        late++;
    }
    printf("%-31s n=%zu median_ms=%.1f p99_ms=%.1f max_ms=%.1f over_100_ms=%zu\n", name, waits->n,
           (double)waits->ns[waits->n / 2] * 1e-6,
           (double)waits->ns[waits->n - 1 - waits->n / 100] * 1e-6,
           (double)waits->ns[waits->n - 1] * 1e-6, late);
}
