/*
 * Blocks of whole huge pages, or of whole cache lines where they are small.
 */
#include "large_block.h"

#include <rankd/model.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *large_block_alloc(size_t bytes)
{
    const size_t page = bytes >= HUGE_PAGE ? HUGE_PAGE : RK_CACHE_LINE;
    const size_t rounded = (bytes + page - 1) / page * page;
    void *block = aligned_alloc(page, rounded);

    if (block != NULL && page == HUGE_PAGE) {
        (void)madvise(block, rounded, MADV_HUGEPAGE); /* faster, or just as it was */
    }
    return block;
}
