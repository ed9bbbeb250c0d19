/*
 * A model with its learner and groups to learn from, and copies of everything a learner changes.
 */
#include "learner_fixture.h"

#include "test.h"

void learner_make(struct learner_fixture *f, const struct rk_model_config *config, uint64_t seed)
{
    f->model = sample_model(config);
    f->theta = sample_start(f->model);
    assert_ok(rk_learner_create(f->model, f->theta, &f->learner, NULL));
    sample_groups(f->model, f->group, LEARNER_GROUPS, seed);
}

void learner_end(struct learner_fixture *f)
{
    sample_groups_destroy(f->group, LEARNER_GROUPS);
    rk_learner_destroy(&f->learner);
    rk_model_destroy(&f->model);
    free(f->theta);
}

struct rk_learned learner_update(struct learner_fixture *f, size_t first, size_t n)
{
    struct rk_learned learned = {0};
    const struct rk_group *const *groups = (const struct rk_group *const *)f->group + first;

    assert_ok(rk_learner_update(f->learner, f->theta, groups, n, &learned, NULL));
    return learned;
}

static float *copied(const float *values, size_t n)
{
    float *copy = malloc(n * sizeof *copy);

    memcpy(copy, values, n * sizeof *copy);
    return copy;
}

struct learner_copy learner_copy(const struct learner_fixture *f)
{
    struct learner_copy copy = {.steps = rk_learner_steps(f->learner)};
    float *const *slot = rk_learner_slots(f->learner, &copy.n_slots);

    copy.theta = copied(f->theta, rk_model_params(f->model));
    for (size_t s = 0; s < copy.n_slots; s++) {
        copy.slot[s] = copied(slot[s], rk_model_learned(f->model));
    }
    return copy;
}

void learner_copy_free(struct learner_copy *copy)
{
    free(copy->theta);
    free(copy->slot[0]);
    free(copy->slot[1]);
}

void learner_assert_as(const struct learner_fixture *f, struct learner_copy copy)
{
    size_t n_slots;
    float *const *slot = rk_learner_slots(f->learner, &n_slots);

    assert_int_equal(n_slots, copy.n_slots);
    assert_true(rk_learner_steps(f->learner) == copy.steps);
    assert_memory_equal(f->theta, copy.theta, rk_model_params(f->model) * sizeof(float));
    for (size_t s = 0; s < n_slots; s++) {
        assert_memory_equal(slot[s], copy.slot[s], rk_model_learned(f->model) * sizeof(float));
    }
    learner_copy_free(&copy);
}

bool learner_touched(const struct learner_fixture *f, const char *tensor, size_t row)
{
    const size_t offset = sample_tensor(f->model, tensor);
    size_t n, length;
    const uint32_t *touched = rk_learner_touched(f->learner, &n);

    for (size_t i = 0; i < n; i++) {
        const size_t at = rk_model_row(f->model, touched[i], &length);
        if (at == offset + row * length) {
            return true;
        }
    }
    return false;
}

bool learner_differs(const struct learner_fixture *f, const struct learner_copy *copy)
{
    return memcmp(f->theta, copy->theta, rk_model_params(f->model) * sizeof(float)) != 0;
}

const char *const learner_optims[LEARNER_OPTIMS] = {"sgd",   "sgd",         "adagrad", "adam",
                                                    "adamw", "sparse_adam", "ftrl"};

struct rk_model_config learner_config(size_t optim)
{
    struct rk_model_config config =
        sample_hashed_config("pairwise_logistic", learner_optims[optim]);

    config.optim.learning_rate = 0.05;
    config.optim.l2 = 1e-3;
    config.optim.l1 = 1e-3;
    config.optim.momentum = optim == 1 ? 0.9 : 0.0;
    return config;
}
