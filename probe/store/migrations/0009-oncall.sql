-- Calendars of shifts: the last good copy of each. `key` is a digest of its address, which is a secret.
CREATE TABLE feeds (
    key TEXT PRIMARY KEY,
    fetched_ms INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;

-- What each announcement of a schedule said last: when, and who was on call. `name` is the schedule, the receiver and
-- the occasion.
CREATE TABLE bulletins (
    name TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL
) STRICT, WITHOUT ROWID;
