/*
 * Log lines on stderr, one an event, in logfmt or JSON. A leaf. Format and level are set once at
 * process start.
 *     log_info("listening", log_text("address", a), log_number("port", p));
 * The same event at warning or above is written at once the first time and then at most every 10 s,
 * with suppressed=N.
 */
#ifndef RANKD_SERVER_LOG_H
#define RANKD_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX  8192
#define LOG_VALUE_MAX 1024

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR
};

struct log_field {
    const char *key; /* NULL ends a list */
    enum {
        LOG_FIELD_TEXT,
        LOG_FIELD_INTEGER,
        LOG_FIELD_REAL
    } kind;
    const char *text;
    int64_t integer;
    double real;
};

static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_TEXT, .text = text};
}

static inline struct log_field log_number(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_INTEGER, .integer = number};
}

static inline struct log_field log_real(const char *key, double real)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_REAL, .real = real};
}

/** Sets what is written and how. Once, before any thread. */
void log_start(enum log_level level, bool json);

/** Finds a level by name ("info"); false if there is none. */
bool log_level_find(const char *name, enum log_level *level);

/**
 * Writes one line with one write call; values are quoted and control characters escaped. A value is
 * cut at LOG_VALUE_MAX bytes, and fields past LOG_LINE_MAX are left out. What stderr does not take
 * is lost.
 *
 * @param fields  ended by a NULL key. Allocates nothing. Threads: any.
 */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

/*
 * The empty first field is stepped over: it is there for the comma that ## drops when no field is
 * given.
 */
#define LOG_EVENT(level, event, ...)                                                               \
    log_write(level, event, (const struct log_field[]){{0}, ##__VA_ARGS__, {0}} + 1)
#define log_debug(event, ...)  LOG_EVENT(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)   LOG_EVENT(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_notice(event, ...) LOG_EVENT(LOG_LEVEL_NOTICE, event, ##__VA_ARGS__)
#define log_warn(event, ...)   LOG_EVENT(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...)  LOG_EVENT(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)

#endif
