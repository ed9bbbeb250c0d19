/*
 * The backups' thread: waits for a job, makes it, tells.
 */
#include "backup.h"

#include "clock.h"
#include "failpoint.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_MAX 1024
#define PART       "in-the-making.part" /* no name that is asked for: one is made at a time */

struct backup {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct backup_job *job; /* guarded by lock: to do, or under way */
    bool stop;              /* guarded by lock */
    atomic_bool cancel;     /* what is under way */
    const char *db;
    struct metrics *metrics;
    char folder[FOLDER_MAX];
};

bool backup_name_is_good(const char *name)
{
    const size_t n = strlen(name);

    return n >= 1 && n <= BACKUP_NAME_MAX && name[0] != '.' && name[0] != '-' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n &&
           strcmp(name, PART) != 0;
}

/* ---- one backup ---- */

static void name_it(struct backup_job *job)
{
    const time_t seconds = (time_t)(job->time_ms / 1000);
    struct tm utc;
    char time[32];

    if (job->name[0] == '\0') {
        (void)gmtime_r(&seconds, &utc);
        (void)strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", &utc);
        (void)snprintf(job->name, sizeof job->name, "rankd-%s-%lld.db", time,
                       (long long)job->made.seq);
    }
}

static void write_path(const struct backup *b, const char *name, char path[BACKUP_PATH_MAX])
{
    (void)snprintf(path, BACKUP_PATH_MAX, "%s/%s", b->folder, name);
}

static bool is_there(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0;
}

/* @return false, with errno: the folder's name may not be on the disk. */
static bool sync_parent(const struct backup *b)
{
    char parent[FOLDER_MAX];
    bool synced;
    int fd, why;

    (void)snprintf(parent, sizeof parent, "%s", b->folder);
    fd = open(dirname(parent), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    synced = fsync(fd) == 0;
    why = errno;
    (void)close(fd);
    errno = why;
    return synced;
}

/* Makes the folder, and sees that it stays there. */
static enum rk_status make_folder(struct backup *b, struct backup_job *job, struct rk_error *err)
{
    if (mkdir(b->folder, 0700) == 0 ? sync_parent(b) : errno == EEXIST) {
        return RK_OK;
    }
    job->made.trouble = errno == ENOSPC ? STORE_FULL : STORE_FAILED;
    return rk_fail(err, RK_IO, "cannot make the folder %s: %s", b->folder, strerror(errno));
}

static enum rk_status make(struct backup *b, struct backup_job *job, struct rk_error *err)
{
    char part[BACKUP_PATH_MAX];
    enum rk_status status = make_folder(b, job, err);

    if (status != RK_OK) {
        return status;
    }
    write_path(b, job->name, job->path);
    if (job->name[0] != '\0' && is_there(job->path)) { /* before the work; it is looked at again */
        return rk_fail(err, RK_INVALID, "there is a file %s", job->path);
    }
    write_path(b, PART, part);
    status = store_backup(b->db, part, &b->cancel, &job->made, err);
    if (status != RK_OK) {
        return status;
    }
    name_it(job);
    write_path(b, job->name, job->path);
    failpoint(FAILPOINT_BACKUP_CHECKED);
    return store_backup_keep(part, job->path, &job->made, err);
}

static void make_and_tell(struct backup *b, struct backup_job *job)
{
    const int64_t start_ns = clock_monotonic_ns();

    job->time_ms = clock_unix_ms();
    (void)make(b, job, &job->err);
    job->took_ms = (clock_monotonic_ns() - start_ns) / 1000000;
    if (job->err.status == RK_OK) {
        metrics_add(b->metrics, METRIC_BACKUPS_DONE, 1);
        log_info("backup_done", log_text("path", job->path), log_number("seq", job->made.seq),
                 log_number("bytes", job->made.bytes), log_number("ms", job->took_ms));
    } else {
        metrics_add(b->metrics, METRIC_BACKUPS_FAILED, 1);
        log_error("backup_failed", log_text("reason", job->err.text));
    }
}

/* ---- the thread ---- */

static void *backup_thread(void *argument)
{
    struct backup *b = argument;

    for (;;) {
        struct backup_job *job;
        pthread_mutex_lock(&b->lock);
        while (b->job == NULL && !b->stop) {
            pthread_cond_wait(&b->change, &b->lock);
        }
        job = b->job;
        pthread_mutex_unlock(&b->lock);
        if (job == NULL) {
            return NULL;
        }
        make_and_tell(b, job);
        pthread_mutex_lock(&b->lock);
        b->job = NULL; /* who is told may send the next */
        pthread_mutex_unlock(&b->lock);
        job->done(job);
    }
}

static enum rk_status choose_folder(struct backup *b, const char *folder, struct rk_error *err)
{
    char db[FOLDER_MAX];
    int n = snprintf(db, sizeof db, "%s", b->db);

    if (n >= 0 && (size_t)n < sizeof db) {
        n = folder[0] != '\0' ? snprintf(b->folder, sizeof b->folder, "%s", folder)
                              : snprintf(b->folder, sizeof b->folder, "%s/backups", dirname(db));
    }
    return n >= 0 && (size_t)n < sizeof b->folder
               ? RK_OK
               : rk_fail(err, RK_TOOBIG, "the path of the folder of backups is too long");
}

enum rk_status backup_start(const char *db, const char *folder, struct metrics *metrics,
                            struct backup **backup, struct rk_error *err)
{
    struct backup *b = calloc(1, sizeof *b);
    enum rk_status status;

    if (b == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for backups");
    }
    b->db = db;
    b->metrics = metrics;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->change, NULL);
    status = choose_folder(b, folder, err);
    if (status == RK_OK && pthread_create(&b->thread, NULL, backup_thread, b) != 0) {
        status = rk_fail(err, RK_NOMEM, "cannot start the thread of backups");
    }
    if (status != RK_OK) {
        pthread_cond_destroy(&b->change);
        pthread_mutex_destroy(&b->lock);
        free(b);
        return status;
    }
    *backup = b;
    return RK_OK;
}

void backup_stop(struct backup **backup)
{
    struct backup *b = *backup;

    if (b == NULL) {
        return;
    }
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_signal(&b->change);
    pthread_mutex_unlock(&b->lock);
    atomic_store(&b->cancel, true);
    pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->change);
    pthread_mutex_destroy(&b->lock);
    free(b);
    *backup = NULL;
}

bool backup_submit(struct backup *backup, struct backup_job *job)
{
    bool taken;

    job->err = (struct rk_error){0};
    pthread_mutex_lock(&backup->lock);
    taken = backup->job == NULL && !backup->stop;
    if (taken) {
        backup->job = job;
        pthread_cond_signal(&backup->change);
    }
    pthread_mutex_unlock(&backup->lock);
    return taken;
}
