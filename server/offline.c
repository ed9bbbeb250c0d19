/*
 * Opening a database and a model without a server, and measuring lists with it.
 */
#include "offline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define MODEL_BYTES_MAX ((size_t)4096 << 20) /* of a new one: what a server takes by default */

/* ---- errors ---- */

int offline_fail(const struct offline_options *options, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    code = shell_fail(options->command, code, format, arguments);
    va_end(arguments);
    return code;
}

/* ---- the model ---- */

/* Makes the model from its configuration, in memory: it is stored with its first version. */
static int make_model(struct offline *o, const struct model_config *config)
{
    const char *name = o->options->model;
    struct rk_error err = {0};
    enum rk_status status;

    if (config == NULL) {
        return offline_fail(
            o->options, EX_USAGE, "there is no model \"%s\" in %s%s", name, o->options->db,
            strcmp(o->options->command, "train") == 0 ? ": give its --config and it is made" : "");
    }
    if (!model_name_valid(name)) {
        return offline_fail(o->options, EX_USAGE,
                            "a model's name is 1 to %d of the characters a-z 0-9 _ -",
                            STORE_NAME_MAX);
    }
    o->is_new = true;
    status = served_create(name, config, MODEL_BYTES_MAX, 1, &o->served, &err);
    if (status == RK_TOOBIG || status == RK_INVALID) {
        return offline_fail(o->options, EX_CONFIG, "%s: %s", o->options->config, err.text);
    }
    if (status == RK_OK) {
        status = trainee_create(o->served, 0, &o->trainee, &err);
    }
    return status == RK_OK ? EX_OK
                           : offline_fail(o->options, shell_exit_code(status), "%s", err.text);
}

/* Are two configurations equal, defaults filled in? */
static bool equals(const struct model_config *config, const char *stored_text)
{
    struct emit text = {0};
    bool equal;

    model_config_write(config, &text);
    equal = !text.failed && strcmp(text.text, stored_text) == 0;
    emit_deinit(&text);
    return equal;
}

/* Brings a stored model to the state that a server would serve. */
static int recover_model(struct offline *o, const struct store_model *row,
                         const struct model_config *config)
{
    struct rk_error err = {0};
    enum rk_status status = trainee_open(row, 0, 1, &o->trainee, &err);

    if (status == RK_OK) {
        o->served = o->trainee->served;
        atomic_store(&o->served->state, row->paused ? MODEL_PAUSED : MODEL_IDLE);
        status = trainee_recover(o->trainee, o->store, &err);
        status = status == RK_MISMATCH ? RK_CORRUPT : status; /* the log, not the configuration */
    }
    if (status == RK_OK && config != NULL && !equals(config, o->served->config_text)) {
        return offline_fail(o->options, EX_CONFIG,
                            "the model \"%s\" is there with another configuration than %s",
                            row->name, o->options->config);
    }
    return status == RK_OK ? EX_OK
                           : offline_fail(o->options, shell_exit_code(status), "%s", err.text);
}

static int open_model(struct offline *o, const struct model_config *config)
{
    struct store_model row = {0};
    struct rk_error err = {0};
    const enum rk_status status = store_find_model(o->store, o->options->model, &row, &err);
    int code;

    if (status == RK_NOTFOUND) {
        return make_model(o, config);
    }
    code = status == RK_OK ? recover_model(o, &row, config)
                           : offline_fail(o->options, shell_exit_code(status), "%s", err.text);
    free(row.config);
    return code;
}

int offline_open(const struct offline_options *options, const struct model_config *config,
                 struct offline *offline)
{
    const bool exists = access(options->db, F_OK) == 0;
    struct rk_error err = {0};
    enum rk_status status;

    *offline = (struct offline){.options = options};
    if (!exists && config == NULL) {
        return offline_fail(options, strcmp(options->command, "train") == 0 ? EX_USAGE : EX_NOINPUT,
                            "there is no database %s", options->db);
    }
    status = store_lock(options->db, &offline->lock, &err);
    if (status == RK_BUSY) {
        return offline_fail(options, EX_TEMPFAIL, "%s is in use, stop the server first: %s",
                            options->db, err.text);
    }
    if (status == RK_OK && exists) {
        status = store_open(options->db, &offline->store, &err);
    }
    if (status != RK_OK) {
        return offline_fail(options, shell_exit_code(status), "%s", err.text);
    }
    return exists ? open_model(offline, config) : make_model(offline, config);
}

void offline_close(struct offline *offline)
{
    trainee_destroy(&offline->trainee);
    served_destroy(&offline->served);
    store_close(&offline->store);
    store_unlock(&offline->lock);
    datafile_close(&offline->data);
    free(offline->score);
    free(offline->work);
    *offline = (struct offline){.options = offline->options};
}

/* ---- data ---- */

