/*
 * Damaged files: a database with a write-ahead log beside it, as a kill leaves them, with bits
 * flipped, parts overwritten, cut off, or a log that is not its own. A start refuses it and changes
 * nothing, or comes to a commit that was there.
 *
 * What SQLite has no checksum for is not seen: a flipped bit in a text of the database itself is
 * counted as masked. Nothing of the kind is excused where the log is damaged, whose frames have
 * checksums.
 */
#include "crash_check.h"
#include "crash_disk.h"
#include "emit.h"
#include "json.h"
#include "log.h"
#include "rel.h"
#include "server_process.h"
#include "store.h"
#include "store_fixture.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define CASES       300
#define LIVES       2
#define ROUNDS      25
#define CHECKPOINTS 3  /* newest ones of a model, one more each time */
#define EXITS       10 /* refused files that the binary is started on */

#define DAMAGES(X)                                                                                 \
    X(DATABASE_BITS, "database bits")                                                              \
    X(DATABASE_BLOCK, "database block")                                                            \
    X(DATABASE_CUT, "database cut")                                                                \
    X(LOG_BITS, "log bits")                                                                        \
    X(LOG_BLOCK, "log block")                                                                      \
    X(LOG_CUT, "log cut")                                                                          \
    X(LOG_FOREIGN, "another database's log")                                                       \
    X(LOG_OTHER_TIME, "its own log of another time")                                               \
    X(SHARED_MEMORY, "shared memory")

enum damage {
#define DAMAGE_ENUM(name, text) DAMAGE_##name,
    DAMAGES(DAMAGE_ENUM)
#undef DAMAGE_ENUM
    DAMAGE_COUNT
};

static const char *const damage_text[] = {
#define DAMAGE_TEXT(name, text) text,
    DAMAGES(DAMAGE_TEXT)
#undef DAMAGE_TEXT
};

struct count {
    uint64_t refused, whole, masked, wrong, changed;
};

struct bench {
    struct temp_folder folder;
    char path[TEMP_PATH_MAX], log[TEMP_PATH_MAX], memory[TEMP_PATH_MAX];
    struct life *life[LIVES];
    uint64_t state; /* of rel_below */
    struct count count[DAMAGE_COUNT];
    uint64_t exits, right_exits;
    uint64_t seed, number; /* of the case */
    struct emit what;      /* was done in it */
};

/* ---- files ---- */

static size_t size_of(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0 ? (size_t)file.st_size : 0;
}

static void put_byte(const char *path, size_t at, unsigned char mask, bool flip, uint64_t *state)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char byte = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte = flip ? byte ^ mask : (unsigned char)rel_below(state, 256);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    (void)close(fd);
}

/* Each of these gives the offset of the first byte that it may have changed. */
static size_t flip_bits(struct bench *b, const char *path)
{
    const size_t size = size_of(path);
    size_t first = size;

    for (uint64_t i = 1 + rel_below(&b->state, 3); i > 0; i--) {
        const size_t at = (size_t)rel_below(&b->state, size);
        const unsigned bit = (unsigned)rel_below(&b->state, 8);
        put_byte(path, at, (unsigned char)(1U << bit), true, &b->state);
        emit_format(&b->what, " bit %u of byte %zu,", bit, at);
        first = at < first ? at : first;
    }
    return first;
}

static size_t overwrite_block(struct bench *b, const char *path)
{
    const size_t n = rel_below(&b->state, 2) == 0 ? 512 : 4096, size = size_of(path);
    const size_t at = (size_t)rel_below(&b->state, 1 + (size - 1) / n) * n;

    for (size_t i = 0; i < n && at + i < size; i++) {
        put_byte(path, at + i, 0, false, &b->state);
    }
    emit_format(&b->what, " %zu bytes from byte %zu,", n, at);
    return at;
}

static size_t cut(struct bench *b, const char *path)
{
    const size_t to = (size_t)rel_below(&b->state, size_of(path));

    assert_int_equal(truncate(path, (off_t)to), 0);
    emit_format(&b->what, " at byte %zu,", to);
    return to;
}

/* ---- the state that is damaged ---- */

/* Makes what a kill leaves at a point of a life. */
static void make_state(struct bench *b, const struct life *life, size_t point)
{
    struct crash_disk *disk = crash_disk_create(life->record);

    crash_disk_advance(disk, point);
    crash_disk_write(disk, CRASH_ALL_KEPT, b->folder.path, &b->state);
    crash_disk_destroy(&disk);
}

/* Is the log being taken into the database: the last that was done to this one was a write? */
static bool is_checkpointing(const struct life *life, size_t point)
{
    size_t database = SIZE_MAX, i = 0;

    for (; database == SIZE_MAX; i++) {
        const struct crash_op *op = crash_record_op(life->record, i);
        database =
            op->verb == CRASH_CREATE && strcmp(op->name, "rankd.db") == 0 ? op->file : SIZE_MAX;
    }
    while (point > i && (crash_record_op(life->record, point - 1)->file != database ||
                         crash_record_op(life->record, point - 1)->verb >= CRASH_DELETE)) {
        point--;
    }
    return crash_record_op(life->record, point - 1)->verb == CRASH_WRITE;
}

