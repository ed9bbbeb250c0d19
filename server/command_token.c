/*
 * rankd token: who may use a server. Works on the file of tokens beside the database, which a server
 * reads again within a second; so it needs none, and may be used while one runs.
 */
#include "clock.h"
#include "command.h"
#include "flags.h"
#include "shell.h"
#include "store_registry.h"
#include "token_issue.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define RATE_MAX INT64_C(1000000000)

struct token_options {
    const char *word;
    const char *db, *scope, *name, *expires, *not_before, *models, *kid;
    struct token_grant limits; /* of which rates and caps are set */
    bool once, json, help;
};

#define AT(field) offsetof(struct token_options, field)

static const struct flag table[] = {
    {"db", "FILE", FLAG_TEXT, AT(db), 0, 0, 1, 1, "the SQLite file; a server may have it open"},
    {"name", "NAME", FLAG_TEXT, AT(name), 0, 0, 1, 0,
     "whose token it is; two may have the same name, so that one can follow the other"},
    {"scope", "SCOPES", FLAG_TEXT, AT(scope), 0, 0, 1, 0,
     "of score, feedback, metrics, admin: one or more, with commas"},
    {"models", "NAMES", FLAG_TEXT, AT(models), 0, 0, 1, 0,
     "the models it is for, with commas (else all)"},
    {"expires", "TIME", FLAG_TEXT, AT(expires), 0, 0, 1, 0, "after 90d, 12h or 30m; never without"},
    {"not-before", "TIME", FLAG_TEXT, AT(not_before), 0, 0, 1, 0,
     "it cannot be used before, counted from now: 1d, 12h or 30m"},
    {"requests-per-s", "N", FLAG_WHOLE, AT(limits.requests_per_s), 1, RATE_MAX, 1, 0,
     "more is answered 429; twice as many at once"},
    {"events-per-s", "N", FLAG_WHOLE, AT(limits.events_per_s), 1, RATE_MAX, 1, 0,
     "the same of feedback's events"},
    {"events-per-minute", "N", FLAG_WHOLE, AT(limits.caps.events_per_minute), 1, RATE_MAX, 1, 0,
     "events of more are answered capped, and not learned from"},
    {"user-per-minute", "N", FLAG_WHOLE, AT(limits.caps.user_per_minute), 1, RATE_MAX, 1, 0,
     "the same of one user's events"},
    {"item-per-minute", "N", FLAG_WHOLE, AT(limits.caps.item_per_minute), 1, RATE_MAX, 1, 0,
     "the same of events on one item"},
    {"once", NULL, FLAG_SWITCH, AT(once), 0, 0, 1, 0,
     "an item of a ranking takes one event of a type, others are capped"},
    {"kid", "KID", FLAG_TEXT, AT(kid), 0, 0, 1, 0, "revoke: the one of this kid"},
    {"json", NULL, FLAG_SWITCH, AT(json), 0, 0, 1, 0, "print JSON"},
    {"help", NULL, FLAG_SWITCH, AT(help), 0, 0, 1, 0, "print this"},
};

static const struct flags flags = {"token", 1, table, sizeof table / sizeof *table};

static int fail(const struct rk_error *err)
{
    return shell_say("token", shell_exit_code(err->status), "%s", err->text);
}

static int usage(const char *what)
{
    return shell_say("token", EX_USAGE, "%s (see rankd token --help)", what);
}

/* ---- create ---- */

/* "90d", "12h", "30m" or "45s" from now; NULL: 0. */
static bool read_span(const char *text, int64_t *time_s)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    const size_t n = text != NULL ? strspn(text, "0123456789") : 0;
    const char *unit = n > 0 && text[n] != '\0' ? strchr(units, text[n]) : NULL;
    int64_t number = 0;

    *time_s = 0;
    if (text == NULL) {
        return true;
    }
    if (unit == NULL || n > 6 || text[n + 1] != '\0') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        number = number * 10 + (text[i] - '0');
    }
    *time_s = clock_unix_ms() / 1000 + number * seconds[unit - units];
    return number > 0;
}

