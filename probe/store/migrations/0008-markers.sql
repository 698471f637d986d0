-- Changes and deploys that people told of, each attempt of a change by itself. `ended_ms` 0: not ended yet; that of a
-- deploy is its beginning. `body` is the whole of it as JSON.
CREATE TABLE markers (
    id TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id, began_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX markers_by_end ON markers (ended_ms);
