/*
 * safetensors: round trips, every rule of the format broken by hand, and files damaged in every place and at random. A
 * header that is accepted after damage must be accepted by jansson too, with the same meaning.
 */
#include "test.h"

#include <float.h>
#include <jansson.h>
#include <rankd/random.h>
#include <rankd/safetensors.h>
#include <stdbool.h>

#define SEED 7741

/* A file in a block of exactly its length, so that the address sanitizer sees a read past its end. */
struct bytes {
    unsigned char *at;
    size_t n;
};

static enum rk_status append(void *context, const void *bytes, size_t n, struct rk_error *err)
{
    (void)err;
    struct bytes *to = context;
    to->at = realloc(to->at, to->n + n);
    assert_non_null(to->at);
    memcpy(to->at + to->n, bytes, n);
    to->n += n;
    return RK_OK;
}

/* A file of a header, in which ' stands for ", and data bytes 0, 1, 2, ... */
static struct bytes file_of(const char *header, size_t data)
{
    const uint64_t length = strlen(header);
    struct bytes file = {NULL, 0};
    assert_ok(append(&file, &length, sizeof length, NULL));
    assert_ok(append(&file, header, length, NULL));
    for (size_t i = 0; i < length; i++) {
        file.at[8 + i] = file.at[8 + i] == '\'' ? '"' : file.at[8 + i];
    }
    for (size_t i = 0; i < data; i++) {
        const unsigned char byte = (unsigned char)i;
        assert_ok(append(&file, &byte, 1, NULL));
    }
    return file;
}

/* Reads and frees; the status must be as expected, and the text exactly that. */
static void assert_refused_file(struct bytes bytes, enum rk_status expected, const char *text)
{
    struct rk_safetensors file;
    struct rk_error err = {0};
    assert_status(rk_safetensors_read(bytes.at, bytes.n, &file, &err), expected);
    assert_string_equal(err.text, text);
    assert_int_equal(file.n_tensors, 0);
    assert_null(file.text);
    free(bytes.at);
}

struct refusal {
    const char *header;
    const char *text;
    size_t data;
};

static void assert_all_corrupt(const struct refusal *refusals, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_refused_file(file_of(refusals[i].header, refusals[i].data), RK_CORRUPT,
                            refusals[i].text);
    }
}

/* A header's only tensor a, of which a test spoils one part. */
#define TENSOR(dtype, shape, offsets)                                                              \
    "{'a':{'dtype':" dtype ",'shape':" shape ",'data_offsets':" offsets "}}"
#define GOOD           "{'dtype':'F32','shape':[2],'data_offsets':[0,8]}"
#define LIST(refusals) refusals, sizeof refusals / sizeof refusals[0]
#define F32(name, begin, end)                                                                      \
    "'" name "':{'dtype':'F32','shape':[2],'data_offsets':[" begin "," end "]}"

/* --- writing, and reading what was written --- */

static const float numbers[] = {1.5f, -0.0f, FLT_MIN / 4, FLT_MAX, 3, 4, 5, 6};

static const struct rk_st_tensor written[] = {
    {"linear.bias", RK_F32, 1, {1}, numbers, 4},
    {"empty", RK_F32, 2, {0, 7}, NULL, 0},
    {"scalar", RK_F32, 0, {0}, numbers + 1, 4},
    {"say \"\\\" \t \xc3\xa9", RK_F32, 3, {1, 3, 2}, numbers + 2, 24},
};
static const struct rk_st_pair written_metadata[] = {{"format", "pt"}, {"version", "17"}};

#define N_WRITTEN (sizeof written / sizeof written[0])

