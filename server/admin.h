/*
 * A database without its server: the lock, a writer, and a trainer without a thread that does at once
 * what it is told, by the code that a server runs. For export, import and model.
 */
#ifndef RANKD_SERVER_ADMIN_H
#define RANKD_SERVER_ADMIN_H

#include "admin_options.h"
#include "emit.h"
#include "shell.h"
#include "trainer.h"

struct admin {
    const struct admin_options *options; /* borrowed */
    struct store_lock *lock;
    struct metrics *metrics;
    struct writer *writer;
    struct store *store; /* a reading connection */
    struct models models;
    struct trainer *trainer;
};

/**
 * Takes the lock and opens the database.
 *
 * @param model     recovered into the table if it is there; "" = none. Borrowed.
 * @param may_make  a database that is not there is made.
 * @return EX_OK; an exit code after one line on stderr. Close it in any case.
 */
int admin_open(const struct admin_options *options, const char *model, bool may_make,
               struct admin *admin);

/** Closes what is open; a zeroed one is accepted. */
void admin_close(struct admin *admin);

/** Has a command done. @return EX_OK; an exit code after one line on stderr. */
int admin_do(struct admin *admin, struct trainer_command *command);

/** The model of the options in the table, or NULL after one line on stderr: exit with EX_USAGE. */
const struct served *admin_model(const struct admin *admin);

/** Prints "rankd <command>: ..." on stderr. @return code. */
int admin_fail(const struct admin_options *options, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Reads a whole file. @param bytes  out, malloc'ed, with a zero byte behind its n.
 * @return EX_OK; an exit code after one line on stderr.
 */
int admin_read_file(const struct admin_options *options, const char *path, char **bytes, size_t *n);

#endif
