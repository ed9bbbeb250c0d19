/*
 * Two copies of the parameters, each with its version.
 */
#include "live.h"

#include "large_block.h"

#include <stdlib.h>
#include <string.h>

/* Room for a copy of the parameters, and for what is known of items under it. */
static bool make_copy(struct live *live, size_t copy)
{
    const size_t lead = rk_model_lead(live->model);

    live->block[copy] =
        large_block_alloc((lead + rk_model_params(live->model)) * sizeof *live->theta[copy]);
    if (live->block[copy] == NULL) {
        return false;
    }
    live->theta[copy] = (float *)live->block[copy] + lead;
    live->known[copy] = known_create(live->model, KNOWN_ITEMS);
    return live->known[copy] != NULL || rk_model_item_sums(live->model) == 0;
}

enum rk_status live_init(struct live *live, const struct rk_model *model, size_t n_slots,
                         struct rk_error *err)
{
    const size_t bytes = rk_model_params(model) * sizeof(float);
    enum rk_status status;

    *live = (struct live){.model = model};
    for (size_t copy = 0; copy < 2; copy++) {
        if (!make_copy(live, copy)) {
            live_deinit(live);
            return rk_fail(err, RK_NOMEM, "out of memory for a model of %zu MiB", bytes >> 20);
        }
    }
    status = pair_init(&live->pair, n_slots, err);
    if (status != RK_OK) {
        live_deinit(live);
    }
    return status;
}

void live_start(struct live *live)
{
    rk_model_init(live->model, live->theta[0]);
    memcpy(live->theta[1], live->theta[0], rk_model_params(live->model) * sizeof(float));
}

void live_deinit(struct live *live)
{
    free(live->block[0]);
    free(live->block[1]);
    known_destroy(&live->known[0]);
    known_destroy(&live->known[1]);
    pair_deinit(&live->pair);
    *live = (struct live){0};
}

struct live_view live_read(struct live *live, size_t slot)
{
    const uint32_t copy = pair_acquire(&live->pair, slot);

    return (struct live_view){.theta = live->theta[copy],
                              .known = live->known[copy],
                              .version = atomic_load(&live->version[copy]),
                              .copy = copy};
}

void live_done(struct live *live, size_t slot, const struct live_view *view)
{
    pair_release(&live->pair, slot, view->copy);
}

const float *live_served(const struct live *live)
{
    return live->theta[pair_front(&live->pair)];
}

int64_t live_version(const struct live *live)
{
    return atomic_load(&live->version[pair_front(&live->pair)]);
}

float *live_learning(struct live *live)
{
    return live->theta[pair_back(&live->pair)];
}

void live_publish(struct live *live, int64_t version, const uint32_t *rows, size_t n)
{
    atomic_store(&live->version[pair_back(&live->pair)], version);
    known_forget(live->known[pair_back(&live->pair)], rows, n);
    pair_flip(&live->pair);
    rk_model_copy_rows(live->model, rows, n, live_served(live), live_learning(live));
    known_forget(live->known[pair_back(&live->pair)], rows, n);
    atomic_store(&live->version[pair_back(&live->pair)], version);
}

void live_publish_all(struct live *live, int64_t version)
{
    atomic_store(&live->version[pair_back(&live->pair)], version);
    known_forget_all(live->known[pair_back(&live->pair)]);
    pair_flip(&live->pair);
    known_forget_all(live->known[pair_back(&live->pair)]);
    memcpy(live_learning(live), live_served(live), rk_model_params(live->model) * sizeof(float));
    atomic_store(&live->version[pair_back(&live->pair)], version);
}
