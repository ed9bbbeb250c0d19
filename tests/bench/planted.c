/*
 * Drawing lists and their clicks.
 */
#include "planted.h"

#include "bench.h"
#include "zipf.h"

#include <math.h>

#define K             4
#define PLANTED_WIDTH (1 + K) /* a value's linear weight, then its vector */
#define DEVIATION     0.25
#define BIAS          (-3.0) /* about two clicks a list */

void planted_open(struct planted *planted, uint64_t seed)
{
    const size_t n = (size_t)PLANTED_FIELDS * PLANTED_VALUES * PLANTED_WIDTH;

    planted->random = (struct rk_random){seed};
    planted->weight = bench_alloc(n * sizeof *planted->weight);
    for (size_t i = 0; i < n; i++) {
        planted->weight[i] = (float)(DEVIATION * rk_random_normal(&planted->random));
    }
}

void planted_close(struct planted *planted)
{
    free(planted->weight);
    *planted = (struct planted){0};
}

static double score(const struct planted *planted, const uint32_t value[PLANTED_FIELDS])
{
    double linear = BIAS, sum[K] = {0}, square = 0, norm = 0;

    for (size_t f = 0; f < PLANTED_FIELDS; f++) {
        const float *w = planted->weight + (f * PLANTED_VALUES + value[f]) * PLANTED_WIDTH;
        linear += (double)w[0];
        for (size_t k = 0; k < K; k++) {
            sum[k] += (double)w[1 + k];
            square += (double)w[1 + k] * (double)w[1 + k];
        }
    }
    for (size_t k = 0; k < K; k++) {
        norm += sum[k] * sum[k];
    }
    return linear + 0.5 * (norm - square);
}

void planted_next(struct planted *planted, struct planted_list *list)
{
    struct rk_random *random = &planted->random;

    for (size_t i = 0; i < PLANTED_ITEMS; i++) {
        uint32_t *value = list->value[i];
        for (size_t f = 0; f < PLANTED_FIELDS; f++) {
            const bool shared = f < PLANTED_SHARED && i > 0;
            value[f] = shared ? list->value[0][f] : zipf_row(random, PLANTED_VALUES);
        }
        list->label[i] =
            rk_random_uniform(random) < 1 / (1 + exp(-score(planted, value))) ? 1.0F : 0.0F;
    }
}

static void write_row(FILE *file, size_t qid, float label, const uint32_t value[PLANTED_FIELDS])
{
    bench_need(fprintf(file, "%d qid:%zu", (int)label, qid) > 0, "the data cannot be written");
    for (size_t f = 0; f < PLANTED_FIELDS; f++) {
        bench_need(fprintf(file, " %zu:%zu:1", f, f * PLANTED_VALUES + value[f]) > 0,
                   "the data cannot be written");
    }
    bench_need(fputc('\n', file) != EOF, "the data cannot be written");
}

void planted_write(struct planted *planted, size_t n, const char *path)
{
    FILE *file = fopen(path, "we");
    struct planted_list list;

    bench_need(file != NULL, "the data's file cannot be made");
    for (size_t l = 0; l < n; l++) {
        planted_next(planted, &list);
        for (size_t i = 0; i < PLANTED_ITEMS; i++) {
            write_row(file, l + 1, list.label[i], list.value[i]);
        }
    }
    bench_need(fclose(file) == 0, "the data cannot be written");
}
