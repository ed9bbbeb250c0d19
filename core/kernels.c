/*
 * The kernels, once for each width of registers. Registers of eight doubles were tried and left
 * out: widening floats is what the loops wait for, and is no faster there (measured on Zen 4).
 */
#include "kernels.h"

#include <string.h>

#define KERNEL(name)  name##_plain
#define WIDEN(floats) __builtin_convertvector((floats), lanes)
#include "kernels_impl.h"
#undef KERNEL
#undef WIDEN

#if defined(__x86_64__) && !defined(__clang__)
#define HAS_AVX2 1
#pragma GCC push_options
#pragma GCC target("avx2")
#define KERNEL(name)  name##_avx2
#define WIDEN(floats) __builtin_ia32_cvtps2pd256(floats) /* gcc 12 makes four steps of it */
#include "kernels_impl.h"
#undef KERNEL
#undef WIDEN
#pragma GCC pop_options
#endif

const struct rk_kernels *rk_kernels_nth(size_t n)
{
#ifdef HAS_AVX2
    if (__builtin_cpu_supports("avx2")) {
        return n == 0 ? &kernels_avx2 : n == 1 ? &kernels_plain : NULL;
    }
#endif
    return n == 0 ? &kernels_plain : NULL;
}

const struct rk_kernels *rk_kernels(void)
{
    return rk_kernels_nth(0);
}
