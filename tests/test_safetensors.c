/*
 * safetensors: what is written is read, and elements become floats.
 */
#include "safetensors_fixture.h"
#include "test.h"

#include <float.h>
#include <stdbool.h>

/* --- writing, and reading what was written --- */

static const float numbers[] = {1, 2};

static void file_is_written_as_the_format_says(void **state)
{
    (void)state;
    static const char expected[] =
        "\x90\0\0\0\0\0\0\0"
        "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":"
        "[0,4]},\"b\\u0001\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[4,8]}}     "
        "\0\0\x80\x3f\0\0\0\xc0";
    const float one = 1, minus_two = -2;
    const struct rk_st_tensor tensors[] = {{"a", RK_F32, 0, {0}, &one, 4},
                                           {"b\x01", RK_F32, 2, {1, 1}, &minus_two, 4}};
    const struct rk_st_pair metadata = {"k", "v"};
    struct st_bytes bytes = {NULL, 0};
    assert_ok(rk_safetensors_write(tensors, 2, &metadata, 1, st_append, &bytes, NULL));
    assert_int_equal(bytes.n, sizeof expected - 1);
    assert_memory_equal(bytes.at, expected, bytes.n);
    free(bytes.at);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct rk_safetensors file;
    struct st_bytes bytes = st_write_sample();
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_int_equal(file.n_tensors, ST_WRITTEN);
    for (size_t i = 0; i < ST_WRITTEN; i++) {
        const struct rk_st_tensor *tensor = rk_safetensors_find(&file, st_written[i].name);
        assert_ptr_equal(tensor, &file.tensor[i]);
        assert_int_equal(tensor->rank, st_written[i].rank);
        assert_memory_equal(tensor->shape, st_written[i].shape, sizeof tensor->shape);
        assert_int_equal(tensor->bytes, st_written[i].bytes);
        float floats[6];
        assert_ok(rk_st_floats(tensor, floats, NULL));
        assert_memory_equal(floats, st_written[i].bytes > 0 ? st_written[i].data : floats,
                            tensor->bytes);
    }
    assert_int_equal(file.n_metadata, 2);
    assert_string_equal(rk_safetensors_metadata(&file, "version"), "17");
    assert_null(rk_safetensors_metadata(&file, "absent"));
    assert_null(rk_safetensors_find(&file, "absent"));
    rk_safetensors_close(&file);
    free(bytes.at);
}

static void reading_then_writing_gives_the_same_bytes(void **state)
{
    (void)state;
    struct rk_safetensors file;
    struct st_bytes bytes = st_write_sample(), again = {NULL, 0};
    assert_int_equal(bytes.n % 4, 0);
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_ok(rk_safetensors_write(file.tensor, file.n_tensors, file.metadata, file.n_metadata,
                                   st_append, &again, NULL));
    assert_int_equal(again.n, bytes.n);
    assert_memory_equal(again.at, bytes.at, bytes.n);
    rk_safetensors_close(&file);
    free(bytes.at);
    free(again.at);
}

static void empty_file_is_written_and_read(void **state)
{
    (void)state;
    struct rk_safetensors file;
    struct st_bytes bytes = {NULL, 0};
    assert_ok(rk_safetensors_write(NULL, 0, NULL, 0, st_append, &bytes, NULL));
    assert_int_equal(bytes.n, 16);
    assert_memory_equal(bytes.at, "\x08\0\0\0\0\0\0\0{}      ", 16);
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_int_equal(file.n_tensors + file.n_metadata, 0);
    rk_safetensors_close(&file);
    rk_safetensors_close(&file);
    free(bytes.at);
}

static void assert_not_written(const struct rk_st_tensor *tensors, size_t n, const char *text)
{
    struct st_bytes bytes = {NULL, 0};
    struct rk_error err = {0};
    assert_status(rk_safetensors_write(tensors, n, NULL, 0, st_append, &bytes, &err), RK_INVALID);
    assert_string_equal(err.text, text);
    assert_null(bytes.at);
}

