/*
 * The parts of DCG: gain and discount. Jarvelin & Kekalainen 2002, with the exponential gain of
 * Burges 2005.
 */
#ifndef RANKD_CORE_DCG_H
#define RANKD_CORE_DCG_H

#include <math.h>
#include <stddef.h>

static inline double rk_gain(float label)
{
    return exp2((double)label) - 1.0;
}

/* @param place  0 at the top; @param cut  places that count, 0 = all. */
static inline double rk_discount(size_t place, size_t cut)
{
    return cut != 0 && place >= cut ? 0.0 : 1.0 / log2(2.0 + (double)place);
}

#endif
