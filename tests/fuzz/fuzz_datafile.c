/*
 * Any bytes as a file of lists. What is read has to be lists that a model can be given, and
 * reading twice gives the same; what is refused has a place and a reason.
 *
 * Input: a byte for the model, a byte for the format, then the data; after a byte 1 in it follows
 * the file of sizes.
 */
#include "datafile.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COLUMNS 10

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A file in memory that has a path. */
struct memory_file {
    int fd;
    char path[64];
};

static struct memory_file memory_file(const uint8_t *bytes, size_t n)
{
    struct memory_file file = {.fd = memfd_create("lists", MFD_CLOEXEC)};

    CHECK(file.fd >= 0 && pwrite(file.fd, bytes, n, 0) == (ssize_t)n);
    (void)snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

static struct rk_model_config model_of(uint8_t choice)
{
    static const char *const kinds[] = {"fm", "ffm", "deepfm", "joint"};
    static const uint8_t fields[COLUMNS] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3};
    struct rk_model_config config;

    CHECK(rk_model_default(kinds[choice % 4], &config, NULL) == RK_OK);
    if (choice & 4) {
        config.features = (struct rk_space){.kind = RK_INDEXED, .size = COLUMNS};
        config.fields = choice % 4 == 1 || choice % 4 == 2 ? fields : NULL;
        config.n_fields = 4;
    }
    if (choice & 8) {
        config.users = config.items = (struct rk_space){.kind = RK_INDEXED, .size = 100};
    }
    return config;
}

static void check_group(const struct rk_group *group, const struct rk_model_config *config)
{
    const uint32_t rows = rk_space_rows(&config->features);

    CHECK(group->n_items <= 1000 && group->offset[0] == 0);
    for (size_t r = 0; r <= group->n_items; r++) {
        CHECK(group->offset[r] <= group->offset[r + 1]);
        for (uint32_t e = group->offset[r]; e < group->offset[r + 1]; e++) {
            CHECK(group->index[e] < rows && group->value[e] - group->value[e] == 0);
            CHECK(e == group->offset[r] || group->index[e - 1] < group->index[e]);
        }
    }
    CHECK(group->id[0] <= rk_space_rows(&config->users));
    for (size_t i = 0; i < group->n_items; i++) {
        CHECK(group->label[i] >= 0 && group->label[i] <= 31 && group->weight[i] >= 0);
        CHECK(group->id[i + 1] <= rk_space_rows(&config->items));
    }
}

/* Arrays of nothing may be NULL. */
static bool is_same(const void *a, const void *b, size_t bytes)
{
    return bytes == 0 || memcmp(a, b, bytes) == 0;
}

static void check_same(const struct datafile *a, const struct datafile *b)
{
    CHECK(a->n == b->n && a->items == b->items);
    for (size_t g = 0; g < a->n; g++) {
        const struct rk_group *x = a->group[g], *y = b->group[g];
        const size_t nnz = x->offset[x->n_items + 1];
        CHECK(x->n_items == y->n_items && nnz == y->offset[y->n_items + 1]);
        CHECK(is_same(x->index, y->index, nnz * sizeof *x->index));
        CHECK(is_same(x->value, y->value, nnz * sizeof *x->value));
        CHECK(is_same(x->label, y->label, x->n_items * sizeof *x->label));
        CHECK(is_same(x->id, y->id, (x->n_items + 1) * sizeof *x->id));
    }
}

static void read_lists(const struct datafile_options *options)
{
    struct datafile data, again;
    struct datafile_place place = {.line = SIZE_MAX};
    struct rk_error err = {0};
    size_t items = 0;

    if (datafile_read(options, &data, &place, &err) != RK_OK) {
        CHECK(err.text[0] != '\0' && place.line != SIZE_MAX && data.n == 0 && data.group == NULL);
        return;
    }
    CHECK(data.n > 0);
    for (size_t g = 0; g < data.n; g++) {
        check_group(data.group[g], options->config);
        items += data.group[g]->n_items;
    }
    CHECK(items == data.items);
    CHECK(datafile_read(options, &again, &place, &err) == RK_OK);
    check_same(&data, &again);
    datafile_close(&data);
    datafile_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const struct datafile_columns columns = {"y", "q", NULL, NULL};
    static const struct datafile_columns with_ids = {"y", "q", "u", "i"};
    struct datafile_options options = {0};
    struct rk_model_config config;
    struct memory_file data, sizes;
    const uint8_t *parted;
    size_t length;

    if (n < 2) {
        return 0;
    }
    json_start();
    config = model_of(bytes[0]);
    parted = memchr(bytes + 2, 1, n - 2);
    length = parted != NULL ? (size_t)(parted - bytes) - 2 : n - 2;
    data = memory_file(bytes + 2, length);
    sizes = memory_file(bytes + 2 + length + (parted != NULL), n - 2 - length - (parted != NULL));
    options.path = data.path;
    options.config = &config;
    if (bytes[1] % 4 == 1) {
        options.columns = columns;
    } else if (bytes[1] % 4 == 2) {
        options.columns = with_ids;
    } else if (parted != NULL) {
        options.sizes = sizes.path;
    }
    read_lists(&options);
    (void)close(data.fd);
    (void)close(sizes.fd);
    return 0;
}