static void writer_refuses_what_a_reader_would(void **state)
{
    (void)state;
    static const struct {
        struct rk_st_tensor tensor;
        const char *text;
    } refused[] = {
        {{"__metadata__", RK_F32, 0, {0}, numbers, 4},
         "tensor \"__metadata__\": this cannot be a name"},
        {{"\xff\xc3", RK_F32, 0, {0}, numbers, 4}, "tensor \"??\": this cannot be a name"},
        {{"a", RK_F16, 1, {2}, numbers, 4}, "tensor \"a\": only F32 is written"},
        {{"a", RK_F32, 5, {1, 1, 1, 1}, numbers, 4},
         "tensor \"a\": a shape of more than 4 dimensions"},
        {{"a", RK_F32, 1, {2}, numbers, 4}, "tensor \"a\": its shape does not need 4 bytes"},
        {{"a", RK_F32, 2, {SIZE_MAX / 2, 3}, numbers, 4},
         "tensor \"a\": its shape does not need 4 bytes"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_not_written(&refused[i].tensor, 1, refused[i].text);
    }
    struct rk_st_tensor twins[] = {st_written[0], st_written[0]};
    assert_not_written(twins, 2, "tensor \"linear.bias\": a duplicate name");
    memset(twins[1].name, 'x', sizeof twins[1].name);
    assert_not_written(twins, 2, "a tensor's name is longer than 127 bytes");
    assert_not_written(NULL, 257, "257 tensors, at most 256 are written");
}

static void writer_refuses_metadata_that_needs_escapes(void **state)
{
    (void)state;
    static const struct rk_st_pair refused[] = {
        {"a\"", "b"}, {"a", "\\"}, {"a", "\n"}, {"a", "\xc3\xa9"}, {"\x7f", "b"}};
    struct st_bytes bytes = {NULL, 0};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_status(rk_safetensors_write(NULL, 0, &refused[i], 1, st_append, &bytes, NULL),
                      RK_INVALID);
    }
    const struct rk_st_pair twins[] = {{"a", "1"}, {"a", "2"}};
    struct rk_error err = {0};
    assert_status(rk_safetensors_write(NULL, 0, twins, 2, st_append, &bytes, &err), RK_INVALID);
    assert_string_equal(err.text, "metadata \"a\": a duplicate key");
    assert_null(bytes.at);
}

static void header_too_long_to_be_read_is_not_written(void **state)
{
    (void)state;
    char *value = calloc(1, RK_ST_HEADER_MAX);
    assert_non_null(value);
    memset(value, 'v', RK_ST_HEADER_MAX - 1);
    const struct rk_st_pair pair = {"k", value};
    struct st_bytes bytes = {NULL, 0};
    assert_status(rk_safetensors_write(NULL, 0, &pair, 1, st_append, &bytes, NULL), RK_INVALID);
    const size_t frame = strlen("{\"__metadata__\":{\"k\":\"\"}}");
    value[RK_ST_HEADER_MAX - frame] = '\0';
    assert_ok(rk_safetensors_write(NULL, 0, &pair, 1, st_append, &bytes, NULL));
    assert_int_equal(bytes.n, 8 + RK_ST_HEADER_MAX);
    struct rk_safetensors file;
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_string_equal(rk_safetensors_metadata(&file, "k"), value);
    rk_safetensors_close(&file);
    free(bytes.at);
    free(value);
}

static enum rk_status refuse_third(void *context, const void *bytes, size_t n, struct rk_error *err)
{
    (void)bytes;
    (void)n;
    int *calls = context;
    return ++*calls == 3 ? rk_fail(err, RK_IO, "disk full") : RK_OK;
}

static void what_the_sink_returns_ends_the_writing(void **state)
{
    (void)state;
    int calls = 0;
    struct rk_error err = {0};
    assert_status(rk_safetensors_write(st_written, ST_WRITTEN, NULL, 0, refuse_third, &calls, &err),
                  RK_IO);
    assert_string_equal(err.text, "disk full");
    assert_int_equal(calls, 3);
}

/* --- elements as floats --- */

static struct rk_st_tensor tensor_of(enum rk_dtype dtype, const void *data, size_t n, size_t size)
{
    return (struct rk_st_tensor){"t", dtype, 1, {n}, data, n * size};
}