static struct bytes write_sample(void)
{
    struct bytes bytes = {NULL, 0};
    assert_ok(rk_safetensors_write(written, N_WRITTEN, written_metadata, 2, append, &bytes, NULL));
    return bytes;
}

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
    struct bytes bytes = {NULL, 0};
    assert_ok(rk_safetensors_write(tensors, 2, &metadata, 1, append, &bytes, NULL));
    assert_int_equal(bytes.n, sizeof expected - 1);
    assert_memory_equal(bytes.at, expected, bytes.n);
    free(bytes.at);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct rk_safetensors file;
    struct bytes bytes = write_sample();
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_int_equal(file.n_tensors, N_WRITTEN);
    for (size_t i = 0; i < N_WRITTEN; i++) {
        const struct rk_st_tensor *tensor = rk_safetensors_find(&file, written[i].name);
        assert_ptr_equal(tensor, &file.tensor[i]);
        assert_int_equal(tensor->rank, written[i].rank);
        assert_memory_equal(tensor->shape, written[i].shape, sizeof tensor->shape);
        assert_int_equal(tensor->bytes, written[i].bytes);
        float floats[6];
        assert_ok(rk_st_floats(tensor, floats, NULL));
        assert_memory_equal(floats, written[i].bytes > 0 ? written[i].data : floats, tensor->bytes);
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
    struct bytes bytes = write_sample(), again = {NULL, 0};
    assert_int_equal(bytes.n % 4, 0);
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_ok(rk_safetensors_write(file.tensor, file.n_tensors, file.metadata, file.n_metadata,
                                   append, &again, NULL));
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
    struct bytes bytes = {NULL, 0};
    assert_ok(rk_safetensors_write(NULL, 0, NULL, 0, append, &bytes, NULL));
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
    struct bytes bytes = {NULL, 0};
    struct rk_error err = {0};
    assert_status(rk_safetensors_write(tensors, n, NULL, 0, append, &bytes, &err), RK_INVALID);
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
    struct rk_st_tensor twins[] = {written[0], written[0]};
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
    struct bytes bytes = {NULL, 0};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_status(rk_safetensors_write(NULL, 0, &refused[i], 1, append, &bytes, NULL),
                      RK_INVALID);
    }
    const struct rk_st_pair twins[] = {{"a", "1"}, {"a", "2"}};
    struct rk_error err = {0};
    assert_status(rk_safetensors_write(NULL, 0, twins, 2, append, &bytes, &err), RK_INVALID);
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
    struct bytes bytes = {NULL, 0};
    assert_status(rk_safetensors_write(NULL, 0, &pair, 1, append, &bytes, NULL), RK_INVALID);
    const size_t frame = strlen("{\"__metadata__\":{\"k\":\"\"}}");
    value[RK_ST_HEADER_MAX - frame] = '\0';
    assert_ok(rk_safetensors_write(NULL, 0, &pair, 1, append, &bytes, NULL));
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
    assert_status(rk_safetensors_write(written, N_WRITTEN, NULL, 0, refuse_third, &calls, &err),
                  RK_IO);
    assert_string_equal(err.text, "disk full");
    assert_int_equal(calls, 3);
}

/* --- rules: the prefix --- */

static void length_of_the_header_must_fit_the_file(void **state)
{
    (void)state;
    for (size_t n = 0; n < 8; n++) {
        char text[80];
        (void)snprintf(text, sizeof text, "%zu bytes are too few for the header's length", n);
        struct bytes bytes = file_of("", 0);
        bytes.at = realloc(bytes.at, n + 1);
        bytes.n = n;
        assert_refused_file(bytes, RK_CORRUPT, text);
    }
    struct bytes bytes = file_of("{}", 0);
    bytes.at[0] = 3;
    assert_refused_file(bytes, RK_CORRUPT, "a header of 3 bytes passes the end of a file of 10");
    bytes = file_of("{}", 0);
    memset(bytes.at, 0xff, 8);
    assert_refused_file(bytes, RK_CORRUPT,
                        "a header of 18446744073709551615 bytes passes the end of a file of 10");
    struct rk_safetensors file;
    assert_status(rk_safetensors_read(NULL, 0, &file, NULL), RK_CORRUPT);
}

static void header_has_a_limit(void **state)
{
    (void)state;
    char *header = calloc(1, RK_ST_HEADER_MAX + 2);
    assert_non_null(header);
    memset(header, ' ', RK_ST_HEADER_MAX + 1);
    memcpy(header, "{}", 2);
    assert_refused_file(file_of(header, 0), RK_TOOBIG,
                        "a header of 1048577 bytes, at most 1048576 are read");
    header[RK_ST_HEADER_MAX] = '\0';
    struct bytes bytes = file_of(header, 0);
    struct rk_safetensors file;
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    rk_safetensors_close(&file);
    free(bytes.at);
    free(header);
}

