/*
 * Log lines. A line is built on the stack, so that it can report that memory is short, and leaves
 * with one write call, so that the lines of several threads never mix.
 */
#include "log.h"

#include "utf8.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS    10000 /* between two lines of one event at warning or above */
#define EVENTS_MAX  64    /* events told apart; more share places and are then limited less */
#define LEVEL_COUNT (LOG_LEVEL_ERROR + 1)
#define TAIL_ROOM   2 /* closing brace and newline */

static const char *const level_names[LEVEL_COUNT] = {"debug", "info", "notice", "warn", "error"};

/* When an event was last written, and how often it was not since then. */
struct quiet {
    uint64_t event; /* hash; 0 = free */
    int64_t written_ms;
    int64_t suppressed;
};

/*
 * The process has one stderr, and so one log: what is set here belongs to it as stderr itself does.
 * level and json are only written by log_start, before there are threads.
 */
static enum log_level log_level = LOG_LEVEL_INFO;
static bool log_json;
static pthread_mutex_t quiet_lock = PTHREAD_MUTEX_INITIALIZER;
static struct quiet quiet[EVENTS_MAX]; /* guarded by quiet_lock */

struct line {
    size_t length;
    bool full; /* something did not fit; nothing more is written */
    char text[LOG_LINE_MAX];
};

void log_start(enum log_level level, bool json)
{
    log_level = level;
    log_json = json;
    memset(quiet, 0, sizeof quiet);
}

bool log_level_find(const char *name, enum log_level *level)
{
    for (int i = 0; i < LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void put(struct line *line, const char *text, size_t n)
{
    line->full = line->full || n > sizeof line->text - TAIL_ROOM - line->length;
    if (!line->full) {
        memcpy(line->text + line->length, text, n);
        line->length += n;
    }
}

static void put_format(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put_format(struct line *line, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(line, text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0);
}

/*
 * One character, so that no value can end a line, end its quotes, or steer a terminal (C0, DEL,
 * C1). Returns its bytes.
 */
static size_t put_character(struct line *line, const unsigned char *text)
{
    size_t n = utf8_length(text, strnlen((const char *)text, 4));
    unsigned char c = text[0];
    if (n == 0) {
        put(line, "\\ufffd", 6);
        return 1;
    }
    if (c == '"' || c == '\\') {
        put_format(line, "\\%c", c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
        put_format(line, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    } else if (c < 0x20 || c == 0x7f) {
        put_format(line, "\\u%04x", (unsigned)c);
    } else if (c == 0xc2 && text[1] < 0xa0) {
        put_format(line, "\\u%04x", (unsigned)text[1]);
    } else {
        put(line, (const char *)text, n);
    }
    return n;
}

/* Whether logfmt takes the value without quotes. */
static bool is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return false;
        }
    }
    return *text != '\0';
}

static void put_text(struct line *line, const char *text)
{
    bool quotes = log_json || !is_plain(text);
    size_t i = 0;
    put(line, "\"", quotes ? 1 : 0);
    while (text[i] != '\0' && i < LOG_VALUE_MAX) {
        i += put_character(line, (const unsigned char *)text + i);
    }
    put(line, "...", text[i] != '\0' ? 3 : 0);
    put(line, "\"", quotes ? 1 : 0);
}

static void put_key(struct line *line, const char *key)
{
    put(line, log_json ? ",\"" : " ", log_json ? 2 : 1);
    put(line, key, strlen(key));
    put(line, log_json ? "\":" : "=", log_json ? 2 : 1);
}

/* A field goes in whole or not at all. */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t start = line->length;
    put_key(line, field->key);
    if (field->kind == LOG_FIELD_INTEGER) {
        put_format(line, "%" PRId64, field->integer);
    } else if (field->kind == LOG_FIELD_REAL && (!log_json || isfinite(field->real))) {
        put_format(line, "%.9g", field->real);
    } else if (field->kind == LOG_FIELD_TEXT && field->text != NULL) {
        put_text(line, field->text);
    } else {
        put(line, "null", 4);
    }
    if (line->full) {
        line->length = start;
        line->full = false;
    }
}

static void put_time(struct line *line)
{
    struct timespec now;
    struct tm utc;
    char text[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        text[0] = '\0';
    }
    put_format(line, log_json ? "{\"ts\":\"%s.%03dZ\"" : "ts=%s.%03dZ", text,
               (int)(now.tv_nsec / 1000000));
}

/* FNV-1a; never 0. */
static uint64_t hash_of(const char *event)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *event != '\0'; event++) {
        hash = (hash ^ (unsigned char)*event) * UINT64_C(0x100000001b3);
    }
    return hash | 1;
}

/* The place of an event; with all taken, one that another event held. The lock is held. */
static struct quiet *quiet_find(uint64_t event)
{
    for (size_t i = 0; i < EVENTS_MAX; i++) {
        struct quiet *place = &quiet[(event + i) % EVENTS_MAX];
        if (place->event == event || place->event == 0) {
            return place;
        }
    }
    return &quiet[event % EVENTS_MAX];
}

/* Whether an event may be written now, and how often it was not since it last was. */
static bool admit(const char *event, int64_t *suppressed)
{
    uint64_t hash = hash_of(event);
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    (void)pthread_mutex_lock(&quiet_lock);
    struct quiet *place = quiet_find(hash);
    bool known = place->event == hash;
    bool admitted = !known || now_ms - place->written_ms >= QUIET_MS;
    if (admitted) {
        *suppressed = known ? place->suppressed : 0;
        *place = (struct quiet){.event = hash, .written_ms = now_ms};
    } else {
        place->suppressed++;
    }
    (void)pthread_mutex_unlock(&quiet_lock);
    return admitted;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    int64_t suppressed = 0;
    if (level < log_level || (level >= LOG_LEVEL_WARN && !admit(event, &suppressed))) {
        return;
    }
    struct line line;
    line.length = 0; /* not an initialiser, which would clear 8 KiB */
    line.full = false;
    put_time(&line);
    const struct log_field level_field = log_text("level", level_names[level]);
    const struct log_field event_field = log_text("event", event);
    const struct log_field suppressed_field = log_number("suppressed", suppressed);
    put_field(&line, &level_field);
    put_field(&line, &event_field);
    if (suppressed > 0) {
        put_field(&line, &suppressed_field);
    }
    for (; fields->key != NULL; fields++) {
        put_field(&line, fields);
    }
    if (log_json) {
        line.text[line.length++] = '}';
    }
    line.text[line.length++] = '\n';
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written; /* there is no one left to tell */
}
