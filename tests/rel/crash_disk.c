/*
 * Disks after a power loss: a durable image of each file, and the operations since its last sync.
 */
#include "crash_disk.h"

#include "grow.h"
#include "rel.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#define SECTOR     512
#define ENTRIES    16 /* names in a folder */
#define PATH_BYTES 1024

struct image {
    unsigned char *bytes;
    size_t n, room;
};

struct list {
    size_t *op;
    size_t n, room;
};

struct file {
    struct image durable;
    struct list pending;
};

struct folder {
    struct {
        const char *name; /* of the record */
        size_t file;
    } entry[ENTRIES];
    size_t n;
};

struct crash_disk {
    const struct crash_record *record;
    size_t position;
    struct file *file;
    struct folder durable;
    struct list pending; /* names */
};

/* ---- files ---- */

static void image_resize(struct image *image, size_t n)
{
    assert_true(grow_reserve(&image->bytes, &image->room, n + 1));
    if (n > image->n) {
        memset(image->bytes + image->n, 0, n - image->n);
    }
    image->n = n;
}

static void image_put(struct image *image, size_t offset, const unsigned char *bytes, size_t n)
{
    if (offset + n > image->n) {
        image_resize(image, offset + n);
    }
    memcpy(image->bytes + offset, bytes, n);
}

static void image_apply(struct image *image, const struct crash_op *op)
{
    if (op->verb == CRASH_WRITE) {
        image_put(image, (size_t)op->offset, op->bytes, op->n);
    } else {
        image_resize(image, (size_t)op->offset);
    }
}

/* Applies a write, but for some of its sectors: one in `odds` is lost. */
static void image_tear(struct image *image, const struct crash_op *op, uint64_t odds,
                       uint64_t *seed)
{
    size_t from = 0;

    while (from < op->n) {
        const size_t at = (size_t)op->offset + from;
        const size_t left = op->n - from, whole = SECTOR - at % SECTOR;
        const size_t n = left < whole ? left : whole;
        if (rel_below(seed, odds) != 0) {
            image_put(image, at, op->bytes + from, n);
        }
        from += n;
    }
}

/* ---- names ---- */

static void folder_remove(struct folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->n; i++) {
        if (strcmp(folder->entry[i].name, name) == 0) {
            folder->entry[i] = folder->entry[--folder->n];
            return;
        }
    }
}

static void folder_apply(struct folder *folder, const struct crash_op *op)
{
    if (op->verb == CRASH_RENAME) {
        for (size_t i = 0; i < folder->n; i++) {
            if (folder->entry[i].file == op->file) {
                folder->entry[i--] = folder->entry[--folder->n];
            }
        }
    }
    folder_remove(folder, op->name);
    if (op->verb != CRASH_DELETE) {
        assert_true(folder->n < ENTRIES);
        folder->entry[folder->n].name = op->name;
        folder->entry[folder->n++].file = op->file;
    }
}

/* ---- going forward ---- */

static void push(struct list *list, size_t op)
{
    assert_true(grow_reserve(&list->op, &list->room, list->n + 1));
    list->op[list->n++] = op;
}

static void sync_file(const struct crash_disk *disk, struct file *file)
{
    for (size_t i = 0; i < file->pending.n; i++) {
        image_apply(&file->durable, crash_record_op(disk->record, file->pending.op[i]));
    }
    file->pending.n = 0;
}

static void sync_folder(struct crash_disk *disk)
{
    for (size_t i = 0; i < disk->pending.n; i++) {
        folder_apply(&disk->durable, crash_record_op(disk->record, disk->pending.op[i]));
    }
    disk->pending.n = 0;
}

void crash_disk_advance(struct crash_disk *disk, size_t position)
{
    for (; disk->position < position; disk->position++) {
        const struct crash_op *op = crash_record_op(disk->record, disk->position);
        switch (op->verb) {
        case CRASH_WRITE:
        case CRASH_TRUNCATE:
            push(&disk->file[op->file].pending, disk->position);
            break;
        case CRASH_SYNC:
            sync_file(disk, &disk->file[op->file]);
            break;
        case CRASH_SYNC_FOLDER:
            sync_folder(disk);
            break;
        default:
            push(&disk->pending, disk->position);
        }
    }
}

