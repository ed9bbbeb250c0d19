/*
 * Scoring: lists of 16 features of user and context and 8 of each item, K = 16, beside a plain loop
 * that takes all 24 features of every item from scratch, in float.
 */
#include "bench.h"
#include "large_block.h"
#include "live.h"
#include "zipf.h"

#include <math.h>
#include <rankd/group.h>
#include <rankd/known.h>
#include <rankd/model.h>
#include <string.h>

#define SEED         20261124
#define K            16
#define N_SHARED     16
#define N_OWN        8
#define N_ALL        (N_SHARED + N_OWN)
#define KNOWN        ((size_t)1 << 20) /* items of a catalogue, of which lists have some */
#define GATHER_AHEAD 24
#define ITEMS        50000 /* in all lists of a round: far more rows than a cache holds */

struct scoring {
    struct rk_model *model;
    const float *w0, *w, *v; /* in theta */
    const float *theta;
    struct rk_group **once;  /* (n_lists) user and context in row 0 */
    struct rk_group **every; /* (n_lists) the same features in every item's row */
    struct rk_group **bare;  /* (n_lists) items' rows are empty: what is in them is known */
    double *sums;            /* (KNOWN, rk_model_item_sums) */
    const double **known;    /* (ITEMS) of each item in turn, all over the sums */
    double **note;           /* (ITEMS) the same places */
    size_t n_lists, n_items; /* items of each list */
    void *work;
    double *score;   /* (n_items) */
    uint32_t *index; /* (ITEMS, N_ALL), for the plain loop, with value */
    float *value;
    float *plain; /* (ITEMS) */
    double sum;   /* so that no work is left out */
};

/* ---- what is measured ---- */

static void forward(struct scoring *s, struct rk_group *const *groups)
{
    for (size_t l = 0; l < s->n_lists; l++) {
        bench_need(rk_model_forward(s->model, s->theta, groups[l], s->work, s->score, NULL) ==
                       RK_OK,
                   "a score is not finite");
        s->sum += s->score[0] + s->score[s->n_items - 1];
    }
}

static void forward_once(void *context, size_t round)
{
    (void)round;
    forward(context, ((struct scoring *)context)->once);
}

static void forward_known(void *context, size_t round)
{
    struct scoring *s = context;

    (void)round;
    for (size_t l = 0; l < s->n_lists; l++) {
        const struct rk_known_items known = {s->known + l * s->n_items, NULL};
        bench_need(rk_model_forward_known(s->model, s->theta, s->bare[l], &known, s->work, s->score,
                                          NULL) == RK_OK,
                   "a score is not finite");
        s->sum += s->score[0] + s->score[s->n_items - 1];
    }
}

/* Rendle's lemma 3.1 as anyone would write it. */
static float plain_score(const struct scoring *s, const uint32_t *index, const float *value)
{
    float sum[K] = {0}, square[K] = {0};
    float y = s->w0[0];

    for (size_t j = 0; j < N_ALL; j++) {
        const float *v_j = s->v + (size_t)index[j] * K;
        y += s->w[index[j]] * value[j];
        for (size_t f = 0; f < K; f++) {
            const float term = v_j[f] * value[j];
            sum[f] += term;
            square[f] += term * term;
        }
    }
    for (size_t f = 0; f < K; f++) {
        y += 0.5F * (sum[f] * sum[f] - square[f]);
    }
    return y;
}

static void plain(void *context, size_t round)
{
    struct scoring *s = context;

    (void)round;
    for (size_t i = 0; i < s->n_lists * s->n_items; i++) {
        s->plain[i] = plain_score(s, s->index + i * N_ALL, s->value + i * N_ALL);
    }
    s->sum += (double)s->plain[0];
}

/* The same rows, asked for ahead, copied together, and nothing done with them. */
static void gather(void *context, size_t round)
{
    struct scoring *s = context;
    float row[N_ALL][K + 1];

    (void)round;
    for (size_t l = 0; l < s->n_lists; l++) {
        const struct rk_group *group = s->once[l];
        const uint32_t end = group->offset[group->n_items + 1];
        for (uint32_t e = 0; e < end; e++) {
            const size_t j = group->index[e];
            if (e + GATHER_AHEAD < end) {
                __builtin_prefetch(s->w + group->index[e + GATHER_AHEAD]);
                __builtin_prefetch(s->v + (size_t)group->index[e + GATHER_AHEAD] * K);
            }
            memcpy(row[e % N_ALL], s->v + j * K, K * sizeof(float));
            row[e % N_ALL][K] = s->w[j];
        }
        s->sum += (double)row[l % N_ALL][l % K];
    }
}

