/*
 * Batches and stored features: heads, places, limits, and that what is stored reads back as the
 * same group.
 */
#include "assemble.h"
#include "codec.h"
#include "list_fixture.h"
#include "test.h"

struct read_batch {
    struct codec_batch batch;
    struct list list;
    struct problem problem;
    int64_t items;
};

static bool read_batch(struct read_batch *b, const char *text, bool ndjson, bool lenient)
{
    const struct list_rules rules = {
        .features = &fixture_hashed, .labelled = true, .lenient = lenient};

    *b = (struct read_batch){0};
    return codec_batch_open(text, strlen(text), ndjson, NULL, NULL, lenient, &b->batch,
                            &b->problem) &&
           codec_batch_groups(&b->batch, &rules, &b->list, &b->items, &b->problem);
}

static void end_batch(struct read_batch *b)
{
    codec_batch_close(&b->batch);
    list_deinit(&b->list);
}

static void must_read(struct read_batch *b, const char *text, bool ndjson)
{
    if (!read_batch(b, text, ndjson, false)) {
        fail_msg("%.80s: %s at \"%s\"", text, b->problem.detail, b->problem.pointer);
    }
}

static void refuses(const char *text, bool ndjson, enum problem_kind kind, const char *pointer)
{
    struct read_batch b;

    assert_false(read_batch(&b, text, ndjson, false));
    fixture_assert_problem(text, &b.problem, kind, pointer);
    end_batch(&b);
}

/* ---- batches ---- */

static void a_batch_in_one_body_and_a_group_a_line_are_the_same(void **state)
{
    static const char *const texts[] = {
        "{\"groups\":[{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]},{\"items\":[]}]}",
        "{\"items\": [ {\"id\":\"a\",\"label\":1}, \"b\"]}\n\n{\"items\":[]}\r\n"};

    (void)state;
    for (int ndjson = 0; ndjson < 2; ndjson++) {
        struct read_batch b;
        must_read(&b, texts[ndjson], ndjson == 1);
        assert_string_equal(b.batch.model, "default");
        assert_null(b.batch.batch_id);
        assert_true(b.batch.n == 2 && b.items == 2);
        assert_string_equal(b.batch.payload[0], "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}");
        assert_int_equal(b.batch.payload_n[0], strlen(b.batch.payload[0]));
        assert_string_equal(b.batch.payload[1], "{\"items\":[]}");
        end_batch(&b);
    }
}

static void no_groups_are_a_batch(void **state)
{
    struct read_batch b;

    (void)state;
    must_read(&b, "{\"groups\":[]}", false);
    assert_true(b.batch.n == 0 && b.items == 0);
    end_batch(&b);
    must_read(&b, "", true);
    assert_true(b.batch.n == 0 && b.items == 0);
    end_batch(&b);
    assert_true(codec_batch_open(NULL, 0, true, NULL, NULL, false, &b.batch, &b.problem));
    assert_true(codec_batch_groups(&b.batch, &(struct list_rules){.labelled = true}, &b.list,
                                   &b.items, &b.problem));
    end_batch(&b);
}

static void model_and_id_come_from_the_body_or_as_given(void **state)
{
    struct read_batch b;

    (void)state;
    must_read(&b, "{\"model\":\"m\",\"batch_id\":\"b-1\",\"groups\":[]}", false);
    assert_string_equal(b.batch.model, "m");
    assert_string_equal(b.batch.batch_id, "b-1");
    end_batch(&b);
    b = (struct read_batch){0};
    assert_true(codec_batch_open("", 0, true, "m2", "b-2", false, &b.batch, &b.problem));
    assert_string_equal(b.batch.model, "m2");
    assert_string_equal(b.batch.batch_id, "b-2");
    end_batch(&b);
}

