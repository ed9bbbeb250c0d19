/*
 * Every allocation failing once: of each request, of a learning step of each kind of model, of a
 * start, a recovery, a backup, a check and a stop. Nothing crashes, nothing leaks, no answer is wrong, what was
 * acknowledged is there, and the next attempt without a failure works as ever.
 *
 * Of what takes long a part is tried, from a random offset on: at REL_SCALE=17 all but of a start on a
 * new file and of rounds of retention.
 *
 * Each part runs in a process of its own, so that a crash is counted and not the end.
 */
#include "json.h"
#include "log.h"
#include "oom_heap.h"
#include "oom_learning.h"
#include "oom_requests.h"
#include "oom_start.h"
#include "oom_stored.h"
#include "rel.h"
#include "test.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * In place of the C library's, for SQLite too: what is lost with the power is no matter here, and
 * waiting for the disk would take most of the time.
 */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static void requests(struct oom *oom)
{
    oom_service_make(oom);
    oom_requests(oom);
    oom_service_remove(oom);
}

static void (*const parts[])(struct oom *oom) = {requests, oom_learning, oom_stored, oom_start};

/* Runs one part in a process. */
static void run(void (*part)(struct oom *oom), const struct oom *start)
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        struct oom *oom = calloc(1, sizeof *oom);
        assert_non_null(oom);
        *oom = *start;
        heap_start();
        json_start();
        part(oom);
        free(oom);
        exit(EXIT_SUCCESS);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0) {
        start->counts->crash++;
        printf("ended with %d: %s, allocation %llu\n", status, start->counts->at,
               (unsigned long long)start->counts->point);
    }
}

int main(void)
{
    struct oom_counts *counts =
        mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct oom start = {.counts = counts};

    assert_true(counts != MAP_FAILED);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    log_start(getenv("RANKD_VERBOSE") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR + 1, false);
    start.random = rel_seed();
    start.stride = 1 + 1600 / rel_count("PERCENT", 100); /* 17; every point at REL_SCALE=17 */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        run(parts[i], &start);
    }
    printf("oom: scenarios=%llu points=%llu crash=%llu leak=%llu wrong=%llu resumed=%llu\n",
           (unsigned long long)counts->scenarios, (unsigned long long)counts->points,
           (unsigned long long)counts->crash, (unsigned long long)counts->leak,
           (unsigned long long)counts->wrong, (unsigned long long)counts->resumed);
    return counts->crash + counts->leak + counts->wrong == 0 && counts->resumed == counts->points
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}
