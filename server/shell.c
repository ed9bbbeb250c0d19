/*
 * Speaking on stderr and stdout.
 */
#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

int shell_fail(const char *command, int code, const char *format, va_list arguments)
{
    (void)fprintf(stderr, "rankd %s: ", command);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    return code;
}

int shell_say(const char *command, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    code = shell_fail(command, code, format, arguments);
    va_end(arguments);
    return code;
}

int shell_exit_code(enum rk_status status)
{
    switch (status) {
    case RK_OK:
        return EX_OK;
    case RK_INVALID:
    case RK_TOOBIG:
    case RK_CORRUPT:
    case RK_DIVERGED:
        return EX_DATAERR;
    case RK_NOTFOUND:
        return EX_NOINPUT;
    case RK_MISMATCH:
        return EX_CONFIG;
    case RK_BUSY:
        return EX_TEMPFAIL;
    case RK_IO:
        return EX_IOERR;
    case RK_NOMEM:
        break;
    }
    return EX_SOFTWARE;
}

int shell_print(const char *command, struct emit *out)
{
    size_t n = 0;
    char *text = emit_take(out, &n);
    int code = EX_OK;

    if (text == NULL) {
        (void)fprintf(stderr, "rankd %s: out of memory for the result\n", command);
        return EX_SOFTWARE;
    }
    if (fwrite(text, 1, n, stdout) != n || fflush(stdout) != 0) {
        (void)fprintf(stderr, "rankd %s: the result cannot be written to stdout\n", command);
        code = EX_IOERR;
    }
    free(text);
    return code;
}
