/*
 * The file of tokens: read back as it was written, refused where it is damaged, changed whole.
 */
#include "temp_folder.h"
#include "test.h"
#include "token_file.h"
#include "token_issue.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct temp_folder folder;
static char db[TEMP_PATH_MAX], path[TEMP_PATH_MAX];

static int setup(void **state)
{
    (void)state;
    temp_folder_make(&folder);
    temp_folder_path(&folder, "a.db", db);
    temp_folder_path(&folder, "a.db.tokens", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_folder_remove(&folder);
    return 0;
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static struct token full_token(void)
{
    return (struct token){.name = "web-1.a_B",
                          .created_s = 10,
                          .not_before_s = 20,
                          .expires_s = 30,
                          .revoked_s = 40,
                          .grant = {.scopes = TOKEN_SCORE | TOKEN_ADMIN,
                                    .n_models = 2,
                                    .model = {"shop", "default"},
                                    .requests_per_s = 1,
                                    .events_per_s = 2,
                                    .caps = {.events_per_minute = 3,
                                             .user_per_minute = 4,
                                             .item_per_minute = 5,
                                             .once = 1}}};
}

static void a_token_is_read_as_it_was_issued(void **state)
{
    struct token token = full_token();
    struct token_list list = {0};
    char text[TOKEN_TEXT] = "";
    (void)state;
    assert_ok(token_issue(db, &token, text, NULL));
    assert_ok(token_file_read(db, &list, NULL));
    assert_int_equal(list.n, 1);
    assert_memory_equal(&list.token[0], &token, sizeof token);
    assert_ptr_equal(token_list_find(&list, token.grant.kid), &list.token[0]);
    token_list_deinit(&list);
}

static void the_file_has_no_secret_and_only_its_owner_reads_it(void **state)
{
    struct token token = {.name = "a", .grant.scopes = TOKEN_SCORE};
    char text[TOKEN_TEXT] = "", kept[4096] = "";
    struct stat facts;
    FILE *file;
    (void)state;
    assert_ok(token_issue(db, &token, text, NULL));
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    file = fopen(path, "r");
    assert_true(fread(kept, 1, sizeof kept - 1, file) > 100);
    (void)fclose(file);
    assert_null(strstr(kept, text));
    text[39] = '\0'; /* without its checksum */
    assert_null(strstr(kept, text + 13));
}

static void revoking_by_name_takes_all_of_a_name_and_by_kid_one(void **state)
{
    struct token old = {.name = "web", .grant.scopes = TOKEN_SCORE}, new = old, other = old;
    struct token_list list = {0};
    char text[TOKEN_TEXT] = "", kid[TOKEN_KID_TEXT];
    size_t n = 9;
    (void)state;
    memcpy(other.name, "other", sizeof "other");
    assert_ok(token_issue(db, &old, text, NULL));
    assert_ok(token_issue(db, &new, (char[TOKEN_TEXT]){""}, NULL));
    assert_ok(token_issue(db, &other, (char[TOKEN_TEXT]){""}, NULL));
    token_write_kid(old.grant.kid, kid);
    assert_ok(token_revoke(db, kid, &n, NULL));
    assert_int_equal(n, 1);
    assert_ok(token_revoke(db, "web", &n, NULL));
    assert_int_equal(n, 1); /* the other one was before */
    assert_status(token_revoke(db, "nobody", &n, NULL), RK_NOTFOUND);
    assert_ok(token_file_read(db, &list, NULL));
    for (size_t i = 0; i < list.n; i++) {
        assert_int_equal(list.token[i].revoked_s > 0, strcmp(list.token[i].name, "web") == 0);
    }
    token_list_deinit(&list);
}

static void a_token_that_was_brought_is_taken_once(void **state)
{
    struct token token = {.name = "first", .grant.scopes = TOKEN_ALL_SCOPES};
    char text[TOKEN_TEXT];
    uint32_t kid;
    (void)state;
    assert_true(token_make(text, &kid));
    assert_ok(token_issue(db, &token, text, NULL));
    assert_int_equal(token.grant.kid, kid);
    assert_status(token_issue(db, &token, text, NULL), RK_INVALID);
}

#define HEAD                                                                                       \
    "# rankd's access tokens, by their hashes. Written by `rankd token`, read within a second.\n"
#define HASH "sha256=0000000000000000000000000000000000000000000000000000000000000000 "
#define LINE "kid=00000001 name=a " HASH "scopes=score models=* created=5"

static const struct {
    const char *text;
    bool good;
} texts[] = {{HEAD, true},
             {HEAD LINE "\n", true},
             {HEAD LINE "\n# a comment\n\n", true},
             {HEAD LINE, false}, /* cut off */
             {LINE "\n", false},
             {"", false},
             {HEAD LINE "\n" LINE "\n", false}, /* the same kid */
             {HEAD LINE " \n", false},
             {HEAD LINE "  once=1\n", false},
             {HEAD LINE " expires=-1\n", false},
             {HEAD LINE " expires=1x\n", false},
             {HEAD LINE " expires=\n", false},
             {HEAD LINE " expires\n", false},
             {HEAD LINE " unknown=1\n", false},
             {HEAD "kid=00000001 name=a scopes=score models=*\n", false},
             {HEAD "kid=00000001 name=a " HASH "models=*\n", false},
             {HEAD "kid=00000001 name=a " HASH "scopes=score\n", false},
             {HEAD "name=a " HASH "scopes=score models=*\n", false},
             {HEAD "kid=1 name=a " HASH "scopes=score models=*\n", false},
             {HEAD "kid=00000000 name=a " HASH "scopes=score models=*\n", false},
             {HEAD "kid=00000001 name=a/b " HASH "scopes=score models=*\n", false},
             {HEAD "kid=00000001 name=a sha256=00 scopes=score models=*\n", false},
             {HEAD "kid=00000001 name=a " HASH "scopes=root models=*\n", false},
             {HEAD "kid=00000001 name=a " HASH "scopes=score models=A\n", false}};

static void a_file_that_is_not_whole_is_refused_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct token_list list = {0};
        struct rk_error err = {0};
        const enum rk_status status =
            token_file_parse(texts[i].text, strlen(texts[i].text), &list, &err);
        if ((status == RK_OK) != texts[i].good) {
            fail_msg("%s: %s", texts[i].text, err.text);
        }
        assert_true(status == RK_OK || (status == RK_CORRUPT && list.n == 0));
        token_list_deinit(&list);
    }
}

