/*
 * Groups from lists and stored features: the request wins key by key, one catalogue serves both
 * kinds of space, and what goes where.
 */
#include "assemble.h"
#include "codec.h"
#include "list_fixture.h"
#include "test.h"

#include <rankd/random.h>
#include <time.h>

#define LABELLED true

/* What is stored for ids, one entry each; features == NULL ends. */
struct stored {
    enum rk_side side;
    const char *id;
    const char *features;
    struct catalogue_entry *entry;
};

static enum rk_status find_stored(void *context, enum rk_side side,
                                  const struct list_entity *entity,
                                  const struct rk_feature **features, size_t *n,
                                  struct rk_error *err)
{
    *features = NULL;
    *n = 0;
    for (struct stored *s = context; s != NULL && s->features != NULL; s++) {
        if (s->side == side && strcmp(s->id, entity->id) == 0) {
            if (strcmp(s->features, "broken") == 0) {
                return rk_fail(err, RK_IO, "cannot read");
            }
            free(s->entry);
            assert_ok(codec_entry_parse(side, s->id, s->features, &s->entry, NULL));
            *features = s->entry->feature;
            *n = s->entry->n;
        }
    }
    return RK_OK;
}

static void end_stored(struct stored *stored)
{
    for (; stored != NULL && stored->features != NULL; stored++) {
        free(stored->entry);
        stored->entry = NULL;
    }
}

static struct rk_model_config hashed_config(void)
{
    struct rk_model_config config;

    assert_ok(rk_model_default("fm", &config, NULL));
    config.use_ids = false;
    return config;
}

static struct rk_model_config indexed_config(void)
{
    struct rk_model_config config = hashed_config();

    config.features = fixture_indexed;
    return config;
}

/* The key of an id in the default tables: 1 + the low 16 bits of its hash. */
static uint64_t key_of(enum rk_side side, const char *id)
{
    return 1 + (list_id_hash(side, id, strlen(id)) & 0xffff);
}

/* The labelled group of a text with what is stored, all items in order; destroy it. */
static struct rk_group *group_of(struct list_fixture *f, const struct rk_model_config *config,
                                 struct stored *stored, const char *text)
{
    const struct assemble_source source = {.find = find_stored, .context = stored};
    struct rk_group_builder builder = {0};
    struct rk_group view, *group;
    uint32_t which[LIST_ITEMS_MAX];
    struct rk_error err = {0};
    size_t where;

    fixture_must_read(f, &config->features, text);
    for (size_t i = 0; i < f->list.n_items; i++) {
        which[i] = (uint32_t)i;
    }
    if (assemble_group(&f->list, config, &source, which, f->list.n_items, LABELLED, &builder, &view,
                       &where, &err) != RK_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    assert_ok(rk_group_copy(&view, &group, NULL));
    rk_group_builder_deinit(&builder);
    end_stored(stored);
    return group;
}

/* A text with something stored must give the group of another text with nothing stored. */
static void same_as(struct list_fixture *f, const struct rk_model_config *config,
                    struct stored *stored, const char *text, const char *whole)
{
    struct rk_group *group = group_of(f, config, stored, text);
    struct rk_group *expected = group_of(f, config, NULL, whole);

