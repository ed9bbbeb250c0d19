/*
 * The learning step of one model: scored, learned, recorded, served - or taken back.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#define FM       "{\"kind\":\"fm\"," LEARNING_SMALL
#define NO_PAIRS "{\"items\":[\"a\",\"b\"]}"

/* ---- progressive metrics ---- */

/* Sums of metrics of the lists of (from, to] under theta, as the core has them. */
static struct rk_eval_sum evaluate_twin(struct learning *l, const struct trainee *t,
                                        const float *theta, int64_t from, int64_t to)
{
    const struct cut_range range = {.from_seq = from, .to_seq = to};
    struct rk_eval_sum sum = {0};
    struct cut cut = {0};
    double score[64];
    char work[1 << 16];
    const struct cut_terms terms = trainee_terms(t);
    assert_ok(cut_groups(l->reader, &terms, &range, &cut, NULL));
    for (size_t i = 0; i < cut.n; i++) {
        const struct rk_group *group = cut.group[i];
        memset(score, 0, sizeof score);
        if (theta != NULL) {
            assert_ok(rk_model_forward(t->served->model, theta, group, work, score, NULL));
        }
        rk_eval_add(&sum, score, group->label, group->n_items, work);
    }
    cut_deinit(&cut);
    return sum;
}

static void compare_metrics(const struct store_step *row, const struct rk_eval_sum *sum)
{
    assert_int_equal(row->lists, sum->lists);
    assert_int_equal(row->ndcg_n, sum->ndcg_n);
    assert_int_equal(row->auc_n, sum->auc_n);
    assert_int_equal(row->log_loss_n, sum->log_loss_n);
    assert_true(row->ndcg == sum->ndcg && row->auc == sum->auc && row->log_loss == sum->log_loss);
}

static void progressive_metrics_are_of_what_was_served_before_learning(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM "}");
    struct store_step row;
    learning_stream(l, 40, 1);
    int64_t start = t->seq, middle = learning_end(l);
    struct rk_eval_sum expected = evaluate_twin(l, t, NULL, start, middle); /* nothing learned: 0 */
    trained_catch_up(l, t);
    assert_int_equal(trained_last_steps(l, t, &row, 1), 1);
    compare_metrics(&row, &expected);
    learning_stream(l, 30, 2);
    expected = evaluate_twin(l, t, live_served(&t->served->live), middle, learning_end(l));
    trained_catch_up(l, t);
    assert_int_equal(trained_last_steps(l, t, &row, 1), 1);
    compare_metrics(&row, &expected);
    struct rk_eval_sum after =
        evaluate_twin(l, t, live_served(&t->served->live), middle, learning_end(l));
    assert_true(after.ndcg != row.ndcg); /* else the test could not fail */
    trained_free(&t);
}

/* ---- versions and rows ---- */

static void each_step_that_learned_is_a_version_and_a_row(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM ",\"training\":{\"batch_groups\":8}}");
    struct store_step rows[8];
    learning_stream(l, 20, 1);
    trained_catch_up(l, t);
    assert_int_equal(trained_last_steps(l, t, rows, 8), 3);
    for (size_t i = 0; i < 3; i++) {
        const struct store_step *row = &rows[2 - i]; /* newest first */
        assert_int_equal(row->version, i + 1);
        assert_int_equal(row->outcome, STORE_PUBLISHED);
        assert_int_equal(row->from_seq,
                         i == 0 ? t->served->id /* its model row */ : rows[3 - i].to_seq);
        assert_true(row->pairs > 0 && row->loss > 0 && row->grad_norm > 0);
    }
    assert_int_equal(rows[0].lists + rows[1].lists + rows[2].lists, 20);
    assert_int_equal(rows[0].to_seq, learning_end(l));
    assert_int_equal(live_version(&t->served->live), 3);
    assert_int_equal(atomic_load(&t->served->position), learning_end(l));
    trained_free(&t);
}

static void step_without_a_pair_changes_no_version_but_is_recorded(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM "}");
    struct store_step row;
    learning_stream(l, 5, 1);
    trained_catch_up(l, t);
    struct checkpoint_bytes before = trained_bytes(t);
    (void)learning_batch(l, NO_PAIRS);
    trained_catch_up(l, t);
    assert_int_equal(trained_last_steps(l, t, &row, 1), 1);
    assert_int_equal(row.outcome, STORE_NO_OP);
    assert_int_equal(row.version, 1);
    trained_compare(t, &before);
    free(before.bytes);
    trained_free(&t);
}

static void log_without_a_list_moves_the_position_without_a_row(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM "}");
    struct store_step row;
    (void)learning_ranking(l, "r", "[\"a\",\"b\"]", "a b");
    (void)learning_event(l, "r", "a", "share", 1);
    (void)learning_batch(l, "{\"items\":[]}");
    trained_catch_up(l, t);
    assert_int_equal(t->seq, learning_end(l));
    assert_int_equal(trained_last_steps(l, t, &row, 1), 0);
    trained_free(&t);
}

