/*
 * The file of tokens on the disk: read whole; written beside itself, synced and renamed.
 */
#include "token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX ((size_t)16 << 20)

static char *path_beside(const char *path, const char *ending)
{
    const size_t n = strlen(path) + strlen(ending) + 1;
    char *made = malloc(n);

    if (made != NULL) {
        (void)snprintf(made, n, "%s%s", path, ending);
    }
    return made;
}

char *token_file_path(const char *db)
{
    return path_beside(db, ".tokens");
}

static enum rk_status read_all(const char *path, char **text, size_t *n, struct rk_error *err)
{
    FILE *file = fopen(path, "re");
    char *bytes;

    if (file == NULL) {
        return rk_fail(err, errno == ENOENT ? RK_NOTFOUND : RK_IO, "%s: %s", path, strerror(errno));
    }
    bytes = malloc(BYTES_MAX);
    if (bytes == NULL) {
        (void)fclose(file);
        return rk_fail(err, RK_NOMEM, "out of memory for tokens");
    }
    *n = fread(bytes, 1, BYTES_MAX, file);
    if (ferror(file) || *n == BYTES_MAX) {
        (void)fclose(file);
        free(bytes);
        return rk_fail(err, RK_IO, "%s cannot be read, or is too large", path);
    }
    (void)fclose(file);
    *text = bytes;
    return RK_OK;
}

static enum rk_status read_path(const char *path, struct token_list *list, struct rk_error *err)
{
    char *text = NULL;
    size_t n = 0;
    enum rk_status status = read_all(path, &text, &n, err);

    if (status == RK_OK) {
        status = token_file_parse(text, n, list, err);
    }
    free(text);
    return status;
}

enum rk_status token_file_read(const char *db, struct token_list *list, struct rk_error *err)
{
    char *path = token_file_path(db);
    enum rk_status status = path != NULL ? read_path(path, list, err)
                                         : rk_fail(err, RK_NOMEM, "out of memory for a path");

    free(path);
    return status;
}

static bool write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        const ssize_t written = write(fd, text, n);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        text += written > 0 ? written : 0;
        n -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool sync_folder(const char *path)
{
    char *copy = strdup(path);
    const int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_CLOEXEC) : -1;
    const bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    free(copy);
    return synced;
}

/*
 * Root makes tokens for a server that runs as another: who owns the folder has to be able to read
 * and change them. That it may not be given away is no failure.
 */
static void give_to_owner(int fd, const char *path)
{
    char *copy = strdup(path);
    struct stat folder;

    if (copy != NULL && geteuid() == 0 && stat(dirname(copy), &folder) == 0) {
        const int given = fchown(fd, folder.st_uid, folder.st_gid);
        (void)given;
    }
    free(copy);
}

enum rk_status token_file_keep(const char *path, const char *text, size_t n, struct rk_error *err)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool kept;

    if (fd >= 0) {
        give_to_owner(fd, path);
    }
    kept = fd >= 0 && write_all(fd, text, n) && fsync(fd) == 0;
    kept = fd >= 0 && close(fd) == 0 && kept && sync_folder(path);
    if (!kept) {
        const int code = errno;
        if (fd >= 0) {
            (void)unlink(path);
        }
        return rk_fail(err, RK_IO, "%s cannot be written: %s", path, strerror(code));
    }
    return RK_OK;
}

static enum rk_status write_path(const char *path, const struct token_list *list,
                                 struct rk_error *err)
{
    struct emit out = {0};
    char *part = path_beside(path, ".part");
    enum rk_status status = RK_OK;

    token_file_write(list, &out);
    if (part == NULL || out.failed) {
        status = rk_fail(err, RK_NOMEM, "out of memory for tokens");
        goto out;
    }
    (void)unlink(part); /* of a write that was cut off */
    status = token_file_keep(part, out.text, out.length, err);
    if (status == RK_OK && (rename(part, path) != 0 || !sync_folder(path))) {
        status = rk_fail(err, RK_IO, "%s cannot be written: %s", path, strerror(errno));
    }
out:
    emit_deinit(&out);
    free(part);
    return status;
}

/* The lock is on a file of its own, since the file itself is replaced. @return -1: err says why. */
static int lock_path(const char *path, struct rk_error *err)
{
    char *lock = path_beside(path, ".lock");
    const int fd = lock != NULL ? open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        (void)rk_fail(err, RK_IO, "%s.lock: %s", path, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        free(lock);
        return -1;
    }
    give_to_owner(fd, path);
    free(lock);
    return fd;
}

enum rk_status token_file_change(const char *db,
                                 enum rk_status (*change)(void *context, struct token_list *list,
                                                          struct rk_error *err),
                                 void *context, struct rk_error *err)
{
    char *path = token_file_path(db);
    struct token_list list = {0};
    struct rk_error own = {0};
    const int lock = path != NULL ? lock_path(path, err) : -1;
    enum rk_status status;

    if (lock < 0) {
        free(path);
        return path != NULL ? RK_IO : rk_fail(err, RK_NOMEM, "out of memory for a path");
    }
    status = read_path(path, &list, &own);
    status = status == RK_NOTFOUND ? RK_OK
             : status != RK_OK     ? rk_fail(err, status, "%s", own.text)
                                   : RK_OK;
    if (status == RK_OK) {
        status = change(context, &list, err);
    }
    if (status == RK_OK) {
        status = write_path(path, &list, err);
    }
    token_list_deinit(&list);
    (void)close(lock);
    free(path);
    return status;
}
