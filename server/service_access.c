/*
 * The tokens of a service: its first one, whether it may listen without, and what time asks for.
 */
#include "address.h"
#include "clock.h"
#include "log.h"
#include "service_impl.h"
#include "token_issue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USES_MAX  256
#define MINUTE_NS INT64_C(60000000000)

static bool is_reached(const char *text)
{
    struct addrinfo *address = NULL;
    bool reached;

    if (text[0] == '\0' || address_parse(text, &address, NULL) != RK_OK) {
        return false; /* what is no address cannot be listened on */
    }
    reached = !address_is_loopback(address);
    freeaddrinfo(address);
    return reached;
}

/* Can anyone from elsewhere do anything? */
static bool is_open(const struct service *service)
{
    const struct options *options = &service->options;

    return (is_reached(options->listen) || is_reached(options->ops_listen)) &&
           !access_has_tokens(service->access);
}

enum rk_status service_check_open(const struct service *service, struct rk_error *err)
{
    return is_open(service) && service->options.insecure_no_auth == 0
               ? rk_fail(err, RK_MISMATCH,
                         "it would listen beyond this machine without a token: make one with rankd "
                         "token create, give --token-file, or --insecure-no-auth")
               : RK_OK;
}

/* ---- once a minute ---- */

/* When tokens were used, on its way into the database; nobody waits for it. */
struct use_job {
    struct writer_job job;
    struct access_use use[USES_MAX];
    size_t n;
};

static enum rk_status use_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    const struct use_job *uses = (const struct use_job *)job;
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < uses->n && status == RK_OK; i++) {
        status = store_put_token_use(store, uses->use[i].kid, uses->use[i].minute, err);
    }
    return status;
}

static void use_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    (void)outcome;
    free(job);
}

static void tell_uses(struct service *service)
{
    struct use_job *uses = calloc(1, sizeof *uses);

    if (uses == NULL) {
        return;
    }
    *uses = (struct use_job){.job = {.run = use_run, .done = use_done, .weight = 1}, .n = USES_MAX};
    access_take_uses(service->access, uses->use, &uses->n);
    if (uses->n == 0 || !writer_submit(service->writer, &uses->job)) {
        free(uses);
    }
}

/* Has a minute gone by since? Then it begins anew. */
static bool is_minute_over(int64_t *since_ns)
{
    const int64_t now_ns = clock_monotonic_ns();

    if (*since_ns != 0 && now_ns - *since_ns < MINUTE_NS) {
        return false;
    }
    *since_ns = now_ns;
    return true;
}

void service_tend_access(struct service *service)
{
    const bool open = is_open(service);

    atomic_store(&service->metrics->is_open, open);
    access_refresh(service->access);
    if (is_minute_over(&service->uses_told_ns)) {
        tell_uses(service);
    }
    if (open && is_minute_over(&service->open_told_ns)) {
        log_warn("no_auth", log_text("hint", "everyone who reaches this server may do everything"));
    }
}

void service_end_access(struct service *service)
{
    if (service->writer != NULL && service->access != NULL) {
        tell_uses(service);
    }
}

/* ---- the first token ---- */

/* The token that a file brings. @return RK_OK; RK_NOTFOUND: no file; RK_MISMATCH: it holds none. */
static enum rk_status read_brought(const char *path, char text[TOKEN_TEXT], struct rk_error *err)
{
    char line[TOKEN_TEXT + 2] = "";
    FILE *file = fopen(path, "re");
    uint32_t kid;

    if (file == NULL) {
        return errno == ENOENT ? RK_NOTFOUND : rk_fail(err, RK_IO, "%s: %s", path, strerror(errno));
    }
    if (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
    }
    (void)fclose(file);
    if (!token_parse(line, strlen(line), &kid)) {
        return rk_fail(err, RK_MISMATCH, "%s holds no token: remove it and one is made", path);
    }
    memcpy(text, line, TOKEN_TEXT);
    return RK_OK;
}

/* Kept before it is valid: whoever starts again after a crash in between finds it brought. */
static enum rk_status make_kept(const char *path, char text[TOKEN_TEXT], struct rk_error *err)
{
    char line[TOKEN_TEXT + 1];
    uint32_t kid;

    if (!token_make(text, &kid)) {
        return rk_fail(err, RK_IO, "the system gives no random numbers");
    }
    (void)snprintf(line, sizeof line, "%s\n", text);
    return token_file_keep(path, line, strlen(line), err);
}

enum rk_status service_first_token(struct service *service, char made[TOKEN_TEXT],
                                   struct rk_error *err)
{
    const char *path = service->options.token_file;
    struct token token = {.name = "first", .grant.scopes = TOKEN_ALL_SCOPES};
    char text[TOKEN_TEXT] = "";
    enum rk_status status;

    made[0] = '\0';
    if (path[0] == '\0' || access_has_tokens(service->access)) {
        return RK_OK;
    }
    status = read_brought(path, text, err);
    if (status == RK_NOTFOUND) {
        status = make_kept(path, text, err);
        memcpy(made, text, TOKEN_TEXT);
    }
    if (status == RK_OK) {
        status = token_issue(service->options.db, &token, text, err);
    }
    access_refresh(service->access);
    return status;
}
