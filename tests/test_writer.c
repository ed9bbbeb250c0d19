/*
 * The writer: what is committed together, what is told when, and what is refused.
 */
#include "learning_fixture.h"
#include "store_fixture.h"
#include "store_log.h"
#include "store_registry.h"
#include "test.h"

#define MODEL 1

/* ---- jobs ---- */

/* Puts a batch list, unless told to fail; waits at a gate before that, if it has one. */
struct test_job {
    struct writer_job job;
    struct gate *gate;
    enum rk_status fail_with; /* after it wrote */
    bool silent;              /* fails without filling err */
    struct store *reader;     /* looked at when it is done */
    int64_t seq;              /* of what it wrote */
    struct writer_outcome outcome;
    bool found; /* when it was done, another connection saw what it wrote */
    _Atomic int times_done;
};

static enum rk_status test_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct test_job *test = (struct test_job *)job;
    const char *payload = "{}";
    const size_t length = 2;
    struct store_batch batch = {.model = MODEL, .payload = &payload, .payload_n = &length, .n = 1};
    if (test->gate != NULL) {
        gate_pass(test->gate);
    }
    enum rk_status status = store_put_batch(store, &batch, 1, err);
    test->seq = batch.first_seq;
    if (status == RK_OK && test->fail_with != RK_OK) {
        return test->silent ? test->fail_with : rk_fail(err, test->fail_with, "as it was told");
    }
    return status;
}

static void test_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct test_job *test = (struct test_job *)job;
    const char *payload;
    size_t n;
    int64_t catalogue_seq;
    test->outcome = *outcome;
    if (test->reader != NULL) {
        test->found =
            store_get_batch(test->reader, test->seq, &payload, &n, &catalogue_seq, NULL) == RK_OK;
    }
    atomic_fetch_add(&test->times_done, 1);
}

static struct test_job make_job(void)
{
    return (struct test_job){.job = {.run = test_run, .done = test_done, .bytes = 10, .weight = 1}};
}

static bool is_done(void *context)
{
    return atomic_load(&((struct test_job *)context)->times_done) > 0;
}

/* Queues a job and waits until it holds the writer's transaction open. */
static void hold(struct learning *l, struct test_job *job, struct gate *gate)
{
    *job = make_job();
    job->gate = gate;
    assert_true(writer_submit(l->writer, &job->job));
    gate_await(gate, 1);
}

static uint64_t commits(const struct learning *l)
{
    return atomic_load(&l->metrics.counter[METRIC_COMMITS]);
}

/* Lists in the log, as another program counts them. */
static int64_t lists_in(struct learning *l)
{
    struct store_record records[256];
    size_t n = 256;
    assert_ok(store_read_records(l->reader, MODEL, 0, INT64_MAX, records, &n, NULL));
    return (int64_t)n;
}

/* ---- one transaction for many ---- */

static void jobs_that_wait_are_committed_together_and_in_order(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job first, jobs[50];
    hold(l, &first, &gate);
    for (size_t i = 0; i < 50; i++) {
        jobs[i] = make_job();
        assert_true(writer_submit(l->writer, &jobs[i].job));
    }
    gate_open(&gate);
    await(is_done, &jobs[49]);
    assert_int_equal(commits(l), 2); /* the one that held, and all that waited */
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(jobs[i].times_done, 1);
        assert_int_equal(jobs[i].outcome.err.status, RK_OK);
        assert_int_equal(jobs[i].seq, first.seq + 1 + (int64_t)i);
    }
    assert_int_equal(lists_in(l), 51);
}

static void job_is_told_that_it_is_done_only_after_its_commit(void **state)
{
    struct learning *l = *state;
    struct test_job job = make_job();
    struct store *reader = NULL; /* used by the writer's thread alone */
    assert_ok(store_open_reader(l->path, &reader, NULL));
    job.reader = reader;
    assert_true(writer_submit(l->writer, &job.job));
    await(is_done, &job);
    assert_true(job.found);
    assert_int_equal(writer_log_end(l->writer), job.seq);
    store_close(&reader);
}

