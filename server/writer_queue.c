/*
 * The writer's queues.
 */
#include "writer_impl.h"

#include <stdlib.h>

/*
 * What one transaction takes at most: enough to make the commit's cost small, little enough that
 * nobody waits long behind it.
 */
#define COMMIT_WEIGHT 4096
#define COMMIT_BYTES  ((size_t)8 << 20)

/* ---- jobs ---- */

void job_queue_init(struct job_queue *queue)
{
    *queue = (struct job_queue){.last = &queue->first};
}

void job_queue_push(struct job_queue *queue, struct writer_job *job)
{
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
    queue->weight += job->weight;
    queue->bytes += job->bytes;
}

struct writer_job *job_queue_take(struct job_queue *queue)
{
    struct writer_job *taken = queue->first;
    struct writer_job **end = &queue->first;
    size_t weight = 0, bytes = 0;

    while (*end != NULL && weight < COMMIT_WEIGHT && bytes < COMMIT_BYTES) {
        weight += (*end)->weight;
        bytes += (*end)->bytes;
        end = &(*end)->next;
    }
    if (taken == NULL) {
        return NULL;
    }
    queue->first = *end;
    *end = NULL;
    if (queue->first == NULL) {
        queue->last = &queue->first;
    }
    queue->weight -= weight;
    queue->bytes -= bytes;
    return taken;
}

/* ---- rankings ---- */

bool ranking_queue_init(struct ranking_queue *queue, size_t limit)
{
    size_t n = 16;

    while (n < limit) {
        n *= 2;
    }
    *queue = (struct ranking_queue){.last = &queue->first,
                                    .bucket = calloc(n, sizeof(struct writer_ranking *)),
                                    .n_buckets = n};
    return queue->bucket != NULL;
}

void ranking_queue_deinit(struct ranking_queue *queue)
{
    ranking_queue_free(queue, ranking_queue_take(queue));
    free(queue->bucket);
}

static struct writer_ranking **bucket_of(const struct ranking_queue *queue, uint64_t id_hash)
{
    return &queue->bucket[(id_hash >> 1) & (queue->n_buckets - 1)];
}

void ranking_queue_push(struct ranking_queue *queue, struct writer_ranking *ranking)
{
    ranking->next = NULL;
    *queue->last = ranking;
    queue->last = &ranking->next;
    queue->n++;
    if (ranking->id_hash != 0) {
        struct writer_ranking **bucket = bucket_of(queue, ranking->id_hash);
        ranking->chained = *bucket;
        *bucket = ranking;
    }
}

bool ranking_queue_holds(const struct ranking_queue *queue, uint64_t id_hash)
{
    const struct writer_ranking *ranking = *bucket_of(queue, id_hash);

    while (ranking != NULL && ranking->id_hash != id_hash) {
        ranking = ranking->chained;
    }
    return ranking != NULL;
}

struct writer_ranking *ranking_queue_take(struct ranking_queue *queue)
{
    struct writer_ranking *taken = queue->first;

    queue->first = NULL;
    queue->last = &queue->first;
    queue->n = 0;
    return taken;
}

void ranking_queue_give_back(struct ranking_queue *queue, struct writer_ranking *taken)
{
    struct writer_ranking **end = &taken;

    while (*end != NULL) {
        end = &(*end)->next;
        queue->n++;
    }
    *end = queue->first;
    if (queue->first == NULL) {
        queue->last = taken == NULL ? &queue->first : end;
    }
    queue->first = taken;
}

static void forget(struct ranking_queue *queue, const struct writer_ranking *ranking)
{
    struct writer_ranking **at = bucket_of(queue, ranking->id_hash);

    while (*at != ranking) {
        at = &(*at)->chained;
    }
    *at = ranking->chained;
}

void ranking_queue_free(struct ranking_queue *queue, struct writer_ranking *taken)
{
    while (taken != NULL) {
        struct writer_ranking *next = taken->next;
        if (taken->id_hash != 0) {
            forget(queue, taken);
        }
        free(taken);
        taken = next;
    }
}
