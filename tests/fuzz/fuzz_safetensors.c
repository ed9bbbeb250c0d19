/*
 * Any bytes as a safetensors file: read, converted to floats, and written again. What is written
 * has to be read as the same file. Input: the file.
 */
#include <rankd/safetensors.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct written {
    unsigned char *at;
    size_t n;
};

static enum rk_status append(void *context, const void *bytes, size_t n, struct rk_error *err)
{
    struct written *to = context;
    unsigned char *grown = realloc(to->at, to->n + n + 1);

    (void)err;
    CHECK(grown != NULL);
    to->at = grown;
    memcpy(to->at + to->n, bytes, n);
    to->n += n;
    return RK_OK;
}

/* What the header promises of a file that was accepted: the data is covered, piece after piece. */
static void check_file(const uint8_t *bytes, size_t n, const struct rk_safetensors *file)
{
    const unsigned char *end = bytes + n;

    for (size_t i = file->n_tensors; i-- > 0;) {
        const struct rk_st_tensor *tensor = &file->tensor[i];
        CHECK(tensor->data == end - tensor->bytes);
        CHECK(rk_safetensors_find(file, tensor->name) == tensor);
        end -= tensor->bytes;
    }
    CHECK(end >= bytes + 8);
    for (size_t i = 0; i < file->n_metadata; i++) {
        CHECK(rk_safetensors_metadata(file, file->metadata[i].key) == file->metadata[i].value);
    }
}

/* Converts all tensors; a number that is not finite is refused. */
static void convert(const struct rk_safetensors *file)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        const size_t elements = rk_st_elements(&file->tensor[i]);
        float *floats = malloc(elements * sizeof *floats + 1);
        struct rk_error err = {0};
        CHECK(floats != NULL && elements <= file->tensor[i].bytes);
        if (rk_st_floats(&file->tensor[i], floats, &err) != RK_OK) {
            CHECK(err.status == RK_INVALID && err.text[0] != '\0');
        }
        free(floats);
    }
}

static void check_again(const struct rk_safetensors *file)
{
    struct written to = {0};
    struct rk_safetensors again;

    if (rk_safetensors_write(file->tensor, file->n_tensors, file->metadata, file->n_metadata,
                             append, &to, NULL) == RK_OK) {
        CHECK(rk_safetensors_read(to.at, to.n, &again, NULL) == RK_OK);
        CHECK(again.n_tensors == file->n_tensors && again.n_metadata == file->n_metadata);
        for (size_t i = 0; i < file->n_tensors; i++) {
            const struct rk_st_tensor *a = &file->tensor[i], *b = &again.tensor[i];
            CHECK(strcmp(a->name, b->name) == 0 && a->rank == b->rank && a->bytes == b->bytes);
            CHECK(memcmp(a->shape, b->shape, sizeof a->shape) == 0);
            CHECK(a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
        }
        rk_safetensors_close(&again);
    }
    free(to.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct rk_safetensors file;
    struct rk_error err = {0};
    const enum rk_status status = rk_safetensors_read(bytes, n, &file, &err);

    if (status != RK_OK) {
        CHECK(err.status == status && err.text[0] != '\0' && file.text == NULL);
        return 0;
    }
    check_file(bytes, n, &file);
    convert(&file);
    check_again(&file);
    rk_safetensors_close(&file);
    return 0;
}
