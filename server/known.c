/*
 * A table with few places to look at for each number, and chains of links from rows to places.
 *
 * A place is claimed by turning its state to BUSY, then written by who claimed it alone, and shown
 * by turning it to VALID: from then on it stays as it is while anyone reads the copy.
 */
#include "known.h"

#include "large_block.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PROBES          4
#define LINKS_AN_ITEM   8   /* there is room for, on average */
#define FORGETS_BETWEEN 256 /* publishes before a full table is emptied once more */

enum state {
    EMPTY,
    BUSY,
    VALID,
    STALE,  /* this entry's, to be made again */
    REFUSED /* this entry's, not to be made */
};

struct place {
    uint64_t number;
    uint64_t shared_as_of; /* where it depends on a row shared by many: right for this count */
    _Atomic uint32_t state;
    bool linked; /* its rows lead to it */
    bool shares; /* or some of them are shared by many */
};

struct link {
    uint32_t row;
    uint32_t place;
    uint32_t next; /* 1 + number of a link; 0: the last */
};

/* Rows that fall together. */
struct bucket {
    _Atomic uint32_t first; /* as next */
    _Atomic uint32_t n;     /* items that came, those beyond KNOWN_SHARED too */
};

struct known {
    const struct rk_model *model; /* borrowed */
    size_t n_sums, mask, max_links;
    struct place *place;   /* (mask + 1) */
    double *sums;          /* (mask + 1, n_sums) */
    struct bucket *bucket; /* (mask + 1) */
    struct link *link;     /* (max_links) */
    _Atomic uint32_t n_links;
    _Atomic uint32_t crowded; /* times an entry found no place since all was forgotten */
    _Atomic bool full;        /* there are no links left */
    uint64_t shared;          /* touches of rows shared by many */
    uint32_t quiet;           /* publishes since all was forgotten */
};

static size_t bytes_an_item(size_t n_sums)
{
    return n_sums * sizeof(double) + sizeof(struct place) + sizeof(struct bucket) +
           LINKS_AN_ITEM * sizeof(struct link);
}

struct known *known_create(const struct rk_model *model, size_t items)
{
    const size_t n_sums = rk_model_item_sums(model);
    struct known *k = n_sums > 0 ? calloc(1, sizeof *k) : NULL;

    if (k == NULL) {
        return NULL;
    }
    while (items > 1 && items * bytes_an_item(n_sums) > KNOWN_BYTES) {
        items /= 2;
    }
    k->model = model;
    k->n_sums = n_sums;
    k->mask = items - 1;
    k->max_links = items * LINKS_AN_ITEM;
    k->place = calloc(items, sizeof *k->place);
    k->sums = large_block_alloc(items * n_sums * sizeof *k->sums);
    k->bucket = calloc(items, sizeof *k->bucket);
    k->link = large_block_alloc(k->max_links * sizeof *k->link);
    if (k->place == NULL || k->sums == NULL || k->bucket == NULL || k->link == NULL) {
        known_destroy(&k);
    }
    return k;
}

void known_destroy(struct known **known)
{
    struct known *k = *known;

    if (k != NULL) {
        free(k->place);
        free(k->sums);
        free(k->bucket);
        free(k->link);
        free(k);
    }
    *known = NULL;
}

/* ---- readers ---- */

