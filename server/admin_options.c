/*
 * Flags of export, import and model.
 */
#include "admin_options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define VERSION_DIGITS_MAX 15

struct flag {
    const char *name;
    const char *value; /* what stands for the value in the usage; NULL: a switch without one */
    size_t offset;     /* of a text, version or bool in struct admin_options */
    unsigned commands; /* that take it */
    unsigned required; /* commands that need it */
    const char *help;
};

#define AT(field) offsetof(struct admin_options, field)
#define ALL       (ADMIN_EXPORT | ADMIN_IMPORT | ADMIN_MODEL)
#define FILES     (ADMIN_EXPORT | ADMIN_IMPORT)

static const struct flag flags[] = {
    {"db", "FILE", AT(db), ALL, ALL, "the SQLite file; no server may have it open"},
    {"model", "NAME", AT(model), ALL, FILES, "the model in it"},
    {"version", "V", AT(version), ADMIN_EXPORT | ADMIN_MODEL, 0,
     "a stored version (export: else what would be served)"},
    {"optimizer", NULL, AT(optimizer), ADMIN_EXPORT, 0, "with the optimizer's state"},
    {"out", "FILE", AT(out), ADMIN_EXPORT, ADMIN_EXPORT, "the safetensors file to write"},
    {"config", "FILE", AT(config), ADMIN_IMPORT, 0,
     "the model's configuration (JSON); makes the model if it is missing"},
    {"no-activate", NULL, AT(no_activate), ADMIN_IMPORT, 0, "only store it, serve what is served"},
    {"json", NULL, AT(json), ALL, 0, "print one JSON object"},
    {"help", NULL, AT(help), ALL, 0, "print this"},
};

#define FLAG_COUNT (sizeof flags / sizeof *flags)

const char *admin_command_text(enum admin_command command)
{
    return command == ADMIN_EXPORT ? "export" : command == ADMIN_IMPORT ? "import" : "model";
}

/* The flag of "--name" or "--name=value", or NULL. */
static const struct flag *find(enum admin_command command, const char *argument)
{
    const size_t n = strcspn(argument, "=");

    for (size_t i = 0; i < FLAG_COUNT && n > 2; i++) {
        if ((flags[i].commands & command) != 0 && strlen(flags[i].name) == n - 2 &&
            strncmp(flags[i].name, argument + 2, n - 2) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

static int set(const struct flag *flag, const char *value, struct admin_options *options)
{
    char *place = (char *)options + flag->offset;
    const size_t digits = strspn(value, "0123456789");

    if (flag->offset != AT(version)) {
        memcpy(place, &value, sizeof value);
        return EX_OK;
    }
    if (digits < 1 || digits > VERSION_DIGITS_MAX || value[digits] != '\0') {
        (void)fprintf(stderr, "rankd %s: --version takes a whole number\n",
                      admin_command_text(options->command));
        return EX_USAGE;
    }
    options->version = strtoll(value, NULL, 10);
    return EX_OK;
}

/* Reads argument *i and, where its value stands apart, the next. */
static int read_flag(int argc, char *const *argv, int *i, struct admin_options *options)
{
    const char *command = admin_command_text(options->command);
    const struct flag *flag = find(options->command, argv[*i]);
    const char *value = strchr(argv[*i], '=');

    if (flag == NULL || (flag->value == NULL && value != NULL)) {
        (void)fprintf(stderr, "rankd %s: unknown option %s (rankd %s --help lists them)\n", command,
                      argv[*i], command);
        return EX_USAGE;
    }
    if (flag->value == NULL) {
        memcpy((char *)options + flag->offset, &(bool){true}, sizeof(bool));
        return EX_OK;
    }
    value = value != NULL ? value + 1 : *i + 1 < argc ? argv[++*i] : "";
    if (value[0] == '\0') {
        (void)fprintf(stderr, "rankd %s: --%s needs a value\n", command, flag->name);
        return EX_USAGE;
    }
    return set(flag, value, options);
}

static int read_word(const char *word, struct admin_options *options)
{
    if (options->command == ADMIN_EXPORT || options->word != NULL) {
        (void)fprintf(stderr, "rankd %s: %s is one word too many\n",
                      admin_command_text(options->command), word);
        return EX_USAGE;
    }
    options->word = word;
    return EX_OK;
}

/* Is all there that the command needs? */
static int check(const struct admin_options *options)
{
    const char *command = admin_command_text(options->command);

    for (size_t i = 0; i < FLAG_COUNT; i++) {
        const char *text = NULL;
        if ((flags[i].required & options->command) == 0) {
            continue;
        }
        memcpy(&text, (const char *)options + flags[i].offset,
               sizeof text); /* none but texts are */
        if (text == NULL) {
            (void)fprintf(stderr, "rankd %s: --%s is missing (see rankd %s --help)\n", command,
                          flags[i].name, command);
            return EX_USAGE;
        }
    }
    if (options->command != ADMIN_EXPORT && options->word == NULL) {
        (void)fprintf(stderr, "rankd %s: %s is missing (see rankd %s --help)\n", command,
                      options->command == ADMIN_IMPORT ? "FILE" : "list, show, activate or delete",
                      command);
        return EX_USAGE;
    }
    return EX_OK;
}

int admin_options_read(enum admin_command command, int argc, char *const *argv,
                       struct admin_options *options)
{
    int code = EX_OK;

    *options = (struct admin_options){.command = command, .version = ADMIN_NO_VERSION};
    for (int i = 0; i < argc && code == EX_OK && !options->help; i++) {
        code = strncmp(argv[i], "--", 2) == 0 ? read_flag(argc, argv, &i, options)
                                              : read_word(argv[i], options);
    }
    return code != EX_OK || options->help ? code : check(options);
}

void admin_options_help(enum admin_command command)
{
    static const char *const usage[] = {
        [ADMIN_EXPORT] = "--db FILE --model NAME --out FILE [options]",
        [ADMIN_IMPORT] = "--db FILE --model NAME [options] FILE\n\n"
                         "FILE is safetensors with PyTorch's names, or libFM's model",
        [ADMIN_MODEL] = "list|show|activate|delete --db FILE [options]\n\n"
                        "all but list need --model, activate needs --version"};

    (void)printf("usage: rankd %s %s\n\n", admin_command_text(command), usage[command]);
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if ((flags[i].commands & command) != 0) {
            (void)printf("  --%-11s %-5s %s\n", flags[i].name,
                         flags[i].value != NULL ? flags[i].value : "", flags[i].help);
        }
    }
}
