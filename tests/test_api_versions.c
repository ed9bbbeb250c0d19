/*
 * /v1/models/{name}/versions: taken in, served, learned on from, given out; nothing changes on error.
 */
#include "api_fixture.h"
#include "learning_fixture.h"
#include "store_fixture.h"
#include "tensor_file.h"
#include "test.h"

#define CONFIG                                                                                     \
    "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 3}, \"dim\": 2,"          \
    " \"optimizer\": {\"name\": \"adam\", \"learning_rate\": 0.1}}"
#define VERSIONS "/v1/models/m/versions"
#define TENSORS  "application/vnd.safetensors"

static const double bias = 0.5, linear[3] = {1, -2, 0.25}, embedding[6] = {1, 0, 0.5, -1, 2, 2};

static void add_rest(struct tensor_file *file)
{
    tensor_add(file, "linear.bias", "F32", "[1]", &bias, 1);
    tensor_add(file, "linear.weight", "F64", "[1,3]", linear, 3);
}

static struct answer *send_file(struct api_fixture *fixture, const char *path,
                                struct tensor_file *file)
{
    size_t n;
    char *bytes = tensor_bytes(file, &n);
    struct answer *answer = ask_bytes(fixture, "POST", path, TENSORS, bytes, n);
    free(bytes);
    return answer;
}

static struct answer *import(struct api_fixture *fixture, const char *path)
{
    struct tensor_file file = {0};
    add_rest(&file);
    tensor_add(&file, "embedding.weight", "F16", "[3,2]", embedding, 6);
    return send_file(fixture, path, &file);
}

static struct answer *import_bytes(struct api_fixture *fixture, const char *path,
                                   const struct answer *from)
{
    return ask_bytes(fixture, "POST", path, TENSORS, from->text, from->text_n);
}

/* The score of x = (1, 0, 2), and with which version. */
static double score(struct api_fixture *fixture, const char *model, int64_t version)
{
    const struct answer *answer = postf(fixture, "/v1/score",
                                        "{\"model\": \"%s\", \"log\": false, \"items\": [{\"id\": "
                                        "\"a\", \"features\": [1, 0, 2]}]}",
                                        model);
    assert_answered(answer, 200);
    assert_int_equal(integer_at(answer, "/version"), version);
    return number_at(answer, "/items/0/score");
}

/* 0.5 + 1 + 2 * 0.25 + <(1, 0), (2, 2)> * 1 * 2 */
#define SCORE 6.0

static void learn(struct api_fixture *fixture, const char *id)
{
    assert_answered(postf(fixture, "/v1/batches",
                          "{\"model\": \"m\", \"batch_id\": \"%s\", \"groups\": [{\"items\": ["
                          "{\"id\": \"a\", \"label\": 1, \"features\": [1, 0, 0.5]},"
                          "{\"id\": \"b\", \"label\": 0, \"features\": [0, 1, 1]}]}]}",
                          id),
                    200);
}

static int setup(void **state)
{
    const int code = api_fixture_setup(state);
    assert_answered(put(*state, "/v1/models/m", CONFIG), 201);
    return code;
}

#define VERSIONS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, api_fixture_teardown)

/* ---- in ---- */

static void an_import_is_served_at_once_and_after_a_restart(void **state)
{
    const struct answer *answer = import(*state, VERSIONS);
    assert_answered(answer, 201);
    assert_string_equal(answer->type, "application/json");
    assert_string_equal(answer->location, VERSIONS "/1");
    assert_members(answer, "", "version parent source time seq bytes sha256 metrics served");
    assert_int_equal(integer_at(answer, "/version"), 1);
    assert_int_equal(integer_at(answer, "/parent"), 0);
    assert_string_equal(text_at(answer, "/source"), "import");
    assert_true(flag_at(answer, "/served"));
    assert_close(score(*state, "m", 1), SCORE, 0, 1e-6);
    answer = get(*state, VERSIONS);
    assert_int_equal(count_at(answer, "/versions"), 2);
    assert_int_equal(integer_at(answer, "/versions/0/version"), 1);
    assert_string_equal(text_at(answer, "/versions/0/source"), "import");
    assert_true(flag_at(answer, "/versions/0/served"));
    assert_false(flag_at(answer, "/versions/1/served"));
    api_fixture_stop(*state);
    api_fixture_start(*state);
    assert_close(score(*state, "m", 1), SCORE, 0, 1e-6);
}

