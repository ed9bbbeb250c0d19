/*
 * From a row of the log to the items that were shown: version, request, catalogue, scores, order.
 */
#include "reproduce.h"

#include "codec.h"
#include "stored.h"

#include <stdlib.h>
#include <string.h>

void reproducer_deinit(struct reproducer *reproducer)
{
    trainee_close(&reproducer->trainee);
    list_deinit(&reproducer->list);
    rk_group_builder_deinit(&reproducer->builder);
    scorer_deinit(&reproducer->scorer);
    emit_deinit(&reproducer->served);
}

/* Has the ranking's model in the version that served it. */
static enum rk_status reach(struct reproducer *r, int64_t model, int64_t version,
                            struct rk_error *err)
{
    struct store_model row = {0};
    enum rk_status status = RK_OK;

    if (r->trainee == NULL || r->trainee->served->id != model) {
        trainee_close(&r->trainee);
        status = store_get_model(r->store, model, &row, err);
        if (status == RK_OK) {
            status = trainee_open(&row, 0, 1, &r->trainee, err);
        }
        free(row.config);
    }
    return status == RK_OK ? trainee_reach(r->trainee, r->store, version, err) : status;
}

/* Scores the request's items that may be shown. @param n_shown  out. */
static enum rk_status score(struct reproducer *r, const struct codec_score *request,
                            int64_t catalogue_seq, size_t *n_shown, struct rk_error *err)
{
    const struct served *served = r->trainee->served;
    const float *theta = live_version(&served->live) > 0 ? live_served(&served->live) : NULL;
    struct stored stored = {.store = r->store, .seq = catalogue_seq};
    const struct assemble_source source = stored_source(&stored);
    struct rk_group group;
    size_t where;
    enum rk_status status = assemble_group(&r->list, &served->config.model, &source, request->which,
                                           request->n, false, &r->builder, &group, &where, err);

    if (status == RK_OK) {
        status =
            scorer_run(&r->scorer, served->model, theta, &group, NULL, (size_t)request->top_k, err);
    }
    stored_deinit(&stored);
    *n_shown = r->scorer.n_shown;
    return status;
}

/* Scores and writes the items of a request as the log would have them. */
static enum rk_status serve(struct reproducer *r, const char *text, size_t text_n,
                            int64_t catalogue_seq, struct rk_error *err)
{
    /* Lenient: what was let in by ?lenient=1 was kept as it was. */
    const struct list_rules rules = {.features = &r->trainee->served->config.model.features,
                                     .lenient = true};
    struct codec_score request;
    struct problem problem = {0};
    size_t n_shown = 0;
    enum rk_status status = codec_score_read(text, text_n, &rules, &r->list, &request, &problem)
                                ? score(r, &request, catalogue_seq, &n_shown, err)
                                : problem_stored(&problem, err, "the request of a ranking");

    emit_reset(&r->served);
    emit_open(&r->served, '[');
    for (size_t rank = 0; rank < n_shown && status == RK_OK; rank++) {
        const struct list_entity *item = &r->list.item[request.which[r->scorer.order[rank]]].entity;
        emit_open(&r->served, '{');
        scorer_write(&r->scorer, rank, item->id, item->id_n, &r->served);
        emit_close(&r->served, '}');
    }
    emit_close(&r->served, ']');
    return status == RK_OK && r->served.failed ? rk_fail(err, RK_NOMEM, "out of memory for a list")
                                               : status;
}

enum rk_status reproduce(struct reproducer *reproducer, int64_t seq, struct rk_error *err)
{
    struct reproducer *r = reproducer;
    struct store_ranking ranking;
    enum rk_status status = store_get_ranking(r->store, seq, NULL, &ranking, err);

    if (status == RK_OK) {
        status = reach(r, ranking.model, ranking.version, err);
    }
    if (status == RK_OK) { /* what the store lent ended with the next call */
        status = store_get_ranking(r->store, seq, NULL, &ranking, err);
    }
    if (status == RK_OK) {
        status = serve(r, ranking.request, ranking.request_n, ranking.catalogue_seq, err);
    }
    if (status == RK_OK) {
        status = store_get_ranking(r->store, seq, NULL, &ranking, err);
    }
    if (status == RK_OK) {
        r->identical = ranking.served_n == r->served.length &&
                       memcmp(ranking.served, r->served.text, ranking.served_n) == 0;
    }
    return status;
}
