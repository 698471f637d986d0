-- Incidents: what is wrong with a service, from its first bad run on. `ended_ms` 0: it is open. `body` is all of it as
-- JSON; the columns beside are what is searched. `number` is what people say.
CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    subject TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_by_number ON incidents (number);
CREATE INDEX incidents_by_time ON incidents (opened_ms);
CREATE INDEX incidents_by_end ON incidents (ended_ms);

-- The checks of an incident; `ended_ms` 0: it is bad.
CREATE TABLE members (
    incident TEXT NOT NULL,
    name TEXT NOT NULL,
    ended_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (incident, name)
) STRICT, WITHOUT ROWID;

-- What happened to an incident, line by line: what checks did, what people did, and what was told.
CREATE TABLE happenings (
    seq INTEGER PRIMARY KEY,
    incident TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    deed TEXT NOT NULL,
    who TEXT NOT NULL,
    text TEXT NOT NULL,
    notice TEXT NOT NULL,
    UNIQUE (incident, at_ms, deed, who, text, notice)
) STRICT;

-- What receivers are told of as one thing, and how far that has come; the ended ones are not kept.
CREATE TABLE cases (
    id TEXT PRIMARY KEY,
    opened_ms INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- Keys that were made here, by what they are for.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Links that act, once: the digest of each that was used.
CREATE TABLE used_links (
    digest BLOB PRIMARY KEY,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
