/*
 * Retention: what is old goes, what is needed stays, and every model still comes out as it was.
 */
#include "retention_fixture.h"
#include "store_fixture.h"
#include "store_trim.h"
#include "test.h"
#include "trainee_fixture.h"

#define PLAIN  "{\"kind\":\"fm\"," LEARNING_SMALL "}"
#define WINDOW "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"attribution_s\":5}}"
#define CLICKS "{\"kind\":\"fm\"," LEARNING_SMALL ",\"loss\":{\"name\":\"bce_with_logits\"}}"
#define ALL    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"source\":\"all\"}}"
#define OFF    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"enabled\":false}}"
#define RAW    "{\"kind\":\"fm\",\"features\":{\"bits\":10,\"numbers\":\"raw\"},\"dim\":3}"
#define POISON                                                                                     \
    "{\"items\":[{\"id\":\"a\",\"label\":1,\"weight\":1e6,\"features\":{\"x\":1e6}},\"b\"]}"
#define LISTS "SELECT (SELECT count(*) FROM ranking) + (SELECT count(*) FROM batch)"

/* A model that has learned from n clicks, an hour from one to the next. */
static void click_and_learn(struct life *life, size_t i, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        life_click(life, life_rank(life, i));
        life_learn(life, i);
        life_wait(life, HOUR_MS);
    }
}

static void store_five(struct life *life, size_t i)
{
    for (size_t k = 0; k < 5; k++) {
        click_and_learn(life, i, 1);
        life_store(life, i);
    }
}

/* ---- by age ---- */

static void what_is_old_and_learned_goes_with_all_that_belongs_to_it(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    click_and_learn(&life, 0, 30);
    store_five(&life, 0);
    life_trim(&life, life.l->time_ms + 5 * DAY_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM step"), 4);
    /* The 20th list is held back for the judge. */
    assert_int_equal(life_count(&life, "SELECT count(*) FROM ranking"), 4 + 1);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM event"), 4 + 1);
    assert_int_equal(
        life_count(&life, "SELECT count(*) FROM log WHERE kind IN ('ranking', 'event')"), 2 * 5);
    life_check(&life);
    life_end(&life);
}

static void what_is_younger_than_its_days_stays(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    click_and_learn(&life, 0, 30); /* hours */
    store_five(&life, 0);
    life_trim(&life, life.l->time_ms); /* days: 1 */
    assert_int_equal(life_count(&life, "SELECT count(*) FROM ranking"), 24);
    life_trim(&life, life.l->time_ms + 3 * HOUR_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM ranking"), 21);
    life_check(&life);
    life_end(&life);
}

static void nothing_goes_that_the_oldest_kept_checkpoint_would_be_gone_on_with(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    click_and_learn(&life, 0, 10);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS); /* it has its untrained start alone */
    assert_int_equal(life_count(&life, LISTS), 10);
    life_store(&life, 0);
    click_and_learn(&life, 0, 10);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 10);
    life_check(&life);
    life_end(&life);
}

static void what_was_not_learned_from_yet_stays(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    store_five(&life, 0);
    for (size_t k = 0; k < 10; k++) {
        life_click(&life, life_rank(&life, 0));
    }
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 4 + 10);
    life_learn(&life, 0);
    life_check(&life);
    life_end(&life);
}

static void a_ranking_goes_with_its_last_event_and_its_ids_with_it(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    const size_t old = life_rank(&life, 0);
    life_click(&life, old);
    click_and_learn(&life, 0, 40);
    life_click(&life, old); /* as with a feedback_ttl_s of days */
    life_learn(&life, 0);
    store_five(&life, 0);
    life_trim(&life, life.l->time_ms + 10 * HOUR_MS);
    assert_int_equal(life_count(&life,
                                "SELECT count(*) FROM event e JOIN ranking r ON r.seq = e.ranking "
                                "WHERE ranking_id = 'r0'"),
                     2);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM ranking WHERE ranking_id = 'r0'"), 0);
    life_check(&life);
    life_end(&life);
}

