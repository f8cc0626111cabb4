-- The statements of SQLite. Each follows a line "-- name: …" and stands for the one of that name in Go. A
-- part in braces is another one's text. Those with VALUES (?, …) may also be run with several rows (bulk). A limit that is a
-- parameter has a plus: without one SQLite prepares the statement anew each time, to plan for that limit.

-- name: begin
BEGIN IMMEDIATE

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: last event
SELECT event, (SELECT coalesce(max(base), 0) FROM jumps) FROM log

-- name: set last event
UPDATE log SET event = ?1

-- name: jump
INSERT INTO jumps (base, time) VALUES (?1, ?2)

-- name: find key
SELECT event_id, positions FROM keys WHERE key = ?1

-- name: add key
INSERT INTO keys (key, event_id, positions, stored) VALUES (?1, ?2, ?3, ?4)

-- name: add channel
INSERT INTO channels (name, head) VALUES (?1, 0) RETURNING id

-- name: move counters
UPDATE channels SET head = moved.column2, latest = moved.column3, oldest = coalesce(oldest, moved.column4)
FROM (VALUES (?, ?, ?, ?)) AS moved WHERE id = moved.column1

-- name: add events
INSERT INTO events (id, positions, type, data, raw, private, scope, user_id, skip_users, device_type, device_id,
  key, shown, replay_of, replay, time, stored)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: count replay
-- No row where the event was trimmed.
UPDATE events SET replays = replays + 1 WHERE id = ?1 RETURNING replays

-- name: add recent positions
INSERT INTO positions_recent (channel_id, seq, event_id, latest) VALUES (?, ?, ?, ?)

-- name: add settled positions
INSERT INTO positions_settled (channel_id, seq, event_id, latest) VALUES (?, ?, ?, ?)

-- name: settle positions
INSERT INTO positions_settled (channel_id, seq, event_id, latest)
SELECT channel_id, seq, event_id, latest FROM positions_recent WHERE channel_id = ?1 ORDER BY seq

-- name: delete recent positions
DELETE FROM positions_recent WHERE channel_id = ?1 AND seq <= ?2

-- name: add refusal
INSERT INTO refusals (source, reason, payload, time) VALUES (?1, ?2, ?3, ?4)

-- name: device change
overdue = ?4, last_seen = ?5, firmware = ?6, battery = ?7,
  temperature = coalesce(?8, temperature), humidity = coalesce(?9, humidity),
  latitude = coalesce(?10, latitude), longitude = coalesce(?11, longitude),
  data_time = ?12, status_time = ?13, data = ?14, updated = ?15

-- name: update device
-- Where the status stays as it is, which spares the index by status: a third of the work.
UPDATE devices SET {device change} WHERE type = ?1 AND id = ?2 AND status = ?3

-- name: update device and status
UPDATE devices SET status = ?3, {device change} WHERE type = ?1 AND id = ?2

-- name: register device
INSERT INTO devices (type, id, status, overdue, last_seen, firmware, battery, temperature, humidity, latitude, longitude,
  data_time, status_time, data, created, updated, search)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15, ?16)

-- name: put record
INSERT INTO devices AS d (type, id, active, code, key, name, owner, product_type, groups, search, attributes, latitude,
  longitude, created, updated)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14)
ON CONFLICT (type, id) DO UPDATE SET active = ?3, code = ?4, key = ?5, name = ?6, owner = ?7, product_type = ?8, groups = ?9,
  search = ?10, attributes = ?11, latitude = coalesce(?12, d.latitude), longitude = coalesce(?13, d.longitude), updated = ?14

-- name: release codes
UPDATE devices SET code = '', key = '' WHERE type = ?1 AND id = ?2

-- name: remove device
DELETE FROM devices WHERE type = ?1 AND id = ?2

-- name: leave group
DELETE FROM device_groups WHERE group_id = ?1 AND type = ?2 AND id = ?3

-- name: join group
INSERT INTO device_groups (group_id, type, id) VALUES (?1, ?2, ?3)

-- name: put mark
INSERT INTO marks (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2

-- name: add activity
-- Not of an event that was trimmed.
INSERT INTO activities (event_id, kind, who, time) SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM events WHERE id = ?1)

-- name: put bookmark
INSERT INTO bookmarks (name, cursor, time) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET cursor = ?2, time = ?3

-- name: add undelivered
INSERT INTO undelivered (subscriber, event_id, message, body, reason, time, requeued) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: change undelivered
UPDATE undelivered SET reason = ?2, requeued = ?3 WHERE id = ?1

-- name: delete undelivered
DELETE FROM undelivered WHERE id = ?1

-- name: activities
SELECT kind, who, time FROM (SELECT * FROM activities WHERE event_id = ?1 ORDER BY id DESC LIMIT +?2) ORDER BY id

-- name: bookmark
SELECT cursor FROM bookmarks WHERE name = ?1

-- name: undelivered
-- ?1 is the subscriber, '' for all; ?3 leaves out what is not requeued.
SELECT id, subscriber, event_id, message, body, reason, time, requeued FROM undelivered
WHERE (?1 = '' OR subscriber = ?1) AND id < ?2 AND (requeued OR NOT ?3) ORDER BY id DESC LIMIT +?4

