/*
 * Every call asks first whether it is to fail, and goes to the VFS below if not.
 */
#include "fault_vfs.h"

#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* What a call does, for the kinds that can hit it. */
enum call {
    CALL_READ = 1,  /* or locks or looks: nothing that changes a file */
    CALL_OPEN = 2,  /* may make it */
    CALL_WRITE = 4, /* needs room */
    CALL_CUT = 8,   /* truncates or removes */
    CALL_SYNC = 16,
    CALL_MAP = 32 /* needs room */
};

static const struct {
    const char *text;
    unsigned calls; /* that it can hit */
    int system_code;
} facts_of[FAULT_KIND_COUNT] = {
    [FAULT_IO] = {"eio", CALL_READ | CALL_OPEN | CALL_WRITE | CALL_CUT | CALL_SYNC | CALL_MAP, EIO},
    [FAULT_FULL] = {"enospc", CALL_OPEN | CALL_WRITE | CALL_MAP, ENOSPC},
    [FAULT_SHORT] = {"short", CALL_WRITE, ENOSPC},
    [FAULT_SYNC] = {"fsync", CALL_SYNC, EIO},
    [FAULT_READ_ONLY] = {"read_only", CALL_OPEN | CALL_WRITE | CALL_CUT, EROFS},
    [FAULT_HANG] = {"hang", CALL_SYNC, 0},
};

/* Of the process, as the VFS is. */
static sqlite3_vfs vfs;
static sqlite3_vfs *below;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static struct {
    enum fault_kind kind;
    bool armed, lasting, met;
    uint64_t left; /* calls until it hits */
} fault;           /* guarded by lock */
static _Atomic uint64_t counts[FAULT_KIND_COUNT];

struct faulty {
    sqlite3_file base;
    sqlite3_file *file; /* of the VFS below; behind it */
};

const char *fault_text(enum fault_kind kind)
{
    return facts_of[kind].text;
}

void fault_arm(enum fault_kind kind, uint64_t nth, bool lasting)
{
    pthread_mutex_lock(&lock);
    fault.kind = kind;
    fault.left = nth;
    fault.lasting = lasting;
    fault.met = false;
    fault.armed = true;
    pthread_mutex_unlock(&lock);
}

void fault_end(void)
{
    pthread_mutex_lock(&lock);
    fault.armed = false;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}

bool fault_was_met(void)
{
    bool met;

    pthread_mutex_lock(&lock);
    met = fault.met;
    pthread_mutex_unlock(&lock);
    return met;
}

uint64_t fault_calls(enum fault_kind kind)
{
    return atomic_load(&counts[kind]);
}

/* Does a call fail, and of what? A hang is over when this returns. */
static bool fails(enum call call, enum fault_kind *kind)
{
    bool hit;

    for (size_t i = 0; i < FAULT_KIND_COUNT; i++) {
        if ((facts_of[i].calls & (unsigned)call) != 0) {
            atomic_fetch_add(&counts[i], 1);
        }
    }
    pthread_mutex_lock(&lock);
    hit = fault.armed && (facts_of[fault.kind].calls & (unsigned)call) != 0;
    if (hit && fault.left > 1) {
        fault.left--;
        hit = false;
    }
    if (hit) {
        fault.met = true;
        *kind = fault.kind;
        while (fault.kind == FAULT_HANG && fault.armed) {
            pthread_cond_wait(&change, &lock);
        }
        fault.armed = fault.armed && fault.lasting;
        hit = *kind != FAULT_HANG;
    }
    pthread_mutex_unlock(&lock);
    if (hit) {
        errno = facts_of[*kind].system_code; /* where the VFS below looks for its last error */
    }
    return hit;
}

/* ---- files ---- */

static sqlite3_file *under(sqlite3_file *file)
{
    return ((struct faulty *)file)->file;
}

static int file_close(sqlite3_file *file)
{
    return under(file)->pMethods->xClose(under(file));
}

static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 offset)
{
    enum fault_kind kind;
    return fails(CALL_READ, &kind) ? SQLITE_IOERR_READ
                                   : under(file)->pMethods->xRead(under(file), to, n, offset);
}

