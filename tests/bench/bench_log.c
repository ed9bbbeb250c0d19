/*
 * Learning from the log: steps of 64 lists, each a ranking of a user and 10 ids with one click, read
 * from the database, judged and learned from, but not recorded: what the trainer's thread computes.
 * K = 16, AdaGrad, pairwise logistic loss, one update a list. Beside the updates alone, of the same
 * lists. In a temporary folder (TMPDIR).
 */
#include "bench.h"
#include "folder.h"
#include "log.h"
#include "trainee.h"
#include "zipf.h"

#include <string.h>

#define SEED     20261124
#define LISTS    4096
#define ITEMS    10
#define ITEM_IDS (UINT32_C(1) << 16)
#define USER_IDS (UINT32_C(1) << 14)
#define ID       16
#define TEXT     512

struct learning {
    char folder[FOLDER_PATH];
    struct store *writing, *reader;
    struct model_config config;
    int64_t model, log_end;
    struct served *served;
    struct trainee *trainee;
    struct cut cut; /* all lists */
    struct rk_learner *learner;
    struct live live;
};

/* ---- rounds ---- */

static void open_trainee(struct learning *l)
{
    bench_need(served_create("m", &l->config, 0, 1, &l->served, NULL) == RK_OK, "no model");
    l->served->id = l->model;
    bench_need(trainee_create(l->served, 0, &l->trainee, NULL) == RK_OK, "no trainee");
}

static void close_trainee(struct learning *l)
{
    trainee_destroy(&l->trainee);
    served_destroy(&l->served);
}

static void take_steps(void *context, size_t round)
{
    struct learning *l = context;
    const struct trainee_tools tools = {.store = l->reader};
    bool more = true;

    (void)round;
    l->trainee->seq = l->trainee->due_seq = 0; /* the log again, on what it learned before */
    while (more) {
        bench_need(trainee_step(l->trainee, &tools, l->log_end, &more, NULL) == RK_OK,
                   "a step failed");
    }
}

static void take_updates(void *context, size_t round)
{
    struct learning *l = context;
    struct rk_learned learned = {0};

    (void)round;
    for (size_t i = 0; i < l->cut.n; i++) {
        const struct rk_group *list = l->cut.group[i];
        if (i % (size_t)l->config.training.batch_groups == 0) {
            rk_learner_begin(l->learner);
        }
        bench_need(rk_learner_update(l->learner, live_learning(&l->live), &list, 1, &learned,
                                     NULL) == RK_OK,
                   "an update failed");
    }
    bench_need(learned.updates == LISTS, "not every list was learned from");
}

/* ---- the log ---- */