static void heads_have_limits(void **state)
{
    struct list_fixture *f = *state;
    struct read_batch b;

    must_read(&b, fixture_letters(f, "{\"groups\":[],\"batch_id\":\"", 128, "\"}"), false);
    end_batch(&b);
    refuses(fixture_letters(f, "{\"groups\":[],\"batch_id\":\"", 129, "\"}"), false,
            PROBLEM_LIMIT_EXCEEDED, "/batch_id");
    refuses(fixture_letters(f, "{\"groups\":[],\"model\":\"", 65, "\"}"), false,
            PROBLEM_LIMIT_EXCEEDED, "/model");
    refuses("{\"groups\":[],\"batch_id\":\"\"}", false, PROBLEM_VALIDATION_FAILED, "/batch_id");
    for (size_t n = 127; n <= 129; n++) {
        b = (struct read_batch){0};
        assert_true(codec_batch_open("", 0, true, NULL, fixture_letters(f, "", n, ""), false,
                                     &b.batch, &b.problem) == (n <= 128));
        end_batch(&b);
    }
    b = (struct read_batch){0};
    assert_false(codec_batch_open("", 0, true, NULL, "", false, &b.batch, &b.problem));
    assert_int_equal(b.problem.kind, PROBLEM_VALIDATION_FAILED);
    end_batch(&b);
}

static void a_wrong_group_is_told_with_its_place(void **state)
{
    static const struct {
        const char *group, *pointer;
        enum problem_kind kind;
    } bad[] = {
        {"[]", "", PROBLEM_VALIDATION_FAILED},
        {"{}", "", PROBLEM_VALIDATION_FAILED},
        {"{\"items\":[{\"id\":\"a\",\"label\":32}]}", "/items/0/label", PROBLEM_VALUE_OUT_OF_RANGE},
        {"{\"items\":[\"a\",\"a\"]}", "/items/1", PROBLEM_DUPLICATE_ITEM},
        {"{\"items\":[],\"exclude\":[]}", "/exclude", PROBLEM_UNKNOWN_FIELD},
        {"{\"items\":[],\"user\":{\"age\":1}}", "/user/age", PROBLEM_UNKNOWN_FIELD},
    };
    char text[256], pointer[64];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(text, sizeof text, "{\"groups\":[{\"items\":[]},%s]}", bad[i].group);
        (void)snprintf(pointer, sizeof pointer, "/groups/1%s", bad[i].pointer);
        refuses(text, false, bad[i].kind, pointer);
        (void)snprintf(text, sizeof text, "{\"items\":[]}\n%s\n", bad[i].group);
        (void)snprintf(pointer, sizeof pointer, "/1%s", bad[i].pointer);
        refuses(text, true, bad[i].kind, pointer);
    }
    refuses("{\"items\":[]}\n{\"items\":", true, PROBLEM_INVALID_JSON, "/1");
    refuses("{}", false, PROBLEM_VALIDATION_FAILED, "");
    refuses("{\"groups\":{}}", false, PROBLEM_VALIDATION_FAILED, "/groups");
    refuses("{\"groups\":[],\"lists\":[]}", false, PROBLEM_UNKNOWN_FIELD, "/lists");
}

static void lenient_keeps_unknown_members_and_stored_lists_read_past_them(void **state)
{
    static const char text[] =
        "{\"x\":1,\"groups\":[{\"y\":2,\"items\":[{\"id\":\"a\",\"z\":3}]}]}";
    struct list_fixture *f = *state;
    struct read_batch b;

    assert_true(read_batch(&b, text, false, true));
    assert_string_equal(b.batch.payload[0], "{\"y\":2,\"items\":[{\"id\":\"a\",\"z\":3}]}");
    assert_true(codec_stored_list(b.batch.payload[0], b.batch.payload_n[0], &fixture_hashed, true,
                                  &f->list, &f->problem));
    end_batch(&b);
}