static bool claim(struct place *place, uint32_t state)
{
    return atomic_compare_exchange_strong_explicit(&place->state, &state, BUSY,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void show(struct place *place, uint32_t state)
{
    atomic_store_explicit(&place->state, state, memory_order_release);
}

/* At a place that is this entry's. */
static const double *look(struct known *k, uint32_t at, uint32_t state, uint32_t *place)
{
    struct place *p = &k->place[at];

    if (state == VALID && (!p->shares || p->shared_as_of == k->shared)) {
        return known_room(k, at);
    }
    if (state != REFUSED && claim(p, state)) {
        *place = at;
    }
    return NULL;
}

const double *known_find(struct known *known, uint64_t number, uint32_t *place)
{
    struct known *k = known;

    *place = KNOWN_NONE;
    for (size_t probe = 0; probe < PROBES; probe++) {
        const uint32_t at = (uint32_t)((number + probe) & k->mask);
        struct place *p = &k->place[at];
        const uint32_t state = atomic_load_explicit(&p->state, memory_order_acquire);
        if (state == BUSY) {
            return NULL; /* this very entry's, perhaps */
        }
        if (state == EMPTY) {
            if (claim(p, EMPTY)) {
                p->number = number;
                *place = at;
            }
            return NULL;
        }
        if (p->number == number) {
            return look(k, at, state, place);
        }
    }
    atomic_fetch_add_explicit(&k->crowded, 1, memory_order_relaxed);
    return NULL;
}

double *known_room(struct known *known, uint32_t place)
{
    return known->sums + place * known->n_sums;
}

/* From a row to a place. *shares: the row leads to enough. @return false: there is no link left. */
static bool lead(struct known *k, uint32_t row, uint32_t place, bool *shares)
{
    struct bucket *bucket = &k->bucket[row & k->mask];
    uint32_t number, first;
    struct link *link;

    if (atomic_fetch_add_explicit(&bucket->n, 1, memory_order_relaxed) >= KNOWN_SHARED) {
        *shares = true;
        return true;
    }
    if (atomic_load_explicit(&k->full, memory_order_relaxed)) {
        return false;
    }
    number = atomic_fetch_add_explicit(&k->n_links, 1, memory_order_relaxed);
    if (number >= k->max_links) {
        atomic_store_explicit(&k->full, true, memory_order_relaxed);
        return false;
    }
    link = &k->link[number];
    *link = (struct link){.row = row, .place = place};
    first = atomic_load_explicit(&bucket->first, memory_order_relaxed);
    do {
        link->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&bucket->first, &first, number + 1,
                                                    memory_order_release, memory_order_relaxed));
    return true;
}

void known_note(struct known *known, uint32_t place, const uint32_t *row, size_t n)
{
    struct place *p = &known->place[place];

    for (size_t i = 0; i < n && !p->linked; i++) {
        if (!lead(known, row[i], place, &p->shares)) {
            show(p, REFUSED); /* until all is forgotten */
            return;
        }
    }
    p->linked = true;
    p->shared_as_of = known->shared;
    show(p, VALID);
}

void known_leave(struct known *known, uint32_t place)
{
    show(&known->place[place], STALE);
}

void known_refuse(struct known *known, uint32_t place)
{
    show(&known->place[place], REFUSED);
}

/* ---- who publishes ---- */

void known_forget_all(struct known *known)
{
    struct known *k = known;

    if (k != NULL) {
        memset(k->place, 0, (k->mask + 1) * sizeof *k->place);
        memset(k->bucket, 0, (k->mask + 1) * sizeof *k->bucket);
        k->n_links = k->crowded = k->quiet = 0;
        k->full = false;
    }
}

/*
 * Links and places lie scattered, and each link is known from the one before it alone: so some
 * chains are followed side by side, each link asked for a round before it is looked at, and places
 * some time before they are changed.
 */
#define CHAINS  16
#define DELAYED 32

struct walk {
    uint32_t row[CHAINS];
    uint32_t next[CHAINS];     /* link of each chain */
    uint32_t delayed[DELAYED]; /* 1 + places, a ring; 0: none */
    uint32_t n_delayed;
    bool shared; /* a row came by that leads to less than depend on it */
};

static void make_stale(struct known *k, uint32_t delayed)
{
    if (delayed != 0 && k->place[delayed - 1].state == VALID) {
        k->place[delayed - 1].state = STALE;
    }
}

static void delay(struct known *k, struct walk *walk, uint32_t place)
{
    uint32_t *slot = &walk->delayed[walk->n_delayed++ % DELAYED];

    make_stale(k, *slot);
    *slot = place + 1;
    __builtin_prefetch(&k->place[place], 1);
}

static void ask_for_link(const struct known *k, uint32_t next)
{
    if (next != 0) {
        __builtin_prefetch(&k->link[next - 1]);
    }
}

/* Begins the chain of the next row that has one. false: there is none left. */
static bool begin_chain(struct known *k, struct walk *walk, size_t chain, const uint32_t *rows,
                        size_t n, size_t *at)
{
    while (*at < n) {
        uint32_t row;
        if (*at + CHAINS < n && rk_model_item_row(k->model, rows[*at + CHAINS], &row)) {
            __builtin_prefetch(&k->bucket[row & k->mask]);
        }
        if (rk_model_item_row(k->model, rows[(*at)++], &row)) {
            const struct bucket *bucket = &k->bucket[row & k->mask];
            walk->shared = walk->shared || bucket->n > KNOWN_SHARED;
            walk->row[chain] = row;
            walk->next[chain] = bucket->first;
            if (bucket->first != 0) {
                ask_for_link(k, bucket->first);
                return true;
            }
        }
    }
    return false;
}

/* @return whether a row was touched that leads to less than depend on it. */
static bool forget_rows(struct known *k, const uint32_t *rows, size_t n)
{
    struct walk walk = {.shared = false};
    bool any = true;

    for (size_t at = 0; any;) {
        any = false;
        for (size_t c = 0; c < CHAINS; c++) {
            if (walk.next[c] != 0) {
                const struct link *link = &k->link[walk.next[c] - 1];
                walk.next[c] = link->next;
                ask_for_link(k, link->next);
                if (link->row == walk.row[c]) {
                    delay(k, &walk, link->place);
                }
                any = true;
            } else {
                any = begin_chain(k, &walk, c, rows, n, &at) || any;
            }
        }
    }
    for (size_t i = 0; i < DELAYED; i++) {
        make_stale(k, walk.delayed[i]);
    }
    return walk.shared;
}

void known_forget(struct known *known, const uint32_t *rows, size_t n)
{
    struct known *k = known;

    if (k == NULL || k->n_links == 0) {
        return;
    }
    if ((k->full || k->crowded > k->mask) && k->quiet >= FORGETS_BETWEEN) {
        known_forget_all(k); /* entries that are no more had places too */
    }
    k->quiet++;
    k->shared += forget_rows(k, rows, n);
}
