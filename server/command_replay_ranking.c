/*
 * rankd replay --ranking and --rankings: as it was served beside as it is served again.
 */
#include "codec.h"
#include "command_replay_impl.h"
#include "progress.h"
#include "reproduce.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define NAMED_MAX 20 /* rankings that differ and are named */

/* ---- one ---- */

/* A list of items as rows of a table. */
struct column {
    struct row {
        char id[LIST_ID_MAX + 1];
        float score, ctr;
    } row[LIST_ITEMS_MAX];
    size_t n;
};

static void take_row(void *context, const struct codec_served *item)
{
    struct column *column = context;
    struct row *row = &column->row[column->n];

    if (column->n < LIST_ITEMS_MAX) {
        memcpy(row->id, item->id, strlen(item->id) + 1);
        row->score = item->score;
        row->ctr = item->ctr;
        column->n++;
    }
}

/* Reads the items; one that cannot be read ends the column. */
static struct column *column_of(const char *served, size_t n)
{
    struct column *column = calloc(1, sizeof *column);

    if (column != NULL && codec_served_each(served, n, take_row, column, NULL) == RK_NOMEM) {
        free(column);
        return NULL;
    }
    return column;
}

/* A row's id and score, or "-" below the column's end. */
static void write_cell(const struct column *column, size_t rank, struct emit *out)
{
    const struct row *row = &column->row[rank];

    if (rank >= column->n) {
        emit_format(out, "  %-24s %14s", "-", "-");
        return;
    }
    emit_format(out, "  %-24s %14.9g", row->id, (double)row->score);
}

static bool is_same(const struct column *a, const struct column *b, size_t rank)
{
    const struct row *x = &a->row[rank], *y = &b->row[rank];

    return rank < a->n && rank < b->n && strcmp(x->id, y->id) == 0 && x->score == y->score &&
           (x->ctr == y->ctr || (isnan(x->ctr) && isnan(y->ctr)));
}

static void write_table(const struct store_ranking *ranking, const struct reproducer *again,
                        struct emit *out)
{
    struct column *then = column_of(ranking->served, ranking->served_n);
    struct column *now = column_of(again->served.text, again->served.length);

    emit_format(out, "%-10s %s\n%-10s %s\n%-10s %lld\n%-10s %lld, catalogue of %lld\n", "ranking",
                ranking->ranking_id, "model", again->trainee->served->name, "version",
                (long long)ranking->version, "seq", (long long)ranking->seq,
                (long long)ranking->catalogue_seq);
    emit_format(out, "\n%4s  %-24s %14s  %-24s %14s\n", "rank", "served", "score", "served again",
                "score");
    out->failed = out->failed || then == NULL || now == NULL;
    for (size_t i = 0; !out->failed && (i < then->n || i < now->n); i++) {
        emit_format(out, "%4zu", i + 1);
        write_cell(then, i, out);
        write_cell(now, i, out);
        emit_format(out, "%s\n", is_same(then, now, i) ? "" : "  differs");
    }
    emit_format(out, "\n%s\n",
                again->identical ? "identical: order and scores, to the bit" : "differs");
    free(then);
    free(now);
}

static void write_json(const struct store_ranking *ranking, const struct reproducer *again,
                       struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "ranking_id");
    emit_string(out, ranking->ranking_id);
    emit_key(out, "model");
    emit_string(out, again->trainee->served->name);
    emit_key(out, "version");
    emit_integer(out, ranking->version);
    emit_key(out, "seq");
    emit_integer(out, ranking->seq);
    emit_key(out, "catalogue_seq");
    emit_integer(out, ranking->catalogue_seq);
    emit_key(out, "identical");
    emit_boolean(out, again->identical);
    emit_key(out, "served");
    emit_json(out, ranking->served, ranking->served_n);
    emit_key(out, "replayed");
    emit_json(out, again->served.text, again->served.length);
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