static void a_thousand_groups_are_taken_and_one_more_is_not(void **state)
{
    struct list_fixture *f = *state;
    struct read_batch b;

    must_read(&b, fixture_pattern(f, "{\"groups\":[", 1000, "{\"items\":[\"#\"]}", "]}"), false);
    assert_true(b.batch.n == 1000 && b.items == 1000);
    end_batch(&b);
    refuses(fixture_pattern(f, "{\"groups\":[", 1001, "{\"items\":[\"#\"]}", "]}"), false,
            PROBLEM_LIMIT_EXCEEDED, "/groups");
    for (size_t n = 1000; n <= 1001; n++) {
        emit_reset(&f->text);
        for (size_t i = 0; i < n; i++) {
            emit_format(&f->text, "{\"items\":[\"%zu\"]}\n", i);
        }
        assert_true(read_batch(&b, f->text.text, true, false) == (n == 1000));
        assert_true(n == 1000 ? b.batch.n == n : b.problem.kind == PROBLEM_LIMIT_EXCEEDED);
        end_batch(&b);
    }
}

/* ---- round trip ---- */

static enum rk_status find_nothing(void *context, enum rk_side side,
                                   const struct list_entity *entity,
                                   const struct rk_feature **features, size_t *n,
                                   struct rk_error *err)
{
    (void)context;
    (void)side;
    (void)entity;
    (void)err;
    *features = NULL;
    *n = 0;
    return RK_OK;
}

static struct rk_group *group_of(struct list *list)
{
    const struct assemble_source source = {.find = find_nothing};
    struct rk_model_config config;
    struct rk_group_builder builder = {0};
    struct rk_group view, *group;
    uint32_t which[LIST_ITEMS_MAX];
    size_t where;

    assert_ok(rk_model_default("fm", &config, NULL));
    for (size_t i = 0; i < list->n_items; i++) {
        which[i] = (uint32_t)i;
    }
    assert_ok(assemble_group(list, &config, &source, which, list->n_items, true, &builder, &view,
                             &where, NULL));
    assert_ok(rk_group_copy(&view, &group, NULL));
    rk_group_builder_deinit(&builder);
    return group;
}

static void a_stored_payload_reads_back_as_the_same_group(void **state)
{
    static const char text[] =
        "{\"user\" : {\"id\":\"\\u00fc\\\"1\", \"features\":{\"age\":31.10, \"x\":1e-7}},\n"
        " \"context\": {\"hour\":0.1, \"tiny\":1e-300, \"minus\":-0.0, \"big\":999999.9999},\n"
        " \"items\": [{\"id\":\"a\\n\", \"features\":{\"price\":3.3333333333333335,\n"
        "  \"t\":[\"\\u20ac\",\"\"], \"w\":{\"p\":0.30000000000000004}, \"f\":true, \"n\":null},\n"
        "  \"label\":2.7, \"weight\":0.1}, \"b\", {\"id\":\"c\",\"label\":31}]}";
    struct list_fixture *f = *state;
    struct emit body = {0};
    struct rk_group *direct, *stored;
    struct read_batch b;

    assert_true(fixture_read_labelled(f, text));
    direct = group_of(&f->list);
    emit_format(&body, "{\"groups\":[%s]}", text);
    must_read(&b, body.text, false);
    assert_true(codec_stored_list(b.batch.payload[0], b.batch.payload_n[0], &fixture_hashed, true,
                                  &f->list, &f->problem));
    stored = group_of(&f->list);
    assert_true(direct->offset[direct->n_items + 1] > 10);
    fixture_assert_groups(stored, direct);
    rk_group_destroy(&direct);
    rk_group_destroy(&stored);
    end_batch(&b);
    emit_deinit(&body);
}

