/*
 * The table of served models: found without a lock while they come and go.
 */
#include "learning_fixture.h"
#include "models.h"
#include "test.h"

#include <sched.h>

#define READERS 4
#define ROUNDS  300
#define SMALL   "{\"kind\":\"fm\"," LEARNING_SMALL "}"

static struct served *make_served(const char *name, size_t n_slots)
{
    struct model_config config;
    struct served *served = NULL;
    learning_config(SMALL, &config);
    assert_ok(served_create(name, &config, 0, n_slots, &served, NULL));
    return served;
}

static int setup(void **state)
{
    struct models *models = calloc(1, sizeof *models);
    assert_ok(models_init(models, READERS, NULL));
    *state = models;
    return 0;
}

static int teardown(void **state)
{
    models_deinit(*state);
    free(*state);
    return 0;
}

static void model_is_found_by_its_name_until_it_is_removed(void **state)
{
    struct models *models = *state;
    struct served *a = make_served("a", 1), *b = make_served("b", 1);
    assert_null(models_find(models_now(models), "a"));
    assert_ok(models_reserve(models, NULL));
    models_add(models, a);
    assert_ok(models_reserve(models, NULL));
    models_add(models, b);
    for (int turn = 0; turn < 2; turn++) { /* in both copies */
        const struct models_copy *copy = models_read(models, 0);
        assert_int_equal(copy->n, 2);
        assert_ptr_equal(models_find(copy, "a"), a);
        assert_ptr_equal(models_find(copy, "b"), b);
        assert_null(models_find(copy, "ab"));
        models_done(models, 0, copy);
        pair_flip(&models->pair);
    }
    models_remove(models, a);
    for (int turn = 0; turn < 2; turn++) {
        assert_null(models_find(models_now(models), "a"));
        assert_ptr_equal(models_find(models_now(models), "b"), b);
        pair_flip(&models->pair);
    }
    served_destroy(&a);
    assert_null(a);
    served_destroy(&a);
}

static void new_model_serves_version_0_idle_with_all_defaults_in_its_text(void **state)
{
    (void)state;
    struct served *served = make_served("m", 2);
    assert_string_equal(served->name, "m");
    assert_int_equal(live_version(&served->live), 0);
    assert_string_equal(served_state_text(served), "idle");
    assert_non_null(strstr(served->config_text, "\"batch_groups\":64"));
    struct model_config config;
    learning_config(served->config_text, &config);
    assert_int_equal(config.model.dim, 3);
    served_destroy(&served);
}

static void states_are_told_in_words(void **state)
{
    (void)state;
    static const char *const words[] = {"idle", "running", "paused"};
    struct served *served = make_served("m", 1);
    for (int i = MODEL_IDLE; i <= MODEL_PAUSED; i++) {
        atomic_store(&served->state, i);
        assert_string_equal(served_state_text(served), words[i]);
    }
    served_destroy(&served);
}

static void model_above_the_limit_is_refused_before_it_takes_memory(void **state)
{
    (void)state;
    struct model_config config;
    struct served *served = NULL;
    struct rk_error err = {0};
    learning_config("{\"kind\":\"fm\",\"features\":{\"bits\":28},\"dim\":256}", &config);
    assert_status(served_create("m", &config, (size_t)1 << 20, 1, &served, &err), RK_TOOBIG);
    assert_null(served);
    assert_true(err.text[0] != '\0');
}

static void name_of_full_length_is_kept_whole(void **state)
{
    (void)state;
    char name[STORE_NAME_MAX + 1];
    memset(name, 'x', STORE_NAME_MAX);
    name[STORE_NAME_MAX] = '\0';
    struct served *served = make_served(name, 1);
    assert_string_equal(served->name, name);
    served_destroy(&served);
}

/* ---- readers ---- */

struct reader {
    pthread_t thread;
    struct models *models;
    size_t slot;
    _Atomic bool *over;
    uint64_t found, wrong;
};

