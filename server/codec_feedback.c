/*
 * POST /v1/feedback: one event, many in an array, or one a line.
 */
#include "codec.h"
#include "codec_records.h"
#include "lines.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MADE_ID_BYTES 16 /* of the SHA-256, in hexadecimal */

static const char *const event_members[] = {"event_id", "ranking_id", "item_id", "type",
                                            "value",    "time",       NULL};
static const char *const events_members[] = {"events", NULL};

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

static bool read_time(const struct json_node *node, int64_t *event_ms, struct problem *problem)
{
    struct json_node member;
    const char *text;
    size_t n;

    *event_ms = INT64_MIN;
    if (!json_member(node, "time", &member)) {
        return true;
    }
    if (!json_as_string(&member, 1, 64, &text, &n, problem)) {
        return false;
    }
    return codec_time(text, event_ms) ||
           json_problem(&member, PROBLEM_VALIDATION_FAILED, problem, "must be an RFC 3339 time");
}

static bool copy_text(const struct json_node *node, size_t max, char *to, struct problem *problem)
{
    const char *text;
    size_t n;

    if (!json_as_string(node, 1, max, &text, &n, problem)) {
        return false;
    }
    memcpy(to, text, n + 1);
    return true;
}

static bool read_required(const struct json_node *node, const char *key, size_t max, char *to,
                          struct problem *problem)
{
    struct json_node member;

    if (!json_member(node, key, &member)) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an event needs %s", key);
    }
    return copy_text(&member, max, to, problem);
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

static bool read_value(const struct json_node *node, double *value, struct problem *problem)
{
    struct json_node member;

    if (!json_member(node, "value", &member)) {
        *value = 1;
        return true;
    }
    if (!json_as_number(&member, 0, CODEC_VALUE_MAX, value, problem)) {
        return false;
    }
    *value += 0.0; /* -0 is 0, in ids too */
    return true;
}

struct event_reader {
    struct codec_feedback *feedback; /* with room for one more */
    bool lenient;
};

static bool read_event(void *context, const struct json_node *node, struct problem *problem)
{
    const struct event_reader *reader = context;
    struct store_event *event = &reader->feedback->event[reader->feedback->n];
    struct codec_event_text *text = &reader->feedback->text[reader->feedback->n];
    struct json_node id;

    *event = (struct store_event){.event_id = text->event_id,
                                  .ranking_id = text->ranking_id,
                                  .item_id = text->item_id,
                                  .type = text->type};
    if (!json_only(node, event_members, reader->lenient, problem) ||
        !read_required(node, "ranking_id", STORE_ID_MAX, text->ranking_id, problem) ||
        !read_required(node, "item_id", STORE_ID_MAX, text->item_id, problem) ||
        !read_required(node, "type", CODEC_TYPE_MAX, text->type, problem) ||
        !read_value(node, &event->value, problem) || !read_time(node, &event->event_ms, problem)) {
        return false;
    }
    event->item_hash = list_id_hash(RK_ITEM, text->item_id, strlen(text->item_id));
    reader->feedback->n++;
    return json_member(node, "event_id", &id)
               ? copy_text(&id, STORE_ID_MAX, text->event_id, problem)
               : make_id(event, text->event_id, problem);
}

static bool reserve(struct codec_feedback *feedback, size_t n, struct problem *problem)
{
    if (n > CODEC_EVENTS_MAX) {
        return problem_set(problem, PROBLEM_LIMIT_EXCEEDED,
                           "%zu events, at most %d are taken in a request", n, CODEC_EVENTS_MAX);
    }
    feedback->event = calloc(n > 0 ? n : 1, sizeof *feedback->event);
    feedback->text = calloc(n > 0 ? n : 1, sizeof *feedback->text);
    return (feedback->event != NULL && feedback->text != NULL) ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu events", n);
}

static bool read_body(const struct json_node *root, struct event_reader *event,
                      struct problem *problem)
{
    const struct codec_reader reader = {read_event, event};
    struct json_node events;

    if (!json_as_object(root, problem)) {
        return false;
    }
    if (!json_member(root, "events", &events)) {
        return reserve(event->feedback, 1, problem) && read_event(event, root, problem);
    }
    return json_only(root, events_members, event->lenient, problem) &&
           json_as_array(&events, problem) &&
           reserve(event->feedback, json_count(&events), problem) &&
           codec_each_element(&events, &reader, problem);
}

bool codec_feedback_read(const char *text, size_t n, bool ndjson, bool lenient,
                         struct codec_feedback *feedback, struct problem *problem)
{
    struct event_reader event = {feedback, lenient};
    const struct codec_reader reader = {read_event, &event};
    struct json_document document = {0};
    struct json_node root;
    bool read;

    *feedback = (struct codec_feedback){0};
    if (ndjson) {
        return reserve(feedback, lines_count(text, n), problem) &&
               codec_each_line(text, n, CODEC_BUDGET, &reader, problem);
    }
    read = json_parse(text, n, CODEC_BUDGET, &document, &root, problem) &&
           read_body(&root, &event, problem);
    json_close(&document);
    return read;
}

void codec_feedback_close(struct codec_feedback *feedback)
{
    free(feedback->event);
    free(feedback->text);
    *feedback = (struct codec_feedback){0};
}
