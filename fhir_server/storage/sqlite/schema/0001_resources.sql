-- Resources, their versions, their index rows; server records; the audit journal.

CREATE TABLE secret (key BLOB NOT NULL);
INSERT INTO secret VALUES (randomblob(32));

-- Small integers that stand for names in the tables below. They are only ever added.
CREATE TABLE resource_type (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE parameter (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    family INTEGER NOT NULL,
    resource_type TEXT NOT NULL,  -- '' for compartments and relations, which are asked for across types
    UNIQUE (name, family, resource_type)
);
CREATE TABLE system (id INTEGER PRIMARY KEY, uri TEXT NOT NULL UNIQUE);

-- The current version of every resource, a deleted one too. `rid` is the order of creation. Instants: microseconds.
CREATE TABLE resource (
    rid INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    version_id INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL,
    depositor TEXT NOT NULL
);
CREATE UNIQUE INDEX resource_by_id ON resource (type, id);
CREATE INDEX resource_by_type ON resource (type, is_deleted);
CREATE INDEX resource_by_update ON resource (type, last_updated);

-- The bytes of the current version.
CREATE TABLE body (rid INTEGER PRIMARY KEY, content BLOB NOT NULL);

-- The index rows of the current version as JSON, {parameter: [[columns ..., element], ...]}: what an update compares
-- with, and what answers the questions about one resource that the tables by value below cannot.
CREATE TABLE index_rows (rid INTEGER PRIMARY KEY, content TEXT NOT NULL);

-- Versions that are no longer current.
CREATE TABLE history (
    type INTEGER NOT NULL,
    rid INTEGER NOT NULL,
    version_id INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL,
    content BLOB NOT NULL
);
CREATE UNIQUE INDEX history_by_version ON history (rid, version_id);
CREATE INDEX history_by_update ON history (type, last_updated);

-- One narrow table a family, by value; `p` is a parameter.
CREATE TABLE token (
    p INTEGER, code TEXT, rid INTEGER, system INTEGER, element INTEGER,
    PRIMARY KEY (p, code, rid, system, element)
) WITHOUT ROWID;
CREATE TABLE string (
    p INTEGER, folded TEXT, rid INTEGER, exact TEXT, element INTEGER,
    PRIMARY KEY (p, folded, rid, exact, element)
) WITHOUT ROWID;
CREATE TABLE date (
    p INTEGER, low INTEGER, rid INTEGER, high INTEGER, element INTEGER,
    PRIMARY KEY (p, low, rid, high, element)
) WITHOUT ROWID;
CREATE INDEX date_by_high ON date (p, high, rid);
CREATE INDEX date_by_resource ON date (rid, p, low, high);
CREATE TABLE number (
    p INTEGER, low REAL, rid INTEGER, high REAL, element INTEGER,
    PRIMARY KEY (p, low, rid, high, element)
) WITHOUT ROWID;
CREATE TABLE quantity (
    p INTEGER, low REAL, rid INTEGER, high REAL, system INTEGER, code TEXT, element INTEGER,
    PRIMARY KEY (p, low, rid, high, system, code, element)
) WITHOUT ROWID;
CREATE TABLE reference (
    p INTEGER, target_type INTEGER, target_id TEXT, rid INTEGER, version TEXT, element INTEGER,
    PRIMARY KEY (p, target_type, target_id, rid, version, element)
) WITHOUT ROWID;
CREATE TABLE uri (
    p INTEGER, value TEXT, rid INTEGER, element INTEGER,
    PRIMARY KEY (p, value, rid, element)
) WITHOUT ROWID;
CREATE TABLE compartment (
    p INTEGER, compartment_id TEXT, type INTEGER, rid INTEGER, element INTEGER,
    PRIMARY KEY (p, compartment_id, type, rid, element)
) WITHOUT ROWID;
CREATE INDEX compartment_by_resource ON compartment (rid, p, compartment_id);
CREATE TABLE relation (
    actor TEXT, patient_id TEXT, p INTEGER, rid INTEGER, low INTEGER, high INTEGER, element INTEGER,
    PRIMARY KEY (actor, patient_id, p, rid, low, high, element)
) WITHOUT ROWID;

-- What the server itself keeps: clients, users, sessions, keys, codes. `expires_at` in microseconds, NULL for never.
CREATE TABLE record (
    kind TEXT NOT NULL, key TEXT NOT NULL, content BLOB NOT NULL, expires_at INTEGER,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX record_by_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;

-- Audit entries that wait to become AuditEvents; AUTOINCREMENT: a sequence is never used twice.
CREATE TABLE journal (sequence INTEGER PRIMARY KEY AUTOINCREMENT, entry BLOB NOT NULL);
