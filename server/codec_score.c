/*
 * POST /v1/score, and the lists that the store kept.
 */
#include "codec.h"

#include <float.h>
#include <math.h>

#define TOP_K_MAX (((int64_t)1 << 53) - 1)

static const char *const score_members[] = {LIST_MEMBERS, "exclude", "model", "ranking_id",
                                            "top_k",      "explain", "log",   NULL};

enum score_member {
    SCORE_EXCLUDE = LIST_OTHER,
    SCORE_MODEL,
    SCORE_RANKING_ID,
    SCORE_TOP_K,
    SCORE_EXPLAIN,
    SCORE_LOG
};

/* A request while it is read. */
struct score_reader {
    const struct list_rules *rules;
    struct list *list;
    struct codec_score *score;
    struct pull exclude; /* which waits for the items */
    bool has_exclude;
};

static bool read_score_member(struct pull *pull, size_t member, struct score_reader *reader)
{
    struct codec_score *score = reader->score;
    size_t n;

    if (member < LIST_OTHER || score_members[member] == NULL) {
        return list_read_member(pull, member < LIST_OTHER ? (enum list_member)member : LIST_OTHER,
                                reader->rules, reader->list);
    }
    if (pull_null(pull)) {
        return true;
    }
    switch ((enum score_member)member) {
    case SCORE_EXCLUDE:
        reader->exclude = *pull;
        reader->has_exclude = true;
        return pull_skip(pull);
    case SCORE_MODEL:
        return pull_string(pull, 1, STORE_NAME_MAX, &score->model, &n);
    case SCORE_RANKING_ID:
        return pull_string(pull, 1, STORE_ID_MAX, &score->ranking_id, &n);
    case SCORE_TOP_K:
        return pull_integer(pull, 1, TOP_K_MAX, &score->top_k);
    case SCORE_EXPLAIN:
        return pull_boolean(pull, &score->explain);
    case SCORE_LOG:
        return pull_boolean(pull, &score->log);
    }
    return false;
}

/* Marks the excluded items; ids that are not in the list are nothing to leave out. */
static bool read_exclude(struct pull *pull, const struct list *list, bool *excluded)
{
    size_t n = 0;

    if (!pull_array(pull)) {
        return false;
    }
    for (; pull_element(pull); n++) {
        const char *id;
        size_t length, item;
        if (n == CODEC_ENTRIES_MAX) {
            return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED, "has more than %d ids",
                                       CODEC_ENTRIES_MAX);
        }
        if (!pull_string(pull, 1, LIST_ID_MAX, &id, &length)) {
            return false;
        }
        item = list_find(list, id);
        if (item != SIZE_MAX) {
            excluded[item] = true;
        }
    }
    return pull_good(pull);
}

/* The items that may be shown: those not excluded. */
static bool choose_items(struct pull *pull, struct score_reader *reader)
{
    struct codec_score *score = reader->score;
    bool excluded[LIST_ITEMS_MAX] = {false};

    if (reader->has_exclude) {
        pull_resume(&reader->exclude, pull);
        if (!read_exclude(&reader->exclude, reader->list, excluded)) {
            return false;
        }
    }
    for (size_t i = 0; i < reader->list->n_items; i++) {
        if (!excluded[i]) {
            score->which[score->n++] = (uint32_t)i;
        }
    }
    return true;
}

bool codec_score_read(const char *text, size_t n, const struct list_rules *rules, struct list *list,
                      struct codec_score *score, struct problem *problem)
{
    struct score_reader reader = {.rules = rules, .list = list, .score = score};
    struct pull pull;
    struct span key;

    score->model = "default";
    score->ranking_id = NULL;
    score->top_k = INT64_MAX;
    score->explain = false;
    score->log = true;
    score->n = 0;
    if (!list_begin(list, problem) || !pull_begin(&pull, text, n, &list->memory, problem) ||
        !pull_object(&pull)) {
        return false;
    }
    while (pull_member(&pull, &key)) {
        if (!read_score_member(&pull, pull_which(key, score_members), &reader)) {
            return false;
        }
    }
    return list_end(&pull, list) && pull_end(&pull) && choose_items(&pull, &reader);
}

bool codec_stored_list(const char *text, size_t n, const struct rk_space *space, bool labelled,
                       struct list *list, struct problem *problem)
{
    /* Lenient: what was let in by ?lenient=1 was kept as it was. */
    const struct list_rules rules = {.features = space, .labelled = labelled, .lenient = true};
    struct pull pull;

    return pull_begin(&pull, text, n, &list->memory, problem) && list_read(&pull, &rules, list) &&
           pull_end(&pull);
}

enum served_member {
    SERVED_ID,
    SERVED_SCORE,
    SERVED_CTR
};

/* Scores are float32 in as many digits as tell them apart. */
static bool read_served(struct pull *pull, struct codec_served *item)
{
    static const char *const names[] = {"id", "score", "ctr", NULL};
    double score = (double)NAN, ctr = (double)NAN;
    struct span key;
    size_t n;

    if (!pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &key)) {
        const size_t member = pull_which(key, names);
        const bool read = member == SERVED_ID ? pull_string(pull, 1, LIST_ID_MAX, &item->id, &n)
                          : member == SERVED_SCORE
                              ? pull_number(pull, (double)-FLT_MAX, (double)FLT_MAX, &score)
                          : member == SERVED_CTR ? pull_number(pull, 0, 1, &ctr)
                                                 : pull_skip(pull);
        if (!read) {
            return false;
        }
    }
    item->score = (float)score;
    item->ctr = (float)ctr;
    return pull_good(pull) &&
           ((item->id != NULL && !isnan(score)) ||
            pull_problem(pull, PROBLEM_VALIDATION_FAILED, "a served item has an id and a score"));
}

enum rk_status codec_served_each(const char *served, size_t n,
                                 void (*each)(void *context, const struct codec_served *item),
                                 void *context, struct rk_error *err)
{
    struct pull_memory memory = {0};
    struct problem problem = {0};
    struct pull pull;
    bool read = pull_begin(&pull, served, n, &memory, &problem) && pull_array(&pull);

    for (size_t rank = 1; read && pull_element(&pull); rank++) {
        struct codec_served item = {.rank = rank};
        read = read_served(&pull, &item);
        if (read) {
            each(context, &item);
        }
    }
    read = pull_end(&pull);
    pull_memory_deinit(&memory);
    return read ? RK_OK : problem_stored(&problem, err, "the served items");
}
