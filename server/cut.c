/*
 * Joining events to rankings, by range of the log.
 */
#include "cut.h"

#include "assemble.h"
#include "codec.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 1024 /* records read at a time */

void cut_deinit(struct cut *cut)
{
    for (size_t i = 0; i < cut->n; i++) {
        rk_group_destroy(&cut->group[i]);
    }
    free(cut->group);
    free(cut->seq);
    free(cut->time_ms);
    rk_group_builder_deinit(&cut->builder);
    list_deinit(&cut->list);
    free(cut->shown);
    *cut = (struct cut){0};
}

/* ---- which records ---- */

/* Rankings met in a range, so that one with several events makes one group. */
struct met {
    int64_t *place; /* (capacity, a power of two), 0 = free */
    size_t capacity, n;
};

/* Adds a ranking. @return 1: new; 0: met before; -1: out of memory. */
static int met_add(struct met *met, int64_t seq)
{
    size_t i;

    if (2 * (met->n + 1) > met->capacity) {
        struct met wider = {.capacity = met->capacity > 0 ? 2 * met->capacity : 256};
        wider.place = calloc(wider.capacity, sizeof *wider.place);
        if (wider.place == NULL) {
            return -1;
        }
        for (i = 0; i < met->capacity; i++) {
            if (met->place[i] != 0) {
                (void)met_add(&wider, met->place[i]);
            }
        }
        free(met->place);
        *met = wider;
    }
    for (i = (size_t)seq & (met->capacity - 1); met->place[i] != 0;
         i = (i + 1) & (met->capacity - 1)) {
        if (met->place[i] == seq) {
            return 0;
        }
    }
    met->place[i] = seq;
    met->n++;
    return 1;
}

/*
 * Does a record make a group by itself? Where a window is waited for, events only count when it
 * ends.
 */
static bool leads(const struct store_record *record, const struct model_config *config)
{
    return record->kind == STORE_RECORD_BATCH || config->training.attribution_s == 0;
}

/* The seq up to which records of (from, log_end] make at most `most` lists. */
static enum rk_status plan_records(struct store *store, int64_t model,
                                   const struct model_config *config, int64_t log_end,
                                   struct cut_range *range, struct rk_error *err)
{
    struct store_record records[PAGE];
    struct met met = {0};
    int64_t after = range->from_seq;
    int64_t lists = 0;
    size_t n = PAGE;
    enum rk_status status = RK_OK;

    while (n == PAGE && status == RK_OK) {
        status = store_read_records(store, model, after, log_end, records, &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            if (leads(&records[i], config)) {
                const int added =
                    records[i].kind == STORE_RECORD_BATCH ? 1 : met_add(&met, records[i].ranking);
                if (added < 0) {
                    status = rk_fail(err, RK_NOMEM, "out of memory for a step");
                } else if (added > 0 && lists++ == config->training.batch_groups) {
                    range->to_seq = after;
                    free(met.place);
                    return RK_OK;
                }
            }
            after = records[i].seq;
        }
    }
    range->to_seq = log_end;
    free(met.place);
    return status;
}

enum rk_status cut_plan(struct store *store, int64_t model, const struct model_config *config,
                        int64_t log_end, int64_t now_ms, struct cut_range *range,
                        struct rk_error *err)
{
    const int64_t window_ms = config->training.attribution_s * 1000;
    enum rk_status status = plan_records(store, model, config, log_end, range, err);

    range->due_to = range->due_from;
    if (status == RK_OK && window_ms > 0) {
        const size_t most = (size_t)config->training.batch_groups;
        int64_t *seqs = malloc(most * sizeof *seqs);
        size_t n = most;
        if (seqs == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for a step");
        }
        status = store_read_due(store, model, range->due_from, log_end, now_ms - window_ms, seqs,
                                &n, err);
        if (status == RK_OK && n > 0) {
            range->due_to = seqs[n - 1];
        }
        free(seqs);
    }
    return status;
}

/* ---- stored features ---- */

/* Features of the catalogue as of a log position, from the store's revisions. */
struct revisions {
    struct store *store;
    int64_t seq;
    struct catalogue_entry *entry; /* the last one found */
};

