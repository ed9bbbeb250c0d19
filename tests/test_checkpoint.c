/*
 * Checkpoints: a learned state as a file, into the store and back, to the bit.
 */
#include "checkpoint.h"
#include "learning_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <rankd/random.h>
#include <rankd/safetensors.h>
#include <sys/stat.h>

#define LARGE "{\"kind\":\"fm\",\"features\":{\"bits\":16},\"dim\":9}" /* several chunks */

/* A model with a state that looks learned: every float another. */
struct state {
    struct rk_model *model;
    struct rk_learner *learner;
    float *theta;
};

static void make_state_of(const struct rk_model_config *config, uint64_t seed, struct state *s)
{
    struct rk_random random = {seed};
    size_t n_slots;
    assert_ok(rk_model_create(config, 0, &s->model, NULL));
    s->theta = malloc(rk_model_params(s->model) * sizeof *s->theta);
    rk_model_init(s->model, s->theta);
    assert_ok(rk_learner_create(s->model, s->theta, &s->learner, NULL));
    if (seed == 0) {
        return; /* as it was initialised */
    }
    for (size_t i = 0; i < rk_model_params(s->model); i++) {
        s->theta[i] = (float)rk_random_normal(&random);
    }
    float *const *slots = rk_learner_slots(s->learner, &n_slots);
    for (size_t slot = 0; slot < n_slots; slot++) {
        for (size_t i = 0; i < rk_model_learned(s->model); i++) {
            slots[slot][i] = (float)rk_random_uniform(&random);
        }
    }
    rk_learner_set_steps(s->learner, seed * 1000003);
}

static void make_state(const char *json, uint64_t seed, struct state *s)
{
    struct model_config config;
    learning_config(json, &config);
    make_state_of(&config.model, seed, s);
}

static void free_state(struct state *s)
{
    rk_learner_destroy(&s->learner);
    rk_model_destroy(&s->model);
    free(s->theta);
}

static struct checkpoint_bytes write_state(const struct state *s, int64_t version)
{
    struct checkpoint_bytes file = {0};
    assert_ok(checkpoint_write(s->model, s->theta, s->learner, version, &file, NULL));
    return file;
}

static void compare_states(const struct state *a, const struct state *b)
{
    struct checkpoint_bytes x = write_state(a, 1), y = write_state(b, 1);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.bytes, y.bytes, x.n);
    free(x.bytes);
    free(y.bytes);
}

/* ---- the file ---- */

static const char *const configs[] = {
    "{\"kind\":\"fm\"," LEARNING_SMALL "}",
    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"optimizer\":{\"name\":\"sgd\"}}",
    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"optimizer\":{\"name\":\"sgd\",\"momentum\":0.9}}",
    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"optimizer\":{\"name\":\"adam\"}}",
    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"optimizer\":{\"name\":\"ftrl\"}}",
    "{\"kind\":\"fm\",\"features\":{\"bits\":8,\"numbers\":\"raw\"},\"dim\":3}",
    "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":7},\"dim\":2}",
};

static void state_comes_back_to_the_bit_whatever_the_optimizer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        struct state from, to;
        make_state(configs[i], 5, &from);
        make_state(configs[i], 6, &to);
        struct checkpoint_bytes file = write_state(&from, 42);
        assert_ok(checkpoint_read(to.model, file.bytes, file.n, to.theta, to.learner, NULL));
        assert_int_equal(rk_learner_steps(to.learner), 5 * 1000003);
        compare_states(&from, &to);
        free(file.bytes);
        free_state(&from);
        free_state(&to);
    }
}

static void equal_states_of_one_version_give_equal_bytes(void **state)
{
    (void)state;
    struct state a, b;
    make_state(configs[0], 5, &a);
    make_state(configs[0], 5, &b);
    struct checkpoint_bytes x = write_state(&a, 7), y = write_state(&b, 7), z = write_state(&b, 8);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.bytes, y.bytes, x.n);
    assert_memory_not_equal(x.bytes, z.bytes, x.n);
    free(x.bytes);
    free(y.bytes);
    free(z.bytes);
    free_state(&a);
    free_state(&b);
}

