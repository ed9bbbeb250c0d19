/*
 * A model's configuration in a file, as commands of the shell take it.
 */
#ifndef RANKD_SERVER_CONFIG_FILE_H
#define RANKD_SERVER_CONFIG_FILE_H

#include "model_config.h"

/**
 * Reads and checks it. @param command  who says what is wrong.
 * @return EX_OK; an exit code after one line on stderr.
 */
int config_file_read(const char *command, const char *path, struct model_config *config);

#endif
