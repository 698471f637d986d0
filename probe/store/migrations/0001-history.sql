-- Levels are numbers: 0 unknown, 1 up, 2 degraded, 3 down. Instants are Unix ms. The views at the end say both in words.

CREATE TABLE checks (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What many runs have in common, written once: the names of their phases and measured facts, and the facts that stay
-- the same from run to run. `used_ms` is within a day of the last run that refers to it.
CREATE TABLE shapes (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    used_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX shapes_by_use ON shapes (used_ms);

-- Clustered by check: a day of one check is read from neighbouring pages. `measured` is a JSON array: the length of
-- every phase of the shape in microseconds, then the value of every measured fact. `reason` is null where it is the message.
CREATE TABLE results (
    check_id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    level INTEGER NOT NULL,
    provisional INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    shape_id INTEGER NOT NULL,
    measured TEXT NOT NULL,
    kind TEXT,
    phase TEXT,
    message TEXT,
    reason TEXT,
    PRIMARY KEY (check_id, at_ms, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_by_time ON results (at_ms);

CREATE TABLE states (
    check_id INTEGER PRIMARY KEY REFERENCES checks (id),
    at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE transitions (
    id INTEGER PRIMARY KEY,
    check_id INTEGER NOT NULL REFERENCES checks (id),
    at_ms INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    level_before INTEGER NOT NULL,
    level_after INTEGER NOT NULL,
    event TEXT NOT NULL,
    incident TEXT NOT NULL,
    incident_since_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (check_id, at_ms, level_after)
) STRICT;
CREATE INDEX transitions_by_time ON transitions (at_ms);

-- `seq` is the order in which notices were decided, whatever the wall clock did meanwhile.
CREATE TABLE notices (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- `body` is the notice as this receiver was told it, where that differs from the notice that was decided.
CREATE TABLE deliveries (
    notice_seq INTEGER NOT NULL REFERENCES notices (seq),
    receiver TEXT NOT NULL,
    outcome TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    body TEXT,
    PRIMARY KEY (notice_seq, receiver)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_owed ON deliveries (notice_seq) WHERE outcome = 'pending';

-- The last notice of each incident that each receiver took.
CREATE TABLE told (
    incident TEXT NOT NULL,
    receiver TEXT NOT NULL,
    notice_seq INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    PRIMARY KEY (incident, receiver)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_by_end ON told (ended_ms);

CREATE TABLE levels (
    level INTEGER PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;
INSERT INTO levels (level, name) VALUES (0, 'unknown'), (1, 'up'), (2, 'degraded'), (3, 'down');

CREATE VIEW runs AS
SELECT
    c.name,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.at_ms / 1000.0, 'unixepoch') AS at,
    r.at_ms,
    r.attempt,
    r.provisional,
    l.name AS level,
    r.duration_us / 1000.0 AS ms,
    r.kind,
    r.phase,
    coalesce(r.reason, r.message) AS reason
FROM results AS r
JOIN checks AS c ON c.id = r.check_id
JOIN levels AS l ON l.level = r.level;

CREATE VIEW phases AS
SELECT
    c.name,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.at_ms / 1000.0, 'unixepoch') AS at,
    r.at_ms,
    p.value AS phase,
    (r.measured ->> p.key) / 1000.0 AS ms
FROM results AS r
JOIN checks AS c ON c.id = r.check_id
JOIN shapes AS s ON s.id = r.shape_id
JOIN json_each(s.body, '$.phases') AS p;

CREATE VIEW facts AS
SELECT
    c.name,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.at_ms / 1000.0, 'unixepoch') AS at,
    r.at_ms,
    f.value AS fact,
    r.measured ->> (json_array_length(s.body, '$.phases') + f.key) AS value
FROM results AS r
JOIN checks AS c ON c.id = r.check_id
JOIN shapes AS s ON s.id = r.shape_id
JOIN json_each(s.body, '$.measured') AS f
UNION ALL
SELECT
    c.name,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.at_ms / 1000.0, 'unixepoch') AS at,
    r.at_ms,
    f.key AS fact,
    f.value AS value
FROM results AS r
JOIN checks AS c ON c.id = r.check_id
JOIN shapes AS s ON s.id = r.shape_id
JOIN json_each(s.body, '$.same') AS f;

CREATE VIEW changes AS
SELECT
    c.name,
    strftime('%Y-%m-%dT%H:%M:%SZ', t.since_ms / 1000, 'unixepoch') AS since,
    t.at_ms,
    b.name AS level_before,
    a.name AS level_after,
    t.event,
    t.incident,
    t.reason
FROM transitions AS t
JOIN checks AS c ON c.id = t.check_id
JOIN levels AS b ON b.level = t.level_before
JOIN levels AS a ON a.level = t.level_after;

CREATE VIEW alerts AS
SELECT
    n.body ->> 'check' AS name,
    coalesce(d.body, n.body) ->> 'kind' AS kind,
    strftime('%Y-%m-%dT%H:%M:%SZ', n.at_ms / 1000, 'unixepoch') AS decided,
    d.receiver,
    d.outcome,
    d.attempts,
    CASE WHEN d.at_ms > 0 THEN (d.at_ms - n.at_ms) / 1000.0 END AS after_s,
    d.error,
    n.incident
FROM deliveries AS d
JOIN notices AS n ON n.seq = d.notice_seq;
