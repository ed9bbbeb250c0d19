/*
 * Counting how often the armed place was met.
 */
#include "failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const texts[] = {
#define FAILPOINT_TEXT(name, text) [FAILPOINT_##name] = text,
    FAILPOINTS(FAILPOINT_TEXT)
#undef FAILPOINT_TEXT
};

/* Of the process: set at its start. */
static enum failpoint armed = FAILPOINT_COUNT;
static uint64_t last;
static _Atomic uint64_t met;

enum rk_status failpoint_start(const char *text, struct rk_error *err)
{
    enum failpoint at = 0;
    char *end = NULL;
    uint64_t nth;
    size_t n;

    if (text == NULL || text[0] == '\0') {
        return RK_OK;
    }
    n = strcspn(text, ":");
    while (at < FAILPOINT_COUNT && !(strlen(texts[at]) == n && strncmp(texts[at], text, n) == 0)) {
        at++;
    }
    if (at == FAILPOINT_COUNT) {
        return rk_fail(err, RK_INVALID, "RANKD_FAILPOINT: there is no place \"%.*s\"", (int)n,
                       text);
    }
    nth = text[n] == ':' ? strtoull(text + n + 1, &end, 10) : 0;
    if (nth == 0 || strcmp(end, ":kill") != 0) {
        return rk_fail(err, RK_INVALID, "RANKD_FAILPOINT is name:nth:kill, with nth from 1");
    }
    last = nth;
    armed = at;
    return RK_OK;
}

void failpoint(enum failpoint at)
{
    if (at == armed && atomic_fetch_add(&met, 1) + 1 == last) {
        (void)kill(getpid(), SIGKILL);
        for (;;) {
            (void)pause(); /* nothing may be done from here on */
        }
    }
}

const char *failpoint_text(enum failpoint at)
{
    return texts[at];
}
