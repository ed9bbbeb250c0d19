/*
 * Learning end to end: scores and clicks over HTTP, and the served order gets better. On a planted
 * stream, and on the real one where its script is there.
 */
#include "clock.h"
#include "http_client.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <jansson.h>
#include <unistd.h>

#define LISTS       1500
#define ITEMS       10
#define USERS       40
#define CATALOGUE   60
#define TASTES      4
#define SEED        UINT64_C(20261124)
#define NOISE       5 /* one click in so many is on any item */
#define FLOOR       0.80
#define FROZEN_MAX  0.60
#define MOVIE_LISTS 2000
#define MOVIE_LAST  400
#define MOVIE_FLOOR 0.70
#define MOVIE_TOOL  "../shared/tools/movie_lists.py"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- one list ---- */

/* The part of the items that stand below the clicked one: the AUC of a list with one click. */
static double auc_of(const json_t *answer, const char *clicked)
{
    const json_t *items = json_object_get(answer, "items");
    const size_t n = json_array_size(items);

    for (size_t rank = 0; rank < n; rank++) {
        const json_t *id = json_object_get(json_array_get(items, rank), "id");
        if (strcmp(json_string_value(id), clicked) == 0) {
            return (double)(n - 1 - rank) / (double)(n - 1);
        }
    }
    fail_msg("the clicked item was not served");
    return 0;
}

static void click(struct http_client *client, const char *ranking, const char *item)
{
    struct http_response response;
    char body[256];

    (void)snprintf(body, sizeof body,
                   "{\"ranking_id\": \"%s\", \"item_id\": \"%s\", \"type\": \"click\"}", ranking,
                   item);
    response = http_client_post(client, "/v1/feedback", body);
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "\"accepted\":1"));
    http_response_deinit(&response);
}

/* Scores a list and, if it is logged, clicks. @return the AUC of the served order. */
static double serve_list(struct http_client *client, const char *user, const json_t *items,
                         const char *clicked, bool logged)
{
    json_t *request =
        json_pack("{s:{s:s},s:O,s:b}", "user", "id", user, "items", items, "log", (int)logged);
    char *body = json_dumps(request, JSON_COMPACT);
    struct http_response response = http_client_post(client, "/v1/score", body);
    json_t *answer = json_loads(response.body, 0, NULL);
    double auc;

    assert_int_equal(response.status, 200);
    auc = auc_of(answer, clicked);
    if (logged) {
        click(client, json_string_value(json_object_get(answer, "ranking_id")), clicked);
    }
    json_decref(answer);
    http_response_deinit(&response);
    json_decref(request);
    free(body);
    return auc;
}

/* ---- the planted stream ---- */

/*
 * A list of a user whose taste is user % TASTES: one item of that kind among nine others, and it is
 * clicked, or now and then any.
 */
static json_t *plant_list(uint64_t *random, char *user, char *clicked, size_t size)
{
    json_t *items = json_array();
    const unsigned who = (unsigned)(next_random(random) % USERS);
    const size_t place = next_random(random) % ITEMS;
    bool taken[CATALOGUE] = {false};

    (void)snprintf(user, size, "u%u", who);
    while (json_array_size(items) < ITEMS) {
        const unsigned item = (unsigned)(next_random(random) % CATALOGUE);
        const bool liked = item % TASTES == who % TASTES;
        char id[16];
        if (taken[item] || liked != (json_array_size(items) == place)) {
            continue;
        }
        taken[item] = true;
        (void)snprintf(id, sizeof id, "i%u", item);
        (void)json_array_append_new(items, json_string(id));
        if (liked) {
            (void)snprintf(clicked, size, "%s", id);
        }
    }
    if (next_random(random) % NOISE == 0) {
        const json_t *any = json_array_get(items, next_random(random) % ITEMS);
        (void)snprintf(clicked, size, "%s", json_string_value(any));
    }
    return items;
}

