/*
 * The recording VFS: every call goes to the VFS below, and what changes a file of the folder is
 * noted when it is done.
 */
#include "crash_vfs.h"

#include "grow.h"
#include "test.h"
#include "vfs_below.h"

#include <dirent.h>
#include <pthread.h>

#define UNRECORDED SIZE_MAX

/* A name in the folder now. */
struct entry {
    char *name;
    size_t file;
};

struct crash_record {
    sqlite3_vfs vfs;
    sqlite3_vfs *below;
    sqlite3_io_methods methods;
    char *folder;
    pthread_mutex_t lock;
    struct crash_op *op; /* guarded by lock, as all below */
    size_t n_ops, op_room;
    struct entry *entry;
    size_t n_entries;
    size_t n_files;
};

/* An open file; the one of the VFS below lies behind it. */
struct recorded {
    struct vfs_file base;
    struct crash_record *record;
    size_t file;      /* UNRECORDED: not of the folder */
    bool sync_folder; /* with the first sync, as the unix VFS does for a journal */
};

/* ---- the record ---- */

/* The name in the folder that a path is, or NULL: elsewhere, or shared memory. */
static const char *name_of(const struct crash_record *record, const char *path)
{
    const size_t n = strlen(record->folder);
    const bool inside = path != NULL && strncmp(path, record->folder, n) == 0 && path[n] == '/' &&
                        strchr(path + n + 1, '/') == NULL;

    return inside && strstr(path, "-shm") == NULL ? path + n + 1 : NULL;
}

static struct entry *find(struct crash_record *record, const char *name)
{
    for (size_t i = 0; i < record->n_entries; i++) {
        if (strcmp(record->entry[i].name, name) == 0) {
            return &record->entry[i];
        }
    }
    return NULL;
}

/* Takes what the operation points at. */
static void note(struct crash_record *record, struct crash_op op)
{
    assert_true(grow_reserve(&record->op, &record->op_room, record->n_ops + 1));
    record->op[record->n_ops++] = op;
}

static void note_bytes(struct crash_record *record, size_t file, int64_t offset, const void *bytes,
                       size_t n)
{
    unsigned char *copy = malloc(n + 1);

    assert_non_null(copy);
    memcpy(copy, bytes, n);
    note(record, (struct crash_op){
                     .verb = CRASH_WRITE, .file = file, .offset = offset, .n = n, .bytes = copy});
}

static size_t note_created(struct crash_record *record, const char *name)
{
    const size_t file = record->n_files++;

    assert_true(grow_resize(&record->entry, record->n_entries + 1));
    record->entry[record->n_entries++] = (struct entry){.name = strdup(name), .file = file};
    note(record, (struct crash_op){.verb = CRASH_CREATE, .file = file, .name = strdup(name)});
    return file;
}

static void forget(struct crash_record *record, struct entry *entry)
{
    free(entry->name);
    *entry = record->entry[--record->n_entries];
}

static void lock(struct crash_record *record)
{
    pthread_mutex_lock(&record->lock);
}

static void unlock(struct crash_record *record)
{
    pthread_mutex_unlock(&record->lock);
}

void crash_record_synced(struct crash_record *record, const char *path)
{
    const char *name = name_of(record, path);
    const struct entry *entry;

    lock(record);
    if (strcmp(path, record->folder) == 0) {
        note(record, (struct crash_op){.verb = CRASH_SYNC_FOLDER});
    } else if (name != NULL && (entry = find(record, name)) != NULL) {
        note(record, (struct crash_op){.verb = CRASH_SYNC, .file = entry->file});
    }
    unlock(record);
}

void crash_record_renamed(struct crash_record *record, const char *from, const char *to)
{
    const char *name = name_of(record, from), *new_name = name_of(record, to);
    struct entry *entry, *over;

    if (name == NULL || new_name == NULL) {
        return;
    }
    lock(record);
    over = find(record, new_name);
    if (over != NULL) {
        forget(record, over);
    }
    entry = find(record, name);
    if (entry != NULL) {
        free(entry->name);
        entry->name = strdup(new_name);
        note(record, (struct crash_op){
                         .verb = CRASH_RENAME, .file = entry->file, .name = strdup(new_name)});
    }
    unlock(record);
}

void crash_record_removed(struct crash_record *record, const char *path)
{
    const char *name = name_of(record, path);
    struct entry *entry;

    lock(record);
    if (name != NULL && (entry = find(record, name)) != NULL) {
        note(record,
             (struct crash_op){.verb = CRASH_DELETE, .file = entry->file, .name = strdup(name)});
        forget(record, entry);
    }
    unlock(record);
}

/* ---- files ---- */

