/*
 * Losses, optimizers and batches as the golden files write them.
 */
#ifndef RANKD_GOLDEN_LOSSES_H
#define RANKD_GOLDEN_LOSSES_H

#include "golden_check.h"

#include <rankd/loss.h>
#include <rankd/optim.h>

struct batch {
    size_t n, items; /* lists, and their items together */
    struct rk_scored *list;
};

/*
 * An option by its name in the files: where it lies in its struct, as a double, a choice of texts,
 * a count or a bool.
 */
struct option {
    const char *key;
    size_t offset;
    enum {
        NUMBER,
        CHOICE,
        COUNT,
        BOOL
    } type;
    const char *texts[6]; /* of a choice, in the enum's order */
};

static const struct option loss_options[] = {
    {"sigma", offsetof(struct rk_loss, sigma), NUMBER, {0}},
    {"margin", offsetof(struct rk_loss, margin), NUMBER, {0}},
    {"tau", offsetof(struct rk_loss, tau), NUMBER, {0}},
    {"pos_weight", offsetof(struct rk_loss, pos_weight), NUMBER, {0}},
    {"T", offsetof(struct rk_loss, temperature), NUMBER, {0}},
    {"lam", offsetof(struct rk_loss, lambda), NUMBER, {0}},
    {"mu", offsetof(struct rk_loss, mu), NUMBER, {0}},
    {"k", offsetof(struct rk_loss, k), COUNT, {0}},
    {"K", offsetof(struct rk_loss, k), COUNT, {0}},
    {"hybrid", offsetof(struct rk_loss, hybrid), BOOL, {0}},
    {"pairs", offsetof(struct rk_loss, pairs), CHOICE, {"graded", "binary"}},
    {"reduction",
     offsetof(struct rk_loss, reduction),
     CHOICE,
     {"group_mean", "sum", "mean_pairs", "sum_mean_groups", "sum_mean_valid_groups"}},
    {"target", offsetof(struct rk_loss, target), CHOICE, {"label_norm", "softmax_label"}},
    {NULL, 0, NUMBER, {0}},
};

static const struct option optim_options[] = {
    {"lr", offsetof(struct rk_optim, learning_rate), NUMBER, {0}},
    {"alpha", offsetof(struct rk_optim, learning_rate), NUMBER, {0}},
    {"weight_decay", offsetof(struct rk_optim, l2), NUMBER, {0}},
    {"l2", offsetof(struct rk_optim, l2), NUMBER, {0}},
    {"l1", offsetof(struct rk_optim, l1), NUMBER, {0}},
    {"momentum", offsetof(struct rk_optim, momentum), NUMBER, {0}},
    {"eps", offsetof(struct rk_optim, eps), NUMBER, {0}},
    {"init_acc", offsetof(struct rk_optim, init_acc), NUMBER, {0}},
    {"beta1", offsetof(struct rk_optim, beta1), NUMBER, {0}},
    {"beta2", offsetof(struct rk_optim, beta2), NUMBER, {0}},
    {"beta", offsetof(struct rk_optim, beta), NUMBER, {0}},
    {NULL, 0, NUMBER, {0}},
};

static bool set_option(const struct option *option, const json_t *value, char *target)
{
    unsigned choice = 0;
    switch (option->type) {
    case NUMBER:
        *(double *)(void *)target = json_number_value(value);
        return json_is_number(value);
    case COUNT:
        *(uint32_t *)(void *)target = (uint32_t)json_integer_value(value);
        return json_is_integer(value);
    case BOOL:
        *(bool *)target = json_is_true(value);
        return json_is_boolean(value);
    case CHOICE:
        break;
    }
    for (const char *text = json_string_value(value); text != NULL && option->texts[choice] != NULL;
         choice++) {
        if (strcmp(option->texts[choice], text) == 0) {
            memcpy(target, &choice, sizeof choice);
            return true;
        }
    }
    return false;
}

/* Every option given must be known: one that is ignored would be a case that passes for nothing. */
static bool set_options(struct run *run, const struct option *options, json_t *given, void *target)
{
    const char *key;
    json_t *value;
    json_object_foreach(given, key, value)
    {
        const struct option *option = options;
        while (option->key != NULL && strcmp(option->key, key) != 0) {
            option++;
        }
        if (option->key == NULL || !set_option(option, value, (char *)target + option->offset)) {
            trouble(run, key, NULL);
            return false;
        }
    }
    return true;
}

static bool read_loss(struct run *run, const char *name, json_t *params, struct rk_loss *loss)
{
    if (name != NULL && strcmp(name, "n_pair_list") == 0) {
        name = "n_pair";
    }
    if (name == NULL || rk_loss_default(name, loss, NULL) != RK_OK) {
        run->check.skip = "loss not built";
        return false;
    }
    return set_options(run, loss_options, params, loss);
}

static bool read_optim(struct run *run, const json_t *test, struct rk_optim *optim)
{
    const char *name = json_string_value(json_object_get(test, "optimizer"));
    if (name == NULL || rk_optim_default(name, optim, NULL) != RK_OK) {
        run->check.skip = "optimizer not built";
        return false;
    }
    optim->l2 = 0.0;
    return set_options(run, optim_options, json_object_get(test, "hyper"), optim);
}

static struct batch read_batch(struct run *run, const json_t *groups, bool clicks)
{
    struct batch batch = {.n = json_array_size(groups)};
    batch.list = keep(run, batch.n * sizeof *batch.list);
    for (size_t l = 0; l < batch.n; l++) {
        const json_t *group = json_array_get(groups, l);
        struct numbers scores = numbers_of(run, json_object_get(group, "scores"));
        float *label = floats_of(run, json_object_get(group, "labels"));
        size_t n_labels = json_array_size(json_object_get(group, "labels"));
        for (size_t i = 0; clicks && i < n_labels; i++) {
            label[i] = label[i] > 0.0F ? 1.0F : 0.0F;
        }
        batch.list[l] = (struct rk_scored){
            .n = scores.n,
            .score = scores.v,
            .label = label,
            .weight = floats_of(run, json_object_get(group, "weights")),
            .teacher = floats_of(run, json_object_get(group, "teacher")),
        };
        batch.items += scores.n;
    }
    return batch;
}

static double *eval_loss(struct run *run, const struct rk_loss *loss, const struct batch *batch,
                         struct rk_loss_value *value)
{
    struct rk_error err = {0};
    double *grad = keep(run, batch->items * sizeof *grad);
    void *work = keep(run, rk_loss_work(batch->items));
    if (rk_loss_eval(loss, batch->list, batch->n, work, grad, value, &err) != RK_OK) {
        trouble(run, "rk_loss_eval", &err);
    }
    return grad;
}

#endif
