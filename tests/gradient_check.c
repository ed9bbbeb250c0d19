/*
 * Central differences through a learner.
 */
#include "gradient_check.h"

#include "test.h"

#define N_GROUPS 4

double objective_value(struct learner_fixture *f, size_t n)
{
    double value;

    rk_learner_begin(f->learner);
    value = learner_update(f, 0, n).loss;
    rk_learner_undo(f->learner, f->theta);
    return value;
}

double *objective_gradient(struct learner_fixture *f, size_t n)
{
    struct learner_copy before = learner_copy(f);
    double *grad = malloc(rk_model_params(f->model) * sizeof *grad);

    assert_non_null(grad);
    rk_learner_begin(f->learner);
    (void)learner_update(f, 0, n);
    for (size_t i = 0; i < rk_model_params(f->model); i++) {
        grad[i] = (double)before.theta[i] - (double)f->theta[i];
    }
    rk_learner_undo(f->learner, f->theta);
    learner_copy_free(&before);
    return grad;
}

struct rk_model_config checked_config(const char *kind, enum rk_space_kind space, const char *loss)
{
    struct rk_model_config config =
        space == RK_INDEXED ? sample_config(loss, "sgd") : sample_hashed_config(loss, "sgd");

    sample_kind(&config, kind);
    config.optim.learning_rate = 1;
    return config;
}

void checked_make(struct learner_fixture *f, const struct rk_model_config *config, uint64_t seed)
{
    learner_make(f, config, seed);
    free(f->theta);
    f->theta = sample_theta(f->model, seed);
}

static bool pulls_everywhere(const struct rk_model_config *config)
{
    const bool mixed = config->alpha > 0 && config->alpha < 1;
    const bool pointwise = config->alpha == 1 && !rk_loss_shift_invariant(&config->loss);

    return mixed || (pointwise && !config->separate);
}

/* No tensor was checked against nothing but 0. */
static void assert_all_tensors_pull(const struct rk_model *model, const double *grad)
{
    size_t n;
    const struct rk_tensor *t = rk_model_tensors(model, &n);

    for (; n > 0 && t->offset < rk_model_learned(model); n--, t++) {
        double largest = 0;
        for (size_t i = 0; i < t->rows * t->cols; i++) {
            largest = fmax(largest, fabs(grad[t->offset + i]));
        }
        assert_true(largest > 1e-4);
    }
}

/*
 * theta lies on a grid that the step is part of: both differences are exact. The step is so small
 * that a kink of a loss or of ReLU in between would be chance, and large against the rounding of
 * the value: 1e-16 / step = 1e-10.
 */
void assert_gradient(const struct rk_model_config *config, uint64_t seed)
{
    const float step = 0x1p-20F;
    struct learner_fixture f;
    double largest = 0;

    print_message("%s %s %s, ", config->kind, rk_loss_text(config->loss.name),
                  config->features.kind == RK_INDEXED ? "indexed" : "hashed");
    checked_make(&f, config, seed);
    double *grad = objective_gradient(&f, N_GROUPS);
    for (size_t i = 0; i < rk_model_learned(f.model); i++) {
        const float kept = f.theta[i];
        f.theta[i] = kept + step;
        const double up = objective_value(&f, N_GROUPS);
        f.theta[i] = kept - step;
        const double down = objective_value(&f, N_GROUPS);
        f.theta[i] = kept;
        assert_close(grad[i], (up - down) / (2 * (double)step), 1e-5, 1e-6);
        largest = fmax(largest, fabs(grad[i]));
    }
    assert_true(largest > 1e-3); /* far above the tolerance */
    if (pulls_everywhere(config)) {
        assert_all_tensors_pull(f.model, grad);
    }
    free(grad);
    learner_end(&f);
}
