/*
 * The fixture of a trainee.
 */
#include "trainee_fixture.h"

#include "store_fixture.h"
#include "test.h"

#define SLOTS 2

static struct trainee *make(const char *json, int64_t id, int64_t seq)
{
    struct model_config config;
    struct served *served = NULL;
    struct trainee *t = NULL;
    learning_config(json, &config);
    assert_ok(served_create("m", &config, 0, SLOTS, &served, NULL));
    served->id = id;
    assert_ok(trainee_create(served, seq, &t, NULL));
    return t;
}

struct trainee *trained_make(struct learning *l, const char *json)
{
    const int64_t id = learning_model(l, "m", json);
    return make(json, id, learning_end(l));
}

struct trainee *trained_find(struct learning *l)
{
    struct store_model *rows = NULL;
    size_t n = 0;
    assert_ok(store_list_models(l->reader, &rows, &n, NULL));
    assert_true(n > 0);
    struct trainee *t = make(rows[n - 1].config, rows[n - 1].id, rows[n - 1].seq);
    for (size_t i = 0; i < n; i++) {
        free(rows[i].config);
    }
    free(rows);
    return t;
}

struct trainee *trained_find_again(struct learning *l, enum rk_status *status)
{
    struct trainee *t = trained_find(l);
    *status = trainee_recover(t, l->reader, NULL);
    return t;
}

void trained_free(struct trainee **t)
{
    struct served *served = *t != NULL ? (*t)->served : NULL;
    trainee_destroy(t);
    served_destroy(&served);
}

void trained_catch_up(struct learning *l, struct trainee *t)
{
    trained_catch_up_taught(l, t, NULL);
}

void trained_catch_up_taught(struct learning *l, struct trainee *t, const struct models *models)
{
    struct trainee_tools tools = {
        .store = l->reader, .writer = l->writer, .metrics = &l->metrics, .models = models};
    bool more = true;
    while (more) {
        assert_ok(trainee_step(t, &tools, learning_end(l), &more, NULL));
    }
}

static void note_stored(void *context, const struct store_checkpoint *row,
                        const struct rk_error *err)
{
    struct gate *gate = context;
    (void)row;
    atomic_fetch_add(&gate->reached, err->status == RK_OK ? 1 : 1000);
}

struct store_checkpoint trained_store(struct learning *l, struct trainee *t)
{
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row;
    struct gate gate = {0};
    assert_ok(trainee_checkpoint(t, STORE_SOURCE_TRAINING, &file, &row, NULL));
    assert_ok(checkpoint_store(l->writer, &file, &row, note_stored, &gate, NULL));
    gate_await(&gate, 1);
    assert_int_equal(gate.reached, 1);
    atomic_store(&t->served->checkpoint_version, row.version);
    row.metrics = NULL;
    row.id = fixture_read_number(l->path, "SELECT max(id) FROM checkpoint");
    return row;
}

void trained_damage(struct learning *l, int64_t checkpoint)
{
    char text[128];
    (void)snprintf(text, sizeof text,
                   "UPDATE checkpoint_chunk SET bytes = zeroblob(length(bytes)) "
                   "WHERE checkpoint = %lld",
                   (long long)checkpoint);
    fixture_run_sql(l->path, text);
}

static enum rk_status put_activation(struct store *store, void *context, struct rk_error *err)
{
    return store_put_activation(store, context, 1, err);
}

void trained_activate(struct learning *l, struct trainee *t, const struct store_checkpoint *row)
{
    char *held = trainee_held_text(t);
    struct store_activation activation = {
        .model = t->served->id, .checkpoint = row->id, .held = held};
    learning_write(l, put_activation, &activation);
    free(held);
    assert_ok(
        trainee_load(t, l->reader, row, activation.seq, activation.seq, activation.step, NULL));
}

struct put_config {
    int64_t model, seq;
    const char *text;
};

static enum rk_status put_config(struct store *store, void *context, struct rk_error *err)
{
    struct put_config *put = context;
    return store_put_config(store, put->model, put->text, 1, &put->seq, err);
}

void trained_configure(struct learning *l, struct trainee *t, const char *patch)
{
    struct model_config config;
    struct problem problem = {0};
    struct emit text = {0};
    struct put_config put = {.model = t->served->id};
    model_config_copy(&config, &t->served->config);
    if (!model_config_patch(patch, strlen(patch), false, &config, &problem)) {
        fail_msg("%s: %s", problem.pointer, problem.detail);
    }
    model_config_write(&config, &text);
    put.text = text.text;
    assert_ok(trainee_reserve_config(t, NULL));
    learning_write(l, put_config, &put);
    trainee_configure(t, NULL, &config, emit_take(&text, &(size_t){0}), put.seq);
}

struct checkpoint_bytes trained_bytes(struct trainee *t)
{
    struct checkpoint_bytes bytes = {0};
    const struct live *live = &t->served->live;
    assert_ok(checkpoint_write(t->served->model, live_served(live), t->learner, live_version(live),
                               &bytes, NULL));
    return bytes;
}

void trained_compare(struct trainee *t, const struct checkpoint_bytes *expected)
{
    struct checkpoint_bytes bytes = trained_bytes(t);
    assert_int_equal(bytes.n, expected->n);
    assert_memory_equal(bytes.bytes, expected->bytes, bytes.n);
    free(bytes.bytes);
}

void trained_check_refold(struct learning *l, struct trainee **t)
{
    struct checkpoint_bytes expected = trained_bytes(*t);
    enum rk_status status;
    trained_free(t);
    fixture_run_sql(l->path, "DELETE FROM checkpoint WHERE source <> 'init'");
    *t = trained_find_again(l, &status);
    assert_ok(status);
    trained_compare(*t, &expected);
    free(expected.bytes);
}

size_t trained_last_steps(struct learning *l, const struct trainee *t, struct store_step *rows,
                          size_t n)
{
    assert_ok(store_list_steps(l->reader, t->served->id, 0, true, rows, &n, NULL));
    for (size_t i = 0; i < n; i++) {
        free(rows[i].quarantined);
        rows[i].quarantined = NULL;
    }
    return n;
}
