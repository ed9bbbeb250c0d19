/*
 * Elements of a tensor as floats: double, IEEE 754 binary16 ("F16") and bfloat16. The two halves
 * are subsets of float.
 */
#include "safetensors_impl.h"

#include <math.h>
#include <rankd/safetensors.h>
#include <string.h>

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_of_f16(uint16_t bits)
{
    const uint32_t sign = (bits & 0x8000u) << 16;
    const uint32_t exponent = (bits >> 10) & 0x1fu;
    const uint32_t fraction = bits & 0x3ffu;
    if (exponent == 0) { /* zero or subnormal, fraction * 2^-24: a normal number as float */
        return copysignf((float)fraction * 0x1p-24f, float_of_bits(sign));
    }
    if (exponent == 0x1f) {
        return float_of_bits(sign | 0x7f800000u | fraction << 13);
    }
    return float_of_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

/* The element at a place that may be unaligned. */
static float element(enum rk_dtype dtype, const unsigned char *at)
{
    double wide;
    float value;
    uint16_t half;
    switch (dtype) {
    case RK_F64:
        memcpy(&wide, at, sizeof wide);
        return (float)wide;
    case RK_F32:
        memcpy(&value, at, sizeof value);
        return value;
    case RK_F16:
        memcpy(&half, at, sizeof half);
        return float_of_f16(half);
    case RK_BF16:
        memcpy(&half, at, sizeof half);
        return float_of_bits((uint32_t)half << 16);
    }
    return NAN;
}

size_t rk_st_elements(const struct rk_st_tensor *tensor)
{
    size_t product = 1;
    for (uint32_t d = 0; d < tensor->rank; d++) {
        product *= tensor->shape[d];
    }
    return product;
}

enum rk_status rk_st_floats(const struct rk_st_tensor *tensor, float *to, struct rk_error *err)
{
    const size_t n = rk_st_elements(tensor);
    const size_t size = rk_dtype_bytes(tensor->dtype);
    const unsigned char *at = tensor->data;
    for (size_t i = 0; i < n; i++) {
        to[i] = element(tensor->dtype, at + i * size);
        if (!isfinite(to[i])) {
            return rk_fail(err, RK_INVALID, "tensor \"%s\": element %zu is not finite as a float",
                           rk_st_label(tensor->name).text, i);
        }
    }
    return RK_OK;
}
