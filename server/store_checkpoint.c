/*
 * The registry's checkpoints: stored in chunks between other commits, counted once their row is
 * there; and which one was activated when.
 */
#include "grow.h"
#include "store_impl.h"

#include <stdlib.h>
#include <string.h>

static const char *const sources[] = {
#define SOURCE_TEXT(name, text) [STORE_SOURCE_##name] = text,
    STORE_SOURCES(SOURCE_TEXT)
#undef SOURCE_TEXT
};

const char *store_source_text(enum store_source source)
{
    return sources[source];
}

static enum store_source source_of(const struct sql *sql, int column)
{
    return (enum store_source)sql_choice(sql, column, sources, sizeof sources / sizeof *sources);
}

/* ---- storing ---- */

/*
 * The largest id ever given out that anything remembers: of a checkpoint, of one in the making or
 * on its way out, or by an activation.
 */
static enum rk_status last_id(struct store *store, int64_t *id, struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT max(coalesce((SELECT max(id) FROM checkpoint), 0), "
                         "coalesce((SELECT max(checkpoint) FROM checkpoint_chunk), 0), "
                         "coalesce((SELECT max(id) FROM checkpoint_dropped), 0), "
                         "coalesce((SELECT max(after_checkpoint) FROM activation), 0))");
    int64_t stored = sql_step(&sql) ? sqlite3_column_int64(sql.stmt, 0) : 0;
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *id = stored > store->checkpoint_id ? stored : store->checkpoint_id;
    }
    return status;
}

enum rk_status store_new_checkpoint_id(struct store *store, int64_t *id, struct rk_error *err)
{
    int64_t last = 0;
    enum rk_status status = last_id(store, &last, err);
    if (status == RK_OK) {
        store->checkpoint_id =
            last + 1; /* so that two that are made at once differ before either has a chunk */
        *id = last + 1;
    }
    return status;
}

enum rk_status store_put_chunk(struct store *store, int64_t checkpoint, int64_t n,
                               const void *bytes, size_t length, struct rk_error *err)
{
    if (length > STORE_CHUNK_BYTES) {
        return rk_fail(err, RK_TOOBIG, "a chunk has at most %zu bytes", STORE_CHUNK_BYTES);
    }
    struct sql sql =
        sql_start(store, "INSERT INTO checkpoint_chunk (checkpoint, n, bytes) VALUES (?, ?, ?)");
    sql_bind_int(&sql, checkpoint);
    sql_bind_int(&sql, n);
    sql_bind_blob(&sql, bytes, length);
    return sql_run(&sql, err);
}

enum rk_status store_put_checkpoint(struct store *store, const struct store_checkpoint *checkpoint,
                                    struct rk_error *err)
{
    struct sql sql = sql_start(
        store,
        "INSERT INTO checkpoint (id, model, version, parent, source, time_ms, seq, due_seq, step, "
        "bytes, sha256, metrics, held) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce(?, '{}'), "
        "coalesce(?, ''))");
    sql_bind_int(&sql, checkpoint->id);
    sql_bind_int(&sql, checkpoint->model);
    sql_bind_int(&sql, checkpoint->version);
    sql_bind_int(&sql, checkpoint->parent);
    sql_bind_text(&sql, store_source_text(checkpoint->source));
    sql_bind_int(&sql, checkpoint->time_ms);
    sql_bind_int(&sql, checkpoint->seq);
    sql_bind_int(&sql, checkpoint->due_seq);
    sql_bind_int(&sql, checkpoint->step);
    sql_bind_int(&sql, checkpoint->bytes);
    sql_bind_blob(&sql, checkpoint->sha256, STORE_SHA256_BYTES);
    sql_bind_text(&sql, checkpoint->metrics);
    sql_bind_text(&sql, checkpoint->held);
    return sql_run(&sql, err);
}

/* ---- removing ---- */

enum rk_status store_disown_chunks(struct store *store, int64_t id, struct rk_error *err)
{
    struct sql sql = sql_start(store, "INSERT OR IGNORE INTO checkpoint_dropped (id) SELECT ?1 "
                                      "WHERE NOT EXISTS (SELECT 1 FROM checkpoint WHERE id = ?1)");
    sql_bind_int(&sql, id);
    return sql_run(&sql, err);
}

/*
 * All chunks of a large one at once would take seconds, in which nobody is acknowledged anything: a
 * trigger notes what has lost its row.
 */
