/*
 * A log and a file, written and synced as SQLite does; clients that wait on a condition.
 */
#include "plain_writer.h"

#include "clock.h"
#include "rel.h"
#include "store.h"
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define LOG_BYTES  ((off_t)1 << 20) /* of chunks, from where on the server copies back */
#define PAGE_BYTES ((size_t)4096)

struct plain {
    pthread_mutex_t lock;
    pthread_cond_t told;
    size_t begun, committed; /* guarded by lock: commits */
    bool over;               /* guarded by lock */
    int log, file;
    off_t log_end, file_end;
    char *chunk; /* (STORE_CHUNK_BYTES) */
};

struct plain_client {
    struct plain *plain;
    pthread_t thread;
    struct waits waits;
};

static void *wait_for_commits(void *context)
{
    struct plain_client *client = context;
    struct plain *p = client->plain;
    const struct timespec between = {.tv_nsec = 1000000};
    bool over = false;

    while (!over) {
        const int64_t start_ns = clock_monotonic_ns();
        pthread_mutex_lock(&p->lock);
        const size_t own = p->begun + 1;
        while (p->committed < own && !p->over) {
            pthread_cond_wait(&p->told, &p->lock);
        }
        over = p->over;
        pthread_mutex_unlock(&p->lock);
        if (!over) {
            waits_add(&client->waits, clock_monotonic_ns() - start_ns);
            (void)nanosleep(&between, NULL);
        }
    }
    return NULL;
}

static void write_pages(const struct plain *p, int to, off_t at, size_t bytes)
{
    for (size_t done = 0; done < bytes; done += PAGE_BYTES) {
        assert_int_equal(
            pwrite(to, p->chunk + done % STORE_CHUNK_BYTES, PAGE_BYTES, at + (off_t)done),
            PAGE_BYTES);
    }
}

static void commit_chunk(struct plain *p)
{
    pthread_mutex_lock(&p->lock);
    p->begun++;
    pthread_mutex_unlock(&p->lock);
    write_pages(p, p->log, p->log_end, STORE_CHUNK_BYTES);
    assert_int_equal(fdatasync(p->log), 0);
    p->log_end += (off_t)STORE_CHUNK_BYTES;
    pthread_mutex_lock(&p->lock);
    p->committed = p->begun;
    pthread_cond_broadcast(&p->told);
    pthread_mutex_unlock(&p->lock);
}

static void copy_back(struct plain *p)
{
    write_pages(p, p->file, p->file_end, (size_t)p->log_end);
    assert_int_equal(fdatasync(p->file), 0);
    p->file_end += p->log_end;
    p->log_end = 0;
}

static int open_in(const struct temp_folder *folder, const char *name)
{
    char path[TEMP_PATH_MAX];
    int file;

    temp_folder_path(folder, name, path);
    file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    (void)unlink(path);
    return file;
}

/* What no disk takes for empty. */
static char *make_noise(size_t n)
{
    char *noise = malloc(n);
    uint64_t state = 1;

    assert_non_null(noise);
    for (size_t i = 0; i < n; i++) {
        noise[i] = (char)rel_below(&state, 256);
    }
    return noise;
}

static void store_all(struct plain *p, size_t bytes)
{
    for (size_t done = 0; done < bytes; done += STORE_CHUNK_BYTES) {
        commit_chunk(p);
        if (p->log_end >= LOG_BYTES) {
            copy_back(p);
        }
    }
    pthread_mutex_lock(&p->lock);
    p->over = true;
    pthread_cond_broadcast(&p->told);
    pthread_mutex_unlock(&p->lock);
}

void plain_writer_store(const struct temp_folder *folder, size_t bytes, struct waits *waits)
{
    struct plain p = {.log = open_in(folder, "plain-log"), .file = open_in(folder, "plain")};
    struct plain_client client[PLAIN_WRITER_CLIENTS];

    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.told, NULL);
    p.chunk = make_noise(STORE_CHUNK_BYTES);
    for (int i = 0; i < PLAIN_WRITER_CLIENTS; i++) {
        client[i] = (struct plain_client){.plain = &p};
        assert_int_equal(pthread_create(&client[i].thread, NULL, wait_for_commits, &client[i]), 0);
    }
    store_all(&p, bytes);
    for (int i = 0; i < PLAIN_WRITER_CLIENTS; i++) {
        assert_int_equal(pthread_join(client[i].thread, NULL), 0);
        waits_join(waits, &client[i].waits);
        waits_deinit(&client[i].waits);
    }
    free(p.chunk);
    (void)close(p.file);
    (void)close(p.log);
    pthread_cond_destroy(&p.told);
    pthread_mutex_destroy(&p.lock);
}
