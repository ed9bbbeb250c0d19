/*
 * The live model: each answer is made by one version, publishing costs what a step touched.
 */
#include "learning_fixture.h"
#include "live.h"
#include "test.h"

#include <sched.h>

#define READERS  4
#define VERSIONS 3000
#define COLUMNS  16
#define ITEMS    3

/* A model of plain columns: a score is the bias and the sum of the weights of the columns. */
static struct rk_model *make_model(void)
{
    struct rk_model_config config;
    struct rk_model *model = NULL;
    assert_ok(rk_model_default("fm", &config, NULL));
    config.features = (struct rk_space){.kind = RK_INDEXED, .size = COLUMNS};
    config.standardize = config.use_ids = false;
    config.dim = 2;
    assert_ok(rk_model_create(&config, 0, &model, NULL));
    return model;
}

static void make_live(struct live *live, struct rk_model *model)
{
    assert_ok(live_init(live, model, READERS, NULL));
    live_start(live);
    memset(live_learning(live), 0, rk_model_params(model) * sizeof(float));
    live_publish_all(live, 0);
}

/* Sets all floats of a row of the learning copy. */
static void fill_row(struct live *live, uint32_t row, float value)
{
    size_t length;
    size_t offset = rk_model_row(live->model, row, &length);
    for (size_t i = 0; i < length; i++) {
        live_learning(live)[offset + i] = value;
    }
}

/* ---- one thread ---- */

static void both_copies_start_untrained_as_version_0(void **state)
{
    (void)state;
    struct rk_model *model = make_model();
    struct live live;
    assert_ok(live_init(&live, model, 1, NULL));
    live_start(&live);
    float *init = malloc(rk_model_params(model) * sizeof *init);
    rk_model_init(model, init);
    assert_int_equal(live_version(&live), 0);
    assert_memory_equal(live_served(&live), init, rk_model_params(model) * sizeof *init);
    assert_memory_equal(live_learning(&live), init, rk_model_params(model) * sizeof *init);
    assert_ptr_not_equal(live_served(&live), live_learning(&live));
    free(init);
    live_deinit(&live);
    live_deinit(&live);
    rk_model_destroy(&model);
}

/* Whole rows of the largest tensor lie on whole cache lines, in small blocks and large ones. */
static void rows_of_a_line_begin_a_line(void **state)
{
    (void)state;
    for (uint32_t bits = 4; bits <= 16; bits += 12) {
        struct rk_model_config config;
        struct rk_model *model = NULL;
        struct live live;
        size_t n;
        assert_ok(rk_model_default("fm", &config, NULL));
        config.features.bits = bits;
        assert_ok(rk_model_create(&config, 0, &model, NULL));
        assert_ok(live_init(&live, model, 1, NULL));
        live_start(&live);
        const struct rk_tensor *v = &rk_model_tensors(model, &n)[2];
        assert_int_equal(v->cols * sizeof(float), RK_CACHE_LINE);
        assert_int_equal((uintptr_t)(live_served(&live) + v->offset) % RK_CACHE_LINE, 0);
        assert_int_equal((uintptr_t)(live_learning(&live) + v->offset) % RK_CACHE_LINE, 0);
        live_deinit(&live);
        rk_model_destroy(&model);
    }
}

static void what_is_learned_is_not_served_before_it_is_published(void **state)
{
    (void)state;
    struct rk_model *model = make_model();
    struct live live;
    make_live(&live, model);
    fill_row(&live, 0, 7.0F);
    struct live_view view = live_read(&live, 0);
    assert_int_equal(view.version, 0);
    assert_true(view.theta[0] == 0.0F);
    live_done(&live, 0, &view);
    live_publish(&live, 5, (uint32_t[]){0}, 1);
    view = live_read(&live, 0);
    assert_int_equal(view.version, 5);
    assert_true(view.theta[0] == 7.0F);
    live_done(&live, 0, &view);
    live_deinit(&live);
    rk_model_destroy(&model);
}

static void publishing_copies_exactly_the_touched_rows(void **state)
{
    (void)state;
    struct rk_model *model = make_model();
    struct live live;
    make_live(&live, model);
    const uint32_t rows = (uint32_t)rk_model_rows(model), touched[] = {0, 3, COLUMNS + 2};
    for (uint32_t row = 0; row < rows; row++) {
        fill_row(&live, row, 1.0F + (float)row); /* all differ, but only three are said to */
    }
    live_publish(&live, 1, touched, 3);
    for (uint32_t row = 0; row < rows; row++) {
        size_t length;
        size_t at = rk_model_row(model, row, &length);
        bool told = row == touched[0] || row == touched[1] || row == touched[2];
        for (size_t i = 0; i < length; i++) {
            assert_true(live_served(&live)[at + i] == 1.0F + (float)row);
            assert_true(live_learning(&live)[at + i] == (told ? 1.0F + (float)row : 0.0F));
        }
    }
    live_deinit(&live);
    rk_model_destroy(&model);
}