/* ---- lists ---- */

static uint32_t draw_row(struct rk_random *random, uint32_t n, bool zipf)
{
    return zipf ? zipf_row(random, n) : rk_random_below(random, n);
}

/* n features that differ from each other and from those before them in the row. */
static void draw(struct rk_random *random, uint32_t rows, bool zipf, uint32_t *index, float *value,
                 size_t from, size_t to)
{
    for (size_t j = from; j < to; j++) {
        bool again = true;
        while (again) {
            index[j] = draw_row(random, rows, zipf);
            again = false;
            for (size_t i = 0; i < j; i++) {
                again = again || index[i] == index[j];
            }
        }
        value[j] = (float)(rk_random_uniform(random) - 0.5);
    }
}

static void add(struct rk_group_builder *builder, const uint32_t *index, const float *value,
                size_t from, size_t to)
{
    for (size_t j = from; j < to; j++) {
        const struct rk_feature feature = rk_feature_column(index[j], value[j]);
        bench_need(rk_group_add(builder, &feature, NULL) == RK_OK, "a feature was refused");
    }
}

/* One list of which the first n_shared features of the items are row 0's. */
static struct rk_group *build(const struct scoring *s, struct rk_group_builder *builder,
                              size_t list, size_t n_shared)
{
    const uint32_t *index = s->index + list * s->n_items * N_ALL;
    const float *value = s->value + list * s->n_items * N_ALL;
    struct rk_group group, *copy = NULL;
    bool built = rk_group_begin(builder, &rk_model_config(s->model)->features, 0, NULL) == RK_OK;

    add(builder, index, value, 0, n_shared);
    for (size_t i = 0; i < s->n_items && built; i++) {
        built = rk_group_begin_item(builder, 0, NULL) == RK_OK;
        add(builder, index + i * N_ALL, value + i * N_ALL, n_shared, N_ALL);
    }
    bench_need(built && rk_group_end(builder, false, &group, NULL) == RK_OK &&
                   rk_group_copy(&group, &copy, NULL) == RK_OK,
               "a list cannot be built");
    return copy;
}

/* A list's row 0, and as many items with nothing in their rows. */
static struct rk_group *build_bare(const struct scoring *s, struct rk_group_builder *builder,
                                   const struct rk_group *once)
{
    struct rk_group group, *copy = NULL;
    bool built = rk_group_begin(builder, &rk_model_config(s->model)->features, 0, NULL) == RK_OK;

    add(builder, once->index, once->value, 0, once->offset[1]);
    for (size_t i = 0; i < once->n_items && built; i++) {
        built = rk_group_begin_item(builder, 0, NULL) == RK_OK;
    }
    bench_need(built && rk_group_end(builder, false, &group, NULL) == RK_OK &&
                   rk_group_copy(&group, &copy, NULL) == RK_OK,
               "a list cannot be built");
    return copy;
}

/* Sums of all items, scattered as those of a large catalogue are. */
static void make_known(struct scoring *s)
{
    struct rk_random random = {SEED};
    const size_t n_sums = rk_model_item_sums(s->model);
    bool *taken = calloc(KNOWN, sizeof *taken);

    bench_need(taken != NULL, "out of memory");
    memset(s->sums, 0, KNOWN * n_sums * sizeof *s->sums); /* no page is fetched later */
    for (size_t i = 0; i < ITEMS; i++) {
        uint32_t place = rk_random_below(&random, KNOWN);
        while (taken[place]) {
            place = rk_random_below(&random, KNOWN);
        }
        taken[place] = true;
        s->note[i] = s->sums + place * n_sums;
        s->known[i] = NULL;
    }
    for (size_t l = 0; l < s->n_lists; l++) {
        const struct rk_known_items items = {s->known + l * s->n_items, s->note + l * s->n_items};
        bench_need(rk_model_forward_known(s->model, s->theta, s->once[l], &items, s->work, s->score,
                                          NULL) == RK_OK,
                   "a score is not finite");
    }
    for (size_t i = 0; i < ITEMS; i++) {
        s->known[i] = s->note[i];
    }
    free(taken);
}

