-- The statements of PostgreSQL. Each follows a line "-- name: …" and stands for the one of that name in Go. A
-- part in braces is another one's text.

-- name: settings
-- ?1 is lock_timeout. What is confirmed must be on the disk, whatever the server's default is.
SELECT set_config('lock_timeout', $1, true),
  CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END

-- name: share log
LOCK TABLE griphub.log IN ROW SHARE MODE

-- name: identity
-- Whether the database is what it was when a number was last given. What it was, and the transaction, are for "fate".
SELECT identity = griphub.identity(), identity, pg_current_xact_id()::text FROM griphub.log

-- name: fate
-- What became of the transaction $1, which ran in the database that was $2. "committed" proves nothing: a server that
-- crashes forgets the numbers of transactions that had not reached its log, and gives them again. Nor does another copy
-- know of the transaction.
SELECT CASE
  WHEN griphub.identity() <> $2::text THEN 'moved'
  WHEN $1::text::xid8 >= pg_current_xact_id() THEN 'aborted'
  ELSE coalesce(pg_xact_status($1::text::xid8), 'old')
END

-- name: proof
-- Whether the event $1 is the one that was stored at $2 with these positions, which another one that took its id after a
-- crash is not; and whether it may have been trimmed, as all up to $5 of the channel $4 was.
SELECT EXISTS (SELECT FROM griphub.events WHERE id = $1 AND stored = $2 AND positions = $3),
  EXISTS (SELECT FROM griphub.channels WHERE name = $4 AND floor >= $5)

-- name: own log
LOCK TABLE griphub.log IN EXCLUSIVE MODE

-- name: newest id
SELECT last_value FROM griphub.event_ids

-- name: jump
INSERT INTO griphub.jumps (base, time) VALUES ($1, $2)

-- name: set base
UPDATE griphub.log SET base = $1, identity = griphub.identity()

-- name: set newest id
SELECT setval('griphub.event_ids', $1)

-- name: claim keys
-- Waits for transactions that brought the same keys. $1 is in order, as everybody's is.
INSERT INTO griphub.keys (key, event_id, positions, stored)
SELECT asked.key, 0, '', $2 FROM unnest($1::text[]) WITH ORDINALITY AS asked (key, place) ORDER BY place
ON CONFLICT (key) DO NOTHING
RETURNING key

-- name: find keys
SELECT k.key, e.id IS NOT NULL, k.event_id, k.positions, coalesce(e.type, ''), coalesce(e.data, ''),
  coalesce(e.raw, false), e.private, coalesce(e.scope, ''), coalesce(e.user_id, ''), coalesce(e.skip_users, ''),
  coalesce(e.device_type, ''), coalesce(e.device_id, ''), coalesce(e.key, ''), e.shown, coalesce(e.replay_of, 0),
  coalesce(e.replay, 0), coalesce(e.time, 0)
FROM griphub.keys AS k LEFT JOIN griphub.events AS e ON e.id = k.event_id
WHERE k.key = ANY ($1::text[]) AND k.event_id <> 0

-- name: count
-- Moves the counters of the channels $1 by $2, from the base where they are behind that, and locks them. $1 is in
-- order, as everybody's is, so that nobody waits in a circle.
INSERT INTO griphub.channels AS c (name, head, oldest)
SELECT asked.name, l.base + asked.n, $3
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (name, n, place), griphub.log AS l
ORDER BY place
ON CONFLICT (name) DO UPDATE SET
  head = greatest(c.head, (SELECT base FROM griphub.log)) + excluded.head - (SELECT base FROM griphub.log),
  oldest = coalesce(c.oldest, excluded.oldest)

-- name: counted channels
-- A statement of its own, as it must see what the transactions stored that "count" waited for.
SELECT c.name, c.id, c.head, coalesce((
  SELECT p.latest FROM griphub.positions AS p WHERE p.channel_id = c.id ORDER BY p.seq DESC LIMIT 1), 0)
FROM griphub.channels AS c WHERE c.name = ANY ($1::text[])

-- name: new ids
SELECT nextval('griphub.event_ids') FROM generate_series(1, $1)

-- name: add events
INSERT INTO griphub.events (id, positions, type, data, raw, private, scope, user_id, skip_users, device_type, device_id,
  key, shown, replay_of, replay, time, stored)
SELECT *, $17::bigint FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::boolean[], $6::bytea[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::bigint[], $15::integer[], $16::bigint[])