    fixture_assert_groups(group, expected);
    rk_group_destroy(&group);
    rk_group_destroy(&expected);
}

/* ---- key by key ---- */

static void the_request_wins_key_by_key(void **state)
{
    const struct rk_model_config config = hashed_config();
    struct stored stored[] = {
        {RK_ITEM, "a", "{\"price\":9,\"tags\":[\"x\",\"y\"],\"brand\":\"acme\",\"new\":true}",
         NULL},
        {RK_USER, "u", "{\"age\":30,\"city\":\"Rome\"}", NULL},
        {0}};

    same_as(*state, &config, stored,
            "{\"user\":{\"id\":\"u\",\"features\":{\"age\":31}},\"items\":[\"b\",{\"id\":\"a\","
            "\"features\":{\"tags\":[\"z\"],\"price\":1,\"new\":null,\"own\":2}}]}",
            "{\"user\":{\"id\":\"u\",\"features\":{\"age\":31,\"city\":\"Rome\"}},\"items\":[\"b\","
            "{\"id\":\"a\",\"features\":{\"tags\":[\"z\"],\"price\":1,\"new\":true,\"own\":2,"
            "\"brand\":\"acme\"}}]}");
}

static void a_bare_id_gets_what_is_stored(void **state)
{
    const struct rk_model_config config = hashed_config();
    struct stored stored[] = {{RK_ITEM, "a", "{\"price\":9,\"w\":{\"p\":0.5}}", NULL},
                              {RK_USER, "u", "{\"age\":30}", NULL},
                              {0}};

    same_as(*state, &config, stored, "{\"user\":{\"id\":\"u\"},\"items\":[\"a\"]}",
            "{\"user\":{\"id\":\"u\",\"features\":{\"age\":30}},\"items\":[{\"id\":\"a\","
            "\"features\":{\"price\":9,\"w\":{\"p\":0.5}}}]}");
}

static void a_key_given_empty_or_zero_hides_the_stored_one(void **state)
{
    static const char *const own[] = {"{\"tags\":[]}", "{\"tags\":{}}", "{\"tags\":false}",
                                      "{\"tags\":{\"x\":0}}"};
    const struct rk_model_config config = hashed_config();
    struct stored stored[] = {{RK_ITEM, "a", "{\"tags\":[\"x\",\"y\"]}", NULL}, {0}};
    char text[96];

    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        (void)snprintf(text, sizeof text, "{\"items\":[{\"id\":\"a\",\"features\":%s}]}", own[i]);
        same_as(*state, &config, stored, text, "{\"items\":[\"a\"]}");
    }
}

/* Draws features n0 ... n9 of several kinds; those drawn for `own` hide those of `stored`. */
static void draw_features(struct rk_random *random, struct emit *own, struct emit *stored,
                          struct emit *whole)
{
    static const char *const values[] = {"1.5", "\"acme\"", "true", "[\"x\",\"y\"]",
                                         "{\"p\":0.25,\"q\":-1}"};

    for (int k = 0; k < 10; k++) {
        char key[16];
        const char *mine = values[rk_random_below(random, 5)];
        const char *theirs = values[rk_random_below(random, 5)];
        const uint32_t in = rk_random_below(random, 4);
        (void)snprintf(key, sizeof key, "n%d", k);
        if ((in & 1) != 0) {
            emit_key(own, key);
            emit_json(own, mine, strlen(mine));
        }
        if ((in & 2) != 0) {
            emit_key(stored, key);
            emit_json(stored, theirs, strlen(theirs));
        }
        if (in != 0) {
            emit_key(whole, key);
            emit_json(whole, (in & 1) != 0 ? mine : theirs, strlen((in & 1) != 0 ? mine : theirs));
        }
    }
}

static void random_features_merge_as_their_objects_do(void **state)
{
    const struct rk_model_config config = hashed_config();
    struct rk_random random = {7};

    print_message("seed 7\n");
    for (int round = 0; round < 200; round++) {
        struct emit own = {0}, stored = {0}, whole = {0};
        struct stored table[] = {{RK_ITEM, "a", NULL, NULL}, {0}};
        emit_format(&own, "{\"items\":[{\"id\":\"a\",\"features\":{");
        emit_format(&stored, "{");
        emit_format(&whole, "{\"items\":[{\"id\":\"a\",\"features\":{");
        draw_features(&random, &own, &stored, &whole);
        emit_format(&own, "}}]}");
        emit_format(&stored, "}");
        emit_format(&whole, "}}]}");
        table[0].features = stored.text;
        same_as(*state, &config, table, own.text, whole.text);
        emit_deinit(&own);
        emit_deinit(&stored);
        emit_deinit(&whole);
    }
}

static void the_order_of_features_does_not_matter(void **state)
{
    const struct rk_model_config config = hashed_config();
    struct stored stored[] = {{RK_ITEM, "a", "{\"z\":1,\"y\":\"b\"}", NULL}, {0}};

    same_as(*state, &config, stored,
            "{\"items\":[{\"id\":\"a\",\"features\":{\"p\":1,\"q\":[\"x\",\"y\"],\"y\":\"c\"}}]}",
            "{\"items\":[{\"id\":\"a\",\"features\":{\"y\":\"c\",\"q\":[\"y\",\"x\"],\"z\":1,"
            "\"p\":1}}]}");
}

