/*
 * Cutting a range of the log into labelled groups: joining events to rankings, with the features of
 * the catalogue as they were when the list was served.
 */
#include "codec.h"
#include "cut_impl.h"
#include "grow.h"
#include "log.h"
#include "stored.h"

#include <stdlib.h>
#include <string.h>

/* What is being cut, and out of what. */
struct cutting {
    struct store *store;
    const struct cut_terms *terms;
    const struct model_config *config; /* the terms' */
    const struct cut_range *range;
    struct cut *cut;
};

/* ---- groups ---- */

static bool reserve_groups(struct cut *cut)
{
    const size_t cap = cut->capacity > 0 ? 2 * cut->capacity : 64;

    if (cut->n < cut->capacity) {
        return true;
    }
    if (!grow_resize(&cut->group, cap) || !grow_resize(&cut->seq, cap) ||
        !grow_resize(&cut->time_ms, cap)) {
        return false;
    }
    cut->capacity = cap;
    return true;
}

/* A list of the log on its way to a group, while the store is asked for more. */
struct kept {
    int64_t seq;
    int64_t time_ms; /* when what made it learnable arrived */
    int64_t catalogue_seq;
    uint64_t shown[LIST_ITEMS_MAX]; /* (n_shown) of a ranking, as in struct store_ranking */
    size_t n_shown;
    uint32_t which[LIST_ITEMS_MAX]; /* (n) the items of cut->list that count, labels set */
    size_t n;
};

/* Has the teacher score a list that came without, where the loss asks for it; or RK_NOTFOUND. */
static enum rk_status teach(const struct cutting *c, const struct kept *kept,
                            const struct assemble_source *source, struct rk_group *group,
                            struct rk_error *err)
{
    struct cut *cut = c->cut;
    enum rk_status status;

    if (!rk_loss_needs_teacher(&c->config->model.loss) || cut->list.n_taught == cut->list.n_items) {
        return RK_OK;
    }
    status = teacher_score(&cut->teacher, &cut->list, kept->which, kept->n, source, &group->teacher,
                           err);
    cut->n_untaught += status == RK_NOTFOUND;
    return status;
}

/* A list that does not fit the student is not asked about. */
static enum rk_status add_group(const struct cutting *c, const struct kept *kept,
                                struct rk_error *err)
{
    struct cut *cut = c->cut;
    struct stored stored = {.store = c->store, .seq = kept->catalogue_seq};
    const struct assemble_source source = stored_source(&stored);
    struct rk_group view;
    size_t where;
    enum rk_status status;

    if (kept->n == 0) {
        return RK_OK; /* nobody can learn from nothing */
    }
    status = assemble_group(&cut->list, &c->config->model, &source, kept->which, kept->n, true,
                            &cut->builder, &view, &where, err);
    if (status == RK_OK) {
        status = teach(c, kept, &source, &view, err);
    }
    stored_deinit(&stored);
    if (status == RK_NOTFOUND) {
        return RK_OK;
    }
    if (status == RK_OK && !reserve_groups(cut)) {
        status = rk_fail(err, RK_NOMEM, "out of memory for %zu lists", cut->n);
    }
    if (status == RK_OK) {
        status = rk_group_copy(&view, &cut->group[cut->n], err);
    }
    if (status == RK_OK) {
        cut->seq[cut->n] = kept->seq;
        cut->time_ms[cut->n] = kept->time_ms;
        cut->n++;
    }
    return status;
}

/* Parses a stored list into cut->list. */
static enum rk_status parse(const struct cutting *c, const char *text, size_t n, bool labelled,
                            struct rk_error *err)
{
    struct problem problem = {0};

    return codec_stored_list(text, n, &c->config->model.features, labelled, &c->cut->list, &problem)
               ? RK_OK
               : problem_stored(&problem, err, "the list");
}

/* Appends the group of a list that came with its labels. */
static enum rk_status add_labelled(const struct cutting *c, const char *text, size_t n,
                                   struct kept *kept, struct rk_error *err)
{
    const enum rk_status status = parse(c, text, n, true, err);

