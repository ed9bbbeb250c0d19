/*
 * By which configuration a model in training learns: the one it has now, again those it had when
 * steps are repeated, and in a rehearsal one that changes as the recorded model's did.
 */
#include "grow.h"
#include "trainee_impl.h"

#include <stdlib.h>
#include <string.h>

struct cut_terms trainee_terms(const struct trainee *trainee)
{
    return (struct cut_terms){.model = trainee->served->id,
                              .config = &trainee->served->config,
                              .era = trainee->era,
                              .n_eras = trainee->n_eras};
}

static enum rk_status no_memory(struct rk_error *err)
{
    return rk_fail(err, RK_NOMEM, "out of memory for a configuration");
}

enum rk_status trainee_reserve_config(struct trainee *trainee, struct rk_error *err)
{
    return grow_reserve(&trainee->era, &trainee->cap_eras, trainee->n_eras + 1) ? RK_OK
                                                                                : no_memory(err);
}

/* @pre there is room for an era. */
static void learn_by(struct trainee *t, const struct model_config *config, int64_t seq)
{
    const int64_t window_ms = config->training.attribution_s * 1000;

    model_config_adopt(&t->served->config, config);
    rk_learner_set_rate(t->learner, config->model.optim.learning_rate);
    t->config = seq;
    if (t->n_eras == 0 || t->era[t->n_eras - 1].window_ms != window_ms) {
        t->era[t->n_eras++] = (struct cut_era){.since = seq, .window_ms = window_ms};
    }
}

void trainee_configure(struct trainee *trainee, struct models *models,
                       const struct model_config *config, char *text, int64_t seq)
{
    models_configure(models, trainee->served, config, text);
    learn_by(trainee, config, seq);
}

/* A configuration as JSON; malloc'ed, NULL when out of memory. */
static char *text_of(const struct model_config *config)
{
    struct emit written = {0};

    model_config_write(config, &written);
    return emit_take(&written, &(size_t){0});
}

enum rk_status trainee_show_config(struct trainee *t, struct rk_error *err)
{
    char *text = text_of(&t->served->config);

    if (text == NULL) {
        return no_memory(err);
    }
    models_configure(NULL, t->served, &t->served->config, text);
    return RK_OK;
}

static void free_configs(struct store_config *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rows[i].text);
    }
    free(rows);
}

static enum rk_status parse(const struct trainee *t, const struct store_config *row,
                            struct model_config *config, struct rk_error *err)
{
    struct problem problem = {0};

    return model_config_parse(row->text, strlen(row->text), config, &problem)
               ? RK_OK
               : problem_stored(&problem, err, "a stored configuration of model \"%s\"",
                                t->served->name);
}

/* ---- steps that are repeated ---- */

/* One after another: the eras come of all of them. */
static enum rk_status recall(struct trainee *t, const struct store_config *row,
                             struct rk_error *err)
{
    struct model_config *config = malloc(sizeof *config);
    enum rk_status status = trainee_reserve_config(t, err);

    if (status == RK_OK && config == NULL) {
        status = no_memory(err);
    }
    if (status == RK_OK) {
        status = parse(t, row, config, err);
    }
    if (status == RK_OK) {
        learn_by(t, config, row->seq);
    }
    free(config);
    return status;
}

enum rk_status trainee_recall_config(struct trainee *t, struct store *store, int64_t seq,
                                     struct rk_error *err)
{
    struct store_config *rows = NULL;
    size_t n = 0;
    enum rk_status status = store_list_configs(store, t->served->id, seq, &rows, &n, err);

    t->n_eras = 0;
    for (size_t i = 0; i < n && status == RK_OK; i++) {
        status = recall(t, &rows[i], err);
    }
    free_configs(rows, n);
    return status;
}

/* ---- a rehearsal ---- */

struct change {
    struct model_config before, after, own;
};

static enum rk_status follow(struct trainee *t, const struct store_config *was,
                             const struct store_config *is, struct rk_error *err)
{
    struct change *change = malloc(sizeof *change);
    char *text = NULL;
    enum rk_status status = trainee_reserve_config(t, err);

    if (status == RK_OK && change == NULL) {
        status = no_memory(err);
    }
    if (status == RK_OK) {
        status = parse(t, was, &change->before, err);
    }
    if (status == RK_OK) {
        status = parse(t, is, &change->after, err);
    }
    if (status == RK_OK) {
        model_config_copy(&change->own, &t->served->config);
        model_config_follow(&change->own, &change->before, &change->after);
        text = text_of(&change->own);
        status = text != NULL ? RK_OK : no_memory(err);
    }
    if (status == RK_OK) {
        trainee_configure(t, NULL, &change->own, text, is->seq);
    }
    free(change);
    return status;
}

enum rk_status trainee_follow_config(struct trainee *trainee, struct store *store, int64_t upto,
                                     struct rk_error *err)
{
    struct store_config *rows = NULL;
    size_t n = 0;
    enum rk_status status = RK_OK;

    if (upto > trainee->config) {
        status = store_list_configs(store, trainee->served->id, upto, &rows, &n, err);
    }
    for (size_t i = 1; i < n && status == RK_OK; i++) {
        if (rows[i].seq > trainee->config) {
            status = follow(trainee, &rows[i - 1], &rows[i], err);
        }
    }
    free_configs(rows, n);
    return status;
}

struct retention_model trainee_for_retention(const struct trainee *trainee)
{
    const struct model_config *config = &trainee->served->config;
    const struct cut_terms terms = trainee_terms(trainee);

    return (struct retention_model){.id = trainee->served->id,
                                    .learns = config->training.enabled,
                                    .reads_all = config->training.source == MODEL_SOURCE_ALL,
                                    .waits_upto = cut_waits_upto(&terms)};
}
