/*
 * The binary on disks that fail for real: full, turned read-only, frozen, its file moved away or
 * removed, overwritten, locked by others. What is acknowledged stays, scoring goes on, feedback is
 * told what is wrong, and goes on by itself where that passes. Disks are made in a mount namespace
 * of this process's own; where that is not allowed those scenes are left out.
 */
#include "clock.h"
#include "dbfile.h"
#include "http_client.h"
#include "ledger.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#define CLICKS     20 /* acknowledged before anything fails */
#define PATIENCE_S 60
#define RESUME_MS  5000 /* what is aimed for; printed, it decides nothing */
#define LOOP_MIB   32

struct disk {
    struct temp_folder folder;
    char mount[TEMP_PATH_MAX]; /* where a scene may mount something */
    char db[TEMP_PATH_MAX];
    struct server_process server;
    struct http_client http;
    struct ledger ledger;
    uint64_t scenes, skipped, wrong, lost, acked;
    int64_t slowest_ms; /* to go on again */
};

static const char *const quick[] = {"--storage-wait-ms=500", NULL};

/* ---- asking ---- */

/* Counts what is not as it has to be, and says it. */
static void expect(struct disk *disk, bool right, const char *what)
{
    if (!right) {
        disk->wrong++;
        printf("wrong: %s\n", what);
    }
}

/* Is a request answered with a status and a text? */
static bool answers(struct disk *disk, const char *method, const char *path, const char *body,
                    int status, const char *part)
{
    struct http_response response =
        http_client_ask(&disk->http, method, path,
                        body != NULL ? "Content-Type: application/json\r\n" : NULL, body);
    const bool right = response.status == status && strstr(response.body, part) != NULL;

    if (!right && getenv("VERBOSE") != NULL) {
        printf("%s %s: %d %s\n", method, path, response.status,
               response.body != NULL ? response.body : "");
    }
    http_response_deinit(&response);
    return right;
}

/*
 * Scores a list under an id that rankd makes: to look for one that a client gave is to read the disk.
 * @param id  out.
 */
static bool score(struct disk *disk, char id[LEDGER_ID_MAX])
{
    static const char list[] = "{\"user\": {\"id\": \"u\"}, \"items\": [\"a\", \"b\"]}";
    struct http_response response = http_client_post(&disk->http, "/v1/score", list);
    const bool right = response.status == 200 && strstr(response.body, "\"rank\":1") != NULL &&
                       sscanf(response.body, "{\"ranking_id\":\"%39[^\"]", id) == 1;

    http_response_deinit(&response);
    return right;
}

/* A click that has to be answered so; acknowledged, it goes into the ledger. */
static bool click(struct disk *disk, const char *id, int status, const char *part)
{
    char text[160];
    const bool right = snprintf(text, sizeof text,
                                "{\"event_id\": \"%s\", \"ranking_id\": \"%s\", \"item_id\": "
                                "\"a\", \"type\": \"click\"}",
                                id, id) > 0 &&
                       answers(disk, "POST", "/v1/feedback", text, status, part);

    if (right && status == 200) {
        ledger_add(&disk->ledger, LEDGER_EVENT, id, text);
    }
    return right;
}

/* Scores and clicks under a new id until that is answered so. @return false: it never was. */
static bool click_until(struct disk *disk, int status, const char *part)
{
    const int64_t deadline_ns = clock_monotonic_ns() + PATIENCE_S * INT64_C(1000000000);
    char id[LEDGER_ID_MAX] = "";

    while (clock_monotonic_ns() < deadline_ns) {
        expect(disk, score(disk, id), "a list is not scored");
        if (click(disk, id, status, part)) {
            return true;
        }
        if (status != 200) {
            (void)click(disk, id, 200, "\"accepted\":1");
        }
        (void)sched_yield();
    }
    return false;
}

/* It goes on by itself. */
static void expect_resumed(struct disk *disk)
{
    const int64_t start_ns = clock_monotonic_ns();
    int64_t ms;

    expect(disk, click_until(disk, 200, "\"accepted\":1"), "it does not go on by itself");
    expect(disk, answers(disk, "GET", "/readyz/feedback", NULL, 200, "\"feedback\":\"ok\""),
           "feedback is not ready again");
    ms = (clock_monotonic_ns() - start_ns) / 1000000;
    disk->slowest_ms = ms > disk->slowest_ms ? ms : disk->slowest_ms;
}