enum rk_status store_drop_chunk(struct store *store, bool *more, struct rk_error *err)
{
    struct sql chunk = sql_start(
        store, "DELETE FROM checkpoint_chunk WHERE rowid = (SELECT chunk.rowid FROM "
               "checkpoint_dropped AS dropped JOIN checkpoint_chunk AS chunk ON chunk.checkpoint = "
               "dropped.id ORDER BY dropped.id, chunk.n LIMIT 1)");
    enum rk_status status = sql_run(&chunk, err);
    const bool found = sqlite3_changes(store->db) > 0;
    if (status == RK_OK && !found) {
        struct sql done = sql_start(store, "DELETE FROM checkpoint_dropped");
        status = sql_run(&done, err);
    }
    if (status == RK_OK) {
        *more = found;
    }
    return status;
}

/* ---- reading ---- */

/* One more checkpoint at the end of an array of n, from the current row. */
static void push_checkpoint(struct sql *sql, struct store_checkpoint **checkpoints, size_t n)
{
    struct store_checkpoint *grown = realloc(*checkpoints, (n + 1) * sizeof *grown);
    if (grown == NULL) {
        sql->code = SQLITE_NOMEM;
        return;
    }
    *checkpoints = grown;
    grown[n] = (struct store_checkpoint){
        .id = sqlite3_column_int64(sql->stmt, 0),
        .model = sqlite3_column_int64(sql->stmt, 1),
        .version = sqlite3_column_int64(sql->stmt, 2),
        .parent = sqlite3_column_int64(sql->stmt, 3),
        .source = source_of(sql, 4),
        .time_ms = sqlite3_column_int64(sql->stmt, 5),
        .seq = sqlite3_column_int64(sql->stmt, 6),
        .due_seq = sqlite3_column_int64(sql->stmt, 7),
        .step = sqlite3_column_int64(sql->stmt, 8),
        .bytes = sqlite3_column_int64(sql->stmt, 9),
        .metrics = sql_copy_text(sql, 11),
    };
    const void *sha256 = sqlite3_column_blob(sql->stmt, 10);
    if (sqlite3_column_bytes(sql->stmt, 10) == STORE_SHA256_BYTES) {
        memcpy(grown[n].sha256, sha256, STORE_SHA256_BYTES);
    }
}

enum rk_status store_list_checkpoints(struct store *store, int64_t model,
                                      struct store_checkpoint **checkpoints, size_t *n,
                                      struct rk_error *err)
{
    struct sql sql = sql_start(
        store,
        "SELECT id, model, version, parent, source, time_ms, seq, due_seq, step, bytes, sha256, "
        "metrics FROM checkpoint WHERE model = ? ORDER BY id DESC");
    sql_bind_int(&sql, model);
    struct store_checkpoint *read = NULL;
    size_t count = 0;
    while (sql_step(&sql)) {
        push_checkpoint(&sql, &read, count);
        count += sql.code == SQLITE_OK;
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *checkpoints = read;
        *n = count;
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        free(read[i].metrics);
    }
    free(read);
    return status;
}

enum rk_status store_read_chunks(struct store *store, int64_t checkpoint, void *to, size_t bytes,
                                 struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT n, bytes FROM checkpoint_chunk WHERE checkpoint = ? ORDER BY n");
    sql_bind_int(&sql, checkpoint);
    size_t read = 0;
    bool whole = true;
    for (int64_t n = 0; whole && sql_step(&sql); n++) {
        const void *chunk = sqlite3_column_blob(sql.stmt, 1);
        size_t length = (size_t)sqlite3_column_bytes(sql.stmt, 1);
        whole = sqlite3_column_int64(sql.stmt, 0) == n && length <= bytes - read;
        if (whole && length > 0 && chunk == NULL) {
            sql.code = SQLITE_NOMEM;
        } else if (whole && length > 0) {
            memcpy((char *)to + read, chunk, length);
            read += length;
        }
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && (!whole || read != bytes)) {
        return rk_fail(err, RK_CORRUPT,
                       "the chunks of checkpoint %lld are not the %zu bytes they should be",
                       (long long)checkpoint, bytes);
    }
    return status;
}

/* ---- lists held back ---- */

