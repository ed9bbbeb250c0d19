/*
 * rankd train: learns from the lists of a file, then stores what came of it as a version that a
 * server started later serves and learns on from.
 *
 * All learning happens in memory on the model's learning copy; the store changes only at the end,
 * except that what its log still holds for the model is learned first, as a server would have.
 */
#include "clock.h"
#include "command.h"
#include "command_train_impl.h"
#include "config_file.h"

#include <rankd/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* ---- learning ---- */

/*
 * One optimizer update; one that would diverge is taken back by the learner, and counted.
 *
 * @param head  out: what the lists scored before it; NULL: it diverged.
 */
static enum rk_status update(struct training *training, size_t first, size_t n, const double **head,
                             struct rk_error *err)
{
    struct trainee *t = training->offline.trainee;
    const uint64_t before = training->last.updates;
    struct rk_error own = {0};
    enum rk_status status;

    rk_learner_begin(t->learner);
    status = rk_learner_update(t->learner, live_learning(&t->served->live), &training->list[first],
                               n, &training->last, &own);
    training->updates += training->last.updates - before;
    *head = status == RK_OK ? rk_learner_heads(t->learner) : NULL;
    if (status == RK_DIVERGED) {
        if (training->diverged++ == 0) {
            memcpy(training->reason, own.text, sizeof training->reason);
        }
        return RK_OK;
    }
    return status == RK_OK ? RK_OK : rk_fail(err, status, "%s", own.text);
}

/* Measures the lists of an update as they scored before it: what it taught them does not count. */
static enum rk_status measure(struct training *training, size_t first, size_t n, bool is_untrained,
                              const double *head, struct rk_error *err)
{
    struct live *live = &training->offline.served->live;
    enum rk_status status = RK_OK;

    for (size_t i = first; i < first + n && status == RK_OK; i++) {
        const struct rk_group *list = training->list[i];
        if (head == NULL && !is_untrained) { /* the parameters are what they were */
            status = offline_measure(&training->offline, live_learning(live), list,
                                     &training->before, err);
            continue;
        }
        status = offline_measure_heads(&training->offline, is_untrained ? NULL : head, list,
                                       &training->before, err);
        head += head != NULL ? list->n_items * rk_model_heads(training->offline.served->model) : 0;
    }
    return status;
}

static enum rk_status learn_pass(struct training *training, bool is_last, struct progress *progress,
                                 struct rk_error *err)
{
    const size_t lists = training->n_lists;
    const size_t at_once = (size_t)training->offline.served->config.training.update_groups;
    enum rk_status status = RK_OK;

    training->last = (struct rk_learned){0};
    for (size_t i = 0; i < lists && status == RK_OK; i += at_once) {
        const size_t n = lists - i < at_once ? lists - i : at_once;
        const bool is_untrained =
            live_version(&training->offline.served->live) == 0 && training->updates == 0;
        const double *head;
        status = update(training, i, n, &head, err);
        if (status == RK_OK && is_last) {
            status = measure(training, i, n, is_untrained, head, err);
        }
        progress_add(progress, n);
    }
    return status;
}

/*
 * Is the list at a position held out? Decided by position and seed alone: more lists, or a larger
 * part, move none that was held out before.
 */
static bool is_held_out(const struct offline_options *options, size_t position)
{
    struct rk_random random = {.state = (uint64_t)options->seed};

    random.state = rk_random_bits(&random) ^ position;
    return rk_random_uniform(&random) < options->holdout;
}

/* Puts the lists to learn from before those that are held out. */
static enum rk_status split(struct training *training, struct rk_error *err)
{
    const size_t n = training->offline.data.n;
    size_t held_out = n;

    training->order = malloc(n * sizeof *training->order);
    training->list = malloc(n * sizeof(const struct rk_group *));
    if (training->list == NULL || training->order == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the order of %zu lists", n);
    }
    for (size_t i = 0; i < n; i++) {
        const bool is_out = is_held_out(training->offline.options, i);
        training->order[is_out ? --held_out : training->n_lists++] = (uint32_t)i;
    }
    return training->n_lists > 0
               ? RK_OK
               : rk_fail(err, RK_INVALID, "all %zu lists are held out, none is left to learn from",
                         n);
}

static enum rk_status learn(struct training *training, struct rk_error *err)
{
    const struct offline_options *options = training->offline.options;
    const size_t n = training->n_lists;
    const int64_t start_ns = clock_monotonic_ns();
    struct rk_random random = {.state = (uint64_t)options->seed};
    struct progress progress;
    enum rk_status status = RK_OK;