static int file_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 offset)
{
    const struct recorded *own = (struct recorded *)file;
    const int code = vfs_below(file)->pMethods->xWrite(vfs_below(file), bytes, n, offset);

    if (code == SQLITE_OK && own->file != UNRECORDED) {
        lock(own->record);
        note_bytes(own->record, own->file, offset, bytes, (size_t)n);
        unlock(own->record);
    }
    return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    const struct recorded *own = (struct recorded *)file;
    const int code = vfs_below(file)->pMethods->xTruncate(vfs_below(file), size);

    if (code == SQLITE_OK && own->file != UNRECORDED) {
        lock(own->record);
        note(own->record,
             (struct crash_op){.verb = CRASH_TRUNCATE, .file = own->file, .offset = size});
        unlock(own->record);
    }
    return code;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct recorded *own = (struct recorded *)file;
    const int code = vfs_below(file)->pMethods->xSync(vfs_below(file), flags);

    if (code == SQLITE_OK && own->file != UNRECORDED) {
        lock(own->record);
        note(own->record, (struct crash_op){.verb = CRASH_SYNC, .file = own->file});
        if (own->sync_folder) {
            note(own->record, (struct crash_op){.verb = CRASH_SYNC_FOLDER});
        }
        own->sync_folder = false;
        unlock(own->record);
    }
    return code;
}

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                    int *out_flags)
{
    struct crash_record *record = vfs->pAppData;
    struct recorded *own = (struct recorded *)file;
    const char *name = name_of(record, path);
    const bool journal =
        (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
    int code;

    *own = (struct recorded){.base.below = (sqlite3_file *)(own + 1),
                             .record = record,
                             .file = UNRECORDED,
                             .sync_folder = journal && (flags & SQLITE_OPEN_CREATE) != 0};
    lock(record);
    code = record->below->xOpen(record->below, path, vfs_below(file), flags, out_flags);
    if (code == SQLITE_OK && name != NULL) {
        const struct entry *entry = find(record, name);
        own->file = entry != NULL ? entry->file : note_created(record, name);
    }
    unlock(record);
    if (vfs_below(file)->pMethods != NULL) {
        own->base.base.pMethods = &record->methods;
    }
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    struct crash_record *record = vfs->pAppData;
    const int code = record->below->xDelete(record->below, path, sync_folder);

    if (code == SQLITE_OK) {
        crash_record_removed(record, path);
        if (sync_folder != 0) {
            crash_record_synced(record, record->folder);
        }
    }
    return code;
}

/* ---- start and stop ---- */

static void take_file(struct crash_record *record, const char *name)
{
    char path[1024];
    char *bytes = NULL;
    size_t n = 0, room = 0, read = 0;
    const size_t file = note_created(record, name);
    FILE *from;

    (void)snprintf(path, sizeof path, "%s/%s", record->folder, name);
    from = fopen(path, "rb");
    assert_non_null(from);
    do {
        assert_true(grow_reserve(&bytes, &room, n + BUFSIZ));
        read = fread(bytes + n, 1, BUFSIZ, from);
        n += read;
    } while (read > 0);
    (void)fclose(from);
    note_bytes(record, file, 0, bytes, n);
    note(record, (struct crash_op){.verb = CRASH_SYNC, .file = file});
    free(bytes);
}

static void take_folder(struct crash_record *record)
{
    DIR *folder = opendir(record->folder);
    const struct dirent *entry;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' && strstr(entry->d_name, "-shm") == NULL) {
            take_file(record, entry->d_name);
        }
    }
    (void)closedir(folder);
    note(record, (struct crash_op){.verb = CRASH_SYNC_FOLDER});
}

struct crash_record *crash_record_start(const char *folder)
{
    struct crash_record *record = calloc(1, sizeof *record);

    assert_non_null(record);
    record->below = sqlite3_vfs_find(NULL);
    record->vfs = *record->below; /* what is not replaced needs nothing of its own VFS but files */
    record->vfs.pNext = NULL;
    record->vfs.zName = "crash";
    record->vfs.szOsFile = (int)sizeof(struct recorded) + record->below->szOsFile;
    record->vfs.pAppData = record;
    record->methods = vfs_below_methods;
    record->methods.xWrite = file_write;
    record->methods.xTruncate = file_truncate;
    record->methods.xSync = file_sync;
    record->vfs.xOpen = vfs_open;
    record->vfs.xDelete = vfs_delete;
    record->folder = strdup(folder);
    pthread_mutex_init(&record->lock, NULL);
    take_folder(record);
    assert_int_equal(sqlite3_vfs_register(&record->vfs, 1), SQLITE_OK);
    return record;
}

void crash_record_stop(struct crash_record *record)
{
    assert_int_equal(sqlite3_vfs_unregister(&record->vfs), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register(record->below, 1), SQLITE_OK);
}

void crash_record_free(struct crash_record **record)
{
    struct crash_record *freed = *record;

    for (size_t i = 0; i < freed->n_ops; i++) {
        free(freed->op[i].bytes);
        free(freed->op[i].name);
    }
    for (size_t i = 0; i < freed->n_entries; i++) {
        free(freed->entry[i].name);
    }
    pthread_mutex_destroy(&freed->lock);
    free(freed->entry);
    free(freed->op);
    free(freed->folder);
    free(freed);
    *record = NULL;
}

/* ---- reading ---- */

size_t crash_record_position(struct crash_record *record)
{
    size_t n;

    lock(record);
    n = record->n_ops;
    unlock(record);
    return n;
}

const struct crash_op *crash_record_op(const struct crash_record *record, size_t i)
{
    return &record->op[i];
}

size_t crash_record_files(const struct crash_record *record)
{
    return record->n_files;
}
