/*
 * The kernels: whatever registers a processor has, the bits are the same.
 */
#include "../core/kernels.h"
#include "sample_groups.h"
#include "test.h"

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

#define N     37
#define OUT   7
#define WIDTH 21

/* What every kernel but fm_score makes of the same numbers, in one block. */
struct results {
    double one, fields[2 * K_MAX], t[K_MAX], pairs, dot, sum[N];
    double block[3][WIDTH * RK_ABREAST], back[RK_ABREAST * WIDTH];
    double y[2][OUT * RK_ABREAST];
};

static void run_all(const struct rk_kernels *k, const struct sample *s, size_t dim,
                    struct results *r)
{
    static const uint32_t column[] = {0, 1, 2, 3, 4, 7, 9, 10, 11, 12, 20};
    uint32_t field[NNZ];
    double x[N * 4], start[OUT], wide[4 * WIDTH];
    for (size_t i = 0; i < N * 4; i++) {
        x[i] = (double)s->v[i] * (double)s->value[i % NNZ];
        r->sum[i % N] = start[i % OUT] = x[i];
    }
    for (size_t e = 0; e < NNZ; e++) {
        field[e] = s->index[e] % 3; /* the last is none */
    }
    const struct rk_fm_rows rows = {.n_items = ITEMS,
                                    .offset = s->offset,
                                    .index = s->index,
                                    .value = s->value,
                                    .end = s->offset[ITEMS + 1],
                                    .w = s->w,
                                    .v = s->v,
                                    .k = dim,
                                    .field = field,
                                    .n_fields = 2};
    r->one = k->fm_fields(&rows, 1, r->t, r->fields);
    r->pairs = k->ffm_pairs(x, 3, 9);
    r->dot = k->dot(x, x + N, dim < N ? dim : N);
    k->add(r->sum, s->v, 0.7, N);
    k->abreast(x, 15, RK_ABREAST, WIDTH - 7, r->block[0]);
    k->abreast(x, 15, 3, WIDTH - 7, r->block[1]);
    k->abreast(s->sum, 5, RK_ABREAST, WIDTH, r->block[2]);
    k->apart(r->block[0], WIDTH - 7, RK_ABREAST, r->back, WIDTH);
    const struct rk_dense all = {s->v, WIDTH, OUT, start, true, NULL, WIDTH, wide};
    const struct rk_dense some = {s->v, WIDTH, OUT, start, false, column, 11, wide};
    k->dense(&all, r->block[2], 1, r->y[0]);
    k->dense(&some, r->block[2], 1, r->y[1]);
    k->begin(start, OUT, 1, r->y[0]);
}

static void all_kernels_give_the_same_bits_in_every_set(void **state)
{
    (void)state;
    static struct sample sample;
    static struct results first, other;
    for (uint64_t seed = 0; seed < 70; seed++) {
        memset(&sample, 0, sizeof sample);
        draw(&sample, seed);
        for (size_t i = 0; i < 200; i++) {
            sample.sum[i] = (double)sample.v[i + 50] * 1.1;
        }
        memset(&first, 0, sizeof first);
        run_all(rk_kernels(), &sample, 1 + seed % K_MAX, &first);
        for (size_t n = 1; rk_kernels_nth(n) != NULL; n++) {
            memset(&other, 0, sizeof other);
            run_all(rk_kernels_nth(n), &sample, 1 + seed % K_MAX, &other);
            assert_memory_equal(&other, &first, sizeof first);
        }
    }
}

/* 8 rows side by side and back are 8 rows; what is not there is 0. */
static void rows_side_by_side_come_apart_again(void **state)
{
    (void)state;
    double rows[RK_ABREAST * 11], block[11 * RK_ABREAST], back[RK_ABREAST * 11];
    for (size_t n = 1; n <= RK_ABREAST; n++) {
        for (size_t i = 0; i < RK_ABREAST * 11; i++) {
            rows[i] = (double)i + 1;
            back[i] = 0;
        }
        rk_kernels()->abreast(rows, 11, n, 11, block);
        rk_kernels()->apart(block, 11, n, back, 11);
        assert_memory_equal(back, rows, n * 11 * sizeof(double));
        for (size_t i = n; i < RK_ABREAST; i++) {
            assert_true(block[i] == 0 && block[10 * RK_ABREAST + i] == 0);
        }
    }
}

