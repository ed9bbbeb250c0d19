/*
 * rankd export, import and model: a model goes in and out without a server, and nothing changes on
 * error.
 */
#include "json.h"
#include "offline_fixture.h"
#include "store_fixture.h"
#include "tensor_file.h"
#include "test.h"

#include <sysexits.h>

#define IMPORT "import --db a.db --model m "
#define EXPORT "export --db a.db --model m "
#define SHOW   "model show --db a.db --model m --json"

static const double values[6] = {0.5, -1, 2, 0.25, 3, -4};

/* The tensors of small.json, and the same model as libFM writes it. */
static void write_tensors(const char *path, const double *embedding)
{
    struct tensor_file file = {0};
    size_t n;
    char *bytes;
    tensor_add(&file, "linear.bias", "F32", "[1]", values, 1);
    tensor_add(&file, "linear.weight", "BF16", "[3]", values, 3);
    tensor_add(&file, "embedding.weight", "F64", "[3,2]", embedding, 6);
    bytes = tensor_bytes(&file, &n);
    temp_file_write(path, bytes, n);
    free(bytes);
}

#define LIBFM                                                                                      \
    "#global bias W0\n0.5\n#unary interactions Wj\n0.5\n-1\n2\n"                                   \
    "#pairwise interactions Vj,f\n0.5 -1\n2 0.25\n3 -4\n"

static int setup(void **state)
{
    const int code = offline_setup(state);
    offline_write_text("small.json", "{\"kind\": \"fm\", \"dim\": 2, \"features\": {\"space\": "
                                     "\"indexed\", \"size\": 3}}");
    offline_write_text("m.libfm", LIBFM);
    write_tensors("m.st", values);
    return code;
}

#define COMMAND_TEST(name) cmocka_unit_test_setup_teardown(name, setup, offline_teardown)

static void assert_same_files(const char *a, const char *b)
{
    assert_true(temp_file_hash(a) != 0);
    assert_true(temp_file_hash(a) == temp_file_hash(b));
}

/* ---- in and out ---- */

static void an_import_makes_the_model_and_is_served(void **state)
{
    struct offline_fixture *f = *state;
    assert_offline_run(f, IMPORT "--config small.json m.st --json", EX_OK, "\"model\":\"m\"");
    assert_close(offline_number(f, "version"), 1, 0, 0);
    assert_close(offline_number(f, "served"), 1, 0, 0);
    assert_string_equal(f->error, "");
    assert_offline_run(f, SHOW, EX_OK, "\"source\":\"import\"");
    assert_close(offline_number(f, "version"), 1, 0, 0);
    assert_close(offline_number(f, "parameters"), 10, 0, 0);
    assert_int_equal(fixture_read_number("a.db", "SELECT count(*) FROM model"), 1);
    assert_int_equal(fixture_read_number("a.db", "SELECT count(*) FROM activation"), 1);
}

static void an_import_that_is_only_stored_waits_to_be_activated(void **state)
{
    struct offline_fixture *f = *state;
    assert_offline_run(f, IMPORT "--config small.json m.st", EX_OK, "version  1\nserved   1\n");
    assert_offline_run(f, IMPORT "--no-activate m.st", EX_OK, "version  2\nserved   1\n");
    assert_offline_run(f, SHOW, EX_OK, "");
    assert_close(offline_number(f, "version"), 1, 0, 0);
    assert_offline_run(f, "model activate --db a.db --model m --version 2", EX_OK,
                       "model \"m\" serves version 2\n");
    assert_offline_run(f, SHOW, EX_OK, "");
    assert_close(offline_number(f, "version"), 2, 0, 0);
    assert_offline_run(f, "model activate --db a.db --model m --version=0 --json", EX_OK,
                       "{\"model\":\"m\",\"version\":0}\n");
    assert_offline_run(f, IMPORT "m.st --json", EX_OK, "");
    assert_close(offline_number(f, "version"), 3, 0, 0);
}

