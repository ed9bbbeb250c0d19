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
static const char *const places[] = {"scores", "embeddings", NULL};
static const char *const heads[] = {"shared", "separate", NULL};
static const char *const sources[] = {"own", "all", NULL};
static const char *const negatives[] = {"shown", "examined", NULL};

#define AT(member) offsetof(struct model_config, member)
#define BIT(name)  (1U << (name))
#define PAIRWISE                                                                                   \
    (BIT(RK_PAIRWISE_LOGISTIC) | BIT(RK_MARGIN_RANKING) | BIT(RK_SMOOTH_HINGE) | BIT(RK_LAMBDARANK))
#define ADAMS   (BIT(RK_ADAM) | BIT(RK_ADAMW) | BIT(RK_SPARSE_ADAM))
#define DISTILL (BIT(RK_DISTILL_POINTWISE) | BIT(RK_DISTILL_LISTWISE))
#define TAUGHT  (DISTILL | BIT(RK_RANKING_DISTILLATION))

/* ---- when a row applies ---- */

enum {
    FFM = 1,
    DEEPFM = 2,
    JOINT = 4
};

static bool always(const struct model_config *config, uint32_t of)
{
    (void)config;
    (void)of;
    return true;
}

static bool kind(const struct model_config *config, uint32_t of)
{
    return ((of & FFM) != 0 && strcmp(config->model.kind, "ffm") == 0) ||
           ((of & DEEPFM) != 0 && strcmp(config->model.kind, "deepfm") == 0) ||
           ((of & JOINT) != 0 && strcmp(config->model.kind, "joint") == 0);
}

static bool hashed(const struct model_config *config, uint32_t of)
{
    return config->model.features.kind == RK_HASHED && (of == 0 || kind(config, of));
}

static bool indexed(const struct model_config *config, uint32_t of)
{
    return config->model.features.kind == RK_INDEXED && (of == 0 || kind(config, of));
}

static bool users_hashed(const struct model_config *config, uint32_t of)
{
    return kind(config, of) && config->model.users.kind == RK_HASHED;
}

static bool users_indexed(const struct model_config *config, uint32_t of)
{
    return kind(config, of) && config->model.users.kind == RK_INDEXED;
}

static bool items_hashed(const struct model_config *config, uint32_t of)
{
    return kind(config, of) && config->model.items.kind == RK_HASHED;
}

static bool items_indexed(const struct model_config *config, uint32_t of)
{
    return kind(config, of) && config->model.items.kind == RK_INDEXED;
}

static bool triplet(const struct model_config *config, uint32_t of)
{
    (void)of;
    return config->model.embedding_loss == RK_TRIPLET;
}

static bool loss(const struct model_config *config, uint32_t of)
{
    return !triplet(config, 0) && (of & BIT(config->model.loss.name)) != 0;
}

static bool joint_loss(const struct model_config *config, uint32_t of)
{
    return kind(config, JOINT) && loss(config, of);
}

static bool on_embeddings(const struct model_config *config, uint32_t of)
{
    return joint_loss(config, of) && config->on_embeddings;
}

static bool optim(const struct model_config *config, uint32_t of)
{
    return (of & BIT(config->model.optim.name)) != 0;
}

/* ---- the table ---- */

