/*
 * Publishing a step of 2,000 touched rows, beside a bare copy of 2,000 random rows of the same
 * table, asked for ahead. That it does not depend on the table's size is decided by a count of what was written.
 */
#include "bench.h"
#include "live.h"

#include <rankd/model.h>
#include <rankd/random.h>
#include <string.h>

#define SEED       20261124
#define K          16
#define COPY_AHEAD 16
#define STEP       2000 /* rows */
#define STEPS      256  /* sets of rows: more than a cache holds */
#define PUBLISHES  64   /* in a round */

struct publishing {
    struct rk_model *model;
    struct live live;
    const struct rk_tensor *v;
    uint32_t *rows; /* (STEPS, STEP) numbers of embedding rows */
    int64_t version;
};

/* ---- what is measured ---- */

/* The two sides take other steps in a round, so that neither finds its rows warm. */
static const uint32_t *step_of(const struct publishing *p, size_t round, size_t i, size_t start)
{
    return p->rows + (round * PUBLISHES + i + start) % STEPS * STEP;
}

static void publish(void *context, size_t round)
{
    struct publishing *p = context;

    for (size_t i = 0; i < PUBLISHES; i++) {
        live_publish(&p->live, ++p->version, step_of(p, round, i, 0), STEP);
    }
}

static void copy(void *context, size_t round)
{
    struct publishing *p = context;

    for (size_t i = 0; i < PUBLISHES; i++) {
        const uint32_t *rows = step_of(p, round, i, STEPS / 2);
        const float *from = p->live.theta[i % 2];
        float *to = p->live.theta[1 - i % 2];
        for (size_t r = 0; r < STEP; r++) {
            const size_t at = p->v->offset + (rows[r] - p->v->first_row) * K;
            if (r + COPY_AHEAD < STEP) {
                const uint32_t row = rows[r + COPY_AHEAD] - (uint32_t)p->v->first_row;
                __builtin_prefetch(from + p->v->offset + (size_t)row * K);
                __builtin_prefetch(to + p->v->offset + (size_t)row * K, 1);
            }
            memcpy(to + at, from + at, K * sizeof *to);
        }
    }
}

/* ---- the count ---- */

/* Bytes that a publish writes into the copy that was served: those that lose a mark. */
static size_t count_written(struct publishing *p)
{
    const size_t n = rk_model_params(p->model);
    const float mark = -1e30F;
    float *fresh = live_learning(&p->live);
    float *old = fresh == p->live.theta[0] ? p->live.theta[1] : p->live.theta[0];
    size_t written = 0;

    for (size_t i = 0; i < n; i++) {
        fresh[i] = 0;
        old[i] = mark;
    }
    live_publish(&p->live, ++p->version, p->rows, STEP);
    bench_need(live_learning(&p->live) == old, "the copies did not change places");
    for (size_t i = 0; i < n; i++) {
        written += old[i] > mark ? sizeof *old : 0;
    }
    return written;
}

/* ---- one table ---- */

/* Sets of STEP rows of the embedding; inside a set they are distinct, as a step's are. */
static void draw_steps(struct publishing *p)
{
    struct rk_random random = {SEED};
    uint32_t *stamp = calloc(p->v->rows, sizeof *stamp);

    bench_need(stamp != NULL, "out of memory");
    p->rows = bench_alloc((size_t)STEPS * STEP * sizeof *p->rows);
    for (uint32_t step = 0; step < STEPS; step++) {
        for (size_t r = 0; r < STEP;) {
            const uint32_t row = rk_random_below(&random, (uint32_t)p->v->rows);
            if (stamp[row] != step + 1) {
                stamp[row] = step + 1;
                p->rows[step * STEP + r++] = (uint32_t)p->v->first_row + row;
            }
        }
    }
    free(stamp);
}

static void open_publishing(struct publishing *p, uint32_t bits)
{
    struct rk_model_config config;
    size_t n;

    *p = (struct publishing){0};
    bench_need(rk_model_default("fm", &config, NULL) == RK_OK, "there is no fm");
    config.features.bits = bits;
    config.dim = K;
    bench_need(rk_model_create(&config, 0, &p->model, NULL) == RK_OK, "no model");
    bench_need(live_init(&p->live, p->model, 1, NULL) == RK_OK, "no live model");
    live_start(&p->live);
    p->v = &rk_model_tensors(p->model, &n)[2];
    bench_need(p->v->cols == K, "this is not the embedding");
    draw_steps(p);
}

static void close_publishing(struct publishing *p)
{
    live_deinit(&p->live);
    rk_model_destroy(&p->model);
    free(p->rows);
}

/* Notes as many items as a table has room for under both copies, of 8 rows drawn from all. */
static void know(struct publishing *p)
{
    struct rk_random random = {SEED};

    for (size_t copy = 0; copy < 2; copy++) {
        for (uint64_t number = 0; number < KNOWN_ITEMS; number++) {
            uint32_t place, rows[8];
            bench_need(known_find(p->live.known[copy], number, &place) == NULL &&
                           place != KNOWN_NONE,
                       "an item is known before its time");
            for (size_t i = 0; i < 8; i++) {
                rows[i] = rk_random_below(&random, (uint32_t)p->v->rows);
            }
            known_room(p->live.known[copy], place)[0] = 0;
            known_note(p->live.known[copy], place, rows, 8);
        }
    }
}

/* @return the bytes a publish of STEP rows writes. */
static size_t measure(uint32_t bits, const char *name, const char *name_known)
{
    struct bench_row row = {.name = name,
                            .clock = CLOCK_PROCESS_CPUTIME_ID,
                            .work = publish,
                            .floor = copy,
                            .n_work = PUBLISHES,
                            .n_floor = PUBLISHES};
    struct publishing p;
    size_t bytes;

    open_publishing(&p, bits);
    bench_run(&row, &p);
    bytes = count_written(&p);
    know(&p);
    row.name = name_known;
    bench_run(&row, &p);
    close_publishing(&p);
    return bytes;
}

int main(void)
{
    size_t small, large;

    bench_title("publishing a step of 2,000 rows, ns of CPU per step: K = 16");
    small = measure(18, "live_publish / bare prefetched copy, 2^18 rows",
                    "the same, 2^20 items known / bare prefetched copy, 2^18 rows");
    large = measure(22, "live_publish / bare prefetched copy, 2^22 rows",
                    "the same, 2^20 items known / bare prefetched copy, 2^22 rows");
    (void)printf("bytes copied: %zu of 2^18 rows, %zu of 2^22 rows\n", small, large);
    bench_need(small == (size_t)STEP * K * sizeof(float), "other bytes are copied than the rows'");
    bench_need(small == large, "what a publish copies depends on the table's size");
    return 0;
}