-- name: count replays
-- Moves the counters of the events $1 by $2, and locks them. $1 is in order, as everybody's is. No row for an event that
-- was trimmed.
UPDATE griphub.events AS e SET replays = e.replays + asked.n
FROM (
  SELECT o.id, a.n FROM unnest($1::bigint[], $2::integer[]) AS a (id, n) JOIN griphub.events AS o ON o.id = a.id
  ORDER BY o.id FOR NO KEY UPDATE OF o) AS asked
WHERE e.id = asked.id
RETURNING e.id, e.replays

-- name: add positions
INSERT INTO griphub.positions (channel_id, seq, event_id, latest)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])

-- name: notify
-- Those who watch are told with the commit.
SELECT pg_notify($1, $2)

-- name: settle keys
UPDATE griphub.keys AS k SET event_id = e.id, positions = e.positions
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS e (key, id, positions)
WHERE k.key = e.key

-- name: add refusals
INSERT INTO griphub.refusals (source, reason, payload, time)
SELECT r.source, r.reason, r.payload, r.time
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[]) WITH ORDINALITY
  AS r (source, reason, payload, time, place) ORDER BY place

-- name: put devices
-- $1 and $2 are in order, as everybody's are. A device that is not to be registered is locked as it is found, so that it is
-- not removed in between.
INSERT INTO griphub.devices AS known (type, id, status, overdue, last_seen, firmware, battery, temperature, humidity,
  latitude, longitude, data_time, status_time, data, search, created, updated)
SELECT d.type, d.id, d.status, d.overdue, d.last_seen, d.firmware, d.battery, d.temperature, d.humidity, d.latitude,
  d.longitude, d.data_time, d.status_time, d.data, d.search, $17, $17
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::text[], $7::float8[], $8::float8[],
  $9::float8[], $10::float8[], $11::float8[], $12::bigint[], $13::bigint[], $14::bytea[], $15::text[], $16::boolean[])
  WITH ORDINALITY AS d (type, id, status, overdue, last_seen, firmware, battery, temperature, humidity, latitude,
  longitude, data_time, status_time, data, search, register, place)
WHERE d.register OR EXISTS (
  SELECT FROM griphub.devices AS there WHERE there.type = d.type AND there.id = d.id FOR KEY SHARE)
ORDER BY place
ON CONFLICT (type, id) DO UPDATE SET status = excluded.status, overdue = excluded.overdue,
  last_seen = excluded.last_seen, firmware = excluded.firmware, battery = excluded.battery,
  temperature = coalesce(excluded.temperature, known.temperature), humidity = coalesce(excluded.humidity, known.humidity),
  latitude = coalesce(excluded.latitude, known.latitude), longitude = coalesce(excluded.longitude, known.longitude),
  data_time = excluded.data_time, status_time = excluded.status_time, data = excluded.data, updated = excluded.updated

-- name: edit alone
-- Two that edit at the same time could give one code to two devices.
SELECT pg_advisory_xact_lock(hashtextextended('griphub edit devices', 0))

-- name: lock devices
SELECT d.type, d.id FROM unnest($1::text[], $2::text[]) AS asked (type, id)
  JOIN griphub.devices AS d ON d.type = asked.type AND d.id = asked.id
ORDER BY d.type, d.id FOR UPDATE OF d

-- name: put records
INSERT INTO griphub.devices AS known (type, id, active, code, key, name, owner, product_type, groups, search, attributes,
  latitude, longitude, created, updated)
SELECT d.type, d.id, d.active, d.code, d.key, d.name, d.owner, d.product_type, d.groups, d.search, d.attributes,
  d.latitude, d.longitude, $14, $14
FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
  $10::text[], $11::text[], $12::float8[], $13::float8[])
  WITH ORDINALITY AS d (type, id, active, code, key, name, owner, product_type, groups, search, attributes, latitude,
  longitude, place)
ORDER BY place
ON CONFLICT (type, id) DO UPDATE SET active = excluded.active, code = excluded.code, key = excluded.key,
  name = excluded.name, owner = excluded.owner, product_type = excluded.product_type, groups = excluded.groups,
  search = excluded.search, attributes = excluded.attributes, latitude = coalesce(excluded.latitude, known.latitude),
  longitude = coalesce(excluded.longitude, known.longitude), updated = excluded.updated

-- name: release codes
UPDATE griphub.devices AS d SET code = '', key = '' FROM unnest($1::text[], $2::text[]) AS asked (type, id)
WHERE d.type = asked.type AND d.id = asked.id

