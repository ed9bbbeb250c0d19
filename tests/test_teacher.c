/*
 * The teacher: what it says of a list, when it has nothing to say, and hearing it again.
 */
#include "codec.h"
#include "teacher.h"
#include "teacher_fixture.h"
#include "test.h"

#define HASHED  "{\"kind\":\"fm\",\"features\":{\"bits\":10},\"dim\":3,\"init\":{\"std\":0.5}}"
#define COLUMNS "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":4},\"dim\":3}"
#define LIST                                                                                       \
    "{\"user\":{\"id\":\"u\"},\"items\":[{\"id\":\"a\",\"features\":{\"brand\":\"x\"}},\"b\","     \
    "{\"id\":\"c\",\"features\":{\"price\":3}}]}"

/* A model that teaches, and a list that is read. */
struct school {
    struct served *model;
    struct teacher teacher;
    struct list list;
    enum rk_status found; /* what looking for stored features gives */
};

static void read_list(struct school *s, const char *text)
{
    struct problem problem = {0};
    assert_true(codec_stored_list(text, strlen(text), NULL, true, &s->list, &problem));
}

static int open_school(void **state)
{
    struct school *s = calloc(1, sizeof *s);
    s->model = taught_model("t", HASHED);
    read_list(s, LIST);
    *state = s;
    return 0;
}

static int close_school(void **state)
{
    struct school *s = *state;
    teacher_deinit(&s->teacher);
    served_destroy(&s->model);
    list_deinit(&s->list);
    free(s);
    return 0;
}

#define SCHOOL_TEST(name) cmocka_unit_test_setup_teardown(name, open_school, close_school)

static enum rk_status find(void *context, enum rk_side side, const struct list_entity *entity,
                           const struct rk_feature **features, size_t *n, struct rk_error *err)
{
    const struct school *s = context;
    (void)side;
    (void)entity;
    (void)features;
    *n = 0;
    return s->found == RK_OK ? RK_OK : rk_fail(err, s->found, "no features");
}

/* What the teacher says of the first n items. */
static enum rk_status hear(struct school *s, size_t n, const float **scores)
{
    static const uint32_t all[] = {0, 1, 2};
    const struct assemble_source source = {.find = find, .context = s};
    return teacher_score(&s->teacher, &s->list, all, n, &source, scores, NULL);
}

/* Starts a repeated step with n of the scores that were recorded. */
static void recall(struct school *s, const float *recorded, size_t n)
{
    float *copy = malloc((n + 1) * sizeof *copy);
    memcpy(copy, recorded, n * sizeof *copy);
    teacher_recall(&s->teacher, copy, n);
}

/* ---- asking ---- */

static void teacher_says_the_scores_that_it_serves(void **state)
{
    struct school *s = *state;
    const float *said;
    double expected[3];
    teacher_begin(&s->teacher, s->model);
    assert_ok(hear(s, 3, &said));
    taught_score(s->model, LIST, 3, expected);
    for (size_t i = 0; i < 3; i++) {
        assert_true(said[i] == (float)expected[i]);
    }
    assert_true(said[0] != said[1]);
    taught_turn(s->model);
    assert_ok(hear(s, 3, &said));
    taught_score(s->model, LIST, 3, expected);
    assert_true(said[0] == (float)expected[0]);
}

static void teacher_of_two_heads_says_what_orders_the_list(void **state)
{
    struct school *s = *state;
    const float *said;
    double expected[3];
    served_destroy(&s->model);
    s->model =
        taught_model("t", "{\"kind\":\"joint\",\"heads\":\"separate\",\"dim\":3,\"hidden\":[4],"
                          "\"init\":{\"std\":0.5},\"features\":{\"bits\":8}}");
    teacher_begin(&s->teacher, s->model);
    assert_ok(hear(s, 3, &said));
    taught_score(s->model, LIST, 3, expected);
    for (size_t i = 0; i < 3; i++) {
        assert_true(said[i] == (float)expected[i]);
    }
}

static void only_the_items_that_count_are_asked_about(void **state)
{
    struct school *s = *state;
    const struct assemble_source source = {.find = find, .context = s};
    const float *said;
    float all[3];
    teacher_begin(&s->teacher, s->model);
    assert_ok(hear(s, 3, &said));
    memcpy(all, said, sizeof all);
    assert_ok(teacher_score(&s->teacher, &s->list, (uint32_t[]){2, 0}, 2, &source, &said, NULL));
    assert_true(said[0] == all[2] && said[1] == all[0]);
    assert_int_equal(s->teacher.n, 5);
}

/* ---- nothing to say ---- */

static void nobody_and_a_model_at_version_0_have_nothing_to_say(void **state)
{
    struct school *s = *state;
    struct served *start = taught_start("t", HASHED);
    const float *said;
    assert_status(hear(s, 3, &said), RK_NOTFOUND);
    teacher_begin(&s->teacher, NULL);
    assert_status(hear(s, 3, &said), RK_NOTFOUND);
    teacher_begin(&s->teacher, start);
    assert_status(hear(s, 3, &said), RK_NOTFOUND);
    assert_int_equal(s->teacher.n, 0); /* and nothing is recorded */
    live_publish_all(&start->live, 1);
    teacher_begin(&s->teacher, start);
    assert_ok(hear(s, 3, &said));
    served_destroy(&start);
}

