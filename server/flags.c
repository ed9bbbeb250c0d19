/*
 * Reading and printing flags by their table.
 */
#include "flags.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define NUMBER_DIGITS_MAX 18

/* The flag of "--name" or "--name=value", or NULL. */
static const struct flag *find(const struct flags *flags, const char *argument)
{
    const size_t n = strcspn(argument, "=");

    for (size_t i = 0; i < flags->n; i++) {
        const struct flag *flag = &flags->flag[i];
        if ((flag->commands & flags->bit) != 0 && strlen(flag->name) == n - 2 &&
            strncmp(flag->name, argument + 2, n - 2) == 0) {
            return flag;
        }
    }
    return NULL;
}

static bool read_whole(const struct flag *flag, const char *text, int64_t *number)
{
    const size_t n = strspn(text, "0123456789");

    *number = 0;
    for (size_t i = 0; i < n && n <= NUMBER_DIGITS_MAX; i++) {
        *number = *number * 10 + (text[i] - '0');
    }
    return n >= 1 && n <= NUMBER_DIGITS_MAX && text[n] == '\0' && *number >= flag->min &&
           *number <= flag->max;
}

static bool read_fraction(const char *text, double *number)
{
    char *end;

    *number = strtod(text, &end);
    return text[strspn(text, "0123456789.")] == '\0' && end != text && *end == '\0' &&
           *number >= 0 && *number < 1;
}

static int set(const struct flags *flags, const struct flag *flag, const char *value, void *options)
{
    char *place = (char *)options + flag->offset;
    int64_t whole;
    double fraction;

    switch (flag->kind) {
    case FLAG_SWITCH:
        memcpy(place, &(bool){true}, sizeof(bool));
        return EX_OK;
    case FLAG_TEXT:
        memcpy(place, &value, sizeof value);
        return EX_OK;
    case FLAG_WHOLE:
        if (read_whole(flag, value, &whole)) {
            memcpy(place, &whole, sizeof whole);
            return EX_OK;
        }
        (void)fprintf(stderr, "rankd %s: --%s takes a whole number of at least %lld\n",
                      flags->command, flag->name, (long long)flag->min);
        return EX_USAGE;
    case FLAG_FRACTION:
        if (read_fraction(value, &fraction)) {
            memcpy(place, &fraction, sizeof fraction);
            return EX_OK;
        }
        break;
    }
    (void)fprintf(stderr, "rankd %s: --%s takes a number from 0 to below 1\n", flags->command,
                  flag->name);
    return EX_USAGE;
}

/* Reads argument *i and, where its value stands apart, the next. */
static int read_flag(const struct flags *flags, int argc, char *const *argv, int *i, void *options)
{
    const struct flag *flag = find(flags, argv[*i]);
    const char *value = strchr(argv[*i], '=');

    if (flag == NULL || (flag->kind == FLAG_SWITCH && value != NULL)) {
        (void)fprintf(stderr, "rankd %s: unknown option %s (rankd %s --help lists them)\n",
                      flags->command, argv[*i], flags->command);
        return EX_USAGE;
    }
    if (flag->kind == FLAG_SWITCH) {
        return set(flags, flag, NULL, options);
    }
    value = value != NULL ? value + 1 : *i + 1 < argc ? argv[++*i] : "";
    if (value[0] == '\0') {
        (void)fprintf(stderr, "rankd %s: --%s needs a value\n", flags->command, flag->name);
        return EX_USAGE;
    }
    return set(flags, flag, value, options);
}

static int read_word(const struct flags *flags, const char *text, const char **word)
{
    if (word == NULL || *word != NULL) {
        (void)fprintf(stderr, "rankd %s: %s is one word too many\n", flags->command, text);
        return EX_USAGE;
    }
    *word = text;
    return EX_OK;
}

static int check_required(const struct flags *flags, const void *options)
{
    for (size_t i = 0; i < flags->n; i++) {
        const struct flag *flag = &flags->flag[i];
        const char *text = NULL;
        if ((flag->required & flags->bit) == 0) {
            continue;
        }
        memcpy(&text, (const char *)options + flag->offset, sizeof text);
        if (text == NULL) {
            (void)fprintf(stderr, "rankd %s: --%s is missing (see rankd %s --help)\n",
                          flags->command, flag->name, flags->command);
            return EX_USAGE;
        }
    }
    return EX_OK;
}

int flags_read(const struct flags *flags, int argc, char *const *argv, void *options,
               const char **word)
{
    int code = EX_OK;

    for (int i = 0; i < argc && code == EX_OK; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return read_flag(flags, argc, argv, &i, options);
        }
        code = strncmp(argv[i], "--", 2) == 0 ? read_flag(flags, argc, argv, &i, options)
                                              : read_word(flags, argv[i], word);
    }
    return code == EX_OK ? check_required(flags, options) : code;
}

void flags_print(const struct flags *flags)
{
    size_t width = 0;

    for (size_t i = 0; i < flags->n; i++) {
        const size_t n =
            (flags->flag[i].commands & flags->bit) != 0 ? strlen(flags->flag[i].name) : 0;
        width = n > width ? n : width;
    }
    for (size_t i = 0; i < flags->n; i++) {
        const struct flag *flag = &flags->flag[i];
        if ((flag->commands & flags->bit) != 0) {
            (void)printf("  --%-*s %-5s %s\n", (int)width, flag->name,
                         flag->value != NULL ? flag->value : "", flag->help);
        }
    }
}
