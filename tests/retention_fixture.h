/*
 * What tests of retention share: random small lives of several models on one log, what is removed of
 * them, and whether they still come out as they were.
 */
#ifndef RANKD_RETENTION_FIXTURE_H
#define RANKD_RETENTION_FIXTURE_H

#include "learning_fixture.h"
#include "retention.h"
#include "trainee.h"

#include <rankd/random.h>

#define LIFE_MODELS 4
#define HOUR_MS     INT64_C(3600000)
#define DAY_MS      (24 * HOUR_MS)
#define LIFE_TTL_MS HOUR_MS

struct life {
    struct learning *l;
    struct rk_random random;
    struct trainee *t[LIFE_MODELS]; /* NULL: deleted, or not made */
    size_t n_rankings;
    struct retention_options options;
};

/* Starts without models, at now - 20 days; ends. */
void life_start(struct life *life, struct learning *l, uint64_t seed);
void life_end(struct life *life);

/* Makes a model; has it removed. */
struct trainee *life_model(struct life *life, size_t i, const char *json);
void life_delete(struct life *life, size_t i);

/* Serves a ranking of a model; its number. Clicks on one that was served. */
size_t life_rank(struct life *life, size_t i);
void life_click(struct life *life, size_t ranking);

/* Time goes by. */
void life_wait(struct life *life, int64_t ms);

/* Has a model learn all there is; and stores a checkpoint. */
void life_learn(struct life *life, size_t i);
void life_store(struct life *life, size_t i);

/* n random things of all these. */
void life_go_on(struct life *life, size_t n);

/* A round of retention, to its end, at a time. */
void life_trim(struct life *life, int64_t now_ms);

/*
 * Every model that is recovered is what it was, from its newest checkpoint and from the oldest that may
 * be gone on from; the rows agree; and everything that any of these reads is there.
 */
void life_check(struct life *life);

/* A number of the database. */
int64_t life_count(const struct life *life, const char *sql);

#endif
