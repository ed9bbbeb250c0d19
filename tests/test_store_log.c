/*
 * Rankings and events: what is put comes back, and each event gets the status it should.
 */
#include "store_fixture.h"
#include "test.h"

static const char *put(struct store *store, struct store_event event)
{
    return fixture_put_event(store, event, 500);
}

/* ---- time ---- */

/* Windows end in the order of the log: a record whose clock was behind has the time of the last. */
static void time_of_the_log_never_goes_back(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t time_ms = -1, seqs[3];
    size_t n = 3;
    assert_ok(store_log_time(fixture->store, INT64_MAX, &time_ms, NULL));
    assert_int_equal(time_ms, 0);
    (void)fixture_put_ranking(fixture->store, "r0", 1, 300);
    (void)fixture_put_ranking(fixture->store, "r1", 1, 100);
    fixture_reopen(fixture);
    (void)fixture_put_ranking(fixture->store, "r2", 1, 200);
    assert_ok(store_log_time(fixture->store, INT64_MAX, &time_ms, NULL));
    assert_int_equal(time_ms, 300);
    assert_ok(store_read_due(fixture->store, 1, 0, INT64_MAX, 299, seqs, &n, NULL));
    assert_int_equal(n, 0);
    n = 3;
    assert_ok(store_read_due(fixture->store, 1, 0, INT64_MAX, 300, seqs, &n, NULL));
    assert_int_equal(n, 3);
}

/* ---- rankings ---- */

static void ranking_comes_back_by_seq_and_by_id(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t first = fixture_put_ranking(store, "r0", 1, 100);
    int64_t seq = fixture_put_ranking(store, "r1", 2, 200);
    assert_true(seq > first);
    struct store_ranking got;
    for (int by_id = 0; by_id < 2; by_id++) {
        assert_ok(store_get_ranking(store, by_id ? 0 : seq, by_id ? "r1" : NULL, &got, NULL));
        assert_int_equal(got.seq, seq);
        assert_string_equal(got.ranking_id, "r1");
        assert_int_equal(got.model, 2);
        assert_int_equal(got.version, 42);
        assert_int_equal(got.catalogue_seq, 3);
        assert_int_equal(got.time_ms, 200);
        assert_int_equal(got.request_n, 12);
        assert_string_equal(got.request, "{\"items\":[]}");
        assert_int_equal(got.served_n, 3);
        assert_string_equal(got.served, "[1]");
        assert_int_equal(got.n_shown, 7);
        assert_true(bsearch(&(uint64_t){fixture_item_hash("i3")}, got.shown, 7, 8,
                            fixture_ascending) != NULL);
    }
}

static void ranking_that_is_not_there_is_not_found(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    struct store_ranking got;
    assert_status(store_get_ranking(store, 17, NULL, &got, NULL), RK_NOTFOUND);
    assert_status(store_get_ranking(store, 0, "r1", &got, NULL), RK_NOTFOUND);
    bool found = true;
    assert_ok(store_has_ranking(store, "r1", &found, NULL));
    assert_false(found);
}

static void ranking_id_is_taken_once_and_the_first_stays(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t seq = fixture_put_ranking(store, "r1", 1, 100), end = 0;
    struct store_ranking second = {.ranking_id = "r1", .model = 2, .request = "", .served = ""};
    assert_status(store_put_ranking(store, &second, NULL), RK_MISMATCH);
    assert_ok(store_log_end(store, &end, NULL));
    assert_int_equal(end, seq);
    bool found = false;
    assert_ok(store_has_ranking(store, "r1", &found, NULL));
    assert_true(found);
}

static void empty_ranking_of_a_megabyte_request_comes_back(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    size_t n = (size_t)1 << 20;
    char *request = malloc(n);
    memset(request, 'x', n);
    struct store_ranking put = {.ranking_id = "r1",
                                .request = request,
                                .request_n = n,
                                .served = ""},
                         got;
    assert_ok(store_put_ranking(store, &put, NULL));
    assert_ok(store_get_ranking(store, put.seq, NULL, &got, NULL));
    assert_int_equal(got.n_shown, 0);
    assert_int_equal(got.served_n, 0);
    assert_int_equal(got.request_n, n);
    assert_memory_equal(got.request, request, n);
    free(request);
}

