/*
 * rankd train: learns from the lists of a file, then stores what came of it as a version that a
 * server started later serves and learns on from.
 *
 * All learning happens in memory on the model's learning copy; the store changes only at the end,
 * except that what its log still holds for the model is learned first, as a server would have.
 */
#include "clock.h"
#include "command.h"
#include "offline.h"

#include <errno.h>
#include <rankd/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define CONFIG_BYTES_MAX ((size_t)1 << 20)

struct training {
    struct offline offline;
    struct metrics *metrics; /* the writer's; owned */
    struct writer *writer;
    struct store *reader;           /* a reading connection */
    struct store_checkpoint init;   /* a new model's untrained start */
    const struct rk_group **list;   /* (data.n) in this pass's order, owned; borrowed lists */
    uint32_t *order;                /* (data.n) owned */
    struct rk_learned last;         /* of the last pass */
    struct rk_eval_sum before;      /* of the last pass, before each list was learned from */
    uint64_t updates, skipped;      /* of all passes */
    char reason[RK_ERROR_TEXT_MAX]; /* of the first skipped update */
    double seconds;
};

/* ---- configuration ---- */

static int read_config(const struct offline_options *options, struct model_config *config)
{
    struct problem problem = {0};
    char *text = malloc(CONFIG_BYTES_MAX + 1);
    FILE *file = text != NULL ? fopen(options->config, "re") : NULL;
    int code = EX_OK;
    size_t n = 0;

    if (text == NULL) {
        return offline_fail(options, EX_SOFTWARE, "out of memory for a configuration");
    }
    if (file == NULL) {
        code = offline_fail(options, EX_NOINPUT, "%s: cannot be opened: %s", options->config,
                            strerror(errno));
        goto out;
    }
    n = fread(text, 1, CONFIG_BYTES_MAX + 1, file);
    if (ferror(file) != 0) {
        code = offline_fail(options, EX_IOERR, "%s: cannot be read", options->config);
    } else if (n > CONFIG_BYTES_MAX) {
        code = offline_fail(options, EX_CONFIG, "%s: is larger than %zu MiB", options->config,
                            CONFIG_BYTES_MAX >> 20);
    } else if (!model_config_parse(text, n, config, &problem)) {
        code = offline_fail(options, EX_CONFIG, "%s: %s%s%s", options->config, problem.pointer,
                            problem.pointer[0] != '\0' ? ": " : "", problem.detail);
    }
    (void)fclose(file);
out:
    free(text);
    return code;
}

/* ---- learning ---- */

static const float *served_or_nothing(const struct training *training)
{
    struct live *live = &training->offline.served->live;

    return live_version(live) == 0 && training->updates == 0 ? NULL : live_learning(live);
}

/* One optimizer update; one that would diverge is taken back by the learner, and counted. */
static enum rk_status update(struct training *training, size_t first, size_t n,
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
    if (status == RK_DIVERGED || status == RK_INVALID) {
        if (training->skipped++ == 0) {
            memcpy(training->reason, own.text, sizeof training->reason);
        }
        return RK_OK;
    }
    return status == RK_OK ? RK_OK : rk_fail(err, status, "%s", own.text);
}

static enum rk_status learn_pass(struct training *training, bool is_last, struct progress *progress,
                                 struct rk_error *err)
{
    const size_t lists = training->offline.data.n;
    const size_t at_once = (size_t)training->offline.served->config.training.update_groups;
    enum rk_status status = RK_OK;

    training->last = (struct rk_learned){0};
    for (size_t i = 0; i < lists && status == RK_OK; i += at_once) {
        const size_t n = lists - i < at_once ? lists - i : at_once;
        for (size_t j = i; j < i + n && is_last && status == RK_OK; j++) {
            status = offline_measure(&training->offline, served_or_nothing(training),
                                     training->list[j], &training->before, err);
        }
        status = status == RK_OK ? update(training, i, n, err) : status;
        progress_add(progress, n);
    }
    return status;
}

static enum rk_status learn(struct training *training, struct rk_error *err)
{
    const struct offline_options *options = training->offline.options;
    const struct datafile *data = &training->offline.data;
    const int64_t start_ns = clock_monotonic_ns();
    struct rk_random random = {.state = (uint64_t)options->seed};
    struct progress progress;
    enum rk_status status = RK_OK;

