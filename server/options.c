/*
 * Configuration. One row per option, made from the table of the header; flags, environment and file
 * all end in set_value(), which is given the words to name the place by.
 */
#include "options.h"

#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE_MAX 64
#define PATH_SHOWN   40  /* bytes, from its end: the file's own name is there */
#define PLACE_MAX    110 /* leaves room in an error's text for what is wrong */

struct option_row {
    const char *name; /* of the field */
    const char *flag;
    enum option_kind kind;
    size_t offset; /* in struct options */
    const char *standard;
    int64_t min, max; /* of a number */
    const char *unit;
    const char *help;
};

static const struct option_row rows[] = {
#define OPTION_ROW(field, kind, flag, def, min, max, unit, help)                                   \
    {#field, flag, OPTION_##kind, offsetof(struct options, field), def, min, max, unit, help},
    OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* "queue-mib" -> "RANKD_QUEUE_MIB" */
static void variable_of(const struct option_row *row, char *variable)
{
    int n = snprintf(variable, VARIABLE_MAX, "RANKD_%s", row->flag);
    for (int i = 0; i < n && i < VARIABLE_MAX - 1; i++) {
        variable[i] = variable[i] == '-' ? '_' : (char)toupper((unsigned char)variable[i]);
    }
}

static const struct option_row *find_flag(const char *flag, size_t n)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strncmp(rows[i].flag, flag, n) == 0 && rows[i].flag[n] == '\0') {
            return &rows[i];
        }
    }
    return NULL;
}

static const struct option_row *find_variable(const char *key)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char variable[VARIABLE_MAX];
        variable_of(&rows[i], variable);
        if (strcmp(variable, key) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static const char *text_at(const struct options *options, const struct option_row *row)
{
    return (const char *)options + row->offset;
}

static int64_t number_at(const struct options *options, const struct option_row *row)
{
    int64_t number;
    memcpy(&number, (const char *)options + row->offset, sizeof number);
    return number;
}

static enum rk_status set_number(struct options *options, const struct option_row *row,
                                 const char *value, const char *place, struct rk_error *err)
{
    char *end = NULL;
    errno = 0;
    long long parsed = strtoll(value, &end, 10);
    int64_t number = parsed;
    bool whole = end != value && *end == '\0' && !isspace((unsigned char)value[0]) && errno == 0;
    if (!whole || number < row->min || number > row->max) {
        return rk_fail(err, RK_INVALID,
                       "%s takes a whole number from %" PRId64 " to %" PRId64 " (%s)", place,
                       row->min, row->max, row->unit);
    }
    memcpy((char *)options + row->offset, &number, sizeof number);
    return RK_OK;
}

static enum rk_status set_value(struct options *options, const struct option_row *row,
                                const char *value, const char *place, struct rk_error *err)
{
    if (row->kind != OPTION_TEXT) {
        return set_number(options, row, value, place, err);
    }
    size_t n = strlen(value);
    if (n >= OPTION_TEXT_MAX) {
        return rk_fail(err, RK_INVALID, "%s takes at most %d bytes (%s)", place,
                       OPTION_TEXT_MAX - 1, row->unit);
    }
    memcpy((char *)options + row->offset, value, n + 1);
    return RK_OK;
}

RK_MUST_CHECK static enum rk_status set_defaults(struct options *options, struct rk_error *err)
{
    enum rk_status status = RK_OK;
    memset(options, 0, sizeof *options);
    for (size_t i = 0; status == RK_OK && i < ROW_COUNT; i++) {
        status = set_value(options, &rows[i], rows[i].standard, rows[i].flag, err);
    }
    return status;
}

RK_MUST_CHECK static enum rk_status read_environment(struct options *options, struct rk_error *err)
{
    enum rk_status status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < ROW_COUNT; i++) {
        char variable[VARIABLE_MAX];
        variable_of(&rows[i], variable);
        const char *value = getenv(variable);
        if (value != NULL) {
            status = set_value(options, &rows[i], value, variable, err);
        }
    }
    return status;
}

RK_MUST_CHECK static enum rk_status read_flags(struct options *options, int argc, char *const *argv,
                                               struct rk_error *err)
{
    enum rk_status status = RK_OK;
    for (int i = 0; status == RK_OK && i < argc; i++) {
        const char *flag = argv[i];
        size_t n = strcspn(flag, "=");
        const struct option_row *row =
            strncmp(flag, "--", 2) == 0 ? find_flag(flag + 2, n - 2) : NULL;
        char place[PLACE_MAX];
        (void)snprintf(place, sizeof place, "%.*s", (int)(n < PLACE_MAX ? n : PLACE_MAX - 1), flag);
        if (row == NULL) {
            return rk_fail(err, RK_INVALID, "no option is called %s; --help lists them", place);
        }
        const char *value = flag + n + 1;
        if (flag[n] == '\0' && row->kind == OPTION_SWITCH) {
            value = "1";
        } else if (flag[n] == '\0') {
            value = i + 1 < argc ? argv[++i] : NULL;
        }
        if (value == NULL || (flag[n] == '\0' && strncmp(value, "--", 2) == 0)) {
            return rk_fail(err, RK_INVALID, "%s needs a value (%s)", place, row->unit);
        }
        status = set_value(options, row, value, place, err);
    }
    return status;
}