static void log_end_is_the_last_seq_and_zero_when_empty(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t end = 99;
    assert_ok(store_log_end(fixture->store, &end, NULL));
    assert_int_equal(end, 0);
    int64_t seq = fixture_put_ranking(fixture->store, "r1", 1, 100);
    fixture_reopen(fixture);
    assert_ok(store_log_end(fixture->store, &end, NULL));
    assert_int_equal(end, seq);
}

/* ---- events ---- */

static void event_on_a_shown_item_is_accepted_and_comes_back(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t ranking = fixture_put_ranking(store, "r1", 7, 100);
    struct store_event event = fixture_event("e1", "r1", "i6");
    enum store_event_status status = STORE_EVENT_CAPPED;
    assert_ok(store_put_event(store, &event, 500, FIXTURE_TTL_MS, &status, NULL));
    assert_int_equal(status, STORE_EVENT_ACCEPTED);
    assert_int_equal(event.seq, ranking + 1);
    assert_int_equal(event.model, 7);
}

static void every_shown_item_takes_events_and_no_other(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    (void)fixture_put_ranking(store, "r1", 1, 100);
    for (int i = 0; i < 12; i++) {
        char id[16], item[16];
        (void)snprintf(id, sizeof id, "e%d", i);
        (void)snprintf(item, sizeof item, "i%d", i);
        assert_string_equal(put(store, fixture_event(id, "r1", item)),
                            i < 7 ? "accepted" : "not_shown");
    }
}

static void event_of_an_unknown_ranking_is_not_stored(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t before = 0, after = 0;
    assert_ok(store_log_end(store, &before, NULL));
    assert_string_equal(put(store, fixture_event("e1", "r1", "i1")), "unknown_ranking");
    assert_ok(store_log_end(store, &after, NULL));
    assert_int_equal(before, after);
    (void)fixture_put_ranking(store, "r1", 1, 100); /* it comes late: the event may be sent again */
    assert_string_equal(put(store, fixture_event("e1", "r1", "i1")), "accepted");
}

static void event_is_expired_just_after_the_rankings_time_to_live(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    (void)fixture_put_ranking(store, "r1", 1, 100);
    assert_string_equal(
        fixture_put_event(store, fixture_event("e1", "r1", "i1"), 100 + FIXTURE_TTL_MS),
        "accepted");
    assert_string_equal(
        fixture_put_event(store, fixture_event("e2", "r1", "i1"), 101 + FIXTURE_TTL_MS), "expired");
    assert_string_equal(
        fixture_put_event(store, fixture_event("e3", "r1", "i99"), 101 + FIXTURE_TTL_MS),
        "expired");
    assert_string_equal(fixture_put_event(store, fixture_event("e1", "r1", "i1"), 999999),
                        "duplicate");
}

static void same_event_again_is_a_duplicate_also_after_reopening(void **state)
{
    struct store_fixture *fixture = *state;
    (void)fixture_put_ranking(fixture->store, "r1", 1, 100);
    struct store_event timed = fixture_event("e2", "r1", "i1");
    timed.event_ms = 77;
    timed.value = 0.1;
    assert_string_equal(put(fixture->store, fixture_event("e1", "r1", "i1")), "accepted");
    assert_string_equal(put(fixture->store, timed), "accepted");
    assert_string_equal(put(fixture->store, fixture_event("e1", "r1", "i1")), "duplicate");
    fixture_reopen(fixture);
    assert_string_equal(put(fixture->store, fixture_event("e1", "r1", "i1")), "duplicate");
    assert_string_equal(put(fixture->store, timed), "duplicate");
}

