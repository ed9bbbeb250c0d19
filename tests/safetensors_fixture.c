/*
 * Making safetensors files.
 */
#include "safetensors_fixture.h"

#include "test.h"

#include <float.h>

enum rk_status st_append(void *context, const void *bytes, size_t n, struct rk_error *err)
{
    (void)err;
    struct st_bytes *to = context;
    to->at = realloc(to->at, to->n + n);
    assert_non_null(to->at);
    memcpy(to->at + to->n, bytes, n);
    to->n += n;
    return RK_OK;
}

struct st_bytes st_file_of(const char *header, size_t data)
{
    const uint64_t length = strlen(header);
    struct st_bytes file = {NULL, 0};
    assert_ok(st_append(&file, &length, sizeof length, NULL));
    assert_ok(st_append(&file, header, length, NULL));
    for (size_t i = 0; i < length; i++) {
        file.at[8 + i] = file.at[8 + i] == '\'' ? '"' : file.at[8 + i];
    }
    for (size_t i = 0; i < data; i++) {
        const unsigned char byte = (unsigned char)i;
        assert_ok(st_append(&file, &byte, 1, NULL));
    }
    return file;
}

void assert_st_refused(struct st_bytes bytes, enum rk_status expected, const char *text)
{
    struct rk_safetensors file;
    struct rk_error err = {0};
    assert_status(rk_safetensors_read(bytes.at, bytes.n, &file, &err), expected);
    assert_string_equal(err.text, text);
    assert_int_equal(file.n_tensors, 0);
    assert_null(file.text);
    free(bytes.at);
}

void assert_st_all_corrupt(const struct st_refusal *refusals, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_st_refused(st_file_of(refusals[i].header, refusals[i].data), RK_CORRUPT,
                          refusals[i].text);
    }
}

static const float numbers[] = {1.5f, -0.0f, FLT_MIN / 4, FLT_MAX, 3, 4, 5, 6};

const struct rk_st_tensor st_written[ST_WRITTEN] = {
    {"linear.bias", RK_F32, 1, {1}, numbers, 4},
    {"empty", RK_F32, 2, {0, 7}, NULL, 0},
    {"scalar", RK_F32, 0, {0}, numbers + 1, 4},
    {"say \"\\\" \t \xc3\xa9", RK_F32, 3, {1, 3, 2}, numbers + 2, 24},
};
const struct rk_st_pair st_written_metadata[2] = {{"format", "pt"}, {"version", "17"}};

struct st_bytes st_write_sample(void)
{
    struct st_bytes bytes = {NULL, 0};
    assert_ok(rk_safetensors_write(st_written, ST_WRITTEN, st_written_metadata, 2, st_append,
                                   &bytes, NULL));
    return bytes;
}