static int read_token(const struct token_options *options, struct token *token)
{
    *token = (struct token){.grant = options->limits};
    if (options->name == NULL || !token_name_valid(options->name)) {
        return usage("--name takes 1 to 64 letters, digits, '.', '_' and '-'");
    }
    memcpy(token->name, options->name, strlen(options->name) + 1);
    if (options->scope == NULL || !token_read_scopes(options->scope, &token->grant.scopes)) {
        return usage("--scope takes score, feedback, metrics and admin, with commas");
    }
    if (options->models != NULL && !token_read_models(options->models, &token->grant)) {
        return usage("--models takes up to 16 names of models, with commas");
    }
    if (!read_span(options->expires, &token->expires_s) ||
        !read_span(options->not_before, &token->not_before_s)) {
        return usage("--expires and --not-before take a number and s, m, h or d");
    }
    if (token->expires_s != 0 && token->expires_s <= token->not_before_s) {
        return usage("it would expire before it can be used");
    }
    token->grant.caps.once = options->once ? 1 : 0;
    return EX_OK;
}

static int create(const struct token_options *options)
{
    struct rk_error err = {0};
    struct emit out = {0};
    struct token token;
    char text[TOKEN_TEXT] = "", kid[TOKEN_KID_TEXT];
    int code = read_token(options, &token);

    if (code != EX_OK) {
        return code;
    }
    if (token_issue(options->db, &token, text, &err) != RK_OK) {
        return fail(&err);
    }
    token_write_kid(token.grant.kid, kid);
    if (options->json) {
        emit_open(&out, '{');
        emit_key(&out, "kid");
        emit_string(&out, kid);
        emit_key(&out, "token");
        emit_string(&out, text);
        emit_close(&out, '}');
        emit_raw(&out, "\n", 1);
    } else {
        emit_format(&out, "%s\n", text);
        (void)fprintf(stderr, "This is the token %s of %s. It is not shown again.\n", kid,
                      token.name);
    }
    return shell_print("token", &out);
}

/* ---- list ---- */

static const char *state_of(const struct token *token, int64_t now_s)
{
    return token->revoked_s != 0         ? "revoked"
           : token_is_live(token, now_s) ? "live"
           : token->not_before_s > now_s ? "later"
                                         : "expired";
}

static void write_time(struct emit *out, const char *key, int64_t time_s)
{
    emit_key(out, key);
    if (time_s > 0) {
        emit_time(out, time_s * 1000);
    } else {
        emit_null(out);
    }
}

static void write_number(struct emit *out, const char *key, int64_t number)
{
    if (number != 0) {
        emit_key(out, key);
        emit_integer(out, number);
    }
}

static void write_names(const struct token_grant *grant, struct emit *out)
{
    emit_key(out, "scopes");
    emit_open(out, '[');
    for (unsigned bit = 1; bit < TOKEN_ALL_SCOPES; bit <<= 1) {
        if ((grant->scopes & bit) != 0) {
            emit_string(out, token_scope_text((enum token_scope)bit));
        }
    }
    emit_close(out, ']');
    emit_key(out, "models");
    emit_open(out, '[');
    for (size_t i = 0; i < grant->n_models; i++) {
        emit_string(out, grant->model[i]);
    }
    emit_close(out, ']');
}

static void write_json(const struct token *token, const char *state, int64_t used_s,
                       struct emit *out)
{
    const struct token_grant *grant = &token->grant;
    char kid[TOKEN_KID_TEXT];

    token_write_kid(grant->kid, kid);
    emit_open(out, '{');
    emit_key(out, "kid");
    emit_string(out, kid);
    emit_key(out, "name");
    emit_string(out, token->name);
    emit_key(out, "state");
    emit_string(out, state);
    write_names(grant, out);
    write_time(out, "created", token->created_s);
    write_time(out, "not_before", token->not_before_s);
    write_time(out, "expires", token->expires_s);
    write_time(out, "revoked", token->revoked_s);
    write_time(out, "last_used", used_s);
    write_number(out, "requests_per_s", grant->requests_per_s);
    write_number(out, "events_per_s", grant->events_per_s);
    write_number(out, "events_per_minute", grant->caps.events_per_minute);
    write_number(out, "user_per_minute", grant->caps.user_per_minute);
    write_number(out, "item_per_minute", grant->caps.item_per_minute);
    write_number(out, "once", grant->caps.once);
    emit_close(out, '}');
}