/* Between two lists that fit stands one that does not. */
static void list_of_another_feature_space_is_passed_over_and_the_next_is_not(void **state)
{
    struct school *s = *state;
    const float *said;
    float recorded[8];
    served_destroy(&s->model);
    s->model = taught_model("t", COLUMNS);
    teacher_begin(&s->teacher, s->model);
    for (int again = 0; again < 2; again++) {
        read_list(s, "{\"items\":[{\"id\":\"a\",\"features\":{\"3\":1}},\"b\"]}");
        assert_ok(hear(s, 2, &said));
        read_list(s, LIST);
        assert_status(hear(s, 3, &said), RK_NOTFOUND);
        read_list(s, "{\"items\":[{\"id\":\"a\",\"features\":{\"4\":1}}]}"); /* no such column */
        assert_status(hear(s, 1, &said), RK_NOTFOUND);
        read_list(s, "{\"items\":[{\"id\":\"a\",\"features\":{\"0\":1,\"1\":1}},\"b\"]}");
        assert_ok(hear(s, 2, &said));
        assert_true(said[0] != 0 && said[1] == 0);
        assert_int_equal(s->teacher.n, 8);
        memcpy(recorded, s->teacher.score, sizeof recorded);
        recall(s, recorded, 8);
    }
}

static void scores_that_are_not_finite_are_nothing_to_say(void **state)
{
    struct school *s = *state;
    const float *said;
    float *theta = live_learning(&s->model->live);
    for (size_t i = 0; i < rk_model_params(s->model->model); i++) {
        theta[i] = 3e38F;
    }
    live_publish_all(&s->model->live, 2);
    teacher_begin(&s->teacher, s->model);
    assert_status(hear(s, 3, &said), RK_NOTFOUND);
    assert_int_equal(s->teacher.n, 3); /* so that a repeated step leaves the list out too */
}

static void failure_of_the_store_is_no_answer_and_is_not_recorded(void **state)
{
    struct school *s = *state;
    const float *said;
    teacher_begin(&s->teacher, s->model);
    s->found = RK_IO;
    assert_status(hear(s, 3, &said), RK_IO);
    s->found = RK_NOMEM;
    assert_status(hear(s, 3, &said), RK_NOMEM);
    assert_int_equal(s->teacher.n, 0);
    s->found = RK_OK;
    assert_ok(hear(s, 3, &said));
    assert_int_equal(s->teacher.n, 3);
}

/* ---- hearing it again ---- */

static void repeated_step_hears_the_same_without_the_teacher(void **state)
{
    struct school *s = *state;
    const float *said;
    float recorded[5];
    teacher_begin(&s->teacher, s->model);
    assert_true(teacher_is_over(&s->teacher));
    assert_ok(hear(s, 3, &said));
    assert_ok(hear(s, 2, &said));
    memcpy(recorded, s->teacher.score, sizeof recorded);
    served_destroy(&s->model);
    recall(s, recorded, 5);
    assert_ok(hear(s, 3, &said));
    assert_memory_equal(said, recorded, 3 * sizeof *said);
    assert_false(teacher_is_over(&s->teacher));
    assert_ok(hear(s, 2, &said));
    assert_memory_equal(said, recorded + 3, 2 * sizeof *said);
    assert_true(teacher_is_over(&s->teacher));
}

static void record_that_ends_too_early_is_corrupt(void **state)
{
    static const float recorded[] = {1, 2, 3, 4};
    struct school *s = *state;
    const float *said;
    recall(s, recorded, 4);
    assert_ok(hear(s, 3, &said));
    assert_status(hear(s, 3, &said), RK_CORRUPT);
    assert_false(teacher_is_over(&s->teacher));
}

static void step_without_a_record_hears_nothing_and_the_next_may_ask(void **state)
{
    struct school *s = *state;
    const float *said;
    teacher_recall(&s->teacher, NULL, 0);
    assert_status(hear(s, 3, &said), RK_NOTFOUND);
    assert_true(teacher_is_over(&s->teacher));
    teacher_begin(&s->teacher, s->model);
    assert_ok(hear(s, 3, &said));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCHOOL_TEST(teacher_says_the_scores_that_it_serves),
        SCHOOL_TEST(teacher_of_two_heads_says_what_orders_the_list),
        SCHOOL_TEST(only_the_items_that_count_are_asked_about),
        SCHOOL_TEST(nobody_and_a_model_at_version_0_have_nothing_to_say),
        SCHOOL_TEST(list_of_another_feature_space_is_passed_over_and_the_next_is_not),
        SCHOOL_TEST(scores_that_are_not_finite_are_nothing_to_say),
        SCHOOL_TEST(failure_of_the_store_is_no_answer_and_is_not_recorded),
        SCHOOL_TEST(repeated_step_hears_the_same_without_the_teacher),
        SCHOOL_TEST(record_that_ends_too_early_is_corrupt),
        SCHOOL_TEST(step_without_a_record_hears_nothing_and_the_next_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
