/*
 * POST /v1/feedback: one event, many in an array, or one a line.
 */
#include "codec.h"
#include "codec_records.h"
#include "grow.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MADE_ID_BYTES 16 /* of the SHA-256, in hexadecimal */

static const char *const event_members[] = {"event_id", "ranking_id", "item_id", "type",
                                            "value",    "time",       NULL};

enum event_member {
    EVENT_ID,
    EVENT_RANKING_ID,
    EVENT_ITEM_ID,
    EVENT_TYPE,
    EVENT_VALUE,
    EVENT_TIME
};

static bool digits(const char **at, int n, int min, int max, int *number)
{
    *number = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (**at < '0' || **at > '9') {
            return false;
        }
        *number = *number * 10 + (**at - '0');
    }
    return *number >= min && *number <= max;
}

/* ".123": any number of digits; milliseconds are kept. */
static bool fraction(const char **at, int *ms)
{
    int unit = 100;

    *ms = 0;
    if (**at != '.') {
        return true;
    }
    (*at)++;
    if (**at < '0' || **at > '9') {
        return false;
    }
    for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10) {
        *ms += (**at - '0') * unit;
    }
    return true;
}

static bool literal(const char **at, char wanted)
{
    return *(*at)++ == wanted;
}

/* "Z" or "+01:00": minutes east. */
static bool zone(const char **at, int *minutes)
{
    const char sign = *(*at)++;
    int h, m;

    *minutes = 0;
    if (sign == 'Z' || sign == 'z') {
        return true;
    }
    if ((sign != '+' && sign != '-') || !digits(at, 2, 0, 23, &h) || !literal(at, ':') ||
        !digits(at, 2, 0, 59, &m)) {
        return false;
    }
    *minutes = (sign == '-' ? -1 : 1) * (h * 60 + m);
    return true;
}

/* The civil fields of a time, as timegm takes them, up to the fraction. */
static bool civil(const char **at, struct tm *tm)
{
    if (!digits(at, 4, 0, 9999, &tm->tm_year) || !literal(at, '-') ||
        !digits(at, 2, 1, 12, &tm->tm_mon) || !literal(at, '-') ||
        !digits(at, 2, 1, 31, &tm->tm_mday) || (**at != 'T' && **at != 't' && **at != ' ')) {
        return false;
    }
    (*at)++;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return digits(at, 2, 0, 23, &tm->tm_hour) && literal(at, ':') &&
           digits(at, 2, 0, 59, &tm->tm_min) && literal(at, ':') &&
           digits(at, 2, 0, 60, &tm->tm_sec);
}

bool codec_time(const char *text, int64_t *unix_ms)
{
    struct tm tm = {0};
    const char *at = text;
    int ms, minutes;
    int64_t seconds;

    if (!civil(&at, &tm) || !fraction(&at, &ms) || !zone(&at, &minutes) || *at != '\0') {
        return false;
    }
    const bool leap = tm.tm_sec == 60;
    const int day = tm.tm_mday;
    tm.tm_sec -= leap ? 1 : 0;
    seconds = (int64_t)timegm(&tm) - minutes * 60 + (leap ? 1 : 0);
    /* timegm moves 30 February into March; a leap second is the last one of a day of UTC. */
    if (tm.tm_mday != day || (leap && seconds % 86400 != 0)) {
        return false;
    }
    *unix_ms = seconds * 1000 + ms;
    return true;
}

static bool read_time(struct pull *pull, int64_t *event_ms)
{
    const char *text;
    size_t n;

    return pull_string(pull, 1, 64, &text, &n) &&
           (codec_time(text, event_ms) ||
            pull_problem(pull, PROBLEM_VALIDATION_FAILED, "must be an RFC 3339 time"));
}

static bool copy_text(struct pull *pull, size_t max, char *to)
{
    struct span span;

    if (!pull_span(pull, 1, max, &span)) {
        return false;
    }
    memcpy(to, span.at, span.n);
    to[span.n] = '\0';
    return true;
}

/*
 * A hash of an event's content. Texts end with a zero byte, which none of them holds, so that no
 * two events run together into one content.
 */
static bool make_id(const struct store_event *event, char *id, struct problem *problem)
{
    char content[2 * STORE_ID_MAX + CODEC_TYPE_MAX + 64];
    uint8_t sha256[STORE_SHA256_BYTES];
    const int n =
        snprintf(content, sizeof content, "%s%c%s%c%s%c%.17g %lld", event->ranking_id, '\0',
                 event->item_id, '\0', event->type, '\0', event->value, (long long)event->event_ms);

    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, content, (size_t)n, sha256) < 0) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a checksum");
    }
    for (size_t i = 0; i < MADE_ID_BYTES; i++) {
        (void)snprintf(id + 2 * i, 3, "%02x", sha256[i]);
    }
    return true;
}

static bool read_value(struct pull *pull, double *value)
{
    if (!pull_number(pull, 0, CODEC_VALUE_MAX, value)) {
        return false;
    }
    *value += 0.0; /* -0 is 0, in ids too */
    return true;
}

/* An event's texts are where its row says. */
static void point(struct store_event *event, const struct codec_event_text *text)
{
    event->event_id = text->event_id;
    event->ranking_id = text->ranking_id;
    event->item_id = text->item_id;
    event->type = text->type;
}

struct event_reader {
    struct codec_feedback *feedback;
    size_t cap_event, cap_text;
    bool lenient;
};