static void write_day(struct emit *out, const char *none, int64_t time_s)
{
    struct emit text = {0};

    if (time_s > 0) {
        emit_time(&text, time_s * 1000);
    }
    emit_format(out, "  %-16.16s", time_s > 0 && text.text != NULL ? text.text + 1 : none);
    emit_deinit(&text);
}

static void write_line(const struct token *token, const char *state, int64_t used_s,
                       struct emit *out)
{
    char kid[TOKEN_KID_TEXT], scopes[TOKEN_SCOPES_TEXT];

    token_write_kid(token->grant.kid, kid);
    token_write_scopes(token->grant.scopes, scopes);
    emit_format(out, "%s  %-16s  %-8s", kid, token->name, state);
    write_day(out, "never", token->expires_s);
    write_day(out, "-", used_s);
    emit_format(out, "  %s", scopes);
    for (size_t i = 0; i < token->grant.n_models; i++) {
        emit_format(out, "%s%s", i == 0 ? " of " : ",", token->grant.model[i]);
    }
    emit_raw(out, "\n", 1);
}

static void write_list(const struct token_options *options, const struct token_list *list,
                       struct store *store, struct emit *out)
{
    const int64_t now_s = clock_unix_ms() / 1000;

    if (options->json) {
        emit_open(out, '[');
    } else {
        emit_format(out, "%-8s  %-16s  %-8s  %-16s  %-16s  %s\n", "kid", "name", "state", "expires",
                    "last used", "scopes");
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct token *token = &list->token[i];
        int64_t minute = 0;
        if (store != NULL && store_get_token_use(store, token->grant.kid, &minute, NULL) != RK_OK) {
            minute = 0;
        }
        (options->json ? write_json : write_line)(token, state_of(token, now_s), minute * 60, out);
    }
    if (options->json) {
        emit_close(out, ']');
        emit_raw(out, "\n", 1);
    }
}

static int list_tokens(const struct token_options *options)
{
    struct token_list list = {0};
    struct store *store = NULL;
    struct rk_error err = {0}, none = {0};
    struct emit out = {0};
    const enum rk_status status = token_file_read(options->db, &list, &err);

    if (status != RK_OK && status != RK_NOTFOUND) {
        return fail(&err);
    }
    /* Where the database is not there, or not migrated, all is told but the last uses. */
    if (access(options->db, F_OK) == 0 && store_open_reader(options->db, &store, &none) != RK_OK) {
        store = NULL;
    }
    write_list(options, &list, store, &out);
    store_close(&store);
    token_list_deinit(&list);
    return shell_print("token", &out);
}

/* ---- revoke ---- */

static int revoke_tokens(const struct token_options *options)
{
    const char *which = options->kid != NULL ? options->kid : options->name;
    struct rk_error err = {0};
    size_t n = 0;

    if (which == NULL || (options->kid != NULL && options->name != NULL)) {
        return usage("revoke needs --kid, or --name for all of a name");
    }
    if (token_revoke(options->db, which, &n, &err) != RK_OK) {
        return fail(&err);
    }
    (void)printf("revoked %zu\n", n);
    return EX_OK;
}

static int help(void)
{
    (void)printf("usage: rankd token create|list|revoke --db FILE [options]\n\n"
                 "create needs --name and --scope and prints the token, which is not kept;\n"
                 "revoke needs --kid or --name\n\n");
    flags_print(&flags);
    return EX_OK;
}

int command_token(int argc, char *const *argv)
{
    struct token_options options = {0};
    const int code = flags_read(&flags, argc, argv, &options, &options.word);

    if (code != EX_OK) {
        return code;
    }
    if (options.help) {
        return help();
    }
    (void)umask(077);
    if (options.word != NULL && strcmp(options.word, "create") == 0) {
        return create(&options);
    }
    if (options.word != NULL && strcmp(options.word, "list") == 0) {
        return list_tokens(&options);
    }
    if (options.word != NULL && strcmp(options.word, "revoke") == 0) {
        return revoke_tokens(&options);
    }
    return usage("create, list or revoke is missing");
}
