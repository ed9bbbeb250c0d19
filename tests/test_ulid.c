/*
 * ULIDs: their alphabet, their order by time, and that no two are the same.
 */
#include "test.h"
#include "ulid.h"

#define ALPHABET "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

static void a_ulid_is_26_characters_of_crockfords_base_32(void **state)
{
    char text[ULID_TEXT];

    (void)state;
    assert_true(ulid_make(1795514400000, text));
    assert_int_equal(strlen(text), 26);
    assert_int_equal(strspn(text, ALPHABET), 26);
}

/* The specification's own example: 1469918176385 is 01ARYZ6S41. */
static void the_first_ten_characters_are_the_time(void **state)
{
    static const struct {
        int64_t ms;
        const char *head;
    } times[] = {{0, "0000000000"},
                 {1, "0000000001"},
                 {1469918176385, "01ARYZ6S41"},
                 {((int64_t)1 << 48) - 1, "7ZZZZZZZZZ"}};
    char text[ULID_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_true(ulid_make(times[i].ms, text));
        assert_memory_equal(text, times[i].head, 10);
    }
}

static void ulids_sort_by_time(void **state)
{
    char before[ULID_TEXT] = "", text[ULID_TEXT];

    (void)state;
    for (int64_t ms = 1; ms < ((int64_t)1 << 48); ms = ms * 3 + 1) {
        assert_true(ulid_make(ms, text));
        assert_true(strcmp(before, text) < 0);
        memcpy(before, text, sizeof before);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void ulids_of_one_millisecond_differ(void **state)
{
    static char all[20000][ULID_TEXT];
    const size_t n = sizeof all / sizeof *all;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        assert_true(ulid_make(42, all[i]));
    }
    qsort(all, n, sizeof *all, compare);
    for (size_t i = 1; i < n; i++) {
        assert_string_not_equal(all[i - 1], all[i]);
    }
}

/* Of 4,096 a bit that is not random stays the same, or is far from half: 6 sigma is 192. */
static void all_80_random_bits_are_random(void **state)
{
    int ones[80] = {0};
    char text[ULID_TEXT];

    (void)state;
    for (int i = 0; i < 4096; i++) {
        assert_true(ulid_make(42, text));
        for (size_t bit = 0; bit < 80; bit++) {
            const size_t digit = (size_t)(strchr(ALPHABET, text[10 + bit / 5]) - ALPHABET);
            ones[bit] += (int)(digit >> (4 - bit % 5) & 1);
        }
    }
    for (size_t bit = 0; bit < 80; bit++) {
        assert_in_range(ones[bit], 2048 - 192, 2048 + 192);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ulid_is_26_characters_of_crockfords_base_32),
        cmocka_unit_test(the_first_ten_characters_are_the_time),
        cmocka_unit_test(ulids_sort_by_time),
        cmocka_unit_test(ulids_of_one_millisecond_differ),
        cmocka_unit_test(all_80_random_bits_are_random),
    };
    return cmocka_run_group_tests_name("ulid", tests, NULL, NULL);
}
