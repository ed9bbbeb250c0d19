/*
 * The text of tokens, and what their records say.
 */
#include "test.h"
#include "token.h"

static void a_token_is_parsed_with_its_kid_and_no_other_text_is(void **state)
{
    char text[TOKEN_TEXT], name[TOKEN_KID_TEXT];
    uint32_t made, read;
    (void)state;
    for (int i = 0; i < 200; i++) {
        assert_true(token_make(text, &made));
        assert_int_equal(strlen(text), TOKEN_TEXT - 1);
        assert_true(token_parse(text, strlen(text), &read));
        assert_int_equal(made, read);
        token_write_kid(made, name);
        assert_memory_equal(text + 4, name, 8);
        assert_true(token_read_kid(name, &read) && read == made);
        assert_false(token_parse(text, strlen(text) - 1, &read));
    }
}

/* What a wrong copy looks like: one character is another one. */
static void a_token_with_one_wrong_character_is_none(void **state)
{
    static const char others[] = "0Zz_ ";
    char text[TOKEN_TEXT];
    uint32_t kid;
    (void)state;
    assert_true(token_make(text, &kid));
    for (size_t i = 0; i < TOKEN_TEXT - 1; i++) {
        const char right = text[i];
        for (const char *other = others; *other != '\0'; other++) {
            text[i] = *other;
            assert_int_equal(token_parse(text, TOKEN_TEXT - 1, &kid), *other == right);
        }
        text[i] = right;
    }
}

static void secrets_use_all_characters_about_as_often(void **state)
{
    size_t count[256] = {0}, kinds = 0;
    char text[TOKEN_TEXT];
    uint32_t kid;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        assert_true(token_make(text, &kid));
        for (size_t c = 13; c < 39; c++) {
            count[(unsigned char)text[c]]++;
        }
    }
    for (size_t c = 0; c < 256; c++) { /* 839 each; the deviation is 29 */
        kinds += count[c] > 0;
        assert_true(count[c] == 0 || (count[c] > 600 && count[c] < 1100));
    }
    assert_int_equal(kinds, 62);
}

static void a_header_has_its_credentials_behind_bearer(void **state)
{
    static const struct {
        const char *header, *token;
    } cases[] = {{"Bearer abc", "abc"}, {"bearer   abc ", "abc"}, {"Bearer ", ""},
                 {"Bearer", NULL},      {"Basic abc", NULL},      {"", NULL},
                 {"abc", NULL},         {"Bearer a b", "a b"},    {"Bearerabc", NULL}};
    size_t n = 0;
    (void)state;
    assert_null(token_of_header(NULL, &n));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *token = token_of_header(cases[i].header, &n);
        assert_int_equal(token != NULL, cases[i].token != NULL);
        if (token != NULL) {
            assert_int_equal(n, strlen(cases[i].token));
            assert_memory_equal(token, cases[i].token, n);
        }
    }
}

static void scopes_are_read_and_written_as_words(void **state)
{
    static const char *const wrong[] = {"",      ",",           "score,", ",score",
                                        "Score", "score admin", "root",   "score,,admin"};
    char text[TOKEN_SCOPES_TEXT];
    unsigned scopes;
    (void)state;
    assert_true(token_read_scopes("admin,score", &scopes));
    assert_int_equal(scopes, TOKEN_ADMIN | TOKEN_SCORE);
    assert_true(token_read_scopes("score,feedback,metrics,admin", &scopes));
    assert_int_equal(scopes, TOKEN_ALL_SCOPES);
    token_write_scopes(scopes, text);
    assert_string_equal(text, "score,feedback,metrics,admin");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(token_read_scopes(wrong[i], &scopes));
    }
}

static void models_limit_what_a_token_reaches(void **state)
{
    struct token_grant grant = {0};
    (void)state;
    assert_true(token_reaches(&grant, "shop"));
    assert_true(token_read_models("shop,default", &grant));
    assert_true(token_reaches(&grant, "shop") && token_reaches(&grant, "default"));
    assert_false(token_reaches(&grant, "sho") || token_reaches(&grant, "shop2") ||
                 token_reaches(&grant, ""));
    assert_true(token_read_models("*", &grant));
    assert_true(token_reaches(&grant, "any"));
    assert_false(token_read_models("", &grant) || token_read_models("a,*", &grant));
    assert_false(token_read_models("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", &grant));
}

static void a_token_is_live_between_its_times_unless_it_is_revoked(void **state)
{
    const struct token always = {0}, later = {.not_before_s = 100, .expires_s = 200},
                       revoked = {.revoked_s = 1};
    (void)state;
    assert_true(token_is_live(&always, 0) && token_is_live(&always, INT64_MAX));
    assert_false(token_is_live(&later, 99) || token_is_live(&later, 200));
    assert_true(token_is_live(&later, 100) && token_is_live(&later, 199));
    assert_false(token_is_live(&revoked, 5));
}

static void hashes_are_the_same_in_every_byte(void **state)
{
    uint8_t a[STORE_SHA256_BYTES], b[STORE_SHA256_BYTES];
    (void)state;
    assert_true(token_hash("abc", 3, a));
    assert_int_equal(a[0], 0xba); /* FIPS 180-2, B.1 */
    assert_int_equal(a[31], 0xad);
    for (size_t i = 0; i < sizeof a; i++) {
        memcpy(b, a, sizeof a);
        assert_true(token_same_hash(a, b));
        b[i] ^= 1;
        assert_false(token_same_hash(a, b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_parsed_with_its_kid_and_no_other_text_is),
        cmocka_unit_test(a_token_with_one_wrong_character_is_none),
        cmocka_unit_test(secrets_use_all_characters_about_as_often),
        cmocka_unit_test(a_header_has_its_credentials_behind_bearer),
        cmocka_unit_test(scopes_are_read_and_written_as_words),
        cmocka_unit_test(models_limit_what_a_token_reaches),
        cmocka_unit_test(a_token_is_live_between_its_times_unless_it_is_revoked),
        cmocka_unit_test(hashes_are_the_same_in_every_byte),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
