/*
 * The registry's models and steps.
 */
#include "store_fixture.h"
#include "store_log.h"
#include "store_registry.h"
#include "test.h"

/* ---- models ---- */

static struct store_model put_model(struct store *store, const char *name)
{
    static char config[] = "{\"kind\":\"fm\"}";
    struct store_model model = {.config = config, .time_ms = 123};
    (void)snprintf(model.name, sizeof model.name, "%s", name);
    assert_ok(store_put_model(store, &model, NULL));
    return model;
}

static void free_models(struct store_model *models, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(models[i].config);
    }
    free(models);
}

static void models_come_back_in_order_of_id(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_model first = put_model(fixture->store, "z"),
                       second = put_model(fixture->store, "a");
    fixture_reopen(fixture);
    struct store_model *models = NULL;
    size_t n = 0;
    assert_ok(store_list_models(fixture->store, &models, &n, NULL));
    assert_int_equal(n, 2);
    assert_int_equal(models[0].id, first.id);
    assert_string_equal(models[0].name, "z");
    assert_string_equal(models[0].config, "{\"kind\":\"fm\"}");
    assert_int_equal(models[0].seq, first.seq);
    assert_int_equal(models[0].time_ms, 123);
    assert_false(models[0].paused);
    assert_string_equal(models[1].name, "a");
    assert_true(second.seq > first.seq && first.seq > 0);
    free_models(models, n);
}

static void no_models_are_an_empty_list(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_model *models = NULL;
    size_t n = 9;
    assert_ok(store_list_models(store, &models, &n, NULL));
    assert_int_equal(n, 0);
    free_models(models, n);
}

static void name_of_a_living_model_is_taken_and_of_a_deleted_one_free(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_model first = put_model(store, "m"), again = first, *models = NULL;
    assert_status(store_put_model(store, &again, NULL), RK_MISMATCH);
    assert_ok(store_delete_model(store, first.id, 200, NULL));
    assert_status(store_delete_model(store, first.id, 200, NULL), RK_NOTFOUND);
    struct store_model second = put_model(store, "m");
    assert_true(second.id > first.id);
    size_t n = 0;
    assert_ok(store_list_models(store, &models, &n, NULL));
    assert_int_equal(n, 1);
    assert_int_equal(models[0].id, second.id);
    free_models(models, n);
}

static void models_are_found_by_id_and_those_that_live_by_name(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    const struct store_model first = put_model(store, "m");
    struct store_model found = {0};
    assert_ok(store_delete_model(store, first.id, 200, NULL));
    assert_status(store_find_model(store, "m", &found, NULL), RK_NOTFOUND);
    assert_ok(store_get_model(store, first.id, &found, NULL));
    assert_string_equal(found.name, "m");
    free(found.config);
    const struct store_model second = put_model(store, "m");
    assert_ok(store_find_model(store, "m", &found, NULL));
    assert_int_equal(found.id, second.id);
    assert_string_equal(found.config, second.config);
    free(found.config);
    assert_status(store_find_model(store, "M", &found, NULL), RK_NOTFOUND);
}

static void pause_survives_reopening_and_is_a_log_record(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_model model = put_model(fixture->store, "m"), *models = NULL;
    size_t n = 0;
    int64_t end = 0;
    for (int paused = 1; paused >= 0; paused--) {
        assert_ok(store_set_paused(fixture->store, model.id, paused != 0, 200, NULL));
        fixture_reopen(fixture);
        assert_ok(store_list_models(fixture->store, &models, &n, NULL));
        assert_int_equal(models[0].paused, paused);
        free_models(models, n);
    }
    assert_ok(store_log_end(fixture->store, &end, NULL));
    assert_int_equal(end, model.seq + 2);
    assert_status(store_set_paused(fixture->store, model.id + 1, true, 200, NULL), RK_NOTFOUND);
}

/* ---- steps ---- */

static struct store_step make_step(int64_t model, int64_t version)
{
    return (struct store_step){.model = model,
                               .version = version,
                               .from_seq = 1,
                               .to_seq = 2,
                               .due_from = 3,
                               .due_to = 4,
                               .outcome = STORE_PUBLISHED,
                               .lists = 5,
                               .pairs = 6,
                               .loss = 0.1,
                               .grad_norm = 0.2,
                               .ndcg = 0.3,
                               .auc = 0.4,
                               .log_loss = 0.5,
                               .ndcg_n = 7,
                               .auc_n = 8,
                               .log_loss_n = 9,
                               .time_ms = 10};
}

static struct store_step read_last_step(struct store *store, int64_t model)
{
    struct store_step step;
    size_t n = 1;
    assert_ok(store_list_steps(store, model, 0, true, &step, &n, NULL));
    assert_int_equal(n, 1);
    return step;
}

static void step_comes_back_to_the_last_bit(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_step put = make_step(3, 42);
    fixture_put_log(fixture->store, 4);
    assert_ok(store_put_step(fixture->store, &put, NULL));
    fixture_reopen(fixture);
    struct store_step got = read_last_step(fixture->store, 3);
    assert_true(got.id == put.id && got.model == 3 && got.version == 42);
    assert_true(got.from_seq == 1 && got.to_seq == 2 && got.due_from == 3 && got.due_to == 4);
    assert_true(got.lists == 5 && got.pairs == 6 && got.time_ms == 10);
    assert_true(got.loss == 0.1 && got.grad_norm == 0.2);
    assert_true(got.ndcg == 0.3 && got.auc == 0.4 && got.log_loss == 0.5);
    assert_true(got.ndcg_n == 7 && got.auc_n == 8 && got.log_loss_n == 9);
    assert_int_equal(got.outcome, STORE_PUBLISHED);
    assert_string_equal(got.reason, "");
    assert_null(got.quarantined);
}

