/*
 * rankd train on a file in libffm's form: reading it, then one pass of learning over its lists, each
 * measured before it is learned from, pointwise and pairwise. K = 16, AdaGrad, one update a list; 2^18
 * rows. In a temporary folder (TMPDIR). With two arguments, a number of lists and a path, it writes such
 * data and ends.
 */
#include "bench.h"
#include "datafile.h"
#include "folder.h"
#include "live.h"
#include "planted.h"

#include <rankd/eval.h>
#include <rankd/learner.h>
#include <string.h>

#define SEED       20261124
#define K          16
#define LISTS      25000 /* 500,000 examples */
#define QUICK      2500
#define RATE       0.05
#define ROWS_MAX   4096 /* of a list */
#define LOOK_AHEAD 32
#define BUFFER     ((size_t)64 << 10)

struct training {
    char folder[FOLDER_PATH], path[FOLDER_PATH + 16];
    size_t lists;
    double examples;
    struct rk_model *model;
    struct rk_model_config config;
    struct datafile data;
    float *theta; /* the live model's learning copy */
    struct rk_learner *learner;
    struct live live;
    void *work;      /* of metrics */
    float *gathered; /* of one list's rows, parameters and slots */
    char *buffer;
};

/* ---- reading ---- */

static void read_data(void *context, size_t round)
{
    struct training *t = context;
    const struct datafile_options options = {.path = t->path, .config = &t->config};
    struct datafile_place place;

    (void)round;
    datafile_close(&t->data);
    bench_need(datafile_read(&options, &t->data, &place, NULL) == RK_OK, "the data is refused");
    bench_need(t->data.n == t->lists && t->data.items == t->lists * PLANTED_ITEMS,
               "lists are missing");
}

/* The bytes, each looked at once for the ends of lines. */
static void count_lines(void *context, size_t round)
{
    struct training *t = context;
    FILE *file = fopen(t->path, "re");
    size_t n, lines = 0;

    (void)round;
    bench_need(file != NULL, "the data cannot be opened");
    while ((n = fread(t->buffer, 1, BUFFER, file)) > 0) {
        const char *at = t->buffer, *end = t->buffer + n;
        while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
            lines++;
            at++;
        }
    }
    bench_need(fclose(file) == 0 && lines == t->lists * PLANTED_ITEMS, "lines are missing");
}

/* ---- learning ---- */

static void learn(void *context, size_t round)
{
    struct training *t = context;
    struct rk_learned learned = {0};
    struct rk_eval_sum before = {0};

    (void)round;
    for (size_t i = 0; i < t->data.n; i++) {
        const struct rk_group *list = t->data.group[i];
        rk_learner_begin(t->learner);
        bench_need(rk_learner_update(t->learner, t->theta, &list, 1, &learned, NULL) == RK_OK,
                   "an update failed");
        rk_eval_add(&before, rk_learner_heads(t->learner), list->label, list->n_items, t->work);
    }
    bench_need(learned.lists > t->lists / 2, "hardly anything was learned");
}

/* Asks for the rows of the list after the next few entries, as learning can. */
static void look_ahead(const struct training *t, const float *slot, const struct rk_group *list,
                       uint32_t entry, size_t offset)
{
    if (entry + LOOK_AHEAD < list->offset[list->n_items + 1]) {
        const size_t at = offset + (size_t)list->index[entry + LOOK_AHEAD] * K;
        __builtin_prefetch(t->theta + at, 1);
        __builtin_prefetch(slot + at, 1);
    }
}

