/*
 * Score requests: the members of the head, exclude, and what the store kept of them.
 */
#include "codec.h"
#include "list_fixture.h"
#include "test.h"

static bool read_score(struct list_fixture *f, const char *text, struct codec_score *score)
{
    const struct list_rules rules = {.features = &fixture_hashed};

    f->problem = (struct problem){0};
    return codec_score_read(text, strlen(text), &rules, &f->list, score, &f->problem);
}

static void refuses(struct list_fixture *f, const char *text, enum problem_kind kind,
                    const char *pointer)
{
    struct codec_score score;

    assert_false(read_score(f, text, &score));
    fixture_assert_problem(text, &f->problem, kind, pointer);
}

static void only_items_are_required_and_the_rest_has_defaults(void **state)
{
    struct list_fixture *f = *state;
    struct codec_score score;

    assert_true(read_score(f, "{\"items\":[]}", &score));
    assert_string_equal(score.model, "default");
    assert_null(score.ranking_id);
    assert_true(score.top_k == INT64_MAX && score.log && !score.explain);
}

static void what_is_given_is_read(void **state)
{
    struct list_fixture *f = *state;
    struct codec_score score;

    assert_true(read_score(f,
                           "{\"model\":\"m\",\"ranking_id\":\"r-1\",\"top_k\":10,\"explain\":true,"
                           "\"log\":false,\"items\":[]}",
                           &score));
    assert_string_equal(score.model, "m");
    assert_string_equal(score.ranking_id, "r-1");
    assert_true(score.top_k == 10 && score.explain && !score.log);
}

static void wrong_heads_are_told_with_their_place(void **state)
{
    struct list_fixture *f = *state;

    refuses(f, "[]", PROBLEM_VALIDATION_FAILED, "");
    refuses(f, "{\"model\":1}", PROBLEM_VALIDATION_FAILED, "/model");
    refuses(f, "{\"model\":\"\"}", PROBLEM_VALIDATION_FAILED, "/model");
    refuses(f, "{\"ranking_id\":\"\"}", PROBLEM_VALIDATION_FAILED, "/ranking_id");
    refuses(f, "{\"top_k\":0}", PROBLEM_VALUE_OUT_OF_RANGE, "/top_k");
    refuses(f, "{\"top_k\":1.5}", PROBLEM_VALIDATION_FAILED, "/top_k");
    refuses(f, "{\"top_k\":9007199254740992}", PROBLEM_VALUE_OUT_OF_RANGE, "/top_k");
    refuses(f, "{\"explain\":1}", PROBLEM_VALIDATION_FAILED, "/explain");
    refuses(f, "{\"log\":\"no\"}", PROBLEM_VALIDATION_FAILED, "/log");
    refuses(f, "{\"item\":[]}", PROBLEM_UNKNOWN_FIELD, "/item");
    refuses(f, "{\"items\":[", PROBLEM_INVALID_JSON, "");
}

static void ids_and_names_have_limits(void **state)
{
    struct list_fixture *f = *state;
    struct codec_score score;

    assert_true(
        read_score(f, fixture_letters(f, "{\"items\":[],\"ranking_id\":\"", 128, "\"}"), &score));
    refuses(f, fixture_letters(f, "{\"ranking_id\":\"", 129, "\"}"), PROBLEM_LIMIT_EXCEEDED,
            "/ranking_id");
    assert_true(read_score(f, fixture_letters(f, "{\"items\":[],\"model\":\"", 64, "\"}"), &score));
    refuses(f, fixture_letters(f, "{\"model\":\"", 65, "\"}"), PROBLEM_LIMIT_EXCEEDED, "/model");
}

/* Reads a list that must be good; returns how many items may be shown. */
static size_t which_of(struct list_fixture *f, const char *text, uint32_t *which)
{
    struct codec_score score;

    if (!read_score(f, text, &score)) {
        fail_msg("%.80s: %s at \"%s\"", text, f->problem.detail, f->problem.pointer);
    }
    memcpy(which, score.which, sizeof score.which);
    return score.n;
}

static void excluded_items_are_not_shown_and_the_rest_keep_their_order(void **state)
{
    struct list_fixture *f = *state;
    uint32_t which[LIST_ITEMS_MAX];

    assert_int_equal(which_of(f, "{\"items\":[\"a\",\"b\",\"c\",\"d\"]}", which), 4);
    assert_int_equal(which_of(f,
                              "{\"items\":[\"a\",\"b\",\"c\",\"d\"],\"exclude\":[\"c\",\"x\","
                              "\"a\",\"c\"]}",
                              which),
                     2);
    assert_true(which[0] == 1 && which[1] == 3);
    assert_int_equal(which_of(f, "{\"items\":[\"a\"],\"exclude\":[\"a\"]}", which), 0);
    assert_int_equal(which_of(f, "{\"items\":[],\"exclude\":[\"a\"]}", which), 0);
    assert_int_equal(which_of(f, "{\"items\":[\"a\"],\"exclude\":null}", which), 1);
}

