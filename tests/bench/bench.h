/*
 * What the benchmarks share: two things done in turn, the median time of each, and a row of the
 * table.
 *
 * A time alone tells of the machine. Beside a floor, which is the least that anyone would have to
 * do, measured in the same run and in turn with it, it tells of the code.
 */
#ifndef RANKD_BENCH_H
#define RANKD_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BENCH_ROUNDS 9 /* at most */
#define BENCH_QUICK  3

/* How a round's time is told. */
enum bench_figure {
    BENCH_NS_EACH,
    BENCH_PER_SECOND
};

/* Does one round of work; `round` counts from 0, the same for both sides. */
typedef void (*bench_round)(void *context, size_t round);

struct bench_row {
    const char *name; /* "this / floor, under what conditions" */
    /* CLOCK_PROCESS_CPUTIME_ID, or CLOCK_MONOTONIC for what waits for the disk */
    clockid_t clock;
    enum bench_figure figure;
    bench_round work, floor;
    double n_work, n_floor; /* things done in a round of each */
};

/* Ends the program unless a condition holds: a benchmark of wrong results is none. */
static inline void bench_need(bool holds, const char *what)
{
    if (!holds) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "bench: %s\n", what);
        exit(1);
    }
}

static inline void *bench_alloc(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);

    bench_need(memory != NULL, "out of memory");
    return memory;
}

/* Seconds that a round takes by a clock. */
static inline double bench_seconds(clockid_t clock, bench_round run, void *context, size_t round)
{
    struct timespec start, end;

    bench_need(clock_gettime(clock, &start) == 0, "there is no such clock");
    run(context, round);
    bench_need(clock_gettime(clock, &end) == 0, "there is no such clock");
    return (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
}

static inline int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Rounds that are measured: few where BENCH_QUICK is set. */
static inline size_t bench_rounds(void)
{
    return getenv("BENCH_QUICK") != NULL ? BENCH_QUICK : BENCH_ROUNDS;
}

static inline double bench_median(double seconds[BENCH_ROUNDS])
{
    qsort(seconds, bench_rounds(), sizeof *seconds, bench_compare);
    return seconds[bench_rounds() / 2];
}

static inline double bench_told(const struct bench_row *row, double seconds, double n)
{
    return row->figure == BENCH_PER_SECOND ? n / seconds : seconds / n * 1e9;
}

/* The table's head. */
static inline void bench_title(const char *title)
{
    (void)printf("\n%s\n%-62s | %12s | %12s | %7s\n", title, "this / floor", "this", "floor",
                 "ratio");
}

/*
 * Measures a row and prints it. Who goes first changes from round to round; a round before the
 * first warms both up.
 */
static inline void bench_run(const struct bench_row *row, void *context)
{
    double work[BENCH_ROUNDS], floor[BENCH_ROUNDS], this, least;

    (void)bench_seconds(row->clock, row->work, context, 0);
    (void)bench_seconds(row->clock, row->floor, context, 0);
    for (size_t i = 0; i < bench_rounds(); i++) {
        for (size_t turn = 0; turn < 2; turn++) {
            if ((i + turn) % 2 == 0) {
                work[i] = bench_seconds(row->clock, row->work, context, i + 1);
            } else {
                floor[i] = bench_seconds(row->clock, row->floor, context, i + 1);
            }
        }
    }
    this = bench_told(row, bench_median(work), row->n_work);
    least = bench_told(row, bench_median(floor), row->n_floor);
    (void)printf("%-62s | %12.1f | %12.1f | %7.2f\n", row->name, this, least, this / least);
    (void)fflush(stdout);
}

#endif
