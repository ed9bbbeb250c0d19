/*
 * Parameters from elsewhere: what goes in comes out where it belongs, and what does not fit is named.
 */
#include "learning_fixture.h"
#include "parameters.h"
#include "tensor_file.h"
#include "test.h"
#include "trainee_fixture.h"

#define FM3   "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":3},\"dim\":2"
#define PLAIN FM3 "}"
#define ADAM  FM3 ",\"optimizer\":{\"name\":\"adam\"}}"
#define FTRL  FM3 ",\"optimizer\":{\"name\":\"ftrl\"}}"
#define JOINT                                                                                      \
    "{\"kind\":\"joint\",\"features\":{\"space\":\"indexed\",\"size\":3},\"dim\":2,"               \
    "\"hidden\":[2],\"users\":{\"space\":\"indexed\",\"size\":1},"                                 \
    "\"items\":{\"space\":\"indexed\",\"size\":1}}"
#define PARAMS 10 /* of FM3 */

/* In the order of the block; every dtype holds them exactly. */
static const double values[PARAMS] = {0.5, 1, -2, 0, 0.25, -0.125, 3, 4, -1.5, 96};

static struct rk_model *model_of(const char *json)
{
    static struct model_config config;
    struct rk_model *model = NULL;
    learning_config(json, &config);
    assert_ok(rk_model_create(&config.model, 0, &model, NULL));
    return model;
}

/* FM3's tensors, the embedding first. */
static void add_fm(struct tensor_file *file, const char *dtype)
{
    tensor_add(file, "embedding.weight", dtype, "[3,2]", values + 4, 6);
    tensor_add(file, "linear.weight", dtype, "[1,3]", values + 1, 3);
    tensor_add(file, "linear.bias", dtype, "[1]", values, 1);
}

/* Imports and reads the checkpoint back. */
static enum rk_status import(const struct rk_model *model, struct tensor_file *from, float *theta,
                             struct rk_learner **learner, struct rk_error *err)
{
    struct checkpoint_bytes file = {0};
    size_t n;
    char *bytes = tensor_bytes(from, &n);
    const enum rk_status status = parameters_import(model, bytes, n, 7, &file, err);
    free(bytes);
    if (status != RK_OK) {
        assert_null(file.bytes);
        return status;
    }
    memset(theta, 0xff, rk_model_params(model) * sizeof *theta);
    assert_ok(rk_learner_create(model, theta, learner, NULL));
    assert_ok(checkpoint_read(model, file.bytes, file.n, theta, *learner, NULL));
    free(file.bytes);
    return RK_OK;
}

static void compare(const float *theta, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_close((double)theta[i], expected[i], 0, 0);
    }
}

/* Are a learner's slots what they are after the parameters were just initialised? */
static void assert_fresh(const struct rk_model *model, const float *theta,
                         struct rk_learner *learner)
{
    struct rk_learner *fresh = NULL;
    size_t n_slots;
    float *const *slots = rk_learner_slots(learner, &n_slots);
    assert_ok(rk_learner_create(model, theta, &fresh, NULL));
    for (size_t s = 0; s < n_slots; s++) {
        assert_memory_equal(slots[s], rk_learner_slots(fresh, &n_slots)[s],
                            rk_model_learned(model) * sizeof(float));
    }
    assert_int_equal(rk_learner_steps(learner), 0);
    rk_learner_destroy(&fresh);
}

/* ---- what fits ---- */

static void every_dtype_gives_the_parameters_and_a_fresh_optimizer(void **state)
{
    static const char *const dtypes[] = {"F64", "F32", "F16", "BF16"};
    static const char *const configs[] = {PLAIN, ADAM, FTRL};
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct rk_model *model = model_of(configs[i % 3]);
        struct rk_learner *learner = NULL;
        struct tensor_file file = {0};
        float theta[PARAMS];
        add_fm(&file, dtypes[i / 3]);
        assert_ok(import(model, &file, theta, &learner, NULL));
        compare(theta, values, PARAMS);
        assert_fresh(model, theta, learner);
        rk_learner_destroy(&learner);
        rk_model_destroy(&model);
    }
}