static void header_starts_with_a_brace(void **state)
{
    (void)state;
    static const char *const headers[] = {"", " {}", "[]", "\xef\xbb\xbf{}", "'a'", "null"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_refused_file(file_of(headers[i], 0), RK_CORRUPT,
                            "the header does not start with '{'");
    }
}

/* --- rules: JSON and UTF-8 --- */

static void broken_json_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{", "header byte 1: expected a string", 0},
        {"{a:1}", "header byte 1: expected a string", 0},
        {"{'a", "header byte 3: a string without an end", 0},
        {"{'a\\", "header byte 3: a string without an end", 0},
        {"{'a\\u12", "header byte 3: a string without an end", 0},
        {"{'a'}", "header byte 4: expected ':'", 0},
        {"{'a'," GOOD "}", "header byte 4: expected ':'", 8},
        {"{'a':" GOOD, "header byte 53: expected '}'", 8},
        {"{'a':" GOOD ",}", "header byte 54: expected a string", 8},
        {"{'a':" GOOD "'b':" GOOD "}", "header byte 53: expected '}'", 8},
        {"{}}", "header byte 2: something follows the header's last brace", 0},
        {"{} {}", "header byte 3: something follows the header's last brace", 0},
        {"{}\v", "header byte 2: something follows the header's last brace", 0},
        {"{//\n}", "header byte 1: expected a string", 0},
        {"{'\n':" GOOD "}", "header byte 2: a control character in a string", 8},
        {"{'\\x':" GOOD "}", "header byte 2: an unknown escape", 8},
        {"{'\\':" GOOD "}", "header byte 7: expected ':'", 8},
        {"{'\\u00g0':" GOOD "}", "header byte 2: expected four hexadecimal digits", 8},
        {"{'\\u0000':" GOOD "}", "header byte 8: a string holds a NUL", 8},
        {"{'\\ud83d':" GOOD "}", "header byte 8: a surrogate without its other half", 8},
        {"{'\\ud83d\\n':" GOOD "}", "header byte 8: a surrogate without its other half", 8},
        {"{'\\ud83d\\u0041':" GOOD "}", "header byte 14: a surrogate without its other half", 8},
        {"{'\\ude00':" GOOD "}", "header byte 8: a surrogate without its other half", 8},
    };
    assert_all_corrupt(LIST(refusals));
    struct bytes bytes = file_of("{'0':" GOOD "}", 8);
    bytes.at[8 + 2] = '\0';
    assert_refused_file(bytes, RK_CORRUPT, "header byte 2: a control character in a string");
}

static void invalid_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const invalid[] = {"\x80",
                                          "\xc0\x80",
                                          "\xc1\xbf",
                                          "\xe0\x9f\xbf",
                                          "\xed\xa0\x80",
                                          "\xed\xbf\xbf",
                                          "\xf0\x8f\xbf\xbf",
                                          "\xf4\x90\x80\x80",
                                          "\xf8\x88\x80\x80\x80",
                                          "\xff",
                                          "\xc3",
                                          "\xe2\x82",
                                          "\xf0\x9f\x98",
                                          "\xc3(",
                                          "\xe2\x28\xa1"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        char header[80];
        (void)snprintf(header, sizeof header, "{'%s':" GOOD "}", invalid[i]);
        assert_refused_file(file_of(header, 8), RK_CORRUPT, "header byte 2: invalid UTF-8");
        (void)snprintf(header, sizeof header, "{'%s", invalid[i]); /* cut by the file's end */
        assert_refused_file(file_of(header, 0), RK_CORRUPT, "header byte 2: invalid UTF-8");
    }
}

