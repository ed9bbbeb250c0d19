/*
 * One golden case: the memory it needs, the numbers it reads, and the comparison that remembers the
 * worst of them.
 */
#ifndef RANKD_GOLDEN_CHECK_H
#define RANKD_GOLDEN_CHECK_H

#include <jansson.h>
#include <math.h>
#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTOL       1e-5
#define ATOL       1e-6
#define ATOL_TRACE 1e-5 /* float32 parameters after many updates */

/* One case: the worst of all its comparisons, in units of the tolerance. */
struct check {
    double worst, got, want;
    char what[64];
    char trouble[240];
    const char *skip; /* why it was not run, or NULL */
};

struct kept {
    struct kept *next;
    max_align_t memory[];
};

/* What one case needs; memory lives until its end. */
struct run {
    struct kept *kept;
    struct check check;
};

struct numbers {
    size_t n;
    double *v;
};

static void *keep(struct run *run, size_t bytes)
{
    struct kept *kept = calloc(1, sizeof *kept + bytes + 1);
    if (kept == NULL) {
        fprintf(stderr, "golden: out of memory\n");
        exit(1);
    }
    kept->next = run->kept;
    run->kept = kept;
    return kept->memory;
}

static void release(struct run *run)
{
    while (run->kept != NULL) {
        struct kept *next = run->kept->next;
        free(run->kept);
        run->kept = next;
    }
}

static void trouble(struct run *run, const char *what, const struct rk_error *err)
{
    if (run->check.trouble[0] == '\0') {
        snprintf(run->check.trouble, sizeof run->check.trouble, "%.40s: %s", what,
                 err == NULL ? "unexpected" : err->text);
    }
}

static size_t count_numbers(const json_t *json)
{
    if (!json_is_array(json)) {
        return 1;
    }
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(json); i++) {
        n += count_numbers(json_array_get(json, i));
    }
    return n;
}

static double *put_numbers(const json_t *json, double *out)
{
    if (!json_is_array(json)) {
        *out = json_is_number(json) ? json_number_value(json) : (double)NAN;
        return out + 1;
    }
    for (size_t i = 0; i < json_array_size(json); i++) {
        out = put_numbers(json_array_get(json, i), out);
    }
    return out;
}

/* All numbers of nested arrays, in order; null is NaN, a missing array is empty. */
static struct numbers numbers_of(struct run *run, const json_t *json)
{
    struct numbers numbers = {.n = json == NULL ? 0 : count_numbers(json)};
    numbers.v = keep(run, numbers.n * sizeof *numbers.v);
    if (json != NULL) {
        (void)put_numbers(json, numbers.v);
    }
    return numbers;
}

static float *floats_of(struct run *run, const json_t *json)
{
    struct numbers numbers = numbers_of(run, json);
    float *out = keep(run, numbers.n * sizeof *out);
    for (size_t i = 0; i < numbers.n; i++) {
        out[i] = (float)numbers.v[i];
    }
    return json == NULL ? NULL : out;
}

static void compare_one(struct run *run, const char *what, size_t at, double got, double want,
                        double atol)
{
    bool same = got == want || (isnan(got) && isnan(want));
    double units = same ? 0.0 : fabs(got - want) / (atol + RTOL * fabs(want));
    units = isnan(units) ? (double)INFINITY : units;
    if (units > run->check.worst) {
        run->check.worst = units;
        run->check.got = got;
        run->check.want = want;
        snprintf(run->check.what, sizeof run->check.what, "%.40s[%zu]", what, at);
    }
}

static void compare(struct run *run, const char *what, const double *got, size_t n,
                    const json_t *want, double atol)
{
    struct numbers numbers = numbers_of(run, want);
    if (numbers.n != n) {
        trouble(run, what, NULL);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        compare_one(run, what, i, got[i], numbers.v[i], atol);
    }
}

static void compare_floats(struct run *run, const char *what, const float *got, size_t n,
                           const json_t *want, double atol)
{
    double *wide = keep(run, n * sizeof *wide);
    for (size_t i = 0; i < n; i++) {
        wide[i] = (double)got[i];
    }
    compare(run, what, wide, n, want, atol);
}

#endif