static void job_that_fails_between_others_takes_back_only_its_own_writes(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder, before = make_job(), bad = make_job(), after = make_job();
    hold(l, &holder, &gate);
    bad.fail_with = RK_INVALID;
    assert_true(writer_submit(l->writer, &before.job) && writer_submit(l->writer, &bad.job) &&
                writer_submit(l->writer, &after.job));
    gate_open(&gate);
    await(is_done, &after);
    assert_int_equal(before.outcome.err.status, RK_OK);
    assert_int_equal(bad.outcome.err.status, RK_INVALID);
    assert_string_equal(bad.outcome.err.text, "as it was told");
    assert_int_equal(bad.outcome.trouble, STORE_FINE);
    assert_int_equal(after.outcome.err.status, RK_OK);
    assert_int_equal(lists_in(l), 3);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_STORAGE_ERRORS]), 0);
}

static void job_that_fails_without_a_word_is_not_told_that_it_went_well(void **state)
{
    struct learning *l = *state;
    struct test_job bad = make_job();
    bad.fail_with = RK_MISMATCH;
    bad.silent = true;
    struct writer_outcome outcome = writer_run(l->writer, &bad.job);
    assert_int_equal(outcome.err.status, RK_MISMATCH);
    assert_string_equal(outcome.err.text, rk_status_text(RK_MISMATCH));
    assert_int_equal(lists_in(l), 0);
}

static enum rk_status run_over_it(struct writer_job *job, struct store *store, struct rk_error *err)
{
    (void)job;
    return store_delete_model(store, 12345, 1, err) == RK_NOTFOUND ? RK_OK : RK_INVALID;
}

static void error_that_a_job_got_over_is_no_failure(void **state)
{
    struct learning *l = *state;
    struct writer_job job = {.run = run_over_it, .weight = 1};
    assert_int_equal(writer_run(l->writer, &job).err.status, RK_OK);
}

/* ---- rankings ---- */

static struct writer_ranking *make_ranking(const char *id, uint64_t id_hash)
{
    struct writer_ranking *ranking = calloc(1, sizeof *ranking + sizeof(uint64_t));
    uint64_t *shown = (uint64_t *)(void *)(ranking + 1);
    *shown = fixture_item_hash("i");
    ranking->ranking = (struct store_ranking){.ranking_id = id,
                                              .model = MODEL,
                                              .request = "{}",
                                              .request_n = 2,
                                              .served = "[]",
                                              .served_n = 2,
                                              .shown = shown,
                                              .n_shown = 1};
    ranking->id_hash = id_hash;
    return ranking;
}

struct event_job {
    struct writer_job job;
    enum store_event_status status;
};

static enum rk_status event_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct store_event event = fixture_event("e", "r", "i");
    return store_put_event(store, &event, 1, FIXTURE_TTL_MS, &((struct event_job *)job)->status,
                           err);
}

static void *run_event(void *context)
{
    struct learning *l = context;
    struct event_job event = {.job = {.run = event_run, .weight = 1}};
    enum rk_status status = writer_run(l->writer, &event.job).err.status;
    return status == RK_OK && event.status == STORE_EVENT_ACCEPTED ? l : NULL;
}

static bool one_job_waits(void *context)
{
    return writer_queued(((struct learning *)context)->writer).jobs == 1;
}

static void click_that_was_queued_before_its_ranking_finds_it(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder;
    pthread_t thread;
    void *accepted = NULL;
    bool used = false;
    hold(l, &holder, &gate);
    assert_int_equal(pthread_create(&thread, NULL, run_event, l), 0);
    await(one_job_waits, l);
    assert_true(writer_log(l->writer, make_ranking("r", 0), &used));
    gate_open(&gate);
    assert_int_equal(pthread_join(thread, &accepted), 0);
    assert_non_null(accepted);
    assert_int_equal(commits(l), 2);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_RANKINGS_LOGGED]), 1);
}

static void rankings_above_the_limit_are_shed(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder;
    bool used = true;
    hold(l, &holder, &gate);
    for (int i = 0; i < 1000; i++) {
        assert_true(writer_log(l->writer, make_ranking("same", 0), &used));
        assert_false(used);
    }
    assert_false(writer_log(l->writer, make_ranking("r", 0), &used));
    assert_false(used); /* shed, not used before */
    assert_int_equal(writer_queued(l->writer).rankings, 1000);
    gate_open(&gate);
    learning_close(l);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_RANKINGS_LOGGED]), 1);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_RANKINGS_UNLOGGED]), 999);
}