static void sides_look_up_their_own_and_context_nothing(void **state)
{
    const struct rk_model_config config = hashed_config();
    struct stored stored[] = {{RK_ITEM, "x", "{\"as\":\"item\"}", NULL},
                              {RK_USER, "x", "{\"as\":\"user\"}", NULL},
                              {RK_CONTEXT, "x", "{\"as\":\"context\"}", NULL},
                              {0}};

    same_as(*state, &config, stored,
            "{\"user\":{\"id\":\"x\"},\"context\":{\"id\":\"x\"},\"items\":[\"x\"]}",
            "{\"user\":{\"id\":\"x\",\"features\":{\"as\":\"user\"}},\"context\":{\"id\":\"x\"},"
            "\"items\":[{\"id\":\"x\",\"features\":{\"as\":\"item\"}}]}");
}

/* ---- spaces ---- */

static void one_catalogue_serves_hashed_and_indexed_models(void **state)
{
    const struct rk_model_config hashed = hashed_config(), indexed = indexed_config();
    struct stored named[] = {
        {RK_ITEM, "a", "{\"7\":0.5,\"brand\":\"acme\",\"3\":true,\"p\":2}", NULL}, {0}};
    struct stored dense[] = {{RK_ITEM, "a", "[1,0,2]", NULL}, {0}};
    struct stored sparse[] = {{RK_ITEM, "a", "{\"indices\":[9,1],\"values\":[3,4]}", NULL}, {0}};

    same_as(*state, &hashed, named, "{\"items\":[\"a\"]}",
            "{\"items\":[{\"id\":\"a\",\"features\":{\"7\":0.5,\"brand\":\"acme\",\"3\":true,"
            "\"p\":2}}]}");
    same_as(*state, &indexed, named, "{\"items\":[\"a\"]}",
            "{\"items\":[{\"id\":\"a\",\"features\":{\"3\":1,\"7\":0.5}}]}");
    same_as(*state, &hashed, dense, "{\"items\":[\"a\"]}", "{\"items\":[\"a\"]}");
    same_as(*state, &hashed, sparse, "{\"items\":[\"a\"]}", "{\"items\":[\"a\"]}");
    same_as(*state, &indexed, sparse, "{\"items\":[\"a\"]}",
            "{\"items\":[{\"id\":\"a\",\"features\":[0,4,0,0,0,0,0,0,0,3]}]}");
}

/* Names differ here, for stored columns may be bare: groups are compared by row and value. */
static void a_column_is_one_key_however_it_is_written(void **state)
{
    static const char *const own[] = {"{\"1\":5}", "[0,5]", "{\"indices\":[1,0],\"values\":[5,0]}"};
    static const char *const theirs[] = {"{\"1\":7,\"2\":3}", "[0,7,3]",
                                         "{\"indices\":[2,1],\"values\":[3,7]}"};
    const struct rk_model_config config = indexed_config();
    struct stored stored[] = {{RK_ITEM, "a", NULL, NULL}, {0}};
    char text[128];

    for (size_t i = 0; i < 9; i++) {
        struct rk_group *group;
        stored[0].features = theirs[i % 3];
        (void)snprintf(text, sizeof text, "{\"items\":[{\"id\":\"a\",\"features\":%s}]}",
                       own[i / 3]);
        group = group_of(*state, &config, stored, text);
        assert_int_equal(group->offset[2], 2);
        assert_true(group->index[0] == 1 && group->value[0] == 5);
        assert_true(group->index[1] == 2 && group->value[1] == 3);
        rk_group_destroy(&group);
    }
}

static void a_stored_column_outside_the_space_names_its_item_or_the_user(void **state)
{
    struct list_fixture *f = *state;
    const struct rk_model_config config = indexed_config();
    struct stored stored[] = {
        {RK_ITEM, "b", "{\"10\":1}", NULL}, {RK_USER, "u", "[0,0,0,0,0,0,0,0,0,0,1]", NULL}, {0}};
    const struct assemble_source source = {.find = find_stored, .context = stored};
    static const uint32_t which[] = {2, 0, 1};
    struct rk_group_builder builder = {0};
    struct rk_group group;
    size_t where = 0;

    fixture_must_read(f, &config.features, "{\"items\":[\"a\",\"b\",\"c\"]}");
    assert_status(
        assemble_group(&f->list, &config, &source, which, 3, false, &builder, &group, &where, NULL),
        RK_MISMATCH);
    assert_int_equal(where, 1);
    fixture_must_read(f, &config.features, "{\"user\":{\"id\":\"u\"},\"items\":[\"a\"]}");
    assert_status(
        assemble_group(&f->list, &config, &source, which, 0, false, &builder, &group, &where, NULL),
        RK_MISMATCH);
    assert_true(where == SIZE_MAX);
    rk_group_builder_deinit(&builder);
    end_stored(stored);
}