static void rankings_that_take_events_stay_however_full_it_is(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    store_five(&life, 0);
    life_wait(&life, DAY_MS);
    (void)life_rank(&life, 0);
    (void)life_rank(&life, 0);
    life.options.log_bytes = 1;
    life_trim(&life, life.l->time_ms + LIFE_TTL_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM ranking"), 4 + 2);
    life_trim(&life, life.l->time_ms + LIFE_TTL_MS + 2 * 60000);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM ranking"),
                     4 + 1); /* the last record */
    life_check(&life);
    life_end(&life);
}

static void a_version_that_was_activated_once_does_not_hold_the_log(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    click_and_learn(&life, 0, 5);
    const struct store_checkpoint once = trained_store(life.l, life.t[0]);
    click_and_learn(&life, 0, 5);
    trained_activate(life.l, life.t[0], &once);
    click_and_learn(&life, 0, 5);
    store_five(&life, 0);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 4);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM checkpoint"), 1 + 1 + 5);
    life_check(&life);
    life_end(&life);
}

static void what_is_in_quarantine_can_be_tried_again_however_old(void **state)
{
    struct life life;
    struct store_step refused, again = {0};
    size_t n = 1;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, RAW);
    struct trainee_tools tools = {
        .store = life.l->reader, .writer = life.l->writer, .metrics = &life.l->metrics};
    store_five(&life, 0);
    for (int k = 0; k < 8; k++) {
        (void)learning_batch(life.l, POISON);
    }
    life_learn(&life, 0);
    for (size_t k = 0; k < 5; k++) {
        life_store(&life, 0);
    }
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 8);
    assert_ok(
        store_get_step(life.l->reader, life.t[0]->served->id, life.t[0]->step, &refused, NULL));
    assert_int_equal(refused.outcome, STORE_QUARANTINED);
    assert_ok(trainee_retry(life.t[0], &tools, &refused, NULL));
    assert_ok(store_list_steps(life.l->reader, refused.model, 0, true, &again, &n, NULL));
    assert_int_equal(again.lists, 8);
    free(again.quarantined);
    free(refused.quarantined);
    life_end(&life);
}

/* ---- by room ---- */

static void for_room_lists_without_events_go_first_then_the_oldest(void **state)
{
    struct life life;
    int64_t bytes, rows;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    click_and_learn(&life, 0, 10);
    for (size_t k = 0; k < 400; k++) {
        (void)life_rank(&life, 0);
    }
    store_five(&life, 0);
    life_wait(&life, 3 * HOUR_MS);
    assert_ok(store_log_size(life.l->reader, &bytes, &rows, NULL));
    life.options.log_bytes = bytes - 4096;
    life_trim(&life, life.l->time_ms);
    assert_int_equal(life_count(&life, "SELECT count(DISTINCT ranking) FROM event"), 15);
    assert_int_equal(life_count(&life, LISTS), 15);
    life_check(&life);
    life.options.log_bytes = 1;
    life_trim(&life, life.l->time_ms);
    assert_int_equal(life_count(&life, LISTS), 4);
    life_check(&life);
    life_end(&life);
}

static void for_room_only_the_newest_five_checkpoints_are_gone_on_from(void **state)
{
    struct life life;
    struct store_trimmed trimmed;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    click_and_learn(&life, 0, 5);
    life_store(&life, 0);
    for (size_t k = 0; k < 4; k++) {
        click_and_learn(&life, 0, 5);
        life_store(&life, 0);
    }
    click_and_learn(&life, 0, 5);
    life_store(&life, 0);
    fixture_run_sql(life.l->path, "UPDATE checkpoint SET time_ms = time_ms + id * 3600000");
    life.options.log_bytes = 1;
    life_trim(&life, life.l->time_ms + 3 * HOUR_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM checkpoint"), 7);
    assert_int_equal(life_count(&life, LISTS), 20);
    assert_ok(store_get_trimmed(life.l->reader, life.t[0]->served->id, &trimmed, NULL));
    assert_int_equal(trimmed.seq,
                     life_count(&life, "SELECT seq FROM checkpoint WHERE version = 10"));
    life_check(&life);
    life_end(&life);
}

/* ---- whose lists ---- */

static void models_that_learn_from_all_keep_the_lists_of_others(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    (void)life_model(&life, 1, ALL);
    click_and_learn(&life, 0, 10);
    store_five(&life, 0);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 15);
    life_learn(&life, 1);
    store_five(&life, 1);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 4 + 4);
    life_check(&life);
    life_end(&life);
}