-- name: remove devices
DELETE FROM griphub.devices AS d USING unnest($1::text[], $2::text[]) AS asked (type, id)
WHERE d.type = asked.type AND d.id = asked.id

-- name: leave groups
DELETE FROM griphub.device_groups AS g USING unnest($1::text[], $2::text[], $3::text[]) AS gone (group_id, type, id)
WHERE g.group_id = gone.group_id AND g.type = gone.type AND g.id = gone.id

-- name: join groups
INSERT INTO griphub.device_groups (group_id, type, id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])

-- name: add mark
-- Waits for a transaction that adds it too. The value is still to come.
INSERT INTO griphub.marks (name, value) VALUES ($1, '') ON CONFLICT (name) DO NOTHING

-- name: lock mark
SELECT value FROM griphub.marks WHERE name = $1 FOR UPDATE NOWAIT

-- name: put mark
UPDATE griphub.marks SET value = $2 WHERE name = $1

-- name: add activity
-- Not of an event that was trimmed.
INSERT INTO griphub.activities (event_id, kind, who, time)
SELECT $1::bigint, $2, $3, $4::bigint WHERE EXISTS (SELECT FROM griphub.events WHERE id = $1)

-- name: put bookmark
INSERT INTO griphub.bookmarks (name, cursor, time) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, time = excluded.time

-- name: add undelivered
INSERT INTO griphub.undelivered (subscriber, event_id, message, body, reason, time, requeued)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: change undelivered
UPDATE griphub.undelivered SET reason = $2, requeued = $3 WHERE id = $1

-- name: delete undelivered
DELETE FROM griphub.undelivered WHERE id = $1

-- name: activities
SELECT kind, who, time FROM (
  SELECT * FROM griphub.activities WHERE event_id = $1 ORDER BY id DESC LIMIT $2) AS newest ORDER BY id

-- name: bookmark
SELECT cursor FROM griphub.bookmarks WHERE name = $1

-- name: undelivered
-- $1 is the subscriber, '' for all; $3 leaves out what is not requeued.
SELECT id, subscriber, event_id, message, body, reason, time, requeued FROM griphub.undelivered
WHERE ($1::text = '' OR subscriber = $1) AND id < $2 AND (requeued OR NOT $3::boolean) ORDER BY id DESC LIMIT $4

-- name: mark
SELECT value FROM griphub.marks WHERE name = $1

-- name: event
SELECT id, positions, type, data, raw, private, scope, user_id, skip_users, device_type, device_id, key,
  shown, replay_of, replay, time
FROM griphub.events WHERE id = $1

-- name: heads
-- Rows come in the order of the names.
SELECT coalesce(c.id, 0), coalesce(c.head, 0), coalesce(c.floor, 0), l.base
FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, place)
  CROSS JOIN griphub.log AS l LEFT JOIN griphub.channels AS c ON c.name = asked.name
ORDER BY place

-- name: jumps
SELECT base FROM griphub.jumps

-- name: is position
SELECT EXISTS (SELECT FROM griphub.positions WHERE channel_id = $1 AND seq = $2)

-- name: page
SELECT p.seq, e.id, e.positions, e.type, e.data, e.raw, e.private, e.scope, e.user_id, e.skip_users, e.device_type,
  e.device_id, e.key, e.shown, e.replay_of, e.replay, e.time
FROM griphub.positions AS p JOIN griphub.events AS e ON e.id = p.event_id
WHERE p.channel_id = $1 AND p.seq > $2
ORDER BY p.seq LIMIT $3

-- name: latest
SELECT p.seq, e.id, e.positions, e.type, e.data, e.raw, e.private, e.scope, e.user_id, e.skip_users, e.device_type,
  e.device_id, e.key, e.shown, e.replay_of, e.replay, e.time
FROM griphub.positions AS p JOIN griphub.events AS e ON e.id = p.event_id
WHERE p.channel_id = $1
ORDER BY p.seq DESC LIMIT $2

-- name: seq at
-- The place before the first event of the channel $1 whose time is $2 or later; no row where there is no such
-- event. All events at or below low are too early; positions.latest finds the highest such number, bit by bit.
-- An event that was trimmed may have been later than all that are left, so the times themselves have the last word.
WITH RECURSIVE search (low, step) AS (
  SELECT 0::bigint, 1::bigint << 52
  UNION ALL
  SELECT low + CASE WHEN (
      SELECT latest FROM griphub.positions WHERE channel_id = $1 AND seq >= low + step ORDER BY seq LIMIT 1) < $2
    THEN step ELSE 0 END, step / 2
  FROM search WHERE step > 0
)
SELECT p.seq - 1 FROM griphub.positions AS p JOIN griphub.events AS e ON e.id = p.event_id
WHERE p.channel_id = $1 AND p.seq > (SELECT max(low) FROM search) AND e.time >= $2
ORDER BY p.seq LIMIT 1

