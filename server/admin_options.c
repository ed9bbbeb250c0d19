/*
 * Flags of export, import and model.
 */
#include "admin_options.h"

#include "flags.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define VERSION_MAX INT64_C(999999999999999)

#define AT(field) offsetof(struct admin_options, field)
#define ALL       (ADMIN_EXPORT | ADMIN_IMPORT | ADMIN_MODEL)
#define FILES     (ADMIN_EXPORT | ADMIN_IMPORT)

static const struct flag table[] = {
    {"db", "FILE", FLAG_TEXT, AT(db), 0, 0, ALL, ALL,
     "the SQLite file; no server may have it open"},
    {"model", "NAME", FLAG_TEXT, AT(model), 0, 0, ALL, FILES, "the model in it"},
    {"version", "V", FLAG_WHOLE, AT(version), 0, VERSION_MAX, ADMIN_EXPORT | ADMIN_MODEL, 0,
     "a stored version (export: else what would be served)"},
    {"optimizer", NULL, FLAG_SWITCH, AT(optimizer), 0, 0, ADMIN_EXPORT, 0,
     "with the optimizer's state"},
    {"out", "FILE", FLAG_TEXT, AT(out), 0, 0, ADMIN_EXPORT, ADMIN_EXPORT,
     "the safetensors file to write"},
    {"config", "FILE", FLAG_TEXT, AT(config), 0, 0, ADMIN_IMPORT, 0,
     "the model's configuration (JSON); makes the model if it is missing"},
    {"no-activate", NULL, FLAG_SWITCH, AT(no_activate), 0, 0, ADMIN_IMPORT, 0,
     "only store it, serve what is served"},
    {"json", NULL, FLAG_SWITCH, AT(json), 0, 0, ALL, 0, "print one JSON object"},
    {"help", NULL, FLAG_SWITCH, AT(help), 0, 0, ALL, 0, "print this"},
};

const char *admin_command_text(enum admin_command command)
{
    return command == ADMIN_EXPORT ? "export" : command == ADMIN_IMPORT ? "import" : "model";
}

static struct flags flags_of(enum admin_command command)
{
    return (struct flags){admin_command_text(command), command, table,
                          sizeof table / sizeof *table};
}

int admin_options_read(enum admin_command command, int argc, char *const *argv,
                       struct admin_options *options)
{
    const struct flags flags = flags_of(command);
    int code;

    *options = (struct admin_options){.command = command, .version = ADMIN_NO_VERSION};
    code = flags_read(&flags, argc, argv, options, command != ADMIN_EXPORT ? &options->word : NULL);
    if (code == EX_OK && !options->help && command != ADMIN_EXPORT && options->word == NULL) {
        (void)fprintf(stderr, "rankd %s: %s is missing (see rankd %s --help)\n", flags.command,
                      command == ADMIN_IMPORT ? "FILE" : "list, show, activate or delete",
                      flags.command);
        code = EX_USAGE;
    }
    return code;
}

void admin_options_help(enum admin_command command)
{
    static const char *const usage[] = {
        [ADMIN_EXPORT] = "--db FILE --model NAME --out FILE [options]",
        [ADMIN_IMPORT] = "--db FILE --model NAME [options] FILE\n\n"
                         "FILE is safetensors with PyTorch's names, or libFM's model",
        [ADMIN_MODEL] = "list|show|activate|delete --db FILE [options]\n\n"
                        "all but list need --model, activate needs --version"};
    const struct flags flags = flags_of(command);

    (void)printf("usage: rankd %s %s\n\n", flags.command, usage[command]);
    flags_print(&flags);
}
