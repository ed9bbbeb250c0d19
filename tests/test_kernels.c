/*
 * The kernels: whatever registers a processor has, the bits are the same.
 */
#include "../core/kernels.h"
#include "test.h"

#include <rankd/random.h>

#define ROWS  40
#define ITEMS 9
#define K_MAX 70
#define NNZ   (8 * (ITEMS + 1))

struct sample {
    uint32_t offset[ITEMS + 2];
    uint32_t index[NNZ];
    float value[NNZ];
    float w[ROWS];
    float v[ROWS * K_MAX];
    double sum[(ITEMS + 1) * K_MAX];
    double score[ITEMS];
};

/* Rows of 0 to 7 entries, floats of very different sizes. */
static void draw(struct sample *s, uint64_t seed)
{
    struct rk_random random = {seed};
    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t row = 0; row <= ITEMS; row++) {
        s->offset[row + 1] = s->offset[row] + rk_random_below(&random, 8);
    }
    for (size_t e = 0; e < NNZ; e++) {
        s->index[e] = rk_random_below(&random, ROWS);
        s->value[e] = (float)(rk_random_normal(&random) * pow(10, rk_random_uniform(&random) * 6));
    }
    for (size_t i = 0; i < ROWS * K_MAX; i++) {
        s->v[i] = (float)(rk_random_normal(&random) * pow(10, -rk_random_uniform(&random) * 6));
        s->w[i % ROWS] = s->v[i];
    }
}

static void score(const struct rk_kernels *kernels, struct sample *s, size_t k)
{
    const struct rk_fm_rows rows = {.n_items = ITEMS,
                                    .offset = s->offset,
                                    .index = s->index,
                                    .value = s->value,
                                    .end = s->offset[ITEMS + 1],
                                    .bias = 0.1,
                                    .w = s->w,
                                    .v = s->v,
                                    .k = k};
    kernels->fm_score(&rows, s->sum, s->score);
}

static void every_set_gives_the_same_bits(void **state)
{
    (void)state;
    static struct sample first, other;
    for (uint64_t seed = 0; seed < 70; seed++) {
        const size_t k = 1 + seed % K_MAX;
        memset(&first, 0, sizeof first);
        draw(&first, seed);
        other = first;
        score(rk_kernels(), &first, k);
        for (size_t n = 1; rk_kernels_nth(n) != NULL; n++) {
            memset(other.sum, 0xff, sizeof other.sum);
            score(rk_kernels_nth(n), &other, k);
            assert_memory_equal(other.sum, first.sum, (ITEMS + 1) * k * sizeof(double));
            assert_memory_equal(other.score, first.score, sizeof first.score);
        }
    }
}

static void there_is_always_a_set(void **state)
{
    (void)state;
    assert_ptr_equal(rk_kernels(), rk_kernels_nth(0));
    assert_non_null(rk_kernels());
}

/* A score is of an item and its user, not of who stands beside it. */
static void an_item_alone_scores_the_same_bits(void **state)
{
    (void)state;
    static struct sample all, one;
    for (uint64_t seed = 0; seed < 20; seed++) {
        memset(&all, 0, sizeof all);
        draw(&all, seed);
        score(rk_kernels(), &all, 16 + seed);
        for (size_t i = 0; i < ITEMS; i++) {
            const uint32_t shared = all.offset[1], own = all.offset[i + 1];
            const uint32_t n = all.offset[i + 2] - own;
            one = all;
            memcpy(one.index + shared, all.index + own, n * sizeof *one.index);
            memcpy(one.value + shared, all.value + own, n * sizeof *one.value);
            one.offset[2] = shared + n;
            const struct rk_fm_rows rows = {1,   one.offset, one.index, one.value, shared + n,
                                            0.1, one.w,      one.v,     16 + seed};
            rk_kernels()->fm_score(&rows, one.sum, one.score);
            assert_memory_equal(&one.score[0], &all.score[i], sizeof(double));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_always_a_set),
        cmocka_unit_test(every_set_gives_the_same_bits),
        cmocka_unit_test(an_item_alone_scores_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
