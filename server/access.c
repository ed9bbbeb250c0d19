/*
 * Tokens in memory, in the order of their kids, each with what is left of its rates.
 */
#include "access.h"

#include "clock.h"
#include "log.h"
#include "token_file.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <xxhash.h>

#define PEERS     4096 /* places for addresses, which may share one */
#define BURST_S   2    /* a rate's burst, in seconds of it */
#define MINUTE_MS 60000

/* What is left of a rate; below 0 after something that is larger than its burst. */
struct bucket {
    double left;
    int64_t at_ns; /* 0: full */
};

struct pass {
    struct token token;
    struct bucket requests, events;
    int64_t used_minute, told_minute; /* 0 = never */
};

struct access {
    pthread_mutex_t lock;
    struct pass *pass; /* (n) by kid; guarded by lock, as all to the next blank line */
    size_t n;
    int64_t failures_minute;
    uint16_t failures[PEERS]; /* of that minute */

    _Atomic bool has_tokens;
    struct metrics *metrics;
    char *db;
    char *path;        /* of the file */
    struct stat facts; /* of the file as it was read; st_ino 0: there was none */
    uint64_t salt;     /* nobody can choose whom to share a place with */
};

/* ---- reading ---- */

static int by_kid(const void *a, const void *b)
{
    const uint32_t x = ((const struct pass *)a)->token.grant.kid;
    const uint32_t y = ((const struct pass *)b)->token.grant.kid;

    return (x > y) - (x < y);
}

/* @pre lock is held. */
static struct pass *find(const struct access *access, uint32_t kid)
{
    const struct pass wanted = {.token.grant.kid = kid};

    return access->n == 0 ? NULL
                          : bsearch(&wanted, access->pass, access->n, sizeof *access->pass, by_kid);
}

