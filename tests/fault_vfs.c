/*
 * Every call asks first whether it is to fail, and goes to the VFS below if not.
 */
#include "fault_vfs.h"

#include "test.h"
#include "vfs_below.h"

#include <errno.h>
#include <pthread.h>
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
static sqlite3_io_methods methods;
static sqlite3_vfs *below;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static struct {
    enum fault_kind kind;
    bool armed, lasting, met;
    uint64_t left; /* calls until it hits */
} fault;           /* guarded by lock */
static _Atomic uint64_t counts[FAULT_KIND_COUNT];

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

static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 offset)
{
    enum fault_kind kind;
    return fails(CALL_READ, &kind)
               ? SQLITE_IOERR_READ
               : vfs_below(file)->pMethods->xRead(vfs_below(file), to, n, offset);
}

static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
    enum fault_kind kind;
    if (!fails(CALL_WRITE, &kind)) {
        return vfs_below(file)->pMethods->xWrite(vfs_below(file), from, n, offset);
    }
    if (kind == FAULT_SHORT) {
        (void)vfs_below(file)->pMethods->xWrite(vfs_below(file), from, n / 2, offset);
    }
    return kind == FAULT_FULL || kind == FAULT_SHORT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    enum fault_kind kind;
    return fails(CALL_CUT, &kind) ? SQLITE_IOERR_TRUNCATE
                                  : vfs_below(file)->pMethods->xTruncate(vfs_below(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    enum fault_kind kind;
    return fails(CALL_SYNC, &kind) ? SQLITE_IOERR_FSYNC
                                   : vfs_below(file)->pMethods->xSync(vfs_below(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    enum fault_kind kind;
    return fails(CALL_READ, &kind) ? SQLITE_IOERR_FSTAT
                                   : vfs_below(file)->pMethods->xFileSize(vfs_below(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    enum fault_kind kind;
    return fails(CALL_READ, &kind) ? SQLITE_IOERR_LOCK
                                   : vfs_below(file)->pMethods->xLock(vfs_below(file), level);
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at)
{
    enum fault_kind kind;
    return fails(CALL_MAP, &kind)
               ? SQLITE_IOERR_SHMMAP
               : vfs_below(file)->pMethods->xShmMap(vfs_below(file), page, size, extend, at);
}

static int file_shm_lock(sqlite3_file *file, int first, int n, int flags)
{
    enum fault_kind kind;
    const bool takes =
        (flags & SQLITE_SHM_LOCK) != 0; /* nobody looks whether giving back went well */
    return takes && fails(CALL_READ, &kind)
               ? SQLITE_IOERR_SHMLOCK
               : vfs_below(file)->pMethods->xShmLock(vfs_below(file), first, n, flags);
}

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct vfs_file *faulty = (struct vfs_file *)file;
    const bool writes = (flags & SQLITE_OPEN_READWRITE) != 0;
    enum fault_kind kind;
    int code;

    (void)self;
    faulty->base.pMethods = NULL;
    faulty->below = (sqlite3_file *)(faulty + 1);
    if (fails(writes ? CALL_OPEN : CALL_READ, &kind)) {
        return SQLITE_CANTOPEN;
    }
    code = below->xOpen(below, name, faulty->below, flags, out);
    faulty->base.pMethods = faulty->below->pMethods != NULL ? &methods : NULL;
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
    vfs.szOsFile = (int)sizeof(struct vfs_file) + below->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    methods = vfs_below_methods;
    methods.xRead = file_read;
    methods.xWrite = file_write;
    methods.xTruncate = file_truncate;
    methods.xSync = file_sync;
    methods.xFileSize = file_size;
    methods.xLock = file_lock;
    methods.xShmMap = file_shm_map;
    methods.xShmLock = file_shm_lock;
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
