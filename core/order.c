/*
 * Stable sorting without allocation. Runs of up to 1024 are sorted by a radix sort of words that
 * hold the bits in which the keys differ and an item's place, and then merged bottom up. The first
 * few of a list take an insertion sort that forgets the rest.
 */
#include "order.h"

#include <stdbool.h>
#include <string.h>

#define RUN        1024
#define PLACE_BITS 10
#define DIGIT_BITS 9
#define PASSES_MAX ((64 - PLACE_BITS + DIGIT_BITS - 1) / DIGIT_BITS)
#define SHORT      32 /* runs that insertions sort faster */
#define TOP_MAX    16 /* past it insertions move too much */

static void insertion_sort(const double *key, uint32_t *index, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t item = index[i];
        size_t hole = i;
        for (; hole > 0 && key[index[hole - 1]] < key[item]; hole--) {
            index[hole] = index[hole - 1];
        }
        index[hole] = item;
    }
}

/* Bits that grow as the key falls; both zeros have the same. */
static uint64_t falling_bits(double key)
{
    const double one_zero = key + 0.0;
    uint64_t bits;

    memcpy(&bits, &one_zero, sizeof bits);
    return bits >> 63 != 0 ? bits : ~bits & UINT64_MAX >> 1;
}

/* The bits in which keys differ, from low up to high. */
struct differing {
    unsigned low, high;
    bool cut; /* there are more below than a word has room for */
};

static struct differing find_differing(const uint64_t *bits, size_t n)
{
    uint64_t differ = 0;
    struct differing d = {0};

    for (size_t i = 1; i < n; i++) {
        differ |= bits[0] ^ bits[i];
    }
    if (differ != 0) {
        d.low = (unsigned)__builtin_ctzll(differ);
        d.high = 64 - (unsigned)__builtin_clzll(differ);
        d.cut = d.high - d.low > 64 - PLACE_BITS;
        d.low = d.cut ? d.high - (64 - PLACE_BITS) : d.low;
    }
    return d;
}

/* Sorts words by the bits above their place, lowest digit first. @return which of the two has them. */
static const uint64_t *sort_words(uint64_t *word, uint64_t *other, size_t n, unsigned n_bits)
{
    const unsigned passes = (n_bits + DIGIT_BITS - 1) / DIGIT_BITS;
    const unsigned bits = (n_bits + passes - 1) / passes;
    const uint64_t mask = (UINT64_C(1) << bits) - 1;
    uint16_t place[PASSES_MAX][1 << DIGIT_BITS];

    memset(place, 0, passes * sizeof *place);
    for (size_t i = 0; i < n; i++) {
        for (unsigned p = 0; p < passes; p++) {
            place[p][word[i] >> (PLACE_BITS + p * bits) & mask]++;
        }
    }
    for (unsigned p = 0; p < passes; p++) {
        uint64_t *const from = word;
        uint16_t sum = 0;
        for (uint64_t digit = 0; digit <= mask; digit++) {
            const uint16_t count = place[p][digit];
            place[p][digit] = sum;
            sum = (uint16_t)(sum + count);
        }
        for (size_t i = 0; i < n; i++) {
            other[place[p][from[i] >> (PLACE_BITS + p * bits) & mask]++] = from[i];
        }
        word = other;
        other = from;
    }
    return word;
}

/* Of keys that are floats, 29 bits are alike already. */
static void sort_run(const double *key, uint32_t *index, size_t n, uint32_t *swap)
{
    uint64_t word[RUN], other[RUN];
    const uint64_t *sorted;
    struct differing d;

    if (n < SHORT) {
        insertion_sort(key, index, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        word[i] = falling_bits(key[index[i]]);
    }
    d = find_differing(word, n);
    if (d.high == d.low) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        word[i] = word[i] >> d.low << PLACE_BITS | i;
    }
    sorted = sort_words(word, other, n, d.high - d.low);
    memcpy(swap, index, n * sizeof *swap);
    for (size_t i = 0; i < n; i++) {
        index[i] = swap[sorted[i] & (RUN - 1)];
    }
    if (d.cut) {
        insertion_sort(key, index, n); /* what little is left to do */
    }
}

void rk_order_merge(const double *key, uint32_t *index, size_t left, size_t n, uint32_t *swap)
{
    if (left == 0 || left == n || key[index[left - 1]] >= key[index[left]]) {
        return;
    }
    memcpy(swap, index, left * sizeof *swap);
    size_t a = 0, b = left, out = 0;
    while (a < left && b < n) {
        index[out++] = key[swap[a]] >= key[index[b]] ? swap[a++] : index[b++];
    }
    memcpy(index + out, swap + a, (left - a) * sizeof *swap);
}

void rk_order_sort(const double *key, uint32_t *index, size_t n, uint32_t *swap)
{
    for (size_t start = 0; start < n; start += RUN) {
        sort_run(key, index + start, n - start < RUN ? n - start : RUN, swap);
    }
    for (size_t run = RUN; run < n; run *= 2) {
        for (size_t start = 0; start + run < n; start += 2 * run) {
            size_t length = n - start < 2 * run ? n - start : 2 * run;
            rk_order_merge(key, index + start, run, length, swap);
        }
    }
}

/* The first k of all n, where equal keys that come later stay behind. */
static void insert_top(const double *key, size_t n, size_t k, uint32_t *index)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        size_t hole = kept;
        if (kept == k && !(key[i] > key[index[k - 1]])) {
            continue;
        }
        kept += kept < k;
        hole -= hole == k;
        for (; hole > 0 && key[index[hole - 1]] < key[i]; hole--) {
            index[hole] = index[hole - 1];
        }
        index[hole] = (uint32_t)i;
    }
}

void rk_order_top(const double *key, size_t n, size_t k, uint32_t *index, uint32_t *swap)
{
    if (k > 0 && k <= TOP_MAX && k < n) {
        insert_top(key, n, k, index);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        index[i] = (uint32_t)i;
    }
    rk_order_sort(key, index, n, swap);
}