static void clicked_item_is_ranked_higher_after_learning(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM "}");
    char id[16];
    for (int i = 0; i < 30; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        (void)learning_ranking(l, id, "[\"a\",\"b\",\"c\"]", "a b c");
        (void)learning_event(l, id, "c", "click", 1);
    }
    int64_t from = t->seq;
    trained_catch_up(l, t);
    struct rk_eval_sum sum =
        evaluate_twin(l, t, live_served(&t->served->live), from, learning_end(l));
    assert_true(sum.ndcg == 30); /* c is on top of each list */
    trained_free(&t);
}

static void checkpoint_row_tells_position_parent_and_metrics_since_the_last(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM "}");
    learning_stream(l, 10, 1);
    trained_catch_up(l, t);
    struct store_checkpoint first = trained_store(l, t);
    assert_int_equal(first.version, 1);
    assert_int_equal(first.parent, 0);
    assert_int_equal(first.seq, learning_end(l));
    assert_int_equal(first.step, t->step);
    learning_stream(l, 7, 2);
    trained_catch_up(l, t);
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row;
    assert_ok(trainee_checkpoint(t, STORE_SOURCE_TRAINING, &file, &row, NULL));
    assert_int_equal(row.version, 2);
    assert_int_equal(row.parent, 1);
    assert_non_null(strstr(row.metrics, "\"lists\":7,\"ndcg@10\":0."));
    free(row.metrics);
    free(row.held);
    free(file.bytes);
    trained_free(&t);
}

/* ---- recorded, then served ---- */

struct stepper {
    struct learning *l;
    struct trainee *t;
    enum rk_status status;
};

static void *step_once(void *context)
{
    struct stepper *stepper = context;
    struct trainee_tools tools = {.store = stepper->l->reader, .writer = stepper->l->writer};
    bool more;
    stepper->status = trainee_step(stepper->t, &tools, learning_end(stepper->l), &more, NULL);
    return NULL;
}

struct gate_job {
    struct writer_job job;
    struct gate gate;
};

static enum rk_status gate_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    (void)store;
    (void)err;
    gate_pass(&((struct gate_job *)job)->gate);
    return RK_OK;
}

static void gate_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    (void)job;
    (void)outcome;
}

static bool step_row_waits(void *context)
{
    return writer_queued(((struct learning *)context)->writer).jobs == 1;
}

static void step_is_served_only_when_its_row_is_committed_and_readers_do_not_wait(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM "}");
    struct gate_job holder = {.job = {.run = gate_run, .done = gate_done, .weight = 1}};
    struct stepper stepper = {.l = l, .t = t};
    pthread_t thread;
    learning_stream(l, 10, 1);
    assert_true(writer_submit(l->writer, &holder.job));
    gate_await(&holder.gate, 1);
    assert_int_equal(pthread_create(&thread, NULL, step_once, &stepper), 0);
    await(step_row_waits, l); /* learned, and not yet recorded */
    struct live_view view = live_read(&t->served->live, 0);
    assert_int_equal(view.version, 0);
    gate_open(&holder.gate);
    while (live_version(&t->served->live) == 0) { /* the reader of the old one does not hinder it */
    }
    struct live_view next = live_read(&t->served->live, 1);
    assert_int_equal(next.version, 1);
    assert_int_equal(fixture_read_number(l->path, "SELECT count(*) FROM step"), 1);
    live_done(&t->served->live, 1, &next);
    live_done(&t->served->live, 0, &view);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(stepper.status, RK_OK);
    trained_free(&t);
}

static void step_that_storage_refuses_is_taken_back_bit_for_bit(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM "}");
    struct trainee_tools tools = {.store = l->reader, .writer = l->writer, .metrics = &l->metrics};
    struct rk_error err = {0};
    bool more;
    learning_stream(l, 20, 1);
    trained_catch_up(l, t);
    struct checkpoint_bytes before = trained_bytes(t);
    int64_t seq = t->seq;
    learning_stream(l, 20, 2);
    fixture_run_sql(l->path, "CREATE TRIGGER refuse BEFORE INSERT ON step BEGIN "
                             "SELECT RAISE(ABORT, 'refused'); END");
    assert_status(trainee_step(t, &tools, learning_end(l), &more, &err), RK_IO);
    assert_true(err.text[0] != '\0');
    assert_int_equal(t->seq, seq);
    trained_compare(t, &before);
    assert_memory_equal(live_served(&t->served->live), live_learning(&t->served->live),
                        rk_model_params(t->served->model) * sizeof(float));
    fixture_run_sql(l->path, "DROP TRIGGER refuse");
    trained_catch_up(l, t);
    assert_int_equal(live_version(&t->served->live), 2); /* no number is used up */
    trained_check_refold(l, &t);
    free(before.bytes);
    trained_free(&t);
}

