/*
 * golden FOLDER: holds the library to the golden numbers of a folder, whatever numbers it holds.
 *
 * Prints a line per file and kind, a line per failure, and last `golden: N passed, N failed, N
 * skipped`. Exits with 1 when a case fails or a file cannot be read. A kind that the library does
 * not have is skipped, and runs once it has.
 */
#include "golden_embedding.h"
#include "golden_models.h"

#include <rankd/eval.h>
#include <rankd/optim.h>

#define KINDS_MAX 64

/* alpha * ranking loss + (1 - alpha) * cross entropy of [y > 0]. */
static void joint_case(struct run *run, const json_t *test)
{
    json_t *params = json_object_get(test, "params");
    double alpha = json_number_value(json_object_get(params, "alpha"));
    struct rk_loss rank, bce;
    struct rk_loss_value rank_value = {0}, bce_value = {0};
    if (!read_loss(run, json_string_value(json_object_get(params, "rank")),
                   json_object_get(params, "rank_params"), &rank) ||
        !read_loss(run, "bce_with_logits", NULL, &bce)) {
        return;
    }
    struct batch graded = read_batch(run, json_object_get(test, "groups"), false);
    struct batch clicks = read_batch(run, json_object_get(test, "groups"), true);
    double *grad = eval_loss(run, &rank, &graded, &rank_value);
    double *bce_grad = eval_loss(run, &bce, &clicks, &bce_value);
    for (size_t i = 0; i < graded.items; i++) {
        grad[i] = alpha * grad[i] + (1.0 - alpha) * bce_grad[i];
    }
    double value = alpha * rank_value.value + (1.0 - alpha) * bce_value.value;
    compare(run, "value", &value, 1, json_object_get(test, "value"), ATOL);
    compare(run, "grad", grad, graded.items, json_object_get(test, "grad"), ATOL);
}

static void loss_case(struct run *run, const json_t *test)
{
    const char *name = json_string_value(json_object_get(test, "loss"));
    struct rk_loss loss;
    struct rk_loss_value value = {0};
    if (name != NULL && strcmp(name, "joint") == 0) {
        joint_case(run, test);
        return;
    }
    if (!read_loss(run, name, json_object_get(test, "params"), &loss)) {
        return;
    }
    struct batch batch = read_batch(run, json_object_get(test, "groups"), false);
    double *grad = eval_loss(run, &loss, &batch, &value);
    compare(run, "value", &value.value, 1, json_object_get(test, "value"), ATOL);
    compare(run, "grad", grad, batch.items, json_object_get(test, "grad"), ATOL);
    struct numbers pairs = numbers_of(run, json_object_get(test, "n_pairs"));
    double total = 0.0;
    for (size_t l = 0; l < pairs.n; l++) {
        total += pairs.v[l];
    }
    if (json_object_get(test, "n_pairs") != NULL) {
        compare_one(run, "n_pairs", 0, (double)value.pairs, total, 0.0);
    }
}

static void metric_case(struct run *run, const json_t *test)
{
    struct numbers score = numbers_of(run, json_object_get(test, "scores"));
    float *label = floats_of(run, json_object_get(test, "labels"));
    uint32_t *order = keep(run, score.n * sizeof *order), *work = keep(run, score.n * sizeof *work);
    double *rank = keep(run, score.n * sizeof *rank);
    rk_eval_order(score.v, score.n, order, work);
    for (size_t r = 0; r < score.n; r++) {
        rank[order[r]] = (double)(r + 1);
    }
    compare(run, "ranks", rank, score.n, json_object_get(test, "ranks"), 0.0);
    const char *cut;
    json_t *want;
    json_object_foreach(json_object_get(test, "ndcg"), cut, want)
    {
        float *scratch = keep(run, score.n * sizeof *scratch);
        double ndcg = rk_eval_ndcg(order, label, score.n, strtoul(cut, NULL, 10), scratch);
        compare(run, "ndcg", &ndcg, 1, want, ATOL);
    }
    const struct {
        const char *key;
        double value;
    } metrics[] = {{"auc", rk_eval_auc(order, score.v, label, score.n)},
                   {"ap", rk_eval_ap(order, label, score.n)},
                   {"rr", rk_eval_rr(order, label, score.n)},
                   {"logloss", rk_eval_log_loss(score.v, label, score.n)}};
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        compare(run, metrics[i].key, &metrics[i].value, 1, json_object_get(test, metrics[i].key),
                ATOL);
    }
}

struct trained {
    struct rk_optim optim;
    size_t n;
    float *p;
    float *slot[RK_OPTIM_SLOTS_MAX];
};

/* One update of rows; a row named twice has its gradients summed first. */
static void update_rows(struct run *run, struct trained *trained, uint64_t step, const json_t *rows,
                        const json_t *grads, size_t cols)
{
    struct numbers row = numbers_of(run, rows), grad = numbers_of(run, grads);
    for (size_t r = 0; r < row.n; r++) {
        bool seen = false;
        for (size_t q = 0; q < r; q++) {
            seen = seen || row.v[q] == row.v[r];
        }
        for (size_t q = r + 1; q < row.n; q++) {
            for (size_t c = 0; c < cols && row.v[q] == row.v[r]; c++) {
                grad.v[r * cols + c] += grad.v[q * cols + c];
            }
        }
        if (!seen) {
            size_t at = (size_t)row.v[r] * cols;
            float *slots[RK_OPTIM_SLOTS_MAX] = {trained->slot[0] + at, trained->slot[1] + at};
            rk_optim_update(&trained->optim, step, trained->p + at, slots, grad.v + r * cols, cols);
        }
    }
}

