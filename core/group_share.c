/*
 * Finding what all items of a group have alike, and making it the list's: files repeat in every row
 * what is about the query.
 */
#include <rankd/group.h>
#include <string.h>

/* The builder's entries as columns that move together; a raw number has a flag of 1. */
struct columns {
    uint32_t *index;
    float *value;
    uint64_t *name;
    uint32_t *flag;
};

static void move(const struct columns *c, size_t to, size_t from)
{
    c->index[to] = c->index[from];
    c->value[to] = c->value[from];
    c->name[to] = c->name[from];
    c->flag[to] = c->flag[from];
}

/* From the entries that are numbers to a flag for each, and back: a list is never ahead of its flags. */
static void flags_from_numbers(struct rk_group_builder *b)
{
    size_t left = b->n_numbers;

    for (size_t e = b->nnz; e-- > 0;) {
        const bool is_number = left > 0 && b->number[left - 1] == e;
        left -= is_number;
        b->number[e] = is_number;
    }
}

static void numbers_from_flags(struct rk_group_builder *b)
{
    b->n_numbers = 0;
    for (size_t e = 0; e < b->nnz; e++) {
        if (b->number[e] != 0) {
            b->number[b->n_numbers++] = (uint32_t)e;
        }
    }
}

/*
 * Keeps of n entries those that a row has alike. @return how many.
 *
 * Where they meet cannot be foretold: both sides step on without a branch.
 */
static size_t keep_alike(struct rk_group_entry *entry, size_t n, const struct rk_group_builder *b,
                         const struct columns *c, size_t row)
{
    const size_t end = b->offset[row + 1];
    size_t e = b->offset[row], i = 0, kept = 0;

    while (i < n && e < end) {
        const struct rk_group_entry one = entry[i];
        const uint32_t index = c->index[e];
        const bool alike = (index == one.index) & (c->value[e] == one.value) &
                           (c->name[e] == one.name) & ((c->flag[e] != 0) == one.number);
        entry[kept] = one;
        kept += alike;
        i += one.index <= index;
        e += index <= one.index;
    }
    return kept;
}

/* Keeps of n entries those whose index row 0 has not. @return how many. */
static size_t keep_new(struct rk_group_entry *entry, size_t n, const struct rk_group_builder *b,
                       const struct columns *c)
{
    size_t e = 0, kept = 0;

    for (size_t i = 0; i < n; i++) {
        while (e < b->offset[1] && c->index[e] < entry[i].index) {
            e++;
        }
        if (e == b->offset[1] || c->index[e] != entry[i].index) {
            entry[kept++] = entry[i];
        }
    }
    return kept;
}

/* Collects what all items have alike and row 0 has not into b->entry. */
static size_t find_shared(struct rk_group_builder *b, const struct columns *c)
{
    size_t n = 0;

    for (size_t e = b->offset[1]; e < b->offset[2]; e++) {
        b->entry[n++] = (struct rk_group_entry){.name = c->name[e],
                                                .index = c->index[e],
                                                .value = c->value[e],
                                                .number = c->flag[e] != 0};
    }
    for (size_t row = 2; row < b->n_rows && n > 0; row++) {
        n = keep_alike(b->entry, n, b, c, row);
    }
    return keep_new(b->entry, n, b, c);
}

/* Item 0's row makes room before it for n entries that leave it. */
static void make_room(const struct rk_group_builder *b, const struct columns *c, size_t n)
{
    size_t to = b->offset[2];

    for (size_t e = b->offset[2]; e-- > b->offset[1];) {
        if (n > 0 && b->entry[n - 1].index == c->index[e]) {
            n--;
        } else {
            move(c, --to, e);
        }
    }
}

/* Merges n entries into row 0, the last first. */
static void take_in(const struct rk_group_builder *b, const struct columns *c, size_t n)
{
    size_t own = b->offset[1];

    while (n > 0) {
        const size_t to = own + n - 1;
        if (own > 0 && c->index[own - 1] > b->entry[n - 1].index) {
            move(c, to, --own);
            continue;
        }
        const struct rk_group_entry *entry = &b->entry[--n];
        c->index[to] = entry->index;
        c->value[to] = entry->value;
        c->name[to] = entry->name;
        c->flag[to] = entry->number;
    }
}

/* The rows of all items but the first lose n entries each and move up. */
static void move_up(struct rk_group_builder *b, const struct columns *c, size_t n)
{
    size_t to = b->offset[2];

    for (size_t row = 2; row < b->n_rows; row++) {
        const size_t end = b->offset[row + 1];
        size_t met = 0;
        for (size_t e = b->offset[row]; e < end; e++) {
            const bool leaves = b->entry[met < n ? met : 0].index == c->index[e];
            move(c, to, e); /* behind what is kept, so that one that leaves is written over */
            to += !leaves;
            met += leaves;
        }
        /* the next row's start is needed as it was until that row has been read */
        b->offset[row] -= (uint32_t)(n * (row - 2));
    }
    b->offset[b->n_rows] = (uint32_t)to;
    b->nnz = to;
}

void rk_group_share(struct rk_group_builder *builder, struct rk_group *group)
{
    struct rk_group_builder *b = builder;
    const struct columns columns = {b->index, b->value, b->name, b->number};
    size_t n;

    if (group->n_items < 2) {
        return;
    }
    flags_from_numbers(b);
    n = find_shared(b, &columns);
    if (n > 0) {
        make_room(b, &columns, n);
        take_in(b, &columns, n);
        b->offset[1] += (uint32_t)n;
        move_up(b, &columns, n);
    }
    numbers_from_flags(b);
    group->n_numbers = b->n_numbers;
}
