/*
 * The MLP of deepfm: 128-64-32-1, lists of 1,000 items, half of the inputs the user's. Beside the
 * peak of one core: fused multiply-adds on registers alone, as wide as it has them.
 */
#include "../../core/mlp.h"
#include "bench.h"

#include <math.h>
#include <rankd/random.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SEED   20261124
#define ITEMS  1000
#define ROUNDS 20 /* lists in a round */
#define FIELDS 8
#define K      16
#define INPUTS (FIELDS * K)
#define OWN    (INPUTS / 2) /* inputs that are the items' */
#define CHAINS 12           /* independent sums: latency times throughput */
#define FUSED  2000000      /* steps of all chains in a round */

struct layers {
    struct rk_model *model;
    float *theta;
    double shared[INPUTS];
    double *item; /* (ITEMS, INPUTS) */
    uint32_t column[OWN];
    double *unit, *scratch, *plain;
    double logit[ITEMS];
    double sum;
};

/* Multiplications and additions that a list takes. */
static double flops_of(const struct rk_mlp *mlp)
{
    double each = 2.0 * OWN * (double)mlp->width[1];

    for (size_t l = 1; l < mlp->n_layers; l++) {
        each += 2.0 * (double)mlp->width[l] * (double)mlp->width[l + 1];
    }
    return each * ITEMS + 2.0 * INPUTS * (double)mlp->width[1];
}

static void forward(void *context, size_t round)
{
    struct layers *b = context;
    const struct rk_mlp_inputs inputs = {ITEMS, b->shared, b->item, b->column, OWN};

    (void)round;
    for (size_t i = 0; i < ROUNDS; i++) {
        memset(b->logit, 0, sizeof b->logit);
        rk_mlp_forward(&b->model->mlp, b->theta, &inputs, b->unit, b->scratch, b->logit);
        b->sum += b->logit[i];
    }
}

/* ---- floors ---- */

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double fuse_8(void)
{
    __m512d sum[CHAINS];
    const __m512d a = _mm512_set1_pd(0.999), b = _mm512_set1_pd(0.001);

    for (size_t c = 0; c < CHAINS; c++) {
        sum[c] = _mm512_set1_pd((double)c);
    }
    for (size_t i = 0; i < FUSED; i++) {
        for (size_t c = 0; c < CHAINS; c++) {
            sum[c] = _mm512_fmadd_pd(sum[c], a, b);
        }
    }
    for (size_t c = 1; c < CHAINS; c++) {
        sum[0] = _mm512_add_pd(sum[0], sum[c]);
    }
    return _mm512_reduce_add_pd(sum[0]);
}

__attribute__((target("avx2,fma"))) static double fuse_4(void)
{
    __m256d sum[CHAINS];
    const __m256d a = _mm256_set1_pd(0.999), b = _mm256_set1_pd(0.001);

    for (size_t c = 0; c < CHAINS; c++) {
        sum[c] = _mm256_set1_pd((double)c);
    }
    for (size_t i = 0; i < FUSED; i++) {
        for (size_t c = 0; c < CHAINS; c++) {
            sum[c] = _mm256_fmadd_pd(sum[c], a, b);
        }
    }
    for (size_t c = 1; c < CHAINS; c++) {
        sum[0] = _mm256_add_pd(sum[0], sum[c]);
    }
    return sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
}

static size_t width_of_fuse(void)
{
    return __builtin_cpu_supports("avx512f") ? 8 : __builtin_cpu_supports("fma") ? 4 : 0;
}
#else
static double fuse_8(void)
{
    return 0;
}

static double fuse_4(void)
{
    return 0;
}

static size_t width_of_fuse(void)
{
    return 0;
}
#endif

static void fuse(void *context, size_t round)
{
    struct layers *b = context;

    (void)round;
    b->sum += width_of_fuse() == 8 ? fuse_8() : fuse_4();
}

