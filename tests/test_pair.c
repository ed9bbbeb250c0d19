/*
 * A pair of copies: readers never wait, the writer never changes what is read.
 */
#include "learning_fixture.h"
#include "pair.h"
#include "test.h"

#include <sched.h>

#define READERS 4
#define FLIPS   5000
#define CELLS   16

static void flips_alternate_and_readers_get_the_front(void **state)
{
    (void)state;
    struct pair pair;
    assert_ok(pair_init(&pair, 2, NULL));
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(pair_front(&pair), i % 2);
        assert_int_equal(pair_back(&pair), 1 - i % 2);
        uint32_t copy = pair_acquire(&pair, i % 2);
        assert_int_equal(copy, i % 2);
        pair_release(&pair, i % 2, copy);
        pair_flip(&pair);
    }
    pair_deinit(&pair);
}

static void slots_lie_on_cache_lines_of_their_own(void **state)
{
    (void)state;
    struct pair pair;
    assert_ok(pair_init(&pair, 3, NULL));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal((uintptr_t)&pair.slot[i] % PAIR_CACHE_LINE, 0);
    }
    assert_int_equal(sizeof pair.slot[0], PAIR_CACHE_LINE);
    pair_deinit(&pair);
    pair_deinit(&pair);
}

/* ---- the writer waits ---- */

struct flipper {
    struct pair pair;
    _Atomic bool released;
    _Atomic bool flipped;
    bool waited; /* it saw the release when its flip returned */
};

static void *flip_once(void *context)
{
    struct flipper *flipper = context;
    pair_flip(&flipper->pair);
    flipper->waited = atomic_load(&flipper->released);
    atomic_store(&flipper->flipped, true);
    return NULL;
}

static bool front_is_1(void *context)
{
    return pair_front(&((struct flipper *)context)->pair) == 1;
}

static void flip_returns_only_when_the_last_reader_of_the_old_copy_is_gone(void **state)
{
    (void)state;
    struct flipper flipper = {0};
    pthread_t thread;
    assert_ok(pair_init(&flipper.pair, 2, NULL));
    uint32_t old = pair_acquire(&flipper.pair, 0);
    assert_int_equal(pthread_create(&thread, NULL, flip_once, &flipper), 0);
    await(front_is_1, &flipper);
    uint32_t new = pair_acquire(&flipper.pair, 1); /* others get the new one at once */
    for (int i = 0; i < 1000; i++) {
        sched_yield(); /* a flip that does not wait would be over by now */
    }
    assert_false(atomic_load(&flipper.flipped));
    atomic_store(&flipper.released, true);
    pair_release(&flipper.pair, 0, old);
    assert_int_equal(pthread_join(thread, NULL),
                     0); /* whoever reads the new one is not waited for */
    pair_release(&flipper.pair, 1, new);
    assert_int_equal(new, 1);
    assert_true(flipper.waited);
    pair_deinit(&flipper.pair);
}

/* ---- many at once ---- */

struct shared {
    struct pair pair;
    uint64_t cell[2][CELLS]; /* plain: the thread sanitizer looks on */
    _Atomic bool over;
};

struct reader {
    pthread_t thread;
    struct shared *shared;
    size_t slot;
    uint64_t reads, mixed, backwards;
};

static void *read_cells(void *context)
{
    struct reader *reader = context;
    uint64_t last = 0;
    do {
        uint32_t copy = pair_acquire(&reader->shared->pair, reader->slot);
        const uint64_t *cell = reader->shared->cell[copy];
        for (size_t i = 1; i < CELLS; i++) {
            reader->mixed += cell[i] != cell[0];
        }
        reader->backwards += cell[0] < last;
        last = cell[0];
        pair_release(&reader->shared->pair, reader->slot, copy);
        reader->reads++;
        sched_yield(); /* lets go of the core between two reads, not in one */
    } while (!atomic_load(&reader->shared->over));
    return NULL;
}

static void readers_see_whole_copies_that_never_go_back(void **state)
{
    (void)state;
    static struct shared shared;
    struct reader reader[READERS];
    assert_ok(pair_init(&shared.pair, READERS, NULL));
    for (size_t r = 0; r < READERS; r++) {
        reader[r] = (struct reader){.shared = &shared, .slot = r};
        assert_int_equal(pthread_create(&reader[r].thread, NULL, read_cells, &reader[r]), 0);
    }
    for (uint64_t turn = 1; turn <= FLIPS; turn++) {
        for (size_t i = 0; i < CELLS; i++) {
            shared.cell[pair_back(&shared.pair)][i] = turn;
        }
        pair_flip(&shared.pair);
    }
    atomic_store(&shared.over, true);
    for (size_t r = 0; r < READERS; r++) {
        assert_int_equal(pthread_join(reader[r].thread, NULL), 0);
        assert_true(reader[r].reads > 0);
        assert_int_equal(reader[r].mixed, 0);
        assert_int_equal(reader[r].backwards, 0);
    }
    pair_deinit(&shared.pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flips_alternate_and_readers_get_the_front),
        cmocka_unit_test(slots_lie_on_cache_lines_of_their_own),
        cmocka_unit_test(flip_returns_only_when_the_last_reader_of_the_old_copy_is_gone),
        cmocka_unit_test(readers_see_whole_copies_that_never_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