/* Makes the state at any point of a life at which there is something in the log. @return it. */
static size_t make_any_state(struct bench *b, const struct life *life, bool between_checkpoints)
{
    size_t point;

    do {
        point = life->began + (size_t)rel_below(&b->state, life->ended - life->began);
        make_state(b, life, point);
    } while (size_of(b->log) == 0 || size_of(b->path) == 0 ||
             (between_checkpoints && is_checkpointing(life, point)));
    return point;
}

/* Puts the log of any state of a life beside the database of another. */
static void exchange_log(struct bench *b, const struct life *from, const struct life *life,
                         size_t point)
{
    char kept[TEMP_PATH_MAX];
    struct temp_folder other;

    temp_folder_make(&other);
    temp_folder_path(&other, "log", kept);
    emit_format(&b->what, " of point %zu,", make_any_state(b, from, false));
    assert_int_equal(rename(b->log, kept), 0);
    make_state(b, life, point);
    assert_int_equal(rename(kept, b->log), 0);
    temp_folder_remove(&other);
}

/*
 * The point up to which the log is as it was, where bytes from an offset on are not: the first
 * operation of this round of the log that wrote there.
 */
static size_t intact_until(const struct life *life, size_t point, size_t offset)
{
    size_t until = point, log = SIZE_MAX;

    for (size_t i = 0; i < point; i++) {
        const struct crash_op *op = crash_record_op(life->record, i);
        if (op->verb == CRASH_CREATE && strcmp(op->name, "rankd.db-wal") == 0) {
            log = op->file;
            until = point;
        } else if (op->verb == CRASH_WRITE && op->file == log) {
            until = op->offset == 0 ? point : until; /* it begins anew */
            until = until == point && (size_t)op->offset + op->n > offset ? i : until;
        }
    }
    return until;
}

/* @return the point whose promises must hold if the file is taken. */
static size_t do_damage(struct bench *b, enum damage damage, const struct life *life, size_t point)
{
    switch (damage) {
    case DAMAGE_DATABASE_BITS:
        (void)flip_bits(b, b->path);
        return point;
    case DAMAGE_DATABASE_BLOCK:
        (void)overwrite_block(b, b->path);
        return point;
    case DAMAGE_DATABASE_CUT:
        (void)cut(b, b->path);
        return point;
    case DAMAGE_LOG_BITS:
        return intact_until(life, point, flip_bits(b, b->log));
    case DAMAGE_LOG_BLOCK:
        return intact_until(life, point, overwrite_block(b, b->log));
    case DAMAGE_LOG_CUT:
        return intact_until(life, point, cut(b, b->log));
    case DAMAGE_LOG_FOREIGN:
        exchange_log(b, life == b->life[0] ? b->life[1] : b->life[0], life, point);
        return intact_until(life, point, 0);
    case DAMAGE_LOG_OTHER_TIME:
        exchange_log(b, life, life, point);
        return intact_until(life, point, 0);
    default: {
        char bytes[32768];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (char)rel_below(&b->state, 256);
        }
        temp_file_write(b->memory, bytes, sizeof bytes);
        return point;
    }
    }
}

/* ---- a case ---- */

/* What is wrong, and how to see it again. */
static void show(const struct bench *b, enum damage damage, size_t point, const char *reason)
{
    printf("case %llu (RANKD_SEED=%llu CASE=%llu): point %zu, %s%s %s\n",
           (unsigned long long)b->number, (unsigned long long)b->seed,
           (unsigned long long)b->number, point, damage_text[damage], b->what.text, reason);
    (void)fflush(stdout);
}

static void check_exit(struct bench *b)
{
    char output[4096];

    if (b->exits < EXITS) {
        b->exits++;
        b->right_exits += server_command((const char *const[]){"serve", "--db", b->path, "--listen",
                                                               "127.0.0.1:0", NULL},
                                         output, sizeof output) == EX_DATAERR;
    }
}

static void try_damage(struct bench *b, enum damage damage)
{
    const struct life *life = b->life[rel_below(&b->state, LIVES)];
    /* In the middle of a checkpoint the database alone does not say whose it is. */
    const bool exchange = damage == DAMAGE_LOG_FOREIGN || damage == DAMAGE_LOG_OTHER_TIME;
    const size_t point = make_any_state(b, life, exchange);
    const size_t until = do_damage(b, damage, life, point);
    const uint64_t database = temp_file_hash(b->path), log = temp_file_hash(b->log);
    struct count *count = &b->count[damage];
    char reason[STATE_REASON_MAX] = "";
    struct store *store = NULL;
    struct rk_error err = {0};
    const enum rk_status status = store_open(b->path, &store, &err);

    store_close(&store);
    if (status != RK_OK) {
        count->refused += status == RK_CORRUPT || status == RK_MISMATCH;
        if (status != RK_CORRUPT && status != RK_MISMATCH) {
            count->wrong++;
            show(b, damage, point, err.text);
        }
        if (temp_file_hash(b->path) != database || temp_file_hash(b->log) != log) {
            count->changed++;
            show(b, damage, point, err.text);
        }
        if (status == RK_CORRUPT) {
            check_exit(b);
        }
        return;
    }
    if (state_check(b->path, life, until, STATE_MODELS, reason) == STATE_WHOLE) {
        count->whole++;
    } else if (damage <= DAMAGE_DATABASE_CUT) {
        count->masked++;
    } else {
        count->wrong++;
        show(b, damage, point, reason);
    }
}