    training->list = malloc(data->n * sizeof(const struct rk_group *));
    training->order = malloc(data->n * sizeof *training->order);
    if (training->list == NULL || training->order == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the order of %zu lists", data->n);
    }
    for (size_t i = 0; i < data->n; i++) {
        training->order[i] = (uint32_t)i;
    }
    progress_start(&progress, "training", "lists", data->n * (uint64_t)options->passes);
    for (int64_t pass = 1; pass <= options->passes && status == RK_OK; pass++) {
        rk_random_shuffle(&random, training->order, data->n);
        for (size_t i = 0; i < data->n; i++) {
            training->list[i] = data->group[training->order[i]];
        }
        status = learn_pass(training, pass == options->passes, &progress, err);
    }
    progress_end(&progress);
    training->seconds = (double)(clock_monotonic_ns() - start_ns) * 1e-9;
    return status;
}

/* ---- the store ---- */

/* Starts the writer, on a database that is made now if there was none. */
static enum rk_status start_writer(struct training *training, struct rk_error *err)
{
    static const struct writer_limits limits = {.jobs = 1, .bytes = STORE_CHUNK_BYTES};
    struct offline *o = &training->offline;
    enum rk_status status = RK_OK;

    training->metrics = calloc(1, sizeof *training->metrics);
    if (training->metrics == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the writer");
    }
    if (o->store == NULL) {
        status = store_open(o->options->db, &o->store, err);
    }
    if (status == RK_OK) {
        status =
            writer_start(o->store, training->metrics, &limits, NULL, NULL, &training->writer, err);
    }
    if (status == RK_OK) {
        o->store = NULL;
        status = store_open_reader(o->options->db, &training->reader, err);
    }
    return status;
}

/* Learns what the log holds for the model: the new version will stand at the log's end. */
static enum rk_status catch_up(struct training *training, struct rk_error *err)
{
    const struct trainee_tools tools = {
        .store = training->reader, .writer = training->writer, .metrics = training->metrics};
    const int64_t log_end = writer_log_end(training->writer);
    struct trainee *t = training->offline.trainee;
    bool more = !training->offline.is_new && t->served->config.training.enabled &&
                atomic_load(&t->served->state) != MODEL_PAUSED;
    enum rk_status status = RK_OK;

    while (more && status == RK_OK) {
        status = trainee_step(t, &tools, log_end, &more, err);
    }
    return status;
}

/* The untrained start of a new model, before anything is learned. */
static enum rk_status seal_init(struct training *training, struct rk_error *err)
{
    const struct trainee *t = training->offline.trainee;
    struct checkpoint_bytes file = {0};
    const enum rk_status status = checkpoint_write(t->served->model, live_served(&t->served->live),
                                                   t->learner, 0, &file, err);

    if (status == RK_OK) {
        training->init.source = STORE_SOURCE_INIT;
        checkpoint_seal(&file, &training->init);
        training->init.bytes = 0; /* it follows from the configuration */
    }
    free(file.bytes);
    return status;
}

struct create_job {
    struct writer_job job;
    struct store_model model;
    struct store_checkpoint init;
};

static enum rk_status create_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct create_job *create = (struct create_job *)job;
    enum rk_status status = store_put_model(store, &create->model, err);

    if (status == RK_OK) {
        status = store_new_checkpoint_id(store, &create->init.id, err);
    }
    create->init.model = create->model.id;
    create->init.seq = create->init.due_seq = create->model.seq;
    return status == RK_OK ? store_put_checkpoint(store, &create->init, err) : status;
}

/* Writes a new model's row and its untrained start. */
static enum rk_status put_model(struct training *training, struct rk_error *err)
{
    struct trainee *t = training->offline.trainee;
    char no_metrics[] = "{}";
    struct create_job create = {
        .job = {.run = create_run, .weight = 1, .bytes = sizeof create},
        .model = {.config = t->served->config_text, .time_ms = clock_unix_ms()},
        .init = training->init};
    struct writer_outcome outcome;

    memcpy(create.model.name, t->served->name, sizeof create.model.name);
    create.init.time_ms = create.model.time_ms;
    create.init.metrics = no_metrics;
    outcome = writer_run(training->writer, &create.job);
    if (outcome.err.status != RK_OK) {
        return rk_fail(err, outcome.err.status, "%s", outcome.err.text);
    }
    t->served->id = create.model.id;
    t->seq = t->due_seq = create.model.seq;
    return RK_OK;
}

static void take_stored(void *context, const struct store_checkpoint *row,
                        const struct rk_error *err)
{
    (void)row;
    *(struct rk_error *)context = *err;
}

/* Serves what was learned as the next version, and stores it. The writer commits all chunks before
 * it stops, so that its end is what is waited for. */
