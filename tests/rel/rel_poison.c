/*
 * Poison by clicks: a token that is good for feedback sends fake clicks on one item that nobody clicks,
 * a tenth or half of all events, while honest users click what they like. How far does the item rise, with
 * the token's caps and without, against a model that only the honest ones taught? Without caps it has to
 * rise far, or nothing was tried.
 *   WORLDS=20 make rel-poison
 * Figures are means over some worlds, each with lists and clicks of its own. Time is the program's own:
 * ten events a second.
 */
#include "api_fixture.h"
#include "clock.h"
#include "rel.h"
#include "test.h"

#include <stdatomic.h>

#define USERS     40
#define CATALOGUE 60
#define TASTES    4
#define SHOWN     20
#define NOISE     5 /* one honest click in so many is on any item but the tail */
#define TAIL      0
#define WORLDS    4
#define WARM      3600 /* honest lists before */
#define LISTS     2400 /* with those of the attack */
#define LOOKS     10   /* lists a user, to see where the tail stands */
#define EVENT_MS  100
#define ROUND     16

/* Of 60 clicks a minute on 60 items, one an item: what a partner's token may be given. */
static const struct caps_rules caps = {.user_per_minute = 20, .item_per_minute = 1, .once = 1};

/* A model, and who teaches it. */
struct arm {
    const char *name;
    uint64_t attack; /* percent of the lists */
    bool capped;
    double lift_max, loss_max; /* mean rank of 20, share of NDCG; what may be */
    size_t sent, taken;        /* of fake clicks */
    double rank, ndcg;
};

static struct arm arms[] = {{"clean", 0, false, 0, 0, 0, 0, 0, 0},
                            {"capped10", 10, true, 1, 0.01, 0, 0, 0, 0},
                            {"capped50", 50, true, 3, 0.03, 0, 0, 0, 0},
                            {"control50", 50, false, 0, 0, 0, 0, 0, 0}};

#define ARMS (sizeof arms / sizeof *arms)

struct run {
    struct api_fixture *fixture;
    uint64_t random;
    size_t lists;
    int world;
    char *honest, *partner; /* headers */
};

static _Atomic int64_t now_ms;

/* Instead of the clock's, everywhere. */
int64_t __wrap_clock_unix_ms(void);
int64_t __wrap_clock_unix_ms(void)
{
    return atomic_load(&now_ms);
}

/* ---- lists and clicks ---- */

struct list {
    unsigned user;
    unsigned item[SHOWN];
};

static bool likes(unsigned user, unsigned item)
{
    return item != TAIL && item % TASTES == user % TASTES;
}

static struct list draw(struct run *run, bool with_tail)
{
    struct list list = {.user = (unsigned)rel_below(&run->random, USERS)};
    bool taken[CATALOGUE] = {false};
    int n = 0;

    if (with_tail) {
        list.item[n++] = TAIL;
        taken[TAIL] = true;
    }
    do { /* one is liked */
        list.item[n] = (unsigned)rel_below(&run->random, CATALOGUE);
    } while (!likes(list.user, list.item[n]));
    taken[list.item[n++]] = true;
    while (n < SHOWN) {
        const unsigned item = (unsigned)rel_below(&run->random, CATALOGUE);
        if (!taken[item]) {
            taken[item] = true;
            list.item[n++] = item;
        }
    }
    return list;
}

/* What an honest user clicks. */
static unsigned choose(struct run *run, const struct list *list)
{
    const bool noise = rel_below(&run->random, NOISE) == 0;
    unsigned item;

    do {
        item = list->item[rel_below(&run->random, SHOWN)];
    } while (item == TAIL || (!noise && !likes(list->user, item)));
    return item;
}

static const struct answer *score(struct run *run, const struct arm *arm, const struct list *list,
                                  const char *ranking)
{
    struct emit out = {0};
    const struct answer *answer;

    emit_format(&out, "{\"model\":\"%s-%d\",%s%s%s\"user\":{\"id\":\"u%u\"},\"items\":[", arm->name,
                run->world, ranking != NULL ? "\"ranking_id\":\"" : "\"log\":false,",
                ranking != NULL ? ranking : "", ranking != NULL ? "\"," : "", list->user);
    for (int i = 0; i < SHOWN; i++) {
        emit_format(&out, "%s\"i%u\"", i > 0 ? "," : "", list->item[i]);
    }
    emit_format(&out, "]}");
    answer = post(run->fixture, "/v1/score", out.text);
    assert_answered(answer, 200);
    emit_deinit(&out);
    return answer;
}

/* Sends clicks, if there are any. @return how many were accepted. */
static size_t click(struct run *run, const char *token, struct emit *events)
{
    size_t accepted = 0;

    if (events->length > 0) {
        run->fixture->authorization = token;
        const struct answer *answer = post_lines(run->fixture, "/v1/feedback", events->text);
        assert_answered(answer, 200);
        accepted = (size_t)integer_at(answer, "/accepted");
    }
    emit_deinit(events);
    return accepted;
}

