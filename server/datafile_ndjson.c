/*
 * NDJSON lines: {"user", "context", "items": [{"id", "features", "label", "weight", "teacher"}]}, by
 * the same rules as the lists of a batch.
 */
#include "codec.h"
#include "datafile_impl.h"

#include <string.h>

struct ndjson {
    struct datafile_reader *reader;
    struct list list;
};

/* A problem with its place; the parser's own "line 1" is left out, since the line is known. */
static enum rk_status refuse(const struct problem *problem, struct rk_error *err)
{
    static const char own_line[] = " at line 1,";
    const char *at = strstr(problem->detail, own_line);

    if (problem->kind == PROBLEM_OUT_OF_MEMORY) {
        return rk_fail(err, RK_NOMEM, "%s", problem->detail);
    }
    if (at != NULL) {
        return rk_fail(err, RK_INVALID, "%.*s at%s", (int)(at - problem->detail), problem->detail,
                       at + strlen(own_line));
    }
    return rk_fail(err, RK_INVALID, "%s%s%s", problem->pointer,
                   problem->pointer[0] != '\0' ? ": " : "", problem->detail);
}

static enum rk_status read_list(struct ndjson *ndjson, struct rk_error *err)
{
    const struct datafile_lines *lines = &ndjson->reader->lines;
    const struct list_rules rules = {.features = &ndjson->reader->options->config->features,
                                     .labelled = true};
    struct list *list = &ndjson->list;
    struct problem problem = {0};
    struct pull pull;
    size_t where;

    if (!pull_begin(&pull, lines->text, lines->length, &list->memory, &problem) ||
        !list_read(&pull, &rules, list) || !pull_end(&pull)) {
        return refuse(&problem, err);
    }
    return datafile_add_list(ndjson->reader, list, &where, err);
}

enum rk_status datafile_read_ndjson(struct datafile_reader *reader, struct rk_error *err)
{
    struct ndjson ndjson = {.reader = reader};
    enum rk_status status = datafile_open_stored(reader, err);
    bool got = true;

    reader->data->has_teacher = true;
    while (status == RK_OK && got) {
        status = read_list(&ndjson, err);
        if (status == RK_OK) {
            status = datafile_next(reader, &got, err);
        }
    }
    list_deinit(&ndjson.list);
    return status;
}