/* Uses a model that may be removed at any moment: until models_done it lives. */
static void *use(void *context)
{
    struct reader *reader = context;
    do {
        const struct models_copy *copy = models_read(reader->models, reader->slot);
        struct served *served = models_find(copy, "comes and goes");
        reader->wrong += models_find(copy, "stays") == NULL;
        if (served != NULL) {
            struct live_view view = live_read(&served->live, reader->slot);
            reader->wrong += view.theta[0] != 0.0F || served->config.model.dim != 3;
            live_done(&served->live, reader->slot, &view);
            reader->found++;
        }
        models_done(reader->models, reader->slot, copy);
        sched_yield(); /* lets go of the core between two reads, not in one */
    } while (!atomic_load(reader->over));
    return NULL;
}

static void model_in_use_lives_until_its_readers_are_done(void **state)
{
    struct models *models = *state;
    struct reader reader[READERS];
    _Atomic bool over = false;
    assert_ok(models_reserve(models, NULL));
    models_add(models, make_served("stays", READERS));
    for (size_t r = 0; r < READERS; r++) {
        reader[r] = (struct reader){.models = models, .slot = r, .over = &over};
        assert_int_equal(pthread_create(&reader[r].thread, NULL, use, &reader[r]), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct served *served = make_served("comes and goes", READERS);
        assert_ok(models_reserve(models, NULL));
        models_add(models, served);
        models_remove(models, served);
        served_destroy(&served);
    }
    atomic_store(&over, true);
    for (size_t r = 0; r < READERS; r++) {
        assert_int_equal(pthread_join(reader[r].thread, NULL), 0);
        assert_int_equal(reader[r].wrong, 0);
    }
}

/* Reads a description that may be replaced at any moment: until models_done it lives. */
static void *describe(void *context)
{
    struct reader *reader = context;
    do {
        const struct models_copy *copy = models_read(reader->models, reader->slot);
        const struct served *served = models_find(copy, "m");
        const char *text = served->config_text;
        reader->wrong += strstr(text, "\"batch_groups\":") == NULL ||
                         text[strlen(text) - 1] != '}' || served->config.model.dim != 3;
        reader->found += !served->enabled;
        models_done(reader->models, reader->slot, copy);
        sched_yield();
    } while (!atomic_load(reader->over));
    return NULL;
}

static void configuration_changes_under_readers_who_see_one_or_the_other_whole(void **state)
{
    struct models *models = *state;
    struct served *served = make_served("m", READERS);
    struct reader reader[READERS];
    struct model_config config;
    _Atomic bool over = false;
    model_config_copy(&config, &served->config);
    assert_ok(models_reserve(models, NULL));
    models_add(models, served);
    for (size_t r = 0; r < READERS; r++) {
        reader[r] = (struct reader){.models = models, .slot = r, .over = &over};
        assert_int_equal(pthread_create(&reader[r].thread, NULL, describe, &reader[r]), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct emit text = {0};
        config.training.batch_groups = round + 1;
        config.training.enabled = round % 2 == 0;
        model_config_write(&config, &text);
        models_configure(models, served, &config, emit_take(&text, &(size_t){0}));
    }
    atomic_store(&over, true);
    for (size_t r = 0; r < READERS; r++) {
        assert_int_equal(pthread_join(reader[r].thread, NULL), 0);
        assert_int_equal(reader[r].wrong, 0);
    }
    assert_int_equal(served->config.training.batch_groups, ROUNDS);
}

#define MODELS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MODELS_TEST(model_is_found_by_its_name_until_it_is_removed),
        cmocka_unit_test(new_model_serves_version_0_idle_with_all_defaults_in_its_text),
        cmocka_unit_test(states_are_told_in_words),
        cmocka_unit_test(model_above_the_limit_is_refused_before_it_takes_memory),
        cmocka_unit_test(name_of_full_length_is_kept_whole),
        MODELS_TEST(model_in_use_lives_until_its_readers_are_done),
        MODELS_TEST(configuration_changes_under_readers_who_see_one_or_the_other_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