static void linear_weight_may_be_flat(void **state)
{
    struct rk_model *model = model_of(PLAIN);
    struct rk_learner *learner = NULL;
    struct tensor_file file = {0};
    float theta[PARAMS];
    (void)state;
    tensor_add(&file, "linear.weight", "F32", "[3]", values + 1, 3);
    tensor_add(&file, "linear.bias", "F64", "[1]", values, 1);
    tensor_add(&file, "embedding.weight", "BF16", "[3,2]", values + 4, 6);
    tensor_note(&file, "format", "pt");
    assert_ok(import(model, &file, theta, &learner, NULL));
    compare(theta, values, PARAMS);
    rk_learner_destroy(&learner);
    rk_model_destroy(&model);
}

static void the_first_layer_of_joint_is_turned_input_major(void **state)
{
    static const double layer[6] = {1, 2, 3, 4, 5, 6}, turned[6] = {1, 4, 2, 5, 3, 6};
    struct rk_model *model = model_of(JOINT);
    struct rk_learner *learner = NULL;
    struct tensor_file file = {0};
    float *theta = calloc(rk_model_params(model), sizeof *theta);
    (void)state;
    tensor_add(&file, "ctrs.0.weight", "F32", "[2,3]", layer, 6);
    tensor_add(&file, "ctrs.0.bias", "F32", "[2]", values, 2);
    tensor_add(&file, "ctrs.2.weight", "F32", "[1,2]", values, 2);
    tensor_add(&file, "ctrs.2.bias", "F32", "[1]", values, 1);
    tensor_add(&file, "user_embedding.weight", "F32", "[1,2]", values, 2);
    tensor_add(&file, "item_embedding.weight", "F32", "[1,2]", values, 2);
    assert_ok(import(model, &file, theta, &learner, NULL));
    compare(theta, turned, 6);
    rk_learner_destroy(&learner);
    rk_model_destroy(&model);
    free(theta);
}

static void tables_of_numbers_and_fields_may_be_left_out(void **state)
{
    static const double zeroes[16] = {0};
    struct rk_model *model = model_of("{\"kind\":\"ffm\",\"features\":{\"bits\":1},\"dim\":1,"
                                      "\"max_fields\":2}");
    struct rk_learner *learner = NULL;
    float *theta = calloc(rk_model_params(model), sizeof *theta);
    const size_t learned = rk_model_learned(model), params = rk_model_params(model);
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct tensor_file file = {0};
        tensor_add(&file, "linear.bias", "F32", "[1]", values, 1);
        tensor_add(&file, "linear.weight", "F32", "[1,2]", values, 2);
        tensor_add(&file, "embedding.weight", "F32", "[2,2,1]", values, 4);
        if (given) {
            tensor_add(&file, "numbers.weight", "F32", "[2,3]", values, 6);
            tensor_add(&file, "fields.weight", "F32", "[2,4]", values, 8);
        }
        assert_ok(import(model, &file, theta, &learner, NULL));
        assert_int_equal(params - learned, 14);
        compare(theta + learned, given ? values : zeroes, 6);
        compare(theta + learned + 6, given ? values : zeroes, 8);
        rk_learner_destroy(&learner);
    }
    rk_model_destroy(&model);
    free(theta);
}

/* ---- the optimizer ---- */

static void add_slot(struct tensor_file *file, const char *slot, bool whole)
{
    char name[64];
    (void)snprintf(name, sizeof name, "optimizer.%s.linear.bias", slot);
    tensor_add(file, name, "F32", "[1]", values, 1);
    (void)snprintf(name, sizeof name, "optimizer.%s.linear.weight", slot);
    tensor_add(file, name, "F64", "[3]", values + 1, 3);
    (void)snprintf(name, sizeof name, "optimizer.%s.embedding.weight", slot);
    if (whole) {
        tensor_add(file, name, "F32", "[3,2]", values + 4, 6);
    }
}

