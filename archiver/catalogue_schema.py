"""Tables of the catalogue."""

SCHEMA_VERSION = 2

MIGRATIONS = {
    1: """
ALTER TABLE loss ADD COLUMN end_ns INTEGER NOT NULL DEFAULT 0;
UPDATE loss SET end_ns = time_ns;
ALTER TABLE pv_type ADD COLUMN unit TEXT NOT NULL DEFAULT '';
UPDATE pv_type SET unit = (SELECT coalesce(json_extract(metadata, '$.EGU'), '') FROM pv WHERE id = pv_id);
CREATE TABLE alias (
    name  TEXT PRIMARY KEY,
    pv_id INTEGER NOT NULL REFERENCES pv
) WITHOUT ROWID;
"""
}
"""What makes a catalogue of one version one of the next."""

SCHEMA = """
CREATE TABLE pv (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    created_ns  INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    method      TEXT NOT NULL,
    period_s    REAL NOT NULL,
    active      INTEGER NOT NULL,           -- 0: no longer asked for; what is there stays readable
    newest_ns   INTEGER NOT NULL DEFAULT 0, -- newest time stamp in the lake
    metadata    TEXT NOT NULL DEFAULT '{}'  -- newest units, limits, labels ..., as Archiver Appliance names and texts
);
CREATE TABLE alias (                        -- other names under which PVs are found
    name  TEXT PRIMARY KEY,
    pv_id INTEGER NOT NULL REFERENCES pv
) WITHOUT ROWID;
CREATE TABLE pv_type (                      -- a change of type or unit begins a new row
    pv_id    INTEGER NOT NULL REFERENCES pv,
    since_ns INTEGER NOT NULL,              -- receive time from which it holds
    type     INTEGER NOT NULL,              -- sipmdcs.channels.PvType
    count    INTEGER NOT NULL,
    unit     TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (pv_id, since_ns)
) WITHOUT ROWID;
CREATE TABLE file (                         -- the manifest: what is not in it is not in the archive
    id         INTEGER PRIMARY KEY,
    path       TEXT NOT NULL UNIQUE,        -- below the lake folder
    content    TEXT NOT NULL,               -- scalar, array, link
    day        TEXT NOT NULL,               -- UTC day of all its time stamps
    shard      INTEGER NOT NULL,
    level      INTEGER NOT NULL,            -- how often its rows were merged
    first_seq  INTEGER NOT NULL,            -- its rows came through these log segments
    last_seq   INTEGER NOT NULL,
    row_count  INTEGER NOT NULL,
    bytes      INTEGER NOT NULL
);
CREATE INDEX file_partition ON file (content, day, shard, first_seq);
CREATE TABLE chunk (                        -- the rows of one PV in one file, side by side and in time order
    pv_id     INTEGER NOT NULL REFERENCES pv,
    content   TEXT NOT NULL,
    max_ns    INTEGER NOT NULL,
    file_id   INTEGER NOT NULL REFERENCES file,
    min_ns    INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    PRIMARY KEY (pv_id, content, max_ns, file_id)
) WITHOUT ROWID;
CREATE INDEX chunk_file ON chunk (file_id);
CREATE TABLE obsolete (                     -- files that merging replaced, removed when no reader can still want them
    path     TEXT PRIMARY KEY,
    since_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE loss (                         -- events that could not be kept, of any PV
    time_ns INTEGER NOT NULL,               -- they came in after this
    cause   INTEGER NOT NULL,               -- rows.Cause
    count   INTEGER NOT NULL,
    end_ns  INTEGER NOT NULL DEFAULT 0      -- and up to this
);
CREATE TABLE run (                          -- when the archiver was up; between two runs it was down
    id         INTEGER PRIMARY KEY,
    started_ns INTEGER NOT NULL,
    stopped_ns INTEGER                      -- NULL: running, or died and not started since
);
CREATE TABLE progress (
    compacted_through INTEGER NOT NULL      -- log segments up to this number are in the lake
);
INSERT INTO progress VALUES (0);
"""
