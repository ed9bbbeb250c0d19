/*
 * What every test needs beside cmocka: comparing doubles, and asserting RK_OK with the reason shown.
 */
#ifndef RANKD_TEST_H
#define RANKD_TEST_H

/* cmocka.h needs the others before it. */
/* clang-format off */
#include <math.h>
#include <rankd/status.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
/* clang-format on */

/* |actual - expected| <= atol + rtol * |expected|; NaN equals NaN. */
#define assert_close(actual, expected, rtol, atol)                                                 \
    do {                                                                                           \
        double actual_ = (actual), expected_ = (expected);                                         \
        if (!(isnan(actual_) && isnan(expected_)) &&                                               \
            !(fabs(actual_ - expected_) <= (atol) + (rtol)*fabs(expected_))) {                     \
            fail_msg("%s is %.17g, expected %.17g", #actual, actual_, expected_);                  \
        }                                                                                          \
    } while (0)

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        enum rk_status status_ = (call);                                                           \
        if (status_ != RK_OK) {                                                                    \
            fail_msg("%s: %s", #call, rk_status_text(status_));                                    \
        }                                                                                          \
    } while (0)

#define assert_status(call, expected)                                                              \
    assert_string_equal(rk_status_text(call), rk_status_text(expected))

#endif
