/*
 * Reading safetensors: the header's grammar, then the rules that tensors and data must obey
 * together. A file comes from anywhere, so nothing is believed before it is checked, and the only
 * allocation is as large as the header that is there.
 */
#include "safetensors_impl.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    size_t bytes;
} dtypes[] = {
    [RK_F64] = {"F64", 8},
    [RK_F32] = {"F32", 4},
    [RK_F16] = {"F16", 2},
    [RK_BF16] = {"BF16", 2},
};

#define N_DTYPES (sizeof dtypes / sizeof dtypes[0])

/* A tensor with its data_offsets, before they are known to make sense. */
struct entry {
    size_t begin;
    size_t end;
    struct rk_st_tensor tensor;
};

size_t rk_dtype_bytes(enum rk_dtype dtype)
{
    return dtypes[dtype].bytes;
}

bool rk_st_shape_bytes(const struct rk_st_tensor *tensor, size_t *bytes)
{
    size_t product = rk_dtype_bytes(tensor->dtype);
    for (uint32_t d = 0; d < tensor->rank; d++) {
        if (__builtin_mul_overflow(product, tensor->shape[d], &product)) {
            return false;
        }
    }
    *bytes = product;
    return true;
}

static void read_dtype(struct rk_st_cursor *cursor, struct entry *entry)
{
    const char *text = rk_st_string(cursor);
    for (size_t i = 0; cursor->status == RK_OK && i < N_DTYPES; i++) {
        if (strcmp(text, dtypes[i].text) == 0) {
            entry->tensor.dtype = (enum rk_dtype)i;
            return;
        }
    }
    if (cursor->status == RK_OK) {
        cursor->status = rk_fail(cursor->err, RK_CORRUPT,
                                 "tensor \"%s\": dtype \"%s\" is not F64, F32, F16 or BF16",
                                 rk_st_label(cursor->tensor).text, rk_st_label(text).text);
    }
}

static void read_shape(struct rk_st_cursor *cursor, struct entry *entry)
{
    struct rk_st_tensor *tensor = &entry->tensor;
    rk_st_expect(cursor, '[');
    if (rk_st_take(cursor, ']')) {
        return;
    }
    do {
        if (tensor->rank == RK_ST_RANK_MAX) {
            rk_st_fail(cursor, RK_TOOBIG, "a shape of more than 4 dimensions");
            return;
        }
        tensor->shape[tensor->rank++] = rk_st_number(cursor);
    } while (rk_st_take(cursor, ','));
    rk_st_expect(cursor, ']');
}

static void read_offsets(struct rk_st_cursor *cursor, struct entry *entry)
{
    rk_st_expect(cursor, '[');
    entry->begin = rk_st_number(cursor);
    rk_st_expect(cursor, ',');
    entry->end = rk_st_number(cursor);
    rk_st_expect(cursor, ']');
}

static const struct {
    const char *name;
    void (*read)(struct rk_st_cursor *cursor, struct entry *entry);
} members[] = {
    {"dtype", read_dtype},
    {"shape", read_shape},
    {"data_offsets", read_offsets},
};

#define N_MEMBERS (sizeof members / sizeof members[0])

static void fail_member(struct rk_st_cursor *cursor, const char *what, const char *member)
{
    if (cursor->status == RK_OK) {
        cursor->status = rk_fail(cursor->err, RK_CORRUPT, "tensor \"%s\": %s \"%s\"",
                                 rk_st_label(cursor->tensor).text, what, rk_st_label(member).text);
    }
}

static void read_member(struct rk_st_cursor *cursor, struct entry *entry, bool *seen)
{
    const char *name = rk_st_string(cursor);
    size_t m = 0;
    while (m < N_MEMBERS && strcmp(members[m].name, name) != 0) {
        m++;
    }
    if (m == N_MEMBERS || seen[m]) {
        fail_member(cursor, m == N_MEMBERS ? "unknown member" : "duplicate member", name);
        return;
    }
    seen[m] = true;
    rk_st_expect(cursor, ':');
    members[m].read(cursor, entry);
}

static void read_members(struct rk_st_cursor *cursor, struct entry *entry)
{
    bool seen[N_MEMBERS] = {false};
    rk_st_expect(cursor, '{');
    if (!rk_st_take(cursor, '}')) {
        do {
            read_member(cursor, entry, seen);
        } while (rk_st_take(cursor, ','));
        rk_st_expect(cursor, '}');
    }
    for (size_t m = 0; m < N_MEMBERS; m++) {
        if (!seen[m]) {
            fail_member(cursor, "missing member", members[m].name);
        }
    }
}

