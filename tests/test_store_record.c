/*
 * Batches, and what a model reads from the log.
 */
#include "store_fixture.h"
#include "store_log.h"
#include "store_registry.h"
#include "test.h"

/* ---- batches ---- */

static struct store_batch make_batch(const char *id)
{
    static const char *const lists[] = {"{\"a\":1}", "{\"b\":22}", "{}"};
    static const size_t lengths[] = {7, 8, 2};
    return (struct store_batch){.model = 5,
                                .batch_id = id,
                                .sha256 = {1, 2, 3},
                                .catalogue_seq = 9,
                                .payload = lists,
                                .payload_n = lengths,
                                .n = 3,
                                .items = 12};
}

static void lists_of_a_batch_come_back_by_seq(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_batch batch = make_batch("b1");
    assert_ok(store_put_batch(store, &batch, 1000, NULL));
    assert_false(batch.duplicate);
    assert_int_equal(batch.last_seq - batch.first_seq, 2);
    const char *payload = NULL;
    size_t n = 0;
    int64_t catalogue_seq = 0;
    assert_ok(store_get_batch(store, batch.first_seq + 1, &payload, &n, &catalogue_seq, NULL));
    assert_int_equal(n, 8);
    assert_memory_equal(payload, "{\"b\":22}", 8);
    assert_int_equal(catalogue_seq, 9);
    assert_status(store_get_batch(store, batch.last_seq + 1, &payload, &n, &catalogue_seq, NULL),
                  RK_NOTFOUND);
}

static void batch_sent_again_is_a_duplicate_with_the_first_answer(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_batch first = make_batch("b1"), again = make_batch("b1");
    assert_ok(store_put_batch(fixture->store, &first, 1000, NULL));
    fixture_reopen(fixture);
    again.items = 0;
    assert_ok(store_put_batch(fixture->store, &again, 2000, NULL));
    assert_true(again.duplicate);
    assert_int_equal(again.first_seq, first.first_seq);
    assert_int_equal(again.last_seq, first.last_seq);
    assert_int_equal(again.items, 12);
    int64_t end = 0;
    assert_ok(store_log_end(fixture->store, &end, NULL));
    assert_int_equal(end, first.last_seq);
}

static void batch_id_with_another_content_is_a_mismatch_but_free_for_another_model(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_batch first = make_batch("b1"), other = make_batch("b1");
    assert_ok(store_put_batch(store, &first, 1000, NULL));
    other.sha256[31] = 1;
    assert_status(store_put_batch(store, &other, 1000, NULL), RK_MISMATCH);
    other.model = 6;
    assert_ok(store_put_batch(store, &other, 1000, NULL));
    assert_false(other.duplicate);
}

static void batch_without_an_id_is_never_a_duplicate(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_batch first = make_batch(NULL), again = make_batch(NULL);
    assert_ok(store_put_batch(store, &first, 1000, NULL));
    assert_ok(store_put_batch(store, &again, 1000, NULL));
    assert_false(again.duplicate);
    assert_true(again.first_seq > first.last_seq);
}

/* ---- what a model learns from ---- */

static void records_are_a_models_own_events_and_batches_in_order(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t own = fixture_put_ranking(store, "r1", 5, 100);
    (void)fixture_put_ranking(store, "r2", 6, 100);
    (void)fixture_put_event(store, fixture_event("e1", "r1", "i1"), 300);
    (void)fixture_put_event(store, fixture_event("e2", "r2", "i1"), 300);
    struct store_batch batch = make_batch(NULL);
    batch.n = 1;
    assert_ok(store_put_batch(store, &batch, 400, NULL));
    (void)fixture_put_event(store, fixture_event("e3", "r1", "i2"), 500);
    struct store_record records[8];
    size_t n = 8;
    assert_ok(store_read_records(store, 5, 0, INT64_MAX, records, &n, NULL));
    assert_int_equal(n, 3);
    assert_int_equal(records[0].kind, STORE_RECORD_EVENT);
    assert_int_equal(records[0].ranking, own);
    assert_int_equal(records[0].time_ms, 300);
    assert_int_equal(records[1].kind, STORE_RECORD_BATCH);
    assert_int_equal(records[1].seq, batch.first_seq);
    assert_int_equal(records[1].time_ms, 400);
    assert_int_equal(records[2].kind, STORE_RECORD_EVENT);
    assert_true(records[2].seq > records[1].seq);
}

