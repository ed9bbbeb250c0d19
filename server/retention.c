/*
 * Rounds of retention. A round is a row of passes: one by age; then, while there is too much, passes
 * over lists without events, and then over all lists, each a bit further into the log. A pass does its
 * works for one model after another, a page at a time.
 */
#include "clock.h"
#include "log.h"
#include "retention_impl.h"

#include <stdlib.h>

#define ROUND_NS       INT64_C(10000000000) /* at least, from one to the next */
#define REST           20   /* and so many times as long as the last one was at work */
#define FURTHER        4096 /* positions, from pass to pass */
#define HOUR_MS        INT64_C(3600000)
#define DAY_MS         (24 * HOUR_MS)
#define HOUR_NS        (HOUR_MS * 1000000)
#define MARGIN_MS      INT64_C(60000) /* an event may be decided a little after it came */
#define CATCH_UP       24             /* how much faster than time its clock goes at most */
#define STATE_SAVED_MS (10 * 60 * INT64_C(1000))

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum rk_status retention_create(const struct retention_options *options, struct store *store,
                                struct writer *writer, struct metrics *metrics,
                                struct retention **retention, struct rk_error *err)
{
    struct retention *r = calloc(1, sizeof *r);
    enum rk_status status;

    if (r == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for retention");
    }
    r->options = *options;
    r->store = store;
    r->writer = writer;
    r->metrics = metrics;
    r->clock_ns = clock_monotonic_ns();
    status = store_get_retention(store, &r->state, err);
    r->saved_ms = r->state.now_ms;
    if (status != RK_OK) {
        free(r);
        return status;
    }
    *retention = r;
    return RK_OK;
}

void retention_destroy(struct retention **retention)
{
    if (*retention != NULL) {
        retention_plan_free(&(*retention)->plan);
        free(*retention);
        *retention = NULL;
    }
}

void retention_look_again(struct retention *retention)
{
    if (retention != NULL) {
        retention->planned = false;
    }
}

/* ---- rounds ---- */

static void start_pass(struct retention *r, enum retention_pass kind, int64_t from, int64_t upto)
{
    r->planned = r->planned && r->pass == kind;
    r->pass = kind;
    r->from = r->after = from;
    r->upto = upto;
    r->work = WORK_CHECKPOINTS;
    r->model = 0;
    r->any = false;
}

/* Its clock follows the server's, but not a jump of it. */
static void set_clock(struct retention *r, int64_t now_ms)
{
    const int64_t now_ns = clock_monotonic_ns();
    const int64_t most = r->state.now_ms + CATCH_UP * ((now_ns - r->clock_ns) / 1000000);

    r->state.now_ms = r->state.now_ms == 0 ? now_ms : least(now_ms, most);
    r->clock_ns = now_ns;
}

static enum rk_status start_round(struct retention *r, int64_t now_ms, struct rk_error *err)
{
    int64_t old = 0;
    enum rk_status status = store_log_end(r->store, &r->last, err);

    set_clock(r, now_ms);
    r->old_ms = r->state.now_ms - r->options.log_days * DAY_MS;
    r->last--;
    if (status == RK_OK) {
        status = store_log_before(r->store, r->state.now_ms - r->options.ttl_ms - MARGIN_MS,
                                  &r->silent, err);
    }
    if (status == RK_OK) {
        status = store_log_before(r->store, r->state.now_ms - HOUR_MS, &r->settled, err);
    }
    if (status == RK_OK) {
        status = store_log_before(r->store, r->old_ms, &old, err);
    }
    r->silent = least(r->silent, r->last);
    r->settled = least(r->settled, r->last);
    r->under_way = status == RK_OK;
    r->planned = false;
    r->removed = (struct retention_removed){0};
    r->busy_ns = 0;
    start_pass(r, PASS_AGE, 0, least(old, r->last));
    return status;
}

static void tell(struct retention *r, int64_t bytes)
{
    const struct retention_removed *n = &r->removed;
    const int64_t now_ns = clock_monotonic_ns();

    if (n->rankings + n->batches + n->steps + n->revisions + n->checkpoints > 0) {
        log_info("log_trimmed", log_number("rankings", n->rankings),
                 log_number("events", n->events), log_number("batches", n->batches),
                 log_number("steps", n->steps), log_number("revisions", n->revisions),
                 log_number("checkpoints", n->checkpoints), log_number("bytes", bytes));
    }
    if (bytes > r->options.log_bytes && (r->warned_ns == 0 || now_ns - r->warned_ns > HOUR_NS)) {
        log_warn("log_too_large", log_number("bytes", bytes),
                 log_number("max", r->options.log_bytes),
                 log_text("reason", "what is left is needed or takes events"));
        r->warned_ns = now_ns;
    }
}