/* 1 MiB of "0," takes over 16 times as much: what one budget let in, another must not keep out. */
static void a_large_list_that_was_taken_can_be_read_again(void **state)
{
    static const struct rk_space space = {.kind = RK_INDEXED, .size = 4096};
    const struct list_rules rules = {.features = &space, .labelled = true};
    struct list_fixture *f = *state;
    struct emit text = {0};
    struct read_batch b = {0};

    (void)fixture_pattern(f, "[", 3000, "0", "]");
    for (int i = 0; i < 1000; i++) {
        emit_format(&text, "%s{\"id\":\"%d\",\"features\":%s}", i > 0 ? "," : "{\"items\":[", i,
                    f->text.text);
    }
    emit_format(&text, "]}");
    assert_true(
        codec_batch_open(text.text, text.length, true, NULL, NULL, false, &b.batch, &b.problem));
    assert_true(codec_batch_groups(&b.batch, &rules, &b.list, &b.items, &b.problem));
    if (!codec_stored_list(b.batch.payload[0], b.batch.payload_n[0], &space, true, &f->list,
                           &f->problem)) {
        fail_msg("%s", f->problem.detail);
    }
    end_batch(&b);
    emit_deinit(&text);
}

/* ---- stored features ---- */

static bool read_entries(const char *text, bool ndjson, enum rk_side side, const char *id,
                         struct codec_entries *entries, struct problem *problem)
{
    *problem = (struct problem){0};
    return codec_entries_read(text, strlen(text), ndjson, side, id, false, entries, problem);
}