/* clang-format off */
const struct model_field model_fields[] = {
    {"features.space", FIELD_CHOICE, AT(model.features.kind), 0, 0, spaces, always, 0, "how a feature finds its row"},
    {"features.bits", FIELD_U32, AT(model.features.bits), RK_BITS_MIN, RK_BITS_MAX, NULL, hashed, 0, "hashed: rows = 2^bits"},
    {"features.numbers", FIELD_EITHER, AT(model.standardize), 0, 0, numbers, hashed, 0, "hashed: numbers by running mean and deviation, or as they are"},
    {"features.size", FIELD_SIZE, AT(model.features.size), 1, RK_SIZE_MAX, NULL, indexed, 0, "indexed: columns"},
    {"features.fields", FIELD_COLUMNS, AT(column_field), 0, RK_FIELDS_MAX - 1, NULL, indexed, FFM | DEEPFM, "ffm, deepfm on indexed: the field of each column"},
    {"dim", FIELD_U32, AT(model.dim), RK_DIM_MIN, RK_DIM_MAX, NULL, always, 0, "length of an embedding"},
    {"use_ids", FIELD_BOOLEAN, AT(model.use_ids), 0, 0, NULL, hashed, 0, "hashed: user and item ids are features"},
    {"hidden", FIELD_WIDTHS, AT(model.hidden), RK_WIDTH_MIN, RK_WIDTH_MAX, NULL, kind, DEEPFM | JOINT, "deepfm, joint: widths of 1 to 3 hidden layers"},
    {"normalize", FIELD_BOOLEAN, AT(model.normalize), 0, 0, NULL, kind, FFM, "ffm: the pair term divided by the squared length of x"},
    {"max_fields", FIELD_U32, AT(model.max_fields), RK_FIELDS_MIN, RK_FIELDS_MAX, NULL, hashed, FFM | DEEPFM, "ffm, deepfm on hashed: fields that get a number"},
    {"users.space", FIELD_CHOICE, AT(model.users.kind), 0, 0, spaces, kind, JOINT, "joint: how a user finds its row; indexed: ids are row numbers"},
    {"users.bits", FIELD_U32, AT(model.users.bits), RK_BITS_MIN, RK_BITS_MAX, NULL, users_hashed, JOINT, "hashed: rows = 2^bits"},
    {"users.size", FIELD_SIZE, AT(model.users.size), 1, RK_SIZE_MAX, NULL, users_indexed, JOINT, "indexed: rows"},
    {"items.space", FIELD_CHOICE, AT(model.items.kind), 0, 0, spaces, kind, JOINT, "joint: the same of items"},
    {"items.bits", FIELD_U32, AT(model.items.bits), RK_BITS_MIN, RK_BITS_MAX, NULL, items_hashed, JOINT, "hashed: rows = 2^bits"},
    {"items.size", FIELD_SIZE, AT(model.items.size), 1, RK_SIZE_MAX, NULL, items_indexed, JOINT, "indexed: rows"},
    {"alpha", FIELD_REAL, AT(model.alpha), 0, 1, NULL, kind, JOINT, "joint: alpha ranking loss + (1 - alpha) click loss"},
    {"heads", FIELD_EITHER, AT(model.separate), 0, 0, heads, kind, JOINT, "joint: one score for both losses, or a head each"},
    {"teacher", FIELD_NAME, AT(teacher), 0, 0, NULL, loss, TAUGHT, "distillation: the model that teaches; else batches bring the teacher's scores"},
    {"loss.pairs", FIELD_CHOICE, AT(model.loss.pairs), 0, 0, pairs, loss, PAIRWISE, "pairwise losses: which items of a list are pairs"},
    {"loss.reduction", FIELD_CHOICE, AT(model.loss.reduction), 0, 0, reductions, loss, PAIRWISE, "pairwise losses: how pairs become one number"},
    {"loss.sigma", FIELD_REAL, AT(model.loss.sigma), 1e-6, 1e6, NULL, loss, BIT(RK_PAIRWISE_LOGISTIC) | BIT(RK_LAMBDARANK), "pairwise_logistic, lambdarank: steepness"},
    {"loss.margin", FIELD_REAL, AT(model.loss.margin), 0, 1e6, NULL, loss, BIT(RK_MARGIN_RANKING), "margin_ranking: margin"},
    {"loss.margin", FIELD_REAL, AT(model.loss.margin), 1e-6, 1e6, NULL, loss, BIT(RK_SMOOTH_HINGE), "smooth_hinge: margin"},
    {"loss.margin", FIELD_REAL, AT(model.triplet_margin), 0, 1e6, NULL, triplet, 0, "triplet: margin"},
    {"loss.squared", FIELD_BOOLEAN, AT(model.triplet_squared), 0, 0, NULL, triplet, 0, "triplet: squared distances"},
    {"loss.on", FIELD_EITHER, AT(on_embeddings), 0, 0, places, joint_loss, BIT(RK_N_PAIR), "n_pair of joint: what it looks at"},
    {"loss.l2", FIELD_REAL, AT(model.embedding_l2), 0, 1e3, NULL, on_embeddings, BIT(RK_N_PAIR), "n_pair on embeddings: pull of embeddings towards 0"},
    {"loss.target", FIELD_CHOICE, AT(model.loss.target), 0, 0, targets, loss, BIT(RK_LISTWISE_SOFTMAX), "listwise_softmax: target distribution"},
    {"loss.k", FIELD_U32, AT(model.loss.k), 0, 1000, NULL, loss, BIT(RK_LAMBDARANK), "lambdarank: rank cut, 0 = none"},
    {"loss.tau", FIELD_REAL, AT(model.loss.tau), 1e-6, 1e6, NULL, loss, BIT(RK_APPROX_NDCG), "approx_ndcg: temperature of the ranks"},
    {"loss.pos_weight", FIELD_REAL, AT(model.loss.pos_weight), 0, 1e6, NULL, loss, BIT(RK_BCE_WITH_LOGITS), "bce_with_logits: weight of positives"},
    {"loss.T", FIELD_REAL, AT(model.loss.temperature), 1e-6, 1e6, NULL, loss, DISTILL, "distill_pointwise, distill_listwise: temperature"},
    {"loss.K", FIELD_U32, AT(model.loss.k), 0, 1000, NULL, loss, BIT(RK_RANKING_DISTILLATION), "ranking_distillation: the teacher's top items, 0 = all"},
    {"loss.lam", FIELD_REAL, AT(model.loss.lambda), 1e-6, 1e6, NULL, loss, BIT(RK_RANKING_DISTILLATION), "ranking_distillation: how slowly weights fall with the teacher's rank"},
    {"loss.hybrid", FIELD_BOOLEAN, AT(model.loss.hybrid), 0, 0, NULL, loss, BIT(RK_RANKING_DISTILLATION), "ranking_distillation: weigh by the student's rank too"},
    {"loss.mu", FIELD_REAL, AT(model.loss.mu), 0, 1e6, NULL, loss, BIT(RK_RANKING_DISTILLATION), "ranking_distillation: how fast that weight grows"},
    {"optimizer.learning_rate", FIELD_REAL, AT(model.optim.learning_rate), 1e-9, 1e3, NULL, always, 0, "learning rate; FTRL's alpha; 0.05 by default for deepfm"},
    {"optimizer.l2", FIELD_REAL, AT(model.optim.l2), 0, 1e3, NULL, always, 0, "weight decay of touched rows"},
    {"optimizer.l1", FIELD_REAL, AT(model.optim.l1), 0, 1e3, NULL, optim, BIT(RK_FTRL), "ftrl: L1 strength"},
    {"optimizer.beta", FIELD_REAL, AT(model.optim.beta), 0, 1e3, NULL, optim, BIT(RK_FTRL), "ftrl: beta of its rate"},
    {"optimizer.momentum", FIELD_REAL, AT(model.optim.momentum), 0, 0.999999, NULL, optim, BIT(RK_SGD), "sgd: momentum"},
    {"optimizer.eps", FIELD_REAL, AT(model.optim.eps), 1e-12, 1, NULL, optim, BIT(RK_ADAGRAD) | ADAMS, "adagrad, adam, adamw, sparse_adam: added to the root; 1e-8 for the last three"},
    {"optimizer.init_acc", FIELD_REAL, AT(model.optim.init_acc), 0, 1e6, NULL, optim, BIT(RK_ADAGRAD), "adagrad: start of the accumulator"},
    {"optimizer.beta1", FIELD_REAL, AT(model.optim.beta1), 0, 0.999999, NULL, optim, ADAMS, "adam, adamw, sparse_adam: decay of the first moment"},
    {"optimizer.beta2", FIELD_REAL, AT(model.optim.beta2), 0, 0.99999999, NULL, optim, ADAMS, "adam, adamw, sparse_adam: decay of the second moment"},
    {"optimizer.clip_norm", FIELD_REAL, AT(model.clip_norm), 0, 1e6, NULL, always, 0, "largest gradient norm of an update, 0 = off"},
    {"init.std", FIELD_REAL, AT(model.init_std), 1e-9, 10, NULL, always, 0, "deviation of the initial embeddings"},
    {"init.seed", FIELD_U64, AT(model.init_seed), 0, 9007199254740991, NULL, always, 0, "seed of the initial embeddings"},
    {"training.enabled", FIELD_BOOLEAN, AT(training.enabled), 0, 0, NULL, always, 0, "learn at all"},
    {"training.source", FIELD_CHOICE, AT(training.source), 0, 0, sources, always, 0, "whose lists are learned from: its own, or those of all models with hashed features"},
    {"training.update_groups", FIELD_I64, AT(training.update_groups), 1, 10000, NULL, always, 0, "lists per optimizer update"},
    {"training.batch_groups", FIELD_I64, AT(training.batch_groups), 1, 10000, NULL, always, 0, "lists per step at most"},
    {"training.attribution_s", FIELD_I64, AT(training.attribution_s), 0, 86400, NULL, always, 0, "seconds a list waits for its events; 0 = a click is learned from at once; 600 by default for joint and bce_with_logits"},
    {"training.negatives", FIELD_CHOICE, AT(training.negatives), 0, 0, negatives, always, 0, "which items without an event are negatives"},
};
/* clang-format on */

