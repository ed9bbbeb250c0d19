/*
 * Distillation in training: a student learns its teacher's order from lists that came without
 * scores, and a repeated step hears what was said then.
 */
#include "store_fixture.h"
#include "teacher_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#include <rankd/random.h>

#define ALL     ((1U << TAUGHT_ITEMS) - 1)
#define TEACHER "{\"kind\":\"fm\"," LEARNING_SMALL ",\"init\":{\"std\":1,\"seed\":7}}"
#define STUDENT(loss)                                                                              \
    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"loss\":{\"name\":\"" loss                               \
    "\"},\"teacher\":\"t\",\"training\":{\"batch_groups\":16}}"
#define LISTWISE STUDENT("distill_listwise")

/* A student in training, and the models of the server, of which one teaches it. */
struct class
{
    struct learning *l;
    struct models models;
    struct served *teacher; /* in models; NULL: there is none */
    struct trainee *student;
    int rankings; /* so far */
    struct rk_random random;
};

static struct class start(void **state, const char *teacher, const char *student)
{
    struct class c = {.l = *state, .random = {17}};
    assert_ok(models_init(&c.models, 1, NULL));
    if (teacher != NULL) {
        c.teacher = taught_model("t", teacher);
        assert_ok(models_reserve(&c.models, NULL));
        models_add(&c.models, c.teacher);
    }
    c.student = trained_make(c.l, student);
    return c;
}

static void leave(struct class *c)
{
    trained_free(&c->student);
    models_deinit(&c->models);
}

static void dismiss(struct class *c)
{
    models_remove(&c->models, c->teacher);
    served_destroy(&c->teacher);
}

static void learn(struct class *c)
{
    trained_catch_up_taught(c->l, c->student, &c->models);
    assert_int_equal(c->student->seq, learning_end(c->l)); /* whatever could not be taught */
}

/* Recovers from the beginning with nobody there to ask: must be the same state. */
static void check_refold(struct class *c)
{
    int64_t seq = c->student->seq;
    trained_check_refold(c->l, &c->student);
    assert_int_equal(c->student->seq, seq);
}

static int64_t version(const struct class *c)
{
    return live_version(&c->student->served->live);
}

static double alike(const struct class *c)
{
    return taught_alike(c->student->served, c->teacher);
}

/* n lists without a teacher's scores, of all items. */
static void put_batches(struct class *c, int n)
{
    for (int i = 0; i < n; i++) {
        char list[1100];
        (void)snprintf(list, sizeof list, "{\"items\":%s}", taught_items(ALL));
        (void)learning_batch(c->l, list);
    }
}

/* n rankings of all items, each with a click on one of them. */
static void put_clicks(struct class *c, int n)
{
    for (int i = 0; i < n; i++) {
        char id[16], item[4];
        (void)snprintf(id, sizeof id, "r%d", c->rankings++);
        (void)snprintf(item, sizeof item, "i%u",
                       (unsigned)rk_random_below(&c->random, TAUGHT_ITEMS));
        (void)learning_ranking(c->l, id, taught_items(ALL), "i7 i6 i5 i4 i3 i2 i1 i0");
        (void)learning_event(c->l, id, item, "click", 1);
    }
}

static struct store_step last_step(const struct class *c)
{
    struct store_step row;
    assert_int_equal(trained_last_steps(c->l, c->student, &row, 1), 1);
    return row;
}

/* ---- learning ---- */

static const struct {
    const char *config;
    double alike; /* at least, after 200 lists; the last loss only lifts the top 5 */
} students[] = {{STUDENT("distill_pointwise"), 1},
                {STUDENT("distill_listwise"), 1},
                {STUDENT("ranking_distillation"), 0.75}};

/* Every student sees 200 lists: one database each. */
static void check_students(void (*put)(struct class *c, int n))
{
    for (size_t i = 0; i < sizeof students / sizeof *students; i++) {
        void *own = NULL;
        assert_int_equal(learning_setup(&own), 0);
        struct class c = start(&own, TEACHER, students[i].config);
        put(&c, 200);
        learn(&c);
        assert_true(version(&c) > 0 && alike(&c) >= students[i].alike);
        check_refold(&c);
        leave(&c);
        assert_int_equal(learning_teardown(&own), 0);
    }
}

