/*
 * Flags of train and eval.
 */
#include "offline_options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define NUMBER_DIGITS_MAX 18

struct flag {
    const char *name;
    const char *value; /* what stands for the value in the usage; NULL: a switch without one */
    size_t offset;     /* of a text, number or bool in struct offline_options */
    int64_t min, max;  /* a number has to lie in; a text where max is 0 */
    bool required;
    bool train_only;
    const char *help;
};

#define AT(field) offsetof(struct offline_options, field)

static const struct flag flags[] = {
    {"db", "FILE", AT(db), 0, 0, true, false, "the SQLite file"},
    {"model", "NAME", AT(model), 0, 0, true, false, "the model in it"},
    {"data", "FILE", AT(data), 0, 0, true, false,
     "labelled lists: libsvm, or NDJSON (a list a line)"},
    {"query", "FILE", AT(query), 0, 0, false, false,
     "libsvm: sizes of the lists, one a line (else qid, or DATA.query)"},
    {"config", "FILE", AT(config), 0, 0, false, true,
     "the model's configuration (JSON); makes the model if it is missing"},
    {"passes", "N", AT(passes), 1, OFFLINE_PASSES_MAX, false, true, "times over the data (1)"},
    {"seed", "S", AT(seed), 0, INT64_MAX, false, true, "of the lists' order (1)"},
    {"json", NULL, AT(json), 0, 0, false, false, "print one JSON object"},
    {"help", NULL, AT(help), 0, 0, false, false, "print this"},
};

#define FLAG_COUNT (sizeof flags / sizeof *flags)

static bool takes(const struct offline_options *options, const struct flag *flag)
{
    return !flag->train_only || strcmp(options->command, "train") == 0;
}

/* The flag of "--name" or "--name=value", or NULL. */
static const struct flag *find(const struct offline_options *options, const char *argument)
{
    const size_t n = strcspn(argument, "=");

    for (size_t i = 0; i < FLAG_COUNT && strncmp(argument, "--", 2) == 0; i++) {
        if (takes(options, &flags[i]) && strlen(flags[i].name) == n - 2 &&
            strncmp(flags[i].name, argument + 2, n - 2) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

static bool read_number(const struct flag *flag, const char *text, int64_t *number)
{
    const size_t n = strspn(text, "0123456789");

    *number = 0;
    for (size_t i = 0; i < n && n <= NUMBER_DIGITS_MAX; i++) {
        *number = *number * 10 + (text[i] - '0');
    }
    return n >= 1 && n <= NUMBER_DIGITS_MAX && text[n] == '\0' && *number >= flag->min &&
           *number <= flag->max;
}

static int set(const struct flag *flag, const char *value, struct offline_options *options)
{
    char *place = (char *)options + flag->offset;
    int64_t number;

    if (flag->max == 0) {
        memcpy(place, &value, sizeof value);
        return EX_OK;
    }
    if (!read_number(flag, value, &number)) {
        (void)fprintf(stderr, "rankd %s: --%s takes a whole number of at least %lld\n",
                      options->command, flag->name, (long long)flag->min);
        return EX_USAGE;
    }
    memcpy(place, &number, sizeof number);
    return EX_OK;
}

/* Reads argument *i and, where its value stands apart, the next. */
static int read_flag(int argc, char *const *argv, int *i, struct offline_options *options)
{
    const struct flag *flag = find(options, argv[*i]);
    const char *value = strchr(argv[*i], '=');

    if (flag == NULL || (flag->value == NULL && value != NULL)) {
        (void)fprintf(stderr, "rankd %s: unknown option %s (rankd %s --help lists them)\n",
                      options->command, argv[*i], options->command);
        return EX_USAGE;
    }
    if (flag->value == NULL) {
        memcpy((char *)options + flag->offset, &(bool){true}, sizeof(bool));
        return EX_OK;
    }
    value = value != NULL ? value + 1 : *i + 1 < argc ? argv[++*i] : "";
    if (value[0] == '\0') {
        (void)fprintf(stderr, "rankd %s: --%s needs a value\n", options->command, flag->name);
        return EX_USAGE;
    }
    return set(flag, value, options);
}

int offline_options_read(const char *command, int argc, char *const *argv,
                         struct offline_options *options)
{
    int code = EX_OK;

    *options = (struct offline_options){.command = command, .passes = 1, .seed = 1};
    for (int i = 0; i < argc && code == EX_OK && !options->help; i++) {
        code = read_flag(argc, argv, &i, options);
    }
    for (size_t i = 0; i < FLAG_COUNT && code == EX_OK && !options->help; i++) {
        const char *text = NULL;
        if (flags[i].required) {
            memcpy(&text, (const char *)options + flags[i].offset, sizeof text);
            if (text == NULL) {
                (void)fprintf(stderr, "rankd %s: --%s is missing (see rankd %s --help)\n", command,
                              flags[i].name, command);
                code = EX_USAGE;
            }
        }
    }
    return code;
}

void offline_options_help(const struct offline_options *options)
{
    (void)printf("usage: rankd %s --db FILE --model NAME --data FILE [options]\n\n",
                 options->command);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (takes(options, &flags[i])) {
            (void)printf("  --%-7s %-5s %s\n", flags[i].name,
                         flags[i].value != NULL ? flags[i].value : "", flags[i].help);
        }
    }
}
