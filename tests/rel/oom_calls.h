/*
 * A request to the API tried with each of its allocations failing once: what it is answered then,
 * what it is answered after that, and what is left in memory.
 */
#ifndef RANKD_OOM_CALLS_H
#define RANKD_OOM_CALLS_H

#include "api_fixture.h"

#include <stddef.h>
#include <stdint.h>

#define OOM_TEXT_MAX 8192

/* What is counted of all scenarios, in memory that the processes share. */
struct oom_counts {
    uint64_t scenarios, points, crash, leak, wrong, resumed;
    char at[64]; /* the scenario under way */
    uint64_t point;
};

struct oom {
    struct api_fixture fixture;
    struct oom_counts *counts;
    uint64_t random; /* state, for rel_below */
    size_t stride;   /* of long scenarios every stride-th point is tried */
    int64_t noted;   /* a version, or an id */
    uint64_t turn;   /* grows with every point: what is new each time is named by it */
};

/* An answer, as far as it can be compared. */
struct oom_answer {
    int status;
    size_t n;
    char *text; /* owned, terminated; "" where there is none */
};

/*
 * One kind of request. An '@' in path and body stands for the turn, a '#' for the number noted. Members that differ each time
 * are left out when answers are compared.
 */
struct oom_call {
    const char *name, *method, *path;
    const char *type;    /* of the body; NULL: JSON where there is one */
    const char *body;    /* or NULL */
    const char *ignored; /* " a b " */
    bool lines;          /* the answer's lines are compared one by one */
    bool loose;          /* only the status is compared */
    bool checks;         /* pages of a file: SQLite does not always say why one could not be had */
    bool bytes;          /* the body has no '@' and is body_n long */
    size_t body_n;
    size_t stride;                   /* between the points that are tried; 0: all are */
    bool again;                      /* `before` comes before the second attempt of a turn too */
    void (*before)(struct oom *oom); /* without failures, before each turn; or NULL */
    /* Without failures, after each answer: is what it says so? or NULL. @param failed  how many. */
    void (*after)(struct oom *oom, const struct oom_answer *answer, size_t failed);
};

/* Counts something wrong and prints it. */
void oom_wrong(struct oom *oom, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Names the scenario that begins. @return false: SCENARIO in the environment wants others alone. */
bool oom_begin(struct oom *oom, const char *name);

/* Puts a request without failures. Free the answer. '@' is the turn. */
struct oom_answer oom_ask(struct oom *oom, const char *method, const char *path, const char *body);
void oom_answer_free(struct oom_answer *answer);

/* The same where only the status matters. */
int oom_status(struct oom *oom, const char *method, const char *path, const char *body);

/* Are two answers the same, but for what a call ignores? Their statuses aside. */
bool oom_same(const struct oom_call *call, const struct oom_answer *a, const struct oom_answer *b);

/* Tries a request with each allocation failing, then a sample with all from one on failing. */
void oom_try(struct oom *oom, const struct oom_call *call);

/* Counts what is alive beyond `live` as a leak, and prints where it came from. */
void oom_check_live(struct oom *oom, size_t live);

#endif