static void add_click(struct emit *events, const char *ranking, unsigned item)
{
    emit_format(events, "{\"ranking_id\":\"%s\",\"item_id\":\"i%u\",\"type\":\"click\"}\n", ranking,
                item);
}

/* Some lists, then their clicks at once: a commit a round. */
static void send_round(struct run *run, struct arm *arm, uint64_t attack)
{
    struct emit honest = {0}, fake = {0};
    size_t n_honest = 0;

    run->fixture->authorization = run->honest;
    for (int i = 0; i < ROUND; i++) {
        const bool is_fake = rel_below(&run->random, 100) < attack;
        const struct list list = draw(run, is_fake);
        char ranking[32];
        (void)snprintf(ranking, sizeof ranking, "%s-%zu", arm->name, run->lists++);
        (void)score(run, arm, &list, ranking);
        add_click(is_fake ? &fake : &honest, ranking, is_fake ? TAIL : choose(run, &list));
        n_honest += !is_fake;
    }
    atomic_fetch_add(&now_ms, ROUND * EVENT_MS);
    arm->sent += ROUND - n_honest;
    assert_int_equal(click(run, run->honest, &honest), n_honest);
    arm->taken += click(run, arm->capped ? run->partner : run->honest, &fake);
    api_fixture_forget(run->fixture);
}

/* ---- what came of it ---- */

/* Where the tail stands, and how good the list without it is: of the same lists for every arm. */
static void look(struct run *run, struct arm *arm)
{
    run->random = 1;
    run->fixture->authorization = run->honest;
    for (int n = 0; n < USERS * LOOKS; n++) {
        const struct list list = draw(run, true);
        const struct answer *answer = score(run, arm, &list, NULL);
        double gain = 0, ideal = 0;
        int liked = 0;
        for (int r = 0; r < SHOWN; r++) {
            char pointer[32];
            (void)snprintf(pointer, sizeof pointer, "/items/%d/id", r);
            const unsigned item = (unsigned)atoi(text_at(answer, pointer) + 1);
            arm->rank += item == TAIL ? (double)(r + 1) / (USERS * LOOKS) : 0;
            gain += likes(list.user, item) ? 1 / log2(r + 2) : 0;
            liked += likes(list.user, item);
        }
        for (int r = 0; r < liked; r++) {
            ideal += 1 / log2(r + 2);
        }
        arm->ndcg += gain / ideal / (USERS * LOOKS);
        api_fixture_forget(run->fixture);
    }
}

static void teach(struct run *run, struct arm *arm, uint64_t seed)
{
    char name[32], path[64];

    run->random = seed;
    run->fixture->authorization = run->honest;
    (void)snprintf(name, sizeof name, "%s-%d", arm->name, run->world);
    (void)snprintf(path, sizeof path, "/v1/models/%s", name);
    assert_answered(put(run->fixture, path, "{\"kind\":\"fm\",\"features\":{\"bits\":12}}"), 201);
    for (size_t i = 0; i < WARM + LISTS; i += ROUND) {
        send_round(run, arm, i < WARM ? 0 : arm->attack);
    }
    run->fixture->authorization = run->honest;
    (void)train(run->fixture, name);
    look(run, arm);
    assert_answered(ask(run->fixture, "DELETE", path, NULL, NULL), 204);
}

/* @param n  worlds. */
static bool report(const struct arm *arm, double n)
{
    const double lift = (arms[0].rank - arm->rank) / n, loss = 1 - arm->ndcg / arms[0].ndcg;

    printf("poison: %s attack=%d%% fake=%zu taken=%zu rank=%.1f lift=%.1f ndcg=%.4f loss=%.2f%%\n",
           arm->name, (int)arm->attack, arm->sent, arm->taken, arm->rank / n, lift, arm->ndcg / n,
           100 * loss);
    return arm->lift_max > 0 ? lift <= arm->lift_max && loss <= arm->loss_max
                             : arm->attack == 0 || lift >= 8;
}

int main(void)
{
    struct token honest = {.name = "shop", .grant.scopes = TOKEN_ALL_SCOPES};
    struct token partner = {.name = "partner",
                            .grant = {.scopes = TOKEN_SCORE | TOKEN_FEEDBACK, .caps = caps}};
    const uint64_t seed = rel_seed();
    const int worlds = (int)rel_count("WORLDS", WORLDS);
    struct run run = {0};
    void *state = NULL;
    bool good = true;

    atomic_store(&now_ms, INT64_C(1800000000000));
    assert_int_equal(api_fixture_group(&state), 0);
    assert_int_equal(api_fixture_setup(&state), 0);
    run.fixture = state;
    run.honest = api_fixture_token(run.fixture, &honest);
    run.partner = api_fixture_token(run.fixture, &partner);
    for (; run.world < worlds; run.world++) {
        for (size_t i = 0; i < ARMS; i++) {
            teach(&run, &arms[i], seed + (uint64_t)run.world * 1000003);
        }
    }
    for (size_t i = 0; i < ARMS; i++) {
        good = report(&arms[i], worlds) && good;
    }
    free(run.honest);
    free(run.partner);
    (void)api_fixture_teardown(&state);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
