/*
 * The clients, a thread each. They assert nothing: what is wrong is counted.
 */
#include "traffic.h"

#include "rel.h"
#include "test.h"

#define ITEMS     5
#define LATE_MAX  20 /* rankings back that a late click goes to */
#define TEXT_MAX  1024
#define GROUP_MAX 3

/* clang-format off */
static const char *const configs[TRAFFIC_MODELS] = {
    "{\"kind\": \"fm\", \"features\": {\"bits\": 8}, \"dim\": 4, \"training\": {\"batch_groups\": 8}}",
    "{\"kind\": \"ffm\", \"features\": {\"bits\": 8}, \"dim\": 2, \"max_fields\": 8, \"loss\": {\"name\":"
    " \"listwise_softmax\"}, \"optimizer\": {\"name\": \"ftrl\", \"learning_rate\": 0.1},"
    " \"training\": {\"batch_groups\": 7}}",
    "{\"kind\": \"deepfm\", \"features\": {\"bits\": 8}, \"dim\": 2, \"max_fields\": 8, \"hidden\": [4], \"loss\":"
    " {\"name\": \"lambdarank\"}, \"optimizer\": {\"name\": \"adam\", \"learning_rate\": 0.01},"
    " \"training\": {\"source\": \"all\", \"update_groups\": 3, \"batch_groups\": 5}}",
    "{\"kind\": \"joint\", \"features\": {\"bits\": 8}, \"users\": {\"bits\": 6}, \"items\": {\"bits\": 6},"
    " \"dim\": 2, \"hidden\": [4], \"optimizer\": {\"name\": \"adamw\", \"learning_rate\": 0.01},"
    " \"training\": {\"attribution_s\": 1, \"batch_groups\": 6}}",
    "{\"kind\": \"fm\", \"features\": {\"bits\": 8}, \"dim\": 2, \"loss\": {\"name\": \"distill_listwise\"},"
    " \"teacher\": \"m0\", \"optimizer\": {\"name\": \"sgd\", \"learning_rate\": 0.05, \"momentum\": 0.5}}"};
/* clang-format on */

/* ---- one request ---- */

/* An answer that may be missing but not wrong. @return it is there and has the text. */
static bool is_answer(struct traffic_client *client, const struct http_response *response,
                      const char *part)
{
    const char *body = response->body != NULL ? response->body : "";
    const bool right = response->status >= 200 && response->status < 300 &&
                       (part == NULL || strstr(body, part) != NULL);

    client->gone = response->status == 0 || strstr(body, "/problems/draining") != NULL;
    if (!right && !client->gone) {
        printf("unexpected answer %d: %.200s\n", response->status, body);
        atomic_fetch_add(&client->traffic->unexpected, 1);
    }
    return right;
}

static bool ask(struct traffic_client *client, const char *method, const char *path,
                const char *body, const char *part)
{
    struct http_response response =
        http_client_ask(&client->http, method, path,
                        body != NULL ? "Content-Type: application/json\r\n" : NULL, body);
    const bool right = is_answer(client, &response, part);

    http_response_deinit(&response);
    return right;
}

static bool goes_on(const struct traffic_client *client)
{
    return !client->gone && !atomic_load(&client->traffic->stop);
}

/* ---- clicks ---- */

static void score(struct traffic_client *client, int i)
{
    char text[TEXT_MAX];

    (void)snprintf(text, sizeof text,
                   "{\"model\": \"m%d\", \"ranking_id\": \"r%u-%d-%d\", \"user\": {\"id\": \"u%d\","
                   " \"features\": {\"age\": %d}}, \"items\": [\"i0\", \"i1\", \"i2\", \"i3\","
                   " {\"id\": \"i4\", \"features\": {\"price\": %d.5}}]}",
                   client->number, client->traffic->cycle, client->number, i, i % 7, i % 50,
                   i % 13);
    (void)ask(client, "POST", "/v1/score", text, "\"ranking_id\"");
}

/* A click on an item of ranking i. @param kind  makes its id another one. */
static void click(struct traffic_client *client, char kind, int at, int i, int item, bool twice)
{
    char text[TEXT_MAX], id[LEDGER_ID_MAX];

    (void)snprintf(id, sizeof id, "%c%u-%d-%d", kind, client->traffic->cycle, client->number, at);
    (void)snprintf(text, sizeof text,
                   "{\"event_id\": \"%s\", \"ranking_id\": \"r%u-%d-%d\", \"item_id\": \"i%d\","
                   " \"type\": \"click\"}",
                   id, client->traffic->cycle, client->number, i, item);
    if (ask(client, "POST", "/v1/feedback", text, "\"accepted\":1")) {
        ledger_add(client->traffic->ledger, LEDGER_EVENT, id, text);
    }
    if (twice && goes_on(client)) {
        (void)ask(client, "POST", "/v1/feedback", text, "\"status\":\"duplicate\"");
    }
}