/* It is down of a problem, and scores. */
static void expect_down(struct disk *disk, int status, const char *slug, const char *state)
{
    char type[64], ready[80], series[80];

    (void)snprintf(type, sizeof type, "\"/problems/%s\"", slug);
    (void)snprintf(ready, sizeof ready, "\"feedback\":\"down\",\"storage\":\"%s\"", state);
    (void)snprintf(series, sizeof series, "rankd_storage_state{state=\"%s\"} 1\n", state);
    expect(disk, click_until(disk, status, type), slug);
    expect(disk, answers(disk, "GET", "/readyz", NULL, 200, ready), "what /readyz says");
    expect(disk, answers(disk, "GET", "/readyz/feedback", NULL, 503, ""), "what is ready");
    expect(disk, answers(disk, "GET", "/metrics", NULL, 200, series), "what /metrics says");
}

/* ---- a server ---- */

/* Starts it on a file of a folder, and has some clicks acknowledged. */
static void begin(struct disk *disk, const char *folder, const char *const *options)
{
    (void)snprintf(disk->db, sizeof disk->db, "%.*s/rankd.db", TEMP_PATH_MAX - 16, folder);
    server_start(&disk->server, disk->db, options);
    http_client_init(&disk->http, disk->server.port);
    for (int i = 0; i < CLICKS; i++) {
        expect(disk, click_until(disk, 200, "\"accepted\":1"), "a click is not taken");
    }
    disk->scenes++;
}

/* Ends it, and looks for all that was acknowledged in what lies at a path now. */
static void end(struct disk *disk, const char *path)
{
    http_client_deinit(&disk->http);
    server_stop(&disk->server);
    if (path != NULL) {
        sqlite3 *db = dbfile_open(path);
        expect(disk,
               dbfile_number(db, "SELECT count(*) FROM pragma_integrity_check WHERE "
                                 "integrity_check = 'ok'") == 1,
               "the file is damaged");
        disk->lost += ledger_missing(&disk->ledger, db);
        dbfile_close(db);
    }
    disk->acked += ledger_size(&disk->ledger);
    ledger_deinit(&disk->ledger);
    ledger_init(&disk->ledger);
}

