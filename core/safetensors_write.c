/*
 * Writing safetensors: metadata first, tensors in the order given, the header padded so that the
 * data starts at a multiple of 8 bytes. The header is laid out twice, first only to measure it,
 * then into memory of that length.
 */
#include "safetensors_impl.h"

#include <stdlib.h>
#include <string.h>

/* A text that grows to the right; measured only, while to is NULL. */
struct text {
    char *to;
    size_t n;
};

static void put(struct text *text, const char *bytes, size_t n)
{
    if (text->to != NULL) {
        memcpy(text->to + text->n, bytes, n);
    }
    text->n += n;
}

static void put_text(struct text *text, const char *string)
{
    put(text, string, strlen(string));
}

static void put_number(struct text *text, size_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(text, digits + first, sizeof digits - first);
}

static void put_string(struct text *text, const char *string)
{
    static const char hex[] = "0123456789abcdef";
    put(text, "\"", 1);
    for (const char *at = string; *at != '\0'; at++) {
        const unsigned char c = (unsigned char)*at;
        if (c < 0x20) {
            const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            put(text, escape, sizeof escape);
        } else {
            put(text, "\\", c == '"' || c == '\\' ? 1 : 0);
            put(text, at, 1);
        }
    }
    put(text, "\"", 1);
}

static void put_metadata(struct text *text, const struct rk_st_pair *metadata, size_t n)
{
    put_string(text, RK_ST_METADATA_NAME);
    for (size_t i = 0; i < n; i++) {
        put_text(text, i == 0 ? ":{" : ",");
        put_string(text, metadata[i].key);
        put_text(text, ":");
        put_string(text, metadata[i].value);
    }
    put_text(text, "}");
}

static void put_tensor(struct text *text, const struct rk_st_tensor *tensor, size_t begin)
{
    put_string(text, tensor->name);
    put_text(text, ":{\"dtype\":\"F32\",\"shape\":[");
    for (uint32_t d = 0; d < tensor->rank; d++) {
        put_text(text, d == 0 ? "" : ",");
        put_number(text, tensor->shape[d]);
    }
    put_text(text, "],\"data_offsets\":[");
    put_number(text, begin);
    put_text(text, ",");
    put_number(text, begin + tensor->bytes);
    put_text(text, "]}");
}

static void put_header(struct text *text, const struct rk_st_tensor *tensors, size_t n,
                       const struct rk_st_pair *metadata, size_t n_metadata)
{
    size_t begin = 0;
    put_text(text, "{");
    if (n_metadata > 0) {
        put_metadata(text, metadata, n_metadata);
    }
    for (size_t i = 0; i < n; i++) {
        put_text(text, i == 0 && n_metadata == 0 ? "" : ",");
        put_tensor(text, &tensors[i], begin);
        begin += tensors[i].bytes;
    }
    put_text(text, "}");
    while (text->n % RK_ST_PREFIX != 0) {
        put_text(text, " ");
    }
}

static bool is_utf8(const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    size_t left = strlen(string);
    while (left > 0) {
        const size_t length = rk_utf8_length(at, left);
        if (length == 0) {
            return false;
        }
        at += length;
        left -= length;
    }
    return true;
}

static enum rk_status check_tensor(const struct rk_st_tensor *tensor, struct rk_error *err)
{
    size_t bytes;
    if (memchr(tensor->name, '\0', sizeof tensor->name) == NULL) {
        return rk_fail(err, RK_INVALID, "a tensor's name is longer than %d bytes",
                       RK_ST_NAME_MAX - 1);
    }
    const struct rk_st_label label = rk_st_label(tensor->name);
    if (!is_utf8(tensor->name) || strcmp(tensor->name, RK_ST_METADATA_NAME) == 0) {
        return rk_fail(err, RK_INVALID, "tensor \"%s\": this cannot be a name", label.text);
    }
    if (tensor->dtype != RK_F32) {
        return rk_fail(err, RK_INVALID, "tensor \"%s\": only F32 is written", label.text);
    }
    if (tensor->rank > RK_ST_RANK_MAX) {
        return rk_fail(err, RK_INVALID, "tensor \"%s\": a shape of more than %d dimensions",
                       label.text, RK_ST_RANK_MAX);
    }
    if (!rk_st_shape_bytes(tensor, &bytes) || bytes != tensor->bytes) {
        return rk_fail(err, RK_INVALID, "tensor \"%s\": its shape does not need %zu bytes",
                       label.text, tensor->bytes);
    }
    return RK_OK;
}

