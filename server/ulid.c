/*
 * Making ULIDs from GnuTLS's random numbers.
 */
#include "ulid.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stddef.h>

bool ulid_make(int64_t unix_ms, char text[ULID_TEXT])
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t bytes[16];

    for (size_t i = 0; i < 6; i++) {
        bytes[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
    }
    if (gnutls_rnd(GNUTLS_RND_RANDOM, bytes + 6, 10) < 0) {
        return false;
    }
    for (size_t c = 0; c < 26; c++) {
        /*
         * Character c holds bits 5c-2 .. 5c+2 of the 128, counted from the front; the first one
         * only three.
         */
        unsigned digit = 0;
        for (size_t b = 0; b < 5; b++) {
            const size_t bit = 5 * c + b;
            digit = digit << 1 |
                    (bit < 2 ? 0U : (unsigned)(bytes[(bit - 2) / 8] >> (7 - (bit - 2) % 8) & 1));
        }
        text[c] = alphabet[digit];
    }
    text[26] = '\0';
    return true;
}
