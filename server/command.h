/*
 * The subcommands of the binary. Each takes what follows its name and returns the process's exit
 * code (sysexits.h).
 */
#ifndef RANKD_SERVER_COMMAND_H
#define RANKD_SERVER_COMMAND_H

int command_serve(int argc, char *const *argv);
int command_healthcheck(int argc, char *const *argv);
int command_train(int argc, char *const *argv);
int command_eval(int argc, char *const *argv);
int command_export(int argc, char *const *argv);
int command_import(int argc, char *const *argv);
int command_model(int argc, char *const *argv);
int command_replay(int argc, char *const *argv);
int command_backup(int argc, char *const *argv);
int command_verify(int argc, char *const *argv);
int command_token(int argc, char *const *argv);
int command_version(int argc, char *const *argv);

#endif