static enum rk_status check_tensors(const struct rk_st_tensor *tensors, size_t n,
                                    struct rk_error *err)
{
    size_t total = 0;
    if (n > RK_ST_TENSORS_MAX) {
        return rk_fail(err, RK_INVALID, "%zu tensors, at most %d are written", n,
                       RK_ST_TENSORS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const enum rk_status status = check_tensor(&tensors[i], err);
        if (status != RK_OK) {
            return status;
        }
        if (__builtin_add_overflow(total, tensors[i].bytes, &total)) {
            return rk_fail(err, RK_INVALID, "the tensors' sizes overflow");
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(tensors[i].name, tensors[j].name) == 0) {
                return rk_fail(err, RK_INVALID, "tensor \"%s\": a duplicate name",
                               rk_st_label(tensors[i].name).text);
            }
        }
    }
    return RK_OK;
}

/* Printable ASCII that JSON shows as it is. */
static bool is_plain(const char *string)
{
    for (const char *at = string; *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7e || *at == '"' || *at == '\\') {
            return false;
        }
    }
    return true;
}

static enum rk_status check_metadata(const struct rk_st_pair *metadata, size_t n,
                                     struct rk_error *err)
{
    if (n > RK_ST_METADATA_MAX) {
        return rk_fail(err, RK_INVALID, "%zu metadata keys, at most %d are written", n,
                       RK_ST_METADATA_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const struct rk_st_label label = rk_st_label(metadata[i].key);
        if (!is_plain(metadata[i].key) || !is_plain(metadata[i].value)) {
            return rk_fail(err, RK_INVALID, "metadata \"%s\": more than printable ASCII",
                           label.text);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(metadata[i].key, metadata[j].key) == 0) {
                return rk_fail(err, RK_INVALID, "metadata \"%s\": a duplicate key", label.text);
            }
        }
    }
    return RK_OK;
}

/* Prefix and header in one block of the heap. */
static enum rk_status lay_out(const struct rk_st_tensor *tensors, size_t n,
                              const struct rk_st_pair *metadata, size_t n_metadata,
                              struct text *head, struct rk_error *err)
{
    struct text text = {.n = RK_ST_PREFIX};
    put_header(&text, tensors, n, metadata, n_metadata);
    const uint64_t length = text.n - RK_ST_PREFIX;
    if (length > RK_ST_HEADER_MAX) {
        return rk_fail(err, RK_INVALID, "a header of %zu bytes, at most %d are written",
                       text.n - RK_ST_PREFIX, RK_ST_HEADER_MAX);
    }
    text.to = malloc(text.n);
    if (text.to == NULL) {
        return rk_fail(err, RK_NOMEM, "no memory for a header of %zu bytes", text.n);
    }
    memcpy(text.to, &length, RK_ST_PREFIX);
    text.n = RK_ST_PREFIX;
    put_header(&text, tensors, n, metadata, n_metadata);
    *head = text;
    return RK_OK;
}

enum rk_status rk_safetensors_write(const struct rk_st_tensor *tensors, size_t n,
                                    const struct rk_st_pair *metadata, size_t n_metadata,
                                    rk_st_sink sink, void *context, struct rk_error *err)
{
    struct text head = {NULL, 0};
    enum rk_status status = check_tensors(tensors, n, err);
    if (status == RK_OK) {
        status = check_metadata(metadata, n_metadata, err);
    }
    if (status == RK_OK) {
        status = lay_out(tensors, n, metadata, n_metadata, &head, err);
    }
    if (status == RK_OK) {
        status = sink(context, head.to, head.n, err);
    }
    for (size_t i = 0; i < n && status == RK_OK; i++) {
        if (tensors[i].bytes > 0) {
            status = sink(context, tensors[i].data, tensors[i].bytes, err);
        }
    }
    free(head.to);
    return status;
}
