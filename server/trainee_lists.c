/*
 * Lists taken by themselves: those in quarantine once more, and those held back as they were.
 */
#include "json.h"
#include "trainee_impl.h"

#include <stdlib.h>
#include <string.h>

#define POSITIONS_BUDGET ((size_t)4 << 20)

static enum rk_status cut_positions(struct trainee *t, struct store *store,
                                    const struct json_node *array, int64_t upto,
                                    struct rk_error *err)
{
    const size_t n = json_count(array);
    struct cut_list *lists = calloc(n + 1, sizeof *lists);
    const struct cut_terms terms = trainee_terms(t);
    struct problem problem = {0};
    enum rk_status status = lists != NULL ? RK_OK : rk_fail(err, RK_NOMEM, "out of memory");

    for (size_t i = 0; i < n && status == RK_OK; i++) {
        struct json_node node;
        json_element(array, i, &node);
        lists[i].upto = upto;
        if (!json_as_integer(&node, 0, INT64_C(1) << 53, &lists[i].seq, &problem)) {
            status = rk_fail(err, RK_CORRUPT, "what is in quarantine cannot be read");
        }
    }
    if (status == RK_OK) {
        status = cut_lists(store, &terms, lists, n, &t->cut, err);
    }
    free(lists);
    return status;
}

enum rk_status trainee_cut_again(struct trainee *t, struct store *store,
                                 const struct store_step *refused, int64_t upto,
                                 struct rk_error *err)
{
    const char *text = refused->quarantined != NULL ? refused->quarantined : "[]";
    struct json_document document = {0};
    struct json_node root;
    struct problem problem = {0};
    enum rk_status status;

    if (!json_parse(text, strlen(text), POSITIONS_BUDGET, &document, &root, &problem)) {
        return problem_stored(&problem, err, "what is in quarantine");
    }
    status = json_as_array(&root, &problem)
                 ? cut_positions(t, store, &root, upto, err)
                 : rk_fail(err, RK_CORRUPT, "what is in quarantine cannot be read");
    json_close(&document);
    return status;
}

struct recall {
    struct trainee *t;
    struct store *store;
};

/* A list is as it was when it was held back, by whatever the model learned then. */
static enum rk_status terms_then(void *context, int64_t config, struct cut_terms *terms,
                                 struct rk_error *err)
{
    const struct recall *recall = context;
    struct trainee *t = recall->t;
    const enum rk_status status =
        config != t->config ? trainee_recall_config(t, recall->store, config, err) : RK_OK;

    *terms = trainee_terms(t);
    return status;
}

enum rk_status trainee_hold(struct trainee *t, struct store *store, bool activated, int64_t id,
                            struct rk_error *err)
{
    struct recall recall = {.t = t, .store = store};
    const struct held_source source = {.store = store, .terms = terms_then, .context = &recall};
    char *text = NULL;
    enum rk_status status = store_get_held(store, activated, id, &text, err);

    if (status == RK_OK) {
        status = held_read(&t->held, text, &source, &t->cut, err);
    }
    free(text);
    return status;
}