    progress_start(&progress, "training", "lists", n * (uint64_t)options->passes);
    for (int64_t pass = 1; pass <= options->passes && status == RK_OK; pass++) {
        rk_random_shuffle(&random, training->order, n);
        for (size_t i = 0; i < n; i++) {
            training->list[i] = training->offline.data.group[training->order[i]];
        }
        status = learn_pass(training, pass == options->passes, &progress, err);
    }
    progress_end(&progress);
    training->seconds = (double)(clock_monotonic_ns() - start_ns) * 1e-9;
    return status;
}

/* Is what was learned worth a version? */
static enum rk_status check_learned(struct training *training, struct rk_error *err)
{
    if (training->diverged > training->updates) {
        return rk_fail(
            err, RK_DIVERGED,
            "%llu of %llu updates diverged, no version is stored (try a smaller learning "
            "rate): %s",
            (unsigned long long)training->diverged,
            (unsigned long long)(training->diverged + training->updates), training->reason);
    }
    if (training->updates == 0) {
        return rk_fail(err, RK_INVALID,
                       "nothing was learned, no version is stored: no list gives "
                       "the loss anything to compare");
    }
    return RK_OK;
}

static enum rk_status measure_held_out(struct training *training, struct rk_error *err)
{
    const struct datafile *data = &training->offline.data;
    const float *theta = live_learning(&training->offline.served->live);
    enum rk_status status = RK_OK;

    for (size_t i = training->n_lists; i < data->n && status == RK_OK; i++) {
        status = offline_measure(&training->offline, theta, data->group[training->order[i]],
                                 &training->held_out, err);
    }
    return status;
}

/* ---- the command ---- */

/*
 * A teacher's scores, where the loss is about them, have to be in the data. A teacher that is a
 * model is asked by a server alone; without it the log's lists would be passed over.
 */
static enum rk_status check_teacher(struct training *training, struct rk_error *err)
{
    const struct model_config *config = &training->offline.served->config;

    if (!rk_loss_needs_teacher(&config->model.loss)) {
        return RK_OK;
    }
    if (config->teacher[0] != '\0') {
        return rk_fail(err, RK_MISMATCH,
                       "only a server can ask the teacher \"%s\": without \"teacher\" in the "
                       "configuration NDJSON brings its scores",
                       config->teacher);
    }
    return training->offline.data.has_teacher
               ? RK_OK
               : rk_fail(err, RK_INVALID,
                         "%s learns from a teacher's scores, which only NDJSON has",
                         rk_loss_text(config->model.loss.name));
}

/* What the model was before: its untrained start, or what a server would serve now. */
static enum rk_status start(struct training *training, struct rk_error *err)
{
    enum rk_status status;

    if (training->offline.is_new) {
        return training_seal_init(training, err);
    }
    status = training_start_writer(training, err);
    return status == RK_OK ? training_catch_up(training, err) : status;
}

static enum rk_status store(struct training *training, struct rk_error *err)
{
    enum rk_status status = RK_OK;

    if (training->offline.is_new) {
        status = training_start_writer(training, err);
        status = status == RK_OK ? training_put_model(training, err) : status;
    }
    return status == RK_OK ? training_put_version(training, err) : status;
}

/* From the data in memory to a stored version. */
static int train(struct training *training)
{
    static enum rk_status (*const steps[])(struct training *, struct rk_error *) = {
        check_teacher, split, start, learn, check_learned, measure_held_out, store};
    struct rk_error err = {0};
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == RK_OK; i++) {
        status = steps[i](training, &err);
    }
    return status == RK_OK
               ? EX_OK
               : offline_fail(training->offline.options, shell_exit_code(status), "%s", err.text);
}

static void training_close(struct training *training)
{
    store_close(&training->reader);
    writer_stop(&training->writer);
    offline_close(&training->offline);
    free(training->metrics);
    free(training->list);
    free(training->order);
}

int command_train(int argc, char *const *argv)
{
    struct offline_options options;
    struct model_config config;
    struct training training = {0};
    struct emit out = {0};
    int code = offline_options_read("train", argc, argv, &options);

    if (code != EX_OK) {
        return code;
    }
    if (options.help) {
        offline_options_help(&options);
        return EX_OK;
    }
    code =
        options.config != NULL ? config_file_read(options.command, options.config, &config) : EX_OK;
    if (code == EX_OK) {
        code = offline_open(&options, options.config != NULL ? &config : NULL, &training.offline);
    }
    if (code == EX_OK) {
        code = offline_read(&training.offline);
    }
    if (code == EX_OK) {
        code = train(&training);
    }
    if (code == EX_OK) {
        (options.json ? training_write_json : training_write_table)(&training, &out);
        code = shell_print(options.command, &out);
    }
    training_close(&training);
    return code;
}
