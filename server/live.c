/*
 * Two copies of the parameters, each with its version.
 */
#include "live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/*
 * Room for a copy of the parameters. Rows are read all over a large one: on huge pages, where the
 * system has them, fewer of them are looked up.
 */
static bool make_copy(struct live *live, size_t copy)
{
    const size_t lead = rk_model_lead(live->model);
    const size_t bytes = (lead + rk_model_params(live->model)) * sizeof(float);
    const size_t page = bytes >= HUGE_PAGE ? HUGE_PAGE : RK_CACHE_LINE;
    const size_t rounded = (bytes + page - 1) / page * page;

    live->block[copy] = aligned_alloc(page, rounded);
    if (live->block[copy] == NULL) {
        return false;
    }
    if (page == HUGE_PAGE) {
        (void)madvise(live->block[copy], rounded, MADV_HUGEPAGE); /* faster, or just as it was */
    }
    live->theta[copy] = (float *)live->block[copy] + lead;
    return true;
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
    rk_model_init(model, live->theta[0]);
    memcpy(live->theta[1], live->theta[0], bytes);
    status = pair_init(&live->pair, n_slots, err);
    if (status != RK_OK) {
        live_deinit(live);
    }
    return status;
}

void live_deinit(struct live *live)
{
    free(live->block[0]);
    free(live->block[1]);
    pair_deinit(&live->pair);
    *live = (struct live){0};
}

struct live_view live_read(struct live *live, size_t slot)
{
    const uint32_t copy = pair_acquire(&live->pair, slot);

    return (struct live_view){
        .theta = live->theta[copy], .version = atomic_load(&live->version[copy]), .copy = copy};
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
    pair_flip(&live->pair);
    rk_model_copy_rows(live->model, rows, n, live_served(live), live_learning(live));
    atomic_store(&live->version[pair_back(&live->pair)], version);
}

void live_publish_all(struct live *live, int64_t version)
{
    atomic_store(&live->version[pair_back(&live->pair)], version);
    pair_flip(&live->pair);
    memcpy(live_learning(live), live_served(live), rk_model_params(live->model) * sizeof(float));
    atomic_store(&live->version[pair_back(&live->pair)], version);
}