    if (status != RK_OK) {
        return status;
    }
    while (kept->n < c->cut->list.n_items) {
        kept->which[kept->n] = (uint32_t)kept->n;
        kept->n++;
    }
    return add_group(c, kept, err);
}

static enum rk_status add_batch(const struct cutting *c, struct kept *kept, struct rk_error *err)
{
    const char *payload;
    size_t n;
    const enum rk_status status =
        store_get_batch(c->store, kept->seq, &payload, &n, &kept->catalogue_seq, err);

    return status == RK_OK ? add_labelled(c, payload, n, kept, err) : status;
}

enum rk_status cut_list(struct store *store, const struct cut_terms *terms,
                        const struct cut_text *text, struct cut *cut, struct rk_error *err)
{
    const struct cutting cutting = {
        .store = store, .terms = terms, .config = terms->config, .cut = cut};
    struct kept kept = {.seq = text->name, .catalogue_seq = text->catalogue_seq};

    return add_labelled(&cutting, text->text, text->n, &kept, err);
}

/* ---- rankings ---- */

/* The labels of a list's items from its events: those up to `before`, and all. */
struct labels {
    const struct model_config *config;
    struct list *list;
    int64_t before;
    int64_t until_ms; /* the window's end: what comes later does not count */
    float old[LIST_ITEMS_MAX];
};

static void take_event(void *context, const struct store_event *event, int64_t time_ms)
{
    struct labels *labels = context;
    const double grade = model_config_grade(labels->config, event->type, event->value);
    const size_t i = list_find(labels->list, event->item_id);

    if (grade < 0 || i == SIZE_MAX || time_ms > labels->until_ms) {
        return;
    }
    if ((float)grade > labels->list->item[i].label) {
        labels->list->item[i].label = (float)grade;
    }
    if (event->seq <= labels->before && (float)grade > labels->old[i]) {
        labels->old[i] = (float)grade;
    }
}

/* Sets the labels of cut->list. @param changed  out: is one other than it was at from_seq? */
static enum rk_status read_labels(const struct cutting *c, int64_t seq, int64_t until_ms,
                                  bool *changed, struct rk_error *err)
{
    struct labels labels;
    enum rk_status status;

    labels.config = c->config;
    labels.list = &c->cut->list;
    labels.before = c->range->from_seq;
    labels.until_ms = until_ms;
    memset(labels.old, 0, c->cut->list.n_items * sizeof *labels.old);
    status = store_read_events(c->store, seq, c->range->to_seq, take_event, &labels, err);

    *changed = false;
    for (size_t i = 0; i < c->cut->list.n_items; i++) {
        *changed = *changed || c->cut->list.item[i].label != labels.old[i];
    }
    return status;
}

static bool has_label(const struct cutting *c)
{
    for (size_t i = 0; i < c->cut->list.n_items; i++) {
        if (c->cut->list.item[i].label > 0) {
            return true;
        }
    }
    return false;
}

/* Ranks of items as served, for `examined` negatives. */
struct served_ranks {
    const struct list *list;
    uint32_t rank[LIST_ITEMS_MAX]; /* 0: not served, or ranks are not asked for */
    uint32_t lowest;               /* rank of the lowest item with a label */
};

static void take_rank(void *context, const struct codec_served *item)
{
    struct served_ranks *ranks = context;
    const size_t i = list_find(ranks->list, item->id);

    if (i != SIZE_MAX) {
        ranks->rank[i] = (uint32_t)item->rank;
        if (ranks->list->item[i].label > 0) {
            ranks->lowest = (uint32_t)item->rank;
        }
    }
}

/* Reading the events ends what the store lent of the ranking. */
static enum rk_status keep_shown(const struct store_ranking *ranking, struct kept *kept,
                                 struct rk_error *err)
{
    if (ranking->n_shown > LIST_ITEMS_MAX) {
        return rk_fail(err, RK_CORRUPT, "more items were shown than a list has");
    }
    if (ranking->n_shown > 0) {
        memcpy(kept->shown, ranking->shown, ranking->n_shown * sizeof *kept->shown);
    }
    kept->n_shown = ranking->n_shown;
    return RK_OK;
}