static void a_wrong_exclude_is_told_with_its_place(void **state)
{
    struct list_fixture *f = *state;

    refuses(f, "{\"items\":[],\"exclude\":\"a\"}", PROBLEM_VALIDATION_FAILED, "/exclude");
    refuses(f, "{\"items\":[],\"exclude\":[\"a\",1]}", PROBLEM_VALIDATION_FAILED, "/exclude/1");
    refuses(f, "{\"items\":[],\"exclude\":[\"\"]}", PROBLEM_VALIDATION_FAILED, "/exclude/0");
    refuses(f, fixture_letters(f, "{\"items\":[],\"exclude\":[\"", 129, "\"]}"),
            PROBLEM_LIMIT_EXCEEDED, "/exclude/0");
    refuses(f, fixture_pattern(f, "{\"items\":[],\"exclude\":[", 10001, "\"#\"", "]}"),
            PROBLEM_LIMIT_EXCEEDED, "/exclude");
}

static void rules_of_the_space_are_those_of_the_model(void **state)
{
    struct list_fixture *f = *state;
    uint32_t which[LIST_ITEMS_MAX];

    refuses(f, "{\"items\":[\"a\",\"b\",{\"id\":\"c\",\"features\":{\"price\":1e7}}]}",
            PROBLEM_VALUE_OUT_OF_RANGE, "/items/2/features/price");
    refuses(f, "{\"items\":[{\"id\":\"c\",\"features\":[1]}]}", PROBLEM_VALIDATION_FAILED,
            "/items/0/features/0");
    assert_int_equal(which_of(f, "{\"items\":[{\"id\":\"c\",\"features\":{\"0\":1}}]}", which), 1);
}

static void lenient_reads_past_unknown_members(void **state)
{
    static const char text[] = "{\"item\":1,\"items\":[{\"id\":\"a\",\"price\":2}],"
                               "\"user\":{\"age\":3}}";
    struct list_fixture *f = *state;
    const struct list_rules lenient = {.features = &fixture_hashed, .lenient = true};
    struct codec_score score;

    assert_true(codec_score_read(text, strlen(text), &lenient, &f->list, &score, &f->problem));
    assert_int_equal(score.n, 1);
    assert_true(
        codec_stored_list(text, strlen(text), &fixture_hashed, false, &f->list, &f->problem));
}

static void a_damaged_stored_list_is_refused(void **state)
{
    static const char *const texts[] = {"", "{", "[]", "{\"items\":1}",
                                        "{\"items\":[\"a\",\"a\"]}"};
    struct list_fixture *f = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct problem problem = {0};
        assert_false(codec_stored_list(texts[i], strlen(texts[i]), &fixture_hashed, false, &f->list,
                                       &problem));
        assert_true(problem.kind != PROBLEM_NONE);
    }
}

static void note_served(void *context, const struct codec_served *item)
{
    char *seen = context;
    const size_t used = strlen(seen);

    (void)snprintf(seen + used, 64 - used, "%s%zu=%g,%g ", item->id, item->rank,
                   (double)item->score, (double)item->ctr);
}

static void served_items_come_in_order_of_rank(void **state)
{
    static const char served[] = "[{\"id\":\"b\",\"rank\":1,\"score\":1.5},"
                                 "{\"id\":\"a\",\"rank\":2,\"score\":-3e38,\"ctr\":0.25}]";
    static const char *const damaged[] = {
        "", "{}", "[1]", "[{\"rank\":1}]", "[{\"id\":1}]", "[{\"id\":\"a\"}]"};
    char seen[64] = "";

    (void)state;
    assert_ok(codec_served_each(served, strlen(served), note_served, seen, NULL));
    assert_string_equal(seen, "b1=1.5,nan a2=-3e+38,0.25 ");
    assert_ok(codec_served_each("[]", 2, note_served, seen, NULL));
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        assert_status(codec_served_each(damaged[i], strlen(damaged[i]), note_served, seen, NULL),
                      RK_CORRUPT);
    }
    assert_string_equal(seen, "b1=1.5,nan a2=-3e+38,0.25 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIST_TEST(only_items_are_required_and_the_rest_has_defaults),
        LIST_TEST(what_is_given_is_read),
        LIST_TEST(wrong_heads_are_told_with_their_place),
        LIST_TEST(ids_and_names_have_limits),
        LIST_TEST(excluded_items_are_not_shown_and_the_rest_keep_their_order),
        LIST_TEST(a_wrong_exclude_is_told_with_its_place),
        LIST_TEST(rules_of_the_space_are_those_of_the_model),
        LIST_TEST(lenient_reads_past_unknown_members),
        LIST_TEST(a_damaged_stored_list_is_refused),
        LIST_TEST(served_items_come_in_order_of_rank),
    };
    json_start();
    return cmocka_run_group_tests_name("codec_score", tests, NULL, NULL);
}