struct crash_disk *crash_disk_create(const struct crash_record *record)
{
    struct crash_disk *disk = calloc(1, sizeof *disk);

    assert_non_null(disk);
    disk->record = record;
    disk->file = calloc(crash_record_files(record) + 1, sizeof *disk->file);
    assert_non_null(disk->file);
    return disk;
}

void crash_disk_destroy(struct crash_disk **disk)
{
    struct crash_disk *freed = *disk;

    for (size_t i = 0; i < crash_record_files(freed->record); i++) {
        free(freed->file[i].durable.bytes);
        free(freed->file[i].pending.op);
    }
    free(freed->file);
    free(freed->pending.op);
    free(freed);
    *disk = NULL;
}

/* ---- a state ---- */

/* How one state came about: drawn once, so that states differ in how much they lost. */
struct draw {
    enum crash_loss loss;
    uint64_t odds;    /* one in so many is lost */
    bool in_order;    /* names: once one is lost, all after it are */
    size_t last;      /* the last write of the record before the point */
    bool names_stood; /* in_order: none is lost yet */
};

/* Is an operation there whole? Torn ones are for image_tear. */
static bool is_kept(const struct draw *draw, uint64_t *seed)
{
    return draw->loss == CRASH_ALL_KEPT || draw->loss == CRASH_LAST_TORN ||
           (draw->loss != CRASH_ALL_LOST && rel_below(seed, draw->odds) != 0);
}

static void put_pending(const struct crash_disk *disk, const struct draw *draw, size_t at,
                        struct image *image, uint64_t *seed)
{
    const struct crash_op *op = crash_record_op(disk->record, at);
    const bool write = op->verb == CRASH_WRITE;

    if (write && draw->loss == CRASH_HOLES_LEFT && (size_t)op->offset + op->n > image->n) {
        image_resize(image, (size_t)op->offset + op->n);
    }
    if (write && ((draw->loss == CRASH_LAST_TORN && at == draw->last) ||
                  draw->loss == CRASH_SECTORS_LOST || draw->loss == CRASH_HOLES_LEFT)) {
        image_tear(image, op, draw->odds, seed);
    } else if (is_kept(draw, seed)) {
        image_apply(image, op);
    }
}

static struct folder draw_folder(const struct crash_disk *disk, struct draw *draw, uint64_t *seed)
{
    struct folder folder = disk->durable;

    for (size_t i = 0; i < disk->pending.n; i++) {
        const bool kept = is_kept(draw, seed);
        draw->names_stood = draw->names_stood && kept;
        if (draw->in_order ? draw->names_stood : kept) {
            folder_apply(&folder, crash_record_op(disk->record, disk->pending.op[i]));
        }
    }
    return folder;
}

static void write_file(const char *folder, const char *name, const struct image *image)
{
    char path[PATH_BYTES];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(pwrite(fd, image->bytes, image->n, 0) == (ssize_t)image->n);
    (void)close(fd);
}

static void empty_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
        }
    }
    (void)closedir(folder);
}

static size_t last_write(const struct crash_disk *disk)
{
    size_t i = disk->position;

    while (i > 0 && crash_record_op(disk->record, i - 1)->verb != CRASH_WRITE) {
        i--;
    }
    return i - 1; /* SIZE_MAX: none */
}

void crash_disk_write(const struct crash_disk *disk, enum crash_loss loss, const char *folder,
                      uint64_t *seed)
{
    static const uint64_t odds[] = {2, 2, 4, 16};
    struct draw draw = {.loss = loss,
                        .odds = odds[rel_below(seed, sizeof odds / sizeof *odds)],
                        .in_order = rel_below(seed, 2) == 0,
                        .last = last_write(disk),
                        .names_stood = true};
    const struct folder names = draw_folder(disk, &draw, seed);
    struct image image = {0};

    empty_folder(folder);
    for (size_t i = 0; i < names.n; i++) {
        const struct file *file = &disk->file[names.entry[i].file];
        image.n = 0;
        if (file->durable.n > 0) {
            image_put(&image, 0, file->durable.bytes, file->durable.n);
        }
        for (size_t k = 0; k < file->pending.n; k++) {
            put_pending(disk, &draw, file->pending.op[k], &image, seed);
        }
        write_file(folder, names.entry[i].name, &image);
    }
    free(image.bytes);
}
