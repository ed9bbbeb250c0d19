/*
 * Golden cases of embedding_losses.json: value and gradient with respect to the vectors.
 */
#ifndef RANKD_GOLDEN_EMBEDDING_H
#define RANKD_GOLDEN_EMBEDDING_H

#include "golden_check.h"

#include <rankd/embedding_loss.h>

/* Vectors of one role, (n, d), and their gradient. */
struct vectors {
    size_t n, d;
    double *v, *grad;
};

static struct vectors read_vectors(struct run *run, const json_t *test, const char *role)
{
    const json_t *rows = json_object_get(test, role);
    struct numbers numbers = numbers_of(run, rows);
    return (struct vectors){.n = json_array_size(rows),
                            .d = json_array_size(json_array_get(rows, 0)),
                            .v = numbers.v,
                            .grad = keep(run, numbers.n * sizeof(double))};
}

static void compare_vectors(struct run *run, const json_t *test, const char *role,
                            const struct vectors *vectors)
{
    compare(run, role, vectors->grad, vectors->n * vectors->d,
            json_object_get(json_object_get(test, "grad"), role), ATOL);
}

/* The mean over triplets. */
static double triplet_case(struct run *run, const json_t *test, bool squared)
{
    struct vectors a = read_vectors(run, test, "anchor"), p = read_vectors(run, test, "positive"),
                   n = read_vectors(run, test, "negative");
    double margin = json_number_value(json_object_get(test, "margin")), value = 0.0;
    for (size_t i = 0; i < a.n && a.n == p.n && a.n == n.n; i++) {
        size_t at = i * a.d;
        value += rk_triplet(a.v + at, p.v + at, n.v + at, a.d, margin, squared, 1.0 / (double)a.n,
                            a.grad + at, p.grad + at, n.grad + at) /
                 (double)a.n;
    }
    compare_vectors(run, test, "anchor", &a);
    compare_vectors(run, test, "positive", &p);
    compare_vectors(run, test, "negative", &n);
    return value;
}

static double n_pair_case(struct run *run, const json_t *test)
{
    struct vectors a = read_vectors(run, test, "anchor"), p = read_vectors(run, test, "positive");
    const json_t *labels = json_object_get(test, "labels");
    uint64_t *label = keep(run, a.n * sizeof *label);
    double value = 0.0;
    for (size_t i = 0; i < a.n; i++) {
        label[i] = (uint64_t)json_integer_value(json_array_get(labels, i));
    }
    if (a.n == p.n && a.n == json_array_size(labels)) {
        value = rk_n_pair(a.v, p.v, label, a.n, a.d, json_number_value(json_object_get(test, "l2")),
                          1.0, a.grad, p.grad);
    } else {
        trouble(run, "labels", NULL);
    }
    compare_vectors(run, test, "anchor", &a);
    compare_vectors(run, test, "positive", &p);
    return value;
}

static void embedding_case(struct run *run, const json_t *test)
{
    const char *name = json_string_value(json_object_get(test, "loss"));
    double value = 0.0;
    if (name != NULL && strcmp(name, "n_pair") == 0) {
        value = n_pair_case(run, test);
    } else if (name != NULL && strncmp(name, "triplet", strlen("triplet")) == 0) {
        value = triplet_case(run, test, strcmp(name, "triplet_torch") != 0);
    } else {
        run->check.skip = "embedding loss not built";
        return;
    }
    compare(run, "value", &value, 1, json_object_get(test, "value"), ATOL);
}

#endif