static uint64_t item_hash(const char *id)
{
    return rk_feature_category(RK_ITEM, "id", 2, id, strlen(id), 1.0F).hash;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void put_list(struct learning *l, size_t number, struct rk_random *random)
{
    char request[TEXT], served[TEXT], ranking_id[ID], item[ITEMS][ID];
    uint64_t shown[ITEMS];
    struct store_ranking ranking = {.ranking_id = ranking_id,
                                    .model = l->model,
                                    .time_ms = 1,
                                    .request = request,
                                    .served = served,
                                    .shown = shown,
                                    .n_shown = ITEMS};
    struct store_event event = {.event_id = ranking_id,
                                .ranking_id = ranking_id,
                                .item_id = item[rk_random_below(random, ITEMS)],
                                .type = "click",
                                .value = 1,
                                .event_ms = INT64_MIN};
    enum store_event_status status;

    (void)snprintf(ranking_id, sizeof ranking_id, "r%zu", number);
    ranking.request_n =
        (size_t)snprintf(request, sizeof request, "{\"user\":{\"id\":\"u%u\"},\"items\":[",
                         rk_random_below(random, USER_IDS));
    ranking.served_n = (size_t)snprintf(served, sizeof served, "[");
    for (uint32_t i = 0; i < ITEMS; i++) { /* ids of a list differ */
        const uint32_t id = zipf_row(random, ITEM_IDS) / ITEMS * ITEMS + i;
        (void)snprintf(item[i], sizeof item[i], "i%u", id);
        shown[i] = item_hash(item[i]);
        ranking.request_n +=
            (size_t)snprintf(request + ranking.request_n, sizeof request - ranking.request_n,
                             "%s\"%s\"", i > 0 ? "," : "", item[i]);
        ranking.served_n +=
            (size_t)snprintf(served + ranking.served_n, sizeof served - ranking.served_n,
                             "%s{\"id\":\"%s\",\"score\":0}", i > 0 ? "," : "", item[i]);
    }
    ranking.request_n +=
        (size_t)snprintf(request + ranking.request_n, sizeof request - ranking.request_n, "]}");
    ranking.served_n +=
        (size_t)snprintf(served + ranking.served_n, sizeof served - ranking.served_n, "]");
    qsort(shown, ITEMS, sizeof *shown, ascending);
    event.item_hash = item_hash(event.item_id);
    bench_need(store_put_ranking(l->writing, &ranking, NULL) == RK_OK &&
                   store_put_event(l->writing, &event, 1, 1000, &status, NULL) == RK_OK &&
                   status == STORE_EVENT_ACCEPTED,
               "a list cannot be stored");
}

static void write_log(struct learning *l)
{
    struct rk_random random = {SEED};
    struct store_model row = {.name = "m"};
    struct emit text = {0};

    model_config_write(&l->config, &text);
    row.config = text.text;
    bench_need(store_begin(l->writing, NULL) == RK_OK &&
                   store_put_model(l->writing, &row, NULL) == RK_OK,
               "the model cannot be stored");
    emit_deinit(&text);
    l->model = row.id;
    for (size_t i = 0; i < LISTS; i++) {
        put_list(l, i, &random);
    }
    bench_need(store_commit(l->writing, NULL) == RK_OK, "the log cannot be stored");
}

/* ---- set-up ---- */

static void open_learning(struct learning *l)
{
    char path[FOLDER_PATH + 16];

    folder_make(l->folder);
    (void)snprintf(path, sizeof path, "%s/rankd.db", l->folder);
    model_config_default(&l->config);
    bench_need(store_open(path, &l->writing, NULL) == RK_OK, "no database");
    write_log(l);
    bench_need(store_open_reader(path, &l->reader, NULL) == RK_OK &&
                   store_log_end(l->reader, &l->log_end, NULL) == RK_OK,
               "the database cannot be read");
    open_trainee(l);
    const struct cut_range all = {.to_seq = l->log_end};
    const struct cut_terms terms = trainee_terms(l->trainee);
    bench_need(cut_groups(l->reader, &terms, &all, &l->cut, NULL) == RK_OK && l->cut.n == LISTS,
               "lists are missing");
    bench_need(live_init(&l->live, l->served->model, 1, NULL) == RK_OK, "no parameters");
    live_start(&l->live);
    bench_need(rk_learner_create(l->served->model, live_learning(&l->live), &l->learner, NULL) ==
                   RK_OK,
               "no learner");
}

static void close_learning(struct learning *l)
{
    rk_learner_destroy(&l->learner);
    live_deinit(&l->live);
    cut_deinit(&l->cut);
    close_trainee(l);
    store_close(&l->reader);
    store_close(&l->writing);
    folder_remove(l->folder);
}

int main(void)
{
    static struct learning l;
    const struct bench_row row = {.name = "steps read from the log / updates alone",
                                  .clock = CLOCK_PROCESS_CPUTIME_ID,
                                  .figure = BENCH_PER_SECOND,
                                  .work = take_steps,
                                  .floor = take_updates,
                                  .n_work = LISTS,
                                  .n_floor = LISTS};

    log_start(LOG_LEVEL_ERROR, false);
    open_learning(&l);
    bench_title("learning from the log, lists of a user and 10 ids per second of CPU");
    bench_run(&row, &l);
    close_learning(&l);
    return 0;
}