/* The mean AUC over the last fifth of the planted stream. */
static double run_planted(struct http_client *client, bool logged)
{
    uint64_t random = SEED;
    double sum = 0;

    for (int i = 0; i < LISTS; i++) {
        char user[16], clicked[16] = "";
        json_t *items = plant_list(&random, user, clicked, sizeof user);
        const double auc = serve_list(client, user, items, clicked, logged);
        sum += i >= LISTS - LISTS / 5 ? auc : 0;
        json_decref(items);
    }
    return sum / (LISTS / 5);
}

static void tastes_that_are_planted_are_learned_while_serving(void **state)
{
    struct temp_folder folder;
    struct server_process server;
    struct http_client client;
    char db[TEMP_PATH_MAX];
    double frozen, learned;

    (void)state;
    temp_folder_make(&folder);
    temp_folder_path(&folder, "rankd.db", db);
    server_start(&server, db, NULL);
    http_client_init(&client, server.port);
    frozen = run_planted(&client, false);
    learned = run_planted(&client, true);
    print_message("planted (seed %llu): AUC %.3f frozen, %.3f learned\n", (unsigned long long)SEED,
                  frozen, learned);
    http_client_deinit(&client);
    server_stop(&server);
    temp_folder_remove(&folder);
    assert_true(frozen < FROZEN_MAX);
    assert_true(learned > FLOOR);
}

/* ---- the real stream ---- */

/* Waits until all of the log is learned from or held back, so that the run is repeatable. */
static void await_learned(struct http_client *client)
{
    const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(60000000000);
    bool served = false;

    while (!served) {
        struct http_response response =
            http_client_ask(client, "GET", "/v1/models/default/training", NULL, NULL);
        served = response.status == 200 && strstr(response.body, "\"lag\":0,") != NULL;
        http_response_deinit(&response);
        assert_true(clock_monotonic_ns() < deadline_ns);
    }
}

/* The mean AUC over the last MOVIE_LAST lists; -1: the script gave too few. */
static double run_movies(struct http_client *client, FILE *lists)
{
    double sum = 0;
    char line[1024];
    int n = 0;

    for (; fgets(line, sizeof line, lists) != NULL; n++) {
        json_t *list = json_loads(line, 0, NULL);
        assert_non_null(list);
        const double auc = serve_list(client, json_string_value(json_object_get(list, "user")),
                                      json_object_get(list, "items"),
                                      json_string_value(json_object_get(list, "clicked")), true);
        sum += n >= MOVIE_LISTS - MOVIE_LAST ? auc : 0;
        await_learned(client);
        json_decref(list);
    }
    return n == MOVIE_LISTS ? sum / MOVIE_LAST : -1;
}

static FILE *open_movies(void)
{
    char command[128];

    if (access(MOVIE_TOOL, R_OK) != 0 || system("python3 -c '' 2>/dev/null") != 0) {
        return NULL;
    }
    (void)snprintf(command, sizeof command, "python3 %s --limit %d", MOVIE_TOOL, MOVIE_LISTS);
    return popen(command, "re");
}

static void the_movie_stream_is_learned_while_serving(void **state)
{
    struct temp_folder folder;
    struct server_process server;
    struct http_client client;
    char db[TEMP_PATH_MAX];
    double auc;
    FILE *lists = open_movies();

    (void)state;
    if (lists == NULL) {
        print_message("SKIP: needs python3 and %s\n", MOVIE_TOOL);
        skip();
    }
    temp_folder_make(&folder);
    temp_folder_path(&folder, "rankd.db", db);
    server_start(&server, db, NULL);
    http_client_init(&client, server.port);
    auc = run_movies(&client, lists);
    (void)pclose(lists);
    print_message("movies: AUC %.3f over the last %d of %d lists\n", auc, MOVIE_LAST, MOVIE_LISTS);
    http_client_deinit(&client);
    server_stop(&server);
    temp_folder_remove(&folder);
    assert_true(auc >= MOVIE_FLOOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tastes_that_are_planted_are_learned_while_serving),
        cmocka_unit_test(the_movie_stream_is_learned_while_serving),
    };
    return cmocka_run_group_tests_name("serve_learning", tests, NULL, NULL);
}
