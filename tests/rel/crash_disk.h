/*
 * What a disk may hold after a power loss at a point of a record.
 *
 * What was synced before the point is there. Of what was written to a file after its last sync,
 * anything may be there: all, nothing, some of the writes, some of their sectors of 512 bytes; and
 * the file may be as long as they would make it with zeros in their place. Names made, changed or
 * removed after the folder's last sync may be so or as before.
 */
#ifndef RANKD_CRASH_DISK_H
#define RANKD_CRASH_DISK_H

#include "crash_vfs.h"

/* What becomes of what was not synced. */
enum crash_loss {
    CRASH_ALL_KEPT, /* as after a kill */
    CRASH_ALL_LOST,
    CRASH_LAST_TORN,    /* all kept, but for some sectors of the last write */
    CRASH_WRITES_LOST,  /* each write is there or not */
    CRASH_SECTORS_LOST, /* each sector of each write is there or not */
    CRASH_HOLES_LEFT,   /* the same, with zeros where a lost write would have made a file longer */
    CRASH_LOSSES
};

struct crash_disk;

/* A disk at the beginning of a record, which is borrowed and not changed any more. */
struct crash_disk *crash_disk_create(const struct crash_record *record);
void crash_disk_destroy(struct crash_disk **disk);

/* Goes on to a point: the operations before it were done. It only goes forward. */
void crash_disk_advance(struct crash_disk *disk, size_t position);

/* Makes a folder hold what the disk may hold, and nothing else. @param seed  of rel_below. */
void crash_disk_write(const struct crash_disk *disk, enum crash_loss loss, const char *folder,
                      uint64_t *seed);

#endif
