/*
 * The fixture of distillation.
 */
#include "teacher_fixture.h"

#include "assemble.h"
#include "codec.h"
#include "learning_fixture.h"
#include "test.h"

#define SLOTS 2

struct served *taught_start(const char *name, const char *json)
{
    struct model_config config;
    struct served *served = NULL;
    learning_config(json, &config);
    assert_ok(served_create(name, &config, 0, SLOTS, &served, NULL));
    return served;
}

struct served *taught_model(const char *name, const char *json)
{
    struct served *served = taught_start(name, json);
    live_publish_all(&served->live, 1);
    return served;
}

void taught_turn(struct served *served)
{
    float *theta = live_learning(&served->live);
    for (size_t i = 0; i < rk_model_params(served->model); i++) {
        theta[i] = -theta[i];
    }
    live_publish_all(&served->live, live_version(&served->live) + 1);
}

static enum rk_status find_nothing(void *context, enum rk_side side,
                                   const struct list_entity *entity,
                                   const struct rk_feature **features, size_t *n,
                                   struct rk_error *err)
{
    (void)context;
    (void)side;
    (void)entity;
    (void)features;
    (void)err;
    *n = 0;
    return RK_OK;
}

void taught_score(const struct served *served, const char *list, size_t n, double *score)
{
    const struct assemble_source source = {.find = find_nothing};
    struct rk_group_builder builder = {0};
    struct list read = {0};
    struct rk_group group;
    struct problem problem = {0};
    uint32_t which[LIST_ITEMS_MAX];
    size_t where;
    assert_true(codec_stored_list(list, strlen(list), &served->config.model.features, true, &read,
                                  &problem));
    assert_int_equal(read.n_items, n);
    for (size_t i = 0; i < n; i++) {
        which[i] = (uint32_t)i;
    }
    assert_ok(assemble_group(&read, &served->config.model, &source, which, n, false, &builder,
                             &group, &where, NULL));
    void *work = malloc(rk_model_work(served->model, n, group.offset[n + 1]));
    double *head = calloc(n, rk_model_heads(served->model) * sizeof *head);
    assert_ok(
        rk_model_forward(served->model, live_served(&served->live), &group, work, head, NULL));
    rk_model_scores(served->model, head, n, score);
    free(head);
    free(work);
    rk_group_builder_deinit(&builder);
    list_deinit(&read);
}

const char *taught_items(unsigned which)
{
    static char text[1024];
    size_t at = (size_t)snprintf(text, sizeof text, "[");
    for (unsigned i = 0; i < TAUGHT_ITEMS; i++) {
        if ((which >> i & 1) != 0) {
            at += (size_t)snprintf(text + at, sizeof text - at,
                                   "%s{\"id\":\"i%u\",\"features\":{\"brand\":\"b%u\"}}",
                                   at > 1 ? "," : "", i, i);
        }
    }
    (void)snprintf(text + at, sizeof text - at, "]");
    return text;
}

double taught_alike(const struct served *a, const struct served *b)
{
    char list[1100];
    double x[TAUGHT_ITEMS], y[TAUGHT_ITEMS];
    int alike = 0, pairs = 0;
    (void)snprintf(list, sizeof list, "{\"items\":%s}", taught_items((1U << TAUGHT_ITEMS) - 1));
    taught_score(a, list, TAUGHT_ITEMS, x);
    taught_score(b, list, TAUGHT_ITEMS, y);
    for (size_t i = 0; i < TAUGHT_ITEMS; i++) {
        for (size_t j = 0; j < i; j++) {
            alike += (x[i] - x[j]) * (y[i] - y[j]) > 0;
            pairs++;
        }
    }
    return alike / (double)pairs;
}