static enum rk_status read_ranks(const struct cutting *c, int64_t seq, struct served_ranks *ranks,
                                 struct rk_error *err)
{
    struct store_ranking ranking;
    const enum rk_status status = store_get_ranking(c->store, seq, NULL, &ranking, err);

    return status == RK_OK
               ? codec_served_each(ranking.served, ranking.served_n, take_rank, ranks, err)
               : status;
}

/*
 * The items that count: those shown, and of these (negatives "examined") those down to one below
 * the lowest with a label.
 */
static enum rk_status choose_items(const struct cutting *c, struct kept *kept, struct rk_error *err)
{
    const struct list *list = &c->cut->list;
    struct served_ranks ranks;
    enum rk_status status = RK_OK;

    ranks.list = list;
    ranks.lowest = 0;
    memset(ranks.rank, 0, list->n_items * sizeof *ranks.rank);
    if (c->config->training.negatives == MODEL_NEGATIVES_EXAMINED) {
        status = read_ranks(c, kept->seq, &ranks, err);
    }
    if (status != RK_OK) {
        return status;
    }
    for (size_t i = 0; i < list->n_items; i++) {
        const uint64_t hash = list->item[i].entity.hash;
        if (ranks.rank[i] <= ranks.lowest + 1 && kept->n_shown > 0 &&
            bsearch(&hash, kept->shown, kept->n_shown, sizeof hash, list_hash_order) != NULL) {
            kept->which[kept->n++] = (uint32_t)i;
        }
    }
    return RK_OK;
}

/* What leads to a list. */
enum source {
    BATCH,
    RANKING_CLICKED,
    RANKING_ENDED,
    LIST /* it is asked for by itself */
};

/* Does it count now? Where clicks are learned from as they come, a window's end adds nothing. */
static bool counts(const struct cutting *c, enum source source, bool changed, bool at_once)
{
    return source == LIST || (source == RANKING_CLICKED ? changed : !at_once || !has_label(c));
}

/*
 * Appends the group of a ranking: with an event if that changed a label; at its window's end, unless
 * its clicks were learned from as they came.
 */
static enum rk_status add_ranking(const struct cutting *c, enum source source, struct kept *kept,
                                  struct rk_error *err)
{
    const bool at_once = cut_at_once(c->terms, kept->seq);
    struct store_ranking ranking;
    int64_t end_ms = INT64_MAX;
    bool changed;
    enum rk_status status = store_get_ranking(c->store, kept->seq, NULL, &ranking, err);

    if (status == RK_OK) {
        kept->catalogue_seq = ranking.catalogue_seq;
        if (source != RANKING_CLICKED) {
            kept->time_ms = ranking.time_ms + cut_window_ms(c->terms, kept->seq);
            end_ms = at_once ? INT64_MAX : kept->time_ms;
        }
        status = keep_shown(&ranking, kept, err);
    }
    if (status == RK_OK) {
        status = parse(c, ranking.request, ranking.request_n, false, err);
    }
    if (status == RK_OK) {
        status = read_labels(c, kept->seq, end_ms, &changed, err);
    }
    if (status != RK_OK || !counts(c, source, changed, at_once)) {
        return status;
    }
    status = choose_items(c, kept, err);
    return status == RK_OK ? add_group(c, kept, err) : status;
}

/* ---- a range ---- */

/*
 * Appends the group of one list. A list that was accepted once but cannot be read now, or whose
 * stored features do not fit the model, is left out: one bad record must not stop all learning.
 */
static enum rk_status add(const struct cutting *c, enum source source, int64_t seq, int64_t time_ms,
                          struct rk_error *err)
{
    struct kept kept; /* its long arrays are not touched where they are not used */
    struct rk_error own = {0};
    enum rk_status status = RK_NOTFOUND;

