/*
 * Known items against scoring without them, bit for bit: whatever becomes of the catalogue and the
 * model in between.
 */
#include "assemble.h"
#include "known_list.h"
#include "live.h"
#include "scorer.h"
#include "test.h"

#include <pthread.h>
#include <rankd/random.h>

#define IDS     1300
#define ITEMS   60
#define READERS 3

/* A model and a catalogue that change. */
struct world {
    struct rk_model *model;
    struct live live;
    struct catalogue catalogue;
    struct rk_random random;
    int64_t version;
};

/* Who scores. */
struct reader {
    struct world *world;
    size_t slot;
    struct rk_random random;
    struct list list;
    struct list_item item[ITEMS];
    struct rk_feature feature[2];
    char id[ITEMS][8];
    uint32_t which[ITEMS];
    struct rk_group_builder builder;
    struct known_list known;
    struct scorer scorer, twin;
    size_t n_known, n_scored, wrong;
    pthread_t thread;
    _Atomic bool *over;
};

/* ---- the world ---- */

static void open_world(struct world *w, const struct rk_model_config *config, uint64_t seed)
{
    *w = (struct world){.random = {seed}};
    print_message("seed %llu\n", (unsigned long long)seed);
    assert_ok(rk_model_create(config, 0, &w->model, NULL));
    assert_ok(live_init(&w->live, w->model, 1 + READERS, NULL));
    assert_ok(catalogue_init(&w->catalogue, 1 + READERS, NULL));
}

static void close_world(struct world *w)
{
    catalogue_deinit(&w->catalogue);
    live_deinit(&w->live);
    rk_model_destroy(&w->model);
}

static uint64_t name_id(uint32_t number, char *id)
{
    (void)snprintf(id, 8, "i%u", (unsigned)number);
    return list_id_hash(RK_ITEM, id, strlen(id));
}

/* A feature that others have too, or a raw number; on indexed spaces a column. */
static struct rk_feature draw_feature(const struct world *w, struct rk_random *random, uint32_t n)
{
    const char value[] = {(char)('a' + rk_random_below(random, 9))};
    const char name[] = {(char)('p' + n)};
    const float x = (float)rk_random_normal(random);
    if (rk_model_config(w->model)->features.kind == RK_INDEXED) {
        return rk_feature_column(n * 9 + rk_random_below(random, 9), x);
    }
    return n % 3 == 2 ? rk_feature_number(RK_ITEM, name, 1, x)
                      : rk_feature_category(RK_ITEM, name, 1, value, 1, n == 1 ? x : 1.0F);
}

/* Stores an item, or deletes it. */
static void change_item(struct world *w, uint32_t number, bool delete)
{
    char id[8];
    const uint64_t hash = name_id(number, id);
    const uint32_t n = rk_random_below(&w->random, 7);
    struct catalogue_change change = {.side = CATALOGUE_ITEM, .hash = hash, .id = id};
    if (!delete) {
        change.entry = calloc(1, sizeof *change.entry + n * sizeof(struct rk_feature));
        assert_non_null(change.entry);
        change.entry->hash = hash;
        memcpy(change.entry->id, id, sizeof id);
        change.entry->n = n;
        for (uint32_t i = 0; i < n; i++) {
            change.entry->feature[i] = draw_feature(w, &w->random, i);
        }
        assert_ok(catalogue_reserve(&w->catalogue, CATALOGUE_ITEM, 1, NULL));
    }
    catalogue_change(&w->catalogue, &change, 1, 1);
}

/* Draws the rows' floats anew in the learning copy. */
static void draw_rows(struct world *w, const uint32_t *rows, size_t n)
{
    for (size_t r = 0; r < n; r++) {
        size_t length;
        const size_t offset = rk_model_row(w->model, rows[r], &length);
        for (size_t i = 0; i < length; i++) {
            live_learning(&w->live)[offset + i] = (float)rk_random_uniform(&w->random);
        }
    }
}

static void publish_some(struct world *w)
{
    uint32_t rows[20];
    size_t n = 0;
    for (size_t i = 0; i < 20; i++) {
        const uint32_t row = rk_random_below(&w->random, (uint32_t)rk_model_rows(w->model));
        bool again = false;
        for (size_t r = 0; r < n; r++) {
            again = again || rows[r] == row;
        }
        rows[n] = row;
        n += !again;
    }
    draw_rows(w, rows, n);
    live_publish(&w->live, ++w->version, rows, n);
}

static void publish_all(struct world *w)
{
    for (uint32_t row = 0; row < (uint32_t)rk_model_rows(w->model); row++) {
        draw_rows(w, &row, 1);
    }
    live_publish_all(&w->live, ++w->version);
}