static void names_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *name;
    } names[] = {
        {"", ""},
        {"\\\\\\/\\b\\f\\n\\r\\t", "\\/\b\f\n\r\t"},
        {"\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac"},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
        {"\\uD800\\uDC00\\uDBFF\\uDFFF", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\\u007f\\u0080\\u07ff\\u0800\\uffff", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"\xc3\xa9\xed\x9f\xbf\xf4\x8f\xbf\xbf\x7f", "\xc3\xa9\xed\x9f\xbf\xf4\x8f\xbf\xbf\x7f"},
        {"\\u005f", "_"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char header[240];
        (void)snprintf(header, sizeof header, "{'__metadata__':{'k%s':'%s'},'%s':" GOOD "}",
                       names[i].json, names[i].json, names[i].json);
        struct bytes bytes = file_of(header, 8);
        struct rk_safetensors file;
        assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
        assert_string_equal(file.tensor[0].name, names[i].name);
        assert_string_equal(file.metadata[0].key + 1, names[i].name);
        assert_string_equal(file.metadata[0].value, names[i].name);
        rk_safetensors_close(&file);
        free(bytes.at);
    }
}

static void white_space_is_allowed_where_json_allows_it(void **state)
{
    (void)state;
    struct bytes bytes = file_of("{ \n\t\r'a' : {'shape' : [ 1 , 2 ] , 'data_offsets':[ 0 , 8 ],"
                                 " 'dtype' : 'F32' } , '__metadata__' : { } } \n ",
                                 8);
    struct rk_safetensors file;
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_int_equal(rk_st_elements(&file.tensor[0]), 2);
    rk_safetensors_close(&file);
    free(bytes.at);
}

/* --- rules: entries --- */

static void duplicates_are_refused(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{'a':" GOOD ",'a':" GOOD "}", "tensor \"a\": a duplicate name at header byte 58", 8},
        {"{'a':" GOOD ",'\\u0061':" GOOD "}", "tensor \"a\": a duplicate name at header byte 63",
         8},
        {"{'a':{'dtype':'F32','dtype':'F32'}}", "tensor \"a\": duplicate member \"dtype\"", 0},
        {"{'a':{'shape':[2],'shape':[2]}}", "tensor \"a\": duplicate member \"shape\"", 0},
        {"{'a':{'data_offsets':[0,8],'data_offsets':[0,8]}}",
         "tensor \"a\": duplicate member \"data_offsets\"", 0},
        {"{'__metadata__':{},'__metadata__':{}}", "header byte 34: a duplicate __metadata__", 0},
        {"{'__metadata__':{'k':'1','k':'1'}}", "header byte 32: a duplicate key in __metadata__",
         0},
    };
    assert_all_corrupt(LIST(refusals));
}

static void members_are_exactly_the_three(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{'a':{}}", "tensor \"a\": missing member \"dtype\"", 0},
        {"{'a':{'shape':[2],'data_offsets':[0,8]}}", "tensor \"a\": missing member \"dtype\"", 8},
        {"{'a':{'dtype':'F32','data_offsets':[0,8]}}", "tensor \"a\": missing member \"shape\"", 8},
        {"{'a':{'dtype':'F32','shape':[2]}}", "tensor \"a\": missing member \"data_offsets\"", 8},
        {"{'a':{'x\\n':1}}", "tensor \"a\": unknown member \"x?\"", 0},
        {"{'a':null}", "tensor \"a\": expected '{' at header byte 5", 0},
        {"{'a':[]}", "tensor \"a\": expected '{' at header byte 5", 0},
        {TENSOR("1", "[2]", "[0,8]"), "tensor \"a\": expected a string at header byte 14", 8},
        {TENSOR("'F32'", "2", "[0,8]"), "tensor \"a\": expected '[' at header byte 28", 8},
        {TENSOR("'F32'", "['2']", "[0,8]"),
         "tensor \"a\": expected a whole number at header byte 29", 8},
        {TENSOR("'F32'", "[2,]", "[0,8]"),
         "tensor \"a\": expected a whole number at header byte 31", 8},
        {TENSOR("'F32'", "[2", "[0,8]"), "tensor \"a\": expected a whole number at header byte 31",
         8},
        {TENSOR("'F32'", "[2]", "[8]"), "tensor \"a\": expected ',' at header byte 49", 8},
        {TENSOR("'F32'", "[2]", "[0,8,9]"), "tensor \"a\": expected ']' at header byte 51", 8},
        {TENSOR("'F32'", "[2]", "[]"), "tensor \"a\": expected a whole number at header byte 48",
         8},
    };
    assert_all_corrupt(LIST(refusals));
}

