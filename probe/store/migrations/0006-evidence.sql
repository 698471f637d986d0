-- What failing runs have seen: `body` is JSON, compressed (zlib). Of runs that may be deleted already.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    check_id INTEGER NOT NULL REFERENCES checks (id),
    at_ms INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (check_id, at_ms, attempt)
) STRICT;
CREATE INDEX evidence_by_time ON evidence (at_ms, check_id);