static void students_learn_their_teachers_order_from_batches(void **state)
{
    (void)state;
    check_students(put_batches);
}

static void students_learn_their_teachers_order_from_rankings_with_clicks(void **state)
{
    (void)state;
    check_students(put_clicks);
}

static void batches_with_a_score_on_every_item_need_no_model(void **state)
{
    struct class c = start(state, NULL, LISTWISE);
    for (int i = 0; i < 40; i++) {
        (void)learning_batch(c.l, "{\"items\":[{\"id\":\"a\",\"teacher\":-1},"
                                  "{\"id\":\"b\",\"label\":1,\"teacher\":-3}]}");
    }
    learn(&c);
    double score[2];
    taught_score(c.student->served, "{\"items\":[\"a\",\"b\"]}", 2, score);
    assert_close(score[0] - score[1], 2, 0, 0.5);
    assert_int_equal(
        fixture_read_number(c.l->path, "SELECT count(*) FROM step WHERE teacher IS NOT NULL"), 0);
    check_refold(&c);
    leave(&c);
}

/* One item without a score: the list is all the model's, or nobody's. */
static void batch_with_scores_of_some_items_is_asked_about_as_a_whole(void **state)
{
    static const char some[] =
        "{\"items\":[{\"id\":\"i0\",\"teacher\":900},{\"id\":\"i1\"},{\"id\":\"i2\"}]}";
    struct class c = start(state, TEACHER, LISTWISE);
    double expected[3];
    float *said;
    size_t n;
    (void)learning_batch(c.l, some);
    learn(&c);
    struct store_step row = last_step(&c);
    assert_ok(store_get_teacher(c.l->reader, row.id, &said, &n, NULL));
    taught_score(c.teacher, some, 3, expected);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(said[i] == (float)expected[i]);
    }
    free(said);
    dismiss(&c);
    (void)learning_batch(c.l, some);
    learn(&c);
    row = last_step(&c);
    assert_int_equal(row.lists, 0);
    leave(&c);
}

/* ---- nobody to ask ---- */

static void check_left_out(const struct class *c, int64_t before, int lists)
{
    struct store_step row = last_step(c);
    char reason[64];
    (void)snprintf(reason, sizeof reason, "%d lists had no teacher", lists);
    assert_int_equal(version(c), before);
    assert_int_equal(row.lists, 0);
    assert_int_equal(row.outcome, STORE_NO_OP);
    assert_int_equal(row.to_seq, learning_end(c->l));
    assert_string_equal(row.reason, reason);
}

static void lists_without_any_teacher_are_left_out_and_the_position_moves_on(void **state)
{
    struct class c = start(state, TEACHER, LISTWISE);
    put_batches(&c, 5);
    learn(&c);
    int64_t before = version(&c);
    dismiss(&c);
    put_batches(&c, 3);
    put_clicks(&c, 2);
    learn(&c);
    check_left_out(&c, before, 5);
    check_refold(&c);
    leave(&c);
}

static void lists_left_out_once_are_not_learned_after_a_restart(void **state)
{
    struct class c = start(state, NULL, LISTWISE);
    put_clicks(&c, 3);
    learn(&c);
    check_refold(&c);
    c.teacher = taught_model("t", TEACHER); /* comes too late for them */
    assert_ok(models_reserve(&c.models, NULL));
    models_add(&c.models, c.teacher);
    learn(&c);
    assert_int_equal(version(&c), 0);
    put_clicks(&c, 1);
    learn(&c);
    assert_int_equal(last_step(&c).lists, 1);
    leave(&c);
}

static void teacher_at_version_0_teaches_nothing_yet(void **state)
{
    struct class c = start(state, NULL, LISTWISE);
    c.teacher = taught_start("t", TEACHER);
    assert_ok(models_reserve(&c.models, NULL));
    models_add(&c.models, c.teacher);
    put_batches(&c, 4);
    learn(&c);
    check_left_out(&c, 0, 4);
    live_publish_all(&c.teacher->live, 1);
    put_batches(&c, 4);
    learn(&c);
    assert_int_equal(version(&c), 1);
    assert_string_equal(last_step(&c).reason, "");
    check_refold(&c);
    leave(&c);
}

