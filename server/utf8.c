/*
 * Well-formed characters.
 */
#include "utf8.h"

size_t utf8_length(const unsigned char *text, size_t n)
{
    const unsigned char c = text[0];
    const size_t length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (c > 0xf4 || length == 0 || length > n) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Longer than needed, a surrogate, or past U+10FFFF. */
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) ||
        (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return length;
}

bool utf8_valid(const char *text, size_t n)
{
    size_t length;

    for (size_t i = 0; i < n; i += length) {
        length = utf8_length((const unsigned char *)text + i, n - i);
        if (length == 0) {
            return false;
        }
    }
    return true;
}
