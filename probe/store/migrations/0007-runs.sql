-- What the runs alone confirm, where that is not `level_after`, and from which Unix ms on, where that is new (else 0).
-- Transitions from before this have neither: there availability counts the level.
ALTER TABLE transitions ADD COLUMN runs INTEGER;
ALTER TABLE transitions ADD COLUMN runs_since_ms INTEGER NOT NULL DEFAULT 0;

DROP VIEW changes;
CREATE VIEW changes AS
SELECT
    c.name,
    strftime('%Y-%m-%dT%H:%M:%SZ', t.since_ms / 1000, 'unixepoch') AS since,
    t.at_ms,
    b.name AS level_before,
    a.name AS level_after,
    t.event,
    t.incident,
    t.reason,
    r.name AS runs
FROM transitions AS t
JOIN checks AS c ON c.id = t.check_id
JOIN levels AS b ON b.level = t.level_before
JOIN levels AS a ON a.level = t.level_after
JOIN levels AS r ON r.level = coalesce(t.runs, t.level_after);
