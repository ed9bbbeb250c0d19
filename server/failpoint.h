/*
 * Places where a test may have the process killed: RANKD_FAILPOINT=name:nth:kill sends SIGKILL to it
 * the nth time it comes to that place. A leaf, compiled in always; where none is set a place costs a
 * comparison.
 */
#ifndef RANKD_SERVER_FAILPOINT_H
#define RANKD_SERVER_FAILPOINT_H

#include <rankd/status.h>

/* enum suffix, name. One a point in time at which what is stored and what was said may differ. */
#define FAILPOINTS(X)                                                                              \
    X(REQUEST_READ, "request_read")                   /* whole, nothing done with it */            \
    X(BEFORE_BEGIN, "before_begin")                   /* the writer, with jobs in hand */          \
    X(AFTER_BEGIN, "after_begin")                     /* nothing written */                        \
    X(BEFORE_COMMIT, "before_commit")                 /* all written */                            \
    X(AFTER_COMMIT, "after_commit")                   /* nobody told */                            \
    X(BEFORE_ANSWER, "before_answer")                 /* made, not handed to the network */        \
    X(STEP_RECORDED, "step_recorded")                 /* committed, not published */               \
    X(PUBLISHED, "published")                         /* served */                                 \
    X(CHECKPOINT_CHUNK, "checkpoint_chunk")           /* one written, not committed */             \
    X(BEFORE_CHECKPOINT_ROW, "before_checkpoint_row") /* all chunks are there */                   \
    X(CHECKPOINT_STORED, "checkpoint_stored")         /* committed, nobody told */                 \
    X(MODEL_RECORDED, "model_recorded")               /* committed, not in the table */            \
    X(PAUSE_RECORDED, "pause_recorded")               /* or a resume: committed, not obeyed */     \
    X(CONFIG_RECORDED, "config_recorded")             /* committed, not learned by */              \
    X(ACTIVATION_RECORDED, "activation_recorded")     /* committed, not served */                  \
    X(IMPORT_RECORDED, "import_recorded")             /* committed, not served */                  \
    X(MIGRATION_COPIED, "migration_copied")           /* the copy is whole, nothing migrated */    \
    X(BEFORE_MIGRATION, "before_migration_commit")    /* a step done, not committed */             \
    X(STEP_REPEATED, "step_repeated")                 /* in recovery */                            \
    X(BACKUP_CHECKED, "backup_checked")               /* whole, without its name */                \
    X(DRAINED, "drained")                             /* all answered, the rest still runs */      \
    X(WAL_CHECKPOINT, "wal_checkpoint")               /* on closing, before it */

enum failpoint {
#define FAILPOINT_ENUM(name, text) FAILPOINT_##name,
    FAILPOINTS(FAILPOINT_ENUM)
#undef FAILPOINT_ENUM
    FAILPOINT_COUNT
};

/**
 * Arms a place. Once, before there are threads.
 *
 * @param text  "name:nth:kill" with nth from 1; NULL or "": none is set.
 * @return RK_OK; RK_INVALID: no such place, number or action.
 */
RK_MUST_CHECK enum rk_status failpoint_start(const char *text, struct rk_error *err);

/** The process is here; it may not come back. Threads: any. */
void failpoint(enum failpoint at);

/** "after_commit". */
const char *failpoint_text(enum failpoint at);

#endif