/* Dense layers against sums of products, inputs that are left out being 0. */
static void dense_layers_equal_sums_of_products(void **state)
{
    (void)state;
    static const uint32_t column[] = {0, 1, 2, 3, 5, 8, 9, 10, 11};
    float w[OUT * 12];
    double start[OUT], wide[4 * 12], x[2 * 9 * RK_ABREAST], y[2 * OUT * RK_ABREAST];
    struct rk_random random = {7};
    for (size_t i = 0; i < 2 * 9 * RK_ABREAST; i++) {
        x[i] = rk_random_normal(&random);
        w[i % (OUT * 12)] = (float)rk_random_normal(&random);
        start[i % OUT] = rk_random_normal(&random);
    }
    const struct rk_dense layer = {w, 12, OUT, start, true, column, 9, wide};
    rk_kernels()->dense(&layer, x, 2, y);
    for (size_t i = 0; i < 2 * OUT * RK_ABREAST; i++) {
        const size_t block = i / (OUT * RK_ABREAST), o = i / RK_ABREAST % OUT;
        double want = start[o];
        for (size_t j = 0; j < 9; j++) {
            want +=
                (double)w[o * 12 + column[j]] * x[(block * 9 + j) * RK_ABREAST + i % RK_ABREAST];
        }
        assert_close(y[i], want > 0 ? want : 0, 1e-12, 1e-12);
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
            const struct rk_fm_rows rows = {.n_items = 1,
                                            .offset = one.offset,
                                            .index = one.index,
                                            .value = one.value,
                                            .end = shared + n,
                                            .bias = 0.1,
                                            .w = one.w,
                                            .v = one.v,
                                            .k = 16 + seed};
            rk_kernels()->fm_score(&rows, one.sum, one.score);
            assert_memory_equal(&one.score[0], &all.score[i], sizeof(double));
        }
    }
}

#define MANY 70 /* more than layers take at once */

/* The list of one of a group's items. */
static void assert_scores_alone(const struct rk_model *model, const float *theta,
                                const struct rk_group *group, size_t item, const double *score)
{
    const uint32_t shared = group->offset[1], own = group->offset[item + 1];
    const uint32_t n = shared + group->offset[item + 2] - own;
    uint32_t offset[] = {0, shared, n}, index[64], number[64];
    uint64_t name[64], id[] = {group->id[0], group->id[item + 1]};
    float value[64];
    double alone[2];
    struct rk_group one = {1, offset, index, value, name, number, 0, id, NULL, NULL, NULL};
    for (uint32_t e = 0; e < n; e++) {
        const uint32_t from = e < shared ? e : own + (e - shared);
        index[e] = group->index[from];
        value[e] = group->value[from];
        name[e] = group->name[from];
        for (size_t i = 0; i < group->n_numbers; i++) {
            if (group->number[i] == from) {
                number[one.n_numbers++] = e;
            }
        }
    }
    sample_score(model, theta, &one, alone);
    for (size_t h = 0; h < rk_model_heads(model); h++) {
        assert_memory_equal(&alone[h], &score[h * group->n_items + item], sizeof(double));
    }
}

static void an_item_of_any_model_scores_the_same_bits_alone(void **state)
{
    (void)state;
    const struct sample_shape shape = {.n_items = MANY, .n_shared = 6, .n_own = 5, .grades = 2};
    for (size_t c = 0; c < 2 * SAMPLE_KINDS; c++) {
        struct rk_model_config config = c < SAMPLE_KINDS
                                            ? sample_config("pairwise_logistic", "sgd")
                                            : sample_hashed_config("pairwise_logistic", "sgd");
        struct rk_random random = {c};
        double score[2 * MANY];
        sample_kind(&config, sample_kinds[c % SAMPLE_KINDS]);
        struct rk_model *model = sample_model(&config);
        float *theta = sample_theta(model, c);
        struct rk_group *group = sample_group(model, &shape, &random);
        sample_score(model, theta, group, score);
        for (size_t i = 0; i < MANY; i++) {
            assert_scores_alone(model, theta, group, i, score);
        }
        free(theta);
        rk_group_destroy(&group);
        rk_model_destroy(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_always_a_set),
        cmocka_unit_test(every_set_gives_the_same_bits),
        cmocka_unit_test(all_kernels_give_the_same_bits_in_every_set),
        cmocka_unit_test(rows_side_by_side_come_apart_again),
        cmocka_unit_test(dense_layers_equal_sums_of_products),
        cmocka_unit_test(an_item_alone_scores_the_same_bits),
        cmocka_unit_test(an_item_of_any_model_scores_the_same_bits_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
