/*
 * How a model learns: the state of its training, its metrics, its last steps.
 */
#include "api_impl.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_SHOWN 20
#define STEPS_READ  1024 /* for the progressive metrics */

static void write_step(const struct store_step *step, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "time");
    emit_time(out, step->time_ms);
    emit_key(out, "version");
    emit_integer(out, step->version);
    emit_key(out, "outcome");
    emit_string(out, store_outcome_text(step->outcome));
    if (step->reason[0] != '\0') {
        emit_key(out, "reason");
        emit_string(out, step->reason);
    }
    if (step->quarantined != NULL) {
        emit_key(out, "quarantined");
        emit_json(out, step->quarantined, strlen(step->quarantined));
    }
    emit_key(out, "seq");
    emit_open(out, '[');
    emit_integer(out, step->from_seq + 1);
    emit_integer(out, step->to_seq);
    emit_close(out, ']');
    emit_key(out, "lists");
    emit_integer(out, step->lists);
    emit_key(out, "pairs");
    emit_integer(out, step->pairs);
    emit_key(out, "loss");
    emit_double(out, step->loss);
    emit_key(out, "gradient_norm");
    emit_double(out, step->grad_norm);
    emit_key(out, "ndcg@10");
    emit_mean(out, step->ndcg, step->ndcg_n);
    emit_key(out, "auc");
    emit_mean(out, step->auc, step->auc_n);
    emit_key(out, "log_loss");
    emit_mean(out, step->log_loss, step->log_loss_n);
    emit_close(out, '}');
}

/* Means over the newest steps. */
static void write_progressive(const struct store_step *steps, size_t n, struct emit *out)
{
    struct store_step sum = {0};

    for (size_t i = 0; i < n; i++) {
        sum.lists += steps[i].lists;
        sum.ndcg += steps[i].ndcg;
        sum.ndcg_n += steps[i].ndcg_n;
        sum.auc += steps[i].auc;
        sum.auc_n += steps[i].auc_n;
        sum.log_loss += steps[i].log_loss;
        sum.log_loss_n += steps[i].log_loss_n;
    }
    emit_key(out, "progressive");
    emit_open(out, '{');
    emit_key(out, "lists");
    emit_integer(out, sum.lists);
    emit_key(out, "ndcg@10");
    emit_mean(out, sum.ndcg, sum.ndcg_n);
    emit_key(out, "auc");
    emit_mean(out, sum.auc, sum.auc_n);
    emit_key(out, "log_loss");
    emit_mean(out, sum.log_loss, sum.log_loss_n);
    emit_close(out, '}');
}

static void write_training(const struct api *api, const struct served *served,
                           const struct store_step *steps, size_t n, struct emit *out)
{
    const bool behind = atomic_load(&served->behind); /* before the version that it speaks of */
    const int64_t position = atomic_load(&served->position);
    const int64_t log_end = writer_log_end(api->writer);

    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, served->name);
    emit_key(out, "state");
    emit_string(out, served_state_text(served));
    emit_key(out, "version");
    emit_integer(out, live_version(&served->live));
    emit_key(out, "seq");
    emit_integer(out, position);
    emit_key(out, "log_end");
    emit_integer(out, log_end);
    emit_key(out, "lag");
    emit_integer(out, log_end > position ? log_end - position : 0);
    emit_key(out, "behind");
    emit_boolean(out, behind);
    write_progressive(steps, n, out);
    emit_key(out, "steps");
    emit_open(out, '[');
    for (size_t i = 0; i < n && i < STEPS_SHOWN; i++) {
        write_step(&steps[i], out);
    }
    emit_close(out, ']');
    emit_key(out, "freshness_s");
    emit_open(out, '{');
    emit_key(out, "p50");
    emit_double(out, metrics_quantile(&api->metrics->freshness, 0.5));
    emit_key(out, "p99");
    emit_double(out, metrics_quantile(&api->metrics->freshness, 0.99));
    emit_close(out, '}');
    emit_close(out, '}');
}

static bool get_training(struct api *api, struct api_slot *slot, struct api_call *call,
                         const struct served *served)
{
    struct store_step *steps = calloc(STEPS_READ, sizeof *steps);
    struct rk_error err = {0};
    size_t n = STEPS_READ;

    if (steps == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for the answer");
    }
    if (store_list_steps(slot->store, served->id, 0, true, steps, &n, &err) != RK_OK) {
        free(steps);
        return api_error(call, &err);
    }
    write_training(api, served, steps, n, &call->answer);
    for (size_t i = 0; i < n; i++) {
        free(steps[i].quarantined);
    }
    free(steps);
    return api_answer(call, 200);
}

bool api_training(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, get_training);
}
