/*
 * The configuration table: every option with its flag, environment variable, default, range, unit
 * and text, once. It parses flags, then RANKD_* variables, then a KEY=value file, and prints itself
 * into --help and the README.
 */
#ifndef RANKD_SERVER_OPTIONS_H
#define RANKD_SERVER_OPTIONS_H

#include "emit.h"

#include <rankd/status.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * field, kind (TEXT, NUMBER, or SWITCH: a number whose flag needs no value), flag, default text, min, max, unit, help. The environment variable
 * is RANKD_ + FLAG in capitals with underscores; a configuration file has the same keys.
 */
#define OPTIONS(X)                                                                                 \
    X(db, TEXT, "db", "rankd.db", 0, 0, "path", "the SQLite file; its folder must be writable")    \
    X(listen, TEXT, "listen", "127.0.0.1:8080", 0, 0, "address:port",                              \
      "where the API answers; port 0 takes a free one")                                            \
    X(ops_listen, TEXT, "ops-listen", "", 0, 0, "address:port",                                    \
      "health and metrics on a listener of their own; empty = on the main one only")               \
    X(token_file, TEXT, "token-file", "", 0, 0, "path",                                            \
      "where a start without tokens finds its first one, or writes it")                            \
    X(insecure_no_auth, SWITCH, "insecure-no-auth", "0", 0, 1, "0 or 1",                           \
      "listen beyond this machine without any token")                                              \
    X(config, TEXT, "config", "", 0, 0, "path",                                                    \
      "a file of KEY=value lines, keys as in the environment")                                     \
    X(threads, NUMBER, "threads", "0", 0, 256, "threads", "HTTP workers; 0 = one a core")          \
    X(log_level, TEXT, "log-level", "info", 0, 0, "level", "debug, info, notice, warn or error")   \
    X(log_format, TEXT, "log-format", "logfmt", 0, 0, "format", "logfmt or json")                  \
    X(feedback_ttl_s, NUMBER, "feedback-ttl-s", "86400", 1, 31536000, "s",                         \
      "how long a ranking takes events")                                                           \
    X(checkpoint_s, NUMBER, "checkpoint-s", "60", 1, 86400, "s",                                   \
      "time between checkpoints of a model that learned")                                          \
    X(trainer_cpu_percent, NUMBER, "trainer-cpu-percent", "80", 1, 100, "percent",                 \
      "share of one core that learning may take; 100 = no limit")                                  \
    X(score_p99_ms, NUMBER, "score-p99-ms", "50", 0, 60000, "ms",                                  \
      "learning pauses while 1 % of score requests take longer; 0 = never")                        \
    X(log_days, NUMBER, "log-days", "30", 1, 36500, "days",                                        \
      "how long rankings, events and batches are kept")                                            \
    X(log_max_mib, NUMBER, "log-max-mib", "8192", 1, 1048576, "MiB",                               \
      "the log may have so much; then what is oldest goes earlier")                                \
    X(checkpoint_max_mib, NUMBER, "checkpoint-max-mib", "8192", 1, 1048576, "MiB",                 \
      "the stored versions that a model learned may have so much; the newest stays")               \
    X(backup_dir, TEXT, "backup-dir", "", 0, 0, "path",                                            \
      "where POST /v1/backup writes; empty = the folder backups beside the database")              \
    X(queue_jobs, NUMBER, "queue-jobs", "10000", 1, 1000000, "events",                             \
      "events and other writes waiting for the disk, then 503")                                    \
    X(queue_mib, NUMBER, "queue-mib", "64", 1, 4096, "MiB", "the same in bytes")                   \
    X(queue_rankings, NUMBER, "queue-rankings", "10000", 1, 1000000, "rankings",                   \
      "served rankings waiting for the disk, then they are not logged")                            \
    X(storage_wait_ms, NUMBER, "storage-wait-ms", "5000", 10, 600000, "ms",                        \
      "how long a write waits for the disk, then 503")                                             \
    X(storage_retry_ms, NUMBER, "storage-retry-ms", "1000", 10, 60000, "ms",                       \
      "how often storage that failed is tried again")                                              \
    X(body_pool_mib, NUMBER, "body-pool-mib", "64", 17, 65536, "MiB",                              \
      "request bodies in memory at once, then 503")                                                \
    X(model_max_mib, NUMBER, "model-max-mib", "4096", 1, 1048576, "MiB",                           \
      "largest parameter block of a model")                                                        \
    X(connections, NUMBER, "connections", "1024", 8, 1000000, "connections",                       \
      "open connections at once")

enum option_kind {
    OPTION_TEXT,
    OPTION_NUMBER,
    OPTION_SWITCH
};

#define OPTION_TEXT_MAX 1024

struct options {
#define OPTION_FIELD_TEXT(field)                                   char field[OPTION_TEXT_MAX];
#define OPTION_FIELD_NUMBER(field)                                 int64_t field;
#define OPTION_FIELD_SWITCH(field)                                 int64_t field;
#define OPTION_FIELD(field, kind, flag, def, min, max, unit, help) OPTION_FIELD_##kind(field)
    OPTIONS(OPTION_FIELD)
#undef OPTION_FIELD
#undef OPTION_FIELD_TEXT
#undef OPTION_FIELD_NUMBER
#undef OPTION_FIELD_SWITCH
};

/**
 * Fills options: defaults, then the file named by --config or RANKD_CONFIG, then the environment,
 * then flags ("--flag value" or "--flag=value"), so that the most explicit wins.
 *
 * @param argc, argv  what follows the subcommand.
 * @param err         which option is wrong, where it stood, and what it takes.
 * @return RK_OK; RK_INVALID; RK_IO: the file cannot be read.
 */
RK_MUST_CHECK enum rk_status options_read(struct options *options, int argc, char *const *argv,
                                          struct rk_error *err);

/** Writes the table for --help. */
void options_help(struct emit *out);

/** Writes the README's table (Markdown): flag, environment variable, default, unit, meaning. */
void options_markdown(struct emit *out);

/** Writes all values to the log as one line at start-up. */
void options_log(const struct options *options);

#endif