static void make_folder(struct disk *disk, const char *name, char path[TEMP_PATH_MAX])
{
    temp_folder_path(&disk->folder, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* ---- scenes without a disk of their own ---- */

static void file_moved_away_and_back(struct disk *disk)
{
    char folder[TEMP_PATH_MAX], aside[TEMP_PATH_MAX];

    make_folder(disk, "moved", folder);
    temp_folder_path(&disk->folder, "aside.db", aside);
    begin(disk, folder, NULL);
    assert_int_equal(rename(disk->db, aside), 0);
    expect_down(disk, 503, "storage-lost", "lost");
    assert_int_equal(rename(aside, disk->db), 0);
    expect_resumed(disk);
    end(disk, disk->db);
}

static void file_removed(struct disk *disk)
{
    char folder[TEMP_PATH_MAX], kept[TEMP_PATH_MAX];

    make_folder(disk, "removed", folder);
    temp_folder_path(&disk->folder, "kept.db", kept);
    begin(disk, folder, NULL);
    assert_int_equal(link(disk->db, kept), 0); /* the test's own way to what was acknowledged */
    assert_int_equal(unlink(disk->db), 0);
    expect_down(disk, 503, "storage-lost", "lost");
    {
        char log[TEMP_PATH_MAX + 8], kept_log[TEMP_PATH_MAX + 8];
        (void)snprintf(log, sizeof log, "%s-wal", disk->db);
        (void)snprintf(kept_log, sizeof kept_log, "%s-wal", kept);
        assert_int_equal(link(log, kept_log), 0);
    }
    end(disk, kept);
}

static void lock_held_by_another(struct disk *disk)
{
    static const char *const patient[] = {"--storage-wait-ms=60000", NULL};
    char folder[TEMP_PATH_MAX];
    sqlite3 *other;

    make_folder(disk, "locked", folder);
    begin(disk, folder, patient);
    other = dbfile_open(disk->db);
    dbfile_run(other, "PRAGMA busy_timeout = 60000");
    dbfile_run(other, "BEGIN IMMEDIATE");
    expect_down(disk, 503, "storage-busy", "busy");
    dbfile_run(other, "COMMIT");
    dbfile_close(other);
    expect_resumed(disk);
    end(disk, disk->db);
}

static void second_server(struct disk *disk)
{
    char folder[TEMP_PATH_MAX];

    make_folder(disk, "second", folder);
    begin(disk, folder, NULL);
    {
        const char *const second[] = {"serve", "--db", disk->db, "--listen", "127.0.0.1:0", NULL};
        expect(disk, server_command(second, NULL, 0) == EX_TEMPFAIL, "two servers on a file");
    }
    expect_resumed(disk);
    end(disk, disk->db);
}

/* Overwrites every page but the first. */
static void overwrite(const char *path)
{
    char page[4096];
    const int file = open(path, O_RDWR);
    const off_t size = lseek(file, 0, SEEK_END);

    assert_true(file >= 0);
    memset(page, 0x5a, sizeof page);
    for (off_t at = (off_t)sizeof page; at < size; at += (off_t)sizeof page) {
        assert_int_equal(pwrite(file, page, sizeof page, at), sizeof page);
    }
    assert_int_equal(close(file), 0);
}

/* Reads until it comes to a page it does not hold in memory. */
static void pages_overwritten(struct disk *disk)
{
    char folder[TEMP_PATH_MAX];
    uint64_t hash;

    make_folder(disk, "overwritten", folder);
    begin(disk, folder, NULL);
    end(disk, disk->db);
    server_start(&disk->server, disk->db, NULL);
    http_client_init(&disk->http, disk->server.port);
    overwrite(disk->db);
    (void)answers(disk, "GET", "/v1/users", NULL, 200, "");
    expect_down(disk, 503, "storage-corrupt", "corrupt");
    end(disk, NULL);
    hash = temp_file_hash(disk->db);
    {
        const char *const again[] = {"serve", "--db", disk->db, "--listen", "127.0.0.1:0", NULL};
        expect(disk, server_command(again, NULL, 0) == EX_DATAERR, "a damaged file is started on");
    }
    expect(disk, temp_file_hash(disk->db) == hash, "a damaged file is changed");
}

/* ---- scenes on a disk of their own ---- */

static bool succeeds(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool succeeds(const char *format, ...)
{
    char command[2 * TEMP_PATH_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

static void fill(const char *path)
{
    static const char zeros[65536];
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    size_t n = sizeof zeros;

    assert_true(file >= 0);
    while (n > 0) {
        n = write(file, zeros, n) > 0 ? n : n / 2;
    }
    assert_int_equal(close(file), 0);
}

static void disk_full(struct disk *disk)
{
    char filler[TEMP_PATH_MAX + 16];

    assert_int_equal(mount("none", disk->mount, "tmpfs", 0, "size=8m"), 0);
    begin(disk, disk->mount, NULL);
    (void)snprintf(filler, sizeof filler, "%s/filler", disk->mount);
    fill(filler);
    expect_down(disk, 507, "storage-full", "full");
    expect(disk, answers(disk, "PUT", "/v1/models/m", "{\"kind\": \"fm\"}", 507, "storage-full"),
           "a model on a full disk");
    assert_int_equal(unlink(filler), 0);
    expect_resumed(disk);
    end(disk, disk->db);
    assert_int_equal(umount(disk->mount), 0);
}

static void folder_read_only(struct disk *disk)
{
    char db[TEMP_PATH_MAX + 16];
    const char *const serve[] = {"serve", "--db", db, "--listen", "127.0.0.1:0", NULL};

    (void)snprintf(db, sizeof db, "%s/rankd.db", disk->mount);
    assert_int_equal(mount("none", disk->mount, "tmpfs", MS_RDONLY, "size=8m"), 0);
    expect(disk, server_command(serve, NULL, 0) == EX_IOERR, "a start in a read-only folder");
    assert_int_equal(umount(disk->mount), 0);
    disk->scenes++;
}

/* A file system that can be frozen, and broken. @return false: it cannot be made here. */
static bool mount_loop(struct disk *disk, char image[TEMP_PATH_MAX])
{
    bool made;

    temp_folder_path(&disk->folder, "image", image);
    made = succeeds("truncate -s %dM %s && mkfs.ext4 -q %s 2>/dev/null && "
                    "mount -o loop,errors=remount-ro %s %s 2>/dev/null",
                    LOOP_MIB, image, image, image, disk->mount);
    if (!made) {
        printf("disk: no ext4 on a loop device is possible here, a scene is left out\n");
        disk->skipped++;
    }
    return made;
}

static void unmount_loop(struct disk *disk, const char *image)
{
    assert_int_equal(umount(disk->mount), 0);
    assert_int_equal(unlink(image), 0);
}

static void disk_frozen(struct disk *disk)
{
    char image[TEMP_PATH_MAX];
    int folder;

    if (!mount_loop(disk, image)) {
        return;
    }
    begin(disk, disk->mount, quick);
    folder = open(disk->mount, O_RDONLY | O_DIRECTORY);
    assert_int_equal(ioctl(folder, FIFREEZE, 0), 0);
    expect_down(disk, 503, "storage-slow", "slow");
    assert_int_equal(ioctl(folder, FITHAW, 0), 0);
    assert_int_equal(close(folder), 0);
    expect_resumed(disk);
    end(disk, disk->db);
    unmount_loop(disk, image);
}

/* The kernel's own way: on an error of the file system nothing can be written any more. */
static void disk_turned_read_only(struct disk *disk)
{
    char image[TEMP_PATH_MAX];

    if (!mount_loop(disk, image)) {
        return;
    }
    begin(disk, disk->mount, NULL);
    if (succeeds("echo 1 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE %s))/trigger_fs_error",
                 disk->mount)) {
        expect_down(disk, 503, "storage-read-only", "read_only");
    } else {
        printf(
            "disk: an error of the file system cannot be caused here, half a scene is left out\n");
        disk->skipped++;
    }
    /* Such a disk is only writable again when it is mounted anew. */
    http_client_deinit(&disk->http);
    server_stop(&disk->server);
    assert_int_equal(umount(disk->mount), 0);
    expect(
        disk,
        succeeds("e2fsck -fy %s >/dev/null 2>&1; mount -o loop %s %s", image, image, disk->mount),
        "the disk is gone");
    server_start(&disk->server, disk->db, NULL);
    http_client_init(&disk->http, disk->server.port);
    expect_resumed(disk);
    end(disk, disk->db);
    unmount_loop(disk, image);
}

static void try_disks(struct disk *disk)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        printf("disk: no mounts are allowed here, scenes with disks of their own are left out\n");
        disk->skipped += 4;
        return;
    }
    disk_full(disk);
    folder_read_only(disk);
    disk_frozen(disk);
    disk_turned_read_only(disk);
}

int main(void)
{
    struct disk disk = {0};

    temp_folder_make(&disk.folder);
    make_folder(&disk, "mount", disk.mount);
    ledger_init(&disk.ledger);
    file_moved_away_and_back(&disk);
    file_removed(&disk);
    lock_held_by_another(&disk);
    second_server(&disk);
    pages_overwritten(&disk);
    try_disks(&disk);
    temp_folder_remove(&disk.folder);
    printf("disk: scenes=%llu skipped=%llu acked=%llu lost=%llu wrong=%llu slowest_resume_ms=%lld "
           "(aim %d)\n",
           (unsigned long long)disk.scenes, (unsigned long long)disk.skipped,
           (unsigned long long)disk.acked, (unsigned long long)disk.lost,
           (unsigned long long)disk.wrong, (long long)disk.slowest_ms, RESUME_MS);
    return disk.lost > 0 || disk.wrong > 0;
}
