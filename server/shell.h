/*
 * How commands of the shell speak: one line of what is wrong on stderr, results on stdout, and the
 * exit code that says which (sysexits.h).
 */
#ifndef RANKD_SERVER_SHELL_H
#define RANKD_SERVER_SHELL_H

#include "emit.h"

#include <rankd/status.h>
#include <stdarg.h>

/** Prints "rankd <command>: ..." on stderr. @return code. */
int shell_fail(const char *command, int code, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/** The same with what is said as it is written. */
int shell_say(const char *command, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The exit code of a status: EX_DATAERR, EX_NOINPUT, EX_CONFIG, EX_IOERR ... */
int shell_exit_code(enum rk_status status);

/** Writes the text to stdout and frees it. @return EX_OK; EX_IOERR; EX_SOFTWARE. */
int shell_print(const char *command, struct emit *out);

#endif
