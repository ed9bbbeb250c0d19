/*
 * What was acknowledged: requests whose answer said that an event or a batch is on stable storage,
 * kept so that they can be sent again and looked for in the file.
 */
#ifndef RANKD_LEDGER_H
#define RANKD_LEDGER_H

#include "http_client.h"

#include <pthread.h>
#include <sqlite3.h>

enum ledger_kind {
    LEDGER_EVENT,
    LEDGER_BATCH
};

#define LEDGER_ID_MAX 40

struct ledger_entry {
    enum ledger_kind kind;
    char id[LEDGER_ID_MAX]; /* event_id or batch_id, of no other entry */
    char *body;             /* the request, owned */
};

struct ledger {
    pthread_mutex_t lock;
    struct ledger_entry *entry; /* (n) guarded by lock */
    size_t n, room;             /* guarded by lock */
    size_t known;               /* so many were sent again; one thread's */
};

void ledger_init(struct ledger *ledger);
void ledger_deinit(struct ledger *ledger);

/* Takes down what was acknowledged. Threads: any. */
void ledger_add(struct ledger *ledger, enum ledger_kind kind, const char *id, const char *body);

size_t ledger_size(struct ledger *ledger);

/*
 * Sends what has not been sent again yet, up to the first `upto`: each has to be known as a
 * duplicate. Ends early where the server is gone. @return how many were lost.
 */
size_t ledger_send_again(struct ledger *ledger, struct http_client *http, size_t upto);

/* How many are not in the file? Sets up a temporary table. */
size_t ledger_missing(struct ledger *ledger, sqlite3 *db);

/* The same of the first entries alone. */
size_t ledger_missing_of(struct ledger *ledger, size_t first, sqlite3 *db);

#endif
