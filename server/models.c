/*
 * Two arrays of model pointers; there are few models, so finding one is a walk.
 */
#include "models.h"

#include "grow.h"

#include <stdlib.h>
#include <string.h>

enum rk_status models_init(struct models *models, size_t n_slots, struct rk_error *err)
{
    *models = (struct models){0};
    return pair_init(&models->pair, n_slots, err);
}

void models_deinit(struct models *models)
{
    const struct models_copy *copy = &models->copy[0];

    for (size_t i = 0; i < copy->n; i++) {
        served_destroy(&copy->model[i]);
    }
    free(models->copy[0].model);
    free(models->copy[1].model);
    pair_deinit(&models->pair);
    *models = (struct models){0};
}

const struct models_copy *models_read(struct models *models, size_t slot)
{
    return &models->copy[pair_acquire(&models->pair, slot)];
}

void models_done(struct models *models, size_t slot, const struct models_copy *copy)
{
    pair_release(&models->pair, slot, (uint32_t)(copy - models->copy));
}

const struct models_copy *models_now(const struct models *models)
{
    return &models->copy[pair_front(&models->pair)];
}

struct served *models_find(const struct models_copy *copy, const char *name)
{
    for (size_t i = 0; i < copy->n; i++) {
        if (strcmp(copy->model[i]->name, name) == 0) {
            return copy->model[i];
        }
    }
    return NULL;
}

static void drop(struct models_copy *copy, const struct served *served)
{
    for (size_t i = 0; i < copy->n; i++) {
        if (copy->model[i] == served) {
            memmove(&copy->model[i], &copy->model[i + 1],
                    (copy->n - i - 1) * sizeof(struct served *));
            copy->n--;
            return;
        }
    }
}

static struct models_copy *back_of(struct models *models)
{
    return &models->copy[pair_back(&models->pair)];
}

enum rk_status models_reserve(struct models *models, struct rk_error *err)
{
    for (int turn = 0; turn < 2; turn++) {
        struct models_copy *back = back_of(models);
        if (!grow_resize(&back->model, back->n + 1)) {
            return rk_fail(err, RK_NOMEM, "out of memory for a model");
        }
        pair_flip(&models->pair);
    }
    return RK_OK;
}

void models_add(struct models *models, struct served *served)
{
    for (int turn = 0; turn < 2; turn++) {
        struct models_copy *back = back_of(models);
        back->model[back->n++] = served;
        pair_flip(&models->pair);
    }
}

void models_remove(struct models *models, struct served *served)
{
    for (int turn = 0; turn < 2; turn++) {
        drop(back_of(models), served);
        pair_flip(&models->pair);
    }
}

void models_configure(struct models *models, struct served *served,
                      const struct model_config *config, char *text)
{
    char *before = atomic_exchange(&served->config_text, text);

    model_config_adopt(&served->config, config);
    atomic_store(&served->enabled, config->training.enabled);
    if (models != NULL) {
        pair_flip(&models->pair); /* whoever may have found the text before is in the old copy */
    }
    free(before);
}

enum rk_status served_create_empty(const char *name, const struct model_config *config,
                                   size_t max_bytes, size_t n_slots, struct served **served,
                                   struct rk_error *err)
{
    struct served *s = calloc(1, sizeof *s);
    struct emit text = {0};
    enum rk_status status;

    if (s == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a model");
    }
    memcpy(s->name, name, strnlen(name, STORE_NAME_MAX));
    model_config_copy(&s->config, config);
    s->enabled = config->training.enabled;
    model_config_write(config, &text);
    s->config_text = emit_take(&text, &(size_t){0});
    status = s->config_text != NULL ? rk_model_create(&s->config.model, max_bytes, &s->model, err)
                                    : rk_fail(err, RK_NOMEM, "out of memory for a model");
    if (status == RK_OK) {
        status = live_init(&s->live, s->model, n_slots, err);
    }
    if (status != RK_OK) {
        served_destroy(&s);
        return status;
    }
    *served = s;
    return RK_OK;
}

enum rk_status served_create(const char *name, const struct model_config *config, size_t max_bytes,
                             size_t n_slots, struct served **served, struct rk_error *err)
{
    const enum rk_status status =
        served_create_empty(name, config, max_bytes, n_slots, served, err);

    if (status == RK_OK) {
        live_start(&(*served)->live);
    }
    return status;
}

void served_destroy(struct served **served)
{
    struct served *s = *served;

    if (s == NULL) {
        return;
    }
    live_deinit(&s->live);
    rk_model_destroy(&s->model);
    free(s->config_text);
    free(s);
    *served = NULL;
}

const char *served_state_text(const struct served *served)
{
    static const char *const texts[] = {"idle", "running", "paused", "halted"};

    return texts[atomic_load(&served->state)];
}
