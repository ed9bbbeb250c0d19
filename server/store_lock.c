/*
 * The lock that says "this process owns the file".
 *
 * It lies on a file of its own: closing any descriptor of the database itself would drop SQLite's
 * POSIX locks. The lock goes with the process, however it ends; the file stays, since removing it
 * would race with the next owner.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PID_TEXT_MAX 24

struct store_lock {
    int fd;
};

/* The owner's pid as it wrote it, or 0. */
static long read_owner(int fd)
{
    char text[PID_TEXT_MAX] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

static void write_owner(int fd)
{
    char text[PID_TEXT_MAX];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    bool written = ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
    (void)written; /* the pid only serves a message: a lock without it is as good */
}

static enum rk_status take(int fd, const char *path, struct rk_error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return RK_OK;
    }
    if (errno == EWOULDBLOCK) {
        return rk_fail(err, RK_BUSY, "process %ld holds %s", read_owner(fd), path);
    }
    return rk_fail(err, RK_IO, "cannot lock %s: %s", path, strerror(errno));
}

/* @param flags  of open. Where the file is not there and is not to be made, there is no lock. */
static enum rk_status lock_file(const char *path, int flags, struct store_lock **lock,
                                struct rk_error *err)
{
    enum rk_status status = RK_OK;
    struct store_lock *made = malloc(sizeof *made);
    size_t room = strlen(path) + sizeof ".lock";
    char *file = malloc(room);
    int fd = -1;

    if (made == NULL || file == NULL) {
        status = rk_fail(err, RK_NOMEM, "out of memory for the lock");
        goto out;
    }
    (void)snprintf(file, room, "%s.lock", path);
    fd = open(file, flags | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT && (flags & O_CREAT) == 0) {
        goto out;
    }
    if (fd < 0) {
        status = rk_fail(err, RK_IO, "cannot open %s: %s", file, strerror(errno));
        goto out;
    }
    status = take(fd, file, err);
    if (status == RK_OK) {
        made->fd = fd;
        *lock = made;
        made = NULL;
        fd = -1;
    }
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    free(file);
    free(made);
    return status;
}

enum rk_status store_lock(const char *path, struct store_lock **lock, struct rk_error *err)
{
    enum rk_status status = lock_file(path, O_RDWR | O_CREAT, lock, err);
    if (status == RK_OK) {
        write_owner((*lock)->fd);
    }
    return status;
}

enum rk_status store_lock_if_served(const char *path, struct store_lock **lock,
                                    struct rk_error *err)
{
    return lock_file(path, O_RDONLY, lock, err);
}

void store_unlock(struct store_lock **lock)
{
    if (*lock != NULL) {
        (void)close((*lock)->fd);
        free(*lock);
        *lock = NULL;
    }
}
