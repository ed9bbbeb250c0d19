/*
 * The loss in a model's configuration: which one, and where its options are.
 *
 * Beside the losses of the library there are two names: "triplet" looks at the embeddings of a
 * joint model, and "joint" mixes one of the library's losses with a click loss.
 */
#include "model_config_impl.h"

#include <string.h>

static bool is_joint_model(const struct model_config *config)
{
    return strcmp(config->model.kind, "joint") == 0;
}

static bool choose_listed(const struct json_node *node, const char *text,
                          struct model_config *config, struct problem *problem)
{
    return rk_loss_default(text, &config->model.loss, NULL) == RK_OK ||
           json_problem(node, PROBLEM_INVALID_MODEL, problem, "there is no loss of this name");
}

static bool choose_triplet(const struct json_node *node, struct model_config *config,
                           struct problem *problem)
{
    config->model.embedding_loss = RK_TRIPLET;
    return is_joint_model(config) ||
           json_problem(node, PROBLEM_INVALID_MODEL, problem,
                        "looks at embeddings of ids, which only a joint model has");
}

static bool choose_mixed(const struct json_node *loss, const struct json_node *node,
                         struct model_config *config, struct problem *problem)
{
    struct json_node rank;
    const char *text;

    if (is_joint_model(config)) {
        return json_problem(node, PROBLEM_INVALID_MODEL, problem,
                            "a joint model mixes by its own alpha: name its ranking loss");
    }
    config->mixed = true;
    config->model.alpha = RK_ALPHA_DEFAULT;
    return model_name_member(loss, "rank", &rank, &text, problem) &&
           (text == NULL || choose_listed(&rank, text, config, problem));
}

bool model_loss_choose(const struct json_node *root, struct model_config *config,
                       struct problem *problem)
{
    struct json_node loss, name;
    const char *text;

    if (!json_member(root, "loss", &loss)) {
        return true;
    }
    if (!model_name_member(&loss, "name", &name, &text, problem)) {
        return false;
    }
    if (text == NULL) {
        return true;
    }
    if (strcmp(text, "triplet") == 0) {
        return choose_triplet(&name, config, problem);
    }
    return strcmp(text, "joint") == 0 ? choose_mixed(&loss, &name, config, problem)
                                      : choose_listed(&name, text, config, problem);
}

/* Those of "joint" are alpha, and the options of the loss inside it. */
static bool read_mixed(const struct json_node *loss, bool lenient, struct model_config *config,
                       struct problem *problem)
{
    static const char *const members[] = {"name", "alpha", "rank", "rank_params", NULL};
    struct json_node member;

    return json_only(loss, members, lenient, problem) &&
           (!json_member(loss, "alpha", &member) ||
            model_real_read(&member, 0, 1, &config->model.alpha, problem)) &&
           (!json_member(loss, "rank_params", &member) ||
            model_members_read(&member, "loss", false, lenient, config, problem));
}

bool model_loss_read(const struct json_node *root, bool lenient, struct model_config *config,
                     struct problem *problem)
{
    struct json_node loss;

    if (!json_member(root, "loss", &loss)) {
        return true;
    }
    return config->mixed ? read_mixed(&loss, lenient, config, problem)
                         : model_members_read(&loss, "loss", true, lenient, config, problem);
}
