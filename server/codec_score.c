/*
 * POST /v1/score, and the lists that the store kept.
 */
#include "codec.h"

#include <float.h>
#include <math.h>

#define TOP_K_MAX (((int64_t)1 << 53) - 1)

static const char *const score_members[] = {"model",   "ranking_id", "user",    "context", "items",
                                            "exclude", "top_k",      "explain", "log",     NULL};

static bool read_text(const struct json_node *node, const char *key, size_t max, const char **text,
                      struct problem *problem)
{
    struct json_node member;
    size_t n;

    return !json_member(node, key, &member) || json_as_string(&member, 1, max, text, &n, problem);
}

static bool read_flag(const struct json_node *node, const char *key, bool *flag,
                      struct problem *problem)
{
    struct json_node member;

    return !json_member(node, key, &member) || json_as_boolean(&member, flag, problem);
}

bool codec_score_open(const char *text, size_t n, bool lenient, struct codec_score *score,
                      struct problem *problem)
{
    struct json_node member;

    *score = (struct codec_score){.model = "default", .top_k = INT64_MAX, .log = true};
    return json_parse(text, n, CODEC_BUDGET, &score->document, &score->root, problem) &&
           json_only(&score->root, score_members, lenient, problem) &&
           read_text(&score->root, "model", STORE_NAME_MAX, &score->model, problem) &&
           read_text(&score->root, "ranking_id", STORE_ID_MAX, &score->ranking_id, problem) &&
           (!json_member(&score->root, "top_k", &member) ||
            json_as_integer(&member, 1, TOP_K_MAX, &score->top_k, problem)) &&
           read_flag(&score->root, "explain", &score->explain, problem) &&
           read_flag(&score->root, "log", &score->log, problem);
}

/* Marks the excluded items; ids that are not in the list are nothing to leave out. */
static bool read_exclude(const struct json_node *root, const struct list *list, bool *excluded,
                         struct problem *problem)
{
    struct json_node node;
    size_t n;

    if (!json_member(root, "exclude", &node)) {
        return true;
    }
    if (!json_as_array(&node, problem)) {
        return false;
    }
    n = json_count(&node);
    if (n > CODEC_ENTRIES_MAX) {
        return json_problem(&node, PROBLEM_LIMIT_EXCEEDED, problem, "has more than %d ids",
                            CODEC_ENTRIES_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        const char *id;
        size_t length, item;
        json_element(&node, i, &element);
        if (!json_as_string(&element, 1, LIST_ID_MAX, &id, &length, problem)) {
            return false;
        }
        item = list_find(list, id);
        if (item != SIZE_MAX) {
            excluded[item] = true;
        }
    }
    return true;
}

bool codec_score_list(const struct codec_score *score, const struct rk_space *space, bool lenient,
                      struct list *list, uint32_t *which, size_t *n_which, struct problem *problem)
{
    bool excluded[LIST_ITEMS_MAX] = {false};

    *n_which = 0;
    if (!list_read(&score->root, space, false, lenient, list, problem) ||
        !read_exclude(&score->root, list, excluded, problem)) {
        return false;
    }
    for (size_t i = 0; i < list->n_items; i++) {
        if (!excluded[i]) {
            which[(*n_which)++] = (uint32_t)i;
        }
    }
    return true;
}

void codec_score_close(struct codec_score *score)
{
    json_close(&score->document);
}

bool codec_stored_list(const char *text, size_t n, const struct rk_space *space, bool labelled,
                       struct json_document *document, struct list *list, struct problem *problem)
{
    struct json_node root;

    *document = (struct json_document){0};
    /* Lenient: what was let in by ?lenient=1 was kept as it was. So is the budget: any body's. */
    return json_parse(text, n, CODEC_BUDGET_BULK, document, &root, problem) &&
           json_as_object(&root, problem) && list_read(&root, space, labelled, true, list, problem);
}

/* Scores are float32 in as many digits as tell them apart. */
static bool read_served(const struct json_node *node, struct codec_served *item,
                        struct problem *problem)
{
    struct json_node member;
    double score, ctr = (double)NAN;
    size_t length;

    if (!json_as_object(node, problem) || !json_member(node, "id", &member) ||
        !json_as_string(&member, 1, LIST_ID_MAX, &item->id, &length, problem) ||
        !json_member(node, "score", &member) ||
        !json_as_number(&member, -FLT_MAX, FLT_MAX, &score, problem) ||
        (json_member(node, "ctr", &member) && !json_as_number(&member, 0, 1, &ctr, problem))) {
        return false;
    }
    item->score = (float)score;
    item->ctr = (float)ctr;
    return true;
}

enum rk_status codec_served_each(const char *served, size_t n,
                                 void (*each)(void *context, const struct codec_served *item),
                                 void *context, struct rk_error *err)
{
    struct json_document document = {0};
    struct json_node root, node;
    struct problem problem = {0};
    bool read = json_parse(served, n, CODEC_BUDGET, &document, &root, &problem) &&
                json_as_array(&root, &problem);
    const size_t count = read ? json_count(&root) : 0;

    for (size_t i = 0; i < count && read; i++) {
        struct codec_served item = {.rank = i + 1};
        json_element(&root, i, &node);
        read = read_served(&node, &item, &problem);
        if (read) {
            each(context, &item);
        }
    }
    json_close(&document);
    return read ? RK_OK : problem_stored(&problem, err, "the served items");
}
