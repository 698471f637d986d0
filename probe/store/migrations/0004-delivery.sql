-- What the receiver returned when it took the notice: by that it finds what it was told of the incident before.
ALTER TABLE deliveries ADD COLUMN reference TEXT NOT NULL DEFAULT '';

-- Receivers that take nothing any more. `digest` is of their settings: once those change they are tried again.
CREATE TABLE receivers (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    disabled_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