/* Every row of a list and its optimizer slot, read and written back once. */
static void touch(void *context, size_t round)
{
    struct training *t = context;
    size_t n, n_slots;
    const size_t offset = rk_model_tensors(t->model, &n)[2].offset;
    float *const slot = rk_learner_slots(t->learner, &n_slots)[0];

    (void)round;
    for (size_t i = 0; i < t->data.n; i++) {
        const struct rk_group *list = t->data.group[i];
        const uint32_t n_entries = list->offset[list->n_items + 1];
        float *kept = t->gathered;
        for (uint32_t e = 0; e < n_entries && e < ROWS_MAX; e++, kept += 2 * K) {
            const size_t at = offset + (size_t)list->index[e] * K;
            look_ahead(t, slot, list, e, offset);
            memcpy(kept, t->theta + at, K * sizeof *kept);
            memcpy(kept + K, slot + at, K * sizeof *kept);
        }
        __asm__ volatile("" ::: "memory"); /* whatever would be done to them */
        kept = t->gathered;
        for (uint32_t e = 0; e < n_entries && e < ROWS_MAX; e++, kept += 2 * K) {
            const size_t at = offset + (size_t)list->index[e] * K;
            memcpy(t->theta + at, kept, K * sizeof *kept);
            memcpy(slot + at, kept + K, K * sizeof *kept);
        }
    }
}

/* ---- set-up ---- */

/* Writes data for others to read. */
static void write_data(size_t lists, const char *path)
{
    struct planted planted;

    planted_open(&planted, SEED);
    planted_write(&planted, lists, path);
    planted_close(&planted);
}

static void open_data(struct training *t)
{
    t->lists = bench_rounds() < BENCH_ROUNDS ? QUICK : LISTS;
    t->examples = (double)(t->lists * PLANTED_ITEMS);
    folder_make(t->folder);
    (void)snprintf(t->path, sizeof t->path, "%s/data.ffm", t->folder);
    write_data(t->lists, t->path);
    t->buffer = bench_alloc(BUFFER);
    bench_need(rk_model_default("fm", &t->config, NULL) == RK_OK, "there is no fm");
    t->config.dim = K;
    t->config.optim.learning_rate = RATE;
}

static void close_data(struct training *t)
{
    datafile_close(&t->data);
    free(t->buffer);
    folder_remove(t->folder);
}

static void open_model(struct training *t, const char *loss)
{
    bench_need(rk_loss_default(loss, &t->config.loss, NULL) == RK_OK, "there is no such loss");
    bench_need(rk_model_create(&t->config, 0, &t->model, NULL) == RK_OK, "no model");
    bench_need(live_init(&t->live, t->model, 1, NULL) == RK_OK, "no parameters");
    live_start(&t->live);
    t->theta = live_learning(&t->live);
    bench_need(rk_learner_create(t->model, t->theta, &t->learner, NULL) == RK_OK, "no learner");
    t->work = bench_alloc(rk_eval_work(PLANTED_ITEMS));
    t->gathered = bench_alloc((size_t)ROWS_MAX * 2 * K * sizeof *t->gathered);
}

static void close_model(struct training *t)
{
    rk_learner_destroy(&t->learner);
    live_deinit(&t->live);
    rk_model_destroy(&t->model);
    free(t->work);
    free(t->gathered);
}

static void run_loss(struct training *t, const char *loss, const char *name)
{
    const struct bench_row row = {.name = name,
                                  .clock = CLOCK_PROCESS_CPUTIME_ID,
                                  .figure = BENCH_PER_SECOND,
                                  .work = learn,
                                  .floor = touch,
                                  .n_work = t->examples,
                                  .n_floor = t->examples};

    open_model(t, loss);
    bench_run(&row, t);
    close_model(t);
}

int main(int argc, char **argv)
{
    static struct training t;
    struct bench_row reading = {.name = "rankd train's reader / fread and memchr",
                                .clock = CLOCK_PROCESS_CPUTIME_ID,
                                .figure = BENCH_PER_SECOND,
                                .work = read_data,
                                .floor = count_lines};

    if (argc == 3) {
        write_data((size_t)atol(argv[1]), argv[2]);
        return 0;
    }
    bench_title("training on a file, examples per second of CPU: lists of 20 x 20 fields, K = 16");
    open_data(&t);
    reading.n_work = reading.n_floor = t.examples;
    bench_run(&reading, &t);
    run_loss(&t, "bce_with_logits", "pointwise pass / rows and slots read and written back");
    run_loss(&t, "pairwise_logistic", "pairwise pass / rows and slots read and written back");
    close_data(&t);
    return 0;
}
