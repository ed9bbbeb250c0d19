/*
 * Header and data grow side by side.
 */
#include "tensor_file.h"

#include "test.h"

/* Zero or a normal binary16 number. */
static uint16_t half_of(double value)
{
    int exponent;
    const double fraction = frexp(fabs(value), &exponent); /* [1/2, 1) */
    uint16_t bits = 0;

    if (value != 0) {
        assert_true(exponent >= -13 && exponent <= 16);
        assert_true(fraction * 2048 == floor(fraction * 2048));
        bits = (uint16_t)((exponent + 14) << 10 | ((int)(fraction * 2048) - 1024));
    }
    return signbit(value) ? (uint16_t)(bits | 0x8000) : bits;
}

static void put(struct tensor_file *file, const void *bytes, size_t n)
{
    if (file->data_n + n > file->data_room) {
        file->data_room = 2 * (file->data_n + n);
        file->data = realloc(file->data, file->data_room);
        assert_non_null(file->data);
    }
    memcpy(file->data + file->data_n, bytes, n);
    file->data_n += n;
}

static void put_value(struct tensor_file *file, const char *dtype, double value)
{
    const float single = (float)value;
    const uint16_t half = strcmp(dtype, "F16") == 0 ? half_of(value) : 0;
    uint32_t bits;

    memcpy(&bits, &single, sizeof bits);
    if (strcmp(dtype, "F64") == 0) {
        put(file, &value, sizeof value);
    } else if (strcmp(dtype, "F32") == 0) {
        put(file, &single, sizeof single);
    } else if (strcmp(dtype, "F16") == 0) {
        put(file, &half, sizeof half);
    } else {
        assert_int_equal(bits & 0xffff, 0);
        put(file, &(uint16_t){(uint16_t)(bits >> 16)}, sizeof(uint16_t));
    }
}

static void append(struct tensor_file *file, const char *text)
{
    const size_t used = strlen(file->header);

    assert_true(used + strlen(text) + 2 < sizeof file->header);
    (void)snprintf(file->header + used, sizeof file->header - used, "%s%s", used > 0 ? "," : "{",
                   text);
}

void tensor_add(struct tensor_file *file, const char *name, const char *dtype, const char *shape,
                const double *values, size_t n)
{
    const size_t start = file->data_n;
    char text[512];

    for (size_t i = 0; i < n; i++) {
        put_value(file, dtype, values[i]);
    }
    (void)snprintf(text, sizeof text,
                   "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", name, dtype,
                   shape, start, file->data_n);
    append(file, text);
}

void tensor_note(struct tensor_file *file, const char *key, const char *value)
{
    char text[256];

    (void)snprintf(text, sizeof text, "\"__metadata__\":{\"%s\":\"%s\"}", key, value);
    append(file, text);
}

char *tensor_bytes(struct tensor_file *file, size_t *n)
{
    const uint64_t header_n = strlen(file->header) + 1;
    char *bytes = malloc(8 + header_n + file->data_n);

    assert_non_null(bytes);
    memcpy(bytes, &header_n, 8);
    memcpy(bytes + 8, file->header, header_n - 1);
    bytes[8 + header_n - 1] = '}';
    if (file->data_n > 0) {
        memcpy(bytes + 8 + header_n, file->data, file->data_n);
    }
    *n = 8 + header_n + file->data_n;
    free(file->data);
    *file = (struct tensor_file){0};
    return bytes;
}
