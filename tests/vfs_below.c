/*
 * Every call goes to the file below.
 */
#include "vfs_below.h"

sqlite3_file *vfs_below(sqlite3_file *file)
{
    return ((struct vfs_file *)file)->below;
}

static int file_close(sqlite3_file *file)
{
    return vfs_below(file)->pMethods->xClose(vfs_below(file));
}

static int file_read(sqlite3_file *file, void *to, int n, sqlite3_int64 offset)
{
    return vfs_below(file)->pMethods->xRead(vfs_below(file), to, n, offset);
}

static int file_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
    return vfs_below(file)->pMethods->xWrite(vfs_below(file), from, n, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return vfs_below(file)->pMethods->xTruncate(vfs_below(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    return vfs_below(file)->pMethods->xSync(vfs_below(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return vfs_below(file)->pMethods->xFileSize(vfs_below(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return vfs_below(file)->pMethods->xLock(vfs_below(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return vfs_below(file)->pMethods->xUnlock(vfs_below(file), level);
}

static int file_check_lock(sqlite3_file *file, int *held)
{
    return vfs_below(file)->pMethods->xCheckReservedLock(vfs_below(file), held);
}

static int file_control(sqlite3_file *file, int what, void *argument)
{
    return vfs_below(file)->pMethods->xFileControl(vfs_below(file), what, argument);
}

static int file_sector(sqlite3_file *file)
{
    return vfs_below(file)->pMethods->xSectorSize(vfs_below(file));
}

static int file_traits(sqlite3_file *file)
{
    return vfs_below(file)->pMethods->xDeviceCharacteristics(vfs_below(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at)
{
    return vfs_below(file)->pMethods->xShmMap(vfs_below(file), page, size, extend, at);
}

static int file_shm_lock(sqlite3_file *file, int first, int n, int flags)
{
    return vfs_below(file)->pMethods->xShmLock(vfs_below(file), first, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    vfs_below(file)->pMethods->xShmBarrier(vfs_below(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
    return vfs_below(file)->pMethods->xShmUnmap(vfs_below(file), remove);
}

const sqlite3_io_methods vfs_below_methods = {
    .iVersion = 2,
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
    .xShmUnmap = file_shm_unmap,
};