static double plain_layer(const struct layers *b, size_t layer, size_t o, const double *in)
{
    const struct rk_mlp *mlp = &b->model->mlp;
    const float *w = b->theta + mlp->tensor[mlp->weight[layer]].offset + o * mlp->width[layer];
    double sum = 0;

    for (size_t i = 0; i < mlp->width[layer]; i++) {
        sum += (double)w[i] * in[i];
    }
    sum += (double)b->theta[mlp->tensor[mlp->bias[layer]].offset + o];
    return layer + 1 == mlp->n_layers || sum > 0 ? sum : 0;
}

/* Item by item, dot product by dot product. */
static void plain(void *context, size_t round)
{
    struct layers *b = context;
    const struct rk_mlp *mlp = &b->model->mlp;
    double layer[2][INPUTS];

    (void)round;
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t j = 0; j < INPUTS; j++) {
            layer[0][j] = b->shared[j] + b->item[i * INPUTS + j];
        }
        for (size_t l = 0; l < mlp->n_layers; l++) {
            for (size_t o = 0; o < mlp->width[l + 1]; o++) {
                layer[(l + 1) % 2][o] = plain_layer(b, l, o, layer[l % 2]);
            }
        }
        b->plain[i] = layer[mlp->n_layers % 2][0];
    }
}

/* ---- */

static void open_layers(struct layers *b)
{
    struct rk_model_config config;
    struct rk_random random = {SEED};

    bench_need(rk_model_default("deepfm", &config, NULL) == RK_OK, "there is no deepfm");
    config.max_fields = FIELDS;
    config.dim = K;
    config.features.bits = 4;
    bench_need(rk_model_create(&config, 0, &b->model, NULL) == RK_OK, "no model");
    b->theta = bench_alloc(rk_model_params(b->model) * sizeof(float));
    rk_model_init(b->model, b->theta);
    b->item = bench_alloc((size_t)ITEMS * INPUTS * sizeof(double));
    for (size_t i = 0; i < (size_t)ITEMS * INPUTS; i++) {
        b->item[i] = i % INPUTS < OWN ? rk_random_normal(&random) : 0;
        b->shared[i % INPUTS] = i % INPUTS < OWN ? 0 : rk_random_normal(&random);
        b->column[i % OWN] = (uint32_t)(i % OWN);
    }
    b->unit = bench_alloc(ITEMS * rk_mlp_units(&b->model->mlp) * sizeof(double));
    b->scratch = bench_alloc(rk_mlp_scratch(&b->model->mlp) * sizeof(double));
    b->plain = bench_alloc(ITEMS * sizeof(double));
}

static void check(struct layers *b)
{
    forward(b, 0);
    plain(b, 0);
    for (size_t i = 0; i < ITEMS; i++) {
        bench_need(fabs(b->logit[i] - b->plain[i]) < 1e-9, "the MLP and the plain loops disagree");
    }
}

int main(void)
{
    static struct layers b;
    const double lanes = (double)width_of_fuse();
    struct bench_row row = {.clock = CLOCK_PROCESS_CPUTIME_ID, .work = forward};

    open_layers(&b);
    check(&b);
    bench_title(
        "MLP 128-64-32-1, half of the inputs the user's: ns of CPU per list of 1,000 items");
    row.name = "rk_mlp_forward / dot product by dot product";
    row.floor = plain;
    row.n_work = ROUNDS;
    row.n_floor = 1;
    bench_run(&row, &b);
    if (lanes > 0) {
        bench_title("the same, billions of floating-point operations per second of CPU");
        row.name = "executed by rk_mlp_forward / peak of fused ones on registers";
        row.figure = BENCH_PER_SECOND;
        row.floor = fuse;
        row.n_work = ROUNDS * flops_of(&b.model->mlp) * 1e-9;
        row.n_floor = 2.0 * CHAINS * lanes * FUSED * 1e-9;
        bench_run(&row, &b);
    }
    free(b.theta);
    free(b.item);
    free(b.unit);
    free(b.scratch);
    free(b.plain);
    rk_model_destroy(&b.model);
    return 0;
}