static void file_names_tensors_as_the_modules_do_and_slots_behind_optimizer(void **state)
{
    (void)state;
    struct state s;
    static struct rk_safetensors file;
    struct checkpoint_bytes bytes = {0};
    make_state(configs[0], 5, &s);
    assert_ok(checkpoint_write(s.model, s.theta, NULL, 3, &bytes, NULL)); /* for export */
    assert_ok(rk_safetensors_read(bytes.bytes, bytes.n, &file, NULL));
    assert_non_null(rk_safetensors_find(&file, "embedding.weight"));
    assert_int_equal(file.n_tensors, 4);
    assert_string_equal(rk_safetensors_metadata(&file, "version"), "3");
    assert_null(rk_safetensors_metadata(&file, "steps"));
    rk_safetensors_close(&file);
    free(bytes.bytes);
    bytes = write_state(&s, 3);
    assert_ok(rk_safetensors_read(bytes.bytes, bytes.n, &file, NULL));
    assert_non_null(rk_safetensors_find(&file, "optimizer.sum.embedding.weight"));
    assert_null(rk_safetensors_find(&file, "optimizer.sum.numbers.weight"));
    assert_int_equal(file.n_tensors, 7);
    rk_safetensors_close(&file);
    free(bytes.bytes);
    free_state(&s);
}

/* Is every tensor of the file the block's, element by element in the order of its shape? */
static void compare_file(const struct state *s, const struct rk_safetensors *file)
{
    size_t n;
    const struct rk_tensor *tensors = rk_model_tensors(s->model, &n);
    for (size_t t = 0; t < n; t++) {
        const struct rk_st_tensor *stored = rk_safetensors_find(file, tensors[t].name);
        const float *block = s->theta + tensors[t].offset;
        assert_non_null(stored);
        for (size_t i = 0; i < rk_st_elements(stored); i++) {
            const size_t cols = tensors[t].rank > 1 ? tensors[t].shape[1] : 1;
            const size_t turned = i % cols * tensors[t].shape[0] + i / cols;
            float value;
            memcpy(&value, (const char *)stored->data + i * sizeof value, sizeof value);
            assert_true(value == block[tensors[t].transposed ? turned : i]);
        }
    }
}

static void tensors_that_are_kept_input_major_are_written_in_the_order_of_their_shape(void **state)
{
    (void)state;
    static struct rk_safetensors file;
    struct rk_model_config config;
    struct state s, back;
    size_t n, transposed = 0;
    assert_ok(rk_model_default("joint", &config, NULL));
    config.features.bits = config.users.bits = config.items.bits = 5;
    config.dim = 3;
    make_state_of(&config, 5, &s);
    make_state_of(&config, 6, &back);
    for (const struct rk_tensor *t = rk_model_tensors(s.model, &n); n > 0; n--, t++) {
        transposed += t->transposed;
    }
    assert_int_equal(transposed, 1); /* the first layer of the clicks' network */
    struct checkpoint_bytes bytes = write_state(&s, 1);
    assert_ok(rk_safetensors_read(bytes.bytes, bytes.n, &file, NULL));
    compare_file(&s, &file);
    assert_ok(checkpoint_read(back.model, bytes.bytes, bytes.n, back.theta, back.learner, NULL));
    compare_states(&s, &back);
    rk_safetensors_close(&file);
    free(bytes.bytes);
    free_state(&s);
    free_state(&back);
}

static void file_of_another_model_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 1; i < sizeof configs / sizeof *configs; i++) {
        struct state own, twin, other;
        make_state(configs[0], 5, &own);
        make_state(configs[0], 5, &twin);
        make_state(configs[i], 6, &other);
        struct checkpoint_bytes file = write_state(&other, 1);
        struct rk_error err = {0};
        assert_status(checkpoint_read(own.model, file.bytes, file.n, own.theta, own.learner, &err),
                      RK_MISMATCH);
        assert_true(err.text[0] != '\0');
        compare_states(&own, &twin);
        free(file.bytes);
        free_state(&own);
        free_state(&twin);
        free_state(&other);
    }
}

static void file_that_is_cut_off_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct state s, twin;
    make_state(configs[0], 5, &s);
    make_state(configs[0], 5, &twin);
    struct checkpoint_bytes file = write_state(&s, 1);
    for (size_t n = 0; n < file.n; n += 1 + file.n / 50) {
        assert_status(checkpoint_read(s.model, file.bytes, n, s.theta, s.learner, NULL),
                      RK_CORRUPT);
    }
    compare_states(&s, &twin);
    free(file.bytes);
    free_state(&s);
    free_state(&twin);
}

/* ---- the store ---- */

struct stored {
    _Atomic int times;
    struct store_checkpoint row;
    struct rk_error err;
};