static void a_model_that_does_not_learn_holds_nothing(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, OFF);
    for (size_t k = 0; k < 10; k++) {
        life_click(&life, life_rank(&life, 0));
    }
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 1); /* with the last record */
    life_check(&life);
    life_end(&life);
}

static void of_a_deleted_model_all_goes_after_its_days(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    store_five(&life, 0);
    life_delete(&life, 0);
    (void)life_model(&life, 1, PLAIN);
    life_trim(&life, life.l->time_ms + HOUR_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM checkpoint WHERE model = 1"), 6);
    life_trim(&life, life.l->time_ms + 2 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 0);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM checkpoint WHERE model = 1"), 0);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM checkpoint_chunk"), 0);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM step"), 1); /* the last published */
    life_check(&life);
    life_end(&life);
}

static void lists_that_are_waited_for_stay_until_they_were_learned_from(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, CLICKS);
    for (size_t k = 0; k < 10; k++) {
        (void)life_rank(&life, 0);
    }
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 10);
    life_learn(&life, 0);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 10);
    life_store(&life, 0);
    (void)life_rank(&life, 0);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, LISTS), 1);
    life_check(&life);
    life_end(&life);
}

/* ---- the rest ---- */

static void named_batches_are_known_as_long_as_their_last_list(void **state)
{
    struct life life;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    learning_stream(life.l, 3, 1);
    fixture_run_sql(
        life.l->path,
        "INSERT INTO batch_name SELECT 1, 'old', x'00', min(seq), max(seq), 9 FROM batch");
    life_learn(&life, 0);
    store_five(&life, 0);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM batch_name"), 1);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM batch_name"), 0);
    life_check(&life);
    life_end(&life);
}

static void of_the_catalogue_only_what_lists_need_is_kept(void **state)
{
    struct life life;
    const char *features;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, PLAIN);
    for (int k = 0; k < 5; k++) {
        (void)learning_features(life.l, STORE_ITEM, "a", k % 2 == 0 ? "{\"y\":1}" : "{\"y\":2}");
        (void)learning_features(life.l, STORE_USER, "u", "{\"y\":1}");
    }
    (void)learning_features(life.l, STORE_USER, "gone", "{\"y\":1}");
    (void)learning_features(life.l, STORE_USER, "gone", NULL);
    life.l->catalogue_seq = learning_end(life.l);
    (void)life_rank(&life, 0);
    (void)learning_features(life.l, STORE_ITEM, "a", "{\"y\":3}");
    (void)learning_features(life.l, STORE_ITEM, "a", "{\"y\":4}");
    life_trim(&life, life.l->time_ms + 3 * HOUR_MS);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM item"), 3);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM user"), 1);
    assert_int_equal(life_count(&life, "SELECT count(*) FROM log WHERE kind IN ('item', 'user')"),
                     4);
    assert_ok(store_get_features(life.l->reader, STORE_ITEM, "a", life.l->catalogue_seq, &features,
                                 NULL));
    assert_string_equal(features, "{\"y\":1}");
    life_end(&life);
}

static void the_log_never_loses_its_end_and_counts_its_rows(void **state)
{
    struct life life;
    int64_t bytes, rows;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, OFF);
    for (size_t k = 0; k < 600; k++) {
        (void)life_rank(&life, 0);
    }
    const int64_t end = learning_end(life.l);
    life_trim(&life, life.l->time_ms + 90 * DAY_MS);
    assert_int_equal(life_count(&life, "SELECT max(seq) FROM log"), end);
    assert_int_equal(life_count(&life, LISTS), 1);
    assert_ok(store_log_size(life.l->reader, &bytes, &rows, NULL));
    assert_int_equal(rows, life_count(&life, "SELECT count(*) FROM log"));
    assert_int_equal(atomic_load(&life.l->metrics.counter[METRIC_REMOVED_RANKINGS]), 599);
    learning_close(life.l);
    learning_open(life.l); /* a start looks at the rows */
    life_end(&life);
}