static void unknown_dtype_is_named(void **state)
{
    (void)state;
    static const char *const unknown[] = {"I64", "f32", "F32 ", "", "BOOL", "F8_E4M3"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        char header[120], text[RK_ERROR_TEXT_MAX];
        (void)snprintf(header, sizeof header, TENSOR("'%s'", "[2]", "[0,8]"), unknown[i]);
        (void)snprintf(text, sizeof text, "tensor \"a\": dtype \"%s\" is not F64, F32, F16 or BF16",
                       unknown[i]);
        assert_refused_file(file_of(header, 8), RK_CORRUPT, text);
    }
}

static void numbers_are_whole_and_fit(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        const char *what;
    } refused[] = {
        {"-1", "a negative number at header byte 29"},
        {"-0", "a negative number at header byte 29"},
        {"2.0", "a number that is not written as a whole one at header byte 30"},
        {"2e0", "a number that is not written as a whole one at header byte 30"},
        {"2E0", "a number that is not written as a whole one at header byte 30"},
        {"02", "a number with a leading zero at header byte 31"},
        {"+2", "expected a whole number at header byte 29"},
        {"0x2", "expected ']' at header byte 30"},
        {"18446744073709551616", "a number too large at header byte 48"},
        {"99999999999999999999999", "a number too large at header byte 48"},
        {"18446744073709551615", "the product of its shape overflows"},
        {"4294967296,4294967296", "the product of its shape overflows"},
        {"4611686018427387904,0", "the product of its shape overflows"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char header[120], text[RK_ERROR_TEXT_MAX];
        (void)snprintf(header, sizeof header, TENSOR("'F32'", "[%s]", "[0,8]"), refused[i].number);
        (void)snprintf(text, sizeof text, "tensor \"a\": %s", refused[i].what);
        assert_refused_file(file_of(header, 8), RK_CORRUPT, text);
    }
}

static void metadata_maps_strings_to_strings(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{'__metadata__':null}", "header byte 16: expected '{'", 0},
        {"{'__metadata__':[]}", "header byte 16: expected '{'", 0},
        {"{'__metadata__':{'k':1}}", "header byte 21: expected a string", 0},
        {"{'__metadata__':{'k':{}}}", "header byte 21: expected a string", 0},
        {"{'__metadata__':{'k'}}", "header byte 20: expected ':'", 0},
        {"{'__metadata__':" GOOD "}", "header byte 39: expected a string", 8},
    };
    assert_all_corrupt(LIST(refusals));
}

/* --- rules: tensors and data --- */

static void tensors_cover_the_data_exactly(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {TENSOR("'F32'", "[2]", "[8,0]"), "tensor \"a\": data_offsets [8, 0] end before they begin",
         8},
        {TENSOR("'F32'", "[2]", "[0,8]"),
         "tensor \"a\": data_offsets [0, 8] pass the end of 7 bytes of data", 7},
        {TENSOR("'F32'", "[2]", "[0,18446744073709551615]"),
         "tensor \"a\": data_offsets [0, 18446744073709551615] pass the end of 8 bytes of data", 8},
        {TENSOR("'F32'", "[3]", "[0,8]"),
         "tensor \"a\": data_offsets hold 8 bytes, dtype and shape need 12", 8},
        {TENSOR("'F64'", "[2]", "[0,8]"),
         "tensor \"a\": data_offsets hold 8 bytes, dtype and shape need 16", 8},
        {TENSOR("'F32'", "[]", "[0,8]"),
         "tensor \"a\": data_offsets hold 8 bytes, dtype and shape need 4", 8},
        {TENSOR("'F32'", "[0]", "[0,8]"),
         "tensor \"a\": data_offsets hold 8 bytes, dtype and shape need 0", 8},
        {TENSOR("'F32'", "[2]", "[1,9]"),
         "tensor \"a\": data_offsets [1, 9] leave a hole after byte 0", 9},
        {"{" F32("a", "0", "8") "," F32("b", "9", "17") "}",
         "tensor \"b\": data_offsets [9, 17] leave a hole after byte 8", 17},
        {"{" F32("b", "0", "8") "," F32("a", "0", "8") "}",
         "tensor \"a\": data_offsets [0, 8] overlap tensor \"b\"", 8},
        {"{" F32("b", "7", "15") "," F32("a", "0", "8") "}",
         "tensor \"b\": data_offsets [7, 15] overlap tensor \"a\"", 15},
        {"{" F32("a", "0", "8") ",'e':{'dtype':'F16','shape':[0],'data_offsets':[4,4]}}",
         "tensor \"e\": data_offsets [4, 4] overlap tensor \"a\"", 8},
        {TENSOR("'F32'", "[2]", "[0,8]"), "1 bytes follow the last tensor", 9},
        {"{}", "3 bytes follow the last tensor", 3},
    };
    assert_all_corrupt(LIST(refusals));
}

