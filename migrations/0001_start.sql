-- The log is the truth: every record has a seq, and a model is a fold over the log from a checkpoint.
CREATE TABLE log (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL CHECK (kind IN ('ranking', 'event', 'batch', 'item', 'user', 'model', 'delete', 'pause', 'resume', 'activate', 'config')),
    model   INTEGER,           -- whom it concerns; NULL for items and users
    time_ms INTEGER NOT NULL   -- server clock, Unix milliseconds
) STRICT;
-- Which database this is. It stands where every append to the log writes, so that a write-ahead log of another database is noticed.
INSERT INTO sqlite_sequence (name, seq) VALUES ('identity', random());
CREATE INDEX log_learned ON log (model, seq) WHERE kind IN ('event', 'batch');
CREATE INDEX log_served ON log (model, seq) WHERE kind = 'ranking';
CREATE INDEX log_learned_by_all ON log (seq) WHERE kind IN ('event', 'batch');

-- A name that is deleted and made again is a new model with a new id.
CREATE TABLE model (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL,
    config     TEXT    NOT NULL,  -- JSON, all defaults filled in, as it was made
    seq        INTEGER NOT NULL,  -- log position of its creation
    time_ms    INTEGER NOT NULL,
    paused     INTEGER NOT NULL DEFAULT 0,
    hashed     INTEGER NOT NULL,  -- its features are: models that learn from all such read its log
    deleted_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX model_name ON model (name) WHERE deleted_ms IS NULL;

-- What a configuration was changed to. Steps say with which they were taken.
CREATE TABLE model_config (
    seq    INTEGER PRIMARY KEY,  -- log position of the change
    model  INTEGER NOT NULL,
    config TEXT    NOT NULL      -- JSON, whole
) STRICT;
CREATE INDEX model_config_by_model ON model_config (model, seq);

-- One list as it was served. shown is before the long texts, so that an event need not walk through them.
CREATE TABLE ranking (
    seq           INTEGER PRIMARY KEY,
    ranking_id    TEXT    NOT NULL UNIQUE,
    model         INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    catalogue_seq INTEGER NOT NULL,  -- item and user features were those of this log position
    time_ms       INTEGER NOT NULL,
    user_hash     INTEGER,           -- of the user's id, whose events a token may cap; NULL = nobody was named
    shown         BLOB    NOT NULL,  -- hashes of the shown item ids, ascending, 8 bytes each, little-endian
    request       TEXT    NOT NULL,  -- JSON as received
    served        TEXT    NOT NULL   -- JSON: [{"id", "rank", "score"}, ...], what was shown, in order
) STRICT;
CREATE INDEX ranking_by_catalogue ON ranking (catalogue_seq);

-- Something a user did to an item of a ranking.
CREATE TABLE event (
    seq        INTEGER PRIMARY KEY,
    event_id   TEXT    NOT NULL,
    event_hash INTEGER NOT NULL,  -- of event_id: a short key that finds it again
    ranking    INTEGER NOT NULL,  -- ranking.seq
    item_id    TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    value      REAL    NOT NULL,
    event_ms   INTEGER,           -- the client's time, if it gave one
    token      INTEGER            -- the kid of the token it came with; NULL = none
) STRICT;
CREATE INDEX event_by_hash ON event (event_hash);
CREATE INDEX event_by_ranking ON event (ranking, item_id);

-- A labelled list that came by POST /v1/batches, one row a list.
CREATE TABLE batch (
    seq           INTEGER PRIMARY KEY,
    model         INTEGER NOT NULL,
    catalogue_seq INTEGER NOT NULL,
    payload       TEXT    NOT NULL  -- JSON
) STRICT;
CREATE INDEX batch_by_catalogue ON batch (catalogue_seq);

-- Named batches, so that one sent twice is taken once.
CREATE TABLE batch_name (
    model     INTEGER NOT NULL,
    batch_id  TEXT    NOT NULL,
    sha256    BLOB    NOT NULL,  -- of the payloads
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    items     INTEGER NOT NULL,
    PRIMARY KEY (model, batch_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_name_by_end ON batch_name (last_seq);

-- Revisions of the catalogue: the features of an id from a log position on; NULL = deleted.
CREATE TABLE item (
    id       TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    features TEXT,
    PRIMARY KEY (id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE user (
    id       TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    features TEXT,
    PRIMARY KEY (id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX item_by_seq ON item (seq);
CREATE INDEX user_by_seq ON user (seq);

-- One learning step: what it took from the log, what came of it. Recovery cuts the same steps again.
CREATE TABLE step (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    model       INTEGER NOT NULL,
    version     INTEGER NOT NULL,  -- after the step
    from_seq    INTEGER NOT NULL,  -- it took batches and events in (from_seq, to_seq]
    to_seq      INTEGER NOT NULL,
    due_from    INTEGER NOT NULL,  -- and rankings whose window had ended, in (due_from, due_to]
    due_to      INTEGER NOT NULL,
    config      INTEGER NOT NULL DEFAULT 0,  -- the configuration it was taken with: model_config.seq; 0 = as the model was made
    outcome     TEXT    NOT NULL CHECK (outcome IN ('published', 'no_op', 'quarantined')),
    reason      TEXT,
    quarantined TEXT    NOT NULL,  -- JSON: log positions of lists that were left out
    held        TEXT    NOT NULL,  -- JSON: log positions of lists that were held back for the judge
    released    TEXT    NOT NULL,  -- JSON: of those held back before that it learned from
    retry       INTEGER,           -- the step whose quarantined lists it took again, and nothing else
    teacher     BLOB,              -- distillation: float32 scores another model gave its lists
    lists       INTEGER NOT NULL,
    pairs       INTEGER NOT NULL,
    loss        REAL,              -- NULL = not a number, here and below
    grad_norm   REAL,
    ndcg        REAL,              -- sums over lists, scored before they were learned from, with their counts
    ndcg_n      INTEGER NOT NULL,
    auc         REAL,
    auc_n       INTEGER NOT NULL,
    log_loss    REAL,
    log_loss_n  INTEGER NOT NULL,
    time_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX step_by_model ON step (model, id);
CREATE INDEX step_by_seq ON step (model, to_seq);
CREATE INDEX step_by_version ON step (model, version);
CREATE INDEX step_in_quarantine ON step (model, id) WHERE quarantined <> '[]';
CREATE INDEX step_retried ON step (retry) WHERE retry IS NOT NULL;

-- A stored version: parameters, optimizer and position, as a safetensors file in chunks.
CREATE TABLE checkpoint (
    id      INTEGER PRIMARY KEY,
    model   INTEGER NOT NULL,
    version INTEGER NOT NULL,
    parent  INTEGER NOT NULL,  -- the checkpoint's version it grew from
    source  TEXT    NOT NULL CHECK (source IN ('init', 'import', 'training', 'file')),
    time_ms INTEGER NOT NULL,
    seq     INTEGER NOT NULL,  -- batches and events up to here are in it
    due_seq INTEGER NOT NULL,  -- rankings up to here are in it, where their window is waited for
    step    INTEGER NOT NULL,  -- the last step row in it
    bytes   INTEGER NOT NULL,
    sha256  BLOB    NOT NULL,
    metrics TEXT    NOT NULL,  -- JSON
    held    TEXT    NOT NULL   -- JSON: lists held back for the judge; '' = none
) STRICT;
CREATE INDEX checkpoint_by_model ON checkpoint (model, id);
CREATE TABLE checkpoint_chunk (
    checkpoint INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    bytes      BLOB    NOT NULL,
    PRIMARY KEY (checkpoint, n)
) STRICT;
-- Checkpoints without a row whose chunks are being removed, one after the other.
CREATE TABLE checkpoint_dropped (id INTEGER PRIMARY KEY) STRICT;
CREATE TRIGGER checkpoint_gone AFTER DELETE ON checkpoint BEGIN
    INSERT INTO checkpoint_dropped (id) VALUES (old.id);
END;

-- "Serve that checkpoint from here on": learning goes on from seq.
CREATE TABLE activation (
    seq              INTEGER PRIMARY KEY,
    model            INTEGER NOT NULL,
    checkpoint       INTEGER NOT NULL,
    after_checkpoint INTEGER NOT NULL,  -- checkpoints with a larger id were made after it
    step             INTEGER NOT NULL,  -- step rows with a larger id were made after it
    held             TEXT    NOT NULL   -- JSON: lists held back for the judge, which stay so; '' = none
) STRICT;

-- Retention: up to where what a model learns from may have been removed, and its own state.
CREATE TABLE trimmed (
    model   INTEGER PRIMARY KEY,
    seq     INTEGER NOT NULL,  -- batches and events
    due_seq INTEGER NOT NULL,  -- rankings whose window it waits for
    step    INTEGER NOT NULL   -- step rows
) STRICT;
CREATE TABLE retention (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    now_ms        INTEGER NOT NULL,  -- its clock, which no jump of the machine's moves far
    removed       INTEGER NOT NULL,  -- log rows, in all
    catalogue_seq INTEGER NOT NULL   -- of ids changed up to here only the revision then is kept
) STRICT;

-- When a token was last used. The tokens themselves are in a file beside the database.
CREATE TABLE token_use (
    kid    INTEGER PRIMARY KEY,
    minute INTEGER NOT NULL  -- Unix time / 60
) STRICT;

-- What a person with the sqlite3 shell asks first.
CREATE VIEW v_clicks AS
    SELECT datetime(l.time_ms / 1000, 'unixepoch') AS time, m.name AS model, r.ranking_id, r.version, e.item_id, e.type, e.value
      FROM event e JOIN log l ON l.seq = e.seq JOIN ranking r ON r.seq = e.ranking JOIN model m ON m.id = r.model
     ORDER BY e.seq;
CREATE VIEW v_steps AS
    SELECT datetime(s.time_ms / 1000, 'unixepoch') AS time, m.name AS model, s.version, s.outcome, s.lists, s.pairs, s.loss,
           s.ndcg / nullif(s.ndcg_n, 0) AS ndcg10, s.auc / nullif(s.auc_n, 0) AS auc, s.from_seq, s.to_seq
      FROM step s JOIN model m ON m.id = s.model
     ORDER BY s.id;
