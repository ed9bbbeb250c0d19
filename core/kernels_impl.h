/*
 * The code of one set of kernels. kernels.c includes it once for each, under that set's compiler
 * options, with KERNEL() making its names and WIDEN() turning four floats into doubles. Where a
 * processor has no registers of four doubles the compiler splits them up.
 */

#define ALWAYS      static inline __attribute__((always_inline))
#define lanes       KERNEL(lanes)
#define float_lanes KERNEL(float_lanes)
#define masks       KERNEL(masks)
#define LANES       4
#define VECTORS     (RK_PARTS / LANES)
#define LINE        16 /* floats */

/* Entries: about as many rows are under way from memory as a processor fetches at once. */
#define LOOK_AHEAD 24

/* Known items: each is some lines that follow each other. */
#define KNOWN_AHEAD 8

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));
typedef long masks __attribute__((vector_size(LANES * sizeof(long)), aligned(8), may_alias));
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

ALWAYS double KERNEL(inner)(const double *a, const double *b, size_t n)
{
    lanes part[VECTORS];
    double total, same;

    KERNEL(products)(a, b, n, part);
    KERNEL(totals)(part, part, &total, &same);
    return total;
}

static double KERNEL(dot)(const double *a, const double *b, size_t n)
{
    return KERNEL(inner)(a, b, n);
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

/* The sums that an entry is added to beside T, or NULL: it has no field. */
ALWAYS double *KERNEL(field_sum)(const struct rk_fm_rows *rows, size_t k, uint32_t e, double *sum)
{
    const size_t field = rows->field[e];

    return field < rows->n_fields ? sum + field * k : NULL;
}

/* Entries that are added up, and what T is before them: NULL: 0. */
struct KERNEL(span) {
    uint32_t from, end;
    const double *before;
};

/*
 * n vectors of coordinates from f on, and the linear weights where f is 0. t: T. pair: their pairs
 * are added. by_field: NULL, or (fields, k), added to. @return <w, x> or 0.
 */
ALWAYS double KERNEL(fm_sum_lanes)(const struct rk_fm_rows *rows, size_t k,
                                   const struct KERNEL(span) * span, size_t f, size_t n, double *t,
                                   lanes *pair, double *by_field)
{
    double linear = 0;
    lanes total[VECTORS], more[VECTORS];

    for (size_t c = 0; c < n; c++) {
        total[c] =
            span->before != NULL ? *(const lanes *)(span->before + f + c * LANES) : (lanes){0};
        more[c] = pair[c];
    }
    for (uint32_t e = span->from; e < span->end; e++) {
        const double x = (double)rows->value[e];
        const size_t j = rows->index[e];
        const float *v_j = rows->v + j * k + f;
        double *sum = by_field != NULL ? KERNEL(field_sum)(rows, k, e, by_field) : NULL;
        if (f == 0) {
            linear += (double)rows->w[j] * x;
            KERNEL(look_ahead)(rows, k, e);
        }
        if (by_field != NULL && sum == NULL) {
            continue;
        }
        for (size_t c = 0; c < n; c++) {
            const lanes term = WIDEN(*(const float_lanes *)(v_j + c * LANES)) * x;
            more[c] += total[c] * term;
            total[c] += term;
            if (by_field != NULL) {
                *(lanes *)(sum + f + c * LANES) += term;
            }
        }
    }
    for (size_t c = 0; c < n; c++) {
        *(lanes *)(t + f + c * LANES) = total[c];
        pair[c] = more[c];
    }
    return linear;
}

/* The same of one coordinate, which is pair's first. */
ALWAYS double KERNEL(fm_sum_one)(const struct rk_fm_rows *rows, size_t k,
                                 const struct KERNEL(span) * span, size_t f, double *t,
                                 double *pair, double *by_field)
{
    double linear = 0, total = span->before != NULL ? span->before[f] : 0, more = *pair;

    for (uint32_t e = span->from; e < span->end; e++) {
        const double x = (double)rows->value[e];
        const size_t j = rows->index[e];
        const double term = (double)rows->v[j * k + f] * x;
        double *sum = by_field != NULL ? KERNEL(field_sum)(rows, k, e, by_field) : NULL;
        if (f == 0) {
            linear += (double)rows->w[j] * x;
            KERNEL(look_ahead)(rows, k, e);
        }
        if (by_field != NULL && sum == NULL) {
            continue;
        }
        more += total * term;
        total += term;
        if (by_field != NULL) {
            sum[f] += term;
        }
    }
    t[f] = total;
    *pair = more;
    return linear;
}

/* T of a span and its pairs. @return <w, x>. */
ALWAYS double KERNEL(fm_sum)(const struct rk_fm_rows *rows, size_t k,
                             const struct KERNEL(span) * span, double *t, lanes *pair,
                             double *by_field)
{
    double linear = 0;
    size_t f = 0;

    for (size_t c = 0; c < VECTORS; c++) {
        pair[c] = (lanes){0};
    }
    for (; f + RK_PARTS <= k; f += RK_PARTS) {
        linear += KERNEL(fm_sum_lanes)(rows, k, span, f, VECTORS, t, pair, by_field);
    }
    for (; f + LANES <= k; f += LANES) {
        lanes *part = pair + f % RK_PARTS / LANES;
        linear += KERNEL(fm_sum_lanes)(rows, k, span, f, 1, t, part, by_field);
    }
    for (; f < k; f++) {
        double *part = (double *)pair + f % RK_PARTS;
        linear += KERNEL(fm_sum_one)(rows, k, span, f, t, part, by_field);
    }
    return linear;
}

/* The same, with the pairs added to <w, x>: what the span is by itself and with what is before it. */
ALWAYS double KERNEL(fm_own)(const struct rk_fm_rows *rows, size_t k,
                             const struct KERNEL(span) * span, double *t)
{
    lanes pair[VECTORS];
    const double linear = KERNEL(fm_sum)(rows, k, span, t, pair, NULL);
    double pairs, same;

    KERNEL(totals)(pair, pair, &pairs, &same);
    return linear + pairs;
}

/*
 * An item that is known, or has numbers, or will be known. t: room for T. @return what it is by
 * itself. *sum: where T is.
 */
ALWAYS double KERNEL(fm_item)(const struct rk_fm_rows *rows, size_t k, size_t i, double *t,
                              const double **sum)
{
    const struct rk_known_items *known = rows->known;
    const uint32_t end = rows->offset[i + 2];
    const uint32_t numbers = rows->numbers != NULL ? rows->numbers[i] : end;
    double own;

    *sum = t;
    if (known != NULL && known->sums[i] != NULL) {
        own = known->sums[i][0];
        *sum = known->sums[i] + 1;
    } else {
        const struct KERNEL(span) span = {rows->offset[i + 1], numbers, NULL};
        own = KERNEL(fm_own)(rows, k, &span, t);
        if (known != NULL && known->note != NULL && known->note[i] != NULL) {
            known->note[i][0] = own;
            memcpy(known->note[i] + 1, t, k * sizeof *t);
        }
    }
    if (numbers < end) {
        const struct KERNEL(span) span = {numbers, end, *sum};
        own += KERNEL(fm_own)(rows, k, &span, t);
        *sum = t;
    }
    return own;
}

/* Of a known item's sums. */
ALWAYS void KERNEL(ask_for_known)(const struct rk_fm_rows *rows, size_t k, size_t i)
{
    const double *sums = i < rows->n_items ? rows->known->sums[i] : NULL;

    for (size_t f = 0; sums != NULL && f < k + 1; f += LINE / 2) {
        __builtin_prefetch(sums + f);
    }
}

/* Lists with known items or numbers. */
ALWAYS void KERNEL(fm_score_known)(const struct rk_fm_rows *rows, size_t k, double shared,
                                   double *sum, double *score)
{
    for (size_t i = 0; i < KNOWN_AHEAD && rows->known != NULL; i++) {
        KERNEL(ask_for_known)(rows, k, i);
    }
    for (size_t i = 0; i < rows->n_items; i++) {
        const double *item;
        double own;
        if (rows->known != NULL) {
            KERNEL(ask_for_known)(rows, k, i + KNOWN_AHEAD);
        }
        own = KERNEL(fm_item)(rows, k, i, sum + (i + 1) * k, &item);
        score[i] = shared + own + KERNEL(inner)(sum, item, k);
    }
}

ALWAYS void KERNEL(fm_score_k)(const struct rk_fm_rows *rows, size_t k, double *sum, double *score)
{
    const struct KERNEL(span) first = {0, rows->offset[1], NULL};
    const double shared = rows->bias + KERNEL(fm_own)(rows, k, &first, sum);
    lanes pair[VECTORS], across[VECTORS];
    double pairs, crossing;

    if (rows->known != NULL || rows->numbers != NULL) {
        KERNEL(fm_score_known)(rows, k, shared, sum, score);
        return;
    }
    for (size_t i = 0; i < rows->n_items; i++) {
        const struct KERNEL(span) span = {rows->offset[i + 1], rows->offset[i + 2], NULL};
        double *item = sum + (i + 1) * k;
        const double linear = KERNEL(fm_sum)(rows, k, &span, item, pair, NULL);
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

static double KERNEL(fm_fields)(const struct rk_fm_rows *rows, size_t row, double *t,
                                double *by_field)
{
    const struct rk_fm_rows own = *rows;
    const struct KERNEL(span) span = {own.offset[row], own.offset[row + 1], NULL};
    lanes pair[VECTORS];
    double linear, pairs, same;

    memset(by_field, 0, own.n_fields * own.k * sizeof *by_field);
    linear = own.k == RK_PARTS ? KERNEL(fm_sum)(&own, RK_PARTS, &span, t, pair, by_field)
                               : KERNEL(fm_sum)(&own, own.k, &span, t, pair, by_field);
    KERNEL(totals)(pair, pair, &pairs, &same);
    return linear + pairs;
}

static void KERNEL(add)(double *sum, const float *v, double x, size_t n)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        *(lanes *)(sum + i) += WIDEN(*(const float_lanes *)(v + i)) * x;
    }
    for (; i < n; i++) {
        sum[i] += (double)v[i] * x;
    }
}

static double KERNEL(ffm_pairs)(const double *sum, size_t n, size_t k)
{
    lanes own[VECTORS], across[VECTORS], part[VECTORS];
    double of_own, of_across;

    for (size_t c = 0; c < VECTORS; c++) {
        own[c] = across[c] = (lanes){0};
    }
    for (size_t f = 0; f < n; f++) {
        for (size_t g = 0; g <= f; g++) {
            lanes *to = g == f ? own : across;
            KERNEL(products)(sum + (f * n + g) * k, sum + (g * n + f) * k, k, part);
            for (size_t c = 0; c < VECTORS; c++) {
                to[c] += part[c];
            }
        }
    }
    KERNEL(totals)(own, across, &of_own, &of_across);
    return of_own + 2 * of_across;
}

/* ---- dense layers ---- */

/* Four rows of four numbers side by side. */
ALWAYS void KERNEL(turn)(const lanes *row, double *to, size_t stride)
{
    const lanes ab0 = __builtin_shufflevector(row[0], row[1], 0, 4, 2, 6);
    const lanes ab1 = __builtin_shufflevector(row[0], row[1], 1, 5, 3, 7);
    const lanes cd0 = __builtin_shufflevector(row[2], row[3], 0, 4, 2, 6);
    const lanes cd1 = __builtin_shufflevector(row[2], row[3], 1, 5, 3, 7);

    *(lanes *)to = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
    *(lanes *)(to + stride) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
    *(lanes *)(to + 2 * stride) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
    *(lanes *)(to + 3 * stride) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
}

ALWAYS void KERNEL(turn_rows)(const double *from, size_t from_stride, double *to, size_t to_stride)
{
    lanes row[LANES];

    for (size_t i = 0; i < LANES; i++) {
        row[i] = *(const lanes *)(from + i * from_stride);
    }
    KERNEL(turn)(row, to, to_stride);
}

static void KERNEL(abreast)(const double *rows, size_t stride, size_t n, size_t m, double *block)
{
    size_t j = 0;

    for (; n == RK_ABREAST && j + LANES <= m; j += LANES) {
        KERNEL(turn_rows)(rows + j, stride, block + j * RK_ABREAST, RK_ABREAST);
        KERNEL(turn_rows)(rows + j + 4 * stride, stride, block + j * RK_ABREAST + 4, RK_ABREAST);
    }
    for (; j < m; j++) {
        for (size_t i = 0; i < RK_ABREAST; i++) {
            block[j * RK_ABREAST + i] = i < n ? rows[i * stride + j] : 0;
        }
    }
}

static void KERNEL(apart)(const double *block, size_t m, size_t n, double *rows, size_t stride)
{
    size_t j = 0;

    for (; n == RK_ABREAST && j + LANES <= m; j += LANES) {
        KERNEL(turn_rows)(block + j * RK_ABREAST, RK_ABREAST, rows + j, stride);
        KERNEL(turn_rows)(block + j * RK_ABREAST + 4, RK_ABREAST, rows + j + 4 * stride, stride);
    }
    for (; j < m; j++) {
        for (size_t i = 0; i < n; i++) {
            rows[i * stride + j] = block[j * RK_ABREAST + i];
        }
    }
}

/* Outputs done at once: their sums and those of 8 items stay in registers. */
#define OUTPUTS 4

/* y = start + sum, and nothing below 0 where there is a ReLU. */
ALWAYS void KERNEL(activate)(lanes *sum, double start, bool relu)
{
    for (size_t c = 0; c < RK_ABREAST / LANES; c++) {
        const lanes y = sum[c] + start;
        sum[c] = relu ? (lanes)((masks)y & (y > 0)) : y;
    }
}

static void KERNEL(begin)(const double *start, size_t out, size_t n_blocks, double *y)
{
    for (size_t i = 0; i < n_blocks * out; i++) {
        KERNEL(activate)((lanes *)(y + i * RK_ABREAST), start[i % out], true);
    }
}

/* OUTPUTS of 8 items. wide: (m, OUTPUTS). */
ALWAYS void KERNEL(dense_tile)(const double *wide, const double *x, size_t m, lanes *sum)
{
    lanes low[OUTPUTS], high[OUTPUTS];

    for (size_t o = 0; o < OUTPUTS; o++) {
        low[o] = high[o] = (lanes){0};
    }
    for (size_t j = 0; j < m; j++) {
        const lanes x_low = *(const lanes *)(x + j * RK_ABREAST);
        const lanes x_high = *(const lanes *)(x + j * RK_ABREAST + LANES);
        for (size_t o = 0; o < OUTPUTS; o++) {
            low[o] += x_low * wide[j * OUTPUTS + o];
            high[o] += x_high * wide[j * OUTPUTS + o];
        }
    }
    for (size_t o = 0; o < OUTPUTS; o++) {
        sum[2 * o] = low[o];
        sum[2 * o + 1] = high[o];
    }
}

/* The weights of n outputs from `first` on, as doubles side by side; 0 beside them. */
ALWAYS void KERNEL(widen)(const struct rk_dense *layer, size_t first, size_t n, double *wide)
{
    const uint32_t *column = layer->column;
    const float *w = layer->w + first * layer->in;
    const size_t m = layer->n_columns;
    size_t j = 0;

    while (j < m) {
        const size_t at = column != NULL ? column[j] : j;
        if (n == OUTPUTS && j + 3 < m && (column == NULL || column[j + 3] == at + 3)) {
            lanes row[OUTPUTS];
            for (size_t o = 0; o < OUTPUTS; o++) {
                row[o] = WIDEN(*(const float_lanes *)(w + o * layer->in + at));
            }
            KERNEL(turn)(row, wide + j * OUTPUTS, OUTPUTS);
            j += 4;
            continue;
        }
        for (size_t o = 0; o < OUTPUTS; o++) {
            wide[j * OUTPUTS + o] = o < n ? (double)w[o * layer->in + at] : 0;
        }
        j++;
    }
}

static void KERNEL(dense)(const struct rk_dense *layer, const double *x, size_t n_blocks, double *y)
{
    const size_t m = layer->n_columns;
    lanes sum[2 * OUTPUTS];

    for (size_t first = 0; first < layer->out; first += OUTPUTS) {
        const size_t n = layer->out - first < OUTPUTS ? layer->out - first : OUTPUTS;
        KERNEL(widen)(layer, first, n, layer->wide);
        for (size_t b = 0; b < n_blocks; b++) {
            lanes *to = (lanes *)(y + (b * layer->out + first) * RK_ABREAST);
            KERNEL(dense_tile)(layer->wide, x + b * m * RK_ABREAST, m, sum);
            for (size_t o = 0; o < n; o++) {
                KERNEL(activate)(sum + 2 * o, layer->start[first + o], layer->relu);
                to[2 * o] = sum[2 * o];
                to[2 * o + 1] = sum[2 * o + 1];
            }
        }
    }
}

/* ---- the set ---- */

static const struct rk_kernels KERNEL(kernels) = {.fm_score = KERNEL(fm_score),
                                                  .fm_fields = KERNEL(fm_fields),
                                                  .add = KERNEL(add),
                                                  .ffm_pairs = KERNEL(ffm_pairs),
                                                  .dot = KERNEL(dot),
                                                  .abreast = KERNEL(abreast),
                                                  .apart = KERNEL(apart),
                                                  .begin = KERNEL(begin),
                                                  .dense = KERNEL(dense)};

#undef ALWAYS
#undef lanes
#undef float_lanes
#undef masks
#undef LANES
#undef VECTORS
#undef LINE
#undef LOOK_AHEAD
#undef KNOWN_AHEAD
#undef OUTPUTS