-- name: mark
SELECT value FROM marks WHERE name = ?1

-- name: event
SELECT id, positions, type, data, raw, private, scope, user_id, skip_users, device_type, device_id, key,
  shown, replay_of, replay, time
FROM events WHERE id = ?1

-- name: heads
-- ?1 is a JSON array of names. Rows come in its order.
SELECT coalesce(c.id, 0), coalesce(c.head, 0), coalesce(c.floor, 0), coalesce(c.latest, 0), (SELECT coalesce(max(base), 0) FROM jumps)
FROM json_each(?1) AS asked LEFT JOIN channels AS c ON c.name = asked.value
ORDER BY asked.key

-- name: jumps
SELECT base FROM jumps

-- name: is position
SELECT count(*) FROM positions WHERE channel_id = ?1 AND seq = ?2

-- name: page
SELECT p.seq, e.id, e.positions, e.type, e.data, e.raw, e.private, e.scope, e.user_id, e.skip_users, e.device_type,
  e.device_id, e.key, e.shown, e.replay_of, e.replay, e.time
FROM positions AS p JOIN events AS e ON e.id = p.event_id
WHERE p.channel_id = ?1 AND p.seq > ?2
ORDER BY p.seq LIMIT +?3

-- name: latest
SELECT p.seq, e.id, e.positions, e.type, e.data, e.raw, e.private, e.scope, e.user_id, e.skip_users, e.device_type,
  e.device_id, e.key, e.shown, e.replay_of, e.replay, e.time
FROM positions AS p JOIN events AS e ON e.id = p.event_id
WHERE p.channel_id = ?1
ORDER BY p.seq DESC LIMIT +?2

-- name: before time
-- A number of the channel ?1 at and below which every event's time is before ?2: positions.latest finds the highest such
-- number, bit by bit.
WITH RECURSIVE search (low, step) AS (
  SELECT 0, 1 << 52
  UNION ALL
  SELECT low + CASE WHEN (
      SELECT latest FROM (
        SELECT latest, seq FROM positions WHERE channel_id = ?1 AND seq >= low + step ORDER BY seq LIMIT 1)) < ?2
    THEN step ELSE 0 END, step / 2
  FROM search WHERE step > 0
)
SELECT max(low) FROM search

-- name: from time
-- The first event of the channel ?1 behind the number ?2 whose time is ?3 or later; no row where there is no such event. An
-- event that was trimmed may have been later than all that are left, so the times themselves have the last word.
SELECT p.seq FROM positions AS p JOIN events AS e ON e.id = p.event_id
WHERE p.channel_id = ?1 AND p.seq > ?2 AND e.time >= ?3
ORDER BY p.seq LIMIT 1

-- name: entries
-- Everything in the order of the ids. In what follows, ENTRIES stands for this or for "entries of channel", and PLACE for
-- the number in it.
events AS e WHERE true

-- name: entries of channel
positions AS p JOIN events AS e ON e.id = p.event_id WHERE p.channel_id = @channel

-- name: channel id
SELECT id FROM channels WHERE name = @name

