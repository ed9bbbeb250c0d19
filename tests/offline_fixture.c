/*
 * Running the offline commands inside a test.
 */
#include "offline_fixture.h"

#include "command.h"
#include "json.h"
#include "test.h"

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#define WORDS_MAX 32

void offline_write_text(const char *path, const char *text)
{
    temp_file_write(path, text, strlen(text));
}

void offline_write_lists(const char *path, int n)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    for (int i = 0; i < n; i++) {
        (void)fprintf(file, "0 qid:%d 0:1 2:%d\n0 qid:%d 2:1\n1 qid:%d 1:1 2:%d\n", i, i % 3, i, i,
                      i % 2);
    }
    assert_int_equal(fclose(file), 0);
}

int offline_setup(void **state)
{
    struct offline_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    assert_non_null(getcwd(f->home, sizeof f->home));
    temp_folder_make(&f->folder);
    assert_int_equal(chdir(f->folder.path), 0);
    offline_write_text("fm.json",
                       "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 3}, "
                       "\"dim\": 4}");
    offline_write_lists("lists", 20);
    *state = f;
    return 0;
}

int offline_teardown(void **state)
{
    struct offline_fixture *f = *state;

    assert_int_equal(chdir(f->home), 0);
    temp_folder_remove(&f->folder);
    free(f);
    return 0;
}

static int redirect(int fd, const char *path)
{
    const int kept = dup(fd);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(kept >= 0 && file >= 0 && dup2(file, fd) >= 0);
    (void)close(file);
    return kept;
}

static void restore(int fd, int kept, char text[OFFLINE_TEXT_MAX])
{
    ssize_t n;

    (void)fflush(fd == STDOUT_FILENO ? stdout : stderr);
    n = pread(fd, text, OFFLINE_TEXT_MAX - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    assert_true(dup2(kept, fd) >= 0);
    (void)close(kept);
}

static const struct {
    const char *name;
    int (*run)(int argc, char *const *argv);
} commands[] = {{"train", command_train},
                {"eval", command_eval},
                {"export", command_export},
                {"import", command_import},
                {"model", command_model}};

static int run_command(int n, char *const *words)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(words[0], commands[i].name) == 0) {
            return commands[i].run(n - 1, words + 1);
        }
    }
    fail_msg("there is no command %s here", words[0]);
    return EX_USAGE;
}

/* Runs a command and keeps what it prints. @return its exit code. */
static int run(struct offline_fixture *f, const char *line)
{
    char *words[WORDS_MAX], *rest = NULL, *copy = strdup(line);
    int n = 0, code, kept_out, kept_error;

    assert_non_null(copy);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(n < WORDS_MAX);
        words[n++] = word;
    }
    (void)fflush(stdout);
    kept_out = redirect(STDOUT_FILENO, "stdout.txt");
    kept_error = redirect(STDERR_FILENO, "stderr.txt");
    code = run_command(n, words);
    restore(STDERR_FILENO, kept_error, f->error);
    restore(STDOUT_FILENO, kept_out, f->out);
    free(copy);
    return code;
}

void assert_offline_run(struct offline_fixture *f, const char *line, int code, const char *words)
{
    const int actual = run(f, line);

    if (actual != code || strstr(code == EX_OK ? f->out : f->error, words) == NULL) {
        fail_msg("rankd %s: exit %d, stdout: %s, stderr: %s", line, actual, f->out, f->error);
    }
    if (code != EX_OK) {
        const char *end = strchr(f->error, '\n');
        assert_string_equal(f->out, "");
        assert_non_null(end);
        assert_string_equal(end, "\n");
    }
}

double offline_number_in(const struct offline_fixture *f, const char *object, const char *key)
{
    struct json_document document;
    struct json_node root, inner, member;
    struct problem problem = {0};
    double number = NAN;

    assert_true(json_parse(f->out, strlen(f->out), 1 << 20, &document, &root, &problem));
    if (object != NULL) {
        assert_true(json_member(&root, object, &inner));
    }
    if (!json_member(object != NULL ? &inner : &root, key, &member) ||
        !json_as_number(&member, -1e9, 1e9, &number, &problem)) {
        fail_msg("no number %s in %s", key, f->out);
    }
    json_close(&document);
    return number;
}

double offline_number(const struct offline_fixture *f, const char *key)
{
    return offline_number_in(f, NULL, key);
}

struct store_checkpoint offline_newest(const char *db, size_t *n)
{
    struct store *store = NULL;
    struct store_checkpoint *rows, row;

    assert_ok(store_open_reader(db, &store, NULL));
    assert_ok(store_list_checkpoints(store, 1, &rows, n, NULL));
    assert_true(*n > 0);
    row = rows[0];
    for (size_t i = 0; i < *n; i++) {
        free(rows[i].metrics);
    }
    free(rows);
    store_close(&store);
    row.metrics = NULL;
    return row;
}