static enum rk_status put_version(struct training *training, struct rk_error *err)
{
    struct trainee *t = training->offline.trainee;
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row = {0};
    struct rk_error stored = {0};
    enum rk_status status;

    live_publish_all(&t->served->live, ++t->last_version);
    t->since_stored = training->before;
    status = trainee_checkpoint(t, STORE_SOURCE_FILE, &file, &row, err);
    if (status == RK_OK) {
        status = checkpoint_store(training->writer, &file, &row, take_stored, &stored, err);
    }
    if (status != RK_OK) {
        free(row.metrics);
        free(file.bytes);
        return status;
    }
    store_close(&training->reader);
    writer_stop(&training->writer);
    return stored.status == RK_OK ? RK_OK : rk_fail(err, stored.status, "%s", stored.text);
}

/* ---- the summary ---- */

static double mean_loss(const struct training *training)
{
    const uint64_t updates = training->last.updates;

    return updates > 0 ? training->last.loss / (double)updates : 0;
}

static double lists_per_second(const struct training *training)
{
    const double lists =
        (double)training->offline.data.n * (double)training->offline.options->passes;

    return training->seconds > 0 ? lists / training->seconds : 0;
}

static void write_json(const struct training *training, struct emit *out)
{
    const struct offline *o = &training->offline;
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {
        {"version", live_version(&o->served->live)}, {"lists", (int64_t)o->data.n},
        {"items", (int64_t)o->data.items},           {"passes", o->options->passes},
        {"updates", (int64_t)training->updates},     {"skipped", (int64_t)training->skipped},
        {"pairs", (int64_t)training->last.pairs}};

    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, o->served->name);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        emit_key(out, counts[i].key);
        emit_integer(out, counts[i].value);
    }
    emit_key(out, "loss");
    emit_double(out, mean_loss(training));
    emit_key(out, "seconds");
    emit_double(out, training->seconds);
    emit_key(out, "lists_per_s");
    emit_double(out, lists_per_second(training));
    offline_emit_metrics(&training->before, out);
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

static void write_table(const struct training *training, struct emit *out)
{
    const struct offline *o = &training->offline;

    emit_format(out, "%-10s %s\n", "model", o->served->name);
    emit_format(out, "%-10s %lld\n", "version", (long long)live_version(&o->served->live));
    emit_format(out, "%-10s %zu\n", "lists", o->data.n);
    emit_format(out, "%-10s %zu\n", "items", o->data.items);
    emit_format(out, "%-10s %lld, %.0f lists/s\n", "passes", (long long)o->options->passes,
                lists_per_second(training));
    if (training->skipped > 0) {
        emit_format(out, "%-10s %llu of %llu updates: %s\n", "skipped",
                    (unsigned long long)training->skipped,
                    (unsigned long long)(training->skipped + training->updates), training->reason);
    }
    emit_format(out, "the last pass, each list scored before it was learned from:\n");
    emit_format(out, "%-10s %llu\n", "pairs", (unsigned long long)training->last.pairs);
    emit_format(out, "%-10s %.6g\n", "loss", mean_loss(training));
    offline_table_metrics(&training->before, out);
}

/* ---- the command ---- */

/* From the data in memory to a stored version. */
static int train(struct training *training)
{
    struct rk_error err = {0};
    enum rk_status status = RK_OK;

    if (training->offline.is_new) {
        status = seal_init(training, &err);
    } else {
        status = start_writer(training, &err);
    }
    if (status == RK_OK && !training->offline.is_new) {
        status = catch_up(training, &err);
    }
    if (status == RK_OK) {
        status = learn(training, &err);
    }
    if (status == RK_OK && training->updates == 0) {
        status = rk_fail(&err, RK_INVALID, "nothing was learned, no version is stored: %s",
                         training->skipped > 0 ? training->reason
                                               : "no list gives the loss anything to compare");
    }
    if (status == RK_OK && training->offline.is_new) {
        status = start_writer(training, &err);
        status = status == RK_OK ? put_model(training, &err) : status;
    }
    if (status == RK_OK) {
        status = put_version(training, &err);
    }
    return status == RK_OK
               ? EX_OK
               : offline_fail(training->offline.options, offline_exit_code(status), "%s", err.text);
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
    code = options.config != NULL ? read_config(&options, &config) : EX_OK;
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
        (options.json ? write_json : write_table)(&training, &out);
        code = offline_print(&options, &out);
    }
    training_close(&training);
    return code;
}