/* ---- readers ---- */

struct source {
    const struct catalogue_copy *copy;
    struct known_list *known;
    size_t n_known;
};

static const struct catalogue_entry *find_entry(const struct source *source, enum rk_side side,
                                                const struct list_entity *entity,
                                                const struct rk_feature **features, size_t *n)
{
    const struct catalogue_entry *entry =
        side == RK_ITEM ? catalogue_find(source->copy, CATALOGUE_ITEM, entity->hash, entity->id)
                        : NULL;
    *features = entry != NULL ? entry->feature : NULL;
    *n = entry != NULL ? entry->n : 0;
    return entry;
}

static enum rk_status find(void *context, enum rk_side side, const struct list_entity *entity,
                           const struct rk_feature **features, size_t *n, struct rk_error *err)
{
    (void)err;
    (void)find_entry(context, side, entity, features, n);
    return RK_OK;
}

static bool known(void *context, size_t item, const struct list_entity *entity,
                  const struct rk_feature **features, size_t *n)
{
    struct source *source = context;
    const bool is_known =
        known_list_item(source->known, item, find_entry(source, RK_ITEM, entity, features, n));
    source->n_known += is_known;
    return is_known;
}

/* Different items, of which the first comes with features of its own. */
static void draw_list(struct reader *r)
{
    const uint32_t first = rk_random_below(&r->random, IDS);
    const uint32_t stride = 1 + rk_random_below(&r->random, 20);
    const size_t n = 1 + rk_random_below(&r->random, ITEMS);
    r->list.item = r->item;
    r->list.n_items = n;
    r->list.feature = r->feature;
    r->feature[0] = draw_feature(r->world, &r->random, 1);
    r->feature[1] = draw_feature(r->world, &r->random, 5);
    r->list.context = (struct list_entity){.first = 1, .n = 1};
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t hash = name_id((first + i * stride) % IDS, r->id[i]);
        r->item[i] = (struct list_item){
            .entity = {.id = r->id[i], .id_n = strlen(r->id[i]), .hash = hash, .n = i == 0}};
        r->which[i] = i;
    }
}

static bool run(struct reader *r, const struct source *source, const struct live_view *view,
                bool with_known, struct scorer *scorer)
{
    struct source from = *source;
    const struct assemble_source how = {
        .find = find, .context = &from, .known = with_known ? known : NULL};
    const struct rk_model_config *config = rk_model_config(r->world->model);
    const size_t n = r->list.n_items;
    struct rk_known_items items;
    struct rk_group group;
    size_t where;
    bool done;
    known_list_begin(&r->known, with_known ? view->known : NULL, config, n);
    done = assemble_group(&r->list, config, &how, r->which, n, false, &r->builder, &group, &where,
                          NULL) == RK_OK &&
           scorer_run(scorer, r->world->model, view->theta, &group,
                      known_list_items(&r->known, &items), n, NULL) == RK_OK;
    known_list_end(&r->known, done ? &group : NULL);
    r->n_known += from.n_known;
    return done;
}

/* A list with known items and without, with one version and one catalogue. */
static void score_both(struct reader *r)
{
    struct world *w = r->world;
    const struct catalogue_copy *copy = catalogue_read(&w->catalogue, r->slot);
    const struct live_view view = live_read(&w->live, r->slot);
    const struct source source = {.copy = copy, .known = &r->known};
    bool same;
    draw_list(r);
    same = run(r, &source, &view, true, &r->scorer) && run(r, &source, &view, false, &r->twin);
    for (size_t i = 0; i < r->list.n_items && same; i++) {
        same = memcmp(&r->scorer.head[i], &r->twin.head[i], sizeof(double)) == 0;
    }
    r->wrong += !same || r->scorer.fell_back;
    r->n_scored += r->list.n_items;
    live_done(&w->live, r->slot, &view);
    catalogue_done(&w->catalogue, r->slot, copy);
}

static void end_reader(struct reader *r)
{
    rk_group_builder_deinit(&r->builder);
    known_list_deinit(&r->known);
    scorer_deinit(&r->scorer);
    scorer_deinit(&r->twin);
}

/* ---- laws ---- */

static struct rk_model_config make_config(uint32_t dim, uint32_t bits, bool standardize)
{
    struct rk_model_config config;
    assert_ok(rk_model_default("fm", &config, NULL));
    config.dim = dim;
    config.features.bits = bits;
    config.standardize = standardize;
    return config;
}