static enum rk_status revisions_find(void *context, enum rk_side side,
                                     const struct list_entity *entity,
                                     const struct rk_feature **features, size_t *n,
                                     struct rk_error *err)
{
    struct revisions *revisions = context;
    const char *text;
    enum rk_status status;

    *n = 0;
    if (revisions->seq == 0) {
        return RK_OK; /* nothing was ever stored */
    }
    status = store_get_features(revisions->store, side == RK_ITEM ? STORE_ITEM : STORE_USER,
                                entity->id, revisions->seq, &text, NULL);
    if (status == RK_NOTFOUND) {
        return RK_OK;
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "the stored features of an id cannot be read");
    }
    free(revisions->entry);
    revisions->entry = codec_entry_parse(side, entity->id, text);
    if (revisions->entry == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for stored features");
    }
    *features = revisions->entry->feature;
    *n = revisions->entry->n;
    return RK_OK;
}

/* ---- groups ---- */

static bool reserve_groups(struct cut *cut)
{
    const size_t cap = cut->capacity > 0 ? 2 * cut->capacity : 64;
    struct rk_group **group;
    int64_t *seq, *time_ms;

    if (cut->n < cut->capacity) {
        return true;
    }
    group = realloc(cut->group, cap * sizeof(struct rk_group *));
    cut->group = group != NULL ? group : cut->group;
    seq = realloc(cut->seq, cap * sizeof *seq);
    cut->seq = seq != NULL ? seq : cut->seq;
    time_ms = realloc(cut->time_ms, cap * sizeof *time_ms);
    cut->time_ms = time_ms != NULL ? time_ms : cut->time_ms;
    if (group == NULL || seq == NULL || time_ms == NULL) {
        return false;
    }
    cut->capacity = cap;
    return true;
}

/* Appends the group of some of the items of cut->list, whose labels are set. */
static enum rk_status add_group(struct store *store, const struct model_config *config,
                                int64_t catalogue_seq, const uint32_t *which, size_t n, int64_t seq,
                                int64_t time_ms, struct cut *cut, struct rk_error *err)
{
    struct revisions revisions = {.store = store, .seq = catalogue_seq};
    const struct assemble_source source = {revisions_find, &revisions};
    struct rk_group view;
    size_t where;
    enum rk_status status = assemble_group(&cut->list, &config->model, &source, which, n, true,
                                           &cut->builder, &view, &where, err);

    free(revisions.entry);
    if (status != RK_OK) {
        return status;
    }
    if (!reserve_groups(cut)) {
        return rk_fail(err, RK_NOMEM, "out of memory for %zu lists", cut->n);
    }
    status = rk_group_copy(&view, &cut->group[cut->n], err);
    if (status == RK_OK) {
        cut->seq[cut->n] = seq;
        cut->time_ms[cut->n] = time_ms;
        cut->n++;
    }
    return status;
}

/*
 * A list that was accepted once but cannot be read now is left out: one bad record must not stop
 * all learning.
 */
static enum rk_status leave_out(int64_t seq, const char *reason)
{
    log_error("list_unreadable", log_number("seq", seq), log_text("reason", reason));
    return RK_OK;
}

static enum rk_status add_batch(struct store *store, const struct model_config *config,
                                const struct store_record *record, struct cut *cut,
                                struct rk_error *err)
{
    struct json_document document = {0};
    struct problem problem = {0};
    uint32_t which[LIST_ITEMS_MAX];
    const char *payload;
    size_t n;
    int64_t catalogue_seq;
    enum rk_status status = store_get_batch(store, record->seq, &payload, &n, &catalogue_seq, err);

    if (status != RK_OK) {
        return status;
    }
    if (codec_stored_list(payload, n, &config->model.features, true, &document, &cut->list,
                          &problem)) {
        for (size_t i = 0; i < cut->list.n_items; i++) {
            which[i] = (uint32_t)i;
        }
        status = add_group(store, config, catalogue_seq, which, cut->list.n_items, record->seq,
                           record->time_ms, cut, err);
    } else {
        status = leave_out(record->seq, problem.detail);
    }
    json_close(&document);
    return status;
}

