/*
 * Flags of train and eval.
 */
#include "offline_options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define NUMBER_DIGITS_MAX 18

enum flag_kind {
    SWITCH, /* without a value */
    TEXT,
    WHOLE,   /* a whole number from min to max */
    FRACTION /* at least 0, below 1 */
};

struct flag {
    const char *name;
    const char *value; /* what stands for the value in the usage */
    enum flag_kind kind;
    size_t offset; /* of a bool, text, number or fraction in struct offline_options */
    int64_t min, max;
    bool required;
    bool train_only;
    const char *help;
};

#define AT(field) offsetof(struct offline_options, field)

static const struct flag flags[] = {
    {"db", "FILE", TEXT, AT(db), 0, 0, true, false, "the SQLite file"},
    {"model", "NAME", TEXT, AT(model), 0, 0, true, false, "the model in it"},
    {"data", "FILE", TEXT, AT(data), 0, 0, true, false,
     "labelled lists: libsvm, libffm, NDJSON (a list a line), or CSV"},
    {"query", "FILE", TEXT, AT(query), 0, 0, false, false,
     "libsvm, libffm: sizes of the lists, one a line (else qid, or DATA.query)"},
    {"label", "COL", TEXT, AT(columns.label), 0, 0, false, false,
     "CSV: the column of labels; all columns not named here are features"},
    {"group", "COL", TEXT, AT(columns.group), 0, 0, false, false,
     "CSV: the column that tells lists apart, equal in all rows of one"},
    {"user", "COL", TEXT, AT(columns.user), 0, 0, false, false, "CSV: the column of user ids"},
    {"item", "COL", TEXT, AT(columns.item), 0, 0, false, false, "CSV: the column of item ids"},
    {"config", "FILE", TEXT, AT(config), 0, 0, false, true,
     "the model's configuration (JSON); makes the model if it is missing"},
    {"passes", "N", WHOLE, AT(passes), 1, OFFLINE_PASSES_MAX, false, true,
     "times over the data (1)"},
    {"seed", "S", WHOLE, AT(seed), 0, INT64_MAX, false, true,
     "of the lists' order, and of which are held out (1)"},
    {"holdout", "F", FRACTION, AT(holdout), 0, 0, false, true,
     "the part of the lists to measure with after training, not learned from (0)"},
    {"json", "", SWITCH, AT(json), 0, 0, false, false, "print one JSON object"},
    {"help", "", SWITCH, AT(help), 0, 0, false, false, "print this"},
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

static bool read_fraction(const char *text, double *number)
{
    char *end;

    *number = strtod(text, &end);
    return text[strspn(text, "0123456789.")] == '\0' && end != text && *end == '\0' &&
           *number >= 0 && *number < 1;
}

static int set(const struct flag *flag, const char *value, struct offline_options *options)
{
    char *place = (char *)options + flag->offset;
    int64_t whole;
    double fraction;

    switch (flag->kind) {
    case SWITCH:
        *(bool *)place = true;
        return EX_OK;
    case TEXT:
        memcpy(place, &value, sizeof value);
        return EX_OK;
    case WHOLE:
        if (read_number(flag, value, &whole)) {
            memcpy(place, &whole, sizeof whole);
            return EX_OK;
        }
        (void)fprintf(stderr, "rankd %s: --%s takes a whole number of at least %lld\n",
                      options->command, flag->name, (long long)flag->min);
        return EX_USAGE;
    case FRACTION:
        if (read_fraction(value, &fraction)) {
            memcpy(place, &fraction, sizeof fraction);
            return EX_OK;
        }
        break;
    }
    (void)fprintf(stderr, "rankd %s: --%s takes a number from 0 to below 1\n", options->command,
                  flag->name);
    return EX_USAGE;
}

/* Reads argument *i and, where its value stands apart, the next. */
static int read_flag(int argc, char *const *argv, int *i, struct offline_options *options)
{
    const struct flag *flag = find(options, argv[*i]);
    const char *value = strchr(argv[*i], '=');

    if (flag == NULL || (flag->kind == SWITCH && value != NULL)) {
        (void)fprintf(stderr, "rankd %s: unknown option %s (rankd %s --help lists them)\n",
                      options->command, argv[*i], options->command);
        return EX_USAGE;
    }
    if (flag->kind == SWITCH) {
        return set(flag, NULL, options);
    }
    value = value != NULL ? value + 1 : *i + 1 < argc ? argv[++*i] : "";
    if (value[0] == '\0') {
        (void)fprintf(stderr, "rankd %s: --%s needs a value\n", options->command, flag->name);
        return EX_USAGE;
    }
    return set(flag, value, options);
}

static int check_required(const struct offline_options *options)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        const char *text = NULL;
        if (flags[i].required) {
            memcpy(&text, (const char *)options + flags[i].offset, sizeof text);
            if (text == NULL) {
                (void)fprintf(stderr, "rankd %s: --%s is missing (see rankd %s --help)\n",
                              options->command, flags[i].name, options->command);
                return EX_USAGE;
            }
        }
    }
    return EX_OK;
}

/* Columns name a CSV file, which has its lists in one of them. */
static int check_columns(const struct offline_options *options)
{
    const struct datafile_columns *columns = &options->columns;
    const char *wrong = NULL;

    if ((columns->label == NULL) != (columns->group == NULL)) {
        wrong = "--label and --group go together: they make the data CSV";
    } else if (columns->label == NULL && (columns->user != NULL || columns->item != NULL)) {
        wrong = "--user and --item are columns of CSV, which --label and --group make it";
    } else if (columns->label != NULL && options->query != NULL) {
        wrong = "--query is for libsvm and libffm; in CSV --group tells lists apart";
    }
    if (wrong != NULL) {
        (void)fprintf(stderr, "rankd %s: %s\n", options->command, wrong);
    }
    return wrong != NULL ? EX_USAGE : EX_OK;
}

int offline_options_read(const char *command, int argc, char *const *argv,
                         struct offline_options *options)
{
    int code = EX_OK;

    *options = (struct offline_options){.command = command, .passes = 1, .seed = 1};
    for (int i = 0; i < argc && code == EX_OK && !options->help; i++) {
        code = read_flag(argc, argv, &i, options);
    }
    if (code != EX_OK || options->help) {
        return code;
    }
    code = check_required(options);
    return code == EX_OK ? check_columns(options) : code;
}

void offline_options_help(const struct offline_options *options)
{
    (void)printf("usage: rankd %s --db FILE --model NAME --data FILE [options]\n\n",
                 options->command);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (takes(options, &flags[i])) {
            (void)printf("  --%-7s %-5s %s\n", flags[i].name, flags[i].value, flags[i].help);
        }
    }
}