/* (-1)^s 2^(e - bias) (1 + f / 2^bits), or 2^(1 - bias) f / 2^bits where e is 0. */
static double half_in_double(unsigned half, int bits, int bias)
{
    const int exponent = (int)(half & 0x7fff) >> bits;
    const double fraction = (double)(half & ((1u << bits) - 1));
    const double size = exponent == 0
                            ? ldexp(fraction, 1 - bias - bits)
                            : ldexp(fraction + (double)(1u << bits), exponent - bias - bits);
    return half & 0x8000 ? -size : size;
}

static void check_every_half(enum rk_dtype dtype, int bits, int bias)
{
    for (unsigned half = 0; half < 0x10000; half++) {
        const uint16_t data[] = {0, (uint16_t)half};
        const struct rk_st_tensor tensor = tensor_of(dtype, data, 2, 2);
        const bool finite = (half & 0x7fff) >> bits != (0x7fffu >> bits);
        float floats[2];
        struct rk_error err = {0};
        assert_status(rk_st_floats(&tensor, floats, &err), finite ? RK_OK : RK_INVALID);
        if (finite) {
            const double expected = half_in_double(half, bits, bias);
            assert_true((double)floats[1] == expected && !signbit(floats[1]) == !signbit(expected));
        } else {
            assert_string_equal(err.text, "tensor \"t\": element 1 is not finite as a float");
        }
    }
}

static void every_half_becomes_its_float(void **state)
{
    (void)state;
    check_every_half(RK_F16, 10, 15);
    check_every_half(RK_BF16, 7, 127);
}

static void double_is_rounded_to_the_nearest_float(void **state)
{
    (void)state;
    static const double doubles[] = {
        0.1,      -0.0,     1 + 0x1p-24,          1 + 0x1.8p-23, 1 + 0x1.000001p-24,
        0x1p-149, 0x1p-151, 0x1.fffffefffffffp127};
    static const float expected[] = {0.1f,         -0.0f,     1, 1 + 0x1p-22f,
                                     1 + 0x1p-23f, 0x1p-149f, 0, FLT_MAX};
    float floats[8];
    const struct rk_st_tensor tensor = tensor_of(RK_F64, doubles, 8, 8);
    assert_ok(rk_st_floats(&tensor, floats, NULL));
    assert_memory_equal(floats, expected, sizeof expected);
}

static void what_is_not_finite_as_a_float_is_refused(void **state)
{
    (void)state;
    static const double wide[] = {0x1.ffffffp127, 1e39, -1e300, INFINITY, -INFINITY, NAN};
    static const float narrow[] = {INFINITY, -INFINITY, NAN};
    float to[1];
    for (size_t i = 0; i < 6; i++) {
        const struct rk_st_tensor tensor = tensor_of(RK_F64, wide + i, 1, 8);
        struct rk_error err = {0};
        assert_status(rk_st_floats(&tensor, to, &err), RK_INVALID);
        assert_string_equal(err.text, "tensor \"t\": element 0 is not finite as a float");
    }
    for (size_t i = 0; i < 3; i++) {
        const struct rk_st_tensor tensor = tensor_of(RK_F32, narrow + i, 1, 4);
        assert_status(rk_st_floats(&tensor, to, NULL), RK_INVALID);
    }
}

static void unaligned_data_is_read(void **state)
{
    (void)state;
    static const double values[] = {1.5, -2.25};
    for (size_t shift = 0; shift < 8; shift++) {
        unsigned char raw[8 + sizeof values];
        memcpy(raw + shift, values, sizeof values);
        const struct rk_st_tensor tensor = tensor_of(RK_F64, raw + shift, 2, 8);
        float floats[2];
        assert_ok(rk_st_floats(&tensor, floats, NULL));
        assert_true(floats[0] == 1.5f && floats[1] == -2.25f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_written_as_the_format_says),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(reading_then_writing_gives_the_same_bytes),
        cmocka_unit_test(empty_file_is_written_and_read),
        cmocka_unit_test(writer_refuses_what_a_reader_would),
        cmocka_unit_test(writer_refuses_metadata_that_needs_escapes),
        cmocka_unit_test(header_too_long_to_be_read_is_not_written),
        cmocka_unit_test(what_the_sink_returns_ends_the_writing),
        cmocka_unit_test(every_half_becomes_its_float),
        cmocka_unit_test(double_is_rounded_to_the_nearest_float),
        cmocka_unit_test(what_is_not_finite_as_a_float_is_refused),
        cmocka_unit_test(unaligned_data_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
