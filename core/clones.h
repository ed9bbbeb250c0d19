/*
 * Functions compiled once more for wide registers; which one runs is chosen when the program is
 * loaded.
 *
 * All of them give the same bits: every operation is IEEE 754's, nothing is fused
 * (-ffp-contract=off, and the wide clone is one without fused multiply-add) or reordered (no
 * -ffast-math). So what was learned on one processor is learned again on another to the bit.
 */
#ifndef RANKD_CORE_CLONES_H
#define RANKD_CORE_CLONES_H

/* The loader chooses before a sanitizer is ready. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) &&                        \
    !defined(RANKD_SANITIZED)
#define RK_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define RK_CLONES
#endif

/* What a clone is made of has to be in it. */
#define RK_IN_CLONES static inline __attribute__((always_inline))

#endif
