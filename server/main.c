/*
 * rankd: one binary, one subcommand each.
 */
#include "command.h"
#include "failpoint.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct command {
    const char *name;
    int (*run)(int argc, char *const *argv);
    const char *help;
};

static const struct command commands[] = {
    {"serve", command_serve, "answer over HTTP and learn"},
    {"healthcheck", command_healthcheck, "is a server ready? by exit code"},
    {"train", command_train, "learn from a labelled file"},
    {"eval", command_eval, "measure a model on a labelled file"},
    {"export", command_export, "write a version of a model as safetensors"},
    {"import", command_import, "take in a model trained elsewhere"},
    {"model", command_model, "list, show, activate or delete models"},
    {"replay", command_replay, "do again what the log says: rankings, learning"},
    {"backup", command_backup, "copy a database, checked"},
    {"verify", command_verify, "is a database whole, and does learning repeat?"},
    {"token", command_token, "make, list or revoke access tokens"},
    {"version", command_version, "print the version"},
};

int command_version(int argc, char *const *argv)
{
    (void)argc;
    (void)argv;
    (void)printf("rankd %s\n", RANKD_VERSION);
    return EX_OK;
}

static void usage(FILE *out)
{
    (void)fprintf(out, "usage: rankd COMMAND [options]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        (void)fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
    }
    (void)fprintf(out, "\n`rankd COMMAND --help` says more.\n");
}

int main(int argc, char **argv)
{
    struct rk_error err = {0};

    json_start();
    if (failpoint_start(getenv("RANKD_FAILPOINT"), &err) != RK_OK) {
        (void)fprintf(stderr, "rankd: %s\n", err.text);
        return EX_USAGE;
    }
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        usage(stdout);
        return EX_OK;
    }
    for (size_t i = 0; argc >= 2 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    usage(stderr);
    return EX_USAGE;
}