static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
    enum fault_kind kind;
    if (!fails(CALL_WRITE, &kind)) {
        return under(file)->pMethods->xWrite(under(file), from, n, offset);
    }
    if (kind == FAULT_SHORT) {
        (void)under(file)->pMethods->xWrite(under(file), from, n / 2, offset);
    }
    return kind == FAULT_FULL || kind == FAULT_SHORT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    enum fault_kind kind;
    return fails(CALL_CUT, &kind) ? SQLITE_IOERR_TRUNCATE
                                  : under(file)->pMethods->xTruncate(under(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    enum fault_kind kind;
    return fails(CALL_SYNC, &kind) ? SQLITE_IOERR_FSYNC
                                   : under(file)->pMethods->xSync(under(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    enum fault_kind kind;
    return fails(CALL_READ, &kind) ? SQLITE_IOERR_FSTAT
                                   : under(file)->pMethods->xFileSize(under(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    enum fault_kind kind;
    return fails(CALL_READ, &kind) ? SQLITE_IOERR_LOCK
                                   : under(file)->pMethods->xLock(under(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return under(file)->pMethods->xUnlock(under(file), level);
}

static int file_check_lock(sqlite3_file *file, int *held)
{
    return under(file)->pMethods->xCheckReservedLock(under(file), held);
}

static int file_control(sqlite3_file *file, int what, void *argument)
{
    return under(file)->pMethods->xFileControl(under(file), what, argument);
}

static int file_sector(sqlite3_file *file)
{
    return under(file)->pMethods->xSectorSize(under(file));
}

static int file_traits(sqlite3_file *file)
{
    return under(file)->pMethods->xDeviceCharacteristics(under(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at)
{
    enum fault_kind kind;
    return fails(CALL_MAP, &kind)
               ? SQLITE_IOERR_SHMMAP
               : under(file)->pMethods->xShmMap(under(file), page, size, extend, at);
}

static int file_shm_lock(sqlite3_file *file, int first, int n, int flags)
{
    enum fault_kind kind;
    const bool takes =
        (flags & SQLITE_SHM_LOCK) != 0; /* nobody looks whether giving back went well */
    return takes && fails(CALL_READ, &kind)
               ? SQLITE_IOERR_SHMLOCK
               : under(file)->pMethods->xShmLock(under(file), first, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    under(file)->pMethods->xShmBarrier(under(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
    return under(file)->pMethods->xShmUnmap(under(file), remove);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_unlock,
                                           .xCheckReservedLock = file_check_lock,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector,
                                           .xDeviceCharacteristics = file_traits,
                                           .xShmMap = file_shm_map,
                                           .xShmLock = file_shm_lock,
                                           .xShmBarrier = file_shm_barrier,
                                           .xShmUnmap = file_shm_unmap};

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct faulty *faulty = (struct faulty *)file;
    const bool writes = (flags & SQLITE_OPEN_READWRITE) != 0;
    enum fault_kind kind;
    int code;

    (void)self;
    faulty->base.pMethods = NULL;
    faulty->file = (sqlite3_file *)(faulty + 1);
    if (fails(writes ? CALL_OPEN : CALL_READ, &kind)) {
        return SQLITE_CANTOPEN;
    }
    code = below->xOpen(below, name, faulty->file, flags, out);
    faulty->base.pMethods = faulty->file->pMethods != NULL ? &methods : NULL;
    return code;
}

static int vfs_delete(sqlite3_vfs *self, const char *name, int sync_folder)
{
    enum fault_kind kind;
    (void)self;
    return fails(CALL_CUT, &kind) ? SQLITE_IOERR_DELETE : below->xDelete(below, name, sync_folder);
}

static int vfs_access(sqlite3_vfs *self, const char *name, int flags, int *result)
{
    enum fault_kind kind;
    (void)self;
    return fails(CALL_READ, &kind) ? SQLITE_IOERR_ACCESS
                                   : below->xAccess(below, name, flags, result);
}

void fault_start(void)
{
    below = sqlite3_vfs_find(NULL);
    assert_non_null(below);
    vfs = *below;
    vfs.zName = "fault";
    vfs.szOsFile = (int)sizeof(struct faulty) + below->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    for (size_t i = 0; i < FAULT_KIND_COUNT; i++) {
        atomic_store(&counts[i], 0);
    }
    fault_end();
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

void fault_stop(void)
{
    assert_int_equal(sqlite3_vfs_unregister(&vfs), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register(below, 1), SQLITE_OK);
}