/* Takes a list over; what tokens that stay have used up stays. @return false: out of memory. */
static bool take_list(struct access *access, const struct token_list *list)
{
    struct pass *made = calloc(list->n > 0 ? list->n : 1, sizeof *made);
    struct pass *old;

    if (made == NULL) {
        return false;
    }
    pthread_mutex_lock(&access->lock);
    for (size_t i = 0; i < list->n; i++) {
        const struct pass *before = find(access, list->token[i].grant.kid);
        if (before != NULL) {
            made[i] = *before;
        }
        made[i].token = list->token[i];
    }
    qsort(made, list->n, sizeof *made, by_kid);
    old = access->pass;
    access->pass = made;
    access->n = list->n;
    pthread_mutex_unlock(&access->lock);
    atomic_store_explicit(&access->has_tokens, list->n > 0, memory_order_release);
    free(old);
    return true;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum rk_status read_tokens(struct access *access, struct rk_error *err)
{
    struct token_list list = {0};
    enum rk_status status = token_file_read(access->db, &list, err);

    if (status == RK_OK && !take_list(access, &list)) {
        status = rk_fail(err, RK_NOMEM, "out of memory for tokens");
    }
    if (status == RK_OK) {
        log_info("tokens", log_number("n", (int64_t)list.n));
    }
    token_list_deinit(&list);
    return status;
}

/* Nothing gets open because a file is gone. */
void access_refresh(struct access *access)
{
    struct stat facts = {0};
    struct rk_error err = {0};
    enum rk_status status;

    if (stat(access->path, &facts) != 0) {
        facts = (struct stat){0};
    }
    if (same_file(&facts, &access->facts)) {
        return;
    }
    status = read_tokens(access, &err);
    if (status != RK_OK) {
        log_warn("reload_failed", log_text("reason", err.text));
    }
    if (status != RK_NOMEM && status != RK_IO) { /* which pass */
        access->facts = facts;
    }
}

enum rk_status access_open(const char *db, struct metrics *metrics, struct access **access,
                           struct rk_error *err)
{
    struct access *made = calloc(1, sizeof *made);
    struct rk_error own = {0};
    enum rk_status status = RK_OK;

    if (made == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for tokens");
    }
    pthread_mutex_init(&made->lock, NULL);
    made->metrics = metrics;
    made->db = strdup(db);
    made->path = token_file_path(db);
    if (made->db == NULL || made->path == NULL ||
        getrandom(&made->salt, sizeof made->salt, 0) != (ssize_t)sizeof made->salt) {
        status = rk_fail(err, RK_NOMEM, "out of memory for tokens");
    } else if (stat(made->path, &made->facts) != 0) {
        made->facts = (struct stat){0};
    } else {
        status = read_tokens(made, &own);
        status = status == RK_OK ? RK_OK : rk_fail(err, status, "%s.tokens: %s", db, own.text);
    }
    if (status != RK_OK) {
        access_close(&made);
    } else {
        *access = made;
    }
    return status;
}

void access_close(struct access **access)
{
    struct access *closed = *access;

    if (closed == NULL) {
        return;
    }
    pthread_mutex_destroy(&closed->lock);
    free(closed->pass);
    free(closed->db);
    free(closed->path);
    free(closed);
    *access = NULL;
}

bool access_has_tokens(const struct access *access)
{
    return access != NULL && atomic_load_explicit(&access->has_tokens, memory_order_acquire);
}

/* ---- rates ---- */

/* Takes n of a rate. @return seconds to wait for them; 0: taken. */
static int take(struct bucket *bucket, int64_t per_s, double n, int64_t now_ns)
{
    const double burst = (double)per_s * BURST_S;
    const double needed = n < burst ? n : burst;

    if (per_s == 0) {
        return 0;
    }
    if (bucket->at_ns == 0) {
        bucket->left = burst;
    } else {
        bucket->left += (double)(now_ns - bucket->at_ns) / 1e9 * (double)per_s;
        bucket->left = bucket->left < burst ? bucket->left : burst;
    }
    bucket->at_ns = now_ns;
    if (bucket->left < needed) {
        return (int)ceil((needed - bucket->left) / (double)per_s);
    }
    bucket->left -= n;
    return 0;
}

/* ---- refusals ---- */

static bool refuse(struct access *access, uint32_t kid, enum metric_counter counter,
                   struct problem *problem)
{
    char text[TOKEN_KID_TEXT] = "none";

    if (kid != 0) {
        token_write_kid(kid, text);
    }
    metrics_add(access->metrics, counter, 1);
    log_warn("refused", log_text("reason", problem_slug(problem->kind)), log_text("token", text));
    return false;
}

bool access_refuse_model(struct access *access, const struct token_grant *grant,
                         struct problem *problem)
{
    problem_set(problem, PROBLEM_MODEL_NOT_ALLOWED, "the token is for other models");
    return refuse(access, grant->kid, METRIC_REFUSED_MODEL, problem);
}

static bool refuse_rate(struct access *access, uint32_t kid, int wait_s, struct problem *problem)
{
    problem->retry_after_s = wait_s;
    problem_set(problem, PROBLEM_RATE_LIMITED, "the token's rate is used up");
    return refuse(access, kid, METRIC_REFUSED_RATE, problem);
}

/* Counts a token that is none. @return false: the address has sent too many of them. @pre locked. */
static bool may_fail(struct access *access, uint64_t peer, int64_t minute)
{
    const uint64_t parts[] = {access->salt, peer};
    uint16_t *failures = &access->failures[XXH3_64bits(parts, sizeof parts) % PEERS];

    if (access->failures_minute != minute) {
        memset(access->failures, 0, sizeof access->failures);
        access->failures_minute = minute;
    }
    if (*failures >= ACCESS_FAILURES_PER_MINUTE) {
        return false;
    }
    (*failures)++;
    return true;
}

/* Missing, malformed, unknown, revoked, too early or late: one answer, which tells nobody which. */
static bool refuse_token(struct access *access, const struct access_request *request, bool given,
                         uint32_t kid, struct problem *problem)
{
    const int64_t now_ms = clock_unix_ms();
    bool counted = true;

    if (given) {
        pthread_mutex_lock(&access->lock);
        counted = may_fail(access, request->peer, now_ms / MINUTE_MS);
        pthread_mutex_unlock(&access->lock);
    }
    if (!counted) {
        problem->retry_after_s = (int)(60 - now_ms % MINUTE_MS / 1000);
        problem_set(problem, PROBLEM_AUTH_RATE_LIMITED,
                    "too many tokens that are not valid came from this address");
        return refuse(access, kid, METRIC_REFUSED_GUESSES, problem);
    }
    problem_set(problem, PROBLEM_INVALID_TOKEN, "send Authorization: Bearer and a valid token");
    return refuse(access, kid, METRIC_REFUSED_TOKEN, problem);
}

/* ---- the look-up ---- */

/* What a look-up found. */
struct finding {
    bool is_live;
    bool has_scope;
    int wait_s;
};

/* The same work whether the kid is known or not. @pre locked. */
static struct finding look_up(struct access *access, uint32_t kid,
                              const uint8_t sha256[STORE_SHA256_BYTES], enum token_scope scope,
                              struct token_grant *grant)
{
    static const struct pass nobody = {.token = {.revoked_s = 1}};
    const int64_t now_ms = clock_unix_ms();
    struct pass *known = find(access, kid);
    const struct token *token = known != NULL ? &known->token : &nobody.token;
    const bool same = token_same_hash(token->sha256, sha256);
    struct finding finding = {.is_live = token_is_live(token, now_ms / 1000) && same};

    if (finding.is_live && known != NULL) {
        *grant = token->grant;
        finding.has_scope = (grant->scopes & (unsigned)scope) != 0;
        known->used_minute = now_ms / MINUTE_MS;
    }
    if (finding.has_scope) {
        finding.wait_s = take(&known->requests, grant->requests_per_s, 1, clock_monotonic_ns());
    }
    return finding;
}

bool access_admit(struct access *access, const struct access_request *request,
                  struct token_grant *grant, struct problem *problem)
{
    uint8_t sha256[STORE_SHA256_BYTES];
    struct finding finding;
    uint32_t kid = 0;
    size_t n = 0;
    const char *text = token_of_header(request->authorization, &n);

    if (text == NULL || !token_parse(text, n, &kid)) {
        return refuse_token(access, request, request->authorization != NULL, 0, problem);
    }
    if (!token_hash(text, n, sha256)) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a checksum");
    }
    pthread_mutex_lock(&access->lock);
    finding = look_up(access, kid, sha256, request->scope, grant);
    pthread_mutex_unlock(&access->lock);
    if (!finding.is_live) {
        return refuse_token(access, request, true, kid, problem);
    }
    if (!finding.has_scope) {
        problem_set(problem, PROBLEM_INSUFFICIENT_SCOPE, "this needs a token with the scope %s",
                    token_scope_text(request->scope));
        return refuse(access, kid, METRIC_REFUSED_SCOPE, problem);
    }
    return finding.wait_s == 0 || refuse_rate(access, kid, finding.wait_s, problem);
}

bool access_take_events(struct access *access, const struct token_grant *grant, size_t n,
                        struct problem *problem)
{
    struct pass *pass;
    int wait_s = 0;

    if (access == NULL || grant->events_per_s == 0) {
        return true;
    }
    pthread_mutex_lock(&access->lock);
    pass = find(access, grant->kid);
    if (pass != NULL) {
        wait_s = take(&pass->events, grant->events_per_s, (double)n, clock_monotonic_ns());
    }
    pthread_mutex_unlock(&access->lock);
    return wait_s == 0 || refuse_rate(access, grant->kid, wait_s, problem);
}

void access_take_uses(struct access *access, struct access_use *uses, size_t *n)
{
    const size_t room = *n;

    *n = 0;
    pthread_mutex_lock(&access->lock);
    for (size_t i = 0; i < access->n && *n < room; i++) {
        struct pass *pass = &access->pass[i];
        if (pass->used_minute != pass->told_minute) {
            pass->told_minute = pass->used_minute;
            uses[(*n)++] = (struct access_use){pass->token.grant.kid, pass->used_minute};
        }
    }
    pthread_mutex_unlock(&access->lock);
}
