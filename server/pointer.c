/*
 * Escaping and room.
 */
#include "pointer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The bytes of a key's token, written if there is room for them and the end. */
static size_t write_escaped(char *out, size_t size, const char *key, size_t n)
{
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        const bool special = key[i] == '~' || key[i] == '/';
        if (used + (special ? 2 : 1) >= size) {
            return size;
        }
        out[used++] = special ? '~' : key[i];
        if (special) {
            out[used++] = key[i] == '~' ? '0' : '1';
        }
    }
    return used;
}

size_t pointer_key(char *out, size_t size, size_t length, const char *key, size_t n)
{
    size_t used;

    if (size - length < 2) {
        return size;
    }
    used = write_escaped(out + length + 1, size - length - 1, key, n);
    if (used == size - length - 1) {
        out[length] = '\0';
        return size;
    }
    out[length] = '/';
    out[length + 1 + used] = '\0';
    return length + 1 + used;
}

size_t pointer_index(char *out, size_t size, size_t length, size_t index)
{
    char text[24];
    const int n = snprintf(text, sizeof text, "%zu", index);

    return pointer_key(out, size, length, text, (size_t)n);
}
