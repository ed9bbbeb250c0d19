/*
 * The code of one set of kernels. kernels.c includes it once for each, under that set's compiler
 * options, with KERNEL() making its names and WIDEN() turning four floats into doubles. Where a
 * processor has no registers of four doubles the compiler splits them up.
 */

#define ALWAYS      static inline __attribute__((always_inline))
#define lanes       KERNEL(lanes)
#define float_lanes KERNEL(float_lanes)
#define LANES       4
#define VECTORS     (RK_PARTS / LANES)
#define LINE        16 /* floats */

/* Entries: about as many rows are under way from memory as a processor fetches at once. */
#define LOOK_AHEAD 24

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));
typedef float float_lanes
    __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* ---- sums ---- */

/* Two sums over all parts at once: what is side by side, then the halves. */
ALWAYS void KERNEL(totals)(const lanes *a, const lanes *b, double *of_a, double *of_b)
{
    lanes sum = {0};

    for (size_t c = 0; c < VECTORS / 2; c++) {
        const lanes x = a[c] + a[c + VECTORS / 2], y = b[c] + b[c + VECTORS / 2];
        sum +=
            __builtin_shufflevector(x, y, 0, 4, 2, 6) + __builtin_shufflevector(x, y, 1, 5, 3, 7);
    }
    *of_a = sum[0] + sum[2];
    *of_b = sum[1] + sum[3];
}

/* part = a b, coordinate by coordinate. */
ALWAYS void KERNEL(products)(const double *a, const double *b, size_t n, lanes *part)
{
    size_t f = 0;

    for (size_t c = 0; c < VECTORS; c++) {
        part[c] = (lanes){0};
    }
    for (; f + RK_PARTS <= n; f += RK_PARTS) {
        for (size_t c = 0; c < VECTORS; c++) {
            part[c] += *(const lanes *)(a + f + c * LANES) * *(const lanes *)(b + f + c * LANES);
        }
    }
    for (; f < n; f++) {
        part[f % RK_PARTS / LANES][f % LANES] += a[f] * b[f];
    }
}

/* ---- factorization machines ---- */

/*
 * Rows lie scattered over a table larger than the caches: the ones of an entry some places on are
 * asked for while this one's are added. Entries of all items follow each other, so that the look
 * ahead goes on into the next items.
 */
ALWAYS void KERNEL(look_ahead)(const struct rk_fm_rows *rows, size_t k, uint32_t e)
{
    if (e + LOOK_AHEAD < rows->end) {
        const size_t j = rows->index[e + LOOK_AHEAD];
        __builtin_prefetch(rows->w + j);
        for (size_t f = 0; f < k; f += LINE) {
            __builtin_prefetch(rows->v + j * k + f);
        }
        if (k % LINE != 0) { /* rows do not begin with a line: rk_model_lead */
            __builtin_prefetch(rows->v + j * k + k - 1);
        }
    }
}

/*
 * n vectors of coordinates from f on, and the linear weights where f is 0. sum: T. pair: their pairs
 * are added. @return <w, x> or 0.
 */
ALWAYS double KERNEL(fm_sum_lanes)(const struct rk_fm_rows *rows, size_t k, size_t row, size_t f,
                                   size_t n, double *sum, lanes *pair)
{
    const uint32_t end = rows->offset[row + 1];
    double linear = 0;
    lanes total[VECTORS], more[VECTORS];

    for (size_t c = 0; c < n; c++) {
        total[c] = (lanes){0};
        more[c] = pair[c];
    }
    for (uint32_t e = rows->offset[row]; e < end; e++) {
        const double x = (double)rows->value[e];
        const size_t j = rows->index[e];
        const float *v_j = rows->v + j * k + f;
        if (f == 0) {
            linear += (double)rows->w[j] * x;
            KERNEL(look_ahead)(rows, k, e);
        }
        for (size_t c = 0; c < n; c++) {
            const lanes term = WIDEN(*(const float_lanes *)(v_j + c * LANES)) * x;
            more[c] += total[c] * term;
            total[c] += term;
        }
    }
    for (size_t c = 0; c < n; c++) {
        *(lanes *)(sum + f + c * LANES) = total[c];
        pair[c] = more[c];
    }
    return linear;
}

/* The same of one coordinate, which is pair's first. */
ALWAYS double KERNEL(fm_sum_one)(const struct rk_fm_rows *rows, size_t k, size_t row, size_t f,
                                 double *sum, double *pair)
{
    const uint32_t end = rows->offset[row + 1];
    double linear = 0, total = 0, more = *pair;

    for (uint32_t e = rows->offset[row]; e < end; e++) {
        const double x = (double)rows->value[e];
        const size_t j = rows->index[e];
        const double term = (double)rows->v[j * k + f] * x;
        if (f == 0) {
            linear += (double)rows->w[j] * x;
            KERNEL(look_ahead)(rows, k, e);
        }
        more += total * term;
        total += term;
    }
    sum[f] = total;
    *pair = more;
    return linear;
}

/* T of a row and its pairs. @return <w, x>. */
ALWAYS double KERNEL(fm_sum)(const struct rk_fm_rows *rows, size_t k, size_t row, double *sum,
                             lanes *pair)
{
    double linear = 0;
    size_t f = 0;

    for (size_t c = 0; c < VECTORS; c++) {
        pair[c] = (lanes){0};
    }
    for (; f + RK_PARTS <= k; f += RK_PARTS) {
        linear += KERNEL(fm_sum_lanes)(rows, k, row, f, VECTORS, sum, pair);
    }
    for (; f + LANES <= k; f += LANES) {
        linear += KERNEL(fm_sum_lanes)(rows, k, row, f, 1, sum, pair + f % RK_PARTS / LANES);
    }
    for (; f < k; f++) {
        linear += KERNEL(fm_sum_one)(rows, k, row, f, sum, (double *)pair + f % RK_PARTS);
    }
    return linear;
}

ALWAYS void KERNEL(fm_score_k)(const struct rk_fm_rows *rows, size_t k, double *sum, double *score)
{
    lanes pair[VECTORS], across[VECTORS] = {{0}, {0}, {0}, {0}};
    double linear = KERNEL(fm_sum)(rows, k, 0, sum, pair);
    double pairs, crossing, shared;

    KERNEL(totals)(pair, across, &pairs, &crossing);
    shared = rows->bias + (linear + pairs);
    for (size_t i = 0; i < rows->n_items; i++) {
        double *item = sum + (i + 1) * k;
        linear = KERNEL(fm_sum)(rows, k, i + 1, item, pair);
        KERNEL(products)(sum, item, k, across);
        KERNEL(totals)(pair, across, &pairs, &crossing);
        score[i] = shared + (linear + pairs) + crossing;
    }
}

/* Loops of a length that is known run straight. */
static void KERNEL(fm_score)(const struct rk_fm_rows *rows, double *sum, double *score)
{
    const struct rk_fm_rows own = *rows; /* nothing that is written lies in it */

    if (own.k == RK_PARTS) {
        KERNEL(fm_score_k)(&own, RK_PARTS, sum, score);
    } else {
        KERNEL(fm_score_k)(&own, own.k, sum, score);
    }
}

/* ---- the set ---- */

static const struct rk_kernels KERNEL(kernels) = {.fm_score = KERNEL(fm_score)};

#undef ALWAYS
#undef lanes
#undef float_lanes
#undef LANES
#undef VECTORS
#undef LINE
#undef LOOK_AHEAD