static void an_import_that_is_only_stored_is_served_when_it_is_activated(void **state)
{
    const struct answer *answer = import(*state, VERSIONS "?activate=0");
    assert_answered(answer, 201);
    assert_int_equal(integer_at(answer, "/version"), 1);
    assert_false(flag_at(answer, "/served"));
    assert_close(score(*state, "m", 0), 0, 0, 0);
    api_fixture_stop(*state);
    api_fixture_start(*state);
    assert_close(score(*state, "m", 0), 0, 0, 0);
    learn(*state, "b");
    assert_int_equal(train(*state, "m"), 2); /* its number is never used again */
    assert_answered(post(*state, "/v1/models/m/activate", "{\"version\": 1}"), 200);
    assert_close(score(*state, "m", 1), SCORE, 0, 1e-6);
    api_fixture_stop(*state);
    api_fixture_start(*state);
    assert_close(score(*state, "m", 1), SCORE, 0, 1e-6);
}

static void a_version_after_a_stored_import_is_not_lost_in_a_restart(void **state)
{
    double learned;
    learn(*state, "b1");
    assert_int_equal(train(*state, "m"), 1);
    learned = score(*state, "m", 1);
    assert_answered(import(*state, VERSIONS "?activate=false"), 201);
    api_fixture_stop(*state);
    api_fixture_start(*state);
    assert_close(score(*state, "m", 1), learned, 0, 0);
    assert_int_equal(integer_at(import(*state, VERSIONS "?activate=1"), "/version"), 3);
    assert_int_equal(integer_at(get(*state, VERSIONS), "/versions/0/parent"), 1);
}

static void steps_after_an_import_apply_on_top_and_are_replayed(void **state)
{
    struct api_fixture *fixture = *state;
    const struct answer *before, *after;
    char path[64];
    learn(fixture, "b0");
    (void)train(fixture, "m");
    assert_answered(import(fixture, VERSIONS), 201);
    assert_close(score(fixture, "m", 2), SCORE, 0, 1e-6);
    learn(fixture, "b1");
    learn(fixture, "b2");
    (void)snprintf(path, sizeof path, VERSIONS "/%d?optimizer=1", (int)train(fixture, "m"));
    before = get(fixture, path);
    assert_answered(before, 200);
    api_fixture_stop(fixture);
    fixture_run_sql(fixture->path, "DELETE FROM checkpoint WHERE source = 'training'");
    api_fixture_start(fixture);
    (void)train(fixture, "m"); /* answered when all of it is learned again */
    after = get(fixture, path);
    assert_answered(after, 200);
    assert_int_equal(after->text_n, before->text_n);
    assert_memory_equal(after->text, before->text, before->text_n);
}

/* ---- out ---- */

static void what_was_taken_in_is_given_out(void **state)
{
    const struct answer *file, *whole, *again;
    assert_answered(import(*state, VERSIONS), 201);
    file = get(*state, VERSIONS "/1");
    whole = get(*state, VERSIONS "/1?optimizer=1");
    assert_answered(file, 200);
    assert_string_equal(file->type, TENSORS);
    assert_null(memmem(file->text, file->text_n, "optimizer.", 10));
    assert_non_null(memmem(whole->text, whole->text_n, "optimizer.exp_avg.linear.bias", 29));
    assert_int_equal(integer_at(import_bytes(*state, VERSIONS, file), "/version"), 2);
    assert_int_equal(integer_at(import_bytes(*state, VERSIONS, whole), "/version"), 3);
    assert_close(score(*state, "m", 3), SCORE, 0, 1e-6);
    again = get(*state, VERSIONS "/1"); /* not served any more: from its checkpoint */
    assert_int_equal(again->text_n, file->text_n);
    assert_memory_equal(again->text, file->text, file->text_n);
    again = get(*state, VERSIONS "/1?optimizer=1");
    assert_int_equal(again->text_n, whole->text_n);
    assert_memory_equal(again->text, whole->text, whole->text_n);
}

static void version_0_is_made_from_the_configuration(void **state)
{
    const struct answer *served = get(*state, VERSIONS "/0"), *stored;
    assert_answered(served, 200);
    assert_answered(import(*state, VERSIONS), 201);
    stored = get(*state, VERSIONS "/0");
    assert_int_equal(stored->text_n, served->text_n);
    assert_memory_equal(stored->text, served->text, served->text_n);
    assert_answered(get(*state, "/v1/models/default/versions/0?optimizer=1"), 200);
}

static void a_version_that_is_not_there_is_unknown(void **state)
{
    static const char *const paths[] = {"/7", "/-1", "/x", "/1x", "/%31%20", "/1234567890123456"};
    char path[64];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        (void)snprintf(path, sizeof path, VERSIONS "%s", paths[i]);
        assert_problem(get(*state, path), 404, "unknown-version");
    }
    assert_problem(get(*state, "/v1/models/nobody/versions/0"), 404, "unknown-model");
}

