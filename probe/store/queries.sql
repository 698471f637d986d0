-- Every statement of the store by name, in the dialect that SQLite and PostgreSQL share.

-- name: add_check
INSERT INTO checks (name) VALUES ($1)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id

-- name: add_shape
INSERT INTO shapes (digest, used_ms, body) VALUES ($1, $2, $3)
ON CONFLICT (digest) DO UPDATE SET
    used_ms = CASE WHEN excluded.used_ms > shapes.used_ms THEN excluded.used_ms ELSE shapes.used_ms END
RETURNING id

-- name: add_result
INSERT INTO results (
    check_id, at_ms, attempt, level, provisional, duration_us, shape_id, measured, kind, phase, message, reason
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (check_id, at_ms, attempt) DO NOTHING

-- One writer appends in the order in which things were judged; the wall clock, which may be set back, has no say.
-- name: set_state
INSERT INTO states (check_id, at_ms, body) VALUES ($1, $2, $3)
ON CONFLICT (check_id) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body

-- name: add_transition
INSERT INTO transitions (
    check_id, at_ms, since_ms, level_before, level_after, event, incident, incident_since_ms, reason,
    runs, runs_since_ms
) VALUES ((SELECT id FROM checks WHERE name = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (check_id, at_ms, level_after) DO NOTHING

-- name: add_notice
INSERT INTO notices (id, incident, at_ms, ended_ms, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING

-- name: owe_delivery
INSERT INTO deliveries (notice_seq, receiver, outcome, attempts, error, at_ms)
VALUES ((SELECT seq FROM notices WHERE id = $1), $2, 'pending', 0, '', 0)
ON CONFLICT (notice_seq, receiver) DO NOTHING

-- What is settled is never owed again: a note about an earlier attempt that comes late changes nothing.
-- name: settle_delivery
INSERT INTO deliveries (notice_seq, receiver, outcome, attempts, error, at_ms, body, reference)
SELECT seq, $2, $3, $4, $5, $6, nullif($7, body), $8 FROM notices WHERE id = $1
ON CONFLICT (notice_seq, receiver) DO UPDATE SET
    outcome = excluded.outcome, attempts = excluded.attempts, error = excluded.error,
    at_ms = excluded.at_ms, body = excluded.body, reference = excluded.reference
WHERE deliveries.outcome = 'pending' OR excluded.outcome <> 'pending'

-- name: remember_told
INSERT INTO told (incident, receiver, notice_seq, ended_ms)
SELECT incident, $2, seq, ended_ms FROM notices WHERE id = $1
ON CONFLICT (incident, receiver) DO UPDATE SET notice_seq = excluded.notice_seq, ended_ms = excluded.ended_ms
WHERE excluded.notice_seq > told.notice_seq

-- name: states
SELECT c.name, s.body FROM states AS s JOIN checks AS c ON c.id = s.check_id ORDER BY c.name

-- name: pending
SELECT coalesce(d.body, n.body), d.receiver, d.outcome, d.attempts, d.error, d.at_ms, d.reference
FROM deliveries AS d JOIN notices AS n ON n.seq = d.notice_seq
WHERE d.outcome = 'pending'
ORDER BY d.notice_seq, d.receiver

-- name: told
SELECT coalesce(d.body, n.body), d.receiver, d.outcome, d.attempts, d.error, d.at_ms, d.reference
FROM told AS t
JOIN notices AS n ON n.seq = t.notice_seq
JOIN deliveries AS d ON d.notice_seq = t.notice_seq AND d.receiver = t.receiver
WHERE t.ended_ms = 0 OR t.ended_ms >= $1
ORDER BY t.notice_seq, t.receiver

-- name: results
SELECT at_ms, attempt, level, provisional, duration_us, measured, kind, phase, message, reason, shape_id
FROM results
WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND at_ms >= $2 AND at_ms < $3
ORDER BY at_ms DESC, attempt DESC
LIMIT $4

-- name: shapes
SELECT id, body FROM shapes WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

-- name: transitions_of_check
SELECT c.name, t.at_ms, t.since_ms, t.level_before, t.level_after, t.event, t.incident, t.incident_since_ms, t.reason,
    t.runs, t.runs_since_ms
FROM transitions AS t JOIN checks AS c ON c.id = t.check_id
WHERE t.check_id = (SELECT id FROM checks WHERE name = $1) AND t.at_ms >= $2 AND t.at_ms < $3
ORDER BY t.at_ms DESC, t.id DESC
LIMIT $4

-- name: transitions_of_all
SELECT c.name, t.at_ms, t.since_ms, t.level_before, t.level_after, t.event, t.incident, t.incident_since_ms, t.reason,
    t.runs, t.runs_since_ms
FROM transitions AS t JOIN checks AS c ON c.id = t.check_id
WHERE t.at_ms >= $1 AND t.at_ms < $2
ORDER BY t.at_ms DESC, t.id DESC
LIMIT $3

-- name: forget_state
DELETE FROM states WHERE check_id = (SELECT id FROM checks WHERE name = $1)

-- name: prune_results
DELETE FROM results WHERE (check_id, at_ms, attempt) IN (
    SELECT check_id, at_ms, attempt FROM results WHERE at_ms < $1 ORDER BY at_ms LIMIT $2
)

-- name: prune_oldest_results
DELETE FROM results WHERE (check_id, at_ms, attempt) IN (
    SELECT check_id, at_ms, attempt FROM results ORDER BY at_ms LIMIT $1
)

-- `used_ms` lies at most a day behind the last use, so two days before the oldest result nothing refers to it.
-- name: prune_shapes
DELETE FROM shapes WHERE id IN (
    SELECT id FROM shapes WHERE used_ms < (SELECT min(at_ms) FROM results) - 172800000 ORDER BY used_ms LIMIT $1
)

-- name: add_gap
INSERT INTO gaps (check_id, began_ms, ended_ms) VALUES ($1, $2, $3)
ON CONFLICT (check_id, began_ms) DO UPDATE SET ended_ms = excluded.ended_ms

-- name: gaps
SELECT c.name, g.began_ms, g.ended_ms
FROM gaps AS g JOIN checks AS c ON c.id = g.check_id
WHERE g.ended_ms > $1 AND g.began_ms < $2
ORDER BY g.check_id, g.began_ms

-- name: standing
SELECT c.name, t.at_ms, t.since_ms, t.level_before, t.level_after, t.event, t.incident, t.incident_since_ms, t.reason,
    t.runs, t.runs_since_ms
FROM checks AS c JOIN transitions AS t ON t.id = (
    SELECT max(id) FROM transitions WHERE check_id = c.id AND at_ms < $1
)
ORDER BY t.id

-- name: last_runs
SELECT name, at_ms FROM (
    SELECT c.name, (SELECT max(at_ms) FROM results WHERE check_id = c.id) AS at_ms FROM checks AS c
) AS lasts
WHERE at_ms IS NOT NULL

-- name: runs
SELECT at_ms, attempt, level, provisional, duration_us, measured, kind, phase, message, reason, shape_id
FROM results
WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND (at_ms, attempt) > ($2, $3) AND at_ms < $4
ORDER BY at_ms, attempt
LIMIT $5

-- Runs are only ever added, or deleted for their age: a bucket of fewer runs than are counted was made of what is left.
-- name: add_rollup
INSERT INTO rollups (check_id, step, at_ms, up, degraded, down, unknown, kinds, sketches)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (check_id, step, at_ms) DO UPDATE SET
    up = excluded.up, degraded = excluded.degraded, down = excluded.down, unknown = excluded.unknown,
    kinds = excluded.kinds, sketches = excluded.sketches
WHERE excluded.up + excluded.degraded + excluded.down + excluded.unknown
    >= rollups.up + rollups.degraded + rollups.down + rollups.unknown

-- name: numbers
SELECT id FROM checks ORDER BY id

-- name: runs_of_checks
SELECT check_id, level, kind, duration_us, measured, shape_id
FROM results
WHERE check_id IN ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    AND at_ms >= $1 AND at_ms < $2 AND provisional = 0
ORDER BY check_id

-- name: rollups_of_checks
SELECT check_id, at_ms, step, up, degraded, down, unknown, kinds, sketches
FROM rollups
WHERE check_id IN ($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
    AND step = $1 AND at_ms >= $2 AND at_ms < $3
ORDER BY check_id

-- name: next_run
SELECT min(at_ms) FROM results WHERE at_ms >= $1

-- name: next_rollup
SELECT min(at_ms) FROM rollups WHERE step = $1 AND at_ms >= $2

-- name: first_run
SELECT min(at_ms) FROM results WHERE check_id = (SELECT id FROM checks WHERE name = $1)

-- name: first_rollup
SELECT min(at_ms) FROM rollups WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND step = $2

-- name: oldest
SELECT 0, min(at_ms) FROM results
UNION ALL SELECT $1, min(at_ms) FROM rollups WHERE step = $1
UNION ALL SELECT $2, min(at_ms) FROM rollups WHERE step = $2
UNION ALL SELECT $3, min(at_ms) FROM rollups WHERE step = $3

-- name: mark_late
INSERT INTO late (step, at_ms, check_id, marks) VALUES ($1, $2, $3, $4)
ON CONFLICT (step, at_ms, check_id) DO UPDATE SET marks = late.marks + excluded.marks

-- name: unmark_late
DELETE FROM late WHERE step = $1 AND at_ms = $2 AND check_id = $3 AND marks = $4

-- name: late
SELECT DISTINCT step, at_ms FROM late ORDER BY step, at_ms

-- name: late_checks
SELECT check_id, marks FROM late WHERE step = $1 AND at_ms = $2 ORDER BY check_id

-- name: late_buckets
SELECT step, at_ms FROM late WHERE check_id = (SELECT id FROM checks WHERE name = $1) ORDER BY step, at_ms

-- name: rollups
SELECT at_ms, step, up, degraded, down, unknown, kinds, sketches
FROM rollups
WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND step = $2 AND at_ms >= $3 AND at_ms < $4
ORDER BY at_ms

-- name: rolled
SELECT step, until_ms FROM rolled

-- name: set_rolled
INSERT INTO rolled (step, until_ms) VALUES ($1, $2)
ON CONFLICT (step) DO UPDATE SET until_ms = excluded.until_ms

-- name: prune_rollups
DELETE FROM rollups WHERE (check_id, step, at_ms) IN (
    SELECT check_id, step, at_ms FROM rollups WHERE step = $1 AND at_ms < $2 ORDER BY at_ms LIMIT $3
)

-- name: announce
INSERT INTO announcements (id, kind, began_ms, ended_ms, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET
    kind = excluded.kind, began_ms = excluded.began_ms, ended_ms = excluded.ended_ms, body = excluded.body

-- name: announcements
SELECT body FROM announcements WHERE ended_ms = 0 OR ended_ms > $1 ORDER BY began_ms, id

-- name: set_incident
INSERT INTO incidents (id, number, subject, opened_ms, ended_ms, body) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET
    opened_ms = excluded.opened_ms, ended_ms = excluded.ended_ms, body = excluded.body

-- name: set_member
INSERT INTO members (incident, name, ended_ms, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (incident, name) DO UPDATE SET ended_ms = excluded.ended_ms, body = excluded.body

-- name: add_happening
INSERT INTO happenings (incident, at_ms, deed, who, text, notice) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (incident, at_ms, deed, who, text, notice) DO NOTHING

-- name: set_case
INSERT INTO cases (id, opened_ms, body) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET body = excluded.body

-- name: end_case
DELETE FROM cases WHERE id = $1

-- name: cases
SELECT body FROM cases ORDER BY opened_ms, id

-- name: incidents
SELECT body FROM (
    SELECT body, opened_ms, number FROM incidents
    WHERE opened_ms < $2 AND (ended_ms = 0 OR ended_ms >= $1)
    ORDER BY ended_ms = 0 DESC, opened_ms DESC, number DESC
    LIMIT $3
) AS found
ORDER BY opened_ms DESC, number DESC

-- name: incident
SELECT body FROM incidents WHERE number = $1 ORDER BY opened_ms DESC LIMIT 1

-- name: members
SELECT body FROM members WHERE incident = $1 ORDER BY name

-- name: happenings
SELECT at_ms, deed, who, text, notice FROM happenings WHERE incident = $1 ORDER BY seq DESC LIMIT $2

-- name: deliveries_of_incident
SELECT coalesce(d.body, n.body), d.receiver, d.outcome, d.attempts, d.error, d.at_ms, d.reference
FROM notices AS n JOIN deliveries AS d ON d.notice_seq = n.seq
WHERE n.id IN (SELECT notice FROM happenings WHERE incident = $1 AND notice <> '')
ORDER BY d.notice_seq, d.receiver

-- name: notice
SELECT body FROM notices WHERE id = $1

-- name: last_number
SELECT max(number) FROM incidents

-- name: add_key
INSERT INTO keys (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING

-- name: key
SELECT value FROM keys WHERE name = $1

-- name: forget_links
DELETE FROM used_links WHERE expires_ms < $1

-- name: link_used
SELECT count(*) FROM used_links WHERE digest = $1

-- name: use_link
INSERT INTO used_links (digest, expires_ms) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING

-- name: mark_change
INSERT INTO markers (id, began_ms, ended_ms, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (id, began_ms) DO UPDATE SET ended_ms = excluded.ended_ms, body = excluded.body

-- name: changes
SELECT body FROM markers WHERE ended_ms = 0 OR ended_ms >= $1 ORDER BY began_ms DESC, id DESC LIMIT $2

-- name: attempts
SELECT body FROM markers WHERE id = $1 ORDER BY began_ms

-- name: disabled
SELECT name, digest, disabled_ms, reason FROM receivers ORDER BY name

-- name: disable
INSERT INTO receivers (name, digest, disabled_ms, reason) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET
    digest = excluded.digest, disabled_ms = excluded.disabled_ms, reason = excluded.reason

-- name: enable
DELETE FROM receivers WHERE name = $1

-- name: reference
SELECT d.reference
FROM told AS t JOIN deliveries AS d ON d.notice_seq = t.notice_seq AND d.receiver = t.receiver
WHERE t.incident = $1 AND t.receiver = $2

-- name: add_evidence
INSERT INTO evidence (check_id, at_ms, attempt, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (check_id, at_ms, attempt) DO NOTHING

-- name: bound_evidence
DELETE FROM evidence WHERE check_id = $1 AND (at_ms, attempt) <= (
    SELECT at_ms, attempt FROM evidence WHERE check_id = $1 ORDER BY at_ms DESC, attempt DESC LIMIT 1 OFFSET $2
)

-- name: evidence
SELECT at_ms, attempt, body
FROM evidence
WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND at_ms >= $2 AND at_ms < $3
ORDER BY at_ms DESC, attempt DESC
LIMIT $4

-- Of checks whose last transition that was told of began an outage, or ended one lately, nothing is stale.
-- name: stale_evidence
SELECT e.id
FROM evidence AS e
WHERE e.at_ms < $1 AND NOT EXISTS (
    SELECT 1 FROM transitions AS t
    WHERE t.id = (
        SELECT id FROM transitions
        WHERE check_id = e.check_id AND event <> 'quiet' ORDER BY at_ms DESC, id DESC LIMIT 1
    ) AND (t.event <> 'resolved' OR t.at_ms >= $1)
)
ORDER BY e.at_ms
LIMIT $2

-- name: old_evidence
SELECT id FROM evidence WHERE at_ms < $1 ORDER BY at_ms LIMIT $2

-- name: delete_evidence
DELETE FROM evidence WHERE id = $1

-- name: oldest_evidence
SELECT min(at_ms) FROM evidence

-- name: know_check
INSERT INTO checks (name) VALUES ($1) ON CONFLICT (name) DO NOTHING

-- name: set_heartbeat
INSERT INTO heartbeats (check_id, at_ms, body) VALUES ((SELECT id FROM checks WHERE name = $1), $2, $3)
ON CONFLICT (check_id) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body

-- name: set_job_run
INSERT INTO heartbeat_runs (check_id, number, rid, began_ms, ended_ms, outcome, body)
VALUES ((SELECT id FROM checks WHERE name = $1), $2, $3, $4, $5, $6, $7)
ON CONFLICT (check_id, number) DO UPDATE SET
    began_ms = excluded.began_ms, ended_ms = excluded.ended_ms, outcome = excluded.outcome, body = excluded.body

-- name: add_ping
INSERT INTO heartbeat_pings (check_id, run, at_ms, signal, stage, exit, source, method, body)
VALUES ((SELECT id FROM checks WHERE name = $1), $2, $3, $4, $5, $6, $7, $8, $9)

-- name: owe_result
INSERT INTO heartbeat_owed (check_id, at_ms, body) VALUES ((SELECT id FROM checks WHERE name = $1), $2, $3)
ON CONFLICT (check_id, at_ms) DO NOTHING

-- name: settle_owed
DELETE FROM heartbeat_owed
WHERE EXISTS (
    SELECT 1 FROM results AS r WHERE r.check_id = heartbeat_owed.check_id AND r.at_ms = heartbeat_owed.at_ms
)

-- name: set_beat
INSERT INTO heartbeat_beat (id, at_ms) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms

-- name: last_beat
SELECT at_ms FROM heartbeat_beat WHERE id = 1

-- name: heartbeats
SELECT c.name, h.body FROM heartbeats AS h JOIN checks AS c ON c.id = h.check_id ORDER BY c.name

-- name: owed_results
SELECT o.body FROM heartbeat_owed AS o
WHERE NOT EXISTS (SELECT 1 FROM results AS r WHERE r.check_id = o.check_id AND r.at_ms = o.at_ms)
ORDER BY o.at_ms, o.check_id

-- name: job_runs
SELECT body FROM heartbeat_runs
WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND number < $2
ORDER BY number DESC
LIMIT $3

-- name: pings
SELECT run, at_ms, signal, stage, exit, source, method, body FROM heartbeat_pings
WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND run >= $2 AND run <= $3
ORDER BY id DESC
LIMIT $4

-- What ran last stays, however long ago that was. Of a run that is forgotten nothing is kept.
-- name: prune_job_runs
DELETE FROM heartbeat_runs
WHERE ended_ms > 0 AND number <= (
    SELECT max(h.number) - $1 FROM heartbeat_runs AS h WHERE h.check_id = heartbeat_runs.check_id
)

-- name: prune_pings
DELETE FROM heartbeat_pings
WHERE run > 0 AND run < (
    SELECT min(h.number) FROM heartbeat_runs AS h WHERE h.check_id = heartbeat_pings.check_id
)

-- name: prune_stray_pings
DELETE FROM heartbeat_pings WHERE run = 0 AND at_ms < $1

-- name: empty_pings
UPDATE heartbeat_pings SET body = ''
WHERE body <> '' AND run <= (
    SELECT max(h.number) - $1 FROM heartbeat_runs AS h WHERE h.check_id = heartbeat_pings.check_id
)

-- name: feed
SELECT text, fetched_ms FROM feeds WHERE key = $1

-- name: feed_keys
SELECT key, fetched_ms FROM feeds ORDER BY key

-- name: keep_feed
INSERT INTO feeds (key, fetched_ms, text) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE SET fetched_ms = excluded.fetched_ms, text = excluded.text

-- name: touch_feed
UPDATE feeds SET fetched_ms = $2 WHERE key = $1

-- name: drop_feed
DELETE FROM feeds WHERE key = $1

-- name: said
SELECT name, at_ms, who FROM bulletins ORDER BY name

-- name: say
INSERT INTO bulletins (name, at_ms, who) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms, who = excluded.who