static void a_clock_that_jumps_does_not_purge(void **state)
{
    struct life life;
    struct retention *retention;
    bool more = true;
    life_start(&life, *state, 1);
    (void)life_model(&life, 0, OFF);
    for (size_t k = 0; k < 10; k++) {
        (void)life_rank(&life, 0);
    }
    life_trim(&life, life.l->time_ms);
    assert_ok(retention_create(&life.options, life.l->reader, life.l->writer, &life.l->metrics,
                               &retention, NULL));
    while (more) { /* a start ten years later: so it says */
        assert_ok(retention_step(retention, &(struct retention_model){.id = 1}, 1,
                                 life.l->time_ms + 3650 * DAY_MS, &more, NULL));
    }
    retention_destroy(&retention);
    assert_int_equal(life_count(&life, LISTS), 10);
    life_end(&life);
}

/* Random lives, whatever is removed of them: the laws hold. */
static void any_life_comes_out_as_it_was_whatever_was_removed(void **state)
{
    static const char *const kinds[LIFE_MODELS] = {PLAIN, WINDOW, CLICKS, ALL};
    const char *given = getenv("RANKD_SEED");
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261124;
    for (uint64_t k = 0; k < 6; k++) {
        struct life life;
        learning_close(*state);
        learning_teardown(state);
        (void)learning_setup(state);
        life_start(&life, *state, seed + k);
        for (size_t i = 0; i < LIFE_MODELS; i++) {
            (void)life_model(&life, i, kinds[(i + k) % LIFE_MODELS]);
        }
        for (int round = 0; round < 8; round++) {
            life_go_on(&life, 120);
            life.options.log_bytes = round % 3 == 2 ? 1 : INT64_MAX;
            life_check(&life); /* notes what there is */
            life_trim(&life, life.l->time_ms + (int64_t)(round % 2) * 3 * HOUR_MS);
            life_check(&life);
            if (round == 5) {
                life_delete(&life, k % LIFE_MODELS);
            }
        }
        printf("seed %llu: %lld lists and %lld steps left of %lld records, %lld removed\n",
               (unsigned long long)(seed + k), (long long)life_count(&life, LISTS),
               (long long)life_count(&life, "SELECT count(*) FROM step"),
               (long long)learning_end(life.l),
               (long long)life_count(&life, "SELECT removed FROM retention"));
        assert_true(life_count(&life, "SELECT removed FROM retention") > 0);
        life_end(&life);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(what_is_old_and_learned_goes_with_all_that_belongs_to_it),
        LEARNING_TEST(what_is_younger_than_its_days_stays),
        LEARNING_TEST(nothing_goes_that_the_oldest_kept_checkpoint_would_be_gone_on_with),
        LEARNING_TEST(what_was_not_learned_from_yet_stays),
        LEARNING_TEST(a_ranking_goes_with_its_last_event_and_its_ids_with_it),
        LEARNING_TEST(rankings_that_take_events_stay_however_full_it_is),
        LEARNING_TEST(a_version_that_was_activated_once_does_not_hold_the_log),
        LEARNING_TEST(what_is_in_quarantine_can_be_tried_again_however_old),
        LEARNING_TEST(for_room_lists_without_events_go_first_then_the_oldest),
        LEARNING_TEST(for_room_only_the_newest_five_checkpoints_are_gone_on_from),
        LEARNING_TEST(models_that_learn_from_all_keep_the_lists_of_others),
        LEARNING_TEST(a_model_that_does_not_learn_holds_nothing),
        LEARNING_TEST(of_a_deleted_model_all_goes_after_its_days),
        LEARNING_TEST(lists_that_are_waited_for_stay_until_they_were_learned_from),
        LEARNING_TEST(named_batches_are_known_as_long_as_their_last_list),
        LEARNING_TEST(of_the_catalogue_only_what_lists_need_is_kept),
        LEARNING_TEST(the_log_never_loses_its_end_and_counts_its_rows),
        LEARNING_TEST(a_clock_that_jumps_does_not_purge),
        LEARNING_TEST(any_life_comes_out_as_it_was_whatever_was_removed),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
