/*
 * What tests of the trainer thread share: a whole server below HTTP, started and stopped on one
 * database, and commands that are waited for.
 */
#ifndef RANKD_TRAINER_FIXTURE_H
#define RANKD_TRAINER_FIXTURE_H

#include "learning_fixture.h"
#include "trainer.h"

#define TRAINING_SLOTS 4 /* reading threads */

struct training {
    struct learning l; /* its writer wakes the trainer; its reader is the test's */
    struct models models;
    _Atomic(struct trainer *) trainer;
    int64_t checkpoint_s;
    struct pace_limits pace; /* none, if it is not set; scoring is the first route's */
};

/* For cmocka: a new database with a small default model, running. Checkpoints only on request. */
int training_setup(void **state);
int training_teardown(void **state);

#define TRAINING_TEST(name) cmocka_unit_test_setup_teardown(name, training_setup, training_teardown)

/* Starts or stops everything. @return of start: what trainer_start said. */
enum rk_status training_start(struct training *s);
void training_stop(struct training *s);

/* Has a command done and waits. @param json  the configuration to create, or NULL. */
struct trainer_command training_command(struct training *s, enum trainer_verb verb,
                                        const char *model, const char *json, int64_t version);

/* Has a configuration changed by a patch and waits. */
struct trainer_command training_configure(struct training *s, const char *model, const char *patch);

/* The slug of a command's problem, "" for none. */
const char *training_problem(const struct trainer_command *command);

/* The same in short: without a version; and is the problem the one expected? */
struct trainer_command training_create(struct training *s, const char *model, const char *json);
struct trainer_command training_tell(struct training *s, enum trainer_verb verb, const char *model);
void training_check(struct trainer_command command, const char *problem);

/* The model of a name; fails the test if there is none. */
struct served *training_model(struct training *s, const char *name);

int64_t training_version(struct training *s, const char *model);
const char *training_state(struct training *s, const char *model);

/* The newest checkpoint of a model by the database alone. */
struct training_newest {
    int64_t version;
    uint8_t sha256[STORE_SHA256_BYTES];
};

struct training_newest training_newest(struct training *s, int64_t model);

/* Puts n lists for a model. */
void training_stream(struct training *s, const char *model, size_t n, uint64_t seed);

/* Waits until a model has learned from all that is in the log. */
void training_await(struct training *s, const char *model);

#endif