static void the_optimizers_state_is_taken_where_it_is_whole(void **state)
{
    struct rk_model *model = model_of(ADAM);
    struct rk_learner *learner = NULL;
    struct tensor_file file = {0};
    float theta[PARAMS];
    size_t n_slots;
    (void)state;
    add_fm(&file, "F32");
    add_slot(&file, "exp_avg", true);
    add_slot(&file, "exp_avg_sq", true);
    tensor_note(&file, "steps", "12");
    assert_ok(import(model, &file, theta, &learner, NULL));
    compare(rk_learner_slots(learner, &n_slots)[0], values, PARAMS);
    compare(rk_learner_slots(learner, &n_slots)[1], values, PARAMS);
    assert_int_equal(rk_learner_steps(learner), 12);
    rk_learner_destroy(&learner);
    rk_model_destroy(&model);
}

static void assert_refused(const char *config, struct tensor_file *file, enum rk_status expected,
                           const char *text)
{
    struct rk_model *model = model_of(config);
    struct rk_learner *learner = NULL;
    struct rk_error err = {0};
    float theta[PARAMS];
    const enum rk_status status = import(model, file, theta, &learner, &err);
    if (status != expected || strcmp(err.text, text) != 0) {
        fail_msg("it is %s: \"%s\", not \"%s\"", rk_status_text(status), err.text, text);
    }
    rk_model_destroy(&model);
}

static void half_an_optimizer_is_refused(void **state)
{
    static const char *const bad_steps[] = {"", "-1", "1.5", "1e3", "1234567890123456", "x"};
    struct tensor_file file = {0};
    (void)state;
    add_fm(&file, "F32");
    add_slot(&file, "exp_avg", true);
    add_slot(&file, "exp_avg_sq", false);
    tensor_note(&file, "steps", "12");
    assert_refused(ADAM, &file, RK_MISMATCH,
                   "tensor \"optimizer.exp_avg_sq.embedding.weight\" is missing");
    for (size_t i = 0; i < sizeof bad_steps / sizeof *bad_steps; i++) {
        add_fm(&file, "F32");
        add_slot(&file, "sum", true);
        tensor_note(&file, i > 0 ? "steps" : "step", bad_steps[i]);
        assert_refused(PLAIN, &file, RK_MISMATCH,
                       "the optimizer's state needs \"steps\" in __metadata__, a whole number");
    }
    add_fm(&file, "F32");
    add_slot(&file, "exp_avg", true);
    assert_refused(PLAIN, &file, RK_MISMATCH,
                   "tensor \"optimizer.exp_avg.linear.bias\" is not one of this fm model's");
}

/* ---- what does not fit ---- */

static const struct {
    const char *name, *dtype, *shape; /* in place of embedding.weight */
    double bad;                       /* its fifth element */
    enum rk_status status;
    const char *text;
} misfits[] = {
    {"embedding.weights", "F32", "[3,2]", 1, RK_MISMATCH,
     "tensor \"embedding.weights\" is not one of this fm model's"},
    {"\xc3\xa4"
     "bcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
     "F32", "[3,2]", 1, RK_MISMATCH,
     "tensor \"\?\?bcdefghijklmnopqrstuvwxyzabcdefghijklm\" is not one of this fm model's"},
    {"embedding.weight", "F32", "[2,3]", 1, RK_MISMATCH,
     "tensor \"embedding.weight\" has shape (2, 3), the model needs (3, 2)"},
    {"embedding.weight", "F32", "[6]", 1, RK_MISMATCH,
     "tensor \"embedding.weight\" has shape (6), the model needs (3, 2)"},
    {"embedding.weight", "F32", "[3,2,1,1]", 1, RK_MISMATCH,
     "tensor \"embedding.weight\" has shape (3, 2, 1, 1), the model needs (3, 2)"},
    {"embedding.weight", "F32", "[3,2]", NAN, RK_INVALID,
     "tensor \"embedding.weight\": element 4 is not finite as a float"},
    {"embedding.weight", "F32", "[3,2]", INFINITY, RK_INVALID,
     "tensor \"embedding.weight\": element 4 is not finite as a float"},
    {"embedding.weight", "F64", "[3,2]", -1e39, RK_INVALID,
     "tensor \"embedding.weight\": element 4 is not finite as a float"},
    {"embedding.weight", "I64", "[3,2]", 1, RK_CORRUPT,
     "tensor \"embedding.weight\": dtype \"I64\" is not F64, F32, F16 or BF16"},
};