static void publishing_all_makes_the_copies_equal(void **state)
{
    (void)state;
    struct rk_model *model = make_model();
    struct live live;
    make_live(&live, model);
    for (uint32_t row = 0; row < (uint32_t)rk_model_rows(model); row++) {
        fill_row(&live, row, (float)row);
    }
    live_publish_all(&live, 9);
    assert_int_equal(live_version(&live), 9);
    assert_memory_equal(live_served(&live), live_learning(&live),
                        rk_model_params(model) * sizeof(float));
    live_publish_all(&live, 3); /* an older version that was activated */
    assert_int_equal(live_version(&live), 3);
    live_deinit(&live);
    rk_model_destroy(&model);
}

/* ---- many threads ---- */

/*
 * Version v sets the bias and the weights of the columns of v's parity to v, so that each version
 * has a score of its own and a mixture of two has neither's.
 */
static double score_of(int64_t version)
{
    const double half = COLUMNS / 2;
    return (double)version + half * (double)version +
           half * (double)(version > 0 ? version - 1 : 0);
}

static void publish_next(struct live *live, int64_t version)
{
    uint32_t rows[1 + COLUMNS / 2] = {0};
    size_t n = 1;
    fill_row(live, 0, (float)version);
    for (uint32_t column = (uint32_t)(version % 2); column < COLUMNS; column += 2) {
        rows[n] = 1 + column; /* linear.weight stands behind the bias */
        fill_row(live, rows[n++], (float)version);
    }
    live_publish(live, version, rows, n);
}

struct reader {
    pthread_t thread;
    struct live *live;
    const struct rk_group *group;
    _Atomic bool *over;
    size_t slot;
    uint64_t answers, wrong, backwards, unseen;
};

static void answer_once(struct reader *reader, void *work, int64_t *last)
{
    double score[ITEMS];
    struct live_view view = live_read(reader->live, reader->slot);
    const enum rk_status status =
        rk_model_forward(reader->live->model, view.theta, reader->group, work, score, NULL);
    for (size_t i = 0; i < ITEMS; i++) {
        reader->wrong += status != RK_OK || score[i] != score_of(view.version);
    }
    reader->backwards += view.version < *last;
    reader->unseen += live_version(reader->live) < view.version; /* as GET would tell */
    *last = view.version;
    live_done(reader->live, reader->slot, &view);
    reader->answers++;
}

static void *answer(void *context)
{
    struct reader *reader = context;
    const size_t nnz = reader->group->offset[ITEMS + 1];
    void *work = malloc(rk_model_work(reader->live->model, ITEMS, nnz));
    int64_t last = 0;
    do {
        answer_once(reader, work, &last);
        sched_yield(); /* lets go of the core between two reads, not in one */
    } while (!atomic_load(reader->over));
    free(work);
    return NULL;
}

static void make_group(const struct rk_model *model, struct rk_group_builder *builder,
                       struct rk_group *group)
{
    const struct rk_space *space = &rk_model_config(model)->features;
    rk_group_builder_init(builder);
    assert_ok(rk_group_begin(builder, space, 0, NULL));
    for (uint64_t item = 1; item <= ITEMS; item++) {
        assert_ok(rk_group_begin_item(builder, item, NULL));
        for (uint32_t column = 0; column < COLUMNS; column++) {
            const struct rk_feature feature = rk_feature_column(column, 1.0F);
            assert_ok(rk_group_add(builder, &feature, NULL));
        }
    }
    assert_ok(rk_group_end(builder, false, group, NULL));
}

static void each_answer_is_made_by_one_version_while_others_are_published(void **state)
{
    (void)state;
    struct rk_model *model = make_model();
    struct live live;
    struct rk_group_builder builder;
    struct rk_group group;
    struct reader reader[READERS];
    _Atomic bool over = false;
    make_live(&live, model);
    make_group(model, &builder, &group);
    for (size_t r = 0; r < READERS; r++) {
        reader[r] = (struct reader){.live = &live, .group = &group, .over = &over, .slot = r};
        assert_int_equal(pthread_create(&reader[r].thread, NULL, answer, &reader[r]), 0);
    }
    for (int64_t version = 1; version <= VERSIONS; version++) {
        publish_next(&live, version);
    }
    atomic_store(&over, true);
    for (size_t r = 0; r < READERS; r++) {
        assert_int_equal(pthread_join(reader[r].thread, NULL), 0);
        assert_true(reader[r].answers > 0);
        assert_int_equal(reader[r].wrong + reader[r].backwards + reader[r].unseen, 0);
    }
    rk_group_builder_deinit(&builder);
    live_deinit(&live);
    rk_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_copies_start_untrained_as_version_0),
        cmocka_unit_test(rows_of_a_line_begin_a_line),
        cmocka_unit_test(what_is_learned_is_not_served_before_it_is_published),
        cmocka_unit_test(publishing_copies_exactly_the_touched_rows),
        cmocka_unit_test(publishing_all_makes_the_copies_equal),
        cmocka_unit_test(each_answer_is_made_by_one_version_while_others_are_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
