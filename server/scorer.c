/*
 * Forward pass, heads to scores, rounding, order.
 */
#include "scorer.h"

#include "grow.h"

#include <math.h>
#include <rankd/eval.h>
#include <stdlib.h>
#include <string.h>

void scorer_deinit(struct scorer *scorer)
{
    free(scorer->score);
    free(scorer->logit);
    free(scorer->order);
    free(scorer->head);
    free(scorer->scratch);
    free(scorer->work);
    *scorer = (struct scorer){0};
}

/* Room for a forward pass; never none, so that an empty list has arrays too. */
static bool reserve(struct scorer *s, const struct rk_model *model, const struct rk_group *group)
{
    const size_t n = group->n_items * rk_model_heads(model) + 1;
    const size_t work = rk_model_work(model, group->n_items, group->offset[group->n_items + 1]);

    if (n > s->cap_score) {
        if (!grow_resize(&s->head, n) || !grow_resize(&s->logit, n) || !grow_resize(&s->score, n) ||
            !grow_resize(&s->order, n) || !grow_resize(&s->scratch, n)) {
            return false;
        }
        s->cap_score = n;
    }
    return grow_reserve(&s->work, &s->cap_work, work);
}

static enum rk_status forward(struct scorer *s, const struct rk_model *model, const float *theta,
                              const struct rk_group *group, const struct rk_known_items *known)
{
    return known != NULL
               ? rk_model_forward_known(model, theta, group, known, s->work, s->head, NULL)
               : rk_model_forward(model, theta, group, s->work, s->head, NULL);
}

enum rk_status scorer_run(struct scorer *scorer, const struct rk_model *model, const float *theta,
                          const struct rk_group *group, const struct rk_known_items *known,
                          size_t top, struct rk_error *err)
{
    struct scorer *s = scorer;

    if (!reserve(s, model, group)) {
        return rk_fail(err, RK_NOMEM, "no memory for %zu items", group->n_items);
    }
    s->n = group->n_items;
    s->n_shown = s->n < top ? s->n : top;
    /* Untrained: all scores are 0, and the list's own order stands. */
    memset(s->head, 0, s->n * rk_model_heads(model) * sizeof *s->head);
    s->fell_back = theta != NULL && forward(s, model, theta, group, known) != RK_OK;
    rk_model_scores(model, s->head, s->n, s->score);
    s->has_ctr = rk_model_click_logits(model, s->head, s->n, s->logit);
    for (size_t i = 0; i < s->n && !s->fell_back; i++) {
        const float rounded = (float)s->score[i];
        s->fell_back = rounded - rounded != 0.0F;
        s->score[i] = (double)rounded;
    }
    if (s->fell_back) {
        memset(s->score, 0, s->n * sizeof *s->score);
        memset(s->logit, 0, s->n * sizeof *s->logit);
    }
    rk_eval_top(s->score, s->n, s->n_shown, s->order, s->scratch);
    return RK_OK;
}

void scorer_write(const struct scorer *scorer, size_t rank, const char *id, size_t id_n,
                  struct emit *out)
{
    const uint32_t item = scorer->order[rank];

    /* Thousands of these are an answer: their keys are not written one by one. */
    emit_literal(out, "\"id\":");
    emit_bytes(out, id, id_n);
    emit_literal(out, ",\"rank\":");
    emit_integer(out, (int64_t)rank + 1);
    emit_literal(out, ",\"score\":");
    emit_float(out, (float)scorer->score[item]);
    if (scorer->has_ctr) {
        emit_literal(out, ",\"ctr\":");
        emit_float(out, (float)(1 / (1 + exp(-scorer->logit[item]))));
    }
}