/* The same features in three shapes: shared ones once, in every item, and flat. */
static void make_lists(struct scoring *s, uint32_t rows, bool zipf)
{
    struct rk_random random = {SEED};
    struct rk_group_builder builder;

    rk_group_builder_init(&builder);
    for (size_t l = 0; l < s->n_lists; l++) {
        uint32_t *index = s->index + l * s->n_items * N_ALL;
        float *value = s->value + l * s->n_items * N_ALL;
        draw(&random, rows, zipf, index, value, 0, N_SHARED);
        for (size_t i = 0; i < s->n_items; i++) {
            for (size_t j = 0; j < N_SHARED; j++) {
                index[i * N_ALL + j] = index[j];
                value[i * N_ALL + j] = value[j];
            }
            draw(&random, rows, zipf, index + i * N_ALL, value + i * N_ALL, N_SHARED, N_ALL);
        }
        s->once[l] = build(s, &builder, l, N_SHARED);
        s->every[l] = build(s, &builder, l, 0);
        s->bare[l] = build_bare(s, &builder, s->once[l]);
    }
    rk_group_builder_deinit(&builder);
}

/* ---- one table and length of list ---- */

static struct rk_model *make_model(uint32_t rows)
{
    struct rk_model_config config;
    struct rk_model *model = NULL;

    bench_need(rk_model_default("fm", &config, NULL) == RK_OK, "there is no fm");
    config.features = (struct rk_space){.kind = RK_INDEXED, .size = rows};
    config.standardize = config.use_ids = false;
    config.dim = K;
    bench_need(rk_model_create(&config, 0, &model, NULL) == RK_OK, "no model");
    return model;
}

static void open_scoring(struct scoring *s, struct rk_model *model, const float *theta,
                         size_t n_items)
{
    size_t n;
    const struct rk_tensor *tensor = rk_model_tensors(model, &n);

    bench_need(n == 3 && tensor[2].cols == K, "these are not the tensors of an fm");
    *s = (struct scoring){.model = model,
                          .theta = theta,
                          .w0 = theta + tensor[0].offset,
                          .w = theta + tensor[1].offset,
                          .v = theta + tensor[2].offset,
                          .n_items = n_items,
                          .n_lists = ITEMS / n_items};
    s->once = bench_alloc(s->n_lists * sizeof(struct rk_group *));
    s->every = bench_alloc(s->n_lists * sizeof(struct rk_group *));
    s->bare = bench_alloc(s->n_lists * sizeof(struct rk_group *));
    s->sums = large_block_alloc(KNOWN * rk_model_item_sums(model) * sizeof(double));
    bench_need(s->sums != NULL, "out of memory");
    s->known = bench_alloc(ITEMS * sizeof *s->known);
    s->note = bench_alloc(ITEMS * sizeof *s->note);
    s->index = bench_alloc((size_t)ITEMS * N_ALL * sizeof *s->index);
    s->value = bench_alloc((size_t)ITEMS * N_ALL * sizeof *s->value);
    s->plain = bench_alloc((size_t)ITEMS * sizeof *s->plain);
    s->score = bench_alloc(n_items * sizeof *s->score);
    s->work = bench_alloc(rk_model_work(model, n_items, n_items * N_ALL));
}

static void close_scoring(struct scoring *s)
{
    for (size_t l = 0; l < s->n_lists; l++) {
        rk_group_destroy(&s->once[l]);
        rk_group_destroy(&s->every[l]);
        rk_group_destroy(&s->bare[l]);
    }
    free(s->once);
    free(s->every);
    free(s->bare);
    free(s->sums);
    free(s->known);
    free(s->note);
    free(s->index);
    free(s->value);
    free(s->plain);
    free(s->score);
    free(s->work);
}