static void tensors_come_in_the_order_of_their_data(void **state)
{
    (void)state;
    struct bytes bytes =
        file_of("{" F32("c", "8", "16") ",'e':{'dtype':'F64','shape':[3,0],"
                                        "'data_offsets':[8,8]}," F32("a", "0", "8") "}",
                16);
    struct rk_safetensors file;
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_int_equal(file.n_tensors, 3);
    static const char *const order[] = {"a", "e", "c"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(file.tensor[i].name, order[i]);
    }
    const unsigned char *data = bytes.at + bytes.n - 16;
    assert_ptr_equal(file.tensor[0].data, data);
    assert_ptr_equal(file.tensor[1].data, data + 8);
    assert_ptr_equal(file.tensor[2].data, data + 8);
    assert_int_equal(file.tensor[1].bytes + rk_st_elements(&file.tensor[1]), 0);
    rk_safetensors_close(&file);
    free(bytes.at);
}

/* --- limits --- */

/* n empty tensors or n metadata keys. */
static struct bytes file_of_many(size_t n, bool metadata)
{
    char header[20000];
    size_t used =
        (size_t)snprintf(header, sizeof header, "{%s", metadata ? "'__metadata__':{" : "");
    for (size_t i = 0; i < n; i++) {
        const char *value = metadata ? "'v'" : "{'dtype':'F32','shape':[0],'data_offsets':[0,0]}";
        used += (size_t)snprintf(header + used, sizeof header - used, "%s'%03zu':%s",
                                 i == 0 ? "" : ",", i, value);
    }
    (void)snprintf(header + used, sizeof header - used, metadata ? "}}" : "}");
    return file_of(header, 0);
}

static void counts_have_limits(void **state)
{
    (void)state;
    struct rk_safetensors file;
    for (int metadata = 0; metadata < 2; metadata++) {
        const size_t most = metadata ? RK_ST_METADATA_MAX : RK_ST_TENSORS_MAX;
        struct bytes bytes = file_of_many(most, metadata);
        assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
        assert_int_equal(file.n_tensors + file.n_metadata, most);
        assert_string_equal(metadata ? file.metadata[63].key : file.tensor[63].name, "063");
        rk_safetensors_close(&file);
        free(bytes.at);
    }
    assert_refused_file(file_of_many(257, false), RK_TOOBIG,
                        "tensor \"256\": more than 256 tensors at header byte 14087");
    assert_refused_file(file_of_many(65, true), RK_TOOBIG,
                        "header byte 666: more than 64 keys in __metadata__");
}

static void names_and_shapes_have_limits(void **state)
{
    (void)state;
    char name[129] = "", header[300];
    memset(name, 'n', 128);
    (void)snprintf(header, sizeof header, "{'%s':" GOOD "}", name);
    assert_refused_file(
        file_of(header, 8), RK_TOOBIG,
        "tensor \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...\": a name longer than 127 "
        "bytes at header byte 132");
    assert_refused_file(file_of(TENSOR("'F32'", "[1,1,1,1,2]", "[0,8]"), 8), RK_TOOBIG,
                        "tensor \"a\": a shape of more than 4 dimensions at header byte 37");
    name[127] = '\0';
    (void)snprintf(header, sizeof header,
                   "{'%s':{'dtype':'F16','shape':[1,2,1,2],'data_offsets':[0,8]}}", name);
    struct bytes bytes = file_of(header, 8);
    struct rk_safetensors file;
    assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
    assert_non_null(rk_safetensors_find(&file, name));
    assert_int_equal(rk_st_elements(&file.tensor[0]), 4);
    rk_safetensors_close(&file);
    free(bytes.at);
}

