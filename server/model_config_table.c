/*
 * Every option of a model's configuration, once.
 */
#include "model_config_impl.h"

#include <string.h>

static const char *const spaces[] = {"hashed", "indexed", NULL};
static const char *const numbers[] = {"raw", "standard", NULL};
static const char *const pairs[] = {"graded", "binary", NULL};
static const char *const reductions[] = {
    "group_mean", "sum", "mean_pairs", "sum_mean_groups", "sum_mean_valid_groups", NULL};
static const char *const targets[] = {"label_norm", "softmax_label", NULL};
static const char *const negatives[] = {"shown", "examined", NULL};

#define AT(member) MODEL_CONFIG_AT(member)
#define BIT(name)  (1U << (name))
#define PAIRWISE                                                                                   \
    (BIT(RK_PAIRWISE_LOGISTIC) | BIT(RK_MARGIN_RANKING) | BIT(RK_SMOOTH_HINGE) | BIT(RK_LAMBDARANK))
#define ADAMS (BIT(RK_ADAM) | BIT(RK_ADAMW) | BIT(RK_SPARSE_ADAM))

/* clang-format off */
const struct model_field model_fields[] = {
    {"features.space", FIELD_CHOICE, AT(model.features.kind), 0, 0, spaces, ALWAYS, 0, "how a feature finds its row"},
    {"features.bits", FIELD_U32, AT(model.features.bits), RK_BITS_MIN, RK_BITS_MAX, NULL, WHEN_HASHED, 0, "rows = 2^bits"},
    {"features.numbers", FIELD_CHOICE, AT(model.standardize), 0, 0, numbers, WHEN_HASHED, 0, "numbers by running mean and deviation, or as they are"},
    {"features.size", FIELD_U32, AT(model.features.size), 1, RK_SIZE_MAX, NULL, WHEN_INDEXED, 0, "columns"},
    {"dim", FIELD_U32, AT(model.dim), RK_DIM_MIN, RK_DIM_MAX, NULL, ALWAYS, 0, "length of an embedding"},
    {"use_ids", FIELD_BOOLEAN, AT(model.use_ids), 0, 0, NULL, WHEN_HASHED, 0, "user and item ids are features"},
    {"loss.pairs", FIELD_CHOICE, AT(model.loss.pairs), 0, 0, pairs, WHEN_LOSS, PAIRWISE, "which items of a list are pairs"},
    {"loss.reduction", FIELD_CHOICE, AT(model.loss.reduction), 0, 0, reductions, WHEN_LOSS, PAIRWISE, "how pairs become one number"},
    {"loss.sigma", FIELD_REAL, AT(model.loss.sigma), 1e-6, 1e6, NULL, WHEN_LOSS, BIT(RK_PAIRWISE_LOGISTIC) | BIT(RK_LAMBDARANK), "steepness"},
    {"loss.margin", FIELD_REAL, AT(model.loss.margin), 0, 1e6, NULL, WHEN_LOSS, BIT(RK_MARGIN_RANKING), "margin"},
    {"loss.margin", FIELD_REAL, AT(model.loss.margin), 1e-6, 1e6, NULL, WHEN_LOSS, BIT(RK_SMOOTH_HINGE), "margin"},
    {"loss.target", FIELD_CHOICE, AT(model.loss.target), 0, 0, targets, WHEN_LOSS, BIT(RK_LISTWISE_SOFTMAX), "target distribution"},
    {"loss.k", FIELD_U32, AT(model.loss.k), 0, 1000, NULL, WHEN_LOSS, BIT(RK_LAMBDARANK), "rank cut, 0 = none"},
    {"loss.tau", FIELD_REAL, AT(model.loss.tau), 1e-6, 1e6, NULL, WHEN_LOSS, BIT(RK_APPROX_NDCG), "temperature of the ranks"},
    {"loss.pos_weight", FIELD_REAL, AT(model.loss.pos_weight), 0, 1e6, NULL, WHEN_LOSS, BIT(RK_BCE_WITH_LOGITS), "weight of positives"},
    {"optimizer.learning_rate", FIELD_REAL, AT(model.optim.learning_rate), 1e-9, 1e3, NULL, ALWAYS, 0, "learning rate; FTRL's alpha"},
    {"optimizer.l2", FIELD_REAL, AT(model.optim.l2), 0, 1e3, NULL, ALWAYS, 0, "weight decay of touched rows"},
    {"optimizer.l1", FIELD_REAL, AT(model.optim.l1), 0, 1e3, NULL, WHEN_OPTIM, BIT(RK_FTRL), "L1 strength"},
    {"optimizer.beta", FIELD_REAL, AT(model.optim.beta), 0, 1e3, NULL, WHEN_OPTIM, BIT(RK_FTRL), "FTRL's beta"},
    {"optimizer.momentum", FIELD_REAL, AT(model.optim.momentum), 0, 0.999999, NULL, WHEN_OPTIM, BIT(RK_SGD), "momentum"},
    {"optimizer.eps", FIELD_REAL, AT(model.optim.eps), 1e-12, 1, NULL, WHEN_OPTIM, BIT(RK_ADAGRAD) | ADAMS, "added to the root"},
    {"optimizer.init_acc", FIELD_REAL, AT(model.optim.init_acc), 0, 1e6, NULL, WHEN_OPTIM, BIT(RK_ADAGRAD), "start of the accumulator"},
    {"optimizer.beta1", FIELD_REAL, AT(model.optim.beta1), 0, 0.999999, NULL, WHEN_OPTIM, ADAMS, "decay of the first moment"},
    {"optimizer.beta2", FIELD_REAL, AT(model.optim.beta2), 0, 0.99999999, NULL, WHEN_OPTIM, ADAMS, "decay of the second moment"},
    {"optimizer.clip_norm", FIELD_REAL, AT(model.clip_norm), 0, 1e6, NULL, ALWAYS, 0, "largest gradient norm of an update, 0 = off"},
    {"init.std", FIELD_REAL, AT(model.init_std), 1e-9, 10, NULL, ALWAYS, 0, "deviation of the initial embeddings"},
    {"init.seed", FIELD_U64, AT(model.init_seed), 0, 9007199254740991, NULL, ALWAYS, 0, "seed of the initial embeddings"},
    {"training.enabled", FIELD_BOOLEAN, AT(training.enabled), 0, 0, NULL, ALWAYS, 0, "learn at all"},
    {"training.update_groups", FIELD_I64, AT(training.update_groups), 1, 10000, NULL, ALWAYS, 0, "lists per optimizer update"},
    {"training.batch_groups", FIELD_I64, AT(training.batch_groups), 1, 10000, NULL, ALWAYS, 0, "lists per step at most"},
    {"training.attribution_s", FIELD_I64, AT(training.attribution_s), 0, 86400, NULL, ALWAYS, 0, "seconds a list waits for its events; 0 = a click is learned from at once"},
    {"training.negatives", FIELD_CHOICE, AT(training.negatives), 0, 0, negatives, ALWAYS, 0, "which items without an event are negatives"},
};
/* clang-format on */

const size_t model_n_fields = sizeof model_fields / sizeof *model_fields;

bool model_field_applies(const struct model_field *field, const struct model_config *config)
{
    switch (field->when) {
    case ALWAYS:
        return true;
    case WHEN_HASHED:
        return config->model.features.kind == RK_HASHED;
    case WHEN_INDEXED:
        return config->model.features.kind == RK_INDEXED;
    case WHEN_LOSS:
        return (field->of & BIT(config->model.loss.name)) != 0;
    case WHEN_OPTIM:
        return (field->of & BIT(config->model.optim.name)) != 0;
    }
    return false;
}

int model_field_choice(const struct model_field *field, const struct model_config *config)
{
    int choice;

    if (field->offset == AT(model.standardize)) {
        return config->model.standardize ? 1 : 0;
    }
    memcpy(&choice, (const char *)config + field->offset, sizeof choice);
    return choice;
}