static enum rk_status end_round(struct retention *r, int64_t bytes, struct rk_error *err)
{
    tell(r, bytes);
    r->under_way = false;
    retention_plan_free(&r->plan);
    return r->saved_ms == 0 || r->state.now_ms - r->saved_ms > STATE_SAVED_MS
               ? retention_save(r, err)
               : RK_OK;
}

/* Is there too much? Then the next pass goes further, where it can. */
static enum rk_status end_pass(struct retention *r, struct rk_error *err)
{
    int64_t bytes = 0, rows, first = 0;
    enum rk_status status = store_log_size(r->store, &bytes, &rows, err);

    if (status == RK_OK) {
        atomic_store(&r->metrics->log_bytes, bytes);
        atomic_store(&r->metrics->log_rows, rows);
        status = store_first_list(r->store, &first, err);
    }
    if (status != RK_OK || bytes <= r->options.log_bytes) {
        return status == RK_OK ? end_round(r, bytes, err) : status;
    }
    r->further = r->any || r->pass == PASS_AGE ? FURTHER : 2 * r->further;
    if (r->pass == PASS_AGE) {
        start_pass(r, PASS_UNCLICKED, 0, first + r->further);
    } else if (r->pass == PASS_UNCLICKED && r->upto < r->silent) {
        start_pass(r, PASS_UNCLICKED, r->upto, r->upto + r->further);
    } else if (r->pass == PASS_UNCLICKED) {
        start_pass(r, PASS_ALL, 0, first + FURTHER);
    } else if (r->upto < r->last) {
        start_pass(r, PASS_ALL, r->upto, r->upto + r->further);
    } else {
        return end_round(r, bytes, err);
    }
    return RK_OK;
}

static enum rk_status make_plan(struct retention *r, const struct retention_model *models, size_t n,
                                struct rk_error *err)
{
    const struct retention_view view = {.store = r->store,
                                        .models = models,
                                        .n = n,
                                        .since_ms = r->pass == PASS_AGE ? r->old_ms : INT64_MAX};
    enum rk_status status;

    retention_plan_free(&r->plan);
    status = retention_plan(&view, &r->plan, err);
    r->planned = status == RK_OK;
    start_pass(r, r->pass, r->from, r->upto);
    return status;
}

/* On to the next model, work or pass. */
static enum rk_status go_on(struct retention *r, struct rk_error *err)
{
    r->after = r->from;
    if (r->work != WORK_CATALOGUE && ++r->model < r->plan.n) {
        return RK_OK;
    }
    r->model = 0;
    return ++r->work < WORKS ? RK_OK : end_pass(r, err);
}

static enum rk_status do_piece(struct retention *r, const struct retention_model *models, size_t n,
                               int64_t now_ms, struct rk_error *err)
{
    enum rk_status status;
    bool page;

    if (!r->under_way) {
        return start_round(r, now_ms, err);
    }
    if (!r->planned) {
        return make_plan(r, models, n, err);
    }
    status = retention_work(r, &page, err);
    return status == RK_OK && !page ? go_on(r, err) : status;
}

enum rk_status retention_step(struct retention *retention, const struct retention_model *models,
                              size_t n, int64_t now_ms, bool *more, struct rk_error *err)
{
    struct retention *r = retention;
    const int64_t start_ns = clock_monotonic_ns();
    enum rk_status status;
    int64_t rest_ns;

    *more = false;
    if (!r->under_way && start_ns < r->next_ns) {
        return RK_OK;
    }
    status = do_piece(r, models, n, now_ms, err);
    r->busy_ns += clock_monotonic_ns() - start_ns;
    r->under_way = r->under_way && status == RK_OK;
    if (!r->under_way) { /* what stays is looked at in every round, however much it is */
        rest_ns = REST * r->busy_ns;
        r->next_ns = clock_monotonic_ns() + (rest_ns > ROUND_NS ? rest_ns : ROUND_NS);
    }
    *more = r->under_way;
    return status;
}