    kept.seq = seq;
    kept.time_ms = time_ms;
    kept.catalogue_seq = 0;
    kept.n = kept.n_shown = 0;
    if (source == BATCH || source == LIST) {
        status = add_batch(c, &kept, &own);
    }
    if (source != BATCH && status == RK_NOTFOUND) {
        own = (struct rk_error){0};
        status = add_ranking(c, source, &kept, &own);
    }
    if (status == RK_IO || status == RK_NOMEM) {
        return rk_fail(err, status, "%s", own.text);
    }
    if (status != RK_OK) {
        log_error("list_unreadable", log_number("seq", seq), log_text("reason", own.text));
    }
    return RK_OK;
}

static enum rk_status add_records(const struct cutting *c, struct rk_error *err)
{
    struct store_record records[CUT_PAGE];
    struct cut_met met = {0};
    int64_t after = c->range->from_seq;
    size_t n = CUT_PAGE;
    enum rk_status status = RK_OK;

    while (n == CUT_PAGE && status == RK_OK) {
        status = store_read_records(c->store, cut_whose(c->terms), after, c->range->to_seq, records,
                                    &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            const struct store_record *record = &records[i];
            const bool batch = record->kind == STORE_RECORD_BATCH;
            bool leads;
            after = record->seq;
            status = cut_leads(&met, record, c->terms, &leads, err);
            if (status == RK_OK && leads) {
                status = add(c, batch ? BATCH : RANKING_CLICKED,
                             batch ? record->seq : record->ranking, record->time_ms, err);
            }
        }
    }
    free(met.place);
    return status;
}

/* Those of a span; what does not wait is not learned from when nothing came. */
static enum rk_status add_span(const struct cutting *c, const struct cut_span *span,
                               struct rk_error *err)
{
    const int64_t from = c->range->due_from, to = c->range->due_to;
    const int64_t upto = to < span->upto ? to : span->upto;
    int64_t seqs[CUT_PAGE];
    int64_t after = from > span->after ? from : span->after;
    size_t n = CUT_PAGE;
    enum rk_status status = RK_OK;

    while (n == CUT_PAGE && after < upto && status == RK_OK) {
        status =
            store_read_due(c->store, cut_whose(c->terms), after, upto, INT64_MAX, seqs, &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            after = seqs[i];
            status = add(c, RANKING_ENDED, seqs[i], 0, err);
        }
    }
    return status;
}

static enum rk_status add_due(const struct cutting *c, struct rk_error *err)
{
    struct cut_span span;
    enum rk_status status = RK_OK;

    for (size_t i = 0; status == RK_OK && cut_span(c->terms, i, &span); i++) {
        if (span.window_ms > 0) {
            status = add_span(c, &span, err);
        }
    }
    return status;
}

static void empty(struct cut *cut)
{
    for (size_t i = 0; i < cut->n; i++) {
        rk_group_destroy(&cut->group[i]);
    }
    cut->n = cut->n_untaught = 0;
}

enum rk_status cut_lists(struct store *store, const struct cut_terms *terms,
                         const struct cut_list *lists, size_t n, struct cut *cut,
                         struct rk_error *err)
{
    enum rk_status status = RK_OK;

    empty(cut);
    for (size_t i = 0; i < n && status == RK_OK; i++) {
        const struct cut_range range = {.from_seq = -1, .to_seq = lists[i].upto};
        const struct cutting cutting = {
            .store = store, .terms = terms, .config = terms->config, .range = &range, .cut = cut};
        status = add(&cutting, LIST, lists[i].seq, 0, err);
    }
    return status;
}

enum rk_status cut_groups(struct store *store, const struct cut_terms *terms,
                          const struct cut_range *range, struct cut *cut, struct rk_error *err)
{
    const struct cutting cutting = {
        .store = store, .terms = terms, .config = terms->config, .range = range, .cut = cut};
    enum rk_status status;

    empty(cut);
    status = add_records(&cutting, err);
    return status == RK_OK ? add_due(&cutting, err) : status;
}
