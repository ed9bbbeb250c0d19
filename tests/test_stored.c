/*
 * Features of the catalogue as of a log position.
 */
#include "learning_fixture.h"
#include "stored.h"
#include "test.h"

/* The value of the first stored number of an id as of seq; -1: none is stored. */
static float value_at(struct learning *l, enum rk_side side, const char *id, int64_t seq)
{
    struct stored stored = {.store = l->reader, .seq = seq};
    const struct assemble_source source = stored_source(&stored);
    const struct list_entity entity = {.id = id, .id_n = strlen(id)};
    const struct rk_feature *features = NULL;
    size_t n = 17;
    assert_ok(source.find(source.context, side, &entity, &features, &n, NULL));
    const float value = n > 0 ? features[0].value : -1;
    stored_deinit(&stored);
    return value;
}

static void features_are_those_of_the_revision_at_a_log_position(void **state)
{
    struct learning *l = *state;
    const int64_t first = learning_features(l, STORE_ITEM, "a", "{\"price\":1}");
    const int64_t second = learning_features(l, STORE_ITEM, "a", "{\"price\":2}");
    const int64_t deleted = learning_features(l, STORE_ITEM, "a", NULL);
    assert_true(value_at(l, RK_ITEM, "a", 0) == -1);
    assert_true(value_at(l, RK_ITEM, "a", first) == 1);
    assert_true(value_at(l, RK_ITEM, "a", second) == 2);
    assert_true(value_at(l, RK_ITEM, "a", deleted) == -1);
    assert_true(value_at(l, RK_ITEM, "b", second) == -1);
    assert_true(value_at(l, RK_USER, "a", second) == -1);
}

static void users_have_features_of_their_own(void **state)
{
    struct learning *l = *state;
    (void)learning_features(l, STORE_ITEM, "a", "{\"age\":1}");
    const int64_t seq = learning_features(l, STORE_USER, "a", "{\"age\":2}");
    assert_true(value_at(l, RK_USER, "a", seq) == 2);
    assert_true(value_at(l, RK_ITEM, "a", seq) == 1);
}

static void without_a_store_nothing_is_stored(void **state)
{
    struct stored stored = {.seq = 5};
    const struct assemble_source source = stored_source(&stored);
    const struct list_entity entity = {.id = "a", .id_n = 1};
    const struct rk_feature *features;
    size_t n = 17;
    (void)state;
    assert_ok(source.find(source.context, RK_ITEM, &entity, &features, &n, NULL));
    assert_int_equal(n, 0);
    stored_deinit(&stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(features_are_those_of_the_revision_at_a_log_position),
        LEARNING_TEST(users_have_features_of_their_own),
        cmocka_unit_test(without_a_store_nothing_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
