/*
 * The catalogue in memory: what is found, and what readers see while it changes.
 */
#include "catalogue.h"
#include "learning_fixture.h"
#include "test.h"

#include <rankd/feature.h>
#include <sched.h>

#define READERS 4
#define MANY    3000
#define CHANGES 2000

/* An entry of one number feature. */
static struct catalogue_entry *make_entry(const char *id, uint64_t hash, float value)
{
    struct catalogue_entry *entry = calloc(1, sizeof *entry + sizeof(struct rk_feature));
    assert_non_null(entry);
    (void)snprintf(entry->id, sizeof entry->id, "%s", id);
    entry->hash = hash;
    entry->n = 1;
    entry->feature[0] = rk_feature_number(RK_ITEM, "price", 5, value);
    return entry;
}

static uint64_t hash_of(const char *id)
{
    return rk_feature_category(RK_ITEM, "id", 2, id, strlen(id), 1.0F).hash;
}

static struct catalogue_change put(enum catalogue_side side, const char *id, float value)
{
    struct catalogue_entry *entry = make_entry(id, hash_of(id), value);
    return (struct catalogue_change){
        .side = side, .hash = entry->hash, .id = entry->id, .entry = entry};
}

/* Reserves and makes changes. */
static void change(struct catalogue *catalogue, const struct catalogue_change *changes, size_t n,
                   int64_t seq)
{
    for (size_t i = 0; i < n; i++) {
        assert_ok(catalogue_reserve(catalogue, changes[i].side, changes[i].entry != NULL, NULL));
    }
    catalogue_change(catalogue, changes, n, seq);
}

static void put_one(struct catalogue *catalogue, const char *id, float value, int64_t seq)
{
    struct catalogue_change one = put(CATALOGUE_ITEM, id, value);
    change(catalogue, &one, 1, seq);
}

static void delete_one(struct catalogue *catalogue, const char *id, int64_t seq)
{
    struct catalogue_change one = {.side = CATALOGUE_ITEM, .hash = hash_of(id), .id = id};
    change(catalogue, &one, 1, seq);
}

/* The value of an id's feature, or -1 where there is none. */
static float value_on(struct catalogue *catalogue, enum catalogue_side side, const char *id)
{
    const struct catalogue_copy *copy = catalogue_read(catalogue, 0);
    const struct catalogue_entry *entry = catalogue_find(copy, side, hash_of(id), id);
    float value = entry != NULL ? entry->feature[0].value : -1.0F;
    catalogue_done(catalogue, 0, copy);
    return value;
}

static size_t count(struct catalogue *catalogue)
{
    const struct catalogue_copy *copy = catalogue_read(catalogue, 0);
    size_t n = catalogue_count(copy, CATALOGUE_ITEM);
    catalogue_done(catalogue, 0, copy);
    return n;
}

static int setup(void **state)
{
    struct catalogue *catalogue = calloc(1, sizeof *catalogue);
    assert_ok(catalogue_init(catalogue, READERS + 1, NULL));
    *state = catalogue;
    return 0;
}

static int teardown(void **state)
{
    catalogue_deinit(*state);
    free(*state);
    return 0;
}

static void put_replace_and_delete_are_seen_at_once_and_by_both_copies(void **state)
{
    struct catalogue *catalogue = *state;
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "a") < 0);
    delete_one(catalogue, "a", 1);         /* nothing is there: not even a map */
    for (int turn = 0; turn < 4; turn++) { /* each change swaps the copies */
        put_one(catalogue, "a", 1.0F + (float)turn, 10 + turn);
        assert_true(value_on(catalogue, CATALOGUE_ITEM, "a") == 1.0F + (float)turn);
        put_one(catalogue, "b", 9.0F, 20 + turn);
        assert_true(value_on(catalogue, CATALOGUE_ITEM, "a") == 1.0F + (float)turn);
    }
    delete_one(catalogue, "a", 30);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "a") < 0);
    delete_one(catalogue, "a", 31);
    delete_one(catalogue, "never there", 32);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "a") < 0);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "b") == 9.0F);
    assert_int_equal(count(catalogue), 1);
}

static void reader_is_told_the_log_position_of_what_it_sees(void **state)
{
    struct catalogue *catalogue = *state;
    for (int64_t seq = 0; seq < 5; seq++) {
        const struct catalogue_copy *copy = catalogue_read(catalogue, 1);
        assert_int_equal(copy->seq, seq);
        catalogue_done(catalogue, 1, copy);
        put_one(catalogue, "a", 1.0F, seq + 1);
    }
}

static void items_and_users_of_one_id_are_two(void **state)
{
    struct catalogue *catalogue = *state;
    struct catalogue_change both[] = {put(CATALOGUE_ITEM, "x", 1.0F),
                                      put(CATALOGUE_USER, "x", 2.0F)};
    change(catalogue, both, 2, 1);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "x") == 1.0F);
    assert_true(value_on(catalogue, CATALOGUE_USER, "x") == 2.0F);
    delete_one(catalogue, "x", 2);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "x") < 0);
    assert_true(value_on(catalogue, CATALOGUE_USER, "x") == 2.0F);
}

static void last_of_several_changes_of_one_id_in_one_commit_stands(void **state)
{
    struct catalogue *catalogue = *state;
    put_one(catalogue, "x", 1.0F, 1);
    struct catalogue_change changes[] = {
        put(CATALOGUE_ITEM, "x", 2.0F),
        {.side = CATALOGUE_ITEM, .hash = hash_of("x"), .id = "x"},
        put(CATALOGUE_ITEM, "x", 3.0F),
        put(CATALOGUE_ITEM, "x", 4.0F),
    };
    change(catalogue, changes, 4, 2);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "x") == 4.0F);
    put_one(catalogue, "y", 1.0F, 3);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "x") == 4.0F);
    assert_int_equal(count(catalogue), 2);
}