/* One thing after the other, drawn at random. */
static void assert_twins(const struct rk_model_config *config, uint64_t seed)
{
    static struct world w;
    static struct reader r;
    open_world(&w, config, seed);
    r = (struct reader){.world = &w, .random = {seed}};
    for (uint32_t i = 0; i < IDS; i++) {
        change_item(&w, i, i % 10 == 0);
    }
    publish_all(&w);
    for (size_t i = 0; i < 3000; i++) {
        const uint32_t what = rk_random_below(&w.random, 100);
        if (what < 5) {
            change_item(&w, rk_random_below(&w.random, IDS), what == 0);
        } else if (what < 15) {
            publish_some(&w);
        } else if (what == 15 && i % 7 == 0) {
            publish_all(&w);
        } else {
            score_both(&r);
        }
    }
    print_message("%zu items scored, %zu known\n", r.n_scored, r.n_known);
    assert_int_equal(r.wrong, 0);
    assert_true(r.n_known > r.n_scored / 20);
    end_reader(&r);
    close_world(&w);
}

static void known_items_score_the_same_bits_whatever_changes(void **state)
{
    (void)state;
    struct rk_model_config config = make_config(16, 18, true);
    assert_twins(&config, 1);
    config = make_config(5, 14, false);
    assert_twins(&config, 2);
    config = make_config(20, 18, true);
    config.use_ids = false;
    assert_twins(&config, 3);
}

/* Few rows: features of an item meet in one, numbers with others too. */
static void features_that_share_a_row_do_too(void **state)
{
    (void)state;
    const struct rk_model_config config = make_config(4, 8, true);
    assert_twins(&config, 4);
}

static void columns_do_too(void **state)
{
    (void)state;
    struct rk_model_config config = make_config(8, 18, false);
    config.features = (struct rk_space){.kind = RK_INDEXED, .size = 4000};
    assert_twins(&config, 5);
}

static void *score_until_over(void *context)
{
    struct reader *r = context;
    while (!*r->over) {
        score_both(r);
    }
    return NULL;
}

static void readers_of_what_changes_score_the_same_bits(void **state)
{
    (void)state;
    static struct world w;
    static struct reader r[READERS];
    static _Atomic bool over;
    const struct rk_model_config config = make_config(16, 18, true);
    open_world(&w, &config, 6);
    for (uint32_t i = 0; i < IDS; i++) {
        change_item(&w, i, false);
    }
    publish_all(&w);
    over = false;
    for (size_t i = 0; i < READERS; i++) {
        r[i] = (struct reader){.world = &w, .slot = i + 1, .random = {i}, .over = &over};
        assert_int_equal(pthread_create(&r[i].thread, NULL, score_until_over, &r[i]), 0);
    }
    for (size_t i = 0; i < 500; i++) {
        publish_some(&w);
        change_item(&w, rk_random_below(&w.random, IDS), i % 5 == 0);
    }
    over = true;
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(r[i].thread, NULL), 0);
        assert_int_equal(r[i].wrong, 0);
        assert_true(r[i].n_scored > 0);
        end_reader(&r[i]);
    }
    close_world(&w);
}

/* Nothing is noted of what is not finite, and a claim is given back. */
static void what_is_not_finite_is_not_noted(void **state)
{
    (void)state;
    static struct world w;
    static struct reader r;
    const struct rk_model_config config = make_config(3, 8, false);
    open_world(&w, &config, 7);
    r = (struct reader){.world = &w, .random = {7}};
    for (uint32_t i = 0; i < IDS; i++) {
        change_item(&w, i, false);
    }
    draw_list(&r);
    for (size_t i = 0; i < rk_model_params(w.model); i++) {
        live_learning(&w.live)[i] = 1e38F;
    }
    live_publish_all(&w.live, 1);
    for (size_t turn = 0; turn < 2; turn++) {
        const struct live_view view = live_read(&w.live, 0);
        const struct source source = {catalogue_read(&w.catalogue, 0), &r.known, 0};
        struct source from = source;
        known_list_begin(&r.known, view.known, &config, r.list.n_items);
        for (size_t i = 0; i < r.list.n_items; i++) {
            const struct rk_feature *features;
            size_t n;
            assert_false(known(&from, i, &r.item[i].entity, &features, &n));
        }
        assert_int_not_equal(r.known.place[r.list.n_items - 1], KNOWN_NONE);
        known_list_end(&r.known, NULL);
        catalogue_done(&w.catalogue, 0, source.copy);
        live_done(&w.live, 0, &view);
    }
    end_reader(&r);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_items_score_the_same_bits_whatever_changes),
        cmocka_unit_test(features_that_share_a_row_do_too),
        cmocka_unit_test(columns_do_too),
        cmocka_unit_test(readers_of_what_changes_score_the_same_bits),
        cmocka_unit_test(what_is_not_finite_is_not_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