static void note_stored(void *context, const struct store_checkpoint *row,
                        const struct rk_error *err)
{
    struct stored *stored = context;
    stored->row = *row;
    stored->err = *err;
    atomic_fetch_add(&stored->times, 1);
}

static bool is_stored(void *context)
{
    return atomic_load(&((struct stored *)context)->times) > 0;
}

/* Stores a state as a version and waits. */
static void store_state(struct learning *l, const struct state *s, int64_t version,
                        struct stored *stored)
{
    struct checkpoint_bytes file = write_state(s, version);
    struct store_checkpoint row = {.model = LEARNING_MODEL,
                                   .version = version,
                                   .source = STORE_SOURCE_TRAINING,
                                   .time_ms = l->time_ms,
                                   .seq = 11,
                                   .due_seq = 12,
                                   .step = 13};
    assert_ok(checkpoint_seal(&file, &row, NULL));
    row.metrics = strdup("{}");
    *stored = (struct stored){0};
    assert_ok(checkpoint_store(l->writer, &file, &row, note_stored, stored, NULL));
    assert_null(file.bytes); /* taken */
    await(is_stored, stored);
}

static void large_state_goes_through_the_store_in_chunks_between_other_commits(void **state)
{
    struct learning *l = *state;
    struct state from, to;
    struct stored stored;
    make_state(LARGE, 5, &from);
    make_state(LARGE, 6, &to);
    store_state(l, &from, 42, &stored);
    assert_int_equal(stored.err.status, RK_OK);
    const uint64_t chunks =
        ((uint64_t)stored.row.bytes + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    assert_true(chunks > 4);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_COMMITS]), chunks + 1);
    struct store_checkpoint *rows = NULL;
    size_t n = 0;
    assert_ok(store_list_checkpoints(l->reader, LEARNING_MODEL, &rows, &n, NULL));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].id, stored.row.id);
    assert_int_equal(rows[0].seq + rows[0].due_seq + rows[0].step, 11 + 12 + 13);
    assert_ok(checkpoint_verify(l->reader, &rows[0], NULL));
    assert_ok(checkpoint_load(l->reader, &rows[0], to.model, to.theta, to.learner, NULL));
    compare_states(&from, &to);
    free(rows[0].metrics);
    free(rows);
    free_state(&from);
    free_state(&to);
}

static void large_state_is_copied_back_little_by_little(void **state)
{
    struct learning *l = *state;
    struct state s;
    struct stored stored;
    struct stat log;
    char path[TEMP_PATH_MAX + sizeof "-wal"];
    make_state(LARGE, 5, &s);
    store_state(l, &s, 42, &stored);
    (void)snprintf(path, sizeof path, "%s-wal", l->path);
    assert_int_equal(stat(path, &log), 0);
    assert_true(stored.row.bytes > 4 << 20 && log.st_size < 2 << 20); /* it was never longer */
    free_state(&s);
}

static bool is_swept(void *context)
{
    return fixture_read_number(((struct learning *)context)->path,
                               "SELECT (SELECT count(*) FROM checkpoint_chunk) + (SELECT count(*) "
                               "FROM checkpoint_dropped)") == 0;
}

static void old_checkpoint_goes_in_chunks_between_other_commits(void **state)
{
    struct learning *l = *state;
    struct state s;
    struct stored stored;
    make_state(LARGE, 5, &s);
    store_state(l, &s, 42, &stored);
    const uint64_t before = atomic_load(&l->metrics.counter[METRIC_COMMITS]);
    fixture_run_sql(l->path, "DELETE FROM checkpoint");
    checkpoint_sweep(l->writer);
    await(is_swept, l);
    const uint64_t chunks =
        ((uint64_t)stored.row.bytes + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
    assert_true(atomic_load(&l->metrics.counter[METRIC_COMMITS]) >= before + chunks);
    free_state(&s);
}

static void damaged_chunk_is_found_by_checksum_and_changes_nothing(void **state)
{
    struct learning *l = *state;
    struct state s, twin;
    struct stored stored;
    make_state(LARGE, 5, &s);
    make_state(LARGE, 5, &twin);
    store_state(l, &s, 42, &stored);
    fixture_run_sql(l->path, "UPDATE checkpoint_chunk SET bytes = zeroblob(length(bytes)) "
                             "WHERE n = 2");
    assert_status(checkpoint_verify(l->reader, &stored.row, NULL), RK_CORRUPT);
    assert_status(checkpoint_load(l->reader, &stored.row, s.model, s.theta, s.learner, NULL),
                  RK_CORRUPT);
    fixture_run_sql(l->path, "DELETE FROM checkpoint_chunk WHERE n = 1");
    assert_status(checkpoint_load(l->reader, &stored.row, s.model, s.theta, s.learner, NULL),
                  RK_CORRUPT);
    compare_states(&s, &twin);
    free_state(&s);
    free_state(&twin);
}

static void checkpoint_without_bytes_is_the_untrained_start_with_its_slots(void **state)
{
    struct learning *l = *state;
    const struct store_checkpoint init = {.model = LEARNING_MODEL};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        struct state learned, fresh;
        make_state(configs[i], 5, &learned);
        make_state(configs[i], 0, &fresh);
        assert_ok(checkpoint_verify(l->reader, &init, NULL));
        assert_ok(
            checkpoint_load(l->reader, &init, learned.model, learned.theta, learned.learner, NULL));
        compare_states(&learned, &fresh);
        free_state(&learned);
        free_state(&fresh);
    }
}