-- name: stored before
-- The last of the entries that were stored before the moment: the highest number that is not behind it, bit by bit.
WITH RECURSIVE search (low, step) AS (
  SELECT 0, 1 << 52
  UNION ALL
  SELECT low + CASE WHEN (
      SELECT stored FROM (SELECT e.stored, PLACE FROM ENTRIES AND PLACE >= low + step ORDER BY PLACE LIMIT 1)) < @moment
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
ORDER BY PLACE DESC LIMIT +@limit

-- name: list channels
-- ?3 is from when on events are counted, ?4 how many at most. The search is that of "stored before". page is made first, so that
-- each channel is searched once.
WITH page AS MATERIALIZED (
  SELECT c.id, c.name, c.head, c.oldest, n.stored, CASE WHEN n.stored >= ?3 THEN (
    WITH RECURSIVE search (low, step) AS (
      SELECT 0, 1 << 52
      UNION ALL
      SELECT low + CASE WHEN (
          SELECT stored FROM events WHERE id = (SELECT event_id FROM (
            SELECT p.event_id, p.seq FROM positions AS p WHERE p.channel_id = c.id AND p.seq >= low + step ORDER BY p.seq LIMIT 1))) < ?3
        THEN step ELSE 0 END, step / 2
      FROM search WHERE step > 0
    ) SELECT max(low) FROM search) END AS older
  FROM channels AS c LEFT JOIN events AS n ON n.id = (
    SELECT event_id FROM (SELECT p.event_id, p.seq FROM positions AS p WHERE p.channel_id = c.id ORDER BY p.seq DESC LIMIT 1))
  WHERE c.name > ?2 AND (?1 = '' OR instr(c.name, ?1) > 0) AND (?6 = '' OR c.name = ?6)
  ORDER BY c.name LIMIT +?5)
SELECT name, head, oldest, stored, (
  SELECT count(*) FROM (SELECT 1 FROM positions AS p WHERE p.channel_id = page.id AND p.seq > page.older LIMIT +?4))
FROM page ORDER BY name

-- name: refusals
SELECT id, source, reason, payload, time FROM refusals WHERE id < ?1 ORDER BY id DESC LIMIT +?2

-- name: device
d.type, d.id, d.status, d.overdue, d.last_seen, d.firmware, d.battery, d.temperature, d.humidity, d.latitude, d.longitude,
  d.data_time, d.status_time, d.active, d.code, d.key, d.name, d.owner, d.product_type, d.groups, d.attributes,
  d.created, d.updated, d.data

-- name: devices
-- ?1 is a JSON array of pairs [type, id].
SELECT {device} FROM json_each(?1) AS asked JOIN devices AS d ON d.type = asked.value ->> 0 AND d.id = asked.value ->> 1

-- name: devices with codes
-- ?1 is a JSON array of codes.
SELECT {device} FROM json_each(?1) AS asked JOIN devices AS d ON d.code = asked.value AND d.code <> ''

-- name: devices with keys
SELECT {device} FROM json_each(?1) AS asked JOIN devices AS d ON d.key = asked.value AND d.key <> ''

-- name: list devices
SELECT {device} FROM devices AS d

-- name: after device
(d.type, d.id) > (@after_type, @after_id)

-- name: after device of type
d.id > @after_id

-- name: by device
ORDER BY d.type, d.id LIMIT +@limit

-- name: list devices of group
SELECT {device} FROM device_groups AS g JOIN devices AS d ON d.type = g.type AND d.id = g.id

-- name: after device of group
g.group_id = @group AND (g.type, g.id) > (@after_type, @after_id)

-- name: by device of group
ORDER BY g.type, g.id LIMIT +@limit

-- name: device type
d.type = @type

-- name: device status
d.status = @status

-- name: device owner
d.owner = @owner AND d.owner <> ''

-- name: device active
d.active <> 0

-- name: device inactive
d.active = 0

-- name: device text
instr(d.search, @text) > 0

-- name: silent devices
-- In the order of the table, which is read from the start: no index is kept up to date with each message for this.
SELECT type, id FROM devices
WHERE (type, id) > (?1, ?2) AND status <> 'offline' AND last_seen < ?3 AND active <> 0
ORDER BY type, id LIMIT +?4

-- name: counted
-- Channels that have events.
SELECT id, name, head, floor, oldest FROM channels WHERE head > floor

-- name: newest kept
-- The number that is followed by the ?2 newest events of the channel; no row where there are not more than those.
SELECT seq FROM positions WHERE channel_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2

-- name: has expired keys
SELECT count(*) FROM (SELECT 1 FROM keys WHERE stored < ?1 LIMIT 1)

-- name: has expired refusals
-- Older than ?1, or more than the newest ?2.
SELECT count(*) FROM (
  SELECT 1 FROM refusals WHERE time < ?1 OR id <= (SELECT id FROM refusals ORDER BY id DESC LIMIT 1 OFFSET ?2) LIMIT 1)

-- name: has expired undelivered
-- Older than ?1, or more than the newest ?2.
SELECT count(*) FROM (
  SELECT 1 FROM undelivered WHERE time < ?1 OR id <= (SELECT id FROM undelivered ORDER BY id DESC LIMIT 1 OFFSET ?2)
  LIMIT 1)

-- name: oldest settled
SELECT p.seq, p.event_id, coalesce(e.positions, ''), coalesce(e.stored, 0)
FROM positions_settled AS p LEFT JOIN events AS e ON e.id = p.event_id
WHERE p.channel_id = ?1 AND p.seq > ?2
ORDER BY p.seq LIMIT +?3

-- name: oldest recent
SELECT p.seq, p.event_id, coalesce(e.positions, ''), coalesce(e.stored, 0)
FROM positions_recent AS p LEFT JOIN events AS e ON e.id = p.event_id
WHERE p.channel_id = ?1 AND p.seq > ?2
ORDER BY p.seq LIMIT +?3

-- name: floor
SELECT floor FROM channels WHERE name = ?1

-- name: set floors
UPDATE channels SET floor = moved.column2, oldest = moved.column3 FROM (VALUES (?, ?, ?)) AS moved WHERE id = moved.column1

-- name: delete settled positions
DELETE FROM positions_settled WHERE channel_id = ?1 AND seq <= ?2

-- name: delete events
-- ?1 is a JSON array of ids.
DELETE FROM events WHERE id IN (SELECT value FROM json_each(?1))

-- name: delete keys
DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE stored < ?1 ORDER BY stored LIMIT +?2)

-- name: delete refusals
DELETE FROM refusals WHERE id IN (
  SELECT id FROM refusals
  WHERE time < ?1 OR id <= (SELECT id FROM refusals ORDER BY id DESC LIMIT 1 OFFSET ?2)
  ORDER BY id LIMIT +?3)

-- name: delete expired undelivered
DELETE FROM undelivered WHERE id IN (
  SELECT id FROM undelivered
  WHERE time < ?1 OR id <= (SELECT id FROM undelivered ORDER BY id DESC LIMIT 1 OFFSET ?2)
  ORDER BY id LIMIT +?3)