static void ranking_id_that_is_queued_or_being_committed_is_told_as_used(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0}, second_gate = {0};
    struct test_job holder, second = make_job();
    bool used = false;
    hold(l, &holder, &gate);
    assert_true(writer_log(l->writer, make_ranking("r", 77), &used));
    assert_false(writer_log(l->writer, make_ranking("r", 77), &used));
    assert_true(used); /* it waits in the queue */
    second.gate = &second_gate;
    assert_true(writer_submit(l->writer, &second.job));
    gate_open(&gate);
    gate_await(&second_gate, 1);
    assert_int_equal(writer_queued(l->writer).rankings, 0);
    used = false;
    assert_false(writer_log(l->writer, make_ranking("r", 77), &used));
    assert_true(used); /* it is in the open transaction */
    assert_true(writer_log(l->writer, make_ranking("r2", 78), &used));
    assert_false(used);
    gate_open(&second_gate);
    learning_close(l);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_RANKINGS_LOGGED]), 2);
}

/* ---- storage that fails ---- */

static void job_that_storage_fails_gives_up_the_whole_transaction(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder, before = make_job(), bad = make_job();
    bool used = false;
    hold(l, &holder, &gate);
    bad.fail_with = RK_IO;
    assert_true(writer_log(l->writer, make_ranking("r", 0), &used));
    assert_true(writer_submit(l->writer, &before.job) && writer_submit(l->writer, &bad.job));
    gate_open(&gate);
    await(is_done, &bad);
    assert_int_equal(before.outcome.err.status, RK_IO);
    assert_int_equal(bad.outcome.err.status, RK_IO);
    assert_int_equal(lists_in(l), 1);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_STORAGE_ERRORS]), 1);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_RANKINGS_LOGGED]), 0);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_RANKINGS_SHED]), 1);
    struct test_job next = make_job();
    assert_int_equal(writer_run(l->writer, &next.job).err.status, RK_OK); /* and goes on */
}

/* ---- the queue's limits ---- */

static void full_queue_refuses_and_does_not_call_done(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder, half = make_job(), rest = make_job(), over = make_job();
    hold(l, &holder, &gate);
    half.job.weight = 600;
    rest.job.weight = 400;
    assert_true(writer_submit(l->writer, &half.job) && writer_submit(l->writer, &rest.job));
    assert_int_equal(writer_queued(l->writer).jobs, 1000);
    assert_int_equal(writer_queued(l->writer).bytes, 20);
    assert_false(writer_submit(l->writer, &over.job));
    gate_open(&gate);
    await(is_done, &rest);
    assert_true(writer_submit(l->writer, &over.job)); /* there is room again */
    learning_close(l);
    assert_int_equal(over.times_done, 1);
}

static void queue_is_full_by_bytes_too(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder, big = make_job(), small = make_job();
    hold(l, &holder, &gate);
    big.job.bytes = (size_t)1 << 24;
    assert_true(writer_submit(l->writer, &big.job));
    assert_false(writer_submit(l->writer, &small.job));
    gate_open(&gate);
    await(is_done, &big);
}

static void job_larger_than_the_limit_is_taken_when_nothing_waits(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder, large = make_job();
    large.job.weight = 5000;
    hold(l, &holder, &gate);
    assert_true(writer_submit(l->writer, &large.job));
    struct test_job more = make_job();
    assert_false(writer_submit(l->writer, &more.job));
    gate_open(&gate);
    await(is_done, &large);
    assert_int_equal(large.outcome.err.status, RK_OK);
}

/* ---- the end ---- */

static void stop_commits_all_that_is_queued(void **state)
{
    struct learning *l = *state;
    struct gate gate = {0};
    struct test_job holder, jobs[20];
    hold(l, &holder, &gate);
    for (size_t i = 0; i < 20; i++) {
        jobs[i] = make_job();
        jobs[i].job.weight = 40;
        assert_true(writer_submit(l->writer, &jobs[i].job));
    }
    gate_open(&gate);
    learning_close(l);
    learning_open(l);
    assert_int_equal(lists_in(l), 21);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(jobs[i].times_done, 1);
        assert_int_equal(jobs[i].outcome.err.status, RK_OK);
    }
    assert_int_equal(writer_log_end(l->writer), jobs[19].seq); /* also after a new start */
}