const size_t model_n_fields = sizeof model_fields / sizeof *model_fields;

/* clang-format off */
const char *const model_examples[] = {
    "{\"kind\":\"fm\"}",
    "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":2},\"loss\":{\"name\":\"lambdarank\"}}",
    "{\"kind\":\"ffm\",\"loss\":{\"name\":\"margin_ranking\"},\"optimizer\":{\"name\":\"sgd\"}}",
    "{\"kind\":\"ffm\",\"features\":{\"space\":\"indexed\",\"size\":2,\"fields\":[0,1]},"
    "\"loss\":{\"name\":\"listwise_softmax\"},\"optimizer\":{\"name\":\"ftrl\"}}",
    "{\"kind\":\"deepfm\",\"loss\":{\"name\":\"smooth_hinge\"},\"optimizer\":{\"name\":\"adam\"}}",
    "{\"kind\":\"joint\",\"loss\":{\"name\":\"triplet\"}}",
    "{\"kind\":\"joint\",\"users\":{\"space\":\"indexed\",\"size\":2},\"items\":{\"space\":\"indexed\",\"size\":2},"
    "\"loss\":{\"name\":\"n_pair\"},\"training\":{\"update_groups\":2}}",
    "{\"kind\":\"joint\",\"loss\":{\"name\":\"n_pair\",\"on\":\"embeddings\"},"
    "\"training\":{\"update_groups\":2}}",
    "{\"kind\":\"deepfm\",\"loss\":{\"name\":\"approx_ndcg\"}}",
    "{\"kind\":\"joint\",\"loss\":{\"name\":\"bce_with_logits\"}}",
    "{\"kind\":\"fm\",\"loss\":{\"name\":\"distill_listwise\"}}",
    "{\"kind\":\"fm\",\"loss\":{\"name\":\"ranking_distillation\"}}",
};
/* clang-format on */