static void a_damaged_version_is_not_given_out(void **state)
{
    assert_answered(import(*state, VERSIONS "?activate=0"), 201);
    api_fixture_stop(*state);
    fixture_run_sql(((struct api_fixture *)*state)->path,
                    "UPDATE checkpoint_chunk SET bytes = zeroblob(length(bytes))");
    api_fixture_start(*state);
    assert_problem(get(*state, VERSIONS "/1"), 503, "storage-corrupt");
}

/* ---- nothing changes on error ---- */

/* All that a refused import might have changed. */
struct state_before {
    const struct answer *model, *versions, *file;
    int64_t log_end, chunks;
};

static struct state_before look(struct api_fixture *fixture)
{
    return (struct state_before){
        .model = get(fixture, "/v1/models/m"),
        .versions = get(fixture, VERSIONS),
        .file = get(fixture, VERSIONS "/1?optimizer=1"),
        .log_end = log_end(fixture),
        .chunks = fixture_read_number(fixture->path, "SELECT count(*) FROM checkpoint_chunk")};
}

static void assert_unchanged(struct api_fixture *fixture, const struct state_before *before)
{
    const struct state_before now = look(fixture);
    assert_string_equal(now.model->text, before->model->text);
    assert_string_equal(now.versions->text, before->versions->text);
    assert_int_equal(now.file->text_n, before->file->text_n);
    assert_memory_equal(now.file->text, before->file->text, now.file->text_n);
    assert_int_equal(now.log_end, before->log_end);
    assert_int_equal(now.chunks, before->chunks);
    assert_close(score(fixture, "m", 1), SCORE, 0, 1e-6);
}

static const struct {
    const char *name, *dtype, *shape; /* in place of embedding.weight; NULL: left out */
    double bad;                       /* its fourth element */
    const char *detail;
} misfits[] = {
    {NULL, NULL, NULL, 0, "tensor \"embedding.weight\" is missing"},
    {"embedding.bias", "F32", "[3,2]", 1,
     "tensor \"embedding.bias\" is not one of this fm model's"},
    {"optimizer.sum.linear.bias", "F32", "[6]", 1,
     "tensor \"optimizer.sum.linear.bias\" is not one of this fm model's"},
    {"linear.bias", "F32", "[6]", 1, "tensor \"linear.bias\": a duplicate name at header byte "},
    {"embedding.weight", "F32", "[2,3]", 1,
     "tensor \"embedding.weight\" has shape (2, 3), the model needs (3, 2)"},
    {"embedding.weight", "F32", "[3,2]", NAN,
     "tensor \"embedding.weight\": element 3 is not finite as a float"},
    {"embedding.weight", "F64", "[3,2]", INFINITY,
     "tensor \"embedding.weight\": element 3 is not finite as a float"},
    {"embedding.weight", "F64", "[3,2]", 1e300,
     "tensor \"embedding.weight\": element 3 is not finite as a float"},
    {"embedding.weight", "I32", "[3,2]", 1,
     "tensor \"embedding.weight\": dtype \"I32\" is not F64, F32, F16 or BF16"},
    {"embedding.weight", "F64", "[3,3]", 1,
     "tensor \"embedding.weight\": data_offsets hold 48 bytes, dtype and shape need 72"},
};

static void a_file_that_does_not_fit_is_refused_with_what_and_where(void **state)
{
    struct state_before before;
    assert_answered(import(*state, VERSIONS), 201);
    before = look(*state);
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        const double values[6] = {1, 1, 1, misfits[i].bad, 1, 1};
        struct tensor_file file = {0};
        const struct answer *answer;
        add_rest(&file);
        if (misfits[i].name != NULL) {
            tensor_add(&file, misfits[i].name, misfits[i].dtype, misfits[i].shape, values, 6);
        }
        answer = send_file(*state, i % 2 == 0 ? VERSIONS : VERSIONS "?activate=0", &file);
        assert_problem(answer, 422, "invalid-tensor-file");
        if (strstr(text_at(answer, "/detail"), misfits[i].detail) == NULL) {
            fail_msg("\"%s\", not \"%s\"", text_at(answer, "/detail"), misfits[i].detail);
        }
    }
    assert_unchanged(*state, &before);
    assert_int_equal(integer_at(import(*state, VERSIONS), "/version"), 2);
}

