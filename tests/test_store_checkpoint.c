/*
 * Checkpoints and activations.
 */
#include "store_fixture.h"
#include "store_log.h"
#include "store_registry.h"
#include "store_trim.h"
#include "test.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  INT64_C(86400000)

/* ---- checkpoints ---- */

static int64_t put_checkpoint(struct store *store, int64_t model, enum store_source source,
                              int64_t time_ms)
{
    struct store_checkpoint checkpoint = {
        .model = model, .source = source, .time_ms = time_ms, .bytes = 3};
    assert_ok(store_new_checkpoint_id(store, &checkpoint.id, NULL));
    assert_ok(store_put_chunk(store, checkpoint.id, 0, "abc", 3, NULL));
    assert_ok(store_put_checkpoint(store, &checkpoint, NULL));
    return checkpoint.id;
}

static void checkpoint_of_three_megabytes_round_trips(void **state)
{
    struct store_fixture *fixture = *state;
    size_t bytes = 3 * STORE_CHUNK_BYTES + 17;
    uint8_t *put = malloc(bytes), *got = calloc(1, bytes);
    for (size_t i = 0; i < bytes; i++) {
        put[i] = (uint8_t)(i * 2654435761U >> 11);
    }
    int64_t id = 0, n = 0;
    assert_ok(store_new_checkpoint_id(fixture->store, &id, NULL));
    for (size_t at = 0; at < bytes; at += STORE_CHUNK_BYTES, n++) {
        size_t length = bytes - at < STORE_CHUNK_BYTES ? bytes - at : STORE_CHUNK_BYTES;
        assert_ok(store_put_chunk(fixture->store, id, n, put + at, length, NULL));
    }
    assert_ok(store_put_checkpoint(fixture->store, &(struct store_checkpoint){.id = id, .model = 3},
                                   NULL));
    fixture_reopen(fixture);
    assert_ok(store_read_chunks(fixture->store, id, got, bytes, NULL));
    assert_memory_equal(got, put, bytes);
    assert_status(store_read_chunks(fixture->store, id, got, bytes - 1, NULL), RK_CORRUPT);
    free(put);
    put = calloc(1, bytes + 1);
    assert_status(store_read_chunks(fixture->store, id, put, bytes + 1, NULL), RK_CORRUPT);
    free(put);
    free(got);
}

static void missing_or_too_large_chunk_is_an_error(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    char bytes[6];
    char *large = calloc(1, STORE_CHUNK_BYTES + 1);
    assert_ok(store_put_chunk(store, 1, 0, "abc", 3, NULL));
    assert_ok(store_put_chunk(store, 1, 2, "def", 3, NULL));
    assert_status(store_read_chunks(store, 1, bytes, 6, NULL), RK_CORRUPT);
    assert_ok(store_read_chunks(store, 2, bytes, 0, NULL)); /* nothing is nothing */
    assert_status(store_put_chunk(store, 1, 1, large, STORE_CHUNK_BYTES + 1, NULL), RK_TOOBIG);
    free(large);
}

static void checkpoints_come_back_newest_first_with_all_they_had(void **state)
{
    struct store_fixture *fixture = *state;
    static char metrics[] = "{\"auc\":0.7}";
    struct store_checkpoint put = {.model = 3,
                                   .version = 42,
                                   .parent = 17,
                                   .source = STORE_SOURCE_FILE,
                                   .time_ms = 5,
                                   .seq = 6};
    struct store_step step = {.model = 3};
    fixture_put_log(fixture->store, 7);
    assert_ok(store_put_step(fixture->store, &step, NULL));
    put.due_seq = 7, put.step = step.id, put.bytes = 9, put.metrics = metrics, put.sha256[0] = 1,
    put.sha256[31] = 2;
    int64_t first = put_checkpoint(fixture->store, 3, STORE_SOURCE_INIT, 1);
    (void)put_checkpoint(fixture->store, 8, STORE_SOURCE_INIT, 1);
    assert_ok(store_new_checkpoint_id(fixture->store, &put.id, NULL));
    assert_ok(store_put_checkpoint(fixture->store, &put, NULL));
    fixture_reopen(fixture);
    struct store_checkpoint *got = NULL;
    size_t n = 0;
    assert_ok(store_list_checkpoints(fixture->store, 3, &got, &n, NULL));
    assert_int_equal(n, 2);
    assert_true(got[0].id == put.id && got[0].model == 3 && got[0].version == 42 &&
                got[0].parent == 17);
    assert_true(got[0].time_ms == 5 && got[0].seq == 6 && got[0].due_seq == 7 &&
                got[0].step == step.id && got[0].bytes == 9);
    assert_memory_equal(got[0].sha256, put.sha256, STORE_SHA256_BYTES);
    assert_string_equal(got[0].metrics, metrics);
    assert_string_equal(store_source_text(got[0].source), "file");
    assert_int_equal(got[1].id, first);
    assert_string_equal(got[1].metrics, "{}");
    free(got[0].metrics);
    free(got[1].metrics);
    free(got);
}