const size_t model_n_examples = sizeof model_examples / sizeof *model_examples;

bool model_field_applies(const struct model_field *field, const struct model_config *config)
{
    return field->applies(config, field->of);
}

/* Is a path "group.member", or without a group just the member? */
static bool is_path(const char *path, const char *group, const char *member)
{
    const size_t n = group != NULL ? strlen(group) : 0;

    if (group == NULL) {
        return strchr(path, '.') == NULL && strcmp(path, member) == 0;
    }
    return strncmp(path, group, n) == 0 && path[n] == '.' && strcmp(path + n + 1, member) == 0;
}

const struct model_field *model_field_find(const char *group, const char *member,
                                           const struct model_config *config, bool *known)
{
    *known = false;
    for (size_t i = 0; i < model_n_fields; i++) {
        if (is_path(model_fields[i].path, group, member)) {
            *known = true;
            if (model_field_applies(&model_fields[i], config)) {
                return &model_fields[i];
            }
        }
    }
    return NULL;
}

int model_field_choice(const struct model_field *field, const struct model_config *config)
{
    const char *place = (const char *)config + field->offset;
    int choice;

    if (field->kind == FIELD_EITHER) {
        return *(const bool *)place ? 1 : 0;
    }
    memcpy(&choice, place, sizeof choice);
    return choice;
}