int offline_read(struct offline *offline)
{
    struct progress progress = {0};
    const struct datafile_options options = {.path = offline->options->data,
                                             .sizes = offline->options->query,
                                             .columns = offline->options->columns,
                                             .config = &offline->served->config.model,
                                             .store = offline->store,
                                             .progress = &progress};
    struct datafile_place place;
    struct rk_error err = {0};
    const enum rk_status status = datafile_read(&options, &offline->data, &place, &err);

    if (status == RK_OK) {
        return EX_OK;
    }
    if (place.line == 0) {
        return offline_fail(offline->options, shell_exit_code(status), "%s: %s", place.path,
                            err.text);
    }
    return offline_fail(offline->options, shell_exit_code(status), "%s:%zu: %s", place.path,
                        place.line, err.text);
}

/* ---- measuring ---- */

static bool reserve(struct offline *o, const struct rk_group *group)
{
    const struct rk_model *model = o->served->model;
    const size_t scores = group->n_items * (rk_model_heads(model) + 2) + 1; /* + 1: if empty */
    const size_t forward = rk_model_work(model, group->n_items, group->offset[group->n_items + 1]);
    const size_t eval = rk_eval_work(group->n_items);
    const size_t work = (forward > eval ? forward : eval) + 1;

    if (scores > o->cap_score) {
        double *grown = realloc(o->score, scores * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        o->score = grown;
        o->cap_score = scores;
    }
    if (work > o->cap_work) {
        void *grown = realloc(o->work, work);
        if (grown == NULL) {
            return false;
        }
        o->work = grown;
        o->cap_work = work;
    }
    return true;
}

enum rk_status offline_measure(struct offline *offline, const float *theta,
                               const struct rk_group *group, struct rk_eval_sum *sum,
                               struct rk_error *err)
{
    struct offline *o = offline;
    const double *head = NULL;

    if (!reserve(o, group)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list of %zu items", group->n_items);
    }
    if (theta != NULL) {
        double *own = o->score + 2 * group->n_items;
        if (rk_model_forward(o->served->model, theta, group, o->work, own, NULL) != RK_OK) {
            o->unscored++;
            return RK_OK;
        }
        head = own;
    }
    return offline_measure_heads(o, head, group, sum, err);
}

enum rk_status offline_measure_heads(struct offline *offline, const double *head,
                                     const struct rk_group *group, struct rk_eval_sum *sum,
                                     struct rk_error *err)
{
    struct offline *o = offline;
    const struct rk_model *model = o->served->model;
    const size_t n = group->n_items;
    const double log_loss = sum->log_loss;
    double *score, *logit;

    if (!reserve(o, group)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list of %zu items", n);
    }
    score = o->score;
    logit = score + n;
    if (head == NULL) {
        head = memset(logit + n, 0, n * rk_model_heads(model) * sizeof *head);
    }
    rk_model_scores(model, head, n, score);
    rk_eval_add(sum, score, group->label, n, o->work);
    if (n > 0 && rk_model_click_logits(model, head, n, logit)) {
        /* the order is not by the probability of a click: the log loss is its own */
        sum->log_loss = log_loss + rk_eval_log_loss(logit, group->label, n);
    }
    return RK_OK;
}

/* ---- printing ---- */

struct metric {
    const char *key;
    const char *label;
    double sum;
    uint64_t n; /* lists where it is defined */
};

#define METRIC_COUNT 5

static void list_metrics(const struct rk_eval_sum *sum, struct metric metrics[METRIC_COUNT])
{
    metrics[0] = (struct metric){"ndcg@10", "NDCG@10", sum->ndcg, sum->ndcg_n};
    metrics[1] = (struct metric){"auc", "AUC", sum->auc, sum->auc_n};
    metrics[2] = (struct metric){"ap", "AP", sum->ap, sum->ap_n};
    metrics[3] = (struct metric){"rr", "RR", sum->rr, sum->rr_n};
    metrics[4] = (struct metric){"log_loss", "log loss", sum->log_loss, sum->log_loss_n};
}

void offline_emit_metrics(const struct rk_eval_sum *sum, struct emit *out)
{
    struct metric metrics[METRIC_COUNT];

    list_metrics(sum, metrics);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        emit_key(out, metrics[i].key);
        if (metrics[i].n > 0) {
            emit_double(out, metrics[i].sum / (double)metrics[i].n);
        } else {
            emit_null(out);
        }
    }
}

void offline_table_metrics(const struct rk_eval_sum *sum, struct emit *out)
{
    struct metric metrics[METRIC_COUNT];

    list_metrics(sum, metrics);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (metrics[i].n > 0) {
            const double mean = metrics[i].sum / (double)metrics[i].n;
            emit_format(
                out, mean < 1e6 ? "%-10s %.4f  over %llu lists\n" : "%-10s %.4g  over %llu lists\n",
                metrics[i].label, mean, (unsigned long long)metrics[i].n);
        } else {
            emit_format(out, "%-10s -\n", metrics[i].label);
        }
    }
}
