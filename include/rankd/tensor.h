/*
 * Tensors: named parts of a parameter block, row-major, one after the other.
 */
#ifndef RANKD_TENSOR_H
#define RANKD_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RK_TENSOR_NAME_MAX 64
#define RK_TENSOR_RANK_MAX 3

struct rk_tensor {
    char name[RK_TENSOR_NAME_MAX]; /* as PyTorch's state_dict has it: "embedding.weight" */
    uint32_t rank;                 /* dimensions in shape */
    size_t shape[RK_TENSOR_RANK_MAX];
    size_t rows; /* rows * cols = elements; a row is what learning touches as one */
    size_t cols;
    size_t offset;    /* floats from the start of the block */
    size_t first_row; /* number of its first row among all rows of the model */
    bool transposed;  /* the block holds (shape[1], shape[0]): a row is a column of the shape */
};

#endif