static bool no_chunk_is_left(void *context)
{
    const struct learning *l = context;
    return fixture_read_number(l->path, "SELECT count(*) FROM checkpoint_chunk") == 0;
}

static void checkpoint_that_cannot_be_stored_is_told_once_and_leaves_nothing(void **state)
{
    struct learning *l = *state;
    struct state s;
    struct stored stored;
    make_state(LARGE, 5, &s);
    fixture_run_sql(l->path, "CREATE TRIGGER refuse BEFORE INSERT ON checkpoint_chunk "
                             "WHEN new.n = 2 BEGIN SELECT RAISE(ABORT, 'refused'); END");
    store_state(l, &s, 42, &stored);
    assert_int_equal(stored.err.status, RK_IO);
    assert_int_equal(fixture_read_number(l->path, "SELECT count(*) FROM checkpoint"), 0);
    await(no_chunk_is_left, l);
    fixture_run_sql(l->path, "DROP TRIGGER refuse");
    int64_t id = stored.row.id;
    store_state(l, &s, 42, &stored);
    assert_int_equal(stored.err.status, RK_OK);
    assert_true(stored.row.id != id);
    assert_ok(checkpoint_verify(l->reader, &stored.row, NULL));
    learning_close(l);
    assert_int_equal(stored.times, 1);
    free_state(&s);
}

static void writer_that_stops_stores_the_checkpoint_under_way(void **state)
{
    struct learning *l = *state;
    struct state s;
    struct stored stored = {0};
    make_state(LARGE, 5, &s);
    struct checkpoint_bytes file = write_state(&s, 9);
    struct store_checkpoint row = {.model = LEARNING_MODEL, .version = 9};
    assert_ok(checkpoint_seal(&file, &row, NULL));
    assert_ok(checkpoint_store(l->writer, &file, &row, note_stored, &stored, NULL));
    learning_close(l);
    assert_int_equal(stored.times, 1);
    assert_int_equal(stored.err.status, RK_OK);
    learning_open(l);
    assert_ok(checkpoint_verify(l->reader, &stored.row, NULL));
    free_state(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_comes_back_to_the_bit_whatever_the_optimizer),
        cmocka_unit_test(equal_states_of_one_version_give_equal_bytes),
        cmocka_unit_test(file_names_tensors_as_the_modules_do_and_slots_behind_optimizer),
        cmocka_unit_test(tensors_that_are_kept_input_major_are_written_in_the_order_of_their_shape),
        cmocka_unit_test(file_of_another_model_is_refused_and_changes_nothing),
        cmocka_unit_test(file_that_is_cut_off_is_refused_and_changes_nothing),
        LEARNING_TEST(large_state_goes_through_the_store_in_chunks_between_other_commits),
        LEARNING_TEST(large_state_is_copied_back_little_by_little),
        LEARNING_TEST(old_checkpoint_goes_in_chunks_between_other_commits),
        LEARNING_TEST(damaged_chunk_is_found_by_checksum_and_changes_nothing),
        LEARNING_TEST(checkpoint_without_bytes_is_the_untrained_start_with_its_slots),
        LEARNING_TEST(checkpoint_that_cannot_be_stored_is_told_once_and_leaves_nothing),
        LEARNING_TEST(writer_that_stops_stores_the_checkpoint_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