/* Each case draws numbers of its own, so that it can be tried alone: CASES=1 CASE=77. */
static void try_case(struct bench *b, uint64_t number)
{
    b->number = number;
    b->state = (b->seed + number * 0x9E3779B97F4A7C15U) | 1;
    emit_reset(&b->what);
    emit_format(&b->what, ":");
    try_damage(b, (enum damage)(number % DAMAGE_COUNT));
}

static void report(const struct bench *b, struct count *all)
{
    for (int i = 0; i < DAMAGE_COUNT; i++) {
        const struct count *count = &b->count[i];
        printf("  %-24s refused=%llu whole=%llu masked=%llu wrong=%llu\n", damage_text[i],
               (unsigned long long)count->refused, (unsigned long long)count->whole,
               (unsigned long long)count->masked, (unsigned long long)count->wrong);
        all->refused += count->refused;
        all->whole += count->whole;
        all->masked += count->masked;
        all->wrong += count->wrong;
        all->changed += count->changed;
    }
}

/* ---- checkpoints ---- */

/* Starts the binary: it says that it passes one over, and serves the same version. */
static bool is_passed_over(const struct bench *b, int64_t version)
{
    struct server_process server = {0};
    char recovered[64];
    bool right;

    (void)snprintf(recovered, sizeof recovered, "model_recovered model=default version=%lld ",
                   (long long)version);
    server_start(&server, b->path, NULL);
    right = server_await_recovered(&server, "default") &&
            server_wrote(&server, "checkpoint_passed_over") && server_wrote(&server, recovered);
    server_signal(&server, SIGKILL); /* so that it stores no other one */
    return server_end(&server) == 128 + SIGKILL && right;
}

/* One number in each is another: the file says nothing of it but by its checksum. */
static uint64_t damage_checkpoints(struct bench *b)
{
    const struct life *life = b->life[0];
    uint64_t right = 0;

    for (int i = 1; i <= CHECKPOINTS; i++) {
        char text[320];
        make_state(b, life, life->ended);
        (void)snprintf(text, sizeof text,
                       "UPDATE checkpoint_chunk SET bytes = CAST(substr(bytes, 1, length(bytes) - "
                       "4) || x'0000803f' AS BLOB) WHERE checkpoint IN (SELECT id FROM checkpoint "
                       "ORDER BY id DESC LIMIT %d)",
                       i);
        fixture_run_sql(b->path, text);
        right += is_passed_over(b, fixture_read_number(b->path, "SELECT max(version) FROM step"));
    }
    return right;
}

int main(void)
{
    const uint64_t cases = rel_count("CASES", CASES), seed = rel_seed();
    struct bench *b = calloc(1, sizeof *b);
    struct count all = {0};
    uint64_t passed_over;
    bool good;

    assert_non_null(b);
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 0);
    }
    json_start();
    log_start(LOG_LEVEL_ERROR, false);
    b->seed = seed;
    for (size_t i = 0; i < LIVES; i++) {
        b->life[i] = life_record(seed + 2 * i, LIFE_FULL, ROUNDS, LIFE_PLAIN);
    }
    temp_folder_make(&b->folder);
    temp_folder_path(&b->folder, "rankd.db", b->path);
    temp_folder_path(&b->folder, "rankd.db-wal", b->log);
    temp_folder_path(&b->folder, "rankd.db-shm", b->memory);
    for (uint64_t i = 0; i < cases; i++) {
        try_case(b, getenv("CASE") != NULL ? strtoull(getenv("CASE"), NULL, 10) : i);
    }
    passed_over = damage_checkpoints(b);
    report(b, &all);
    printf("damage: cases=%llu refused=%llu whole=%llu masked=%llu wrong=%llu changed=%llu "
           "exit65=%llu/%llu passed_over=%llu/%d\n",
           (unsigned long long)cases, (unsigned long long)all.refused,
           (unsigned long long)all.whole, (unsigned long long)all.masked,
           (unsigned long long)all.wrong, (unsigned long long)all.changed,
           (unsigned long long)b->right_exits, (unsigned long long)b->exits,
           (unsigned long long)passed_over, CHECKPOINTS);
    good = all.wrong + all.changed == 0 && b->right_exits == b->exits &&
           passed_over == CHECKPOINTS && all.refused > 0 && all.whole > 0;
    temp_folder_remove(&b->folder);
    emit_deinit(&b->what);
    for (size_t i = 0; i < LIVES; i++) {
        life_free(&b->life[i]);
    }
    free(b);
    return good ? 0 : 1;
}