static void checkpoint_ids_are_never_given_twice(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t first = 0, second = 0, third = 0;
    assert_ok(store_new_checkpoint_id(fixture->store, &first, NULL));
    assert_ok(store_new_checkpoint_id(fixture->store, &second, NULL));
    assert_true(second > first);
    assert_ok(store_put_chunk(fixture->store, second + 10, 0, "abc", 3, NULL));
    assert_ok(store_new_checkpoint_id(fixture->store, &third, NULL));
    assert_int_equal(third, second + 11); /* nor one that only a chunk has */
    second = third;
    assert_ok(store_put_chunk(fixture->store, second, 0, "abc", 3, NULL));
    assert_ok(store_put_checkpoint(fixture->store,
                                   &(struct store_checkpoint){.id = second, .model = 3}, NULL));
    fixture_reopen(fixture);
    assert_ok(store_new_checkpoint_id(fixture->store, &third, NULL));
    assert_true(third > second);
}

static void
checkpoint_id_is_not_given_again_before_it_is_forgotten_that_it_was_dropped(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t dropped = 0, next = 0;
    bool more = false;
    assert_ok(store_new_checkpoint_id(fixture->store, &dropped, NULL));
    assert_ok(store_put_chunk(fixture->store, dropped, 0, "abc", 3, NULL));
    fixture_reopen(fixture); /* it was never finished */
    assert_ok(store_drop_chunk(fixture->store, &more, NULL));
    assert_ok(store_new_checkpoint_id(fixture->store, &next, NULL));
    assert_ok(store_put_chunk(fixture->store, next, 0, "def", 3, NULL));
    while (more) {
        assert_ok(store_drop_chunk(fixture->store, &more, NULL));
    }
    char bytes[3];
    assert_ok(store_read_chunks(fixture->store, next, bytes, sizeof bytes, NULL));
}

/* Removes what need not be kept, one after the other. @return how many. */
static int trim(struct store *store, int64_t now_ms, int64_t most_bytes)
{
    const struct store_keep keep = {.now_ms = now_ms, .days = 30, .bytes = most_bytes};
    int64_t id;
    int n = 0;
    bool more = true;
    assert_ok(store_find_old_checkpoint(store, 3, &keep, &id, NULL));
    while (id != 0) {
        assert_ok(store_drop_checkpoint(store, id, NULL));
        assert_ok(store_find_old_checkpoint(store, 3, &keep, &id, NULL));
        n++;
    }
    while (more) {
        assert_ok(store_drop_chunk(store, &more, NULL));
    }
    return n;
}

/*
 * Trims at now_ms and checks which of n checkpoints of model 3, ids in order of age, are left,
 * chunks with them.
 */
static void assert_trimmed(struct store *store, int64_t now_ms, const int64_t *ids,
                           const char *kept)
{
    (void)trim(store, now_ms, INT64_MAX);
    struct store_checkpoint *left = NULL;
    size_t n = 0, at = 0;
    assert_ok(store_list_checkpoints(store, 3, &left, &n, NULL));
    for (size_t i = strlen(kept); i-- > 0;) {
        char bytes[3];
        bool there = at < n && left[at].id == ids[i];
        enum rk_status chunks = store_read_chunks(store, ids[i], bytes, 3, NULL);
        if (there != (kept[i] == '+') || (chunks == RK_OK) != there) {
            fail_msg("checkpoint %zu should be '%c'", i, kept[i]);
        }
        free(there ? left[at++].metrics : NULL);
    }
    assert_int_equal(at, n);
    free(left);
}

