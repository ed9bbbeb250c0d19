/*
 * What tests of lists and request bodies share: spaces, a list read from a text, long texts made
 * from a pattern, and asserting a problem with its place.
 */
#ifndef RANKD_LIST_FIXTURE_H
#define RANKD_LIST_FIXTURE_H

#include "emit.h"
#include "list.h"

#include <rankd/group.h>

struct list_fixture {
    struct list list;
    struct problem problem;
    struct emit text;
};

/* A hashed space of 10 bits and an indexed one of 10 columns. */
extern const struct rk_space fixture_hashed;
extern const struct rk_space fixture_indexed;

/* For cmocka. */
int list_fixture_setup(void **state);
int list_fixture_teardown(void **state);

#define LIST_TEST(name)                                                                            \
    cmocka_unit_test_setup_teardown(name, list_fixture_setup, list_fixture_teardown)

/* Reads an unlabelled list, strictly; what was read before ends. */
bool fixture_read(struct list_fixture *f, const struct rk_space *space, const char *text);

/* The same by any rules. */
bool fixture_read_by(struct list_fixture *f, const struct list_rules *rules, const char *text);

/* The same with labels. */
bool fixture_read_labelled(struct list_fixture *f, const char *text);

/* Reads a list that must be good. */
void fixture_must_read(struct list_fixture *f, const struct rk_space *space, const char *text);

/* One item "a" with these features. */
bool fixture_read_features(struct list_fixture *f, const struct rk_space *space,
                           const char *features);

/* head, n pieces with commas between them and '#' replaced by 0, 1, ..., tail. Valid until the next. */
const char *fixture_pattern(struct list_fixture *f, const char *head, size_t n, const char *piece,
                            const char *tail);

/* head, n times the letter, tail. Valid until the next. */
const char *fixture_letters(struct list_fixture *f, const char *head, size_t n, const char *tail);

/* Fails the test unless the problem is of this kind at this place. */
void fixture_assert_problem(const char *text, const struct problem *problem, enum problem_kind kind,
                            const char *pointer);

/* Fails the test unless two labelled groups are the same bytes. */
void fixture_assert_groups(const struct rk_group *group, const struct rk_group *expected);

/* Fails the test unless two features are the same. */
void fixture_assert_feature(const struct rk_feature *feature, const struct rk_feature *expected);

#endif