static void a_source_that_fails_fails_the_group(void **state)
{
    struct list_fixture *f = *state;
    const struct rk_model_config config = hashed_config();
    struct stored stored[] = {{RK_ITEM, "a", "broken", NULL}, {0}};
    const struct assemble_source source = {.find = find_stored, .context = stored};
    static const uint32_t which[] = {0};
    struct rk_group_builder builder = {0};
    struct rk_group group;
    struct rk_error err = {0};
    size_t where;

    fixture_must_read(f, &config.features, "{\"items\":[\"a\"]}");
    assert_status(
        assemble_group(&f->list, &config, &source, which, 1, false, &builder, &group, &where, &err),
        RK_IO);
    assert_string_equal(err.text, "cannot read");
    rk_group_builder_deinit(&builder);
}

/* Every pair of 65,536 own and as many stored columns would take seconds. */
static void wide_items_are_laid_over_stored_ones_without_trying_every_pair(void **state)
{
    struct list_fixture *f = *state;
    struct rk_model_config config = indexed_config();
    struct emit text = {0};
    struct stored stored[] = {{RK_ITEM, "a", NULL, NULL}, {0}};
    struct rk_group *group;
    clock_t start;

    config.features.size = 200000;
    emit_format(&text, "{\"items\":[{\"id\":\"a\",\"features\":{\"indices\":[");
    for (int i = 0; i < LIST_COLUMNS_MAX; i++) {
        emit_format(&text, "%s%d", i > 0 ? "," : "", 199999 - i);
    }
    emit_format(&text, "],\"values\":%s}}]}", fixture_pattern(f, "[", LIST_COLUMNS_MAX, "1", "]"));
    stored[0].features = fixture_pattern(f, "[", LIST_COLUMNS_MAX, "2", "]");
    start = clock();
    group = group_of(f, &config, stored, text.text);
    assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
    assert_int_equal(group->offset[2], 2 * LIST_COLUMNS_MAX);
    rk_group_destroy(&group);
    emit_deinit(&text);
}

/* ---- what goes where ---- */

static void ids_are_features_of_hashed_models_that_use_them(void **state)
{
    static const char text[] = "{\"user\":{\"id\":\"u\"},\"items\":[\"a\",\"b\"]}";
    struct rk_model_config config = hashed_config();
    struct rk_group *group;

    config.use_ids = true;
    group = group_of(*state, &config, NULL, text);
    assert_int_equal(group->offset[3], 3);
    assert_true(group->name[0] == rk_feature_name(RK_USER, "id", 2));
    assert_true(group->name[1] == rk_feature_name(RK_ITEM, "id", 2));
    assert_true(group->index[2] == (uint32_t)(list_id_hash(RK_ITEM, "b", 1) & ((1 << 18) - 1)));
    rk_group_destroy(&group);
    config.use_ids = false;
    group = group_of(*state, &config, NULL, text);
    assert_int_equal(group->offset[3], 0);
    rk_group_destroy(&group);
    config = indexed_config();
    config.use_ids = true;
    group = group_of(*state, &config, NULL, text);
    assert_int_equal(group->offset[3], 0);
    assert_true(group->id[0] == key_of(RK_USER, "u"));
    assert_true(group->id[2] == key_of(RK_ITEM, "b"));
    rk_group_destroy(&group);
}

