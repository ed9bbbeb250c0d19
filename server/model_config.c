/*
 * Reading a model's configuration by its table.
 *
 * Kind, loss, optimizer and a few members more decide which other members there are and what their
 * defaults are: they are read first, so that the order of the text does not matter.
 */
#include "model_config_impl.h"

#include <stdlib.h>
#include <string.h>

#define ATTRIBUTION_POINTWISE_S 600
#define RATE_DEEPFM             0.05 /* what every list moves, the layers, bears less than rows do */
#define CONFIG_BUDGET           ((size_t)16 << 20) /* what the API takes has to be read back */

static const char *const top_members[] = {"kind",      "features",   "dim",   "use_ids",   "hidden",
                                          "normalize", "max_fields", "users", "items",     "alpha",
                                          "heads",     "teacher",    "loss",  "optimizer", "init",
                                          "labels",    "training",   NULL};

bool model_name_valid(const char *name)
{
    const size_t n = strlen(name);

    return n >= 1 && n <= MODEL_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

void model_config_default(struct model_config *config)
{
    *config = (struct model_config){
        .label = {{.type = "click", .grade = 1}},
        .n_labels = 1,
        .training = {.enabled = true, .update_groups = 1, .batch_groups = 64},
    };
    if (rk_model_default("fm", &config->model, NULL) != RK_OK) {
        abort(); /* the library always has fm */
    }
}

void model_config_copy(struct model_config *to, const struct model_config *from)
{
    *to = *from;
    if (from->model.fields != NULL) {
        to->model.fields = to->column_field;
    }
}

void model_config_adopt(struct model_config *to, const struct model_config *from)
{
    memcpy(to->label, from->label, sizeof to->label);
    to->n_labels = from->n_labels;
    to->training = from->training;
    to->model.optim.learning_rate = from->model.optim.learning_rate;
}

bool model_member_known(const char *key)
{
    for (size_t i = 0; top_members[i] != NULL; i++) {
        if (strcmp(top_members[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- members by the table ---- */

static bool read_member(const char *group, const struct json_node *node, bool lenient,
                        struct model_config *config, struct problem *problem)
{
    bool known;
    const struct model_field *field = model_field_find(group, node->key, config, &known);

    if (!known) {
        return lenient || json_problem(node, PROBLEM_UNKNOWN_FIELD, problem, "is not known");
    }
    if (json_kind(node) == JSON_NODE_NULL) {
        return true;
    }
    if (field == NULL) {
        return json_problem(node, PROBLEM_INVALID_MODEL, problem,
                            "does not go with the chosen kind, loss, optimizer or feature space");
    }
    return model_field_read(field, node, config, problem);
}

bool model_members_read(const struct json_node *object, const char *group, bool named, bool lenient,
                        struct model_config *config, struct problem *problem)
{
    struct json_node member;
    struct json_iterator iterator = {0};

    if (!json_as_object(object, problem)) {
        return false;
    }
    while (json_next(object, &iterator, &member)) {
        if (!(named && strcmp(member.key, "name") == 0) &&
            !read_member(group, &member, lenient, config, problem)) {
            return false;
        }
    }
    return true;
}

/* The members of the configuration itself. Objects are read elsewhere, the others are known. */
static bool read_top(const struct json_node *root, struct model_config *config,
                     struct problem *problem)
{
    struct json_node member;
    struct json_iterator iterator = {0};

    while (json_next(root, &iterator, &member)) {
        if (!read_member(NULL, &member, true, config, problem)) {
            return false;
        }
    }
    return true;
}

static bool read_groups(const struct json_node *root, bool lenient, struct model_config *config,
                        struct problem *problem)
{
    static const char *const groups[] = {"features",  "users", "items",
                                         "optimizer", "init",  "training"};
    struct json_node object;

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const bool named = strcmp(groups[i], "optimizer") == 0;
        if (json_member(root, groups[i], &object) &&
            !model_members_read(&object, groups[i], named, lenient, config, problem)) {
            return false;
        }
    }
    return true;
}

/* ---- what decides about other members ---- */

bool model_name_member(const struct json_node *object, const char *member, struct json_node *node,
                       const char **text, struct problem *problem)
{
    size_t n;

    *text = NULL;
    return json_as_object(object, problem) &&
           (!json_member(object, member, node) ||
            json_as_string(node, 1, MODEL_NAME_MAX, text, &n, problem));
}

static bool read_kind(const struct json_node *root, struct model_config *config,
                      struct problem *problem)
{
    struct json_node node;
    const char *text;

    model_config_default(config);
    if (!model_name_member(root, "kind", &node, &text, problem)) {
        return false;
    }
    if (text == NULL) {
        return json_problem(root, PROBLEM_INVALID_MODEL, problem, "a model needs a kind");
    }
    return rk_model_default(text, &config->model, NULL) == RK_OK ||
           json_problem(&node, PROBLEM_INVALID_MODEL, problem,
                        "there is no model kind of this name");
}

static bool choose_optimizer(const struct json_node *root, struct model_config *config,
                             struct problem *problem)
{
    struct json_node optimizer, name;
    const char *text;

    if (!json_member(root, "optimizer", &optimizer)) {
        return true;
    }
    return model_name_member(&optimizer, "name", &name, &text, problem) &&
           (text == NULL || rk_optim_default(text, &config->model.optim, NULL) == RK_OK ||
            json_problem(&name, PROBLEM_INVALID_MODEL, problem,
                         "there is no optimizer of this name"));
}

/* Members of the table that decide which others apply. */
static bool read_deciding(const struct json_node *root, struct model_config *config,
                          struct problem *problem)
{
    static const char *const deciding[][2] = {
        {"features", "space"}, {"users", "space"}, {"items", "space"}, {"loss", "on"}};
    struct json_node object, node;
    bool known;

    for (size_t i = 0; i < sizeof deciding / sizeof *deciding; i++) {
        const struct model_field *field =
            model_field_find(deciding[i][0], deciding[i][1], config, &known);
        if (field == NULL || !json_member(root, deciding[i][0], &object)) {
            continue; /* given all the same it is refused later, with all others */
        }
        if (!json_as_object(&object, problem) ||
            (json_member(&object, deciding[i][1], &node) &&
             !model_field_read(field, &node, config, problem))) {
            return false;
        }
    }
    return true;
}

/* Defaults that follow from what was decided. */
static void derive_defaults(struct model_config *config)
{
    if (config->model.features.kind == RK_INDEXED) {
        config->model.use_ids = false;
        config->model.standardize = false;
    }
    if (strcmp(config->model.kind, "deepfm") == 0) {
        config->model.optim.learning_rate = RATE_DEEPFM;
    }
    if (config->on_embeddings) {
        config->model.embedding_loss = RK_N_PAIR_EMBEDDING;
    }
    /* Whoever learns a probability of clicks learns from lists without a click too. */
    if (config->model.loss.name == RK_BCE_WITH_LOGITS || config->mixed ||
        strcmp(config->model.kind, "joint") == 0) {
        config->training.attribution_s = ATTRIBUTION_POINTWISE_S;
    }
}

/* ---- what several members say together ---- */

/* An indexed space needs its size. */
static bool check_sizes(const struct json_node *root, const struct model_config *config,
                        struct problem *problem)
{
    for (size_t i = 0; i < model_n_fields; i++) {
        const struct model_field *field = &model_fields[i];
        const char *place = (const char *)config + field->offset;
        if (field->kind == FIELD_SIZE && *(const uint32_t *)(const void *)place == 0 &&
            model_field_applies(field, config)) {
            char holder[16] = "";
            struct json_node node;
            strncat(holder, field->path, strcspn(field->path, "."));
            return json_problem(json_member(root, holder, &node) ? &node : root,
                                PROBLEM_INVALID_MODEL, problem, "an indexed space needs a size");
        }
    }
    return true;
}

/* ffm and deepfm cannot tell the field of a column that has no name. */
static bool check_columns(const struct json_node *root, const struct model_config *config,
                          struct problem *problem)
{
    bool known;
    struct json_node features;

    return model_field_find("features", "fields", config, &known) == NULL ||
           config->n_columns == config->model.features.size ||
           json_problem(json_member(root, "features", &features) ? &features : root,
                        PROBLEM_INVALID_MODEL, problem,
                        "needs fields: the field of each of the %u columns",
                        (unsigned)config->model.features.size);
}

/* One list has one user, and her pairs are no negatives of each other. */
static bool check_lists(const struct json_node *root, const struct model_config *config,
                        struct problem *problem)
{
    struct json_node loss;

    return !config->on_embeddings || config->training.update_groups >= 2 ||
           json_problem(json_member(root, "loss", &loss) ? &loss : root, PROBLEM_INVALID_MODEL,
                        problem,
                        "n_pair on embeddings sets the lists of an update against each other: "
                        "training.update_groups must be 2 or more");
}

/* The ids and features of others' lists are names. */
static bool check_source(const struct json_node *root, const struct model_config *config,
                         struct problem *problem)
{
    struct json_node training;
    bool known;
    const bool joint = model_field_find("users", "space", config, &known) != NULL;
    const bool indexed = config->model.features.kind == RK_INDEXED ||
                         (joint && (config->model.users.kind == RK_INDEXED ||
                                    config->model.items.kind == RK_INDEXED));

    return config->training.source != MODEL_SOURCE_ALL || !indexed ||
           json_problem(json_member(root, "training", &training) ? &training : root,
                        PROBLEM_INVALID_MODEL, problem,
                        "source all is for a model with hashed features and ids: it learns from "
                        "the lists of all such models");
}

bool model_config_check(const struct json_node *root, const struct model_config *config,
                        struct problem *problem)
{
    return check_sizes(root, config, problem) && check_columns(root, config, problem) &&
           check_lists(root, config, problem) && check_source(root, config, problem);
}

bool model_config_read(const struct json_node *node, bool lenient, struct model_config *config,
                       struct problem *problem)
{
    if (!json_only(node, top_members, lenient, problem) || !read_kind(node, config, problem) ||
        !model_loss_choose(node, config, problem) || !choose_optimizer(node, config, problem) ||
        !read_deciding(node, config, problem)) {
        return false;
    }
    derive_defaults(config);
    return read_top(node, config, problem) && read_groups(node, lenient, config, problem) &&
           model_loss_read(node, lenient, config, problem) &&
           model_labels_read(node, config, problem) && model_config_check(node, config, problem);
}

bool model_config_parse(const char *text, size_t n, struct model_config *config,
                        struct problem *problem)
{
    struct json_document document = {0};
    struct json_node root;
    bool read = json_parse(text, n, CONFIG_BUDGET, &document, &root, problem) &&
                model_config_read(&root, false, config, problem);

    json_close(&document);
    return read;
}