static void refused_step_keeps_its_reason_its_lists_and_what_was_not_finite(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    static char lists[] = "[17,18]";
    struct store_step put = make_step(3, 41);
    put.outcome = STORE_QUARANTINED;
    put.quarantined = lists;
    put.loss = (double)NAN;
    put.grad_norm = (double)INFINITY;
    (void)snprintf(put.reason, sizeof put.reason, "the loss is not finite");
    assert_ok(store_put_step(store, &put, NULL));
    struct store_step got = read_last_step(store, 3);
    assert_string_equal(store_outcome_text(got.outcome), "quarantined");
    assert_string_equal(got.reason, "the loss is not finite");
    assert_string_equal(got.quarantined, "[17,18]");
    assert_true(isnan(got.loss));
    assert_true(isinf(got.grad_norm));
    free(got.quarantined);
}

static void what_a_teacher_said_comes_back_to_the_last_bit(void **state)
{
    static const float said[] = {1.5F, -0.0F, NAN, 3e38F, 1e-45F};
    struct store_fixture *fixture = *state;
    struct store_step put = make_step(3, 42), silent = make_step(3, 43);
    float *got, *none;
    size_t n, n_none;
    put.teacher = silent.teacher = said;
    put.n_teacher = 5;
    fixture_put_log(fixture->store, 4);
    assert_ok(store_put_step(fixture->store, &put, NULL));
    assert_ok(store_put_step(fixture->store, &silent, NULL));
    fixture_reopen(fixture);
    assert_ok(store_get_teacher(fixture->store, put.id, &got, &n, NULL));
    assert_int_equal(n, 5);
    assert_memory_equal(got, said, sizeof said);
    assert_ok(store_get_teacher(fixture->store, silent.id, &none, &n_none, NULL));
    assert_true(none == NULL && n_none == 0);
    assert_ok(store_get_teacher(fixture->store, silent.id + 1, &none, &n_none, NULL));
    assert_true(none == NULL && n_none == 0);
    free(got);
}

static void teachers_scores_that_are_no_numbers_are_corrupt(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_step put = make_step(3, 42);
    float *got = NULL;
    size_t n = 0;
    put.teacher = (const float[]){1, 2};
    put.n_teacher = 2;
    assert_ok(store_put_step(fixture->store, &put, NULL));
    assert_ok(store_commit(fixture->store, NULL));
    fixture_run_sql(fixture->path, "UPDATE step SET teacher = x'010203'");
    assert_ok(store_begin(fixture->store, NULL));
    assert_status(store_get_teacher(fixture->store, put.id, &got, &n, NULL), RK_CORRUPT);
    assert_true(got == NULL && n == 0);
}

static void steps_are_listed_by_model_after_an_id_in_either_order(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t ids[4];
    for (int i = 0; i < 4; i++) {
        struct store_step other = make_step(8, i), step = make_step(3, i);
        step.outcome = STORE_NO_OP;
        assert_ok(store_put_step(store, &other, NULL));
        assert_ok(store_put_step(store, &step, NULL));
        ids[i] = step.id;
    }
    struct store_step steps[8];
    size_t n = 2;
    assert_ok(store_list_steps(store, 3, ids[0], false, steps, &n, NULL));
    assert_int_equal(n, 2);
    assert_true(steps[0].id == ids[1] && steps[1].id == ids[2]);
    assert_int_equal(steps[0].outcome, STORE_NO_OP);
    n = 8;
    assert_ok(store_list_steps(store, 3, ids[0], true, steps, &n, NULL));
    assert_int_equal(n, 3);
    assert_true(steps[0].id == ids[3] && steps[2].id == ids[1]);
}

static void last_version_is_the_largest_of_steps_and_checkpoints(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t version = 99;
    assert_ok(store_last_version(store, 3, &version, NULL));
    assert_int_equal(version, 0);
    struct store_step high = make_step(3, 42), back = make_step(3, 17), other = make_step(8, 1000);
    assert_ok(store_put_step(store, &high, NULL));
    assert_ok(store_put_step(store, &back, NULL));
    assert_ok(store_put_step(store, &other, NULL));
    assert_ok(store_last_version(store, 3, &version, NULL));
    assert_int_equal(version, 42);
    const struct store_checkpoint imported = {.id = 1, .model = 3, .version = 43};
    assert_ok(store_put_checkpoint(store, &imported, NULL));
    assert_ok(store_last_version(store, 3, &version, NULL));
    assert_int_equal(version, 43);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(models_come_back_in_order_of_id),
        TEST(no_models_are_an_empty_list),
        TEST(name_of_a_living_model_is_taken_and_of_a_deleted_one_free),
        TEST(models_are_found_by_id_and_those_that_live_by_name),
        TEST(pause_survives_reopening_and_is_a_log_record),
        TEST(step_comes_back_to_the_last_bit),
        TEST(refused_step_keeps_its_reason_its_lists_and_what_was_not_finite),
        TEST(what_a_teacher_said_comes_back_to_the_last_bit),
        TEST(teachers_scores_that_are_no_numbers_are_corrupt),
        TEST(steps_are_listed_by_model_after_an_id_in_either_order),
        TEST(last_version_is_the_largest_of_steps_and_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