/* 40 bytes of a name are shown, whole characters only; the longest message still fits. */
static void names_in_messages_are_short_and_harmless(void **state)
{
    (void)state;
#define LONG "0123456789012345678901234567890123456"
    static const struct refusal refusals[] = {
        {"{'\\n\\u001b[31m\\u007f\\u009f\\u00a0':{}}",
         "tensor \"??[31m??\xc2\xa0\": missing member \"dtype\"", 0},
        {"{'" LONG "789':{}}", "tensor \"" LONG "789\": missing member \"dtype\"", 0},
        {"{'" LONG "7890':{}}", "tensor \"" LONG "...\": missing member \"dtype\"", 0},
        {"{'" LONG "\xc3\xa9\xc3\xa9':{}}", "tensor \"" LONG "...\": missing member \"dtype\"", 0},
        {"{'x" LONG "7\xc3\xa9':{}}",
         "tensor \"x012345678901234567890123456789012345...\": missing member \"dtype\"", 0},
        {"{" F32(LONG "789x", "0", "8") "," F32(LONG "789y", "0", "8") "}",
         "tensor \"" LONG "...\": data_offsets [0, 8] overlap tensor \"" LONG "...\"", 8},
    };
    assert_all_corrupt(LIST(refusals));
#undef LONG
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
static void assert_consistent(const struct bytes *bytes, const struct rk_safetensors *file)
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
static bool accepts(const struct bytes *bytes)
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
    struct bytes whole = write_sample();
    assert_true(accepts(&whole));
    for (size_t n = 0; n < whole.n; n++) {
        struct bytes part = {malloc(n + (n == 0)), n};
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
    struct bytes bytes = write_sample();
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

static struct bytes random_file(struct rk_random *random)
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
    return file_of(header, data);
}

/* Overwrites a place of the header by a piece of JSON or a copy of another place. */
static void damage(struct rk_random *random, struct bytes *bytes)
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
        struct bytes bytes = random_file(&random);
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
        cmocka_unit_test(file_is_written_as_the_format_says),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(reading_then_writing_gives_the_same_bytes),
        cmocka_unit_test(empty_file_is_written_and_read),
        cmocka_unit_test(writer_refuses_what_a_reader_would),
        cmocka_unit_test(writer_refuses_metadata_that_needs_escapes),
        cmocka_unit_test(header_too_long_to_be_read_is_not_written),
        cmocka_unit_test(what_the_sink_returns_ends_the_writing),
        cmocka_unit_test(length_of_the_header_must_fit_the_file),
        cmocka_unit_test(header_has_a_limit),
        cmocka_unit_test(header_starts_with_a_brace),
        cmocka_unit_test(broken_json_is_refused_at_its_place),
        cmocka_unit_test(invalid_utf8_is_refused),
        cmocka_unit_test(names_are_decoded),
        cmocka_unit_test(white_space_is_allowed_where_json_allows_it),
        cmocka_unit_test(duplicates_are_refused),
        cmocka_unit_test(members_are_exactly_the_three),
        cmocka_unit_test(unknown_dtype_is_named),
        cmocka_unit_test(numbers_are_whole_and_fit),
        cmocka_unit_test(metadata_maps_strings_to_strings),
        cmocka_unit_test(tensors_cover_the_data_exactly),
        cmocka_unit_test(tensors_come_in_the_order_of_their_data),
        cmocka_unit_test(counts_have_limits),
        cmocka_unit_test(names_and_shapes_have_limits),
        cmocka_unit_test(names_in_messages_are_short_and_harmless),
        cmocka_unit_test(every_half_becomes_its_float),
        cmocka_unit_test(double_is_rounded_to_the_nearest_float),
        cmocka_unit_test(what_is_not_finite_as_a_float_is_refused),
        cmocka_unit_test(unaligned_data_is_read),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(random_headers_are_read_as_jansson_reads_them),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
