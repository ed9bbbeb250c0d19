/*
 * The fixture of the trainer.
 */
#include "trainer_fixture.h"

#include "store_fixture.h"
#include "test.h"

static void on_commit(void *context, int64_t log_end)
{
    struct training *s = context;
    struct trainer *trainer = atomic_load(&s->trainer);
    (void)log_end;
    if (trainer != NULL) {
        trainer_wake(trainer);
    }
}

enum rk_status training_start(struct training *s)
{
    static const struct writer_limits limits = {
        .jobs = 1000, .bytes = (size_t)1 << 24, .rankings = 1000};
    const struct trainer_options options = {.n_slots = TRAINING_SLOTS,
                                            .model_max_bytes = (size_t)1 << 30,
                                            .checkpoint_s = s->checkpoint_s,
                                            .pace = s->pace,
                                            .score = &s->l.metrics.request[0]};
    struct store *store = fixture_open(s->l.path), *reader = NULL;
    struct trainer *trainer = NULL;
    assert_ok(writer_start(store, &s->l.metrics, &limits, on_commit, s, &s->l.writer, NULL));
    assert_ok(store_open_reader(s->l.path, &s->l.reader, NULL));
    assert_ok(store_open_reader(s->l.path, &reader, NULL));
    assert_ok(models_init(&s->models, TRAINING_SLOTS, NULL));
    enum rk_status status =
        trainer_start(reader, s->l.writer, &s->models, &s->l.metrics, &options, &trainer, NULL);
    atomic_store(&s->trainer, trainer);
    return status;
}

void training_stop(struct training *s)
{
    struct trainer *trainer = atomic_exchange(&s->trainer, NULL);
    trainer_stop(&trainer);
    learning_close(&s->l);
    models_deinit(&s->models);
}

int training_setup(void **state)
{
    struct training *s = calloc(1, sizeof *s);
    temp_folder_make(&s->l.folder);
    temp_folder_path(&s->l.folder, "rankd.db", s->l.path);
    s->l.time_ms = 1000000;
    s->checkpoint_s = 86400;
    learning_open(&s->l);
    (void)learning_model(&s->l, "default", "{\"kind\":\"fm\"," LEARNING_SMALL "}");
    learning_close(&s->l);
    assert_ok(training_start(s));
    *state = s;
    return 0;
}

int training_teardown(void **state)
{
    struct training *s = *state;
    training_stop(s);
    temp_folder_remove(&s->l.folder);
    free(s);
    return 0;
}

/* ---- commands ---- */

struct waited {
    struct trainer_command command;
    _Atomic bool over;
};

static void note_over(struct trainer_command *command)
{
    atomic_store(&((struct waited *)command)->over, true);
}

static bool is_over(void *context)
{
    return atomic_load(&((struct waited *)context)->over);
}

struct trainer_command training_command(struct training *s, enum trainer_verb verb,
                                        const char *model, const char *json, int64_t version)
{
    static struct waited waited;
    waited = (struct waited){.command = {.verb = verb, .version = version, .done = note_over}};
    (void)snprintf(waited.command.model, sizeof waited.command.model, "%s", model);
    if (json != NULL) {
        learning_config(json, &waited.command.config);
    }
    assert_true(trainer_submit(atomic_load(&s->trainer), &waited.command));
    await(is_over, &waited);
    return waited.command;
}

struct trainer_command training_configure(struct training *s, const char *model, const char *patch)
{
    static struct waited waited;
    waited = (struct waited){
        .command = {
            .verb = TRAINER_CONFIGURE, .bytes = patch, .n = strlen(patch), .done = note_over}};
    (void)snprintf(waited.command.model, sizeof waited.command.model, "%s", model);
    assert_true(trainer_submit(atomic_load(&s->trainer), &waited.command));
    await(is_over, &waited);
    return waited.command;
}

const char *training_problem(const struct trainer_command *command)
{
    return command->problem.kind == PROBLEM_NONE ? "" : problem_slug(command->problem.kind);
}

/* ---- models ---- */

struct served *training_model(struct training *s, const char *name)
{
    const struct models_copy *copy = models_read(&s->models, 0);
    struct served *served = models_find(copy, name);
    models_done(&s->models, 0, copy);
    assert_non_null(served);
    return served;
}

void training_stream(struct training *s, const char *model, size_t n, uint64_t seed)
{
    s->l.model = training_model(s, model)->id;
    learning_stream(&s->l, n, seed);
}

struct catching_up {
    const struct training *s;
    const struct served *served;
};

static bool is_at_the_end(void *context)
{
    const struct catching_up *c = context;
    return atomic_load(&c->served->position) >= learning_end(&c->s->l);
}

void training_await(struct training *s, const char *model)
{
    struct catching_up c = {s, training_model(s, model)};
    await(is_at_the_end, &c);
}

/* ---- shorter ---- */

struct trainer_command training_create(struct training *s, const char *model, const char *json)
{
    return training_command(s, TRAINER_CREATE, model, json, 0);
}

struct trainer_command training_tell(struct training *s, enum trainer_verb verb, const char *model)
{
    return training_command(s, verb, model, NULL, 0);
}

void training_check(struct trainer_command command, const char *problem)
{
    assert_string_equal(training_problem(&command), problem);
}

int64_t training_version(struct training *s, const char *model)
{
    return live_version(&training_model(s, model)->live);
}

const char *training_state(struct training *s, const char *model)
{
    return served_state_text(training_model(s, model));
}

struct training_newest training_newest(struct training *s, int64_t model)
{
    struct store_checkpoint *rows = NULL;
    struct store *reader = NULL;
    struct training_newest newest = {0};
    size_t n = 0;
    assert_ok(store_open_reader(s->l.path, &reader, NULL));
    assert_ok(store_list_checkpoints(reader, model, &rows, &n, NULL));
    assert_true(n > 0);
    newest.version = rows[0].version;
    memcpy(newest.sha256, rows[0].sha256, sizeof newest.sha256);
    for (size_t i = 0; i < n; i++) {
        free(rows[i].metrics);
    }
    free(rows);
    store_close(&reader);
    return newest;
}
