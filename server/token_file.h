/*
 * The file of tokens, <database>.tokens: a line a token, with hashes and no secrets. Only commands and
 * a first start write it, whole and synced before it gets its name, each under a lock of its own; a
 * server reads it.
 */
#ifndef RANKD_SERVER_TOKEN_FILE_H
#define RANKD_SERVER_TOKEN_FILE_H

#include "emit.h"
#include "token.h"

/* Zero it; free it with token_list_deinit. */
struct token_list {
    struct token *token; /* (n) in the order they were made */
    size_t n, room;
};

void token_list_deinit(struct token_list *list);

/** The token of a kid, or NULL. */
struct token *token_list_find(const struct token_list *list, uint32_t kid);

/** Adds one. @return NULL: out of memory. */
struct token *token_list_add(struct token_list *list);

/** The file's path: free it. NULL: out of memory. */
char *token_file_path(const char *db);

/**
 * Reads a text of the file. @param list  empty; empty after an error.
 * @return RK_OK; RK_CORRUPT with the line; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status token_file_parse(const char *text, size_t n, struct token_list *list,
                                              struct rk_error *err);

/** Writes the text that is read again as the same list. */
void token_file_write(const struct token_list *list, struct emit *out);

/**
 * Reads the file of a database.
 * @return as token_file_parse; RK_NOTFOUND: there is none; RK_IO.
 */
RK_MUST_CHECK enum rk_status token_file_read(const char *db, struct token_list *list,
                                             struct rk_error *err);

/**
 * Reads the file, or starts an empty one, has the list changed, and writes it; nobody else changes it
 * meanwhile.
 *
 * @param change  what it returns other than RK_OK leaves the file as it was.
 * @return as token_file_parse, or as change; RK_IO.
 */
RK_MUST_CHECK enum rk_status token_file_change(const char *db,
                                               enum rk_status (*change)(void *context,
                                                                        struct token_list *list,
                                                                        struct rk_error *err),
                                               void *context, struct rk_error *err);

/** Writes a new file that only its owner can read, synced. @return RK_OK; RK_IO. */
RK_MUST_CHECK enum rk_status token_file_keep(const char *path, const char *text, size_t n,
                                             struct rk_error *err);

#endif
