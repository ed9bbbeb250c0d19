/*
 * What the disk alone asks of those who wait: a writer without a database, whose syncs are those of
 * checkpoints that are stored while events stream in. What its clients wait, no server would save
 * them on that disk in that minute.
 */
#ifndef RANKD_PLAIN_WRITER_H
#define RANKD_PLAIN_WRITER_H

#include "temp_folder.h"
#include "waits.h"

#define PLAIN_WRITER_CLIENTS 4

/*
 * Stores so many bytes in the folder: a chunk a commit into a log, which is copied to the end of a
 * file whenever it is long. @param waits  added to: of clients, each of which waits for the first
 * commit that begins after it came, again and again.
 */
void plain_writer_store(const struct temp_folder *folder, size_t bytes, struct waits *waits);

#endif
