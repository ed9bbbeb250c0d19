/*
 * Lists for testing losses: drawn or given, evaluated with exactly the work memory that is
 * promised, and the plain definitions that several tests share.
 */
#ifndef RANKD_LOSS_SAMPLE_H
#define RANKD_LOSS_SAMPLE_H

#include "test.h"

#include <rankd/loss.h>
#include <rankd/random.h>

#define N_MAX     1100
#define LISTS_MAX 6

/* Lists on one block of arrays; what rk_loss_eval gives back for them. */
struct sample {
    size_t n_lists, items;
    struct rk_scored list[LISTS_MAX];
    double score[N_MAX];
    float label[N_MAX], weight[N_MAX], teacher[N_MAX];
    double grad[N_MAX];
    struct rk_loss_value value;
};

static inline struct rk_loss make(const char *name)
{
    struct rk_loss loss;
    assert_ok(rk_loss_default(name, &loss, NULL));
    return loss;
}

static inline void add_list(struct sample *sample, size_t n, bool weighted)
{
    size_t at = sample->items;
    sample->list[sample->n_lists++] = (struct rk_scored){
        .n = n,
        .score = sample->score + at,
        .label = sample->label + at,
        .weight = weighted ? sample->weight + at : NULL,
        .teacher = sample->teacher + at,
    };
    sample->items += n;
}

static inline void draw_items(struct sample *sample, uint64_t seed, uint32_t grades)
{
    struct rk_random random = {seed};
    for (size_t i = 0; i < sample->items; i++) {
        sample->score[i] = 2.0 * rk_random_normal(&random);
        sample->label[i] = (float)rk_random_below(&random, grades);
        sample->weight[i] = (float)(0.25 + rk_random_uniform(&random));
        sample->teacher[i] = (float)rk_random_normal(&random);
    }
}

/* Lists of 7, 0, 1, 5 and 12 items, and one of 3 without a pair. */
static inline void draw(struct sample *sample, uint64_t seed, uint32_t grades, bool weighted)
{
    static const size_t sizes[LISTS_MAX] = {7, 0, 1, 5, 12, 3};
    *sample = (struct sample){0};
    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t l = 0; l < LISTS_MAX; l++) {
        add_list(sample, sizes[l], weighted);
    }
    draw_items(sample, seed, grades);
    for (size_t i = 25; i < 28; i++) {
        sample->label[i] = 0.0F;
    }
}

static inline void one_list(struct sample *sample, size_t n, const double *score,
                            const float *label)
{
    *sample = (struct sample){0};
    add_list(sample, n, false);
    memcpy(sample->score, score, n * sizeof *score);
    memcpy(sample->label, label, n * sizeof *label);
}

/* Work memory is exactly as long as promised, so that the sanitizer sees one byte too many. */
static inline void eval(const struct rk_loss *loss, struct sample *sample)
{
    size_t longest = 0;
    for (size_t l = 0; l < sample->n_lists; l++) {
        longest = sample->list[l].n > longest ? sample->list[l].n : longest;
    }
    void *work = malloc(rk_loss_work(longest));
    for (size_t i = 0; i < sample->items; i++) {
        sample->grad[i] = (double)NAN;
    }
    assert_ok(rk_loss_eval(loss, sample->list, sample->n_lists, work, sample->grad, &sample->value,
                           NULL));
    free(work);
}

static inline double weight_of(const struct rk_scored *list, size_t i)
{
    return list->weight == NULL ? 1.0 : (double)list->weight[i];
}

static inline double discount(size_t rank, size_t k)
{
    return k != 0 && rank > k ? 0.0 : log(2.0) / log(1.0 + (double)rank);
}

static inline double ideal_dcg(const struct rk_scored *list, size_t k)
{
    double ideal = 0.0;
    for (size_t i = 0; i < list->n; i++) {
        size_t rank = 1;
        for (size_t j = 0; j < list->n; j++) {
            rank += list->label[j] > list->label[i] || (list->label[j] == list->label[i] && j < i);
        }
        ideal += (pow(2.0, (double)list->label[i]) - 1.0) * discount(rank, k);
    }
    return ideal;
}

#endif