/* Scores and clicks; now and then the same event twice, another item later, the same item again. */
static void *click_on(void *context)
{
    struct traffic_client *client = context;

    for (int i = 0; goes_on(client); i++) {
        score(client, i);
        if (goes_on(client)) {
            click(client, 'e', i, i, i % ITEMS, rel_below(&client->random, 4) == 0);
        }
        if (goes_on(client) && rel_below(&client->random, 4) == 0) {
            const int back = (int)rel_below(&client->random, LATE_MAX);
            const int late = i > back ? i - back : 0;
            click(client, 'l', i, late, (late + 1) % ITEMS, false);
        }
        if (goes_on(client) && rel_below(&client->random, 8) == 0) {
            click(client, 'a', i, i, i % ITEMS, false);
        }
    }
    return NULL;
}

/* ---- batches ---- */

static void *send_batches(void *context)
{
    struct traffic_client *client = context;

    for (int i = 0; goes_on(client); i++) {
        char text[TEXT_MAX], id[LEDGER_ID_MAX];
        const int groups = 1 + i % GROUP_MAX;
        int n;
        (void)snprintf(id, sizeof id, "b%u-%d", client->traffic->cycle, i);
        n = snprintf(text, sizeof text, "{\"model\": \"m%d\", \"batch_id\": \"%s\", \"groups\": [",
                     (int)rel_below(&client->random, TRAFFIC_MODELS), id);
        for (int g = 0; g < groups; g++) {
            n += snprintf(text + n, sizeof text - (size_t)n,
                          "%s{\"user\": {\"id\": \"u%d\"}, \"items\": [{\"id\": \"i%d\", \"label\":"
                          " 2}, {\"id\": \"i%d\", \"label\": 0}, {\"id\": \"i%d\", \"label\": 1}]}",
                          g > 0 ? ", " : "", (i + g) % 7, i % ITEMS, (i + 1) % ITEMS,
                          (i + 2) % ITEMS);
        }
        (void)snprintf(text + n, sizeof text - (size_t)n, "]}");
        if (ask(client, "POST", "/v1/batches", text, "\"accepted_groups\"")) {
            ledger_add(client->traffic->ledger, LEDGER_BATCH, id, text);
        }
        if (goes_on(client) && rel_below(&client->random, 4) == 0) {
            (void)ask(client, "POST", "/v1/batches", text, "\"duplicate\":true");
        }
    }
    return NULL;
}

/* ---- what an operator does ---- */

static void train(struct traffic_client *client, int model)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/v1/models/m%d/resume", model);
    (void)ask(client, "POST", path, "", NULL);
    (void)snprintf(path, sizeof path, "/v1/models/m%d/train?wait=1", model);
    if (goes_on(client)) {
        (void)ask(client, "POST", path, "", NULL);
    }
}

/* Serves the oldest of the newest few versions again. */
static void activate(struct traffic_client *client, int model)
{
    char path[64], body[64];
    const char *version = NULL;
    struct http_response response;

    (void)snprintf(path, sizeof path, "/v1/models/m%d/versions", model);
    response = http_client_ask(&client->http, "GET", path, NULL, NULL);
    if (is_answer(client, &response, "\"version\":")) {
        const size_t back = 1 + rel_below(&client->random, 4);
        version = response.body;
        for (size_t i = 0; i < back; i++) {
            const char *next = strstr(version + 1, "{\"version\":");
            version = next != NULL ? next : version;
        }
        version = strstr(version, "\"version\":") + strlen("\"version\":");
        (void)snprintf(body, sizeof body, "{\"version\": %ld}", strtol(version, NULL, 10));
    }
    http_response_deinit(&response);
    (void)snprintf(path, sizeof path, "/v1/models/m%d/activate", model);
    if (version != NULL && goes_on(client)) {
        (void)ask(client, "POST", path, body, NULL);
    }
}

/* Takes in what another model of its kind has learned. */
static void import(struct traffic_client *client, int model)
{
    char path[64], head[256];
    struct http_response file, response;
    int n;

    (void)snprintf(path, sizeof path, "/v1/models/m%d/versions/0", model);
    file = http_client_ask(&client->http, "GET", path, NULL, NULL);
    if (is_answer(client, &file, NULL) && goes_on(client) && http_client_connect(&client->http)) {
        n = snprintf(head, sizeof head,
                     "POST /v1/models/m%d/versions?activate=%d HTTP/1.1\r\nHost: rankd\r\n"
                     "Content-Type: application/vnd.safetensors\r\nContent-Length: %zu\r\n\r\n",
                     model, (int)rel_below(&client->random, 2), file.body_n);
        (void)http_client_send(&client->http, head, (size_t)n);
        (void)http_client_send(&client->http, file.body, file.body_n);
        response = http_client_receive(&client->http, true);
        (void)is_answer(client, &response, NULL);
        http_response_deinit(&response);
    }
    http_response_deinit(&file);
}

