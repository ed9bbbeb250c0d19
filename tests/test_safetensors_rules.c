/*
 * safetensors: every rule of the format broken by hand, and the limits.
 */
#include "safetensors_fixture.h"
#include "test.h"

#include <stdbool.h>

/* --- rules: the prefix --- */

static void length_of_the_header_must_fit_the_file(void **state)
{
    (void)state;
    for (size_t n = 0; n < 8; n++) {
        char text[80];
        (void)snprintf(text, sizeof text, "%zu bytes are too few for the header's length", n);
        struct st_bytes bytes = st_file_of("", 0);
        bytes.at = realloc(bytes.at, n + 1);
        bytes.n = n;
        assert_st_refused(bytes, RK_CORRUPT, text);
    }
    struct st_bytes bytes = st_file_of("{}", 0);
    bytes.at[0] = 3;
    assert_st_refused(bytes, RK_CORRUPT, "a header of 3 bytes passes the end of a file of 10");
    bytes = st_file_of("{}", 0);
    memset(bytes.at, 0xff, 8);
    assert_st_refused(bytes, RK_CORRUPT,
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
    assert_st_refused(st_file_of(header, 0), RK_TOOBIG,
                      "a header of 1048577 bytes, at most 1048576 are read");
    header[RK_ST_HEADER_MAX] = '\0';
    struct st_bytes bytes = st_file_of(header, 0);
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
        assert_st_refused(st_file_of(headers[i], 0), RK_CORRUPT,
                          "the header does not start with '{'");
    }
}

/* --- rules: JSON and UTF-8 --- */

static void broken_json_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct st_refusal refusals[] = {
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
    assert_st_all_corrupt(LIST(refusals));
    struct st_bytes bytes = st_file_of("{'0':" GOOD "}", 8);
    bytes.at[8 + 2] = '\0';
    assert_st_refused(bytes, RK_CORRUPT, "header byte 2: a control character in a string");
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
        assert_st_refused(st_file_of(header, 8), RK_CORRUPT, "header byte 2: invalid UTF-8");
        (void)snprintf(header, sizeof header, "{'%s", invalid[i]); /* cut by the file's end */
        assert_st_refused(st_file_of(header, 0), RK_CORRUPT, "header byte 2: invalid UTF-8");
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
        struct st_bytes bytes = st_file_of(header, 8);
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
    struct st_bytes bytes =
        st_file_of("{ \n\t\r'a' : {'shape' : [ 1 , 2 ] , 'data_offsets':[ 0 , 8 ],"
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
    static const struct st_refusal refusals[] = {
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
    assert_st_all_corrupt(LIST(refusals));
}

static void members_are_exactly_the_three(void **state)
{
    (void)state;
    static const struct st_refusal refusals[] = {
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
    assert_st_all_corrupt(LIST(refusals));
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
        assert_st_refused(st_file_of(header, 8), RK_CORRUPT, text);
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
        assert_st_refused(st_file_of(header, 8), RK_CORRUPT, text);
    }
}

static void metadata_maps_strings_to_strings(void **state)
{
    (void)state;
    static const struct st_refusal refusals[] = {
        {"{'__metadata__':null}", "header byte 16: expected '{'", 0},
        {"{'__metadata__':[]}", "header byte 16: expected '{'", 0},
        {"{'__metadata__':{'k':1}}", "header byte 21: expected a string", 0},
        {"{'__metadata__':{'k':{}}}", "header byte 21: expected a string", 0},
        {"{'__metadata__':{'k'}}", "header byte 20: expected ':'", 0},
        {"{'__metadata__':" GOOD "}", "header byte 39: expected a string", 8},
    };
    assert_st_all_corrupt(LIST(refusals));
}

/* --- rules: tensors and data --- */

static void tensors_cover_the_data_exactly(void **state)
{
    (void)state;
    static const struct st_refusal refusals[] = {
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
    assert_st_all_corrupt(LIST(refusals));
}

static void tensors_come_in_the_order_of_their_data(void **state)
{
    (void)state;
    struct st_bytes bytes =
        st_file_of("{" F32("c", "8", "16") ",'e':{'dtype':'F64','shape':[3,0],"
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
static struct st_bytes file_of_many(size_t n, bool metadata)
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
    return st_file_of(header, 0);
}

static void counts_have_limits(void **state)
{
    (void)state;
    struct rk_safetensors file;
    for (int metadata = 0; metadata < 2; metadata++) {
        const size_t most = metadata ? RK_ST_METADATA_MAX : RK_ST_TENSORS_MAX;
        struct st_bytes bytes = file_of_many(most, metadata);
        assert_ok(rk_safetensors_read(bytes.at, bytes.n, &file, NULL));
        assert_int_equal(file.n_tensors + file.n_metadata, most);
        assert_string_equal(metadata ? file.metadata[63].key : file.tensor[63].name, "063");
        rk_safetensors_close(&file);
        free(bytes.at);
    }
    assert_st_refused(file_of_many(257, false), RK_TOOBIG,
                      "tensor \"256\": more than 256 tensors at header byte 14087");
    assert_st_refused(file_of_many(65, true), RK_TOOBIG,
                      "header byte 666: more than 64 keys in __metadata__");
}

static void names_and_shapes_have_limits(void **state)
{
    (void)state;
    char name[129] = "", header[300];
    memset(name, 'n', 128);
    (void)snprintf(header, sizeof header, "{'%s':" GOOD "}", name);
    assert_st_refused(st_file_of(header, 8), RK_TOOBIG,
                      "tensor \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...\": a name longer than 127 "
                      "bytes at header byte 132");
    assert_st_refused(st_file_of(TENSOR("'F32'", "[1,1,1,1,2]", "[0,8]"), 8), RK_TOOBIG,
                      "tensor \"a\": a shape of more than 4 dimensions at header byte 37");
    name[127] = '\0';
    (void)snprintf(header, sizeof header,
                   "{'%s':{'dtype':'F16','shape':[1,2,1,2],'data_offsets':[0,8]}}", name);
    struct st_bytes bytes = st_file_of(header, 8);
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
    static const struct st_refusal refusals[] = {
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
    assert_st_all_corrupt(LIST(refusals));
#undef LONG
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