static void an_export_of_what_is_served_imports_again(void **state)
{
    struct offline_fixture *f = *state;
    assert_offline_run(f, IMPORT "--config small.json m.st", EX_OK, "");
    assert_offline_run(f, EXPORT "--out 1.st --json", EX_OK, "\"file\":\"1.st\"");
    assert_close(offline_number(f, "version"), 1, 0, 0);
    assert_offline_run(f, EXPORT "--version 1 --out 2.st", EX_OK, "version  1\n");
    assert_same_files("1.st", "2.st");
    assert_offline_run(f, EXPORT "--version 0 --optimizer --out 2.st", EX_OK, "version  0\n");
    assert_offline_run(f, "import --db b.db --model other --config small.json 1.st", EX_OK, "");
    assert_offline_run(f, "export --db b.db --model other --out 2.st", EX_OK, "version  1\n");
    assert_same_files("1.st", "2.st");
    assert_false(temp_file_exists("2.st.part"));
}

static void what_was_learned_goes_out_and_in_with_its_optimizer(void **state)
{
    struct offline_fixture *f = *state;
    assert_offline_run(f, TRAIN "--config fm.json --passes 2", EX_OK, "");
    assert_offline_run(f, EXPORT "--optimizer --out 1.st", EX_OK, "version  1\n");
    assert_offline_run(f, "import --db b.db --model m --config fm.json 1.st", EX_OK, "");
    assert_offline_run(f, "export --db b.db --model m --optimizer --out 2.st", EX_OK, "");
    assert_same_files("1.st", "2.st");
    assert_offline_run(f, TRAIN "--json", EX_OK, "\"version\":2");
    assert_offline_run(f, "train --db b.db --model m --data lists --json", EX_OK, "\"version\":2");
    assert_offline_run(f, EXPORT "--optimizer --out 1.st", EX_OK, "version  2\n");
    assert_offline_run(f, "export --db b.db --model m --optimizer --out 2.st", EX_OK, "");
    assert_same_files("1.st", "2.st");
}

static void libfm_and_safetensors_of_one_model_are_the_same_version(void **state)
{
    struct offline_fixture *f = *state;
    assert_offline_run(f, IMPORT "--config small.json m.st", EX_OK, "");
    assert_offline_run(f, "import --db b.db --model m --config small.json m.libfm", EX_OK, "");
    assert_offline_run(f, EXPORT "--out 1.st", EX_OK, "");
    assert_offline_run(f, "export --db b.db --model m --out 2.st", EX_OK, "");
    assert_same_files("1.st", "2.st");
    assert_offline_run(f, IMPORT "m.libfm", EX_OK, "version  2\n");
}

/* ---- models ---- */

static void models_are_listed_shown_and_deleted(void **state)
{
    struct offline_fixture *f = *state;
    assert_offline_run(f, IMPORT "--config small.json m.st", EX_OK, "");
    assert_offline_run(f, "import --db a.db --model n --config fm.json --no-activate m.st",
                       EX_DATAERR, "tensor \"embedding.weight\" has shape (3, 2), the model needs");
    assert_offline_run(f, "import --db a.db --model n --config small.json --no-activate m.st",
                       EX_OK, "served   0\n");
    assert_offline_run(f, "model list --db a.db", EX_OK, "\nm ");
    assert_non_null(strstr(f->out, "\nn "));
    assert_offline_run(f, "model list --db a.db --json", EX_OK, "{\"models\":[{\"name\":\"m\"");
    assert_non_null(strstr(f->out, "},{\"name\":\"n\",\"config\":{\"kind\":\"fm\""));
    assert_offline_run(f, "model show --db a.db --model m", EX_OK, "  served\n");
    assert_offline_run(f, "model delete --db a.db --model m", EX_OK, "is deleted");
    assert_offline_run(f, "model delete --db a.db --model n --json", EX_OK, "\"deleted\":true");
    assert_offline_run(f, "model list --db a.db --json", EX_OK, "{\"models\":[]}\n");
    assert_offline_run(f, SHOW, EX_USAGE, "there is no model \"m\" in a.db");
}