/* Labels stay as they are, and clicks are learned from at once: so each is in a step. */
static void configure(struct traffic_client *client, int model)
{
    const int rate = 1 + (int)rel_below(&client->random, 20);
    const int lists = 4 + (int)rel_below(&client->random, 8);
    const int window_s = model == 3 ? 1 + (int)rel_below(&client->random, 3) : 0;
    char path[64], body[160];

    (void)snprintf(path, sizeof path, "/v1/models/m%d", model);
    (void)snprintf(body, sizeof body,
                   "{\"learning_rate\": 0.0%02d, \"training\": {\"batch_groups\": %d, "
                   "\"attribution_s\": %d}}",
                   rate, lists, window_s);
    (void)ask(client, "PATCH", path, body, NULL);
}

static void come_and_go(struct traffic_client *client, int i)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/v1/models/t%u-%d", client->traffic->cycle, i);
    (void)ask(client, "PUT", path, configs[0], NULL);
    if (goes_on(client)) {
        (void)ask(client, "DELETE", path, NULL, NULL);
    }
}

static void change_item(struct traffic_client *client, int i)
{
    char path[64], body[64];

    (void)snprintf(path, sizeof path, "/v1/items/i%d", i % ITEMS);
    (void)snprintf(body, sizeof body, "{\"features\": {\"stock\": %d}}", i % 100);
    (void)ask(client, "PUT", path, body, NULL);
}

/* m3 goes back and is imported; the others are folds of the log from their untrained start. */
static void *operate(void *context)
{
    struct traffic_client *client = context;

    for (int i = 0; goes_on(client); i++) {
        const int model = (int)rel_below(&client->random, TRAFFIC_MODELS);
        char path[64];
        switch (rel_below(&client->random, 9)) {
        case 0:
            (void)snprintf(path, sizeof path, "/v1/models/m%d/pause", model);
            (void)ask(client, "POST", path, "", NULL);
            break;
        case 1:
            activate(client, 3);
            break;
        case 2:
            import(client, 3);
            break;
        case 3:
            come_and_go(client, i);
            break;
        case 4:
        case 5:
            change_item(client, i);
            break;
        case 6:
            configure(client, model);
            break;
        default:
            train(client, model);
        }
    }
    return NULL;
}

/* Sends again what was acknowledged before this start. */
static void *audit(void *context)
{
    struct traffic_client *client = context;
    struct ledger *ledger = client->traffic->ledger;
    const size_t upto = ledger_size(ledger);

    atomic_fetch_add(&client->traffic->lost, ledger_send_again(ledger, &client->http, upto));
    return NULL;
}

/* ---- all of them ---- */

void traffic_make_models(uint16_t port)
{
    struct http_client http;

    http_client_init(&http, port);
    for (int i = 0; i < TRAFFIC_MODELS; i++) {
        char path[32];
        struct http_response response;
        (void)snprintf(path, sizeof path, "/v1/models/m%d", i);
        response =
            http_client_ask(&http, "PUT", path, "Content-Type: application/json\r\n", configs[i]);
        if (response.status != 201) {
            fail_msg("%s: %d %s", path, response.status, response.body);
        }
        http_response_deinit(&response);
    }
    http_client_deinit(&http);
}

void traffic_start(struct traffic *traffic, uint16_t port, unsigned cycle, struct ledger *ledger,
                   uint64_t seed)
{
    *traffic = (struct traffic){.port = port, .cycle = cycle, .ledger = ledger};
    for (int i = 0; i < TRAFFIC_CLIENTS; i++) {
        struct traffic_client *client = &traffic->client[i];
        void *(*const other[])(void *) = {send_batches, operate, audit};
        *client = (struct traffic_client){
            .traffic = traffic, .number = i, .random = seed + 2 * (uint64_t)i};
        http_client_init(&client->http, port);
        assert_int_equal(
            pthread_create(&client->thread, NULL,
                           i < TRAFFIC_CLICKERS ? click_on : other[i - TRAFFIC_CLICKERS], client),
            0);
    }
}

void traffic_end(struct traffic *traffic)
{
    atomic_store(&traffic->stop, true);
    for (int i = 0; i < TRAFFIC_CLIENTS; i++) {
        assert_int_equal(pthread_join(traffic->client[i].thread, NULL), 0);
        http_client_deinit(&traffic->client[i].http);
    }
}