static void what_is_no_tensor_file_is_refused(void **state)
{
    static const struct {
        const char *type, *body, *path;
        int status;
        const char *slug;
    } cases[] = {{TENSORS, "", VERSIONS, 422, "invalid-tensor-file"},
                 {TENSORS, "{}", VERSIONS, 422, "invalid-tensor-file"},
                 {TENSORS, "PK\003\004 as torch.save writes", VERSIONS, 422, "invalid-tensor-file"},
                 {TENSORS, "#global bias W0\n0\n", VERSIONS, 422, "invalid-tensor-file"},
                 {"application/json", "{}", VERSIONS, 415, "unsupported-media-type"},
                 {NULL, "", VERSIONS, 415, "unsupported-media-type"},
                 {TENSORS, "", VERSIONS "?activate=no", 400, "bad-request"},
                 {TENSORS, "", VERSIONS "?activate=", 400, "bad-request"},
                 {TENSORS, "", "/v1/models/nobody/versions", 404, "unknown-model"}};
    struct state_before before;
    assert_answered(import(*state, VERSIONS), 201);
    before = look(*state);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_problem(ask(*state, "POST", cases[i].path, cases[i].type, cases[i].body),
                       cases[i].status, cases[i].slug);
    }
    assert_unchanged(*state, &before);
}

static bool is_ready(void *context)
{
    return get(context, "/readyz/feedback")->status == 200;
}

static void an_import_that_cannot_be_stored_changes_nothing(void **state)
{
    struct api_fixture *fixture = *state;
    struct state_before before;
    assert_answered(import(fixture, VERSIONS), 201);
    before = look(fixture);
    fixture_run_sql(fixture->path, "CREATE TRIGGER no_activation BEFORE INSERT ON activation BEGIN "
                                   "SELECT RAISE(ABORT, 'a test says no'); END");
    assert_problem(import(fixture, VERSIONS), 503, "storage-error");
    fixture_run_sql(fixture->path, "DROP TRIGGER no_activation");
    await(is_ready, fixture);
    assert_unchanged(fixture, &before);
    assert_int_equal(integer_at(import(fixture, VERSIONS), "/version"), 2);
}

/* ---- how much ---- */

static size_t limit_of(struct api_fixture *fixture, const char *path, const char **slug)
{
    struct problem problem = {0};
    bool needed;
    const size_t limit =
        api_body_limit(&fixture->service.api, "POST", path, TENSORS, &needed, &problem);
    assert_true(needed);
    *slug = problem.kind == PROBLEM_NONE ? "" : problem_slug(problem.kind);
    return limit;
}

static void a_body_may_hold_all_tensors_as_f64_and_a_mib(void **state)
{
    const size_t mib = 1 << 20, bytes = (10 + 2 * 10) * 8; /* adam has two slots */
    char *body = calloc(1, mib + bytes + 1);
    const char *slug;
    assert_int_equal(limit_of(*state, VERSIONS, &slug), mib + bytes);
    assert_string_equal(slug, "");
    assert_int_equal(limit_of(*state, "/v1/models/%6d/versions", &slug), mib + bytes);
    assert_string_equal(slug, "");
    assert_true(limit_of(*state, "/v1/models/default/versions", &slug) > 16 * mib);
    assert_int_equal(limit_of(*state, "/v1/models/nobody/versions", &slug), mib);
    assert_string_equal(slug, "unknown-model");
    assert_problem(ask_bytes(*state, "POST", VERSIONS, TENSORS, body, mib + bytes + 1), 413,
                   "body-too-large");
    assert_problem(ask_bytes(*state, "POST", VERSIONS, TENSORS, body, mib + bytes), 422,
                   "invalid-tensor-file");
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VERSIONS_TEST(an_import_is_served_at_once_and_after_a_restart),
        VERSIONS_TEST(an_import_that_is_only_stored_is_served_when_it_is_activated),
        VERSIONS_TEST(a_version_after_a_stored_import_is_not_lost_in_a_restart),
        VERSIONS_TEST(steps_after_an_import_apply_on_top_and_are_replayed),
        VERSIONS_TEST(what_was_taken_in_is_given_out),
        VERSIONS_TEST(version_0_is_made_from_the_configuration),
        VERSIONS_TEST(a_version_that_is_not_there_is_unknown),
        VERSIONS_TEST(a_damaged_version_is_not_given_out),
        VERSIONS_TEST(a_file_that_does_not_fit_is_refused_with_what_and_where),
        VERSIONS_TEST(what_is_no_tensor_file_is_refused),
        VERSIONS_TEST(an_import_that_cannot_be_stored_changes_nothing),
        VERSIONS_TEST(a_body_may_hold_all_tensors_as_f64_and_a_mib),
    };
    return cmocka_run_group_tests_name("api_versions", tests, api_fixture_group, NULL);
}