static void a_damaged_file_is_not_written_over(void **state)
{
    struct token token = {.name = "a", .grant.scopes = TOKEN_SCORE};
    uint64_t hash;
    (void)state;
    temp_file_write(path, HEAD "broken\n", sizeof(HEAD "broken\n") - 1);
    hash = temp_file_hash(path);
    assert_status(token_issue(db, &token, (char[TOKEN_TEXT]){""}, NULL), RK_CORRUPT);
    assert_int_equal(temp_file_hash(path), hash);
}

/* A process a token, all at once: each is there afterwards. */
static void tokens_made_at_the_same_time_are_all_kept(void **state)
{
    enum {
        PROCESSES = 8
    };
    pid_t pids[PROCESSES];
    struct token_list list = {0};
    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            struct token token = {.name = "a", .grant.scopes = TOKEN_SCORE};
            char text[TOKEN_TEXT] = "";
            _exit(token_issue(db, &token, text, NULL) == RK_OK ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int ended = 1;
        assert_int_equal(waitpid(pids[i], &ended, 0), pids[i]);
        assert_int_equal(ended, 0);
    }
    assert_ok(token_file_read(db, &list, NULL));
    assert_int_equal(list.n, PROCESSES);
    token_list_deinit(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(a_token_is_read_as_it_was_issued),
        FILE_TEST(the_file_has_no_secret_and_only_its_owner_reads_it),
        FILE_TEST(revoking_by_name_takes_all_of_a_name_and_by_kid_one),
        FILE_TEST(a_token_that_was_brought_is_taken_once),
        FILE_TEST(a_file_that_is_not_whole_is_refused_with_its_line),
        FILE_TEST(a_damaged_file_is_not_written_over),
        FILE_TEST(tokens_made_at_the_same_time_are_all_kept),
    };
    return cmocka_run_group_tests_name("token_file", tests, NULL, NULL);
}