enum rk_status store_get_held(struct store *store, bool activated, int64_t id, char **held,
                              struct rk_error *err)
{
    static const char *const texts[] = {"SELECT held FROM checkpoint WHERE id = ?",
                                        "SELECT held FROM activation WHERE seq = ?"};
    struct sql sql = sql_start(store, texts[activated]);
    sql_bind_int(&sql, id);
    char *text = sql_step(&sql) ? sql_copy_text(&sql, 0) : NULL;
    enum rk_status status = sql_end(&sql, err);
    if (status != RK_OK) {
        free(text);
        return status;
    }
    *held = text;
    return RK_OK;
}

/* ---- activations ---- */

/* Is it a checkpoint of the model, and which was the last step? */
static enum rk_status find_checkpoint(struct store *store, struct store_activation *activation,
                                      struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT coalesce((SELECT max(id) FROM step), 0) FROM "
                                      "checkpoint WHERE id = ? AND model = ?");
    sql_bind_int(&sql, activation->checkpoint);
    sql_bind_int(&sql, activation->model);
    bool found = sql_step(&sql);
    if (found) {
        activation->step = sqlite3_column_int64(sql.stmt, 0);
    }
    enum rk_status status = sql_end(&sql, err);
    return status == RK_OK && !found ? rk_fail(err, RK_NOTFOUND, "no such checkpoint of the model")
                                     : status;
}

enum rk_status store_put_activation(struct store *store, struct store_activation *activation,
                                    int64_t now_ms, struct rk_error *err)
{
    struct store_activation made = *activation;
    enum rk_status status = find_checkpoint(store, &made, err);
    if (status == RK_OK) {
        /* One that is being stored now began before: it counts as made before. */
        status = last_id(store, &made.after_checkpoint, err);
    }
    if (status == RK_OK) {
        status = store_append(store, "activate", made.model, now_ms, &made.seq, err);
    }
    if (status != RK_OK) {
        return status;
    }
    struct sql sql =
        sql_start(store, "INSERT INTO activation (seq, model, checkpoint, "
                         "after_checkpoint, step, held) VALUES (?, ?, ?, ?, ?, coalesce(?, ''))");
    sql_bind_int(&sql, made.seq);
    sql_bind_int(&sql, made.model);
    sql_bind_int(&sql, made.checkpoint);
    sql_bind_int(&sql, made.after_checkpoint);
    sql_bind_int(&sql, made.step);
    sql_bind_text(&sql, made.held);
    status = sql_run(&sql, err);
    if (status == RK_OK) {
        *activation = made;
    }
    return status;
}

#define ACTIVATION_COLUMNS "SELECT seq, model, checkpoint, after_checkpoint, step FROM activation "

static struct store_activation activation_of(const struct sql *sql)
{
    return (struct store_activation){.seq = sqlite3_column_int64(sql->stmt, 0),
                                     .model = sqlite3_column_int64(sql->stmt, 1),
                                     .checkpoint = sqlite3_column_int64(sql->stmt, 2),
                                     .after_checkpoint = sqlite3_column_int64(sql->stmt, 3),
                                     .step = sqlite3_column_int64(sql->stmt, 4)};
}

enum rk_status store_get_activation(struct store *store, int64_t model,
                                    struct store_activation *activation, struct rk_error *err)
{
    struct sql sql =
        sql_start(store, ACTIVATION_COLUMNS "WHERE model = ? ORDER BY seq DESC LIMIT 1");
    sql_bind_int(&sql, model);
    struct store_activation read = {0};
    bool found = sql_step(&sql);
    if (found) {
        read = activation_of(&sql);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && !found) {
        return rk_fail(err, RK_NOTFOUND, "the model had no activation");
    }
    if (status == RK_OK) {
        *activation = read;
    }
    return status;
}

enum rk_status store_list_activations(struct store *store, int64_t model,
                                      struct store_activation **activations, size_t *n,
                                      struct rk_error *err)
{
    struct sql sql = sql_start(store, ACTIVATION_COLUMNS "WHERE model = ? ORDER BY seq");
    sql_bind_int(&sql, model);
    struct store_activation *read = NULL;
    size_t count = 0;
    while (sql_step(&sql)) {
        if (!grow_resize(&read, count + 1)) {
            sql.code = SQLITE_NOMEM;
            break;
        }
        read[count++] = activation_of(&sql);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status != RK_OK) {
        free(read);
        return status;
    }
    *activations = read;
    *n = count;
    return RK_OK;
}