int replay_ranking(struct replay *replay)
{
    struct reproducer again = {.store = replay->store};
    struct store_ranking ranking;
    struct rk_error err = {0};
    struct emit out = {0};
    enum rk_status status = store_get_ranking(replay->store, 0, replay->ranking, &ranking, &err);
    int code;

    if (status == RK_NOTFOUND) {
        return shell_say("replay", EX_NOINPUT, "no ranking \"%s\" is kept in %s", replay->ranking,
                         replay->db);
    }
    if (status == RK_OK) {
        status = reproduce(&again, ranking.seq, &err);
    }
    if (status == RK_OK) {
        status = store_get_ranking(replay->store, 0, replay->ranking, &ranking, &err);
    }
    if (status == RK_NOTFOUND) {
        code = shell_say("replay", EX_NOINPUT, "the ranking cannot be reproduced: %s", err.text);
    } else if (status != RK_OK) {
        code = replay_error(&err);
    } else {
        (replay->json ? write_json : write_table)(&ranking, &again, &out);
        code = shell_print("replay", &out);
        code = code == EX_OK && !again.identical ? EX_DATAERR : code;
    }
    reproducer_deinit(&again);
    return code;
}

/* ---- all ---- */

struct tally {
    int64_t identical, different, gone;
    int64_t named[NAMED_MAX];                       /* seqs of the first that differ */
    char reason[sizeof((struct rk_error){0}.text)]; /* why the first of those gone is */
};

/* Serves one again. @return RK_OK; what ends it all. */
static enum rk_status count(struct reproducer *again, int64_t seq, struct tally *tally,
                            struct rk_error *err)
{
    struct rk_error own = {0};
    const enum rk_status status = reproduce(again, seq, &own);

    if (status == RK_NOTFOUND) {
        if (tally->gone++ == 0) {
            memcpy(tally->reason, own.text, sizeof tally->reason);
        }
        return RK_OK;
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "%s", own.text);
    }
    if (again->identical) {
        tally->identical++;
        return RK_OK;
    }
    if (tally->different < NAMED_MAX) {
        tally->named[tally->different] = seq;
    }
    tally->different++;
    return RK_OK;
}

/* The ids of those that differ: in an array, or on lines. */
static void write_named(struct store *store, const struct tally *tally, bool json, struct emit *out)
{
    for (int64_t i = 0; i < tally->different && i < NAMED_MAX; i++) {
        struct store_ranking ranking;
        if (store_get_ranking(store, tally->named[i], NULL, &ranking, NULL) != RK_OK) {
            out->failed = true;
        } else if (json) {
            emit_string(out, ranking.ranking_id);
        } else {
            emit_format(out, "differs          %s\n", ranking.ranking_id);
        }
    }
}

static void write_tally(const struct replay *replay, size_t n, const struct tally *tally,
                        struct emit *out)
{
    if (!replay->json) {
        emit_format(out, "%-16s %zu\n%-16s %lld\n%-16s %lld\n%-16s %lld%s%s\n", "rankings", n,
                    "identical", (long long)tally->identical, "different",
                    (long long)tally->different, "not reproducible", (long long)tally->gone,
                    tally->gone > 0 ? ", the first: " : "", tally->reason);
        write_named(replay->store, tally, false, out);
        return;
    }
    emit_open(out, '{');
    emit_key(out, "rankings");
    emit_integer(out, (int64_t)n);
    emit_key(out, "identical");
    emit_integer(out, tally->identical);
    emit_key(out, "different");
    emit_integer(out, tally->different);
    emit_key(out, "not_reproducible");
    emit_integer(out, tally->gone);
    emit_key(out, "differ");
    emit_open(out, '[');
    write_named(replay->store, tally, true, out);
    emit_close(out, ']');
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

int replay_rankings(struct replay *replay)
{
    struct reproducer again = {.store = replay->store};
    struct tally tally = {0};
    struct progress progress;
    struct rk_error err = {0};
    struct emit out = {0};
    int64_t *seqs = NULL;
    size_t n = 0;
    enum rk_status status =
        store_list_rankings(replay->store, replay->from_seq, replay->to_seq, &seqs, &n, &err);
    int code;

    progress_start(&progress, "replaying", "rankings", n);
    for (size_t i = 0; i < n && status == RK_OK; i++) {
        status = count(&again, seqs[i], &tally, &err);
        progress_add(&progress, 1);
    }
    progress_end(&progress);
    reproducer_deinit(&again);
    free(seqs);
    if (status != RK_OK) {
        return replay_error(&err);
    }
    write_tally(replay, n, &tally, &out);
    code = shell_print("replay", &out);
    return code == EX_OK && tally.different > 0 ? EX_DATAERR : code;
}
