/*
 * What is known of the catalogue's items under one copy of a model's parameters: their sums
 * (rankd/known.h), by the number of the catalogue's entry.
 *
 * Readers of the copy note what they had to compute, and find it again; who publishes forgets what a
 * step touched. An entry that is changed or deleted never comes again, as its successor has another
 * number: so nobody has to tell of changes in the catalogue. Sums are made anew or not at all, never
 * adjusted.
 *
 * From a feature's row to the items that depend on it leads an index. Of a row that more than
 * KNOWN_SHARED items share it lists so many: the others all stand on one count, which goes up when
 * any such row is touched.
 *
 * Memory: a fixed table of at most KNOWN_ITEMS places and KNOWN_BYTES; of these, pages that were
 * never used are not resident. What finds no place is computed each time.
 */
#ifndef RANKD_SERVER_KNOWN_H
#define RANKD_SERVER_KNOWN_H

#include <rankd/known.h>
#include <rankd/status.h>
#include <stdint.h>

#define KNOWN_SHARED 1000
#ifdef RANKD_SANITIZED /* whose shadows of large blocks are large and resident */
#define KNOWN_ITEMS ((size_t)1 << 12)
#else
#define KNOWN_ITEMS ((size_t)1 << 20)
#endif
#define KNOWN_BYTES ((size_t)320 << 20)
#define KNOWN_NONE  UINT32_MAX

struct known;

/**
 * Makes a table that knows nothing.
 *
 * @param items  most items, a power of two; less where KNOWN_BYTES would be passed.
 * @return NULL: the model knows no items (rk_model_item_sums), or out of memory.
 */
struct known *known_create(const struct rk_model *model, size_t items);

/** Frees it and clears the pointer; NULL is accepted. */
void known_destroy(struct known **known);

/**
 * The sums of an entry, or NULL. For readers of the copy; any number of threads.
 *
 * @param number  of the catalogue's entry.
 * @param place   out, with NULL: where its sums can be noted, which has to be ended by one of the
 *                next three before the copy is left; or KNOWN_NONE.
 */
const double *known_find(struct known *known, uint64_t number, uint32_t *place);

/** Room for the sums of a place. */
double *known_room(struct known *known, uint32_t place);

/**
 * The room holds the sums now.
 *
 * @param row  (n) the rows of the features they are made of.
 */
void known_note(struct known *known, uint32_t place, const uint32_t *row, size_t n);

/** Leaves a place to the next; or for good: an entry's sums cannot be kept apart from its numbers. */
void known_leave(struct known *known, uint32_t place);
void known_refuse(struct known *known, uint32_t place);

/**
 * Forgets what depends on rows of the model; NULL is accepted. For who publishes, while nobody reads
 * the copy.
 */
void known_forget(struct known *known, const uint32_t *rows, size_t n);

/** Forgets everything. The same. */
void known_forget_all(struct known *known);

#endif
