/*
 * Status texts and error filling. The one core file that includes stdio.h, for vsnprintf.
 */
#include <rankd/status.h>
#include <stdarg.h>
#include <stdio.h>

const char *rk_status_text(enum rk_status status)
{
    switch (status) {
#define STATUS_CASE(name, text)                                                                    \
    case RK_##name:                                                                                \
        return text;
        RK_STATUSES(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown status";
}

enum rk_status rk_fail(struct rk_error *err, enum rk_status status, const char *format, ...)
{
    if (err != NULL && err->status == RK_OK) {
        va_list args;
        va_start(args, format);
        err->status = status;
        (void)vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
}