/*
 * Keeps the entries in the order of their data; of two with the same offsets the first read stays
 * first.
 */
static void insert_entry(struct rk_safetensors *file, size_t (*offsets)[2],
                         const struct entry *entry)
{
    size_t place = file->n_tensors++;
    while (place > 0 &&
           (offsets[place - 1][0] > entry->begin ||
            (offsets[place - 1][0] == entry->begin && offsets[place - 1][1] > entry->end))) {
        file->tensor[place] = file->tensor[place - 1];
        memcpy(offsets[place], offsets[place - 1], sizeof offsets[place]);
        place--;
    }
    file->tensor[place] = entry->tensor;
    offsets[place][0] = entry->begin;
    offsets[place][1] = entry->end;
}

static void read_tensor(struct rk_st_cursor *cursor, const char *name, struct rk_safetensors *file,
                        size_t (*offsets)[2])
{
    struct entry entry = {0};
    cursor->tensor = name;
    if (rk_safetensors_find(file, name) != NULL) {
        rk_st_fail(cursor, RK_CORRUPT, "a duplicate name");
    } else if (strlen(name) >= sizeof entry.tensor.name) {
        rk_st_fail(cursor, RK_TOOBIG, "a name longer than 127 bytes");
    } else if (file->n_tensors == RK_ST_TENSORS_MAX) {
        rk_st_fail(cursor, RK_TOOBIG, "more than 256 tensors");
    }
    read_members(cursor, &entry);
    if (cursor->status == RK_OK) {
        memcpy(entry.tensor.name, name, strlen(name));
        insert_entry(file, offsets, &entry);
    }
    cursor->tensor = NULL;
}

static void read_pair(struct rk_st_cursor *cursor, struct rk_safetensors *file)
{
    const char *key = rk_st_string(cursor);
    rk_st_expect(cursor, ':');
    const char *value = rk_st_string(cursor);
    if (rk_safetensors_metadata(file, key) != NULL) {
        rk_st_fail(cursor, RK_CORRUPT, "a duplicate key in __metadata__");
    } else if (file->n_metadata == RK_ST_METADATA_MAX) {
        rk_st_fail(cursor, RK_TOOBIG, "more than 64 keys in __metadata__");
    }
    if (cursor->status == RK_OK) {
        file->metadata[file->n_metadata++] = (struct rk_st_pair){key, value};
    }
}

static void read_metadata(struct rk_st_cursor *cursor, struct rk_safetensors *file)
{
    rk_st_expect(cursor, '{');
    if (!rk_st_take(cursor, '}')) {
        do {
            read_pair(cursor, file);
        } while (rk_st_take(cursor, ','));
        rk_st_expect(cursor, '}');
    }
}

static void read_named(struct rk_st_cursor *cursor, struct rk_safetensors *file,
                       size_t (*offsets)[2], bool *has_metadata)
{
    const char *name = rk_st_string(cursor);
    rk_st_expect(cursor, ':');
    if (strcmp(name, RK_ST_METADATA_NAME) != 0) {
        read_tensor(cursor, name, file, offsets);
        return;
    }
    if (*has_metadata) {
        rk_st_fail(cursor, RK_CORRUPT, "a duplicate __metadata__");
    }
    *has_metadata = true;
    read_metadata(cursor, file);
}

static void read_header(struct rk_st_cursor *cursor, struct rk_safetensors *file,
                        size_t (*offsets)[2])
{
    bool has_metadata = false;
    rk_st_expect(cursor, '{');
    if (!rk_st_take(cursor, '}')) {
        do {
            read_named(cursor, file, offsets, &has_metadata);
        } while (rk_st_take(cursor, ','));
        rk_st_expect(cursor, '}');
    }
    rk_st_expect_end(cursor);
}

/*
 * The rules that a tensor must obey alone: its range lies within n bytes of data and is as long as
 * its shape says.
 */
static enum rk_status check_range(const struct rk_st_tensor *tensor, const size_t *range, size_t n,
                                  struct rk_error *err)
{
    const struct rk_st_label label = rk_st_label(tensor->name);
    const size_t begin = range[0], end = range[1];
    size_t bytes;
    if (begin > end) {
        return rk_fail(err, RK_CORRUPT,
                       "tensor \"%s\": data_offsets [%zu, %zu] end before they begin", label.text,
                       begin, end);
    }
    if (end > n) {
        return rk_fail(err, RK_CORRUPT,
                       "tensor \"%s\": data_offsets [%zu, %zu] pass the end of %zu bytes of data",
                       label.text, begin, end, n);
    }
    if (!rk_st_shape_bytes(tensor, &bytes)) {
        return rk_fail(err, RK_CORRUPT, "tensor \"%s\": the product of its shape overflows",
                       label.text);
    }
    if (bytes != end - begin) {
        return rk_fail(err, RK_CORRUPT,
                       "tensor \"%s\": data_offsets hold %zu bytes, dtype and shape need %zu",
                       label.text, end - begin, bytes);
    }
    return RK_OK;
}