/* The labels of a list's items from its events: those up to `before`, and all. */
struct labels {
    const struct model_config *config;
    struct list *list;
    int64_t before;
    float old[LIST_ITEMS_MAX];
};

static void take_event(void *context, const struct store_event *event, int64_t time_ms)
{
    struct labels *labels = context;
    const double grade = model_config_grade(labels->config, event->type, event->value);
    const size_t i = list_find(labels->list, event->item_id);

    (void)time_ms;
    if (grade < 0 || i == SIZE_MAX) {
        return;
    }
    if ((float)grade > labels->list->item[i].label) {
        labels->list->item[i].label = (float)grade;
    }
    if (event->seq <= labels->before && (float)grade > labels->old[i]) {
        labels->old[i] = (float)grade;
    }
}

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Ranks of items as served, for `examined` negatives. */
struct served_ranks {
    const struct list *list;
    uint32_t rank[LIST_ITEMS_MAX];
    uint32_t lowest; /* rank of the lowest item with a label */
};

static void take_rank(void *context, const char *id, size_t rank)
{
    struct served_ranks *ranks = context;
    const size_t i = list_find(ranks->list, id);

    if (i != SIZE_MAX) {
        ranks->rank[i] = (uint32_t)rank;
        if (ranks->list->item[i].label > 0) {
            ranks->lowest = (uint32_t)rank;
        }
    }
}

/* A ranking as the store gave it, kept while the store is asked for more. */
struct kept_ranking {
    struct json_document document;
    int64_t catalogue_seq;
    int64_t time_ms;
    size_t n_shown;
    struct served_ranks ranks;
    bool readable;
};

/*
 * The items that count: those shown, and of these (negatives "examined") those down to one below
 * the lowest with a label.
 */
static size_t choose_items(const struct cut *cut, const struct model_config *config,
                           const struct kept_ranking *kept, uint32_t *which)
{
    size_t n = 0;

    for (size_t i = 0; i < cut->list.n_items; i++) {
        const uint64_t hash = cut->list.item[i].entity.hash;
        const bool shown =
            bsearch(&hash, cut->shown, kept->n_shown, sizeof hash, compare_hashes) != NULL;
        const bool examined = config->training.negatives == MODEL_NEGATIVES_SHOWN ||
                              kept->ranks.rank[i] <= kept->ranks.lowest + 1;
        if (shown && examined) {
            which[n++] = (uint32_t)i;
        }
    }
    return n;
}

/* Parses a ranking's request into cut->list and keeps what is needed of the rest. */
static enum rk_status open_ranking(struct store *store, const struct model_config *config,
                                   int64_t seq, struct cut *cut, struct kept_ranking *kept,
                                   struct store_ranking *ranking, struct rk_error *err)
{
    struct problem problem = {0};
    const enum rk_status status = store_get_ranking(store, seq, NULL, ranking, err);

    if (status != RK_OK) {
        return status;
    }
    if (ranking->n_shown > cut->cap_shown) {
        uint64_t *grown = realloc(cut->shown, ranking->n_shown * sizeof *grown);
        if (grown == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for a ranking");
        }
        cut->shown = grown;
        cut->cap_shown = ranking->n_shown;
    }
    if (ranking->n_shown > 0) {
        memcpy(cut->shown, ranking->shown, ranking->n_shown * sizeof *cut->shown);
    }
    kept->n_shown = ranking->n_shown;
    kept->catalogue_seq = ranking->catalogue_seq;
    kept->time_ms = ranking->time_ms;
    kept->readable =
        codec_stored_list(ranking->request, ranking->request_n, &config->model.features, false,
                          &kept->document, &cut->list, &problem);
    return kept->readable ? RK_OK : leave_out(seq, problem.detail);
}

/*
 * Ranks need the labels, and the labels need the store again: the ranking is read a second time
 * where ranks are asked for.
 */