static void trim_keeps_the_newest_five_whatever_their_age(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t ids[7];
    for (int i = 0; i < 7; i++) {
        ids[i] = put_checkpoint(store, 3, STORE_SOURCE_TRAINING, DAY_MS + i);
    }
    int64_t other = put_checkpoint(store, 8, STORE_SOURCE_TRAINING, 0);
    assert_trimmed(store, 90 * DAY_MS, ids, "--+++++");
    char bytes[3];
    assert_ok(store_read_chunks(store, other, bytes, 3, NULL));
}

static void trim_keeps_one_an_hour_for_a_day_and_one_a_day_for_thirty(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    const int64_t now = 100 * DAY_MS + 23 * HOUR_MS;
    const int64_t times[] = {
        69 * DAY_MS,                    /* - older than thirty days */
        80 * DAY_MS,                    /* - same day as the next */
        80 * DAY_MS + 5 * HOUR_MS,      /* + the newest of its day */
        99 * DAY_MS + 10 * HOUR_MS,     /* - older than a day, not the newest of it */
        99 * DAY_MS + 23 * HOUR_MS,     /* + the newest of its day */
        100 * DAY_MS + 2 * HOUR_MS,     /* - same hour as the next */
        100 * DAY_MS + 2 * HOUR_MS + 9, /* + the newest of its hour */
        100 * DAY_MS + 3 * HOUR_MS,     /* + */
        now - 5,
        now - 4,
        now - 3,
        now - 2,
        now - 1,
    };
    int64_t ids[13];
    for (int i = 0; i < 13; i++) {
        ids[i] = put_checkpoint(store, 3, STORE_SOURCE_TRAINING, times[i]);
    }
    assert_trimmed(store, now, ids, "--+-+-+++++++");
    assert_int_equal(trim(store, now, INT64_MAX), 0);
}

static void trim_keeps_the_newest_that_fit_and_at_least_one(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t id, ids[7];
    for (int i = 0; i < 7; i++) {
        ids[i] = put_checkpoint(store, 3, i == 0 ? STORE_SOURCE_IMPORT : STORE_SOURCE_TRAINING, i);
    }
    assert_int_equal(trim(store, 1000, 2 * 3), 4); /* 3 bytes each */
    assert_trimmed(store, 1000, ids, "+----++");
    assert_int_equal(trim(store, 1000, 1), 1);
    assert_trimmed(store, 1000, ids, "+-----+");
    assert_ok(store_find_old_checkpoint(store, 3, NULL, &id, NULL));
    assert_int_equal(id, ids[0]); /* of a model that is gone nothing is kept */
}

static void size_of_the_log_is_without_checkpoints_in_the_making_or_on_their_way_out(void **state)
{
    struct store_fixture *fixture = *state;
    char *chunk = calloc(1, STORE_CHUNK_BYTES);
    int64_t before, after, rows, id = 0;
    assert_non_null(chunk);
    assert_ok(store_log_size(fixture->store, &before, &rows, NULL));
    assert_ok(store_new_checkpoint_id(fixture->store, &id, NULL));
    assert_ok(store_put_chunk(fixture->store, id, 0, chunk, STORE_CHUNK_BYTES, NULL));
    assert_ok(store_log_size(fixture->store, &after, &rows, NULL));
    assert_in_range(after - before, 0, 1 << 16);
    fixture_reopen(fixture); /* it was never finished */
    assert_ok(store_log_size(fixture->store, &after, &rows, NULL));
    assert_in_range(after - before, 0, 1 << 16);
    free(chunk);
}

