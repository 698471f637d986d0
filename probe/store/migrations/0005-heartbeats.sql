-- Jobs that report to us. `body` is how each stands, as JSON: what is due, which runs are open, what is wrong.
CREATE TABLE heartbeats (
    check_id INTEGER PRIMARY KEY REFERENCES checks (id),
    at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Their runs, counted from 1. `ended_ms` 0: open. `body` is the whole of it as JSON.
CREATE TABLE heartbeat_runs (
    check_id INTEGER NOT NULL REFERENCES checks (id),
    number INTEGER NOT NULL,
    rid TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (check_id, number)
) STRICT, WITHOUT ROWID;

-- What jobs said. `run` 0: of no run that is known.
CREATE TABLE heartbeat_pings (
    id INTEGER PRIMARY KEY,
    check_id INTEGER NOT NULL REFERENCES checks (id),
    run INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    signal TEXT NOT NULL,
    stage TEXT NOT NULL,
    exit INTEGER,
    source TEXT NOT NULL,
    method TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX heartbeat_pings_by_run ON heartbeat_pings (check_id, run);

-- Results that are not yet among the results: what a ping led to is on disk before the ping is answered.
CREATE TABLE heartbeat_owed (
    check_id INTEGER NOT NULL REFERENCES checks (id),
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (check_id, at_ms)
) STRICT, WITHOUT ROWID;

-- When we last listened: what jobs said after that, nobody heard.
CREATE TABLE heartbeat_beat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at_ms INTEGER NOT NULL
) STRICT;