static void ids_of_indexed_tables_are_row_numbers_and_others_are_refused(void **state)
{
    static const char *const bad[] = {"x", "7", "-1", "01"};
    struct rk_model_config config = hashed_config();
    struct list_fixture *f = *state;
    const struct assemble_source source = {.find = find_stored};
    struct rk_group_builder builder = {0};
    struct rk_group *group, view;
    size_t where;
    char text[128];

    config.items = (struct rk_space){.kind = RK_INDEXED, .size = 7};
    group = group_of(f, &config, NULL, "{\"user\":{\"id\":\"u\"},\"items\":[\"6\",\"0\"]}");
    assert_true(group->id[0] == key_of(RK_USER, "u"));
    assert_true(group->id[1] == 7 && group->id[2] == 1);
    rk_group_destroy(&group);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(text, sizeof text, "{\"items\":[\"0\",\"%s\"]}", bad[i]);
        assert_true(fixture_read_labelled(f, text));
        assert_status(assemble_group(&f->list, &config, &source, (uint32_t[]){0, 1}, 2, true,
                                     &builder, &view, &where, NULL),
                      RK_MISMATCH);
        assert_int_equal(where, 1);
    }
    rk_group_builder_deinit(&builder);
}

static void user_and_context_share_row_zero(void **state)
{
    const struct rk_model_config config = indexed_config();
    struct rk_group *group = group_of(*state, &config, NULL,
                                      "{\"user\":{\"features\":{\"1\":2}},\"context\":[0,3,4],"
                                      "\"items\":[{\"id\":\"a\",\"features\":{\"1\":5}}]}");

    assert_true(group->id[0] == 0);
    assert_true(group->offset[1] == 2 && group->offset[2] == 3);
    assert_true(group->index[0] == 1 && group->value[0] == 5); /* 2 + 3 */
    assert_true(group->index[1] == 2 && group->value[1] == 4);
    assert_true(group->index[2] == 1 && group->value[2] == 5);
    rk_group_destroy(&group);
}

static void the_chosen_items_come_in_the_order_asked_for(void **state)
{
    static const uint32_t which[] = {3, 1};
    struct list_fixture *f = *state;
    const struct rk_model_config config = hashed_config();
    const struct assemble_source source = {.find = find_stored};
    struct rk_group_builder builder = {0};
    struct rk_group group;
    size_t where;

    assert_true(fixture_read_labelled(f, "{\"items\":[\"a\",{\"id\":\"b\",\"label\":2,\"weight\":3,"
                                         "\"teacher\":4},\"c\",\"d\"]}"));
    assert_ok(
        assemble_group(&f->list, &config, &source, which, 2, true, &builder, &group, &where, NULL));
    assert_int_equal(group.n_items, 2);
    assert_true(group.id[1] == key_of(RK_ITEM, "d"));
    assert_true(group.id[2] == key_of(RK_ITEM, "b"));
    assert_true(group.label[0] == 0 && group.weight[0] == 1 && group.teacher[0] == 0);
    assert_true(group.label[1] == 2 && group.weight[1] == 3 && group.teacher[1] == 4);
    assert_ok(assemble_group(&f->list, &config, &source, which, 0, false, &builder, &group, &where,
                             NULL));
    assert_true(group.n_items == 0 && group.label == NULL && group.weight == NULL);
    rk_group_builder_deinit(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIST_TEST(the_request_wins_key_by_key),
        LIST_TEST(a_bare_id_gets_what_is_stored),
        LIST_TEST(a_key_given_empty_or_zero_hides_the_stored_one),
        LIST_TEST(random_features_merge_as_their_objects_do),
        LIST_TEST(the_order_of_features_does_not_matter),
        LIST_TEST(sides_look_up_their_own_and_context_nothing),
        LIST_TEST(one_catalogue_serves_hashed_and_indexed_models),
        LIST_TEST(a_column_is_one_key_however_it_is_written),
        LIST_TEST(a_stored_column_outside_the_space_names_its_item_or_the_user),
        LIST_TEST(a_source_that_fails_fails_the_group),
        LIST_TEST(wide_items_are_laid_over_stored_ones_without_trying_every_pair),
        LIST_TEST(ids_are_features_of_hashed_models_that_use_them),
        LIST_TEST(ids_of_indexed_tables_are_row_numbers_and_others_are_refused),
        LIST_TEST(user_and_context_share_row_zero),
        LIST_TEST(the_chosen_items_come_in_the_order_asked_for),
    };
    json_start();
    return cmocka_run_group_tests_name("assemble", tests, NULL, NULL);
}
