/*
 * Stable sorting of item indices by a key, highest first, without allocating.
 */
#ifndef RANKD_CORE_ORDER_H
#define RANKD_CORE_ORDER_H

#include <stddef.h>
#include <stdint.h>

/**
 * Sorts indices by key, highest first; equal keys keep their order.
 *
 * @param key    read at the indices; no NaN.
 * @param index  (n), changed.
 * @param swap   (n), scratch. Cost O(n log(n / 1024)), and 22 KiB of stack.
 */
void rk_order_sort(const double *key, uint32_t *index, size_t n, uint32_t *swap);

/**
 * The k items of 0..n-1 with the highest keys, highest first; equal keys keep their order.
 *
 * @param key    (n) no NaN.
 * @param index  out, (n), its first min(k, n) are the result, the others are scratch.
 * @param swap   (n), scratch. Cost O(n) where k is small, else of a sort.
 */
void rk_order_top(const double *key, size_t n, size_t k, uint32_t *index, uint32_t *swap);

/**
 * Merges two adjacent sorted runs, index[0..left) and index[left..n).
 *
 * @param swap  (left), scratch. Cost O(n).
 */
void rk_order_merge(const double *key, uint32_t *index, size_t left, size_t n, uint32_t *swap);

#endif
