-- Time in which a check has no run although it should: nobody knows how it stood then. Half-open.
CREATE TABLE gaps (
    check_id INTEGER NOT NULL REFERENCES checks (id),
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    PRIMARY KEY (check_id, began_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX gaps_by_end ON gaps (ended_ms);

-- What the runs of a bucket came to, `step` seconds from `at_ms` on: runs that count by their own level, failures by
-- kind as JSON, and a sketch of the latencies of good runs for `total` and each phase, as MessagePack of bytes by name.
CREATE TABLE rollups (
    check_id INTEGER NOT NULL REFERENCES checks (id),
    step INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    up INTEGER NOT NULL,
    degraded INTEGER NOT NULL,
    down INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    kinds TEXT NOT NULL,
    sketches BLOB NOT NULL,
    PRIMARY KEY (check_id, step, at_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollups_by_time ON rollups (step, at_ms);

-- Up to when the buckets of a step have been made.
CREATE TABLE rolled (
    step INTEGER PRIMARY KEY,
    until_ms INTEGER NOT NULL
) STRICT;

-- Buckets that must be made again: something that they are made of came after they were. `marks` counts how often.
CREATE TABLE late (
    step INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    check_id INTEGER NOT NULL REFERENCES checks (id),
    marks INTEGER NOT NULL,
    PRIMARY KEY (step, at_ms, check_id)
) STRICT, WITHOUT ROWID;

-- What people announced while the service ran: maintenance, and time that does not count. `ended_ms` 0: not ended yet.
-- `body` is the whole of it as JSON.
CREATE TABLE announcements (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX announcements_by_end ON announcements (ended_ms);

CREATE VIEW buckets AS
SELECT
    c.name,
    r.step,
    strftime('%Y-%m-%dT%H:%M:%SZ', r.at_ms / 1000, 'unixepoch') AS at,
    r.at_ms,
    r.up,
    r.degraded,
    r.down,
    r.unknown,
    r.kinds
FROM rollups AS r
JOIN checks AS c ON c.id = r.check_id;