static void list_that_does_not_fit_its_teachers_space_is_left_out_alone(void **state)
{
    struct class c = start(
        state,
        "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":4},\"init\":{\"std\":1}}",
        LISTWISE);
    (void)learning_batch(c.l, "{\"items\":[{\"id\":\"a\",\"features\":{\"0\":1,\"1\":1}},\"b\"]}");
    (void)learning_batch(c.l, "{\"items\":[{\"id\":\"a\",\"features\":{\"brand\":\"x\"}},\"b\"]}");
    (void)learning_batch(c.l, "{\"items\":[{\"id\":\"c\",\"features\":{\"4\":1}},\"d\"]}");
    (void)learning_batch(c.l, "{\"items\":[{\"id\":\"c\",\"features\":{\"2\":1,\"3\":1}},\"d\"]}");
    learn(&c);
    struct store_step row = last_step(&c);
    assert_int_equal(row.lists, 2);
    assert_int_equal(row.outcome, STORE_PUBLISHED);
    assert_string_equal(row.reason, "2 lists had no teacher");
    check_refold(&c);
    leave(&c);
}

/* ---- recovery ---- */

static void same_bytes_come_out_although_the_teacher_learned_on_and_was_deleted(void **state)
{
    struct class c = start(state, TEACHER, LISTWISE);
    put_clicks(&c, 30);
    learn(&c);
    taught_turn(c.teacher);
    put_batches(&c, 30);
    (void)learning_batch(c.l, "{\"items\":[{\"id\":\"i0\",\"teacher\":1},"
                              "{\"id\":\"i1\",\"teacher\":2}]}");
    put_clicks(&c, 30);
    learn(&c);
    check_refold(&c);
    dismiss(&c);
    put_clicks(&c, 5);
    learn(&c);
    check_refold(&c);
    leave(&c);
}

/* A record that is too short would leave lists out, one that is too long was of others. */
static void record_that_does_not_fit_its_step_is_refused(void **state)
{
    static const struct {
        const char *blob;
        enum rk_status status;
    } damages[] = {{"substr(teacher, 1, length(teacher) - 4)", RK_MISMATCH},
                   {"CAST(teacher || x'00000000' AS BLOB)", RK_MISMATCH},
                   {"NULL", RK_MISMATCH},
                   {"x'000000'", RK_CORRUPT}};
    struct class c = start(state, TEACHER, LISTWISE);
    put_batches(&c, 3);
    learn(&c);
    trained_free(&c.student);
    fixture_run_sql(c.l->path, "CREATE TABLE kept AS SELECT teacher FROM step");
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char text[128];
        enum rk_status status;
        fixture_run_sql(c.l->path, "UPDATE step SET teacher = (SELECT teacher FROM kept)");
        (void)snprintf(text, sizeof text, "UPDATE step SET teacher = %s", damages[i].blob);
        fixture_run_sql(c.l->path, text);
        c.student = trained_find_again(c.l, &status);
        assert_string_equal(rk_status_text(status), rk_status_text(damages[i].status));
        trained_free(&c.student);
    }
    leave(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(students_learn_their_teachers_order_from_batches),
        cmocka_unit_test(students_learn_their_teachers_order_from_rankings_with_clicks),
        LEARNING_TEST(batches_with_a_score_on_every_item_need_no_model),
        LEARNING_TEST(batch_with_scores_of_some_items_is_asked_about_as_a_whole),
        LEARNING_TEST(lists_without_any_teacher_are_left_out_and_the_position_moves_on),
        LEARNING_TEST(lists_left_out_once_are_not_learned_after_a_restart),
        LEARNING_TEST(teacher_at_version_0_teaches_nothing_yet),
        LEARNING_TEST(list_that_does_not_fit_its_teachers_space_is_left_out_alone),
        LEARNING_TEST(same_bytes_come_out_although_the_teacher_learned_on_and_was_deleted),
        LEARNING_TEST(record_that_does_not_fit_its_step_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
