/*
 * The trainer's budget as a function of what is looked at: no clock is read here.
 */
#include "pace.h"
#include "test.h"

#include <math.h>

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)
#define STEPS  1000

/* A trainer whose time is made up. */
struct life {
    struct pace pace;
    struct pace_look look;
    int64_t waited_ns, longest_ns;
};

static struct life life_of(int64_t cpu_percent, int64_t score_p99_ms)
{
    const struct pace_limits limits = {cpu_percent, score_p99_ms};
    struct life life = {.look = {.now_ns = 400 * 86400 * SECOND, .score_p99_s = (double)NAN}};

    pace_init(&life.pace, &limits, NULL);
    assert_int_equal(pace_decide(&life.pace, &life.look).reason, PACE_GO);
    return life;
}

/* Takes a step of so much CPU time as soon as it may. */
static void step(struct life *life, int64_t cpu_ns)
{
    struct pace_wait wait;

    while ((wait = pace_decide(&life->pace, &life->look)).reason != PACE_GO) {
        assert_true(wait.ns > 0 && wait.ns <= PACE_WAIT_NS);
        life->look.now_ns += wait.ns;
        life->waited_ns += wait.ns;
        life->longest_ns = wait.ns > life->longest_ns ? wait.ns : life->longest_ns;
    }
    life->look.now_ns += cpu_ns;
    life->look.cpu_ns += cpu_ns;
}

/* What is decided a while later. */
static enum pace_reason after(struct life *life, int64_t ns)
{
    life->look.now_ns += ns;
    return pace_decide(&life->pace, &life->look).reason;
}

static void long_learning_takes_its_share_and_no_more(void **state)
{
    static const int64_t percents[] = {1, 30, 80, 99};
    static const int64_t steps_ns[] = {3 * MS, 30 * MS, 3 * SECOND};

    (void)state;
    for (size_t i = 0; i < 4 * 3; i++) {
        const int64_t percent = percents[i / 3];
        struct life life = life_of(percent, 0);
        const int64_t start_ns = life.look.now_ns;
        for (int n = 0; n < STEPS; n++) {
            step(&life, steps_ns[i % 3]);
        }
        const double used = (double)(life.look.cpu_ns - PACE_SAVED_NS - steps_ns[i % 3]);
        const double share = used / (double)(life.look.now_ns - start_ns);
        assert_true(share <= (double)percent / 100);
        assert_true(life.look.cpu_ns < 10 * SECOND || share >= (double)percent / 100 * 0.9);
    }
}

static void whole_core_is_no_limit(void **state)
{
    (void)state;
    for (int64_t percent = 0; percent <= 100; percent += 100) {
        struct life life = life_of(percent, 0);
        life.look.cpu_ns += MS; /* two clocks never agree */
        for (int n = 0; n < STEPS; n++) {
            step(&life, SECOND);
        }
        assert_int_equal(life.waited_ns, 0);
    }
}

static void step_of_a_click_does_not_wait(void **state)
{
    struct life life = life_of(80, 50);

    (void)state;
    for (int n = 0; n < STEPS; n++) {
        assert_int_equal(after(&life, 5 * MS), PACE_GO); /* it was scored and clicked on */
        step(&life, 5 * MS);
    }
    assert_int_equal(life.waited_ns, 0);
}

static void idle_time_is_not_saved_up(void **state)
{
    struct life life = life_of(10, 0);

    (void)state;
    assert_int_equal(after(&life, 86400 * SECOND), PACE_GO);
    step(&life, PACE_SAVED_NS / 10 + 20 * MS);
    step(&life, 0);
    assert_true(life.waited_ns >= 170 * MS && life.waited_ns <= 171 * MS); /* 20 ms, 30 were gone */
}

static void scoring_that_is_slow_pauses_learning_until_it_is_not(void **state)
{
    struct life life = life_of(100, 50);

    (void)state;
    life.look.score_p99_s = 0.050;
    assert_int_equal(after(&life, SECOND), PACE_GO);
    life.look.score_p99_s = 0.051;
    assert_int_equal(after(&life, SECOND), PACE_LATENCY);
    assert_int_equal(after(&life, PACE_PAUSE_NS - 1), PACE_LATENCY);
    life.look.score_p99_s = (double)NAN; /* nobody scores any more */
    assert_int_equal(after(&life, 0), PACE_GO);
    life.look.score_p99_s = 1;
    assert_int_equal(after(&life, 0), PACE_LATENCY); /* another pause, from its beginning */
    assert_int_equal(after(&life, PACE_PAUSE_NS - 1), PACE_LATENCY);
}

static void learning_does_not_stop_for_good_where_a_pause_does_not_help(void **state)
{
    struct life life = life_of(100, 50);
    const int64_t start_ns = life.look.now_ns;

    (void)state;
    life.look.score_p99_s = 1;
    for (int n = 0; n < STEPS; n++) {
        step(&life, 100 * MS);
    }
    assert_true(life.look.cpu_ns >= (life.look.now_ns - start_ns) * 9 / 20);
    assert_true(life.waited_ns >= (life.look.now_ns - start_ns) * 9 / 20);
}

static void budget_of_zero_never_pauses(void **state)
{
    struct life life = life_of(100, 0);

    (void)state;
    life.look.score_p99_s = 10;
    assert_int_equal(after(&life, SECOND), PACE_GO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_learning_takes_its_share_and_no_more),
        cmocka_unit_test(whole_core_is_no_limit),
        cmocka_unit_test(step_of_a_click_does_not_wait),
        cmocka_unit_test(idle_time_is_not_saved_up),
        cmocka_unit_test(scoring_that_is_slow_pauses_learning_until_it_is_not),
        cmocka_unit_test(learning_does_not_stop_for_good_where_a_pause_does_not_help),
        cmocka_unit_test(budget_of_zero_never_pauses),
    };

    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