/* ---- what is not finite ---- */

/* Raw numbers of 1e6 and a rate of 1000: whatever learns from a few of them is not finite. */
#define WILD                                                                                       \
    "{\"kind\":\"fm\",\"features\":{\"bits\":10,\"numbers\":\"raw\"},\"dim\":3,"                   \
    "\"optimizer\":{\"name\":\"sgd\",\"learning_rate\":1000},\"training\":{\"batch_groups\":500}}"

static void put_wild_lists(struct learning *l)
{
    for (int i = 0; i < 12; i++) {
        char list[256];
        (void)snprintf(
            list, sizeof list,
            "{\"items\":[{\"id\":\"w1\",\"label\":%d,\"features\":{\"x\":1e6,\"y\":-1e6}},"
            "{\"id\":\"w2\",\"label\":%d,\"features\":{\"x\":-1e6,\"y\":1e6}}]}",
            i % 2, 1 - i % 2);
        (void)learning_batch(l, list);
        for (int k = 0; k < 3; k++) {
            (void)learning_batch(l, "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\",\"c\"]}");
        }
    }
}

static bool is_quarantined(const char *quarantined, int64_t seq)
{
    for (const char *at = quarantined; *at != '\0' && *at != ']';) {
        char *end;
        if (strtoll(at + 1, &end, 10) == seq) {
            return true;
        }
        at = end;
    }
    return false;
}

/* Learns from every list but those with a learner of its own. @return how many were left out. */
static size_t learn_others(struct learning *l, const struct trainee *t, const char *quarantined,
                           float *theta)
{
    const struct cut_range range = {.from_seq = t->served->id, .to_seq = learning_end(l)};
    struct rk_learner *learner = NULL;
    struct rk_learned learned = {0};
    struct cut cut = {0};
    size_t left_out = 0;
    rk_model_init(t->served->model, theta);
    assert_ok(rk_learner_create(t->served->model, theta, &learner, NULL));
    const struct cut_terms terms = trainee_terms(t);
    assert_ok(cut_groups(l->reader, &terms, &range, &cut, NULL));
    rk_learner_begin(learner);
    for (size_t i = 0; i < cut.n; i++) {
        const struct rk_group *group = cut.group[i];
        if (is_quarantined(quarantined, cut.seq[i])) {
            left_out++;
        } else if ((i + 1) % HELD_EVERY != 0) {
            assert_ok(rk_learner_update(learner, theta, &group, 1, &learned, NULL));
        }
    }
    cut_deinit(&cut);
    rk_learner_destroy(&learner);
    return left_out;
}

static void lists_that_make_it_not_finite_are_quarantined_alone_and_others_learned(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, WILD);
    const size_t params = rk_model_params(t->served->model);
    float *theta = malloc(params * sizeof *theta);
    put_wild_lists(l);
    trained_catch_up(l, t);
    struct store_step rows[2];
    size_t n = 2;
    assert_ok(store_list_steps(l->reader, t->served->id, 0, false, rows, &n, NULL));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].outcome, STORE_PUBLISHED); /* others were learned from */
    assert_true(rows[0].reason[0] != '\0');
    size_t left_out = learn_others(l, t, rows[0].quarantined, theta);
    assert_true(left_out > 0 && left_out < 12);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_LISTS_QUARANTINED]), left_out);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_LISTS_LEARNED]),
                     48 - 48 / HELD_EVERY - left_out);
    assert_memory_equal(live_served(&t->served->live), theta, params * sizeof *theta);
    for (size_t i = 0; i < params; i++) {
        assert_true(isfinite(theta[i]));
    }
    trained_check_refold(l, &t);
    free(rows[0].quarantined);
    free(theta);
    trained_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(progressive_metrics_are_of_what_was_served_before_learning),
        LEARNING_TEST(each_step_that_learned_is_a_version_and_a_row),
        LEARNING_TEST(step_without_a_pair_changes_no_version_but_is_recorded),
        LEARNING_TEST(log_without_a_list_moves_the_position_without_a_row),
        LEARNING_TEST(clicked_item_is_ranked_higher_after_learning),
        LEARNING_TEST(checkpoint_row_tells_position_parent_and_metrics_since_the_last),
        LEARNING_TEST(step_is_served_only_when_its_row_is_committed_and_readers_do_not_wait),
        LEARNING_TEST(step_that_storage_refuses_is_taken_back_bit_for_bit),
        LEARNING_TEST(lists_that_make_it_not_finite_are_quarantined_alone_and_others_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
