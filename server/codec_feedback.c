/*
 * POST /v1/feedback: one event, many in an array, or one a line.
 */
#include "codec.h"
#include "lines.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FEEDBACK_BUDGET (CODEC_JSON_FACTOR * ((size_t)1 << 20))

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

bool codec_time(const char *text, int64_t *unix_ms)
{
    struct tm tm = {0};
    const char *at = text;
    int ms, minutes, day;

    if (!digits(&at, 4, 1, 9999, &tm.tm_year) || !literal(&at, '-') ||
        !digits(&at, 2, 1, 12, &tm.tm_mon) || !literal(&at, '-') ||
        !digits(&at, 2, 1, 31, &tm.tm_mday) || (*at != 'T' && *at != 't' && *at != ' ')) {
        return false;
    }
    at++;
    if (!digits(&at, 2, 0, 23, &tm.tm_hour) || !literal(&at, ':') ||
        !digits(&at, 2, 0, 59, &tm.tm_min) || !literal(&at, ':') ||
        !digits(&at, 2, 0, 60, &tm.tm_sec) || !fraction(&at, &ms) || !zone(&at, &minutes) ||
        *at != '\0') {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    day = tm.tm_mday;
    *unix_ms = ((int64_t)timegm(&tm) - minutes * 60) * 1000 + ms;
    return tm.tm_mday == day || tm.tm_sec == 60; /* timegm moves 30 February into March */
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

static bool read_required(const struct json_node *node, const char *key, size_t max,
                          const char **text, struct problem *problem)
{
    struct json_node member;
    size_t n;

    if (!json_member(node, key, &member)) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an event needs %s", key);
    }
    return json_as_string(&member, 1, max, text, &n, problem);
}

/*
 * The id of an event without one: a hash of its content, so that the same event sent twice is taken
 * once.
 */
static void make_id(const struct store_event *event, char id[33])
{
    char content[512];
    uint8_t sha256[STORE_SHA256_BYTES];
    const int n = snprintf(content, sizeof content, "%s\n%s\n%s\n%.17g\n%lld", event->ranking_id,
                           event->item_id, event->type, event->value, (long long)event->event_ms);

    gnutls_hash_fast(GNUTLS_DIG_SHA256, content,
                     (size_t)n < sizeof content ? (size_t)n : sizeof content - 1, sha256);
    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(id + 2 * i, 3, "%02x", sha256[i]);
    }
}

static bool read_event(const struct json_node *node, bool lenient, struct store_event *event,
                       char made_id[33], struct problem *problem)
{
    struct json_node member;
    size_t n;

    *event = (struct store_event){.value = 1};
    if (!json_as_object(node, problem) || !json_only(node, event_members, lenient, problem) ||
        !read_required(node, "ranking_id", STORE_ID_MAX, &event->ranking_id, problem) ||
        !read_required(node, "item_id", STORE_ID_MAX, &event->item_id, problem) ||
        !read_required(node, "type", CODEC_TYPE_MAX, &event->type, problem) ||
        !read_time(node, &event->event_ms, problem)) {
        return false;
    }
    if (json_member(node, "value", &member) &&
        !json_as_number(&member, 0, CODEC_VALUE_MAX, &event->value, problem)) {
        return false;
    }
    if (json_member(node, "event_id", &member)) {
        if (!json_as_string(&member, 1, STORE_ID_MAX, &event->event_id, &n, problem)) {
            return false;
        }
    } else {
        make_id(event, made_id);
        event->event_id = made_id;
    }
    event->item_hash = list_id_hash(RK_ITEM, event->item_id, strlen(event->item_id));
    return true;
}

static bool reserve(struct codec_feedback *feedback, size_t n, struct problem *problem)
{
    feedback->event = calloc(n > 0 ? n : 1, sizeof *feedback->event);
    feedback->made_id = calloc(n > 0 ? n : 1, sizeof *feedback->made_id);
    return (feedback->event != NULL && feedback->made_id != NULL) ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu events", n);
}

static bool reserve_documents(struct codec_feedback *feedback, size_t n, struct problem *problem)
{
    feedback->document = calloc(n > 0 ? n : 1, sizeof *feedback->document);
    return feedback->document != NULL ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
}

static bool too_many(size_t n, struct problem *problem)
{
    return problem_set(problem, PROBLEM_LIMIT_EXCEEDED,
                       "%zu events, at most %d are taken in a request", n, CODEC_EVENTS_MAX);
}

static bool read_lines(const char *text, size_t n, bool lenient, struct codec_feedback *feedback,
                       struct problem *problem)
{
    const size_t count = lines_count(text, n);
    struct lines lines = lines_of(text, n);
    const char *line;
    size_t length;

    if (count > CODEC_EVENTS_MAX) {
        return too_many(count, problem);
    }
    if (!reserve_documents(feedback, count, problem) || !reserve(feedback, count, problem)) {
        return false;
    }
    while (lines_next(&lines, &line, &length)) {
        const struct json_node all = {0};
        struct json_node root;
        const size_t i = lines.number;
        if (!json_parse(line, length, FEEDBACK_BUDGET, &feedback->document[i], &root, problem)) {
            return false;
        }
        feedback->n_documents = i + 1;
        root.parent = &all; /* so that a pointer starts with the event's index */
        root.index = i;
        if (!read_event(&root, lenient, &feedback->event[i], feedback->made_id[i], problem)) {
            return false;
        }
        feedback->n++;
    }
    return true;
}

static bool read_array(const struct json_node *events, bool lenient,
                       struct codec_feedback *feedback, struct problem *problem)
{
    const size_t n = json_count(events);

    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        json_element(events, i, &element);
        if (!read_event(&element, lenient, &feedback->event[i], feedback->made_id[i], problem)) {
            return false;
        }
        feedback->n++;
    }
    return true;
}

static bool read_body(const char *text, size_t n, bool lenient, struct codec_feedback *feedback,
                      struct problem *problem)
{
    struct json_node root, events;

    if (!reserve_documents(feedback, 1, problem) ||
        !json_parse(text, n, FEEDBACK_BUDGET, feedback->document, &root, problem)) {
        return false;
    }
    feedback->n_documents = 1;
    if (!json_as_object(&root, problem)) {
        return false;
    }
    if (!json_member(&root, "events", &events)) {
        feedback->n = 1;
        return reserve(feedback, 1, problem) &&
               read_event(&root, lenient, feedback->event, feedback->made_id[0], problem);
    }
    if (!json_only(&root, events_members, lenient, problem) || !json_as_array(&events, problem)) {
        return false;
    }
    if (json_count(&events) > CODEC_EVENTS_MAX) {
        return too_many(json_count(&events), problem);
    }
    return reserve(feedback, json_count(&events), problem) &&
           read_array(&events, lenient, feedback, problem);
}

bool codec_feedback_read(const char *text, size_t n, bool ndjson, bool lenient,
                         struct codec_feedback *feedback, struct problem *problem)
{
    *feedback = (struct codec_feedback){0};
    return ndjson ? read_lines(text, n, lenient, feedback, problem)
                  : read_body(text, n, lenient, feedback, problem);
}

void codec_feedback_close(struct codec_feedback *feedback)
{
    for (size_t i = 0; i < feedback->n_documents; i++) {
        json_close(&feedback->document[i]);
    }
    free(feedback->document);
    free(feedback->event);
    free(feedback->made_id);
    *feedback = (struct codec_feedback){0};
}
