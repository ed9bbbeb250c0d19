/*
 * The twin of retention.
 */
#include "retention_twin.h"

#include "store_fixture.h"
#include "test.h"

#include <stdio.h>

/* Positions: up to where records are of before, and rankings take no events; and the last one. */
#define LIMITS                                                                                     \
    "limits AS (SELECT coalesce(max(seq) FILTER (WHERE time_ms < %lld), 0) AS old, "               \
    "coalesce(max(seq) FILTER (WHERE time_ms < %lld), 0) AS silent, max(seq) AS last, %lld "       \
    "AS since_ms FROM log)"

/* Every list, with its newest record. */
#define LISTS                                                                                      \
    "list AS (SELECT seq, seq AS newest, model, 0 AS is_ranking FROM batch UNION ALL SELECT "      \
    "seq, coalesce((SELECT max(e.seq) FROM event e WHERE e.ranking = r.seq), 0), model, 1 "        \
    "FROM ranking r)"

/* What each living model may be gone on from. */
#define BASES                                                                                      \
    "life AS (SELECT id AS model, hashed, config, coalesce((SELECT max(after_checkpoint) "         \
    "FROM activation WHERE model = m.id), 0) AS made, (SELECT max(seq) FROM activation WHERE "     \
    "model = m.id) AS activated FROM model m WHERE deleted_ms IS NULL), newest AS (SELECT "        \
    "l.model, max(c.id) AS id FROM life l LEFT JOIN checkpoint c ON c.model = l.model AND "        \
    "c.source <> 'import' AND c.id > l.made GROUP BY l.model), trained AS (SELECT *, "             \
    "row_number() OVER (PARTITION BY model ORDER BY id DESC) AS n FROM checkpoint WHERE "          \
    "source = 'training'), base AS (SELECT c.model, c.seq, c.due_seq FROM limits, trained c "      \
    "LEFT JOIN trimmed t USING (model) WHERE (n <= 5 OR time_ms > since_ms) AND c.seq >= "         \
    "coalesce(t.seq, 0) AND c.due_seq >= coalesce(t.due_seq, 0) AND c.step >= "                    \
    "coalesce(t.step, 0) UNION ALL SELECT c.model, c.seq, c.due_seq FROM checkpoint c JOIN "       \
    "newest n USING (id) UNION ALL SELECT l.model, activated, activated FROM life l JOIN "         \
    "newest n USING (model) WHERE n.id IS NULL), reader AS (SELECT l.*, min(b.seq) AS after, "     \
    "min(b.due_seq) AS due_after, config ->> '$.training.source' IS 'all' AS reads_all, "          \
    "coalesce(config ->> '$.training.attribution_s', 0) > 0 OR config ->> '$.loss.name' IS "       \
    "'bce_with_logits' AS waits, CASE WHEN config ->> '$.training.enabled' IS 0 THEN "             \
    "coalesce((SELECT max(to_seq) FROM step s WHERE s.model = l.model), 0) ELSE (SELECT last "     \
    "FROM limits) END AS upto FROM life l JOIN base b USING (model) GROUP BY l.model)"

#define NAMED                                                                                      \
    "named AS (SELECT l.value ->> 0 AS seq FROM life JOIN checkpoint c USING (model), "            \
    "json_each(nullif(c.held, ''), '$.lists') l UNION SELECT l.value ->> 0 FROM life JOIN "        \
    "activation a USING (model) LEFT JOIN trimmed t USING (model), json_each(nullif(a.held, ''), " \
    "'$.lists') l WHERE a.seq = activated OR a.seq >= coalesce(t.seq, 0) UNION SELECT q.value "    \
    "FROM life JOIN step s USING (model), json_each(s.quarantined) q)"

#define MAY_GO                                                                                     \
    "SELECT seq FROM list, limits WHERE max(seq, newest) < last AND max(seq, newest) <= old "      \
    "AND (NOT is_ranking OR seq <= silent) AND seq NOT IN (SELECT seq FROM named) AND NOT "        \
    "EXISTS (SELECT 1 FROM reader r WHERE (r.model = list.model OR (reads_all AND list.model "     \
    "IN (SELECT id FROM model WHERE hashed))) AND list.seq <= upto AND (newest > after OR "        \
    "(is_ranking AND waits AND list.seq > due_after)))"

void twin_decide(const char *path, int64_t now_ms, int64_t days, int64_t ttl_ms)
{
    const int64_t since_ms = now_ms - days * 24 * 3600000;
    char sql[4096];

    (void)snprintf(
        sql, sizeof sql,
        "DROP TABLE IF EXISTS may_go; DROP TABLE IF EXISTS was; CREATE TABLE was AS "
        "SELECT seq FROM ranking UNION ALL SELECT seq FROM batch; CREATE TABLE may_go AS "
        "WITH " LIMITS ", " LISTS ", " BASES ", " NAMED " " MAY_GO,
        (long long)since_ms, (long long)(now_ms - ttl_ms - 60000), (long long)since_ms);
    fixture_run_sql(path, sql);
}

void twin_check(const char *path)
{
    assert_int_equal(fixture_read_number(path,
                                         "SELECT count(*) FROM (SELECT seq FROM ranking UNION "
                                         "ALL SELECT seq FROM batch) JOIN may_go USING (seq)"),
                     0);
    assert_int_equal(fixture_read_number(
                         path, "SELECT count(*) FROM was WHERE seq NOT IN (SELECT seq FROM ranking "
                               "UNION ALL SELECT seq FROM batch UNION ALL SELECT seq FROM may_go)"),
                     0);
}
