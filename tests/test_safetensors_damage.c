/*
 * safetensors: files damaged in every place and at random. A header that is accepted after damage must be accepted by jansson
 * too, with the same meaning.
 */
#include "safetensors_fixture.h"
#include "test.h"

#include <jansson.h>
#include <rankd/random.h>
#include <stdbool.h>

#define SEED 7741

/* --- damage --- */

/* jansson's view of a tensor of an accepted file. */
static void assert_same_entry(const json_t *entry, const struct rk_st_tensor *tensor)
{
    static const char *const dtypes[] = {"F64", "F32", "F16", "BF16"};
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    assert_int_equal(json_object_size(entry), 3);
    assert_string_equal(json_string_value(json_object_get(entry, "dtype")), dtypes[tensor->dtype]);
    assert_int_equal(json_array_size(shape), tensor->rank);
    for (uint32_t d = 0; d < tensor->rank; d++) {
        assert_int_equal(json_integer_value(json_array_get(shape, d)), tensor->shape[d]);
    }
    assert_int_equal(json_integer_value(json_array_get(offsets, 1)) -
                         json_integer_value(json_array_get(offsets, 0)),
                     tensor->bytes);
}

/* What must hold of a file that was accepted. */
static void assert_consistent(const struct st_bytes *bytes, const struct rk_safetensors *file)
{
    uint64_t length;
    memcpy(&length, bytes->at, sizeof length);
    json_t *header = json_loadb((const char *)bytes->at + 8, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *metadata = json_object_get(header, "__metadata__");
    assert_non_null(header);
    assert_int_equal(json_object_size(header), file->n_tensors + (metadata != NULL ? 1 : 0));
    assert_int_equal(json_object_size(metadata), file->n_metadata);
    for (size_t i = 0; i < file->n_metadata; i++) {
        assert_string_equal(json_string_value(json_object_get(metadata, file->metadata[i].key)),
                            file->metadata[i].value);
    }
    const unsigned char *expected = bytes->at + 8 + length;
    for (size_t i = 0; i < file->n_tensors; i++) {
        assert_ptr_equal(file->tensor[i].data, expected);
        assert_same_entry(json_object_get(header, file->tensor[i].name), &file->tensor[i]);
        expected += file->tensor[i].bytes;
    }
    assert_ptr_equal(expected, bytes->at + bytes->n);
    json_decref(header);
}

/* Reads a file that may be anything; true where it was accepted. */
static bool accepts(const struct st_bytes *bytes)
{
    struct rk_safetensors file;
    struct rk_error err = {0};
    const enum rk_status status = rk_safetensors_read(bytes->at, bytes->n, &file, &err);
    if (status == RK_OK) {
        assert_consistent(bytes, &file);
        rk_safetensors_close(&file);
        return true;
    }
    assert_true(status == RK_CORRUPT || status == RK_TOOBIG);
    assert_in_range(strlen(err.text), 1, RK_ERROR_TEXT_MAX - 2); /* shorter than the cut */
    return false;
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct st_bytes whole = st_write_sample();
    assert_true(accepts(&whole));
    for (size_t n = 0; n < whole.n; n++) {
        struct st_bytes part = {malloc(n + (n == 0)), n};
        assert_non_null(part.at);
        memcpy(part.at, whole.at, n);
        assert_false(accepts(&part));
        free(part.at);
    }
    free(whole.at);
}

static void every_changed_byte_is_survived(void **state)
{
    (void)state;
    struct st_bytes bytes = st_write_sample();
    size_t accepted = 0;
    for (size_t i = 0; i < bytes.n; i++) {
        const unsigned char original = bytes.at[i];
        for (unsigned change = 1; change < 256; change++) {
            bytes.at[i] = (unsigned char)(original ^ change);
            accepted += accepts(&bytes);
        }
        bytes.at[i] = original;
    }
    /* all changes of the data, and of the header those of names and values */
    assert_in_range(accepted, 255 * 32, 255 * bytes.n / 2);
    free(bytes.at);
}

static void put_random_tensor(struct rk_random *random, char *header, size_t size, size_t *data)
{
    static const char *const dtypes[] = {"F64", "F32", "F16", "BF16"};
    static const size_t sizes[] = {8, 4, 2, 2};
    static const char *const tails[] = {"",    "\\u00e9", "\xf0\x9f\x98\x80", "\\ud83d\\ude00",
                                        "\\n", ".w"};
    static const char *const spaces[] = {"", " ", "\n\t"};
    const uint32_t dtype = rk_random_below(random, 4), rank = rk_random_below(random, 5);
    const char *space = spaces[rk_random_below(random, 3)];
    size_t bytes = sizes[dtype], used = strlen(header);
    used += (size_t)snprintf(header + used, size - used, "%s'%zu%s':{'dtype':'%s','shape':%s[",
                             used == 1 ? "" : ",", used, tails[rk_random_below(random, 6)],
                             dtypes[dtype], space);
    for (uint32_t d = 0; d < rank; d++) {
        const uint32_t length = rk_random_below(random, 4);
        bytes *= length;
        used += (size_t)snprintf(header + used, size - used, "%s%u", d == 0 ? "" : ",", length);
    }
    (void)snprintf(header + used, size - used, "],'data_offsets':[%zu,%zu]%s}", *data,
                   *data + bytes, space);
    *data += bytes;
}

static struct st_bytes random_file(struct rk_random *random)
{
    char header[1000] = "{";
    size_t data = 0;
    for (uint32_t left = rk_random_below(random, 6); left > 0; left--) {
        put_random_tensor(random, header, sizeof header, &data);
    }
    if (rk_random_below(random, 2) == 0) {
        strcat(header, header[1] == '\0' ? "" : ",");
        strcat(header, "'__metadata__':{'k':'v'}");
    }
    strcat(header, "}");
    return st_file_of(header, data);
}

/* Overwrites a place of the header by a piece of JSON or a copy of another place. */
static void damage(struct rk_random *random, struct st_bytes *bytes)
{
    static const char pieces[] = "0123456789-.e{}[]:,\"\\u d8\x80\xff\n\xc3";
    const uint32_t length = bytes->at[0] + 256u * bytes->at[1];
    unsigned char *place = bytes->at + 8 + rk_random_below(random, length);
    const unsigned char *other = bytes->at + 8 + rk_random_below(random, length);
    const bool copy = rk_random_below(random, 2) == 0;
    *place = copy ? *other : (unsigned char)pieces[rk_random_below(random, sizeof pieces - 1)];
}

static void random_headers_are_read_as_jansson_reads_them(void **state)
{
    (void)state;
    struct rk_random random = {SEED};
    size_t accepted = 0;
    for (size_t i = 0; i < 10000; i++) {
        struct st_bytes bytes = random_file(&random);
        assert_true(accepts(&bytes));
        for (uint32_t hits = 1 + rk_random_below(&random, 2); hits > 0; hits--) {
            damage(&random, &bytes);
        }
        accepted += accepts(&bytes);
        free(bytes.at);
    }
    assert_in_range(accepted, 300, 5000); /* else the damage is too heavy or too light to test */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(random_headers_are_read_as_jansson_reads_them),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