static void a_tensor_that_does_not_fit_is_named_with_the_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        const double bad[6] = {1, 1, 1, 1, misfits[i].bad, 1};
        struct tensor_file file = {0};
        tensor_add(&file, "linear.weight", "F32", "[1,3]", values + 1, 3);
        tensor_add(&file, "linear.bias", "F32", "[1]", values, 1);
        tensor_add(&file, misfits[i].name, misfits[i].dtype, misfits[i].shape, bad, 6);
        assert_refused(PLAIN, &file, misfits[i].status, misfits[i].text);
    }
}

static void a_missing_tensor_is_named(void **state)
{
    struct tensor_file file = {0};
    (void)state;
    tensor_add(&file, "linear.weight", "F32", "[1,3]", values + 1, 3);
    tensor_add(&file, "embedding.weight", "F32", "[3,2]", values, 6);
    assert_refused(PLAIN, &file, RK_MISMATCH, "tensor \"linear.bias\" is missing");
    tensor_note(&file, "format", "pt"); /* and nothing else */
    assert_refused(PLAIN, &file, RK_MISMATCH, "tensor \"linear.bias\" is missing");
}

static void what_is_no_safetensors_file_is_refused(void **state)
{
    struct rk_model *model = model_of(PLAIN);
    struct tensor_file from = {0};
    struct checkpoint_bytes file = {0};
    size_t n;
    char *bytes;
    (void)state;
    add_fm(&from, "F32");
    bytes = tensor_bytes(&from, &n);
    for (size_t cut = 0; cut < n; cut++) {
        assert_status(parameters_import(model, bytes, cut, 1, &file, NULL), RK_CORRUPT);
    }
    assert_status(
        parameters_import(model, "PK\003\004, a zip file of torch.save", 30, 1, &file, NULL),
        RK_CORRUPT);
    assert_null(file.bytes);
    free(bytes);
    rk_model_destroy(&model);
}

/* ---- out ---- */

static void an_export_imports_to_the_same_state(void **state)
{
    struct learning *l = *state;
    struct trainee *t =
        trained_make(l, "{\"kind\":\"fm\"," LEARNING_SMALL ",\"optimizer\":{\"name\":\"adam\"}}");
    struct checkpoint_bytes expected, out = {0}, in = {0};
    struct store_checkpoint row;
    learning_stream(l, 30, 1);
    trained_catch_up(l, t);
    row = trained_store(l, t);
    expected = trained_bytes(t);
    assert_ok(parameters_export(l->reader, &row, t->served->model, true, &out, NULL));
    assert_int_equal(out.n, expected.n);
    assert_memory_equal(out.bytes, expected.bytes, out.n);
    assert_ok(parameters_import(t->served->model, out.bytes, out.n, row.version, &in, NULL));
    assert_int_equal(in.n, expected.n);
    assert_memory_equal(in.bytes, expected.bytes, in.n);
    free(expected.bytes);
    free(out.bytes);
    free(in.bytes);
    trained_free(&t);
}

static void a_damaged_checkpoint_is_not_exported(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, "{\"kind\":\"fm\"," LEARNING_SMALL "}");
    struct checkpoint_bytes out = {0};
    struct store_checkpoint row = trained_store(l, t);
    row.sha256[0] ^= 1;
    assert_status(parameters_export(l->reader, &row, t->served->model, false, &out, NULL),
                  RK_CORRUPT);
    assert_null(out.bytes);
    trained_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_gives_the_parameters_and_a_fresh_optimizer),
        cmocka_unit_test(linear_weight_may_be_flat),
        cmocka_unit_test(the_first_layer_of_joint_is_turned_input_major),
        cmocka_unit_test(tables_of_numbers_and_fields_may_be_left_out),
        cmocka_unit_test(the_optimizers_state_is_taken_where_it_is_whole),
        cmocka_unit_test(half_an_optimizer_is_refused),
        cmocka_unit_test(a_tensor_that_does_not_fit_is_named_with_the_place),
        cmocka_unit_test(a_missing_tensor_is_named),
        cmocka_unit_test(what_is_no_safetensors_file_is_refused),
        LEARNING_TEST(an_export_imports_to_the_same_state),
        LEARNING_TEST(a_damaged_checkpoint_is_not_exported),
    };
    return cmocka_run_group_tests_name("parameters", tests, NULL, NULL);
}
