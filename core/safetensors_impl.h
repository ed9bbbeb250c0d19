/*
 * What the safetensors files share: a cursor over the header's JSON, UTF-8, names fit for messages,
 * sizes.
 */
#ifndef RANKD_SAFETENSORS_IMPL_H
#define RANKD_SAFETENSORS_IMPL_H

#include <rankd/safetensors.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the format's bytes are copied as they lie");

#define RK_ST_PREFIX        8 /* bytes of the header's length */
#define RK_ST_METADATA_NAME "__metadata__"

/*
 * Reads JSON token by token. After the first failure every call does nothing and yields false, 0 or
 * "", so that a reader of the grammar looks at status once, at the end.
 */
struct rk_st_cursor {
    const unsigned char *start; /* the header */
    const unsigned char *at;
    const unsigned char *end;
    char *text;         /* where the next decoded string goes; has room for all, see rk_st_string */
    const char *tensor; /* the tensor being read, for messages; NULL outside of one */
    enum rk_status status; /* RK_OK until something failed */
    struct rk_error *err;
};

/* Fails at the cursor's place: what is wrong, in words without a name. */
void rk_st_fail(struct rk_st_cursor *cursor, enum rk_status status, const char *what);

/* Takes the character if it is next after white space. */
bool rk_st_take(struct rk_st_cursor *cursor, char wanted);

/* Fails unless the character is next after white space. */
void rk_st_expect(struct rk_st_cursor *cursor, char wanted);

/* Fails unless only white space is left. */
void rk_st_expect_end(struct rk_st_cursor *cursor);

/*
 * The next string, decoded and NUL-terminated in cursor->text. That takes at most the bytes it has
 * in the header, quotes counted, so a text as long as the header has room for all its strings.
 */
const char *rk_st_string(struct rk_st_cursor *cursor);

/* The next number, which must be a whole one from 0 to SIZE_MAX in plain digits. */
size_t rk_st_number(struct rk_st_cursor *cursor);

/* Bytes of the UTF-8 character at the start of n bytes, 1 to 4; 0 where there is no valid one. */
size_t rk_utf8_length(const unsigned char *bytes, size_t n);

struct rk_st_label {
    char text[41]; /* two of them and two offsets fit into an error */
};

/* A name as an error may show it: control characters and broken UTF-8 as '?', cut at 40 bytes. */
struct rk_st_label rk_st_label(const char *name);

/* Bytes of an element. */
size_t rk_dtype_bytes(enum rk_dtype dtype);

/*
 * Bytes of all elements, multiplied in the order of the shape as the format's own reader does;
 * false where they pass SIZE_MAX.
 */
bool rk_st_shape_bytes(const struct rk_st_tensor *tensor, size_t *bytes);

#endif