static void same_id_with_any_other_part_is_a_conflict(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    (void)fixture_put_ranking(store, "r1", 1, 100);
    (void)fixture_put_ranking(store, "r2", 1, 100);
    assert_string_equal(put(store, fixture_event("e1", "r1", "i1")), "accepted");
    struct store_event other[5];
    for (int i = 0; i < 5; i++) {
        other[i] = fixture_event("e1", "r1", "i1");
    }
    other[0].ranking_id = "r2";
    other[1].item_id = "i2";
    other[2].type = "purchase";
    other[3].value = 2.0;
    other[4].event_ms = 0;
    for (int i = 0; i < 5; i++) {
        assert_string_equal(put(store, other[i]), "conflict");
    }
    other[0].ranking_id = "no such"; /* the id is judged first */
    assert_string_equal(put(store, other[0]), "conflict");
}

static void item_of_a_ranking_is_capped_at_its_number_of_events(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    char id[16];
    (void)fixture_put_ranking(store, "r1", 1, 100);
    for (int i = 0; i < STORE_EVENTS_PER_ITEM; i++) {
        (void)snprintf(id, sizeof id, "e%d", i);
        assert_string_equal(put(store, fixture_event(id, "r1", "i1")), "accepted");
    }
    assert_string_equal(put(store, fixture_event("one more", "r1", "i1")), "capped");
    assert_string_equal(put(store, fixture_event("e0", "r1", "i1")), "duplicate");
    assert_string_equal(put(store, fixture_event("other item", "r1", "i2")), "accepted");
    (void)fixture_put_ranking(store, "r2", 1, 100);
    assert_string_equal(put(store, fixture_event("other ranking", "r2", "i1")), "accepted");
}

struct seen {
    size_t n;
    char text[256];
};

static void note_event(void *context, const struct store_event *event, int64_t time_ms)
{
    struct seen *seen = context;
    char text[64];
    assert_null(event->ranking_id);
    assert_true(event->item_hash == fixture_item_hash(event->item_id));
    (void)snprintf(text, sizeof text, "%s %s %s %g %d at %d;", event->event_id, event->item_id,
                   event->type, event->value,
                   event->event_ms == INT64_MIN ? -1 : (int)event->event_ms, (int)time_ms);
    (void)strncat(seen->text, text, sizeof seen->text - strlen(seen->text) - 1);
    seen->n++;
}

static void events_of_a_ranking_are_read_in_order_up_to_a_seq(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t ranking = fixture_put_ranking(store, "r1", 1, 100), end = 0;
    (void)fixture_put_ranking(store, "r2", 1, 100);
    struct store_event timed = fixture_event("e2", "r1", "i1");
    timed.event_ms = 77;
    timed.value = 2.5;
    (void)fixture_put_event(store, fixture_event("e1", "r1", "i5"), 300);
    (void)fixture_put_event(store, fixture_event("x", "r2", "i5"), 300);
    (void)fixture_put_event(store, timed, 400);
    assert_ok(store_log_end(store, &end, NULL));
    (void)fixture_put_event(store, fixture_event("e3", "r1", "i0"), 500);
    struct seen seen = {0};
    assert_ok(store_read_events(store, ranking, end, note_event, &seen, NULL));
    assert_string_equal(seen.text, "e1 i5 click 1 -1 at 300;e2 i1 click 2.5 77 at 400;");
    assert_ok(store_read_events(store, ranking, INT64_MAX, note_event, &seen, NULL));
    assert_int_equal(seen.n, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(time_of_the_log_never_goes_back),
        TEST(ranking_comes_back_by_seq_and_by_id),
        TEST(ranking_that_is_not_there_is_not_found),
        TEST(ranking_id_is_taken_once_and_the_first_stays),
        TEST(empty_ranking_of_a_megabyte_request_comes_back),
        TEST(log_end_is_the_last_seq_and_zero_when_empty),
        TEST(event_on_a_shown_item_is_accepted_and_comes_back),
        TEST(every_shown_item_takes_events_and_no_other),
        TEST(event_of_an_unknown_ranking_is_not_stored),
        TEST(event_is_expired_just_after_the_rankings_time_to_live),
        TEST(same_event_again_is_a_duplicate_also_after_reopening),
        TEST(same_id_with_any_other_part_is_a_conflict),
        TEST(item_of_a_ranking_is_capped_at_its_number_of_events),
        TEST(events_of_a_ranking_are_read_in_order_up_to_a_seq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