struct again {
    struct test_job test;
    struct writer *writer;
    int left;
};

static void again_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct again *again = (struct again *)job;
    test_done(job, outcome);
    if (again->left-- > 0) {
        writer_push(again->writer, job);
    }
}

static void job_that_queues_itself_again_is_finished_before_the_writer_ends(void **state)
{
    struct learning *l = *state;
    struct again again = {.test = make_job(), .writer = l->writer, .left = 30};
    again.test.job.done = again_done;
    assert_true(writer_submit(l->writer, &again.test.job));
    learning_close(l);
    learning_open(l);
    assert_int_equal(again.test.times_done, 31);
    assert_int_equal(lists_in(l), 31);
}

/* ---- many threads ---- */

struct runner {
    pthread_t thread;
    struct writer *writer;
    int failed;
};

static void *run_many(void *context)
{
    struct runner *runner = context;
    for (int i = 0; i < 50; i++) {
        struct test_job job = make_job();
        struct writer_outcome outcome = writer_run(runner->writer, &job.job);
        runner->failed += outcome.err.status != RK_OK || job.times_done != 1 ||
                          writer_log_end(runner->writer) < job.seq;
    }
    return NULL;
}

static void several_threads_wait_each_for_its_own_job(void **state)
{
    struct learning *l = *state;
    struct runner runner[4];
    for (size_t i = 0; i < 4; i++) {
        runner[i] = (struct runner){.writer = l->writer};
        assert_int_equal(pthread_create(&runner[i].thread, NULL, run_many, &runner[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(runner[i].thread, NULL), 0);
        assert_int_equal(runner[i].failed, 0);
    }
    assert_int_equal(lists_in(l), 200);
    assert_true(commits(l) <= 200);
}

struct told {
    _Atomic int64_t log_end;
    _Atomic int times;
};

static void tell(void *context, int64_t log_end)
{
    struct told *told = context;
    atomic_store(&told->log_end, log_end);
    atomic_fetch_add(&told->times, 1);
}

static void commit_is_told_with_the_logs_end(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct writer_limits limits = {.jobs = 10, .bytes = 1000, .rankings = 10};
    static struct metrics metrics;
    struct writer *writer = NULL;
    struct told told = {0};
    struct test_job job = make_job(), bad = make_job();
    assert_ok(store_commit(fixture->store, NULL));
    assert_ok(writer_start(fixture->store, &metrics, &limits, tell, &told, &writer, NULL));
    fixture->store = NULL;
    assert_int_equal(writer_run(writer, &job.job).err.status, RK_OK);
    bad.fail_with = RK_IO;
    assert_int_equal(writer_run(writer, &bad.job).err.status, RK_IO);
    writer_stop(&writer);
    assert_null(writer);
    writer_stop(&writer);
    assert_int_equal(told.times, 1); /* nothing was committed the second time */
    assert_int_equal(told.log_end, job.seq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(jobs_that_wait_are_committed_together_and_in_order),
        LEARNING_TEST(job_is_told_that_it_is_done_only_after_its_commit),
        LEARNING_TEST(job_that_fails_between_others_takes_back_only_its_own_writes),
        LEARNING_TEST(job_that_fails_without_a_word_is_not_told_that_it_went_well),
        LEARNING_TEST(error_that_a_job_got_over_is_no_failure),
        LEARNING_TEST(click_that_was_queued_before_its_ranking_finds_it),
        LEARNING_TEST(rankings_above_the_limit_are_shed),
        LEARNING_TEST(ranking_id_that_is_queued_or_being_committed_is_told_as_used),
        LEARNING_TEST(job_that_storage_fails_gives_up_the_whole_transaction),
        LEARNING_TEST(full_queue_refuses_and_does_not_call_done),
        LEARNING_TEST(queue_is_full_by_bytes_too),
        LEARNING_TEST(job_larger_than_the_limit_is_taken_when_nothing_waits),
        LEARNING_TEST(stop_commits_all_that_is_queued),
        LEARNING_TEST(job_that_queues_itself_again_is_finished_before_the_writer_ends),
        LEARNING_TEST(several_threads_wait_each_for_its_own_job),
        TEST(commit_is_told_with_the_logs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