static void records_are_read_from_after_to_upto_and_no_more_than_there_is_room(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_batch batch = make_batch(NULL);
    assert_ok(store_put_batch(store, &batch, 400, NULL));
    struct store_record records[8];
    size_t n = 8;
    assert_ok(store_read_records(store, 5, batch.first_seq, batch.last_seq - 1, records, &n, NULL));
    assert_int_equal(n, 1);
    assert_int_equal(records[0].seq, batch.first_seq + 1);
    n = 2;
    assert_ok(store_read_records(store, 5, 0, INT64_MAX, records, &n, NULL));
    assert_int_equal(n, 2);
    assert_int_equal(records[1].seq, batch.first_seq + 1);
    n = 8;
    assert_ok(store_read_records(store, 5, batch.last_seq, INT64_MAX, records, &n, NULL));
    assert_int_equal(n, 0);
}

static void due_rankings_stop_at_the_first_later_one(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t first = fixture_put_ranking(store, "r1", 5, 100);
    (void)fixture_put_ranking(store, "of another model", 6, 100);
    int64_t second = fixture_put_ranking(store, "r2", 5, 200);
    (void)fixture_put_ranking(store, "r3", 5, 400);
    (void)fixture_put_ranking(store, "r4", 5,
                              150); /* the clock went back: it waits for the one before it */
    int64_t seqs[8];
    size_t n = 8;
    assert_ok(store_read_due(store, 5, 0, INT64_MAX, 200, seqs, &n, NULL));
    assert_int_equal(n, 2);
    assert_int_equal(seqs[0], first);
    assert_int_equal(seqs[1], second);
    n = 1;
    assert_ok(store_read_due(store, 5, 0, INT64_MAX, 200, seqs, &n, NULL));
    assert_int_equal(n, 1);
    n = 8;
    assert_ok(store_read_due(store, 5, first, second - 1, 200, seqs, &n, NULL));
    assert_int_equal(n, 0);
    n = 8;
    assert_ok(store_read_due(store, 5, 0, INT64_MAX, 400, seqs, &n, NULL));
    assert_int_equal(n, 4);
}

/* ---- of all models with hashed features ---- */

static int64_t put_model(struct store *store, const char *name, const char *space)
{
    char config[64];
    struct store_model model = {.config = config};
    (void)snprintf(config, sizeof config, "{\"features\":{\"space\":\"%s\"}}", space);
    (void)snprintf(model.name, sizeof model.name, "%s", name);
    assert_ok(store_put_model(store, &model, NULL));
    return model.id;
}

static void records_and_due_rankings_of_all_hashed_models_are_read_in_log_order(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    const int64_t gone = put_model(store, "a", "hashed"), other = put_model(store, "b", "indexed"),
                  own = put_model(store, "c", "hashed");
    const int64_t first = fixture_put_ranking(store, "r1", own, 100);
    (void)fixture_put_ranking(store, "r2", other, 100);
    const int64_t third = fixture_put_ranking(store, "r3", gone, 100);
    struct store_record records[8];
    int64_t seqs[8];
    size_t n = 8;
    (void)fixture_put_event(store, fixture_event("e1", "r3", "i1"), 300);
    (void)fixture_put_event(store, fixture_event("e2", "r2", "i1"), 300);
    (void)fixture_put_event(store, fixture_event("e3", "r1", "i1"), 300);
    assert_ok(store_delete_model(store, gone, 400, NULL));
    assert_ok(store_read_records(store, STORE_ALL_HASHED, 0, INT64_MAX, records, &n, NULL));
    assert_int_equal(n, 2);
    assert_int_equal(records[0].ranking, third);
    assert_int_equal(records[1].ranking, first);
    n = 1;
    assert_ok(
        store_read_records(store, STORE_ALL_HASHED, records[0].seq, INT64_MAX, records, &n, NULL));
    assert_true(n == 1 && records[0].ranking == first);
    n = 8;
    assert_ok(store_read_due(store, STORE_ALL_HASHED, 0, INT64_MAX, 100, seqs, &n, NULL));
    assert_true(n == 2 && seqs[0] == first && seqs[1] == third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_of_a_batch_come_back_by_seq),
        TEST(batch_sent_again_is_a_duplicate_with_the_first_answer),
        TEST(batch_id_with_another_content_is_a_mismatch_but_free_for_another_model),
        TEST(batch_without_an_id_is_never_a_duplicate),
        TEST(records_are_a_models_own_events_and_batches_in_order),
        TEST(records_are_read_from_after_to_upto_and_no_more_than_there_is_room),
        TEST(due_rankings_stop_at_the_first_later_one),
        TEST(records_and_due_rankings_of_all_hashed_models_are_read_in_log_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