/* Cuts white space at both ends, in place. */
static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) {
        n--;
    }
    text[n] = '\0';
    return text;
}

/* Cuts one pair of quotes, which systemd's EnvironmentFile allows around a value, in place. */
static char *unquote(char *text)
{
    size_t n = strlen(text);
    if (n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0]) {
        text[n - 1] = '\0';
        return text + 1;
    }
    return text;
}

/* One line of the file called `name`; changes it. */
static enum rk_status read_line(struct options *options, char *line, const char *name,
                                unsigned number, struct rk_error *err)
{
    char place[PLACE_MAX];
    char *start = trim(line);
    char *equals = strchr(start, '=');
    if (*start == '\0' || *start == '#') {
        return RK_OK;
    }
    if (equals == NULL) {
        return rk_fail(err, RK_INVALID, "%s:%u: expected KEY=value", name, number);
    }
    *equals = '\0';
    const char *key = trim(start);
    const struct option_row *row = find_variable(key);
    if (row == NULL || row->offset == offsetof(struct options, config)) {
        return rk_fail(err, RK_INVALID, "%s:%u: no key is called %.40s; --help lists them", name,
                       number, key);
    }
    (void)snprintf(place, sizeof place, "%s:%u: %s", name, number, key);
    return set_value(options, row, unquote(trim(equals + 1)), place, err);
}

RK_MUST_CHECK static enum rk_status read_file(struct options *options, const char *path,
                                              struct rk_error *err)
{
    enum rk_status status = RK_OK;
    char *line = NULL;
    size_t capacity = 0;
    size_t length = strlen(path);
    const char *name = length > PATH_SHOWN ? path + length - PATH_SHOWN : path;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return rk_fail(err, RK_IO, "%s: %s", name, strerror(errno));
    }
    for (unsigned number = 1; status == RK_OK && getline(&line, &capacity, file) >= 0; number++) {
        status = read_line(options, line, name, number, err);
    }
    if (status == RK_OK && !feof(file)) {
        status = rk_fail(err, RK_IO, "%s: %s", name, strerror(errno));
    }
    free(line);
    (void)fclose(file);
    return status;
}

/* All sources, the most explicit last; path "" = no file. */
RK_MUST_CHECK static enum rk_status read_sources(struct options *options, const char *path,
                                                 int argc, char *const *argv, struct rk_error *err)
{
    enum rk_status status = set_defaults(options, err);
    if (status == RK_OK && path[0] != '\0') {
        status = read_file(options, path, err);
    }
    if (status == RK_OK) {
        status = read_environment(options, err);
    }
    return status == RK_OK ? read_flags(options, argc, argv, err) : status;
}

/*
 * Which file there is, is only known after environment and flags, and these stand above it: so they
 * are read twice.
 */
enum rk_status options_read(struct options *options, int argc, char *const *argv,
                            struct rk_error *err)
{
    struct options read;
    enum rk_status status = read_sources(&read, "", argc, argv, err);
    if (status == RK_OK && read.config[0] != '\0') {
        char path[OPTION_TEXT_MAX];
        memcpy(path, read.config, sizeof path);
        status = read_sources(&read, path, argc, argv, err);
    }
    if (status == RK_OK) {
        *options = read;
    }
    return status;
}

/* "0 to 256" for a number, nothing for a text. */
static void range_of(const struct option_row *row, char *range, size_t size)
{
    range[0] = '\0';
    if (row->kind == OPTION_NUMBER) {
        (void)snprintf(range, size, "%" PRId64 " to %" PRId64, row->min, row->max);
    }
}

void options_help(struct emit *out)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct option_row *row = &rows[i];
        char variable[VARIABLE_MAX];
        char range[64];
        variable_of(row, variable);
        range_of(row, range, sizeof range);
        emit_format(out, "  --%s%s%s\n      %s\n      ", row->flag,
                    row->kind == OPTION_SWITCH ? "" : "=",
                    row->kind == OPTION_SWITCH ? "" : row->unit, row->help);
        if (range[0] != '\0') {
            emit_format(out, "%s; ", range);
        }
        emit_format(out, "default %s; %s\n", row->standard[0] != '\0' ? row->standard : "none",
                    variable);
    }
}

void options_markdown(struct emit *out)
{
    emit_format(out, "| flag | environment variable | default | range | unit | meaning |\n"
                     "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct option_row *row = &rows[i];
        char variable[VARIABLE_MAX];
        char range[64];
        const char *tick = row->standard[0] != '\0' ? "`" : "";
        variable_of(row, variable);
        range_of(row, range, sizeof range);
        emit_format(out, "| `--%s` | `%s` | %s%s%s | %s | %s | %s |\n", row->flag, variable, tick,
                    row->standard, tick, range, row->unit, row->help);
    }
}

void options_log(const struct options *options)
{
    struct log_field fields[ROW_COUNT + 1];
    for (size_t i = 0; i < ROW_COUNT; i++) {
        fields[i] = rows[i].kind == OPTION_TEXT
                        ? log_text(rows[i].name, text_at(options, &rows[i]))
                        : log_number(rows[i].name, number_at(options, &rows[i]));
    }
    fields[ROW_COUNT] = (struct log_field){0};
    log_write(LOG_LEVEL_INFO, "options", fields);
}
