/*
 * Ordering a list by its scores, beside qsort on the scores themselves with their items in tow.
 */
#include "bench.h"

#include <rankd/eval.h>
#include <rankd/random.h>
#include <string.h>

#define SEED  20261124
#define LISTS 100
#define N_MAX 1000
#define TOP   10

struct ordering {
    double score[LISTS][N_MAX]; /* rounded to float, as served scores are */
    uint32_t order[N_MAX], work[N_MAX];
    struct scored {
        double score;
        uint32_t item;
    } sorted[N_MAX];
    size_t n, top;
    uint32_t sum; /* so that no work is left out */
};

static void order(void *context, size_t round)
{
    struct ordering *o = context;

    (void)round;
    for (size_t l = 0; l < LISTS; l++) {
        rk_eval_top(o->score[l], o->n, o->top, o->order, o->work);
        o->sum += o->order[o->top - 1];
    }
}

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;

    if (x->score > y->score || x->score < y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->item > y->item) - (x->item < y->item);
}

static void sort_list(struct ordering *o, size_t list)
{
    for (size_t i = 0; i < o->n; i++) {
        o->sorted[i] = (struct scored){o->score[list][i], (uint32_t)i};
    }
    qsort(o->sorted, o->n, sizeof *o->sorted, by_score);
}

static void sort(void *context, size_t round)
{
    struct ordering *o = context;

    (void)round;
    for (size_t l = 0; l < LISTS; l++) {
        sort_list(o, l);
        o->sum += o->sorted[o->top - 1].item;
    }
}

static void measure(struct ordering *o, size_t n, size_t top, const char *name)
{
    const struct bench_row row = {.name = name,
                                  .clock = CLOCK_PROCESS_CPUTIME_ID,
                                  .work = order,
                                  .floor = sort,
                                  .n_work = LISTS,
                                  .n_floor = LISTS};

    o->n = n;
    o->top = top;
    for (size_t l = 0; l < LISTS; l++) {
        rk_eval_top(o->score[l], n, top, o->order, o->work);
        sort_list(o, l);
        for (size_t r = 0; r < top; r++) {
            bench_need(o->order[r] == o->sorted[r].item, "the two orders differ");
        }
    }
    bench_run(&row, o);
}

int main(void)
{
    struct ordering *o = bench_alloc(sizeof *o);
    struct rk_random random = {SEED};

    for (size_t i = 0; i < (size_t)LISTS * N_MAX; i++) {
        o->score[i / N_MAX][i % N_MAX] = (double)(float)rk_random_normal(&random);
    }
    o->sum = 0;
    bench_title("ordering a list, ns of CPU per list");
    measure(o, 100, 100, "rk_eval_order / qsort, 100 scores");
    measure(o, N_MAX, N_MAX, "rk_eval_order / qsort, 1000 scores");
    measure(o, N_MAX, TOP, "rk_eval_top, the first 10 / qsort, 1000 scores");
    free(o);
    return 0;
}