static bool read_event_member(struct pull *pull, size_t member, bool lenient,
                              struct store_event *event, struct codec_event_text *text)
{
    if (event_members[member] == NULL) {
        return pull_unknown(pull, lenient);
    }
    if (pull_null(pull)) {
        return true;
    }
    switch ((enum event_member)member) {
    case EVENT_ID:
        return copy_text(pull, STORE_ID_MAX, text->event_id);
    case EVENT_RANKING_ID:
        return copy_text(pull, STORE_ID_MAX, text->ranking_id);
    case EVENT_ITEM_ID:
        return copy_text(pull, STORE_ID_MAX, text->item_id);
    case EVENT_TYPE:
        return copy_text(pull, CODEC_TYPE_MAX, text->type);
    case EVENT_VALUE:
        return read_value(pull, &event->value);
    case EVENT_TIME:
        return read_time(pull, &event->event_ms);
    }
    return false;
}

/* What an event needs is there; the place is the event. */
static bool is_whole(struct pull *pull, const struct codec_event_text *text)
{
    const char *missing = text->ranking_id[0] == '\0' ? "ranking_id"
                          : text->item_id[0] == '\0'  ? "item_id"
                          : text->type[0] == '\0'     ? "type"
                                                      : NULL;

    return missing == NULL ||
           pull_problem(pull, PROBLEM_VALIDATION_FAILED, "an event needs %s", missing);
}

/* Room for one more event; what points into the texts is set when all are there. */
static bool reserve(struct pull *pull, struct event_reader *reader)
{
    struct codec_feedback *feedback = reader->feedback;

    if (feedback->n == CODEC_EVENTS_MAX) {
        return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED,
                                   "has more than %d events, the most a request may have",
                                   CODEC_EVENTS_MAX);
    }
    return (grow_reserve(&feedback->event, &reader->cap_event, feedback->n + 1) &&
            grow_reserve(&feedback->text, &reader->cap_text, feedback->n + 1)) ||
           pull_problem(pull, PROBLEM_OUT_OF_MEMORY, "no memory for %zu events", feedback->n + 1);
}

/* The members of an event whose object was entered; the first key, where there is one, is known. */
static bool read_members(struct pull *pull, struct span key, bool has_key, bool lenient,
                         struct store_event *event, struct codec_event_text *text)
{
    *event = (struct store_event){.value = 1, .event_ms = INT64_MIN};
    *text = (struct codec_event_text){0};
    for (; has_key; has_key = pull_member(pull, &key)) {
        if (!read_event_member(pull, pull_which(key, event_members), lenient, event, text)) {
            return false;
        }
    }
    return pull_good(pull) && is_whole(pull, text);
}

static bool add_event(struct pull *pull, struct span key, bool has_key, struct event_reader *reader)
{
    struct codec_feedback *feedback = reader->feedback;
    struct store_event *event;
    struct codec_event_text *text;

    if (!reserve(pull, reader)) {
        return false;
    }
    event = &feedback->event[feedback->n];
    text = &feedback->text[feedback->n];
    if (!read_members(pull, key, has_key, reader->lenient, event, text)) {
        return false;
    }
    point(event, text);
    feedback->n++;
    event->item_hash = list_id_hash(RK_ITEM, text->item_id, strlen(text->item_id));
    return text->event_id[0] != '\0' || make_id(event, text->event_id, pull->problem);
}

static bool read_event(void *context, struct pull *pull)
{
    struct span key = {0};

    if (!pull_object(pull)) {
        return false;
    }
    const bool has_key = pull_member(pull, &key);
    return pull_good(pull) && add_event(pull, key, has_key, context);
}

/* {"events": [...]}, after that key. */
static bool read_events(struct pull *pull, struct event_reader *event)
{
    const struct codec_reader reader = {read_event, event};
    struct span key;

    if (!codec_each_element(pull, &reader)) {
        return false;
    }
    while (pull_member(pull, &key)) {
        if (!pull_unknown(pull, event->lenient)) {
            return false;
        }
    }
    return pull_good(pull);
}

/* One event, or an object of events: the first key that is known says which. */
static bool read_body(struct pull *pull, struct event_reader *event)
{
    struct span key = {0};
    bool has_key;

    if (!pull_object(pull)) {
        return false;
    }
    has_key = pull_member(pull, &key);
    while (has_key && event->lenient && !span_is(key, "events") &&
           event_members[pull_which(key, event_members)] == NULL) {
        if (!pull_skip(pull)) {
            return false;
        }
        has_key = pull_member(pull, &key);
    }
    if (!pull_good(pull)) {
        return false;
    }
    return has_key && span_is(key, "events") ? read_events(pull, event)
                                             : add_event(pull, key, has_key, event);
}

bool codec_feedback_read(const char *text, size_t n, bool ndjson, bool lenient,
                         struct pull_memory *memory, struct codec_feedback *feedback,
                         struct problem *problem)
{
    struct event_reader event = {.feedback = feedback, .lenient = lenient};
    const struct codec_reader reader = {read_event, &event};
    struct pull pull;
    bool read;

    *feedback = (struct codec_feedback){0};
    if (ndjson) {
        read = codec_each_line(text, n, memory, &reader, problem);
    } else {
        read = pull_begin(&pull, text, n, memory, problem) && read_body(&pull, &event) &&
               pull_end(&pull);
    }
    for (size_t i = 0; i < feedback->n; i++) {
        point(&feedback->event[i], &feedback->text[i]);
    }
    return read;
}

void codec_feedback_close(struct codec_feedback *feedback)
{
    free(feedback->event);
    free(feedback->text);
    *feedback = (struct codec_feedback){0};
}
