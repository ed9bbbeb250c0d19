/*
 * rankd eval: scores the lists of a file with the parameters a server would serve, and prints how
 * well their order fits the labels.
 */
#include "command.h"
#include "offline.h"

#include <sysexits.h>

static int measure(struct offline *offline, struct rk_eval_sum *sum)
{
    const struct live *live = &offline->served->live;
    const float *theta = live_version(live) > 0 ? live_served(live) : NULL;
    struct progress progress;
    struct rk_error err = {0};
    enum rk_status status = RK_OK;

    progress_start(&progress, "scoring", "lists", offline->data.n);
    for (size_t i = 0; i < offline->data.n && status == RK_OK; i++) {
        status = offline_measure(offline, theta, offline->data.group[i], sum, &err);
        progress_add(&progress, 1);
    }
    progress_end(&progress);
    return status == RK_OK
               ? EX_OK
               : offline_fail(offline->options, shell_exit_code(status), "%s", err.text);
}

static void write_json(const struct offline *offline, const struct rk_eval_sum *sum,
                       struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, offline->served->name);
    emit_key(out, "version");
    emit_integer(out, live_version(&offline->served->live));
    emit_key(out, "lists");
    emit_integer(out, (int64_t)offline->data.n);
    emit_key(out, "items");
    emit_integer(out, (int64_t)offline->data.items);
    emit_key(out, "unscored");
    emit_integer(out, (int64_t)offline->unscored);
    offline_emit_metrics(sum, out);
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

static void write_table(const struct offline *offline, const struct rk_eval_sum *sum,
                        struct emit *out)
{
    emit_format(out, "%-10s %s\n", "model", offline->served->name);
    emit_format(out, "%-10s %lld\n", "version", (long long)live_version(&offline->served->live));
    emit_format(out, "%-10s %zu\n", "lists", offline->data.n);
    emit_format(out, "%-10s %zu\n", "items", offline->data.items);
    offline_table_metrics(sum, out);
    if (offline->unscored > 0) {
        emit_format(out, "%llu lists are left out: a score is not finite\n",
                    (unsigned long long)offline->unscored);
    }
}

int command_eval(int argc, char *const *argv)
{
    struct offline_options options;
    struct offline offline = {0};
    struct rk_eval_sum sum = {0};
    struct emit out = {0};
    int code = offline_options_read("eval", argc, argv, &options);

    if (code != EX_OK) {
        return code;
    }
    if (options.help) {
        offline_options_help(&options);
        return EX_OK;
    }
    code = offline_open(&options, NULL, &offline);
    if (code == EX_OK) {
        code = offline_read(&offline);
    }
    if (code == EX_OK) {
        code = measure(&offline, &sum);
    }
    if (code == EX_OK) {
        (options.json ? write_json : write_table)(&offline, &sum, &out);
        code = shell_print(options.command, &out);
    }
    offline_close(&offline);
    return code;
}
