/*
 * Learning: lists of a user and 10 items by their ids, one of them clicked; K = 16, AdaGrad,
 * pairwise logistic loss, one update a list. The floor reads and writes back the rows that an
 * update changes, with their optimizer slots, and does nothing to them.
 */
#include "bench.h"
#include "zipf.h"

#include <rankd/learner.h>
#include <string.h>

#define SEED        20261124
#define K           16
#define ITEMS       10
#define LISTS       5000
#define STEP        64 /* lists */
#define ITEM_IDS    (UINT32_C(1) << 16)
#define USER_IDS    (UINT32_C(1) << 14)
#define ROWS        (1 + 2 * ITEMS) /* of a list: embeddings of user and items, weights of items */
#define FLOATS_LIST ((ITEMS + 1) * K + ITEMS)

struct learning {
    struct rk_model *model;
    struct rk_learner *learner;
    float *theta;
    struct rk_group *list[LISTS];
    uint32_t *row;   /* (LISTS, ROWS) that an update of the list changes */
    float *gathered; /* (2, FLOATS_LIST) */
};

/* ---- what is measured ---- */

static void learn(void *context, size_t round)
{
    struct learning *l = context;
    struct rk_learned learned = {0};

    (void)round;
    for (size_t i = 0; i < LISTS; i++) {
        const struct rk_group *list = l->list[i];
        if (i % STEP == 0) {
            rk_learner_begin(l->learner);
        }
        bench_need(rk_learner_update(l->learner, l->theta, &list, 1, &learned, NULL) == RK_OK,
                   "an update failed");
    }
    bench_need(learned.updates == LISTS, "not every list was learned from");
}

static void touch(void *context, size_t round)
{
    struct learning *l = context;
    size_t n_slots;
    float *const slot = rk_learner_slots(l->learner, &n_slots)[0];

    (void)round;
    for (size_t i = 0; i < LISTS; i++) {
        float *to = l->gathered;
        size_t n;
        for (size_t r = 0; r < ROWS; r++, to += 2 * n) {
            const size_t at = rk_model_row(l->model, l->row[i * ROWS + r], &n);
            memcpy(to, l->theta + at, n * sizeof *to);
            memcpy(to + n, slot + at, n * sizeof *to);
        }
        __asm__ volatile("" ::: "memory"); /* whatever would be done to them */
        to = l->gathered;
        for (size_t r = 0; r < ROWS; r++, to += 2 * n) {
            const size_t at = rk_model_row(l->model, l->row[i * ROWS + r], &n);
            memcpy(l->theta + at, to, n * sizeof *to);
            memcpy(slot + at, to + n, n * sizeof *to);
        }
    }
}

/* ---- lists ---- */

static void add_id(struct rk_group_builder *builder, enum rk_side side, uint32_t id)
{
    const struct rk_feature feature =
        rk_feature_category(side, "id", 2, (const char *)&id, sizeof id, 1.0F);

    bench_need(rk_group_add(builder, &feature, NULL) == RK_OK, "an id was refused");
}

static struct rk_group *make_list(const struct rk_space *space, struct rk_group_builder *builder,
                                  struct rk_random *random)
{
    const uint32_t clicked = rk_random_below(random, ITEMS);
    const uint32_t first = zipf_row(random, ITEM_IDS);
    struct rk_group group, *copy = NULL;

    bench_need(rk_group_begin(builder, space, 0, NULL) == RK_OK, "no list");
    add_id(builder, RK_USER, rk_random_below(random, USER_IDS));
    for (uint32_t i = 0; i < ITEMS; i++) {
        bench_need(rk_group_begin_item(builder, 0, NULL) == RK_OK, "no item");
        add_id(builder, RK_ITEM, i == 0 ? first : zipf_row(random, ITEM_IDS));
        rk_group_label(builder, i == clicked ? 1.0F : 0.0F, 1.0F);
    }
    bench_need(rk_group_end(builder, true, &group, NULL) == RK_OK &&
                   rk_group_copy(&group, &copy, NULL) == RK_OK,
               "a list cannot be built");
    return copy;
}

/* The rows a list's update changes: user and items in the embedding, items in the weights. */
static void find_rows(const struct learning *l, const struct rk_group *list, uint32_t *row)
{
    size_t n;
    const struct rk_tensor *tensor = rk_model_tensors(l->model, &n);
    const uint32_t n_entries = list->offset[list->n_items + 1];

    bench_need(n_entries == ITEMS + 1 && tensor[2].cols == K, "this is not a list of an fm");
    for (uint32_t e = 0; e < n_entries; e++) {
        *row++ = (uint32_t)tensor[2].first_row + list->index[e];
        if (e > 0) {
            *row++ = (uint32_t)tensor[1].first_row + list->index[e];
        }
    }
}

static void open_learning(struct learning *l)
{
    struct rk_model_config config;
    struct rk_group_builder builder;
    struct rk_random random = {SEED};

    bench_need(rk_model_default("fm", &config, NULL) == RK_OK, "there is no fm");
    config.dim = K;
    bench_need(rk_model_create(&config, 0, &l->model, NULL) == RK_OK, "no model");
    l->theta = bench_alloc(rk_model_params(l->model) * sizeof *l->theta);
    rk_model_init(l->model, l->theta);
    bench_need(rk_learner_create(l->model, l->theta, &l->learner, NULL) == RK_OK, "no learner");
    l->row = bench_alloc((size_t)LISTS * ROWS * sizeof *l->row);
    l->gathered = bench_alloc((size_t)2 * FLOATS_LIST * sizeof *l->gathered);
    rk_group_builder_init(&builder);
    for (size_t i = 0; i < LISTS; i++) {
        l->list[i] = make_list(&config.features, &builder, &random);
        find_rows(l, l->list[i], l->row + i * ROWS);
    }
    rk_group_builder_deinit(&builder);
}

static void close_learning(struct learning *l)
{
    for (size_t i = 0; i < LISTS; i++) {
        rk_group_destroy(&l->list[i]);
    }
    rk_learner_destroy(&l->learner);
    rk_model_destroy(&l->model);
    free(l->theta);
    free(l->row);
    free(l->gathered);
}

int main(void)
{
    static struct learning l;
    const struct bench_row row = {
        .name = "update / rows read and written back, user + 10 ids, 2^18 rows",
        .clock = CLOCK_PROCESS_CPUTIME_ID,
        .figure = BENCH_PER_SECOND,
        .work = learn,
        .floor = touch,
        .n_work = LISTS,
        .n_floor = LISTS};

    bench_title("learning, lists per second of CPU: K = 16, AdaGrad, pairwise logistic");
    open_learning(&l);
    bench_run(&row, &l);
    close_learning(&l);
    return 0;
}