/*
 * The rules that the tensors must obey together: their ranges follow each other from 0 to the last
 * byte.
 */
static enum rk_status place_tensors(struct rk_safetensors *file, size_t (*offsets)[2],
                                    const unsigned char *data, size_t n, struct rk_error *err)
{
    size_t expected = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        struct rk_st_tensor *tensor = &file->tensor[i];
        const size_t begin = offsets[i][0], end = offsets[i][1];
        const enum rk_status status = check_range(tensor, offsets[i], n, err);
        if (status != RK_OK) {
            return status;
        }
        if (begin < expected) {
            return rk_fail(
                err, RK_CORRUPT, "tensor \"%s\": data_offsets [%zu, %zu] overlap tensor \"%s\"",
                rk_st_label(tensor->name).text, begin, end, rk_st_label(tensor[-1].name).text);
        }
        if (begin > expected) {
            return rk_fail(err, RK_CORRUPT,
                           "tensor \"%s\": data_offsets [%zu, %zu] leave a hole after byte %zu",
                           rk_st_label(tensor->name).text, begin, end, expected);
        }
        tensor->data = data + begin;
        tensor->bytes = end - begin;
        expected = end;
    }
    if (expected != n) {
        return rk_fail(err, RK_CORRUPT, "%zu bytes follow the last tensor", n - expected);
    }
    return RK_OK;
}

static enum rk_status find_header(const unsigned char *bytes, size_t n, size_t *length,
                                  struct rk_error *err)
{
    uint64_t claimed;
    if (n < RK_ST_PREFIX) {
        return rk_fail(err, RK_CORRUPT, "%zu bytes are too few for the header's length", n);
    }
    memcpy(&claimed, bytes, sizeof claimed);
    if (claimed > n - RK_ST_PREFIX) {
        return rk_fail(err, RK_CORRUPT, "a header of %llu bytes passes the end of a file of %zu",
                       (unsigned long long)claimed, n);
    }
    if (claimed > RK_ST_HEADER_MAX) {
        return rk_fail(err, RK_TOOBIG, "a header of %llu bytes, at most %d are read",
                       (unsigned long long)claimed, RK_ST_HEADER_MAX);
    }
    if (claimed == 0 || bytes[RK_ST_PREFIX] != '{') {
        return rk_fail(err, RK_CORRUPT, "the header does not start with '{'");
    }
    *length = (size_t)claimed;
    return RK_OK;
}

enum rk_status rk_safetensors_read(const void *bytes, size_t n, struct rk_safetensors *file,
                                   struct rk_error *err)
{
    size_t offsets[RK_ST_TENSORS_MAX][2];
    size_t length = 0;
    file->n_tensors = 0;
    file->n_metadata = 0;
    file->text = NULL;
    enum rk_status status = find_header(bytes, n, &length, err);
    if (status != RK_OK) {
        return status;
    }
    file->text = malloc(length);
    if (file->text == NULL) {
        return rk_fail(err, RK_NOMEM, "no memory for a header of %zu bytes", length);
    }
    const unsigned char *header = (const unsigned char *)bytes + RK_ST_PREFIX;
    struct rk_st_cursor cursor = {
        .start = header, .at = header, .end = header + length, .text = file->text, .err = err};
    read_header(&cursor, file, offsets);
    status = cursor.status;
    if (status == RK_OK) {
        status = place_tensors(file, offsets, header + length, n - RK_ST_PREFIX - length, err);
    }
    if (status != RK_OK) {
        rk_safetensors_close(file);
    }
    return status;
}

void rk_safetensors_close(struct rk_safetensors *file)
{
    free(file->text);
    file->text = NULL;
    file->n_tensors = 0;
    file->n_metadata = 0;
}

const struct rk_st_tensor *rk_safetensors_find(const struct rk_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        if (strcmp(file->tensor[i].name, name) == 0) {
            return &file->tensor[i];
        }
    }
    return NULL;
}

const char *rk_safetensors_metadata(const struct rk_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->n_metadata; i++) {
        if (strcmp(file->metadata[i].key, key) == 0) {
            return file->metadata[i].value;
        }
    }
    return NULL;
}
