/*
 * Reading a configuration from a file.
 */
#include "config_file.h"

#include "shell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define BYTES_MAX ((size_t)1 << 20)

int config_file_read(const char *command, const char *path, struct model_config *config)
{
    struct problem problem = {0};
    char *text = malloc(BYTES_MAX + 1);
    FILE *file = text != NULL ? fopen(path, "re") : NULL;
    int code = EX_OK;
    size_t n = 0;

    if (text == NULL) {
        return shell_say(command, EX_SOFTWARE, "out of memory for a configuration");
    }
    if (file == NULL) {
        code = shell_say(command, EX_NOINPUT, "%s: cannot be opened: %s", path, strerror(errno));
        goto out;
    }
    n = fread(text, 1, BYTES_MAX + 1, file);
    if (ferror(file) != 0) {
        code = shell_say(command, EX_IOERR, "%s: cannot be read", path);
    } else if (n > BYTES_MAX) {
        code = shell_say(command, EX_CONFIG, "%s: is larger than %zu MiB", path, BYTES_MAX >> 20);
    } else if (!model_config_parse(text, n, config, &problem)) {
        code = shell_say(command, EX_CONFIG, "%s: %s%s%s", path, problem.pointer,
                         problem.pointer[0] != '\0' ? ": " : "", problem.detail);
    }
    (void)fclose(file);
out:
    free(text);
    return code;
}