-- name: entries
-- Everything in the order of the ids. In what follows, ENTRIES stands for this or for "entries of channel", and PLACE for
-- the number in it.
griphub.events AS e WHERE true

-- name: entries of channel
griphub.positions AS p JOIN griphub.events AS e ON e.id = p.event_id WHERE p.channel_id = @channel

-- name: channel id
SELECT id FROM griphub.channels WHERE name = @name

-- name: stored before
-- The last of the entries that were stored before the moment: the highest number that is not behind it, bit by bit.
WITH RECURSIVE search (low, step) AS (
  SELECT 0::bigint, 1::bigint << 52
  UNION ALL
  SELECT low + CASE WHEN (
      SELECT e.stored FROM ENTRIES AND PLACE >= low + step ORDER BY PLACE LIMIT 1) < @moment
    THEN step ELSE 0 END, step / 2
  FROM search WHERE step > 0
)
SELECT max(low) FROM search

-- name: horizon
-- How far back one page looks.
SELECT PLACE FROM ENTRIES AND PLACE > @after AND PLACE < @before ORDER BY PLACE DESC LIMIT 1 OFFSET @depth

-- name: browse
SELECT PLACE, e.stored, e.id, e.positions, e.type, e.data, e.raw, e.private, e.scope, e.user_id, e.skip_users, e.device_type,
  e.device_id, e.key, e.shown, e.replay_of, e.replay, e.time
FROM ENTRIES AND PLACE > @after AND PLACE < @before

-- name: of type
e.type = @type

-- name: of scope
e.scope = @scope

-- name: of device type
e.device_type = @device_type

-- name: of device
e.device_id = @device_id

-- name: newest first
ORDER BY PLACE DESC LIMIT @limit

-- name: list channels
-- $3 is from when on events are counted, $4 how many at most. The search is that of "stored before".
SELECT c.name, c.head, c.oldest, n.stored, CASE WHEN n.stored >= $3::bigint THEN (
  SELECT count(*) FROM (
    SELECT 1 FROM griphub.positions AS p WHERE p.channel_id = c.id AND p.seq > (
      WITH RECURSIVE search (low, step) AS (
        SELECT 0::bigint, 1::bigint << 52
        UNION ALL
        SELECT low + CASE WHEN (
            SELECT e.stored FROM griphub.positions AS p JOIN griphub.events AS e ON e.id = p.event_id
            WHERE p.channel_id = c.id AND p.seq >= low + step ORDER BY p.seq LIMIT 1) < $3::bigint
          THEN step ELSE 0 END, step / 2
        FROM search WHERE step > 0
      ) SELECT max(low) FROM search)
    LIMIT $4) AS counted) ELSE 0 END
FROM griphub.channels AS c LEFT JOIN griphub.events AS n ON n.id = (
  SELECT p.event_id FROM griphub.positions AS p WHERE p.channel_id = c.id ORDER BY p.seq DESC LIMIT 1)
WHERE c.name > $2 AND ($1::text = '' OR strpos(c.name, $1) > 0) AND ($6::text = '' OR c.name = $6)
ORDER BY c.name LIMIT $5

-- name: refusals
SELECT id, source, reason, payload, time FROM griphub.refusals WHERE id < $1 ORDER BY id DESC LIMIT $2

-- name: device
d.type, d.id, d.status, d.overdue, d.last_seen, d.firmware, d.battery, d.temperature, d.humidity, d.latitude, d.longitude,
  d.data_time, d.status_time, d.active, d.code, d.key, d.name, d.owner, d.product_type, d.groups, d.attributes,
  d.created, d.updated, d.data

-- name: devices
SELECT {device} FROM unnest($1::text[], $2::text[]) AS asked (type, id)
  JOIN griphub.devices AS d ON d.type = asked.type AND d.id = asked.id

-- name: devices with codes
SELECT {device} FROM griphub.devices AS d WHERE d.code = ANY ($1::text[]) AND d.code <> ''

-- name: devices with keys
SELECT {device} FROM griphub.devices AS d WHERE d.key = ANY ($1::text[]) AND d.key <> ''