static void show_knows_the_version_of_steps_after_the_checkpoint(void **state)
{
    struct offline_fixture *f = *state;
    assert_offline_run(f, IMPORT "--config small.json m.st", EX_OK, "");
    fixture_run_sql(
        "a.db", "INSERT INTO step (model, version, from_seq, to_seq, due_from, due_to, "
                "outcome, quarantined, held, released, lists, pairs, ndcg_n, auc_n, log_loss_n, "
                "time_ms) VALUES (1, 5, 1, 2, 1, 1, 'published', '[]', '[]', '[]', 1, 1, 0, 0, 0, "
                "0)");
    assert_offline_run(f, SHOW, EX_OK, "");
    assert_close(offline_number(f, "version"), 5, 0, 0);
}

/* ---- refusals ---- */

static const struct {
    const char *line;
    int code;
    const char *words;
} misuses[] = {
    {"export", EX_USAGE, "--db is missing"},
    {"export --db a.db --model m", EX_USAGE, "--out is missing"},
    {"export --db a.db --model m --out x y", EX_USAGE, "y is one word too many"},
    {"export --db a.db --model m --out x --version -1", EX_USAGE, "takes a whole number"},
    {"export --db a.db --model m --out x --version 1x", EX_USAGE, "takes a whole number"},
    {"export --db a.db --model m --out x --config y", EX_USAGE, "unknown option --config"},
    {"export --db a.db --model m --out x --optimizer=1", EX_USAGE, "unknown option --optimizer=1"},
    {"export --db a.db --model m --out", EX_USAGE, "--out needs a value"},
    {"import --db a.db --model m", EX_USAGE, "FILE is missing"},
    {"import --db a.db m.st", EX_USAGE, "--model is missing"},
    {"model --db a.db", EX_USAGE, "list, show, activate or delete is missing"},
    {"model frob --db a.db", EX_USAGE, "frob is not list, show, activate or delete"},
    {"model show --db a.db", EX_USAGE, "show needs --model"},
    {"model activate --db a.db --model m", EX_USAGE, "activate needs --version"},
    {"model delete --db a.db --model m --version 1", EX_USAGE, "delete takes no --version"},
    {"model delete --db a.db --model default", EX_USAGE, "\"default\" answers requests"},
};

static void misuse_exits_64_with_a_line(void **state)
{
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        assert_offline_run(*state, misuses[i].line, misuses[i].code, misuses[i].words);
    }
    assert_false(temp_file_exists("a.db"));
    assert_offline_run(*state, "export --help", EX_OK, "usage: rankd export");
    assert_offline_run(*state, "import --help", EX_OK, "usage: rankd import");
    assert_offline_run(*state, "model --help", EX_OK, "usage: rankd model");
}

static void nothing_is_made_for_a_file_that_does_not_fit(void **state)
{
    static const double nan_at_5[6] = {1, 1, 1, 1, 1, NAN};
    struct offline_fixture *f = *state;
    write_tensors("bad.st", nan_at_5);
    offline_write_text("bad.libfm", "#global bias W0\nx\n");
    offline_write_text("bad.json", "{\"kind\": \"fm\", \"dims\": 2}");
    assert_offline_run(f, IMPORT "m.st", EX_NOINPUT, "there is no database a.db");
    assert_offline_run(f, IMPORT "--config small.json nowhere", EX_NOINPUT, "nowhere: cannot be");
    assert_offline_run(f, IMPORT "--config small.json .", EX_NOINPUT, ".: is not a file");
    assert_offline_run(f, IMPORT "--config nowhere m.st", EX_NOINPUT, "nowhere: cannot be opened");
    assert_offline_run(f, IMPORT "--config bad.json m.st", EX_CONFIG, "bad.json: /dims");
    assert_offline_run(f, IMPORT "--config small.json bad.st", EX_DATAERR,
                       "bad.st: tensor \"embedding.weight\": element 5 is not finite");
    assert_offline_run(f, IMPORT "--config small.json bad.libfm", EX_DATAERR,
                       "bad.libfm: line 2: word 1 is not a finite decimal number");
    assert_offline_run(f, IMPORT "--config small.json lists", EX_DATAERR, "lists: ");
    assert_offline_run(f, "import --db a.db --model A --config small.json m.st", EX_USAGE,
                       "a model's name is");
    assert_false(temp_file_exists("a.db"));
}

