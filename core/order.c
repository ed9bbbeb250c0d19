/*
 * Bottom-up merge sort: stable, no allocation, insertion sort on short runs because most lists are
 * one.
 */
#include "order.h"

#include <string.h>

#define RUN 16

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
        insertion_sort(key, index + start, n - start < RUN ? n - start : RUN);
    }
    for (size_t run = RUN; run < n; run *= 2) {
        for (size_t start = 0; start + run < n; start += 2 * run) {
            size_t length = n - start < 2 * run ? n - start : 2 * run;
            rk_order_merge(key, index + start, run, length, swap);
        }
    }
}