/* Known items give the same bits. */
static void check_known(struct scoring *s)
{
    double *raw = bench_alloc(s->n_items * sizeof *raw);

    for (size_t l = 0; l < s->n_lists; l++) {
        const struct rk_known_items known = {s->known + l * s->n_items, NULL};
        bench_need(rk_model_forward(s->model, s->theta, s->once[l], s->work, raw, NULL) == RK_OK &&
                       rk_model_forward_known(s->model, s->theta, s->bare[l], &known, s->work,
                                              s->score, NULL) == RK_OK &&
                       memcmp(raw, s->score, s->n_items * sizeof *raw) == 0,
                   "a known item scores other bits");
    }
    free(raw);
}

/* All three shapes give the same scores: else they would not be worth comparing. */
static void check(struct scoring *s)
{
    check_known(s);
    plain(s, 0);
    for (size_t l = 0; l < s->n_lists; l++) {
        forward(&(struct scoring){.model = s->model,
                                  .theta = s->theta,
                                  .n_lists = 1,
                                  .n_items = s->n_items,
                                  .work = s->work,
                                  .score = s->score},
                l % 2 == 0 ? s->once + l : s->every + l);
        for (size_t i = 0; i < s->n_items; i++) {
            bench_need(fabs(s->score[i] - (double)s->plain[l * s->n_items + i]) < 1e-4,
                       "the model and the plain loop disagree");
        }
    }
}

static void measure(struct rk_model *model, const float *theta, size_t n_items, bool zipf,
                    const char *const names[3])
{
    struct scoring s;
    struct bench_row row = {.name = names[0],
                            .clock = CLOCK_PROCESS_CPUTIME_ID,
                            .work = forward_once,
                            .floor = plain,
                            .n_work = ITEMS,
                            .n_floor = ITEMS};

    open_scoring(&s, model, theta, n_items);
    make_lists(&s, rk_space_rows(&rk_model_config(model)->features), zipf);
    make_known(&s);
    check(&s);
    bench_run(&row, &s);
    row.name = names[1];
    row.floor = gather;
    bench_run(&row, &s);
    row.name = names[2];
    row.work = forward_known;
    row.floor = plain;
    bench_run(&row, &s);
    close_scoring(&s);
}

/* Embeddings of any size will do: what they hold does not change how long it takes. */
static const float *fill(struct live *live)
{
    struct rk_random random = {SEED};
    float *theta = live_learning(live);

    for (size_t i = 0; i < rk_model_params(live->model); i++) {
        theta[i] = (float)(rk_random_uniform(&random) - 0.5) * 0.1F;
    }
    live_publish_all(live, 1);
    return live_served(live);
}

static void measure_table(uint32_t bits, bool zipf, const char *const names[2][3])
{
    struct rk_model *model = make_model(UINT32_C(1) << bits);
    struct live live;
    const float *theta;

    bench_need(live_init(&live, model, 1, NULL) == RK_OK, "no live model");
    live_start(&live);
    theta = fill(&live);
    measure(model, theta, 100, zipf, names[0]);
    measure(model, theta, 1000, zipf, names[1]);
    live_deinit(&live);
    rk_model_destroy(&model);
}

int main(void)
{
    static const char *const small[2][3] = {
        {"model / plain loop, 100 items, 2^18 rows zipf",
         "model / the same rows fetched, 100 items, 2^18 rows zipf",
         "known items / plain loop, 100 items, 2^18 rows zipf"},
        {"model / plain loop, 1000 items, 2^18 rows zipf",
         "model / the same rows fetched, 1000 items, 2^18 rows zipf",
         "known items / plain loop, 1000 items, 2^18 rows zipf"}};
    static const char *const large[2][3] = {
        {"model / plain loop, 100 items, 2^22 rows uniform",
         "model / the same rows fetched, 100 items, 2^22 rows uniform",
         "known items / plain loop, 100 items, 2^22 rows uniform"},
        {"model / plain loop, 1000 items, 2^22 rows uniform",
         "model / the same rows fetched, 1000 items, 2^22 rows uniform",
         "known items / plain loop, 1000 items, 2^22 rows uniform"}};

    bench_title("scoring, ns of CPU per item: 16 + 8 features, K = 16");
    measure_table(18, true, small);
    measure_table(22, false, large);
    return 0;
}