static void nothing_changes_in_a_model_on_error(void **state)
{
    struct offline_fixture *f = *state;
    int64_t before;
    assert_offline_run(f, IMPORT "--config small.json m.st", EX_OK, "");
    before =
        fixture_read_number("a.db", "SELECT (SELECT max(seq) FROM log) + (SELECT count(*) FROM "
                                    "checkpoint) + (SELECT count(*) FROM checkpoint_chunk)");
    assert_offline_run(f, IMPORT "lists", EX_DATAERR, "lists: ");
    assert_offline_run(f, IMPORT "--config fm.json m.st", EX_DATAERR, "has shape (3, 2)");
    offline_write_text("other.json", "{\"kind\": \"fm\", \"dim\": 2, \"labels\": {\"buy\": 1}, "
                                     "\"features\": {\"space\": \"indexed\", \"size\": 3}}");
    assert_offline_run(f, IMPORT "--config other.json m.st", EX_CONFIG, "another configuration");
    assert_offline_run(f, "import --db a.db --model n m.st", EX_USAGE, "give its --config");
    assert_offline_run(f, EXPORT "--version 9 --out x", EX_USAGE, "no checkpoint of version 9");
    assert_offline_run(f, "export --db a.db --model n --out x", EX_USAGE,
                       "there is no model \"n\"");
    assert_offline_run(f, EXPORT "--out no/where", EX_CANTCREAT, "no/where: cannot be written");
    assert_offline_run(f, "model activate --db a.db --model m --version 9", EX_USAGE,
                       "no checkpoint of version 9");
    assert_offline_run(f, "model delete --db a.db --model n", EX_USAGE, "there is no model \"n\"");
    assert_false(temp_file_exists("x"));
    assert_int_equal(
        fixture_read_number("a.db", "SELECT (SELECT max(seq) FROM log) + (SELECT count(*) FROM "
                                    "checkpoint) + (SELECT count(*) FROM checkpoint_chunk)"),
        before);
}

static void a_database_in_use_exits_75(void **state)
{
    struct offline_fixture *f = *state;
    struct store_lock *lock = NULL;
    assert_offline_run(f, IMPORT "--config small.json m.st", EX_OK, "");
    assert_ok(store_lock("a.db", &lock, NULL));
    assert_offline_run(f, IMPORT "m.st", EX_TEMPFAIL, "a.db is in use");
    assert_offline_run(f, EXPORT "--out 1.st", EX_TEMPFAIL, "a.db is in use");
    assert_offline_run(f, "model list --db a.db", EX_TEMPFAIL, "a.db is in use");
    store_unlock(&lock);
    assert_offline_run(f, "model list --db b.db", EX_NOINPUT, "there is no database b.db");
    offline_write_text("b.db", "this is no database, whatever its name says it may be, not at all");
    assert_offline_run(f, "model list --db b.db", EX_DATAERR, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMMAND_TEST(an_import_makes_the_model_and_is_served),
        COMMAND_TEST(an_import_that_is_only_stored_waits_to_be_activated),
        COMMAND_TEST(an_export_of_what_is_served_imports_again),
        COMMAND_TEST(what_was_learned_goes_out_and_in_with_its_optimizer),
        COMMAND_TEST(libfm_and_safetensors_of_one_model_are_the_same_version),
        COMMAND_TEST(models_are_listed_shown_and_deleted),
        COMMAND_TEST(show_knows_the_version_of_steps_after_the_checkpoint),
        COMMAND_TEST(misuse_exits_64_with_a_line),
        COMMAND_TEST(nothing_is_made_for_a_file_that_does_not_fit),
        COMMAND_TEST(nothing_changes_in_a_model_on_error),
        COMMAND_TEST(a_database_in_use_exits_75),
    };
    json_start();
    return cmocka_run_group_tests_name("command_model", tests, NULL, NULL);
}
