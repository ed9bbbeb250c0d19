/*
 * Labelled batches: one log row a list, and named ones taken once.
 */
#include "store_impl.h"

#include <string.h>

enum rk_status store_find_batch(struct store *store, struct store_batch *batch,
                                struct rk_error *err)
{
    batch->duplicate = false;
    if (batch->batch_id == NULL) {
        return RK_OK;
    }
    struct sql sql = sql_start(store, "SELECT sha256, first_seq, last_seq, items FROM batch_name "
                                      "WHERE model = ? AND batch_id = ?");
    sql_bind_int(&sql, batch->model);
    sql_bind_text(&sql, batch->batch_id);
    bool other = false;
    if (sql_step(&sql)) {
        const void *sha256 = sqlite3_column_blob(sql.stmt, 0);
        other = sqlite3_column_bytes(sql.stmt, 0) != STORE_SHA256_BYTES ||
                memcmp(sha256, batch->sha256, STORE_SHA256_BYTES) != 0;
        batch->duplicate = true;
    }
    if (batch->duplicate && !other) {
        batch->first_seq = sqlite3_column_int64(sql.stmt, 1);
        batch->last_seq = sqlite3_column_int64(sql.stmt, 2);
        batch->items = sqlite3_column_int64(sql.stmt, 3);
    }
    enum rk_status status = sql_end(&sql, err);
    return status == RK_OK && other
               ? rk_fail(err, RK_MISMATCH, "the batch id was used for another content")
               : status;
}

static enum rk_status insert_name(struct store *store, const struct store_batch *batch,
                                  struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "INSERT INTO batch_name (model, batch_id, sha256, first_seq, last_seq, items) "
               "VALUES (?, ?, ?, ?, ?, ?)");
    sql_bind_int(&sql, batch->model);
    sql_bind_text(&sql, batch->batch_id);
    sql_bind_blob(&sql, batch->sha256, STORE_SHA256_BYTES);
    sql_bind_int(&sql, batch->first_seq);
    sql_bind_int(&sql, batch->last_seq);
    sql_bind_int(&sql, batch->items);
    return sql_run(&sql, err);
}

static enum rk_status insert_list(struct store *store, const struct store_batch *batch, size_t i,
                                  int64_t now_ms, int64_t *seq, struct rk_error *err)
{
    enum rk_status status = store_append(store, "batch", batch->model, now_ms, seq, err);
    if (status != RK_OK) {
        return status;
    }
    struct sql sql = sql_start(
        store, "INSERT INTO batch (seq, model, catalogue_seq, payload) VALUES (?, ?, ?, ?)");
    sql_bind_int(&sql, *seq);
    sql_bind_int(&sql, batch->model);
    sql_bind_int(&sql, batch->catalogue_seq);
    sql_bind_text_n(&sql, batch->payload[i], batch->payload_n[i]);
    return sql_run(&sql, err);
}

enum rk_status store_put_batch(struct store *store, struct store_batch *batch, int64_t now_ms,
                               struct rk_error *err)
{
    enum rk_status status = store_find_batch(store, batch, err);
    if (status != RK_OK || batch->duplicate) {
        return status;
    }
    batch->first_seq = batch->last_seq = 0;
    for (size_t i = 0; status == RK_OK && i < batch->n; i++) {
        status = insert_list(store, batch, i, now_ms, &batch->last_seq, err);
        batch->first_seq = i == 0 ? batch->last_seq : batch->first_seq;
    }
    if (status == RK_OK && batch->batch_id != NULL) {
        status = insert_name(store, batch, err);
    }
    return status;
}