static void trim_keeps_what_was_made_or_chosen_by_hand_and_what_is_in_the_making(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t ids[10], making = 0;
    for (int i = 0; i < 10; i++) {
        const enum store_source source[] = {STORE_SOURCE_INIT, STORE_SOURCE_IMPORT,
                                            STORE_SOURCE_FILE};
        ids[i] = put_checkpoint(store, 3, i < 3 ? source[i] : STORE_SOURCE_TRAINING, i);
    }
    struct store_activation activation = {.model = 3, .checkpoint = ids[4]};
    assert_ok(store_put_activation(store, &activation, 100, NULL));
    assert_ok(store_new_checkpoint_id(store, &making, NULL));
    assert_ok(store_put_chunk(store, making, 0, "new", 3, NULL));
    assert_trimmed(store, 90 * DAY_MS, ids, "+++-++++++");
    char bytes[3];
    assert_ok(store_read_chunks(store, making, bytes, 3, NULL));
}

/* ---- activations ---- */

static void activation_says_what_was_made_after_it(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_step step = {.model = 3, .version = 1};
    int64_t first = put_checkpoint(fixture->store, 3, STORE_SOURCE_TRAINING, 1), making = 0,
            later = 0;
    assert_ok(store_put_step(fixture->store, &step, NULL));
    assert_ok(store_new_checkpoint_id(fixture->store, &making,
                                      NULL)); /* begun before: it does not come after */
    struct store_activation put = {.model = 3, .checkpoint = first}, got;
    assert_status(store_get_activation(fixture->store, 3, &got, NULL), RK_NOTFOUND);
    assert_ok(store_put_activation(fixture->store, &put, 100, NULL));
    assert_int_equal(put.after_checkpoint, making);
    assert_int_equal(put.step, step.id);
    fixture_reopen(fixture);
    assert_ok(store_new_checkpoint_id(fixture->store, &later, NULL));
    assert_true(later > making);
    assert_ok(store_get_activation(fixture->store, 3, &got, NULL));
    assert_true(got.seq == put.seq && got.model == 3 && got.checkpoint == first);
    assert_true(got.after_checkpoint == making && got.step == step.id);
}

static void last_activation_of_a_model_holds(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t ids[2] = {put_checkpoint(store, 3, STORE_SOURCE_INIT, 1),
                      put_checkpoint(store, 3, STORE_SOURCE_INIT, 2)};
    struct store_activation activation = {.model = 3}, got;
    for (int i = 0; i < 2; i++) {
        activation.checkpoint = ids[i];
        assert_ok(store_put_activation(store, &activation, 100, NULL));
    }
    assert_ok(store_get_activation(store, 3, &got, NULL));
    assert_int_equal(got.checkpoint, ids[1]);
    int64_t end = 0;
    assert_ok(store_log_end(store, &end, NULL));
    assert_int_equal(got.seq, end);
}

static void activation_of_another_models_checkpoint_is_not_found(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_activation activation = {
        .model = 4, .checkpoint = put_checkpoint(store, 3, STORE_SOURCE_INIT, 1)};
    assert_status(store_put_activation(store, &activation, 100, NULL), RK_NOTFOUND);
    activation.checkpoint = 99;
    assert_status(store_put_activation(store, &activation, 100, NULL), RK_NOTFOUND);
    int64_t end = 9;
    assert_ok(store_log_end(store, &end, NULL));
    assert_int_equal(end, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(checkpoint_of_three_megabytes_round_trips),
        TEST(missing_or_too_large_chunk_is_an_error),
        TEST(checkpoints_come_back_newest_first_with_all_they_had),
        TEST(checkpoint_ids_are_never_given_twice),
        TEST(checkpoint_id_is_not_given_again_before_it_is_forgotten_that_it_was_dropped),
        TEST(trim_keeps_the_newest_five_whatever_their_age),
        TEST(trim_keeps_one_an_hour_for_a_day_and_one_a_day_for_thirty),
        TEST(trim_keeps_the_newest_that_fit_and_at_least_one),
        TEST(size_of_the_log_is_without_checkpoints_in_the_making_or_on_their_way_out),
        TEST(trim_keeps_what_was_made_or_chosen_by_hand_and_what_is_in_the_making),
        TEST(activation_says_what_was_made_after_it),
        TEST(last_activation_of_a_model_holds),
        TEST(activation_of_another_models_checkpoint_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