static void ids_with_one_hash_are_told_apart(void **state)
{
    struct catalogue *catalogue = *state;
    struct catalogue_entry *a = make_entry("a", 5, 1.0F), *b = make_entry("b", 5, 2.0F);
    struct catalogue_change changes[] = {{CATALOGUE_ITEM, 5, a->id, a},
                                         {CATALOGUE_ITEM, 5, b->id, b}};
    change(catalogue, changes, 2, 1);
    struct catalogue_change gone = {.side = CATALOGUE_ITEM, .hash = 5, .id = "a"};
    change(catalogue, &gone, 1, 2);
    const struct catalogue_copy *copy = catalogue_read(catalogue, 0);
    assert_null(catalogue_find(copy, CATALOGUE_ITEM, 5, "a"));
    assert_non_null(catalogue_find(copy, CATALOGUE_ITEM, 5, "b")); /* behind the grave */
    assert_null(catalogue_find(copy, CATALOGUE_ITEM, 5, "c"));
    catalogue_done(catalogue, 0, copy);
}

static void many_come_and_go_and_what_is_left_is_found(void **state)
{
    struct catalogue *catalogue = *state;
    char id[16];
    int64_t seq = 0;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof id, "i%d", i);
        put_one(catalogue, id, (float)i, ++seq);
        if (i % 3 != 0) {
            delete_one(catalogue, id, ++seq);
        }
    }
    assert_int_equal(count(catalogue), MANY / 3);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof id, "i%d", i);
        assert_true(value_on(catalogue, CATALOGUE_ITEM, id) == (i % 3 == 0 ? (float)i : -1.0F));
    }
    assert_true(catalogue->copy[0].map[CATALOGUE_ITEM].capacity <=
                16 * MANY / 3); /* no growth by graves */
}

static void one_commit_of_many_makes_room_for_all(void **state)
{
    struct catalogue *catalogue = *state;
    static struct catalogue_change changes[MANY];
    char id[16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(id, sizeof id, "i%d", i);
        changes[i] = put(CATALOGUE_ITEM, id, (float)i);
    }
    change(catalogue, changes, MANY, 1);
    assert_int_equal(count(catalogue), MANY);
    put_one(catalogue, "i7", 0.5F, 2);
    assert_int_equal(count(catalogue), MANY);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "i7") == 0.5F);
    assert_true(value_on(catalogue, CATALOGUE_ITEM, "i2999") == 2999.0F);
}

/* ---- readers and the writer ---- */

struct reader {
    pthread_t thread;
    struct catalogue *catalogue;
    size_t slot;
    _Atomic bool *over;
    uint64_t reads, mixed, backwards;
};

/* Both ids are changed together and hold the log position: whoever sees two values saw half a commit. */
static void *look(void *context)
{
    struct reader *reader = context;
    const uint64_t a_hash = hash_of("a"), b_hash = hash_of("b");
    int64_t last = 0;
    do {
        const struct catalogue_copy *copy = catalogue_read(reader->catalogue, reader->slot);
        const struct catalogue_entry *a = catalogue_find(copy, CATALOGUE_ITEM, a_hash, "a");
        const struct catalogue_entry *b = catalogue_find(copy, CATALOGUE_ITEM, b_hash, "b");
        reader->mixed +=
            (a != NULL) != (b != NULL) || (a != NULL && (a->feature[0].value != (float)copy->seq ||
                                                         b->feature[0].value != (float)copy->seq));
        reader->backwards += copy->seq < last;
        last = copy->seq;
        catalogue_done(reader->catalogue, reader->slot, copy);
        reader->reads++;
        sched_yield(); /* lets go of the core between two reads, not in one */
    } while (!atomic_load(reader->over));
    return NULL;
}

static void readers_see_whole_commits_while_they_are_made(void **state)
{
    struct catalogue *catalogue = *state;
    struct reader reader[READERS];
    _Atomic bool over = false;
    for (size_t r = 0; r < READERS; r++) {
        reader[r] = (struct reader){.catalogue = catalogue, .slot = r, .over = &over};
        assert_int_equal(pthread_create(&reader[r].thread, NULL, look, &reader[r]), 0);
    }
    for (int64_t seq = 1; seq <= CHANGES; seq++) {
        char id[32];
        (void)snprintf(id, sizeof id, "%lld", (long long)seq); /* the map grows meanwhile */
        struct catalogue_change changes[] = {put(CATALOGUE_ITEM, "a", (float)seq),
                                             put(CATALOGUE_ITEM, id, 0.0F),
                                             put(CATALOGUE_ITEM, "b", (float)seq)};
        change(catalogue, changes, 3, seq);
    }
    atomic_store(&over, true);
    for (size_t r = 0; r < READERS; r++) {
        assert_int_equal(pthread_join(reader[r].thread, NULL), 0);
        assert_true(reader[r].reads > 0);
        assert_int_equal(reader[r].mixed + reader[r].backwards, 0);
    }
}

#define CATALOGUE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOGUE_TEST(put_replace_and_delete_are_seen_at_once_and_by_both_copies),
        CATALOGUE_TEST(reader_is_told_the_log_position_of_what_it_sees),
        CATALOGUE_TEST(items_and_users_of_one_id_are_two),
        CATALOGUE_TEST(last_of_several_changes_of_one_id_in_one_commit_stands),
        CATALOGUE_TEST(ids_with_one_hash_are_told_apart),
        CATALOGUE_TEST(many_come_and_go_and_what_is_left_is_found),
        CATALOGUE_TEST(one_commit_of_many_makes_room_for_all),
        CATALOGUE_TEST(readers_see_whole_commits_while_they_are_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