-- name: list devices
SELECT {device} FROM griphub.devices AS d

-- name: after device
(d.type, d.id) > (@after_type, @after_id)

-- name: after device of type
d.id > @after_id

-- name: by device
ORDER BY d.type, d.id LIMIT @limit

-- name: list devices of group
SELECT {device} FROM griphub.device_groups AS g JOIN griphub.devices AS d ON d.type = g.type AND d.id = g.id

-- name: after device of group
g.group_id = @group AND (g.type, g.id) > (@after_type, @after_id)

-- name: by device of group
ORDER BY g.type, g.id LIMIT @limit

-- name: device type
d.type = @type

-- name: device status
d.status = @status

-- name: device owner
d.owner = @owner AND d.owner <> ''

-- name: device active
d.active

-- name: device inactive
NOT d.active

-- name: device text
strpos(d.search, @text) > 0

-- name: silent devices
-- In the order of the table, which is read from the start: no index is kept up to date with each message for this.
SELECT type, id FROM griphub.devices
WHERE (type, id) > ($1, $2) AND status <> 'offline' AND last_seen < $3 AND active
ORDER BY type, id LIMIT $4

-- name: counted
-- Channels that have events.
SELECT id, name, head, floor, oldest FROM griphub.channels WHERE head > floor

-- name: newest kept
-- Of the channels $1, those that have more than the newest $2 events, and the number that is followed by these.
SELECT asked.id, p.seq
FROM unnest($1::bigint[], $2::bigint[]) AS asked (id, count), LATERAL (
  SELECT seq FROM griphub.positions WHERE channel_id = asked.id ORDER BY seq DESC LIMIT 1 OFFSET asked.count) AS p

-- name: trim alone
-- Two that trim at the same time would each leave to the other what is on channels of both.
SELECT pg_advisory_xact_lock(hashtextextended('griphub trim', 0))

-- name: lock channels
-- In order, as everybody's is.
SELECT id, head, floor FROM griphub.channels WHERE id = ANY ($1::bigint[]) ORDER BY name FOR NO KEY UPDATE

-- name: oldest
-- The entries above the floors $2 of the channels $1. (What was just deleted below them slows a search down.)
SELECT asked.id, p.seq, p.event_id, coalesce(e.positions, ''), coalesce(e.stored, 0)
FROM unnest($1::bigint[], $2::bigint[]) AS asked (id, floor), LATERAL (
  SELECT * FROM griphub.positions WHERE channel_id = asked.id AND seq > asked.floor ORDER BY seq LIMIT $3) AS p
  LEFT JOIN griphub.events AS e ON e.id = p.event_id
ORDER BY asked.id, p.seq

-- name: set floors
UPDATE griphub.channels AS c SET floor = f.floor, oldest = f.oldest
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS f (id, floor, oldest)
WHERE c.id = f.id

-- name: delete positions
DELETE FROM griphub.positions AS p USING unnest($1::bigint[], $2::bigint[]) AS gone (id, seq)
WHERE p.channel_id = gone.id AND p.seq = gone.seq

-- name: floors
SELECT name, floor FROM griphub.channels WHERE name = ANY ($1::text[])

-- name: delete events
DELETE FROM griphub.events WHERE id = ANY ($1::bigint[])

-- name: delete keys
DELETE FROM griphub.keys WHERE key IN (SELECT key FROM griphub.keys WHERE stored < $1 ORDER BY stored LIMIT $2)

-- name: delete refusals
DELETE FROM griphub.refusals WHERE id IN (
  SELECT id FROM griphub.refusals
  WHERE time < $1 OR id <= (SELECT id FROM griphub.refusals ORDER BY id DESC LIMIT 1 OFFSET $2)
  ORDER BY id LIMIT $3)

-- name: delete expired undelivered
DELETE FROM griphub.undelivered WHERE id IN (
  SELECT id FROM griphub.undelivered
  WHERE time < $1 OR id <= (SELECT id FROM griphub.undelivered ORDER BY id DESC LIMIT 1 OFFSET $2)
  ORDER BY id LIMIT $3)

-- name: lead
SELECT pg_try_advisory_lock(hashtextextended('griphub lead ' || $1, 0))

-- name: lead watched
-- The server notices within seconds that the leader's machine is gone.
SELECT set_config('tcp_keepalives_idle', '4', false), set_config('tcp_keepalives_interval', '2', false),
  set_config('tcp_keepalives_count', '3', false)