static enum rk_status read_ranks(struct store *store, const struct model_config *config,
                                 int64_t seq, struct kept_ranking *kept, struct rk_error *err)
{
    struct store_ranking ranking;
    enum rk_status status = RK_OK;

    if (config->training.negatives == MODEL_NEGATIVES_EXAMINED) {
        status = store_get_ranking(store, seq, NULL, &ranking, err);
        if (status == RK_OK &&
            !codec_served_each(ranking.served, ranking.served_n, take_rank, &kept->ranks)) {
            status = rk_fail(err, RK_CORRUPT, "the served items of a ranking cannot be read");
        }
    }
    return status;
}

/* Appends the group of a ranking; with `changed`, only if a label changed after range->from_seq. */
static enum rk_status add_ranking(struct store *store, const struct model_config *config,
                                  int64_t seq, int64_t time_ms, const struct cut_range *range,
                                  bool changed, struct cut *cut, struct rk_error *err)
{
    struct kept_ranking kept = {.ranks = {.list = &cut->list}};
    struct labels labels = {.config = config, .list = &cut->list, .before = range->from_seq};
    struct store_ranking ranking;
    uint32_t which[LIST_ITEMS_MAX];
    bool learnable = !changed;
    enum rk_status status = open_ranking(store, config, seq, cut, &kept, &ranking, err);

    if (status == RK_OK && kept.readable) {
        status = store_read_events(store, seq, range->to_seq, take_event, &labels, err);
    }
    for (size_t i = 0; kept.readable && i < cut->list.n_items; i++) {
        learnable = learnable || cut->list.item[i].label != labels.old[i];
    }
    if (status == RK_OK && kept.readable && learnable) {
        status = read_ranks(store, config, seq, &kept, err);
        if (status == RK_OK) {
            const size_t n = choose_items(cut, config, &kept, which);
            status = add_group(store, config, kept.catalogue_seq, which, n, seq,
                               changed ? time_ms : kept.time_ms, cut, err);
        }
    }
    json_close(&kept.document);
    return status;
}

static enum rk_status add_records(struct store *store, int64_t model,
                                  const struct model_config *config, const struct cut_range *range,
                                  struct cut *cut, struct rk_error *err)
{
    struct store_record records[PAGE];
    struct met met = {0};
    int64_t after = range->from_seq;
    size_t n = PAGE;
    enum rk_status status = RK_OK;

    while (n == PAGE && status == RK_OK) {
        status = store_read_records(store, model, after, range->to_seq, records, &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            const struct store_record *record = &records[i];
            after = record->seq;
            if (!leads(record, config)) {
                continue;
            }
            if (record->kind == STORE_RECORD_BATCH) {
                status = add_batch(store, config, record, cut, err);
            } else {
                const int added = met_add(&met, record->ranking);
                if (added < 0) {
                    status = rk_fail(err, RK_NOMEM, "out of memory for a step");
                } else if (added > 0) {
                    status = add_ranking(store, config, record->ranking, record->time_ms, range,
                                         true, cut, err);
                }
            }
        }
    }
    free(met.place);
    return status;
}

static enum rk_status add_due(struct store *store, int64_t model, const struct model_config *config,
                              const struct cut_range *range, struct cut *cut, struct rk_error *err)
{
    int64_t seqs[PAGE];
    int64_t after = range->due_from;
    size_t n = PAGE;
    enum rk_status status = RK_OK;

    while (n == PAGE && after < range->due_to && status == RK_OK) {
        status = store_read_due(store, model, after, range->due_to, INT64_MAX, seqs, &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            after = seqs[i];
            status = add_ranking(store, config, seqs[i], 0, range, false, cut, err);
        }
    }
    return status;
}

enum rk_status cut_groups(struct store *store, int64_t model, const struct model_config *config,
                          const struct cut_range *range, struct cut *cut, struct rk_error *err)
{
    enum rk_status status;

    for (size_t i = 0; i < cut->n; i++) {
        rk_group_destroy(&cut->group[i]);
    }
    cut->n = 0;
    status = add_records(store, model, config, range, cut, err);
    return status == RK_OK ? add_due(store, model, config, range, cut, err) : status;
}
