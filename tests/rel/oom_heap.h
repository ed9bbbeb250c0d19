/*
 * A heap that fails on demand and knows what is alive. The program that is linked with --wrap=malloc
 * and so on gets all memory of rankd's own code from it; SQLite and GnuTLS are told to. jansson takes
 * its memory through server/json.c. libmicrohttpd and the C library keep their own.
 */
#ifndef RANKD_OOM_HEAP_H
#define RANKD_OOM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Has SQLite and GnuTLS allocate here. Once a process, before either was used. */
void heap_start(void);

/*
 * From now on allocation number `nth` (from 0, of all threads) fails; @param lasting  and all after it.
 */
void heap_arm(size_t nth, bool lasting);

/* No allocation fails any more. @return how many did. */
size_t heap_disarm(void);

/* Allocations since it was armed. */
size_t heap_count(void);

/* Blocks of rankd's own code that are alive; and those of the libraries. */
size_t heap_live(void);
size_t heap_live_libraries(void);

/* Prints where the last allocation that failed was asked for, as an offset into the program. */
void heap_print_failed(void);

/* Remembers what is alive; prints where blocks were asked for that came after that and are alive. */
void heap_mark(void);
void heap_print_new(void);

#endif