static void compare_slots(struct run *run, const struct trained *trained, const json_t *test,
                          size_t step, bool last)
{
    const json_t *state = json_object_get(test, "state_after_last");
    const json_t *z = json_array_get(json_object_get(test, "z_after"), step);
    for (size_t s = 0; s < rk_optim_slots(&trained->optim); s++) {
        const char *name = rk_optim_slot_text(&trained->optim, s);
        const json_t *want = last ? json_object_get(state, name) : NULL;
        want = strcmp(name, "z") == 0 ? z : want;
        want = strcmp(name, "n") == 0 && last ? json_object_get(test, "n_after_last") : want;
        if (want != NULL) {
            compare_floats(run, name, trained->slot[s], trained->n, want, ATOL);
        }
    }
}

static void optim_case(struct run *run, const json_t *test)
{
    const json_t *p0 = json_object_get(test, "p0"), *steps = json_object_get(test, "steps");
    const json_t *grads = json_object_get(test, "grads"),
                 *after = json_object_get(test, "params_after");
    struct trained trained = {.n = count_numbers(p0), .p = floats_of(run, p0)};
    size_t cols = json_array_size(json_array_get(p0, 0)), n_steps = json_array_size(after);
    if (!read_optim(run, test, &trained.optim)) {
        return;
    }
    for (size_t s = 0; s < RK_OPTIM_SLOTS_MAX; s++) {
        trained.slot[s] = keep(run, trained.n * sizeof *trained.p);
    }
    rk_optim_init(&trained.optim, trained.p, trained.slot, trained.n);
    for (size_t t = 0; t < n_steps; t++) {
        const json_t *step = json_array_get(steps, t);
        if (step != NULL) {
            update_rows(run, &trained, t + 1, json_object_get(step, "rows"),
                        json_object_get(step, "grad_rows"), cols);
        } else {
            struct numbers grad = numbers_of(run, json_array_get(grads, t));
            rk_optim_update(&trained.optim, t + 1, trained.p, trained.slot, grad.v, trained.n);
        }
        compare_floats(run, "params", trained.p, trained.n, json_array_get(after, t), ATOL);
        compare_slots(run, &trained, test, t, t + 1 == n_steps);
    }
}

static const struct file {
    const char *name, *kind; /* the member that names a case's kind, or NULL */
    void (*run)(struct run *run, const json_t *test);
} files[] = {
    {"losses.json", "loss", loss_case},   {"embedding_losses.json", "loss", embedding_case},
    {"models.json", "model", model_case}, {"optimizers.json", "optimizer", optim_case},
    {"metrics.json", NULL, metric_case},  {"train_trace.json", "model", trace_case},
};

struct tally {
    char kind[32];
    const char *skip; /* the last reason */
    size_t passed, failed, skipped;
};

static struct tally *tally_of(struct tally *tallies, const char *kind)
{
    size_t i = 0;
    while (i + 1 < KINDS_MAX && tallies[i].kind[0] != '\0' && strcmp(tallies[i].kind, kind) != 0) {
        i++;
    }
    snprintf(tallies[i].kind, sizeof tallies[i].kind, "%s", kind);
    return &tallies[i];
}

static void run_case(const struct file *file, const json_t *test, size_t number,
                     struct tally *tally)
{
    struct run run = {0};
    const char *id = json_string_value(json_object_get(test, "id"));
    file->run(&run, test);
    if (run.check.skip != NULL) {
        tally->skip = run.check.skip;
        tally->skipped++;
    } else if (run.check.trouble[0] != '\0' || !(run.check.worst <= 1.0)) {
        tally->failed++;
        printf("FAIL %s #%zu %s: ", file->name, number, id == NULL ? "" : id);
        if (run.check.trouble[0] != '\0') {
            printf("%s\n", run.check.trouble);
        } else {
            printf("%s is %.17g, expected %.17g, %.3g times the tolerance\n", run.check.what,
                   run.check.got, run.check.want, run.check.worst);
        }
    } else {
        tally->passed++;
    }
    release(&run);
}

static bool run_file(const char *folder, const struct file *file, struct tally *total)
{
    char path[4096];
    json_error_t error;
    struct tally tallies[KINDS_MAX] = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file->name);
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    const json_t *cases = json_object_get(root, "cases");
    if (!json_is_array(cases)) {
        printf("FAIL %s: %s\n", path, root == NULL ? error.text : "no cases");
        json_decref(root);
        return false;
    }
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *test = json_array_get(cases, i);
        const char *kind = "all";
        if (file->kind != NULL) {
            kind = json_string_value(json_object_get(test, file->kind));
        }
        run_case(file, test, i, tally_of(tallies, kind == NULL ? "nameless" : kind));
    }
    for (size_t i = 0; i < KINDS_MAX && tallies[i].kind[0] != '\0'; i++) {
        const struct tally *t = &tallies[i];
        printf("%-22s %-22s %3zu ran, %3zu passed, %zu failed, %zu skipped%s%s\n", file->name,
               t->kind, t->passed + t->failed, t->passed, t->failed, t->skipped,
               t->skip == NULL ? "" : ": ", t->skip == NULL ? "" : t->skip);
        total->passed += t->passed;
        total->failed += t->failed;
        total->skipped += t->skipped;
    }
    json_decref(root);
    return true;
}

int main(int argc, char **argv)
{
    struct tally total = {0};
    bool readable = true;
    if (argc != 2) {
        fprintf(stderr, "usage: golden FOLDER\n");
        return 1;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        readable = run_file(argv[1], &files[i], &total) && readable;
    }
    printf("golden: %zu passed, %zu failed, %zu skipped\n", total.passed, total.failed,
           total.skipped);
    return readable && total.failed == 0 ? 0 : 1;
}
