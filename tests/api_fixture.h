/*
 * What the tests of the API share: an API over a real store, writer and trainer in a folder of its
 * own, requests put to it without sockets, and ways to look at the answers.
 */
#ifndef RANKD_API_FIXTURE_H
#define RANKD_API_FIXTURE_H

#include "service.h"
#include "temp_folder.h"

#include <jansson.h>
#include <semaphore.h>

#define API_TEST(name)                                                                             \
    cmocka_unit_test_setup_teardown(name, api_fixture_setup, api_fixture_teardown)

#define API_FIXTURE_SLOTS 4 /* of the API: so many calls at once */

struct answer;

/* A job that keeps the writer busy. */
struct hold {
    struct writer_job job;
    sem_t held, let_go, over;
};

struct api_fixture {
    struct temp_folder folder;
    char path[TEMP_PATH_MAX]; /* of the database */
    struct service service;   /* without listeners */
    struct hold hold;
    const char *authorization; /* of the requests put from now on, or NULL; borrowed */
    struct answer *answers;    /* freed with the fixture */
};

/* One answer; all of them live as long as the fixture. */
struct answer {
    int status;
    char *text; /* the body */
    size_t text_n;
    json_t *json; /* NULL if the body is not JSON */
    char type[64];
    char allow[64];
    char location[192];
    int retry_after_s;
    struct answer *next;
};

/* For cmocka. json_start is called once before, by api_fixture_group. */
int api_fixture_group(void **state);
int api_fixture_setup(void **state);
int api_fixture_teardown(void **state);

/* Ends writer, trainer and API; starts them again on the same file. */
void api_fixture_stop(struct api_fixture *fixture);
void api_fixture_start(struct api_fixture *fixture);

/*
 * Adds a token, which is filled in but for kid and hash (out), and has the API read it.
 * @return its Authorization header: free it.
 */
char *api_fixture_token(struct api_fixture *fixture, struct token *token);

/* Frees the answers so far. */
void api_fixture_forget(struct api_fixture *fixture);

/* Hands a request to the API and waits until its answer is in it. Allocates nothing. */
void api_fixture_handle(struct api_fixture *fixture, struct api_call *call);

/* Puts a request and waits for its answer. path may have a query; content_type and body may be
 * NULL. */
struct answer *ask(struct api_fixture *fixture, const char *method, const char *path,
                   const char *content_type, const char *body);
struct answer *ask_bytes(struct api_fixture *fixture, const char *method, const char *path,
                         const char *content_type, const char *body, size_t n);
struct answer *get(struct api_fixture *fixture, const char *path);
struct answer *post(struct api_fixture *fixture, const char *path, const char *json);
struct answer *put(struct api_fixture *fixture, const char *path, const char *json);
struct answer *post_lines(struct api_fixture *fixture, const char *path, const char *lines);

/* post and put of printf's text. */
struct answer *postf(struct api_fixture *fixture, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Asserts on an answer; the body is shown when they fail. */
void assert_answered(const struct answer *answer, int status);
void assert_problem(const struct answer *answer, int status, const char *slug);
void assert_problem_at(const struct answer *answer, int status, const char *slug,
                       const char *pointer);
/* The members of the object at a pointer are these, in this order: "id rank score". */
void assert_members(const struct answer *answer, const char *pointer, const char *names);

/* The value at a JSON pointer of the body; fails the test if there is none, or of another kind. */
json_t *value_at(const struct answer *answer, const char *pointer);
const char *text_at(const struct answer *answer, const char *pointer);
double number_at(const struct answer *answer, const char *pointer);
int64_t integer_at(const struct answer *answer, const char *pointer);
bool flag_at(const struct answer *answer, const char *pointer);
size_t count_at(const struct answer *answer, const char *pointer);
bool is_at(const struct answer *answer, const char *pointer);

/* The ids of "items" in order, joined with spaces. */
const char *ids_of(const struct answer *answer, char *text, size_t size);

/* The end of the log, once what was queued is in it. */
int64_t log_end(struct api_fixture *fixture);

/* Has a model learn from all there is; asserts that it did. @return the version then. */
int64_t train(struct api_fixture *fixture, const char *model);

/* Holds the writer inside a transaction of its own until it is let go: what is queued stays so. */
void hold_writer(struct api_fixture *fixture);
void let_writer_go(struct api_fixture *fixture);

/* Scores items a, b and c as ranking r and clicks c; `train` then gives version 1. */
void score_and_click(struct api_fixture *fixture, const char *ranking);

#endif