static void entries_come_by_id_in_an_array_or_a_line_each(void **state)
{
    static const struct {
        const char *text, *id;
        bool ndjson;
        enum rk_side side;
    } forms[] = {
        {"{\"features\": {\"price\": 2}}", "a", false, RK_ITEM},
        {"{\"items\":[{\"id\":\"a\",\"features\":{\"price\":2}}]}", NULL, false, RK_ITEM},
        {"{\"id\":\"a\",\"features\":{\"price\":2}}\n", NULL, true, RK_ITEM},
        {"{\"users\":[{\"id\":\"a\",\"features\":{\"price\":2}}]}", NULL, false, RK_USER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct rk_feature expected = rk_feature_number(forms[i].side, "price", 5, 2.0F);
        struct codec_entries entries;
        struct problem problem;
        assert_true(read_entries(forms[i].text, forms[i].ndjson, forms[i].side, forms[i].id,
                                 &entries, &problem));
        assert_int_equal(entries.n, 1);
        assert_string_equal(entries.entry[0]->id, "a");
        assert_true(entries.entry[0]->hash == list_id_hash(forms[i].side, "a", 1));
        assert_int_equal(entries.entry[0]->n, 1);
        fixture_assert_feature(&entries.entry[0]->feature[0], &expected);
        assert_string_equal(entries.features[0], "{\"price\":2}");
        codec_entries_close(&entries);
    }
}

static void wrong_entries_are_told_with_their_place(void **state)
{
    static const struct {
        const char *text, *id, *pointer;
        bool ndjson;
        enum problem_kind kind;
    } bad[] = {
        {"{}", "a", "", false, PROBLEM_VALIDATION_FAILED},
        {"[]", "a", "", false, PROBLEM_VALIDATION_FAILED},
        {"{\"id\":\"a\",\"features\":{}}", "a", "/id", false, PROBLEM_UNKNOWN_FIELD},
        {"{\"features\":{\"x\":1e7}}", "a", "/features/x", false, PROBLEM_VALUE_OUT_OF_RANGE},
        {"{}", NULL, "", false, PROBLEM_VALIDATION_FAILED},
        {"{\"users\":[]}", NULL, "/users", false, PROBLEM_UNKNOWN_FIELD},
        {"{\"items\":[{\"features\":{}}]}", NULL, "/items/0", false, PROBLEM_VALIDATION_FAILED},
        {"{\"items\":[{\"id\":\"a\"}]}", NULL, "/items/0", false, PROBLEM_VALIDATION_FAILED},
        {"{\"items\":[{\"id\":\"\",\"features\":{}}]}", NULL, "/items/0/id", false,
         PROBLEM_VALIDATION_FAILED},
        {"{\"id\":\"a\",\"features\":{}}\n{\"id\":\"b\",\"features\":1}", NULL, "/1/features", true,
         PROBLEM_VALIDATION_FAILED},
        {"{\"id\":\"a\",\"features\":{}}\n{\"id\"}", NULL, "/1", true, PROBLEM_INVALID_JSON},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct codec_entries entries;
        struct problem problem;
        assert_false(
            read_entries(bad[i].text, bad[i].ndjson, RK_ITEM, bad[i].id, &entries, &problem));
        fixture_assert_problem(bad[i].text, &problem, bad[i].kind, bad[i].pointer);
        codec_entries_close(&entries);
    }
}

static void ten_thousand_entries_are_taken_and_one_more_is_not(void **state)
{
    struct list_fixture *f = *state;
    struct codec_entries entries;

    for (size_t n = 10000; n <= 10001; n++) {
        const char *text =
            fixture_pattern(f, "{\"items\":[", n, "{\"id\":\"i#\",\"features\":{\"a\":#}}", "]}");
        assert_true(read_entries(text, false, RK_ITEM, NULL, &entries, &f->problem) ==
                    (n == 10000));
        assert_true(n > 10000 || entries.n == n);
        codec_entries_close(&entries);
    }
    assert_int_equal(f->problem.kind, PROBLEM_LIMIT_EXCEEDED);
}

static void stored_features_parse_back_to_the_same_entry(void **state)
{
    struct codec_entries entries;
    struct problem problem;
    struct catalogue_entry *parsed;

    (void)state;
    assert_true(read_entries("{\"features\":{\"p\":0.1,\"t\":[\"a\",\"b\"],\"e\":[],\"7\":1}}",
                             false, RK_ITEM, "i1", &entries, &problem));
    assert_ok(codec_entry_parse(RK_ITEM, "i1", entries.features[0], &parsed, NULL));
    assert_int_equal(parsed->n, 5);
    assert_int_equal(parsed->n, entries.entry[0]->n);
    assert_true(parsed->hash == entries.entry[0]->hash && strcmp(parsed->id, "i1") == 0);
    for (size_t i = 0; i < parsed->n; i++) {
        fixture_assert_feature(&parsed->feature[i], &entries.entry[0]->feature[i]);
    }
    free(parsed);
    codec_entries_close(&entries);
}

static void damaged_stored_features_are_no_entry(void **state)
{
    struct list_fixture *f = *state;
    struct catalogue_entry *entry;

    assert_status(codec_entry_parse(RK_ITEM, "a", "", &entry, NULL), RK_CORRUPT);
    assert_status(codec_entry_parse(RK_ITEM, "a", "{\"x\":", &entry, NULL), RK_CORRUPT);
    assert_status(codec_entry_parse(RK_ITEM, "a", "{\"x\":1e9}", &entry, NULL), RK_CORRUPT);
    assert_status(codec_entry_parse(RK_ITEM, fixture_letters(f, "", 129, ""), "{}", &entry, NULL),
                  RK_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_in_one_body_and_a_group_a_line_are_the_same),
        cmocka_unit_test(no_groups_are_a_batch),
        cmocka_unit_test(model_and_id_come_from_the_body_or_as_given),
        LIST_TEST(heads_have_limits),
        cmocka_unit_test(a_wrong_group_is_told_with_its_place),
        LIST_TEST(lenient_keeps_unknown_members_and_stored_lists_read_past_them),
        LIST_TEST(a_thousand_groups_are_taken_and_one_more_is_not),
        LIST_TEST(a_stored_payload_reads_back_as_the_same_group),
        LIST_TEST(a_large_list_that_was_taken_can_be_read_again),
        cmocka_unit_test(entries_come_by_id_in_an_array_or_a_line_each),
        cmocka_unit_test(wrong_entries_are_told_with_their_place),
        LIST_TEST(ten_thousand_entries_are_taken_and_one_more_is_not),
        LIST_TEST(stored_features_parse_back_to_the_same_entry),
        LIST_TEST(damaged_stored_features_are_no_entry),
    };
    json_start();
    return cmocka_run_group_tests_name("codec_batch", tests, NULL, NULL);
}
