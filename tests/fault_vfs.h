/*
 * A VFS over the default one that fails when it is told to: the nth call that a kind of fault can
 * hit, once or from then on, or that hangs until it is let go. It stands in for all connections
 * opened between start and stop.
 */
#ifndef RANKD_FAULT_VFS_H
#define RANKD_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

/* enum suffix, name. */
#define FAULT_KINDS(X)                                                                             \
    X(IO, "eio")              /* any call: EIO */                                                  \
    X(FULL, "enospc")         /* opening, writing, mapping: ENOSPC */                              \
    X(SHORT, "short")         /* half is written, then ENOSPC */                                   \
    X(SYNC, "fsync")          /* nothing is synced: EIO */                                         \
    X(READ_ONLY, "read_only") /* opening, writing, truncating, removing: EROFS */                  \
    X(HANG, "hang")           /* a sync waits until fault_end */

enum fault_kind {
#define FAULT_ENUM(name, text) FAULT_##name,
    FAULT_KINDS(FAULT_ENUM)
#undef FAULT_ENUM
    FAULT_KIND_COUNT
};

/* "enospc". */
const char *fault_text(enum fault_kind kind);

/* Becomes the default VFS; stops being that, with no connection open. */
void fault_start(void);
void fault_stop(void);

/* Arms a fault. @param nth  among the calls it can hit, from 1. @param lasting  and all after it. */
void fault_arm(enum fault_kind kind, uint64_t nth, bool lasting);

/* No more faults; what hangs goes on. Threads: any. */
void fault_end(void);

/* Has the armed fault hit a call? Threads: any. */
bool fault_was_met(void);

/* How many calls a kind could have hit since fault_start. */
uint64_t fault_calls(enum fault_kind kind);

#endif
