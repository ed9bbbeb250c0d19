/*
 * What a model was made with and what that was changed to, in the store.
 */
#include "store_fixture.h"
#include "store_registry.h"
#include "test.h"

#include <stdlib.h>

static int64_t put_model(struct store *store, const char *name, char *config)
{
    struct store_model model = {.config = config};
    (void)snprintf(model.name, sizeof model.name, "%s", name);
    assert_ok(store_put_model(store, &model, NULL));
    return model.id;
}

static void configurations_are_listed_from_the_first_on_up_to_a_log_position(void **state)
{
    struct store_fixture *fixture = *state;
    char first[] = "{\"a\":1}", other[] = "{}";
    const int64_t model = put_model(fixture->store, "m", first),
                  another = put_model(fixture->store, "n", other);
    struct store_config *rows = NULL;
    int64_t seq[2], end;
    size_t n = 0;
    assert_ok(store_put_config(fixture->store, model, "{\"a\":2}", 5, &seq[0], NULL));
    assert_ok(store_put_config(fixture->store, another, "{\"b\":2}", 5, &end, NULL));
    assert_ok(store_put_config(fixture->store, model, "{\"a\":3}", 5, &seq[1], NULL));
    assert_int_equal(seq[1], fixture_log_end(fixture->store));
    fixture_reopen(fixture);
    for (size_t upto = 0; upto < 3; upto++) {
        const int64_t position = upto < 2 ? seq[upto] - 1 : INT64_MAX;
        assert_ok(store_list_configs(fixture->store, model, position, &rows, &n, NULL));
        assert_int_equal(n, 1 + upto);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(rows[i].seq, i == 0 ? 0 : seq[i - 1]);
            assert_int_equal(rows[i].text[5], '1' + (int)i);
            free(rows[i].text);
        }
        free(rows);
    }
}

static void model_that_never_was_has_no_configurations(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_config *rows = NULL;
    size_t n = 0;
    assert_status(store_list_configs(fixture->store, 7, INT64_MAX, &rows, &n, NULL), RK_NOTFOUND);
    assert_null(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(configurations_are_listed_from_the_first_on_up_to_a_log_position),
        TEST(model_that_never_was_has_no_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
